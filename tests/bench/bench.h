/* What the benchmarks share: a clock, samples, and lines of results. */
#ifndef BENCH_H
#define BENCH_H

#include <stddef.h>
#include <stdint.h>

/* Monotonic microseconds. */
double bench_now_us(void);

/* A pseudo-random sequence: the same in every run. */
uint64_t bench_random(uint64_t *state);

/* Sorts samples and gives the one at fraction p. */
double bench_percentile(double *samples, size_t n, double p);

/* Makes a new directory and changes into it; it is removed at exit. */
void bench_enter_tmpdir(void);

/* Says what is wrong and ends the program. */
_Noreturn void bench_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Runs a shell command; ends the program if it fails. */
void bench_shell(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
