/* The client itself: made, polled, woken, forked, ended. */
#include "client/client.h"

#include "capture.h"
#include "model_store.h"
#include "os/clock.h"
#include "test.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static lb_client *open_client(const model_faults *faults)
{
    model_world_open(faults ? faults : &(model_faults){.seed = 1});
    return model_client(NULL);
}

static void close_client(lb_client *client)
{
    CHECK(lb_client_free(client) == NULL);
    model_world_close();
}

static bool is_readable(lb_client *client)
{
    return poll(&(struct pollfd){.fd = lb_client_fd(client), .events = POLLIN}, 1, 0) == 1;
}

TEST(version)
{
    char text[40];

    snprintf(text, sizeof text, "%d.%d.%d", LB_VERSION_MAJOR, LB_VERSION_MINOR, LB_VERSION_PATCH);
    CHECK_STR(lb_version(), text);
}

TEST(new_touches_no_file)
{
    lb_client *client = NULL;

    CHECK_EQ(lb_client_new(NULL, &client, NULL), 0);
    CHECK(client != NULL);
    CHECK(lb_client_free(client) == NULL);
    CHECK(access("leaderboard.db", F_OK) != 0);
    CHECK(lb_client_free(NULL) == NULL);
}

TEST(new_refuses_what_is_wrong)
{
    lb_client *client = NULL;
    lb_error error = {.code = 0};
    lb_options o;

    CHECK_EQ(lb_client_new(NULL, NULL, &error), LB_E_INVAL);
    CHECK_EQ(error.code, LB_E_INVAL);
    lb_options_init(&o);
    o.database = "nosuch://host/db";
    CHECK_EQ(lb_client_new(&o, &client, &error), LB_E_UNSUPPORTED);
    CHECK_EQ(error.code, LB_E_UNSUPPORTED);
    lb_options_init(&o);
    o.timeout_ms = 3600001;
    CHECK_EQ(lb_client_new(&o, &client, NULL), LB_E_INVAL);
    lb_options_init(&o);
    o.durability = 3;
    CHECK_EQ(lb_client_new(&o, &client, NULL), LB_E_INVAL);
    o.durability = -1;
    CHECK_EQ(lb_client_new(&o, &client, NULL), LB_E_INVAL);
    lb_options_init(&o);
    o.change_log = 10000001;
    CHECK_EQ(lb_client_new(&o, &client, NULL), LB_E_INVAL);
    CHECK(client == NULL);
}

TEST(null_is_no_client)
{
    uint64_t deadline;

    CHECK_EQ(lb_client_fd(NULL), LB_E_INVAL);
    CHECK_EQ(lb_client_deadline(NULL, &deadline), LB_E_INVAL);
    CHECK_EQ(lb_client_process(NULL), LB_E_INVAL);
    CHECK_EQ(lb_client_wait(NULL, 0), LB_E_INVAL);
    CHECK_EQ(lb_client_wakeup(NULL), LB_E_INVAL);
    CHECK_EQ(lb_client_counters(NULL, &(lb_counters){0}, sizeof(lb_counters)), LB_E_INVAL);
}

/* ---- descriptor and deadline ---------------------------------------------------------------- */

TEST(the_descriptor_stays_the_same)
{
    lb_client *client = open_client(NULL);
    int fd = lb_client_fd(client);
    outcome o = {.count = 0};
    lb_changes *changes = NULL;
    mirror m = {.n = 0};

    CHECK(fd >= 0);
    CHECK(!is_readable(client));
    CHECK_EQ(lb_board_create(client, "b", 0, NULL, NULL, NULL), 1);
    CHECK_EQ(lb_client_fd(client), fd);
    CHECK_EQ(lb_changes_subscribe(client, "b", NULL, mirror_apply, &m, &changes, NULL), 0);
    CHECK_EQ(lb_board_info_start(client, "b", NULL, outcome_done, &o, NULL, NULL), 0);
    CHECK_EQ(run_outcome(client, &o), 0);
    lb_changes_cancel(changes);
    CHECK_EQ(lb_client_fd(client), fd);
    close_client(client);
}

TEST(an_idle_client_has_nothing_to_do)
{
    lb_client *client = open_client(NULL);
    uint64_t deadline = 0;

    CHECK_EQ(lb_client_process(client), 0);
    CHECK_EQ(lb_client_deadline(client, &deadline), 0);
    CHECK(deadline == LB_NEVER);
    CHECK_EQ(lb_client_wait(client, 0), 0);
    CHECK_EQ(lb_client_wait(client, 1000), 0);
    CHECK_EQ(lb_client_deadline(client, NULL), LB_E_INVAL);
    close_client(client);
}

/* Something that needs no event is due at once: in the deadline's terms, at a time that is past. */
TEST(what_is_due_shows_in_the_deadline)
{
    lb_client *client = open_client(NULL);
    uint64_t deadline = LB_NEVER;
    outcome o = {.count = 0};

    CHECK_EQ(lb_board_create_start(client, "b", 0, NULL, outcome_done, &o, NULL, NULL), 0);
    CHECK_EQ(lb_client_deadline(client, &deadline), 0);
    CHECK(deadline <= lbi_clock_us());
    CHECK_EQ(lb_client_wait(client, LB_NEVER), 1);
    /* A blocking call drives the other one too; its completion is due then. */
    CHECK_EQ(lb_board_info(client, "b", NULL, NULL, NULL), 0);
    CHECK_EQ(o.count, 0);
    CHECK_EQ(lb_client_deadline(client, &deadline), 0);
    CHECK_EQ(deadline, 0);
    CHECK_EQ(lb_client_wait(client, LB_NEVER), 1);
    CHECK_EQ(lb_client_process(client), 1);
    CHECK_EQ(o.count, 1);
    run_idle(client);
    CHECK_EQ(lb_client_deadline(client, &deadline), 0);
    CHECK(deadline == LB_NEVER);
    close_client(client);
}

TEST(a_timeout_shows_in_the_deadline)
{
    lb_client *client = open_client(&(model_faults){.stall = true});
    uint64_t before = lbi_clock_us(), deadline = 0;
    lb_write_options w;

    lb_write_options_init(&w);
    w.timeout_ms = 3000000;
    CHECK_EQ(lb_board_create_start(client, "b", 0, &w, NULL, NULL, NULL, NULL), 0);
    run_idle(client);
    CHECK_EQ(lb_client_deadline(client, &deadline), 0);
    CHECK(deadline >= before + UINT64_C(3000000000));
    CHECK(deadline <= lbi_clock_us() + UINT64_C(3000000000));
    close_client(client);
}

/* ---- wakeup --------------------------------------------------------------------------------- */

TEST(a_wakeup_makes_readable_once)
{
    lb_client *client = open_client(NULL);

    CHECK_EQ(lb_client_wakeup(client), 0);
    CHECK_EQ(lb_client_wakeup(client), 0);
    CHECK(is_readable(client));
    CHECK_EQ(lb_client_wait(client, LB_NEVER), 1);
    CHECK_OK(lb_client_process(client));
    run_idle(client);
    CHECK(!is_readable(client));
    CHECK_EQ(lb_client_wait(client, 0), 0);
    close_client(client);
}

/* It is for the loop: a blocking call in between does not eat it. */
TEST(a_wakeup_outlives_a_blocking_call)
{
    lb_client *client = open_client(&(model_faults){.seed = 1, .delay = 5});

    CHECK_EQ(lb_client_wakeup(client), 0);
    CHECK_EQ(lb_board_create(client, "b", 0, NULL, NULL, NULL), 1);
    CHECK_EQ(lb_client_wait(client, LB_NEVER), 1);
    run_idle(client);
    CHECK(!is_readable(client));
    close_client(client);
}

TEST(a_wakeup_outlives_a_blocking_call_that_sleeps)
{
    lb_client *client = open_client(&(model_faults){.stall = true});
    lb_write_options w;

    lb_write_options_init(&w);
    w.timeout_ms = 1;
    CHECK_EQ(lb_client_wakeup(client), 0);
    CHECK_EQ(lb_board_create(client, "b", 0, &w, NULL, NULL), LB_E_TIMEOUT);
    CHECK(is_readable(client));
    CHECK_EQ(lb_client_wait(client, LB_NEVER), 1);
    run_idle(client);
    CHECK(!is_readable(client));
    close_client(client);
}

/* Subscribers who know everything ask for no further turn. */
TEST(a_subscription_at_rest_is_idle)
{
    lb_client *client = open_client(NULL);
    lb_changes_options o;
    mirror m[2] = {{.n = 0}};
    uint64_t deadline = 0;

    lb_changes_options_init(&o);
    o.top = 2;
    o.min_interval_ms = 1;
    CHECK_EQ(lb_changes_subscribe(client, "b", NULL, mirror_apply, &m[0], NULL, NULL), 0);
    CHECK_EQ(lb_changes_subscribe(client, "b", &o, mirror_apply, &m[1], NULL, NULL), 0);
    CHECK_EQ(lb_board_create(client, "b", 0, NULL, NULL, NULL), 1);
    while (deadline != LB_NEVER) {
        CHECK_OK(lb_client_wait(client, LB_NEVER));
        run_idle(client);
        CHECK_EQ(lb_client_deadline(client, &deadline), 0);
    }
    CHECK(m[0].is_ready);
    CHECK_EQ(m[1].tops, 1);
    mirror_clear(&m[0]);
    close_client(client);
}

static void *wake(void *client)
{
    CHECK_EQ(lb_client_wakeup(client), 0);
    return NULL;
}

static int count_top(const lb_change *change, void *user)
{
    *(int *)user += change->type == LB_CHANGE_TOP;
    return 0;
}

/* When nothing has happened for longer than the interval, a top need not wait. */
TEST(a_top_after_a_silence_comes_at_once)
{
    lb_client *client = open_client(NULL);
    lb_changes_options opts;
    lb_write_options w;
    uint64_t end;
    int tops = 0;

    lb_write_options_init(&w);
    w.flags = LB_WRITE_CREATE;
    CHECK_EQ(lb_score_set(client, "b", "p", 1, &w, NULL, NULL), 1);
    lb_changes_options_init(&opts);
    opts.top = 3;
    opts.min_interval_ms = 200;
    CHECK_EQ(lb_changes_subscribe(client, "b", &opts, count_top, &tops, NULL, NULL), 0);
    run_idle(client);
    CHECK_EQ(tops, 1);
    for (end = lbi_clock_us() + 500000; lbi_clock_us() < end; run_idle(client))
        (void)lb_client_wait(client, end - lbi_clock_us());
    CHECK_EQ(lb_score_set(client, "b", "p", 2, &w, NULL, NULL), 1);
    run_idle(client);
    CHECK_EQ(tops, 2);
    close_client(client);
}

static lb_changes *follow_top(lb_client *client, const char *board, lb_change_fn fn, void *user)
{
    lb_changes_options opts;
    lb_changes *changes;

    lb_changes_options_init(&opts);
    opts.top = 3;
    opts.min_interval_ms = 1;
    CHECK_EQ(lb_changes_subscribe(client, board, &opts, fn, user, &changes, NULL), 0);
    return changes;
}

static void make_boards(lb_client *client, int n)
{
    for (int i = 0; i < n; i++) {
        char board[16];

        (void)snprintf(board, sizeof board, "b%d", i);
        CHECK_EQ(lb_board_create(client, board, 0, NULL, NULL, NULL), 1);
    }
}

TEST(many_tops_each_of_its_own_board)
{
    enum { BOARDS = 1000 };
    lb_client *client = open_client(NULL);
    static lb_changes *changes[BOARDS];
    static int tops[BOARDS];
    lb_write_options w;
    char board[16];

    make_boards(client, BOARDS);
    for (int i = 0; i < BOARDS; i++) {
        (void)snprintf(board, sizeof board, "b%d", i);
        changes[i] = follow_top(client, board, count_top, &tops[i]);
    }
    run_idle(client);
    for (int i = 0; i < BOARDS; i++)
        CHECK_EQ(tops[i], 1);
    for (int i = 0; i < BOARDS; i += 2)
        (void)lb_changes_cancel(changes[i]);
    lb_write_options_init(&w);
    w.flags = LB_WRITE_CREATE;
    CHECK_EQ(lb_score_add(client, "b700", "p", 1, &w, NULL, NULL), 1);
    CHECK_EQ(lb_score_add(client, "b701", "p", 1, &w, NULL, NULL), 1);
    while (tops[701] < 2) {
        CHECK_OK(lb_client_wait(client, LB_NEVER));
        run_idle(client);
    }
    for (int i = 0; i < BOARDS; i++)
        CHECK_EQ(tops[i], i == 701 ? 2 : 1);
    close_client(client);
}

static int came_again;

static int come_again(const lb_change *change, void *user)
{
    lb_client *client = user;

    if (change->type != LB_CHANGE_TOP)
        return 0;
    came_again++;
    (void)follow_top(client, change->board, come_again, client);
    return 1;
}

/* The top is due again at once, each time: once a turn is its share. */
TEST(who_subscribes_to_a_top_again_and_again_does_not_keep_the_others)
{
    lb_client *client = open_client(NULL);
    int tops = 0;

    make_boards(client, 2);
    (void)follow_top(client, "b0", come_again, client);
    (void)follow_top(client, "b1", count_top, &tops);
    for (int i = 0; i < 1000; i++)
        CHECK_OK(lb_client_process(client));
    CHECK(came_again > 2);
    CHECK(came_again <= 1000);
    CHECK_EQ(tops, 1);
    close_client(client);
}

typedef struct swap {
    lb_client *client;
    lb_changes *other;
    int tops;
} swap;

/* Leaves the other top, which nobody else has, comes back to it and leaves it once more. */
static int swap_other(const lb_change *change, void *user)
{
    swap *me = user;

    if (change->type != LB_CHANGE_TOP)
        return 0;
    (void)lb_changes_cancel(me->other);
    me->other = follow_top(me->client, "b1", count_top, &me->tops);
    (void)lb_changes_cancel(me->other);
    me->other = NULL;
    if (me->tops == 0)
        me->other = follow_top(me->client, "b1", count_top, &me->tops);
    return 1;
}

TEST(a_top_is_left_and_taken_again_inside_a_callback)
{
    swap me = {.client = open_client(NULL)};

    make_boards(me.client, 2);
    me.other = follow_top(me.client, "b1", count_top, &(int){0});
    (void)follow_top(me.client, "b0", swap_other, &me);
    run_idle(me.client);
    CHECK_EQ(me.tops, 1);
    me.other = lb_changes_cancel(me.other);
    (void)follow_top(me.client, "b0", swap_other, &me); /* this time nobody comes back */
    run_idle(me.client);
    CHECK_EQ(me.tops, 1);
    close_client(me.client);
}

TEST(another_thread_wakes_a_waiting_client)
{
    lb_client *client = open_client(NULL);

    for (int i = 0; i < 50; i++) {
        pthread_t thread;

        CHECK_EQ(pthread_create(&thread, NULL, wake, client), 0);
        while (lb_client_wait(client, LB_NEVER) != 1)
            ;
        run_idle(client);
        CHECK_EQ(pthread_join(thread, NULL), 0);
    }
    close_client(client);
}

static lb_client *signalled;

static void on_signal(int number)
{
    (void)number;
    (void)lb_client_wakeup(signalled);
}

static void *send_signal(void *user)
{
    CHECK_EQ(pthread_kill(*(pthread_t *)user, SIGUSR1), 0);
    return NULL;
}

/* Whether the signal comes before the wait or within: one of two waits returns 1. */
TEST(a_signal_handler_wakes_a_waiting_client)
{
    struct sigaction action = {.sa_handler = on_signal};
    pthread_t self = pthread_self(), thread;

    signalled = open_client(NULL);
    CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(pthread_create(&thread, NULL, send_signal, &self), 0);
        while (lb_client_wait(signalled, LB_NEVER) != 1)
            ;
        run_idle(signalled);
        CHECK_EQ(pthread_join(thread, NULL), 0);
    }
    close_client(signalled);
}

/* ---- fork ----------------------------------------------------------------------------------- */

#define FORKED(call) CHECK_EQ((call), LB_E_FORKED)

static int no_row(const lb_player *player, void *user)
{
    (void)player, (void)user;
    return 0;
}

static int no_board(const lb_board *board, void *user)
{
    (void)board, (void)user;
    return 0;
}

static void check_forked_blocking(lb_client *c)
{
    static const char *const ids[] = {"p"};
    lb_error error = {.code = 0};

    FORKED(lb_board_create(c, "b", 0, NULL, NULL, &error));
    CHECK_EQ(error.code, LB_E_FORKED);
    FORKED(lb_board_delete(c, "b", NULL, NULL));
    FORKED(lb_board_list(c, NULL, no_board, NULL, NULL));
    FORKED(lb_board_info(c, "b", NULL, NULL, NULL));
    FORKED(lb_board_get(c, "b", NULL, no_row, NULL, NULL));
    FORKED(lb_player_put(c, "b", "p", NULL, NULL, NULL, NULL));
    FORKED(lb_player_get(c, "b", "p", NULL, NULL, NULL));
    FORKED(lb_player_get_many(c, "b", ids, 1, NULL, no_row, NULL, NULL));
    FORKED(lb_player_remove(c, "b", "p", NULL, NULL));
    FORKED(lb_player_around(c, "b", "p", 1, NULL, no_row, NULL, NULL));
    FORKED(lb_score_add(c, "b", "p", 1, NULL, NULL, NULL));
    FORKED(lb_score_set(c, "b", "p", 1, NULL, NULL, NULL));
}

static void check_forked_start(lb_client *c, lb_op *op, lb_changes *changes)
{
    static const char *const ids[] = {"p"};

    FORKED(lb_board_create_start(c, "b", 0, NULL, NULL, NULL, NULL, NULL));
    FORKED(lb_board_delete_start(c, "b", NULL, NULL, NULL, NULL, NULL));
    FORKED(lb_board_list_start(c, NULL, no_board, NULL, NULL, NULL, NULL));
    FORKED(lb_board_info_start(c, "b", NULL, NULL, NULL, NULL, NULL));
    FORKED(lb_board_get_start(c, "b", NULL, no_row, NULL, NULL, NULL, NULL));
    FORKED(lb_player_put_start(c, "b", "p", NULL, NULL, NULL, NULL, NULL, NULL));
    FORKED(lb_player_get_start(c, "b", "p", NULL, NULL, NULL, NULL, NULL));
    FORKED(lb_player_get_many_start(c, "b", ids, 1, NULL, no_row, NULL, NULL, NULL, NULL));
    FORKED(lb_player_remove_start(c, "b", "p", NULL, NULL, NULL, NULL, NULL));
    FORKED(lb_player_around_start(c, "b", "p", 1, NULL, no_row, NULL, NULL, NULL, NULL));
    FORKED(lb_score_add_start(c, "b", "p", 1, NULL, NULL, NULL, NULL, NULL));
    FORKED(lb_score_set_start(c, "b", "p", 1, NULL, NULL, NULL, NULL, NULL));
    FORKED(lb_changes_subscribe(c, "b", NULL, mirror_apply, NULL, NULL, NULL));
    FORKED(lb_op_cancel(op));
    CHECK(lb_changes_cancel(changes) == NULL);
}

static void check_forked_client(lb_client *c)
{
    uint64_t deadline;

    FORKED(lb_client_fd(c));
    FORKED(lb_client_deadline(c, &deadline));
    FORKED(lb_client_process(c));
    FORKED(lb_client_wait(c, 0));
    FORKED(lb_client_wakeup(c));
    FORKED(lb_client_counters(c, &(lb_counters){0}, sizeof(lb_counters)));
    CHECK(lb_client_free(c) == NULL);
    FORKED(lb_client_process(c)); /* freeing did nothing */
}

TEST(a_forked_child_gets_nothing_and_breaks_nothing)
{
    lb_client *client = open_client(NULL);
    lb_changes *changes = NULL;
    outcome o = {.count = 0};
    mirror m = {.n = 0};
    int status = 0;
    lb_op *op = NULL;
    pid_t pid;

    CHECK_EQ(lb_changes_subscribe(client, "b", NULL, mirror_apply, &m, &changes, NULL), 0);
    CHECK_EQ(lb_board_create_start(client, "b", 0, NULL, outcome_done, &o, &op, NULL), 0);
    pid = fork();
    if (pid == 0) {
        check_forked_blocking(client);
        check_forked_start(client, op, changes);
        check_forked_client(client);
        CHECK_EQ(o.count, 0);
        _exit(0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK_EQ(run_outcome(client, &o), 1);
    run_idle(client);
    CHECK(m.is_ready);
    mirror_clear(&m);
    close_client(client);
}

/* ---- counters and notices ------------------------------------------------------------------- */

TEST(counters_of_any_size)
{
    lb_client *client = open_client(NULL);
    struct {
        lb_counters counters;
        uint64_t newer;
    } large = {.newer = 7};
    uint64_t small[2] = {77, 77};

    CHECK_EQ(lb_board_create(client, "b", 0, NULL, NULL, NULL), 1);
    CHECK_EQ(lb_board_info(client, "nowhere", NULL, NULL, NULL), LB_E_NOTFOUND);
    CHECK_EQ(lb_board_info(client, "//", NULL, NULL, NULL), LB_E_INVAL); /* never was one */
    CHECK_EQ(lb_client_counters(client, &large.counters, sizeof large), 0);
    CHECK_EQ(large.counters.operations, 2);
    CHECK_EQ(large.counters.gaps, 0);
    CHECK_EQ(large.newer, 0);
    CHECK_EQ(lb_client_counters(client, (lb_counters *)(void *)small, sizeof small[0]), 0);
    CHECK_EQ(small[0], 2);
    CHECK_EQ(small[1], 77);
    CHECK_EQ(lb_client_counters(client, NULL, 8), LB_E_INVAL);
    close_client(client);
}

static void on_notice(const lb_notice *notice, void *user)
{
    CHECK_EQ(notice->kind, LB_NOTICE_GAP);
    CHECK(notice->message[0] != '\0');
    ++*(int *)user;
}

TEST(a_gap_is_noticed_and_counted)
{
    lb_client *client;
    lb_counters counters;
    mirror m = {.n = 0};
    int notices = 0;
    lb_options o;

    model_world_open(&(model_faults){.seed = 1});
    lb_options_init(&o);
    o.notice = on_notice;
    o.notice_user = &notices;
    client = model_client(&o);
    CHECK_EQ(lb_changes_subscribe(client, "b", NULL, mirror_apply, &m, NULL, NULL), 0);
    CHECK_EQ(lb_score_add(client, "b", "p", 1, NULL, NULL, NULL), LB_E_NOTFOUND);
    CHECK_EQ(lb_board_create(client, "b", 0, NULL, NULL, NULL), 1);
    run_idle(client);
    CHECK(m.is_ready && notices == 0);
    model_world_disconnect();
    run_idle(client);
    CHECK_EQ(notices, 1);
    CHECK_EQ(m.resets, 2);
    CHECK(m.is_ready);
    CHECK_EQ(lb_client_counters(client, &counters, sizeof counters), 0);
    CHECK_EQ(counters.gaps, 1);
    mirror_clear(&m);
    close_client(client);
}

/* ---- threads -------------------------------------------------------------------------------- */

struct worker {
    pthread_t thread;
    lb_client *_Atomic client;
    _Atomic bool stop;
};

static void *work(void *user)
{
    struct worker *me = user;
    mirror m = {.n = 0};

    model_world_open(&(model_faults){.seed = 3, .delay = 2, .reorder = true});
    me->client = model_client(NULL);
    CHECK_EQ(lb_board_create(me->client, "b", 0, NULL, NULL, NULL), 1);
    CHECK_EQ(lb_changes_subscribe(me->client, "b", NULL, mirror_apply, &m, NULL, NULL), 0);
    for (int i = 0; i < 500; i++) {
        outcome o = {.count = 0};
        lb_write_options w;

        lb_write_options_init(&w);
        w.flags = LB_WRITE_CREATE;
        CHECK_EQ(lb_score_add_start(me->client, "b", i % 2 ? "p" : "q", 1, &w, outcome_done, &o,
                                    NULL, NULL),
                 0);
        CHECK_EQ(run_outcome(me->client, &o), 1);
    }
    run_idle(me->client);
    CHECK_EQ(m.n, 2);
    CHECK_EQ(m.rows[0].score, 250);
    while (!me->stop)
        CHECK_OK(lb_client_wait(me->client, LB_NEVER) ? lb_client_process(me->client) : 0);
    lb_client_free(me->client);
    mirror_clear(&m);
    model_world_close();
    return NULL;
}

/* Two clients side by side, both woken all the time by a third thread: for TSan. */
TEST(two_clients_in_two_threads, .timeout_s = 120)
{
    static struct worker workers[2];

    for (int i = 0; i < 2; i++)
        CHECK_EQ(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    for (int i = 0; i < 2; i++) {
        while (!workers[i].client)
            ;
        for (int k = 0; k < 1000; k++)
            CHECK_EQ(lb_client_wakeup(workers[i].client), 0);
    }
    for (int i = 0; i < 2; i++) {
        workers[i].stop = true;
        CHECK_EQ(lb_client_wakeup(workers[i].client), 0);
        CHECK_EQ(pthread_join(workers[i].thread, NULL), 0);
    }
}
