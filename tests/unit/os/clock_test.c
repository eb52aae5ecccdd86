#include "os/clock.h"

#include "test.h"

#include <time.h>

TEST(monotonic_never_goes_back_and_goes_on)
{
    uint64_t first = lbi_clock_us(), last = first;

    while (last == first) {
        uint64_t now = lbi_clock_us();

        CHECK(now >= last);
        last = now;
    }
}

TEST(monotonic_is_the_clock_that_the_header_names)
{
    struct timespec t;
    uint64_t before = lbi_clock_us(), between, after;

    CHECK_EQ(clock_gettime(CLOCK_MONOTONIC, &t), 0);
    after = lbi_clock_us();
    between = (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
    CHECK(before <= between && between <= after);
}

TEST(wall_clock_is_in_microseconds_since_1970)
{
    int64_t us = lbi_clock_wall_us();

    CHECK(us / 1000000 - (int64_t)time(NULL) <= 1 && (int64_t)time(NULL) - us / 1000000 <= 60);
}
