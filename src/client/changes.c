/* Subscriptions: to rows they pass on what a feed of the store gives; to tops see top.c. */
#include "base/error.h"
#include "base/list.h"
#include "base/options.h"
#include "client/client.h"

#include <stdlib.h>

void lbi_changes_deliver(lb_changes *changes, const lb_change *change)
{
    /* A client that is closing has promised its host no further calls. */
    if (changes->cancelled || changes->client->closing)
        return;
    if (changes->fn(change, changes->user) != 0)
        (void)lb_changes_cancel(changes);
}

static void on_change(const lb_change *change, void *user)
{
    lbi_changes_deliver(user, change);
}

static int check_changes(const lb_changes_options *o, const char *board, lb_error *reterr)
{
    if (o->flags & ~(uint32_t)LB_CHANGES_NO_ROWS)
        return lbi_fail(reterr, LB_E_INVAL, "flags are none of LB_CHANGES_...");
    if (o->top > LB_LIMIT_MAX)
        return lbi_fail(reterr, LB_E_INVAL, "top is at most %d", LB_LIMIT_MAX);
    if (o->min_interval_ms > LBI_TIMEOUT_MAX_MS)
        return lbi_fail(reterr, LB_E_INVAL, "min_interval_ms is at most %d", LBI_TIMEOUT_MAX_MS);
    if (o->top && (!board || o->flags))
        return lbi_fail(reterr, LB_E_INVAL, "top needs a board and goes with no flag");
    return board ? lb_board_id_check(board, reterr) : 0;
}

static int open_changes(lb_changes *changes, const char *board, const lb_changes_options *o,
                        lb_error *reterr)
{
    lb_client *client = changes->client;
    bool rows = !(o->flags & LB_CHANGES_NO_ROWS);
    int r;

    if (o->top) {
        changes->interval_us = (o->min_interval_ms ? o->min_interval_ms : 100) * UINT64_C(1000);
        return lbi_top_join(changes, board, o->top, reterr);
    }
    r = client->store->ops->feed_open(client->store, board, rows, on_change, changes,
                                      &changes->feed, reterr);
    if (r == 0)
        DL_APPEND(client->changes, changes);
    return r;
}

int lb_changes_subscribe(lb_client *client, const char *board, const lb_changes_options *opts,
                         lb_change_fn fn, void *user, lb_changes **ret, lb_error *reterr)
{
    lb_changes_options o;
    lb_changes *changes;
    int r = lbi_client_check(client, reterr);

    if (r == 0)
        r = lbi_options_copy(&o, sizeof o, opts, "lb_changes_options", reterr);
    if (r == 0)
        r = check_changes(&o, board, reterr);
    if (r == 0 && !fn)
        r = lbi_fail(reterr, LB_E_INVAL, "fn must not be NULL");
    if (r < 0)
        return r;
    changes = calloc(1, sizeof *changes);
    if (!changes)
        return lbi_fail_nomem(reterr);
    *changes = (lb_changes){.client = client, .fn = fn, .user = user};
    r = open_changes(changes, board, &o, reterr);
    if (r < 0) {
        free(changes);
        return r;
    }
    if (ret)
        *ret = changes;
    return 0;
}

/* Takes it out of the store's or the top's hands; frees it now or when no callback runs. */
static void detach(lb_changes *changes)
{
    lb_client *client = changes->client;

    if (changes->top) {
        lbi_top_leave(changes);
    } else {
        client->store->ops->feed_close(changes->feed);
        DL_DELETE(client->changes, changes);
    }
    if (client->depth == 0)
        free(changes);
    else
        DL_APPEND(client->dead, changes);
}

lb_changes *lb_changes_cancel(lb_changes *changes)
{
    if (!changes || changes->cancelled || lbi_client_check(changes->client, NULL) < 0)
        return NULL;
    changes->cancelled = true;
    detach(changes);
    return NULL;
}

void lbi_changes_sweep(lb_client *client)
{
    lb_changes *changes;

    while ((changes = client->dead)) {
        DL_DELETE(client->dead, changes);
        free(changes);
    }
}

void lbi_changes_free_all(lb_client *client)
{
    while (client->changes)
        detach(client->changes);
    lbi_changes_sweep(client);
}
