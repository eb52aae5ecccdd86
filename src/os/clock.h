/* The two clocks. */
#ifndef LBI_OS_CLOCK_H
#define LBI_OS_CLOCK_H

#include <stdint.h>

/* CLOCK_MONOTONIC in microseconds: for deadlines. */
uint64_t lbi_clock_us(void);

/* Microseconds since 1970: for what is stored. */
int64_t lbi_clock_wall_us(void);

/* Of two deadlines. */
static inline uint64_t lbi_earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

#endif
