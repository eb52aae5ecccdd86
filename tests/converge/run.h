/* One run: its processes, from the first to the verdict. */
#ifndef CONVERGE_RUN_H
#define CONVERGE_RUN_H

#include "plan.h"

/* What was wrong, "" = nothing. */
typedef struct verdict {
    char text[16384];
} verdict;

/* In a fresh directory below `base` or, where the plan says so, in memory. Returns whether all was
 * well; otherwise, with history, prints that of the run. */
bool run_once(const run_plan *plan, const char *base, int shared_fd, bool history, verdict *ret);

#endif
