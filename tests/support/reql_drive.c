#include "reql_drive.h"

#include "test.h"

#include "base/str.h"
#include "os/clock.h"

#include <string.h>

enum { LONG_MS = 25000 };

uint64_t in_ms(unsigned ms)
{
    return lbi_clock_us() + ms * UINT64_C(1000);
}

static void on_event(const lbi_reql_event *event, void *user)
{
    struct drive *d = user;

    d->events[event->kind]++;
    if (event->code != 0) {
        d->event_code = event->code;
        lbi_copy(d->event_text, sizeof d->event_text, event->message);
    }
}

void drive_open(struct drive *d, const lbi_reql_options *options)
{
    lbi_reql_options o = *options;
    lb_error error = {.msg = ""};

    *d = (struct drive){0};
    o.event = on_event;
    o.event_user = d;
    CHECK_OK(lbi_poller_new(&d->poller, NULL));
    if (lbi_reql_conn_new(&o, d->poller, &d->conn, &error) < 0)
        FAIL("no connection: %s", error.msg);
}

void drive_open_at(struct drive *d, const char *host, uint16_t port, const lbi_reql_options *more)
{
    lbi_reql_options o = more ? *more : (lbi_reql_options){0};
    lbi_reql_host place = {.name = host, .port = port};

    o.hosts = &place;
    o.n_hosts = 1;
    drive_open(d, &o);
}

void drive_close(struct drive *d)
{
    lbi_reql_conn_free(d->conn);
    lbi_poller_free(d->poller);
}

static void turn(struct drive *d, uint64_t end)
{
    uint64_t now = lbi_clock_us(), deadline;

    if (lbi_reql_conn_process(d->conn, now) || lbi_poller_dispatch(d->poller))
        return;
    deadline = lbi_reql_conn_deadline(d->conn);
    if (deadline > end)
        deadline = end;
    if (deadline > now)
        lbi_poller_sleep(d->poller, deadline - now);
}

void drive_until(struct drive *d, const bool *flag)
{
    uint64_t end = in_ms(LONG_MS);

    while (!*flag) {
        turn(d, end);
        if (lbi_clock_us() >= end)
            FAIL("waited too long; the last event was: %s", d->event_text);
    }
}

void drive_until_event(struct drive *d, int kind, unsigned count)
{
    uint64_t end = in_ms(LONG_MS);

    while (d->events[kind] < count) {
        turn(d, end);
        if (lbi_clock_us() >= end)
            FAIL("waited too long for event %d; the last was: %s", kind, d->event_text);
    }
}

void drive_for(struct drive *d, unsigned ms)
{
    uint64_t end = in_ms(ms);

    while (lbi_clock_us() < end)
        turn(d, end);
}

int outcome_fn(const lbi_reql_reply *reply, void *user)
{
    struct outcome *o = user;

    CHECK(!o->done);
    o->calls++;
    o->batches += !reply->last;
    o->done = reply->last;
    o->code = reply->code;
    o->sent = reply->sent;
    lbi_copy(o->message, sizeof o->message, reply->message);
    if (reply->answer) {
        const lbi_json *first = lbi_json_first(reply->answer->values);
        const char *text = lbi_json_text(first);

        o->type = reply->answer->type;
        o->error = reply->answer->error;
        (void)lbi_json_int(first, &o->number);
        if (text)
            lbi_copy(o->text, sizeof o->text, text);
        for (; first; first = lbi_json_next(first))
            o->n_values++;
    }
    if (o->also)
        (void)o->also(reply, o->also_user);
    if (!reply->last && o->stop_after > 0 && o->calls >= (unsigned)o->stop_after) {
        o->done = true;
        return 1;
    }
    return 0;
}

lbi_reql_query *drive_submit(struct drive *d, const char *text, unsigned timeout_ms,
                             struct outcome *o)
{
    lbi_reql_query *q = NULL;
    lbi_reql_call call = {
        .text = text,
        .len = strlen(text),
        .deadline_us = timeout_ms ? in_ms(timeout_ms) : LB_NEVER,
        .fn = outcome_fn,
        .user = o,
    };

    CHECK_OK(lbi_reql_submit(d->conn, &call, &q, NULL));
    return q;
}

void drive_query(struct drive *d, const char *text, struct outcome *o)
{
    *o = (struct outcome){0};
    (void)drive_submit(d, text, 20000, o);
    drive_until(d, &o->done);
}

struct outcome drive_ok(struct drive *d, const char *text)
{
    struct outcome o;

    drive_query(d, text, &o);
    if (o.code < 0)
        FAIL("%s: %s", text, o.message);
    return o;
}
