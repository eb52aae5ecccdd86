/*
 * Reading the change log: a batch of entries, each row once, with the rows as they are now.
 */
#include "store/sqlite_log.h"

#include "store/sqlite_feed.h"

#include <string.h>

int lbi_follow_alive(lbi_db *db, const char *board, bool *ret)
{
    sqlite3_stmt *statement;
    int r = lbi_db_first(db, LBI_SQL_BOARD, &statement, TEXT(board));

    *ret = r > 0 && sqlite3_column_int(statement, 1) == 0;
    if (r > 0)
        lbi_db_end(statement);
    return r < 0 ? r : 0;
}

static size_t hash(const char *board, const char *id)
{
    uint64_t h = 14695981039346656037u;

    for (const char *p = board; *p; p++)
        h = (h ^ (uint8_t)*p) * 1099511628211u;
    for (const char *p = id; *p; p++)
        h = (h ^ (uint8_t)*p) * 1099511628211u;
    return (size_t)(h ^ (h >> 32));
}

static uint16_t *find_slot(lbi_log_batch *batch, const char *board, const char *id)
{
    size_t i = hash(board, id) % LBI_LOG_SLOTS;

    for (; batch->slots[i]; i = (i + 1) % LBI_LOG_SLOTS) {
        const lbi_log_entry *entry = &batch->entries[batch->slots[i] - 1];

        if (entry->id && strcmp(entry->id, id) == 0 && strcmp(entry->board, board) == 0)
            break;
    }
    return &batch->slots[i];
}

static char *keep(lbi_log_batch *batch, const char *text)
{
    return lbi_arena_text(&batch->arena, text, strlen(text));
}

static bool keep_row(lbi_log_batch *batch, const lbi_log_entry *entry, const lbi_row *row,
                     lb_player *ret)
{
    *ret = lbi_row_player(row, entry->board);
    ret->id = entry->id;
    ret->name = keep(batch, row->name);
    return ret->name != NULL;
}

static bool keep_old(lbi_log_batch *batch, lbi_log_entry *entry, sqlite3_stmt *statement)
{
    lbi_row row;

    entry->has_old = sqlite3_column_type(statement, 5) != SQLITE_NULL;
    if (!entry->has_old)
        return true;
    lbi_name_read(statement, 4, entry->id, row.name);
    row.score = sqlite3_column_int64(statement, 5);
    row.reached_us = sqlite3_column_int64(statement, 6);
    return keep_row(batch, entry, &row, &entry->old_row);
}

/* The first entry of a row has its oldest values; later ones say nothing new. */
static bool add_row(lbi_log_batch *batch, const char *board, const char *id,
                    sqlite3_stmt *statement)
{
    uint16_t *slot = find_slot(batch, board, id);
    lbi_log_entry *entry = &batch->entries[batch->n];

    if (*slot)
        return true;
    *entry = (lbi_log_entry){.board = keep(batch, board), .id = keep(batch, id)};
    if (!entry->board || !entry->id || !keep_old(batch, entry, statement))
        return false;
    *slot = (uint16_t)++batch->n;
    return true;
}

static bool add_board(lbi_log_batch *batch, const char *board, sqlite3_stmt *statement)
{
    lbi_log_entry *entry = &batch->entries[batch->n++];

    *entry = (lbi_log_entry){.board = keep(batch, board),
                             .created = sqlite3_column_int64(statement, 5) != 0};
    return entry->board != NULL;
}

/* What nobody listens to is left out. Returns false if out of memory. */
static bool add_entry(lbi_follow *follow, lbi_log_batch *batch, sqlite3_stmt *statement)
{
    char board[LB_BOARD_MAX + 1], id[LB_PLAYER_MAX + 1];

    lbi_db_text(statement, 2, board, sizeof board);
    if (!follow->all && !lbi_feed_board(follow, board))
        return true;
    if (sqlite3_column_type(statement, 3) == SQLITE_NULL)
        return add_board(batch, board, statement);
    lbi_db_text(statement, 3, id, sizeof id);
    return add_row(batch, board, id, statement);
}

/* Entries are without holes, and the newest is never removed: whoever does not find the one after
 * its cursor has missed some, or the log is not the one it was. */
static bool continues(const lbi_log_end *cursor, const lbi_log_end *first)
{
    if (first->seq == cursor->seq)
        return first->us == cursor->us;
    return first->seq == cursor->seq + 1;
}

/* Returns 1 = go on, 0 = the batch is full, LBI_LOG_GAP, or < 0. */
static int take(lbi_follow *follow, lbi_log_batch *batch, sqlite3_stmt *statement)
{
    lbi_log_end at = {sqlite3_column_int64(statement, 0), sqlite3_column_int64(statement, 1)};

    if (!continues(&batch->last, &at))
        return LBI_LOG_GAP;
    if (at.seq == follow->cursor.seq)
        return 1;
    if (batch->n_read == LBI_LOG_BATCH)
        return 0;
    if (!add_entry(follow, batch, statement))
        return lbi_db_fail(&follow->db, SQLITE_NOMEM);
    batch->n_read++;
    batch->last = at;
    return 1;
}

static int read_log(lbi_follow *follow, lbi_log_batch *batch)
{
    bool found = follow->cursor.seq == 0; /* the entry of the cursor, or one behind it */
    sqlite3_stmt *statement;
    int r = lbi_db_begin(&follow->db, LBI_SQL_LOG, &statement, INT(follow->cursor.seq),
                         INT(LBI_LOG_BATCH + 2));

    batch->last = follow->cursor;
    while (r >= 0 && (r = lbi_db_step(&follow->db, statement)) > 0) {
        found = true;
        r = take(follow, batch, statement);
        if (r != 1) {
            lbi_db_end(statement);
            return r;
        }
    }
    return r < 0 ? r : found ? 0 : LBI_LOG_GAP;
}

static int read_row(lbi_db *db, lbi_log_batch *batch, lbi_log_entry *entry)
{
    sqlite3_stmt *statement;
    lbi_row row;
    int r = lbi_db_first(db, LBI_SQL_PLAYER, &statement, TEXT(entry->board), TEXT(entry->id));

    if (r <= 0)
        return r;
    lbi_row_read(statement, 0, &row);
    lbi_db_end(statement);
    entry->has_new = true;
    return keep_row(batch, entry, &row, &entry->new_row) ? 0 : lbi_db_fail(db, SQLITE_NOMEM);
}

static int read_state(lbi_db *db, lbi_log_batch *batch)
{
    const lbi_log_entry *before = NULL;
    int r = 0;

    for (size_t i = 0; i < batch->n && r >= 0; i++) {
        lbi_log_entry *entry = &batch->entries[i];

        if (before && strcmp(before->board, entry->board) == 0)
            entry->alive = before->alive;
        else
            r = lbi_follow_alive(db, entry->board, &entry->alive);
        if (r >= 0 && entry->id && entry->alive)
            r = read_row(db, batch, entry);
        before = entry;
    }
    return r;
}

int lbi_log_read(lbi_follow *follow, lbi_log_batch *batch)
{
    int r = lbi_db_do(&follow->db, LBI_SQL_BEGIN);

    if (r >= 0)
        r = read_log(follow, batch);
    if (r == 0)
        r = read_state(&follow->db, batch);
    lbi_db_rollback(&follow->db);
    return r;
}
