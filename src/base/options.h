/* Structs of the host, which may be larger or smaller than ours: the size comes first in each. */
#ifndef LBI_BASE_OPTIONS_H
#define LBI_BASE_OPTIONS_H

#include "leaderboard.h"

#include <stddef.h>

/* Copies an input struct of any size (NULL: all zero) into one of ours.
 * Returns 0, LB_E_INVAL, LB_E_UNSUPPORTED. */
int lbi_options_copy(void *dst, size_t size, const void *src, const char *what, lb_error *reterr);

#endif
