/* Deadlines: the earliest first. Entries are embedded in their owners. */
#ifndef LBI_BASE_HEAP_H
#define LBI_BASE_HEAP_H

#include <stddef.h>
#include <stdint.h>

typedef struct lbi_timer {
    uint64_t at_us;
    size_t place; /* in the heap, counted from 1; 0 = not in it */
    void *owner;
} lbi_timer;

typedef struct lbi_heap {
    lbi_timer **timers;
    size_t n, size;
} lbi_heap; /* all zero = empty */

void lbi_heap_done(lbi_heap *heap);

/* Makes room for n timers in all, so that lbi_heap_set() cannot fail below that.
 * Returns 0 or LB_E_NOMEM. */
int lbi_heap_reserve(lbi_heap *heap, size_t n);

/* Puts the timer in, or moves it; UINT64_MAX (never) takes it out. Room must be reserved. */
void lbi_heap_set(lbi_heap *heap, lbi_timer *timer, uint64_t at_us);
void lbi_heap_remove(lbi_heap *heap, lbi_timer *timer);

/* The earliest, NULL if there is none. */
lbi_timer *lbi_heap_first(const lbi_heap *heap);

#endif
