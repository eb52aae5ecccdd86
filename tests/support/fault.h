/* Makes allocations fail, one after another, to see that every failure is reported and nothing leaks.
 *
 *     FOR_EACH_ALLOC_FAILURE (i) {
 *         lb_client *client = NULL;
 *         int r = lb_client_new(NULL, &client, NULL);
 *         CHECK(r == 0 || (r == LB_E_NOMEM && fault_fired()));
 *         lb_client_free(client);
 *     }
 *
 * The body runs once undisturbed (i == 0), then again with its first allocation failing, then its second, and so on
 * until a run ended before its turn to fail came. It must therefore start from the same state each time. It may
 * `break` and `continue`. Only the calling thread's allocations fail.
 *
 * Test programs are linked with --wrap, which reaches the objects linked statically into them (the library, the
 * test) and no shared library; SQLite is reached through its own allocator, by fault_include_sqlite(). */
#ifndef FAULT_H
#define FAULT_H

#include <stdbool.h>
#include <stddef.h>

#define FOR_EACH_ALLOC_FAILURE(i) FOR_SOME_ALLOC_FAILURES(i, 1)

/* Where there are thousands: every so manieth only. ALLOC_STEP in the environment says otherwise, as the long
 * campaigns do. */
#define FOR_SOME_ALLOC_FAILURES(i, step)                                                           \
    for (size_t i = 0, step_ = fault_step(step); fault_run(i); i += i ? step_ : 1)

size_t fault_step(size_t step);

/* Begins run i; false when there is nothing more to fail. Used by FOR_EACH_ALLOC_FAILURE. */
bool fault_run(size_t i);

/* Has an allocation been made to fail in this run? */
bool fault_fired(void);

/* Between these, allocations are neither counted nor failed: for the parts of the body that are the test's own. */
void fault_suspend(void);
void fault_resume(void);

/* From now on SQLite's allocations take part. To be called before the first use of SQLite in this process. */
void fault_include_sqlite(void);

#endif
