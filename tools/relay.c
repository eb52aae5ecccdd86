/* lbctl-relay: has every change of every board published through GRIP proxies, until it is told to
 * end. `lbctl relay` runs it. A program of its own, so that lbctl starts without curl. */
#include <leaderboard-push.h>
#include <leaderboard.h>

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { DONE = 0, FAILED = 1, USAGE = 2 };

/* What is left to send when it ends has so long. */
enum { DRAIN_MS = 10000 };

struct relay {
    lb_options client_options;
    lb_push_options push_options;
    lb_relay_options relay_options;
    lb_client *client;
    lb_push *push;
    lb_relay *relay;
    bool stopping, stopped;
    int status;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int signal)
{
    (void)signal;
    interrupted++;
}

/* ---- Saying --------------------------------------------------------------------------------- */

static void complain(const char *text)
{
    char line[1024];

    (void)snprintf(line, sizeof line, "%s", text);
    for (char *c = line; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    }
    fprintf(stderr, "lbctl-relay: %s\n", line);
}

static void on_notice(const lb_notice *notice, void *user)
{
    (void)user;
    complain(notice->message);
}

static void print_help(void)
{
    printf("usage: lbctl-relay [--database URL] [--grip-url URL] [--prefix TEXT]\n"
           "                   [--interval MS] [--limit N]\n"
           "\n"
           "Publishes the first rows of every board that changes through GRIP proxies, to\n"
           "whoever listens there, until it is interrupted. Any number may run with one\n"
           "database: one of them is active, the others stand by.\n"
           "\n"
           "  --database URL  the database. Default: DATABASE_URL from the environment, if\n"
           "                  that is unset or empty sqlite:leaderboard.db\n"
           "  --grip-url URL  where the proxies take publications, with iss=... and key=...,\n"
           "                  several separated by spaces. Default, and better, since other users\n"
           "                  of the machine cannot see its key there: GRIP_URL\n"
           "  --prefix TEXT   of the channels, before the board. Default: GRIP_PREFIX\n"
           "  --interval MS   at least so long between two states of a board. Default 100\n"
           "  --limit N       how many rows, 1 to 1000. Default 5\n"
           "\n"
           "SIGTERM and SIGINT: sends what is left, within ten seconds, and ends; another relay\n"
           "takes over. A proxy that cannot be reached does not keep those that can waiting.\n"
           "Status 0: all was sent; 1: it was not, or something failed; 2: wrong usage.\n");
}

/* ---- The command line ----------------------------------------------------------------------- */

static const char *from_environment(const char *name)
{
    const char *value = getenv(name);

    return value && *value ? value : NULL;
}

static bool read_number(const char *text, const char *option, int64_t max, uint32_t *ret)
{
    char line[160];
    int64_t value;

    if (lb_score_parse(text, &value, NULL) == 0 && value >= 1 && value <= max) {
        *ret = (uint32_t)value;
        return true;
    }
    (void)snprintf(line, sizeof line, "--%s takes a whole number from 1 to %lld, not '%.40s'",
                   option, (long long)max, text);
    complain(line);
    return false;
}

static const struct option options[] = {
    {"database", required_argument, NULL, 'd'}, {"grip-url", required_argument, NULL, 'g'},
    {"prefix", required_argument, NULL, 'p'},   {"interval", required_argument, NULL, 'i'},
    {"limit", required_argument, NULL, 'l'},    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'v'},        {NULL, 0, NULL, 0},
};

static int take_option(struct relay *r, int option)
{
    switch (option) {
    case 'd':
        r->client_options.database = optarg;
        return DONE;
    case 'g':
        r->push_options.grip_url = optarg;
        return DONE;
    case 'p':
        r->relay_options.prefix = optarg;
        return DONE;
    case 'i':
        return read_number(optarg, "interval", 3600000, &r->relay_options.min_interval_ms) ? DONE
                                                                                           : USAGE;
    case 'l':
        return read_number(optarg, "limit", LB_LIMIT_MAX, &r->relay_options.limit) ? DONE : USAGE;
    default:
        return USAGE;
    }
}

static int parse(struct relay *r, int argc, char **argv)
{
    int option;

    r->client_options.database = from_environment("DATABASE_URL");
    r->push_options.grip_url = from_environment("GRIP_URL");
    r->relay_options.prefix = from_environment("GRIP_PREFIX");
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'h')
            print_help();
        else if (option == 'v')
            printf("lbctl-relay %s\n", lb_version());
        else if (take_option(r, option) == DONE)
            continue;
        else
            return USAGE;
        exit(fflush(stdout) == 0 ? DONE : FAILED);
    }
    if (optind < argc) {
        complain("it takes no arguments but options; see: lbctl-relay --help");
        return USAGE;
    }
    if (!r->push_options.grip_url) {
        complain("no proxy is named: give --grip-url, or set GRIP_URL, such as "
                 "http://localhost:5561/?key=changeme");
        return USAGE;
    }
    return DONE;
}

/* ---- Running -------------------------------------------------------------------------------- */

static uint64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void on_stopped(int code, void *user)
{
    struct relay *r = user;

    r->stopped = true;
    if (code == LB_E_QUERY)
        complain("a proxy has refused what it was sent last: some changes were not published");
    else if (code < 0)
        complain("a proxy could not be reached in time: some changes were not published");
    if (code < 0)
        r->status = FAILED;
}

/* Signals come only here. */
static void wait_for_work(const struct relay *r, const sigset_t *mask)
{
    struct pollfd fds[] = {{.fd = lb_client_fd(r->client), .events = POLLIN},
                           {.fd = lb_push_fd(r->push), .events = POLLIN}};
    uint64_t client_due = 0, push_due = 0, due, now;
    struct timespec left = {0};

    (void)lb_client_deadline(r->client, &client_due);
    (void)lb_push_deadline(r->push, &push_due);
    due = client_due < push_due ? client_due : push_due;
    now = now_us();
    if (due > now) {
        left.tv_sec = (time_t)((due - now) / 1000000);
        left.tv_nsec = (long)((due - now) % 1000000 * 1000);
    }
    (void)ppoll(fds, 2, due == LB_NEVER ? NULL : &left, mask);
}

static void run(struct relay *r)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigset_t blocked, mask;

    sigemptyset(&blocked);
    sigaddset(&blocked, SIGINT);
    sigaddset(&blocked, SIGTERM);
    sigprocmask(SIG_BLOCK, &blocked, &mask);
    sigdelset(&mask, SIGINT);
    sigdelset(&mask, SIGTERM);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    while (!r->stopped) {
        if (interrupted && !r->stopping) {
            r->stopping = true;
            (void)lb_relay_stop(r->relay, DRAIN_MS, on_stopped, r);
        } else if (interrupted > 1) { /* somebody is in a hurry */
            r->status = FAILED;
            return;
        }
        if (lb_client_process(r->client) + lb_push_process(r->push) == 0)
            wait_for_work(r, &mask);
        else
            (void)ppoll(NULL, 0, &(struct timespec){0}, &mask);
    }
}

static int start(struct relay *r)
{
    lb_error error = {.msg = ""};
    int code = lb_push_new(&r->push_options, &r->push, &error);

    if (code == 0)
        code = lb_client_new(&r->client_options, &r->client, &error);
    if (code == 0)
        code = lb_relay_new(r->client, r->push, &r->relay_options, &r->relay, &error);
    if (code == 0)
        return DONE;
    complain(error.msg);
    return code == LB_E_INVAL || code == LB_E_UNSUPPORTED ? USAGE : FAILED;
}

int main(int argc, char **argv)
{
    struct relay r = {.status = DONE};

    signal(SIGPIPE, SIG_IGN);
    lb_options_init(&r.client_options);
    lb_push_options_init(&r.push_options);
    lb_relay_options_init(&r.relay_options);
    r.client_options.notice = r.push_options.notice = on_notice;
    r.status = parse(&r, argc, argv);
    if (r.status == DONE)
        r.status = start(&r);
    if (r.status == DONE)
        run(&r);
    lb_relay_free(r.relay);
    lb_push_free(r.push);
    lb_client_free(r.client);
    return r.status;
}
