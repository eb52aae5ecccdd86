/* What a store means, written as plainly as can be: sorted arrays and linear searches. The
 * reference that real stores are compared with, and the data of the test store. Shares nothing
 * with the library but its structs. */
#ifndef MODEL_H
#define MODEL_H

#include "store/store.h"

typedef struct model_row {
    char id[LB_PLAYER_MAX + 1];
    char name[LB_NAME_MAX + 1];
    int64_t score, reached_us;
} model_row;

typedef struct model_board {
    char id[LB_BOARD_MAX + 1];
    bool ascending;
    bool deleting; /* marked: there for nobody, its rows go step by step */
    int64_t created_us;
    model_row *rows; /* in board order */
    size_t n_rows;
} model_board;

/* What happened, for feeds. */
typedef enum model_event { MODEL_CREATED, MODEL_CHANGED, MODEL_GONE } model_event;

typedef struct model_entry {
    model_event type;
    char board[LB_BOARD_MAX + 1];
    char player[LB_PLAYER_MAX + 1];
    bool has_old;
    model_row old_row;
} model_entry;

/* An idempotency key, what it was used for and what was answered. */
typedef struct model_key {
    char key[LB_KEY_MAX + 1];
    lbi_verb verb;
    char board[LB_BOARD_MAX + 1];
    char player[LB_PLAYER_MAX + 1];
    int64_t amount;
    bool best;
    int code;
    model_row row;
} model_key;

typedef struct model_lease {
    char name[LB_BOARD_MAX + 1];
    char holder[LB_PLAYER_MAX + 1];
    int64_t until_us;
} model_lease;

typedef struct model {
    model_board *boards; /* by id, bytewise */
    size_t n_boards;
    model_key *keys;
    size_t n_keys;
    model_lease *leases;
    size_t n_leases;
    model_entry *log;
    size_t n_log;
    int64_t last_us; /* the last reached_us that was given */
    bool exists;     /* the database */
} model;

void model_clear(model *m);

/* Does what the request asks and fills its answer, all at once. Returns the code. */
int model_apply(model *m, lbi_request *request, int64_t now_us);

/* Deletion in steps: marks the board (1 or LB_E_NOTFOUND), then removes up to n rows and says
 * whether the board is gone now. */
int model_delete_begin(model *m, lbi_request *request);
bool model_delete_step(model *m, const char *board, size_t n);

/* NULL if there is none; boards that are being deleted included. */
model_board *model_find_board(const model *m, const char *board);
model_row *model_find_row(const model_board *board, const char *player);

/* The store's own reached_us for a row that has just been written: puts the row where it belongs
 * by that. Returns false if the row is not there. */
bool model_learn(model *m, const char *board, const char *player, int64_t reached_us);

/* < 0: a comes before b. */
int model_compare(const model_row *a, const model_row *b, bool ascending);

/* malloc() for the test's own needs: never fails, and no allocation failure is spent on it. */
void *model_realloc(void *old, size_t size);

#endif
