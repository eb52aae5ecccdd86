#include "os/poller.h"

#include "fault.h"
#include "test.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* A descriptor in the set that counts how often it was called. */
struct place {
    lbi_poll poll;
    lbi_poller *poller;
    struct place *remove; /* taken out of the set by the callback, or NULL */
    int calls;
    bool drain;
};

static void on_ready(void *user)
{
    struct place *place = user;
    uint64_t count;

    place->calls++;
    if (place->drain)
        CHECK_EQ(read(place->poll.fd, &count, sizeof count), sizeof count);
    if (place->remove)
        lbi_poller_remove(place->poller, &place->remove->poll);
}

static void place_open(struct place *place, lbi_poller *poller)
{
    *place = (struct place){.poller = poller, .drain = true};
    place->poll = (lbi_poll){.fd = eventfd(0, EFD_NONBLOCK), .fn = on_ready, .user = place};
    CHECK(place->poll.fd >= 0);
    CHECK_EQ(lbi_poller_add(poller, &place->poll, NULL), 0);
}

static void place_close(struct place *place)
{
    lbi_poller_remove(place->poller, &place->poll);
    close(place->poll.fd);
}

static void make_ready(const struct place *place)
{
    uint64_t one = 1;

    CHECK_EQ(write(place->poll.fd, &one, sizeof one), sizeof one);
}

static lbi_poller *poller_open(void)
{
    lbi_poller *poller = NULL;

    CHECK_EQ(lbi_poller_new(&poller, NULL), 0);
    return poller;
}

static bool is_readable(int fd)
{
    return poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 0) == 1;
}

TEST(new_and_free)
{
    lbi_poller *poller = poller_open();

    CHECK(lbi_poller_fd(poller) >= 0);
    CHECK_EQ(lbi_poller_dispatch(poller), 0);
    CHECK_EQ(lbi_poller_wait(poller, 0), 0);
    CHECK(!is_readable(lbi_poller_fd(poller)));
    lbi_poller_free(poller);
    lbi_poller_free(NULL);
}

TEST(runs_what_is_ready_and_nothing_else)
{
    lbi_poller *poller = poller_open();
    struct place place[5];

    for (size_t i = 0; i < 5; i++)
        place_open(&place[i], poller);
    make_ready(&place[1]);
    make_ready(&place[4]);
    CHECK_EQ(lbi_poller_wait(poller, LB_NEVER), 1);
    CHECK(is_readable(lbi_poller_fd(poller)));
    CHECK_EQ(lbi_poller_dispatch(poller), 1);
    CHECK_EQ(lbi_poller_dispatch(poller), 0);
    for (size_t i = 0; i < 5; i++) {
        CHECK_EQ(place[i].calls, i == 1 || i == 4);
        place_close(&place[i]);
    }
    lbi_poller_free(poller);
}

/* Whichever comes first takes the other out; a removed place is never called. */
TEST(a_callback_may_remove_any_other)
{
    lbi_poller *poller = poller_open();
    struct place a, b;

    place_open(&a, poller);
    place_open(&b, poller);
    a.remove = &b;
    b.remove = &a;
    make_ready(&a);
    make_ready(&b);
    CHECK_EQ(lbi_poller_dispatch(poller), 1);
    CHECK_EQ(lbi_poller_dispatch(poller), 0);
    CHECK_EQ(a.calls + b.calls, 1);
    close(a.poll.fd);
    close(b.poll.fd);
    lbi_poller_free(poller);
}

TEST(a_callback_may_remove_itself)
{
    lbi_poller *poller = poller_open();
    struct place place;

    place_open(&place, poller);
    place.remove = &place;
    place.drain = false;
    make_ready(&place);
    CHECK_EQ(lbi_poller_dispatch(poller), 1);
    CHECK_EQ(lbi_poller_dispatch(poller), 0);
    CHECK_EQ(place.calls, 1);
    close(place.poll.fd);
    lbi_poller_free(poller);
}

/* One that is always ready keeps neither the caller nor the others waiting. */
TEST(dispatch_is_bounded_and_fair)
{
    lbi_poller *poller = poller_open();
    struct place loud, quiet;

    place_open(&loud, poller);
    place_open(&quiet, poller);
    loud.drain = false;
    make_ready(&loud);
    make_ready(&quiet);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(lbi_poller_dispatch(poller), 1);
    CHECK(loud.calls >= 3);
    CHECK_EQ(quiet.calls, 1);
    place_close(&loud);
    place_close(&quiet);
    lbi_poller_free(poller);
}

TEST(adding_what_cannot_be_polled_fails)
{
    lbi_poller *poller = poller_open();
    lbi_poll bad = {.fd = -1, .fn = on_ready};
    lb_error error = {.code = 0};

    CHECK_EQ(lbi_poller_add(poller, &bad, &error), LB_E_IO);
    CHECK_EQ(error.code, LB_E_IO);
    lbi_poller_remove(poller, &bad);
    lbi_poller_free(poller);
}

TEST(a_wakeup_lasts_until_the_next_dispatch)
{
    lbi_poller *poller = poller_open();

    for (int i = 0; i < 3; i++)
        lbi_poller_wakeup(poller);
    CHECK_EQ(lbi_poller_wait(poller, LB_NEVER), 1);
    CHECK(is_readable(lbi_poller_fd(poller)));
    CHECK_EQ(lbi_poller_dispatch(poller), 1);
    CHECK(!is_readable(lbi_poller_fd(poller)));
    CHECK_EQ(lbi_poller_wait(poller, 0), 0);
    lbi_poller_free(poller);
}

TEST(a_wakeup_keeps_errno)
{
    lbi_poller *poller = poller_open();

    errno = 4242;
    lbi_poller_wakeup(poller);
    CHECK_EQ(errno, 4242);
    lbi_poller_free(poller);
}

static void *wake(void *user)
{
    lbi_poller_wakeup(user);
    return NULL;
}

TEST(a_thread_wakes_a_sleeper)
{
    lbi_poller *poller = poller_open();

    for (int i = 0; i < 50; i++) {
        pthread_t thread;

        CHECK_EQ(pthread_create(&thread, NULL, wake, poller), 0);
        CHECK_EQ(lbi_poller_wait(poller, LB_NEVER), 1);
        CHECK_EQ(lbi_poller_dispatch(poller), 1);
        CHECK_EQ(pthread_join(thread, NULL), 0);
    }
    CHECK_EQ(lbi_poller_dispatch(poller), 0);
    lbi_poller_free(poller);
}

static lbi_poller *signalled;

static void on_signal(int number)
{
    (void)number;
    lbi_poller_wakeup(signalled);
}

/* A signal ends a wait with 0; the wakeup in its handler is seen by the next wait. */
TEST(a_signal_handler_wakes_a_sleeper)
{
    struct sigaction action = {.sa_handler = on_signal};
    int r;

    signalled = poller_open();
    CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
    CHECK_EQ(raise(SIGUSR1), 0);
    r = lbi_poller_wait(signalled, LB_NEVER);
    CHECK(r == 0 || r == 1);
    CHECK_EQ(lbi_poller_wait(signalled, LB_NEVER), 1);
    CHECK_EQ(lbi_poller_dispatch(signalled), 1);
    lbi_poller_free(signalled);
}

TEST(a_wait_ends_when_its_time_has_passed)
{
    lbi_poller *poller = poller_open();

    CHECK_EQ(lbi_poller_wait(poller, 1), 0);
    CHECK_EQ(lbi_poller_wait(poller, 1500), 0);
    lbi_poller_wakeup(poller);
    CHECK_EQ(lbi_poller_wait(poller, LB_NEVER - 1), 1);
    lbi_poller_free(poller);
}

TEST(allocation_failures)
{
    FOR_EACH_ALLOC_FAILURE (i) {
        lbi_poller *poller = NULL;
        int r = lbi_poller_new(&poller, NULL);

        CHECK_EQ(r, fault_fired() ? LB_E_NOMEM : 0);
        CHECK_EQ(poller != NULL, r == 0);
        lbi_poller_free(poller);
    }
}
