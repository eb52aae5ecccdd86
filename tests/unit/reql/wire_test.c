#include "reql/wire.h"

#include "fault.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

static size_t put(char *p, int64_t token, uint32_t len, const char *body, size_t n)
{
    for (unsigned i = 0; i < 8; i++)
        p[i] = (char)((uint64_t)token >> (8 * i) & 0xff);
    for (unsigned i = 0; i < 4; i++)
        p[8 + i] = (char)(len >> (8 * i) & 0xff);
    memcpy(p + 12, body, n);
    return 12 + n;
}

TEST(bytes_of_a_query)
{
    static const char expected[] = "\x01\0\0\0\0\0\0\0\x0e\0\0\0[1,[24,[1,2]]]";
    lbi_buf out;

    lbi_buf_init(&out, 1000);
    CHECK_OK(lbi_reql_wire_put(&out, 1, "[1,[24,[1,2]]]", 14));
    CHECK_EQ(out.len, 26);
    CHECK_MEM(lbi_buf_bytes(&out), expected, 26);
    CHECK_EQ(lbi_reql_wire_put(&out, 1, "x", (size_t)UINT32_MAX + 1), LB_E_LIMIT);
    lbi_buf_done(&out);
}

TEST(tokens)
{
    static const int64_t tokens[] = {0, 1, -1, INT64_MAX, INT64_MIN, 0x0102030405060708};
    char bytes[64];

    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
        lbi_reql_wire w;
        lbi_reql_frame frame;
        size_t n = put(bytes, tokens[i], 2, "{}", 2);

        lbi_reql_wire_init(&w, 100);
        CHECK_OK(lbi_reql_wire_feed(&w, bytes, n));
        CHECK_EQ(lbi_reql_wire_next(&w, &frame), 1);
        CHECK_EQ(frame.token, tokens[i]);
        CHECK_EQ(frame.len, 2);
        CHECK_MEM(frame.body, "{}", 2);
        CHECK_EQ(lbi_reql_wire_next(&w, &frame), 0);
        lbi_reql_wire_done(&w);
    }
}

/* Three frames, one empty, cut into pieces of every size. */
TEST(every_split)
{
    char bytes[128];
    size_t n = put(bytes, 7, 5, "first", 5);

    n += put(bytes + n, 8, 0, "", 0);
    n += put(bytes + n, 9, 4, "last", 4);
    for (size_t piece = 1; piece <= n; piece++) {
        lbi_reql_wire w;
        lbi_reql_frame frame;
        unsigned frames = 0;
        size_t total = 0;

        lbi_reql_wire_init(&w, 10);
        for (size_t at = 0; at < n; at += piece) {
            CHECK_OK(lbi_reql_wire_feed(&w, bytes + at, piece < n - at ? piece : n - at));
            while (lbi_reql_wire_ready(&w)) {
                CHECK_EQ(lbi_reql_wire_next(&w, &frame), 1);
                CHECK_EQ(frame.token, 7 + (int64_t)frames);
                CHECK(!frame.too_long);
                total += frame.len;
                frames++;
            }
            CHECK_EQ(lbi_reql_wire_next(&w, &frame), 0);
        }
        CHECK_EQ(frames, 3);
        CHECK_EQ(total, 9);
        lbi_reql_wire_done(&w);
    }
}

/* A frame over the cap is told of at once and skipped; the next one is whole. */
TEST(too_long_is_skipped)
{
    char bytes[256], body[100] = {0};
    size_t n = put(bytes, 1, 100, body, 100);

    n += put(bytes + n, 2, 3, "yes", 3);
    for (size_t piece = 1; piece <= n; piece++) {
        lbi_reql_wire w;
        lbi_reql_frame frame;
        unsigned frames = 0;

        lbi_reql_wire_init(&w, 50);
        for (size_t at = 0; at < n; at += piece) {
            CHECK_OK(lbi_reql_wire_feed(&w, bytes + at, piece < n - at ? piece : n - at));
            while (lbi_reql_wire_next(&w, &frame) == 1) {
                CHECK_EQ(frame.too_long, frames == 0);
                CHECK_EQ(frame.token, frames == 0 ? 1 : 2);
                CHECK_EQ(frame.len, frames == 0 ? 100 : 3);
                if (frames > 0)
                    CHECK_MEM(frame.body, "yes", 3);
                frames++;
            }
            CHECK(w.in.len < 64); /* nothing of it is kept */
        }
        CHECK_EQ(frames, 2);
        lbi_reql_wire_done(&w);
    }
}

TEST(absurd_length_is_broken)
{
    static const uint32_t lengths[] = {0x40000001U, 0x80000000U, 0xffffffffU};
    char bytes[16];

    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        lbi_reql_wire w;
        lbi_reql_frame frame;

        lbi_reql_wire_init(&w, 50);
        CHECK_OK(lbi_reql_wire_feed(&w, bytes, put(bytes, 1, lengths[i], "", 0)));
        CHECK(lbi_reql_wire_ready(&w));
        CHECK_EQ(lbi_reql_wire_next(&w, &frame), LB_E_PROTO);
        CHECK(lbi_reql_wire_ready(&w));
        CHECK_EQ(lbi_reql_wire_feed(&w, "more", 4), LB_E_PROTO); /* sticks */
        CHECK_EQ(lbi_reql_wire_next(&w, &frame), LB_E_PROTO);
        lbi_reql_wire_done(&w);
    }
}

TEST(out_of_memory)
{
    FOR_EACH_ALLOC_FAILURE (i) {
        lbi_reql_wire w;
        lbi_reql_frame frame;
        char bytes[64];
        int r;

        lbi_reql_wire_init(&w, 100);
        r = lbi_reql_wire_feed(&w, bytes, put(bytes, 1, 2, "{}", 2));
        if (r == 0)
            r = lbi_reql_wire_next(&w, &frame) == 1 ? 0 : LB_E_PROTO;
        CHECK(r == 0 || (r == LB_E_NOMEM && fault_fired()));
        lbi_reql_wire_done(&w);
    }
}
