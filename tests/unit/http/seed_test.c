/* What was wrong with the service that this one is compatible with, as far as a client could see
 * it. Each test is one of its faults. */
#include "http_rig.h"
#include "model_store.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char json[] = "content-type: application/json";

static void expect(http_rig *rig, answer *a, const char *line, const char *body, int status)
{
    int got = http_ask(rig, a, line, body ? json : NULL, body);

    if (got != status)
        FAIL("%s: %d %s", line, got, a->body ? a->body : "");
}

static void do_(http_rig *rig, const char *line, const char *body)
{
    answer a = {.count = 0};

    (void)http_ask(rig, &a, line, body ? json : NULL, body);
    if (a.status / 100 != 2)
        FAIL("%s: %d %s", line, a.status, a.body ? a.body : "");
    answer_clear(&a);
}

static void add(http_rig *rig, const char *player, int amount)
{
    char line[100], body[40];

    (void)snprintf(line, sizeof line, "POST /boards/b/players/%s/score-add/", player);
    (void)snprintf(body, sizeof body, "{\"amount\":%d}", amount);
    do_(rig, line, body);
}

/* Board b with p1..p6, who have 60, 50 .. 10. */
static void open_rig(http_rig *rig)
{
    lb_http_options o;
    char line[60], player[8];

    lb_http_options_init(&o);
    o.min_interval_ms = 1;
    http_open_sqlite(rig, &o);
    do_(rig, "PUT /boards/b/", NULL);
    for (int i = 1; i <= 6; i++) {
        (void)snprintf(player, sizeof player, "p%d", i);
        (void)snprintf(line, sizeof line, "PUT /boards/b/players/%s/", player);
        do_(rig, line, NULL);
        add(rig, player, 70 - 10 * i);
    }
}

/* The ids of a body's players, in order, with a space behind each. */
static const char *ids_of(const char *body)
{
    static char text[512];

    text[0] = '\0';
    while ((body = strstr(body, "{\"id\":\""))) {
        size_t used = strlen(text);

        body += strlen("{\"id\":\"");
        (void)snprintf(text + used, sizeof text - used, "%.*s ", (int)strcspn(body, "\""), body);
    }
    return text;
}

struct wanted {
    const listener *l;
    const char *ids;
};

static bool has_ids(void *user)
{
    const struct wanted *w = user;

    return strcmp(ids_of(w->l->sse.last_data.bytes), w->ids) == 0;
}

static void until_ids(http_rig *rig, const listener *l, const char *ids)
{
    http_until(rig, has_ids, &(struct wanted){.l = l, .ids = ids});
}

/* ---- requests ------------------------------------------------------------------------------- */

TEST(unknown_is_404_not_500)
{
    answer a = {.count = 0};
    http_rig rig;

    open_rig(&rig);
    expect(&rig, &a, "GET /boards/nosuch/", NULL, 404);
    expect(&rig, &a, "GET /boards/b/players/nosuch/", NULL, 404);
    expect(&rig, &a, "POST /boards/b/players/nosuch/score-add/", NULL, 404);
    answer_clear(&a);
    http_close(&rig);
}

TEST(accept_may_be_missing_or_a_list)
{
    static const struct {
        const char *fields;
        bool stream;
    } cases[] = {
        {NULL, false},
        {"accept: text/html, text/event-stream", true},
        {"accept: text/event-stream;charset=utf-8", true},
        {"accept: text/event-stream;q=0.1, application/json", false},
    };
    answer a = {.count = 0};
    http_rig rig;

    open_rig(&rig);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK_EQ(http_ask(&rig, &a, "GET /boards/b/", cases[i].fields, NULL), 200);
        CHECK_EQ(a.stream != NULL, cases[i].stream);
    }
    answer_clear(&a);
    http_close(&rig);
}

TEST(other_boards_do_not_matter)
{
    answer a = {.count = 0};
    http_rig rig;

    open_rig(&rig);
    do_(&rig, "PUT /boards/c/", NULL);
    do_(&rig, "PUT /boards/c/players/x/", NULL);
    do_(&rig, "POST /boards/c/players/x/score-add/", "{\"amount\":1000}");
    expect(&rig, &a, "GET /boards/b/", NULL, 200);
    CHECK_STR(ids_of(a.body), "p1 p2 p3 p4 p5 ");
    answer_clear(&a);
    http_close(&rig);
}

TEST(ties_have_an_order)
{
    answer a = {.count = 0};
    http_rig rig;

    open_rig(&rig);
    add(&rig, "p6", 20); /* 30, as p4, who had it first */
    expect(&rig, &a, "GET /boards/b/", NULL, 200);
    CHECK_STR(ids_of(a.body), "p1 p2 p3 p4 p6 ");
    CHECK(strstr(a.body, "\"score\":30,\"position\":4,\"rank\":4}"));
    CHECK(strstr(a.body, "\"score\":30,\"position\":5,\"rank\":4}"));
    answer_clear(&a);
    http_close(&rig);
}

/* Each reply is of its own add, whoever else adds at the same time. */
TEST(an_add_is_answered_with_its_own_score)
{
    enum { N = 200 };
    static answer a[N];
    bool seen[N + 1] = {false};
    http_rig rig;

    open_rig(&rig);
    for (int i = 0; i < N; i++)
        CHECK_EQ(
            http_start(&rig, &a[i], "POST /boards/b/players/p6/score-add/", NULL, NULL, 0, NULL),
            0);
    for (int i = 0; i < N; i++) {
        const char *score;
        int value;

        while (a[i].count == 0)
            (void)http_turn(&rig, true);
        CHECK_EQ(a[i].status, 200);
        score = strstr(a[i].body, "\"score\":");
        value = atoi(score + strlen("\"score\":"));
        CHECK(value > 10 && value <= 10 + N && !seen[value - 10]);
        seen[value - 10] = true;
        answer_clear(&a[i]);
    }
    http_close(&rig);
}

TEST(names_are_given_as_they_are)
{
    answer a = {.count = 0};
    http_rig rig;

    open_rig(&rig);
    expect(&rig, &a, "PUT /boards/b/players/p1/", "{\"name\":\"<b>A & B</b> \\\"'\\\\\"}", 200);
    CHECK_STR(a.body, "{\"id\":\"p1\",\"name\":\"<b>A & B</b> \\\"'\\\\\",\"score\":60}\n");
    CHECK_STR(answer_field(&a, "X-Content-Type-Options"), "nosniff");
    answer_clear(&a);
    http_close(&rig);
}

TEST(a_deleted_board_takes_its_players)
{
    answer a = {.count = 0};
    http_rig rig;

    open_rig(&rig);
    do_(&rig, "DELETE /boards/b/", NULL);
    do_(&rig, "PUT /boards/b/", NULL);
    expect(&rig, &a, "GET /boards/b/players/p1/", NULL, 404);
    expect(&rig, &a, "GET /boards/b/", NULL, 200);
    CHECK_STR(a.body, "{\"players\":[]}\n");
    answer_clear(&a);
    http_close(&rig);
}

TEST(overlong_ids_are_400_not_500)
{
    answer a = {.count = 0};
    char line[1200];
    http_rig rig;

    open_rig(&rig);
    (void)snprintf(line, sizeof line, "GET /boards/%01000d/", 0);
    expect(&rig, &a, line, NULL, 400);
    (void)snprintf(line, sizeof line, "POST /boards/b/players/%01000d/score-add/", 0);
    expect(&rig, &a, line, NULL, 400);
    answer_clear(&a);
    http_close(&rig);
}

TEST(the_board_of_an_add_must_exist)
{
    answer a = {.count = 0};
    http_rig rig;

    open_rig(&rig);
    expect(&rig, &a, "POST /boards/nosuch/players/p1/score-add/", NULL, 404);
    expect(&rig, &a, "GET /boards/nosuch/players/p1/", NULL, 404);
    expect(&rig, &a, "GET /boards/nosuch/", NULL, 404);
    answer_clear(&a);
    http_close(&rig);
}

TEST(an_amount_may_be_given)
{
    answer a = {.count = 0};
    http_rig rig;

    open_rig(&rig);
    expect(&rig, &a, "POST /boards/b/players/p6/score-add/", NULL, 200);
    CHECK(strstr(a.body, "\"score\":11}"));
    expect(&rig, &a, "POST /boards/b/players/p6/score-add/", "{\"amount\":-12}", 200);
    CHECK(strstr(a.body, "\"score\":-1}"));
    answer_clear(&a);
    http_close(&rig);
}

/* ---- streams -------------------------------------------------------------------------------- */

TEST(a_stream_begins_with_data_and_ids)
{
    listener l = {.chunk = 0};
    http_rig rig;

    open_rig(&rig);
    listen_open(&l, &rig, "/boards/b/", NULL);
    listen_read(&l);
    CHECK_STR(ids_of(l.sse.last_data.bytes), "p1 p2 p3 p4 p5 ");
    CHECK_STR(l.sse.last_type.bytes, "update");
    CHECK_EQ(l.sse.last_id.len, LB_STATE_SIZE - 1);
    listen_close(&l);
    http_close(&rig);
}

/* Whatever happens between the request and the first read is not lost. */
TEST(no_change_is_lost_while_a_stream_opens)
{
    listener l = {.chunk = 0};
    uint64_t random = 5;
    http_rig rig;

    open_rig(&rig);
    for (int round = 0; round < 50; round++) {
        char want[40], line[60], player[8];
        answer reply = {.count = 0};

        (void)snprintf(player, sizeof player, "n%d", round);
        (void)snprintf(line, sizeof line, "PUT /boards/b/players/%s/", player);
        do_(&rig, line, NULL);
        CHECK_EQ(
            http_start(&rig, &l.a, "GET /boards/b/", "accept: text/event-stream", NULL, 0, NULL),
            0);
        for (uint64_t n = model_random(&random, 6); n > 0; n--)
            (void)http_turn(&rig, false);
        (void)snprintf(line, sizeof line, "POST /boards/b/players/%s/score-add/", player);
        CHECK_EQ(http_ask(&rig, &reply, line, json, "{\"amount\":100}"), 200);
        answer_clear(&reply);
        while (l.a.count == 0)
            (void)http_turn(&rig, true);
        sse_open(&l.sse);
        (void)snprintf(want, sizeof want, "%s p1 p2 p3 p4 ", player);
        while (strcmp(ids_of(l.sse.last_data.bytes), want) != 0) {
            listen_read(&l);
            if (strcmp(ids_of(l.sse.last_data.bytes), want) != 0)
                (void)http_turn(&rig, true);
        }
        listen_close(&l);
        (void)snprintf(line, sizeof line, "DELETE /boards/b/players/%s/", player);
        do_(&rig, line, NULL);
    }
    http_close(&rig);
}

TEST(a_deleted_player_is_an_update)
{
    listener l = {.chunk = 0};
    http_rig rig;

    open_rig(&rig);
    listen_open(&l, &rig, "/boards/b/", NULL);
    listen_read(&l);
    do_(&rig, "DELETE /boards/b/players/p2/", NULL);
    until_ids(&rig, &l, "p1 p3 p4 p5 p6 ");
    listen_close(&l);
    http_close(&rig);
}

TEST(who_falls_out_of_the_top_leaves_it)
{
    listener l = {.chunk = 0};
    http_rig rig;

    open_rig(&rig);
    listen_open(&l, &rig, "/boards/b/", NULL);
    listen_read(&l);
    add(&rig, "p1", -55);
    until_ids(&rig, &l, "p2 p3 p4 p5 p6 ");
    listen_close(&l);
    http_close(&rig);
}

/* A change below the top is no event: the next event is that of the next change in it. */
TEST(changes_below_the_top_are_not_sent)
{
    listener l = {.chunk = 0};
    http_rig rig;

    open_rig(&rig);
    listen_open(&l, &rig, "/boards/b/", NULL);
    listen_read(&l);
    for (int i = 0; i < 5; i++)
        add(&rig, "p6", 1);
    add(&rig, "p6", 30);
    until_ids(&rig, &l, "p1 p2 p6 p3 p4 ");
    CHECK_EQ(l.sse.events, 2);
    listen_close(&l);
    http_close(&rig);
}

TEST(a_state_says_which_it_is)
{
    answer before = {.count = 0}, after = {.count = 0};
    http_rig rig;

    open_rig(&rig);
    expect(&rig, &before, "GET /boards/b/", NULL, 200);
    add(&rig, "p1", 1);
    expect(&rig, &after, "GET /boards/b/", NULL, 200);
    CHECK(*answer_field(&after, "ETag"));
    CHECK(!strstr(before.fields, answer_field(&after, "ETag")));
    answer_clear(&before);
    answer_clear(&after);
    http_close(&rig);
}
