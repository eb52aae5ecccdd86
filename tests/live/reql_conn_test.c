/* The connection against a real server. */
#include "reql_drive.h"
#include "reql_server.h"
#include "test.h"

#include "reql/feed.h"
#include "reql/term.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check_first(struct drive *d, const char *text, int64_t number)
{
    struct outcome o = drive_ok(d, text);

    CHECK_EQ(o.number, number);
}

static void make_table(struct drive *d)
{
    (void)drive_ok(d, "[1,[57,[\"lb\"]]]");
    (void)drive_ok(d, "[1,[60,[[14,[\"lb\"]],\"scores\"]]]");
    (void)drive_ok(d, "[1,[177,[[15,[[14,[\"lb\"]],\"scores\"]]],{\"timeout\":10}]]");
}

TEST(shapes_of_answers, .timeout_s = 60)
{
    struct reql_server s = {0};
    struct drive d;
    struct outcome o;
    lbi_reql_state state;

    reql_server_start(&s);
    drive_open_at(&d, "127.0.0.1", s.port, NULL);
    check_first(&d, "[1,[24,[1,2]]]", 3);
    lbi_reql_conn_state(d.conn, &state);
    CHECK(state.connected);
    CHECK(strncmp(state.server_version, "2.", 2) == 0);
    CHECK_EQ(state.connects, 1);

    o = drive_ok(&d, "[1,[173,[5]]]");
    CHECK_EQ(o.n_values, 5);
    CHECK_EQ(o.type, LBI_REQL_SEQUENCE);
    o = drive_ok(&d, "[1,[173,[100000]]]"); /* more than one batch */
    CHECK_EQ(o.n_values, 100000);
    CHECK(o.batches > 0);
    o = (struct outcome){.stop_after = 1}; /* an endless one, stopped */
    (void)drive_submit(&d, "[1,[173,[]]]", 0, &o);
    drive_until(&d, &o.done);
    check_first(&d, "[1,[24,[1,2]]]", 3);
    lbi_reql_conn_state(d.conn, &state);
    CHECK_EQ(state.unknown_answers, 0);

    drive_query(&d, "[1,[12,[\"mine\"]]]", &o);
    CHECK_EQ(o.code, LB_E_QUERY);
    CHECK_EQ(o.error, LBI_REQL_USER_ERROR);
    CHECK_STR(o.message, "mine");
    drive_query(&d, "[1,[45,[[2,[]],0]]]", &o);
    CHECK_EQ(o.code, LB_E_NOTFOUND);
    drive_query(&d, "[1,[15,[\"nowhere\"]]]", &o);
    CHECK_EQ(o.code, LB_E_IO);
    CHECK_EQ(o.error, LBI_REQL_OP_FAILED);
    drive_query(&d, "[1,[9999,[]]]", &o);
    CHECK_EQ(o.type, LBI_REQL_COMPILE_ERROR);
    CHECK_EQ(o.code, LB_E_QUERY);
    drive_query(&d, "[1,\"\\ud800\"]", &o);
    CHECK_EQ(o.type, LBI_REQL_CLIENT_ERROR);
    drive_query(&d, "[5]", &o);
    CHECK_EQ(o.type, LBI_REQL_SERVER_INFO);
    drive_query(&d, "[5                         ]", &o); /* what a cancelled frame becomes */
    CHECK_EQ(o.type, LBI_REQL_SERVER_INFO);
    lbi_reql_conn_state(d.conn, &state);
    CHECK_EQ(state.connects, 1);
    drive_for(&d, 50);
    lbi_reql_conn_state(d.conn, &state);
    CHECK_EQ(state.queries, 0);
    drive_close(&d);
    reql_server_stop(&s, SIGKILL);
}

struct order {
    unsigned n;
    int64_t sum;
};

static int add_up(const lbi_reql_reply *reply, void *user)
{
    struct order *order = user;
    int64_t number = 0;

    CHECK_EQ(reply->code, 0);
    CHECK(lbi_json_int(lbi_json_first(reply->answer->values), &number));
    order->n++;
    order->sum += number;
    return 0;
}

TEST(five_thousand_in_flight, .timeout_s = 60)
{
    struct reql_server s = {0};
    struct drive d;
    struct order order = {0};
    lbi_reql_state state;

    reql_server_start(&s);
    drive_open_at(&d, "localhost", s.port, NULL);
    for (int i = 0; i < 5000; i++) {
        char text[64];
        lbi_reql_call call = {
            .text = text, .deadline_us = in_ms(20000), .fn = add_up, .user = &order};

        call.len = (size_t)snprintf(text, sizeof text, "[1,[24,[%d,1]]]", i);
        CHECK_OK(lbi_reql_submit(d.conn, &call, NULL, NULL));
    }
    while (order.n < 5000) {
        drive_for(&d, 1);
        lbi_reql_conn_state(d.conn, &state);
        CHECK(state.in_flight <= 500);
    }
    CHECK_EQ(order.sum, INT64_C(5000) * 4999 / 2 + 5000);
    drive_close(&d);
    reql_server_stop(&s, SIGKILL);
}

TEST(auth, .timeout_s = 60)
{
    struct reql_server s = {0};
    struct drive d;
    struct outcome o;
    lbi_reql_options who = {.user = "ann", .password = "s3cret \xc3\xa9"};

    reql_server_start(&s);
    drive_open_at(&d, "127.0.0.1", s.port, NULL);
    (void)drive_ok(&d, "[1,[56,[[15,[[14,[\"rethinkdb\"]],\"users\"]],"
                       "{\"id\":\"ann\",\"password\":{\"password\":\"s3cret \xc3\xa9\","
                       "\"iterations\":10000}}]]]");
    make_table(&d);
    drive_close(&d);

    drive_open_at(&d, "127.0.0.1", s.port, &who);
    check_first(&d, "[1,[24,[1,2]]]", 3);
    drive_query(&d, "[1,[15,[[14,[\"lb\"]],\"scores\"]]]", &o);
    CHECK_EQ(o.code, LB_E_AUTH);
    CHECK_EQ(o.error, LBI_REQL_PERMISSION);
    drive_query(&d, "[1,[152,[[15,[[14,[\"lb\"]],\"scores\"]]]]]", &o);
    CHECK_EQ(o.code, LB_E_AUTH); /* though the server says INTERNAL */
    CHECK_EQ(o.error, LBI_REQL_INTERNAL);
    drive_close(&d);

    who.password = "s3cret";
    drive_open_at(&d, "127.0.0.1", s.port, &who);
    drive_query(&d, "[1,[24,[1,2]]]", &o);
    CHECK_EQ(o.code, LB_E_AUTH);
    CHECK(!o.sent);
    CHECK(strstr(o.message, "wrong user or password"));
    CHECK(!strstr(o.message, "s3cret"));
    drive_close(&d);

    who.user = "nobody";
    drive_open_at(&d, "127.0.0.1", s.port, &who);
    drive_query(&d, "[1,[24,[1,2]]]", &o);
    CHECK_EQ(o.code, LB_E_AUTH);
    CHECK(strstr(o.message, "nobody"));
    drive_close(&d);
    reql_server_stop(&s, SIGKILL);
}

TEST(killed_and_restarted, .timeout_s = 90)
{
    struct reql_server s = {0};
    struct drive d;
    struct outcome slow = {0}, later = {0}, idle = {0};
    lbi_reql_state state;

    reql_server_start(&s);
    drive_open_at(&d, "127.0.0.1", s.port, NULL);
    check_first(&d, "[1,[24,[1,2]]]", 3);
    /* A query that the server works on for long, and one that cannot leave any more. */
    (void)drive_submit(&d, "[1,[43,[[39,[[173,[1000000000]],[69,[[2,[1]],false]]]]]]]", 0, &slow);
    drive_for(&d, 100);
    reql_server_stop(&s, SIGKILL);
    drive_until(&d, &slow.done);
    (void)drive_submit(&d, "[1,[24,[20,2]]]", 20000, &later);
    CHECK_EQ(slow.calls, 1);
    CHECK_EQ(slow.code, LB_E_IO);
    CHECK(slow.sent);
    CHECK_EQ(d.events[LBI_REQL_LOST], 1);
    drive_until_event(&d, LBI_REQL_FAILED, 2); /* refused, twice */
    (void)drive_submit(&d, "[1,[24,[1,2]]]", 300, &idle);
    drive_until(&d, &idle.done);
    CHECK_EQ(idle.code, LB_E_TIMEOUT);
    CHECK(!idle.sent);
    CHECK(strstr(idle.message, "refused"));
    CHECK(!later.done);
    reql_server_restart(&s);
    drive_until(&d, &later.done);
    CHECK_EQ(later.calls, 1);
    CHECK_EQ(later.code, 0);
    CHECK_EQ(later.number, 22);
    check_first(&d, "[1,[24,[1,2]]]", 3);
    lbi_reql_conn_state(d.conn, &state);
    CHECK_EQ(state.connects, 2);
    drive_close(&d);
    reql_server_stop(&s, SIGKILL);
}

TEST(a_graceful_end_is_an_end, .timeout_s = 60)
{
    struct reql_server s = {0};
    struct drive d;
    struct outcome slow = {0};

    reql_server_start(&s);
    drive_open_at(&d, "127.0.0.1", s.port, NULL);
    check_first(&d, "[1,[24,[1,2]]]", 3);
    (void)drive_submit(&d, "[1,[43,[[39,[[173,[1000000000]],[69,[[2,[1]],false]]]]]]]", 0, &slow);
    drive_for(&d, 100);
    reql_server_stop(&s, SIGINT);
    drive_until(&d, &slow.done);
    CHECK_EQ(slow.code, LB_E_IO);
    CHECK(slow.sent);
    drive_close(&d);
}

TEST(deadline_stops_the_query, .timeout_s = 60)
{
    struct reql_server s = {0};
    struct drive d;
    struct outcome slow = {0}, o;
    lbi_reql_state state;

    reql_server_start(&s);
    drive_open_at(&d, "127.0.0.1", s.port, NULL);
    check_first(&d, "[1,[24,[1,2]]]", 3);
    (void)drive_submit(&d, "[1,[43,[[39,[[173,[1000000000]],[69,[[2,[1]],false]]]]]]]", 200, &slow);
    drive_until(&d, &slow.done);
    CHECK_EQ(slow.code, LB_E_TIMEOUT);
    CHECK(slow.sent);
    /* The server has stopped it: no job of ours but the one that asks. */
    do {
        o = drive_ok(&d, "[1,[43,[[39,[[15,[[14,[\"rethinkdb\"]],\"jobs\"]],"
                         "{\"type\":\"query\"}]]]]]");
    } while (o.number > 1);
    lbi_reql_conn_state(d.conn, &state);
    CHECK_EQ(state.queries, 0); /* and both its answers came */
    CHECK_EQ(state.unknown_answers, 0);
    CHECK_EQ(state.connects, 1);
    drive_close(&d);
    reql_server_stop(&s, SIGKILL);
}

TEST(silent_server_is_noticed, .timeout_s = 25)
{
    struct reql_server s = {0};
    struct drive d;
    struct outcome o = {0};
    lbi_reql_options quick = {.silence_ms = 1500}; /* half a minute were beyond this test's time */

    reql_server_start(&s);
    drive_open_at(&d, "127.0.0.1", s.port, &quick);
    check_first(&d, "[1,[24,[1,2]]]", 3);
    drive_for(&d, 2500); /* idle, but alive */
    CHECK_EQ(d.events[LBI_REQL_LOST], 0);
    /* Without queries in flight. */
    reql_server_pause(&s);
    drive_until_event(&d, LBI_REQL_LOST, 1);
    CHECK(strstr(d.event_text, "nothing was heard"));
    kill(s.pid, SIGCONT);
    /* With one. */
    check_first(&d, "[1,[24,[1,2]]]", 3);
    reql_server_pause(&s);
    (void)drive_submit(&d, "[1,[24,[1,2]]]", 0, &o);
    drive_until(&d, &o.done);
    CHECK_EQ(o.code, LB_E_IO);
    CHECK(o.sent);
    kill(s.pid, SIGCONT);
    drive_close(&d);
    reql_server_stop(&s, SIGKILL);
}
