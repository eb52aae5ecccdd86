/* /healthz and /metrics: for whoever keeps the server running. */
#include "server.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define TEXT "text/plain; charset=utf-8"
#define HEALTH_MS 2000

/* ---- /healthz: does the database answer? ---------------------------------------------------- */

struct probe {
    struct request *request; /* NULL: it has ended */
};

void probe_end(struct probe *probe)
{
    if (probe)
        probe->request = NULL;
}

static void on_answer(const lb_result *result, void *user)
{
    struct probe *probe = user;
    char text[300];

    if (probe->request && result->code >= 0) {
        request_reply_text(probe->request, 200, TEXT, "ok\n");
    } else if (probe->request) {
        (void)snprintf(text, sizeof text, "%s\n", result->message);
        request_reply_text(probe->request, 503, TEXT, text);
    }
    free(probe);
}

static int ignore(const lb_board *board, void *user)
{
    (void)board;
    (void)user;
    return 0;
}

static struct probe *ask(lb_client *client, struct request *request)
{
    struct probe *probe = malloc(sizeof *probe);
    lb_range range;

    if (!probe)
        return NULL;
    probe->request = request;
    lb_range_init(&range);
    range.limit = 1;
    range.timeout_ms = HEALTH_MS;
    if (lb_board_list_start(client, &range, ignore, on_answer, probe, NULL, NULL) < 0) {
        free(probe);
        return NULL;
    }
    return probe;
}

/* ---- /metrics: Prometheus text -------------------------------------------------------------- */

struct text {
    char bytes[8192];
    size_t size;
};

static void add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct text *text, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(text->bytes + text->size, sizeof text->bytes - text->size, format, args);
    va_end(args);
    if (n > 0 && (size_t)n < sizeof text->bytes - text->size)
        text->size += (size_t)n;
}

static void add_metric(struct text *text, const char *name, const char *type, const char *help,
                       double value)
{
    add(text, "# HELP %s %s\n# TYPE %s %s\n%s %.15g\n", name, help, name, type, name, value);
}

static void counter(struct text *text, const char *name, const char *help, uint64_t value)
{
    add_metric(text, name, "counter", help, (double)value);
}

static void gauge(struct text *text, const char *name, const char *help, uint64_t value)
{
    add_metric(text, name, "gauge", help, (double)value);
}

static void add_http(struct text *text, lb_http *http)
{
    lb_http_counters c;

    lb_http_counters_get(http, &c, sizeof c);
    counter(text, "leaderboard_http_requests_total", "Requests.", c.requests);
    add(text, "# HELP leaderboard_http_replies_total Replies by the class of their status.\n"
              "# TYPE leaderboard_http_replies_total counter\n");
    for (unsigned i = 1; i < sizeof c.replies / sizeof c.replies[0]; i++)
        add(text, "leaderboard_http_replies_total{status=\"%uxx\"} %" PRIu64 "\n", i, c.replies[i]);
    gauge(text, "leaderboard_http_requests_pending", "Requests without a reply.", c.calls_now);
    counter(text, "leaderboard_streams_total", "Event streams opened.", c.streams);
    gauge(text, "leaderboard_streams", "Event streams open.", c.streams_now);
    gauge(text, "leaderboard_boards_followed", "Boards that streams follow.", c.followers_now);
    counter(text, "leaderboard_events_total", "Events put into streams.", c.events);
    counter(text, "leaderboard_events_skipped_total",
            "Events that a newer one replaced before a slow client took them.", c.skipped);
}

static void add_store(struct text *text, lb_client *client)
{
    lb_counters c;

    lb_client_counters(client, &c, sizeof c);
    counter(text, "leaderboard_store_operations_total", "Operations completed.", c.operations);
    counter(text, "leaderboard_store_transactions_total", "Write transactions.", c.transactions);
    counter(text, "leaderboard_store_busy_total", "Times the database was locked.", c.busy);
    counter(text, "leaderboard_store_changes_total", "Changes read.", c.changes);
    counter(text, "leaderboard_store_gaps_total", "Times changes were missed.", c.gaps);
    counter(text, "leaderboard_store_retries_total", "Follower errors retried.", c.retries);
    counter(text, "leaderboard_store_bad_rows_total", "Rows with a score that is none.",
            c.bad_rows);
}

static uint64_t resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    uint64_t pages = 0;

    if (file) {
        if (fscanf(file, "%*u %" SCNu64, &pages) != 1)
            pages = 0;
        (void)fclose(file);
    }
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static void add_process(struct text *text, struct MHD_Daemon *daemon)
{
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
    struct rusage usage = {0};

    (void)getrusage(RUSAGE_SELF, &usage);
    gauge(text, "leaderboard_connections", "Connections open.", info ? info->num_connections : 0);
    add_metric(text, "process_cpu_seconds_total", "counter", "User and system time.",
               seconds(usage.ru_utime) + seconds(usage.ru_stime));
    gauge(text, "process_resident_memory_bytes", "Resident memory.", resident_bytes());
}

static void reply_metrics(struct server *server, struct request *request)
{
    struct text text = {.size = 0};

    add_http(&text, server->http);
    add_store(&text, server->client);
    add_process(&text, server->daemon);
    text.bytes[text.size] = '\0';
    request_reply_text(request, 200, "text/plain; version=0.0.4; charset=utf-8", text.bytes);
}

/* --------------------------------------------------------------------------------------------- */

static bool path_is(const char *target, const char *path)
{
    size_t n = strlen(path);

    return strncmp(target, path, n) == 0 && (target[n] == '\0' || target[n] == '?');
}

bool probe_request(struct server *server, struct request *request, const char *method,
                   const char *target, struct probe **ret)
{
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return false;
    if (path_is(target, "/metrics")) {
        reply_metrics(server, request);
        return true;
    }
    if (!path_is(target, "/healthz"))
        return false;
    *ret = ask(server->client, request);
    if (!*ret)
        request_reply_text(request, 503, TEXT, "out of memory\n");
    return true;
}
