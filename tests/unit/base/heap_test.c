#include "base/heap.h"

#include "fault.h"
#include "leaderboard.h"
#include "test.h"

#include <stdlib.h>

enum { N = 500 };

static uint64_t smallest(const lbi_timer *timers)
{
    uint64_t least = LB_NEVER;

    for (int i = 0; i < N; i++) {
        if (timers[i].place && timers[i].at_us < least)
            least = timers[i].at_us;
    }
    return least;
}

TEST(as_a_plain_search)
{
    lbi_heap heap = {0};
    lbi_timer timers[N] = {0};

    srand(7);
    CHECK_OK(lbi_heap_reserve(&heap, N));
    CHECK(!lbi_heap_first(&heap));
    for (int step = 0; step < 20000; step++) {
        lbi_timer *timer = &timers[rand() % N];

        if (rand() % 4 == 0)
            lbi_heap_remove(&heap, timer);
        else
            lbi_heap_set(&heap, timer, rand() % 16 ? (uint64_t)rand() % 1000 : LB_NEVER);
        if (smallest(timers) == LB_NEVER)
            CHECK(!lbi_heap_first(&heap));
        else
            CHECK_EQ(lbi_heap_first(&heap)->at_us, smallest(timers));
    }
    lbi_heap_done(&heap);
}

TEST(in_order)
{
    lbi_heap heap = {0};
    lbi_timer timers[N] = {0};
    uint64_t last = 0;

    CHECK_OK(lbi_heap_reserve(&heap, N));
    for (unsigned i = 0; i < N; i++)
        lbi_heap_set(&heap, &timers[i], (i * 7919U) % 1009U);
    for (unsigned i = 0; i < N; i++) {
        lbi_timer *first = lbi_heap_first(&heap);

        CHECK(first->at_us >= last);
        last = first->at_us;
        lbi_heap_remove(&heap, first);
        lbi_heap_remove(&heap, first);
    }
    CHECK(!lbi_heap_first(&heap));
    lbi_heap_done(&heap);
}

TEST(out_of_memory)
{
    FOR_EACH_ALLOC_FAILURE (i) {
        lbi_heap heap = {0};
        int r = lbi_heap_reserve(&heap, 100);

        CHECK(r == 0 || (r == LB_E_NOMEM && fault_fired()));
        lbi_heap_done(&heap);
    }
}
