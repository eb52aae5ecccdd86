/* A client in an epoll(7) loop: its deadline becomes a timerfd, so the loop sleeps in one place. */
#include "common.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

static void arm(int timer, uint64_t deadline_us)
{
    struct itimerspec when = {.it_value = {0, 0}};

    if (deadline_us != LB_NEVER) {
        when.it_value.tv_sec = (time_t)(deadline_us / 1000000);
        when.it_value.tv_nsec = (long)(deadline_us % 1000000) * 1000;
        if (deadline_us == 0)
            when.it_value.tv_nsec = 1; /* long past: fires at once (zero would disarm) */
    }
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
}

int main(void)
{
    lb_client *client = start();
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN};

    epoll_ctl(epoll, EPOLL_CTL_ADD, lb_client_fd(client), &event);
    epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event);
    while (!finished) {
        uint64_t deadline;

        while (!finished && lb_client_process(client) > 0)
            ;
        lb_client_deadline(client, &deadline);
        arm(timer, deadline);
        if (!finished)
            epoll_wait(epoll, &event, 1, -1);
    }
    close(timer);
    close(epoll);
    lb_client_free(client);
    return 0;
}
