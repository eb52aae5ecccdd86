/* One of each call of the public API that the RethinkDB store has to answer, blocking, of the board
 * of fake_rethinkdb.h. */
#ifndef ASKS_H
#define ASKS_H

#include "fake_rethinkdb.h"
#include "leaderboard.h"

enum ask {
    ADD,
    ADD_NEW, /* a player who is missing */
    ADD_KEYED,
    SET_BEST,
    PUT,
    REMOVE,
    CREATE, /* another board */
    DELETE,
    GET, /* with its place */
    GET_MANY,
    PAGE,
    PAGE_BEHIND, /* by offset */
    PAGE_AFTER,  /* by cursor */
    AROUND,
    INFO,
    LIST,
    FACTS,
    ASKS
};

bool is_write(enum ask what);

/* Returns what the call does; its error is empty after success. */
int ask(lb_client *client, enum ask what, lb_error *error);

/* Writes that may create, with a key or NULL. Static. */
const lb_write_options *create(const char *key);

lb_client *open_client_at(const char *url, uint32_t timeout_ms);

/* Starts the server, too. */
lb_client *open_client(struct canned *server,
                       bool (*answer)(struct canned *server, struct fake *link,
                                      const struct canned_query *q),
                       uint32_t timeout_ms);

/* Ends both. */
void close_client(struct canned *server, lb_client *client);

/* Fails the test if not. */
void check_code(enum ask what, int code, int expected, const lb_error *error);
void check_says(const lb_error *error, const char *words);

#endif
