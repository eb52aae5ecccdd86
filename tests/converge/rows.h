/* Rows as a subscriber holds them, and as the store does. */
#ifndef CONVERGE_ROWS_H
#define CONVERGE_ROWS_H

#include "leaderboard.h"

#include <stdbool.h>

enum { NAME_ROOM = 100 };

typedef struct row {
    char board[LB_BOARD_MAX + 1];
    char id[LB_PLAYER_MAX + 1];
    char name[NAME_ROOM];
    int64_t score, reached_us;
} row;

/* Texts are as long as was ever written. */
void set_text(char *dst, size_t size, const char *src);

row row_of(const lb_player *player);
bool row_same(const row *a, const row *b);

/* "b/p1 5@123 name", in memory that the next calls use again. */
const char *row_text(const row *r);

/* Sorted by board and id, each key once. */
typedef struct row_set {
    row *rows;
    size_t n, room;
} row_set;

void rows_put(row_set *set, const row *r);
void rows_forget(row_set *set, const char *board, const char *id);
void rows_forget_board(row_set *set, const char *board); /* NULL: all */
void rows_free(row_set *set);

/* Room for one more at the end; the caller keeps the order. */
row *rows_append(row_set *set);

/* ---- The truth ------------------------------------------------------------------------------ */

typedef struct truth_board {
    char id[LB_BOARD_MAX + 1];
    bool ascending;
} truth_board;

/* What the store holds, read in its own language on a connection of its own, in one transaction
 * where there are any. */
typedef struct truth {
    truth_board boards[64]; /* those that exist and are not being deleted, by id */
    size_t n_boards;
    row_set rows; /* of these boards */
    row_set tops; /* the same in board order; only `board` is sorted as above */
} truth;

void truth_free(truth *t);
const truth_board *truth_find(const truth *t, const char *board);

#endif
