/* The store suite on SQLite. */
#include "store_suite.h"
#include "test.h"

static const suite_store sqlite = {
    .make = lbi_sqlite_new,
    .database = "sqlite:suite.db",
    .file = "suite.db",
    .persistent = true,
    .strict_time = true,
};

#define CASE(name)                                                                                 \
    TEST(name, .timeout_s = 60)                                                                    \
    {                                                                                              \
        suite_run(&sqlite, suite_##name);                                                          \
    }
SUITE_CASES(CASE)
