/* A client in a poll(2) loop: descriptor, deadline, process. */
#include "common.h"

#include <poll.h>
#include <time.h>

/* Milliseconds until an absolute CLOCK_MONOTONIC time in microseconds, rounded up. */
static int timeout_ms(uint64_t deadline_us)
{
    struct timespec now;
    uint64_t now_us, ms;

    if (deadline_us == LB_NEVER)
        return -1;
    clock_gettime(CLOCK_MONOTONIC, &now);
    now_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    if (deadline_us <= now_us)
        return 0;
    ms = (deadline_us - now_us + 999) / 1000;
    return ms > 60000 ? 60000 : (int)ms;
}

int main(void)
{
    lb_client *client = start();
    struct pollfd set = {.fd = lb_client_fd(client), .events = POLLIN};

    while (!finished) {
        uint64_t deadline;

        if (lb_client_process(client) > 0)
            continue; /* a loop with other work would do some of that here */
        lb_client_deadline(client, &deadline);
        poll(&set, 1, timeout_ms(deadline));
    }
    lb_client_free(client);
    return 0;
}
