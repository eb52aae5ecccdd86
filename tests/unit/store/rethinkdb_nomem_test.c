/* The RethinkDB store with every one of its allocations failing in turn: it says so, or gets over
 * it; nothing leaks, nothing hangs, and the client goes on working. The server is in threads of its
 * own, whose allocations do not fail. Where there are many only every so manieth fails, and each with
 * ALLOC_STEP=1 in the environment. */
#include "asks.h"
#include "capture.h"
#include "fault.h"
#include "test.h"

#include <cjson/cJSON.h>
#include <stdlib.h>

/* One server for all runs of a test: it never changes. */
static struct canned server;

/* cJSON's allocations take part, too. */
static void start_server(void)
{
    cJSON_Hooks hooks = {.malloc_fn = malloc, .free_fn = free};

    cJSON_InitHooks(&hooks);
    canned_start(&server);
}

static int open_one(lb_client **ret)
{
    lb_options opts;

    lb_options_init(&opts);
    opts.database = server.url;
    opts.timeout_ms = 20000;
    return lb_client_new(&opts, ret, NULL);
}

static void check_after(lb_client *client, enum ask what, size_t run)
{
    lb_error error;
    int code = ask(client, what, &error);

    if (code != (is_write(what) ? 1 : 0))
        FAIL("question %d after allocation %zu: %d %s", (int)what, run, code, error.msg);
}

/* A write that was sent and whose answer could not be read may have been applied. That cJSON had no
 * memory for an answer looks as if it made no sense. */
static void check_failure(enum ask what, size_t run, int code, const lb_error *error)
{
    bool clean =
        code == LB_E_NOMEM || code == LB_E_PROTO || (code == LB_E_UNKNOWN && is_write(what));

    if (code < 0 && !(clean && fault_fired()))
        FAIL("question %d, allocation %zu: %s %s", (int)what, run, lb_error_name(code), error->msg);
}

TEST(new_client)
{
    start_server();
    FOR_EACH_ALLOC_FAILURE (i) {
        lb_client *client = NULL;
        int r = open_one(&client);

        CHECK_EQ(r, fault_fired() ? LB_E_NOMEM : 0);
        CHECK_EQ(client != NULL, r == 0);
        lb_client_free(client);
    }
    canned_stop(&server);
}

/* Each by a client that is not connected yet: getting in and looking for the database take part. */
TEST(first_calls, .timeout_s = 120)
{
    start_server();
    for (enum ask what = ADD; what < ASKS; what++) {
        FOR_SOME_ALLOC_FAILURES(i, 19)
        {
            lb_client *client = NULL;
            lb_error error;

            fault_suspend();
            CHECK_OK(open_one(&client));
            fault_resume();
            check_failure(what, i, ask(client, what, &error), &error);
            fault_suspend();
            check_after(client, what, i);
            lb_client_free(client);
            fault_resume();
        }
    }
    canned_stop(&server);
}

/* And by one that is. */
TEST(later_calls, .timeout_s = 120)
{
    lb_client *client = NULL;

    start_server();
    CHECK_OK(open_one(&client));
    for (enum ask what = ADD; what < ASKS; what++) {
        check_after(client, what, 0);
        FOR_EACH_ALLOC_FAILURE (i) {
            lb_error error;

            check_failure(what, i, ask(client, what, &error), &error);
            fault_suspend();
            check_after(client, what, i);
            fault_resume();
        }
    }
    lb_client_free(client);
    canned_stop(&server);
}

/* ---- Batches -------------------------------------------------------------------------------- */

enum { WRITES = 12 };

static void start(lb_client *client, unsigned n, outcome *o)
{
    static const char *const ids[] = {"p", "q", "r", "s"};
    const lb_write_options *opts = create(n % 3 ? NULL : "key");
    int r;

    *o = (outcome){0};
    r = n % 5 == 4
            ? lb_player_put_start(client, "b", ids[n % 4], "N", NULL, outcome_done, o, NULL, NULL)
            : lb_score_add_start(client, "b", ids[n % 4], 1, opts, outcome_done, o, NULL, NULL);
    if (r == 0)
        return;
    CHECK_EQ(r, LB_E_NOMEM);
    o->count = 1;
    o->code = r;
}

static bool have_ended(void *user)
{
    const outcome *all = user;
    unsigned n = 0;

    while (n < WRITES && all[n].count)
        n++;
    return n == WRITES;
}

/* Writes that travel together: each ends once. */
TEST(batches, .timeout_s = 120)
{
    lb_client *client = NULL;

    start_server();
    CHECK_OK(open_one(&client));
    check_after(client, ADD, 0);
    FOR_EACH_ALLOC_FAILURE (i) {
        outcome all[WRITES];

        for (unsigned k = 0; k < WRITES; k++)
            start(client, k, &all[k]);
        run_until(&client, 1, have_ended, all);
        fault_suspend();
        run_idle(client);
        for (unsigned k = 0; k < WRITES; k++) {
            CHECK_EQ(all[k].count, 1);
            check_failure(ADD, i, all[k].code, &(lb_error){.msg = ""});
        }
        check_after(client, ADD, i);
        fault_resume();
    }
    lb_client_free(client);
    canned_stop(&server);
}

/* ---- Subscriptions -------------------------------------------------------------------------- */

static bool has_all(void *user)
{
    const mirror *m = user;

    return m->n == 2 && (m->is_ready || m->tops);
}

/* Refused at once, or it ends up with what is there. */
static void check_subscription(const char *board, uint32_t top, size_t step)
{
    FOR_SOME_ALLOC_FAILURES(i, step)
    {
        lb_changes_options opts;
        lb_client *client = NULL;
        mirror m = {0};
        int r;

        fault_suspend();
        CHECK_OK(open_one(&client));
        lb_changes_options_init(&opts);
        opts.top = top;
        opts.min_interval_ms = 1;
        fault_resume();
        r = lb_changes_subscribe(client, board, &opts, mirror_apply, &m, NULL, NULL);
        if (r == 0)
            run_until(&client, 1, has_all, &m);
        else
            CHECK(r == LB_E_NOMEM && fault_fired());
        fault_suspend();
        CHECK(!m.broke_order);
        check_after(client, ADD, i);
        lb_client_free(client);
        mirror_clear(&m);
        fault_resume();
    }
}

TEST(a_subscription, .timeout_s = 120)
{
    start_server();
    check_subscription("b", 0, 7);
    canned_stop(&server);
}

TEST(a_subscription_to_all_boards, .timeout_s = 120)
{
    start_server();
    check_subscription(NULL, 0, 7);
    canned_stop(&server);
}

/* Rows come before their board does: they are kept in mind, and told when it is there. */
static bool tell_board_late(struct canned *s, struct fake *link, const struct canned_query *q)
{
    static _Thread_local int64_t boards; /* the token of their feed, while it waits */
    static _Thread_local bool told;

    (void)s;
    if (told)
        return false;
    if (q->kind == CANNED_BOARDS) {
        fake_answer(link, q->token, "{\"t\":3,\"r\":[],\"n\":[1,5]}");
        return true;
    }
    if (q->kind == CANNED_ROWS) { /* one only: each would be reason enough to begin again */
        fake_answer(link, q->token, "{\"t\":3,\"r\":[{\"new_val\":" CANNED_P "}],\"n\":[1,5]}");
        return true;
    }
    if (q->kind == CANNED_CONTINUE && q->of == CANNED_BOARDS && q->n == 2) {
        boards = q->token;
        return true;
    }
    if (q->kind == CANNED_CONTINUE && q->of == CANNED_ROWS && q->n == 2 && boards) {
        fake_answer(link, boards,
                    "{\"t\":3,\"r\":[{\"old_val\":null,\"new_val\":" CANNED_BOARD
                    "}],\"n\":[1,5]}");
        told = true;
    }
    return false;
}

TEST(rows_before_their_board, .timeout_s = 120)
{
    server.answer = tell_board_late;
    start_server();
    check_subscription(NULL, 0, 11);
    canned_stop(&server);
}

TEST(a_top, .timeout_s = 120)
{
    start_server();
    check_subscription("b", 5, 11);
    canned_stop(&server);
}
