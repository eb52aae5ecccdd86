/* Feeds, for the follower; see sqlite_feed.c. */
#ifndef LBI_STORE_SQLITE_FEED_H
#define LBI_STORE_SQLITE_FEED_H

#include "store/sqlite.h"

enum { LBI_FOLLOW_CHUNK = 256 }; /* rows in one read transaction */

typedef enum lbi_feed_state {
    LBI_FEED_NEW,
    LBI_FEED_READING,
    LBI_FEED_CATCHING_UP,
    LBI_FEED_READY,
    LBI_FEED_GONE
} lbi_feed_state;

struct lbi_feed {
    lbi_sqlite *store;
    lbi_follow_board *board; /* NULL = all */
    lbi_feed_fn fn;
    void *user;
    bool rows, dead;
    lbi_feed_state state;
    /* The last row that was delivered while READING; board_done: go on with the next board. */
    char at_board[LB_BOARD_MAX + 1];
    char at_player[LB_PLAYER_MAX + 1];
    bool board_done;
    lbi_feed *prev, *next; /* of the same board */
    lbi_feed **list;       /* work to do: lbi_follow.starting, catching_up, dead, or NULL */
    lbi_feed *list_prev, *list_next;
};

struct lbi_follow_board {
    char id[LB_BOARD_MAX + 1];
    lbi_feed *feeds;
    UT_hash_handle hh;
};

/* The feeds of a board, or NULL. */
lbi_follow_board *lbi_feed_board(lbi_follow *follow, const char *id);

/* Calls the feed, unless it is closed. */
void lbi_feed_tell(lbi_feed *feed, int type, const char *board, const lb_player *old_row,
                   const lb_player *new_row);

/* Begins again with RESET, at its next turn. */
void lbi_feed_restart(lbi_feed *feed);
void lbi_feed_restart_all(lbi_follow *follow);

/* Its board does not exist: tells it. */
void lbi_feed_gone(lbi_feed *feed);

/* The end of the log is reached: tells those that waited for it. */
void lbi_feed_ready(lbi_follow *follow);

/* There is no database: no board exists, and all boards together are empty. */
void lbi_feed_absent(lbi_follow *follow);

/* One chunk of rows for the first feed that is starting; there is one. Returns 1, or < 0. */
int lbi_feed_step(lbi_follow *follow);

/* Frees what was closed while something was delivered. */
void lbi_feed_sweep(lbi_follow *follow);

/* Does the board exist, and is not being deleted? */
int lbi_follow_alive(lbi_db *db, const char *board, bool *ret);

#endif
