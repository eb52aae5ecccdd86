#include "lbctl_follow.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <unistd.h>

/* For the signal handler. */
static volatile sig_atomic_t interrupted, writing;
static lb_client *volatile interrupted_client;

static void on_signal(int signal)
{
    (void)signal;
    if (writing)
        _exit(LBCTL_DONE);
    interrupted = 1;
    if (interrupted_client)
        lb_client_wakeup(interrupted_client);
}

static void catch_signals(lb_client *client)
{
    struct sigaction action = {.sa_handler = on_signal};

    interrupted_client = client;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

int lbctl_follow_end(struct lbctl_follow *follow, int status)
{
    follow->ended = true;
    follow->status = status;
    return 1;
}

void lbctl_follow_print_begin(void)
{
    writing = 1;
    if (interrupted) /* before, while rows were still to come: nobody may be reading any more */
        _exit(LBCTL_DONE);
}

void lbctl_follow_print_end(void)
{
    writing = 0;
}

/* Until the client has work, a signal comes, or nobody reads the output any more. */
static void wait_for_work(struct lbctl_follow *follow)
{
    struct pollfd fds[] = {
        {.fd = lb_client_fd(follow->client), .events = POLLIN},
        {.fd = STDOUT_FILENO, .events = 0}, /* POLLERR and POLLHUP come unasked */
    };
    struct timespec left = {0};
    uint64_t due = 0, now = lbctl_now_us();

    lb_client_deadline(follow->client, &due);
    if (due > now) {
        /* The time is rounded down, so this is late by less than a microsecond, never early. */
        left.tv_sec = (time_t)((due - now) / 1000000);
        left.tv_nsec = (long)((due - now) % 1000000) * 1000;
    }
    if (ppoll(fds, 2, due == LB_NEVER ? NULL : &left, NULL) > 0 && fds[1].revents)
        lbctl_follow_end(follow, LBCTL_DONE);
}

static void write_out(struct lbctl_follow *follow)
{
    if (__fpending(stdout) == 0 && !ferror(stdout))
        return;
    lbctl_follow_print_begin();
    if (!lbctl_flush(&follow->status))
        follow->ended = true;
    lbctl_follow_print_end();
}

void lbctl_follow(struct lbctl_follow *follow)
{
    catch_signals(follow->client);
    while (!follow->ended && !interrupted) {
        int r = lb_client_process(follow->client);

        write_out(follow);
        if (r == 0 && !follow->ended)
            wait_for_work(follow);
        if (r < 0) {
            lbctl_complain("%s", lb_strerror(r));
            lbctl_follow_end(follow, LBCTL_FAILED);
        }
    }
    interrupted_client = NULL;
}
