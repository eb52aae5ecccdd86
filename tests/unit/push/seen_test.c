#include "push/seen.h"

#include "fault.h"
#include "test.h"

#include <stdio.h>

#define SECOND UINT64_C(1000000)

TEST(remembers_for_a_minute)
{
    lbi_seen seen = {.full = false};
    uint64_t now = 1000 * SECOND;

    CHECK(!lbi_seen_has(&seen, "c", "a", now));
    lbi_seen_add(&seen, "c", "a", now);
    for (int s = 0; s <= 60; s++)
        CHECK(lbi_seen_has(&seen, "c", "a", now + (uint64_t)s * SECOND));
    CHECK(!lbi_seen_has(&seen, "c", "b", now));
    CHECK(!lbi_seen_has(&seen, "ca", "", now));
    CHECK(!lbi_seen_has(&seen, "c", "a", now + 140 * SECOND));
    lbi_seen_done(&seen);
}

/* At any moment within the minute it was added, and what is added all the time stays. */
TEST(remembers_whenever_it_was_added)
{
    lbi_seen seen = {.full = false};
    char id[20];

    for (uint64_t t = 1; t < 300; t++) {
        snprintf(id, sizeof id, "%d", (int)t);
        lbi_seen_add(&seen, "c", id, t * SECOND);
        for (uint64_t back = 0; back <= 60 && back < t; back++) {
            snprintf(id, sizeof id, "%d", (int)(t - back));
            CHECK(lbi_seen_has(&seen, "c", id, t * SECOND));
        }
        if (t > 140) {
            snprintf(id, sizeof id, "%d", (int)(t - 140));
            CHECK(!lbi_seen_has(&seen, "c", id, t * SECOND));
        }
    }
    lbi_seen_done(&seen);
}

TEST(after_a_pause)
{
    lbi_seen seen = {.full = false};

    lbi_seen_add(&seen, "c", "a", 1);
    CHECK(!lbi_seen_has(&seen, "c", "a", 1000 * SECOND));
    lbi_seen_done(&seen);
}

TEST(many_and_bounded)
{
    lbi_seen seen = {.full = false};
    char id[20];

    for (int i = 0; i < 600000; i++) {
        snprintf(id, sizeof id, "%d", i);
        lbi_seen_add(&seen, "c", id, 1);
    }
    CHECK(seen.now.size <= 1 << 20);
    for (int i = 0; i < 600000; i += 1000) {
        snprintf(id, sizeof id, "%d", i);
        CHECK(lbi_seen_has(&seen, "c", id, 2));
    }
    /* What could not be kept might be anything. */
    CHECK(lbi_seen_has(&seen, "c", "other", 2));
    CHECK(!lbi_seen_has(&seen, "c", "other", 100 * SECOND));
    lbi_seen_done(&seen);
}

TEST(out_of_memory)
{
    FOR_EACH_ALLOC_FAILURE (i) {
        lbi_seen seen = {.full = false};

        lbi_seen_add(&seen, "c", "a", 1);
        CHECK(lbi_seen_has(&seen, "c", "a", 2));
        CHECK(!lbi_seen_has(&seen, "c", "b", 2) || fault_fired());
        lbi_seen_done(&seen);
    }
}
