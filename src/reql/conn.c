/* A connection's life and its turns. */
#include "reql/conn.h"

#include "base/error.h"
#include "base/str.h"
#include "os/digest.h"
#include "reql/conn_internal.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_IN_FLIGHT = 1000, DEFAULT_PORT = 28015, HEADROOM = 1024 * 1024 };

/* Of one frame, as src/reql/conn_query.c has it, beside what may be before it. */
#define MAX_OUT ((size_t)65 * 1024 * 1024)

static uint32_t or_default(uint32_t value, uint32_t standard)
{
    return value ? value : standard;
}

static void set_defaults(lbi_reql_options *o)
{
    uint32_t patience = o->n_hosts > 1 ? 2000 : 5000;

    o->connect_ms = or_default(o->connect_ms, patience);
    o->handshake_ms = or_default(o->handshake_ms, patience);
    o->silence_ms = or_default(o->silence_ms, 30000);
    o->backoff_min_ms = or_default(o->backoff_min_ms, 100);
    o->backoff_max_ms = or_default(o->backoff_max_ms, 10000);
    o->max_in_flight = or_default(o->max_in_flight, 500);
    o->max_depth = or_default(o->max_depth, 128);
    if (o->max_answer == 0)
        o->max_answer = (size_t)32 * 1024 * 1024;
    if (o->max_queued == 0)
        o->max_queued = (size_t)64 * 1024 * 1024;
}

static int copy_hosts(lbi_reql_conn *conn, const lbi_reql_options *o, lb_error *reterr)
{
    conn->places = calloc(o->n_hosts, sizeof *conn->places);
    if (!conn->places)
        return lbi_fail_nomem(reterr);
    for (size_t i = 0; i < o->n_hosts; i++) {
        lbi_reql_place *place = &conn->places[i];

        if (!o->hosts[i].name[0] || strlen(o->hosts[i].name) >= sizeof place->name)
            return lbi_fail(reterr, LB_E_INVAL, "a host name has 1 to %zu bytes",
                            sizeof place->name - 1);
        lbi_copy(place->name, sizeof place->name, o->hosts[i].name);
        place->port = o->hosts[i].port ? o->hosts[i].port : DEFAULT_PORT;
    }
    return 0;
}

static int copy_options(lbi_reql_conn *conn, const lbi_reql_options *o, lb_error *reterr)
{
    int r = copy_hosts(conn, o, reterr);

    if (r < 0)
        return r;
    conn->o.user = strdup(o->user ? o->user : "admin");
    conn->o.password = strdup(o->password ? o->password : "");
    if (!conn->o.user || !conn->o.password)
        return lbi_fail_nomem(reterr);
    return o->tls ? lbi_tls_config_new(&o->tls_options, &conn->tls, reterr) : 0;
}

int lbi_reql_conn_new(const lbi_reql_options *options, lbi_poller *poller, lbi_reql_conn **ret,
                      lb_error *reterr)
{
    lbi_reql_conn *conn;
    int r;

    if (options->n_hosts == 0)
        return lbi_fail(reterr, LB_E_INVAL, "no host to connect to");
    if (options->max_in_flight > MAX_IN_FLIGHT)
        return lbi_fail(reterr, LB_E_INVAL, "max_in_flight is at most %d", MAX_IN_FLIGHT);
    conn = calloc(1, sizeof *conn);
    if (!conn)
        return lbi_fail_nomem(reterr);
    conn->o = *options;
    conn->o.hosts = NULL;
    conn->o.user = conn->o.password = NULL;
    conn->o.tls_options = (lbi_tls_options){0};
    set_defaults(&conn->o);
    conn->poller = poller;
    conn->round_hard = true;
    lbi_buf_init(&conn->out, MAX_OUT + HEADROOM);
    r = copy_options(conn, options, reterr);
    if (r < 0) {
        lbi_reql_conn_free(conn);
        return r;
    }
    *ret = conn;
    return 0;
}

static void wipe_and_free(const char *secret)
{
    if (!secret)
        return;
    lbi_wipe((void *)(uintptr_t)secret, strlen(secret));
    free((void *)(uintptr_t)secret);
}

void lbi_reql_conn_free(lbi_reql_conn *conn)
{
    if (!conn)
        return;
    conn->closing = true;
    lbi_reql_give_back(conn);
    lbi_reql_give_up_waiting(conn);
    lbi_reql_link_close(conn);
    lbi_reql_drain(conn, LB_E_CLOSED, "the connection was closed");
    lbi_tls_config_free(conn->tls);
    lbi_buf_done(&conn->out);
    lbi_heap_done(&conn->timers);
    wipe_and_free(conn->o.password);
    free((void *)(uintptr_t)conn->o.user);
    lbi_wipe(&conn->salted, sizeof conn->salted);
    free(conn->places);
    free(conn->slots);
    free(conn->free_slots);
    free(conn);
}

int lbi_reql_conn_process(lbi_reql_conn *conn, uint64_t now_us)
{
    int did;

    if (conn->busy)
        return 0;
    conn->busy = true;
    conn->now_us = now_us;
    did = lbi_reql_link_process(conn);
    did |= lbi_reql_read_frames(conn);
    did |= lbi_reql_link_bury(conn);
    did |= lbi_reql_expire(conn);
    did |= lbi_reql_link_watch(conn);
    lbi_reql_pump(conn);
    lbi_reql_link_flush(conn);
    lbi_reql_link_set_interest(conn);
    conn->busy = false;
    return did;
}

uint64_t lbi_reql_conn_deadline(const lbi_reql_conn *conn)
{
    bool pumps = conn->waiting && lbi_reql_has_room(conn);
    uint64_t at = pumps ? 0 : lbi_reql_link_deadline(conn);
    const lbi_timer *timer = lbi_heap_first(&conn->timers);

    return timer && timer->at_us < at ? timer->at_us : at;
}

void lbi_reql_conn_state(const lbi_reql_conn *conn, lbi_reql_state *ret)
{
    *ret = (lbi_reql_state){
        .connected = conn->link == LBI_LINK_UP,
        .host = conn->where,
        .server_version = conn->server_version,
        .error = conn->error.msg,
        .in_flight = conn->in_flight,
        .waiting = conn->n_waiting,
        .queries = conn->n_queries,
        .connects = conn->connects,
        .unknown_answers = conn->unknown_answers,
    };
}
