/*
 * The follower: which boards there are, and what follows from that for feeds.
 *
 * One changefeed of the table `boards`, as long as there is any subscriber. A board's rows are
 * followed while it is alive; when it is marked or gone its subscribers hear GONE, when it is there
 * again RESET. The two changefeeds, of boards and of rows, are not in step:
 *
 * - the rows of one board are followed from when it is known to be alive, with what is there then;
 * - of all boards, rows of one that is not known to be alive are not passed on, and noted. When it
 *   proves to be alive after all, or was there before under the same name, everybody who follows
 *   all boards begins again.
 *
 * Boards that are gone are remembered for that, but only the last GRAVES_MAX: what comes after so
 * many others is no longer out of step.
 */
#include "store/rethinkdb_feed.h"

#include "base/error.h"
#include "base/list.h"
#include "base/str.h"
#include "os/clock.h"
#include "store/rethinkdb_term.h"

#include <stdlib.h>
#include <string.h>

enum { GRAVES_MAX = 4096 };
enum { START_US = 10000000, ABSENT_FIRST_US = 50000, ABSENT_MOST_US = 500000 };

/* ---- Boards --------------------------------------------------------------------------------- */

lbi_rdb_known *lbi_rdb_find_known(lbi_rdb_feeds *feeds, const char *board)
{
    lbi_rdb_known *known;

    HASH_FIND_STR(feeds->known, board, known);
    return known;
}

static lbi_rdb_known *need_known(lbi_rdb_feeds *feeds, const char *board)
{
    lbi_rdb_known *known = lbi_rdb_find_known(feeds, board);

    if (known)
        return known;
    known = calloc(1, sizeof *known);
    if (!known)
        return NULL;
    lbi_copy(known->id, sizeof known->id, board);
    HASH_ADD_STR(feeds->known, id, known);
    if (lbi_map_failed(known)) {
        free(known);
        return NULL;
    }
    return known;
}

static void unbury(lbi_rdb_feeds *feeds, lbi_rdb_known *known)
{
    if (!known->buried)
        return;
    known->buried = false;
    DL_DELETE(feeds->graves, known);
    feeds->n_graves--;
}

static void bury(lbi_rdb_feeds *feeds, lbi_rdb_known *known)
{
    unbury(feeds, known);
    known->buried = true;
    DL_APPEND(feeds->graves, known);
    feeds->n_graves++;
}

/* Not while somebody holds one of them. */
static void forget_graves(lbi_rdb_feeds *feeds)
{
    while (feeds->n_graves > GRAVES_MAX) {
        lbi_rdb_known *known = feeds->graves;

        feeds->forgot_strays |= known->strayed;
        unbury(feeds, known);
        HASH_DEL(feeds->known, known);
        free(known);
    }
}

static void forget_known(lbi_rdb_feeds *feeds)
{
    lbi_rdb_known *known, *next;

    HASH_ITER (hh, feeds->known, known, next) {
        HASH_DEL(feeds->known, known);
        free(known);
    }
    feeds->graves = NULL;
    feeds->n_graves = 0;
    feeds->forgot_strays = false;
}

static bool concerns(const lbi_rdb_source *source, const char *board)
{
    return !*source->board || strcmp(source->board, board) == 0;
}

static void tell_listener_gone(lbi_feed *feed, const char *board)
{
    if (*feed->board) {
        if (strcmp(feed->board, board) == 0)
            lbi_rdb_tell_gone(feed);
    } else if (feed->told == LBI_RDB_TOLD_RESET || feed->told == LBI_RDB_TOLD_READY) {
        lbi_rdb_tell(feed, LB_CHANGE_GONE, board, NULL, NULL);
    }
}

/* The board was there since it was told that it is gone, or may have been (NULL: each board). Who
 * takes what he hears for a hint may have read it then: GONE is not told twice if it is again. */
static void forget_gone(lbi_rdb_feeds *feeds, const char *board)
{
    lbi_rdb_source *source;
    lbi_feed *feed;

    DL_FOREACH (feeds->sources, source) {
        DL_FOREACH (source->listeners, feed) {
            if (!feed->rows && (!board || strcmp(feed->board, board) == 0))
                feed->gone = false;
        }
    }
}

static void board_gone(lbi_rdb_feeds *feeds, lbi_rdb_known *known)
{
    lbi_rdb_source *source;
    lbi_feed *feed;

    known->alive = false;
    known->gone = true;
    bury(feeds, known);
    feeds->work = true;
    DL_FOREACH (feeds->sources, source) {
        if (!concerns(source, known->id))
            continue;
        DL_FOREACH (source->listeners, feed)
            tell_listener_gone(feed, known->id);
        if (*source->board)
            lbi_rdb_source_stop(source);
    }
}

/* Who follows all boards may have missed rows of this one. Without rows RESET says so; rows are
 * told by the server when it begins again. */
static void restart_all_boards(lbi_rdb_feeds *feeds)
{
    lbi_rdb_source *source;
    lbi_feed *feed;

    feeds->work = true;
    DL_FOREACH (feeds->sources, source) {
        if (source->initial && !*source->board)
            lbi_rdb_source_stop(source);
        DL_FOREACH (source->listeners, feed) {
            if (!source->initial && !*feed->board)
                feed->told = LBI_RDB_TOLD_NOTHING;
        }
    }
}

void lbi_rdb_stray(lbi_rdb_feeds *feeds, const char *board)
{
    lbi_rdb_known *known = need_known(feeds, board);

    if (!known) {
        restart_all_boards(feeds); /* out of memory: the row is told once more */
        return;
    }
    known->strayed = true;
    bury(feeds, known);
    forget_graves(feeds);
}

static void board_alive(lbi_rdb_feeds *feeds, lbi_rdb_known *known, int64_t created_us)
{
    if (known->alive && known->created_us == created_us)
        return;
    if (known->alive)
        board_gone(feeds, known);
    if (known->gone || known->strayed || (feeds->forgot_strays && !known->buried))
        restart_all_boards(feeds);
    forget_gone(feeds, known->id);
    unbury(feeds, known);
    known->alive = true;
    known->gone = known->strayed = false;
    known->created_us = created_us;
    feeds->work = true;
}

static void restart_boards(lbi_rdb_feeds *feeds)
{
    lbi_reql_feed_stop(feeds->boards);
    feeds->boards_open = feeds->boards_known = false;
    feeds->work = true;
}

static void take_board(lbi_rdb_feeds *feeds, const lbi_json *old_val, const lbi_json *new_val)
{
    lbi_rdb_board was, is;
    lbi_rdb_known *known;

    lbi_rdb_board_read(old_val, &was);
    lbi_rdb_board_read(new_val, &is);
    if (!was.exists && !is.exists)
        return;
    known = need_known(feeds, is.exists ? is.id : was.id);
    if (!known) { /* out of memory: once more, later */
        lbi_rdb_feeds_retry(feeds, &feeds->boards_pause, LB_E_NOMEM, lb_strerror(LB_E_NOMEM));
        restart_boards(feeds);
        return;
    }
    known->seen = feeds->listing;
    if (is.exists && !is.deleting)
        board_alive(feeds, known, is.created_us);
    else if (known->alive)
        board_gone(feeds, known);
    else
        bury(feeds, known);
}

/* Those that were not listed are gone. */
static void take_listing(lbi_rdb_feeds *feeds)
{
    lbi_rdb_known *known, *next;

    HASH_ITER (hh, feeds->known, known, next) {
        if (known->seen == feeds->listing)
            continue;
        if (known->alive)
            board_gone(feeds, known);
    }
    feeds->boards_known = true;
    feeds->boards_pause = (lbi_rdb_pause){0};
    feeds->work = true;
}

static void take_end(lbi_rdb_feeds *feeds, const lbi_reql_item *item)
{
    bool was_open = feeds->boards_open;

    feeds->boards_open = feeds->boards_known = false;
    feeds->work = true;
    feeds->absent = item->code == LB_E_IO && strstr(item->message, "does not exist");
    if (was_open) {
        forget_gone(feeds, NULL);
        lbi_rdb_feeds_gap(feeds, item->message);
    }
    if (feeds->absent)
        lbi_rdb_pause_more(&feeds->boards_pause, ABSENT_FIRST_US, ABSENT_MOST_US);
    else
        lbi_rdb_feeds_retry(feeds, &feeds->boards_pause, item->code, item->message);
}

static void on_board(const lbi_reql_item *item, void *user)
{
    lbi_rdb_feeds *feeds = user;

    switch (item->kind) {
    case LBI_REQL_FEED_OPEN:
        feeds->boards_open = true;
        feeds->absent = false;
        feeds->listing++;
        break;
    case LBI_REQL_FEED_INITIAL:
    case LBI_REQL_FEED_UNINITIAL:
    case LBI_REQL_FEED_CHANGE:
        take_board(feeds, item->old_val, item->new_val);
        forget_graves(feeds);
        break;
    case LBI_REQL_FEED_READY:
        take_listing(feeds);
        forget_graves(feeds);
        break;
    case LBI_REQL_FEED_GAP:
        forget_gone(feeds, NULL);
        lbi_rdb_feeds_gap(feeds, item->message);
        lbi_rdb_pause_more(&feeds->boards_pause, ABSENT_FIRST_US, ABSENT_MOST_US);
        restart_boards(feeds);
        break;
    case LBI_REQL_FEED_ENDED:
        take_end(feeds, item);
        break;
    default:
        break;
    }
}

static void start_boards(lbi_rdb_feeds *feeds)
{
    lbi_term *t = &feeds->term;
    lb_error error = {.msg = ""};
    int r;

    lbi_term_query(t);
    lbi_term_literal(t, "[152,[" BOARDS "],{\"include_initial\":true,\"include_states\":true}]");
    r = lbi_term_query_end(t, feeds->store->url.database);
    if (r == 0)
        r = lbi_reql_feed_start(feeds->boards, lbi_buf_bytes(&t->buf), t->buf.len,
                                lbi_clock_us() + START_US, &error);
    if (r < 0)
        lbi_rdb_feeds_retry(feeds, &feeds->boards_pause, r, error.msg);
}

/* ---- What follows --------------------------------------------------------------------------- */

/* There is no database: no board exists, and all boards together are empty. */
static void tell_absent(lbi_rdb_source *source)
{
    lbi_feed *feed;

    DL_FOREACH (source->listeners, feed) {
        if (*feed->board) {
            lbi_rdb_tell_gone(feed);
        } else if (feed->told == LBI_RDB_TOLD_NOTHING) {
            lbi_rdb_tell_reset(feed);
            lbi_rdb_tell_ready(feed);
        }
    }
}

static bool is_alive(lbi_rdb_feeds *feeds, const char *board)
{
    const lbi_rdb_known *known = lbi_rdb_find_known(feeds, board);

    return known && known->alive;
}

/* Those whose board is not there, and those who came after the source was open. */
static void tell_listeners(lbi_rdb_source *source)
{
    lbi_feed *feed;

    DL_FOREACH (source->listeners, feed) {
        if (*feed->board && !is_alive(source->feeds, feed->board)) {
            lbi_rdb_tell_gone(feed);
        } else if (source->open && !source->initial &&
                   (feed->told == LBI_RDB_TOLD_NOTHING || feed->told == LBI_RDB_TOLD_GONE)) {
            lbi_rdb_tell_reset(feed);
            lbi_rdb_tell_ready(feed);
        }
    }
}

static void look_at_source(lbi_rdb_source *source, uint64_t now_us)
{
    lbi_rdb_feeds *feeds = source->feeds;
    bool wanted = !*source->board || is_alive(feeds, source->board);

    tell_listeners(source);
    lbi_rdb_source_watch(source, now_us);
    if (!wanted || lbi_reql_feed_is_open(source->feed))
        return;
    if (now_us >= source->pause.at_us)
        lbi_rdb_source_start(source);
    if (!lbi_reql_feed_is_open(source->feed) && source->pause.at_us < feeds->next_us)
        feeds->next_us = source->pause.at_us;
}

static void look_at_boards(lbi_rdb_feeds *feeds, uint64_t now_us)
{
    if (feeds->n_feeds == 0) {
        restart_boards(feeds);
        feeds->absent = false;
        forget_known(feeds);
        feeds->work = false;
        return;
    }
    if (lbi_reql_feed_is_open(feeds->boards))
        return;
    if (now_us >= feeds->boards_pause.at_us)
        start_boards(feeds);
    if (!lbi_reql_feed_is_open(feeds->boards) && feeds->boards_pause.at_us < feeds->next_us)
        feeds->next_us = feeds->boards_pause.at_us;
}

static int look_at_all(lbi_rdb_feeds *feeds, uint64_t now_us)
{
    lbi_rdb_source *source;

    if (!feeds->work && now_us < feeds->next_us)
        return 0;
    feeds->work = false;
    feeds->next_us = LB_NEVER;
    lbi_rdb_sources_merge(feeds);
    look_at_boards(feeds, now_us);
    DL_FOREACH (feeds->sources, source) {
        if (feeds->absent)
            tell_absent(source);
        else if (feeds->boards_known)
            look_at_source(source, now_us);
    }
    return 1;
}

/* ---- Turns ---------------------------------------------------------------------------------- */

/* Something has come. It stays where it is until feeds are driven, and is not told twice. */
static void on_bridge(void *user)
{
    lbi_rdb_feeds *feeds = user;

    feeds->ready = true;
    feeds->bridge.no_read = true;
    (void)lbi_poller_update(feeds->store->config.poller, &feeds->bridge, NULL);
}

static void cross_bridge(lbi_rdb_feeds *feeds)
{
    if (!feeds->ready)
        return;
    (void)lbi_poller_dispatch(feeds->poller);
    feeds->ready = false;
    feeds->bridge.no_read = false;
    (void)lbi_poller_update(feeds->store->config.poller, &feeds->bridge, NULL);
}

int lbi_rdb_feeds_process(lbi_store *base, uint64_t now_us)
{
    lbi_rdb_feeds *feeds = ((lbi_rdb *)base)->feeds;
    int did;

    if (feeds->dispatching)
        return 0;
    feeds->dispatching = true;
    cross_bridge(feeds);
    did = lbi_reql_conn_process(feeds->conn, now_us);
    did |= look_at_all(feeds, now_us);
    feeds->dispatching = false;
    lbi_rdb_feeds_sweep(feeds);
    return did;
}

uint64_t lbi_rdb_feeds_deadline(const lbi_rdb_feeds *feeds)
{
    uint64_t ret = lbi_reql_conn_deadline(feeds->conn);

    if (feeds->work || feeds->ready)
        return 0;
    return ret < feeds->next_us ? ret : feeds->next_us;
}

void lbi_rdb_feeds_wake(lbi_rdb_feeds *feeds)
{
    if (!feeds->absent)
        return;
    feeds->boards_pause = (lbi_rdb_pause){0};
    feeds->work = true;
}

int lbi_rdb_feeds_new(lbi_rdb *store, const lbi_reql_options *options, lbi_rdb_feeds **ret,
                      lb_error *reterr)
{
    lbi_rdb_feeds *feeds = calloc(1, sizeof *feeds);
    int r;

    if (!feeds)
        return lbi_fail_nomem(reterr);
    *ret = feeds; /* lbi_rdb_feeds_free() ends what there is of it */
    feeds->store = store;
    feeds->next_us = LB_NEVER;
    lbi_term_init(&feeds->term, 65536);
    r = lbi_poller_new(&feeds->poller, reterr);
    if (r == 0)
        r = lbi_reql_conn_new(options, feeds->poller, &feeds->conn, reterr);
    if (r == 0)
        r = lbi_reql_feed_new(feeds->conn, on_board, feeds, &feeds->boards, reterr);
    if (r < 0)
        return r;
    feeds->bridge = (lbi_poll){.fd = lbi_poller_fd(feeds->poller), .fn = on_bridge, .user = feeds};
    r = lbi_poller_add(store->config.poller, &feeds->bridge, reterr);
    feeds->bridged = r == 0;
    return r;
}

void lbi_rdb_feeds_free(lbi_rdb_feeds *feeds)
{
    lbi_rdb_source *source, *next;

    if (!feeds)
        return;
    DL_FOREACH_SAFE (feeds->sources, source, next) {
        while (source->listeners->next)
            lbi_rdb_feed_close(source->listeners);
        lbi_rdb_feed_close(source->listeners); /* frees the source, too */
    }
    lbi_reql_feed_free(feeds->boards);
    lbi_reql_conn_free(feeds->conn);
    if (feeds->bridged)
        lbi_poller_remove(feeds->store->config.poller, &feeds->bridge);
    lbi_poller_free(feeds->poller);
    forget_known(feeds);
    lbi_term_done(&feeds->term);
    free(feeds);
}
