/* The public API is glue: what a client is made of. */
#ifndef LBI_CLIENT_CLIENT_H
#define LBI_CLIENT_CLIENT_H

#include "base/heap.h"
#include "store/store.h"

#include <sys/types.h>

#define LBI_TIMEOUT_MAX_MS 3600000

struct lb_client {
    pid_t pid;
    char *url;
    lbi_poller *poller;
    lbi_store *store;
    lb_counters counters;
    uint32_t timeout_ms;
    size_t max_pending;
    lb_notice_fn notice; /* or NULL */
    void *notice_user;

    /* An operation is pending (with the store), then completed (its callbacks are due). */
    lb_op *pending, *completed;
    size_t n_ops; /* in both lists */
    lb_op *last;  /* holds what the last blocking call lent out */

    lb_changes *changes;  /* subscriptions to rows */
    struct lbi_top *tops; /* subscriptions to tops: a map by board and size */
    struct lbi_top *left; /* of them, those whose last subscriber left inside a callback */
    lbi_heap tops_due;    /* of them, those for which there is something to do, and when */
    lb_changes *dead;     /* cancelled inside a callback: freed when the last one has returned */

    unsigned depth; /* > 0: callbacks may be running, freeing has to wait */
    bool closing;   /* lb_client_free() was called */
};

struct lb_op {
    lb_client *client;
    lb_op *prev, *next;
    lbi_request request;
    lb_player_fn player_fn;
    lb_board_fn board_fn;
    lb_info_fn info_fn;
    lb_done_fn done;
    void *user;
    /* Instead of the host's callbacks; takes the operation over. */
    void (*take)(lb_op *op);
    bool blocking; /* lbi_op_run() waits for it and delivers it */
    bool wants_state;
    bool finished;
};

/* Makes a client on any store: what tests bring along. */
int lbi_client_new_with(const lb_options *opts, lbi_store_new_fn make, lb_client **ret,
                        lb_error *reterr);

/* May the host make a call now? Returns 0, LB_E_INVAL, LB_E_FORKED, LB_E_CLOSED. */
int lbi_client_check(const lb_client *client, lb_error *reterr);

/* Around everything that runs callbacks. Leaving the outermost may free the client: it returns
 * false then. */
void lbi_client_enter(lb_client *client);
bool lbi_client_leave(lb_client *client);

/* ---- op.c ---- */

/* An operation on a board (NULL: on none), checked. The host's count against max_pending.
 * Returns 0 and *ret, or < 0. */
int lbi_op_new(lb_client *client, lbi_verb verb, const char *board, lb_op **ret, lb_error *reterr);

/* Fills an operation that is all zero. */
void lbi_op_prepare(lb_op *op, lb_client *client, lbi_verb verb, const char *board);
void lbi_op_free(lb_op *op);

/* Sets what the options of a write or a read say. op is freed on failure. */
int lbi_op_write_options(lb_op *op, const lb_write_options *opts, uint32_t allowed,
                         lb_error *reterr);
int lbi_op_read_options(lb_op *op, const lb_read_options *opts, lb_error *reterr);
int lbi_op_set_timeout(lb_op *op, uint32_t timeout_ms, lb_error *reterr);

/* Sets and checks the player; NULL generates one if `generate`. op is freed on failure. */
int lbi_op_set_player(lb_op *op, const char *player, bool generate, lb_error *reterr);

/* A fresh UUIDv4 into id. Returns 0 or LB_E_IO. */
int lbi_generate_id(char *id, lb_error *reterr);

/* Frees op and returns r: the end of a failed call. */
int lbi_op_drop(lb_op *op, int r);

/* Hands the operation to the store; it completes through done. Always returns 0. */
int lbi_op_start(lb_op *op, lb_done_fn done, void *user, lb_op **ret);

/* Hands it over, waits for it, delivers its rows. What it lends out is borrowed until the next
 * blocking call. */
int lbi_op_run(lb_op *op, const lb_player **ret_player, const lb_board **ret_board,
               lb_error *reterr);

/* Runs the callbacks of what has completed. Returns 1 if something had, 0 if not. */
int lbi_client_deliver(lb_client *client);

/* Fails what is pending and delivers everything: the client closes. */
void lbi_client_finish_ops(lb_client *client);

/* ---- changes.c, state.c, top.c ---- */

struct lb_changes {
    lb_client *client;
    lb_changes *prev, *next;
    lb_change_fn fn;
    void *user;
    lbi_feed *feed;      /* of rows */
    struct lbi_top *top; /* of tops */
    bool cancelled;

    /* Of tops: */
    uint64_t interval_us;
    uint64_t next_us;          /* not before */
    char state[LB_STATE_SIZE]; /* what was given last, "" = nothing yet */
};

/* Gives a change to the host. */
void lbi_changes_deliver(lb_changes *changes, const lb_change *change);

/* Frees what was cancelled inside callbacks. */
void lbi_changes_sweep(lb_client *client);
void lbi_changes_free_all(lb_client *client);

/* The id of a page's rows, as text: equal rows, equal ids, in every process and version. Returns 0,
 * LB_E_NOMEM, LB_E_IO. */
int lbi_state_id(const lbi_request *request, char ret[LB_STATE_SIZE]);

int lbi_top_join(lb_changes *changes, const char *board, uint32_t n, lb_error *reterr);
void lbi_top_leave(lb_changes *changes);

/* Reads and delivers the tops that are due. Returns 1 if it did something, 0 if not. */
int lbi_tops_process(lb_client *client, uint64_t now_us);
uint64_t lbi_tops_deadline(const lb_client *client);
void lbi_tops_sweep(lb_client *client);
void lbi_tops_free_all(lb_client *client);

#endif
