/* Event streams: what a listener hears, at which pace, and what happens when it leaves. */
#include "http_rig.h"
#include "model_store.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void ok(http_rig *rig, const char *line)
{
    answer a = {.count = 0};
    int status = http_ask(rig, &a, line, NULL, NULL);

    if (status / 100 != 2)
        FAIL("%s: %d %s", line, status, a.body ? a.body : "");
    answer_clear(&a);
}

static void set_score(http_rig *rig, const char *player, int64_t score)
{
    lb_write_options w;

    lb_write_options_init(&w);
    w.flags = LB_WRITE_CREATE;
    CHECK_OK(lb_score_set(rig->client, "b", player, score, &w, NULL, NULL));
}

static const char *one(const char *player, int64_t score)
{
    static char text[200];

    (void)snprintf(text, sizeof text,
                   "{\"players\":[{\"id\":\"%s\",\"name\":\"%s\",\"score\":%lld,\"position\":1,"
                   "\"rank\":1}]}",
                   player, player, (long long)score);
    return text;
}

static void open_rig(http_rig *rig, lb_http_options *o)
{
    http_open_sqlite(rig, o);
    set_score(rig, "p", 1);
}

static lb_http_options quick(void)
{
    lb_http_options o;

    lb_http_options_init(&o);
    o.min_interval_ms = 1;
    return o;
}

static lb_http_counters counters(const http_rig *rig)
{
    lb_http_counters c;

    CHECK_EQ(lb_http_counters_get(rig->http, &c, sizeof c), 0);
    return c;
}

/* ---- what is heard -------------------------------------------------------------------------- */

TEST(begins_with_the_state)
{
    lb_http_options o = quick();
    listener l = {.chunk = 1};
    answer a = {.count = 0};
    char text[512];
    http_rig rig;
    int n;

    open_rig(&rig, &o);
    CHECK_EQ(http_ask(&rig, &a, "GET /boards/b/", "accept: text/event-stream", NULL), 200);
    CHECK_STR(answer_field(&a, "Cache-Control"), "no-cache");
    CHECK_STR(answer_field(&a, "X-Accel-Buffering"), "no");
    CHECK_STR(answer_field(&a, "Vary"), "Accept");
    CHECK_STR(answer_field(&a, "ETag"), "");
    n = lb_http_stream_read(a.stream, text, sizeof text - 1);
    CHECK(n > 0);
    text[n] = '\0';
    CHECK(strncmp(text, "retry: 2000\n\nid: ", 17) == 0);
    CHECK(strncmp(text + 17 + 32, "\nevent: update\ndata: {\"players\":[{", 34) == 0);
    CHECK_EQ(lb_http_stream_read(a.stream, text, sizeof text), 0);
    answer_clear(&a);

    listen_open(&l, &rig, "/boards/b/", NULL);
    listen_read(&l);
    CHECK_STR(l.sse.last_data.bytes, one("p", 1));
    CHECK_STR(l.sse.last_type.bytes, "update");
    CHECK_EQ(l.sse.retry_ms, 2000);
    listen_close(&l);
    http_close(&rig);
}

TEST(hears_changes)
{
    lb_http_options o = quick();
    listener l = {.chunk = 7};
    answer a = {.count = 0};
    char tag[80];
    http_rig rig;

    open_rig(&rig, &o);
    listen_open(&l, &rig, "/boards/b", NULL);
    listen_read(&l);
    for (int score = 2; score < 6; score++) {
        set_score(&rig, "p", score);
        listen_until(&rig, &l, one("p", score));
    }
    CHECK_EQ(l.sse.events, 5);
    CHECK_EQ(l.readies, 4);
    /* The same object and the same id as a plain request has. */
    CHECK_EQ(http_ask(&rig, &a, "GET /boards/b/", NULL, NULL), 200);
    CHECK_EQ(strncmp(a.body, l.sse.last_data.bytes, l.sse.last_data.len), 0);
    CHECK_STR(a.body + l.sse.last_data.len, "\n");
    (void)snprintf(tag, sizeof tag, "\"%s\"", l.sse.last_id.bytes);
    CHECK_STR(answer_field(&a, "ETag"), tag);
    answer_clear(&a);
    listen_close(&l);
    http_close(&rig);
}

TEST(the_last_change_always_arrives)
{
    lb_http_options o = quick();
    listener l = {.chunk = 0};
    http_rig rig;

    o.min_interval_ms = 50;
    open_rig(&rig, &o);
    listen_open(&l, &rig, "/boards/b/", NULL);
    listen_read(&l);
    for (int score = 2; score <= 300; score++) {
        set_score(&rig, "p", score);
        (void)http_turn(&rig, false);
    }
    listen_until(&rig, &l, one("p", 300));
    CHECK(l.sse.events < 100);
    listen_close(&l);
    http_close(&rig);
}

TEST(resumes)
{
    lb_http_options o = quick();
    listener l = {.chunk = 0}, again = {.chunk = 0}, other = {.chunk = 0};
    char fields[100];
    http_rig rig;

    open_rig(&rig, &o);
    listen_open(&l, &rig, "/boards/b/", NULL);
    listen_read(&l);
    (void)snprintf(fields, sizeof fields, "last-event-id: %s", l.sse.last_id.bytes);
    listen_open(&again, &rig, "/boards/b/", fields);
    listen_open(&other, &rig, "/boards/b/", "last-event-id: 00");
    listen_read(&again);
    listen_read(&other);
    CHECK_EQ(again.sse.events, 0);
    CHECK(again.bytes > 0 && again.sse.retry_ms == 2000); /* so that the head is sent */
    CHECK_STR(other.sse.last_data.bytes, one("p", 1));
    set_score(&rig, "p", 2);
    listen_until(&rig, &again, one("p", 2));
    CHECK_EQ(again.sse.events, 1);
    listen_close(&l);
    listen_close(&other);
    listen_close(&again);
    http_close(&rig);
}

static bool has_comments(void *user)
{
    const listener *l = user;

    return l->sse.comments >= 5;
}

TEST(keeps_alive)
{
    lb_http_options o = quick();
    listener l = {.chunk = 1}, stuck = {.by_hand = true};
    http_rig rig;

    o.keep_alive_ms = 1;
    open_rig(&rig, &o);
    listen_open(&l, &rig, "/boards/b/", NULL);
    listen_open(&stuck, &rig, "/boards/b/", NULL);
    listen_read(&l);
    http_until(&rig, has_comments, &l);
    CHECK_EQ(l.sse.events, 1);
    CHECK(sse_is_between(&l.sse));
    /* Who reads nothing is not told either, and a change is more than a comment. */
    CHECK_EQ(stuck.readies, 0);
    listen_read(&stuck);
    CHECK_EQ(stuck.sse.comments, 0);
    set_score(&rig, "p", 2);
    listen_until(&rig, &l, one("p", 2));
    http_until(&rig, has_comments, &l);
    listen_read(&stuck);
    CHECK_STR(stuck.sse.last_data.bytes, one("p", 2));
    CHECK_EQ(counters(&rig).skipped, 0);
    listen_close(&l);
    listen_close(&stuck);
    http_close(&rig);
}

TEST(ends_with_its_board)
{
    lb_http_options o = quick();
    listener l = {.chunk = 0}, slow = {.by_hand = true}, fresh = {.chunk = 0};
    http_rig rig;
    answer a = {.count = 0};

    open_rig(&rig, &o);
    listen_open(&l, &rig, "/boards/b/", NULL);
    listen_open(&slow, &rig, "/boards/b/", NULL);
    listen_read(&l);
    ok(&rig, "DELETE /boards/b/");
    listen_until_closed(&rig, &l);
    CHECK_EQ(l.sse.events, 1);
    CHECK_EQ(slow.readies, 0); /* it was never told to wait */
    listen_read(&slow);        /* what was there is still there */
    CHECK(slow.closed);
    CHECK_STR(slow.sse.last_data.bytes, one("p", 1));
    CHECK_EQ(counters(&rig).followers_now, 0);
    CHECK_EQ(http_ask(&rig, &a, "GET /boards/b/", "accept: text/event-stream", NULL), 404);
    CHECK(a.stream == NULL);
    answer_clear(&a);
    set_score(&rig, "p", 7);
    listen_open(&fresh, &rig, "/boards/b/", NULL);
    listen_read(&fresh);
    CHECK_STR(fresh.sse.last_data.bytes, one("p", 7));
    listen_close(&l);
    listen_close(&slow);
    listen_close(&fresh);
    http_close(&rig);
}

/* Created again at once it is another board: whose streams do not go on with it. */
TEST(ends_though_a_new_board_has_its_name)
{
    lb_http_options o = quick();
    listener l = {.chunk = 0};
    http_rig rig;

    o.min_interval_ms = 3600000; /* it does not wait for its interval */
    open_rig(&rig, &o);
    listen_open(&l, &rig, "/boards/b/", NULL);
    listen_read(&l);
    http_idle(&rig);
    ok(&rig, "DELETE /boards/b/");
    ok(&rig, "PUT /boards/b/");
    listen_until_closed(&rig, &l);
    listen_close(&l);
    listen_open(&l, &rig, "/boards/b/", NULL);
    listen_read(&l);
    CHECK_STR(l.sse.last_data.bytes, "{\"players\":[]}");
    listen_close(&l);
    http_close(&rig);
}

TEST(limits)
{
    lb_http_options o = quick();
    listener l = {.chunk = 0};
    answer a = {.count = 0};
    http_rig rig;

    o.limit = 2;
    o.max_streams = 1;
    open_rig(&rig, &o);
    set_score(&rig, "q", 2);
    set_score(&rig, "r", 3);
    listen_open(&l, &rig, "/boards/b/?limit=2", NULL);
    listen_read(&l);
    CHECK(strstr(l.sse.last_data.bytes, "\"r\"") && strstr(l.sse.last_data.bytes, "\"q\""));
    CHECK(!strstr(l.sse.last_data.bytes, "\"p\""));
    CHECK_EQ(http_ask(&rig, &a, "GET /boards/b/", "accept: text/event-stream", NULL), 503);
    CHECK_STR(answer_field(&a, "Retry-After"), "1");
    CHECK_EQ(http_ask(&rig, &a, "GET /boards/b/?limit=5", "accept: text/event-stream", NULL), 400);
    CHECK_EQ(http_ask(&rig, &a, "GET /boards/b/", NULL, NULL), 200); /* as many rows as a stream */
    CHECK(!strstr(a.body, "\"p\""));
    CHECK_EQ(http_ask(&rig, &a, "HEAD /boards/b/", "accept: text/event-stream", NULL), 200);
    CHECK(a.stream == NULL && a.body == NULL);
    CHECK_STR(answer_field(&a, "Content-Type"), "text/event-stream");
    CHECK_EQ(http_ask(&rig, &a, "HEAD /boards/x/", "accept: text/event-stream", NULL), 404);
    listen_close(&l);
    listen_open(&l, &rig, "/boards/b/", NULL);
    listen_close(&l);
    answer_clear(&a);
    http_close(&rig);
}

/* ---- pace ----------------------------------------------------------------------------------- */

/* Lets the follower of the board see the score, by way of a listener. */
static void update(http_rig *rig, listener *l, int64_t score)
{
    set_score(rig, "p", score);
    listen_until(rig, l, one("p", score));
}

TEST(a_slow_reader_gets_the_newest)
{
    lb_http_options o = quick();
    listener fast = {.chunk = 0}, slow = {.by_hand = true};
    http_rig rig;
    char some[40];

    open_rig(&rig, &o);
    listen_open(&fast, &rig, "/boards/b/", NULL);
    listen_open(&slow, &rig, "/boards/b/", NULL);
    listen_read(&fast);
    /* Nothing was read: the states that follow take the place of the first. */
    update(&rig, &fast, 2);
    update(&rig, &fast, 3);
    CHECK_EQ(counters(&rig).skipped, 2);
    /* Something was: it is read to its end. */
    CHECK_EQ(lb_http_stream_read(slow.a.stream, some, sizeof some), (int)sizeof some);
    sse_feed(&slow.sse, some, sizeof some);
    update(&rig, &fast, 4);
    update(&rig, &fast, 5);
    slow.chunk = 10;
    CHECK_EQ(lb_http_stream_read(slow.a.stream, some, 1), 1);
    sse_feed(&slow.sse, some, 1);
    update(&rig, &fast, 6);
    CHECK_EQ(counters(&rig).skipped, 4);
    CHECK_EQ(slow.readies, 0);
    listen_read(&slow);
    CHECK_EQ(slow.sse.events, 2);
    CHECK_STR(slow.sse.last_data.bytes, one("p", 6));
    CHECK_STR(slow.sse.last_id.bytes, fast.sse.last_id.bytes);
    CHECK_EQ(counters(&rig).events, 2 * 6);
    listen_close(&fast);
    listen_close(&slow);
    http_close(&rig);
}

TEST(told_once_and_only_who_waits)
{
    lb_http_options o = quick();
    listener fast = {.chunk = 0}, waits = {.by_hand = true};
    http_rig rig;

    open_rig(&rig, &o);
    listen_open(&fast, &rig, "/boards/b/", NULL);
    listen_open(&waits, &rig, "/boards/b/", NULL);
    listen_read(&fast);
    update(&rig, &fast, 2);
    CHECK_EQ(waits.readies, 0);
    listen_read(&waits);
    update(&rig, &fast, 3);
    http_idle(&rig);
    CHECK_EQ(waits.readies, 1);
    update(&rig, &fast, 4);
    http_idle(&rig);
    CHECK_EQ(waits.readies, 1);
    listen_read(&waits);
    CHECK_STR(waits.sse.last_data.bytes, one("p", 4));
    listen_close(&fast);
    listen_close(&waits);
    http_close(&rig);
}

static void count_ready(lb_http_stream *stream, void *user)
{
    (void)stream;
    ++*(int *)user;
}

/* The function may be set after the news has come. */
TEST(told_late)
{
    lb_http_options o = quick();
    listener fast = {.chunk = 0}, late = {.by_hand = true};
    http_rig rig;
    int told = 0;

    open_rig(&rig, &o);
    listen_open(&fast, &rig, "/boards/b/", NULL);
    listen_open(&late, &rig, "/boards/b/", NULL);
    CHECK_EQ(lb_http_stream_ready(late.a.stream, NULL, NULL), 0);
    listen_read(&fast);
    listen_read(&late);
    update(&rig, &fast, 2);
    CHECK_EQ(lb_http_stream_ready(late.a.stream, count_ready, &told), 0);
    CHECK_EQ(told, 0);
    http_idle(&rig);
    CHECK_EQ(told, 1);
    CHECK_EQ(lb_http_stream_ready(late.a.stream, NULL, NULL), 0);
    listen_read(&late);
    ok(&rig, "DELETE /boards/b/");
    listen_until_closed(&rig, &fast);
    CHECK_EQ(told, 1);
    CHECK_EQ(lb_http_stream_ready(late.a.stream, count_ready, &told), 0);
    http_idle(&rig);
    CHECK_EQ(told, 2);
    listen_read(&late);
    CHECK(late.closed);
    CHECK_EQ(lb_http_stream_ready(late.a.stream, count_ready, &told), 0);
    http_idle(&rig);
    CHECK_EQ(told, 2);
    CHECK_EQ(lb_http_stream_read(late.a.stream, &told, 0), LB_E_INVAL);
    listen_close(&fast);
    listen_close(&late);
    http_close(&rig);
}

/* ---- many ----------------------------------------------------------------------------------- */

static bool one_follows(void *user)
{
    return counters(user).followers_now == 1;
}

TEST(one_follower_per_board)
{
    lb_http_options o = quick();
    listener a = {.chunk = 0}, b = {.chunk = 0}, c = {.chunk = 0};
    http_rig rig;

    open_rig(&rig, &o);
    ok(&rig, "PUT /boards/other/");
    listen_open(&a, &rig, "/boards/b/", NULL);
    listen_open(&b, &rig, "/boards/b/", NULL);
    listen_open(&c, &rig, "/boards/other/", NULL);
    CHECK_EQ(counters(&rig).followers_now, 2);
    CHECK_EQ(counters(&rig).streams_now, 3);
    listen_close(&a);
    listen_close(&c);
    CHECK_EQ(counters(&rig).followers_now, 2); /* they may come back */
    listen_open(&c, &rig, "/boards/other/", NULL);
    listen_read(&c);
    CHECK_STR(c.sse.last_data.bytes, "{\"players\":[]}");
    listen_close(&b);
    CHECK_EQ(counters(&rig).streams_now, 1);
    CHECK_EQ(counters(&rig).streams, 4);
    /* Who has left is not followed for ever, who has come back is. */
    http_until(&rig, one_follows, &rig);
    http_idle(&rig);
    CHECK(!c.closed);
    ok(&rig, "PUT /boards/other/players/p/");
    listen_until(&rig, &c, one("p", 0));
    listen_close(&c);
    http_close(&rig);
}

static bool few_follow(void *user)
{
    return counters(user).followers_now <= 64;
}

TEST(few_followers_wait_for_nobody)
{
    lb_http_options o = quick();
    listener l = {.chunk = 0};
    char line[60];
    http_rig rig;

    open_rig(&rig, &o);
    for (int i = 0; i < 200; i++) {
        (void)snprintf(line, sizeof line, "PUT /boards/b%d/", i);
        ok(&rig, line);
        listen_open(&l, &rig, line + 4, NULL);
        listen_close(&l);
        http_until(&rig, few_follow, &rig); /* one more while it is read */
    }
    http_close(&rig);
}

enum { MANY = 1000 };

struct crowd {
    http_rig *rig;
    listener *l;
    const char *data;
};

static bool all_heard(void *user)
{
    const struct crowd *crowd = user;

    for (int i = 0; i < MANY; i++) {
        if (strcmp(crowd->l[i].sse.last_data.bytes, crowd->data) != 0)
            return false;
    }
    return true;
}

/* They leave and come back at any moment, and read in pieces of any size. */
TEST(a_thousand, .timeout_s = 120)
{
    static listener l[MANY];
    lb_http_options o = quick();
    struct crowd crowd = {.l = l};
    uint64_t random = 7;
    http_rig rig;

    o.keep_alive_ms = 20;
    open_rig(&rig, &o);
    for (int i = 0; i < MANY; i++) {
        l[i].chunk = 1 + model_random(&random, 400);
        listen_open(&l[i], &rig, "/boards/b/", NULL);
    }
    for (int round = 0; round < 3000; round++) {
        listener *one_of = &l[model_random(&random, MANY)];
        size_t what = model_random(&random, 4);

        if (what == 0) {
            listen_close(one_of);
            one_of->chunk = 1 + model_random(&random, 400);
            listen_open(one_of, &rig, "/boards/b/", NULL);
        } else if (what == 1) {
            listen_read(one_of);
        } else if (what == 2) {
            set_score(&rig, "p", round + 2);
        }
        (void)http_turn(&rig, false);
    }
    set_score(&rig, "p", 12345);
    for (int i = 0; i < MANY; i++)
        listen_read(&l[i]);
    crowd.data = one("p", 12345);
    http_until(&rig, all_heard, &crowd);
    CHECK_EQ(counters(&rig).followers_now, 1);
    CHECK_EQ(counters(&rig).streams_now, MANY);
    for (int i = 0; i < MANY; i++) {
        CHECK(sse_is_between(&l[i].sse));
        listen_close(&l[i]);
    }
    http_close(&rig);
}

TEST(ten_thousand_come_and_go, .timeout_s = 120)
{
    enum { N = 10000 };
    static answer a[N];
    lb_http_options o = quick();
    uint64_t random = 3;
    http_rig rig;
    char buf[512];

    open_rig(&rig, &o);
    for (int i = 0; i < N; i++)
        CHECK_EQ(http_ask(&rig, &a[i], "GET /boards/b/", "accept: text/event-stream", NULL), 200);
    CHECK_EQ(counters(&rig).streams_now, N);
    for (int i = 0; i < N; i += 2) {
        while (lb_http_stream_read(a[i].stream, buf, sizeof buf) > 0)
            ;
    }
    set_score(&rig, "p", 2);
    http_idle(&rig);
    for (int i = N - 1; i > 0; i--) {
        size_t k = model_random(&random, (uint64_t)i + 1);
        answer swap = a[i];

        a[i] = a[k];
        a[k] = swap;
    }
    for (int i = 0; i < N; i++)
        answer_clear(&a[i]);
    CHECK_EQ(counters(&rig).streams_now, 0);
    http_close(&rig);
}

/* ---- leaving -------------------------------------------------------------------------------- */

TEST(outlives_the_handler)
{
    lb_http_options o = quick();
    listener read_all = {.chunk = 0}, unread = {.by_hand = true}, torn = {.by_hand = true};
    http_rig rig;
    char some[60];

    open_rig(&rig, &o);
    listen_open(&read_all, &rig, "/boards/b/", NULL);
    listen_open(&unread, &rig, "/boards/b/", NULL);
    listen_open(&torn, &rig, "/boards/b/", NULL);
    listen_read(&read_all);
    CHECK_EQ(lb_http_stream_read(torn.a.stream, some, sizeof some), (int)sizeof some);
    sse_feed(&torn.sse, some, sizeof some);
    http_close(&rig);
    CHECK_EQ(read_all.readies, 1); /* told inside lb_http_free() */
    CHECK(read_all.closed);
    listen_read(&unread);
    listen_read(&torn);
    CHECK(unread.closed && torn.closed);
    CHECK_STR(unread.sse.last_data.bytes, one("p", 1));
    CHECK_STR(torn.sse.last_data.bytes, one("p", 1));
    CHECK_EQ(lb_http_stream_ready(torn.a.stream, count_ready, NULL), 0);
    listen_close(&read_all);
    listen_close(&unread);
    listen_close(&torn);
}

struct killers {
    lb_http_stream *streams[20];
    int calls;
};

/* Whoever is told first ends all, itself too. */
static void kill_all(lb_http_stream *stream, void *user)
{
    struct killers *k = user;

    (void)stream;
    k->calls++;
    for (int i = 0; i < 20; i++)
        k->streams[i] = lb_http_stream_free(k->streams[i]);
}

static void open_killers(http_rig *rig, struct killers *k)
{
    answer a = {.count = 0};
    char buf[512];

    *k = (struct killers){.calls = 0};
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(http_ask(rig, &a, "GET /boards/b/", "accept: text/event-stream", NULL), 200);
        k->streams[i] = a.stream;
        a.stream = NULL;
        while (lb_http_stream_read(k->streams[i], buf, sizeof buf) > 0)
            ;
        CHECK_EQ(lb_http_stream_ready(k->streams[i], kill_all, k), 0);
    }
    answer_clear(&a);
}

static bool was_called(void *user)
{
    const struct killers *k = user;

    return k->calls > 0;
}

TEST(ended_inside_callbacks)
{
    lb_http_options o = quick();
    struct killers k;
    http_rig rig;

    open_rig(&rig, &o);
    open_killers(&rig, &k);
    set_score(&rig, "p", 2);
    http_until(&rig, was_called, &k);
    http_idle(&rig);
    CHECK_EQ(k.calls, 1);
    CHECK_EQ(counters(&rig).streams_now, 0);
    open_killers(&rig, &k);
    ok(&rig, "DELETE /boards/b/");
    http_until(&rig, was_called, &k);
    CHECK_EQ(k.calls, 1);
    set_score(&rig, "p", 2);
    open_killers(&rig, &k);
    http_close(&rig);
    CHECK_EQ(k.calls, 1);
}
