/* A RethinkDB with a leaderboard in it: it answers each query of the store as a real server would,
 * and a test says what it does otherwise. Any number of connections, each with a thread.
 *
 *     static bool lose_it(struct canned *server, struct fake *link, const struct canned_query *q)
 *     {
 *         if (q->kind != CANNED_BATCH || q->n > 1)
 *             return false;
 *         fake_reset(link);
 *         return true;
 *     }
 *
 * There is one board, `b`, descending, created at 1000, with two players: p has 5, reached at 100,
 * and q has 4, reached at 200. Nothing ever changes them: each write is answered as if it were the
 * first. Whoever takes a lease has it. */
#ifndef FAKE_RETHINKDB_H
#define FAKE_RETHINKDB_H

#include "base/json.h"
#include "fake_reql.h"

#include <stdatomic.h>

#define CANNED_BOARD "{\"created\":1000,\"id\":\"b\"}"
#define CANNED_P "{\"at\":100,\"key\":[\"b\",\"p\"],\"name\":\"p\",\"score\":5}"
#define CANNED_Q "{\"at\":200,\"key\":[\"b\",\"q\"],\"name\":\"q\",\"score\":4}"

/* The index `rank` as it was made, and what its function is for the server. */
#define CANNED_RANK                                                                                \
    "{\"geo\":false,\"multi\":false,\"query\":\"indexCreate('rank', function(var1) { return "      \
    "r.branch(x, y); })\"}"
#define CANNED_OURS "function (captures = [(no implicit), var1]) (args = [var1]) r.branch(x, y)"

/* When the server takes a write for made. */
#define CANNED_BASE INT64_C(1700000000000000)

/* What the store may ask. */
enum canned_kind {
    CANNED_PROBE,  /* is the database there? */
    CANNED_SCHEMA, /* a step of making it */
    CANNED_LOOK,   /* is the board there? */
    CANNED_MAKE,   /* a board, if it is missing */
    CANNED_MARK,   /* a board that is to be deleted */
    CANNED_REMOVE, /* some of its rows */
    CANNED_DROP,   /* the board itself */
    CANNED_BATCH,  /* of writes */
    CANNED_SWEEP,  /* what was written while the board went */
    CANNED_LEASE,
    CANNED_PAGE,
    CANNED_READ,
    CANNED_PLACES,
    CANNED_LIST,
    CANNED_INFO,
    CANNED_BOARDS, /* changefeeds: of the boards, of rows */
    CANNED_ROWS,
    CANNED_CONTINUE,
    CANNED_STOP,
    CANNED_PING,
    CANNED_OTHER,
    CANNED_KINDS
};

struct canned_query {
    enum canned_kind kind, of; /* of: what a CONTINUE goes on with */
    unsigned n;                /* the how-manieth of its kind, from 1; a CONTINUE: of its query */
    int64_t token;
    const char *text;
    const lbi_json *root;
};

struct canned {
    struct fake door; /* of its fields only `port` is for the test */

    /* The test's, in the connection's thread; NULL = nothing. Returns false for the usual answer.
     * A link that was closed or reset stays so. */
    bool (*answer)(struct canned *server, struct fake *link, const struct canned_query *q);

    /* The same before the handshake: the how-manieth connection it is, from 1. */
    bool (*welcome)(struct canned *server, struct fake *link, unsigned n);
    const struct fake_shake *shake; /* or NULL */
    const void *user;

    atomic_uint connections, counts[CANNED_KINDS];
    struct canned_link *links;
    char url[64]; /* rethinkdb://127.0.0.1:PORT/lb */
};

void canned_start(struct canned *server);

/* After the clients have gone. */
void canned_stop(struct canned *server);

/* Sends values: {"t":1,"r":[VALUE]}. */
void canned_value(struct fake *link, const struct canned_query *q, const char *value);

/* Sends a runtime error. */
void canned_error(struct fake *link, const struct canned_query *q, int code, const char *text);

#endif
