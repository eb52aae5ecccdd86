/*
 * A lane: the writes to one board, in their order, one query at a time. What comes while one is
 * under way goes out together as the next. Lanes of different boards do not wait for each other.
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

enum { PAUSE_FIRST_US = 50000, PAUSE_MOST_US = 1000000, GRACE_US = 30000000 };

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

void lbi_rdb_lane_send(lbi_rdb_lane *lane, uint64_t deadline_us, lbi_reql_fn fn)
{
    lbi_rdb *store = lane->store;
    lbi_term *t = &store->term;
    lbi_reql_call call = {.deadline_us = deadline_us, .fn = fn, .user = lane};
    lb_error error = {.code = lbi_term_query_end(t, store->url.database)};
    lbi_reql_reply reply = {.last = true};

    call.text = lbi_buf_bytes(&t->buf);
    call.len = t->buf.len;
    if (error.code == 0)
        error.code = lbi_reql_submit(store->conn, &call, &lane->query, &error);
    if (error.code == 0)
        return;
    if (!error.msg[0])
        lbi_copy(error.msg, sizeof error.msg, lb_strerror(error.code));
    reply.code = error.code;
    reply.message = error.msg;
    (void)fn(&reply, lane);
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
    lane->store->schema.losses = 0;
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

/* The batch has been answered, or has failed. */
static void settle(lbi_rdb_lane *lane)
{
    lbi_rdb_batch *batch = lane->batch;

    lane->batch = NULL;
    for (size_t i = 0; i < batch->n; i++) {
        if (is_orphan(batch->requests[i]))
            forget_orphan(batch->requests[i]);
        else
            lbi_rdb_finish(lane->store, batch->requests[i]);
    }
    free(batch);
}

/* Nothing of it was applied: it is to be sent again. */
static void put_back(lbi_rdb_lane *lane)
{
    lbi_rdb_batch *batch = lane->batch;

    lane->batch = NULL;
    for (size_t i = batch->n; i-- > 0;) {
        lbi_request *request = batch->requests[i];

        if (is_orphan(request)) {
            forget_orphan(request);
            continue;
        }
        lbi_request_clear_answer(request);
        DL_PREPEND(lane->queue, request);
    }
    free(batch);
}

static void fail_batch(lbi_rdb_lane *lane, int code, const char *message)
{
    for (size_t i = 0; i < lane->batch->n; i++) {
        lbi_request_clear_answer(lane->batch->requests[i]);
        (void)lbi_request_fail(lane->batch->requests[i], code, "%.200s", message);
    }
    settle(lane);
}

/* Some may have been applied. Who has a key is sent again: it tells whether it was. */
static void doubt(lbi_rdb_lane *lane, const char *why)
{
    lbi_rdb_batch *batch = lane->batch;

    lane->batch = NULL;
    for (size_t i = batch->n; i-- > 0;) {
        lbi_request *request = batch->requests[i];

        lbi_request_clear_answer(request);
        if (is_orphan(request)) {
            forget_orphan(request);
        } else if (request->key[0]) {
            if (request->reached_us == 0) /* its question has none: when it was sent first */
                request->reached_us = batch->floor_us + 1;
            DL_PREPEND(lane->queue, request);
        } else {
            (void)lbi_request_fail(request, LB_E_UNKNOWN, "it may have been applied: %.200s", why);
            lbi_rdb_finish(lane->store, request);
        }
    }
    free(batch);
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

static void accept_batch(lbi_rdb_lane *lane, const lbi_json *value)
{
    lbi_rdb *store = lane->store;
    const lbi_json *stale = lbi_json_get(value, "stale");
    lbi_rdb_board after;
    int64_t base = 0;

    resume_lane(lane);
    if (stale) {
        lane->known = false;
        put_back(lane);
        return;
    }
    if (lbi_rdb_batch_answer(lane->batch, &lane->board, value, &base) < 0) {
        fail_batch(lane, LB_E_UNKNOWN, "the server's answer makes no sense");
        return;
    }
    store->config.counters->transactions++;
    if (base + (int64_t)lane->batch->n > store->floor_us)
        store->floor_us = base + (int64_t)lane->batch->n;
    lbi_rdb_board_read(lbi_json_get(value, "board"), &after);
    if (!after.exists || after.deleting) {
        lane->known = false;
        sweep(lane, store->floor_us);
    }
    settle(lane);
}

/* A refusal for want of a primary replica says that nothing was done, of one document; of many,
 * if they are all in the same place. */
static bool is_undone(const lbi_rdb_lane *lane)
{
    return lane->batch->n_groups == 1 || lane->store->schema.shards == 1;
}

static void refuse_batch(lbi_rdb_lane *lane, const lbi_reql_reply *reply)
{
    if (lbi_rdb_is_absent(reply)) {
        put_back(lane);
        lose_schema(lane);
    } else if (reply->sent && (!reply->answer || reply->code == LB_E_UNKNOWN)) {
        doubt(lane, reply->message);
    } else if (reply->answer && reply->code == LB_E_IO) {
        if (is_undone(lane))
            put_back(lane);
        else
            doubt(lane, reply->message);
        pause_lane(lane, reply->message);
    } else {
        fail_batch(lane, reply->code, reply->message);
    }
}

static int on_batch(const lbi_reql_reply *reply, void *user)
{
    lbi_rdb_lane *lane = user;

    if (lane->store->freeing)
        return 0;
    if (reply->code == 0)
        accept_batch(lane, lbi_json_first(reply->answer->values));
    else
        refuse_batch(lane, reply);
    lbi_rdb_lane_rest(lane);
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

static void send_batch(lbi_rdb_lane *lane)
{
    lbi_rdb *store = lane->store;
    lbi_rdb_batch *batch = calloc(1, sizeof *batch);

    if (!batch) {
        lbi_rdb_fail(store, pop(lane), LB_E_NOMEM, lb_strerror(LB_E_NOMEM));
        lbi_rdb_list(lane);
        return;
    }
    while (lane->queue && !is_board_verb(lane->queue) && lbi_rdb_batch_take(batch, lane->queue))
        (void)pop(lane);
    lane->batch = batch;
    lane->step = LBI_RDB_WRITE;
    batch->floor_us = store->floor_us;
    lbi_term_query(&store->term);
    lbi_rdb_batch_term(batch, &lane->board, store->floor_us, &store->term);
    lbi_rdb_lane_send(lane, last_deadline(batch) + GRACE_US, on_batch);
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
        else if (request->verb == LBI_PLAYER_REMOVE)
            lbi_rdb_refuse_board(request);
        else
            lbi_rdb_refuse_player(request);
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
    } else if (found.exists || !creating) {
        refuse_front(lane, creating);
    } else if (lane->queue) {
        lbi_rdb_fail(lane->store, pop(lane), LB_E_PROTO, "the server made no board");
    }
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
    if (lane->queue->flags & LBI_CREATE)
        lbi_rdb_term_create(t, lane->board.id, false);
    else
        lbi_rdb_term_board(t, lane->board.id);
    lane->step = LBI_RDB_LOOK;
    lbi_rdb_lane_send(lane, lane->queue->deadline_us, on_look);
}

/* ---- The lane ------------------------------------------------------------------------------- */

int lbi_rdb_lane_step(lbi_rdb_lane *lane, uint64_t now_us)
{
    if (lane->query || lane->step == LBI_RDB_WRITE || now_us < lane->pause.at_us)
        return 0;
    if (lane->job) {
        lbi_rdb_board_send(lane);
        return 1;
    }
    if (!lane->queue)
        return 0;
    if (is_board_verb(lane->queue))
        lbi_rdb_board_begin(lane, pop(lane));
    else if (lane->known)
        send_batch(lane);
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
static bool unsend(lbi_rdb_lane *lane)
{
    if (!lane->query || !lbi_reql_cancel(lane->query))
        return false;
    put_back(lane);
    lbi_rdb_lane_rest(lane);
    return true;
}

bool lbi_rdb_lane_withdraw(lbi_rdb_lane *lane, lbi_request *request)
{
    if (request == lane->job) {
        if (!lane->query || !lbi_reql_cancel(lane->query) || lane->step > LBI_RDB_MARK)
            return false;
        lane->job = NULL;
        lbi_rdb_lane_rest(lane);
        return true;
    }
    if (lane->batch && place_of(lane->batch, request) < lane->batch->n && !unsend(lane))
        return false;
    DL_DELETE(lane->queue, request);
    return true;
}

/* The server has it and says nothing: its owner hears that, the batch goes on without him. */
static void give_up(lbi_rdb_lane *lane, size_t place)
{
    lbi_request *request = lane->batch->requests[place];
    lbi_request *orphan = make_orphan(request);

    if (!orphan)
        return; /* he has to wait */
    lane->batch->requests[place] = orphan;
    lbi_rdb_fail(lane->store, request, LB_E_UNKNOWN,
                 "no answer from the server in time: it may have been applied");
}

static void expire_batch(lbi_rdb_lane *lane, uint64_t now_us)
{
    bool due = false;

    for (size_t i = 0; i < lane->batch->n; i++)
        due |=
            !is_orphan(lane->batch->requests[i]) && lane->batch->requests[i]->deadline_us <= now_us;
    if (!due || unsend(lane))
        return;
    for (size_t i = 0; i < lane->batch->n; i++) {
        if (!is_orphan(lane->batch->requests[i]) && lane->batch->requests[i]->deadline_us <= now_us)
            give_up(lane, i);
    }
}

static void see_deadline(lbi_rdb *store, const lbi_request *request)
{
    if (request->done && request->deadline_us < store->expiry_us)
        store->expiry_us = request->deadline_us;
}

static void expire_job(lbi_rdb_lane *lane, uint64_t now_us)
{
    lbi_request *job = lane->job;
    bool marked = lane->step > LBI_RDB_MARK;

    if (job->deadline_us > now_us) {
        see_deadline(lane->store, job);
        return;
    }
    if (lane->query && !lbi_reql_cancel(lane->query) && !marked)
        return; /* it ends by its own deadline */
    if (lane->query && marked)
        lbi_reql_stop(lane->query);
    lane->job = NULL;
    if (marked) {
        (void)lbi_request_fail(job, LB_E_TIMEOUT,
                               "timed out: board '%s' is gone for everybody, but not all of its "
                               "rows are removed: the same call goes on with it",
                               job->board);
        lbi_rdb_finish(lane->store, job);
    } else {
        lbi_rdb_fail_late(lane->store, job, lane->why);
    }
    lbi_rdb_lane_rest(lane);
}

void lbi_rdb_lane_expire(lbi_rdb_lane *lane, uint64_t now_us)
{
    lbi_request *request, *next;

    if (lane->batch)
        expire_batch(lane, now_us);
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
    for (size_t i = 0; lane->batch && i < lane->batch->n; i++)
        see_deadline(lane->store, lane->batch->requests[i]);
}

void lbi_rdb_lane_free(lbi_rdb_lane *lane)
{
    for (size_t i = 0; lane->batch && i < lane->batch->n; i++) {
        if (is_orphan(lane->batch->requests[i]))
            forget_orphan(lane->batch->requests[i]);
    }
    free(lane->batch);
    free(lane);
}
