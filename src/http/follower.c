/* One subscription per board, whose events all its streams share. */
#include "base/error.h"
#include "base/json_out.h"
#include "base/list.h"
#include "base/map.h"
#include "base/str.h"
#include "http/http.h"
#include "os/clock.h"

#include <stdlib.h>
#include <string.h>

/* A follower without a stream is kept for so long, since browsers come back, but not many are. */
#define IDLE_US UINT64_C(3000000)
enum { MAX_IDLE = 64 };

struct lbi_follower {
    lb_http *http;
    UT_hash_handle hh;
    char board[LB_BOARD_MAX + 1];
    lb_changes *changes;
    lbi_event *event;
    lb_http_stream *members;
    lbi_follower *prev, *next; /* http->idle */
    bool idle;
    uint64_t idle_until_us;
};

lbi_follower *lbi_follower_find(lb_http *http, const char *board)
{
    lbi_follower *follower;

    HASH_FIND_STR(http->followers, board, follower);
    return follower;
}

lbi_event *lbi_follower_event(const lbi_follower *follower)
{
    return follower->event;
}

lb_http_stream **lbi_follower_members(lbi_follower *follower)
{
    return &follower->members;
}

static void leave_idle(lbi_follower *follower)
{
    if (!follower->idle)
        return;
    follower->idle = false;
    follower->http->n_idle--;
    DL_DELETE(follower->http->idle, follower);
}

/* Its streams end. */
static void free_follower(lbi_follower *follower)
{
    lb_http *http = follower->http;

    while (follower->members)
        lbi_stream_end(follower->members);
    leave_idle(follower);
    (void)lb_changes_cancel(follower->changes);
    (void)lbi_event_unref(follower->event);
    HASH_DEL(http->followers, follower);
    http->counters.followers_now--;
    free(follower);
}

void lbi_follower_update(lbi_follower *follower)
{
    lb_http *http = follower->http;

    leave_idle(follower);
    if (follower->members)
        return;
    follower->idle = true;
    follower->idle_until_us = lbi_clock_us() + IDLE_US;
    http->n_idle++;
    DL_APPEND(http->idle, follower);
    if (http->n_idle > MAX_IDLE)
        free_follower(http->idle);
}

static lbi_event *encode_top(const lb_change *change)
{
    lbi_event *event = NULL;
    lbi_buf json;

    lbi_buf_init(&json, LBI_JSON_MAX);
    lbi_put_list_begin(&json, "players");
    for (size_t i = 0; i < change->n_rows; i++)
        lbi_put_player(&json, change->rows[i]);
    lbi_put_list_end(&json);
    if (json.code == 0)
        event = lbi_event_update(lbi_buf_bytes(&json), json.len, change->state);
    lbi_buf_done(&json);
    return event;
}

static int on_change(const lb_change *change, void *user)
{
    lbi_follower *follower = user;
    lbi_event *event = NULL;

    if (change->type == LB_CHANGE_TOP) {
        if (strcmp(change->state, follower->event->state) == 0)
            return 0;
        event = encode_top(change);
    }
    /* Gone; or a state for which there is no memory: who connects again gets it then. */
    if (!event) {
        free_follower(follower);
        return 0;
    }
    (void)lbi_event_unref(follower->event);
    follower->event = event;
    lbi_streams_offer(follower->members, event);
    return 0;
}

int lbi_follower_new(lb_http *http, const char *board, lbi_event *event, lbi_follower **ret,
                     lb_error *reterr)
{
    lb_changes_options opts;
    lbi_follower *follower = calloc(1, sizeof *follower);
    int r;

    if (!follower) {
        (void)lbi_event_unref(event);
        return lbi_fail_nomem(reterr);
    }
    *follower = (lbi_follower){.http = http, .event = event};
    lbi_copy(follower->board, sizeof follower->board, board);
    HASH_ADD_STR(http->followers, board, follower);
    if (lbi_map_failed(follower)) {
        (void)lbi_event_unref(event);
        free(follower);
        return lbi_fail_nomem(reterr);
    }
    http->counters.followers_now++;
    lb_changes_options_init(&opts);
    opts.top = http->limit;
    opts.min_interval_ms = http->min_interval_ms;
    r = lb_changes_subscribe(http->client, board, &opts, on_change, follower, &follower->changes,
                             reterr);
    if (r < 0) {
        free_follower(follower);
        return r;
    }
    *ret = follower;
    return 0;
}

int lbi_followers_process(lb_http *http, uint64_t now_us)
{
    if (!http->idle || http->idle->idle_until_us > now_us)
        return 0;
    free_follower(http->idle);
    return 1;
}

uint64_t lbi_followers_deadline(const lb_http *http)
{
    return http->idle ? http->idle->idle_until_us : LB_NEVER;
}

void lbi_followers_free(lb_http *http)
{
    lbi_follower *follower, *tmp;

    HASH_ITER (hh, http->followers, follower, tmp)
        free_follower(follower);
}
