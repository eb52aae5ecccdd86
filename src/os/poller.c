#include "os/poller.h"

#include "base/error.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS_AT_ONCE = 16 };

struct lbi_poller {
    int epoll;
    lbi_poll wakeup; /* an eventfd */
    bool woken;
    /* What was found ready and not called yet: most often by a wait, for the next dispatch. */
    struct epoll_event events[EVENTS_AT_ONCE];
    int n_events;
};

static void drain_wakeup(void *user)
{
    lbi_poller *poller = user;
    uint64_t count;

    if (read(poller->wakeup.fd, &count, sizeof count) > 0)
        poller->woken = true;
}

int lbi_poller_new(lbi_poller **ret, lb_error *reterr)
{
    lbi_poller *poller = calloc(1, sizeof *poller);
    int r;

    if (!poller)
        return lbi_fail_nomem(reterr);
    poller->wakeup = (lbi_poll){.fd = -1, .fn = drain_wakeup, .user = poller};
    poller->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (poller->epoll >= 0)
        poller->wakeup.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (poller->wakeup.fd < 0)
        r = lbi_fail(reterr, LB_E_IO, "cannot make the client's descriptor: %s", strerror(errno));
    else
        r = lbi_poller_add(poller, &poller->wakeup, reterr);
    if (r < 0) {
        lbi_poller_free(poller);
        return r;
    }
    *ret = poller;
    return 0;
}

void lbi_poller_free(lbi_poller *poller)
{
    if (!poller)
        return;
    if (poller->wakeup.fd >= 0)
        (void)close(poller->wakeup.fd);
    if (poller->epoll >= 0)
        (void)close(poller->epoll);
    free(poller);
}

int lbi_poller_fd(const lbi_poller *poller)
{
    return poller->epoll;
}

static int control(lbi_poller *poller, int operation, lbi_poll *poll, lb_error *reterr)
{
    uint32_t events = (poll->no_read ? 0U : EPOLLIN) | (poll->write ? EPOLLOUT : 0U);
    struct epoll_event event = {.events = events, .data.ptr = poll};

    if (epoll_ctl(poller->epoll, operation, poll->fd, &event) < 0)
        return lbi_fail(reterr, LB_E_IO, "cannot watch a descriptor: %s", strerror(errno));
    return 0;
}

int lbi_poller_add(lbi_poller *poller, lbi_poll *poll, lb_error *reterr)
{
    return control(poller, EPOLL_CTL_ADD, poll, reterr);
}

/* Its place may be gone, or may not be interested any more. What is ready is found again. */
static void forget(lbi_poller *poller, const lbi_poll *poll)
{
    for (int i = 0; i < poller->n_events; i++) {
        if (poller->events[i].data.ptr == poll)
            poller->events[i].data.ptr = NULL;
    }
}

int lbi_poller_update(lbi_poller *poller, lbi_poll *poll, lb_error *reterr)
{
    forget(poller, poll);
    return control(poller, EPOLL_CTL_MOD, poll, reterr);
}

void lbi_poller_remove(lbi_poller *poller, lbi_poll *poll)
{
    forget(poller, poll);
    (void)epoll_ctl(poller->epoll, EPOLL_CTL_DEL, poll->fd, NULL);
}

/* Returns how many are ready, or < 0 and errno. */
static int find_ready(lbi_poller *poller, int timeout_ms)
{
    int n = poller->n_events;

    if (n == 0)
        n = epoll_wait(poller->epoll, poller->events, EVENTS_AT_ONCE, timeout_ms);
    poller->n_events = n > 0 ? n : 0;
    return n;
}

int lbi_poller_dispatch(lbi_poller *poller)
{
    int n = find_ready(poller, 0), done = 0;

    for (int i = 0; i < n; i++) {
        lbi_poll *poll = poller->events[i].data.ptr;

        if (!poll)
            continue; /* another callback has taken it out */
        poll->fn(poll->user);
        done++;
    }
    poller->n_events = 0;
    return done > 0;
}

/* Rounded up: waking early would only spin. */
static int to_ms(uint64_t timeout_us)
{
    uint64_t ms = timeout_us / 1000 + (timeout_us % 1000 != 0);

    if (timeout_us == LB_NEVER)
        return -1;
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

int lbi_poller_wait(lbi_poller *poller, uint64_t timeout_us)
{
    int n = find_ready(poller, to_ms(timeout_us));

    if (n < 0)
        return errno == EINTR ? 0 : LB_E_IO;
    return n > 0;
}

void lbi_poller_sleep(lbi_poller *poller, uint64_t timeout_us)
{
    struct timespec pause = {.tv_nsec = 1000000};

    if (lbi_poller_wait(poller, timeout_us) < 0)
        (void)nanosleep(&pause, NULL); /* it cannot wait: not for ever, let us hope */
}

void lbi_poller_wakeup(const lbi_poller *poller)
{
    uint64_t one = 1;
    int saved = errno;
    ssize_t n = write(poller->wakeup.fd, &one, sizeof one);

    (void)n; /* full: it is awake already */
    errno = saved;
}

bool lbi_poller_take_wakeup(lbi_poller *poller)
{
    bool woken = poller->woken;

    poller->woken = false;
    return woken;
}
