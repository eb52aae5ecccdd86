/* The follower: what a feed hears, whoever writes, is in the end what the file holds. */
#include "os/clock.h"
#include "store_rig.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <unistd.h>

static void open_demo(store_rig *rig, feed_mirror *mirror)
{
    rig_open(rig);
    CHECK_EQ(rig_board(rig, "demo", 0), 1);
    CHECK_EQ(rig_add(rig, "demo", "alice", 10), 1);
    CHECK_EQ(rig_add(rig, "demo", "bob", 20), 1);
    mirror_open(mirror, rig, "demo");
    mirror_settle(mirror);
    CHECK_STR(mirror->log, "RooY");
}

static void outside(feed_mirror *mirror, const char *sql)
{
    CHECK_STR(rig_sql(sql), "");
    mirror_settle(mirror);
}

/* Works until at least n changes were told. */
static void wait_changes(feed_mirror *mirror, int n)
{
    uint64_t until_us = lbi_clock_us() + 20000000;

    while (mirror->changes < n) {
        CHECK(lbi_clock_us() < until_us);
        rig_turn(mirror->rig, true);
    }
}

TEST(own_writes_are_heard)
{
    feed_mirror mirror;
    store_rig rig;

    open_demo(&rig, &mirror);
    CHECK_EQ(rig_add(&rig, "demo", "alice", 1), 1);
    mirror_settle(&mirror);
    CHECK_STR(mirror.last_old.id, "alice");
    CHECK_EQ(mirror.last_old.score, 10);
    CHECK_EQ(rig_add(&rig, "demo", "carol", 1), 1);
    mirror_settle(&mirror);
    CHECK_STR(mirror.last_old.id, "");
    CHECK_EQ(rig_ask(&rig, rig_request(LBI_PLAYER_REMOVE, "demo", "alice"))->code, 1);
    mirror_settle(&mirror);
    CHECK_EQ(mirror.last_old.score, 11);
    CHECK_STR(mirror.log, "RooYCCC");
    mirror_close(&mirror);
    rig_close(&rig);
}

TEST(outside_writes_are_heard)
{
    feed_mirror mirror;
    store_rig rig;

    open_demo(&rig, &mirror);
    outside(&mirror, "UPDATE players SET score = 99 WHERE id = 'alice'");
    CHECK_EQ(mirror.last_old.score, 10); /* though a trigger has updated it once more */
    outside(&mirror, "UPDATE players SET name = 'Bobby' WHERE id = 'bob'");
    outside(&mirror, "INSERT INTO players(board, id, score) VALUES('demo', 'carol', 5)");
    outside(&mirror, "INSERT OR REPLACE INTO players(board, id, score) VALUES('demo', 'carol', 6)");
    outside(&mirror, "UPDATE players SET id = 'dave' WHERE id = 'carol'");
    outside(&mirror, "UPDATE OR REPLACE players SET id = 'bob' WHERE id = 'alice'");
    outside(&mirror, "INSERT INTO boards(id) VALUES('other')");
    outside(&mirror, "UPDATE players SET board = 'other' WHERE id = 'dave'");
    outside(&mirror, "UPDATE players SET board = 'demo' WHERE id = 'dave'");
    outside(&mirror, "DELETE FROM players WHERE id = 'dave'");
    CHECK_STR(mirror.last_old.id, "dave");
    outside(&mirror, "VACUUM; PRAGMA wal_checkpoint(TRUNCATE);"
                     "UPDATE players SET score = score + 1");
    outside(&mirror, "DELETE FROM players");
    CHECK_EQ(mirror.resets, 1);
    mirror_close(&mirror);
    rig_close(&rig);
}

TEST(a_board_that_goes_and_comes)
{
    feed_mirror mirror, all;
    store_rig rig;

    open_demo(&rig, &mirror);
    mirror_open(&all, &rig, NULL);
    mirror_settle(&all);
    outside(&mirror, "DELETE FROM boards WHERE id = 'demo'");
    CHECK_EQ(mirror.gones, 1);
    mirror_settle(&all);
    CHECK_STR(all.log, "RooYG");
    outside(&mirror, "INSERT INTO boards(id) VALUES('demo'); "
                     "INSERT INTO players(board, id) VALUES('demo', 'zoe')");
    CHECK_EQ(mirror.resets, 2);
    mirror_settle(&all);
    CHECK_STR(all.log, "RooYGC");
    outside(&mirror, "DELETE FROM boards WHERE id = 'demo'; INSERT INTO boards(id) VALUES('demo'); "
                     "INSERT INTO players(board, id) VALUES('demo', 'yan')");
    mirror_settle(&all);
    CHECK_EQ(mirror.gones, 2);
    CHECK_EQ(rig_delete(&rig, "demo"), 1);
    mirror_settle(&mirror);
    mirror_settle(&all);
    CHECK_EQ(mirror.gones, 3);
    CHECK_EQ(all.gones, 3);
    mirror_close(&mirror);
    mirror_close(&all);
    rig_close(&rig);
}

/* Until so many more entries of the log have been read. */
static void read_on(store_rig *rig, uint64_t n)
{
    uint64_t until = rig->counters.changes + n;

    while (rig->counters.changes < until)
        rig_turn(rig, true);
}

/* Whoever reads the board by himself when he is told that it is gone may find it there again: that
 * it is gone once more must be told too. */
TEST(a_board_that_comes_and_goes_behind_our_back)
{
    feed_mirror mirror;
    store_rig rig;

    open_demo(&rig, &mirror);
    outside(&mirror, "DELETE FROM boards WHERE id = 'demo'");
    CHECK_EQ(mirror.gones, 1);
    CHECK_STR(rig_sql("INSERT INTO boards(id) VALUES('demo'); DELETE FROM boards"), "");
    read_on(&rig, 2);
    CHECK_EQ(mirror.gones, 2);
    CHECK_STR(rig_sql("INSERT INTO boards(id) VALUES('demo')"), "");
    read_on(&rig, 1);
    CHECK_STR(rig_sql("DELETE FROM boards"), "");
    read_on(&rig, 1);
    while (mirror.gones < 3)
        rig_turn(&rig, true);
    /* The same in the dark of a gap. */
    CHECK_STR(rig_sql("INSERT INTO boards(id) VALUES('demo'); DELETE FROM boards; "
                      "DELETE FROM changes WHERE seq < (SELECT max(seq) FROM changes)"),
              "");
    while (rig.counters.gaps == 0 || mirror.gones < 4)
        rig_turn(&rig, true);
    mirror_close(&mirror);
    rig_close(&rig);
}

TEST(a_database_that_is_not_there_yet)
{
    feed_mirror mirror, all;
    store_rig rig;

    rig_open(&rig);
    mirror_open(&mirror, &rig, "demo");
    mirror_open(&all, &rig, NULL);
    while (!mirror.gones || !all.ready)
        rig_turn(&rig, true);
    CHECK_STR(mirror.log, "G");
    CHECK_STR(all.log, "RY");
    CHECK(access(RIG_FILE, F_OK) < 0);
    CHECK_EQ(rig_add(&rig, "demo", "alice", 1), 1);
    mirror_settle(&mirror);
    mirror_settle(&all);
    CHECK_EQ(all.n, 1);
    mirror_close(&mirror);
    mirror_close(&all);
    rig_close(&rig);
}

TEST(a_gap_resets)
{
    feed_mirror mirror;
    store_rig rig;

    open_demo(&rig, &mirror);
    outside(&mirror, "UPDATE players SET score = score + 1; UPDATE players SET score = score + 1; "
                     "DELETE FROM changes WHERE seq < (SELECT max(seq) FROM changes)");
    CHECK_EQ(rig.counters.gaps, 1);
    CHECK_EQ(rig.notices[LB_NOTICE_GAP], 1);
    CHECK_EQ(mirror.resets, 2);
    outside(&mirror, "UPDATE players SET score = score + 1; DELETE FROM changes");
    CHECK_EQ(rig.counters.gaps, 2); /* the cursor is ahead of what there is */
    mirror_close(&mirror);
    rig_close(&rig);
}

/* What the trimming of a writer leaves is no more than twice what was asked for. */
TEST(the_log_is_trimmed)
{
    feed_mirror mirror;
    store_rig rig, tiny;

    open_demo(&rig, &mirror);
    rig_open_with(&tiny, "sqlite:" RIG_FILE, 0, 1);
    for (int i = 0; i < 50; i++) {
        CHECK_STR(rig_sql("UPDATE players SET score = score + 1"), "");
        CHECK_EQ(rig_add_existing(&tiny, "demo", "bob", 1), 1);
    }
    CHECK(rig_number("SELECT count(*) FROM changes") <= 2);
    CHECK_EQ(rig_number("SELECT count(*) FROM changes WHERE seq > 100"),
             rig_number("SELECT count(*) FROM changes"));
    mirror_settle(&mirror);
    rig_close(&tiny);
    mirror_close(&mirror);
    rig_close(&rig);
}

TEST(snapshots_of_many_rows_while_others_write)
{
    feed_mirror mirror;
    store_rig rig;

    rig_open(&rig);
    CHECK_EQ(rig_board(&rig, "demo", 0), 1);
    CHECK_STR(rig_sql("WITH RECURSIVE t(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM t WHERE i < "
                      "2000) INSERT INTO players(board, id, score) SELECT 'demo', 'p' || i, i "
                      "FROM t"),
              "");
    mirror_open(&mirror, &rig, "demo");
    for (int i = 0; !mirror.ready; i++) {
        if (i < 20)
            CHECK_STR(rig_sql(i % 2 ? "UPDATE players SET score = score + 1 WHERE id IN ('p1', "
                                      "'p999')"
                                    : "DELETE FROM players WHERE id = (SELECT max(id) FROM "
                                      "players)"),
                      "");
        rig_turn(&rig, false);
    }
    CHECK(mirror_agrees(&mirror));
    CHECK_EQ(mirror.resets, 1);
    mirror_close(&mirror);
    rig_close(&rig);
}

/* Uses up what inotify gives; the safety poll is then all there is. */
TEST(without_inotify)
{
    feed_mirror mirror;
    store_rig rig;
    pid_t child;
    int limit, n = 0, taken[8192];

    while (n < 8192 && (taken[n] = inotify_init1(IN_CLOEXEC)) >= 0)
        n++;
    limit = errno;
    if (n == 8192)
        SKIP("there is no limit to inotify here");
    CHECK(limit == EMFILE || limit == ENOSPC);
    /* Descriptors that were the limit are needed for the rest. */
    for (int i = 0; i < 16 && n > 16 && fcntl(taken[n - 1], F_GETFD) >= 0; i++) {
        int probe = open("/dev/null", O_RDONLY | O_CLOEXEC);

        if (probe >= 0) {
            (void)close(probe);
            break;
        }
        (void)close(taken[--n]);
    }
    open_demo(&rig, &mirror);
    child = fork();
    if (child == 0) {
        (void)rig_sql("UPDATE players SET score = 5");
        _exit(0);
    }
    wait_changes(&mirror, 2);
    mirror_settle(&mirror);
    CHECK_EQ(waitpid(child, NULL, 0), child);
    mirror_close(&mirror);
    rig_close(&rig);
    while (n)
        (void)close(taken[--n]);
}

/* The event comes before the commit can be seen: one look is not enough. Time is only said here. */
TEST(after_an_event_it_looks_again_and_again)
{
    feed_mirror mirror;
    store_rig rig;
    const lbi_store_ops *ops;
    uint64_t now_us = lbi_clock_us() + UINT64_C(3600000000);
    int inotify = inotify_init1(IN_CLOEXEC);

    if (inotify < 0)
        SKIP("no inotify can be had here");
    (void)close(inotify);
    open_demo(&rig, &mirror);
    ops = rig.store->ops;
    CHECK_STR(rig_sql("UPDATE players SET score = 7"), "");
    while (ops->feeds_deadline(rig.store) != 0) {
        CHECK_OK(lbi_poller_wait(rig.poller, LB_NEVER));
        (void)lbi_poller_dispatch(rig.poller);
    }
    for (uint64_t pause_us = 1000; pause_us <= 128000; pause_us *= 2) {
        while (ops->process_feeds(rig.store, now_us))
            continue;
        CHECK_EQ(ops->feeds_deadline(rig.store) - now_us, pause_us);
        now_us += pause_us;
    }
    while (ops->process_feeds(rig.store, now_us))
        continue;
    CHECK_EQ(ops->feeds_deadline(rig.store) - now_us, 250000); /* as if there had been none */
    mirror_close(&mirror);
    rig_close(&rig);
}

/* What .backup and .restore of the shell do. */
static void copy_database(const char *from, const char *to)
{
    sqlite3 *source, *target;
    sqlite3_backup *backup;

    CHECK_EQ(sqlite3_open(from, &source), SQLITE_OK);
    CHECK_EQ(sqlite3_open(to, &target), SQLITE_OK);
    backup = sqlite3_backup_init(target, "main", source, "main");
    CHECK(backup);
    CHECK_EQ(sqlite3_backup_step(backup, -1), SQLITE_DONE);
    CHECK_EQ(sqlite3_backup_finish(backup), SQLITE_OK);
    CHECK_EQ(sqlite3_close(source), SQLITE_OK);
    CHECK_EQ(sqlite3_close(target), SQLITE_OK);
}

/* The log ends with the same number again, but it is another one. */
TEST(a_restored_file_is_noticed_by_more_than_its_length)
{
    feed_mirror mirror;
    store_rig rig;
    int64_t last;

    open_demo(&rig, &mirror);
    copy_database(RIG_FILE, "old.db");
    outside(&mirror, "UPDATE players SET score = 77 WHERE id = 'alice'");
    last = rig_number("SELECT max(seq) FROM changes");
    copy_database("old.db", RIG_FILE);
    CHECK(rig_number("SELECT max(seq) FROM changes") < last);
    while (rig_number("SELECT max(seq) FROM changes") < last)
        CHECK_STR(rig_sql("UPDATE players SET score = score + 1 WHERE id = 'bob'"), "");
    CHECK_EQ(rig_number("SELECT max(seq) FROM changes"), last);
    mirror_settle(&mirror);
    CHECK_EQ(mirror.resets, 2);
    mirror_close(&mirror);
    rig_close(&rig);
}

TEST(a_follower_holds_no_transaction)
{
    feed_mirror mirror;
    store_rig rig;

    open_demo(&rig, &mirror);
    for (int i = 0; i < 20; i++) {
        CHECK_STR(rig_sql("UPDATE players SET score = score + 1"), "");
        rig_turn(&rig, false);
        CHECK_EQ(rig_number("PRAGMA wal_checkpoint(TRUNCATE)"), 0); /* 1 = somebody is in the way */
    }
    mirror_settle(&mirror);
    mirror_close(&mirror);
    rig_close(&rig);
}

TEST(a_file_that_is_replaced)
{
    feed_mirror mirror;
    store_rig rig;

    open_demo(&rig, &mirror);
    CHECK_EQ(system("rm -f " RIG_FILE "*"), 0);
    mirror_settle(&mirror); /* of nothing */
    CHECK_EQ(mirror.n, 0);
    while (rig_add(&rig, "demo", "zoe", 1) < 0)
        continue;
    mirror_settle(&mirror);
    CHECK_EQ(mirror.n, 1);
    mirror_close(&mirror);
    rig_close(&rig);
}

TEST(errors_are_told_once_and_overcome)
{
    feed_mirror mirror;
    store_rig rig;

    open_demo(&rig, &mirror);
    /* Somebody destroys the tables, and puts them right. */
    CHECK_STR(rig_sql("ALTER TABLE changes RENAME TO elsewhere"), "");
    while (rig.counters.retries < 3)
        rig_turn(&rig, true);
    CHECK_EQ(rig.notices[LB_NOTICE_RETRY], 1);
    CHECK_STR(rig_sql("ALTER TABLE elsewhere RENAME TO changes"), "");
    CHECK_STR(rig_sql("UPDATE players SET score = 77"), "");
    mirror_settle(&mirror);
    CHECK(mirror.resets >= 2);
    mirror_close(&mirror);
    rig_close(&rig);
}

/* ---- Callbacks ------------------------------------------------------------------------------ */

typedef struct closer {
    store_rig *rig;
    lbi_feed *mine, *other;
    feed_mirror late;
    int calls;
} closer;

static void on_closer(const lb_change *change, void *user)
{
    closer *c = user;

    c->calls++;
    if (change->type != LB_CHANGE_CHANGE)
        return;
    c->rig->store->ops->feed_close(c->mine);
    c->rig->store->ops->feed_close(c->other);
    mirror_open(&c->late, c->rig, "demo");
}

static void on_nothing(const lb_change *change, void *user)
{
    (void)change;
    ++*(int *)user;
}

TEST(feeds_are_closed_and_opened_inside_callbacks)
{
    const lbi_store_ops *ops;
    feed_mirror mirror;
    closer c = {0};
    store_rig rig;
    int calls = 0;

    open_demo(&rig, &mirror);
    c.rig = &rig;
    ops = rig.store->ops;
    CHECK_OK(ops->feed_open(rig.store, "demo", false, on_closer, &c, &c.mine, NULL));
    CHECK_OK(ops->feed_open(rig.store, "demo", false, on_nothing, &calls, &c.other, NULL));
    while (calls < 2)
        rig_turn(&rig, true);
    CHECK_EQ(rig_add(&rig, "demo", "alice", 1), 1);
    mirror_settle(&mirror);
    mirror_settle(&c.late);
    CHECK_EQ(rig_add(&rig, "demo", "alice", 1), 1);
    mirror_settle(&c.late);
    CHECK_EQ(c.calls, 3);
    CHECK_EQ(calls, 2);
    mirror_close(&c.late);
    mirror_close(&mirror);
    rig_close(&rig);
}

/* With no feed left nothing is watched and nothing is due. */
TEST(without_feeds_nothing_is_due)
{
    feed_mirror mirror;
    store_rig rig;

    open_demo(&rig, &mirror);
    mirror_close(&mirror);
    rig_turn(&rig, false);
    rig_turn(&rig, false);
    CHECK(rig.store->ops->deadline(rig.store) == LB_NEVER);
    CHECK(rig.store->ops->feeds_deadline(rig.store) == LB_NEVER);
    rig_close(&rig);
}

/* ---- Convergence ---------------------------------------------------------------------------- */

static const char *const storms[] = {
    "UPDATE players SET score = score + 1",
    "INSERT OR REPLACE INTO players(board, id, score) SELECT id, 'r', 5 FROM boards",
    "UPDATE OR REPLACE players SET id = 'q' WHERE id = 'p1'",
    "DELETE FROM players WHERE id IN ('q', 'r')",
    "DELETE FROM boards WHERE id = 'b1'",
    "INSERT OR IGNORE INTO boards(id) VALUES('b1')",
    "INSERT OR IGNORE INTO boards(id) VALUES('demo')",
    "INSERT OR IGNORE INTO players(board, id) SELECT id, 'p1' FROM boards",
    "UPDATE OR REPLACE players SET board = 'demo' WHERE board = 'b1'",
    "PRAGMA wal_checkpoint(TRUNCATE)",
    "VACUUM",
    "UPDATE players SET name = name || 'x' WHERE length(name) < 60"};

static void blow(unsigned seed)
{
    sqlite3 *handle = NULL;

    if (sqlite3_open(RIG_FILE, &handle) != SQLITE_OK)
        _exit(1);
    (void)sqlite3_busy_timeout(handle, 10000);
    for (int i = 0; i < 60; i++)
        (void)sqlite3_exec(handle,
                           storms[(size_t)rand_r(&seed) % (sizeof storms / sizeof storms[0])], NULL,
                           NULL, NULL);
    (void)sqlite3_close(handle);
    _exit(0);
}

static void write_in_storm(unsigned seed)
{
    store_rig rig;

    rig_open_with(&rig, "sqlite:" RIG_FILE, 0, 4);
    for (int i = 0; i < 60; i++) {
        char player[16];

        (void)snprintf(player, sizeof player, "p%d", rand_r(&seed) % 5);
        if (rand_r(&seed) % 12 == 0)
            (void)rig_delete(&rig, "b2");
        else
            (void)rig_add(&rig, rand_r(&seed) % 2 ? "b2" : "demo", player, 1);
    }
    rig_close(&rig);
    _exit(0);
}

TEST(everybody_writes_and_each_feed_converges, .timeout_s = 120)
{
    static const char *const boards[] = {"demo", "b1", "b2", NULL};
    feed_mirror mirrors[4];
    store_rig rig;

    rig_open_with(&rig, "sqlite:" RIG_FILE, 0, 4);
    CHECK_EQ(rig_board(&rig, "demo", 0), 1);
    for (unsigned round = 0; round < 4; round++) {
        pid_t children[4];
        int left = 4;

        for (int i = 0; i < 4; i++)
            mirror_open(&mirrors[i], &rig, boards[i]);
        for (unsigned i = 0; i < 4; i++) {
            children[i] = fork();
            if (children[i] == 0)
                i % 2 ? blow(round * 4 + i) : write_in_storm(round * 4 + i);
            CHECK(children[i] > 0);
        }
        while (left) {
            rig_turn(&rig, true);
            if (waitpid(-1, NULL, WNOHANG) > 0)
                left--;
        }
        for (int i = 0; i < 4; i++)
            mirror_settle(&mirrors[i]);
        for (int i = 0; i < 4; i++)
            mirror_close(&mirrors[i]);
    }
    rig_close(&rig);
}
