#include "base/heap.h"

#include "leaderboard.h"

#include <stdlib.h>

void lbi_heap_done(lbi_heap *heap)
{
    free(heap->timers);
    *heap = (lbi_heap){0};
}

int lbi_heap_reserve(lbi_heap *heap, size_t n)
{
    size_t size = heap->size ? heap->size : 16;
    lbi_timer **timers;

    if (n <= heap->size)
        return 0;
    while (size < n)
        size *= 2;
    timers = reallocarray(heap->timers, size, sizeof(lbi_timer *));
    if (!timers)
        return LB_E_NOMEM;
    heap->timers = timers;
    heap->size = size;
    return 0;
}

static void put(lbi_heap *heap, size_t place, lbi_timer *timer)
{
    heap->timers[place - 1] = timer;
    timer->place = place;
}

static void sift_up(lbi_heap *heap, lbi_timer *timer)
{
    size_t place = timer->place;

    while (place > 1 && heap->timers[place / 2 - 1]->at_us > timer->at_us) {
        put(heap, place, heap->timers[place / 2 - 1]);
        place /= 2;
    }
    put(heap, place, timer);
}

static void sift_down(lbi_heap *heap, lbi_timer *timer)
{
    size_t place = timer->place, child;

    while ((child = place * 2) <= heap->n) {
        if (child < heap->n && heap->timers[child]->at_us < heap->timers[child - 1]->at_us)
            child++;
        if (heap->timers[child - 1]->at_us >= timer->at_us)
            break;
        put(heap, place, heap->timers[child - 1]);
        place = child;
    }
    put(heap, place, timer);
}

void lbi_heap_remove(lbi_heap *heap, lbi_timer *timer)
{
    lbi_timer *last;

    if (timer->place == 0)
        return;
    last = heap->timers[--heap->n];
    if (last != timer) {
        put(heap, timer->place, last);
        sift_up(heap, last);
        sift_down(heap, last);
    }
    timer->place = 0;
}

void lbi_heap_set(lbi_heap *heap, lbi_timer *timer, uint64_t at_us)
{
    if (at_us == LB_NEVER) {
        lbi_heap_remove(heap, timer);
        return;
    }
    timer->at_us = at_us;
    if (timer->place == 0)
        put(heap, ++heap->n, timer);
    sift_up(heap, timer);
    sift_down(heap, timer);
}

lbi_timer *lbi_heap_first(const lbi_heap *heap)
{
    return heap->n ? heap->timers[0] : NULL;
}
