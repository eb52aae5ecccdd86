/* A set of descriptors behind one descriptor that never changes (Linux: epoll). */
#ifndef LBI_OS_POLLER_H
#define LBI_OS_POLLER_H

#include "leaderboard.h"

#include <stdbool.h>

typedef struct lbi_poller lbi_poller;

/* Runs inside lbi_poller_dispatch(). */
typedef void (*lbi_poller_fn)(void *user);

/* A place in the set, embedded in its owner. */
typedef struct lbi_poll {
    int fd;
    lbi_poller_fn fn;
    void *user;
    bool write;   /* wait for writable too */
    bool no_read; /* do not wait for readable */
} lbi_poll;

int lbi_poller_new(lbi_poller **ret, lb_error *reterr);
void lbi_poller_free(lbi_poller *poller);

/* The descriptor that an outer loop polls for reading. */
int lbi_poller_fd(const lbi_poller *poller);

/* poll->fd ready (readable, unless it says otherwise): poll->fn(poll->user). *poll stays where it
 * is until it is removed. */
int lbi_poller_add(lbi_poller *poller, lbi_poll *poll, lb_error *reterr);

/* To be called when `write` or `no_read` has changed. Returns 0 or LB_E_IO. */
int lbi_poller_update(lbi_poller *poller, lbi_poll *poll, lb_error *reterr);
void lbi_poller_remove(lbi_poller *poller, lbi_poll *poll);

/* Runs the callbacks of what is ready now. Returns 1 if something was, 0 if not. */
int lbi_poller_dispatch(lbi_poller *poller);

/* Sleeps until something is ready or timeout_us has passed (LB_NEVER: for ever).
 * Returns 1 = ready, 0 = not (time passed, or a signal came), LB_E_IO. */
int lbi_poller_wait(lbi_poller *poller, uint64_t timeout_us);

/* The same for who goes on whatever happened: never fails, never spins. */
void lbi_poller_sleep(lbi_poller *poller, uint64_t timeout_us);

/* Makes the descriptor ready until the next dispatch. From any thread or signal handler. */
void lbi_poller_wakeup(const lbi_poller *poller);

/* Has a dispatch met a wakeup since the last time this was asked? */
bool lbi_poller_take_wakeup(lbi_poller *poller);

#endif
