/* The handler on a store that delays, stalls and dies, without memory, and with hosts that do in
 * their callbacks whatever is allowed. */
#include "http_rig.h"

#include "fault.h"
#include "model_store.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char json[] = "content-type: application/json";
static const char stream[] = "accept: text/event-stream";
static const char add[] = "POST /boards/b/players/p/score-add/";

static void open_rig(http_rig *rig, const lb_http_options *o)
{
    lb_write_options w;

    model_world_open(&(model_faults){.seed = 1});
    http_open_model(rig, o);
    lb_write_options_init(&w);
    w.flags = LB_WRITE_CREATE;
    CHECK_OK(lb_score_set(rig->client, "b", "p", 1, &w, NULL, NULL));
}

static void close_rig(http_rig *rig)
{
    http_close(rig);
    model_world_close();
}

static lb_http_counters counters(const http_rig *rig)
{
    lb_http_counters c;

    CHECK_EQ(lb_http_counters_get(rig->http, &c, sizeof c), 0);
    return c;
}

static int64_t score_of(const http_rig *rig)
{
    const lb_player *row = NULL;

    CHECK_EQ(lb_player_get(rig->client, "b", "p", NULL, &row, NULL), 0);
    return row->score;
}

static void start(http_rig *rig, answer *a, const char *line, const char *fields,
                  lb_http_call **ret)
{
    CHECK_EQ(http_start(rig, a, line, fields, NULL, 0, ret), 0);
}

static bool has_come(void *user)
{
    return ((const answer *)user)->count > 0;
}

/* ---- the store ------------------------------------------------------------------------------ */

TEST(timed_out)
{
    answer a = {.count = 0};
    lb_http_options o;
    http_rig rig;

    lb_http_options_init(&o);
    o.timeout_ms = 20;
    open_rig(&rig, &o);
    model_world_faults()->stall = true;
    CHECK_EQ(http_ask(&rig, &a, add, NULL, NULL), 504);
    CHECK(strstr(a.body, "\"code\":\"timeout\""));
    CHECK_EQ(http_ask(&rig, &a, "GET /boards/b/", stream, NULL), 504);
    CHECK_EQ(http_ask(&rig, &a, "GET /boards/b/", NULL, NULL), 504);
    model_world_faults()->stall = false;
    CHECK_EQ(score_of(&rig), 1);
    answer_clear(&a);
    close_rig(&rig);
}

TEST(outcome_unknown)
{
    answer a = {.count = 0};
    http_rig rig;

    open_rig(&rig, NULL);
    model_world_faults()->hold = true;
    start(&rig, &a, add, NULL, NULL);
    for (int i = 0; i < 20; i++)
        (void)http_turn(&rig, false);
    CHECK_EQ(a.count, 0);
    model_world_disconnect();
    model_world_faults()->hold = false;
    http_until(&rig, has_come, &a);
    CHECK_EQ(a.status, 504);
    CHECK(strncmp(a.body, "{\"error\":{\"code\":\"unknown\",\"message\":\"", 38) == 0);
    answer_clear(&a);
    close_rig(&rig);
}

TEST(too_many_at_once)
{
    answer a[5] = {{.count = 0}};
    lb_http_options o;
    http_rig rig;

    lb_http_options_init(&o);
    o.max_calls = 2;
    open_rig(&rig, &o);
    model_world_faults()->stall = true;
    for (int i = 0; i < 4; i++)
        start(&rig, &a[i], "GET /boards/b/", NULL, NULL);
    CHECK_EQ(http_start(&rig, &a[4], "GET /boards/b/", NULL, NULL, 0, NULL), LB_E_LIMIT);
    CHECK_EQ(counters(&rig).calls_now, 4);
    http_idle(&rig);
    CHECK_EQ(a[0].count + a[1].count + a[4].count, 0);
    for (int i = 2; i < 4; i++) {
        CHECK_EQ(a[i].status, 503);
        CHECK(strstr(a[i].body, "\"code\":\"limit\""));
        CHECK_STR(answer_field(&a[i], "Retry-After"), "1");
    }
    model_world_faults()->stall = false;
    http_until(&rig, has_come, &a[1]);
    http_until(&rig, has_come, &a[0]);
    CHECK_EQ(a[0].status, 200);
    CHECK_EQ(a[1].status, 200);
    for (int i = 0; i < 5; i++)
        answer_clear(&a[i]);
    close_rig(&rig);
}

/* ---- leaving -------------------------------------------------------------------------------- */

TEST(cancelled)
{
    answer a = {.count = 0};
    lb_http_call *call;
    http_rig rig;

    open_rig(&rig, NULL);
    start(&rig, &a, "GET /boards/b/", NULL, &call);
    CHECK(lb_http_cancel(call) == NULL);
    start(&rig, &a, "GET /nothing", NULL, &call); /* its reply is there already */
    CHECK(lb_http_cancel(call) == NULL);
    start(&rig, &a, "GET /boards/b/", stream, &call);
    CHECK(lb_http_cancel(call) == NULL);
    CHECK_EQ(counters(&rig).calls_now, 0);
    http_idle(&rig);
    /* A stream that is made and not yet given. */
    start(&rig, &a, "GET /boards/b/", stream, &call);
    while (counters(&rig).streams_now == 0)
        CHECK_OK(lb_client_process(rig.client));
    CHECK(lb_http_cancel(call) == NULL);
    CHECK_EQ(counters(&rig).streams_now, 0);
    /* What was to be written is written. */
    start(&rig, &a, add, NULL, &call);
    CHECK(lb_http_cancel(call) == NULL);
    http_idle(&rig);
    CHECK_EQ(score_of(&rig), 2);
    CHECK_EQ(a.count, 0);
    CHECK_EQ(counters(&rig).requests, 5);
    CHECK_EQ(counters(&rig).calls_now, 0);
    close_rig(&rig);
}

TEST(freed_with_requests_in_progress)
{
    static const char *const lines[] = {"GET /boards/b/", "GET /boards/", "HEAD /boards/b/",
                                        "POST /boards/b/players/p/score-add/",
                                        "GET /boards/b/players/p/"};
    answer a[6] = {{.count = 0}}, gone = {.count = 0};
    lb_http_call *call;
    http_rig rig;

    open_rig(&rig, NULL);
    model_world_faults()->hold = true;
    for (int i = 0; i < 5; i++)
        start(&rig, &a[i], lines[i], NULL, NULL);
    start(&rig, &a[5], "GET /boards/b/", stream, NULL);
    start(&rig, &gone, add, NULL, &call);
    CHECK(lb_http_cancel(call) == NULL);
    for (int i = 0; i < 10; i++)
        CHECK_OK(lb_client_process(rig.client));
    CHECK(lb_http_free(rig.http) == NULL);
    for (int i = 0; i < 6; i++) {
        CHECK_EQ(a[i].count, 1);
        CHECK_EQ(a[i].status, i == 3 ? 504 : 503); /* the write may yet be applied */
        CHECK_EQ(a[i].body == NULL, i == 2);
        CHECK(a[i].stream == NULL && a[i].body_size > 0);
        answer_clear(&a[i]);
    }
    model_world_faults()->hold = false;
    for (int i = 0; i < 100; i++) /* their operations end now, and nobody is there */
        CHECK_OK(lb_client_process(rig.client));
    lb_client_free(rig.client);
    CHECK_EQ(gone.count, 0);
    model_world_close();
}

/* ---- inside callbacks ----------------------------------------------------------------------- */

struct host {
    http_rig *rig;
    answer first, later;
    lb_http_call *own, *other;
    lb_http_stream *stream;
    int refused;
};

static void do_everything(const lb_http_reply *reply, void *user)
{
    struct host *host = user;
    lb_http *http = host->rig->http;
    uint64_t due;

    answer_take(reply, &host->first);
    CHECK(lb_http_cancel(host->own) == NULL); /* too late: nothing */
    host->other = lb_http_cancel(host->other);
    host->stream = lb_http_stream_free(host->stream);
    CHECK_EQ(lb_http_process(http), LB_E_BUSY);
    CHECK_EQ(lb_http_deadline(http, &due), 0);
    host->refused = http_start(host->rig, &host->later, "GET /boards/", NULL, NULL, 0, NULL);
    CHECK_EQ(host->later.count, 0);
    (void)counters(host->rig);
}

static void open_host(struct host *host, http_rig *rig, answer *other)
{
    lb_http_request request;
    answer a = {.count = 0};

    *host = (struct host){.rig = rig};
    CHECK_EQ(http_ask(rig, &a, "GET /boards/b/", stream, NULL), 200);
    host->stream = a.stream;
    a.stream = NULL;
    lb_http_request_init(&request);
    request.method = "GET";
    request.target = "/boards/b/";
    CHECK_EQ(lb_http_handle(rig->http, &request, do_everything, host, &host->own, NULL), 0);
    start(rig, other, "GET /boards/b/", NULL, &host->other);
    answer_clear(&a);
}

TEST(replies_that_do_everything)
{
    answer other = {.count = 0};
    struct host host;
    http_rig rig;

    open_rig(&rig, NULL);
    open_host(&host, &rig, &other);
    http_until(&rig, has_come, &host.later);
    CHECK_EQ(host.refused, 0);
    CHECK_EQ(host.first.status, 200);
    CHECK_EQ(host.later.status, 200);
    CHECK_EQ(other.count, 0);
    CHECK_EQ(counters(&rig).streams_now, 0);
    answer_clear(&host.first);
    answer_clear(&host.later);
    open_host(&host, &rig, &other);
    http_close(&rig);
    CHECK_EQ(host.first.status, 503);
    CHECK_EQ(host.refused, LB_E_CLOSED);
    CHECK_EQ(host.later.count + other.count, 0);
    answer_clear(&host.first);
    model_world_close();
}

/* ---- everything at once --------------------------------------------------------------------- */

enum { REQUESTS = 400, LISTENERS = 8, RUNS = 25 };

static const char *const some_lines[] = {
    "GET /boards/b/",
    "GET /boards/b/?limit=2&offset=1",
    "GET /boards/",
    "HEAD /boards/b/",
    "GET /boards/b/players/q/?rank=1",
    "POST /boards/b/players/p/score-add/",
    "POST /boards/b/players/q/score-add/",
    "PUT /boards/b/players/q/",
    "DELETE /boards/b/players/q/",
    "PUT /boards/c/",
    "DELETE /boards/c/",
    "POST /boards/c/players/",
    "GET /boards/c/",
    "GET /nothing/",
};

static bool may_be(int status)
{
    switch (status) {
    case 200:
    case 201:
    case 204:
    case 404:
    case 409:
    case 503:
    case 504:
        return true;
    default:
        return false;
    }
}

struct run {
    http_rig rig;
    answer a[REQUESTS];
    lb_http_call *calls[REQUESTS];
    bool cancelled[REQUESTS];
    listener l[LISTENERS];
    bool is_open[LISTENERS];
    uint64_t random;
};

static void run_request(struct run *run, int i)
{
    size_t kind = model_random(&run->random, sizeof some_lines / sizeof *some_lines);
    int victim = (int)model_random(&run->random, (uint64_t)i + 1);

    start(&run->rig, &run->a[i], some_lines[kind], NULL, &run->calls[i]);
    if (model_random(&run->random, 12) == 0 && run->a[victim].count == 0 &&
        !run->cancelled[victim]) {
        CHECK(lb_http_cancel(run->calls[victim]) == NULL);
        run->cancelled[victim] = true;
    }
    for (uint64_t n = model_random(&run->random, 8); n > 0; n--)
        (void)http_turn(&run->rig, false);
}

/* Opens or closes a listener; a store that is away refuses it. */
static void run_listener(struct run *run)
{
    size_t k = model_random(&run->random, LISTENERS);
    listener *l = &run->l[k];

    if (run->is_open[k]) {
        listen_close(l);
        run->is_open[k] = false;
        return;
    }
    if (http_ask(&run->rig, &l->a, "GET /boards/b/", stream, NULL) != 200) {
        CHECK(may_be(l->a.status) && !l->a.stream);
        answer_clear(&l->a);
        return;
    }
    answer_clear(&l->a);
    run->is_open[k] = true;
    l->chunk = 1 + model_random(&run->random, 100);
    listen_open(l, &run->rig, "/boards/b/", NULL);
}

/* Replies, exactly one each; and every listener ends up with what is there. */
static void check_run(struct run *run, uint64_t seed)
{
    answer a = {.count = 0};

    for (int i = 0; i < REQUESTS; i++) {
        if (!run->cancelled[i])
            http_until(&run->rig, has_come, &run->a[i]);
        if (run->a[i].count != !run->cancelled[i] || (run->a[i].count && !may_be(run->a[i].status)))
            FAIL("seed %ju: request %d: %d replies, %d %s", (uintmax_t)seed, i, run->a[i].count,
                 run->a[i].status, run->a[i].body ? run->a[i].body : "");
        answer_clear(&run->a[i]);
    }
    CHECK_EQ(http_ask(&run->rig, &a, "GET /boards/b/", NULL, NULL), 200);
    a.body[strlen(a.body) - 1] = '\0'; /* its line end */
    for (int k = 0; k < LISTENERS; k++) {
        if (!run->is_open[k])
            continue;
        listen_read(&run->l[k]);
        listen_until(&run->rig, &run->l[k], a.body);
        listen_close(&run->l[k]);
    }
    CHECK_EQ(counters(&run->rig).calls_now, 0);
    answer_clear(&a);
}

static void one_run(uint64_t seed)
{
    static struct run run;
    lb_http_options o;

    run = (struct run){.random = seed};
    lb_http_options_init(&o);
    o.min_interval_ms = 1;
    o.keep_alive_ms = 3;
    open_rig(&run.rig, &o);
    for (int i = 0; i < REQUESTS; i++) {
        *model_world_faults() = (model_faults){
            .seed = seed,
            .delay = 4,
            .reorder = true,
            .disconnect = i % 40 < 20 ? 60 : 0,
            .feed_reset = 40,
            .feed_twice = 5,
            .feed_stray = 20,
        };
        run_request(&run, i);
        *model_world_faults() = (model_faults){.seed = seed, .delay = 2, .reorder = true};
        if (model_random(&run.random, 10) == 0)
            run_listener(&run);
    }
    check_run(&run, seed);
    close_rig(&run.rig);
}

TEST(everything_ends_once_and_converges, .timeout_s = 300)
{
    for (uint64_t seed = 1; seed <= RUNS; seed++)
        one_run(seed);
}

/* ---- without memory ------------------------------------------------------------------------- */

TEST(new_out_of_memory)
{
    lb_client *client = NULL;
    lb_http_options o;

    CHECK_EQ(lb_client_new(NULL, &client, NULL), 0);
    lb_http_options_init(&o);
    o.write_key = "key";
    o.cors_origins = "http://a http://b";
    FOR_EACH_ALLOC_FAILURE (i) {
        lb_http *http = NULL;
        int r = lb_http_new(client, &o, &http, NULL);

        CHECK_EQ(r, fault_fired() ? LB_E_NOMEM : 0);
        CHECK_EQ(http != NULL, r == 0);
        (void)lb_http_free(http);
    }
    lb_client_free(client);
}

/* One request, whatever fails: not taken, or answered once. */
static void fail_request(const char *line, const char *fields, const char *body, int status)
{
    FOR_EACH_ALLOC_FAILURE (i) {
        answer a = {.count = 0};
        http_rig rig;
        int r;

        fault_suspend();
        open_rig(&rig, NULL);
        fault_resume();
        r = http_start(&rig, &a, line, fields, body, body ? strlen(body) : 0, NULL);
        CHECK(r == 0 || (r == LB_E_NOMEM && fault_fired()));
        if (r == 0)
            http_until(&rig, has_come, &a);
        fault_suspend();
        http_idle(&rig);
        CHECK_EQ(a.count, r == 0);
        /* An answer without its optional parts is one, too. */
        if (r == 0 && a.status != status)
            CHECK(fault_fired() && (a.status == 503 || a.status == 400 || a.status == 504));
        if (a.status == 503)
            CHECK(strstr(a.body, "\"code\":\"nomem\""));
        answer_clear(&a);
        CHECK_EQ(http_ask(&rig, &a, "GET /boards/b/", NULL, NULL), 200);
        CHECK_EQ(counters(&rig).calls_now, 0);
        answer_clear(&a);
        close_rig(&rig);
        fault_resume();
    }
}

TEST(requests_out_of_memory, .timeout_s = 120)
{
    fail_request("GET /boards/b/?limit=1", "if-none-match: \"x\"", NULL, 200);
    fail_request("GET /boards/", NULL, NULL, 200);
    fail_request("GET /boards/b/players/p/", NULL, NULL, 200);
    fail_request("POST /boards/b/players/p/score-add/", json, "{\"amount\":2}", 200);
    fail_request("POST /boards/", NULL, NULL, 201);
    fail_request("POST /boards/b/players/", json, "{\"name\":\"N\"}", 201);
    fail_request("DELETE /boards/b/players/p/", NULL, NULL, 204);
    fail_request("GET /boards/x/", NULL, NULL, 404);
    fail_request("GET /nothing", NULL, NULL, 404);
    fail_request("GET /boards/b/", "accept: text/event-stream\nlast-event-id: x", NULL, 200);
}

/* A listener without the memory for its events is told to come again; it never misses one. */
TEST(streams_out_of_memory, .timeout_s = 120)
{
    static const char last[] =
        "{\"players\":[{\"id\":\"p\",\"name\":\"p\",\"score\":2,\"position\":1,\"rank\":1}]}";
    lb_http_options o;

    lb_http_options_init(&o);
    o.min_interval_ms = 1;
    FOR_EACH_ALLOC_FAILURE (i) {
        answer done = {.count = 0};
        listener l = {.chunk = 0};
        http_rig rig;
        int r;

        fault_suspend();
        open_rig(&rig, &o);
        listen_open(&l, &rig, "/boards/b/", NULL);
        listen_read(&l);
        http_idle(&rig);
        CHECK_EQ(http_ask(&rig, &done, add, NULL, NULL), 200);
        fault_resume();
        while (!l.closed && strcmp(l.sse.last_data.bytes, last) != 0)
            (void)http_turn(&rig, true);
        CHECK(!l.closed || fault_fired());
        fault_suspend();
        CHECK(sse_is_between(&l.sse));
        listen_close(&l);
        answer_clear(&done);
        r = counters(&rig).streams_now > 0;
        CHECK_EQ(r, 0);
        close_rig(&rig);
        fault_resume();
    }
}
