/* A batch of the change log; see sqlite_log.c. */
#ifndef LBI_STORE_SQLITE_LOG_H
#define LBI_STORE_SQLITE_LOG_H

#include "store/sqlite.h"

enum {
    LBI_LOG_BATCH = 256, /* entries in one read transaction */
    LBI_LOG_SLOTS = 4 * LBI_LOG_BATCH,
    LBI_LOG_GAP = 2
};

/* A row that has changed, or, with id NULL, a board that was created or is gone. */
typedef struct lbi_log_entry {
    const char *board, *id;
    bool created; /* a board's: created */
    bool alive;   /* its board, now */
    bool has_old, has_new;
    lb_player old_row, new_row; /* before the first entry of the batch, and now */
} lbi_log_entry;

typedef struct lbi_log_batch {
    lbi_arena arena; /* has the texts */
    size_t n_read;   /* entries in the log */
    lbi_log_end last;
    size_t n; /* entries here: a row once, and only what somebody listens to */
    lbi_log_entry entries[LBI_LOG_BATCH];
    uint16_t slots[LBI_LOG_SLOTS]; /* hash table by board and id: 1 + index of the entry */
} lbi_log_batch;

/* Reads on from follow->cursor, which stays as it is; entries and rows are of one instant.
 * *batch is all zero before; clear its arena afterwards. Returns 0, LBI_LOG_GAP: what follows the
 * cursor is not there any more, or < 0. */
int lbi_log_read(lbi_follow *follow, lbi_log_batch *batch);

#endif
