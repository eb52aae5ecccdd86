/* Memory that is given back all at once: the rows of one answer. */
#ifndef LBI_BASE_ARENA_H
#define LBI_BASE_ARENA_H

#include <stddef.h>

typedef struct lbi_arena {
    struct lbi_arena_block *blocks;
} lbi_arena; /* all zero = empty */

/* Aligned for any type, not cleared; NULL if out of memory. Stays where it is. */
void *lbi_arena_alloc(lbi_arena *arena, size_t size);

/* A copy of text[0..len) with NUL; NULL if out of memory. */
char *lbi_arena_text(lbi_arena *arena, const char *text, size_t len);

/* Gives everything back and leaves an empty arena. */
void lbi_arena_clear(lbi_arena *arena);

#endif
