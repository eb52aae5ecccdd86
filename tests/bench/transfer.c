/*
 * lbctl export and import of a board of a million players into a fresh file, beside the same rows
 * written by raw SQLite in one transaction each 1,000, without the change log. The order must be
 * the same to the last tie.
 *
 *     bench_transfer [PLAYERS]      LBCTL = the program
 */
#include "bench.h"
#include "leaderboard.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PAGE = LB_LIMIT_MAX, SCORES = 5000, TIMES = 1000000, GROUP = 1000 };

static int players = 1000000;

static void check(int r, const lb_error *error)
{
    if (r < 0)
        bench_die("%s", error->msg);
}

static void sql(sqlite3 *db, const char *text)
{
    char *message = NULL;

    if (sqlite3_exec(db, text, NULL, NULL, &message) != SQLITE_OK)
        bench_die("%s: %s", text, message);
}

static lb_client *open_client(const char *url)
{
    lb_options options;
    lb_client *client;
    lb_error error;

    lb_options_init(&options);
    options.database = url;
    check(lb_client_new(&options, &client, &error), &error);
    return client;
}

static sqlite3 *open_raw(const char *path)
{
    sqlite3 *db;

    if (sqlite3_open(path, &db) != SQLITE_OK)
        bench_die("cannot open %s", path);
    sql(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL");
    return db;
}

/* Of 5,000 scores and a million times, so that there are ties of both kinds. */
static void make_board(void)
{
    lb_client *client = open_client("sqlite:from.db");
    char text[512];
    lb_error error;
    sqlite3 *db;

    check(lb_board_create(client, "b", 0, NULL, NULL, &error), &error);
    lb_client_free(client);
    db = open_raw("from.db");
    (void)snprintf(text, sizeof text,
                   "INSERT INTO players(board,id,name,score,reached_us)"
                   " WITH n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE i<%d)"
                   " SELECT 'b', printf('player%%07d',i), printf('Player %%d',i), i*7919%%%d,"
                   " 1700000000000000+i*104729%%%d FROM n",
                   players, SCORES, TIMES);
    sql(db, text);
    sqlite3_close(db);
}

/* ---- the same rows, without the library ---- */

static void bind_row(sqlite3_stmt *from, sqlite3_stmt *to)
{
    for (int i = 0; i < 4; i++)
        sqlite3_bind_value(to, i + 1, sqlite3_column_value(from, i));
    if (sqlite3_step(to) != SQLITE_DONE)
        bench_die("raw insert failed");
    sqlite3_reset(to);
}

static double copy_raw(void)
{
    sqlite3 *from = open_raw("from.db"), *to = open_raw("raw.db");
    sqlite3_stmt *rows, *insert;
    double start;
    int n = 0;

    sql(to, "CREATE TABLE players(board TEXT NOT NULL, id TEXT NOT NULL, name TEXT, score INTEGER,"
            " reached_us INTEGER, rank_key INTEGER, PRIMARY KEY(board,id)) WITHOUT ROWID;"
            "CREATE INDEX players_rank ON players(board,rank_key,reached_us,id)");
    sqlite3_prepare_v2(from, "SELECT id,name,score,reached_us FROM players ORDER BY id", -1, &rows,
                       NULL);
    sqlite3_prepare_v2(to, "INSERT INTO players VALUES('b',?1,?2,?3,?4,-?3)", -1, &insert, NULL);
    start = bench_now_us();
    sql(to, "BEGIN");
    while (sqlite3_step(rows) == SQLITE_ROW) {
        bind_row(rows, insert);
        if (++n % GROUP == 0)
            sql(to, "COMMIT; BEGIN");
    }
    sql(to, "COMMIT");
    sqlite3_finalize(rows);
    sqlite3_finalize(insert);
    sqlite3_close(from);
    sqlite3_close(to);
    return bench_now_us() - start;
}

/* ---- comparing ---- */

struct page {
    struct {
        char id[LB_PLAYER_MAX + 1], name[LB_NAME_MAX + 1];
        int64_t score, reached_us;
    } rows[PAGE];
    int n;
    char after[LB_CURSOR_SIZE];
};

static int take_row(const lb_player *player, void *user)
{
    struct page *page = user;

    memset(&page->rows[page->n], 0, sizeof page->rows[0]);
    (void)snprintf(page->rows[page->n].id, sizeof page->rows[0].id, "%s", player->id);
    (void)snprintf(page->rows[page->n].name, sizeof page->rows[0].name, "%s", player->name);
    page->rows[page->n].score = player->score;
    page->rows[page->n].reached_us = player->reached_us;
    page->n++;
    return lb_player_cursor(player, page->after, sizeof page->after);
}

static void read_page(lb_client *client, struct page *page)
{
    lb_range range;
    lb_error error;

    lb_range_init(&range);
    range.limit = PAGE;
    range.flags = LB_READ_NO_PLACE;
    range.after = page->n ? page->after : NULL;
    page->n = 0;
    check(lb_board_get(client, "b", &range, take_row, page, &error), &error);
}

static void compare_boards(void)
{
    static struct page a, b;
    lb_client *from = open_client("sqlite:from.db"), *to = open_client("sqlite:to.db");
    int n = 0;

    do {
        read_page(from, &a);
        read_page(to, &b);
        if (a.n != b.n || memcmp(a.rows, b.rows, (size_t)a.n * sizeof a.rows[0]) != 0)
            bench_die("the boards differ behind row %d", n);
        n += a.n;
    } while (a.n == PAGE);
    if (n != players)
        bench_die("%d rows, not %d", n, players);
    lb_client_free(from);
    lb_client_free(to);
}

/* ---- results ---- */

static double timed(const char *command)
{
    double start = bench_now_us();

    bench_shell("%s", command);
    return bench_now_us() - start;
}

static void report(const char *what, double us)
{
    printf("%-34s %7.2f s %10.0f rows/s\n", what, us / 1e6, players / (us / 1e6));
    (void)fflush(stdout);
}

int main(int argc, char **argv)
{
    double export, import, raw;
    struct stat st;

    if (argc > 1)
        players = atoi(argv[1]);
    if (!getenv("LBCTL") || players < 1)
        bench_die("set LBCTL to the program");
    bench_enter_tmpdir();
    make_board();
    export = timed("\"$LBCTL\" --database sqlite:from.db export b b.ndjson >out");
    report("export", export);
    import = timed("\"$LBCTL\" --database sqlite:to.db import b b.ndjson >out");
    report("import into a fresh file", import);
    compare_boards();
    puts("the order is the same, to the last tie");
    report("import again, nothing to change",
           timed("\"$LBCTL\" --database sqlite:to.db import b b.ndjson >out"));
    raw = copy_raw();
    report("raw SQLite, without log and checks", raw);
    if (stat("b.ndjson", &st) == 0)
        printf("the file has %.1f MB; import runs at %.0f %% of raw SQLite\n",
               (double)st.st_size / 1e6, 100 * raw / import);
    return 0;
}
