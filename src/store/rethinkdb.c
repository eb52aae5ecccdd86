/*
 * The RethinkDB store: glue. Database and tables are in rethinkdb_schema.c, reads in
 * rethinkdb_read.c, the order of writes in rethinkdb_lane.c, what a write is in rethinkdb_batch.c,
 * boards in rethinkdb_board.c, feeds in rethinkdb_feed.c.
 *
 * players  {key: [board, id], board, id, name, score, at, asc?, keys?}   primary key `key`
 *          index `rank`: [board, asc ? score : -score, at], null for a score that is none
 * boards   {id, created, asc?, deleting?}                                primary key `id`
 *
 * at and created are microseconds since 1970. keys are the last 16 idempotency keys with their
 * answers. Writes are always of hard durability: what was answered survives a power cut of the
 * server, whatever lb_options.durability is.
 *
 * A request waits (`fresh`) until the schema was seen. Then a read is sent at once; a write joins
 * the lane of its board, which has one query on its way: what waits meanwhile is the next. A write
 * that was sent and not answered ends with LB_E_UNKNOWN, but for one with an idempotency key, which
 * is sent again: the player's document tells whether it was applied.
 *
 * Writes to a board that is being deleted: a batch looks at its board before and after it writes,
 * in the same query. If the board went in between, what was written is removed again (or was by
 * the deletion): the writes came before the deletion, and that is what their answers say.
 *
 * Feeds have a connection of their own, which is only read while feeds are driven: a program that
 * does not listen is held back by the server's queue, and is told RESET when that runs over.
 */
#include "store/rethinkdb.h"

#include "base/error.h"
#include "base/list.h"
#include "base/str.h"
#include "os/clock.h"
#include "os/random.h"

#include <stdlib.h>
#include <string.h>

enum {
    QUERY_MAX = 8 * 1024 * 1024, /* bytes of one query */
    LANES_MAX = 1024             /* that are remembered while they rest */
};

static lbi_rdb *self(lbi_store *base)
{
    return (lbi_rdb *)base;
}

void lbi_rdb_pause_more(lbi_rdb_pause *pause, uint32_t first_us, uint32_t most_us)
{
    uint32_t chance = 0;

    pause->step_us = pause->step_us ? pause->step_us * 2 : first_us;
    if (pause->step_us > most_us)
        pause->step_us = most_us;
    (void)lbi_random(&chance, sizeof chance); /* without it: no chance */
    pause->at_us = lbi_clock_us() + pause->step_us - chance % (pause->step_us / 2);
}

/* ---- Requests ------------------------------------------------------------------------------- */

void lbi_rdb_put(lbi_request *request, lbi_rdb_where where)
{
    request->store_data = (void *)(uintptr_t)where;
}

static lbi_rdb_where where_is(const lbi_request *request)
{
    return (lbi_rdb_where)(uintptr_t)request->store_data;
}

void lbi_rdb_finish(lbi_rdb *store, lbi_request *request)
{
    lbi_rdb_put(request, LBI_RDB_FINISHED);
    DL_APPEND(store->finished, request);
}

void lbi_rdb_fail(lbi_rdb *store, lbi_request *request, int code, const char *message)
{
    lbi_request_clear_answer(request);
    (void)lbi_request_fail(request, code, "%s", message);
    lbi_rdb_finish(store, request);
}

bool lbi_rdb_was_sent(const lbi_request *request)
{
    return request->reached_us && (*request->key || request->verb == LBI_LEASE_TAKE);
}

void lbi_rdb_fail_late(lbi_rdb *store, lbi_request *request, const char *why)
{
    const char *not_applied = lbi_verb_writes(request->verb) ? ", not applied" : "";
    lbi_reql_state state;
    lb_error error;

    lbi_reql_conn_state(store->conn, &state);
    lbi_reql_conn_explain(store->conn, &error);
    lbi_request_clear_answer(request);
    if (!*why && !state.connected)
        why = *state.error ? state.error : error.msg;
    if (!*why)
        why = *store->schema.why ? store->schema.why : error.msg;
    if (lbi_rdb_was_sent(request)) /* and waits to be sent again */
        (void)lbi_request_fail(request, LB_E_UNKNOWN, "it may have been applied: %.200s", why);
    else
        (void)lbi_request_fail(request, LB_E_TIMEOUT, "timed out%s%s%.200s", not_applied,
                               *why ? ": " : "", why);
    lbi_rdb_finish(store, request);
}

void lbi_rdb_refresh(lbi_rdb *store, lbi_request *request, bool first)
{
    lbi_rdb_put(request, LBI_RDB_FRESH);
    if (first)
        DL_PREPEND(store->fresh, request);
    else
        DL_APPEND(store->fresh, request);
    store->expiry_us = lbi_earlier(store->expiry_us, request->deadline_us);
}

/* done() may submit, cancel, and even call process(): nothing is held across it. */
static int deliver(lbi_rdb *store)
{
    lbi_request *request;

    if (!store->finished)
        return 0;
    while ((request = store->finished) != NULL) {
        DL_DELETE(store->finished, request);
        request->done(request);
    }
    return 1;
}

/* ---- Lanes ---------------------------------------------------------------------------------- */

void lbi_rdb_list(lbi_rdb_lane *lane)
{
    if (lane->listed)
        return;
    lane->listed = true;
    DL_APPEND(lane->store->busy, lane);
}

static void unlist(lbi_rdb_lane *lane)
{
    lane->listed = false;
    DL_DELETE(lane->store->busy, lane);
}

static lbi_rdb_lane *find_lane(lbi_rdb *store, const char *board)
{
    lbi_rdb_lane *lane;

    HASH_FIND(hh, store->lanes, board, strlen(board), lane);
    return lane;
}

static bool is_idle(const lbi_rdb_lane *lane)
{
    return !lane->queue && !lane->query && !lane->n_flights && !lane->job;
}

static void drop_lane(lbi_rdb *store, lbi_rdb_lane *lane)
{
    if (lane->listed)
        unlist(lane);
    HASH_DEL(store->lanes, lane);
    lbi_rdb_lane_free(lane);
}

/* One that rests is forgotten, if there are many. */
static void forget_lanes(lbi_rdb *store)
{
    lbi_rdb_lane *lane, *next;

    if (HASH_COUNT(store->lanes) < LANES_MAX)
        return;
    HASH_ITER (hh, store->lanes, lane, next) {
        if (is_idle(lane))
            drop_lane(store, lane);
    }
}

static lbi_rdb_lane *need_lane(lbi_rdb *store, const char *board)
{
    lbi_rdb_lane *lane = find_lane(store, board);

    if (lane)
        return lane;
    forget_lanes(store);
    lane = calloc(1, sizeof *lane);
    if (!lane)
        return NULL;
    lane->store = store;
    for (size_t i = 0; i < LBI_RDB_FLIGHTS; i++)
        lane->flights[i].lane = lane;
    lbi_copy(lane->name, sizeof lane->name, board);
    lbi_copy(lane->board.id, sizeof lane->board.id, board);
    HASH_ADD_STR(store->lanes, name, lane);
    if (lbi_map_failed(lane)) {
        free(lane);
        return NULL;
    }
    return lane;
}

static void dispatch(lbi_rdb *store, lbi_request *request)
{
    lbi_rdb_lane *lane;

    if (!lbi_verb_writes(request->verb) || request->verb == LBI_LEASE_TAKE) {
        lbi_rdb_read_start(store, request);
        return;
    }
    lane = need_lane(store, request->board);
    if (!lane) {
        lbi_rdb_fail(store, request, LB_E_NOMEM, lb_strerror(LB_E_NOMEM));
        return;
    }
    lbi_rdb_put(request, LBI_RDB_IN_LANE);
    DL_APPEND(lane->queue, request);
    lbi_rdb_list(lane);
}

static int dispatch_all(lbi_rdb *store)
{
    int did = store->fresh && store->schema.state == LBI_RDB_READY;

    while (store->fresh && store->schema.state == LBI_RDB_READY) {
        lbi_request *request = store->fresh;

        if (lbi_rdb_schema_doubts(store, request))
            break;
        DL_DELETE(store->fresh, request);
        dispatch(store, request);
    }
    return did;
}

/* A lane stays listed while it waits for a time; otherwise what it waits for lists it again. */
static int step_lanes(lbi_rdb *store, uint64_t now_us)
{
    lbi_rdb_lane *lane, *next;
    int did = 0;

    DL_FOREACH_SAFE (store->busy, lane, next) {
        int r = lbi_rdb_lane_step(lane, now_us);

        if (r == 0 && lane->pause.at_us <= now_us)
            unlist(lane);
        did |= r;
    }
    return did;
}

static uint64_t lanes_deadline(const lbi_rdb *store)
{
    const lbi_rdb_lane *lane;
    uint64_t ret = LB_NEVER;

    DL_FOREACH (store->busy, lane)
        ret = lbi_earlier(ret, lane->pause.at_us);
    return ret;
}

/* ---- Deadlines ------------------------------------------------------------------------------ */

static void expire_all(lbi_rdb *store, uint64_t now_us)
{
    lbi_request *request, *after;
    lbi_rdb_lane *lane, *next;

    if (now_us < store->expiry_us)
        return;
    store->expiry_us = LB_NEVER;
    DL_FOREACH_SAFE (store->fresh, request, after) {
        if (request->deadline_us <= now_us) {
            DL_DELETE(store->fresh, request);
            lbi_rdb_fail_late(store, request, store->schema.why);
        } else {
            store->expiry_us = lbi_earlier(store->expiry_us, request->deadline_us);
        }
    }
    HASH_ITER (hh, store->lanes, lane, next)
        lbi_rdb_lane_expire(lane, now_us);
}

/* ---- The interface -------------------------------------------------------------------------- */

/* A connection that rested may have been lost meanwhile: what is sent on it would be in doubt. */
static void listen_first(lbi_rdb *store)
{
    lbi_reql_state state;

    if (!store->fresh)
        return;
    lbi_reql_conn_state(store->conn, &state);
    if (state.in_flight == 0)
        (void)lbi_poller_dispatch(store->config.poller);
}

static int store_process(lbi_store *base, uint64_t now_us)
{
    lbi_rdb *store = self(base);
    int did;

    expire_all(store, now_us);
    listen_first(store);
    did = lbi_reql_conn_process(store->conn, now_us);
    did |= lbi_rdb_schema_step(store, now_us);
    did |= dispatch_all(store);
    did |= step_lanes(store, now_us);
    return deliver(store) || did;
}

static uint64_t store_deadline(const lbi_store *base)
{
    const lbi_rdb *store = (const lbi_rdb *)base;
    uint64_t ret = lbi_earlier(lbi_reql_conn_deadline(store->conn), store->expiry_us);

    if (store->finished || (store->fresh && store->schema.state == LBI_RDB_READY))
        return 0;
    if (store->fresh && store->schema.state == LBI_RDB_UNKNOWN)
        ret = lbi_earlier(ret, store->schema.pause.at_us);
    return lbi_earlier(ret, lanes_deadline(store));
}

static uint64_t store_feeds_deadline(const lbi_store *base)
{
    return lbi_rdb_feeds_deadline(((const lbi_rdb *)base)->feeds);
}

static void store_submit(lbi_store *base, lbi_request *request)
{
    lbi_rdb_refresh(self(base), request, false);
}

static lbi_rdb_read *find_read(const lbi_rdb *store, const lbi_request *request)
{
    lbi_rdb_read *read;

    DL_FOREACH (store->reads, read) {
        if (read->request == request)
            break;
    }
    return read;
}

static bool store_cancel(lbi_store *base, lbi_request *request)
{
    lbi_rdb *store = self(base);

    switch (where_is(request)) {
    case LBI_RDB_FRESH:
        if (lbi_rdb_was_sent(request))
            return false;
        DL_DELETE(store->fresh, request);
        return true;
    case LBI_RDB_IN_READ:
        return lbi_rdb_read_withdraw(find_read(store, request));
    case LBI_RDB_IN_LANE:
        return lbi_rdb_lane_withdraw(find_lane(store, request->board), request);
    case LBI_RDB_FINISHED:
        return false;
    }
    return false;
}

static void store_free(lbi_store *base)
{
    lbi_rdb *store = self(base);
    lbi_rdb_lane *lane, *next;

    store->freeing = true;
    lbi_rdb_feeds_free(store->feeds);
    while (store->reads)
        lbi_rdb_read_stop(store->reads);
    lbi_reql_conn_free(store->conn);
    HASH_ITER (hh, store->lanes, lane, next)
        drop_lane(store, lane);
    free(store->spare);
    lbi_term_done(&store->term);
    lbi_rdb_url_done(&store->url);
    free(store);
}

static const lbi_store_ops rethinkdb_ops = {
    .free = store_free,
    .submit = store_submit,
    .cancel = store_cancel,
    .process = store_process,
    .process_feeds = lbi_rdb_feeds_process,
    .deadline = store_deadline,
    .feeds_deadline = store_feeds_deadline,
    .feed_open = lbi_rdb_feed_open,
    .feed_close = lbi_rdb_feed_close,
};

static void on_event(const lbi_reql_event *event, void *user)
{
    lbi_rdb *store = user;

    if (event->kind == LBI_REQL_LOST && !store->freeing)
        lbi_notice(&store->config, LB_NOTICE_RETRY, event->code, "%.100s: %.140s", event->host,
                   event->message);
}

static int make(lbi_rdb *store, lb_error *reterr)
{
    const lbi_rdb_url *url = &store->url;
    lbi_reql_options options = {.hosts = url->hosts,
                                .n_hosts = url->n_hosts,
                                .user = url->user,
                                .password = url->password,
                                .tls = url->tls,
                                .tls_options = url->tls_options,
                                .silence_ms = url->silence_ms,
                                .backoff_max_ms = 2000,
                                .event = on_event,
                                .event_user = store};
    int r = lbi_reql_conn_new(&options, store->config.poller, &store->conn, reterr);

    if (r < 0)
        return r;
    options.event = NULL; /* the feeds tell what becomes of them */
    return lbi_rdb_feeds_new(store, &options, &store->feeds, reterr);
}

int lbi_rethinkdb_new(const lbi_store_config *config, lbi_store **ret, lb_error *reterr)
{
    lbi_rdb *store = calloc(1, sizeof *store);
    int r;

    if (!store)
        return lbi_fail_nomem(reterr);
    store->base.ops = &rethinkdb_ops;
    store->config = *config;
    store->config.url = NULL; /* only borrowed */
    store->expiry_us = LB_NEVER;
    lbi_term_init(&store->term, QUERY_MAX);
    r = lbi_rdb_url_parse(config->url, &store->url, reterr);
    if (r == 0)
        r = make(store, reterr);
    if (r < 0) {
        store_free(&store->base);
        return r;
    }
    *ret = &store->base;
    return 0;
}
