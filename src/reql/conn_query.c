/* Queries by token. The rules of the server that this file keeps (reql.md 1.6): each frame gets
 * one answer, STOP and CONTINUE too, in any order; so a token is free again when as many answers
 * came as frames went, and not earlier. */
#include "base/error.h"
#include "base/list.h"
#include "reql/conn_internal.h"

#include <stdlib.h>
#include <string.h>

enum { OUT_SOFT = 256 * 1024, AT_ONCE = 64, EXPIRE_AT_ONCE = 256 };

/* Half of what the server takes; a query of ours is a thousand times smaller. */
#define MAX_TEXT ((size_t)64 * 1024 * 1024)

static const char stop_text[] = "[3]", continue_text[] = "[2]", ping_text[] = "[5]";

/* ---- Tokens: a slot in the low 16 bits, and a number that is never used again --------------- */

static int add_slots(lbi_reql_conn *conn)
{
    size_t n = conn->n_slots ? conn->n_slots * 2 : 64;
    lbi_reql_query **slots;
    uint16_t *free_slots;

    if (n > LBI_REQL_SLOTS)
        return LB_E_LIMIT;
    slots = reallocarray(conn->slots, n, sizeof(lbi_reql_query *));
    if (!slots)
        return LB_E_NOMEM;
    conn->slots = slots;
    free_slots = reallocarray(conn->free_slots, n, sizeof *free_slots);
    if (!free_slots)
        return LB_E_NOMEM;
    conn->free_slots = free_slots;
    for (size_t i = n; i > conn->n_slots; i--) {
        slots[i - 1] = NULL;
        free_slots[conn->n_free++] = (uint16_t)(i - 1);
    }
    conn->n_slots = n;
    return 0;
}

static int take_token(lbi_reql_query *q)
{
    lbi_reql_conn *conn = q->conn;
    size_t slot;

    if (conn->n_free == 0) {
        int r = add_slots(conn);

        if (r < 0)
            return r;
    }
    slot = conn->free_slots[--conn->n_free];
    conn->slots[slot] = q;
    q->token = (int64_t)(++conn->generation << 16 | slot);
    return 0;
}

static void drop_token(lbi_reql_query *q)
{
    size_t slot = (size_t)(q->token & (LBI_REQL_SLOTS - 1));

    if (q->token == 0)
        return;
    q->conn->slots[slot] = NULL;
    q->conn->free_slots[q->conn->n_free++] = (uint16_t)slot;
    q->token = 0;
}

static lbi_reql_query *find(const lbi_reql_conn *conn, int64_t token)
{
    size_t slot = (size_t)(token & (LBI_REQL_SLOTS - 1));
    lbi_reql_query *q = slot < conn->n_slots ? conn->slots[slot] : NULL;

    return q && q->token == token ? q : NULL;
}

/* ---- Lists ---------------------------------------------------------------------------------- */

static void uncount(lbi_reql_query *q)
{
    q->conn->in_flight -= q->counted;
    q->counted = false;
}

static void unlist(lbi_reql_query *q)
{
    lbi_reql_conn *conn = q->conn;

    switch (q->state) {
    case LBI_Q_WAITING:
        DL_DELETE(conn->waiting, q);
        conn->n_waiting--;
        conn->queued_bytes -= q->len;
        break;
    case LBI_Q_SENT:
        DL_DELETE(conn->sent, q);
        uncount(q);
        break;
    case LBI_Q_FINISHED:
        DL_DELETE(conn->finished, q);
        break;
    }
}

static void release(lbi_reql_query *q)
{
    lbi_reql_conn *conn = q->conn;

    unlist(q);
    drop_token(q);
    lbi_heap_remove(&conn->timers, &q->timer);
    conn->n_queries--;
    free(q->text);
    free(q);
}

static void release_if_over(lbi_reql_query *q)
{
    if (q->silent && q->outstanding == 0)
        release(q);
}

/* The query is in no list and has no token. */
static void add_finished(lbi_reql_query *q, bool sent)
{
    lbi_heap_remove(&q->conn->timers, &q->timer);
    q->state = LBI_Q_FINISHED;
    q->sent = sent;
    DL_APPEND(q->conn->finished, q);
}

static void finish(lbi_reql_query *q, bool sent)
{
    unlist(q);
    drop_token(q);
    add_finished(q, sent);
}

/* ---- Sending -------------------------------------------------------------------------------- */

static int put_frame(lbi_reql_query *q, const char *text, size_t len)
{
    int r = lbi_reql_wire_put(&q->conn->out, q->token, text, len);

    q->outstanding += r == 0;
    return r;
}

/* The query is in no list yet. */
static int put_query(lbi_reql_query *q, const char *text, size_t len)
{
    lbi_reql_conn *conn = q->conn;
    int r = take_token(q);

    if (r < 0)
        return r;
    q->at = conn->written + conn->out.len;
    r = put_frame(q, text, len);
    if (r < 0) {
        drop_token(q);
        return r;
    }
    q->state = LBI_Q_SENT;
    q->counted = true;
    conn->in_flight++;
    DL_APPEND(conn->sent, q);
    return 0;
}

bool lbi_reql_has_room(const lbi_reql_conn *conn)
{
    return conn->link == LBI_LINK_UP && conn->failed == 0 && conn->out.code == 0 &&
           conn->in_flight < conn->o.max_in_flight && conn->out.len < OUT_SOFT &&
           (conn->n_free > 0 || conn->n_slots < LBI_REQL_SLOTS);
}

static int put_waiting(lbi_reql_query *q, const char *text, size_t len, bool first)
{
    lbi_reql_conn *conn = q->conn;

    q->text = malloc(len);
    if (!q->text)
        return LB_E_NOMEM;
    memcpy(q->text, text, len);
    q->state = LBI_Q_WAITING;
    if (first)
        DL_PREPEND(conn->waiting, q);
    else
        DL_APPEND(conn->waiting, q);
    conn->n_waiting++;
    conn->queued_bytes += len;
    return 0;
}

void lbi_reql_pump(lbi_reql_conn *conn)
{
    while (conn->waiting && lbi_reql_has_room(conn)) {
        lbi_reql_query *q = conn->waiting;

        unlist(q);
        if (put_query(q, q->text, q->len) < 0)
            add_finished(q, false);
        free(q->text);
        q->text = NULL;
    }
    lbi_reql_drain(conn, LB_E_NOMEM, lb_strerror(LB_E_NOMEM));
}

static int check_call(const lbi_reql_conn *conn, const lbi_reql_call *call, lb_error *reterr)
{
    if (conn->closing)
        return lbi_fail(reterr, LB_E_CLOSED, "the connection is being closed");
    if (call->len < 3)
        return lbi_fail(reterr, LB_E_INVAL, "a query without text");
    if (call->len > MAX_TEXT)
        return lbi_fail(reterr, LB_E_LIMIT, "a query has at most 64 MiB");
    if (call->len > conn->o.max_queued - conn->queued_bytes)
        return lbi_fail(reterr, LB_E_LIMIT, "%zu queries with %zu bytes wait for the server",
                        conn->n_waiting, conn->queued_bytes);
    return 0;
}

int lbi_reql_submit(lbi_reql_conn *conn, const lbi_reql_call *call, lbi_reql_query **ret,
                    lb_error *reterr)
{
    lbi_reql_query *q;
    int r = check_call(conn, call, reterr);

    if (r < 0)
        return r;
    q = calloc(1, sizeof *q);
    if (!q)
        return lbi_fail_nomem(reterr);
    q->conn = conn;
    q->timer.owner = q;
    q->fn = call->fn;
    q->user = call->user;
    q->feed = call->feed;
    q->len = call->len;
    r = lbi_heap_reserve(&conn->timers, conn->n_queries + 1);
    if (r == 0 && !conn->waiting && lbi_reql_has_room(conn))
        r = put_query(q, call->text, call->len);
    else if (r == 0)
        r = put_waiting(q, call->text, call->len, false);
    if (r < 0) {
        free(q);
        return lbi_fail(reterr, r, "%s", lb_strerror(r));
    }
    conn->n_queries++;
    lbi_heap_set(&conn->timers, &q->timer, call->deadline_us);
    if (ret)
        *ret = q;
    return 0;
}

void lbi_reql_set_deadline(lbi_reql_query *query, uint64_t deadline_us)
{
    if (!query->silent && query->state != LBI_Q_FINISHED)
        lbi_heap_set(&query->conn->timers, &query->timer, deadline_us);
}

/* ---- Taking back and stopping --------------------------------------------------------------- */

/* Is all of its frame still here? */
static bool is_unsent(const lbi_reql_query *q)
{
    const lbi_reql_conn *conn = q->conn;

    return q->state == LBI_Q_SENT && q->outstanding == 1 && conn->stream &&
           q->at >= conn->written + lbi_stream_held(conn->stream);
}

static char *text_in_out(const lbi_reql_query *q)
{
    const lbi_reql_conn *conn = q->conn;

    return lbi_buf_bytes(&conn->out) + (q->at - conn->written) + LBI_REQL_HEADER;
}

/* Cutting the frame out would move the others; as a ping of the same length it does no harm. */
static void make_harmless(lbi_reql_query *q)
{
    char *text = text_in_out(q);

    memset(text, ' ', q->len);
    text[0] = '[';
    text[1] = '5';
    text[q->len - 1] = ']';
    q->silent = true;
    lbi_heap_remove(&q->conn->timers, &q->timer);
}

static void put_stop(lbi_reql_query *q)
{
    q->silent = true;
    lbi_heap_remove(&q->conn->timers, &q->timer);
    if (q->conn->failed == 0)
        (void)put_frame(q, stop_text, sizeof stop_text - 1);
}

bool lbi_reql_cancel(lbi_reql_query *q)
{
    if (q->silent)
        return false;
    if (q->state == LBI_Q_WAITING || (q->state == LBI_Q_FINISHED && !q->sent)) {
        release(q);
        return true;
    }
    if (!is_unsent(q))
        return false;
    make_harmless(q);
    return true;
}

void lbi_reql_stop(lbi_reql_query *q)
{
    if (q->silent || lbi_reql_cancel(q))
        return;
    if (q->state == LBI_Q_SENT)
        put_stop(q);
    else
        release(q);
}

/* ---- The end of a link ---------------------------------------------------------------------- */

static void restore(lbi_reql_query *q, const char *text)
{
    unlist(q);
    drop_token(q);
    q->outstanding = 0;
    if (put_waiting(q, text, q->len, true) < 0)
        add_finished(q, false);
}

/* What is still here whole is the end of the list. It goes back to the front of the queue from the
 * last to the first, so that it keeps its order. (utlist: the first one's prev is the last.) */
void lbi_reql_give_back(lbi_reql_conn *conn)
{
    while (conn->sent) {
        lbi_reql_query *q = conn->sent->prev;

        if (q->silent || q == conn->ping)
            release(q);
        else if (is_unsent(q))
            restore(q, text_in_out(q));
        else
            break;
    }
    while (conn->sent) {
        if (conn->sent->silent || conn->sent == conn->ping)
            release(conn->sent);
        else
            finish(conn->sent, true);
    }
    conn->ping = NULL;
}

void lbi_reql_give_up_waiting(lbi_reql_conn *conn)
{
    while (conn->waiting)
        finish(conn->waiting, false);
}

static void call_back(lbi_reql_query *q, const lbi_reql_reply *reply)
{
    (void)q->fn(reply, q->user);
}

void lbi_reql_drain(lbi_reql_conn *conn, int code, const char *message)
{
    while (conn->finished) {
        lbi_reql_query *q = conn->finished;
        lbi_reql_reply reply = {.code = code, .sent = q->sent, .last = true, .message = message};

        q->silent = true; /* a stop from inside finds nothing to do */
        call_back(q, &reply);
        release(q);
    }
}

/* ---- Answers -------------------------------------------------------------------------------- */

/* The last call. What the server makes of the token is not known after an answer that could not
 * be understood: it may be a stream. */
static void deliver_last(lbi_reql_query *q, const lbi_reql_reply *reply)
{
    if (reply->answer ? reply->answer->type == 0 : reply->code < 0)
        put_stop(q);
    q->silent = true;
    lbi_heap_remove(&q->conn->timers, &q->timer);
    call_back(q, reply);
    release_if_over(q);
}

static void deliver_batch(lbi_reql_query *q, const lbi_reql_reply *reply)
{
    int r;

    q->outstanding++; /* keeps it while the callback runs, which may stop it */
    r = q->fn(reply, q->user);
    q->outstanding--;
    if (!q->silent && r != 0)
        put_stop(q);
    if (!q->silent && put_frame(q, continue_text, sizeof continue_text - 1) < 0)
        return; /* no memory: the sticky code of conn->out ends the connection */
    release_if_over(q);
}

static void deliver(lbi_reql_query *q, const lbi_reql_frame *frame)
{
    lbi_reql_conn *conn = q->conn;
    lbi_reql_answer answer = {0};
    lb_error error = {.msg = ""};
    lbi_reql_reply reply = {.sent = true, .last = true};

    if (frame->too_long)
        reply.code = lbi_fail(&error, LB_E_LIMIT, "an answer of %zu bytes, at most %zu are taken",
                              frame->len, conn->o.max_answer);
    else
        reply.code = lbi_reql_answer_parse(frame->body, frame->len, conn->o.max_answer,
                                           conn->o.max_depth, &answer, &error);
    if (reply.code == 0) {
        reply.answer = &answer;
        reply.code = lbi_reql_answer_error(&answer, &error);
    }
    reply.message = error.msg;
    reply.last = answer.type != LBI_REQL_PARTIAL;
    if (reply.last)
        deliver_last(q, &reply);
    else
        deliver_batch(q, &reply);
    lbi_reql_answer_done(&answer);
}

static void take_frame(lbi_reql_conn *conn, const lbi_reql_frame *frame)
{
    lbi_reql_query *q = find(conn, frame->token);

    /* Not worth a connection: the server may answer what needs no answer. */
    if (!q || q->outstanding == 0) {
        conn->unknown_answers++;
        return;
    }
    q->outstanding--;
    if (q->feed)
        uncount(q); /* from now on it waits for changes */
    if (q->silent)
        release_if_over(q);
    else
        deliver(q, frame);
}

int lbi_reql_read_frames(lbi_reql_conn *conn)
{
    lbi_reql_frame frame;
    int done = 0, r = 0;

    while (done < AT_ONCE && conn->link == LBI_LINK_UP &&
           (r = lbi_reql_wire_next(&conn->wire, &frame)) > 0) {
        take_frame(conn, &frame);
        done++;
    }
    if (r < 0 && conn->failed == 0)
        conn->failed =
            lbi_fail(&conn->error, r, "%s sent a frame that cannot be one: the connection was cut",
                     conn->where);
    return done > 0 || r < 0;
}

/* ---- Time ----------------------------------------------------------------------------------- */

static void time_out(lbi_reql_query *q)
{
    lbi_reql_conn *conn = q->conn;
    lbi_reql_reply reply = {.code = LB_E_TIMEOUT, .last = true};
    lb_error why, error;

    (void)lbi_fail(&error, LB_E_TIMEOUT, "%.200s did not answer in time", conn->where);
    lbi_heap_remove(&conn->timers, &q->timer);
    if (q->state == LBI_Q_WAITING) {
        lbi_reql_conn_explain(conn, &why);
        (void)lbi_fail(&error, LB_E_TIMEOUT, "timed out: %.230s", why.msg);
        finish(q, false);
        lbi_reql_drain(conn, LB_E_TIMEOUT, error.msg);
        return;
    }
    reply.sent = !is_unsent(q);
    reply.message = error.msg;
    if (reply.sent)
        put_stop(q);
    else
        make_harmless(q);
    call_back(q, &reply);
}

int lbi_reql_expire(lbi_reql_conn *conn)
{
    lbi_timer *timer;
    int done = 0;

    while (done < EXPIRE_AT_ONCE && (timer = lbi_heap_first(&conn->timers)) &&
           timer->at_us <= conn->now_us) {
        time_out(timer->owner);
        done++;
    }
    return done > 0;
}

static int on_ping(const lbi_reql_reply *reply, void *user)
{
    lbi_reql_conn *conn = user;

    (void)reply;
    conn->ping = NULL;
    return 0;
}

/* Past the queue: whoever is silent must be found when the queue stands still, too. */
int lbi_reql_send_ping(lbi_reql_conn *conn)
{
    lbi_reql_query *q = calloc(1, sizeof *q);
    int r;

    if (!q)
        return LB_E_NOMEM;
    q->conn = conn;
    q->timer.owner = q;
    q->fn = on_ping;
    q->user = conn;
    q->len = sizeof ping_text - 1;
    r = put_query(q, ping_text, q->len);
    if (r < 0) {
        free(q);
        return r;
    }
    conn->n_queries++;
    conn->ping = q;
    conn->ping_us = conn->now_us;
    return 0;
}
