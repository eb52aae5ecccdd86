/* The SQLite store: a file, and shells that write into it. */
#include "backend.h"

#include <sqlite3.h>
#include <string.h>
#include <unistd.h>

#define DATABASE "lb.db"

/* ---- Writes by others ----------------------------------------------------------------------- */

#define ONE " WHERE board = '@' AND id = '#'"

static const statement statements[] = {
    {COUNT_INSERT, -1, 4,
     "INSERT OR IGNORE INTO boards(id) VALUES('@'); INSERT INTO players(board, id, score) VALUES('@', '#', $)"},
    {COUNT_INSERT, -1, 1, "INSERT INTO players(board, id) SELECT id, '#' FROM boards"},
    {COUNT_UPDATE_SCORE, -1, 6, "UPDATE players SET score = score + $" ONE},
    {COUNT_UPDATE_SCORE, -1, 2, "UPDATE players SET score = $" ONE},
    {COUNT_UPDATE_TIME, -1, 2, "UPDATE players SET score = $, reached_us = 100000$" ONE},
    {COUNT_UPDATE_TIME, -1, 1, "UPDATE players SET reached_us = 100000$" ONE},
    {COUNT_UPDATE_NAME, -1, 2, "UPDATE players SET name = 'out $'" ONE},
    {COUNT_UPDATE_NAME, -1, 1, "UPDATE players SET name = NULL" ONE},
    {COUNT_UPDATE_ID, TROUBLE_KEYS, 5, "UPDATE players SET id = '#'" ONE},
    {COUNT_UPDATE_ID, TROUBLE_KEYS, 1, "UPDATE players SET id = id || 'x'" ONE},
    {COUNT_UPDATE_BOARD, TROUBLE_KEYS, 3, "UPDATE players SET board = '&'" ONE},
    {COUNT_REPLACE, -1, 4,
     "INSERT OR IGNORE INTO boards(id) VALUES('@'); "
     "INSERT OR REPLACE INTO players(board, id, score) VALUES('@', '#', $)"},
    {COUNT_REPLACE, -1, 1, "REPLACE INTO players(board, id, score) SELECT id, '#', $ FROM boards"},
    {COUNT_UPDATE_REPLACE, TROUBLE_KEYS, 4, "UPDATE OR REPLACE players SET id = '#'" ONE},
    {COUNT_UPDATE_REPLACE, TROUBLE_KEYS, 2, "UPDATE OR REPLACE players SET board = '&'" ONE},
    {COUNT_UPDATE_REPLACE, TROUBLE_KEYS, 1,
     "UPDATE OR REPLACE players SET board = '&', id = '#', score = $" ONE},
    {COUNT_UPSERT, -1, 2,
     "INSERT INTO players(board, id, score) VALUES('@', '#', $) "
     "ON CONFLICT(board, id) DO UPDATE SET score = score + excluded.score"},
    {COUNT_DELETE, -1, 4, "DELETE FROM players" ONE},
    {COUNT_DELETE, -1, 1, "DELETE FROM players WHERE board = '@'"},
    {COUNT_DELETE, TROUBLE_BOARDS, 1, "DELETE FROM players"},
    {COUNT_DELETE_BOARDS, TROUBLE_BOARDS, 3, "DELETE FROM boards WHERE id = '@'"},
    {COUNT_DELETE_BOARDS, TROUBLE_BOARDS, 1, "DELETE FROM boards"},
    {COUNT_DELETE_BOARDS, TROUBLE_BOARDS, 1,
     "BEGIN; DELETE FROM boards WHERE id = '@'; INSERT OR IGNORE INTO boards(id) VALUES('@'); "
     "INSERT OR REPLACE INTO players(board, id, score) SELECT id, '#', $ FROM boards; COMMIT"},
    {COUNT_MARK_BOARD, TROUBLE_BOARDS, 1, "UPDATE boards SET deleting = 1 WHERE id = '@'"},
    {COUNT_INSERT_BOARD, -1, 4, "INSERT INTO boards(id) VALUES('@')"},
    {COUNT_INSERT_BOARD, -1, 1, "INSERT INTO boards(id, ascending) VALUES('@', 1)"},
    {COUNT_INSERT_BOARD, -1, 1, "INSERT OR REPLACE INTO boards(id) VALUES('@')"},
    {COUNT_MANY_ROWS, -1, 2, "UPDATE players SET score = score + $"},
    {COUNT_MANY_ROWS, -1, 1, "UPDATE players SET score = -score, name = 'minus' || score"},
    {COUNT_MANY_ROWS, TROUBLE_KEYS, 1, "UPDATE OR REPLACE players SET board = '@'"},
    {COUNT_MANY_ROWS, TROUBLE_KEYS, 1,
     "UPDATE OR REPLACE players SET id = 'x' || id WHERE board = '@' AND length(id) < 9"},
    {COUNT_MANY_ROWS, -1, 1,
     "INSERT OR REPLACE INTO players(board, id, score) "
     "SELECT '&', id, score + 1 FROM players WHERE board = '@'"},
    {COUNT_BIG_BOARD, TROUBLE_BIG, 1,
     "INSERT OR IGNORE INTO boards(id) VALUES('@'); WITH RECURSIVE t(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM t WHERE i < 250 + $ * 17) "
     "INSERT OR REPLACE INTO players(board, id, score) SELECT '@', 'r' || i, i % 7 FROM t"},
    {COUNT_TRANSACTION, -1, 3,
     "BEGIN; INSERT OR IGNORE INTO players(board, id) VALUES('@', '#'); "
     "UPDATE players SET score = score + $ WHERE board = '@'; DELETE FROM players" ONE "; COMMIT"},
    {COUNT_ROLLBACK, -1, 2,
     "BEGIN; UPDATE players SET score = $; DELETE FROM boards WHERE id = '@'; ROLLBACK"},
    {COUNT_ROLLBACK, -1, 1,
     "BEGIN; INSERT OR REPLACE INTO players(board, id, score) VALUES('@', '#', 99); "
     "INSERT INTO players(board, id, score) VALUES('@', '#', 'abc'); COMMIT"},
    {COUNT_REFUSED, -1, 1, "UPDATE players SET score = 'abc'" ONE},
    {COUNT_REFUSED, -1, 1, "UPDATE players SET score = 1.5" ONE},
    {COUNT_REFUSED, -1, 1, "INSERT INTO players(board, id) VALUES('nowhere', '#')"},
    {COUNT_CHECKPOINT, TROUBLE_CHECKPOINTS, 3, "PRAGMA wal_checkpoint(TRUNCATE)"},
    {COUNT_CHECKPOINT, TROUBLE_CHECKPOINTS, 1, "PRAGMA wal_checkpoint(RESTART)"},
    {COUNT_CHECKPOINT, TROUBLE_CHECKPOINTS, 1, "PRAGMA wal_checkpoint"},
    {COUNT_VACUUM, TROUBLE_VACUUM, 2, "VACUUM"},
    /* Exactly one entry is missing for whoever was at the end. */
    {COUNT_TRIM, TROUBLE_SHORT_LOG, 4,
     "BEGIN; UPDATE players SET name = 'cut $' WHERE (board, id) = "
     "(SELECT board, id FROM players ORDER BY id LIMIT 1 OFFSET $); "
     "UPDATE players SET name = 'cut $' WHERE (board, id) = "
     "(SELECT board, id FROM players ORDER BY id DESC LIMIT 1 OFFSET $); "
     "DELETE FROM changes WHERE seq < (SELECT max(seq) FROM changes); COMMIT"},
    {COUNT_TRIM, TROUBLE_SHORT_LOG, 2,
     "DELETE FROM changes WHERE seq < (SELECT max(seq) FROM changes) - $"},
};

/* With the settings that a shell has. */
static void *open_shell(void)
{
    sqlite3 *db = NULL;

    if (sqlite3_open_v2(DATABASE, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK) {
        (void)sqlite3_close(db);
        return NULL;
    }
    (void)sqlite3_busy_timeout(db, 20000);
    return db;
}

/* Refused for its sense, which is how it should be, or busy: somebody checkpoints. Anything else
 * says that the file has come to harm. */
static void check_code(sqlite3 *db, int rc, const char *sql)
{
    if (rc != SQLITE_OK && rc != SQLITE_CONSTRAINT && rc != SQLITE_BUSY && rc != SQLITE_ERROR &&
        rc != SQLITE_LOCKED && rc != SQLITE_SCHEMA)
        wrong("outside SQL failed: %s in %s", sqlite3_errmsg(db), sql);
}

static bool exec_sql(void *connection, const statement *s, const char *sql)
{
    sqlite3 *db = connection;
    int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);

    check_code(db, rc, sql);
    if (!sqlite3_get_autocommit(db))
        (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return rc == SQLITE_OK || s->what == COUNT_ROLLBACK;
}

static void close_shell(void *connection)
{
    (void)sqlite3_close(connection);
}

/* ---- The file itself ------------------------------------------------------------------------ */

static sqlite3 *open_file(void)
{
    sqlite3 *db = NULL;

    if (sqlite3_open_v2(DATABASE, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
        wrong("the file cannot be opened: %s", sqlite3_errmsg(db));
    (void)sqlite3_busy_timeout(db, 20000);
    return db;
}

static sqlite3_stmt *ask(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *prepared = NULL;

    if (sqlite3_prepare_v2(db, sql, -1, &prepared, NULL) != SQLITE_OK)
        wrong("the file cannot be read: %s in %s", sqlite3_errmsg(db), sql);
    return prepared;
}

static const char *column(sqlite3_stmt *prepared, int i)
{
    return (const char *)sqlite3_column_text(prepared, i);
}

static void read_boards(truth *t, sqlite3 *db)
{
    sqlite3_stmt *s = ask(db, "SELECT id, ascending FROM boards WHERE deleting = 0 ORDER BY id");

    while (sqlite3_step(s) == SQLITE_ROW) {
        truth_board *board = &t->boards[t->n_boards++];

        if (t->n_boards > sizeof t->boards / sizeof t->boards[0])
            wrong("there are more boards than were ever made");
        set_text(board->id, sizeof board->id, column(s, 0));
        board->ascending = sqlite3_column_int(s, 1) != 0;
    }
    (void)sqlite3_finalize(s);
}

static void read_rows(row_set *set, sqlite3 *db, const char *sql)
{
    sqlite3_stmt *s = ask(db, sql);

    while (sqlite3_step(s) == SQLITE_ROW) {
        row *r = rows_append(set);

        set_text(r->board, sizeof r->board, column(s, 0));
        set_text(r->id, sizeof r->id, column(s, 1));
        set_text(r->name, sizeof r->name, column(s, 2));
        r->score = sqlite3_column_int64(s, 3);
        r->reached_us = sqlite3_column_int64(s, 4);
    }
    (void)sqlite3_finalize(s);
}

/* The order of tops does not come from the columns that the library keeps for it. */
#define ROWS                                                                                       \
    "SELECT p.board, p.id, p.name, p.score, p.reached_us FROM players p JOIN boards b "            \
    "ON b.id = p.board AND b.deleting = 0 "

static void read_truth(truth *t)
{
    sqlite3 *db = open_file();

    *t = (truth){0};
    (void)sqlite3_exec(db, "BEGIN", NULL, NULL, NULL);
    read_boards(t, db);
    read_rows(&t->rows, db, ROWS "ORDER BY p.board, p.id");
    read_rows(&t->tops, db,
              ROWS "ORDER BY p.board, CASE b.ascending WHEN 1 THEN p.score ELSE -p.score END, "
                   "p.reached_us, p.id");
    (void)sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    (void)sqlite3_close(db);
}

/* Each gives 'ok', or what is wrong. */
static const char *const rules[] = {
    "PRAGMA integrity_check",
    "SELECT CASE count(*) WHEN 0 THEN 'ok' ELSE 'players without a board' END FROM players "
    "WHERE board NOT IN (SELECT id FROM boards)",
    "SELECT CASE count(*) WHEN 0 THEN 'ok' ELSE 'rows that a trigger should have filled in' END "
    "FROM players p JOIN boards b ON b.id = p.board WHERE p.name IS NULL OR p.reached_us <= 0 "
    "OR p.ascending <> b.ascending "
    "OR p.rank_key <> CASE b.ascending WHEN 1 THEN p.score ELSE -p.score END",
    "SELECT CASE WHEN count(*) IN (0, max(seq) - min(seq) + 1) THEN 'ok' "
    "ELSE 'holes in the change log' END FROM changes",
};

static void check_file(void)
{
    sqlite3 *db = open_file();

    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        sqlite3_stmt *s = ask(db, rules[i]);

        if (sqlite3_step(s) != SQLITE_ROW || strcmp(column(s, 0), "ok") != 0)
            wrong("the file is not as it should be: %s", column(s, 0));
        (void)sqlite3_finalize(s);
    }
    (void)sqlite3_close(db);
}

/* ---- The rest ------------------------------------------------------------------------------- */

static const char *begin(void)
{
    return NULL;
}

static void end(void)
{
}

static const char *url(part_kind kind)
{
    (void)kind;
    return "sqlite:" DATABASE;
}

static bool exists(void)
{
    return access(DATABASE, F_OK) == 0;
}

static void forget(void)
{
    static const char *const files[] = {DATABASE, DATABASE "-wal", DATABASE "-shm",
                                        DATABASE "-journal"};

    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        (void)unlink(files[i]);
}

static bool excuses(int code)
{
    (void)code;
    return false;
}

enum { N_STATEMENTS = sizeof statements / sizeof statements[0] };

const backend backend_sqlite = {
    .name = "sqlite",
    .lacks =
        1U << TROUBLE_BAD_ROWS | 1U << TROUBLE_CUTS | 1U << TROUBLE_LONG_DOWN | OPERATOR_TROUBLES,
    .statements = statements,
    .n_statements = N_STATEMENTS,
    .begin = begin,
    .end = end,
    .url = url,
    .exists = exists,
    .forget = forget,
    .open = open_shell,
    .exec = exec_sql,
    .close = close_shell,
    .truth_read = read_truth,
    .check = check_file,
    .excuses = excuses,
};
