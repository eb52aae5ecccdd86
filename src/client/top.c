/*
 * Subscriptions to tops. All subscribers to the first n rows of a board share one lbi_top: one
 * feed says that something has changed, one read fetches the rows, each subscriber gets them at
 * its own pace.
 */
#include "base/error.h"
#include "base/list.h"
#include "base/map.h"
#include "base/str.h"
#include "client/client.h"
#include "os/clock.h"

#include <stdlib.h>
#include <string.h>

#define RETRY_MIN_US UINT64_C(10000)
#define RETRY_MAX_US UINT64_C(1000000)

/* What state says of a board that does not exist; no digest looks like it. */
#define GONE_STATE "-"

/* What tells tops apart. All bytes count. */
typedef struct lbi_top_key {
    char board[LB_BOARD_MAX + 1];
    uint32_t n;
} lbi_top_key;

typedef struct lbi_top {
    lb_client *client;
    lbi_top_key key;
    UT_hash_handle hh;
    lbi_feed *feed;
    lb_changes *members;
    lb_changes *cursor; /* whom a delivery comes to next: members may leave meanwhile */

    bool dirty;      /* the store may hold something newer than what was read */
    bool fresh;      /* something was read that nobody was given, or told to wait for, yet */
    lb_op *fetch;    /* the read that is under way */
    lb_op *snapshot; /* the read that is shown, NULL = nothing yet or gone */
    const lb_player **rows;
    char state[LB_STATE_SIZE]; /* of the snapshot, "" = nothing was read yet */
    lbi_timer due;             /* when there is something to do */
    struct lbi_top *due_next;  /* that is due in the same turn */
    bool has_left;             /* is in client->left */
    struct lbi_top *prev, *next;
    uint64_t retry_us; /* not before, after a failed read */
    uint64_t retry_delay_us;
} lbi_top;

/* Is there something that this subscriber has not been given? */
static bool behind(const lbi_top *top, const lb_changes *changes)
{
    return top->state[0] && strcmp(top->state, changes->state) != 0;
}

/* Finds out when there is something to do next: after anything that this depends on. */
static void reschedule(lbi_top *top)
{
    const lb_changes *changes;
    uint64_t due_us = LB_NEVER;

    /* While it is read, the store's deadline covers it. */
    for (changes = top->fetch ? NULL : top->members; changes; changes = changes->next) {
        uint64_t at_us = changes->next_us;

        if (top->dirty && at_us < top->retry_us)
            at_us = top->retry_us;
        if ((top->dirty || top->fresh || behind(top, changes)) && at_us < due_us)
            due_us = at_us;
    }
    lbi_heap_set(&top->client->tops_due, &top->due, due_us);
}

static void on_feed(const lb_change *change, void *user)
{
    lbi_top *top = user;

    (void)change; /* whatever it was */
    if (top->dirty)
        return;
    top->dirty = true;
    reschedule(top);
}

static lbi_top_key make_key(const char *board, uint32_t n)
{
    lbi_top_key key;

    memset(&key, 0, sizeof key);
    lbi_copy(key.board, sizeof key.board, board);
    key.n = n;
    return key;
}

static void free_top(lbi_top *top)
{
    lb_client *client = top->client;

    client->store->ops->feed_close(top->feed);
    if (top->fetch)
        top->fetch->user = NULL; /* it will find nobody */
    lbi_op_free(top->snapshot);
    lbi_heap_remove(&client->tops_due, &top->due);
    HASH_DEL(client->tops, top);
    free(top);
}

static bool put_in(lb_client *client, lbi_top *top)
{
    if (lbi_heap_reserve(&client->tops_due, HASH_COUNT(client->tops) + 1) < 0)
        return false;
    HASH_ADD(hh, client->tops, key, sizeof top->key, top);
    return !lbi_map_failed(top);
}

static lbi_top *new_top(lb_client *client, const lbi_top_key *key, lb_error *reterr)
{
    lbi_top *top = calloc(1, sizeof *top);

    if (!top) {
        (void)lbi_fail_nomem(reterr);
        return NULL;
    }
    top->client = client;
    top->key = *key;
    top->due.owner = top;
    if (client->store->ops->feed_open(client->store, key->board, false, on_feed, top, &top->feed,
                                      reterr) < 0) {
        free(top);
        return NULL;
    }
    if (!put_in(client, top)) {
        client->store->ops->feed_close(top->feed);
        free(top);
        (void)lbi_fail_nomem(reterr);
        return NULL;
    }
    return top;
}

int lbi_top_join(lb_changes *changes, const char *board, uint32_t n, lb_error *reterr)
{
    lb_error error = {.code = LB_E_NOMEM};
    lbi_top_key key = make_key(board, n);
    lbi_top *top;

    HASH_FIND(hh, changes->client->tops, &key, sizeof key, top);
    if (!top)
        top = new_top(changes->client, &key, &error);
    if (!top) {
        if (reterr)
            *reterr = error;
        return error.code;
    }
    changes->top = top;
    DL_APPEND(top->members, changes);
    reschedule(top);
    return 0;
}

void lbi_top_leave(lb_changes *changes)
{
    lbi_top *top = changes->top;
    lb_client *client = top->client;

    if (top->cursor == changes)
        top->cursor = changes->next;
    DL_DELETE(top->members, changes);
    if (top->members || top->has_left)
        return;
    if (client->depth == 0) {
        free_top(top);
        return;
    }
    top->has_left = true;
    DL_APPEND(client->left, top);
}

void lbi_tops_sweep(lb_client *client)
{
    lbi_top *top;

    while ((top = client->left)) {
        DL_DELETE(client->left, top);
        top->has_left = false;
        if (!top->members)
            free_top(top);
    }
}

void lbi_tops_free_all(lb_client *client)
{
    lbi_top *top, *next;

    HASH_ITER (hh, client->tops, top, next) {
        lb_changes *changes;

        while ((changes = top->members)) {
            DL_DELETE(top->members, changes);
            free(changes);
        }
        free_top(top);
    }
    lbi_heap_done(&client->tops_due);
}

static int make_pointers(lb_op *op, const lb_player ***ret)
{
    const lbi_request *request = &op->request;
    const lb_player **rows = lbi_arena_alloc(&op->request.arena, request->n_rows * sizeof *rows);

    if (!rows)
        return LB_E_NOMEM;
    for (size_t i = 0; i < request->n_rows; i++)
        rows[i] = &request->rows[i];
    *ret = rows;
    return 0;
}

/* Shows what was read. Takes op over on success. */
static int accept_rows(lbi_top *top, lb_op *op)
{
    char state[LB_STATE_SIZE];
    const lb_player **rows = NULL;
    int r = lbi_state_id(&op->request, state);

    if (r == 0)
        r = make_pointers(op, &rows);
    if (r < 0)
        return r;
    memcpy(top->state, state, sizeof state);
    lbi_op_free(top->snapshot);
    top->snapshot = op;
    top->rows = rows;
    return 0;
}

static void accept_gone(lbi_top *top, lb_op *op)
{
    lbi_copy(top->state, sizeof top->state, GONE_STATE);
    lbi_op_free(top->snapshot);
    top->snapshot = NULL;
    lbi_op_free(op);
}

static void retry_later(lbi_top *top, lb_op *op, int code)
{
    const char *text = op->request.code < 0 ? op->request.error.msg : lb_strerror(code);
    lb_client *client = top->client;

    /* Once a streak: the retries are counted. */
    if (top->retry_delay_us == 0 && client->notice) {
        lb_notice notice = {.kind = LB_NOTICE_RETRY, .code = code, .message = text};

        client->notice(&notice, client->notice_user);
    }
    client->counters.retries++;
    top->retry_delay_us = top->retry_delay_us ? top->retry_delay_us * 2 : RETRY_MIN_US;
    if (top->retry_delay_us > RETRY_MAX_US)
        top->retry_delay_us = RETRY_MAX_US;
    top->retry_us = lbi_clock_us() + top->retry_delay_us;
    top->dirty = true;
    lbi_op_free(op);
}

static void accept(lbi_top *top, lb_op *op)
{
    int code = op->request.code;

    if (code >= 0)
        code = accept_rows(top, op);
    if (code < 0 && code != LB_E_NOTFOUND) {
        retry_later(top, op, code);
        return;
    }
    if (code == LB_E_NOTFOUND)
        accept_gone(top, op);
    top->retry_delay_us = top->retry_us = 0;
    top->fresh = true;
}

/* A read has completed; op is ours. */
static void on_fetched(lb_op *op)
{
    lbi_top *top = op->user;

    if (!top || top->client->closing) {
        if (top)
            top->fetch = NULL;
        lbi_op_free(op);
        return;
    }
    top->fetch = NULL;
    accept(top, op);
    reschedule(top);
}

static void start_fetch(lbi_top *top)
{
    lb_client *client = top->client;
    lb_op *op = calloc(1, sizeof *op);

    if (!op) {
        top->retry_us = lbi_clock_us() + RETRY_MAX_US;
        reschedule(top);
        return;
    }
    lbi_op_prepare(op, client, LBI_BOARD_GET, top->key.board);
    op->request.limit = top->key.n;
    op->request.flags = LBI_PLACE;
    op->take = on_fetched;
    top->fetch = op;
    top->dirty = false;
    reschedule(top);
    (void)lbi_op_start(op, NULL, top, NULL);
}

static void give(lbi_top *top, lb_changes *changes, uint64_t now_us)
{
    lb_change change = {.type = LB_CHANGE_GONE, .board = top->key.board};

    if (top->snapshot) {
        change.type = LB_CHANGE_TOP;
        change.rows = top->rows;
        change.n_rows = top->snapshot->request.n_rows;
        change.state = top->state;
    }
    memcpy(changes->state, top->state, sizeof changes->state);
    changes->next_us = now_us + changes->interval_us;
    lbi_changes_deliver(changes, &change);
}

/* After a read those who have nothing new to get wait their interval too: a board that changes
 * all the time below its top is not read all the time. */
static void give_all(lbi_top *top, uint64_t now_us)
{
    bool read = top->fresh;

    top->fresh = false;
    top->cursor = top->members;
    while (top->cursor) {
        lb_changes *changes = top->cursor;

        top->cursor = changes->next;
        if (changes->next_us > now_us)
            continue;
        if (behind(top, changes))
            give(top, changes, now_us);
        else if (read)
            changes->next_us = now_us + changes->interval_us;
    }
    reschedule(top);
}

static void process_top(lbi_top *top, uint64_t now_us)
{
    /* Given before it is read again: on a board that never rests it would be read for ever. */
    if (!top->fresh && top->dirty && top->retry_us <= now_us)
        start_fetch(top);
    else
        give_all(top, now_us);
}

/* Takes those that are due. Each has one turn: a callback may make one due again at once. */
static lbi_top *take_due(lb_client *client, uint64_t now_us)
{
    lbi_top *ret = NULL, **end = &ret;
    lbi_timer *timer;

    while ((timer = lbi_heap_first(&client->tops_due)) && timer->at_us <= now_us) {
        lbi_top *top = timer->owner;

        lbi_heap_remove(&client->tops_due, timer);
        top->due_next = NULL;
        *end = top;
        end = &top->due_next;
    }
    return ret;
}

int lbi_tops_process(lb_client *client, uint64_t now_us)
{
    lbi_top *due = take_due(client, now_us);

    /* Inside, members leave and join, but no top is freed: depth > 0. */
    for (lbi_top *top = due; top; top = top->due_next) {
        if (top->members)
            process_top(top, now_us);
    }
    return due != NULL;
}

uint64_t lbi_tops_deadline(const lb_client *client)
{
    const lbi_timer *first = lbi_heap_first(&client->tops_due);

    return first ? first->at_us : LB_NEVER;
}
