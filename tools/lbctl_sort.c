#include "lbctl_sort.h"

#include "lbctl.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE ((size_t)1 << 20)

struct lbctl_sort_row {
    int64_t score, reached_us;
    char text[]; /* the id, then the name, each ended by a NUL; no name stands for the id */
};

struct lbctl_sort_block {
    struct lbctl_sort_block *next;
    size_t used;
    char bytes[BLOCK_SIZE] __attribute__((aligned(8)));
};

static void *take(struct lbctl_sort *sort, size_t size)
{
    struct lbctl_sort_block *block = sort->blocks;
    void *ret;

    size = (size + 7) & ~(size_t)7;
    if (!block || BLOCK_SIZE - block->used < size) {
        block = malloc(sizeof *block);
        if (!block)
            lbctl_no_memory();
        block->next = sort->blocks;
        block->used = 0;
        sort->blocks = block;
    }
    ret = block->bytes + block->used;
    block->used += size;
    return ret;
}

static void make_room(struct lbctl_sort *sort)
{
    if (sort->n < sort->room)
        return;
    sort->room = sort->room ? sort->room * 2 : 1024;
    sort->rows = reallocarray(sort->rows, sort->room, sizeof(struct lbctl_sort_row *));
    if (!sort->rows)
        lbctl_no_memory();
}

void lbctl_sort_add(struct lbctl_sort *sort, const lb_player *player)
{
    size_t id = strlen(player->id) + 1;
    size_t name = strcmp(player->name, player->id) == 0 ? 1 : strlen(player->name) + 1;
    struct lbctl_sort_row *row = take(sort, sizeof *row + id + name);

    make_room(sort);
    row->score = player->score;
    row->reached_us = player->reached_us;
    memcpy(row->text, player->id, id);
    memcpy(row->text + id, name > 1 ? player->name : "", name);
    sort->rows[sort->n++] = row;
}

static int compare(const void *a, const void *b)
{
    const struct lbctl_sort_row *const *x = a, *const *y = b;

    return strcmp((*x)->text, (*y)->text);
}

/* A row is given once between two beginnings; should one come again either will do. */
static bool is_again(const struct lbctl_sort *sort, size_t i)
{
    return i > 0 && strcmp(sort->rows[i - 1]->text, sort->rows[i]->text) == 0;
}

void lbctl_sort_end(struct lbctl_sort *sort, lb_player_fn fn, void *user)
{
    bool stopped = false;

    if (sort->n > 0)
        qsort(sort->rows, sort->n, sizeof(struct lbctl_sort_row *), compare);
    for (size_t i = 0; i < sort->n && !stopped; i++) {
        const struct lbctl_sort_row *row = sort->rows[i];
        const char *name = row->text + strlen(row->text) + 1;
        lb_player player = {.id = row->text,
                            .name = *name ? name : row->text,
                            .score = row->score,
                            .reached_us = row->reached_us};

        stopped = !is_again(sort, i) && fn(&player, user) != 0;
    }
    lbctl_sort_clear(sort);
}

void lbctl_sort_clear(struct lbctl_sort *sort)
{
    while (sort->blocks) {
        struct lbctl_sort_block *next = sort->blocks->next;

        free(sort->blocks);
        sort->blocks = next;
    }
    free(sort->rows);
    *sort = (struct lbctl_sort){0};
}
