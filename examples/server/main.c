#include "server.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define CONNECTIONS_DEFAULT 10000
/* Descriptors for the rest: the database's files, the daemon's own. */
#define DESCRIPTORS_KEPT 64

static bool client_start(struct server *server)
{
    lb_options options;
    lb_error error;

    lb_options_init(&options);
    options.database = server->options.database;
    options.change_log = server->options.change_log;
    options.notice = complain_of;
    if (lb_client_new(&options, &server->client, &error) < 0) {
        complain("%s", error.msg);
        return false;
    }
    return true;
}

static bool http_start(struct server *server)
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
    options.grip_timeout_ms = server->options.grip_timeout_s * 1000;
    if (lb_http_new(server->client, &options, &server->http, &error) < 0) {
        complain("%s", error.msg);
        return false;
    }
    return true;
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
    room = limit.rlim_max > DESCRIPTORS_KEPT + 1 ? limit.rlim_max - DESCRIPTORS_KEPT : 1;
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
static bool start(struct server *server)
{
    uint32_t port;
    int fd;

    if (!connections_allow(&server->options))
        return false;
    fd = listen_on(&server->options, &port);
    if (fd < 0)
        return false;
    if (!descriptors_open(server) || !client_start(server) ||
        (server->options.seed && !seed_board(server->client)) || !http_start(server) ||
        (server->options.relay && !relay_start(server)) || !daemon_start(server, fd)) {
        close(fd);
        return false;
    }
    complain("listening on http://%s%s%s:%u/", strchr(server->options.address, ':') ? "[" : "",
             server->options.address, strchr(server->options.address, ':') ? "]" : "", port);
    return true;
}

static void end(struct server *server)
{
    if (server->daemon)
        MHD_stop_daemon(server->daemon);
    lb_http_free(server->http);
    relay_end(server->relay);
    lb_client_free(server->client);
    close(server->signal_fd);
    close(server->gone_fd);
}

int main(int argc, char **argv)
{
    static char buffer[1 << 16];
    struct server server = {.signal_fd = -1, .gone_fd = -1};
    bool ok;

    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    if (!options_read(&server.options, argc, argv))
        return 2;
    if (server.options.help || server.options.version) {
        if (server.options.help)
            options_help();
        else
            printf("leaderboard-server %s\n", lb_version());
        return fflush(stdout) == 0 ? 0 : 1;
    }
    ok = start(&server);
    if (ok)
        loop_run(&server);
    end(&server);
    log_flush();
    return ok ? 0 : 1;
}
