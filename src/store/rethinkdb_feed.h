/* Feeds: what rethinkdb_feed.c and rethinkdb_follow.c share. */
#ifndef LBI_STORE_RETHINKDB_FEED_H
#define LBI_STORE_RETHINKDB_FEED_H

#include "reql/feed.h"
#include "store/rethinkdb.h"

enum { LBI_RDB_BOARD_FEEDS = 8 }; /* without rows: more are one feed of the whole table */

typedef struct lbi_rdb_source lbi_rdb_source;
typedef struct lbi_rdb_feeds lbi_rdb_feeds;

/* What a subscriber was told last. */
typedef enum lbi_rdb_told {
    LBI_RDB_TOLD_NOTHING, /* that still holds: RESET or GONE comes next */
    LBI_RDB_TOLD_RESET,
    LBI_RDB_TOLD_READY,
    LBI_RDB_TOLD_GONE,
} lbi_rdb_told;

struct lbi_feed {
    lbi_rdb_feeds *feeds;
    lbi_rdb_source *source;
    char board[LB_BOARD_MAX + 1]; /* "" = all */
    bool rows, dead;
    bool gone; /* GONE was the last that was said, whatever happened since */
    lbi_rdb_told told;
    lbi_feed_fn fn;
    void *user;
    lbi_feed *prev, *next;           /* of the same source */
    lbi_feed *dead_prev, *dead_next; /* of lbi_rdb_feeds.dead */
};

/* A changefeed of the server: of the rows of a board, or of all. */
struct lbi_rdb_source {
    lbi_rdb_feeds *feeds;
    char board[LB_BOARD_MAX + 1]; /* "" = all */
    bool initial;                 /* with the rows that are there: for one subscriber only */
    lbi_reql_feed *feed;
    bool open;            /* the server has it */
    uint64_t ready_by_us; /* more rows, or READY, before; 0 = nothing is waited for */
    unsigned n_silent;    /* times in a row that nothing came */
    lbi_rdb_pause pause;
    lbi_feed *listeners;
    lbi_rdb_source *prev, *next;
};

/* A board that there is, or was. */
typedef struct lbi_rdb_known {
    char id[LB_BOARD_MAX + 1];
    bool alive;
    bool gone;     /* it was alive before, and GONE was said */
    bool strayed;  /* rows of it came while it was not alive, and were not passed on */
    unsigned seen; /* in which listing */
    int64_t created_us;
    bool buried; /* in lbi_rdb_feeds.graves */
    struct lbi_rdb_known *prev, *next;
    UT_hash_handle hh;
} lbi_rdb_known;

struct lbi_rdb_feeds {
    lbi_rdb *store;
    lbi_reql_conn *conn;
    lbi_poller *poller; /* of conn alone */
    lbi_poll bridge;    /* from it to the client's */
    bool bridged, ready;
    lbi_term term;

    lbi_rdb_source *sources;
    size_t n_feeds;
    lbi_feed *dead;
    bool dispatching;
    bool work;        /* sources are to be looked at */
    uint64_t next_us; /* or then */
    bool gap_told;

    lbi_reql_feed *boards; /* the changefeed of the table `boards` */
    bool boards_known;     /* it has listed all of them */
    bool absent;           /* there is no such table */
    bool boards_open;
    unsigned listing;
    lbi_rdb_pause boards_pause;
    lbi_rdb_known *known;
    lbi_rdb_known *graves; /* those that are not alive, the one that is so for longest first */
    size_t n_graves;
    bool forgot_strays; /* any board that nobody knows may have had rows before */
};

/* ---- rethinkdb_feed.c ---- */

/* Calls the subscriber, unless it is closed. */
void lbi_rdb_tell(lbi_feed *feed, int type, const char *board, const lb_player *old_row,
                  const lb_player *new_row);
void lbi_rdb_tell_reset(lbi_feed *feed);
void lbi_rdb_tell_ready(lbi_feed *feed);

/* Of a subscriber to one board, which does not exist: told once. */
void lbi_rdb_tell_gone(lbi_feed *feed);

/* Opens the source; the server's answer comes later. */
void lbi_rdb_source_start(lbi_rdb_source *source);

/* Closes it; its subscribers are to be told RESET when it is open again. */
void lbi_rdb_source_stop(lbi_rdb_source *source);

/* Opens it again if nothing came in time. */
void lbi_rdb_source_watch(lbi_rdb_source *source, uint64_t now_us);

/* Where the whole table is followed, boards need no feeds of their own. Not while listeners are
 * told something. */
void lbi_rdb_sources_merge(lbi_rdb_feeds *feeds);

/* Frees what was closed while something was delivered. */
void lbi_rdb_feeds_sweep(lbi_rdb_feeds *feeds);

/* The source has ended, or is to be opened again after a pause. */
void lbi_rdb_feeds_retry(lbi_rdb_feeds *feeds, lbi_rdb_pause *pause, int code, const char *message);
void lbi_rdb_feeds_gap(lbi_rdb_feeds *feeds, const char *message);

/* ---- rethinkdb_follow.c ---- */

lbi_rdb_known *lbi_rdb_find_known(lbi_rdb_feeds *feeds, const char *board);

/* A row of this board came while it was not alive. */
void lbi_rdb_stray(lbi_rdb_feeds *feeds, const char *board);

#endif
