/*
 * A lane: the writes to one board, in their order. What comes while LBI_RDB_FLIGHTS batches are on
 * their way goes out together as the next. No player is in two of them, so that each one's order is
 * kept; the server takes the time of each in the order in which they are sent, and a batch counts
 * its places on from the one before, so that the order of times is kept, too. Whatever concerns the
 * board itself waits until nothing is on its way. Lanes do not wait for each other.
 *
 * The lane remembers what its board was. A batch is written for such a board, and writes nothing
 * if the board is another one by then (`stale`): then it is looked at again.
 */
#include "store/rethinkdb.h"

#include "base/list.h"
#include "base/str.h"
#include "os/clock.h"
#include "store/rethinkdb_term.h"

#include <stdlib.h>
#include <string.h>

#define WHOLE_TABLE "shard [\"\", +inf)"

enum {
    PAUSE_FIRST_US = 50000,
    PAUSE_MOST_US = 1000000,
    GRACE_US = 30000000,
    PLACE_MAX = 50000 /* so many microseconds a score may be ahead of the clock */
};

/* ---- Common --------------------------------------------------------------------------------- */

static lbi_request *pop(lbi_rdb_lane *lane)
{
    lbi_request *request = lane->queue;

    DL_DELETE(lane->queue, request);
    return request;
}

void lbi_rdb_lane_rest(lbi_rdb_lane *lane)
{
    lane->step = LBI_RDB_IDLE;
    lane->query = NULL;
    lbi_rdb_list(lane);
}

void lbi_rdb_lane_send(lbi_rdb *store, uint64_t deadline_us, lbi_reql_fn fn, void *user,
                       lbi_reql_query **ret)
{
    lbi_term *t = &store->term;
    lbi_reql_call call = {.deadline_us = deadline_us, .fn = fn, .user = user};
    lb_error error = {.code = lbi_term_query_end(t, store->url.database)};
    lbi_reql_reply reply = {.last = true};

    call.text = lbi_buf_bytes(&t->buf);
    call.len = t->buf.len;
    if (error.code == 0)
        error.code = lbi_reql_submit(store->conn, &call, ret, &error);
    if (error.code == 0)
        return;
    if (!error.msg[0])
        lbi_copy(error.msg, sizeof error.msg, lb_strerror(error.code));
    reply.code = error.code;
    reply.message = error.msg;
    (void)fn(&reply, user);
}

/* It was refused, but may be done later. */
static void pause_lane(lbi_rdb_lane *lane, const char *why)
{
    lbi_copy(lane->why, sizeof lane->why, why);
    lbi_rdb_pause_more(&lane->pause, PAUSE_FIRST_US, PAUSE_MOST_US);
}

static void resume_lane(lbi_rdb_lane *lane)
{
    lane->pause = (lbi_rdb_pause){0};
    lane->why[0] = '\0';
}

/* Everything that waits goes back to where the schema is looked at. */
static void lose_schema(lbi_rdb_lane *lane)
{
    while (lane->queue && lane->queue->prev) {
        lbi_request *last = lane->queue->prev;

        DL_DELETE(lane->queue, last);
        lbi_rdb_refresh(lane->store, last, true);
    }
    lane->known = false;
    lbi_rdb_schema_lost(lane->store);
}

/* ---- Batches -------------------------------------------------------------------------------- */

/* One that has ended for its owner stays in the batch as a copy: the fold needs it. */
static bool is_orphan(const lbi_request *request)
{
    return !request->done;
}

static void forget_orphan(lbi_request *orphan)
{
    lbi_arena_clear(&orphan->arena);
    free(orphan);
}

static lbi_request *make_orphan(const lbi_request *request)
{
    lbi_request *orphan = malloc(sizeof *orphan);

    if (!orphan)
        return NULL;
    *orphan = *request;
    orphan->done = NULL;
    orphan->arena = (lbi_arena){0};
    lbi_request_clear_answer(orphan);
    return orphan;
}

/* A batch is large: one is kept, so that a write that travels alone costs no large allocation. */
static void keep_spare(lbi_rdb *store, lbi_rdb_batch *batch)
{
    free(store->spare);
    store->spare = batch;
}

static lbi_rdb_batch *new_batch(lbi_rdb *store)
{
    lbi_rdb_batch *batch = store->spare ? store->spare : malloc(sizeof *batch);

    store->spare = NULL;
    if (batch)
        lbi_rdb_batch_clear(batch);
    return batch;
}

/* Takes the batch out of its flight. */
static lbi_rdb_batch *land(lbi_rdb_flight *flight)
{
    lbi_rdb_batch *batch = flight->batch;

    flight->batch = NULL;
    flight->query = NULL;
    flight->lane->n_flights--;
    lbi_rdb_list(flight->lane);
    return batch;
}

/* The batch has been answered, or has failed. */
static void settle(lbi_rdb_flight *flight)
{
    lbi_rdb_lane *lane = flight->lane;
    lbi_rdb_batch *batch = land(flight);

    for (size_t i = 0; i < batch->n; i++) {
        if (is_orphan(batch->requests[i]))
            forget_orphan(batch->requests[i]);
        else
            lbi_rdb_finish(lane->store, batch->requests[i]);
    }
    keep_spare(lane->store, batch);
}

/* Nothing of it was applied: it is to be sent again. */
static void put_back(lbi_rdb_flight *flight)
{
    lbi_rdb_lane *lane = flight->lane;
    lbi_rdb_batch *batch = land(flight);

    for (size_t i = batch->n; i-- > 0;) {
        lbi_request *request = batch->requests[i];

        if (is_orphan(request)) {
            forget_orphan(request);
            continue;
        }
        lbi_request_clear_answer(request);
        DL_PREPEND(lane->queue, request);
    }
    keep_spare(lane->store, batch);
}

static void fail_batch(lbi_rdb_flight *flight, int code, const char *message)
{
    for (size_t i = 0; i < flight->batch->n; i++) {
        lbi_request_clear_answer(flight->batch->requests[i]);
        (void)lbi_request_fail(flight->batch->requests[i], code, "%.200s", message);
    }
    settle(flight);
}

/* Some may have been applied. Who has a key is sent again: it tells whether it was. */
static void doubt(lbi_rdb_flight *flight, const char *why)
{
    lbi_rdb_lane *lane = flight->lane;
    lbi_rdb_batch *batch = land(flight);

    for (size_t i = batch->n; i-- > 0;) {
        lbi_request *request = batch->requests[i];

        lbi_request_clear_answer(request);
        if (is_orphan(request)) {
            forget_orphan(request);
        } else if (request->key[0]) {
            if (request->reached_us == 0) /* its question has none: see lbi_rdb_was_sent() */
                request->reached_us = batch->floor_us + 1;
            DL_PREPEND(lane->queue, request);
        } else {
            (void)lbi_request_fail(request, LB_E_UNKNOWN, "it may have been applied: %.200s", why);
            lbi_rdb_finish(lane->store, request);
        }
    }
    keep_spare(lane->store, batch);
}

static int ignore(const lbi_reql_reply *reply, void *user)
{
    (void)reply;
    (void)user;
    return 0;
}

/* The board went while we wrote: what came too late to go with it goes now, unless the board is
 * there again, and then it was written after that. */
static void sweep(lbi_rdb_lane *lane, int64_t until_us)
{
    lbi_rdb *store = lane->store;
    lbi_term *t = &store->term;
    lbi_reql_call call = {.deadline_us = lbi_clock_us() + GRACE_US, .fn = ignore};

    lbi_term_query(t);
    lbi_term_call(t, LBI_T_FUNCALL);
    lbi_term_func(t, 1, 1);
    lbi_term_call(t, LBI_T_BRANCH);
    lbi_term_literal(t, IS_ALIVE(1));
    lbi_term_null(t);
    lbi_term_call(t, LBI_T_DELETE);
    lbi_term_call(t, LBI_T_FILTER);
    lbi_rdb_term_rows(t, lane->board.id, false);
    lbi_term_func(t, 1, 2);
    lbi_term_call(t, LBI_T_LE);
    lbi_term_literal(t, OR_ELSE(FIELD(2, "at"), "0"));
    lbi_term_int(t, until_us);
    lbi_term_end(t);
    lbi_term_end(t);
    lbi_term_end(t);
    lbi_term_end(t);
    lbi_term_end(t);
    lbi_term_end(t);
    lbi_rdb_term_board(t, lane->board.id);
    lbi_term_end(t);
    if (lbi_term_query_end(t, store->url.database) < 0)
        return;
    call.text = lbi_buf_bytes(&t->buf);
    call.len = t->buf.len;
    (void)lbi_reql_submit(store->conn, &call, NULL, NULL);
}

static void accept_batch(lbi_rdb_flight *flight, const lbi_json *value)
{
    lbi_rdb_lane *lane = flight->lane;
    lbi_rdb *store = lane->store;
    const lbi_json *stale = lbi_json_get(value, "stale");
    int64_t base = 0, end;
    bool gone = true;

    resume_lane(lane);
    if (stale) {
        lane->known = false;
        put_back(flight);
        return;
    }
    store->schema.losses = 0;
    if (lbi_rdb_batch_answer(flight->batch, &lane->board, value, &base) < 0) {
        fail_batch(flight, LB_E_UNKNOWN, "the server's answer makes no sense");
        return;
    }
    store->config.counters->transactions++;
    end = base + flight->batch->place + (int64_t)flight->batch->n;
    if (end > store->floor_us)
        store->floor_us = end;
    (void)lbi_json_bool(lbi_json_get(value, "gone"), &gone);
    if (gone) {
        lane->known = false;
        sweep(lane, end);
    }
    settle(flight);
}

/* A read was refused: was it that of the board, after the write? Its place in the query tells. Where
 * the server gives no place at all it may have been. */
static bool is_late_read(const lbi_reql_reply *reply)
{
    static const char read[] = "Cannot perform read";
    const lbi_json *place = lbi_json_first(reply->answer->backtrace);
    bool is_late = !reply->answer->backtrace;

    for (; place; place = lbi_json_next(place)) {
        const char *key = lbi_json_text(place);

        is_late |= key && strcmp(key, "gone") == 0;
    }
    return is_late && strncmp(reply->message, read, sizeof read - 1) == 0;
}

/* A refusal for want of a primary replica says that nothing was done, of one document; of many,
 * if they are all in the same place, and only a shard that is the whole table is known to be that:
 * the table may have been cut into more since we looked. But the query also reads its board after it
 * has written. */
static bool is_undone(const lbi_rdb_flight *flight, const lbi_reql_reply *reply)
{
    bool one_place = flight->batch->n_groups == 1 || strstr(reply->message, WHOLE_TABLE);

    return one_place && !is_late_read(reply);
}

bool lbi_rdb_is_doubtful(const lbi_reql_reply *reply)
{
    return reply->sent &&
           (!reply->answer || reply->code == LB_E_UNKNOWN || reply->code == LB_E_PROTO);
}

static void refuse_batch(lbi_rdb_flight *flight, const lbi_reql_reply *reply)
{
    lbi_rdb_lane *lane = flight->lane;

    if (lbi_rdb_is_absent(reply)) {
        put_back(flight);
        lose_schema(lane);
    } else if (lbi_rdb_is_doubtful(reply)) {
        doubt(flight, reply->message);
        if (reply->answer) /* a replica is lost: the next would be in doubt, too */
            pause_lane(lane, reply->message);
    } else if (reply->answer && reply->code == LB_E_IO) {
        if (is_undone(flight, reply))
            put_back(flight);
        else
            doubt(flight, reply->message);
        pause_lane(lane, reply->message);
    } else {
        fail_batch(flight, reply->code, reply->message);
    }
}

static int on_batch(const lbi_reql_reply *reply, void *user)
{
    lbi_rdb_flight *flight = user;

    if (flight->lane->store->freeing)
        return 0;
    if (reply->code == 0)
        accept_batch(flight, lbi_json_first(reply->answer->values));
    else
        refuse_batch(flight, reply);
    return 0;
}

static bool is_board_verb(const lbi_request *request)
{
    return request->verb == LBI_BOARD_CREATE || request->verb == LBI_BOARD_DELETE;
}

static uint64_t last_deadline(const lbi_rdb_batch *batch)
{
    uint64_t ret = 0;

    for (size_t i = 0; i < batch->n; i++) {
        if (batch->requests[i]->deadline_us > ret)
            ret = batch->requests[i]->deadline_us;
    }
    return ret;
}

/* Is something of this player on its way? */
static bool is_flying(lbi_rdb_lane *lane, const char *player)
{
    for (size_t i = 0; i < LBI_RDB_FLIGHTS; i++) {
        if (lane->flights[i].batch && lbi_rdb_batch_find(lane->flights[i].batch, player))
            return true;
    }
    return false;
}

static lbi_rdb_flight *free_flight(lbi_rdb_lane *lane)
{
    lbi_rdb_flight *flight = lane->flights;

    while (flight->batch)
        flight++;
    return flight;
}

static bool may_fly(const lbi_rdb_lane *lane)
{
    return lane->n_flights < LBI_RDB_FLIGHTS && (lane->n_flights == 0 || lane->place < PLACE_MAX);
}

/* Returns 1 if something was sent. */
static int send_batch(lbi_rdb_lane *lane)
{
    lbi_rdb *store = lane->store;
    lbi_rdb_flight *flight;
    lbi_rdb_batch *batch;

    if (!may_fly(lane) || is_flying(lane, lane->queue->player))
        return 0;
    batch = new_batch(store);
    if (!batch) {
        lbi_rdb_fail(store, pop(lane), LB_E_NOMEM, lb_strerror(LB_E_NOMEM));
        return 1;
    }
    while (lane->queue && !is_board_verb(lane->queue) && !is_flying(lane, lane->queue->player) &&
           lbi_rdb_batch_take(batch, lane->queue))
        (void)pop(lane);
    if (lane->n_flights == 0)
        lane->place = 0;
    batch->place = lane->place;
    batch->floor_us = store->floor_us;
    lane->place += (int64_t)batch->n;
    flight = free_flight(lane);
    flight->batch = batch;
    lane->n_flights++;
    lbi_term_query(&store->term);
    lbi_rdb_batch_term(batch, &lane->board, store->floor_us, &store->term);
    lbi_rdb_lane_send(store, last_deadline(batch) + GRACE_US, on_batch, flight, &flight->query);
    return 1;
}

/* ---- Looking at the board ------------------------------------------------------------------- */

/* There is none, or one that goes: this is what those hear who wait at the front. */
static void refuse_front(lbi_rdb_lane *lane, bool creating)
{
    while (lane->queue && !is_board_verb(lane->queue) &&
           !(lane->queue->flags & LBI_CREATE) == !creating) {
        lbi_request *request = pop(lane);

        if (creating)
            (void)lbi_request_fail(request, LB_E_CONFLICT,
                                   "board '%s' is being deleted: delete it again to finish that, "
                                   "or create it anew",
                                   request->board);
        else
            lbi_rdb_refuse_board(request);
        lbi_rdb_finish(lane->store, request);
    }
}

static void accept_look(lbi_rdb_lane *lane, const lbi_json *value)
{
    const lbi_json *change = lbi_json_first(lbi_json_get(value, "changes"));
    bool creating = lane->queue && (lane->queue->flags & LBI_CREATE);
    lbi_rdb_board found;

    resume_lane(lane);
    lbi_rdb_board_read(change ? lbi_json_get(change, "new_val") : value, &found);
    if (found.exists && !found.deleting) {
        lane->board = found;
        lane->known = true;
    } else if (found.exists || (lbi_json_is_null(value) && !creating)) {
        refuse_front(lane, creating);
    } else if (lane->queue && !(lbi_json_is_null(value) && !lane->making)) {
        lbi_rdb_fail(lane->store, pop(lane), LB_E_PROTO, "the server's answer makes no sense");
    } /* or who looked has gone, and who is next would have it made */
}

static void refuse_look(lbi_rdb_lane *lane, const lbi_reql_reply *reply)
{
    if (lbi_rdb_is_absent(reply)) {
        lose_schema(lane);
        return;
    }
    if ((reply->sent && !reply->answer) || reply->code == LB_E_IO || reply->code == LB_E_UNKNOWN ||
        reply->code == LB_E_TIMEOUT) {
        pause_lane(lane, reply->message); /* no player was touched */
        return;
    }
    if (lane->queue)
        lbi_rdb_fail(lane->store, pop(lane), reply->code, reply->message);
}

static int on_look(const lbi_reql_reply *reply, void *user)
{
    lbi_rdb_lane *lane = user;

    if (lane->store->freeing)
        return 0;
    if (reply->code == 0)
        accept_look(lane, lbi_json_first(reply->answer->values));
    else
        refuse_look(lane, reply);
    lbi_rdb_lane_rest(lane);
    return 0;
}

void lbi_rdb_term_create(lbi_term *t, const char *board, bool ascending)
{
    lbi_term_call(t, LBI_T_REPLACE);
    lbi_rdb_term_board(t, board);
    lbi_term_func(t, 1, 1);
    lbi_term_call(t, LBI_T_BRANCH);
    lbi_term_literal(t, "[17,[" V(1) ",null]]");
    lbi_term_object(t);
    lbi_term_key(t, "id");
    lbi_term_text(t, board);
    if (ascending) {
        lbi_term_key(t, "asc");
        lbi_term_bool(t, true);
    }
    lbi_term_key(t, "created");
    lbi_term_literal(t, NOW);
    lbi_term_end(t);
    lbi_term_var(t, 1);
    lbi_term_end(t);
    lbi_term_end(t);
    lbi_term_opts(t);
    lbi_term_key(t, "return_changes");
    lbi_term_text(t, "always");
    lbi_term_key(t, "durability");
    lbi_term_text(t, "hard");
    lbi_term_end(t);
}

static void send_look(lbi_rdb_lane *lane)
{
    lbi_term *t = &lane->store->term;

    lbi_term_query(t);
    lane->making = lane->queue->flags & LBI_CREATE;
    if (lane->making)
        lbi_rdb_term_create(t, lane->board.id, false);
    else
        lbi_rdb_term_board(t, lane->board.id);
    lane->step = LBI_RDB_LOOK;
    lbi_rdb_lane_send(lane->store, lane->queue->deadline_us, on_look, lane, &lane->query);
}

/* ---- The lane ------------------------------------------------------------------------------- */

int lbi_rdb_lane_step(lbi_rdb_lane *lane, uint64_t now_us)
{
    if (lane->query || now_us < lane->pause.at_us)
        return 0;
    if (lane->job) {
        lbi_rdb_board_send(lane);
        return 1;
    }
    if (!lane->queue)
        return 0;
    if (!is_board_verb(lane->queue) && lane->known)
        return send_batch(lane);
    if (lane->n_flights > 0)
        return 0;
    if (is_board_verb(lane->queue))
        lbi_rdb_board_begin(lane, pop(lane));
    else
        send_look(lane);
    return 1;
}

/* ---- Ending early --------------------------------------------------------------------------- */

/* Where the request is in the batch that is on its way; batch->n = it is not. */
static size_t place_of(const lbi_rdb_batch *batch, const lbi_request *request)
{
    size_t i = 0;

    while (i < batch->n && batch->requests[i] != request)
        i++;
    return i;
}

/* Takes back the batch, if the server has not seen it. */
static bool unsend(lbi_rdb_flight *flight)
{
    if (!flight->query || !lbi_reql_cancel(flight->query))
        return false;
    put_back(flight);
    return true;
}

bool lbi_rdb_lane_withdraw(lbi_rdb_lane *lane, lbi_request *request)
{
    if (request == lane->job) {
        if (lane->step > LBI_RDB_MARK || (lane->query && !lbi_reql_cancel(lane->query)))
            return false;
        lane->job = NULL;
        lbi_rdb_lane_rest(lane);
        return true;
    }
    for (size_t i = 0; i < LBI_RDB_FLIGHTS; i++) {
        lbi_rdb_flight *flight = &lane->flights[i];

        if (flight->batch && place_of(flight->batch, request) < flight->batch->n && !unsend(flight))
            return false;
    }
    if (lbi_rdb_was_sent(request))
        return false; /* a first try may have been applied */
    DL_DELETE(lane->queue, request);
    return true;
}

/* The server has it and says nothing: its owner hears that, the batch goes on without him. */
static void give_up(lbi_rdb_flight *flight, size_t place)
{
    lbi_request *request = flight->batch->requests[place];
    lbi_request *orphan = make_orphan(request);

    if (!orphan)
        return; /* he has to wait */
    flight->batch->requests[place] = orphan;
    lbi_rdb_fail(flight->lane->store, request, LB_E_UNKNOWN,
                 "no answer from the server in time: it may have been applied");
}

static bool is_due(const lbi_request *request, uint64_t now_us)
{
    return !is_orphan(request) && request->deadline_us <= now_us;
}

static void expire_flight(lbi_rdb_flight *flight, uint64_t now_us)
{
    bool due = false;

    for (size_t i = 0; i < flight->batch->n; i++)
        due |= is_due(flight->batch->requests[i], now_us);
    if (!due || unsend(flight))
        return;
    for (size_t i = 0; i < flight->batch->n; i++) {
        if (is_due(flight->batch->requests[i], now_us))
            give_up(flight, i);
    }
}

static void see_deadline(lbi_rdb *store, const lbi_request *request)
{
    if (request->done && request->deadline_us < store->expiry_us)
        store->expiry_us = request->deadline_us;
}

static void expire_job(lbi_rdb_lane *lane, uint64_t now_us)
{
    bool marked = lane->step > LBI_RDB_MARK;

    if (lane->job->deadline_us > now_us) {
        see_deadline(lane->store, lane->job);
        return;
    }
    if (lane->query && !marked && !lbi_reql_cancel(lane->query))
        return; /* it ends by its own deadline */
    if (lane->query && marked)
        lbi_reql_stop(lane->query);
    lbi_rdb_board_late(lane);
}

void lbi_rdb_lane_expire(lbi_rdb_lane *lane, uint64_t now_us)
{
    lbi_request *request, *next;

    for (size_t i = 0; i < LBI_RDB_FLIGHTS; i++) {
        if (lane->flights[i].batch)
            expire_flight(&lane->flights[i], now_us);
    }
    if (lane->job)
        expire_job(lane, now_us);
    DL_FOREACH_SAFE (lane->queue, request, next) {
        if (request->deadline_us <= now_us) {
            DL_DELETE(lane->queue, request);
            lbi_rdb_fail_late(lane->store, request, lane->why);
        } else {
            see_deadline(lane->store, request);
        }
    }
    for (size_t i = 0; i < LBI_RDB_FLIGHTS; i++) {
        const lbi_rdb_batch *batch = lane->flights[i].batch;

        for (size_t k = 0; batch && k < batch->n; k++)
            see_deadline(lane->store, batch->requests[k]);
    }
}

void lbi_rdb_lane_free(lbi_rdb_lane *lane)
{
    for (size_t i = 0; i < LBI_RDB_FLIGHTS; i++) {
        lbi_rdb_batch *batch = lane->flights[i].batch;

        for (size_t k = 0; batch && k < batch->n; k++) {
            if (is_orphan(batch->requests[k]))
                forget_orphan(batch->requests[k]);
        }
        free(batch);
    }
    free(lane);
}
