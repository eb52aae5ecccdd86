/* One connection to one of several servers, and the queries on it.
 *
 * Connects when there is something to send, and again after a loss, with jittered back-off over
 * the list of hosts. Many queries are under way at once. Each ends exactly once: with the
 * server's answer, or with a code and whether the server may have seen it.
 *
 * Callbacks run only inside lbi_reql_conn_process() and lbi_reql_conn_free(). A callback may
 * submit, cancel and stop queries, its own too; it must not process or free the connection. No
 * call blocks.
 *
 * A query that was not sent yet when a connection is lost is sent on the next one, until its
 * deadline; one that was sent is never repeated. */
#ifndef LBI_REQL_CONN_H
#define LBI_REQL_CONN_H

#include "os/poller.h"
#include "os/tls.h"
#include "reql/datum.h"

typedef struct lbi_reql_conn lbi_reql_conn;
typedef struct lbi_reql_query lbi_reql_query;

typedef struct lbi_reql_host {
    const char *name; /* a name or an address, IPv6 without brackets */
    uint16_t port;    /* 0 = 28015 */
} lbi_reql_host;

/* What happened to the connection: for notices. Borrowed until the callback returns. */
enum {
    LBI_REQL_CONNECTED, /* handshake and all */
    LBI_REQL_LOST,      /* an established connection ended */
    LBI_REQL_FAILED,    /* an attempt failed; more follow */
};

typedef struct lbi_reql_event {
    int kind;
    int code;            /* 0 or LB_E_... */
    const char *host;    /* "name:port" */
    const char *message; /* one sentence */
} lbi_reql_event;

typedef void (*lbi_reql_event_fn)(const lbi_reql_event *event, void *user);

/* Zero means the default everywhere. Everything is copied. */
typedef struct lbi_reql_options {
    const lbi_reql_host *hosts; /* at least one */
    size_t n_hosts;
    const char *user, *password; /* NULL: "admin", "" */
    bool tls;
    lbi_tls_options tls_options;
    const char *name_servers; /* NULL: the system's. Not copied. See lbi_resolver_new() */
    uint32_t connect_ms;      /* the name, then each address: 5,000; 2,000 if there are others */
    uint32_t handshake_ms;    /* the same */
    uint32_t silence_ms;      /* a peer from which nothing comes for so long is lost: 30,000 */
    uint32_t backoff_min_ms;  /* 100 */
    uint32_t backoff_max_ms;  /* 10,000 */
    uint32_t max_in_flight;   /* 500, at most 1,000: each may need a STOP beside it, and at 1,024
                                the server stops reading */
    size_t max_answer;        /* bytes in one response: 32 MiB */
    size_t max_queued;        /* bytes in all queries that wait: 64 MiB */
    unsigned max_depth;       /* of an answer: 128 */
    lbi_reql_event_fn event;
    void *event_user;
} lbi_reql_options;

/* Touches no network. The poller is borrowed for the life of the connection.
 * Owns: *ret is yours, end it with lbi_reql_conn_free(). Returns 0, LB_E_INVAL, LB_E_NOMEM,
 * LB_E_TLS (a file cannot be read). */
int lbi_reql_conn_new(const lbi_reql_options *options, lbi_poller *poller, lbi_reql_conn **ret,
                      lb_error *reterr);

/* Ends what is pending with LB_E_CLOSED, each once. NULL is legal. Callbacks: yes. */
void lbi_reql_conn_free(lbi_reql_conn *conn);

/* One bounded piece of work. Returns 1 = did something, 0 = nothing to do. Callbacks: yes. */
int lbi_reql_conn_process(lbi_reql_conn *conn, uint64_t now_us);

/* When to call it even if the poller is silent: 0 = at once, LB_NEVER. */
uint64_t lbi_reql_conn_deadline(const lbi_reql_conn *conn);

/* For doctor and tests. Strings are borrowed until the next call. */
typedef struct lbi_reql_state {
    bool connected;
    const char *host;           /* "name:port" that it is or was connected to last, or "" */
    const char *server_version; /* as of the last handshake, or "" */
    const char *error;          /* why the last attempt or connection ended, or "" */
    size_t in_flight, waiting, queries;
    uint64_t connects, unknown_answers;
} lbi_reql_state;

/* Why nothing can be sent, for what ran out of time: ret->msg. */
void lbi_reql_conn_explain(const lbi_reql_conn *conn, lb_error *ret);

void lbi_reql_conn_state(const lbi_reql_conn *conn, lbi_reql_state *ret);

/* ---- Queries -------------------------------------------------------------------------------- */

/* Borrowed until the callback returns. `sent` without an answer: a write may have happened,
 * whatever the code is. */
typedef struct lbi_reql_reply {
    int code;  /* 0, or LB_E_...: with an answer what lbi_reql_answer_error() says; without one
                  LB_E_TIMEOUT, LB_E_IO (connection lost), LB_E_AUTH, LB_E_TLS or LB_E_PROTO (no
                  connection can be made, or no sense of the answer), LB_E_LIMIT (answer too
                  large), LB_E_CLOSED, LB_E_NOMEM */
    bool sent; /* false: the server has certainly not seen it, and never will */
    bool last; /* false: a batch, more may follow */
    const char *message;           /* "" if code is 0 */
    const lbi_reql_answer *answer; /* NULL if none came */
} lbi_reql_reply;

/* After a batch (!reply->last): 0 asks for the next one, anything else stops the query, and this
 * was the last call. After the last one the result is ignored. */
typedef int (*lbi_reql_fn)(const lbi_reql_reply *reply, void *user);

typedef struct lbi_reql_call {
    const char *text; /* the query, as src/reql/term.h makes it: [1,...] */
    size_t len;
    uint64_t deadline_us; /* monotonic; LB_NEVER = none */
    bool feed;            /* a changefeed: does not count as in flight while it waits for changes */
    lbi_reql_fn fn;
    void *user;
} lbi_reql_call;

/* The text is copied. *ret (may be NULL) is borrowed until the last call of fn returns.
 * Returns 0 and fn will be called; or LB_E_LIMIT (too much is queued, or the query is too large),
 * LB_E_CLOSED, LB_E_INVAL, LB_E_NOMEM, and it will not. */
int lbi_reql_submit(lbi_reql_conn *conn, const lbi_reql_call *call, lbi_reql_query **ret,
                    lb_error *reterr);

/* Takes a query back. Returns true: the server has not seen it, fn will not be called. False: it
 * is too late, nothing has changed. */
bool lbi_reql_cancel(lbi_reql_query *query);

/* Forgets a query: fn will not be called again, the server is told to stop. A write that is
 * stopped may have happened. */
void lbi_reql_stop(lbi_reql_query *query);

/* Moves the deadline. LB_NEVER = none. */
void lbi_reql_set_deadline(lbi_reql_query *query, uint64_t deadline_us);

#endif
