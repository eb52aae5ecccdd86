/* Who joins a stream that others listen to: with which state it begins, and what that costs. */
#include "http_rig.h"
#include "model_store.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char stream[] = "accept: text/event-stream";

static void add(lb_client *client, const char *board)
{
    lb_write_options w;

    lb_write_options_init(&w);
    w.flags = LB_WRITE_CREATE;
    CHECK_OK(lb_score_add(client, board, "p", 1, &w, NULL, NULL));
}

/* Those who listen hear of no change before the test has ended. */
static void open_slow(http_rig *rig)
{
    lb_http_options o;

    lb_http_options_init(&o);
    o.min_interval_ms = 3600000;
    http_open_sqlite(rig, &o);
    add(rig->client, "b");
}

static int64_t score_in(const char *json)
{
    const char *at = strstr(json, "\"score\":");
    int64_t score = -1;

    CHECK(at != NULL);
    CHECK_EQ(sscanf(at, "\"score\":%jd", (intmax_t *)&score), 1);
    return score;
}

/* The state that a plain request sees, as the field of who has it. */
static const char *last_id(http_rig *rig, int64_t *ret_score)
{
    static char field[80];
    answer a = {.count = 0};

    CHECK_EQ(http_ask(rig, &a, "GET /boards/b/", NULL, NULL), 200);
    (void)snprintf(field, sizeof field, "last-event-id: %.32s", answer_field(&a, "ETag") + 1);
    *ret_score = score_in(a.body);
    answer_clear(&a);
    return field;
}

TEST(begins_with_the_state_as_it_is)
{
    listener first = {.chunk = 0}, knows = {.chunk = 0}, fresh = {.chunk = 0};
    const char *field;
    int64_t score;
    http_rig rig;

    open_slow(&rig);
    listen_open(&first, &rig, "/boards/b/", NULL);
    listen_read(&first);
    http_idle(&rig); /* the interval has begun */
    for (int i = 2; i < 20; i++) {
        add(rig.client, "b");
        field = last_id(&rig, &score);
        CHECK_EQ(score, i);
        listen_open(&knows, &rig, "/boards/b/", field);
        listen_open(&fresh, &rig, "/boards/b/", NULL);
        listen_read(&knows);
        listen_read(&fresh);
        CHECK_EQ(knows.sse.events, 0);
        CHECK_EQ(fresh.sse.events, 1);
        CHECK_EQ(score_in(fresh.sse.last_data.bytes), i);
        listen_close(&knows);
        listen_close(&fresh);
    }
    /* Joining is no reason to tell the others sooner. */
    CHECK_EQ(first.sse.events, 1);
    listen_close(&first);
    http_close(&rig);
}

/* Those that joined between two events hear the next one, unless they know it. */
TEST(then_hears_what_all_hear)
{
    listener first = {.chunk = 0}, later = {.chunk = 0};
    lb_http_options o;
    http_rig rig;

    lb_http_options_init(&o);
    o.min_interval_ms = 50;
    http_open_sqlite(&rig, &o);
    for (int i = 0; i < 30; i++) {
        char want[100];

        add(rig.client, "b");
        if (i == 0)
            listen_open(&first, &rig, "/boards/b/", NULL);
        listen_open(&later, &rig, "/boards/b/", NULL);
        listen_read(&later);
        listen_read(&first);
        (void)snprintf(want, sizeof want, "%s", later.sse.last_data.bytes);
        CHECK_EQ(score_in(want), i + 1);
        listen_until(&rig, &first, want);
        http_idle(&rig);
        CHECK_EQ(later.sse.events, 1);
        CHECK_EQ(first.sse.events, (unsigned)i + 1);
        listen_close(&later);
    }
    listen_close(&first);
    http_close(&rig);
}

enum { CROWD = 5000 };

static bool all_came(void *user)
{
    const answer *a = user;

    for (int i = 0; i < CROWD; i++) {
        if (a[i].count == 0)
            return false;
    }
    return true;
}

static uint64_t operations(const http_rig *rig)
{
    lb_counters c;

    CHECK_EQ(lb_client_counters(rig->client, &c, sizeof c), 0);
    return c.operations;
}

TEST(a_crowd_costs_two_reads)
{
    static answer a[CROWD];
    lb_http_call *calls[CROWD];
    uint64_t before;
    http_rig rig;
    char buf[512];

    open_slow(&rig);
    before = operations(&rig);
    for (int i = 0; i < CROWD; i++)
        CHECK_EQ(http_start(&rig, &a[i], "GET /boards/b/", stream, NULL, 0, &calls[i]), 0);
    /* Some leave: of the first, whose read is under way, and of those that wait for the next. */
    for (int i = 0; i < CROWD; i += 10) {
        CHECK(lb_http_cancel(calls[i]) == NULL);
        a[i].count = 1;
    }
    http_until(&rig, all_came, a);
    CHECK(operations(&rig) - before <= 3); /* and the one that the subscription begins with */
    for (int i = 0; i < CROWD; i++) {
        if (i % 10) {
            CHECK_EQ(a[i].status, 200);
            CHECK(lb_http_stream_read(a[i].stream, buf, sizeof buf) > 0);
        }
        answer_clear(&a[i]);
    }
    http_close(&rig);
}

TEST(no_such_board_for_a_crowd)
{
    static answer a[CROWD];
    lb_http_counters c;
    http_rig rig;

    open_slow(&rig);
    for (int i = 0; i < CROWD; i++)
        CHECK_EQ(http_start(&rig, &a[i], "GET /boards/x/", stream, NULL, 0, NULL), 0);
    http_until(&rig, all_came, a);
    for (int i = 0; i < CROWD; i++) {
        CHECK_EQ(a[i].status, 404);
        answer_clear(&a[i]);
    }
    CHECK_EQ(lb_http_counters_get(rig.http, &c, sizeof c), 0);
    CHECK_EQ(c.followers_now + c.streams_now + c.calls_now, 0);
    http_close(&rig);
}

/* ---- a store that is slow and answers in any order ------------------------------------------ */

enum { LISTENERS = 6, ROUNDS = 60, RUNS = 20 };

struct run {
    http_rig rig;
    lb_client *writer;
    listener l[LISTENERS];
    int64_t score[LISTENERS]; /* what each has seen, -1 = it is not open */
    int64_t final;            /* what is there in the end */
    uint64_t random;
};

/* Scores only grow: one that is smaller was older. */
static void check_forward(struct run *run, uint64_t seed)
{
    for (int i = 0; i < LISTENERS; i++) {
        int64_t score;

        if (run->score[i] < 0 || !run->l[i].sse.last_data.len)
            continue;
        score = score_in(run->l[i].sse.last_data.bytes);
        if (score < run->score[i])
            FAIL("seed %ju: from %jd back to %jd", (uintmax_t)seed, (intmax_t)run->score[i],
                 (intmax_t)score);
        run->score[i] = score;
    }
}

static void join_or_leave(struct run *run)
{
    size_t i = model_random(&run->random, LISTENERS);
    listener *l = &run->l[i];
    bool knows = model_random(&run->random, 2);
    const char *field;

    if (run->score[i] >= 0) {
        listen_close(l);
        run->score[i] = -1;
        return;
    }
    field = last_id(&run->rig, &run->score[i]);
    listen_open(l, &run->rig, "/boards/b/", knows ? field : NULL);
    listen_read(l);
    CHECK(knows || l->sse.events == 1);
}

static void one_run(struct run *run, uint64_t seed)
{
    lb_http_options o;

    *run = (struct run){.random = seed};
    lb_http_options_init(&o);
    o.min_interval_ms = 1;
    model_world_open(&(model_faults){.seed = seed, .delay = 6, .reorder = true, .feed_reset = 50});
    http_open_model(&run->rig, &o);
    run->writer = model_client(NULL);
    for (int i = 0; i < LISTENERS; i++)
        run->score[i] = -1;
    add(run->writer, "b");
    for (int round = 0; round < ROUNDS; round++) {
        if (model_random(&run->random, 2))
            add(run->writer, "b");
        if (model_random(&run->random, 2))
            join_or_leave(run);
        for (uint64_t n = model_random(&run->random, 10); n > 0; n--) {
            (void)http_turn(&run->rig, false);
            check_forward(run, seed);
        }
    }
}

static bool all_know(void *user)
{
    struct run *run = user;

    check_forward(run, 0);
    for (int i = 0; i < LISTENERS; i++) {
        if (run->score[i] >= 0 && run->score[i] != run->final)
            return false;
    }
    return true;
}

TEST(nobody_goes_back_and_nobody_is_stuck, .timeout_s = 300)
{
    static struct run run;

    for (uint64_t seed = 1; seed <= RUNS; seed++) {
        one_run(&run, seed);
        add(run.writer, "b"); /* so that those hear something who began with nothing */
        check_forward(&run, seed);
        (void)last_id(&run.rig, &run.final);
        http_until(&run.rig, all_know, &run);
        for (int i = 0; i < LISTENERS; i++)
            listen_close(&run.l[i]);
        http_close(&run.rig);
        lb_client_free(run.writer);
        model_world_close();
    }
}
