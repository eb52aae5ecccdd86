/* Opening, locks, failures of the disk, and the end of a process at a bad moment. */
#include "os/clock.h"
#include "store_rig.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void expect(const lbi_request *request, int code, const char *words)
{
    if (request->code != code || !strstr(request->error.msg, words))
        FAIL("%d '%s' is not %d or does not say '%s'", request->code, request->error.msg, code,
             words);
}

static const lbi_request *ask_get(store_rig *rig)
{
    return rig_ask(rig, rig_request(LBI_PLAYER_GET, "demo", "alice"));
}

static const lbi_request *ask_add(store_rig *rig)
{
    lbi_request *request = rig_request(LBI_SCORE_ADD, "demo", "alice");

    request->flags = LBI_CREATE;
    request->amount = 1;
    return rig_ask(rig, request);
}

static void make_demo(void)
{
    store_rig rig;

    rig_open(&rig);
    CHECK_EQ(rig_add(&rig, "demo", "alice", 10), 1);
    rig_close(&rig);
}

/* Returns the exit status of a child that runs fn. */
static int in_child(void (*fn)(void))
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        fn();
        exit(0); /* a failed CHECK has ended it before */
    }
    CHECK(child > 0);
    CHECK_EQ(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ---- Opening -------------------------------------------------------------------------------- */

TEST(bad_urls)
{
    static const char *const urls[] = {"sqlite:", "sqlite::memory:"};
    lbi_store_config config = {.change_log = 1};
    char longest[700] = "sqlite:";
    lbi_store *store = NULL;
    lb_error error;

    for (size_t i = 0; i < 2; i++) {
        config.url = urls[i];
        CHECK_EQ(lbi_sqlite_new(&config, &store, &error), LB_E_INVAL);
    }
    memset(longest + 7, 'a', sizeof longest - 8);
    config.url = longest;
    CHECK_EQ(lbi_sqlite_new(&config, &store, &error), LB_E_INVAL);
    CHECK(store == NULL);
}

TEST(percent_signs_and_question_marks_are_literal)
{
    store_rig rig;

    rig_open_with(&rig, "sqlite:file:a%20b?mode=ro#x", 0, 10);
    CHECK_EQ(rig_add(&rig, "demo", "alice", 1), 1);
    rig_close(&rig);
    CHECK_EQ(access("file:a%20b?mode=ro#x", F_OK), 0);
}

TEST(the_path_is_that_of_the_beginning)
{
    store_rig rig;

    rig_open(&rig);
    CHECK_EQ(mkdir("below", 0755), 0);
    CHECK_EQ(chdir("below"), 0);
    CHECK_EQ(rig_add(&rig, "demo", "alice", 1), 1);
    CHECK_EQ(chdir(".."), 0);
    CHECK_EQ(access(RIG_FILE, F_OK), 0);
    rig_close(&rig);
}

TEST(reads_make_no_file)
{
    store_rig rig;

    rig_open(&rig);
    expect(ask_get(&rig), LB_E_NOTFOUND, "there is no database at 'test.db' yet");
    CHECK_EQ(rig_add_existing(&rig, "demo", "alice", 1), LB_E_NOTFOUND);
    CHECK_EQ(rig_delete(&rig, "demo"), LB_E_NOTFOUND);
    CHECK(access(RIG_FILE, F_OK) < 0 && errno == ENOENT);
    CHECK_EQ(rig_add(&rig, "demo", "alice", 1), 1);
    CHECK_EQ(rig_get(&rig, "demo", "alice")->score, 1);
    rig_close(&rig);
    CHECK(access(RIG_FILE "-wal", F_OK) < 0); /* closed cleanly */
}

TEST(an_empty_file_is_no_database_yet)
{
    store_rig rig;

    CHECK_EQ(system(": >" RIG_FILE), 0);
    rig_open(&rig);
    expect(ask_get(&rig), LB_E_NOTFOUND, "there is no database");
    CHECK_EQ(rig_number("PRAGMA page_count"), 0);
    CHECK_EQ(rig_add(&rig, "demo", "alice", 1), 1);
    rig_close(&rig);
}

TEST(other_peoples_files)
{
    store_rig rig;

    rig_open(&rig);
    CHECK_STR(rig_sql("CREATE TABLE players(x)"), "");
    expect(ask_add(&rig), LB_E_CONFLICT, "did not make");
    CHECK_STR(rig_sql("DROP TABLE players; PRAGMA user_version = 7"), "");
    expect(ask_add(&rig), LB_E_CONFLICT, "another program's");
    CHECK_STR(rig_sql("PRAGMA user_version = 0; CREATE TABLE mine(x)"), "");
    CHECK_EQ(ask_add(&rig)->code, 1); /* beside tables of other names */
    rig_close(&rig);
}

TEST(a_newer_schema)
{
    store_rig rig;

    make_demo();
    CHECK_STR(rig_sql("PRAGMA user_version = 2"), "");
    rig_open(&rig);
    expect(ask_get(&rig), LB_E_UNSUPPORTED, "newer version");
    expect(ask_add(&rig), LB_E_UNSUPPORTED, "newer version");
    CHECK_STR(rig_sql("PRAGMA user_version = 1"), "");
    CHECK_EQ(ask_add(&rig)->code, 1);
    rig_close(&rig);
}

TEST(not_a_database)
{
    store_rig rig;

    CHECK_EQ(system("yes hello | head -c 8192 >" RIG_FILE), 0);
    rig_open(&rig);
    expect(ask_get(&rig), LB_E_CORRUPT, "'test.db' is not a database");
    expect(ask_add(&rig), LB_E_CORRUPT, "'test.db' is not a database");
    rig_close(&rig);
}

TEST(a_damaged_database)
{
    store_rig rig;
    int64_t players;
    char command[160];

    make_demo();
    players = rig_number("SELECT rootpage FROM sqlite_master WHERE name = 'players'");
    CHECK_EQ(rig_number("PRAGMA journal_mode = DELETE"), 0);
    (void)snprintf(command, sizeof command,
                   "dd if=/dev/zero of=" RIG_FILE
                   " bs=4096 count=1 seek=%d conv=notrunc 2>/dev/null",
                   (int)players - 1);
    CHECK_EQ(system(command), 0);
    rig_open(&rig);
    expect(ask_get(&rig), LB_E_CORRUPT, "damaged");
    expect(ask_add(&rig), LB_E_CORRUPT, "damaged");
    rig_close(&rig);
}

TEST(no_directory_and_a_directory)
{
    store_rig rig;

    rig_open_with(&rig, "sqlite:no/where.db", 0, 10);
    expect(ask_get(&rig), LB_E_NOTFOUND, "there is no database at 'no/where.db'");
    expect(ask_add(&rig), LB_E_IO, "directory does not exist");
    rig_close(&rig);
    CHECK_EQ(mkdir("dir", 0755), 0);
    rig_open_with(&rig, "sqlite:dir", 0, 10);
    expect(ask_get(&rig), LB_E_IO, "'dir' is a directory");
    expect(ask_add(&rig), LB_E_IO, "'dir' is a directory");
    rig_close(&rig);
}

static void be_nobody(void)
{
    if (getuid() == 0)
        CHECK_EQ(setuid(65534), 0);
}

/* The directories of the harness are for their owner only. */
static void let_in(mode_t mode)
{
    CHECK_EQ(chmod("..", 0711), 0);
    CHECK_EQ(chmod(".", mode), 0);
}

static void use_read_only_file(void)
{
    store_rig rig;

    be_nobody();
    rig_open(&rig);
    expect(ask_get(&rig), 0, "");
    expect(ask_add(&rig), LB_E_READONLY, "'test.db' is read-only");
    expect(ask_get(&rig), 0, "");
    rig_close(&rig);
}

TEST(a_read_only_file)
{
    make_demo();
    let_in(0777);
    CHECK_EQ(chmod(RIG_FILE, 0444), 0);
    CHECK_EQ(in_child(use_read_only_file), 0);
}

static void use_forbidden_file(void)
{
    store_rig rig;

    be_nobody();
    rig_open(&rig);
    expect(ask_get(&rig), LB_E_IO, "permission denied");
    expect(ask_add(&rig), LB_E_IO, "permission denied");
    rig_close(&rig);
}

TEST(a_forbidden_file)
{
    make_demo();
    let_in(0755);
    CHECK_EQ(chmod(RIG_FILE, 0), 0);
    CHECK_EQ(in_child(use_forbidden_file), 0);
}

static void use_forbidden_directory(void)
{
    store_rig rig;

    be_nobody();
    rig_open(&rig);
    expect(ask_add(&rig), LB_E_READONLY, "permissions of its directory");
    rig_close(&rig);
}

TEST(a_directory_that_cannot_be_written)
{
    let_in(0555);
    CHECK_EQ(in_child(use_forbidden_directory), 0);
}

/* ---- At once -------------------------------------------------------------------------------- */

static int wait_all(int n)
{
    int bad = 0, status;

    while (n-- > 0)
        bad += wait(&status) < 0 || status != 0;
    return bad;
}

static void add_once(void)
{
    store_rig rig;

    rig_open(&rig);
    CHECK_EQ(rig_add(&rig, "demo", "alice", 1), 1);
    rig_close(&rig);
    exit(0);
}

TEST(eight_first_openings_at_once, .timeout_s = 120)
{
    for (int round = 0; round < 50; round++) {
        CHECK_EQ(system("rm -f " RIG_FILE "*"), 0);
        for (int i = 0; i < 8; i++) {
            pid_t child = fork();

            if (child == 0)
                add_once();
            CHECK(child > 0);
        }
        CHECK_EQ(wait_all(8), 0);
        CHECK_EQ(rig_number("SELECT score FROM players"), 8);
    }
}

static void add_many(void)
{
    store_rig rig;

    rig_open(&rig);
    for (int i = 0; i < 200; i++)
        CHECK_EQ(rig_add(&rig, "demo", "alice", 1), 1);
    rig_close(&rig);
    exit(0);
}

TEST(eight_processes_count_exactly, .timeout_s = 120)
{
    for (int i = 0; i < 8; i++) {
        if (fork() == 0)
            add_many();
    }
    CHECK_EQ(wait_all(8), 0);
    CHECK_EQ(rig_number("SELECT score FROM players"), 1600);
}

/* ---- Locks ---------------------------------------------------------------------------------- */

static sqlite3 *lock(const char *sql)
{
    sqlite3 *handle = NULL;

    CHECK_EQ(sqlite3_open(RIG_FILE, &handle), SQLITE_OK);
    CHECK_EQ(sqlite3_exec(handle, sql, NULL, NULL, NULL), SQLITE_OK);
    return handle;
}

TEST(a_lock_times_out_and_is_waited_for)
{
    lbi_request *request = rig_request(LBI_SCORE_ADD, "demo", "alice");
    store_rig rig;
    sqlite3 *other;

    make_demo();
    other = lock("BEGIN IMMEDIATE");
    rig_open(&rig);
    request->amount = 1;
    request->deadline_us = lbi_clock_us() + 50000;
    expect(rig_ask(&rig, request), LB_E_TIMEOUT, "locked by another program");
    CHECK(rig.counters.busy > 1);
    CHECK_EQ(ask_get(&rig)->code, 0); /* reading goes on */
    request = rig_request(LBI_SCORE_ADD, "demo", "alice");
    request->amount = 1;
    request->deadline_us = LB_NEVER;
    rig.store->ops->submit(rig.store, request);
    rig_turn(&rig, false);
    CHECK(rig.store->ops->deadline(rig.store) > lbi_clock_us() - 1000000);
    CHECK(rig.store->ops->cancel(rig.store, request));
    free(request);
    CHECK_EQ(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    CHECK_EQ(rig_add(&rig, "demo", "alice", 1), 1);
    CHECK_EQ(rig_get(&rig, "demo", "alice")->score, 11);
    CHECK_EQ(sqlite3_close(other), SQLITE_OK);
    rig_close(&rig);
}

static lbi_request *submit(store_rig *rig, lbi_verb verb, uint64_t deadline_us, bool *done)
{
    lbi_request *request = rig_request(verb, "demo", "alice");

    *done = false;
    request->amount = 1;
    request->owner = done;
    request->deadline_us = deadline_us;
    rig->store->ops->submit(rig->store, request);
    return request;
}

static void release(lbi_request *request)
{
    lbi_arena_clear(&request->arena);
    free(request);
}

/* Reads go past a write that waits; while they are on that way they end as any others do. */
TEST(reads_that_went_ahead_time_out_and_are_cancelled)
{
    lbi_request *write, *late, *withdrawn;
    bool written, timed_out, answered;
    store_rig rig;
    sqlite3 *other;

    make_demo();
    other = lock("BEGIN IMMEDIATE");
    rig_open(&rig);
    write = submit(&rig, LBI_SCORE_ADD, LB_NEVER, &written);
    CHECK_EQ(ask_get(&rig)->code, 0); /* by now the write has met the lock */
    late = submit(&rig, LBI_BOARD_INFO, 1, &timed_out);
    withdrawn = submit(&rig, LBI_BOARD_INFO, LB_NEVER, &answered);
    CHECK(rig.store->ops->cancel(rig.store, withdrawn));
    rig_turn(&rig, false);
    CHECK_EQ(ask_get(&rig)->code, 0);
    CHECK(!written && !answered);
    CHECK_EQ(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    while (!written || !timed_out)
        rig_turn(&rig, true);
    expect(write, 1, "");
    expect(late, LB_E_TIMEOUT, "timed out");
    CHECK(!answered);
    CHECK_EQ(rig_get(&rig, "demo", "alice")->score, 11);
    release(write);
    release(late);
    release(withdrawn);
    CHECK_EQ(sqlite3_close(other), SQLITE_OK);
    rig_close(&rig);
}

TEST(an_exclusive_lock_while_opening)
{
    lbi_request *request = rig_request(LBI_PLAYER_GET, "demo", "alice");
    store_rig rig;
    sqlite3 *other;

    make_demo();
    other = lock("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; "
                 "UPDATE players SET score = 5; COMMIT");
    rig_open(&rig);
    request->deadline_us = lbi_clock_us() + 50000;
    expect(rig_ask(&rig, request), LB_E_TIMEOUT, "locked by another program");
    CHECK_EQ(sqlite3_close(other), SQLITE_OK);
    CHECK_EQ(rig_get(&rig, "demo", "alice")->score, 5);
    rig_close(&rig);
}

/* ---- Groups --------------------------------------------------------------------------------- */

static int n_done;

static void count_done(lbi_request *request)
{
    (void)request;
    n_done++;
}

/* A trigger of somebody's refuses one of a group: that one fails alone. */
TEST(one_of_a_group_fails_alone)
{
    lbi_request *requests[8];
    store_rig rig;

    make_demo();
    CHECK_STR(rig_sql("CREATE TRIGGER no3 BEFORE INSERT ON players WHEN NEW.id = 'p3' "
                      "BEGIN SELECT RAISE(ABORT, 'not three'); END"),
              "");
    rig_open(&rig);
    for (int i = 0; i < 8; i++) {
        char id[16];

        (void)snprintf(id, sizeof id, "p%d", i);
        requests[i] = rig_request(i == 6 ? LBI_PLAYER_GET : LBI_SCORE_ADD, i == 3 ? "new" : "demo",
                                  i == 6 ? "p5" : id);
        requests[i]->flags = i == 6 ? 0 : LBI_CREATE;
        requests[i]->amount = i + 1;
        requests[i]->done = count_done;
        rig.store->ops->submit(rig.store, requests[i]);
    }
    while (n_done < 8)
        rig_turn(&rig, true);
    for (int i = 0; i < 8; i++) {
        if (i == 3)
            expect(requests[i], LB_E_CONFLICT, "not three");
        else
            CHECK_EQ(requests[i]->rows[0].score, i == 6 ? 6 : i + 1);
        lbi_arena_clear(&requests[i]->arena);
        free(requests[i]);
    }
    CHECK_EQ(rig_number("SELECT count(*) FROM players"), 7);
    CHECK_EQ(rig_number("SELECT count(*) FROM boards"), 1); /* 'new' went with p3 */
    rig_close(&rig);
}

/* Kills a process that adds and says so: what it has said is there. */
TEST(killed_in_the_middle, .timeout_s = 60)
{
    make_demo();
    for (int round = 0; round < 10; round++) {
        int64_t before = rig_number("SELECT score FROM players");
        int pipes[2], said = 0;
        char byte;
        pid_t child;

        CHECK_EQ(pipe(pipes), 0);
        child = fork();
        if (child == 0) {
            store_rig rig;

            rig_open(&rig);
            for (;;) {
                if (rig_add(&rig, "demo", "alice", 1) == 1)
                    CHECK_EQ(write(pipes[1], "+", 1), 1);
            }
        }
        (void)close(pipes[1]);
        while (said < 20 + round * 7 && read(pipes[0], &byte, 1) == 1)
            said++;
        CHECK_EQ(kill(child, SIGKILL), 0);
        CHECK_EQ(waitpid(child, NULL, 0), child);
        while (read(pipes[0], &byte, 1) == 1)
            said++;
        (void)close(pipes[0]);
        CHECK(rig_number("SELECT score FROM players") - before - said >= 0);
        CHECK(rig_number("SELECT score FROM players") - before - said <= 1);
        CHECK_STR(rig_text("PRAGMA integrity_check"), "ok");
    }
}

/* ---- The disk ------------------------------------------------------------------------------- */

TEST(a_full_disk)
{
    int code = 1, last = 0;
    store_rig rig;
    char id[16];

    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mkdir("small", 0755) < 0 || mount("tmpfs", "small", "tmpfs", 0, "size=512k") < 0)
        SKIP("no mount namespace: %s", strerror(errno));
    CHECK_EQ(chdir("small"), 0);
    rig_open(&rig);
    for (int i = 0; i < 5000 && code == 1; i++) {
        (void)snprintf(id, sizeof id, "p%d", i);
        code = rig_add(&rig, "demo", id, 1);
        last = i;
    }
    CHECK_EQ(code, LB_E_FULL);
    (void)snprintf(id, sizeof id, "p%d", last - 1);
    CHECK_EQ(rig_get(&rig, "demo", id)->score, 1); /* what was said to be done is */
    (void)snprintf(id, sizeof id, "p%d", last);
    CHECK(rig_get(&rig, "demo", id) == NULL);
    CHECK_EQ(mount("tmpfs", ".", "tmpfs", MS_REMOUNT, "size=4m"), 0);
    CHECK_EQ(mount("tmpfs", "../small", "tmpfs", MS_REMOUNT, "size=4m"), 0);
    CHECK_EQ(rig_add(&rig, "demo", id, 1), 1);
    rig_close(&rig);
    CHECK_EQ(chdir(".."), 0);
    CHECK_EQ(umount("small"), 0);
}

TEST(a_file_that_is_deleted)
{
    store_rig rig;

    make_demo();
    rig_open(&rig);
    CHECK_EQ(rig_get(&rig, "demo", "alice")->score, 10);
    CHECK_EQ(system("rm -f " RIG_FILE "*"), 0);
    for (int code = 0; code != LB_E_NOTFOUND;)
        code = ask_get(&rig)->code;
    CHECK_EQ(rig_add(&rig, "demo", "alice", 1), 1);
    CHECK_EQ(rig_get(&rig, "demo", "alice")->score, 1);
    CHECK_EQ(rig_number("SELECT score FROM players"), 1);
    rig_close(&rig);
}

/* ---- Long work ------------------------------------------------------------------------------ */

static void fill(int n)
{
    char sql[256];

    (void)snprintf(sql, sizeof sql,
                   "WITH RECURSIVE t(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM t WHERE i < %d) "
                   "INSERT INTO players(board, id, score, reached_us) "
                   "SELECT 'big', 'p' || i, i / 3, i FROM t",
                   n);
    CHECK_STR(rig_sql("INSERT INTO boards(id) VALUES('big')"), "");
    CHECK_STR(rig_sql(sql), "");
}

TEST(a_large_board_is_counted_at_one_instant, .timeout_s = 60)
{
    lbi_request *count, *place;
    store_rig rig;

    make_demo();
    fill(200000);
    rig_open(&rig);
    count = rig_request(LBI_BOARD_INFO, "big", "");
    place = rig_request(LBI_PLAYER_GET, "big", "p1");
    count->deadline_us = place->deadline_us = LB_NEVER;
    count->done = place->done = count_done;
    place->flags = LBI_PLACE;
    rig.store->ops->submit(rig.store, count);
    rig.store->ops->submit(rig.store, place);
    for (int i = 0; n_done < 2; i++) {
        if (i % 2 == 0 && n_done == 0)
            CHECK_STR(rig_sql("DELETE FROM players WHERE id = (SELECT max(id) FROM players "
                              "WHERE board = 'big')"),
                      "");
        rig_turn(&rig, true);
    }
    CHECK(count->boards[0].players <= 199999 && count->boards[0].players > 199900);
    CHECK_EQ(place->rows[0].rank, place->rows[0].position);
    CHECK_EQ(rig_number("SELECT 1 + count(*) FROM players WHERE board = 'big' AND score > 0 "),
             (int64_t)place->rows[0].rank);
    lbi_arena_clear(&count->arena);
    lbi_arena_clear(&place->arena);
    free(count);
    free(place);
    rig_close(&rig);
}

TEST(a_large_board_is_deleted_in_steps, .timeout_s = 60)
{
    lbi_request *request = rig_request(LBI_BOARD_DELETE, "big", "");
    store_rig rig;

    make_demo();
    fill(3000);
    rig_open(&rig);
    request->done = count_done;
    rig.store->ops->submit(rig.store, request);
    rig_turn(&rig, false);
    CHECK_EQ(n_done, 0);
    CHECK_EQ(rig_add_existing(&rig, "big", "p1", 1), LB_E_NOTFOUND);
    CHECK_EQ(rig_add(&rig, "big", "p1", 1), LB_E_CONFLICT);
    CHECK_EQ(rig_add(&rig, "demo", "alice", 1), 1);
    CHECK_EQ(rig.store->ops->cancel(rig.store, request), 0);
    while (!n_done)
        rig_turn(&rig, true);
    CHECK_EQ(request->code, 1); /* the board was gone already: too late */
    CHECK_EQ(rig_number("SELECT count(*) FROM players WHERE board = 'big'"), 0);
    CHECK_EQ(rig_number("SELECT count(*) FROM boards WHERE id = 'big'"), 0);
    fill(1000);
    CHECK_STR(rig_sql("UPDATE boards SET deleting = 1 WHERE id = 'big'"), "");
    CHECK_EQ(rig_board(&rig, "big", LBI_ASCENDING), 1); /* finishes that first */
    CHECK_EQ(rig_number("SELECT count(*) FROM players WHERE board = 'big'"), 0);
    CHECK_EQ(rig_number("SELECT ascending FROM boards WHERE id = 'big'"), 1);
    free(request);
    rig_close(&rig);
}
