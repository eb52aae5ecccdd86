/*
 * Feeds: subscribers, and the changefeeds that they hear from.
 *
 * Who wants rows has a changefeed of his own, on the primary keys of the board, that begins with
 * the rows that are there: the server mixes them with changes in an order that is right, which
 * nobody else can. Who wants none shares one with all others of the same board, and beyond
 * LBI_RDB_BOARD_FEEDS boards one of the whole table: each feed of a table costs every write to it,
 * whatever board it is on.
 */
#include "store/rethinkdb_feed.h"

#include "base/error.h"
#include "base/list.h"
#include "base/str.h"
#include "os/clock.h"
#include "store/rethinkdb_term.h"

#include <stdlib.h>
#include <string.h>

enum { START_US = 10000000, PAUSE_FIRST_US = 50000, PAUSE_MOST_US = 2000000 };
enum { READY_US = 3000000, READY_DOUBLINGS = 5 };

/* ---- Delivering ----------------------------------------------------------------------------- */

void lbi_rdb_tell(lbi_feed *feed, int type, const char *board, const lb_player *old_row,
                  const lb_player *new_row)
{
    lb_change change = {.type = type, .board = board, .old_row = old_row, .new_row = new_row};

    if (!feed->dead)
        feed->fn(&change, feed->user);
}

static const char *board_of(const lbi_feed *feed)
{
    return *feed->board ? feed->board : NULL;
}

void lbi_rdb_tell_reset(lbi_feed *feed)
{
    feed->told = LBI_RDB_TOLD_RESET;
    feed->gone = false;
    lbi_rdb_tell(feed, LB_CHANGE_RESET, board_of(feed), NULL, NULL);
}

void lbi_rdb_tell_ready(lbi_feed *feed)
{
    if (feed->told != LBI_RDB_TOLD_RESET)
        return;
    feed->told = LBI_RDB_TOLD_READY;
    lbi_rdb_tell(feed, LB_CHANGE_READY, board_of(feed), NULL, NULL);
}

void lbi_rdb_tell_gone(lbi_feed *feed)
{
    feed->told = LBI_RDB_TOLD_GONE;
    if (feed->gone)
        return;
    feed->gone = true;
    lbi_rdb_tell(feed, LB_CHANGE_GONE, feed->board, NULL, NULL);
}

static bool hears(const lbi_feed *feed)
{
    return feed->told == LBI_RDB_TOLD_RESET || feed->told == LBI_RDB_TOLD_READY;
}

static bool is_about(const lbi_feed *feed, const char *board)
{
    return !*feed->board || strcmp(feed->board, board) == 0;
}

static void tell_row(lbi_rdb_source *source, int type, const lb_player *old_row,
                     const lb_player *new_row)
{
    /* cppcheck-suppress nullPointer ; one of the two there is always */
    const char *board = (new_row ? new_row : old_row)->board;
    lbi_feed *feed;

    DL_FOREACH (source->listeners, feed) {
        if (hears(feed) && is_about(feed, board))
            lbi_rdb_tell(feed, type, board, old_row, new_row);
    }
}

/* ---- Notices -------------------------------------------------------------------------------- */

void lbi_rdb_feeds_gap(lbi_rdb_feeds *feeds, const char *message)
{
    const lbi_store_config *config = &feeds->store->config;

    config->counters->gaps++;
    if (!feeds->gap_told)
        lbi_notice(config, LB_NOTICE_GAP, 0, "subscriptions start again: %.200s", message);
    feeds->gap_told = true;
}

void lbi_rdb_feeds_retry(lbi_rdb_feeds *feeds, lbi_rdb_pause *pause, int code, const char *message)
{
    const lbi_store_config *config = &feeds->store->config;

    config->counters->retries++;
    if (pause->step_us == 0 || code != pause->code)
        lbi_notice(config, LB_NOTICE_RETRY, code, "following the database: %.200s", message);
    pause->code = code;
    lbi_rdb_pause_more(pause, PAUSE_FIRST_US, PAUSE_MOST_US);
    feeds->work = true;
}

/* ---- What the server tells ------------------------------------------------------------------ */

/* Returns true if there is a row; a bad one is none. */
static bool read_row(lbi_rdb_feeds *feeds, const lbi_json *value, bool is_new, lbi_rdb_row *ret)
{
    int r = lbi_rdb_row_read(value, ret);

    if (r < 0 && is_new)
        lbi_rdb_row_report(&feeds->store->config, value, true);
    return r == 1;
}

/* Rows of a board that is not there (yet, or any more) are not for subscribers. */
static bool is_alive(lbi_rdb_feeds *feeds, const char *board)
{
    const lbi_rdb_known *known = lbi_rdb_find_known(feeds, board);

    return known && known->alive;
}

static void take_values(lbi_rdb_source *source, const lbi_reql_item *item)
{
    lbi_rdb_feeds *feeds = source->feeds;
    bool initial = item->kind == LBI_REQL_FEED_INITIAL;
    lbi_rdb_row old_row, new_row;
    bool has_old = read_row(feeds, item->old_val, false, &old_row);
    bool has_new = read_row(feeds, item->new_val, true, &new_row);
    lb_player was, is;

    feeds->store->config.counters->changes += !initial;
    if (!has_old && !has_new)
        return;
    if (has_old)
        was = lbi_rdb_row_player(&old_row);
    if (has_new)
        is = lbi_rdb_row_player(&new_row);
    if (!*source->board && !is_alive(feeds, has_new ? is.board : was.board)) {
        if (has_new)
            lbi_rdb_stray(feeds, is.board);
        return;
    }
    tell_row(source, initial ? LB_CHANGE_ROW : LB_CHANGE_CHANGE, has_old ? &was : NULL,
             has_new ? &is : NULL);
}

/* A server that throws changes away while it tells the first rows says neither that it did nor ever
 * READY, until the next change. The longer the more often: perhaps it is only slow. */
static void await_ready(lbi_rdb_source *source)
{
    unsigned n = source->n_silent < READY_DOUBLINGS ? source->n_silent : READY_DOUBLINGS;

    source->ready_by_us = lbi_clock_us() + ((uint64_t)READY_US << n);
    if (source->ready_by_us < source->feeds->next_us)
        source->feeds->next_us = source->ready_by_us;
}

void lbi_rdb_source_watch(lbi_rdb_source *source, uint64_t now_us)
{
    if (source->ready_by_us == 0)
        return;
    if (source->ready_by_us > now_us) {
        if (source->ready_by_us < source->feeds->next_us)
            source->feeds->next_us = source->ready_by_us;
        return;
    }
    source->n_silent++;
    lbi_rdb_feeds_gap(source->feeds, "the server does not say that it has told all rows");
    lbi_rdb_source_stop(source);
}

static void take_open(lbi_rdb_source *source)
{
    lbi_feed *feed;

    source->open = true;
    DL_FOREACH (source->listeners, feed) {
        if (*feed->board && !is_alive(source->feeds, feed->board)) {
            lbi_rdb_tell_gone(feed);
            continue;
        }
        lbi_rdb_tell_reset(feed);
        if (!source->initial)
            lbi_rdb_tell_ready(feed);
    }
    if (source->initial)
        await_ready(source);
    else
        source->pause = (lbi_rdb_pause){0};
}

static void take_ready(lbi_rdb_source *source)
{
    lbi_feed *feed;

    source->pause = (lbi_rdb_pause){0};
    source->ready_by_us = 0;
    source->n_silent = 0;
    source->feeds->gap_told = false;
    DL_FOREACH (source->listeners, feed)
        lbi_rdb_tell_ready(feed);
}

static void forget_told(lbi_rdb_source *source)
{
    lbi_feed *feed;

    source->open = false;
    source->ready_by_us = 0;
    DL_FOREACH (source->listeners, feed) {
        if (feed->told != LBI_RDB_TOLD_GONE)
            feed->told = LBI_RDB_TOLD_NOTHING;
    }
}

static void take_end(lbi_rdb_source *source, const lbi_reql_item *item)
{
    bool was_open = source->open;

    forget_told(source);
    if (was_open)
        lbi_rdb_feeds_gap(source->feeds, item->message);
    lbi_rdb_feeds_retry(source->feeds, &source->pause, item->code, item->message);
}

static void take_gap(lbi_rdb_source *source, const lbi_reql_item *item)
{
    lbi_rdb_feeds_gap(source->feeds, item->message);
    lbi_rdb_source_stop(source);
    lbi_rdb_pause_more(&source->pause, PAUSE_FIRST_US, PAUSE_MOST_US);
    source->feeds->work = true;
}

static void on_item(const lbi_reql_item *item, void *user)
{
    lbi_rdb_source *source = user;

    switch (item->kind) {
    case LBI_REQL_FEED_OPEN:
        take_open(source);
        break;
    case LBI_REQL_FEED_INITIAL:
    case LBI_REQL_FEED_UNINITIAL:
    case LBI_REQL_FEED_CHANGE:
        take_values(source, item);
        break;
    case LBI_REQL_FEED_READY:
        take_ready(source);
        break;
    case LBI_REQL_FEED_BATCH:
        if (source->ready_by_us)
            await_ready(source);
        break;
    case LBI_REQL_FEED_GAP:
        take_gap(source, item);
        break;
    case LBI_REQL_FEED_ENDED:
        take_end(source, item);
        break;
    default:
        break;
    }
}

/* ---- Sources -------------------------------------------------------------------------------- */

static void put_changes(const lbi_rdb_source *source, lbi_term *t)
{
    lbi_term_query(t);
    lbi_term_call(t, LBI_T_CHANGES);
    lbi_term_call(t, LBI_T_PLUCK);
    if (*source->board)
        lbi_rdb_term_rows(t, source->board, false);
    else
        lbi_term_literal(t, PLAYERS);
    lbi_term_literal(t, ROW_FIELDS);
    lbi_term_end(t);
    lbi_term_opts(t);
    lbi_term_key(t, "include_initial");
    lbi_term_bool(t, source->initial);
    lbi_term_key(t, "include_states");
    lbi_term_bool(t, true);
    lbi_term_key(t, "changefeed_queue_size");
    lbi_term_int(t, source->feeds->store->config.change_log);
    lbi_term_end(t);
}

void lbi_rdb_source_start(lbi_rdb_source *source)
{
    lbi_rdb_feeds *feeds = source->feeds;
    lbi_term *t = &feeds->term;
    lb_error error = {.msg = ""};
    int r;

    put_changes(source, t);
    r = lbi_term_query_end(t, feeds->store->url.database);
    if (r == 0)
        r = lbi_reql_feed_start(source->feed, lbi_buf_bytes(&t->buf), t->buf.len,
                                lbi_clock_us() + START_US, &error);
    if (r < 0)
        lbi_rdb_feeds_retry(feeds, &source->pause, r, error.msg);
}

void lbi_rdb_source_stop(lbi_rdb_source *source)
{
    lbi_reql_feed_stop(source->feed);
    forget_told(source);
}

static lbi_rdb_source *new_source(lbi_rdb_feeds *feeds, const char *board, bool initial,
                                  lb_error *reterr)
{
    lbi_rdb_source *source = calloc(1, sizeof *source);

    if (!source) {
        (void)lbi_fail_nomem(reterr);
        return NULL;
    }
    *source = (lbi_rdb_source){.feeds = feeds, .initial = initial};
    lbi_copy(source->board, sizeof source->board, board);
    if (lbi_reql_feed_new(feeds->conn, on_item, source, &source->feed, reterr) < 0) {
        free(source);
        return NULL;
    }
    DL_APPEND(feeds->sources, source);
    return source;
}

static void free_source(lbi_rdb_source *source)
{
    lbi_reql_feed_free(source->feed);
    DL_DELETE(source->feeds->sources, source);
    free(source);
}

static lbi_rdb_source *find_shared(lbi_rdb_feeds *feeds, const char *board, size_t *ret_count)
{
    lbi_rdb_source *source, *found = NULL;

    *ret_count = 0;
    DL_FOREACH (feeds->sources, source) {
        if (source->initial)
            continue;
        ++*ret_count;
        if (strcmp(source->board, board) == 0)
            found = source;
    }
    return found;
}

static lbi_rdb_source *need_source(lbi_rdb_feeds *feeds, const char *board, bool rows,
                                   lb_error *reterr)
{
    lbi_rdb_source *found;
    size_t n;

    if (rows)
        return new_source(feeds, board, true, reterr);
    found = find_shared(feeds, "", &n);
    if (!found)
        found = find_shared(feeds, board, &n);
    if (found)
        return found;
    return new_source(feeds, n < LBI_RDB_BOARD_FEEDS ? board : "", false, reterr);
}

static void move_listeners(lbi_rdb_source *from, lbi_rdb_source *to)
{
    lbi_feed *feed;

    forget_told(from); /* what is on its way to them is lost: RESET says so */
    DL_FOREACH (from->listeners, feed)
        feed->source = to;
    DL_CONCAT(to->listeners, from->listeners);
    from->listeners = NULL;
}

void lbi_rdb_sources_merge(lbi_rdb_feeds *feeds)
{
    size_t n;
    lbi_rdb_source *all = find_shared(feeds, "", &n), *source, *next;

    if (!all)
        return;
    DL_FOREACH_SAFE (feeds->sources, source, next) {
        if (source->initial || source == all)
            continue;
        move_listeners(source, all);
        free_source(source);
    }
}

/* ---- Subscribers ---------------------------------------------------------------------------- */

int lbi_rdb_feed_open(lbi_store *base, const char *board, bool rows, lbi_feed_fn fn, void *user,
                      lbi_feed **ret, lb_error *reterr)
{
    lbi_rdb_feeds *feeds = ((lbi_rdb *)base)->feeds;
    lbi_feed *feed = calloc(1, sizeof *feed);

    if (!feed)
        return lbi_fail_nomem(reterr);
    *feed = (lbi_feed){.feeds = feeds, .rows = rows, .fn = fn, .user = user};
    lbi_copy(feed->board, sizeof feed->board, board ? board : "");
    feed->source = need_source(feeds, feed->board, rows, reterr);
    if (!feed->source) {
        free(feed);
        return LB_E_NOMEM;
    }
    DL_APPEND(feed->source->listeners, feed);
    feeds->n_feeds++;
    feeds->work = true;
    *ret = feed;
    return 0;
}

void lbi_rdb_feeds_sweep(lbi_rdb_feeds *feeds)
{
    lbi_feed *feed;

    while ((feed = feeds->dead) != NULL) {
        lbi_rdb_source *source = feed->source;

        DL_DELETE2(feeds->dead, feed, dead_prev, dead_next);
        DL_DELETE(source->listeners, feed);
        free(feed);
        if (!source->listeners)
            free_source(source);
    }
}

/* While something is delivered a feed stays in its list: somebody may be walking along it. */
void lbi_rdb_feed_close(lbi_feed *feed)
{
    lbi_rdb_feeds *feeds = feed->feeds;

    if (feed->dead)
        return;
    feed->dead = true;
    feeds->n_feeds--;
    feeds->work = true;
    DL_APPEND2(feeds->dead, feed, dead_prev, dead_next);
    if (!feeds->dispatching)
        lbi_rdb_feeds_sweep(feeds);
}
