/*
 * libleaderboard-push: live boards, and messages of your own, to any number of listeners by way
 * of GRIP proxies (Pushpin, Fastly Fanout).
 *
 * A push object tells proxies what to send: it owns the queues, the connections and the retries.
 * A relay follows all boards of a database and has every change of a top published. An HTTP server
 * behind such a proxy only has to answer event streams once, with the board as it is and a hold.
 *
 * - A push object and its relays belong to one thread at a time, the relays' clients included.
 *   Drive it as a client: lb_push_fd(), lb_push_deadline(), lb_push_process(); and drive the
 *   clients of its relays beside it. It starts no threads, except that libcurl may resolve host
 *   names in one.
 * - Callbacks run only inside lb_push_process() and lb_push_free(), notices about a relay also inside
 *   lb_client_process(). A callback may make any call of this header, except those two and
 *   lb_relay_free(); the notice callback must make none.
 * - Ownership words, sized structs, return values and LB_E_FORKED are those of leaderboard.h. Names
 *   of proxies and messages never contain a key or a password.
 */
#ifndef LEADERBOARD_PUSH_H
#define LEADERBOARD_PUSH_H

#include "leaderboard.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LB_PUSH_PROXIES_MAX 16     /* URLs in grip_url */
#define LB_PUSH_CHANNEL_MAX 128    /* bytes in a channel; [A-Za-z0-9._~:=/@-] */
#define LB_PUSH_ID_MAX 64          /* bytes in a publication's id; [A-Za-z0-9._~:=-] */
#define LB_PUSH_PREFIX_MAX 88      /* bytes in a prefix of channels */
#define LB_PUSH_CONTENT_MAX 900000 /* bytes of a content, written as a JSON string */

typedef struct lb_push lb_push;
typedef struct lb_relay lb_relay;

/* Kinds of lb_notice beside those of leaderboard.h. */
enum {
    LB_NOTICE_PUSH_RETRY = 101,   /* a proxy could not be reached, or failed: it is tried again */
    LB_NOTICE_PUSH_BACK = 102,    /* that proxy takes publications again */
    LB_NOTICE_PUSH_REFUSED = 103, /* a proxy refuses what it is sent: see its URL, key and limits */
    LB_NOTICE_PUSH_OVERFLOW = 104, /* too much waits for a proxy */
    LB_NOTICE_RELAY = 105 /* a relay begins or ends to be the active one; code < 0: it cannot
                                      ask the database whether it is */
};

/* ---- Push ----------------------------------------------------------------------------------- */

typedef struct lb_push_options {
    size_t struct_size;
    const char *grip_url;  /* where the proxies take publications: http://localhost:5561/?key=K,
                              several separated by white space or commas. Options in the URL,
                              percent-encoded: iss and key (both: a token is signed with it),
                              verify-iss, verify-key. Needed */
    uint32_t timeout_ms;   /* of one request; 0 = 10,000; at most 3,600,000 */
    uint32_t max_channels; /* whose newest state is kept for a proxy; 0 = 10,000 */
    uint32_t max_messages; /* that wait for a proxy; 0 = 10,000 */
    uint32_t max_bytes;  /* of states that wait for a proxy, and as many of messages; 0 = 64 MiB */
    lb_notice_fn notice; /* or NULL */
    void *notice_user;
} lb_push_options;

#define lb_push_options_init(o) lb_init_sized((o), sizeof *(o))

/* Makes a push object. Connects to nobody yet. Proxies of the environment (https_proxy, no_proxy)
 * apply. Owns: *ret is yours, end it with lb_push_free(). Returns: 0, LB_E_INVAL (bad URL or
 * option), LB_E_UNSUPPORTED (an option of a newer library), LB_E_IO. Callbacks: never.
 * Threads: one. Since: 0.1. */
LB_API int lb_push_new(const lb_push_options *opts, lb_push **ret, lb_error *reterr);

/* Ends it: what was not published yet is reported with LB_E_CLOSED; lb_push_wait() before it until
 * the counters say that nothing is waiting, if it matters. Its relays must have been freed before,
 * and their clients may be afterwards. NULL does nothing; nor does it in a forked child. Returns NULL.
 * Callbacks: lb_push_done_fn. Threads: the owner. Since: 0.1. */
LB_API lb_push *lb_push_free(lb_push *push);

/* A descriptor to poll for reading; the same one for the life of the object. Borrowed.
 * Returns: the descriptor, LB_E_FORKED. Callbacks: never. Threads: the owner. Since: 0.1. */
LB_API int lb_push_fd(lb_push *push);

/* As lb_client_deadline(), for lb_push_process(). Returns: 0. Callbacks: never.
 * Threads: the owner. Since: 0.1. */
LB_API int lb_push_deadline(lb_push *push, uint64_t *ret_us);

/* Does one bounded piece of what is due: requests, answers, and the relays' work. Never sleeps.
 * Returns: 1 = did something, call again; 0 = nothing to do, poll; LB_E_BUSY inside a callback.
 * Callbacks: yes. Threads: the owner. Since: 0.1. */
LB_API int lb_push_process(lb_push *push);

/* As lb_client_wait(), for lb_push_process(): for programs without a loop of their own, and without a
 * relay, whose client has to be driven as well. Returns: 1 = call lb_push_process(), 0 = the time
 * passed (or a signal came), LB_E_IO. Callbacks: never. Threads: the owner. Since: 0.1. */
LB_API int lb_push_wait(lb_push *push, uint64_t timeout_us);

/* How many proxies there are. Callbacks: never. Threads: the owner. Since: 0.1. */
LB_API int lb_push_proxies(lb_push *push);

/* Counts of one proxy since lb_push_new(). */
typedef struct lb_push_counters {
    const char *proxy;   /* its name; borrowed until lb_push_free() */
    uint64_t requests;   /* sent, whatever came of them */
    uint64_t published;  /* publications that the proxy has taken */
    uint64_t hints;      /* of these: hints in place of a content that could not be chained */
    uint64_t superseded; /* not sent, because a newer one of the same channel came before */
    uint64_t refused;    /* publications that the proxy has refused */
    uint64_t lost;       /* publications that there was no room to keep */
    uint64_t retries;    /* requests that failed and were repeated */
    uint64_t overflows;  /* times there was no room to keep every channel's newest state */
    uint64_t waiting;    /* publications that wait now, or are being sent */
} lb_push_counters;

/* Copies the counters of a proxy (0..lb_push_proxies()-1) into *ret; size is
 * sizeof(lb_push_counters) of the caller. Returns: 0. Callbacks: never. Threads: the owner.
 * Since: 0.1. */
LB_API int lb_push_counters_get(lb_push *push, int proxy, lb_push_counters *ret, size_t size);

/* ---- Publications --------------------------------------------------------------------------- */

/* Flags of lb_push_message. */
enum {
    LB_PUSH_LATEST = 1, /* a state: replaces an earlier one of this channel that was not sent yet,
                           and is chained by itself to the one sent before. With content it needs an
                           id, and takes no prev_id. Without this flag, a message: every one is
                           sent, in order among the messages; states may overtake them */
    LB_PUSH_HINT = 2,   /* listeners fetch what is new from the origin; neither content nor ids */
    LB_PUSH_CLOSE = 4   /* the listeners' streams end; neither content nor ids */
};

typedef struct lb_push_message {
    size_t struct_size;
    uint32_t flags; /* LB_PUSH_... */
    const char *channel;
    const char *content; /* UTF-8: goes to the listeners as it is */
    size_t content_size;
    const char *id;      /* of what listeners have after it; a proxy drops an id that it has had in
                            the last minute; or NULL */
    const char *prev_id; /* of what they must have before it; or NULL. Give the id of what this
                            channel was published last, or it breaks for who listens: he asks the
                            origin again, which costs a request but loses nothing */
} lb_push_message;

#define lb_push_message_init(m) lb_init_sized((m), sizeof *(m))

/* What became of a publication at one proxy. Borrowed until the callback returns. */
typedef struct lb_push_result {
    int proxy;  /* 0..lb_push_proxies()-1 */
    int code;   /* 0 = the proxy has it; LB_E_CANCELED = superseded by a newer one, or too many
                   states waited: listeners ask; LB_E_LIMIT = too many messages waited; LB_E_QUERY =
                   refused; LB_E_CLOSED */
    int status; /* of the proxy's last answer, 0 = there was none */
} lb_push_result;

typedef void (*lb_push_done_fn)(const lb_push_result *result, void *user);

/* Publishes on a channel, at every proxy. It returns at once; `done`, if it is not NULL, is called
 * once for each proxy. A proxy that cannot be reached is tried for as long as it takes.
 * Returns: 0, LB_E_INVAL (no channel, content or id, or one too many for its flags; content that is
 * no UTF-8), LB_E_LIMIT (content too long). Callbacks: never. Threads: the owner. Since: 0.1. */
LB_API int lb_push_publish(lb_push *push, const lb_push_message *message, lb_push_done_fn done,
                           void *user, lb_error *reterr);

/* ---- Relay ---------------------------------------------------------------------------------- *
 *
 * Of all relays with the same database, prefix and proxies one is active, by a lease in the database;
 * the others stand by and take over within five seconds. In what order the proxies are named, and in
 * what case, does not matter, but localhost and 127.0.0.1 are two. The active one publishes the first rows of every board
 * that changes as `event: update`, the same bytes as a stream of leaderboard-http.h sends, on the
 * channel PREFIX + board. The last state of a board always arrives.
 */

/* Flags of lb_relay_options. */
enum { LB_RELAY_ALONE = 1 /* without the lease: somebody else sees to it that there is one */ };

typedef struct lb_relay_options {
    size_t struct_size;
    uint32_t flags;           /* LB_RELAY_... */
    const char *prefix;       /* of channels; NULL = "" */
    uint32_t limit;           /* rows, 1..LB_LIMIT_MAX; 0 = LB_LIMIT_DEFAULT */
    uint32_t min_interval_ms; /* between two states of a board; 0 = 100; at most 3,600,000 */
    uint32_t max_boards;      /* that are known at a time; 0 = 10,000 */
} lb_relay_options;

#define lb_relay_options_init(o) lb_init_sized((o), sizeof *(o))

/* Makes a relay. Both are borrowed: they must live until lb_relay_free(). opts may be NULL.
 * Owns: *ret is yours, end it with lb_relay_free(). Returns: 0, LB_E_UNSUPPORTED (an option of a
 * newer library). Callbacks: never. Threads: the owner of both. Since: 0.1. */
LB_API int lb_relay_new(lb_client *client, lb_push *push, const lb_relay_options *opts,
                        lb_relay **ret, lb_error *reterr);

/* Ends a relay at once; its lease runs out by itself, and of its states none is sent any more. To be
 * called before its client and its push object are freed. NULL does nothing. Returns NULL.
 * Callbacks: never. Threads: the owner. Since: 0.1. */
LB_API lb_relay *lb_relay_free(lb_relay *relay);

/* code: 0 = every proxy has taken everything; LB_E_QUERY = one has refused what it was sent last;
 * LB_E_TIMEOUT = the time was over, or one that fails lacks something: the next relay that becomes
 * active has all listeners look. */
typedef void (*lb_relay_stopped_fn)(int code, void *user);

/* Begins to stop: what has changed by now is published, and what waits in the push object, then the
 * lease given up, then fn called, once. A proxy that fails is not waited for if another one works.
 * Until it ends it follows changes as before, if it is the active one. After timeout_ms the lease is
 * given up in any case, which takes a second at the most. Returns: 0, LB_E_STATE (it was called
 * before). Callbacks: never. Threads: the owner. Since: 0.1. */
LB_API int lb_relay_stop(lb_relay *relay, uint32_t timeout_ms, lb_relay_stopped_fn fn, void *user);

/* Counts since lb_relay_new(). */
typedef struct lb_relay_counters {
    uint64_t changes;     /* heard of */
    uint64_t reads;       /* of tops */
    uint64_t published;   /* states handed to the queues of the proxies */
    uint64_t unchanged;   /* tops that were read and had not changed */
    uint64_t resets;      /* times changes may have been missed */
    uint64_t activations; /* times it became the active one */
    uint64_t boards;      /* known now */
    int active;           /* 1 = it is the active one now */
} lb_relay_counters;

/* Copies the counters into *ret; size is sizeof(lb_relay_counters) of the caller.
 * Returns: 0. Callbacks: never. Threads: the owner. Since: 0.1. */
LB_API int lb_relay_counters_get(lb_relay *relay, lb_relay_counters *ret, size_t size);

#ifdef __cplusplus
}
#endif

#endif
