#include "base/buf.h"

#include "fault.h"
#include "leaderboard.h"
#include "test.h"

#include <string.h>

TEST(in_and_out)
{
    lbi_buf b;

    lbi_buf_init(&b, 100);
    CHECK_EQ(b.len, 0);
    CHECK(lbi_buf_bytes(&b));
    CHECK_OK(lbi_buf_add_text(&b, "hello "));
    CHECK_OK(lbi_buf_add(&b, "world", 5));
    CHECK_OK(lbi_buf_add_char(&b, '!'));
    CHECK_EQ(b.len, 12);
    CHECK_MEM(lbi_buf_bytes(&b), "hello world!", 12);
    lbi_buf_consume(&b, 6);
    CHECK_MEM(lbi_buf_bytes(&b), "world!", 6);
    lbi_buf_consume(&b, 100);
    CHECK_EQ(b.len, 0);
    lbi_buf_done(&b);
    lbi_buf_done(&b);
}

TEST(cap_counts_what_is_in_it)
{
    lbi_buf b;

    lbi_buf_init(&b, 10);
    CHECK_OK(lbi_buf_add(&b, "0123456789", 10));
    lbi_buf_consume(&b, 4);
    CHECK_OK(lbi_buf_add(&b, "abcd", 4));
    CHECK_MEM(lbi_buf_bytes(&b), "456789abcd", 10);
    CHECK_EQ(lbi_buf_add_char(&b, 'x'), LB_E_LIMIT);
    CHECK_EQ(b.len, 10);
    lbi_buf_consume(&b, 10);
    CHECK_EQ(lbi_buf_add_char(&b, 'x'), LB_E_LIMIT); /* sticks */
    CHECK(!lbi_buf_reserve(&b, 1));
    lbi_buf_clear(&b);
    CHECK_OK(lbi_buf_add_char(&b, 'x'));
    CHECK_EQ(lbi_buf_fail(&b, LB_E_RANGE), LB_E_RANGE);
    CHECK_EQ(lbi_buf_fail(&b, LB_E_NOMEM), LB_E_RANGE);
    lbi_buf_done(&b);
}

TEST(a_queue_of_a_million_bytes)
{
    lbi_buf b;
    unsigned char in = 0, out = 0;

    lbi_buf_init(&b, 1000);
    for (int round = 0; round < 10000; round++) {
        for (int i = 0; i < 100; i++)
            CHECK_OK(lbi_buf_add_char(&b, (char)in++));
        for (int i = 0; i < 100; i++) {
            CHECK_EQ((unsigned char)*lbi_buf_bytes(&b), out++);
            lbi_buf_consume(&b, 1);
        }
    }
    CHECK(b.size <= 2000);
    lbi_buf_done(&b);
}

TEST(large_contents_are_given_back)
{
    lbi_buf b;

    lbi_buf_init(&b, 4 * 1024 * 1024);
    CHECK(lbi_buf_reserve(&b, 3 * 1024 * 1024));
    lbi_buf_commit(&b, 3 * 1024 * 1024);
    lbi_buf_consume(&b, 3 * 1024 * 1024);
    CHECK_EQ(b.size, 0);
    CHECK_OK(lbi_buf_add_char(&b, 'x'));
    lbi_buf_done(&b);
}

TEST(out_of_memory)
{
    FOR_EACH_ALLOC_FAILURE (i) {
        lbi_buf b;

        lbi_buf_init(&b, 10000);
        for (int n = 0; n < 1000; n++)
            (void)lbi_buf_add_text(&b, "0123456789");
        CHECK(b.code == 0 || (b.code == LB_E_NOMEM && fault_fired()));
        lbi_buf_done(&b);
    }
}
