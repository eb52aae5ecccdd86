/* The schema and its triggers, with a bare connection as the outside writer. */
#include "store_rig.h"
#include "test.h"

#include "os/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void open_demo(store_rig *rig)
{
    rig_open(rig);
    CHECK_EQ(rig_board(rig, "demo", 0), 1);
    CHECK_EQ(rig_board(rig, "golf", LBI_ASCENDING), 1);
    CHECK_EQ(rig_add(rig, "demo", "alice", 10), 1);
    CHECK_EQ(rig_add(rig, "demo", "bob", 20), 1);
}

static void accept(const char *sql)
{
    CHECK_STR(rig_sql(sql), "");
}

static void refuse(const char *sql, const char *because)
{
    const char *message = rig_sql(sql);

    CHECK(message[0] != '\0');
    if (!strstr(message, because))
        FAIL("%s: '%s' instead of '%s'", sql, message, because);
}

TEST(a_bare_insert_is_completed)
{
    store_rig rig;
    const lb_player *row;

    open_demo(&rig);
    accept("INSERT INTO players(board, id, score) VALUES('demo', 'carol', 5)");
    row = rig_get(&rig, "demo", "carol");
    CHECK(row != NULL);
    CHECK_STR(row->name, "carol");
    CHECK_EQ(row->score, 5);
    CHECK(row->reached_us > 1600000000000000);
    CHECK_STR(rig_text("SELECT name FROM players WHERE id = 'carol'"), "carol");
    accept("INSERT INTO players(board, id) VALUES('demo', 'dave')");
    CHECK_EQ(rig_get(&rig, "demo", "dave")->score, 0);
    accept("INSERT INTO boards(id) VALUES('new')");
    CHECK(rig_number("SELECT created_us FROM boards WHERE id = 'new'") > 1600000000000000);
    rig_close(&rig);
}

TEST(direction_follows_the_board)
{
    store_rig rig;

    open_demo(&rig);
    accept("INSERT INTO players(board, id, score) VALUES('golf', 'x', 5)");
    CHECK_EQ(rig_number("SELECT rank_key FROM players WHERE board = 'golf'"), 5);
    accept("UPDATE players SET board = 'golf' WHERE id = 'alice'");
    CHECK_EQ(rig_number("SELECT rank_key FROM players WHERE id = 'alice'"), 10);
    accept("UPDATE players SET board = 'demo' WHERE id = 'alice'");
    CHECK_EQ(rig_number("SELECT rank_key FROM players WHERE id = 'alice'"), -10);
    refuse("UPDATE players SET ascending = 1 WHERE id = 'alice'", "direction of a player");
    accept("INSERT INTO players(board, id, ascending) VALUES('demo', 'y', 1)");
    CHECK_EQ(rig_number("SELECT ascending FROM players WHERE id = 'y'"), 0);
    rig_close(&rig);
}

TEST(boards_keep_id_and_direction)
{
    store_rig rig;

    open_demo(&rig);
    refuse("UPDATE boards SET id = 'other' WHERE id = 'demo'", "keeps its id");
    refuse("UPDATE boards SET ascending = 1 WHERE id = 'demo'", "keeps its id");
    refuse("INSERT OR REPLACE INTO boards(id, ascending) VALUES('demo', 1)", "other direction");
    accept("INSERT OR REPLACE INTO boards(id) VALUES('demo')");
    CHECK(rig_get(&rig, "demo", "alice") != NULL);
    accept("UPDATE boards SET deleting = 1 WHERE id = 'demo'");
    refuse("UPDATE boards SET deleting = 0 WHERE id = 'demo'", "cannot be undone");
    refuse("INSERT OR REPLACE INTO boards(id) VALUES('demo')", "being deleted");
    refuse("INSERT INTO players(board, id) VALUES('demo', 'x')", "no such board");
    CHECK(rig_get(&rig, "demo", "alice") == NULL);
    rig_close(&rig);
}

TEST(players_need_a_board)
{
    store_rig rig;

    open_demo(&rig);
    refuse("INSERT INTO players(board, id) VALUES('nope', 'x')",
           "no such board: INSERT INTO boards(id) first");
    refuse("UPDATE players SET board = 'nope' WHERE id = 'bob'", "no such board");
    refuse("INSERT INTO players(board, id) VALUES(NULL, 'x')", "no such board");
    refuse("INSERT INTO players(board, id) VALUES(x'64656d6f', 'x')", "no such board");
    rig_close(&rig);
}

TEST(bad_values_are_refused)
{
    static const char *const values[] = {"'abc'",
                                         "1.5",
                                         "NULL",
                                         "x'31'",
                                         "9007199254740992",
                                         "-9007199254740992",
                                         "9223372036854775807 + 1"};
    static const char *const ids[] = {"''",
                                      "'a b'",
                                      "'.'",
                                      "'..'",
                                      "x'61'",
                                      "NULL",
                                      "'a/b'",
                                      "'\u00e4'",
                                      "'a' || char(0) || 'b'",
                                      "hex(zeroblob(33))"};
    static const char *const names[] = {"''",
                                        "x'61'",
                                        "'a' || char(10)",
                                        "char(127)",
                                        "'a' || char(0)",
                                        "char(8232)",
                                        "char(133)",
                                        "hex(zeroblob(33))",
                                        "replace(hex(zeroblob(32)), '00', char(128512) || 'xxx')"};
    char sql[256];
    store_rig rig;

    open_demo(&rig);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        (void)snprintf(sql, sizeof sql, "UPDATE players SET score = %s WHERE id = 'bob'",
                       values[i]);
        refuse(sql, "constraint failed");
        (void)snprintf(sql, sizeof sql,
                       "INSERT INTO players(board, id, score) "
                       "VALUES('demo', 'n', %s)",
                       values[i]);
        refuse(sql, "constraint failed");
    }
    refuse("UPDATE players SET reached_us = -1", "constraint failed");
    refuse("UPDATE players SET reached_us = 'x'", "constraint failed");
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        (void)snprintf(sql, sizeof sql, "INSERT INTO players(board, id) VALUES('demo', %s)",
                       ids[i]);
        refuse(sql, "constraint failed");
        (void)snprintf(sql, sizeof sql, "INSERT INTO boards(id) VALUES(%s)", ids[i]);
        refuse(sql, "constraint failed");
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(sql, sizeof sql, "UPDATE players SET name = %s", names[i]);
        refuse(sql, "constraint failed");
    }
    CHECK_EQ(rig_get(&rig, "demo", "bob")->score, 20);
    rig_close(&rig);
}

TEST(bad_utf8_is_mended_by_the_reader)
{
    store_rig rig;

    open_demo(&rig);
    accept("UPDATE players SET name = CAST(x'61ff62c3' AS TEXT) WHERE id = 'bob'");
    CHECK_STR(rig_get(&rig, "demo", "bob")->name, "a\xef\xbf\xbd"
                                                  "b\xef\xbf\xbd");
    accept("UPDATE players SET name = NULL WHERE id = 'bob'");
    CHECK_STR(rig_get(&rig, "demo", "bob")->name, "bob");
    rig_close(&rig);
}

TEST(time_changes_with_the_score_only)
{
    int64_t before, after;
    store_rig rig;

    open_demo(&rig);
    before = rig_get(&rig, "demo", "bob")->reached_us;
    accept("UPDATE players SET name = 'Bob' WHERE id = 'bob'");
    accept("UPDATE players SET score = 20 WHERE id = 'bob'");
    CHECK_EQ(rig_get(&rig, "demo", "bob")->reached_us, before);
    accept("UPDATE players SET score = 21 WHERE id = 'bob'");
    after = rig_get(&rig, "demo", "bob")->reached_us;
    CHECK(after > before);
    accept("UPDATE players SET score = 22, reached_us = 5 WHERE id = 'bob'");
    CHECK_EQ(rig_get(&rig, "demo", "bob")->reached_us, 5);
    rig_close(&rig);
}

/* A clock that lags behind what is stored: time goes on by one. */
TEST(time_never_goes_back)
{
    int64_t ahead;
    store_rig rig;

    open_demo(&rig);
    accept("UPDATE players SET score = 1, reached_us = CAST((julianday('now') - 2440587.5) * "
           "86400000000 AS INTEGER) + 3600000000 WHERE id = 'bob'");
    ahead = rig_get(&rig, "demo", "bob")->reached_us;
    accept("UPDATE players SET score = 2 WHERE id = 'alice'");
    CHECK_EQ(rig_get(&rig, "demo", "alice")->reached_us, ahead + 1);
    CHECK_EQ(rig_add(&rig, "demo", "alice", 1), 1);
    CHECK_EQ(rig_get(&rig, "demo", "alice")->reached_us, ahead + 2);
    rig_close(&rig);
}

/* A time far in the future is one player's, and not that of every score from then on. */
TEST(a_wrong_time_stays_with_its_row)
{
    store_rig rig;

    open_demo(&rig);
    accept("UPDATE players SET score = 3, reached_us = 9007199254740991 WHERE id = 'bob'");
    CHECK_EQ(rig_get(&rig, "demo", "bob")->reached_us, LB_SCORE_MAX);
    accept("UPDATE players SET score = 99 WHERE id = 'alice'");
    CHECK(rig_get(&rig, "demo", "alice")->reached_us < lbi_clock_wall_us() + 1000000);
    CHECK_EQ(rig_add(&rig, "demo", "alice", 1), 1);
    CHECK(rig_get(&rig, "demo", "alice")->reached_us < lbi_clock_wall_us() + 1000000);
    rig_close(&rig);
}

/* Followers go by the end of the log: it stays, whatever somebody at a shell tidies up. */
TEST(the_end_of_the_log_stays)
{
    store_rig rig;
    int64_t last;

    open_demo(&rig);
    accept("UPDATE players SET score = 3 WHERE id = 'bob'");
    last = rig_number("SELECT max(seq) FROM changes");
    accept("DELETE FROM changes");
    CHECK_EQ(rig_number("SELECT count(*) FROM changes"), 1);
    CHECK_EQ(rig_number("SELECT max(seq) FROM changes"), last);
    refuse("UPDATE changes SET seq = 1", "not to be edited");
    rig_close(&rig);
}

TEST(deleting_a_board_deletes_its_players)
{
    store_rig rig;

    open_demo(&rig);
    accept("DELETE FROM boards WHERE id = 'demo'");
    CHECK_EQ(rig_number("SELECT count(*) FROM players"), 0);
    CHECK_EQ(rig_number("SELECT count(*) FROM changes WHERE board = 'demo' AND id IS NULL "
                        "AND old_score = 0"),
             1);
    CHECK_EQ(rig_number("SELECT count(*) FROM changes WHERE old_name IS NOT NULL"), 0);
    rig_close(&rig);
}

TEST(the_log_has_no_holes)
{
    store_rig rig;

    open_demo(&rig);
    accept("UPDATE players SET score = score + 1");
    accept("UPDATE OR REPLACE players SET id = 'bob' WHERE id = 'alice'");
    accept("INSERT OR REPLACE INTO players(board, id) VALUES('demo', 'bob')");
    accept("INSERT OR IGNORE INTO players(board, id) VALUES('demo', 'bob')");
    accept("INSERT INTO players(board, id, score) VALUES('demo', 'bob', 7) "
           "ON CONFLICT DO UPDATE SET score = excluded.score");
    refuse("INSERT INTO players(board, id) VALUES('demo', 'bob')", "UNIQUE");
    accept("DELETE FROM players");
    CHECK_EQ(rig_number("SELECT max(seq) - min(seq) + 1 - count(*) FROM changes"), 0);
    CHECK_EQ(rig_number("SELECT min(seq) FROM changes"), 1);
    CHECK_EQ(rig_number("SELECT count(*) FROM changes a JOIN changes b ON b.seq = a.seq + 1 "
                        "WHERE b.us < a.us"),
             0);
    rig_close(&rig);
}

/* The one test with the real program, old or new: its own pragmas, its own parser. */
TEST(the_sqlite3_shell_works)
{
    store_rig rig;

    if (system("command -v sqlite3 >/dev/null") != 0)
        SKIP("there is no sqlite3 program");
    open_demo(&rig);
    CHECK_EQ(system("sqlite3 " RIG_FILE " \"INSERT INTO players(board,id,score) "
                    "VALUES('demo','carol',5); UPDATE players SET score = score + 1; "
                    "DELETE FROM players WHERE id = 'bob'\""),
             0);
    CHECK_EQ(rig_get(&rig, "demo", "carol")->score, 6);
    CHECK_EQ(rig_get(&rig, "demo", "alice")->score, 11);
    CHECK(rig_get(&rig, "demo", "bob") == NULL);
    CHECK_EQ(WEXITSTATUS(system("sqlite3 -cmd '.timeout 5000' " RIG_FILE
                                " \"PRAGMA recursive_triggers=ON; INSERT OR REPLACE INTO "
                                "players(board,id,score) VALUES('demo','carol',9)\"")),
             0);
    CHECK_EQ(rig_get(&rig, "demo", "carol")->score, 9);
    CHECK(WEXITSTATUS(system("sqlite3 " RIG_FILE " \"INSERT INTO players(board,id) "
                             "VALUES('nope','x')\" 2>err")) != 0);
    CHECK_EQ(system("grep -q 'no such board' err"), 0);
    rig_close(&rig);
}
