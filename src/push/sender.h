/* Gets publications to the proxies, inside the host's loop: one request at a time to each. */
#ifndef LBI_PUSH_SENDER_H
#define LBI_PUSH_SENDER_H

#include "leaderboard-push.h"
#include "os/poller.h"
#include "push/queue.h"

#include <stdbool.h>

typedef struct lbi_sender lbi_sender;

/* What opts says of notices and user is taken as it is; everything was checked but the URL. */
int lbi_sender_new(const lb_push_options *opts, lbi_poller *poller, lbi_sender **ret,
                   lb_error *reterr);

/* Reports what has not been published with LB_E_CLOSED. */
void lbi_sender_free(lbi_sender *sender);

/* At every proxy. Takes references of its own. Returns 0 or LB_E_NOMEM. */
int lbi_sender_publish(lbi_sender *sender, lbi_publication *publication);

/* No state of this owner waits or is being sent any more, none is chained to what is known:
 * somebody else has published, or is about to. */
void lbi_sender_forget(lbi_sender *sender, const void *owner);

/* Listeners may have missed something on any channel: the proxies are told so. */
void lbi_sender_recover(lbi_sender *sender);

/* All that waits now, and what is published as due, has to end before the drain has. A proxy that
 * fails holds it up only when no other works. */
void lbi_sender_mark(lbi_sender *sender);
bool lbi_sender_is_drained(const lbi_sender *sender);

/* Of the drain: 0, LB_E_TIMEOUT = not every proxy has everything, LB_E_QUERY = one has refused what
 * it was sent last. */
int lbi_sender_outcome(const lbi_sender *sender);

size_t lbi_sender_proxies(const lbi_sender *sender);
const lb_push_counters *lbi_sender_counters(const lbi_sender *sender, size_t proxy);

/* When lbi_sender_process() is due whatever the poller says. */
uint64_t lbi_sender_deadline(const lbi_sender *sender);

/* To be called after the poller's dispatch. Calls the functions of publications. Returns 1 if it
 * did something, 0 if not. */
int lbi_sender_process(lbi_sender *sender, uint64_t now_us);

#endif
