/* Writes by others: SQL through a bare connection with the settings that a shell has. */
#include "actor.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

/* @ is a board, the same throughout, and & any; # any player; $ a small number. */
typedef struct statement {
    int what; /* COUNT_... */
    int trouble;
    unsigned weight;
    const char *sql;
} statement;

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

enum { N_STATEMENTS = sizeof statements / sizeof statements[0] };

static bool allowed(const statement *s, const run_plan *plan)
{
    return s->trouble < 0 || plan_has(plan, s->trouble);
}

static const statement *draw(const run_plan *plan, rng *random)
{
    unsigned sum = 0, at;
    size_t i = 0;

    for (size_t k = 0; k < N_STATEMENTS; k++)
        sum += allowed(&statements[k], plan) ? statements[k].weight : 0;
    at = rng_below(random, sum);
    for (;; i++) {
        if (!allowed(&statements[i], plan))
            continue;
        if (at < statements[i].weight)
            return &statements[i];
        at -= statements[i].weight;
    }
}

static void fill_in(const char *sql, rng *random, char *ret, size_t size)
{
    const char *board = board_ids[rng_below(random, N_BOARDS)];
    size_t n = 0;

    for (; *sql && n + 16 < size; sql++) {
        if (*sql == '@')
            n += (size_t)snprintf(ret + n, size - n, "%s", board);
        else if (*sql == '&')
            n += (size_t)snprintf(ret + n, size - n, "%s", board_ids[rng_below(random, N_BOARDS)]);
        else if (*sql == '#')
            n += (size_t)snprintf(ret + n, size - n, "p%u", rng_below(random, N_PLAYERS));
        else if (*sql == '$')
            n += (size_t)snprintf(ret + n, size - n, "%u", rng_below(random, 10));
        else
            ret[n++] = *sql;
    }
    ret[n] = '\0';
}

sqlite3 *shell_open(void)
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
static void check(sqlite3 *db, int rc, const char *sql)
{
    if (rc != SQLITE_OK && rc != SQLITE_CONSTRAINT && rc != SQLITE_BUSY && rc != SQLITE_ERROR &&
        rc != SQLITE_LOCKED && rc != SQLITE_SCHEMA)
        wrong("outside SQL failed: %s in %s", sqlite3_errmsg(db), sql);
}

void shell_next(sqlite3 *db, const run_plan *plan, rng *random)
{
    const statement *s = draw(plan, random);
    char sql[600];
    int rc;

    fill_in(s->sql, random, sql, sizeof sql);
    history_add("%s", sql);
    rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
    check(db, rc, sql);
    count(rc == SQLITE_OK || s->what == COUNT_ROLLBACK ? s->what : COUNT_REFUSED);
    if (!sqlite3_get_autocommit(db))
        (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
}

void shell_close(sqlite3 *db)
{
    (void)sqlite3_close(db);
}
