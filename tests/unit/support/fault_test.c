#include "fault.h"
#include "test.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

/* Three allocations, cleaned up properly. */
static int make_three(void)
{
    char *a = malloc(8), *b = strdup("text"), *c = NULL;
    if (a != NULL) {
        c = realloc(a, 4000);
        if (c != NULL)
            a = NULL;
    }
    int made = (b != NULL) + (c != NULL);
    free(a);
    free(b);
    free(c);
    return made == 2 ? 0 : -1;
}

TEST(each_allocation_fails_in_turn)
{
    size_t runs = 0, failed = 0;
    FOR_EACH_ALLOC_FAILURE (i) {
        int r = make_three();
        CHECK_EQ(r != 0, fault_fired());
        CHECK_EQ(fault_fired(), i >= 1 && i <= 3);
        runs++;
        failed += r != 0;
    }
    CHECK_EQ(failed, 3);
    CHECK_EQ(runs, 5); /* undisturbed, three failures, and the run whose turn did not come */
}

TEST(a_body_without_allocations_ends)
{
    size_t runs = 0;
    FOR_EACH_ALLOC_FAILURE (i) {
        CHECK(!fault_fired());
        runs++;
    }
    CHECK_EQ(runs, 2);
}

TEST(nothing_fails_outside_the_loop)
{
    FOR_EACH_ALLOC_FAILURE (i) {
        free(calloc(1, 1));
        if (fault_fired())
            break;
    }
    FOR_EACH_ALLOC_FAILURE (i)
        ;
    for (int i = 0; i < 10; i++) {
        void *p = malloc(1);
        CHECK(p != NULL);
        free(p);
    }
}

TEST(suspended_allocations_do_not_count)
{
    size_t failed = 0;
    FOR_EACH_ALLOC_FAILURE (i) {
        fault_suspend();
        CHECK_OK(make_three());
        fault_resume();
        char *p = strndup("text", 2);
        failed += p == NULL;
        free(p);
    }
    CHECK_EQ(failed, 1);
}

TEST(sqlite_fails_too, .timeout_s = 120)
{
    size_t failed = 0;
    fault_include_sqlite();
    FOR_EACH_ALLOC_FAILURE (i) {
        sqlite3 *db = NULL;
        int r = sqlite3_open(":memory:", &db);
        if (r == SQLITE_OK)
            r = sqlite3_exec(db, "CREATE TABLE t (x)", NULL, NULL, NULL);
        CHECK(r == SQLITE_OK || fault_fired());
        failed += r == SQLITE_NOMEM;
        sqlite3_close(db);
    }
    CHECK(failed > 10);
}
