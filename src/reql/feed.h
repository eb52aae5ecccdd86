/* One changefeed on a connection: START, then one CONTINUE outstanding at all times, since the
 * server tells of an end only in the answer to one.
 *
 * A feed ends: with the connection, with its table, with a permission. There is no way to go on
 * where it was, so it does not try: it says ENDED, once, and may be started again; who follows
 * something reads it anew (include_initial) and compares. GAP says the same of a feed that goes
 * on: the server has thrown changes away. */
#ifndef LBI_REQL_FEED_H
#define LBI_REQL_FEED_H

#include "reql/conn.h"

typedef struct lbi_reql_feed lbi_reql_feed;

typedef enum lbi_reql_item_kind {
    LBI_REQL_FEED_OPEN,         /* the server has it: changes from now on are told */
    LBI_REQL_FEED_INITIAL,      /* new_val: what is there; NULL for a get() that finds nothing */
    LBI_REQL_FEED_UNINITIAL,    /* old_val: an initial one that has gone meanwhile */
    LBI_REQL_FEED_CHANGE,       /* old_val, new_val */
    LBI_REQL_FEED_INITIALIZING, /* include_states */
    LBI_REQL_FEED_READY,        /* include_states: all initial ones were told */
    LBI_REQL_FEED_GAP,          /* changes are missing; `skipped` of them, 0 = not said */
    LBI_REQL_FEED_BATCH,        /* the end of what came together */
    LBI_REQL_FEED_ENDED,        /* the last call; code, message, retry */
} lbi_reql_item_kind;

/* Borrowed until the callback returns. */
typedef struct lbi_reql_item {
    lbi_reql_item_kind kind;
    const lbi_json *old_val, *new_val; /* NULL where there is none */
    const lbi_json *element;           /* all of it: offsets, types */
    unsigned notes;                    /* OPEN: kind of feed, bits of datum.h */
    uint64_t skipped;
    int code; /* ENDED */
    const char *message;
    bool retry; /* ENDED: it may work again later, with a pause; otherwise a cause must go first */
} lbi_reql_item;

/* Runs inside lbi_reql_conn_process(). May stop, start and free the feed, and do all that
 * callbacks of conn.h may. */
typedef void (*lbi_reql_feed_fn)(const lbi_reql_item *item, void *user);

/* Owns: *ret is yours, end it with lbi_reql_feed_free(), before its connection.
 * Returns 0, LB_E_NOMEM. */
int lbi_reql_feed_new(lbi_reql_conn *conn, lbi_reql_feed_fn fn, void *user, lbi_reql_feed **ret,
                      lb_error *reterr);

/* Stops it. No further call. NULL is legal. */
void lbi_reql_feed_free(lbi_reql_feed *feed);

/* Opens it: a query that ends in changes(), see term.h. By the deadline the server must have
 * answered. Copied. Returns 0, LB_E_STATE (it is open), or what lbi_reql_submit() returns. */
int lbi_reql_feed_start(lbi_reql_feed *feed, const char *text, size_t len, uint64_t deadline_us,
                        lb_error *reterr);

/* No further call, ENDED neither, until it is started again. */
void lbi_reql_feed_stop(lbi_reql_feed *feed);

/* Started, and not ended? */
bool lbi_reql_feed_is_open(const lbi_reql_feed *feed);

#endif
