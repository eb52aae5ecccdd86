/*
 * The writes: each exactly as leaderboard.h says, within the transaction of the group.
 *
 * Every rule is checked before the first row is changed, so that a refused request leaves nothing
 * behind and needs no savepoint. The change log is written by the triggers.
 */
#include "store/sqlite.h"

#include "base/str.h"
#include "os/clock.h"

#include <inttypes.h>
#include <string.h>

enum {
    DELETE_STEP = 256, /* rows of a board that go in one transaction */
    TRIM_STEP = 512,   /* log entries that go in one transaction */
    EXPIRE_STEP = 16   /* old idempotency keys that go with one new */
};

/* A time further off does not become the store's: see NEW_TIME in sqlite_schema.c. */
#define FAR_FUTURE_US (INT64_C(24) * 3600 * 1000 * 1000)
#define KEY_LIFE_US (INT64_C(24) * 3600 * 1000 * 1000)

int lbi_write_begin(lbi_write *write, lbi_db *db)
{
    sqlite3_stmt *statement;
    int r;

    *write = (lbi_write){.db = db};
    r = lbi_db_begin_args(db, LBI_SQL_LAST, &statement, NULL, 0);
    if (r >= 0)
        r = lbi_db_step(db, statement);
    if (r > 0) {
        write->last.seq = sqlite3_column_int64(statement, 0);
        write->last.us = sqlite3_column_int64(statement, 1);
        lbi_db_end(statement);
    }
    return r < 0 ? r : 0;
}

/* Two scores are never reached at the same time, and a clock that is set back does not matter. */
static int64_t next_time(lbi_write *write)
{
    int64_t now = lbi_clock_wall_us();

    if (now <= write->last.us)
        now = write->last.us + 1;
    if (now > LB_SCORE_MAX) /* an outside write has said so */
        now = LB_SCORE_MAX;
    write->last.us = now;
    return now;
}

/* ---- Boards --------------------------------------------------------------------------------- */

typedef struct board {
    bool exists, ascending, deleting;
    int64_t created_us;
} board;

static int find_board(lbi_db *db, const char *id, board *ret)
{
    sqlite3_stmt *statement;
    int r = lbi_db_first(db, LBI_SQL_BOARD, &statement, TEXT(id));

    *ret = (board){0};
    if (r <= 0)
        return r;
    *ret = (board){.exists = true,
                   .ascending = sqlite3_column_int(statement, 0) != 0,
                   .deleting = sqlite3_column_int(statement, 1) != 0,
                   .created_us = sqlite3_column_int64(statement, 2)};
    lbi_db_end(statement);
    return 0;
}

static int add_board(lbi_db *db, const char *id, bool ascending, board *ret)
{
    *ret = (board){.exists = true, .ascending = ascending, .created_us = lbi_clock_wall_us()};
    return lbi_db_run(db, LBI_SQL_BOARD_NEW, TEXT(id), INT(ascending), INT(ret->created_us));
}

static int answer_board(lbi_db *db, lbi_request *request, const board *found, int code)
{
    lb_board row = {.id = request->board,
                    .ascending = found->ascending,
                    .created_us = found->created_us,
                    .players = code ? 0 : -1};

    if (!lbi_request_add_board(request, &row, 1))
        return lbi_db_fail(db, SQLITE_NOMEM);
    request->code = code;
    return 0;
}

static int create_board(lbi_write *write, lbi_request *request)
{
    bool ascending = request->flags & LBI_ASCENDING;
    board found;
    int r = find_board(write->db, request->board, &found);

    if (r < 0)
        return r;
    if (found.deleting)
        return 1;
    if (found.exists && found.ascending != ascending) {
        (void)lbi_request_fail(request, LB_E_CONFLICT, "board '%s' is there already, but %s",
                               request->board, ascending ? "descending" : "ascending");
        return 0;
    }
    if (found.exists)
        return answer_board(write->db, request, &found, 0);
    r = add_board(write->db, request->board, ascending, &found);
    return r < 0 ? r : answer_board(write->db, request, &found, 1);
}

static int refuse_board(lbi_request *request)
{
    (void)lbi_request_fail(request, LB_E_NOTFOUND, "no board '%s'", request->board);
    return 0;
}

int lbi_write_deletion(lbi_write *write, lbi_request *request)
{
    lbi_db *db = write->db;
    const char *id = request->board;
    board found;
    int r = find_board(db, id, &found);

    /* Perhaps another process has finished it. */
    if (r >= 0 && found.deleting) {
        r = lbi_db_run(db, LBI_SQL_BOARD_PLAYERS_DROP, TEXT(id), INT(DELETE_STEP));
        if (r >= 0 && r < DELETE_STEP)
            r = lbi_db_run(db, LBI_SQL_BOARD_KEYS_DROP, TEXT(id), INT(DELETE_STEP));
        if (r < 0 || r == DELETE_STEP)
            return r < 0 ? r : 1;
        r = lbi_db_run(db, LBI_SQL_BOARD_DROP, TEXT(id));
    }
    if (r < 0)
        return r;
    request->code = 1;
    return request->verb == LBI_BOARD_CREATE ? create_board(write, request) : 0;
}

/* One that is marked already is gone on with. What is small goes at once. */
static int delete_board(lbi_write *write, lbi_request *request)
{
    board found;
    int r = find_board(write->db, request->board, &found);

    if (r < 0)
        return r;
    if (!found.exists)
        return refuse_board(request);
    if (!found.deleting)
        r = lbi_db_run(write->db, LBI_SQL_BOARD_MARK, TEXT(request->board));
    return r < 0 ? r : lbi_write_deletion(write, request);
}

/* ---- Players -------------------------------------------------------------------------------- */

/* Returns 1 = found, 0 = not: no such player, no such board, or one that is being deleted. */
static int find_player(lbi_write *write, const lbi_request *request, lbi_row *ret, bool *ascending)
{
    sqlite3_stmt *statement;
    int r = lbi_db_first(write->db, LBI_SQL_PLAYER, &statement, TEXT(request->board),
                         TEXT(request->player));

    if (r <= 0)
        return r;
    lbi_row_read(statement, 0, ret);
    *ascending = sqlite3_column_int(statement, 4) != 0;
    lbi_db_end(statement);
    return 1;
}

static int answer_row(lbi_db *db, lbi_request *request, const lbi_row *row, int code)
{
    lb_player player = lbi_row_player(row, request->board);

    if (!lbi_request_add_row(request, &player, 1))
        return lbi_db_fail(db, SQLITE_NOMEM);
    request->code = code;
    return 0;
}

static int refuse_player(lbi_request *request)
{
    (void)lbi_request_fail(request, LB_E_NOTFOUND, "no player '%s' on board '%s'", request->player,
                           request->board);
    return 0;
}

/* The board of a player that is to be created. Returns 1, 0 = refused. */
static int need_board(lbi_write *write, lbi_request *request, bool may_add_player, board *ret)
{
    bool create = request->flags & LBI_CREATE;
    int r = find_board(write->db, request->board, ret);

    if (r < 0)
        return r;
    if (ret->deleting && create) {
        (void)lbi_request_fail(request, LB_E_CONFLICT,
                               "board '%s' is being deleted: delete it again to finish that, or "
                               "create it anew",
                               request->board);
        return 0;
    }
    if (ret->deleting || (!ret->exists && !create))
        return refuse_board(request);
    if (!may_add_player && !create)
        return refuse_player(request);
    if (ret->exists)
        return 1;
    r = add_board(write->db, request->board, false, ret);
    return r < 0 ? r : 1;
}

/* The row that a request describes. */
static void describe(const lbi_request *request, int64_t score, int64_t reached_us, lbi_row *ret)
{
    memcpy(ret->id, request->player, sizeof ret->id);
    lbi_copy(ret->name, sizeof ret->name, *request->name ? request->name : request->player);
    ret->score = score;
    ret->reached_us = reached_us;
}

/* A new player with this score. Returns 1 = row is filled in, 0 = refused. */
static int add_player(lbi_write *write, lbi_request *request, bool may_add, int64_t score,
                      lbi_row *row)
{
    board found;
    int r = need_board(write, request, may_add, &found);

    if (r <= 0)
        return r;
    describe(request, score, next_time(write), row);
    r = lbi_db_run(write->db, LBI_SQL_PLAYER_NEW, TEXT(request->board), TEXT(row->id),
                   TEXT(row->name), INT(score), INT(row->reached_us), INT(found.ascending));
    return r < 0 ? r : 1;
}

static int put_player(lbi_write *write, lbi_request *request)
{
    lbi_row row;
    bool ascending;
    int r = find_player(write, request, &row, &ascending);

    if (r < 0)
        return r;
    if (r == 0) {
        r = add_player(write, request, true, 0, &row);
        return r <= 0 ? r : answer_row(write->db, request, &row, 1);
    }
    if (!*request->name || strcmp(row.name, request->name) == 0)
        return answer_row(write->db, request, &row, 0);
    memcpy(row.name, request->name, sizeof request->name);
    r = lbi_db_run(write->db, LBI_SQL_PLAYER_NAME, TEXT(request->board), TEXT(request->player),
                   TEXT(row.name));
    return r < 0 ? r : answer_row(write->db, request, &row, 1);
}

static bool same_row(const lbi_row *a, const lbi_row *b)
{
    return a->score == b->score && a->reached_us == b->reached_us && strcmp(a->name, b->name) == 0;
}

/* One statement for new and old: an update could not keep the time with another score, which the
 * triggers take for an outside write that has forgotten it. */
static int restore_player(lbi_write *write, lbi_request *request)
{
    lbi_row row, old;
    board found;
    bool ascending;
    int r = need_board(write, request, true, &found);

    if (r <= 0)
        return r;
    r = find_player(write, request, &old, &ascending);
    if (r < 0)
        return r;
    describe(request, request->amount, request->reached_us ? request->reached_us : next_time(write),
             &row);
    if (r > 0 && same_row(&old, &row))
        return answer_row(write->db, request, &row, 0);
    if (row.reached_us > write->last.us && row.reached_us < lbi_clock_wall_us() + FAR_FUTURE_US)
        write->last.us = row.reached_us;
    r = lbi_db_run(write->db, LBI_SQL_PLAYER_RESTORE, TEXT(request->board), TEXT(row.id),
                   TEXT(row.name), INT(row.score), INT(row.reached_us), INT(found.ascending));
    return r < 0 ? r : answer_row(write->db, request, &row, 1);
}

static int remove_player(lbi_write *write, lbi_request *request)
{
    lbi_row row;
    board found = {0};
    bool ascending;
    int r = find_player(write, request, &row, &ascending);

    if (r == 0)
        r = find_board(write->db, request->board, &found);
    else if (r > 0)
        r = lbi_db_run(write->db, LBI_SQL_PLAYER_DROP, TEXT(request->board), TEXT(request->player));
    if (r < 0)
        return r;
    if (r == 0)
        return found.exists && !found.deleting ? refuse_player(request) : refuse_board(request);
    request->code = 1;
    return 0;
}

/* ---- Scores --------------------------------------------------------------------------------- */

/* The score that a row gets. Returns false if that is outside the range. */
static bool new_score(const lbi_request *request, const lbi_row *row, bool ascending, int64_t *ret)
{
    int64_t amount = request->amount;

    if (request->verb == LBI_SCORE_ADD)
        *ret = row->score + amount; /* far from the ends of int64_t */
    else if ((request->flags & LBI_BEST) &&
             (ascending ? amount >= row->score : amount <= row->score))
        *ret = row->score;
    else
        *ret = amount;
    return *ret >= LB_SCORE_MIN && *ret <= LB_SCORE_MAX;
}

static int change_score(lbi_write *write, lbi_request *request, lbi_row *row, bool ascending)
{
    int64_t score;
    int r;

    if (!new_score(request, row, ascending, &score)) {
        (void)lbi_request_fail(request, LB_E_RANGE,
                               "%" PRId64 " added to %" PRId64
                               " is outside -9007199254740991..9007199254740991",
                               request->amount, row->score);
        return 0;
    }
    if (score == row->score)
        return answer_row(write->db, request, row, 0);
    row->score = score;
    row->reached_us = next_time(write);
    r = lbi_db_run(write->db, LBI_SQL_PLAYER_SCORE, TEXT(request->board), TEXT(request->player),
                   INT(score), INT(row->reached_us));
    return r < 0 ? r : answer_row(write->db, request, row, 1);
}

static int write_score(lbi_write *write, lbi_request *request)
{
    lbi_row row;
    bool ascending;
    int r = find_player(write, request, &row, &ascending);

    if (r < 0)
        return r;
    if (r > 0)
        return change_score(write, request, &row, ascending);
    r = add_player(write, request, false, request->amount, &row);
    return r <= 0 ? r : answer_row(write->db, request, &row, 1);
}

/* ---- Idempotency keys ----------------------------------------------------------------------- */

/* LBI_CREATE does not tell two requests apart: it changes nothing in what is there. */
static int stored_flags(const lbi_request *request)
{
    return (int)(request->flags & LBI_BEST);
}

static int answer_stored(lbi_write *write, lbi_request *request, sqlite3_stmt *statement)
{
    lbi_row row;

    if (sqlite3_column_int(statement, 0) != (int)request->verb ||
        sqlite3_column_int64(statement, 1) != request->amount ||
        sqlite3_column_int(statement, 2) != stored_flags(request)) {
        (void)lbi_request_fail(request, LB_E_CONFLICT,
                               "idempotency key '%s' was used for another request: take a new one",
                               request->key);
        return 0;
    }
    memcpy(row.id, request->player, sizeof row.id);
    lbi_name_read(statement, 4, row.id, row.name);
    row.score = sqlite3_column_int64(statement, 5);
    row.reached_us = sqlite3_column_int64(statement, 6);
    return answer_row(write->db, request, &row, sqlite3_column_int(statement, 3));
}

static int store_answer(lbi_write *write, const lbi_request *request, int64_t now)
{
    const lb_player *row = request->rows;
    int r = lbi_db_run(write->db, LBI_SQL_KEY_NEW, TEXT(request->board), TEXT(request->player),
                       TEXT(request->key), INT(request->verb), INT(request->amount),
                       INT(stored_flags(request)), INT(request->code), TEXT(row->name),
                       INT(row->score), INT(row->reached_us), INT(now));

    if (r >= 0)
        r = lbi_db_run(write->db, LBI_SQL_KEYS_EXPIRE, INT(now - KEY_LIFE_US), INT(EXPIRE_STEP));
    return r < 0 ? r : 0;
}

static int write_score_once(lbi_write *write, lbi_request *request)
{
    int64_t now = lbi_clock_wall_us();
    sqlite3_stmt *statement;
    int r = lbi_db_first(write->db, LBI_SQL_KEY, &statement, TEXT(request->board),
                         TEXT(request->player), TEXT(request->key), INT(now - KEY_LIFE_US));

    if (r > 0) {
        r = answer_stored(write, request, statement);
        lbi_db_end(statement);
        return r;
    }
    if (r == 0)
        r = write_score(write, request);
    return r < 0 || request->code < 0 ? r : store_answer(write, request, now);
}

/* ---- Leases --------------------------------------------------------------------------------- */

static int take_lease(lbi_write *write, lbi_request *request)
{
    enum { US_PER_MS = 1000 };
    int64_t now = lbi_clock_wall_us(), until = now + request->amount * US_PER_MS;
    int64_t far = now + (int64_t)LBI_LEASE_MAX_MS * US_PER_MS;
    int r;

    if (request->amount == 0)
        r = lbi_db_run(write->db, LBI_SQL_LEASE_DROP, TEXT(request->board), TEXT(request->player));
    else
        r = lbi_db_run(write->db, LBI_SQL_LEASE_TAKE, TEXT(request->board), TEXT(request->player),
                       INT(until), INT(now), INT(far));
    if (r < 0)
        return r;
    request->code = r > 0;
    return 0;
}

/* ---- All ------------------------------------------------------------------------------------ */

int lbi_write_run(lbi_write *write, lbi_request *request)
{
    switch (request->verb) {
    case LBI_BOARD_CREATE:
        return create_board(write, request);
    case LBI_BOARD_DELETE:
        return delete_board(write, request);
    case LBI_PLAYER_PUT:
        return put_player(write, request);
    case LBI_PLAYER_RESTORE:
        return restore_player(write, request);
    case LBI_PLAYER_REMOVE:
        return remove_player(write, request);
    case LBI_LEASE_TAKE:
        return take_lease(write, request);
    default:
        return *request->key ? write_score_once(write, request) : write_score(write, request);
    }
}

int lbi_write_trim(lbi_write *write, uint32_t keep)
{
    int r =
        lbi_db_run(write->db, LBI_SQL_TRIM, INT(write->last.seq - (int64_t)keep), INT(TRIM_STEP));

    return r < 0 ? r : 0;
}
