/*
 * The follower: what feeds hear.
 *
 * There is one cursor into the change log, however many feeds there are. A log entry says which
 * row has changed; the row itself is read again, in the same transaction as the entry. So
 * everything that is delivered is the state of a row at some moment, and never an older one than
 * was delivered before: whoever applies it ends up with the store's rows.
 *
 * A new feed gets its rows in chunks, each read in a transaction of its own, while the cursor goes
 * on. The cursor was taken before the first chunk, so that what changes in between is delivered
 * too. READY follows when the end of the log is reached after the last chunk.
 *
 * Reading ends before delivering begins: a callback may do what it likes to the store, and nobody
 * keeps the write-ahead log from being moved.
 *
 * When to look: at once after a commit of our own; after an event of the file, at once and then
 * with growing pauses, since the event comes before the commit can be seen; and every POLL_US
 * whatever happens.
 */
#include "store/sqlite_feed.h"
#include "store/sqlite_log.h"

#include "base/error.h"
#include "base/list.h"
#include "base/str.h"
#include "os/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    POLL_US = 250000,       /* between two looks without any event */
    HINT_FIRST_US = 1000,   /* after an event: 1, 2, 4, ... ms */
    HINT_LAST_US = 128000,  /* the last of them comes that late at most */
    RETRY_FIRST_US = 10000, /* after an error */
    RETRY_MOST_US = 1000000
};

/* ---- Delivering ----------------------------------------------------------------------------- */

static bool hears(const lbi_feed *feed)
{
    return !feed->dead && feed->state != LBI_FEED_NEW && feed->state != LBI_FEED_GONE;
}

static void tell_list(lbi_feed *list, int type, const lbi_log_entry *entry,
                      const lb_player *old_row)
{
    lbi_feed *feed;

    DL_FOREACH (list, feed) {
        if (hears(feed))
            lbi_feed_tell(feed, type, entry->board, old_row,
                          entry->has_new ? &entry->new_row : NULL);
    }
}

/* A board that is gone, and perhaps there again. Its rows are not logged when it goes; those of a
 * new one are. One that came and is gone again is told of once more: whoever reads it by himself
 * may have found it in between. */
static void tell_board(lbi_follow *follow, const lbi_log_entry *entry)
{
    lbi_follow_board *board = lbi_feed_board(follow, entry->board);
    lbi_feed *feed;

    if (!entry->created)
        tell_list(follow->all, LB_CHANGE_GONE, entry, NULL);
    if (!board)
        return;
    DL_FOREACH (board->feeds, feed) {
        if (!entry->created && hears(feed))
            lbi_feed_gone(feed);
        if (entry->alive && feed->state == LBI_FEED_GONE)
            lbi_feed_restart(feed);
        else if (entry->created && feed->state == LBI_FEED_GONE)
            lbi_feed_gone(feed);
    }
}

static void tell_row(lbi_follow *follow, const lbi_log_entry *entry)
{
    lbi_follow_board *board = lbi_feed_board(follow, entry->board);
    lb_player unknown = {.board = entry->board, .id = entry->id, .name = entry->id};
    const lb_player *old_row = entry->has_old ? &entry->old_row : NULL;

    if (!entry->alive)
        return; /* GONE says it all */
    if (!old_row && !entry->has_new)
        old_row = &unknown;
    if (board)
        tell_list(board->feeds, LB_CHANGE_CHANGE, entry, old_row);
    tell_list(follow->all, LB_CHANGE_CHANGE, entry, old_row);
}

/* Boards first: a row that was read may belong to the board that came after the one that went. */
static void tell_batch(lbi_follow *follow, const lbi_log_batch *batch)
{
    for (size_t i = 0; i < batch->n; i++) {
        if (!batch->entries[i].id)
            tell_board(follow, &batch->entries[i]);
    }
    for (size_t i = 0; i < batch->n; i++) {
        if (batch->entries[i].id)
            tell_row(follow, &batch->entries[i]);
    }
}

static void start_again(lbi_follow *follow)
{
    follow->has_cursor = false;
    follow->behind = true;
    lbi_feed_restart_all(follow);
}

static int report_gap(lbi_sqlite *store)
{
    store->config.counters->gaps++;
    lbi_notice(&store->config, LB_NOTICE_GAP, 0,
               "fell behind the change log of '%.100s': subscriptions start again", store->name);
    start_again(&store->follow);
    return 1;
}

/* Everything about the cursor is settled before the first callback. */
static int settle(lbi_sqlite *store, int r, const lbi_log_batch *batch)
{
    lbi_follow *follow = &store->follow;

    if (r < 0)
        return r;
    if (r == LBI_LOG_GAP)
        return report_gap(store);
    follow->cursor = batch->last;
    follow->behind = batch->n_read == LBI_LOG_BATCH;
    store->config.counters->changes += batch->n_read;
    tell_batch(follow, batch);
    if (follow->behind || !follow->catching_up)
        return batch->n_read > 0;
    lbi_feed_ready(follow);
    return 1;
}

static int step_log(lbi_sqlite *store)
{
    lbi_log_batch *batch = calloc(1, sizeof *batch);
    int r;

    if (!batch)
        return lbi_db_fail(&store->follow.db, SQLITE_NOMEM);
    r = settle(store, lbi_log_read(&store->follow, batch), batch);
    lbi_arena_clear(&batch->arena);
    free(batch);
    return r;
}

/* ---- When to look --------------------------------------------------------------------------- */

/* By the name that SQLite uses, which has gone through symbolic links. */
static void watch_log(lbi_sqlite *store)
{
    lbi_follow *follow = &store->follow;

    lbi_watch_open(&follow->watch, store->config.poller, lbi_db_log_name(&follow->db));
}

/* The pauses after an event double, and end with the ordinary poll. */
static void plan_look(lbi_sqlite *store, uint64_t now_us)
{
    lbi_follow *follow = &store->follow;

    if (lbi_watch_heard(&follow->watch))
        follow->hint_us = HINT_FIRST_US;
    else if (follow->hint_us)
        follow->hint_us = follow->hint_us < HINT_LAST_US ? follow->hint_us * 2 : 0;
    follow->look_us = now_us + (follow->hint_us ? follow->hint_us : POLL_US);
}

static bool look_is_due(lbi_follow *follow, uint64_t now_us)
{
    return follow->behind || follow->watch.heard || now_us >= follow->look_us;
}

void lbi_follow_wake(lbi_sqlite *store)
{
    store->follow.behind = store->follow.n_feeds > 0;
}

uint64_t lbi_follow_deadline(const lbi_follow *follow)
{
    bool now = follow->behind || follow->watch.heard || follow->starting;
    uint64_t ret = now ? 0 : follow->look_us;

    if (follow->n_feeds == 0)
        return follow->db.handle || follow->watch.is_open ? 0 : LB_NEVER;
    return ret > follow->retry.at_us ? ret : follow->retry.at_us;
}

/* ---- Steps ---------------------------------------------------------------------------------- */

static void close_all(lbi_sqlite *store)
{
    lbi_follow *follow = &store->follow;

    lbi_watch_close(&follow->watch, store->config.poller);
    lbi_db_close(&follow->db);
    follow->has_cursor = follow->behind = false;
    follow->hint_us = 0;
    follow->look_us = 0;
    lbi_backoff_clear(&follow->retry);
}

void lbi_follow_reset(lbi_sqlite *store)
{
    close_all(store);
    start_again(&store->follow);
}

/* Whatever comes, comes after entry 0. */
static int be_absent(lbi_follow *follow)
{
    bool news = follow->starting || follow->catching_up;

    follow->has_cursor = true;
    follow->cursor = (lbi_log_end){0};
    follow->behind = false;
    lbi_feed_absent(follow);
    lbi_feed_ready(follow);
    return news;
}

static int take_cursor(lbi_follow *follow)
{
    lbi_write end;
    int r = follow->has_cursor ? 0 : lbi_write_begin(&end, &follow->db);

    if (r < 0 || follow->has_cursor)
        return r;
    follow->cursor = end.last;
    follow->has_cursor = true;
    return 0;
}

static int step(lbi_sqlite *store, uint64_t now_us)
{
    lbi_follow *follow = &store->follow;
    bool due = look_is_due(follow, now_us);
    int r;

    if (due && !follow->behind && follow->db.handle && lbi_db_moved(&follow->db))
        lbi_follow_reset(store);
    if (due)
        plan_look(store, now_us);
    r = lbi_sqlite_open(store, &follow->db, false);
    if (r == LB_E_NOTFOUND)
        return be_absent(follow);
    if (r < 0)
        return r;
    if (due && !follow->hint_us)
        watch_log(store);
    r = take_cursor(follow);
    if (r < 0)
        return r;
    follow->chunk_turn = !follow->chunk_turn;
    if (!follow->starting || (due && !follow->chunk_turn))
        return step_log(store);
    follow->behind = true; /* for READY */
    return lbi_feed_step(follow);
}

/* Told once, however often it is tried. What may have been read half is read again. */
static void recover(lbi_sqlite *store, int code)
{
    lbi_follow *follow = &store->follow;
    bool first = follow->retry.step_us == 0;

    store->config.counters->retries++;
    lbi_backoff_more(&follow->retry, RETRY_FIRST_US, RETRY_MOST_US);
    if (first)
        lbi_notice(&store->config, LB_NOTICE_RETRY, code, "following the database: %s",
                   follow->db.error.msg);
    if (code == LB_E_BUSY || code == LB_E_NOMEM)
        return;
    lbi_db_close(&follow->db);
    start_again(follow);
}

int lbi_follow_process(lbi_store *base, uint64_t now_us)
{
    lbi_sqlite *store = (lbi_sqlite *)base;
    lbi_follow *follow = &store->follow;
    int r;

    if (follow->dispatching)
        return 0;
    if (follow->n_feeds == 0) {
        close_all(store);
        return 0;
    }
    if (now_us < follow->retry.at_us || (!look_is_due(follow, now_us) && !follow->starting))
        return 0;
    follow->dispatching = true;
    r = step(store, now_us);
    follow->dispatching = false;
    lbi_feed_sweep(follow);
    if (r < 0)
        recover(store, r);
    else if (!follow->starting && !follow->behind)
        lbi_backoff_clear(&follow->retry); /* it has read everything, and not only the beginning */
    return r > 0;
}

static void free_list(lbi_feed *list)
{
    lbi_feed *feed, *next;

    DL_FOREACH_SAFE (list, feed, next)
        lbi_follow_close(feed);
}

void lbi_follow_free(lbi_sqlite *store)
{
    lbi_follow *follow = &store->follow;
    lbi_follow_board *board, *next;

    free_list(follow->all);
    HASH_ITER (hh, follow->boards, board, next)
        free_list(board->feeds);
    close_all(store);
}
