#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BLOCK = 512, LARGEST_BLOCK = 64 * 1024 };

struct lbi_arena_block {
    struct lbi_arena_block *next;
    size_t size, used;
    max_align_t data[];
};

static size_t round_up(size_t size)
{
    size_t align = sizeof(max_align_t);

    return (size + align - 1) / align * align;
}

/* Blocks double, so that one row costs little and a thousand cost few allocations. */
static struct lbi_arena_block *add_block(lbi_arena *arena, size_t need)
{
    size_t size = arena->blocks ? arena->blocks->size * 2 : FIRST_BLOCK;
    struct lbi_arena_block *block;

    if (size > LARGEST_BLOCK)
        size = LARGEST_BLOCK;
    if (size < need)
        size = need;
    block = malloc(sizeof *block + size);
    if (!block)
        return NULL;
    *block = (struct lbi_arena_block){.next = arena->blocks, .size = size};
    arena->blocks = block;
    return block;
}

void *lbi_arena_alloc(lbi_arena *arena, size_t size)
{
    struct lbi_arena_block *block = arena->blocks;
    void *ret;

    if (size > SIZE_MAX / 2)
        return NULL;
    size = round_up(size ? size : 1);
    if (!block || block->size - block->used < size)
        block = add_block(arena, size);
    if (!block)
        return NULL;
    ret = (char *)block->data + block->used;
    block->used += size;
    return ret;
}

char *lbi_arena_text(lbi_arena *arena, const char *text, size_t len)
{
    char *ret = lbi_arena_alloc(arena, len + 1);

    if (!ret)
        return NULL;
    memcpy(ret, text, len);
    ret[len] = '\0';
    return ret;
}

void lbi_arena_clear(lbi_arena *arena)
{
    struct lbi_arena_block *block = arena->blocks;

    while (block) {
        struct lbi_arena_block *next = block->next;

        free(block);
        block = next;
    }
    arena->blocks = NULL;
}
