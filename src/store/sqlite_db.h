/*
 * One connection to the database file: opening, statements, and SQLite's errors in our codes and
 * sentences. The only includer of sqlite3.h.
 *
 * Calls that can fail return 0 or more, or an LB_E_ code with its sentence in db->error.
 * LB_E_BUSY means that somebody else has a lock: try again later. Nothing here ever waits.
 */
#ifndef LBI_STORE_SQLITE_DB_H
#define LBI_STORE_SQLITE_DB_H

#include "leaderboard.h"
#include "store/sqlite_sql.h"

#include <sqlite3.h>
#include <stdbool.h>

typedef struct lbi_db {
    sqlite3 *handle;  /* NULL = closed */
    const char *path; /* absolute; borrowed from the store, as is name */
    const char *name; /* as the user wrote it, for sentences */
    bool readonly;
    lb_error error; /* of the last call that failed */
    sqlite3_stmt *statements[LBI_SQL_COUNT_OF];
} lbi_db;

/* Opens the file; create: also where there is none. LB_E_NOTFOUND: there is none. */
int lbi_db_open(lbi_db *db, bool create);

/* Closes; a large write-ahead log is left for the next one who opens. Closed is fine. */
void lbi_db_close(lbi_db *db);

/* Has the file been deleted, moved or replaced since it was opened? */
bool lbi_db_moved(lbi_db *db);

/* Is a transaction open? SQLite ends one by itself on some errors. */
bool lbi_db_in_transaction(const lbi_db *db);

/* Parameters of a statement: lbi_db_run(db, LBI_SQL_PLAYER_DROP, TEXT(board), TEXT(player)).
 * A text is borrowed until the statement ends. */
typedef struct lbi_arg {
    const char *text; /* or, if NULL, the number */
    int64_t number;
} lbi_arg;

#define TEXT(value)                                                                                \
    {                                                                                              \
        .text = (value)                                                                            \
    }
#define INT(value)                                                                                 \
    {                                                                                              \
        .number = (value)                                                                          \
    }
#define LBI_ARGS(...)                                                                              \
    (const lbi_arg[]){__VA_ARGS__}, (int)(sizeof((const lbi_arg[]){__VA_ARGS__}) / sizeof(lbi_arg))

/* Begins a statement that gives rows. Then lbi_db_step() until it returns 0 or less, or
 * lbi_db_end() before. Returns 0. */
int lbi_db_begin_args(lbi_db *db, lbi_sql sql, sqlite3_stmt **ret, const lbi_arg *args, int n);
#define lbi_db_begin(db, sql, ret, ...) lbi_db_begin_args(db, sql, ret, LBI_ARGS(__VA_ARGS__))

/* Returns 1 = a row, 0 = no more. */
int lbi_db_step(lbi_db *db, sqlite3_stmt *statement);
void lbi_db_end(sqlite3_stmt *statement);

/* Begins a statement and goes to its first row. Returns 1 = a row: lbi_db_end() follows; 0. */
int lbi_db_first_args(lbi_db *db, lbi_sql sql, sqlite3_stmt **ret, const lbi_arg *args, int n);
#define lbi_db_first(db, sql, ret, ...) lbi_db_first_args(db, sql, ret, LBI_ARGS(__VA_ARGS__))

/* Runs a statement that gives no rows. Returns how many rows it changed. */
int lbi_db_run_args(lbi_db *db, lbi_sql sql, const lbi_arg *args, int n);
#define lbi_db_run(db, sql, ...) lbi_db_run_args(db, sql, LBI_ARGS(__VA_ARGS__))

/* The same for one without parameters. */
int lbi_db_do(lbi_db *db, lbi_sql sql);

/* Runs SQL text; several statements. */
int lbi_db_script(lbi_db *db, const char *sql);

/* Runs a PRAGMA that gives a number. */
int lbi_db_pragma(lbi_db *db, const char *sql, int64_t *ret);

/* Ends whatever transaction is open, giving up what it changed. Where there is no memory even for
 * that, closes the connection. */
void lbi_db_rollback(lbi_db *db);

/* Copies a text column; cut at size or at a NUL, NULL gives "". */
void lbi_db_text(sqlite3_stmt *statement, int column, char *ret, size_t size);

/* Moves the write-ahead log into the database, as far as that is in nobody's way; restart: all of
 * it, so that it begins anew, which takes the write lock for a moment. */
int lbi_db_checkpoint(lbi_db *db, bool restart);

/* The file that the write-ahead log is in. Borrowed while the connection is open. */
const char *lbi_db_log_name(const lbi_db *db);

/* Turns SQLite's last error into db->error; returns its code. */
int lbi_db_fail(lbi_db *db, int rc);

#endif
