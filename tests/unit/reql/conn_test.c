/* The connection against a server that follows a script. */
#include "fake_reql.h"
#include "fault.h"
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

static lbi_reql_state state_of(const struct drive *d)
{
    lbi_reql_state state;

    lbi_reql_conn_state(d->conn, &state);
    return state;
}

/* ---- Answers -------------------------------------------------------------------------------- */

static void answer_seven(struct fake *f)
{
    int64_t token;

    fake_accept(f);
    fake_shake(f, NULL);
    fake_expect(f, SEVEN, &token);
    fake_answer(f, token, "{\"t\":1,\"r\":[7],\"n\":[]}");
    fake_wait_end(f);
}

TEST(answer)
{
    struct fake f = {0};
    struct drive d;

    open_fake(&f, answer_seven, NULL, &d, NULL);
    CHECK_EQ(drive_ok(&d, SEVEN).number, 7);
    CHECK_STR(state_of(&d).server_version, "9.9.9");
    CHECK_EQ(state_of(&d).queries, 0);
    end(&f, &d);
}

TEST(everything_one_byte_at_a_time)
{
    struct fake f = {.chunk = 1};
    struct drive d;

    open_fake(&f, answer_seven, NULL, &d, NULL);
    CHECK_EQ(drive_ok(&d, SEVEN).number, 7);
    end(&f, &d);
}

static void answer_backwards(struct fake *f)
{
    struct fake_query q[3];

    fake_accept(f);
    fake_shake(f, NULL);
    for (int i = 0; i < 3; i++)
        CHECK(fake_read(f, &q[i]));
    fake_answer(f, 12345678901, "{\"t\":1,\"r\":[]}"); /* nobody's */
    fake_answer(f, -1, "not even JSON");
    for (int i = 2; i >= 0; i--)
        fake_answer(f, q[i].token, i == 1 ? "{\"t\":1,\"r\":[1]}" : "{\"t\":1,\"r\":[2]}");
    fake_answer(f, q[0].token, "{\"t\":1,\"r\":[3]}"); /* once too often */
    CHECK(fake_read(f, &q[0]));
    fake_answer(f, q[0].token, "{\"t\":1,\"r\":[4]}");
    fake_wait_end(f);
}

TEST(any_order_and_unknown_tokens)
{
    struct fake f = {0};
    struct drive d;
    struct outcome o[3] = {0};

    open_fake(&f, answer_backwards, NULL, &d, NULL);
    for (int i = 0; i < 3; i++)
        (void)drive_submit(&d, SEVEN, 0, &o[i]);
    for (int i = 0; i < 3; i++)
        drive_until(&d, &o[i].done);
    CHECK_EQ(o[1].number, 1);
    CHECK_EQ(o[0].number, 2);
    CHECK_EQ(drive_ok(&d, SEVEN).number, 4);
    CHECK_EQ(state_of(&d).unknown_answers, 3);
    CHECK_EQ(state_of(&d).connects, 1);
    end(&f, &d);
}

/* Frames that are no answers to what was asked, and what becomes of the query. */
struct odd {
    const char *frame;
    int code;
    bool stop; /* a STOP is expected, since it may be a stream */
    const char *says;
};

static void answer_oddly(struct fake *f)
{
    const struct odd *odd = f->user;
    int64_t token, stop;

    fake_accept(f);
    fake_shake(f, NULL);
    fake_expect(f, SEVEN, &token);
    fake_answer(f, token, odd->frame);
    if (odd->stop) {
        fake_expect(f, "[3]", &stop);
        CHECK_EQ(stop, token);
        fake_answer(f, token, "{\"t\":16,\"r\":[\"Token not in stream cache.\"],\"b\":[]}");
    }
    fake_expect(f, SEVEN, &token);
    fake_answer(f, token, "{\"t\":1,\"r\":[7]}");
    fake_wait_end(f);
}

static void check_odd(struct odd odd)
{
    struct fake f = {0};
    struct drive d;
    struct outcome o;
    lbi_reql_options small = {.max_answer = 4000};

    open_fake(&f, answer_oddly, &odd, &d, &small);
    drive_query(&d, SEVEN, &o);
    CHECK_EQ(o.code, odd.code);
    CHECK_EQ(o.calls, 1);
    CHECK(o.sent);
    if (!strstr(o.message, odd.says))
        FAIL("'%s' is not in '%s'", odd.says, o.message);
    CHECK_EQ(drive_ok(&d, SEVEN).number, 7); /* on the same connection */
    CHECK_EQ(state_of(&d).connects, 1);
    CHECK_EQ(state_of(&d).queries, 0);
    end(&f, &d);
}

TEST(answers_from_the_future)
{
    check_odd((struct odd){"{\"t\":77,\"r\":[1]}", LB_E_PROTO, true, "type 77"});
    check_odd((struct odd){"{\"t\":18,\"e\":7700000,\"r\":[\"new kind\"]}", LB_E_QUERY, false,
                           "new kind"});
    check_odd((struct odd){"{\"t\":1,\"r\":[1],\"n\":[900],\"x\":{}}", 0, false, ""});
}

TEST(answers_without_sense)
{
    check_odd((struct odd){"", LB_E_PROTO, true, "cannot be read"});
    check_odd((struct odd){"{\"t\":1,\"r\":[", LB_E_PROTO, true, "cannot be read"});
    check_odd((struct odd){"[]", LB_E_PROTO, true, "no type"});
    check_odd((struct odd){"{\"t\":1.5,\"r\":[]}", LB_E_PROTO, true, "no type"});
    check_odd((struct odd){"{\"t\":1,\"r\":[\"\xff\"]}", LB_E_PROTO, true, "UTF-8"});
    check_odd((struct odd){"{\"t\":18,\"e\":4100000,\"r\":[]}", LB_E_IO, false, "no reason"});
}

TEST(answer_too_deep_or_too_long_costs_the_query_only)
{
    char deep[1000], longer[9000];

    memset(deep, '[', sizeof deep);
    deep[sizeof deep - 1] = '\0';
    memset(longer, ' ', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    check_odd((struct odd){deep, LB_E_LIMIT, true, "deeper"});
    check_odd((struct odd){longer, LB_E_LIMIT, true, "8999 bytes"});
}

static void send_forged_length(struct fake *f)
{
    struct fake_query q;

    fake_accept(f);
    fake_shake(f, NULL);
    CHECK(fake_read(f, &q));
    fake_header(f, q.token, 0x80000000U);
    fake_wait_end(f);
    fake_accept(f);
    fake_shake(f, NULL);
    CHECK(fake_read(f, &q));
    fake_answer(f, q.token, "{\"t\":1,\"r\":[7]}");
    fake_wait_end(f);
}

TEST(two_gigabytes_are_no_answer)
{
    struct fake f = {0};
    struct drive d;
    struct outcome o;

    open_fake(&f, send_forged_length, NULL, &d, NULL);
    drive_query(&d, SEVEN, &o);
    CHECK_EQ(o.code, LB_E_PROTO);
    CHECK(o.sent);
    CHECK_EQ(drive_ok(&d, SEVEN).number, 7);
    CHECK_EQ(state_of(&d).connects, 2);
    end(&f, &d);
}

/* ---- Streams -------------------------------------------------------------------------------- */

static void send_batches(struct fake *f)
{
    int64_t token;

    fake_accept(f);
    fake_shake(f, NULL);
    fake_expect(f, SEVEN, &token);
    fake_answer(f, token, "{\"t\":3,\"r\":[1,2]}");
    fake_expect(f, "[2]", NULL);
    fake_answer(f, token, "{\"t\":3,\"r\":[]}");
    fake_expect(f, "[2]", NULL);
    fake_answer(f, token, "{\"t\":2,\"r\":[3]}");
    fake_wait_end(f);
}

TEST(batches)
{
    struct fake f = {0};
    struct drive d;
    struct outcome o;

    open_fake(&f, send_batches, NULL, &d, NULL);
    drive_query(&d, SEVEN, &o);
    CHECK_EQ(o.code, 0);
    CHECK_EQ(o.calls, 3);
    CHECK_EQ(o.n_values, 3);
    end(&f, &d);
}

/* The server's answers to CONTINUE and STOP in each order that it may choose. */
static void stop_race(struct fake *f)
{
    const char *const *frames = f->user;
    int64_t token, other;

    fake_accept(f);
    fake_shake(f, NULL);
    fake_expect(f, SEVEN, &token);
    fake_answer(f, token, "{\"t\":3,\"r\":[1]}");
    fake_expect(f, "[2]", NULL);
    fake_expect(f, "[3]", NULL);
    fake_answer(f, token, frames[0]);
    fake_expect(f, SEVEN, &other);
    CHECK((token & 0xffff) != (other & 0xffff)); /* one answer is missing: not free yet */
    fake_answer(f, token, frames[1]);
    fake_answer(f, other, "{\"t\":1,\"r\":[7]}");
    fake_expect(f, SEVEN, &other);
    CHECK(token != other);
    fake_answer(f, other, "{\"t\":1,\"r\":[8]}");
    fake_wait_end(f);
}

TEST(stop_races)
{
    static const char *const races[][2] = {
        {"{\"t\":2,\"r\":[]}", "{\"t\":2,\"r\":[]}"},
        {"{\"t\":3,\"r\":[2]}", "{\"t\":2,\"r\":[]}"},
        {"{\"t\":2,\"r\":[2]}", "{\"t\":16,\"r\":[\"Token 1 not in stream cache.\"]}"},
        {"{\"t\":18,\"e\":4100000,\"r\":[\"x\"]}", "{\"t\":16,\"r\":[\"x\"]}"},
    };

    for (size_t i = 0; i < sizeof races / sizeof *races; i++) {
        struct fake f = {0};
        struct drive d;
        struct outcome o = {0};
        lbi_reql_query *q;

        open_fake(&f, stop_race, (void *)(uintptr_t)races[i], &d, NULL);
        q = drive_submit(&d, SEVEN, 0, &o);
        while (o.calls == 0)
            drive_for(&d, 1);
        lbi_reql_stop(q);
        CHECK_EQ(drive_ok(&d, SEVEN).number, 7);
        CHECK_EQ(drive_ok(&d, SEVEN).number, 8);
        CHECK_EQ(o.calls, 1);
        CHECK_EQ(state_of(&d).unknown_answers, 0);
        CHECK_EQ(state_of(&d).queries, 0);
        end(&f, &d);
    }
}

static void answer_after_stop(struct fake *f)
{
    int64_t token, other;

    fake_accept(f);
    fake_shake(f, NULL);
    fake_expect(f, SEVEN, &token);
    fake_expect(f, "[3]", NULL);
    fake_expect(f, "[1,true]", &other);
    fake_answer(f, token, "{\"t\":1,\"r\":[7]}"); /* late, but it was done */
    fake_answer(f, token, "{\"t\":16,\"r\":[\"Token 1 not in stream cache.\"]}");
    fake_answer(f, other, "{\"t\":1,\"r\":[1]}");
    fake_wait_end(f);
}

TEST(deadline_of_what_was_sent)
{
    struct fake f = {0};
    struct drive d;
    struct outcome o = {0};

    open_fake(&f, answer_after_stop, NULL, &d, NULL);
    (void)drive_submit(&d, SEVEN, 200, &o);
    drive_until(&d, &o.done);
    CHECK_EQ(o.code, LB_E_TIMEOUT);
    CHECK(o.sent);
    (void)drive_ok(&d, "[1,true]");
    CHECK_EQ(o.calls, 1);
    CHECK_EQ(state_of(&d).queries, 0);
    CHECK_EQ(state_of(&d).unknown_answers, 0);
    end(&f, &d);
}

static void expect_third_only(struct fake *f)
{
    struct fake_query q;

    fake_accept(f);
    fake_shake(f, NULL);
    do
        CHECK(fake_read(f, &q));
    while (strcmp(q.text, SEVEN) != 0);
    fake_answer(f, q.token, "{\"t\":1,\"r\":[7]}");
    fake_wait_end(f);
}

TEST(cancel_before_it_left)
{
    struct fake f = {0};
    struct drive d;
    struct outcome first = {0}, second = {0}, third = {0};
    lbi_reql_query *q;

    open_fake(&f, expect_third_only, NULL, &d, NULL);
    q = drive_submit(&d, "[1,\"waiting\"]", 0, &first);
    CHECK(lbi_reql_cancel(q)); /* there is no connection yet */
    (void)drive_submit(&d, "[5]", 1, &first);
    drive_until_event(&d, LBI_REQL_CONNECTED, 1);
    q = drive_submit(&d, "[1,\"in a frame, but not on its way\"]", 0, &second);
    (void)drive_submit(&d, SEVEN, 0, &third);
    CHECK(lbi_reql_cancel(q));
    CHECK(!lbi_reql_cancel(q));
    drive_until(&d, &third.done);
    CHECK_EQ(third.number, 7);
    CHECK_EQ(second.calls, 0);
    end(&f, &d);
}

/* ---- Ends ----------------------------------------------------------------------------------- */

static void cut(struct fake *f)
{
    const int *after = f->user;
    int64_t token;
    char frame[64] = {0};

    fake_accept(f);
    fake_shake(f, NULL);
    fake_expect(f, SEVEN, &token);
    memcpy(frame, &token, 8);
    frame[8] = 15;
    memcpy(frame + 12, "{\"t\":1,\"r\":[7]}", 15);
    fake_send(f, frame, (size_t)*after);
    if (*after % 2)
        fake_reset(f);
    else
        fake_close(f);
    answer_seven(f);
}

TEST(cut_at_every_byte_of_an_answer)
{
    for (int after = 0; after < 27; after++) {
        struct fake f = {0};
        struct drive d;
        struct outcome o;

        open_fake(&f, cut, &after, &d, NULL);
        drive_query(&d, SEVEN, &o);
        CHECK_EQ(o.calls, 1);
        CHECK_EQ(o.code, LB_E_IO);
        CHECK(o.sent);
        CHECK_EQ(drive_ok(&d, SEVEN).number, 7);
        end(&f, &d);
    }
}

static void answer_and_close(struct fake *f)
{
    int64_t token;

    fake_accept(f);
    fake_shake(f, NULL);
    fake_expect(f, SEVEN, &token);
    fake_answer(f, token, "{\"t\":1,\"r\":[7]}");
}

TEST(an_answer_before_the_end_counts)
{
    struct fake f = {0};
    struct drive d;

    open_fake(&f, answer_and_close, NULL, &d, NULL);
    CHECK_EQ(drive_ok(&d, SEVEN).number, 7);
    drive_until_event(&d, LBI_REQL_LOST, 1);
    end(&f, &d);
}

static void say_nothing(struct fake *f)
{
    fake_accept(f);
    fake_shake(f, NULL);
    fake_wait_end(f);
    answer_seven(f);
}

TEST(silent_peer)
{
    struct fake f = {0};
    struct drive d;
    struct outcome o;
    lbi_reql_options quick = {.silence_ms = 300};
    uint64_t began;

    open_fake(&f, say_nothing, NULL, &d, &quick);
    began = lbi_clock_us();
    drive_query(&d, SEVEN, &o);
    CHECK_EQ(o.code, LB_E_IO);
    CHECK(o.sent);
    CHECK(lbi_clock_us() - began >= 290000);
    CHECK(strstr(o.message, "nothing was heard"));
    CHECK_EQ(drive_ok(&d, SEVEN).number, 7);
    end(&f, &d);
}

/* A peer that reads nothing: what did not fit into the socket was not sent, and is kept. */
static void read_nothing(struct fake *f)
{
    struct fake_query q;
    unsigned answered = 0;

    fake_accept(f);
    fake_shake(f, NULL);
    while (!*(volatile bool *)f->user)
        continue;
    fake_close(f);
    fake_accept(f);
    fake_shake(f, NULL);
    while (fake_read(f, &q)) {
        fake_answer(f, q.token, "{\"t\":1,\"r\":[7]}");
        answered++;
    }
    CHECK(answered > 0);
}

TEST(what_was_not_sent_is_sent_later)
{
    static char text[1024 * 1024];
    enum { N = 40 };
    bool cut_now = false;
    struct fake f = {0};
    struct drive d;
    struct outcome o[N] = {0};
    unsigned lost = 0, kept = 0;

    memset(text, ' ', sizeof text - 1);
    memcpy(text, "[1,7", 4);
    text[sizeof text - 2] = ']';
    open_fake(&f, read_nothing, &cut_now, &d, NULL);
    for (int i = 0; i < N; i++)
        (void)drive_submit(&d, text, 0, &o[i]);
    drive_until_event(&d, LBI_REQL_CONNECTED, 1);
    drive_for(&d, 100);
    cut_now = true;
    for (int i = 0; i < N; i++)
        drive_until(&d, &o[i].done);
    for (int i = 0; i < N; i++) {
        CHECK_EQ(o[i].calls, 1);
        CHECK(o[i].sent);
        lost += o[i].code == LB_E_IO;
        kept += o[i].code == 0 && o[i].number == 7;
        CHECK(i == 0 || o[i].code == 0 || o[i - 1].code < 0); /* the first ones were sent */
    }
    CHECK_EQ(lost + kept, N);
    CHECK(lost >= 1);
    CHECK(kept >= N / 2);
    end(&f, &d);
}

/* Nothing to do is nothing done, with and without a query that is waited for. */
TEST(does_not_spin)
{
    struct fake f = {0};
    struct drive d;
    struct outcome o = {0};
    unsigned turns = 0;

    open_fake(&f, say_nothing, NULL, &d, NULL);
    (void)drive_submit(&d, SEVEN, 0, &o);
    drive_until_event(&d, LBI_REQL_CONNECTED, 1);
    for (uint64_t end_us = in_ms(300), now; (now = lbi_clock_us()) < end_us; turns++) {
        if (lbi_reql_conn_process(d.conn, now) || lbi_poller_dispatch(d.poller))
            continue;
        if (lbi_reql_conn_deadline(d.conn) > now)
            lbi_poller_sleep(d.poller, end_us - now);
    }
    CHECK(turns < 20);
    lbi_reql_conn_free(d.conn);
    d.conn = NULL;
    lbi_poller_free(d.poller);
    drive_open_at(&d, "127.0.0.1", f.port, NULL);
    CHECK_EQ(drive_ok(&d, SEVEN).number, 7);
    end(&f, &d);
}

TEST(closing_ends_everything_once)
{
    struct fake f = {0};
    struct drive d;
    struct outcome sent = {0}, waiting = {0};
    lbi_reql_options one = {.max_in_flight = 1};

    open_fake(&f, say_nothing, NULL, &d, &one);
    (void)drive_submit(&d, SEVEN, 0, &sent);
    (void)drive_submit(&d, SEVEN, 0, &waiting);
    drive_until_event(&d, LBI_REQL_CONNECTED, 1);
    drive_for(&d, 20);
    CHECK_EQ(state_of(&d).in_flight, 1);
    CHECK_EQ(state_of(&d).waiting, 1);
    lbi_reql_conn_free(d.conn);
    CHECK_EQ(sent.calls, 1);
    CHECK_EQ(sent.code, LB_E_CLOSED);
    CHECK(sent.sent);
    CHECK_EQ(waiting.calls, 1);
    CHECK_EQ(waiting.code, LB_E_CLOSED);
    CHECK(!waiting.sent);
    d.conn = NULL;
    /* The script goes on to a second client. */
    lbi_poller_free(d.poller);
    drive_open_at(&d, "127.0.0.1", f.port, NULL);
    CHECK_EQ(drive_ok(&d, SEVEN).number, 7);
    end(&f, &d);
}

TEST(queue_is_bounded)
{
    struct drive d;
    struct outcome first = {0}, second = {0};
    lbi_reql_options small = {.max_queued = 40};
    lbi_reql_call call = {.text = SEVEN, .len = 14, .deadline_us = LB_NEVER, .fn = outcome_fn};

    call.user = &first;
    drive_open_at(&d, "127.0.0.1", 1, &small);
    CHECK_EQ(lbi_reql_submit(d.conn, &call, NULL, NULL), 0);
    call.user = &second;
    CHECK_EQ(lbi_reql_submit(d.conn, &call, NULL, NULL), 0);
    CHECK_EQ(lbi_reql_submit(d.conn, &call, NULL, NULL), LB_E_LIMIT);
    drive_close(&d);
    CHECK_EQ(first.calls, 1);
    CHECK_EQ(second.code, LB_E_CLOSED);
}

/* Every allocation of a whole conversation fails in turn: it ends all the same, once. */
static void answer_all(struct fake *f)
{
    struct fake_query q;

    while (fake_try_accept(f)) {
        fake_shake(f, NULL);
        while (fake_read(f, &q))
            fake_answer(f, q.token, "{\"t\":1,\"r\":[7]}");
        fake_close(f);
    }
}

static void converse(uint16_t port)
{
    lbi_reql_host host = {.name = "127.0.0.1", .port = port};
    lbi_reql_options o = {.hosts = &host, .n_hosts = 1, .backoff_min_ms = 1};
    struct drive d = {0};
    struct outcome first = {0};
    lbi_reql_call call = {.text = SEVEN, .len = 14, .fn = outcome_fn, .user = &first};
    int r = lbi_poller_new(&d.poller, NULL);

    call.deadline_us = in_ms(20000);
    if (r == 0)
        r = lbi_reql_conn_new(&o, d.poller, &d.conn, NULL);
    if (r == 0)
        r = lbi_reql_submit(d.conn, &call, NULL, NULL);
    if (r == 0) {
        drive_until(&d, &first.done);
        CHECK_EQ(first.calls, 1);
        r = first.code;
    }
    CHECK(r == 0 || fault_fired());
    drive_close(&d);
}

TEST(out_of_memory, .timeout_s = 60)
{
    struct fake f = {0};

    fake_start(&f, answer_all, NULL);
    FOR_EACH_ALLOC_FAILURE (i) {
        converse(f.port);
    }
    fake_stop(&f);
}
