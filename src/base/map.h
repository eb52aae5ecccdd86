/* Hash tables: uthash, included here and nowhere else. Out of memory: HASH_ADD_... leaves the
 * element out, and `lbi_map_failed(element)` tells. */
#ifndef LBI_BASE_MAP_H
#define LBI_BASE_MAP_H

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

/* After HASH_ADD_...: was the element left out? */
#define lbi_map_failed(element) ((element)->hh.tbl == NULL)

#endif
