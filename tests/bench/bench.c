#include "bench.h"

#include <errno.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static char tmpdir[256];
static pid_t owner;

double bench_now_us(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

uint64_t bench_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double bench_percentile(double *samples, size_t n, double p)
{
    qsort(samples, n, sizeof *samples, compare);
    return n ? samples[(size_t)(p * (double)(n - 1))] : 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void remove_tmpdir(void)
{
    if (getpid() == owner)
        (void)nftw(tmpdir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

void bench_enter_tmpdir(void)
{
    const char *base = getenv("TMPDIR");

    (void)snprintf(tmpdir, sizeof tmpdir, "%s/bench-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(tmpdir) || chdir(tmpdir) < 0)
        bench_die("cannot use %s: %s", tmpdir, strerror(errno));
    owner = getpid();
    (void)atexit(remove_tmpdir);
}

void bench_die(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
    exit(1);
}

void bench_shell(const char *format, ...)
{
    char command[1024];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(command, sizeof command, format, args);
    va_end(args);
    if (system(command) != 0)
        bench_die("failed: %s", command);
}
