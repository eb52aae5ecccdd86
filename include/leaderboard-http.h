/*
 * libleaderboard over HTTP: boards as a small API with live event streams, for any HTTP stack.
 *
 * A handler owns no socket and no thread. The HTTP stack gives it each request it has read, and
 * gets back a reply to send: a status, fields, a body, or a stream of bytes that it pulls from for
 * as long as the client listens. docs/http.md lists the requests and their answers.
 *
 * - A handler uses a client of leaderboard.h and belongs to the same thread. Drive both: call
 *   lb_http_process() where lb_client_process() is called, and sleep no longer than the earlier
 *   of lb_http_deadline() and lb_client_deadline(). lb_client_fd() is the only descriptor.
 * - Callbacks run only inside lb_http_process() and lb_http_free(). A callback may make any call of
 *   this header, except those two.
 * - Ownership words, sized structs and return values are those of leaderboard.h.
 */
#ifndef LEADERBOARD_HTTP_H
#define LEADERBOARD_HTTP_H

#include "leaderboard.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LB_HTTP_TARGET_MAX 8192 /* bytes of a request's target; longer is answered with 414 */
#define LB_HTTP_BODY_MAX 65536  /* bytes of a request's body; longer is answered with 413 */
#define LB_HTTP_PREFIX_MAX 200  /* bytes of path_prefix */

typedef struct lb_http lb_http;
typedef struct lb_http_call lb_http_call;
typedef struct lb_http_stream lb_http_stream;

/* ---- Handler -------------------------------------------------------------------------------- */

/* Flags of lb_http_options. */
enum {
    LB_HTTP_CREATE = 1,    /* adding to a player that does not exist creates it, and its board */
    LB_HTTP_READ_ONLY = 2, /* every write is answered with 403 */
    LB_HTTP_PROXY_REQUIRED = 4 /* event streams only by way of grip_url's proxies, else 501 */
};

/* Told of what went wrong on the server's side, once for each request that is answered with a status
 * of 500 or more: the client gets a general sentence, `error` has the store's own words. Status 0 is
 * a board that has event streams and cannot be read: they wait, and this is told once until it can.
 * All is borrowed until it returns. method is cut at 15 bytes, target, as it came, at 256: a log
 * should escape both. It must not call the library. Runs inside lb_http_process(), lb_http_free()
 * and, with status 0, lb_client_process(). */
typedef void (*lb_http_failure_fn)(void *user, const char *method, const char *target, int status,
                                   const lb_error *error);

typedef struct lb_http_options {
    size_t struct_size;
    uint32_t flags;           /* LB_HTTP_... */
    uint32_t timeout_ms;      /* of each request's operation; 0 = the client's */
    const char *write_key;    /* writes need "Authorization: Bearer KEY"; NULL = anyone may write */
    const char *cors_origins; /* other origins whose pages may call, separated by spaces, or "*" for
                                 all; NULL = none */
    uint32_t limit;           /* rows of an event stream, and of a page that asks for none,
                                 1..LB_LIMIT_MAX; 0 = LB_LIMIT_DEFAULT */
    uint32_t min_interval_ms; /* between two events of a stream; 0 = 100 */
    uint32_t keep_alive_ms;   /* a silent stream sends a comment; 0 = 15,000 */
    uint32_t retry_ms;        /* browsers reconnect after so long; 0 = 2,000 */
    uint32_t max_calls;       /* requests being answered; 0 = 10,000. More are answered with 503 */
    uint32_t max_streams;     /* open streams; 0 = 100,000. More are answered with 503 */
    const char *grip_url;     /* GRIP proxies that may be in front, as in leaderboard-push.h, each
                                 with a key or verify-key: an event stream that comes through one
                                 is answered once and left to it (a hold). NULL = none */
    const char *grip_prefix;  /* of the boards' channels, the relay's; NULL = "" */
    const char *grip_verify_key; /* verify-key of the proxies whose URL has none; or NULL */
    uint32_t grip_timeout_ms; /* so long after a publication was lost its listeners have the news: a
                                 proxy asks after half of it, or up to all, without any. In whole
                                 seconds of the half; 0 = 120,000 */
    const char *path_prefix;  /* "/api", if a proxy in front takes it away: of next links, Location
                                 and Link; [A-Za-z0-9._~/-], at most LB_HTTP_PREFIX_MAX; NULL = "" */
    lb_http_failure_fn failure; /* NULL = nobody is told */
    void *failure_user;
} lb_http_options;

#define lb_http_options_init(o) lb_init_sized((o), sizeof *(o))

/* Makes a handler. The client is borrowed: it must live until lb_http_free(). opts may be NULL.
 * Owns: *ret is yours, end it with lb_http_free().
 * Returns: 0, LB_E_INVAL (a bad option), LB_E_UNSUPPORTED (an option of a newer library).
 * Callbacks: never. Since: 0.1. */
LB_API int lb_http_new(lb_client *client, const lb_http_options *opts, lb_http **ret,
                       lb_error *reterr);

/* Ends a handler: reads in progress are answered with 503, writes with 504 (they may yet be
 * applied), streams end; streams stay yours to free. NULL does nothing. Returns NULL. Callbacks: replies, ready. Since: 0.1. */
LB_API lb_http *lb_http_free(lb_http *http);

/* As lb_client_deadline(), for lb_http_process(). Returns: 0. Callbacks: never. Since: 0.1. */
LB_API int lb_http_deadline(lb_http *http, uint64_t *ret_us);

/* Gives the host what is due: replies, ends, news of streams. Does one bounded piece, never sleeps.
 * Returns: 1 = did something, call again; 0 = nothing to do; LB_E_BUSY inside a callback.
 * Callbacks: yes. Since: 0.1. */
LB_API int lb_http_process(lb_http *http);

/* Counts since lb_http_new(), but for the two that say "now". */
typedef struct lb_http_counters {
    uint64_t requests;      /* all */
    uint64_t replies[6];    /* by the first digit of their status; [0] is unused */
    uint64_t calls_now;     /* requests that have no reply yet */
    uint64_t streams;       /* streams handed out */
    uint64_t streams_now;   /* not yet freed */
    uint64_t followers_now; /* boards that streams follow, or did a few seconds ago: one
                               subscription each */
    uint64_t events;        /* put into streams */
    uint64_t skipped;       /* not put into a stream, because a newer one came before it was read */
    uint64_t holds;         /* event streams left to a proxy */
    uint64_t hold_checks;   /* times a proxy asked what is new, and was told */
    uint64_t bad_sigs;      /* event streams that were asked for with a wrong Grip-Sig */
} lb_http_counters;

/* Copies the counters into *ret; size is sizeof(lb_http_counters) of the caller.
 * Returns: 0. Callbacks: never. Since: 0.1. */
LB_API int lb_http_counters_get(lb_http *http, lb_http_counters *ret, size_t size);

/* ---- Requests ------------------------------------------------------------------------------- */

/* The value of a request's field, NULL if there is none; name is in lower case. Several lines of
 * one name are joined by ", ". Called only inside lb_http_handle(); the value is borrowed until it
 * returns. */
typedef const char *(*lb_http_field_fn)(const char *name, void *user);

typedef struct lb_http_request {
    size_t struct_size;
    const char *method;     /* "GET" */
    const char *target;     /* "/boards/demo/?limit=3", still percent-encoded */
    lb_http_field_fn field; /* or NULL: no fields */
    void *field_user;
    const void *body;
    size_t body_size;
} lb_http_request;

#define lb_http_request_init(r) lb_init_sized((r), sizeof *(r))

typedef struct lb_http_field {
    const char *name;
    const char *value; /* no line ends */
} lb_http_field;

/* Borrowed until the callback returns, but for the stream. */
typedef struct lb_http_reply {
    int status;
    const lb_http_field *fields; /* without Content-Length and Transfer-Encoding: the stack's */
    size_t n_fields;
    const void *body;       /* NULL: no body */
    size_t body_size;       /* of a HEAD request, or with status 304: what GET would have sent, 0 =
                               it has no end. No Content-Length with 0, nor with status 204 */
    lb_http_stream *stream; /* the body, instead; yours, end it with lb_http_stream_free() */
} lb_http_reply;

typedef void (*lb_http_reply_fn)(const lb_http_reply *reply, void *user);

/* Takes a request. fn is called exactly once, never inside this call, unless it is cancelled.
 * A bad request is no error here: it gets its reply. All inputs are copied. *ret, if asked for, is
 * borrowed until fn returns.
 * Returns: 0, LB_E_LIMIT (twice max_calls requests wait), LB_E_CLOSED (inside lb_http_free()).
 * Callbacks: request->field. Since: 0.1. */
LB_API int lb_http_handle(lb_http *http, const lb_http_request *request, lb_http_reply_fn fn,
                          void *user, lb_http_call **ret, lb_error *reterr);

/* The client has gone: fn will not be called. A write that was on its way may still be applied.
 * NULL does nothing. Returns NULL. Callbacks: never. Since: 0.1. */
LB_API lb_http_call *lb_http_cancel(lb_http_call *call);

/* ---- Streams -------------------------------------------------------------------------------- *
 *
 * A stream holds at most one event that was not read: when its client is slow, the newest state
 * replaces it. So each client gets the latest state, at its own pace, in bounded memory.
 */

/* Copies what is there to send into buf. Whenever it has returned 0, the function of
 * lb_http_stream_ready() is called once there is more.
 * Returns: bytes > 0; 0 = nothing for now; LB_E_CLOSED = the stream has ended (its board was
 * deleted, or the handler freed). Callbacks: never. Since: 0.1. */
LB_API int lb_http_stream_read(lb_http_stream *stream, void *buf, size_t size);

typedef void (*lb_http_ready_fn)(lb_http_stream *stream, void *user);

/* Sets what is called when there is something to read again. Callbacks: never. Since: 0.1. */
LB_API int lb_http_stream_ready(lb_http_stream *stream, lb_http_ready_fn fn, void *user);

/* Ends a stream, its client has gone. Legal inside any callback. NULL does nothing.
 * Returns NULL. Callbacks: never. Since: 0.1. */
LB_API lb_http_stream *lb_http_stream_free(lb_http_stream *stream);

#ifdef __cplusplus
}
#endif

#endif
