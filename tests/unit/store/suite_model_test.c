/* The store suite on the test store: at once, and with everything delayed and overtaking. */
#include "model_store.h"
#include "store_suite.h"
#include "test.h"

static void begin(void)
{
    model_world_open(&(model_faults){.seed = 1});
}

static void begin_late(void)
{
    model_world_open(&(model_faults){.seed = 2, .delay = 3, .reorder = true, .delete_step = 100});
}

static const suite_store at_once = {
    .make = model_store_new,
    .persistent = true,
    .strict_time = true,
    .begin = begin,
    .end = model_world_close,
};

static const suite_store late = {
    .make = model_store_new,
    .persistent = true,
    .strict_time = true,
    .begin = begin_late,
    .end = model_world_close,
};

#define CASE(name)                                                                                 \
    TEST(name, .timeout_s = 60)                                                                    \
    {                                                                                              \
        suite_run(&at_once, suite_##name);                                                         \
    }
SUITE_CASES(CASE)
#undef CASE

#define CASE(name)                                                                                 \
    TEST(late_##name, .timeout_s = 60)                                                             \
    {                                                                                              \
        suite_run(&late, suite_##name);                                                            \
    }
SUITE_CASES(CASE)
