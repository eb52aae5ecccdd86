/* --relay: a relay that shares the server's client and loop. */
#include "server.h"

#include <leaderboard-push.h>

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#define PROXY_SHOWN 200

struct relay {
    lb_push *push;
    lb_relay *relay;
    bool stopped;
};

bool relay_start(struct server *server)
{
    const struct options *options = &server->options;
    lb_push_options push_options;
    lb_relay_options relay_options;
    struct relay *relay;
    lb_error error;
    int r;

    server->relay = relay = calloc(1, sizeof *relay);
    if (!relay) {
        complain("out of memory");
        return false;
    }
    lb_push_options_init(&push_options);
    push_options.grip_url = options->grip_url;
    push_options.notice = complain_of;
    lb_relay_options_init(&relay_options);
    relay_options.prefix = options->grip_prefix;
    relay_options.limit = options->limit;
    r = lb_push_new(&push_options, &relay->push, &error);
    if (r == 0)
        r = lb_relay_new(server->client, relay->push, &relay_options, &relay->relay, &error);
    if (r < 0)
        complain("%s", error.msg);
    return r == 0;
}

void relay_end(struct relay *relay)
{
    if (!relay)
        return;
    lb_relay_free(relay->relay);
    lb_push_free(relay->push);
    free(relay);
}

int relay_fd(struct relay *relay)
{
    return lb_push_fd(relay->push);
}

uint64_t relay_deadline(struct relay *relay)
{
    uint64_t ret;

    lb_push_deadline(relay->push, &ret);
    return ret;
}

bool relay_work(struct relay *relay)
{
    return lb_push_process(relay->push) > 0;
}

static void on_stopped(int code, void *user)
{
    struct relay *relay = user;

    relay->stopped = true;
    if (code == LB_E_QUERY)
        complain("a proxy has refused what it was sent last");
    else if (code < 0)
        complain("the time to stop is over: some changes were not published");
}

void relay_stop(struct relay *relay, uint32_t timeout_ms)
{
    (void)lb_relay_stop(relay->relay, timeout_ms, on_stopped, relay);
}

bool relay_is_stopped(const struct relay *relay)
{
    return relay->stopped;
}

/* ---- Metrics -------------------------------------------------------------------------------- */

/* A path may have quotes and backslashes. */
static void add_label(struct metrics *metrics, const char *proxy)
{
    metrics_add(metrics, "{proxy=\"");
    for (int i = 0; proxy[i] && i < PROXY_SHOWN; i++)
        metrics_add(metrics, proxy[i] == '"' || proxy[i] == '\\' ? "\\%c" : "%c", proxy[i]);
    metrics_add(metrics, "\"}");
}

static void add_proxies(struct metrics *metrics, lb_push *push)
{
    static const struct {
        const char *name, *type, *help;
        size_t at;
    } all[] = {
        {"requests_total", "counter", "Requests to the proxy.",
         offsetof(lb_push_counters, requests)},
        {"published_total", "counter", "Publications that the proxy has taken.",
         offsetof(lb_push_counters, published)},
        {"hints_total", "counter", "Of these: hints.", offsetof(lb_push_counters, hints)},
        {"superseded_total", "counter", "Publications that a newer one replaced.",
         offsetof(lb_push_counters, superseded)},
        {"refused_total", "counter", "Publications that the proxy has refused.",
         offsetof(lb_push_counters, refused)},
        {"lost_total", "counter", "Publications that there was no room to keep.",
         offsetof(lb_push_counters, lost)},
        {"retries_total", "counter", "Requests that were repeated.",
         offsetof(lb_push_counters, retries)},
        {"overflows_total", "counter", "Times there was no room for every channel.",
         offsetof(lb_push_counters, overflows)},
        {"waiting", "gauge", "Publications that wait.", offsetof(lb_push_counters, waiting)},
    };

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        metrics_add(metrics, "# HELP leaderboard_push_%s %s\n# TYPE leaderboard_push_%s %s\n",
                    all[i].name, all[i].help, all[i].name, all[i].type);
        for (int proxy = 0; proxy < lb_push_proxies(push); proxy++) {
            lb_push_counters c;

            lb_push_counters_get(push, proxy, &c, sizeof c);
            metrics_add(metrics, "leaderboard_push_%s", all[i].name);
            add_label(metrics, c.proxy);
            metrics_add(metrics, " %" PRIu64 "\n",
                        *(const uint64_t *)(const void *)((const char *)&c + all[i].at));
        }
    }
}

void relay_add_metrics(struct relay *relay, struct metrics *metrics)
{
    lb_relay_counters c;

    lb_relay_counters_get(relay->relay, &c, sizeof c);
    metrics_gauge(metrics, "leaderboard_relay_active", "1: this relay is the active one.",
                  (uint64_t)c.active);
    metrics_gauge(metrics, "leaderboard_relay_boards", "Boards that the relay knows.", c.boards);
    metrics_counter(metrics, "leaderboard_relay_changes_total", "Changes heard of.", c.changes);
    metrics_counter(metrics, "leaderboard_relay_reads_total", "Tops read.", c.reads);
    metrics_counter(metrics, "leaderboard_relay_published_total", "States published.", c.published);
    metrics_counter(metrics, "leaderboard_relay_unchanged_total", "Tops that had not changed.",
                    c.unchanged);
    metrics_counter(metrics, "leaderboard_relay_resets_total",
                    "Times changes may have been missed.", c.resets);
    metrics_counter(metrics, "leaderboard_relay_activations_total",
                    "Times it became the active one.", c.activations);
    add_proxies(metrics, relay->push);
}
