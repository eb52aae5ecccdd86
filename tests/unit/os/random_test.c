#include "os/random.h"

#include "test.h"

#include <string.h>

TEST(fills_what_is_asked_and_no_more)
{
    static const size_t sizes[] = {0, 1, 16, 255, 256, 257, 100000};
    static unsigned char buf[100001];

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        buf[sizes[i]] = 0x5a;
        CHECK_EQ(lbi_random(buf, sizes[i]), 0);
        CHECK_EQ(buf[sizes[i]], 0x5a);
    }
}

TEST(two_draws_differ)
{
    unsigned char a[16] = {0}, b[16] = {0}, zero[16] = {0};

    CHECK_EQ(lbi_random(a, sizeof a), 0);
    CHECK_EQ(lbi_random(b, sizeof b), 0);
    CHECK(memcmp(a, b, sizeof a) != 0);
    CHECK(memcmp(a, zero, sizeof a) != 0);
}

/* Every byte of a long draw is written: none stays zero through many draws. */
TEST(the_whole_buffer_is_random)
{
    static unsigned char seen[1000], buf[1000];

    for (int round = 0; round < 20; round++) {
        memset(buf, 0, sizeof buf);
        CHECK_EQ(lbi_random(buf, sizeof buf), 0);
        for (size_t i = 0; i < sizeof buf; i++)
            seen[i] |= buf[i];
    }
    for (size_t i = 0; i < sizeof seen; i++)
        CHECK(seen[i] != 0);
}
