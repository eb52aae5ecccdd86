#include "rows.h"

#include "shared.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void set_text(char *dst, size_t size, const char *src)
{
    if (!src || strlen(src) >= size)
        wrong("a text is NULL or longer than was ever written: %.200s", src ? src : "NULL");
    memcpy(dst, src, strlen(src) + 1);
}

row row_of(const lb_player *player)
{
    row r = {.score = player->score, .reached_us = player->reached_us};

    set_text(r.board, sizeof r.board, player->board);
    set_text(r.id, sizeof r.id, player->id);
    set_text(r.name, sizeof r.name, player->name);
    return r;
}

static int compare(const row *a, const char *board, const char *id)
{
    int c = strcmp(a->board, board);

    return c ? c : strcmp(a->id, id);
}

bool row_same(const row *a, const row *b)
{
    return compare(a, b->board, b->id) == 0 && strcmp(a->name, b->name) == 0 &&
           a->score == b->score && a->reached_us == b->reached_us;
}

const char *row_text(const row *r)
{
    static char texts[4][400];
    static unsigned next;
    char *text = texts[next++ % 4];

    if (!r)
        return "nothing";
    (void)snprintf(text, sizeof texts[0], "%s/%s %" PRId64 "@%" PRId64 " '%s'", r->board, r->id,
                   r->score, r->reached_us, r->name);
    return text;
}

/* ---- Sets ----------------------------------------------------------------------------------- */

static size_t find(const row_set *set, const char *board, const char *id)
{
    size_t low = 0, high = set->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (compare(&set->rows[middle], board, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

row *rows_append(row_set *set)
{
    if (set->n == set->room) {
        set->room = set->room ? 2 * set->room : 16;
        set->rows = realloc(set->rows, set->room * sizeof *set->rows);
        if (!set->rows)
            wrong("out of memory");
    }
    return &set->rows[set->n++];
}

void rows_put(row_set *set, const row *r)
{
    size_t i = find(set, r->board, r->id);

    if (i == set->n || compare(&set->rows[i], r->board, r->id) != 0) {
        (void)rows_append(set);
        memmove(&set->rows[i + 1], &set->rows[i], (set->n - 1 - i) * sizeof *set->rows);
    }
    set->rows[i] = *r;
}

void rows_forget(row_set *set, const char *board, const char *id)
{
    size_t i = find(set, board, id);

    if (i == set->n || compare(&set->rows[i], board, id) != 0)
        return;
    set->n--;
    memmove(&set->rows[i], &set->rows[i + 1], (set->n - i) * sizeof *set->rows);
}

void rows_forget_board(row_set *set, const char *board)
{
    size_t kept = 0;

    for (size_t i = 0; i < set->n; i++) {
        if (board && strcmp(set->rows[i].board, board) != 0)
            set->rows[kept++] = set->rows[i];
    }
    set->n = kept;
}

void rows_free(row_set *set)
{
    free(set->rows);
    *set = (row_set){0};
}

/* ---- The file itself ------------------------------------------------------------------------ */

static sqlite3 *open_file(const char *path)
{
    sqlite3 *db = NULL;

    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
        wrong("the file cannot be opened: %s", sqlite3_errmsg(db));
    (void)sqlite3_busy_timeout(db, 20000);
    return db;
}

static sqlite3_stmt *ask(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement = NULL;

    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        wrong("the file cannot be read: %s in %s", sqlite3_errmsg(db), sql);
    return statement;
}

static const char *column(sqlite3_stmt *statement, int i)
{
    return (const char *)sqlite3_column_text(statement, i);
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

void truth_read(truth *t, const char *path)
{
    sqlite3 *db = open_file(path);

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

void truth_free(truth *t)
{
    rows_free(&t->rows);
    rows_free(&t->tops);
}

const truth_board *truth_find(const truth *t, const char *board)
{
    for (size_t i = 0; i < t->n_boards; i++) {
        if (strcmp(t->boards[i].id, board) == 0)
            return &t->boards[i];
    }
    return NULL;
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

void truth_check_file(const char *path)
{
    sqlite3 *db = open_file(path);

    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        sqlite3_stmt *s = ask(db, rules[i]);

        if (sqlite3_step(s) != SQLITE_ROW || strcmp(column(s, 0), "ok") != 0)
            wrong("the file is not as it should be: %s", column(s, 0));
        (void)sqlite3_finalize(s);
    }
    (void)sqlite3_close(db);
}
