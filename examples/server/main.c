#include "server.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { FAILED = 1, BAD_OPTIONS = 2 }; /* exit statuses */

#define CONNECTIONS_DEFAULT 10000
/* Of the connections, one in so many, but not more than so many, is no stream's. */
#define RESERVED_SHARE 10
#define RESERVED_MOST 50
/* Descriptors for the rest: the database's files, the daemon's own. */
#define DESCRIPTORS_KEPT 64

/* Says what is wrong, and returns the exit status. */
static int fail(const lb_error *error)
{
    complain("%s", error->msg);
    return error->code == LB_E_INVAL || error->code == LB_E_UNSUPPORTED ? BAD_OPTIONS : FAILED;
}

/* These return the exit status, too: 0 = it has started. */
static int clients_start(struct server *server)
{
    lb_options options;
    lb_error error;
    int r;

    lb_options_init(&options);
    options.database = server->options.database;
    options.change_log = server->options.change_log;
    options.notice = complain_of;
    r = lb_client_new(&options, &server->client, &error);
    options.notice = NULL; /* one that complains is enough */
    if (r >= 0)
        r = lb_client_new(&options, &server->prober, &error);
    return r < 0 ? fail(&error) : 0;
}

static int http_start(struct server *server)
{
    lb_http_options options;
    lb_error error;

    lb_http_options_init(&options);
    options.flags = (server->options.create ? LB_HTTP_CREATE : 0) |
                    (server->options.read_only ? LB_HTTP_READ_ONLY : 0) |
                    (server->options.proxy_required ? LB_HTTP_PROXY_REQUIRED : 0);
    options.write_key = server->options.write_key;
    options.cors_origins = server->options.cors;
    options.limit = server->options.limit;
    options.grip_url = server->options.grip_url;
    options.grip_prefix = server->options.grip_prefix;
    options.grip_verify_key = server->options.grip_verify_key;
    options.path_prefix = server->options.base_path;
    options.grip_timeout_ms = server->options.grip_timeout_s * 1000;
    options.max_streams = server->max_streams;
    options.failure = complain_of_failure;
    return lb_http_new(server->client, &options, &server->http, &error) < 0 ? fail(&error) : 0;
}

/* As many connections as were asked for, if there are descriptors for them. */
static bool connections_allow(struct options *options)
{
    struct rlimit limit;
    rlim_t room;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        limit.rlim_cur = limit.rlim_max = 1024;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    room = limit.rlim_max > DESCRIPTORS_KEPT + 2 ? limit.rlim_max - DESCRIPTORS_KEPT : 2;
    if (options->max_connections > room) {
        complain("--max-connections %u needs %u descriptors, and ulimit -Hn allows %llu",
                 options->max_connections, options->max_connections + DESCRIPTORS_KEPT,
                 (unsigned long long)limit.rlim_max);
        return false;
    }
    if (options->max_connections == 0)
        options->max_connections =
            room < CONNECTIONS_DEFAULT ? (uint32_t)room : CONNECTIONS_DEFAULT;
    return true;
}

/* What follows from the number of connections. */
static void shares_set(struct server *server, int listen_fd)
{
    struct options *options = &server->options;
    uint32_t share = options->max_connections / RESERVED_SHARE;
    uint32_t reserved = share < 1 ? 1 : share > RESERVED_MOST ? RESERVED_MOST : share;

    server->max_streams = options->max_connections - reserved;
    if (options->max_per_address == AUTOMATIC)
        options->max_per_address = listens_locally(listen_fd) ? 0 : share < 1 ? 1 : share;
}

static bool descriptors_open(struct server *server)
{
    sigset_t set;

    (void)signal(SIGPIPE, SIG_IGN);
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    server->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    server->gone_fd = epoll_create1(EPOLL_CLOEXEC);
    if (server->signal_fd < 0 || server->gone_fd < 0)
        complain("%s", strerror(errno));
    return server->signal_fd >= 0 && server->gone_fd >= 0;
}

/* The socket is made first: who finds the port taken should not have changed the database. */
static int start_on(struct server *server, int listen_fd)
{
    int status;

    shares_set(server, listen_fd);
    if (!descriptors_open(server))
        return FAILED;
    status = clients_start(server);
    if (status == 0)
        status = http_start(server);
    if (status != 0)
        return status;
    if ((server->options.seed && !seed_board(server->client)) ||
        (server->options.relay && !relay_start(server)) || !daemon_start(server, listen_fd))
        return FAILED;
    return 0;
}

static int start(struct server *server)
{
    const char *address = server->options.address;
    bool v6 = strchr(address, ':') != NULL;
    uint32_t port;
    int fd, status;

    if (!connections_allow(&server->options))
        return FAILED;
    fd = listen_on(&server->options, &port);
    if (fd < 0)
        return FAILED;
    status = start_on(server, fd);
    if (status != 0)
        close(fd);
    else
        complain("listening on http://%s%s%s:%u/", v6 ? "[" : "", address, v6 ? "]" : "", port);
    return status;
}

static void end(struct server *server)
{
    if (server->daemon)
        MHD_stop_daemon(server->daemon);
    lb_http_free(server->http);
    relay_end(server->relay);
    lb_client_free(server->client);
    lb_client_free(server->prober);
    complain_of_rest();
    close(server->signal_fd);
    close(server->gone_fd);
}

int main(int argc, char **argv)
{
    static char buffer[1 << 16];
    struct server server = {.signal_fd = -1, .gone_fd = -1};
    int status;

    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    if (!options_read(&server.options, argc, argv))
        return BAD_OPTIONS;
    if (server.options.help || server.options.version) {
        if (server.options.help)
            options_help();
        else
            printf("leaderboard-server %s\n", lb_version());
        return fflush(stdout) == 0 ? 0 : FAILED;
    }
    status = start(&server);
    if (status == 0)
        loop_run(&server);
    end(&server);
    log_flush();
    return status;
}
