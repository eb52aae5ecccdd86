#include "base/arena.h"

#include "fault.h"
#include "test.h"

#include <stdalign.h>
#include <string.h>

static bool is_aligned(const void *p)
{
    return (uintptr_t)p % alignof(max_align_t) == 0;
}

TEST(an_empty_arena_can_be_cleared)
{
    lbi_arena arena = {0};

    lbi_arena_clear(&arena);
    lbi_arena_clear(&arena);
    CHECK(!arena.blocks);
}

TEST(pieces_are_aligned_apart_and_stay)
{
    enum { N = 2000 };
    lbi_arena arena = {0};
    static unsigned char *piece[N];

    for (size_t i = 0; i < N; i++) {
        size_t size = i % 97;

        piece[i] = lbi_arena_alloc(&arena, size);
        CHECK(piece[i] && is_aligned(piece[i]));
        memset(piece[i], (int)(i & 255), size);
    }
    for (size_t i = 0; i < N; i++) {
        for (size_t k = 0; k < i % 97; k++)
            CHECK_EQ(piece[i][k], i & 255);
    }
    lbi_arena_clear(&arena);
}

TEST(no_bytes_is_still_a_place_of_its_own)
{
    lbi_arena arena = {0};
    void *a = lbi_arena_alloc(&arena, 0), *b = lbi_arena_alloc(&arena, 0);

    CHECK(a && b && a != b);
    lbi_arena_clear(&arena);
}

TEST(large_pieces_fit)
{
    static const size_t sizes[] = {511, 512, 513, 65535, 65536, 65537, 1 << 20, 1};
    lbi_arena arena = {0};

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        void *p = lbi_arena_alloc(&arena, sizes[i]);

        CHECK(p && is_aligned(p));
        memset(p, 1, sizes[i]);
    }
    lbi_arena_clear(&arena);
}

TEST(absurd_sizes_are_refused)
{
    lbi_arena arena = {0};

    CHECK(!lbi_arena_alloc(&arena, SIZE_MAX));
    CHECK(!lbi_arena_alloc(&arena, SIZE_MAX - 8));
    CHECK(!lbi_arena_alloc(&arena, SIZE_MAX / 2 + 1));
    CHECK(lbi_arena_alloc(&arena, 8) != NULL);
    lbi_arena_clear(&arena);
}

TEST(text_is_copied_with_its_nul)
{
    lbi_arena arena = {0};
    const char *a = lbi_arena_text(&arena, "abcdef", 3);
    const char *b = lbi_arena_text(&arena, "", 0);
    const char *c = lbi_arena_text(&arena, "a\0b", 3);

    CHECK_STR(a, "abc");
    CHECK_STR(b, "");
    CHECK_MEM(c, "a\0b", 4);
    lbi_arena_clear(&arena);
}

TEST(allocation_failures_leave_a_usable_arena)
{
    size_t refused = 0;

    FOR_EACH_ALLOC_FAILURE (i) {
        lbi_arena arena = {0};

        for (int k = 0; k < 40; k++) {
            char *text = lbi_arena_text(&arena, "0123456789012345678901234567890123456789", 40);

            refused += !text;
            if (text)
                CHECK_EQ(strlen(text), 40);
        }
        lbi_arena_clear(&arena);
    }
    CHECK(refused >= 2);
}
