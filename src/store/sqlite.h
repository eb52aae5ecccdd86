/* What the parts of the SQLite store share; see sqlite.c for how they work together. */
#ifndef LBI_STORE_SQLITE_H
#define LBI_STORE_SQLITE_H

#include "base/map.h"
#include "os/watch.h"
#include "store/sqlite_db.h"
#include "store/store.h"

/* ---- Time and chance ------------------------------------------------------------------------ */

/* When to try again. at_us 0: now. */
typedef struct lbi_backoff {
    uint64_t at_us;
    uint32_t step_us;
} lbi_backoff;

/* The next try is twice as far off as the last, at most `most_us`, less a random part. */
void lbi_backoff_more(lbi_backoff *backoff, uint32_t first_us, uint32_t most_us);
void lbi_backoff_clear(lbi_backoff *backoff);

/* ---- Rows ----------------------------------------------------------------------------------- */

/* A row as it is read: a copy, since SQLite's own goes with the next step. */
typedef struct lbi_row {
    char id[LB_PLAYER_MAX + 1];
    char name[LB_NAME_MAX + 1]; /* valid UTF-8, the id if there is none */
    int64_t score, reached_us;
} lbi_row;

/* Reads the columns id, name, score, reached_us from `column` on. */
void lbi_row_read(sqlite3_stmt *statement, int column, lbi_row *ret);

/* Mends a name that an outside write has left: `name` has LB_NAME_MAX + 1 bytes. */
void lbi_name_read(sqlite3_stmt *statement, int column, const char *id, char *name);

lb_player lbi_row_player(const lbi_row *row, const char *board);

/* A place in the one ascending order that an index keeps. */
typedef struct lbi_key {
    int64_t rank_key, reached_us;
    char id[LB_PLAYER_MAX + 1];
} lbi_key;

/* ---- Reads (sqlite_read.c) ------------------------------------------------------------------ */

/* A read on its way: some count a board, which is done in bounded steps within one transaction. */
typedef struct lbi_read {
    lbi_request *request; /* NULL = none */
    lbi_db *db;
    int (*step)(struct lbi_read *read);
    bool ascending, large;
    lbi_key from;     /* rows before here are counted */
    uint64_t counted; /* so many */
    lbi_key target;   /* the row whose place is sought */
    uint64_t rank, position;
    uint32_t *order; /* the answer's rows in board order, */
    size_t next;     /* of which this one is next */
} lbi_read;

/* Can it take long? */
bool lbi_read_counts(const lbi_request *request);

/* Steps return 1 = not done, 0 = answered (request->code says how), < 0 = the database failed. */
void lbi_read_begin(lbi_read *read, lbi_request *request, lbi_db *db);
int lbi_read_step(lbi_read *read);

/* ---- Writes (sqlite_write.c) ---------------------------------------------------------------- */

/* Where the change log stands, within a write transaction. */
typedef struct lbi_log_end {
    int64_t seq, us;
} lbi_log_end;

typedef struct lbi_write {
    lbi_db *db;
    lbi_log_end last;
} lbi_write;

/* Reads the end of the log. To be called in a write transaction. */
int lbi_write_begin(lbi_write *write, lbi_db *db);

/* Returns 0 = answered (request->code), 1 = goes on with lbi_write_deletion() after the commit,
 * < 0 = the database failed, and the transaction is to be rolled back. */
int lbi_write_run(lbi_write *write, lbi_request *request);

/* The next step of a board's deletion, in a write transaction. As above. */
int lbi_write_deletion(lbi_write *write, lbi_request *request);

/* Removes the oldest log entries, a bounded number of them, and leaves `keep`. */
int lbi_write_trim(lbi_write *write, uint32_t keep);

/* ---- Follower (sqlite_follow.c) ------------------------------------------------------------- */

typedef struct lbi_follow_board lbi_follow_board;

typedef struct lbi_follow {
    lbi_feed *all;            /* feeds of all boards */
    lbi_follow_board *boards; /* by id: feeds of one */
    size_t n_feeds;           /* that are not closed */
    lbi_feed *starting;       /* their rows are to be read */
    lbi_feed *catching_up;    /* have their rows, but the log goes on */
    lbi_feed *dead;           /* closed while something was delivered */
    bool dispatching;
    bool chunk_turn; /* rows and log take turns */
    lbi_db db;       /* its own connection */
    bool has_cursor;
    lbi_log_end cursor; /* the last entry that was read */
    bool behind;        /* there may be more in the log */
    lbi_watch watch;    /* on the write-ahead log */
    uint32_t hint_us;   /* pause before the next look after an event, 0 = heard none */
    uint64_t look_us;   /* the next look */
    lbi_backoff retry;  /* after an error */
} lbi_follow;

/* ---- The write-ahead log (sqlite_wal.c) ------------------------------------------------------ */

typedef struct lbi_wal {
    int frames;       /* in the log */
    int done;         /* of them, moved or not worth a try yet */
    int on_way;       /* of them, the disk was asked to write */
    uint64_t last_us; /* the last checkpoint */
    int tries;        /* to begin it anew; > 0: writes are held back */
    lbi_backoff hold; /* until the next try */
} lbi_wal;

/* Requests that wait in line; busy: somebody has a lock that the first one needs. */
typedef struct lbi_lane {
    lbi_request *first;
    lbi_backoff busy;
} lbi_lane;

typedef struct lbi_sqlite {
    lbi_store base; /* first: a lbi_store * is a lbi_sqlite * */
    lbi_store_config config;
    char *path, *name;

    lbi_db writer;    /* writes, and reads that are quick */
    lbi_db counter;   /* reads that are not */
    lbi_read job;     /* the one that is on its way there */
    uint64_t look_us; /* when to see whether the file is still the same */

    lbi_lane queue;        /* in the order in which they were submitted */
    lbi_lane ahead;        /* reads that went past writes which wait */
    bool parted;           /* no read is left in the queue, and none joins it */
    lbi_lane deletions;    /* boards that are marked and go in steps */
    lbi_request *finished; /* their done() is due */
    uint64_t expiry_us;    /* no deadline is earlier */
    unsigned turn;

    uint64_t worked_us; /* the last commit */
    lbi_wal wal;
    int64_t trimmed_at; /* log entry at which it was trimmed last */

    lbi_follow follow;
} lbi_sqlite;

/* Opens a connection. LB_E_BUSY: try again. */
int lbi_sqlite_open(lbi_sqlite *store, lbi_db *db, bool create);

/* Closes all connections, since the file is not the one that they opened any more. */
void lbi_sqlite_reopen(lbi_sqlite *store);

/* The writer's connection was opened; is about to be closed. */
void lbi_wal_open(lbi_sqlite *store);
void lbi_wal_close(lbi_sqlite *store);

/* When to move the log, LB_NEVER = not. */
uint64_t lbi_wal_time(const lbi_sqlite *store);
int lbi_wal_step(lbi_sqlite *store);

/* Are writes to wait for a checkpoint? */
bool lbi_wal_holds(const lbi_sqlite *store);

/* The disk is full: what was moved may be used again. */
void lbi_wal_relieve(lbi_sqlite *store);

int lbi_follow_process(lbi_store *base, uint64_t now_us);
uint64_t lbi_follow_deadline(const lbi_follow *follow);
int lbi_follow_open(lbi_store *base, const char *board, bool rows, lbi_feed_fn fn, void *user,
                    lbi_feed **ret, lb_error *reterr);
void lbi_follow_close(lbi_feed *feed);
void lbi_follow_free(lbi_sqlite *store);

/* Something was committed here: look at once. */
void lbi_follow_wake(lbi_sqlite *store);

/* The connection is to be opened anew and everything to be told again. */
void lbi_follow_reset(lbi_sqlite *store);

#endif
