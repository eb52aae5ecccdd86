/* What one listener has still to read: pointers to events that all listeners share. */
#include "base/list.h"
#include "http/http.h"
#include "os/clock.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { AT_ONCE = 1024 }; /* streams that one lb_http_process() looks at */

struct lb_http_stream {
    lb_http *http;                           /* NULL: it was freed */
    lbi_follower *follower;                  /* NULL: nothing more will come */
    lb_http_stream *prev, *next;             /* members of the follower */
    lb_http_stream *quiet_prev, *quiet_next; /* http->quiet, or http->ended */
    lb_http_stream *waiting_prev, *waiting_next;
    uint64_t quiet_us;  /* a keep-alive is due then */
    lbi_event *current; /* read up to `offset`, NULL = nothing */
    size_t offset;
    lbi_event *newest; /* follows `current`, which is not torn */
    lbi_event *last;   /* the last state that it was given, NULL = none */
    bool dry;          /* the last read returned 0: its host waits to be told */
    bool in_waiting;
    lb_http_ready_fn ready;
    void *ready_user;
};

/* ---- Waking --------------------------------------------------------------------------------- */

static bool has_news(const lb_http_stream *stream)
{
    return stream->current || !stream->follower;
}

static void wake_later(lb_http_stream *stream)
{
    if (!stream->dry || !stream->ready || stream->in_waiting || !stream->http)
        return;
    stream->in_waiting = true;
    DL_APPEND2(stream->http->waiting, stream, waiting_prev, waiting_next);
}

static void forget_waiting(lb_http_stream *stream)
{
    if (!stream->in_waiting)
        return;
    stream->in_waiting = false;
    DL_DELETE2(stream->http->waiting, stream, waiting_prev, waiting_next);
}

int lbi_streams_wake(lb_http *http)
{
    lb_http_stream *stream;
    int done = 0;

    while (done < AT_ONCE && (stream = http->waiting)) {
        done++;
        forget_waiting(stream);
        if (!stream->dry || !has_news(stream))
            continue; /* it was read meanwhile */
        stream->dry = false;
        stream->ready(stream, stream->ready_user);
    }
    return done > 0;
}

int lb_http_stream_ready(lb_http_stream *stream, lb_http_ready_fn fn, void *user)
{
    if (!stream)
        return LB_E_INVAL;
    stream->ready = fn;
    stream->ready_user = user;
    if (!fn && stream->http)
        forget_waiting(stream);
    if (has_news(stream))
        wake_later(stream);
    return 0;
}

/* ---- What is to be sent --------------------------------------------------------------------- */

/* The next keep-alive is a whole period away. All have the same period: the list stays sorted. */
static void was_heard(lb_http_stream *stream, uint64_t now_us)
{
    lb_http *http = stream->http;

    DL_DELETE2(http->quiet, stream, quiet_prev, quiet_next);
    stream->quiet_us = now_us + http->keep_alive_us;
    DL_APPEND2(http->quiet, stream, quiet_prev, quiet_next);
}

/* Has the reader something of it already? The greeting goes to each. */
static bool is_begun(const lb_http_stream *stream)
{
    return stream->current && (stream->offset > 0 || stream->current == stream->http->hello);
}

static void set_last(lb_http_stream *stream, lbi_event *event)
{
    (void)lbi_event_unref(stream->last);
    stream->last = lbi_event_ref(event);
}

static void offer(lb_http_stream *stream, lbi_event *event)
{
    lbi_event **place = is_begun(stream) ? &stream->newest : &stream->current;

    set_last(stream, event);
    stream->http->counters.events++;
    if (*place && *place != stream->http->comment)
        stream->http->counters.skipped++;
    (void)lbi_event_unref(*place);
    *place = lbi_event_ref(event);
    wake_later(stream);
}

void lbi_streams_offer(lb_http_stream *first, lbi_event *event)
{
    uint64_t now_us = lbi_clock_us();
    lb_http_stream *stream;

    DL_FOREACH (first, stream) {
        if (stream->last && strcmp(stream->last->state, event->state) == 0)
            continue;
        offer(stream, event);
        was_heard(stream, now_us);
    }
}

int lbi_streams_keep_alive(lb_http *http, uint64_t now_us)
{
    int done = 0;

    while (done < AT_ONCE && http->quiet && http->quiet->quiet_us <= now_us) {
        lb_http_stream *stream = http->quiet;

        done++;
        was_heard(stream, now_us);
        if (stream->current)
            continue; /* its reader has not even taken what is there */
        stream->current = lbi_event_ref(http->comment);
        wake_later(stream);
    }
    return done > 0;
}

uint64_t lbi_streams_deadline(const lb_http *http)
{
    if (http->waiting)
        return 0;
    return http->quiet ? http->quiet->quiet_us : LB_NEVER;
}

static size_t read_some(lb_http_stream *stream, char *buf, size_t size)
{
    size_t left = stream->current->size - stream->offset;
    size_t n = left < size ? left : size;

    memcpy(buf, stream->current->bytes + stream->offset, n);
    stream->offset += n;
    if (n < left)
        return n;
    (void)lbi_event_unref(stream->current);
    stream->current = stream->newest;
    stream->newest = NULL;
    stream->offset = 0;
    return n;
}

int lb_http_stream_read(lb_http_stream *stream, void *buf, size_t size)
{
    size_t done = 0;

    if (!stream || !buf || size == 0)
        return LB_E_INVAL;
    if (size > INT_MAX)
        size = INT_MAX;
    while (stream->current && done < size)
        done += read_some(stream, (char *)buf + done, size - done);
    stream->dry = done == 0 && stream->follower;
    if (done > 0)
        return (int)done;
    return stream->follower ? 0 : LB_E_CLOSED;
}

/* ---- Life ----------------------------------------------------------------------------------- */

lb_http_stream *lbi_stream_new(lb_http *http, lbi_follower *follower, const char *seen)
{
    lb_http_stream *stream = calloc(1, sizeof *stream);
    lbi_event *event = lbi_follower_event(follower);

    if (!stream)
        return NULL;
    *stream = (lb_http_stream){.http = http, .follower = follower};
    stream->current = lbi_event_ref(http->hello);
    stream->quiet_us = lbi_clock_us() + http->keep_alive_us;
    http->n_streams++;
    DL_APPEND2(http->quiet, stream, quiet_prev, quiet_next);
    DL_APPEND(*lbi_follower_members(follower), stream);
    if (seen && strcmp(seen, event->state) == 0)
        set_last(stream, event);
    else
        offer(stream, event);
    return stream;
}

void lbi_stream_end(lb_http_stream *stream)
{
    lb_http *http = stream->http;

    DL_DELETE(*lbi_follower_members(stream->follower), stream);
    stream->follower = NULL;
    DL_DELETE2(http->quiet, stream, quiet_prev, quiet_next);
    DL_APPEND2(http->ended, stream, quiet_prev, quiet_next);
    wake_later(stream);
}

void lbi_streams_orphan(lb_http *http)
{
    for (lb_http_stream *stream = http->ended; stream; stream = stream->quiet_next)
        stream->http = NULL;
}

lb_http_stream *lb_http_stream_free(lb_http_stream *stream)
{
    lbi_follower *follower;

    if (!stream)
        return NULL;
    follower = stream->follower;
    if (stream->http) {
        if (follower)
            lbi_stream_end(stream);
        forget_waiting(stream);
        DL_DELETE2(stream->http->ended, stream, quiet_prev, quiet_next);
        stream->http->n_streams--;
    }
    if (follower)
        lbi_follower_left(follower);
    (void)lbi_event_unref(stream->current);
    (void)lbi_event_unref(stream->newest);
    (void)lbi_event_unref(stream->last);
    free(stream);
    return NULL;
}
