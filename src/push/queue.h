/* What waits for one proxy: messages in order, and of each channel the newest state. No I/O.
 *
 * A state is chained to the id that this proxy was sent last on the channel. Where that is not
 * known (the first time; after an outcome that is not known), or where the proxy has had the
 * state's id within a minute and would drop it, a hint goes out instead: the listeners fetch the
 * state from the origin. */
#ifndef LBI_PUSH_QUEUE_H
#define LBI_PUSH_QUEUE_H

#include "base/buf.h"
#include "leaderboard-push.h"
#include "push/grip_item.h"
#include "push/seen.h"

#include <stdbool.h>

/* A publication, shared by the queues of all proxies. */
typedef struct lbi_publication {
    size_t refs;
    bool latest;
    bool due;          /* the relay waits for it before it ends */
    const void *owner; /* the relay whose state it is; NULL = of lb_push_publish() */
    lbi_grip_action action;
    lb_push_done_fn done; /* or NULL */
    void *user;
    const char *channel, *id, *prev_id; /* "" = none */
    const char *formats;
    size_t formats_len;
    size_t size; /* of all of it */
    char text[]; /* of all these */
} lbi_publication;

/* A checked copy. Owns: *ret is yours, end it with lbi_publication_unref().
 * Returns 0, LB_E_INVAL, LB_E_LIMIT, LB_E_NOMEM. */
int lbi_publication_new(const lb_push_message *message, lbi_publication **ret, lb_error *reterr);
void lbi_publication_unref(lbi_publication *publication);

/* A publication at one proxy. */
typedef struct lbi_entry {
    struct lbi_entry *prev, *next;
    lbi_publication *publication;
    struct lbi_slot *slot; /* of a state */
    bool hint;             /* it is being sent as a hint */
    bool uncertain;        /* it was sent and may have arrived */
    bool stale;            /* of a state that is not ours to send any more */
    bool due;              /* somebody waits for its end, or for that of what replaces it */
    lb_push_result result; /* when it has ended */
} lbi_entry;

typedef struct lbi_queue {
    int proxy;
    size_t max_channels, max_messages, max_bytes;
    struct lbi_slot *slots; /* by channel */
    struct lbi_slot *idle;  /* those that nothing waits for; the one that goes first in front */
    lbi_entry *states, *messages;
    lbi_entry *flight;  /* is being sent */
    lbi_entry *results; /* has ended, and somebody wants to know */
    size_t n_messages, n_slots, n_due;
    size_t state_bytes, message_bytes; /* of all that has not ended */
    bool recover;                      /* the proxy is to be told that listeners missed something */
    bool missed; /* it has refused states: that is to be told when it takes something again */
    lbi_seen seen;
    lb_push_counters counters;
} lbi_queue;

/* max_bytes: of states, and again of messages; one of each is kept whatever its size. */
void lbi_queue_init(lbi_queue *queue, int proxy, size_t max_channels, size_t max_messages,
                    size_t max_bytes);
void lbi_queue_done(lbi_queue *queue);

/* Takes a reference of its own. Returns 0 or LB_E_NOMEM. */
int lbi_queue_put(lbi_queue *queue, lbi_publication *publication, uint64_t now_us);

bool lbi_queue_waits(const lbi_queue *queue);

/* Is a state being sent that is not ours to send any more? */
bool lbi_queue_is_stale(const lbi_queue *queue);

/* All that has not ended is due: queue->n_due falls to 0 when it has. */
void lbi_queue_mark(lbi_queue *queue);

/* Makes a body (empty, of LBI_GRIP_BODY_MAX) of what waits; what is in it is then being sent, until
 * one of the next three is called. Returns 1 = there is something to send, 0 = not, LB_E_NOMEM. */
int lbi_queue_fill(lbi_queue *queue, lbi_buf *body, uint64_t now_us);

/* It was published. / It has to be repeated; `uncertain`: perhaps it was published, too. / It was
 * refused. */
void lbi_queue_sent(lbi_queue *queue, int status, uint64_t now_us);
void lbi_queue_again(lbi_queue *queue, bool uncertain, uint64_t now_us);
void lbi_queue_refused(lbi_queue *queue, int status);

/* Somebody else has published meanwhile, or is about to: no state of this owner waits, no id of its
 * channels is known. NULL = of all owners. */
void lbi_queue_forget(lbi_queue *queue, const void *owner);

/* Everything ends with this code. */
void lbi_queue_cancel(lbi_queue *queue, int code);

/* Calls the functions of what has ended. Returns 1 if something had, 0 if not. */
int lbi_queue_deliver(lbi_queue *queue);

#endif
