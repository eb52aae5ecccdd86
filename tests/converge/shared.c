#include "shared.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* ---- Counts --------------------------------------------------------------------------------- */

static struct {
    _Atomic uint64_t counts[N_COUNTS];
    server_place server;
} * shared;

void shared_join(int fd)
{
    void *memory = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (memory == MAP_FAILED)
        wrong("no shared memory");
    shared = memory;
}

int shared_make(void)
{
    int fd = memfd_create("converge", 0); /* inherited by the processes of the runs */

    if (fd < 0 || ftruncate(fd, sizeof *shared) < 0)
        wrong("no shared memory");
    shared_join(fd);
    return fd;
}

server_place *shared_server(void)
{
    return &shared->server;
}

void count_more(int what, uint64_t n)
{
    (void)atomic_fetch_add_explicit(&shared->counts[what], n, memory_order_relaxed);
}

void count(int what)
{
    count_more(what, 1);
}

void print_counts(void)
{
    static const struct {
        const char *group, *text;
    } names[] = {
#define COUNT_NAME(group, name, text) {#group, text},
        COUNT_MAP(COUNT_NAME)
#undef COUNT_NAME
    };
    static const struct {
        const char *group, *title;
    } titles[] = {{"LIBRARY", "written through the library"},
                  {"OUTSIDE", "written by others"},
                  {"FAULT", "faults"},
                  {"CALLBACK", "inside callbacks"},
                  {"HEARD", "heard"},
                  {"CHECK", "found to hold the store's state"}};

    for (size_t i = 0; i < sizeof titles / sizeof titles[0]; i++) {
        const char *separator = "";

        printf("  %s: ", titles[i].title);
        for (size_t k = 0; k < N_COUNTS; k++) {
            uint64_t n = shared->counts[k];

            if (n == 0 || strcmp(names[k].group, titles[i].group) != 0)
                continue;
            printf("%s%s %" PRIu64, separator, names[k].text, n);
            separator = ", ";
        }
        printf("\n");
    }
}

/* ---- Random numbers ------------------------------------------------------------------------- */

uint64_t rng_next(rng *r)
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

rng rng_make(uint64_t seed, uint64_t a, uint64_t b)
{
    rng r = {seed};

    r.state = rng_next(&r) ^ (a * 0x9e3779b97f4a7c15u);
    r.state = rng_next(&r) ^ (b * 0xbf58476d1ce4e5b9u);
    return r;
}

uint32_t rng_below(rng *r, uint32_t n)
{
    return n ? (uint32_t)((rng_next(r) >> 32) % n) : 0;
}

bool rng_chance(rng *r, uint32_t percent)
{
    return rng_below(r, 100) < percent;
}

/* ---- History -------------------------------------------------------------------------------- */

static int history = -1;
static char history_who[24];

void history_open(const char *who)
{
    (void)snprintf(history_who, sizeof history_who, "%s", who);
    history = open("history", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

void history_add(const char *format, ...)
{
    char line[600];
    va_list args;
    int n = snprintf(line, sizeof line, "%s: ", history_who);

    va_start(args, format);
    n += vsnprintf(line + n, sizeof line - (size_t)n - 1, format, args);
    va_end(args);
    if (n > (int)sizeof line - 2)
        n = (int)sizeof line - 2;
    line[n++] = '\n';
    if (write(history, line, (size_t)n) < 0)
        wrong("cannot write the history");
}

/* ---- The rest ------------------------------------------------------------------------------- */

uint64_t now_us(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

void wrong(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vprintf(format, args);
    va_end(args);
    printf("\n");
    (void)fflush(stdout);
    _exit(1);
}
