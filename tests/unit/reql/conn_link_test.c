/* Making the connection, against a server that follows a script: handshakes, hosts, back-off. */
#include "fake_reql.h"
#include "reql_drive.h"
#include "test.h"

#include "os/clock.h"

#include <string.h>

#define SEVEN "[1,[24,[3,4]]]"

static void open_fake(struct fake *f, void (*script)(struct fake *), void *user, struct drive *d,
                      const lbi_reql_options *o)
{
    fake_start(f, script, user);
    drive_open_at(d, "127.0.0.1", f->port, o);
}

static void end(struct fake *f, struct drive *d)
{
    drive_close(d);
    fake_join(f);
}

/* ---- Handshakes ----------------------------------------------------------------------------- */

static void shake_only(struct fake *f)
{
    fake_accept(f);
    fake_shake(f, f->user);
    fake_wait_end(f);
}

static void check_refused(struct fake_shake how, int code, const char *says)
{
    struct fake f = {0};
    struct drive d;
    struct outcome o = {0};
    lbi_reql_options quick = {.handshake_ms = 300, .password = "hush!"};

    if (how.iterations == 0 && !how.wrong_signature)
        quick.password = "";
    open_fake(&f, shake_only, &how, &d, &quick);
    (void)drive_submit(&d, SEVEN, code == LB_E_TIMEOUT ? 500 : 20000, &o);
    drive_until(&d, &o.done);
    CHECK_EQ(o.code, code);
    CHECK(!o.sent);
    if (!strstr(o.message, says))
        FAIL("'%s' is not in '%s'", says, o.message);
    CHECK(!strstr(o.message, "hush!"));
    end(&f, &d);
}

#define HELLO(text) .hello = (text), .hello_len = sizeof(text)

TEST(handshakes_refused)
{
    check_refused((struct fake_shake){.wrong_nonce = true}, LB_E_AUTH, "not ours");
    check_refused((struct fake_shake){.short_nonce = true}, LB_E_AUTH, "not ours");
    check_refused((struct fake_shake){.wrong_signature = true}, LB_E_AUTH, "signature is wrong");
    check_refused((struct fake_shake){.iterations = 1000000000}, LB_E_AUTH, "iterations");
    check_refused((struct fake_shake){HELLO("ERROR: Received an unsupported protocol version.\n")},
                  LB_E_PROTO, "Received an unsupported protocol version.");
    check_refused((struct fake_shake){HELLO("HTTP/1.1 400 Bad Request\r\n\r\n")}, LB_E_PROTO,
                  "no RethinkDB");
    check_refused((struct fake_shake){HELLO("\x15\x03\x03")}, LB_E_TLS, "tls=1");
    check_refused((struct fake_shake){HELLO("{\"success\":true,\"min_protocol_version\":1,"
                                            "\"max_protocol_version\":2}")},
                  LB_E_PROTO, "versions 1 to 2");
    check_refused((struct fake_shake){.refusal = "{\"error\":\"Wrong password\",\"error_code\":12,"
                                                 "\"success\":false}"},
                  LB_E_AUTH, "wrong user or password");
    check_refused((struct fake_shake){.refusal = "{\"error\":\"odd\",\"error_code\":20,"
                                                 "\"success\":false}"},
                  LB_E_AUTH, "odd");
    check_refused((struct fake_shake){.refusal = "{\"error\":\"long\",\"error_code\":7,"
                                                 "\"success\":false}"},
                  LB_E_PROTO, "long");
    check_refused((struct fake_shake){.no_success = true}, LB_E_PROTO, "no reason given");
    check_refused((struct fake_shake){.challenge = "{\"success\":true}"}, LB_E_PROTO,
                  "without authentication");
    check_refused((struct fake_shake){.challenge = "{{{"}, LB_E_PROTO, "unreadable");
}

TEST(silence_in_the_handshake)
{
    check_refused((struct fake_shake){.hello = "", .silent_after_hello = true}, LB_E_TIMEOUT,
                  "tls=1");
    check_refused((struct fake_shake){.silent_after_hello = true}, LB_E_TIMEOUT, "did not answer");
}

static void shake_and_answer(struct fake *f)
{
    struct fake_query q;

    fake_accept(f);
    fake_shake(f, f->user);
    while (fake_read(f, &q))
        fake_answer(f, q.token, "{\"t\":1,\"r\":[7]}");
}

TEST(handshakes_accepted)
{
    struct fake_shake how[] = {
        {.iterations = 1}, {.iterations = 4096}, {.iterations = 50000}, {.delay_ms = 100}};

    for (size_t i = 0; i < sizeof how / sizeof *how; i++) {
        struct fake f = {.chunk = i};
        struct drive d;

        open_fake(&f, shake_and_answer, &how[i], &d, NULL);
        CHECK_EQ(drive_ok(&d, SEVEN).number, 7);
        end(&f, &d);
    }
}

/* STEP is more than one turn salts. */
enum { SALTED = 200000, STEP = 8192 };

static void shake_twice(struct fake *f)
{
    struct fake_shake how = {.iterations = SALTED};
    struct fake_query q;

    fake_accept(f);
    fake_shake(f, &how);
    CHECK(fake_read(f, &q));
    fake_close(f);
    fake_accept(f);
    fake_shake(f, &how);
    CHECK(fake_read(f, &q));
    fake_answer(f, q.token, "{\"t\":1,\"r\":[7]}");
    fake_wait_end(f);
}

TEST(password_is_salted_once_and_in_slices)
{
    struct fake f = {0};
    struct drive d;
    struct outcome o = {0};
    lbi_reql_state state = {0};
    unsigned turns = 0;

    open_fake(&f, shake_twice, NULL, &d, NULL);
    (void)drive_submit(&d, SEVEN, 0, &o);
    while (state.connects == 0) {
        (void)lbi_reql_conn_process(d.conn, lbi_clock_us());
        (void)lbi_poller_dispatch(d.poller);
        lbi_reql_conn_state(d.conn, &state);
        turns++;
    }
    CHECK(turns >= SALTED / STEP);
    drive_until(&d, &o.done);
    CHECK_EQ(drive_ok(&d, SEVEN).number, 7);
    end(&f, &d);
}

/* ---- Several hosts -------------------------------------------------------------------------- */

TEST(next_host_when_one_is_down)
{
    struct fake f = {0}, gone = {0};
    struct drive d;
    lbi_reql_host hosts[2] = {{.name = "127.0.0.1"}, {.name = "localhost"}};
    lbi_reql_options o = {.hosts = hosts, .n_hosts = 2};
    lbi_reql_state state;

    fake_start(&gone, fake_close, NULL);
    fake_join(&gone);
    fake_start(&f, shake_and_answer, NULL);
    hosts[0].port = gone.port;
    hosts[1].port = f.port;
    drive_open(&d, &o);
    CHECK_EQ(drive_ok(&d, SEVEN).number, 7);
    CHECK(d.events[LBI_REQL_FAILED] >= 1);
    lbi_reql_conn_state(d.conn, &state);
    CHECK(strstr(state.host, "localhost:"));
    end(&f, &d);
}

static void check_wrong_password(bool dead_first)
{
    struct fake f = {0}, gone = {0};
    struct fake_shake how = {.hello = NULL, .wrong_signature = true};
    struct drive d;
    struct outcome o = {0};
    lbi_reql_host hosts[2] = {{.name = "127.0.0.1"}, {.name = "127.0.0.1"}};
    lbi_reql_options options = {.hosts = hosts, .n_hosts = 2, .password = "x"};

    fake_start(&gone, fake_close, NULL);
    fake_join(&gone);
    fake_start(&f, shake_only, &how);
    hosts[dead_first].port = f.port;
    hosts[!dead_first].port = gone.port;
    drive_open(&d, &options);
    (void)drive_submit(&d, SEVEN, 60000, &o);
    drive_until(&d, &o.done);
    CHECK_EQ(o.code, LB_E_AUTH);
    CHECK(!o.sent);
    end(&f, &d);
}

/* Waiting for the other host would not mend it. */
TEST(a_dead_host_does_not_hide_a_wrong_password)
{
    check_wrong_password(true);
    check_wrong_password(false);
}

/* What the attempt before has met is told even while the next one is under way. */
TEST(told_of_the_attempt_before)
{
    struct fake f = {0}, gone = {0};
    struct fake_shake how = {.hello = "", .silent_after_hello = true};
    struct drive d;
    struct outcome o = {0};
    lbi_reql_host hosts[2] = {{.name = "127.0.0.1"}, {.name = "127.0.0.1"}};
    lbi_reql_options two = {.hosts = hosts, .n_hosts = 2};

    fake_start(&gone, fake_close, NULL);
    fake_join(&gone);
    fake_start(&f, shake_only, &how);
    hosts[0].port = gone.port;
    hosts[1].port = f.port;
    drive_open(&d, &two);
    (void)drive_submit(&d, SEVEN, 500, &o);
    drive_until(&d, &o.done);
    CHECK_EQ(o.code, LB_E_TIMEOUT);
    CHECK(strstr(o.message, "did not answer"));
    CHECK(strstr(o.message, "refused"));
    end(&f, &d);
}

TEST(backs_off)
{
    struct drive d;
    struct outcome o = {0};
    lbi_reql_options quick = {.backoff_min_ms = 50, .backoff_max_ms = 200};
    uint64_t began = lbi_clock_us();

    drive_open_at(&d, "127.0.0.1", 1, &quick);
    (void)drive_submit(&d, SEVEN, 60000, &o);
    drive_until_event(&d, LBI_REQL_FAILED, 5);
    /* Pauses of 25..50, 50..100, then 100..200 ms. */
    CHECK(lbi_clock_us() - began >= 275000);
    drive_close(&d);
}

TEST(bad_options)
{
    lbi_reql_conn *conn = NULL;
    lbi_reql_host host = {.name = ""};
    lbi_reql_options o = {0};

    CHECK_EQ(lbi_reql_conn_new(&o, NULL, &conn, NULL), LB_E_INVAL);
    o.hosts = &host;
    o.n_hosts = 1;
    CHECK_EQ(lbi_reql_conn_new(&o, NULL, &conn, NULL), LB_E_INVAL);
    host.name = "h";
    o.max_in_flight = 1001;
    CHECK_EQ(lbi_reql_conn_new(&o, NULL, &conn, NULL), LB_E_INVAL);
    o.max_in_flight = 0;
    o.tls = true;
    o.tls_options.ca_file = "no such file";
    CHECK_EQ(lbi_reql_conn_new(&o, NULL, &conn, NULL), LB_E_TLS);
}
