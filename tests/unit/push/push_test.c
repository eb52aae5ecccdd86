/* Publications on their way to a proxy that answers, or does not. */
#include "leaderboard-push.h"

#include "fake_http.h"
#include "test.h"

#include "os/clock.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROXIES = 2, NOTICES = 8 };

/* A push object, its proxies and what was heard. */
typedef struct rig {
    fake_http http[PROXIES];
    int n;
    lb_push *push;
    int notices[NOTICES];
    size_t n_notices;
    char message[300];  /* of the last notice */
    char results[4000]; /* "proxy code status" each */
    size_t n_results;
} rig;

static void on_notice(const lb_notice *notice, void *user)
{
    rig *r = user;

    CHECK(r->n_notices < NOTICES);
    r->notices[r->n_notices++] = notice->kind;
    CHECK(strlen(notice->message) < sizeof r->message);
    strcpy(r->message, notice->message);
}

static void on_done(const lb_push_result *result, void *user)
{
    rig *r = user;
    size_t at = strlen(r->results);

    snprintf(r->results + at, sizeof r->results - at, "%s%d %s %d", at ? ", " : "", result->proxy,
             result->code < 0 ? lb_error_name(result->code) : "ok", result->status);
    r->n_results++;
}

static void set_up_with(rig *r, int n, const char *query, lb_push_options *o)
{
    char url[1000] = "";
    lb_error error = {.msg = ""};

    unsetenv("http_proxy");
    unsetenv("all_proxy");
    r->n = n;
    for (int i = 0; i < n; i++) {
        fake_http_start(&r->http[i]);
        snprintf(url + strlen(url), sizeof url - strlen(url), "http://127.0.0.1:%u%s ",
                 r->http[i].port, query);
    }
    o->grip_url = url;
    o->notice = on_notice;
    o->notice_user = r;
    if (lb_push_new(o, &r->push, &error) < 0)
        FAIL("%s", error.msg);
}

static void set_up(rig *r, int n)
{
    lb_push_options o;

    memset(r, 0, sizeof *r);
    lb_push_options_init(&o);
    set_up_with(r, n, "/?key=changeme", &o);
}

static void set_up_limits(rig *r, lb_push_options o)
{
    memset(r, 0, sizeof *r);
    o.struct_size = sizeof o;
    set_up_with(r, 1, "/", &o);
}

static void tear_down(rig *r)
{
    lb_push_free(r->push);
    for (int i = 0; i < r->n; i++)
        fake_http_stop(&r->http[i]);
}

static int timeout_ms(uint64_t deadline_us)
{
    uint64_t now = lbi_clock_us();

    if (deadline_us <= now)
        return 0;
    return deadline_us - now > 60000000 ? 60000 : (int)((deadline_us - now) / 1000 + 1);
}

/* One turn of the host's loop. */
static void turn(rig *r)
{
    struct pollfd fds[PROXIES + 1] = {{.fd = lb_push_fd(r->push), .events = POLLIN}};
    uint64_t deadline = 0;

    for (int i = 0; i < r->n; i++)
        fds[i + 1] = (struct pollfd){.fd = fake_http_fd(&r->http[i]), .events = POLLIN};
    CHECK_OK(lb_push_deadline(r->push, &deadline));
    CHECK(poll(fds, (nfds_t)r->n + 1, timeout_ms(deadline)) >= 0);
    for (int i = 0; i < r->n; i++)
        fake_http_process(&r->http[i]);
    for (int n = 0; lb_push_process(r->push) > 0; n++)
        CHECK(n < 10000);
}

#define UNTIL(r, condition)                                                                        \
    while (!(condition))                                                                           \
    turn(r)

static void message(rig *r, const char *channel, const char *content)
{
    lb_push_message m;

    lb_push_message_init(&m);
    m.channel = channel;
    m.content = content;
    m.content_size = strlen(content);
    CHECK_OK(lb_push_publish(r->push, &m, on_done, r, NULL));
}

static void state(rig *r, const char *channel, const char *id)
{
    lb_push_message m;

    lb_push_message_init(&m);
    m.flags = LB_PUSH_LATEST;
    m.channel = channel;
    m.id = id;
    m.content = id;
    m.content_size = strlen(id);
    CHECK_OK(lb_push_publish(r->push, &m, on_done, r, NULL));
}

static lb_push_counters counters(rig *r, int proxy)
{
    lb_push_counters c;

    CHECK_OK(lb_push_counters_get(r->push, proxy, &c, sizeof c));
    return c;
}

/* Sends a state and waits until the proxy has it. */
static void send_state(rig *r, const char *channel, const char *id)
{
    size_t n = r->n_results;

    state(r, channel, id);
    UNTIL(r, r->n_results == n + (size_t)r->n);
}

TEST(a_message)
{
    rig r;

    set_up(&r, 1);
    message(&r, "c", "data: 1\n\n");
    UNTIL(&r, r.n_results == 1);
    CHECK_STR(r.results, "0 ok 200");
    CHECK_EQ(r.http[0].n_requests, 1);
    CHECK_STR(fake_http_items(&r.http[0], 0), "c - - data: 1\n\n");
    CHECK(strstr(r.http[0].requests[0].head, "POST /publish/ HTTP/1.1\r\n") != NULL);
    CHECK(strstr(r.http[0].requests[0].head, "Authorization: Bearer changeme\r\n") != NULL);
    CHECK(strstr(r.http[0].requests[0].head, "Content-Type: application/json\r\n") != NULL);
    CHECK_EQ(counters(&r, 0).published, 1);
    CHECK_EQ(counters(&r, 0).waiting, 0);
    CHECK_EQ(r.n_notices, 0);
    tear_down(&r);
}

TEST(who_we_are)
{
    static const struct {
        const char *query, *field;
    } cases[] = {{"/", NULL},
                 {"/?iss=i&key=k", "Authorization: Bearer eyJ"},
                 {"/?key=k+%2B", "Authorization: Bearer k++\r\n"}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lb_push_options o;
        const char *head;
        rig r = {.n = 0};

        lb_push_options_init(&o);
        set_up_with(&r, 1, cases[i].query, &o);
        message(&r, "c", "x");
        UNTIL(&r, r.n_results == 1);
        head = r.http[0].requests[0].head;
        CHECK(cases[i].field ? strstr(head, cases[i].field) != NULL
                             : !strstr(head, "Authorization"));
        tear_down(&r);
    }
}

TEST(many_messages_in_one_request)
{
    rig r;

    set_up(&r, 1);
    fake_http_answer(&r.http[0], (fake_answer){.hold = true});
    message(&r, "c", "first");
    UNTIL(&r, r.http[0].n_requests == 1);
    for (int i = 0; i < 300; i++) {
        char text[20];

        snprintf(text, sizeof text, "%d", i);
        message(&r, "c", text);
    }
    fake_http_release(&r.http[0]);
    UNTIL(&r, r.n_results == 301);
    /* In order, none twice. */
    CHECK(r.http[0].n_requests <= 4);
    CHECK(strncmp(fake_http_items(&r.http[0], 1), "c - - 0, c - - 1, c - - 2, ", 27) == 0);
    CHECK_EQ(counters(&r, 0).published, 301);
    tear_down(&r);
}

/* No request is longer than a proxy takes. */
TEST(large_messages)
{
    char *text = malloc(400001);
    rig r;

    CHECK(text != NULL);
    memset(text, 'x', 400000);
    text[400000] = '\0';
    set_up(&r, 1);
    for (int i = 0; i < 5; i++)
        message(&r, "c", text);
    UNTIL(&r, r.n_results == 5);
    CHECK_EQ(r.http[0].n_requests, 3);
    for (size_t i = 0; i < 3; i++)
        CHECK(r.http[0].requests[i].body_size < 1000000);
    tear_down(&r);
    free(text);
}

TEST(states_are_chained)
{
    rig r;

    set_up(&r, 1);
    send_state(&r, "c", "a");
    send_state(&r, "c", "b");
    send_state(&r, "c", "c");
    send_state(&r, "d", "a");
    /* What the listeners have is not known the first time. */
    CHECK_STR(fake_http_items(&r.http[0], 0), "c - - hint");
    CHECK_STR(fake_http_items(&r.http[0], 1), "c b a b");
    CHECK_STR(fake_http_items(&r.http[0], 2), "c c b c");
    CHECK_STR(fake_http_items(&r.http[0], 3), "d - - hint");
    tear_down(&r);
}

/* The proxy would drop what it has had within a minute. */
TEST(a_state_that_returns)
{
    rig r;

    set_up(&r, 1);
    send_state(&r, "c", "a");
    send_state(&r, "c", "b");
    send_state(&r, "c", "c");
    send_state(&r, "c", "b");
    send_state(&r, "c", "d");
    CHECK_STR(fake_http_items(&r.http[0], 3), "c - - hint");
    CHECK_STR(fake_http_items(&r.http[0], 4), "c d b d");
    CHECK_EQ(counters(&r, 0).hints, 2);
    tear_down(&r);
}

TEST(the_newest_state_replaces_what_waits)
{
    rig r;

    set_up(&r, 1);
    send_state(&r, "c", "a");
    fake_http_answer(&r.http[0], (fake_answer){.bytes = NULL});
    fake_http_answer(&r.http[0], (fake_answer){.hold = true});
    state(&r, "c", "b");
    UNTIL(&r, r.http[0].n_requests == 2);
    state(&r, "c", "x");
    state(&r, "c", "y");
    state(&r, "c", "z");
    fake_http_release(&r.http[0]);
    UNTIL(&r, r.n_results == 5);
    CHECK_EQ(r.http[0].n_requests, 3);
    CHECK_STR(fake_http_items(&r.http[0], 2), "c z b z");
    CHECK_STR(r.results, "0 ok 200, 0 CANCELED 0, 0 CANCELED 0, 0 ok 200, 0 ok 200");
    CHECK_EQ(counters(&r, 0).superseded, 2);
    tear_down(&r);
}

TEST(a_state_that_is_back_before_it_was_sent)
{
    rig r;

    set_up(&r, 1);
    send_state(&r, "c", "a");
    state(&r, "c", "b");
    state(&r, "c", "a");
    UNTIL(&r, r.n_results == 3);
    CHECK_EQ(r.http[0].n_requests, 1);
    CHECK_STR(r.results, "0 ok 200, 0 CANCELED 0, 0 ok 0");
    tear_down(&r);
}

/* Each fails once; what is repeated is the same, so that the proxy can tell. */
TEST(what_is_repeated)
{
    static const fake_answer bad[] = {
        {.drop = true},
        {.drop_early = true},
        {.bytes = "HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\nbody"},
        {.bytes = "HTTP/1.1 503 Busy\r\nContent-Length: 1000\r\n\r\nhalf"},
        {.bytes = "HTTP/1.1 408 Timeout\r\nContent-Length: 0\r\n\r\n"},
        {.bytes = "HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n"},
        {.bytes = "HTTP/1.1 429 Slow\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"},
        {.bytes = "HTTP/1.1 2"},
        {.bytes = "SSH-2.0-x\r\n"},
        {.bytes = "HTTP/1.1 100 Continue\r\n\r\n"},
        {.bytes = "\0", .size = 1},
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        size_t read = bad[i].drop_early ? 0 : 1;
        rig r;

        set_up(&r, 1);
        send_state(&r, "c", "a");
        fake_http_answer(&r.http[0], (fake_answer){.bytes = NULL});
        fake_http_answer(&r.http[0], bad[i]);
        state(&r, "c", "b");
        message(&r, "m", "text");
        UNTIL(&r, r.n_results == 3);
        CHECK_EQ(r.http[0].n_requests, 2 + read);
        if (read)
            CHECK_STR(fake_http_items(&r.http[0], 1), "c b a b, m - - text");
        CHECK_STR(fake_http_items(&r.http[0], 1 + read), "c b a b, m - - text");
        CHECK_EQ(counters(&r, 0).retries, 1);
        CHECK_EQ(r.n_notices, 2);
        CHECK_EQ(r.notices[0], LB_NOTICE_PUSH_RETRY);
        CHECK_EQ(r.notices[1], LB_NOTICE_PUSH_BACK);
        tear_down(&r);
    }
}

/* With its status the proxy has decided. */
TEST(an_answer_that_is_odd_but_clear)
{
    static char huge[400000] = "HTTP/1.1 200 OK\r\n\r\n";
    static const fake_answer odd[] = {
        {.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf"},
        {.bytes = "HTTP/1.0 204 None\r\n\r\n"},
        {.bytes = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 OK\r\nContent-Length: 0\r\n\r\n"},
        {.bytes = huge, .size = sizeof huge},
    };

    memset(huge + 19, 'x', sizeof huge - 19);
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        rig r;

        set_up(&r, 1);
        fake_http_answer(&r.http[0], odd[i]);
        message(&r, "c", "text");
        UNTIL(&r, r.n_results == 1);
        CHECK_EQ(r.http[0].n_requests, 1);
        CHECK_EQ(counters(&r, 0).published, 1);
        CHECK_EQ(r.n_notices, 0);
        tear_down(&r);
    }
}

TEST(what_is_refused)
{
    static const char *const bad[] = {"400 Bad", "401 No", "403 No", "404 Not", "406 Not", "411 L"};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char want[30];
        rig r;

        set_up(&r, 1);
        send_state(&r, "c", "a");
        fake_http_status(&r.http[0], "200 OK");
        fake_http_status(&r.http[0], bad[i]);
        send_state(&r, "c", "b");
        snprintf(want, sizeof want, "0 ok 200, 0 QUERY %.3s", bad[i]);
        CHECK_STR(r.results, want);
        CHECK_EQ(r.n_notices, 1);
        CHECK_EQ(r.notices[0], LB_NOTICE_PUSH_REFUSED);
        CHECK_EQ(counters(&r, 0).refused, 1);
        CHECK_EQ(counters(&r, 0).retries, 0);
        /* What the listeners have is not known any more. */
        send_state(&r, "c", "c");
        CHECK_STR(fake_http_items(&r.http[0], 2), "c - - hint");
        CHECK_EQ(r.notices[1], LB_NOTICE_PUSH_BACK);
        /* Nobody sends again what was refused: listeners are told to ask. */
        UNTIL(&r, r.http[0].n_requests == 4);
        CHECK(strncmp(r.http[0].requests[3].head, "POST /recover/ ", 15) == 0);
        tear_down(&r);
    }
}

TEST(a_refusal_is_told_without_secrets)
{
    rig r;

    set_up(&r, 1);
    fake_http_answer(&r.http[0],
                     (fake_answer){.bytes = "HTTP/1.1 400 Bad\r\nContent-Length: 13\r\n\r\n"
                                            "why\r\n\x1b[0m\xff end"});
    message(&r, "c", "x");
    UNTIL(&r, r.n_results == 1);
    CHECK(strstr(r.message, "127.0.0.1") && strstr(r.message, "400: why"));
    CHECK(!strstr(r.message, "changeme"));
    for (const char *at = r.message; *at; at++)
        CHECK(*at >= ' ' && *at < 0x7f);
    tear_down(&r);
}

TEST(no_redirection_is_followed)
{
    rig r;

    set_up(&r, 2);
    fake_http_status(&r.http[0], "307 Go\r\nLocation: http://127.0.0.1:1/publish/");
    message(&r, "c", "x");
    UNTIL(&r, r.n_results == 2);
    CHECK_EQ(r.http[0].n_requests, 1);
    CHECK_EQ(counters(&r, 0).refused, 1);
    CHECK(strstr(r.message, "redirections") != NULL);
    tear_down(&r);
}

/* Nobody knows then what the listeners have. */
TEST(a_newer_state_after_an_unknown_outcome)
{
    rig r;

    set_up(&r, 1);
    send_state(&r, "c", "a");
    fake_http_answer(&r.http[0], (fake_answer){.bytes = NULL});
    fake_http_answer(&r.http[0], (fake_answer){.hold = true, .drop = true});
    state(&r, "c", "b");
    UNTIL(&r, r.http[0].n_requests == 2);
    state(&r, "c", "c");
    fake_http_release(&r.http[0]);
    UNTIL(&r, r.n_results == 3);
    CHECK_STR(fake_http_items(&r.http[0], 2), "c - - hint");
    send_state(&r, "c", "b");
    CHECK_STR(fake_http_items(&r.http[0], 3), "c - - hint"); /* it may have had it */
    send_state(&r, "c", "d");
    CHECK_STR(fake_http_items(&r.http[0], 4), "c d b d");
    tear_down(&r);
}

TEST(a_newer_state_while_the_older_waits_to_be_repeated)
{
    rig r;

    set_up(&r, 1);
    send_state(&r, "c", "a");
    fake_http_answer(&r.http[0], (fake_answer){.bytes = NULL});
    fake_http_answer(&r.http[0], (fake_answer){.drop = true});
    state(&r, "c", "b");
    UNTIL(&r, r.n_notices == 1);
    state(&r, "c", "c");
    UNTIL(&r, r.n_results == 3);
    CHECK_STR(fake_http_items(&r.http[0], 2), "c - - hint");
    tear_down(&r);
}

/* Nothing can have arrived: it is still known what the listeners have. */
TEST(a_proxy_that_was_down)
{
    rig r;

    set_up(&r, 1);
    send_state(&r, "c", "a");
    fake_http_close(&r.http[0]);
    state(&r, "c", "b");
    state(&r, "d", "b");
    message(&r, "m", "1");
    UNTIL(&r, r.n_notices == 1);
    CHECK_EQ(r.notices[0], LB_NOTICE_PUSH_RETRY);
    UNTIL(&r, counters(&r, 0).retries == 3);
    state(&r, "c", "c");
    state(&r, "c", "d");
    message(&r, "m", "2");
    fake_http_open(&r.http[0]);
    UNTIL(&r, counters(&r, 0).waiting == 0);
    CHECK_STR(fake_http_items(&r.http[0], 1), "c d a d, d - - hint, m - - 1, m - - 2");
    CHECK_EQ(r.n_notices, 2);
    CHECK_EQ(r.notices[1], LB_NOTICE_PUSH_BACK);
    tear_down(&r);
}

TEST(a_proxy_that_is_down_holds_up_no_other)
{
    rig r;

    set_up(&r, 2);
    fake_http_close(&r.http[0]);
    for (int i = 0; i < 5; i++) {
        char id[10];

        snprintf(id, sizeof id, "%d", i);
        state(&r, "c", id);
        UNTIL(&r, counters(&r, 1).published == (uint64_t)i + 1);
    }
    CHECK_EQ(counters(&r, 0).published, 0);
    fake_http_open(&r.http[0]);
    UNTIL(&r, counters(&r, 0).waiting == 0);
    CHECK_EQ(r.http[0].n_requests, 1);
    CHECK_EQ(r.n_results, 10);
    tear_down(&r);
}

TEST(a_proxy_that_keeps_silent)
{
    rig r;

    set_up_limits(&r, (lb_push_options){.timeout_ms = 100});
    fake_http_answer(&r.http[0], (fake_answer){.hold = true, .drop = true});
    message(&r, "c", "x");
    UNTIL(&r, r.n_results == 1);
    CHECK_EQ(r.http[0].n_requests, 2);
    CHECK_EQ(counters(&r, 0).retries, 1);
    tear_down(&r);
}

TEST(too_many_messages)
{
    rig r;

    set_up_limits(&r, (lb_push_options){.max_messages = 2});
    fake_http_answer(&r.http[0], (fake_answer){.hold = true});
    message(&r, "c", "0");
    UNTIL(&r, r.http[0].n_requests == 1);
    for (int i = 1; i < 5; i++)
        message(&r, "c", (const char *[]){"1", "2", "3", "4"}[i - 1]);
    fake_http_release(&r.http[0]);
    UNTIL(&r, r.n_results == 5);
    CHECK_STR(fake_http_items(&r.http[0], 1), "c - - 3, c - - 4");
    CHECK_EQ(counters(&r, 0).lost, 2);
    CHECK(strstr(r.results, "0 LIMIT 0, 0 LIMIT 0, 0 ok 200, 0 ok 200") != NULL);
    tear_down(&r);
}

/* The proxy is asked to have everybody look, and everything begins anew. */
TEST(too_many_channels)
{
    rig r;

    set_up_limits(&r, (lb_push_options){.max_channels = 3});
    fake_http_close(&r.http[0]);
    for (int i = 0; i < 5; i++) {
        char channel[10];

        snprintf(channel, sizeof channel, "c%d", i);
        state(&r, channel, "a");
    }
    CHECK_EQ(r.notices[0], LB_NOTICE_PUSH_OVERFLOW);
    fake_http_open(&r.http[0]);
    UNTIL(&r, counters(&r, 0).waiting == 0);
    CHECK_EQ(r.http[0].n_requests, 2);
    CHECK(strncmp(r.http[0].requests[0].head, "POST /recover/ ", 15) == 0);
    CHECK_EQ(r.http[0].requests[0].body_size, 0);
    CHECK_STR(fake_http_items(&r.http[0], 1), "c3 - - hint, c4 - - hint");
    CHECK_EQ(counters(&r, 0).overflows, 1);
    tear_down(&r);
}

/* Channels that nothing waits for are forgotten, the ones not used for longest first. */
TEST(many_channels_one_after_another)
{
    rig r;

    set_up_limits(&r, (lb_push_options){.max_channels = 2});
    send_state(&r, "a", "1");
    send_state(&r, "b", "1");
    send_state(&r, "a", "2");
    send_state(&r, "c", "1");
    send_state(&r, "a", "3");
    send_state(&r, "b", "2");
    CHECK_STR(fake_http_items(&r.http[0], 2), "a 2 1 2");
    CHECK_STR(fake_http_items(&r.http[0], 4), "a 3 2 3");
    CHECK_STR(fake_http_items(&r.http[0], 5), "b - - hint");
    CHECK_EQ(counters(&r, 0).overflows, 0);
    tear_down(&r);
}

TEST(hint_and_close)
{
    lb_push_message m;
    rig r;

    set_up(&r, 1);
    send_state(&r, "c", "a");
    lb_push_message_init(&m);
    m.channel = "c";
    m.flags = LB_PUSH_CLOSE | LB_PUSH_LATEST;
    CHECK_OK(lb_push_publish(r.push, &m, on_done, &r, NULL));
    UNTIL(&r, r.n_results == 2);
    m.flags = LB_PUSH_HINT;
    CHECK_OK(lb_push_publish(r.push, &m, NULL, NULL, NULL));
    send_state(&r, "c", "b");
    CHECK_STR(fake_http_items(&r.http[0], 1), "c - - close");
    CHECK_STR(fake_http_items(&r.http[0], 2), "c - - hint, c - - hint");
    tear_down(&r);
}

TEST(what_is_no_publication)
{
    static const lb_push_message bad[] = {
        {.channel = NULL, .content = "x", .content_size = 1},
        {.channel = "", .content = "x", .content_size = 1},
        {.channel = "a;b", .content = "x", .content_size = 1},
        {.channel = "c"},
        {.channel = "c", .content = "x"},
        {.channel = "c", .content = "\xff", .content_size = 1},
        {.channel = "c", .content = "x", .content_size = 1, .id = ""},
        {.channel = "c", .content = "x", .content_size = 1, .id = "a b"},
        {.channel = "c", .content = "x", .content_size = 1, .prev_id = ";"},
        {.channel = "c", .content = "x", .content_size = 1, .flags = LB_PUSH_LATEST},
        {.channel = "c", .content = "x", .content_size = 1, .flags = LB_PUSH_HINT},
        {.channel = "c", .id = "i", .flags = LB_PUSH_CLOSE},
        {.channel = "c", .flags = LB_PUSH_CLOSE | LB_PUSH_HINT},
        {.channel = "c", .content = "x", .content_size = 1, .flags = 8},
        {.channel = "c",
         .content = "x",
         .content_size = 1,
         .id = "i",
         .prev_id = "j",
         .flags = LB_PUSH_LATEST},
    };
    static char large[LB_PUSH_CONTENT_MAX + 100];
    lb_push_message m = {.struct_size = sizeof m, .channel = "c", .content = large};
    rig r;

    set_up(&r, 1);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        lb_push_message copy = bad[i];
        lb_error error = {.msg = ""};

        copy.struct_size = sizeof copy;
        CHECK_EQ(lb_push_publish(r.push, &copy, on_done, &r, &error), LB_E_INVAL);
        CHECK(error.msg[0] != '\0');
    }
    memset(large, '"', sizeof large); /* two bytes each in JSON */
    m.content_size = LB_PUSH_CONTENT_MAX / 2 + 50;
    CHECK_EQ(lb_push_publish(r.push, &m, on_done, &r, NULL), LB_E_LIMIT);
    m.content_size = LB_PUSH_CONTENT_MAX / 2 - 1;
    CHECK_EQ(lb_push_publish(r.push, &m, on_done, &r, NULL), 0);
    UNTIL(&r, r.n_results == 1);
    CHECK_STR(r.results, "0 ok 200");
    tear_down(&r);
}

TEST(freed_with_something_on_its_way)
{
    rig r;

    set_up(&r, 2);
    fake_http_answer(&r.http[0], (fake_answer){.hold = true});
    fake_http_close(&r.http[1]);
    message(&r, "c", "1");
    state(&r, "c", "a");
    UNTIL(&r, r.http[0].n_requests == 1);
    message(&r, "c", "2");
    lb_push_free(r.push);
    CHECK_EQ(r.n_results, 6);
    CHECK(!strstr(r.results, "ok"));
    r.push = NULL;
    fake_http_open(&r.http[1]);
    tear_down(&r);
}

static void publish_again(const lb_push_result *result, void *user)
{
    rig *r = user;

    CHECK_EQ(lb_push_process(r->push), LB_E_BUSY);
    CHECK(lb_push_free(r->push) == NULL); /* not here */
    if (result->code == 0)
        message(r, "c", "second");
    r->n_results++;
}

TEST(inside_a_callback)
{
    lb_push_message m = {
        .struct_size = sizeof m, .channel = "c", .content = "x", .content_size = 1};
    rig r;

    set_up(&r, 1);
    CHECK_OK(lb_push_publish(r.push, &m, publish_again, &r, NULL));
    CHECK_EQ(r.n_results, 0);
    UNTIL(&r, r.n_results == 2);
    CHECK_STR(fake_http_items(&r.http[0], 1), "c - - second");
    tear_down(&r);
}

TEST(arguments)
{
    lb_push_options o;
    lb_push_counters c;
    lb_push *push = NULL;
    uint64_t deadline = 1;
    struct {
        lb_push_options known;
        int unknown;
    } newer;
    rig r;

    lb_push_options_init(&o);
    CHECK_EQ(lb_push_new(&o, &push, NULL), LB_E_INVAL);
    CHECK_EQ(lb_push_new(NULL, &push, NULL), LB_E_INVAL);
    o.grip_url = "http://h";
    CHECK_EQ(lb_push_new(&o, NULL, NULL), LB_E_INVAL);
    o.timeout_ms = 3600001;
    CHECK_EQ(lb_push_new(&o, &push, NULL), LB_E_INVAL);
    memset(&newer, 0, sizeof newer);
    newer.known.struct_size = sizeof newer;
    newer.known.grip_url = "http://h";
    newer.unknown = 1;
    CHECK_EQ(lb_push_new(&newer.known, &push, NULL), LB_E_UNSUPPORTED);
    CHECK(push == NULL);
    CHECK(lb_push_free(NULL) == NULL);
    CHECK_EQ(lb_push_process(NULL), LB_E_INVAL);

    set_up(&r, 2);
    CHECK_EQ(lb_push_proxies(r.push), 2);
    CHECK_OK(lb_push_deadline(r.push, &deadline));
    CHECK(deadline == LB_NEVER);
    CHECK_EQ(lb_push_process(r.push), 0);
    CHECK_EQ(lb_push_wait(r.push, 1), 0);
    CHECK_EQ(lb_push_wait(NULL, 1), LB_E_INVAL);
    message(&r, "c", "x");
    CHECK_EQ(lb_push_wait(r.push, LB_NEVER), 1);
    CHECK_EQ(lb_push_counters_get(r.push, 2, &c, sizeof c), LB_E_INVAL);
    CHECK_EQ(lb_push_counters_get(r.push, -1, &c, sizeof c), LB_E_INVAL);
    CHECK_OK(lb_push_counters_get(r.push, 1, &c, sizeof c.proxy));
    CHECK(strncmp(c.proxy, "http://127.0.0.1:", 17) == 0 && !strstr(c.proxy, "changeme"));
    tear_down(&r);
}

TEST(in_a_child_process)
{
    rig r;
    pid_t pid;
    int status;

    set_up(&r, 1);
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        if (lb_push_process(r.push) != LB_E_FORKED || lb_push_fd(r.push) != LB_E_FORKED)
            _exit(1);
        lb_push_free(r.push);
        _exit(0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    message(&r, "c", "x");
    UNTIL(&r, r.n_results == 1);
    tear_down(&r);
}
