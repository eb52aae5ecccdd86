/* The push object: glue between the host's loop, the sender and the relays. */
#ifndef LBI_PUSH_PUSH_H
#define LBI_PUSH_PUSH_H

#include "leaderboard-push.h"
#include "os/poller.h"
#include "push/sender.h"

#include <sys/types.h>

struct lb_push {
    pid_t pid;
    lbi_poller *poller;
    lbi_sender *sender;
    lb_relay *relays;
    lb_notice_fn notice; /* or NULL */
    void *notice_user;
    bool busy;    /* callbacks may be running */
    bool closing; /* the last ones are */
};

/* May the host make a call now? Returns 0, LB_E_INVAL, LB_E_FORKED,
 * LB_E_CLOSED. */
int lbi_push_check(const lb_push *push, lb_error *reterr);

void lbi_push_tell(lb_push *push, int kind, int code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The least that a result struct of any size can be given. Returns 0 or LB_E_INVAL. */
int lbi_push_counters_copy(void *dst, size_t size, const void *src, size_t src_size);

/* ---- relay.c ---- */

int lbi_relay_process(lb_relay *relay, uint64_t now_us);
uint64_t lbi_relay_deadline(const lb_relay *relay);

#endif
