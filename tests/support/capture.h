/* What callbacks are given, copied so that it can be looked at afterwards, and loops that run
 * clients until something has happened. */
#ifndef CAPTURE_H
#define CAPTURE_H

#include "leaderboard.h"

#include <stdbool.h>

typedef struct row_copy {
    char board[LB_BOARD_MAX + 1];
    char id[LB_PLAYER_MAX + 1];
    char name[LB_NAME_MAX + 1];
    int64_t score, reached_us;
    uint64_t position, rank;
} row_copy;

typedef struct board_copy {
    char id[LB_BOARD_MAX + 1];
    int ascending;
    int64_t created_us, players;
} board_copy;

row_copy copy_row(const lb_player *player);
board_copy copy_board(const lb_board *board);

/* ---- lists ---------------------------------------------------------------------------------- */

/* The rows of a read. stop_at: the row callback returns stop_with at that row (from 1). */
typedef struct row_list {
    row_copy *rows;
    size_t n;
    size_t stop_at;
    int stop_with;
} row_list;

typedef struct board_list {
    board_copy *boards;
    size_t n;
} board_list;

int row_list_add(const lb_player *player, void *list);
int board_list_add(const lb_board *board, void *list);
void row_list_clear(row_list *list);
void board_list_clear(board_list *list);

/* Rows as text, "id:score id:score", and with places "position/rank/id": one line to compare. */
const char *row_list_text(const row_list *list);
const char *row_list_places(const row_list *list);
const char *board_list_text(const board_list *list);

/* ---- operations ----------------------------------------------------------------------------- */

/* How an operation ended. */
typedef struct outcome {
    int count; /* how often `done` was called */
    int order; /* the how-manieth completion it was, from 1, if `sequence` is there */
    int *sequence;
    int code;
    char message[256];
    bool has_player, has_board;
    row_copy player;
    board_copy board;
} outcome;

/* An lb_done_fn; user is the outcome. */
void outcome_done(const lb_result *result, void *user);

/* ---- loops ---------------------------------------------------------------------------------- */

/* Until process() has nothing to do just now. */
void run_idle(lb_client *client);

/* Until what is asked for is true of user; waits for events, not for time. */
void run_until(lb_client *const *clients, size_t n, bool (*is_true)(void *user), void *user);

/* Until the operation has ended, once. Returns its code. */
int run_outcome(lb_client *client, const outcome *o);

/* ---- mirrors -------------------------------------------------------------------------------- */

/* A subscriber that applies what it gets. */
typedef struct mirror {
    row_copy *rows; /* by board and id */
    size_t n;
    int events, resets, rows_given, readies, changes, removals, gones, tops;
    bool is_ready, is_gone;
    bool broke_order; /* a ROW outside RESET..READY, or anything before the first RESET or GONE */
    char state[LB_STATE_SIZE];
    char last_id[LB_PLAYER_MAX + 1];  /* of the last CHANGE */
    char last_gone[LB_BOARD_MAX + 1]; /* the board of the last GONE */
    int repeated;                     /* tops that equal the one before */
    int cancel_at;                    /* returns non-zero at this event; 0 = never */
} mirror;

/* An lb_change_fn; user is the mirror. */
int mirror_apply(const lb_change *change, void *user);
void mirror_clear(mirror *m);

/* Does the mirror hold exactly these rows (in any order)? */
bool mirror_equals(const mirror *m, const row_list *list);

/* All rows of a board, read page by page with cursors. Returns 0 or the error. */
int read_all(lb_client *client, const char *board, row_list *list);

#endif
