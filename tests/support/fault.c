/* Allocation failures on demand: see fault.h. The linker sends every malloc() of the test program here (--wrap). */
#include "fault.h"

#include "test.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

/* Far more than any test needs: a body that does not start afresh each time would otherwise never end. */
enum { MAX_RUNS = 100000 };

static _Thread_local struct {
    size_t allocations; /* seen in this run */
    size_t fail_at;     /* 0: none */
    unsigned suspended;
    bool running, fired;
} fault;

static sqlite3_mem_methods sqlite_methods;

bool fault_run(size_t i)
{
    bool done = i > 1 && !fault.fired;
    if (i >= MAX_RUNS)
        FAIL("no end of allocations after %d runs", MAX_RUNS);
    fault.allocations = 0;
    fault.fail_at = i;
    fault.suspended = 0;
    fault.fired = false;
    fault.running = !done;
    return !done;
}

size_t fault_step(size_t step)
{
    const char *text = getenv("ALLOC_STEP");
    size_t asked = text ? strtoul(text, NULL, 10) : 0;

    return asked && asked < step ? asked : step;
}

bool fault_fired(void)
{
    return fault.fired;
}

void fault_suspend(void)
{
    fault.suspended++;
}

void fault_resume(void)
{
    fault.suspended--;
}

static bool fails_now(void)
{
    if (!fault.running || fault.suspended != 0)
        return false;
    fault.allocations++;
    if (fault.allocations != fault.fail_at)
        return false;
    fault.fired = true;
    return true;
}

/* --- the C library's allocator ------------------------------------------------------------------------------ */

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_reallocarray(void *old, size_t n, size_t size);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t n);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_reallocarray(void *old, size_t n, size_t size);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);

void *__wrap_malloc(size_t size)
{
    return fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails_now() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails_now() ? NULL : __real_realloc(old, size);
}

void *__wrap_reallocarray(void *old, size_t n, size_t size)
{
    return fails_now() ? NULL : __real_reallocarray(old, n, size);
}

char *__wrap_strdup(const char *s)
{
    return fails_now() ? NULL : __real_strdup(s);
}

char *__wrap_strndup(const char *s, size_t n)
{
    return fails_now() ? NULL : __real_strndup(s, n);
}

/* --- SQLite's ------------------------------------------------------------------------------------------------ */

static void *sqlite_malloc(int size)
{
    return fails_now() ? NULL : sqlite_methods.xMalloc(size);
}

static void *sqlite_realloc(void *old, int size)
{
    return fails_now() ? NULL : sqlite_methods.xRealloc(old, size);
}

void fault_include_sqlite(void)
{
    sqlite3_mem_methods failing;
    CHECK_EQ(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &sqlite_methods), SQLITE_OK);
    failing = sqlite_methods;
    failing.xMalloc = sqlite_malloc;
    failing.xRealloc = sqlite_realloc;
    CHECK_EQ(sqlite3_config(SQLITE_CONFIG_MALLOC, &failing), SQLITE_OK);
    CHECK_EQ(sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0), SQLITE_OK);
}
