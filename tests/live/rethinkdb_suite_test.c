/* The store suite on a real RethinkDB. */
#include "rethinkdb_live.h"
#include "store_suite.h"
#include "test.h"

#define CASE(name)                                                                                 \
    TEST(name, .timeout_s = 120)                                                                   \
    {                                                                                              \
        const suite_store rethinkdb = {                                                            \
            .make = lbi_rethinkdb_new,                                                             \
            .database = rethinkdb_live_url(),                                                      \
            .persistent = true,                                                                    \
            .keys_in_rows = true,                                                                  \
        };                                                                                         \
        suite_run(&rethinkdb, suite_##name);                                                       \
    }
SUITE_CASES(CASE)
