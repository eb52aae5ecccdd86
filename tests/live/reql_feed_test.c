/* Changefeeds of a real server: what is told, and every way in which they end. */
#include "reql_drive.h"
#include "reql_server.h"
#include "test.h"

#include "base/str.h"
#include "reql/feed.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#define T "[15,[[14,[\"lb\"]],\"t\"]]"
#define CHANGES(of, options) "[1,[152,[" of "],{" options "}]]"
#define ALL "\"include_initial\":true,\"include_states\":true"

struct follower {
    struct drive *d;
    lbi_reql_feed *feed;
    unsigned told[LBI_REQL_FEED_ENDED + 1];
    uint64_t skipped;
    int code;
    bool retry, ended, ready;
    bool stop_at_change, free_at_end, again_at_end;
    const char *query;
    char message[250];
};

static void start(struct follower *f)
{
    CHECK_OK(lbi_reql_feed_start(f->feed, f->query, strlen(f->query), in_ms(10000), NULL));
}

static void on_item(const lbi_reql_item *item, void *user)
{
    struct follower *f = user;

    f->told[item->kind]++;
    f->ready |= item->kind == LBI_REQL_FEED_READY;
    f->skipped += item->skipped;
    if (item->kind == LBI_REQL_FEED_CHANGE && f->stop_at_change)
        lbi_reql_feed_stop(f->feed);
    if (item->kind != LBI_REQL_FEED_ENDED)
        return;
    CHECK(!lbi_reql_feed_is_open(f->feed));
    f->code = item->code;
    f->retry = item->retry;
    f->ended = true;
    lbi_copy(f->message, sizeof f->message, item->message);
    if (f->again_at_end)
        start(f);
    if (f->free_at_end) {
        lbi_reql_feed_free(f->feed);
        f->feed = NULL;
    }
}

static void follow(struct follower *f, struct drive *d, const char *query)
{
    *f = (struct follower){.d = d, .query = query};
    CHECK_OK(lbi_reql_feed_new(d->conn, on_item, f, &f->feed, NULL));
    start(f);
}

static void open_all(struct reql_server *s, struct drive *d)
{
    reql_server_start(s);
    drive_open_at(d, "127.0.0.1", s->port, NULL);
    (void)drive_ok(d, "[1,[57,[\"lb\"]]]");
    (void)drive_ok(d, "[1,[60,[[14,[\"lb\"]],\"t\"]]]");
    (void)drive_ok(d, "[1,[177,[" T "]]]");
}

static void close_all(struct reql_server *s, struct drive *d)
{
    drive_close(d);
    reql_server_stop(s, SIGKILL);
}

static void until(struct follower *f, lbi_reql_item_kind kind, unsigned n)
{
    bool no = false;

    for (int i = 0; f->told[kind] < n; i++) {
        if (i > 20000)
            drive_until(f->d, &no); /* fails, with the last event */
        drive_for(f->d, 1);
    }
}

TEST(what_is_told, .timeout_s = 60)
{
    struct reql_server s = {0};
    struct drive d;
    struct follower f;
    lbi_reql_state state;

    open_all(&s, &d);
    (void)drive_ok(&d, "[1,[56,[" T ",[2,[{\"id\":1},{\"id\":2},{\"id\":3}]]]]]");
    follow(&f, &d, CHANGES(T, ALL));
    drive_until(&d, &f.ready);
    CHECK_EQ(f.told[LBI_REQL_FEED_OPEN], 1);
    CHECK_EQ(f.told[LBI_REQL_FEED_INITIALIZING], 1);
    CHECK_EQ(f.told[LBI_REQL_FEED_INITIAL], 3);
    CHECK(f.told[LBI_REQL_FEED_BATCH] >= 1);
    (void)drive_ok(&d, "[1,[56,[" T ",{\"id\":4}]]]");
    (void)drive_ok(&d, "[1,[54,[[16,[" T ",1]]]]]");
    until(&f, LBI_REQL_FEED_CHANGE, 2);
    /* A waiting feed is no query in flight. */
    lbi_reql_conn_state(d.conn, &state);
    CHECK_EQ(state.in_flight, 0);
    CHECK_EQ(state.queries, 1);
    lbi_reql_feed_stop(f.feed);
    (void)drive_ok(&d, "[1,[56,[" T ",{\"id\":5}]]]");
    drive_for(&d, 50);
    CHECK_EQ(f.told[LBI_REQL_FEED_CHANGE], 2);
    CHECK_EQ(f.told[LBI_REQL_FEED_ENDED], 0);
    lbi_reql_conn_state(d.conn, &state);
    CHECK_EQ(state.queries, 0);
    CHECK_EQ(state.unknown_answers, 0);
    start(&f); /* again */
    until(&f, LBI_REQL_FEED_READY, 2);
    lbi_reql_feed_free(f.feed);
    close_all(&s, &d);
}

TEST(point_feed_of_nothing, .timeout_s = 60)
{
    struct reql_server s = {0};
    struct drive d;
    struct follower f;

    open_all(&s, &d);
    follow(&f, &d, CHANGES("[16,[" T ",9]]", "\"include_initial\":true"));
    until(&f, LBI_REQL_FEED_INITIAL, 1);
    (void)drive_ok(&d, "[1,[56,[" T ",{\"id\":9}]]]");
    until(&f, LBI_REQL_FEED_CHANGE, 1);
    lbi_reql_feed_free(f.feed);
    close_all(&s, &d);
}

TEST(stopped_and_freed_inside, .timeout_s = 60)
{
    struct reql_server s = {0};
    struct drive d;
    struct follower f, g;

    open_all(&s, &d);
    follow(&f, &d, CHANGES(T, ALL));
    f.stop_at_change = true;
    follow(&g, &d, CHANGES(T, ALL));
    g.free_at_end = true;
    drive_until(&d, &f.ready);
    drive_until(&d, &g.ready);
    (void)drive_ok(&d, "[1,[56,[" T ",[2,[{\"id\":1},{\"id\":2},{\"id\":3}]]]]]");
    until(&g, LBI_REQL_FEED_CHANGE, 3);
    CHECK_EQ(f.told[LBI_REQL_FEED_CHANGE], 1);
    CHECK(!lbi_reql_feed_is_open(f.feed));
    (void)drive_ok(&d, "[1,[61,[[14,[\"lb\"]],\"t\"]]]");
    drive_until(&d, &g.ended);
    CHECK(!g.feed);
    CHECK(!f.ended);
    lbi_reql_feed_free(f.feed);
    close_all(&s, &d);
}

TEST(table_dropped, .timeout_s = 60)
{
    struct reql_server s = {0};
    struct drive d;
    struct follower f;

    open_all(&s, &d);
    follow(&f, &d, CHANGES(T, ALL));
    drive_until(&d, &f.ready);
    (void)drive_ok(&d, "[1,[61,[[14,[\"lb\"]],\"t\"]]]");
    drive_until(&d, &f.ended);
    CHECK_EQ(f.code, LB_E_IO);
    CHECK(f.retry);
    CHECK(strstr(f.message, "aborted"));
    f.ended = false;
    start(&f); /* the table is gone: the next one ends at once */
    drive_until(&d, &f.ended);
    CHECK_EQ(f.told[LBI_REQL_FEED_OPEN], 1);
    CHECK_EQ(f.told[LBI_REQL_FEED_ENDED], 2);
    lbi_reql_feed_free(f.feed);
    close_all(&s, &d);
}

TEST(queue_overflow_is_a_gap, .timeout_s = 60)
{
    struct reql_server s = {0};
    struct drive d;
    struct follower f;

    open_all(&s, &d);
    /* Squashing holds the changes back, so that a queue of ten overflows. */
    follow(&f, &d, CHANGES(T, ALL ",\"changefeed_queue_size\":10"));
    drive_until(&d, &f.ready);
    (void)drive_ok(&d, "[1,[56,[" T ",[38,[[173,[3000]],[69,[[2,[1]],{\"id\":[10,[1]]}]]]]]]]");
    until(&f, LBI_REQL_FEED_GAP, 1);
    CHECK(f.skipped >= 10);
    CHECK(!f.ended);
    drive_for(&d, 200);
    f.told[LBI_REQL_FEED_CHANGE] = 0;
    (void)drive_ok(&d, "[1,[56,[" T ",{\"id\":\"after\"}]]]");
    until(&f, LBI_REQL_FEED_CHANGE, 1); /* it goes on */
    lbi_reql_feed_free(f.feed);
    close_all(&s, &d);
}

TEST(permission_revoked, .timeout_s = 60)
{
    struct reql_server s = {0};
    struct drive d, ann;
    struct follower f;
    lbi_reql_options who = {.user = "ann", .password = "x"};

    open_all(&s, &d);
    (void)drive_ok(&d, "[1,[56,[[15,[[14,[\"rethinkdb\"]],\"users\"]],"
                       "{\"id\":\"ann\",\"password\":\"x\"}]]]");
    (void)drive_ok(&d, "[1,[188,[" T ",\"ann\",{\"read\":true}]]]");
    drive_open_at(&ann, "127.0.0.1", s.port, &who);
    follow(&f, &ann, CHANGES(T, ALL));
    drive_until(&ann, &f.ready);
    (void)drive_ok(&d, "[1,[188,[" T ",\"ann\",{\"read\":false}]]]");
    (void)drive_ok(&d, "[1,[56,[" T ",{\"id\":1}]]]");
    (void)drive_ok(&d, "[1,[56,[" T ",{\"id\":2}]]]");
    drive_until(&ann, &f.ended);
    CHECK_EQ(f.code, LB_E_AUTH);
    CHECK(!f.retry);
    f.ended = false;
    start(&f);
    drive_until(&ann, &f.ended);
    CHECK_EQ(f.code, LB_E_AUTH);
    lbi_reql_feed_free(f.feed);
    drive_close(&ann);
    close_all(&s, &d);
}

TEST(server_killed, .timeout_s = 60)
{
    struct reql_server s = {0};
    struct drive d;
    struct follower f;

    open_all(&s, &d);
    follow(&f, &d, CHANGES(T, ALL));
    drive_until(&d, &f.ready);
    f.again_at_end = true; /* it waits for the connection by itself */
    reql_server_stop(&s, SIGKILL);
    drive_until(&d, &f.ended);
    CHECK_EQ(f.code, LB_E_IO);
    CHECK(f.retry);
    CHECK_EQ(f.told[LBI_REQL_FEED_ENDED], 1);
    f.again_at_end = false;
    f.ended = false;
    reql_server_restart(&s);
    while (f.told[LBI_REQL_FEED_READY] < 2) {
        drive_for(&d, 5);
        if (!f.ended) /* the table may not be ready yet */
            continue;
        CHECK(f.retry);
        f.ended = false;
        start(&f);
    }
    lbi_reql_feed_free(f.feed);
    close_all(&s, &d);
}

TEST(limit_ends_in_order, .timeout_s = 60)
{
    struct reql_server s = {0};
    struct drive d;
    struct follower f;

    open_all(&s, &d);
    follow(&f, &d, "[1,[71,[[152,[" T "]],2]]]");
    until(&f, LBI_REQL_FEED_OPEN, 1);
    (void)drive_ok(&d, "[1,[56,[" T ",[2,[{\"id\":1},{\"id\":2},{\"id\":3}]]]]]");
    drive_until(&d, &f.ended);
    CHECK_EQ(f.told[LBI_REQL_FEED_CHANGE], 2);
    CHECK_STR(f.message, "the server ended the feed");
    lbi_reql_feed_free(f.feed);
    close_all(&s, &d);
}

TEST(two_thousand_feeds_and_a_query, .timeout_s = 90)
{
    enum { N = 2000 };
    static struct follower f[N];
    struct reql_server s = {0};
    struct drive d;
    lbi_reql_state state;

    open_all(&s, &d);
    for (int i = 0; i < N; i++)
        follow(&f[i], &d, CHANGES("[16,[" T ",1]]", "\"include_initial\":true"));
    for (int i = 0; i < N; i++)
        until(&f[i], LBI_REQL_FEED_INITIAL, 1);
    CHECK_EQ(drive_ok(&d, "[1,[24,[1,2]]]").number, 3);
    (void)drive_ok(&d, "[1,[56,[" T ",{\"id\":1}]]]");
    for (int i = 0; i < N; i++)
        until(&f[i], LBI_REQL_FEED_CHANGE, 1);
    for (int i = 0; i < N; i++)
        lbi_reql_feed_free(f[i].feed);
    do {
        CHECK_EQ(drive_ok(&d, "[1,[24,[1,2]]]").number, 3);
        lbi_reql_conn_state(d.conn, &state);
    } while (state.queries > 0);
    CHECK_EQ(state.unknown_answers, 0);
    CHECK_EQ(state.connects, 1);
    close_all(&s, &d);
}
