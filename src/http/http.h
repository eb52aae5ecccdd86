/* The handler's parts. A request becomes a call: an endpoint checks it and starts an operation of
 * the client, whose completion makes the reply, which lb_http_process() gives to the host. Host
 * functions run nowhere else, so nothing else has to expect that they free what it holds. */
#ifndef LBI_HTTP_HTTP_H
#define LBI_HTTP_HTTP_H

#include "base/buf.h"
#include "http/event.h"
#include "leaderboard-http.h"
#include "os/digest.h"
#include "push/grip_hold.h"
#include "push/grip_url.h"

#include <stdbool.h>

enum { LBI_HTTP_FIELDS = 12, LBI_HTTP_ORIGINS = 64, LBI_HTTP_TOLD = 256 };

typedef struct lbi_follower lbi_follower;

struct lb_http {
    lb_client *client;
    uint32_t flags, timeout_ms, limit;
    uint64_t min_interval_us, keep_alive_us;
    lb_http_failure_fn failure;
    void *failure_user;
    size_t max_calls, max_streams;
    bool has_key;
    uint8_t key_digest[LBI_SHA256_SIZE]; /* of the write key */
    bool any_origin;
    char *origins; /* each ended by a NUL */
    const char *origin[LBI_HTTP_ORIGINS];
    size_t n_origins;
    lbi_grip_config *grip; /* proxies that may be in front; NULL = none */
    char grip_prefix[LBI_GRIP_PREFIX_MAX + 1];
    char path_prefix[LB_HTTP_PREFIX_MAX + 1];
    unsigned grip_timeout_s, grip_keep_alive_s;

    lb_http_call *calls;   /* the store has their operations */
    lb_http_call *replies; /* to be given to the host */
    size_t n_calls;        /* in memory, cancelled ones that the store still has included */
    lbi_follower *followers;
    lbi_follower *idle; /* those without a stream, the one that goes first in front */
    size_t n_idle;
    lbi_follower *due;       /* whose streams are to hear something, the first in front */
    lbi_event *hello;        /* what every stream begins with */
    lbi_event *comment;      /* keeps a connection alive */
    lb_http_stream *quiet;   /* live streams, the one that needs a keep-alive first in front */
    lb_http_stream *ended;   /* those that nothing will come for, not yet freed */
    lb_http_stream *waiting; /* to be told that there is something to read */
    size_t n_streams;
    lb_http_counters counters;
    bool busy; /* host functions may be running */
    bool closing;
};

/* Tells the host what its clients are not told. */
void lbi_http_tell_failure(lb_http *http, const char *method, const char *target, int status,
                           const lb_error *error);

/* ---- follower.c: one subscription per board, however many streams ---- */

/* A stream of the board for this call: lbi_call_joined() is called with the state then. Returns 0,
 * LB_E_NOMEM. */
int lbi_follower_join(lb_http *http, const char *board, lb_http_call *call, lb_error *reterr);

/* The board's latest event, borrowed. */
lbi_event *lbi_follower_event(const lbi_follower *follower);
lb_http_stream **lbi_follower_members(lbi_follower *follower);

/* A stream has left. */
void lbi_follower_left(lbi_follower *follower);

int lbi_followers_process(lb_http *http, uint64_t now_us);
uint64_t lbi_followers_deadline(const lb_http *http);
void lbi_followers_free(lb_http *http);

/* ---- stream.c ---- */

/* A stream of the board's events. One that has seen the latest state (an id, or NULL) begins with
 * the next. Returns NULL if out of memory. */
lb_http_stream *lbi_stream_new(lb_http *http, lbi_follower *follower, const char *seen);

/* Puts an event into a stream and those listed behind it, in the place of one that was not read;
 * not into those that it was the last one of. */
void lbi_streams_offer(lb_http_stream *first, lbi_event *event);

/* Nothing more will come. */
void lbi_stream_end(lb_http_stream *stream);

int lbi_streams_keep_alive(lb_http *http, uint64_t now_us);
int lbi_streams_wake(lb_http *http);
uint64_t lbi_streams_deadline(const lb_http *http);

/* The handler is freed: streams stand alone from now on. */
void lbi_streams_orphan(lb_http *http);

/* ---- hold.c: streams that a GRIP proxy keeps ---- */

/* keep_alive_us is set before. Returns 0 or < 0. */
int lbi_holds_init(lb_http *http, const lb_http_options *o, lb_error *reterr);
void lbi_holds_done(lb_http *http);

/* Has a proxy of ours sent the request with this Grip-Sig (NULL: it has none)? */
bool lbi_hold_is_signed(lb_http *http, const char *sig);

#endif
