/* What conn.c (life, timers), conn_link.c (sockets, handshake) and conn_query.c (queries by
 * token) share. */
#ifndef LBI_REQL_CONN_INTERNAL_H
#define LBI_REQL_CONN_INTERNAL_H

#include "base/heap.h"
#include "os/resolve.h"
#include "reql/conn.h"
#include "reql/handshake.h"
#include "reql/wire.h"

enum { LBI_REQL_NAME = 280, LBI_REQL_SLOTS = 65536 };

typedef enum lbi_reql_query_state {
    LBI_Q_WAITING,  /* in conn->waiting, with its text */
    LBI_Q_SENT,     /* in conn->sent, with a token; its frame may still be in conn->out */
    LBI_Q_FINISHED, /* in conn->finished: the connection was lost, fn is about to be called */
} lbi_reql_query_state;

struct lbi_reql_query {
    lbi_reql_conn *conn;
    lbi_reql_query *prev, *next;
    lbi_reql_query_state state;
    lbi_timer timer;
    lbi_reql_fn fn;
    void *user;
    char *text; /* while it waits */
    size_t len;
    int64_t token;        /* 0 = none */
    uint64_t at;          /* where its frame begins, in everything sent on this connection */
    unsigned outstanding; /* answers that the server owes: one for each frame */
    bool feed;
    bool counted; /* in conn->in_flight */
    bool silent;  /* fn is not to be called again */
    bool sent;    /* LBI_Q_FINISHED: the server may have seen it */
};

typedef struct lbi_reql_place {
    char name[256];
    uint16_t port;
    lbi_address addresses[LBI_ADDRESSES_MAX];
    size_t n_addresses;
    uint64_t resolved_us;
} lbi_reql_place;

typedef enum lbi_reql_link {
    LBI_LINK_DOWN, /* until retry_us, or until something waits */
    LBI_LINK_RESOLVING,
    LBI_LINK_OPENING, /* TCP, TLS */
    LBI_LINK_SHAKING,
    LBI_LINK_UP,
} lbi_reql_link;

struct lbi_reql_conn {
    lbi_reql_options o; /* pointers in it are ours, or NULL */
    lbi_reql_place *places;
    lbi_tls_config *tls;
    lbi_poller *poller;
    lbi_poll poll;
    bool polled;
    uint64_t now_us;
    bool busy;    /* inside process() */
    bool closing; /* inside free() */

    /* The link. */
    lbi_reql_link link;
    lbi_resolver *resolver;
    lbi_stream *stream;
    size_t place, address; /* the one in use or tried */
    size_t tried;          /* places in this round */
    bool round_hard;       /* every failure of this round was one that waiting does not mend */
    lb_error refused;      /* code != 0: a server of this round knows no such user or password */
    unsigned rounds;       /* that failed, one after another */
    uint64_t retry_us, link_deadline_us, up_us;
    lbi_reql_handshake handshake;
    lbi_reql_salted salted;
    char where[LBI_REQL_NAME];
    char server_version[LBI_REQL_VERSION_SIZE];
    lb_error error; /* why the last link or attempt ended */
    int failed;     /* LB_E_...: the link is broken, and conn->error says why */
    uint64_t connects;

    /* Bytes. */
    lbi_reql_wire wire;
    lbi_buf out;
    uint64_t written; /* bytes given to the stream since the link is up */
    bool ready;       /* the poller has called, or more can be read */
    bool blocked;     /* the stream takes no more for now */
    bool heard;       /* something came since heard_us was set */
    uint64_t heard_us, ping_us;
    lbi_reql_query *ping;

    /* Queries. */
    lbi_reql_query *waiting, *sent, *finished; /* lists, in order */
    lbi_reql_query **slots;                    /* by the low 16 bits of the token */
    uint16_t *free_slots;
    size_t n_slots, n_free;
    uint64_t generation;
    lbi_heap timers;
    size_t n_queries, n_waiting, in_flight, queued_bytes;
    uint64_t unknown_answers;
};

/* conn_query.c */

/* Calls fn for each of the finished. */
void lbi_reql_drain(lbi_reql_conn *conn, int code, const char *message);

/* Sorts out everything that was sent: repeatable goes back to waiting, the rest is finished. To be
 * called while conn->stream is still there. */
void lbi_reql_give_back(lbi_reql_conn *conn);

/* Makes all that wait finished. */
void lbi_reql_give_up_waiting(lbi_reql_conn *conn);

/* May one more query be put into a frame now? */
bool lbi_reql_has_room(const lbi_reql_conn *conn);

/* Moves what waits into frames, as far as there is room. */
void lbi_reql_pump(lbi_reql_conn *conn);

int lbi_reql_read_frames(lbi_reql_conn *conn);
int lbi_reql_expire(lbi_reql_conn *conn);
int lbi_reql_send_ping(lbi_reql_conn *conn);

/* conn_link.c */

/* Carries the link on. Returns 1 if something was done. */
int lbi_reql_link_process(lbi_reql_conn *conn);
void lbi_reql_link_flush(lbi_reql_conn *conn);

/* The link is broken and its last frames are read: ends it. Returns 1 if it was. */
int lbi_reql_link_bury(lbi_reql_conn *conn);
int lbi_reql_link_watch(lbi_reql_conn *conn); /* a silent peer */
void lbi_reql_link_set_interest(lbi_reql_conn *conn);
void lbi_reql_link_close(lbi_reql_conn *conn);

uint64_t lbi_reql_link_deadline(const lbi_reql_conn *conn);

#endif
