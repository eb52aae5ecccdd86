/* Several processes, locks and damage, through the public API: what a busy machine does to a
 * client. */
#include "leaderboard.h"
#include "test.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static lb_client *open_client(uint32_t timeout_ms)
{
    lb_options options;
    lb_client *client = NULL;

    lb_options_init(&options);
    options.timeout_ms = timeout_ms;
    CHECK_OK(lb_client_new(&options, &client, NULL));
    return client;
}

static int add(lb_client *client, const char *board, const char *player)
{
    lb_write_options create;

    lb_write_options_init(&create);
    create.flags = LB_WRITE_CREATE;
    return lb_score_add(client, board, player, 1, &create, NULL, NULL);
}

static void make_board(void)
{
    lb_client *client = open_client(0);

    CHECK_EQ(add(client, "b", "p"), 1);
    lb_client_free(client);
}

static sqlite3 *lock_database(void)
{
    sqlite3 *db;

    CHECK_EQ(sqlite3_open("leaderboard.db", &db), SQLITE_OK);
    CHECK_EQ(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    return db;
}

static double cpu_seconds(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static int ignore_change(const lb_change *change, void *user)
{
    (void)change;
    (void)user;
    return 0;
}

/* Against its own wall time, not against a clock: half of it would be a loop that never sleeps. */
TEST(a_blocking_call_sleeps_while_it_waits_with_a_subscription)
{
    lb_client *client;
    sqlite3 *db;
    double before;

    make_board();
    client = open_client(1500);
    CHECK_OK(lb_changes_subscribe(client, "b", NULL, ignore_change, NULL, NULL, NULL));
    while (lb_client_process(client) > 0)
        continue;
    db = lock_database();
    before = cpu_seconds();
    CHECK_EQ(add(client, "b", "p"), LB_E_TIMEOUT);
    CHECK(cpu_seconds() - before < 0.75);
    (void)sqlite3_close(db);
    lb_client_free(client);
}

static void note_result(const lb_result *result, void *user)
{
    *(int *)user = result->code;
}

static int ignore_player(const lb_player *player, void *user)
{
    (void)player;
    (void)user;
    return 0;
}

static int ignore_board(const lb_board *board, void *user)
{
    (void)board;
    (void)user;
    return 0;
}

static int ignore_fact(const char *name, const char *value, void *user)
{
    (void)name;
    (void)value;
    (void)user;
    return 0;
}

/* Each kind of read, those that count among them. */
static void read_everything(lb_client *client)
{
    const char *const players[] = {"p"};
    const lb_player *row;
    const lb_board *board;
    lb_read_options place;

    lb_read_options_init(&place);
    place.flags = LB_READ_PLACE;
    CHECK_EQ(lb_player_get(client, "b", "p", NULL, &row, NULL), 0);
    CHECK_EQ(row->score, 1);
    CHECK_EQ(lb_player_get(client, "b", "p", &place, &row, NULL), 0);
    CHECK_EQ(row->rank, 1);
    CHECK_EQ(lb_player_get_many(client, "b", players, 1, &place, ignore_player, NULL, NULL), 0);
    CHECK_EQ(lb_player_around(client, "b", "p", 3, NULL, ignore_player, NULL, NULL), 0);
    CHECK_EQ(lb_board_get(client, "b", NULL, ignore_player, NULL, NULL), 0);
    CHECK_EQ(lb_board_info(client, "b", NULL, &board, NULL), 0);
    CHECK_EQ(board->players, 1);
    CHECK_EQ(lb_board_list(client, NULL, ignore_board, NULL, NULL), 0);
    CHECK_EQ(lb_database_info(client, NULL, ignore_fact, NULL, NULL), 0);
}

TEST(reads_do_not_wait_for_a_lock)
{
    enum { NOT_YET = -1000, WRITES = 1000 };
    int written[WRITES], read = NOT_YET;
    lb_client *client;
    sqlite3 *db;

    make_board();
    client = open_client(25000);
    db = lock_database();
    for (int i = 0; i < WRITES; i++) {
        written[i] = NOT_YET;
        CHECK_OK(
            lb_score_add_start(client, "b", "p", 1, NULL, note_result, &written[i], NULL, NULL));
    }
    /* One that is among them when they begin to wait. */
    CHECK_OK(lb_board_info_start(client, "b", NULL, note_result, &read, NULL, NULL));
    CHECK_OK(lb_score_add_start(client, "b", "p", 1, NULL, NULL, NULL, NULL, NULL));
    read_everything(client);
    while (read == NOT_YET)
        (void)(lb_client_process(client) || lb_client_wait(client, LB_NEVER));
    CHECK_EQ(read, 0);
    CHECK_EQ(written[0], NOT_YET);
    CHECK_EQ(sqlite3_close(db), SQLITE_OK);
    while (written[WRITES - 1] == NOT_YET)
        (void)(lb_client_process(client) || lb_client_wait(client, LB_NEVER));
    for (int i = 0; i < WRITES; i++)
        CHECK_EQ(written[i], 1);
    lb_client_free(client);
}

/* When nothing waits any more, the order is again that in which they were started. */
TEST(a_read_sees_the_writes_before_it_when_the_lock_is_gone)
{
    const lb_player *row;
    lb_client *client;
    sqlite3 *db;

    make_board();
    client = open_client(25000);
    db = lock_database();
    CHECK_OK(lb_score_add_start(client, "b", "p", 1, NULL, NULL, NULL, NULL, NULL));
    CHECK_EQ(lb_player_get(client, "b", "p", NULL, &row, NULL), 0);
    CHECK_EQ(row->score, 1);
    CHECK_EQ(sqlite3_close(db), SQLITE_OK);
    CHECK_EQ(add(client, "b", "p"), 1); /* completed, so the first one has too */
    for (int i = 0; i < 50; i++) {
        CHECK_OK(lb_score_add_start(client, "b", "p", 1, NULL, NULL, NULL, NULL, NULL));
        CHECK_EQ(lb_player_get(client, "b", "p", NULL, &row, NULL), 0);
        CHECK_EQ(row->score, 4 + i);
    }
    lb_client_free(client);
}

static void write_much(int adds)
{
    lb_client *client = open_client(30000);

    for (int i = 0; i < adds; i++) {
        char id[16];

        (void)snprintf(id, sizeof id, "p%d", i * 7 % 2000);
        CHECK(add(client, "b", id) == 1);
    }
    lb_client_free(client);
}

static int64_t log_size(void)
{
    struct stat st;

    return stat("leaderboard.db-wal", &st) == 0 ? (int64_t)st.st_size : 0;
}

/* Four writers that never rest: there is always one more commit to move. */
TEST(the_write_ahead_log_stays_bounded_with_several_writers, .timeout_s = 120)
{
    enum { WRITERS = 4, ADDS = 6000, LOG_MAX = 64 << 20 };
    int64_t largest = 0;
    int left = WRITERS;

    for (int i = 0; i < WRITERS; i++) {
        if (fork() == 0) {
            write_much(ADDS);
            exit(0);
        }
    }
    while (left > 0) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);

        if (pid > 0) {
            CHECK_EQ(status, 0);
            left--;
        }
        if (log_size() > largest)
            largest = log_size();
        (void)usleep(10000);
    }
    CHECK(largest < LOG_MAX);
}

/* lbctl in a script, with a watcher that keeps the database open. */
TEST(the_log_is_moved_by_writers_that_come_and_go, .timeout_s = 120)
{
    lb_client *watcher;

    make_board();
    watcher = open_client(0);
    CHECK_OK(lb_changes_subscribe(watcher, "b", NULL, ignore_change, NULL, NULL, NULL));
    for (int i = 0; i < 2500; i++) {
        lb_client *client = open_client(0);

        CHECK_EQ(add(client, "b", "p"), 1);
        lb_client_free(client);
        while (lb_client_process(watcher) > 0)
            continue;
    }
    CHECK(log_size() < 8 << 20);
    lb_client_free(watcher);
}

/* SQLite's locks do not survive a fork, and what such a child commits would be lost. */
TEST(a_child_of_an_open_database_is_refused)
{
    lb_client *client;
    int status;

    make_board();
    client = open_client(0);
    CHECK_EQ(add(client, "b", "p"), 1);
    if (fork() == 0) {
        lb_client *own = open_client(0);
        int r = add(own, "b", "p");

        lb_client_free(own);
        exit(r == LB_E_FORKED ? 0 : 1);
    }
    CHECK(wait(&status) > 0);
    CHECK_EQ(status, 0);
    lb_client_free(client);
    if (fork() == 0) { /* closed before the fork: nothing stands in the way */
        lb_client *own = open_client(0);
        int r = add(own, "b", "p");

        lb_client_free(own);
        exit(r == 1 ? 0 : 1);
    }
    CHECK(wait(&status) > 0);
    CHECK_EQ(status, 0);
}

static int stop_badly(const lb_player *player, void *user)
{
    (void)player;
    (void)user;
    return -77;
}

TEST(a_callback_that_stops_is_an_error_with_a_sentence)
{
    lb_error error = {0};
    lb_client *client;

    make_board();
    client = open_client(0);
    CHECK_EQ(lb_board_get(client, "b", NULL, stop_badly, NULL, &error), -77);
    CHECK_EQ(error.code, -77);
    CHECK_STR(error.msg, "stopped by the callback");
    lb_client_free(client);
}

static int n_gone;

static int subscribe_again(const lb_change *change, void *user)
{
    lb_client *client = user;

    if (change->type != LB_CHANGE_GONE)
        return 0;
    n_gone++;
    CHECK(n_gone < 10000);
    CHECK_OK(lb_changes_subscribe(client, "b", NULL, subscribe_again, client, NULL, NULL));
    return 1;
}

TEST(whoever_subscribes_again_when_a_board_is_gone_does_not_keep_process)
{
    lb_client *client = open_client(0);

    CHECK_OK(lb_changes_subscribe(client, "b", NULL, subscribe_again, client, NULL, NULL));
    for (int i = 0; i < 10; i++)
        (void)lb_client_process(client);
    CHECK(n_gone > 0);
    CHECK(n_gone < 100);
    lb_client_free(client);
}
