#include "os/clock.h"

#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec t;

    (void)clock_gettime(id, &t); /* cannot fail for these two */
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

uint64_t lbi_clock_us(void)
{
    return (uint64_t)read_clock(CLOCK_MONOTONIC);
}

int64_t lbi_clock_wall_us(void)
{
    return read_clock(CLOCK_REALTIME);
}
