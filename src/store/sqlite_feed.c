/*
 * Feeds: who listens, and how a feed comes to hold the rows of its board.
 *
 * A feed is NEW until its RESET is delivered, READING while its rows are, in chunks that are each
 * read in a short transaction, CATCHING_UP until the end of the change log is reached after that,
 * then READY; or GONE while its board does not exist. It hears of changes in all states but NEW
 * and GONE: a change that is read after a chunk is newer than the chunk.
 */
#include "store/sqlite_feed.h"

#include "base/error.h"
#include "base/list.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

/* ---- Feeds ---------------------------------------------------------------------------------- */

lbi_follow_board *lbi_feed_board(lbi_follow *follow, const char *id)
{
    lbi_follow_board *board;

    HASH_FIND_STR(follow->boards, id, board);
    return board;
}

static lbi_follow_board *need_board(lbi_follow *follow, const char *id)
{
    lbi_follow_board *board = lbi_feed_board(follow, id);

    if (board)
        return board;
    board = calloc(1, sizeof *board);
    if (!board)
        return NULL;
    lbi_copy(board->id, sizeof board->id, id);
    HASH_ADD_STR(follow->boards, id, board);
    if (lbi_map_failed(board)) {
        free(board);
        return NULL;
    }
    return board;
}

static void drop_board(lbi_follow *follow, lbi_follow_board *board)
{
    if (board->feeds)
        return;
    HASH_DEL(follow->boards, board);
    free(board);
}

/* Moves a feed to the end of a list of work to do, or with NULL out of the one it is in. */
static void enlist(lbi_feed *feed, lbi_feed **list)
{
    if (feed->list)
        DL_DELETE2(*feed->list, feed, list_prev, list_next);
    if (list)
        DL_APPEND2(*list, feed, list_prev, list_next);
    feed->list = list;
}

int lbi_follow_open(lbi_store *base, const char *board, bool rows, lbi_feed_fn fn, void *user,
                    lbi_feed **ret, lb_error *reterr)
{
    lbi_sqlite *store = (lbi_sqlite *)base;
    lbi_follow *follow = &store->follow;
    lbi_feed *feed = calloc(1, sizeof *feed);

    if (!feed)
        return lbi_fail_nomem(reterr);
    *feed = (lbi_feed){.store = store, .fn = fn, .user = user, .rows = rows};
    if (board) {
        feed->board = need_board(follow, board);
        if (!feed->board) {
            free(feed);
            return lbi_fail_nomem(reterr);
        }
        DL_APPEND(feed->board->feeds, feed);
    } else {
        DL_APPEND(follow->all, feed);
    }
    enlist(feed, &follow->starting);
    follow->n_feeds++;
    *ret = feed;
    return 0;
}

static void drop_feed(lbi_feed *feed)
{
    if (feed->board) {
        DL_DELETE(feed->board->feeds, feed);
        drop_board(&feed->store->follow, feed->board);
    } else {
        DL_DELETE(feed->store->follow.all, feed);
    }
    free(feed);
}

/* While something is delivered a feed stays in its list: somebody may be walking along it. */
void lbi_follow_close(lbi_feed *feed)
{
    lbi_follow *follow = &feed->store->follow;

    if (feed->dead)
        return;
    follow->n_feeds--;
    feed->dead = true;
    enlist(feed, &follow->dead);
    if (!follow->dispatching)
        lbi_feed_sweep(follow);
}

void lbi_feed_sweep(lbi_follow *follow)
{
    lbi_feed *feed;

    while ((feed = follow->dead) != NULL) {
        enlist(feed, NULL);
        drop_feed(feed);
    }
}

/* ---- Delivering ----------------------------------------------------------------------------- */

void lbi_feed_tell(lbi_feed *feed, int type, const char *board, const lb_player *old_row,
                   const lb_player *new_row)
{
    lb_change change = {.type = type, .board = board, .old_row = old_row, .new_row = new_row};

    if (!feed->dead)
        feed->fn(&change, feed->user);
}

static const char *feed_board(const lbi_feed *feed)
{
    return feed->board ? feed->board->id : NULL;
}

void lbi_feed_restart(lbi_feed *feed)
{
    if (feed->dead)
        return;
    feed->state = LBI_FEED_NEW;
    feed->at_board[0] = feed->at_player[0] = '\0';
    feed->board_done = false;
    enlist(feed, &feed->store->follow.starting);
}

void lbi_feed_gone(lbi_feed *feed)
{
    if (feed->dead)
        return;
    feed->state = LBI_FEED_GONE;
    enlist(feed, NULL);
    lbi_feed_tell(feed, LB_CHANGE_GONE, feed_board(feed), NULL, NULL);
}

static void restart_list(lbi_feed *list)
{
    lbi_feed *feed;

    DL_FOREACH (list, feed)
        lbi_feed_restart(feed);
}

void lbi_feed_restart_all(lbi_follow *follow)
{
    lbi_follow_board *board, *next;

    restart_list(follow->all);
    HASH_ITER (hh, follow->boards, board, next)
        restart_list(board->feeds);
}

void lbi_feed_ready(lbi_follow *follow)
{
    lbi_feed *feed;

    while ((feed = follow->catching_up) != NULL) {
        feed->state = LBI_FEED_READY;
        enlist(feed, NULL);
        lbi_feed_tell(feed, LB_CHANGE_READY, feed_board(feed), NULL, NULL);
    }
}

/* ---- Starting ------------------------------------------------------------------------------- */

/* A feed's next rows, read but not delivered. */
struct chunk {
    char board[LB_BOARD_MAX + 1];
    bool exists; /* the board */
    size_t n;
    lbi_row rows[LBI_FOLLOW_CHUNK];
};

/* The board whose rows come next: its own, or for all boards the next one that there is. */
static int chunk_board(lbi_db *db, const lbi_feed *feed, struct chunk *chunk)
{
    sqlite3_stmt *statement;
    int r;

    if (feed->board) {
        lbi_copy(chunk->board, sizeof chunk->board, feed->board->id);
        return lbi_follow_alive(db, chunk->board, &chunk->exists);
    }
    r = *feed->at_board ? lbi_follow_alive(db, feed->at_board, &chunk->exists) : 0;
    lbi_copy(chunk->board, sizeof chunk->board, feed->at_board);
    if (r < 0 || (chunk->exists && !feed->board_done))
        return r;
    chunk->exists = false;
    r = lbi_db_first(db, LBI_SQL_BOARDS, &statement, TEXT(feed->at_board), INT(1), INT(0));
    if (r > 0) {
        lbi_db_text(statement, 0, chunk->board, sizeof chunk->board);
        lbi_db_end(statement);
        chunk->exists = true;
    }
    return r < 0 ? r : 0;
}

static int chunk_rows(lbi_db *db, const lbi_feed *feed, struct chunk *chunk)
{
    bool goes_on = strcmp(chunk->board, feed->at_board) == 0 && !feed->board_done;
    sqlite3_stmt *statement;
    int r;

    r = lbi_db_begin(db, LBI_SQL_PLAYERS, &statement, TEXT(chunk->board),
                     TEXT(goes_on ? feed->at_player : ""), INT(LBI_FOLLOW_CHUNK));
    while (r >= 0 && (r = lbi_db_step(db, statement)) > 0)
        lbi_row_read(statement, 0, &chunk->rows[chunk->n++]);
    return r;
}

static int read_chunk(lbi_db *db, const lbi_feed *feed, struct chunk *chunk)
{
    int r = lbi_db_do(db, LBI_SQL_BEGIN);

    chunk->n = 0;
    chunk->exists = false;
    if (r >= 0)
        r = chunk_board(db, feed, chunk);
    if (r >= 0 && chunk->exists && feed->rows)
        r = chunk_rows(db, feed, chunk);
    lbi_db_rollback(db);
    return r;
}

static void tell_rows(lbi_feed *feed, const struct chunk *chunk)
{
    for (size_t i = 0; i < chunk->n && !feed->dead; i++) {
        lb_player row = lbi_row_player(&chunk->rows[i], chunk->board);

        lbi_feed_tell(feed, LB_CHANGE_ROW, chunk->board, NULL, &row);
    }
}

/* Notes how far it has come before it delivers: a callback may restart the feed. */
static void advance(lbi_feed *feed, const struct chunk *chunk)
{
    bool last = chunk->n < LBI_FOLLOW_CHUNK;

    lbi_copy(feed->at_board, sizeof feed->at_board, chunk->board);
    if (chunk->n)
        lbi_copy(feed->at_player, sizeof feed->at_player, chunk->rows[chunk->n - 1].id);
    feed->board_done = last;
    if (!feed->rows || (feed->board ? last : !chunk->exists)) {
        feed->state = LBI_FEED_CATCHING_UP;
        enlist(feed, &feed->store->follow.catching_up);
    }
}

static void begin_feed(lbi_feed *feed)
{
    feed->state = LBI_FEED_READING;
    lbi_feed_tell(feed, LB_CHANGE_RESET, feed_board(feed), NULL, NULL);
}

static int deliver_chunk(lbi_db *db, lbi_feed *feed, struct chunk *chunk)
{
    int r = read_chunk(db, feed, chunk);

    if (r < 0)
        return r;
    if (feed->board && !chunk->exists) {
        lbi_feed_gone(feed);
        return 1;
    }
    if (feed->state == LBI_FEED_NEW)
        begin_feed(feed);
    if (feed->dead || feed->state != LBI_FEED_READING)
        return 1;
    advance(feed, chunk);
    tell_rows(feed, chunk);
    return 1;
}

int lbi_feed_step(lbi_follow *follow)
{
    lbi_feed *feed = follow->starting;
    struct chunk *chunk = malloc(sizeof *chunk);
    int r;

    if (!chunk)
        return lbi_db_fail(&follow->db, SQLITE_NOMEM);
    enlist(feed, &follow->starting); /* each in its turn */
    r = deliver_chunk(&follow->db, feed, chunk);
    free(chunk);
    return r;
}

void lbi_feed_absent(lbi_follow *follow)
{
    lbi_feed *feed;
    size_t n;

    /* No more than there are now: a callback may subscribe again. */
    DL_COUNT2(follow->starting, feed, n, list_next);
    for (; n > 0 && (feed = follow->starting) != NULL; n--) {
        if (feed->board) {
            lbi_feed_gone(feed);
            continue;
        }
        feed->state = LBI_FEED_CATCHING_UP;
        enlist(feed, &follow->catching_up);
        lbi_feed_tell(feed, LB_CHANGE_RESET, NULL, NULL, NULL);
    }
}
