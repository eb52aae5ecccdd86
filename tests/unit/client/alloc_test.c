/* Every public function with every one of its allocations failing in turn: it says LB_E_NOMEM, or
 * succeeds; nothing is half done, nothing leaks, and the client goes on working. What allocates
 * thousands of times fails every so manieth only, and each in turn with ALLOC_STEP=1 in the
 * environment. */
#include "client/client.h"

#include "capture.h"
#include "fault.h"
#include "model_store.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The first allocation, then each that is `step` further. */

static const char *const ids[] = {"p", "q", "nobody"};

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

static const lb_write_options *create(void)
{
    static lb_write_options w;

    lb_write_options_init(&w);
    w.flags = LB_WRITE_CREATE;
    return &w;
}

/* One of all calls, blocking. */
static int call(int kind, lb_client *c)
{
    switch (kind) {
    case 0:
        return lb_board_create(c, "b2", 0, NULL, NULL, NULL);
    case 1:
        return lb_board_info(c, "b", NULL, NULL, NULL);
    case 2:
        return lb_board_list(c, NULL, no_board, NULL, NULL);
    case 3:
        return lb_board_get(c, "b", NULL, no_row, NULL, NULL);
    case 4:
        return lb_player_put(c, "b", "r", "R", NULL, NULL, NULL);
    case 5:
        return lb_player_get(c, "b", "p", NULL, NULL, NULL);
    case 6:
        return lb_player_get_many(c, "b", ids, 3, NULL, no_row, NULL, NULL);
    case 7:
        return lb_player_around(c, "b", "q", 3, NULL, no_row, NULL, NULL);
    case 8:
        return lb_score_add(c, "b", "p", 1, NULL, NULL, NULL);
    case 9:
        return lb_score_set(c, "b", "p", 6, create(), NULL, NULL);
    case 10:
        return lb_player_remove(c, "b", "q", NULL, NULL);
    case 11:
        return lb_lease_take(c, "relay", "one", 1000, create(), NULL);
    default:
        return lb_board_delete(c, "b", NULL, NULL);
    }
}

static int start(int kind, lb_client *c, outcome *o)
{
    lb_done_fn d = outcome_done;

    switch (kind) {
    case 0:
        return lb_board_create_start(c, "b2", 0, NULL, d, o, NULL, NULL);
    case 1:
        return lb_board_info_start(c, "b", NULL, d, o, NULL, NULL);
    case 2:
        return lb_board_list_start(c, NULL, no_board, d, o, NULL, NULL);
    case 3:
        return lb_board_get_start(c, "b", NULL, no_row, d, o, NULL, NULL);
    case 4:
        return lb_player_put_start(c, "b", "r", "R", NULL, d, o, NULL, NULL);
    case 5:
        return lb_player_get_start(c, "b", "p", NULL, d, o, NULL, NULL);
    case 6:
        return lb_player_get_many_start(c, "b", ids, 3, NULL, no_row, d, o, NULL, NULL);
    case 7:
        return lb_player_around_start(c, "b", "q", 3, NULL, no_row, d, o, NULL, NULL);
    case 8:
        return lb_score_add_start(c, "b", "p", 1, NULL, d, o, NULL, NULL);
    case 9:
        return lb_score_set_start(c, "b", "p", 6, create(), d, o, NULL, NULL);
    case 10:
        return lb_player_remove_start(c, "b", "q", NULL, d, o, NULL, NULL);
    case 11:
        return lb_lease_take_start(c, "relay", "one", 1000, create(), d, o, NULL, NULL);
    default:
        return lb_board_delete_start(c, "b", NULL, d, o, NULL, NULL);
    }
}

enum { KINDS = 13 };

/* ---- a store to do it on -------------------------------------------------------------------- */

/* What is on b, as text; "gone" without it. */
static void state_of(lb_client *c, char *text, size_t size)
{
    row_list list = {.n = 0};
    int r = lb_board_get(c, "b", NULL, row_list_add, &list, NULL);

    snprintf(text, size, "%s", r < 0 ? "gone" : row_list_text(&list));
    row_list_clear(&list);
}

static void fill(lb_client *c)
{
    CHECK_OK(lb_score_set(c, "b", "p", 5, create(), NULL, NULL));
    CHECK_OK(lb_score_set(c, "b", "q", 4, create(), NULL, NULL));
}

static lb_client *open_model(void)
{
    lb_client *client;

    model_world_open(&(model_faults){.seed = 1});
    client = model_client(NULL);
    fill(client);
    return client;
}

static void close_model(lb_client *client)
{
    lb_client_free(client);
    model_world_close();
}

static lb_client *open_sqlite(void)
{
    lb_client *client = NULL;

    CHECK_EQ(lb_client_new(NULL, &client, NULL), 0);
    (void)lb_board_delete(client, "b", NULL, NULL);
    (void)lb_board_delete(client, "b2", NULL, NULL);
    fill(client);
    return client;
}

static void close_sqlite(lb_client *client)
{
    lb_client_free(client);
}

struct place {
    lb_client *(*open)(void);
    void (*close)(lb_client *client);
};
static const struct place on_model = {open_model, close_model};
static const struct place on_sqlite = {open_sqlite, close_sqlite};

/* A call that failed changed nothing; the client still works. */
static void check_after(lb_client *client, int kind, int r, const char *before)
{
    char now[200];
    lb_error error;

    if (r < 0 && r != LB_E_NOMEM)
        FAIL("call %d returned %d (%s)", kind, r, lb_error_name(r));
    CHECK(r != LB_E_NOMEM || fault_fired());
    state_of(client, now, sizeof now);
    if (r < 0 && strcmp(now, before) != 0)
        FAIL("call %d failed, and yet: %s", kind, now);
    if (lb_score_add(client, "b", "p", 1, create(), NULL, &error) != 1 ||
        lb_board_info(client, "b", NULL, NULL, &error) != 0)
        FAIL("after call %d: %s", kind, error.msg);
}

static void fail_blocking(const struct place *place, int kind, size_t step)
{
    FOR_SOME_ALLOC_FAILURES(i, step)
    {
        lb_client *client;
        char before[200];
        int r;

        fault_suspend();
        client = place->open();
        state_of(client, before, sizeof before);
        fault_resume();
        r = call(kind, client);
        fault_suspend();
        check_after(client, kind, r, before);
        place->close(client);
        fault_resume();
    }
}

static void fail_start(const struct place *place, int kind, size_t step)
{
    FOR_SOME_ALLOC_FAILURES(i, step)
    {
        outcome o = {.count = 0};
        lb_client *client;
        char before[200];
        int r;

        fault_suspend();
        client = place->open();
        state_of(client, before, sizeof before);
        fault_resume();
        r = start(kind, client, &o);
        if (r == 0)
            r = run_outcome(client, &o);
        fault_suspend();
        run_idle(client);
        CHECK(o.count == 1 || (o.count == 0 && r == LB_E_NOMEM));
        check_after(client, kind, r, before);
        place->close(client);
        fault_resume();
    }
}

TEST(blocking_calls)
{
    for (int kind = 0; kind < KINDS; kind++)
        fail_blocking(&on_model, kind, 1);
}

TEST(started_calls)
{
    for (int kind = 0; kind < KINDS; kind++)
        fail_start(&on_model, kind, 1);
}

#define ON_SQLITE(kind)                                                                            \
    TEST(sqlite_call_##kind, .timeout_s = 300)                                                     \
    {                                                                                              \
        fault_include_sqlite();                                                                    \
        fail_blocking(&on_sqlite, kind, 5);                                                        \
        fail_start(&on_sqlite, kind, 7);                                                           \
    }
ON_SQLITE(0)
ON_SQLITE(1)
ON_SQLITE(2)
ON_SQLITE(3)
ON_SQLITE(4)
ON_SQLITE(5)
ON_SQLITE(6)
ON_SQLITE(7)
ON_SQLITE(8)
ON_SQLITE(9)
ON_SQLITE(10)
ON_SQLITE(11)

/* The first call opens, or makes, the database. */
TEST(sqlite_first_call, .timeout_s = 300)
{
    fault_include_sqlite();
    FOR_SOME_ALLOC_FAILURES(i, 23)
    {
        lb_client *client = NULL;
        const lb_player *row = NULL;
        int r = lb_client_new(NULL, &client, NULL);

        CHECK(r == 0 || r == LB_E_NOMEM);
        if (r == 0)
            r = lb_score_add(client, "b", "p", 1, create(), NULL, NULL);
        if (r != LB_E_NOMEM && r != 1)
            FAIL("allocation %zu: %d (%s)", i, r, lb_error_name(r));
        fault_suspend();
        if (client) {
            CHECK_EQ(lb_score_add(client, "b", "p", 1, create(), &row, NULL), 1);
            CHECK_EQ(row->score, r == 1 ? 2 : 1);
        }
        lb_client_free(client);
        unlink("leaderboard.db");
        unlink("leaderboard.db-wal");
        unlink("leaderboard.db-shm");
        fault_resume();
    }
}

TEST(new_client)
{
    FOR_EACH_ALLOC_FAILURE (i) {
        lb_client *client = NULL;
        lb_error error = {.code = 0};
        int r = lb_client_new(NULL, &client, &error);

        CHECK_EQ(r, fault_fired() ? LB_E_NOMEM : 0);
        CHECK_EQ(error.code, r);
        CHECK_EQ(client != NULL, r == 0);
        lb_client_free(client);
    }
}

/* ---- subscriptions -------------------------------------------------------------------------- */

struct goal {
    mirror m;
    int64_t score;
};

static bool has_score(void *user)
{
    const struct goal *goal = user;

    return goal->m.n == 2 && goal->m.rows[0].score == goal->score;
}

/* Whatever fails: refused at once, or it ends up with what is there. */
static void fail_subscription(const struct place *place, uint32_t top, size_t step)
{
    FOR_SOME_ALLOC_FAILURES(i, step)
    {
        struct goal goal = {.score = 6};
        lb_changes_options o;
        lb_client *client;
        int r;

        fault_suspend();
        client = place->open();
        lb_changes_options_init(&o);
        o.top = top;
        o.min_interval_ms = 1;
        fault_resume();
        r = lb_changes_subscribe(client, "b", &o, mirror_apply, &goal, NULL, NULL);
        if (r < 0)
            CHECK(r == LB_E_NOMEM && fault_fired());
        for (int k = 0; k < 20; k++)
            CHECK_OK(lb_client_process(client));
        fault_suspend();
        CHECK_EQ(lb_score_add(client, "b", "p", 1, NULL, NULL, NULL), 1);
        fault_resume();
        if (r == 0)
            run_until(&client, 1, has_score, &goal);
        fault_suspend();
        place->close(client);
        mirror_clear(&goal.m);
        fault_resume();
    }
}

TEST(subscriptions)
{
    fail_subscription(&on_model, 0, 1);
}

/* A failed read of a top is tried again, so this takes its second. */
TEST(tops, .timeout_s = 120)
{
    fail_subscription(&on_model, 5, 1);
}

TEST(sqlite_subscriptions, .timeout_s = 300)
{
    fault_include_sqlite();
    fail_subscription(&on_sqlite, 0, 11);
}

TEST(sqlite_tops, .timeout_s = 300)
{
    fault_include_sqlite();
    fail_subscription(&on_sqlite, 5, 17);
}
