/* /metrics: Prometheus text. */
#include "server.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

struct metrics {
    char bytes[65536];
    size_t size;
};

void metrics_add(struct metrics *metrics, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(metrics->bytes + metrics->size, sizeof metrics->bytes - metrics->size, format,
                  args);
    va_end(args);
    if (n > 0 && (size_t)n < sizeof metrics->bytes - metrics->size)
        metrics->size += (size_t)n;
}

static void add_metric(struct metrics *metrics, const char *name, const char *type,
                       const char *help, double value)
{
    metrics_add(metrics, "# HELP %s %s\n# TYPE %s %s\n%s %.15g\n", name, help, name, type, name,
                value);
}

void metrics_counter(struct metrics *metrics, const char *name, const char *help, uint64_t value)
{
    add_metric(metrics, name, "counter", help, (double)value);
}

void metrics_gauge(struct metrics *metrics, const char *name, const char *help, uint64_t value)
{
    add_metric(metrics, name, "gauge", help, (double)value);
}

static void add_http(struct metrics *metrics, lb_http *http)
{
    lb_http_counters c;

    lb_http_counters_get(http, &c, sizeof c);
    metrics_counter(metrics, "leaderboard_http_requests_total", "Requests.", c.requests);
    metrics_add(metrics,
                "# HELP leaderboard_http_replies_total Replies by the class of their status.\n"
                "# TYPE leaderboard_http_replies_total counter\n");
    for (unsigned i = 1; i < sizeof c.replies / sizeof c.replies[0]; i++)
        metrics_add(metrics, "leaderboard_http_replies_total{status=\"%uxx\"} %" PRIu64 "\n", i,
                    c.replies[i]);
    metrics_gauge(metrics, "leaderboard_http_requests_pending", "Requests without a reply.",
                  c.calls_now);
    metrics_counter(metrics, "leaderboard_streams_total", "Event streams opened.", c.streams);
    metrics_gauge(metrics, "leaderboard_streams", "Event streams open.", c.streams_now);
    metrics_gauge(metrics, "leaderboard_boards_followed", "Boards that streams follow.",
                  c.followers_now);
    metrics_counter(metrics, "leaderboard_events_total", "Events put into streams.", c.events);
    metrics_counter(metrics, "leaderboard_events_skipped_total",
                    "Events that a newer one replaced before a slow client took them.", c.skipped);
    metrics_counter(metrics, "leaderboard_holds_total", "Event streams left to a GRIP proxy.",
                    c.holds);
    metrics_counter(metrics, "leaderboard_hold_checks_total",
                    "Times a GRIP proxy asked what is new.", c.hold_checks);
    metrics_counter(metrics, "leaderboard_bad_signatures_total",
                    "Event streams with a wrong Grip-Sig.", c.bad_sigs);
}

static void add_store(struct metrics *metrics, lb_client *client)
{
    lb_counters c;

    lb_client_counters(client, &c, sizeof c);
    metrics_counter(metrics, "leaderboard_store_operations_total", "Operations completed.",
                    c.operations);
    metrics_counter(metrics, "leaderboard_store_transactions_total", "Write transactions.",
                    c.transactions);
    metrics_counter(metrics, "leaderboard_store_busy_total", "Times the database was locked.",
                    c.busy);
    metrics_counter(metrics, "leaderboard_store_changes_total", "Changes read.", c.changes);
    metrics_counter(metrics, "leaderboard_store_gaps_total", "Times changes were missed.", c.gaps);
    metrics_counter(metrics, "leaderboard_store_retries_total", "Follower errors retried.",
                    c.retries);
    metrics_counter(metrics, "leaderboard_store_bad_rows_total", "Rows with a score that is none.",
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

static void add_process(struct metrics *metrics, struct MHD_Daemon *daemon)
{
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
    struct rusage usage = {0};

    (void)getrusage(RUSAGE_SELF, &usage);
    metrics_gauge(metrics, "leaderboard_connections", "Connections open.",
                  info ? info->num_connections : 0);
    add_metric(metrics, "process_cpu_seconds_total", "counter", "User and system time.",
               seconds(usage.ru_utime) + seconds(usage.ru_stime));
    metrics_gauge(metrics, "process_resident_memory_bytes", "Resident memory.", resident_bytes());
}

void metrics_reply(struct server *server, struct request *request)
{
    struct metrics metrics = {.size = 0};

    add_http(&metrics, server->http);
    add_store(&metrics, server->client);
    if (server->relay)
        relay_add_metrics(server->relay, &metrics);
    add_process(&metrics, server->daemon);
    metrics.bytes[metrics.size] = '\0';
    request_reply_text(request, 200, "text/plain; version=0.0.4; charset=utf-8", metrics.bytes);
}
