#include "os/poller.h"

#include "base/error.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
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

int lbi_poller_update(lbi_poller *poller, lbi_poll *poll, lb_error *reterr)
{
    return control(poller, EPOLL_CTL_MOD, poll, reterr);
}

void lbi_poller_remove(lbi_poller *poller, lbi_poll *poll)
{
    (void)epoll_ctl(poller->epoll, EPOLL_CTL_DEL, poll->fd, NULL);
}

int lbi_poller_dispatch(lbi_poller *poller)
{
    struct epoll_event event;
    int done = 0;

    /* One at a time: a callback may remove any other place in the set. */
    while (done < EVENTS_AT_ONCE && epoll_wait(poller->epoll, &event, 1, 0) == 1) {
        lbi_poll *poll = event.data.ptr;

        poll->fn(poll->user);
        done++;
    }
    return done > 0;
}

/* Rounded up: waking early would only spin. */
static int to_poll_ms(uint64_t timeout_us)
{
    uint64_t ms = timeout_us / 1000 + (timeout_us % 1000 != 0);

    if (timeout_us == LB_NEVER)
        return -1;
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

int lbi_poller_wait(const lbi_poller *poller, uint64_t timeout_us)
{
    struct pollfd set = {.fd = poller->epoll, .events = POLLIN};
    int r = poll(&set, 1, to_poll_ms(timeout_us));

    if (r < 0)
        return errno == EINTR ? 0 : LB_E_IO;
    return r > 0;
}

void lbi_poller_sleep(const lbi_poller *poller, uint64_t timeout_us)
{
    struct timespec pause = {.tv_nsec = 1000000};

    if (lbi_poller_wait(poller, timeout_us) < 0)
        (void)nanosleep(&pause, NULL); /* poll() is out of memory: not for ever, let us hope */
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
