/* Random bytes from the system. */
#ifndef LBI_OS_RANDOM_H
#define LBI_OS_RANDOM_H

#include <stddef.h>

/* Returns 0 or LB_E_IO. */
int lbi_random(void *buf, size_t size);

#endif
