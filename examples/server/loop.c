/* The loop: everything that can happen is a descriptor or a deadline of one poll(2). */
#include "server.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* The library may work for so long before the sockets have their turn. */
#define TURN_US 5000
/* How long a stop waits for replies to be made, then for what has changed to be published, and then
 * for the replies and the streams' ends to be sent. */
#define STOP_ANSWER_US 5000000
#define STOP_PUBLISH_MS 5000
#define STOP_SEND_US 2000000

static void work(struct server *server)
{
    uint64_t end = now_us() + TURN_US;
    int did;

    do {
        did = lb_client_process(server->client) > 0;
        did |= lb_client_process(server->prober) > 0;
        if (server->http)
            did |= lb_http_process(server->http) > 0;
        if (server->relay)
            did |= relay_work(server->relay);
    } while (did && now_us() < end);
}

static unsigned connections(struct server *server)
{
    return MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS)
        ->num_connections;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static int timeout_ms(struct server *server, uint64_t until)
{
    MHD_UNSIGNED_LONG_LONG daemon_ms;
    uint64_t next = until, deadline, now;

    lb_client_deadline(server->client, &deadline);
    next = earlier(next, deadline);
    lb_client_deadline(server->prober, &deadline);
    next = earlier(next, deadline);
    next = earlier(next, requests_deadline(server));
    if (server->http) {
        lb_http_deadline(server->http, &deadline);
        next = earlier(next, deadline);
    }
    if (server->relay)
        next = earlier(next, relay_deadline(server->relay));
    now = now_us();
    if (MHD_get_timeout(server->daemon, &daemon_ms) == MHD_YES &&
        daemon_ms < (next > now ? next - now : 0) / 1000)
        next = now + daemon_ms * 1000;
    if (next <= now)
        return 0;
    return next - now > 60000000 ? 60000 : (int)((next - now + 999) / 1000);
}

/* The second signal ends the process at once, as a signal does. */
static void on_signal(struct server *server)
{
    struct signalfd_siginfo info;
    sigset_t set;

    if (read(server->signal_fd, &info, sizeof info) != sizeof info)
        return;
    if (server->stopping) {
        log_flush();
        (void)signal((int)info.ssi_signo, SIG_DFL);
        (void)sigfillset(&set);
        (void)sigprocmask(SIG_UNBLOCK, &set, NULL);
        (void)raise((int)info.ssi_signo);
    }
    server->stopping = true;
}

/* Does what is due. */
static void act(struct server *server)
{
    unsigned before = connections(server);

    work(server);
    requests_check(server);
    MHD_run(server->daemon);
    /* A daemon that was full listens again only when it is run once more. */
    if (connections(server) < before)
        MHD_run(server->daemon);
}

/* Sleeps until there is something to do, but not beyond `until`. */
static void rest(struct server *server, uint64_t until)
{
    struct pollfd set[] = {
        {.fd = server->epoll_fd, .events = POLLIN},
        {.fd = server->gone_fd, .events = POLLIN},
        {.fd = server->signal_fd, .events = POLLIN},
        {.fd = lb_client_fd(server->client), .events = POLLIN},
        {.fd = lb_client_fd(server->prober), .events = POLLIN},
        {.fd = server->relay ? relay_fd(server->relay) : -1, .events = POLLIN},
    };
    int wait = timeout_ms(server, until);

    if (wait != 0)
        log_flush();
    (void)poll(set, sizeof set / sizeof set[0], wait);
    if (set[1].revents)
        requests_look_for_gone(server);
    if (set[2].revents)
        on_signal(server);
}

static bool is_answered(const struct server *server)
{
    return server->answering == 0;
}

static bool is_sent(const struct server *server)
{
    return server->answering + server->streaming == 0;
}

static bool is_published(const struct server *server)
{
    return !server->relay || relay_is_stopped(server->relay);
}

static void run_until(struct server *server, bool (*done)(const struct server *), uint64_t end)
{
    for (act(server); !done(server) && now_us() < end; act(server))
        rest(server, end);
}

/* Streams are no reason to wait: lb_http_free() ends them. */
static void stop(struct server *server)
{
    (void)close(MHD_quiesce_daemon(server->daemon));
    run_until(server, is_answered, now_us() + STOP_ANSWER_US);
    server->http = lb_http_free(server->http);
    if (server->relay)
        relay_stop(server->relay, STOP_PUBLISH_MS);
    run_until(server, is_published, LB_NEVER);
    run_until(server, is_sent, now_us() + STOP_SEND_US);
    requests_release(server);
}

void loop_run(struct server *server)
{
    while (!server->stopping) {
        act(server);
        rest(server, LB_NEVER);
    }
    stop(server);
}
