/* Boards in an SQLite file, relays that follow them, and a proxy that records what it is sent. */
#include "leaderboard-push.h"

#include "capture.h"
#include "fake_http.h"
#include "fault.h"
#include "test.h"

#include "os/clock.h"
#include "push/relay.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RELAYS = 2, NONE = -100 };

/* A proxy, relays as if of different processes, and somebody who writes. */
typedef struct rig {
    fake_http http;
    lb_client *writer;
    const char *second; /* URL of another proxy, or NULL */
    struct one {
        lb_client *client;
        lb_push *push;
        lb_relay *relay;
        int stopped; /* the code, NONE before */
        int retries; /* notices */
        int helpless, helped, standbys;
    } one[RELAYS];
} rig;

static lb_client *open_client(void)
{
    lb_options o;
    lb_client *client = NULL;

    lb_options_init(&o);
    o.database = "sqlite:test.db";
    CHECK_OK(lb_client_new(&o, &client, NULL));
    return client;
}

static void on_notice(const lb_notice *notice, void *user)
{
    struct one *one = user;

    one->retries += notice->kind == LB_NOTICE_PUSH_RETRY;
    one->helpless += notice->kind == LB_NOTICE_RELAY && notice->code < 0;
    one->helped += strstr(notice->message, "answers the relay again") != NULL;
    one->standbys += strstr(notice->message, "stands by") != NULL;
}

static void start_relay(rig *r, int i, const lb_relay_options *opts)
{
    lb_push_options o;
    char url[200];

    snprintf(url, sizeof url, "http://127.0.0.1:%u/?key=k %s", r->http.port,
             r->second ? r->second : "");
    lb_push_options_init(&o);
    o.grip_url = url;
    o.notice = on_notice;
    o.notice_user = &r->one[i];
    r->one[i].stopped = NONE;
    r->one[i].client = open_client();
    CHECK_OK(lb_push_new(&o, &r->one[i].push, NULL));
    CHECK_OK(lb_relay_new(r->one[i].client, r->one[i].push, opts, &r->one[i].relay, NULL));
}

static void end_relay(rig *r, int i)
{
    lb_relay_free(r->one[i].relay);
    lb_push_free(r->one[i].push);
    lb_client_free(r->one[i].client);
    memset(&r->one[i], 0, sizeof r->one[i]);
}

static void set_up(rig *r)
{
    unsetenv("http_proxy");
    unsetenv("all_proxy");
    memset(r, 0, sizeof *r);
    fake_http_start(&r->http);
    r->writer = open_client();
    CHECK_OK(lb_board_create(r->writer, "b", 0, NULL, NULL, NULL));
}

static void tear_down(rig *r)
{
    for (int i = 0; i < RELAYS; i++) {
        if (r->one[i].push)
            end_relay(r, i);
    }
    lb_client_free(r->writer);
    fake_http_stop(&r->http);
}

static void earliest(uint64_t *deadline, uint64_t other)
{
    if (other < *deadline)
        *deadline = other;
}

/* One turn of a loop around everything. */
static void turn(rig *r)
{
    struct pollfd fds[1 + 2 * RELAYS] = {{.fd = fake_http_fd(&r->http), .events = POLLIN}};
    uint64_t deadline = LB_NEVER, due, now;
    nfds_t n = 1;

    for (int i = 0; i < RELAYS; i++) {
        if (!r->one[i].push)
            continue;
        fds[n++] = (struct pollfd){.fd = lb_push_fd(r->one[i].push), .events = POLLIN};
        fds[n++] = (struct pollfd){.fd = lb_client_fd(r->one[i].client), .events = POLLIN};
        CHECK_OK(lb_push_deadline(r->one[i].push, &due));
        earliest(&deadline, due);
        CHECK_OK(lb_client_deadline(r->one[i].client, &due));
        earliest(&deadline, due);
    }
    now = lbi_clock_us();
    if (deadline > now + 60000000)
        deadline = now + 60000000;
    CHECK(poll(fds, n, deadline <= now ? 0 : (int)((deadline - now) / 1000 + 1)) >= 0);
    fake_http_process(&r->http);
    for (int i = 0; i < RELAYS; i++) {
        if (!r->one[i].push)
            continue;
        CHECK_OK(lb_client_process(r->one[i].client));
        CHECK_OK(lb_push_process(r->one[i].push));
    }
}

#define UNTIL(r, condition)                                                                        \
    while (!(condition))                                                                           \
    turn(r)

static void add(rig *r, const char *board, const char *player, int64_t amount)
{
    lb_write_options o;

    lb_write_options_init(&o);
    o.flags = LB_WRITE_CREATE;
    CHECK_OK(lb_score_add(r->writer, board, player, amount, &o, NULL, NULL));
}

static lb_relay_counters counters(rig *r, int i)
{
    lb_relay_counters c;

    CHECK_OK(lb_relay_counters_get(r->one[i].relay, &c, sizeof c));
    return c;
}

static bool is_active(rig *r, int i)
{
    return r->one[i].relay && counters(r, i).active;
}

/* The items of the last request that has one of this channel, "" if there is none. */
static const char *latest(rig *r, const char *channel)
{
    size_t i = r->http.n_requests;

    while (i-- > 0) {
        const char *items = fake_http_items(&r->http, i);
        const char *at = items;

        /* An id may end with the name of a channel, an item begins with it. */
        while ((at = strstr(at, channel)) != NULL && at - items >= 2 && at[-2] != ',')
            at++;
        if (at)
            return at;
    }
    return "";
}

static bool shows(rig *r, const char *channel, const char *text)
{
    return strstr(latest(r, channel), text) != NULL;
}

/* The first publication about a board is a hint, wait for it. */
static void start_known(rig *r, const lb_relay_options *opts)
{
    start_relay(r, 0, opts);
    UNTIL(r, shows(r, "b ", "hint"));
}

/* How often a text is in everything that was sent. */
static size_t count(rig *r, const char *text)
{
    size_t n = 0;

    for (size_t i = 0; i < r->http.n_requests; i++) {
        for (const char *at = r->http.requests[i].body; (at = strstr(at, text)); at++)
            n++;
    }
    return n;
}

TEST(a_change)
{
    char id[LB_STATE_SIZE + 10], prev[LB_STATE_SIZE + 10];
    rig r;

    set_up(&r);
    start_known(&r, NULL);
    add(&r, "b", "ann", 3);
    UNTIL(&r, shows(&r, "b ", "\"score\":3"));
    /* The id of the publication is the event's, and it is chained to the state before. */
    CHECK_EQ(sscanf(latest(&r, "b "), "b %33s %33s", id, prev), 2);
    CHECK_EQ(strlen(id), LB_STATE_SIZE - 1);
    CHECK_EQ(strlen(prev), LB_STATE_SIZE - 1);
    CHECK(strncmp(strstr(latest(&r, "b "), prev) + strlen(prev), " id: ", 5) == 0);
    CHECK_STR(strstr(latest(&r, "b "), "\nevent: "),
              "\nevent: update\ndata: {\"players\":[{\"id\":\"ann\",\"name\":\"ann\",\"score\":3,"
              "\"position\":1,\"rank\":1}]}\n\n");
    add(&r, "b", "ann", 1);
    UNTIL(&r, shows(&r, "b ", "\"score\":4"));
    CHECK(strstr(latest(&r, "b "), id) != NULL);
    CHECK_EQ(counters(&r, 0).activations, 1);
    tear_down(&r);
}

TEST(the_channel_has_a_prefix)
{
    lb_relay_options o;
    rig r;

    set_up(&r);
    lb_relay_options_init(&o);
    o.prefix = "leaderboard-";
    start_relay(&r, 0, &o);
    UNTIL(&r, shows(&r, "leaderboard-b ", "hint"));
    tear_down(&r);
}

TEST(many_changes_are_few_publications)
{
    lb_relay_options o;
    rig r;

    set_up(&r);
    lb_relay_options_init(&o);
    o.min_interval_ms = 200;
    start_known(&r, &o);
    for (int i = 1; i <= 500; i++) {
        add(&r, "b", "ann", 1);
        if (i % 10 == 0)
            turn(&r);
    }
    UNTIL(&r, shows(&r, "b ", "\"score\":500,"));
    CHECK(r.http.n_requests < 100);
    tear_down(&r);
}

TEST(an_unchanged_top_is_not_sent_again)
{
    lb_relay_options o;
    size_t n;
    rig r;

    set_up(&r);
    add(&r, "b", "ann", 100);
    lb_relay_options_init(&o);
    o.limit = 1;
    o.min_interval_ms = 1;
    start_known(&r, &o);
    n = r.http.n_requests;
    for (int i = 1; i <= 5; i++) {
        uint64_t unchanged = counters(&r, 0).unchanged;

        add(&r, "b", "bob", 1);
        UNTIL(&r, counters(&r, 0).unchanged > unchanged);
    }
    add(&r, "b", "ann", 1);
    UNTIL(&r, shows(&r, "b ", "\"score\":101"));
    CHECK_EQ(r.http.n_requests, n + 1);
    CHECK_EQ(count(&r, "bob"), 0);
    tear_down(&r);
}

TEST(boards_that_come_and_go)
{
    rig r;

    set_up(&r);
    start_known(&r, NULL);
    add(&r, "new", "ann", 1);
    UNTIL(&r, shows(&r, "new ", "hint"));
    add(&r, "new", "ann", 1);
    UNTIL(&r, shows(&r, "new ", "\"score\":2"));
    CHECK_OK(lb_board_delete(r.writer, "new", NULL, NULL));
    UNTIL(&r, shows(&r, "new ", "close"));
    add(&r, "new", "bob", 7);
    UNTIL(&r, shows(&r, "new ", "hint"));
    add(&r, "new", "bob", 1);
    UNTIL(&r, shows(&r, "new ", "\"score\":8"));
    tear_down(&r);
}

/* Whoever listens while no relay runs is told to look when one does. */
TEST(boards_that_were_there_before)
{
    rig r;

    set_up(&r);
    for (int i = 0; i < 50; i++) {
        char board[20];

        snprintf(board, sizeof board, "board-%02d", i);
        add(&r, board, "ann", 1);
    }
    start_relay(&r, 0, NULL);
    UNTIL(&r, count(&r, "\"hint\"") == 51);
    for (int i = 0; i < 50; i++) {
        char board[20];

        snprintf(board, sizeof board, "board-%02d\"", i);
        CHECK_EQ(count(&r, board), 1);
    }
    tear_down(&r);
}

/* A state that another relay has published within a minute the proxy would drop. */
TEST(a_state_from_before)
{
    rig r;

    set_up(&r);
    add(&r, "b", "ann", 5);
    start_known(&r, NULL);
    add(&r, "b", "bob", 9);
    UNTIL(&r, shows(&r, "b ", "bob"));
    CHECK_OK(lb_player_remove(r.writer, "b", "bob", NULL, NULL));
    UNTIL(&r, shows(&r, "b ", "hint"));
    CHECK_EQ(count(&r, "\\\"score\\\":5,\\\"position\\\":1"), 0);
    tear_down(&r);
}

TEST(nothing_is_lost_while_the_proxy_is_down)
{
    rig r;

    set_up(&r);
    start_known(&r, NULL);
    add(&r, "b", "ann", 1);
    UNTIL(&r, shows(&r, "b ", "\"score\":1"));
    fake_http_close(&r.http);
    for (int i = 2; i <= 20; i++)
        add(&r, "b", "ann", 1);
    add(&r, "c", "ann", 1);
    UNTIL(&r, r.one[0].retries >= 1);
    fake_http_open(&r.http);
    UNTIL(&r, shows(&r, "b ", "\"score\":20") && shows(&r, "c ", "hint"));
    tear_down(&r);
}

TEST(more_boards_than_there_is_room_for)
{
    lb_relay_options o;
    bool recovered = false;
    rig r;

    set_up(&r);
    lb_relay_options_init(&o);
    o.max_boards = 2;
    start_known(&r, &o);
    for (int i = 0; i < 20; i++) {
        char board[20];

        snprintf(board, sizeof board, "board-%d", i);
        add(&r, board, "ann", 1);
    }
    while (!recovered) {
        turn(&r);
        for (size_t i = 0; i < r.http.n_requests; i++)
            recovered |= strncmp(r.http.requests[i].head, "POST /recover/", 14) == 0;
    }
    CHECK(counters(&r, 0).boards <= 2);
    tear_down(&r);
}

TEST(one_at_a_time)
{
    rig r;

    set_up(&r);
    start_relay(&r, 0, NULL);
    UNTIL(&r, is_active(&r, 0));
    start_relay(&r, 1, NULL);
    UNTIL(&r, counters(&r, 1).resets > 0 && shows(&r, "b ", "hint") && r.one[1].standbys == 1);
    for (int i = 1; i <= 5; i++) {
        char score[30];

        add(&r, "b", "ann", 1);
        snprintf(score, sizeof score, "\"score\":%d", i);
        UNTIL(&r, counters(&r, 1).changes >= (uint64_t)i && shows(&r, "b ", score));
        CHECK(is_active(&r, 0) && !is_active(&r, 1));
    }
    CHECK_EQ(counters(&r, 1).published, 0);
    CHECK_EQ(r.one[1].standbys, 1); /* it says so once */
    tear_down(&r);
}

/* It has gone without a word; its lease runs out. */
TEST(a_standby_takes_over)
{
    uint64_t begin;
    rig r;

    set_up(&r);
    start_known(&r, NULL);
    add(&r, "b", "ann", 1);
    UNTIL(&r, shows(&r, "b ", "\"score\":1"));
    start_relay(&r, 1, NULL);
    begin = lbi_clock_us();
    end_relay(&r, 0);
    add(&r, "b", "ann", 1);
    UNTIL(&r, is_active(&r, 1));
    /* Not before the lease has run out: the other one might still be there. */
    CHECK(lbi_clock_us() - begin > 2000000);
    UNTIL(&r, shows(&r, "b ", "hint"));
    add(&r, "b", "ann", 1);
    UNTIL(&r, shows(&r, "b ", "\"score\":3"));
    tear_down(&r);
}

static void on_stopped(int code, void *user)
{
    int *stopped = user;

    CHECK_EQ(*stopped, NONE);
    *stopped = code;
}

static void turn_of(rig *r, int i)
{
    int only = 1 - i;
    struct one kept = r->one[only];

    memset(&r->one[only], 0, sizeof r->one[only]);
    turn(r);
    r->one[only] = kept;
}

/* It stood still for longer than its lease, with a state that waits to be sent. */
TEST(after_a_pause_it_publishes_nothing)
{
    lb_push_counters c;
    uint64_t requests;
    rig r;

    set_up(&r);
    start_known(&r, NULL);
    fake_http_close(&r.http);
    add(&r, "b", "ann", 1);
    UNTIL(&r, r.one[0].retries >= 1);
    start_relay(&r, 1, NULL);
    while (!is_active(&r, 1))
        turn_of(&r, 1);
    fake_http_open(&r.http);
    add(&r, "b", "ann", 1);
    while (!shows(&r, "b ", "hint"))
        turn_of(&r, 1);
    CHECK_OK(lb_push_counters_get(r.one[0].push, 0, &c, sizeof c));
    requests = c.requests;
    /* It goes on; in whatever order its loop has them. */
    while (is_active(&r, 0) || counters(&r, 0).changes < 3) {
        if (!is_active(&r, 0))
            add(&r, "b", "ann", 1);
        CHECK_OK(lb_push_process(r.one[0].push));
        turn(&r);
    }
    CHECK_OK(lb_push_counters_get(r.one[0].push, 0, &c, sizeof c));
    CHECK_EQ(c.requests, requests);
    CHECK_EQ(c.waiting, 0);
    tear_down(&r);
}

static void on_published(const lb_push_result *result, void *user)
{
    *(int *)user = result->code;
}

/* What the host publishes on channels of its own is none of the relay's. */
TEST(states_of_the_host_outlive_a_relay)
{
    lb_push_message m = {.struct_size = sizeof m,
                         .flags = LB_PUSH_LATEST,
                         .channel = "mine",
                         .content = "x",
                         .content_size = 1,
                         .id = "1"};
    int published = NONE;
    rig r;

    set_up(&r);
    fake_http_close(&r.http);
    start_relay(&r, 0, NULL);
    CHECK_OK(lb_push_publish(r.one[0].push, &m, on_published, &published, NULL));
    UNTIL(&r, is_active(&r, 0) && r.one[0].retries >= 1);
    CHECK_EQ(published, NONE);
    CHECK_OK(lb_relay_stop(r.one[0].relay, 1, on_stopped, &r.one[0].stopped));
    UNTIL(&r, r.one[0].stopped != NONE);
    r.one[0].relay = lb_relay_free(r.one[0].relay);
    CHECK_EQ(published, NONE);
    fake_http_open(&r.http);
    UNTIL(&r, published != NONE);
    CHECK_EQ(published, 0);
    CHECK_EQ(count(&r, "\"mine\""), 1);
    CHECK_EQ(count(&r, "\"b\""), 0); /* another relay may have published on it */
    tear_down(&r);
}

TEST(stopped)
{
    rig r;

    set_up(&r);
    start_known(&r, NULL);
    add(&r, "b", "ann", 1);
    UNTIL(&r, shows(&r, "b ", "\"score\":1"));
    start_relay(&r, 1, NULL);
    CHECK_OK(lb_relay_stop(r.one[0].relay, 10000, on_stopped, &r.one[0].stopped));
    CHECK_EQ(lb_relay_stop(r.one[0].relay, 10000, on_stopped, &r.one[0].stopped), LB_E_STATE);
    CHECK_EQ(r.one[0].stopped, NONE);
    UNTIL(&r, r.one[0].stopped != NONE);
    CHECK_EQ(r.one[0].stopped, 0);
    CHECK(!is_active(&r, 0));
    /* The lease was given up: nobody has to wait until it has run out. */
    UNTIL(&r, is_active(&r, 1));
    tear_down(&r);
}

TEST(stopped_when_everything_is_published)
{
    rig r;

    set_up(&r);
    start_known(&r, NULL);
    fake_http_answer(&r.http, (fake_answer){.bytes = NULL});
    while (r.http.n_script <= r.http.n_requests)
        fake_http_answer(&r.http, (fake_answer){.hold = true});
    add(&r, "b", "ann", 1);
    UNTIL(&r, shows(&r, "b ", "\"score\":1"));
    CHECK_OK(lb_relay_stop(r.one[0].relay, 60000, on_stopped, &r.one[0].stopped));
    for (int i = 0; i < 20; i++)
        CHECK_OK(lb_push_process(r.one[0].push));
    CHECK_EQ(r.one[0].stopped, NONE);
    fake_http_release(&r.http);
    UNTIL(&r, r.one[0].stopped != NONE);
    CHECK_EQ(r.one[0].stopped, 0);
    tear_down(&r);
}

TEST(stopped_when_the_time_is_over)
{
    rig r;

    set_up(&r);
    start_known(&r, NULL);
    fake_http_close(&r.http);
    add(&r, "b", "ann", 1);
    UNTIL(&r, r.one[0].retries >= 1);
    CHECK_OK(lb_relay_stop(r.one[0].relay, 300, on_stopped, &r.one[0].stopped));
    UNTIL(&r, r.one[0].stopped != NONE);
    CHECK_EQ(r.one[0].stopped, LB_E_TIMEOUT);
    fake_http_open(&r.http);
    tear_down(&r);
}

/* Its lease is given up for those that stand by, though nothing could be published. */
TEST(stopped_without_its_lease)
{
    lb_write_options o;
    char lease[LB_BOARD_MAX + 1];
    rig r;

    set_up(&r);
    start_known(&r, NULL);
    fake_http_close(&r.http);
    add(&r, "b", "ann", 1);
    UNTIL(&r, r.one[0].retries >= 1);
    strcpy(lease, r.one[0].relay->lease);
    lb_write_options_init(&o);
    CHECK_EQ(lb_lease_take(r.writer, lease, "another", 4000, &o, NULL), 0);
    CHECK_OK(lb_relay_stop(r.one[0].relay, 1, on_stopped, &r.one[0].stopped));
    UNTIL(&r, r.one[0].stopped != NONE);
    CHECK_EQ(r.one[0].stopped, LB_E_TIMEOUT);
    CHECK_EQ(lb_lease_take(r.writer, lease, "another", 4000, &o, NULL), 1);
    fake_http_open(&r.http);
    tear_down(&r);
}

/* The proxy that works waits for none that does not. */
TEST(stopped_with_a_dead_proxy)
{
    rig r;

    set_up(&r);
    r.second = "http://127.0.0.1:1/?key=k";
    start_known(&r, NULL);
    add(&r, "b", "ann", 1);
    UNTIL(&r, r.one[0].retries >= 1 && shows(&r, "b ", "\"score\":1"));
    CHECK_OK(lb_relay_stop(r.one[0].relay, 3600000, on_stopped, &r.one[0].stopped));
    UNTIL(&r, r.one[0].stopped != NONE);
    CHECK_EQ(r.one[0].stopped, LB_E_TIMEOUT); /* not everything was published */
    tear_down(&r);
}

TEST(stopped_after_a_refusal)
{
    rig r;

    set_up(&r);
    start_known(&r, NULL);
    while (r.http.n_script < r.http.n_requests)
        fake_http_answer(&r.http, (fake_answer){.bytes = NULL});
    fake_http_status(&r.http, "403 No");
    add(&r, "b", "ann", 1);
    UNTIL(&r, shows(&r, "b ", "\"score\":1"));
    CHECK_OK(lb_relay_stop(r.one[0].relay, 3600000, on_stopped, &r.one[0].stopped));
    UNTIL(&r, r.one[0].stopped != NONE);
    CHECK_EQ(r.one[0].stopped, LB_E_QUERY);
    tear_down(&r);
}

/* While one proxy keeps it from ending the other hears what is new. */
TEST(stopping_follows_on)
{
    fake_http slow;
    char url[100];
    rig r;

    set_up(&r);
    fake_http_start(&slow);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", slow.port);
    r.second = url;
    start_known(&r, NULL);
    fake_http_answer(&slow, (fake_answer){.hold = true});
    add(&r, "b", "ann", 1);
    while (slow.n_requests < 1) {
        fake_http_process(&slow);
        turn(&r);
    }
    UNTIL(&r, shows(&r, "b ", "\"score\":1"));
    CHECK_OK(lb_relay_stop(r.one[0].relay, 3600000, on_stopped, &r.one[0].stopped));
    for (int i = 2; i <= 4; i++) {
        char score[30];

        add(&r, "b", "ann", 1);
        snprintf(score, sizeof score, "\"score\":%d", i);
        UNTIL(&r, shows(&r, "b ", score));
        CHECK_EQ(r.one[0].stopped, NONE);
    }
    fake_http_release(&slow);
    /* Changes never stop: what has to be published is what had changed when it was told to. */
    while (r.one[0].stopped == NONE) {
        fake_http_process(&slow);
        add(&r, "b", "ann", 1);
        turn(&r);
    }
    CHECK_EQ(r.one[0].stopped, 0);
    fake_http_stop(&slow);
    tear_down(&r);
}

TEST(stopped_before_it_began)
{
    rig r;

    set_up(&r);
    start_relay(&r, 0, NULL);
    CHECK_OK(lb_relay_stop(r.one[0].relay, 10000, on_stopped, &r.one[0].stopped));
    UNTIL(&r, r.one[0].stopped != NONE);
    CHECK_EQ(r.one[0].stopped, 0);
    tear_down(&r);
}

TEST(alone)
{
    lb_relay_options o;
    rig r;

    set_up(&r);
    lb_relay_options_init(&o);
    o.flags = LB_RELAY_ALONE;
    start_relay(&r, 0, &o);
    start_relay(&r, 1, &o);
    UNTIL(&r, is_active(&r, 0) && is_active(&r, 1));
    CHECK_OK(lb_relay_stop(r.one[0].relay, 10000, on_stopped, &r.one[0].stopped));
    UNTIL(&r, r.one[0].stopped == 0);
    tear_down(&r);
}

/* There is no database yet, and a relay makes none. */
TEST(before_there_is_a_database)
{
    rig r;

    unsetenv("http_proxy");
    memset(&r, 0, sizeof r);
    fake_http_start(&r.http);
    r.writer = open_client();
    start_relay(&r, 0, NULL);
    for (int i = 0; i < 5; i++)
        turn(&r);
    CHECK(fopen("test.db", "r") == NULL);
    UNTIL(&r, r.one[0].helpless > 0);
    add(&r, "b", "ann", 1);
    UNTIL(&r, shows(&r, "b ", "hint"));
    CHECK_EQ(r.one[0].helpless, 1);
    CHECK_EQ(r.one[0].helped, 1);
    tear_down(&r);
}

TEST(freed_with_reads_on_their_way)
{
    rig r;

    set_up(&r);
    add(&r, "b", "ann", 1);
    start_relay(&r, 0, NULL);
    UNTIL(&r, counters(&r, 0).reads > 0);
    lb_relay_free(r.one[0].relay);
    r.one[0].relay = NULL;
    CHECK_OK(lb_client_process(r.one[0].client));
    tear_down(&r);
}

TEST(arguments)
{
    lb_relay_options o;
    lb_relay *relay = NULL;
    rig r;

    set_up(&r);
    start_relay(&r, 0, NULL);
    lb_relay_options_init(&o);
    CHECK_EQ(lb_relay_new(NULL, r.one[0].push, &o, &relay, NULL), LB_E_INVAL);
    CHECK_EQ(lb_relay_new(r.writer, NULL, &o, &relay, NULL), LB_E_INVAL);
    CHECK_EQ(lb_relay_new(r.writer, r.one[0].push, &o, NULL, NULL), LB_E_INVAL);
    o.limit = LB_LIMIT_MAX + 1;
    CHECK_EQ(lb_relay_new(r.writer, r.one[0].push, &o, &relay, NULL), LB_E_INVAL);
    o.limit = 0;
    o.prefix = "a;b";
    CHECK_EQ(lb_relay_new(r.writer, r.one[0].push, &o, &relay, NULL), LB_E_INVAL);
    o.prefix = NULL;
    o.flags = 2;
    CHECK_EQ(lb_relay_new(r.writer, r.one[0].push, &o, &relay, NULL), LB_E_INVAL);
    CHECK(relay == NULL && lb_relay_free(NULL) == NULL);
    tear_down(&r);
}

TEST(out_of_memory)
{
    rig r;

    set_up(&r);
    start_relay(&r, 0, NULL);
    end_relay(&r, 0);
    FOR_EACH_ALLOC_FAILURE (i) {
        lb_push_options o = {.struct_size = sizeof o, .grip_url = "http://127.0.0.1:1"};
        lb_client *client;
        lb_push *push;
        lb_relay *relay = NULL;
        int code;

        fault_suspend();
        client = open_client();
        CHECK_OK(lb_push_new(&o, &push, NULL));
        fault_resume();
        code = lb_relay_new(client, push, NULL, &relay, NULL);
        CHECK(code == 0 || (code == LB_E_NOMEM && fault_fired()));
        for (int n = 0; code == 0 && n < 20; n++) {
            (void)lb_client_process(client);
            CHECK_OK(lb_push_process(push));
        }
        fault_suspend();
        lb_relay_free(relay);
        lb_push_free(push);
        lb_client_free(client);
        fault_resume();
    }
    tear_down(&r);
}
