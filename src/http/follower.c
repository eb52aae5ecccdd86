/* One subscription per board, whose events all its streams share.
 *
 * The subscription only says that something has changed. What streams show is read, one read of a
 * board after another, each begun when the one before it has ended, so each shows a state at least
 * as new as the one before, however late the feed is. Hence:
 *
 * - No listener goes back in time. It joins with a read that began after it came, which is no older
 *   than any answer it had before; what follows comes from later reads.
 * - None gets stuck. A change that the last read did not see leaves the follower dirty, and a
 *   dirty follower is read again, until that succeeds.
 * - Ten thousand that come at once cost two reads and one copy of the page: the read that is under
 *   way may have begun before they came, the next one is for all of them.
 *
 * This is as true as the store's reads are linear. RethinkDB's are only where they are durable: by
 * default they show what is not on disk yet, which a crash takes back. */
#include "base/error.h"
#include "base/json_out.h"
#include "base/list.h"
#include "base/map.h"
#include "base/str.h"
#include "http/call.h"
#include "os/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A follower without a stream is kept for so long, since browsers come back, but not many are. */
#define IDLE_US UINT64_C(3000000)
#define RETRY_MIN_US UINT64_C(10000)
#define RETRY_MAX_US UINT64_C(1000000)
enum { MAX_IDLE = 64, AT_ONCE = 256 };

/* A read of the page. */
typedef struct reading {
    lbi_follower *follower; /* NULL: freed while the store still had the operation */
    lb_op *op;
    lb_http_call *calls; /* those that came before it began */
    bool dirty;          /* it is for the members */
    lbi_buf json;
} reading;

struct lbi_follower {
    lb_http *http;
    UT_hash_handle hh;
    char board[LB_BOARD_MAX + 1];
    lb_changes *changes;               /* NULL: the first read is under way */
    reading *reading;                  /* NULL: none is under way */
    lb_http_call *waiting;             /* came since it began */
    lbi_event *event;                  /* what was read last, NULL = nothing yet */
    lb_http_stream *members;           /* streams */
    bool dirty;                        /* something may have changed since the last read began */
    bool behind;                       /* members may have something older than `event` */
    uint64_t due_us;                   /* members hear nothing before */
    uint64_t retry_delay_us;           /* 0 = the last read did not fail */
    lbi_follower *prev, *next, **list; /* http->idle, http->due or none */
    uint64_t idle_until_us;
};

lbi_event *lbi_follower_event(const lbi_follower *follower)
{
    return follower->event;
}

lb_http_stream **lbi_follower_members(lbi_follower *follower)
{
    return &follower->members;
}

/* ---- Lists ---------------------------------------------------------------------------------- */

static void leave_list(lbi_follower *follower)
{
    if (!follower->list)
        return;
    follower->http->n_idle -= follower->list == &follower->http->idle;
    DL_DELETE(*follower->list, follower);
    follower->list = NULL;
}

static void end_members(lbi_follower *follower)
{
    while (follower->members)
        lbi_stream_end(follower->members);
}

/* Its streams end. No call waits for it. */
static void free_follower(lbi_follower *follower)
{
    lb_http *http = follower->http;

    end_members(follower);
    leave_list(follower);
    if (follower->changes)
        http->counters.followers_now--;
    (void)lb_changes_cancel(follower->changes);
    (void)lbi_event_unref(follower->event);
    HASH_DEL(http->followers, follower);
    free(follower);
}

static void put_idle(lbi_follower *follower)
{
    lb_http *http = follower->http;

    follower->idle_until_us = lbi_clock_us() + IDLE_US;
    follower->list = &http->idle;
    http->n_idle++;
    DL_APPEND(http->idle, follower);
    if (http->n_idle > MAX_IDLE)
        free_follower(http->idle);
}

/* The one that is due first is in front. Most are due last, or at once. */
static void put_due(lbi_follower *follower)
{
    lbi_follower **list = &follower->http->due, *before = NULL;

    if (*list && follower->due_us >= (*list)->due_us) {
        before = (*list)->prev;
        while (before->due_us > follower->due_us)
            before = before->prev;
    }
    follower->list = list;
    if (before)
        DL_APPEND_ELEM(*list, before, follower);
    else
        DL_PREPEND(*list, follower);
}

/* ---- Reading -------------------------------------------------------------------------------- */

static void tell_members(lbi_follower *follower, uint64_t now_us)
{
    follower->behind = false;
    follower->due_us = now_us + follower->http->min_interval_us;
    lbi_streams_offer(follower->members, follower->event);
}

/* Members still have to hear what the read would have said. The host is told once until one
 * succeeds. */
static void retry_later(lbi_follower *follower, const lb_error *error)
{
    char target[LB_BOARD_MAX + 16];
    uint64_t at_us;

    if (!follower->members)
        return;
    follower->dirty = true;
    if (follower->retry_delay_us == 0) {
        follower->retry_delay_us = RETRY_MIN_US;
        (void)snprintf(target, sizeof target, "/boards/%s/", follower->board);
        lbi_http_tell_failure(follower->http, "GET", target, 0, error);
    } else if (follower->retry_delay_us < RETRY_MAX_US) {
        follower->retry_delay_us *= 2;
    }
    at_us = lbi_clock_us() + follower->retry_delay_us;
    if (follower->due_us < at_us)
        follower->due_us = at_us;
}

static void answer_calls(lbi_follower *follower, lb_http_call *calls, const lb_error *error)
{
    lb_http_call *call;

    while ((call = calls)) {
        DL_DELETE2(calls, call, join_prev, join_next);
        lbi_call_joined(call, follower, error);
    }
}

static int on_change(const lb_change *change, void *user);

static int subscribe(lbi_follower *follower, lb_error *reterr)
{
    lb_http *http = follower->http;
    lb_changes_options opts;
    int r;

    lb_changes_options_init(&opts);
    opts.flags = LB_CHANGES_NO_ROWS;
    r = lb_changes_subscribe(http->client, follower->board, &opts, on_change, follower,
                             &follower->changes, reterr);
    if (r == 0)
        http->counters.followers_now++;
    return r;
}

/* Takes what was read for the latest state. What changes between the first read and the beginning
 * of the subscription is in the read that the subscription begins with. */
static int take_page(lbi_follower *follower, reading *read, const char *state, lb_error *reterr)
{
    uint64_t now_us = lbi_clock_us();

    if (!state)
        return lbi_fail_nomem(reterr);
    if (!follower->event || strcmp(follower->event->state, state) != 0) {
        lbi_event *event = NULL;

        lbi_put_list_end(&read->json);
        if (read->json.code == 0)
            event = lbi_event_update(lbi_buf_bytes(&read->json), read->json.len, state);
        if (!event)
            return lbi_fail_nomem(reterr);
        (void)lbi_event_unref(follower->event);
        follower->event = event;
        follower->behind = follower->members != NULL;
    }
    follower->retry_delay_us = 0;
    /* Members who have nothing new to hear wait, too: a board that changes all the time below its
     * first rows is not read all the time. */
    if (follower->members && now_us >= follower->due_us && (follower->behind || read->dirty))
        tell_members(follower, now_us);
    return follower->changes ? 0 : subscribe(follower, reterr);
}

static void arrange(lbi_follower *follower);

/* A read has ended. The calls that it was for are answered; read is freed. */
static void end_read(reading *read, const lb_error *error)
{
    lbi_follower *follower = read->follower;

    follower->reading = NULL;
    if (error->code == LB_E_NOTFOUND)
        end_members(follower);
    else if (error->code < 0)
        retry_later(follower, error);
    answer_calls(follower, read->calls, error);
    lbi_buf_done(&read->json);
    free(read);
    if (error->code == LB_E_NOTFOUND && !follower->waiting)
        free_follower(follower);
    else
        arrange(follower);
}

static void on_read(const lb_result *result, void *user)
{
    reading *read = user;
    lb_error error = {.code = 0};

    if (!read->follower) {
        lbi_buf_done(&read->json);
        free(read);
        return;
    }
    if (result->code < 0)
        (void)lbi_fail(&error, result->code, "%s", result->message);
    else
        (void)take_page(read->follower, read, result->state, &error);
    end_read(read, &error);
}

static int add_row(const lb_player *player, void *user)
{
    reading *read = user;

    lbi_put_player(&read->json, player);
    return 0;
}

static int start_operation(lbi_follower *follower, reading *read, lb_error *reterr)
{
    lb_http *http = follower->http;
    lb_range range;

    lb_range_init(&range);
    range.timeout_ms = http->timeout_ms;
    range.limit = http->limit;
    range.flags = LB_READ_STATE | LB_READ_DURABLE;
    lbi_buf_init(&read->json, LBI_JSON_MAX);
    lbi_put_list_begin(&read->json, "players");
    return lb_board_get_start(http->client, follower->board, &range, add_row, on_read, read,
                              &read->op, reterr);
}

/* Reads the board, for all who wait and, if it is dirty, for the members. */
static void start_read(lbi_follower *follower)
{
    lb_http_call *calls = follower->waiting;
    reading *read = calloc(1, sizeof *read);
    lb_error error = {.code = 0};

    follower->waiting = NULL;
    if (!read) {
        (void)lbi_fail_nomem(&error);
        retry_later(follower, &error);
        answer_calls(follower, calls, &error);
        return;
    }
    *read = (reading){.follower = follower, .calls = calls, .dirty = follower->dirty};
    follower->reading = read;
    follower->dirty = false;
    if (start_operation(follower, read, &error) == 0)
        return;
    follower->reading = NULL;
    retry_later(follower, &error);
    answer_calls(follower, calls, &error);
    lbi_buf_done(&read->json);
    free(read);
}

/* ---- What is to be done next ---------------------------------------------------------------- */

/* After anything that this depends on. May free the follower. */
static void arrange(lbi_follower *follower)
{
    leave_list(follower);
    if (!follower->reading && follower->waiting)
        start_read(follower);
    if (follower->reading)
        return; /* its end comes here */
    if (!follower->changes)
        free_follower(follower);
    else if (!follower->members)
        put_idle(follower);
    else if (follower->dirty || follower->behind)
        put_due(follower);
}

void lbi_follower_left(lbi_follower *follower)
{
    if (!follower->members)
        arrange(follower);
}

static int on_change(const lb_change *change, void *user)
{
    lbi_follower *follower = user;
    bool was_dirty = follower->dirty;

    /* Whatever it was; and a read that is under way may have been before it. */
    follower->dirty = true;
    if (change->type == LB_CHANGE_GONE) {
        end_members(follower);
        if (!follower->reading)
            free_follower(follower);
    } else if (!was_dirty && follower->members) {
        arrange(follower);
    }
    return 0;
}

static lbi_follower *new_follower(lb_http *http, const char *board)
{
    lbi_follower *follower = calloc(1, sizeof *follower);

    if (!follower)
        return NULL;
    follower->http = http;
    lbi_copy(follower->board, sizeof follower->board, board);
    HASH_ADD_STR(http->followers, board, follower);
    if (lbi_map_failed(follower)) {
        free(follower);
        return NULL;
    }
    return follower;
}

int lbi_follower_join(lb_http *http, const char *board, lb_http_call *call, lb_error *reterr)
{
    lbi_follower *follower;

    HASH_FIND_STR(http->followers, board, follower);
    if (!follower)
        follower = new_follower(http, board);
    if (!follower)
        return lbi_fail_nomem(reterr);
    call->is_joining = true;
    DL_APPEND2(follower->waiting, call, join_prev, join_next);
    if (!follower->reading)
        arrange(follower);
    return 0;
}

int lbi_followers_process(lb_http *http, uint64_t now_us)
{
    int done = 0;

    while (done < AT_ONCE && http->due && http->due->due_us <= now_us) {
        lbi_follower *follower = http->due;

        done++;
        if (follower->dirty)
            start_read(follower);
        else
            tell_members(follower, now_us);
        arrange(follower);
    }
    if (http->idle && http->idle->idle_until_us <= now_us) {
        done++;
        free_follower(http->idle);
    }
    return done > 0;
}

uint64_t lbi_followers_deadline(const lb_http *http)
{
    uint64_t idle = http->idle ? http->idle->idle_until_us : LB_NEVER;

    return http->due ? lbi_earlier(http->due->due_us, idle) : idle;
}

void lbi_followers_free(lb_http *http)
{
    static const lb_error closed = {.code = LB_E_CLOSED, .msg = "the handler was freed"};
    lbi_follower *follower, *tmp;

    HASH_ITER (hh, http->followers, follower, tmp) {
        reading *read = follower->reading;

        answer_calls(follower, follower->waiting, &closed);
        if (read) {
            answer_calls(follower, read->calls, &closed);
            read->follower = NULL;
            (void)lb_op_cancel(read->op);
        }
        free_follower(follower);
    }
}
