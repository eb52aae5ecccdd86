#include "rows.h"

#include "shared.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void set_text(char *dst, size_t size, const char *src)
{
    if (!src || strlen(src) >= size)
        wrong("a text is NULL or longer than was ever written: %.200s", src ? src : "NULL");
    memcpy(dst, src, strlen(src) + 1);
}

row row_of(const lb_player *player)
{
    row r = {.score = player->score, .reached_us = player->reached_us};

    set_text(r.board, sizeof r.board, player->board);
    set_text(r.id, sizeof r.id, player->id);
    set_text(r.name, sizeof r.name, player->name);
    return r;
}

static int compare(const row *a, const char *board, const char *id)
{
    int c = strcmp(a->board, board);

    return c ? c : strcmp(a->id, id);
}

bool row_same(const row *a, const row *b)
{
    return compare(a, b->board, b->id) == 0 && strcmp(a->name, b->name) == 0 &&
           a->score == b->score && a->reached_us == b->reached_us;
}

const char *row_text(const row *r)
{
    static char texts[4][400];
    static unsigned next;
    char *text = texts[next++ % 4];

    if (!r)
        return "nothing";
    (void)snprintf(text, sizeof texts[0], "%s/%s %" PRId64 "@%" PRId64 " '%s'", r->board, r->id,
                   r->score, r->reached_us, r->name);
    return text;
}

/* ---- Sets ----------------------------------------------------------------------------------- */

static size_t find(const row_set *set, const char *board, const char *id)
{
    size_t low = 0, high = set->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (compare(&set->rows[middle], board, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

row *rows_append(row_set *set)
{
    if (set->n == set->room) {
        set->room = set->room ? 2 * set->room : 16;
        set->rows = realloc(set->rows, set->room * sizeof *set->rows);
        if (!set->rows)
            wrong("out of memory");
    }
    return &set->rows[set->n++];
}

void rows_put(row_set *set, const row *r)
{
    size_t i = find(set, r->board, r->id);

    if (i == set->n || compare(&set->rows[i], r->board, r->id) != 0) {
        (void)rows_append(set);
        memmove(&set->rows[i + 1], &set->rows[i], (set->n - 1 - i) * sizeof *set->rows);
    }
    set->rows[i] = *r;
}

void rows_forget(row_set *set, const char *board, const char *id)
{
    size_t i = find(set, board, id);

    if (i == set->n || compare(&set->rows[i], board, id) != 0)
        return;
    set->n--;
    memmove(&set->rows[i], &set->rows[i + 1], (set->n - i) * sizeof *set->rows);
}

void rows_forget_board(row_set *set, const char *board)
{
    size_t kept = 0;

    for (size_t i = 0; i < set->n; i++) {
        if (board && strcmp(set->rows[i].board, board) != 0)
            set->rows[kept++] = set->rows[i];
    }
    set->n = kept;
}

void rows_free(row_set *set)
{
    free(set->rows);
    *set = (row_set){0};
}

/* ---- The truth ------------------------------------------------------------------------------ */

void truth_free(truth *t)
{
    rows_free(&t->rows);
    rows_free(&t->tops);
}

const truth_board *truth_find(const truth *t, const char *board)
{
    for (size_t i = 0; i < t->n_boards; i++) {
        if (strcmp(t->boards[i].id, board) == 0)
            return &t->boards[i];
    }
    return NULL;
}
