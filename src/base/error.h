/* Errors: one line where they happen. */
#ifndef LBI_BASE_ERROR_H
#define LBI_BASE_ERROR_H

#include "leaderboard.h"

/* Fills *reterr (NULL allowed) and returns code, so that a failure is one line. */
int lbi_fail(lb_error *reterr, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Out of memory needs no sentence of its own. */
int lbi_fail_nomem(lb_error *reterr);

#endif
