/* Operations end exactly once, whatever happens to them. */
#include "client/client.h"

#include "capture.h"
#include "model_store.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

static const char *const ids[] = {"p", "q", "nobody"};

/* A world with board b: p 5, q 4. Faults come after that. */
static lb_client *open_client(const model_faults *faults, uint32_t max_pending)
{
    lb_client *client;
    lb_write_options w;
    lb_options o;

    lb_options_init(&o);
    lb_write_options_init(&w);
    o.max_pending = max_pending;
    w.flags = LB_WRITE_CREATE;
    model_world_open(&(model_faults){.seed = 1});
    client = model_client(&o);
    CHECK_EQ(lb_score_set(client, "b", "p", 5, &w, NULL, NULL), 1);
    CHECK_EQ(lb_score_set(client, "b", "q", 4, &w, NULL, NULL), 1);
    if (faults)
        *model_world_faults() = *faults;
    return client;
}

static void close_client(lb_client *client)
{
    CHECK(lb_client_free(client) == NULL);
    model_world_close();
}

static int64_t score(const char *player)
{
    const model_board *board = model_find_board(model_world_model(), "b");
    const model_row *row = board ? model_find_row(board, player) : NULL;

    return row ? row->score : INT64_MIN;
}

static lb_op *start_add(lb_client *client, int64_t amount, outcome *o)
{
    lb_op *op = NULL;

    CHECK_EQ(lb_score_add_start(client, "b", "p", amount, NULL, outcome_done, o, &op, NULL), 0);
    CHECK(op != NULL);
    CHECK_EQ(o->count, 0);
    return op;
}

/* ---- all of them ---------------------------------------------------------------------------- */

enum { KINDS = 12 };

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

static void start_all(lb_client *c, outcome o[KINDS], lb_op *op[KINDS])
{
    lb_done_fn d = outcome_done;

    CHECK_EQ(lb_board_create_start(c, "b2", 0, NULL, d, &o[0], &op[0], NULL), 0);
    CHECK_EQ(lb_board_info_start(c, "b", NULL, d, &o[1], &op[1], NULL), 0);
    CHECK_EQ(lb_board_list_start(c, NULL, no_board, d, &o[2], &op[2], NULL), 0);
    CHECK_EQ(lb_board_get_start(c, "b", NULL, no_row, d, &o[3], &op[3], NULL), 0);
    CHECK_EQ(lb_player_put_start(c, "b", "r", NULL, NULL, d, &o[4], &op[4], NULL), 0);
    CHECK_EQ(lb_player_get_start(c, "b", "p", NULL, d, &o[5], &op[5], NULL), 0);
    CHECK_EQ(lb_player_get_many_start(c, "b", ids, 3, NULL, no_row, d, &o[6], &op[6], NULL), 0);
    CHECK_EQ(lb_player_around_start(c, "b", "q", 3, NULL, no_row, d, &o[7], &op[7], NULL), 0);
    CHECK_EQ(lb_score_add_start(c, "b", "p", 1, NULL, d, &o[8], &op[8], NULL), 0);
    CHECK_EQ(lb_score_set_start(c, "b", "q", 9, NULL, d, &o[9], &op[9], NULL), 0);
    CHECK_EQ(lb_player_remove_start(c, "b", "q", NULL, d, &o[10], &op[10], NULL), 0);
    CHECK_EQ(lb_board_delete_start(c, "b2", NULL, d, &o[11], &op[11], NULL), 0);
    for (int i = 0; i < KINDS; i++)
        CHECK(op[i] != NULL && o[i].count == 0);
}

static void check_all(const outcome o[KINDS], int code)
{
    for (int i = 0; i < KINDS; i++) {
        if (o[i].count != 1 || (code && o[i].code != code))
            FAIL("operation %d: completed %d times, the last with %d", i, o[i].count, o[i].code);
    }
}

TEST(each_completes_once)
{
    static const int codes[KINDS] = {1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1};
    lb_client *client = open_client(NULL, 0);
    outcome o[KINDS] = {{0}};
    lb_op *op[KINDS];

    start_all(client, o, op);
    run_idle(client);
    check_all(o, 0);
    for (int i = 0; i < KINDS; i++)
        CHECK_EQ(o[i].code, codes[i]);
    CHECK(o[0].has_board && !o[0].has_player);
    CHECK(o[1].has_board && o[4].has_player && o[5].has_player && o[8].has_player);
    CHECK(!o[3].has_player && !o[2].has_board && !o[6].has_player && !o[7].has_player);
    CHECK_EQ(o[8].player.score, 6);
    close_client(client);
}

static void take_state(const lb_result *result, void *user)
{
    char *state = user;

    CHECK_EQ(result->code, 0);
    (void)snprintf(state, LB_STATE_SIZE, "%s", result->state ? result->state : "none");
}

static int take_top(const lb_change *change, void *user)
{
    char *state = user;

    CHECK_EQ(change->type, LB_CHANGE_TOP);
    (void)snprintf(state, LB_STATE_SIZE, "%s", change->state);
    return 0;
}

TEST(a_page_has_the_state_of_the_top)
{
    lb_client *client = open_client(NULL, 0);
    lb_changes_options changes;
    lb_range range;
    char top[LB_STATE_SIZE] = "", page[LB_STATE_SIZE] = "", plain[LB_STATE_SIZE] = "";

    lb_changes_options_init(&changes);
    lb_range_init(&range);
    changes.top = range.limit = 2;
    CHECK_EQ(lb_changes_subscribe(client, "b", &changes, take_top, top, NULL, NULL), 0);
    CHECK_EQ(lb_board_get_start(client, "b", &range, no_row, take_state, plain, NULL, NULL), 0);
    range.flags = LB_READ_STATE;
    CHECK_EQ(lb_board_get_start(client, "b", &range, no_row, take_state, page, NULL, NULL), 0);
    run_idle(client);
    CHECK_EQ(strlen(page), LB_STATE_SIZE - 1);
    CHECK_STR(page, top);
    CHECK_STR(plain, "none");
    range.limit = 1;
    CHECK_EQ(lb_board_get_start(client, "b", &range, no_row, take_state, page, NULL, NULL), 0);
    run_idle(client);
    CHECK(strcmp(page, top) != 0);
    close_client(client);
}

TEST(nobody_need_listen)
{
    lb_client *client = open_client(NULL, 0);

    CHECK_EQ(lb_score_add_start(client, "b", "p", 1, NULL, NULL, NULL, NULL, NULL), 0);
    CHECK_EQ(lb_score_add_start(client, "nowhere", "p", 1, NULL, NULL, NULL, NULL, NULL), 0);
    CHECK_EQ(lb_board_get_start(client, "b", NULL, no_row, NULL, NULL, NULL, NULL), 0);
    run_idle(client);
    CHECK_EQ(score("p"), 6);
    close_client(client);
}

TEST(writes_complete_in_the_order_of_their_start)
{
    lb_client *client = open_client(&(model_faults){.seed = 5, .delay = 4}, 0);
    static outcome o[200];
    int sequence = 0;

    for (int i = 0; i < 200; i++) {
        o[i] = (outcome){.sequence = &sequence};
        start_add(client, 1, &o[i]);
    }
    run_idle(client);
    for (int i = 0; i < 200; i++) {
        CHECK_EQ(o[i].order, i + 1);
        CHECK_EQ(o[i].player.score, 6 + i);
    }
    close_client(client);
}

/* ---- cancelling ----------------------------------------------------------------------------- */

TEST(cancelled_before_it_was_sent)
{
    lb_client *client = open_client(&(model_faults){.stall = true}, 0);
    outcome o[KINDS] = {{0}};
    lb_op *op[KINDS];

    start_all(client, o, op);
    for (int i = 0; i < KINDS; i++) {
        CHECK_EQ(lb_op_cancel(op[i]), 0);
        CHECK_EQ(lb_op_cancel(op[i]), 0);
        CHECK_EQ(o[i].count, 0); /* in process(), not here */
    }
    run_idle(client);
    check_all(o, LB_E_CANCELED);
    CHECK_EQ(score("p"), 5);
    CHECK_EQ(lb_op_cancel(NULL), 0);
    close_client(client);
}

TEST(cancelled_too_late)
{
    lb_client *client = open_client(&(model_faults){.hold = true}, 0);
    outcome o = {.count = 0};
    lb_op *op = start_add(client, 1, &o);

    run_idle(client); /* it is sent */
    CHECK_EQ(lb_op_cancel(op), 0);
    run_idle(client);
    CHECK_EQ(o.count, 0);
    model_world_faults()->hold = false;
    CHECK_EQ(run_outcome(client, &o), 1);
    CHECK_EQ(o.player.score, 6);
    close_client(client);
}

/* Done, but nobody has been told yet. */
TEST(cancelled_when_it_was_done)
{
    lb_client *client = open_client(NULL, 0);
    outcome o = {.count = 0};
    lb_op *op = start_add(client, 1, &o);

    CHECK_EQ(lb_board_create(client, "b3", 0, NULL, NULL, NULL), 1);
    CHECK_EQ(score("p"), 6);
    CHECK_EQ(o.count, 0);
    CHECK_EQ(lb_op_cancel(op), 0);
    CHECK_EQ(run_outcome(client, &o), 1);
    CHECK_EQ(o.player.score, 6);
    close_client(client);
}

struct canceller {
    outcome o;
    lb_op *victim;
};

static void cancel_victim(const lb_result *result, void *user)
{
    struct canceller *me = user;

    outcome_done(result, &me->o);
    CHECK_EQ(lb_op_cancel(me->victim), 0);
}

TEST(cancelled_inside_a_callback)
{
    lb_client *client = open_client(NULL, 0);
    struct canceller first = {.victim = NULL};
    outcome o[2] = {{0}};

    CHECK_EQ(lb_player_get_start(client, "b", "p", NULL, cancel_victim, &first, NULL, NULL), 0);
    first.victim = start_add(client, 1, &o[0]);
    start_add(client, 10, &o[1]);
    run_idle(client);
    CHECK_EQ(first.o.count, 1);
    CHECK_EQ(o[0].count, 1);
    CHECK(o[0].code == LB_E_CANCELED || o[0].code == 1);
    CHECK_EQ(o[1].count, 1);
    CHECK_EQ(score("p"), o[0].code == 1 ? 16 : 15);
    close_client(client);
}

/* ---- time ----------------------------------------------------------------------------------- */

TEST(timed_out_and_not_applied)
{
    lb_client *client = open_client(&(model_faults){.stall = true}, 0);
    outcome o[2] = {{0}};
    lb_write_options w;
    lb_read_options r;
    lb_error error = {.code = 0};

    lb_write_options_init(&w);
    lb_read_options_init(&r);
    w.timeout_ms = r.timeout_ms = 1;
    CHECK_EQ(lb_score_add_start(client, "b", "p", 1, &w, outcome_done, &o[0], NULL, NULL), 0);
    CHECK_EQ(lb_player_get_start(client, "b", "p", &r, outcome_done, &o[1], NULL, NULL), 0);
    CHECK_EQ(run_outcome(client, &o[0]), LB_E_TIMEOUT);
    CHECK_EQ(run_outcome(client, &o[1]), LB_E_TIMEOUT);
    CHECK_EQ(lb_score_add(client, "b", "p", 1, &w, NULL, &error), LB_E_TIMEOUT);
    CHECK_EQ(error.code, LB_E_TIMEOUT);
    CHECK_EQ(lb_board_info(client, "b", &r, NULL, NULL), LB_E_TIMEOUT);
    model_world_faults()->stall = false;
    run_idle(client);
    CHECK(o[0].count == 1 && o[1].count == 1);
    CHECK_EQ(score("p"), 5);
    close_client(client);
}

TEST(timed_out_and_perhaps_applied)
{
    lb_client *client = open_client(&(model_faults){.seed = 9, .hold = true}, 0);
    const model_counts *counts = model_world_counts();
    int64_t want = 5;

    for (int i = 0; i < 20; i++) {
        unsigned applied = counts->unknown_applied;
        lb_write_options w;

        lb_write_options_init(&w);
        w.timeout_ms = 1;
        CHECK_EQ(lb_score_add(client, "b", "p", 1, &w, NULL, NULL), LB_E_UNKNOWN);
        want += counts->unknown_applied - applied;
        CHECK_EQ(score("p"), want);
    }
    CHECK(counts->unknown_applied > 0 && counts->unknown_lost > 0);
    close_client(client);
}

TEST(the_clients_own_timeout)
{
    lb_client *client;
    lb_options o;

    model_world_open(&(model_faults){.stall = true});
    lb_options_init(&o);
    o.timeout_ms = 1;
    client = model_client(&o);
    CHECK_EQ(lb_board_create(client, "b", 0, NULL, NULL, NULL), LB_E_TIMEOUT);
    close_client(client);
}

/* ---- the limit ------------------------------------------------------------------------------ */

TEST(no_more_than_the_limit_are_pending)
{
    lb_client *client = open_client(&(model_faults){.stall = true}, 3);
    outcome o[4] = {{0}};
    lb_error error = {.code = 0};
    lb_op *op = NULL;

    for (int i = 0; i < 3; i++)
        start_add(client, 1, &o[i]);
    CHECK_EQ(lb_score_add_start(client, "b", "p", 1, NULL, outcome_done, &o[3], &op, &error),
             LB_E_LIMIT);
    CHECK(error.code == LB_E_LIMIT && op == NULL);
    CHECK_EQ(lb_player_get(client, "b", "p", NULL, NULL, NULL), LB_E_LIMIT);
    model_world_faults()->stall = false;
    run_idle(client);
    CHECK(o[0].count == 1 && o[1].count == 1 && o[2].count == 1 && o[3].count == 0);
    for (int i = 0; i < 10; i++) { /* and again, as often as one likes */
        CHECK_EQ(lb_score_add(client, "b", "p", 1, NULL, NULL, NULL), 1);
        o[3].count = 0;
        start_add(client, 1, &o[3]);
        run_idle(client);
    }
    CHECK_EQ(score("p"), 28);
    close_client(client);
}

/* ---- inside callbacks ----------------------------------------------------------------------- */

struct nested {
    lb_client *client;
    outcome o;
    const outcome *other; /* must not complete meanwhile */
    int calls;
};

static void call_inside(const lb_result *result, void *user)
{
    struct nested *me = user;
    const lb_player *row = NULL;
    int before = me->other->count;

    outcome_done(result, &me->o);
    CHECK_EQ(lb_client_process(me->client), LB_E_BUSY);
    CHECK_EQ(lb_score_add(me->client, "b", "q", 1, NULL, &row, NULL), 1);
    CHECK_STR(row->id, "q");
    CHECK_EQ(lb_player_get(me->client, "b", "q", NULL, &row, NULL), 0);
    CHECK_EQ(me->other->count, before);
    /* What this callback was given is still there. */
    CHECK_STR(result->player->id, "p");
    CHECK_EQ(result->player->score, me->o.player.score);
    me->calls++;
}

TEST(blocking_calls_inside_a_completion)
{
    lb_client *client = open_client(&(model_faults){.seed = 2, .delay = 2}, 0);
    outcome other = {.count = 0};
    struct nested me = {.client = client, .other = &other};

    CHECK_EQ(lb_score_add_start(client, "b", "p", 1, NULL, call_inside, &me, NULL, NULL), 0);
    start_add(client, 2, &other);
    run_idle(client);
    CHECK(me.calls == 1 && other.count == 1);
    CHECK_EQ(other.player.score, 8);
    CHECK_EQ(score("q"), 5);
    close_client(client);
}

struct rows_inside {
    lb_client *client;
    int rows, inner;
    bool free_it;
};

static int count_inner(const lb_player *player, void *user)
{
    (void)player;
    ((struct rows_inside *)user)->inner++;
    return 0;
}

static int call_inside_row(const lb_player *player, void *user)
{
    struct rows_inside *me = user;
    const lb_player *row = NULL;

    me->rows++;
    if (me->free_it) {
        CHECK(lb_client_free(me->client) == NULL);
        CHECK(lb_client_free(me->client) == NULL);
        CHECK_EQ(lb_player_get(me->client, "b", "p", NULL, NULL, NULL), LB_E_CLOSED);
    } else {
        CHECK_EQ(lb_client_process(me->client), LB_E_BUSY);
        CHECK_EQ(lb_board_get(me->client, "b", NULL, count_inner, me, NULL), 0);
        CHECK_EQ(lb_score_add(me->client, "b", "p", 1, NULL, &row, NULL), 1);
    }
    CHECK_STR(player->id, me->rows == 1 ? "p" : "q");
    CHECK_EQ(player->score, me->rows == 1 ? 5 : 4);
    return 0;
}

TEST(blocking_calls_inside_a_row_callback)
{
    lb_client *client = open_client(NULL, 0);
    struct rows_inside me = {.client = client};

    CHECK_EQ(lb_board_get(client, "b", NULL, call_inside_row, &me, NULL), 0);
    CHECK(me.rows == 2 && me.inner == 4);
    CHECK_EQ(score("p"), 7);
    close_client(client);
}

TEST(freed_inside_a_row_callback)
{
    lb_client *client = open_client(NULL, 0);
    struct rows_inside me = {.client = client, .free_it = true};
    outcome o = {.count = 0};

    CHECK_EQ(lb_board_create_start(client, "b2", 0, NULL, outcome_done, &o, NULL, NULL), 0);
    CHECK_EQ(lb_board_get(client, "b", NULL, call_inside_row, &me, NULL), 0);
    CHECK_EQ(o.count, 1);
    model_world_close(); /* its store is gone: the client has been freed */
}

struct chain {
    lb_client *client;
    int left, depth, deepest;
};

static void start_next(const lb_result *result, void *user)
{
    struct chain *me = user;

    CHECK_EQ(result->code, 1);
    if (++me->depth > me->deepest)
        me->deepest = me->depth;
    if (--me->left > 0)
        CHECK_EQ(lb_score_add_start(me->client, "b", "p", 1, NULL, start_next, me, NULL, NULL), 0);
    me->depth--;
}

TEST(completions_that_start_more_do_not_nest)
{
    lb_client *client = open_client(NULL, 0);
    struct chain me = {.client = client, .left = 10000};

    CHECK_EQ(lb_score_add_start(client, "b", "p", 1, NULL, start_next, &me, NULL, NULL), 0);
    run_idle(client);
    CHECK(me.left == 0 && me.deepest == 1);
    CHECK_EQ(score("p"), 10005);
    close_client(client);
}

/* ---- the end -------------------------------------------------------------------------------- */

TEST(free_completes_what_is_pending)
{
    lb_client *client = open_client(&(model_faults){.stall = true}, 0);
    outcome o[KINDS] = {{0}};
    lb_op *op[KINDS];

    start_all(client, o, op);
    run_idle(client);
    close_client(client);
    check_all(o, LB_E_CLOSED);
}

TEST(free_tells_the_truth)
{
    lb_client *client = open_client(NULL, 0);
    outcome done = {.count = 0}, sent = {.count = 0}, read = {.count = 0}, unsent = {.count = 0};

    start_add(client, 1, &done);
    CHECK_EQ(lb_board_create(client, "b3", 0, NULL, NULL, NULL), 1); /* it is done, not told */
    model_world_faults()->hold = true;
    start_add(client, 1, &sent);
    CHECK_EQ(lb_player_get_start(client, "b", "p", NULL, outcome_done, &read, NULL, NULL), 0);
    run_idle(client);
    model_world_faults()->stall = true;
    start_add(client, 1, &unsent);
    close_client(client);
    CHECK(done.count == 1 && sent.count == 1 && read.count == 1 && unsent.count == 1);
    CHECK_EQ(done.code, 1);
    CHECK_EQ(done.player.score, 6);
    CHECK_EQ(sent.code, LB_E_UNKNOWN);
    CHECK_EQ(read.code, LB_E_CLOSED);
    CHECK_EQ(unsent.code, LB_E_CLOSED);
}

struct closer {
    lb_client *client;
    outcome o;
};

static void free_inside(const lb_result *result, void *user)
{
    struct closer *me = user;

    outcome_done(result, &me->o);
    CHECK(lb_client_free(me->client) == NULL);
    CHECK_EQ(lb_client_process(me->client), LB_E_CLOSED);
    CHECK_EQ(lb_score_add(me->client, "b", "p", 1, NULL, NULL, NULL), LB_E_CLOSED);
    CHECK_EQ(lb_score_add_start(me->client, "b", "p", 1, NULL, NULL, NULL, NULL, NULL),
             LB_E_CLOSED);
}

TEST(freed_inside_a_completion)
{
    lb_client *client = open_client(NULL, 0);
    struct closer me[3] = {{.client = client}, {.client = client}, {.client = client}};
    outcome o = {.count = 0};
    int r = 1;

    for (int i = 0; i < 3; i++)
        CHECK_EQ(lb_score_add_start(client, "b", "p", 1, NULL, free_inside, &me[i], NULL, NULL), 0);
    start_add(client, 1, &o);
    while (me[0].o.count == 0)
        r = lb_client_process(client);
    CHECK_EQ(r, 1);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(me[i].o.count, 1);
    CHECK_EQ(me[0].o.code, 1);
    CHECK_EQ(o.count, 1);
    model_world_close();
}

static int free_on_change(const lb_change *change, void *user)
{
    struct closer *me = user;

    (void)change;
    me->o.count++;
    CHECK(lb_client_free(me->client) == NULL);
    return me->o.code;
}

/* Neither the same subscription nor another one is called again. */
TEST(freed_inside_a_change)
{
    for (int stop = 0; stop < 2; stop++) {
        lb_client *client = open_client(NULL, 0);
        struct closer rows = {.client = client, .o = {.code = stop}}, all = rows, top = rows;
        lb_changes_options opts;

        lb_changes_options_init(&opts);
        opts.top = 3;
        CHECK_EQ(lb_changes_subscribe(client, "b", NULL, free_on_change, &rows, NULL, NULL), 0);
        CHECK_EQ(lb_changes_subscribe(client, NULL, NULL, free_on_change, &all, NULL, NULL), 0);
        CHECK_EQ(lb_changes_subscribe(client, "b", &opts, free_on_change, &top, NULL, NULL), 0);
        while (rows.o.count + all.o.count + top.o.count == 0)
            CHECK_EQ(lb_client_process(client), 1);
        CHECK_EQ(rows.o.count + all.o.count + top.o.count, 1);
        model_world_close();
    }
}

TEST(freed_inside_a_top)
{
    lb_client *client = open_client(NULL, 0);
    struct closer one = {.client = client}, two = one;
    lb_changes_options opts;

    lb_changes_options_init(&opts);
    opts.top = 3;
    CHECK_EQ(lb_changes_subscribe(client, "b", &opts, free_on_change, &one, NULL, NULL), 0);
    CHECK_EQ(lb_changes_subscribe(client, "b", &opts, free_on_change, &two, NULL, NULL), 0);
    while (one.o.count + two.o.count == 0)
        CHECK_OK(lb_client_process(client));
    CHECK_EQ(one.o.count + two.o.count, 1);
    model_world_close();
}

TEST(freed_with_subscriptions_open)
{
    lb_client *client = open_client(&(model_faults){.stall = true}, 0);
    mirror m[3] = {{.n = 0}};
    lb_changes_options opts;

    lb_changes_options_init(&opts);
    opts.top = 3;
    CHECK_EQ(lb_changes_subscribe(client, "b", NULL, mirror_apply, &m[0], NULL, NULL), 0);
    CHECK_EQ(lb_changes_subscribe(client, "b", &opts, mirror_apply, &m[1], NULL, NULL), 0);
    CHECK_EQ(lb_changes_subscribe(client, "b", &opts, mirror_apply, &m[2], NULL, NULL), 0);
    run_idle(client); /* the top's own read is under way and does not come back */
    close_client(client);
    CHECK_EQ(m[1].events + m[2].events, 0);
    mirror_clear(&m[0]);
}
