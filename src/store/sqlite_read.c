/*
 * The reads. A page, the neighbours of a player and the place of a player are one thing: find the
 * first row, count what comes before it, read on from there.
 *
 * Counting takes time in proportion to the board, so it goes in steps of some milliseconds. All
 * steps of a read run in one transaction: the answer is the board at one instant.
 */
#include "store/sqlite.h"
#include "store/sqlite_schema.h"

#include "base/str.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { COUNT_STEP = 65536 }; /* rows; about 2 ms */

static const lbi_key before_all = {.rank_key = INT64_MIN};
static const lbi_key behind_all = {.rank_key = INT64_MAX};

/* ---- Rows ----------------------------------------------------------------------------------- */

void lbi_name_read(sqlite3_stmt *statement, int column, const char *id, char *name)
{
    char raw[LB_NAME_MAX + 1];

    lbi_db_text(statement, column, raw, sizeof raw);
    lbi_name_mend(*raw ? raw : id, name);
}

/* A shell can switch the CHECK of the table off; what it wrote then must not leave the range that
 * is promised to whoever reads. */
static int64_t read_score(sqlite3_stmt *statement, int column)
{
    int64_t score = sqlite3_column_int64(statement, column);

    if (score > LB_SCORE_MAX)
        return LB_SCORE_MAX;
    return score < LB_SCORE_MIN ? LB_SCORE_MIN : score;
}

void lbi_row_read(sqlite3_stmt *statement, int column, lbi_row *ret)
{
    lbi_db_text(statement, column, ret->id, sizeof ret->id);
    lbi_name_read(statement, column + 1, ret->id, ret->name);
    ret->score = read_score(statement, column + 2);
    ret->reached_us = sqlite3_column_int64(statement, column + 3);
}

lb_player lbi_row_player(const lbi_row *row, const char *board)
{
    return (lb_player){.board = board,
                       .id = row->id,
                       .name = row->name,
                       .score = row->score,
                       .reached_us = row->reached_us};
}

static int add_row(lbi_read *read, sqlite3_stmt *statement, size_t room, lb_player **ret)
{
    lbi_row row;
    lb_player player;

    lbi_row_read(statement, 0, &row);
    player = lbi_row_player(&row, read->request->board);
    *ret = lbi_request_add_row(read->request, &player, room);
    return *ret ? 0 : lbi_db_fail(read->db, SQLITE_NOMEM);
}

static lbi_key make_key(bool ascending, int64_t score, int64_t reached_us, const char *id)
{
    lbi_key key = {.rank_key = ascending ? score : -score, .reached_us = reached_us};

    lbi_copy(key.id, sizeof key.id, id);
    return key;
}

/* Takes a key from a statement that gives at most one. Returns 1 = there was one. */
static int take_key(int r, sqlite3_stmt *statement, lbi_key *ret)
{
    if (r <= 0)
        return r;
    ret->rank_key = sqlite3_column_int64(statement, 0);
    ret->reached_us = sqlite3_column_int64(statement, 1);
    lbi_db_text(statement, 2, ret->id, sizeof ret->id);
    lbi_db_end(statement);
    return 1;
}

#define KEY(key) INT((key)->rank_key), INT((key)->reached_us), TEXT((key)->id)

/* ---- Counting ------------------------------------------------------------------------------- */

static int count_few(lbi_read *read, const lbi_key *until, int64_t *ret)
{
    sqlite3_stmt *statement;
    int r = lbi_db_first(read->db, LBI_SQL_COUNT, &statement, TEXT(read->request->board),
                         KEY(&read->from), KEY(until), INT(COUNT_STEP));

    if (r <= 0)
        return r;
    *ret = sqlite3_column_int64(statement, 0);
    lbi_db_end(statement);
    return 0;
}

/* Goes COUNT_STEP rows on, if there are so many. Returns 1 = there were. */
static int skip_many(lbi_read *read, const lbi_key *until)
{
    sqlite3_stmt *statement;
    lbi_key found;
    int r = lbi_db_first(read->db, LBI_SQL_SKIP, &statement, TEXT(read->request->board),
                         KEY(&read->from), KEY(until), INT(COUNT_STEP));

    r = take_key(r, statement, &found);
    if (r > 0) {
        read->from = found;
        read->counted += COUNT_STEP;
    }
    return r;
}

/* Counts on up to, not including, `until`. Returns 1 = not there yet, 0 = there. What is small is
 * gone over once; only when that was not enough is each step first tried as a whole. */
static int count_to(lbi_read *read, const lbi_key *until)
{
    int64_t n = COUNT_STEP;
    int r = read->large ? skip_many(read, until) : 0;

    if (r == 0)
        r = count_few(read, until, &n);
    if (r != 0)
        return r;
    if (n == COUNT_STEP) {
        read->large = true;
        return 1;
    }
    read->counted += (uint64_t)n;
    read->from = *until;
    return 0;
}

/* The steps of finding a place: how many have a better key, then how many come before. */
static int count_rank(lbi_read *read, int (*then)(lbi_read *))
{
    lbi_key better = {.rank_key = read->target.rank_key, .reached_us = -1};
    int r = count_to(read, &better);

    if (r != 0)
        return r;
    read->rank = read->counted + 1;
    read->step = then;
    return 1;
}

static int count_position(lbi_read *read, int (*then)(lbi_read *))
{
    int r = count_to(read, &read->target);

    if (r != 0)
        return r;
    read->position = read->counted + 1;
    read->step = then;
    return 1;
}

/* ---- Boards --------------------------------------------------------------------------------- */

static int refuse_board(lbi_request *request)
{
    (void)lbi_request_fail(request, LB_E_NOTFOUND, "no board '%s'", request->board);
    return 0;
}

/* Returns 1 = there is such a board. */
static int find_board(lbi_read *read, lb_board *ret)
{
    sqlite3_stmt *statement;
    bool alive;
    int r = lbi_db_first(read->db, LBI_SQL_BOARD, &statement, TEXT(read->request->board));

    if (r <= 0)
        return r;
    alive = sqlite3_column_int(statement, 1) == 0;
    *ret = (lb_board){.id = read->request->board,
                      .ascending = sqlite3_column_int(statement, 0) != 0,
                      .created_us = sqlite3_column_int64(statement, 2),
                      .players = -1};
    lbi_db_end(statement);
    read->ascending = ret->ascending;
    return alive;
}

static int info_count(lbi_read *read)
{
    int r = count_to(read, &behind_all);

    if (r == 0)
        read->request->boards[0].players = (int64_t)read->counted;
    return r;
}

static int info_begin(lbi_read *read)
{
    lb_board board;
    int r = find_board(read, &board);

    if (r <= 0)
        return r < 0 ? r : refuse_board(read->request);
    if (!lbi_request_add_board(read->request, &board, 1))
        return lbi_db_fail(read->db, SQLITE_NOMEM);
    read->step = info_count;
    return 1;
}

static int list_boards(lbi_read *read)
{
    lbi_request *request = read->request;
    sqlite3_stmt *statement;
    int r = lbi_db_begin(read->db, LBI_SQL_BOARDS, &statement, TEXT(request->board),
                         INT(request->limit), INT(request->offset));

    while (r >= 0 && (r = lbi_db_step(read->db, statement)) > 0) {
        char id[LB_BOARD_MAX + 1];
        lb_board board = {.id = id,
                          .ascending = sqlite3_column_int(statement, 1) != 0,
                          .created_us = sqlite3_column_int64(statement, 2),
                          .players = -1};

        lbi_db_text(statement, 0, id, sizeof id);
        if (!lbi_request_add_board(request, &board, request->limit)) {
            lbi_db_end(statement);
            return lbi_db_fail(read->db, SQLITE_NOMEM);
        }
    }
    return r;
}

/* ---- Pages ---------------------------------------------------------------------------------- */

/* Reads on from the target, or from the top. Places follow from that of the first row. */
static int read_page(lbi_read *read, bool from_top)
{
    lbi_request *request = read->request;
    sqlite3_stmt *statement;
    lb_player *row, *above = NULL;
    int r = from_top ? lbi_db_begin(read->db, LBI_SQL_TOP, &statement, TEXT(request->board),
                                    INT(request->limit))
                     : lbi_db_begin(read->db, LBI_SQL_PAGE, &statement, TEXT(request->board),
                                    KEY(&read->target), INT(request->limit));

    while (r >= 0 && (r = lbi_db_step(read->db, statement)) > 0) {
        r = add_row(read, statement, request->limit, &row);
        if (r < 0) {
            lbi_db_end(statement);
            return r;
        }
        if (read->position) {
            row->position = above ? above->position + 1 : read->position;
            row->rank = !above                       ? read->rank
                        : above->score == row->score ? above->rank
                                                     : row->position;
        }
        above = row;
    }
    return r;
}

static int page_rows(lbi_read *read)
{
    return read_page(read, false);
}

static int page_position(lbi_read *read)
{
    return count_position(read, page_rows);
}

/* By offset the position is known already. */
static int page_rank(lbi_read *read)
{
    return count_rank(read, read->position ? page_rows : page_position);
}

static int page_by_offset(lbi_read *read)
{
    lbi_request *request = read->request;
    bool places = request->flags & LBI_PLACE;
    sqlite3_stmt *statement;
    int r;

    if (places) {
        read->position = (uint64_t)request->offset + 1;
        read->rank = 1;
    }
    if (request->offset == 0)
        return read_page(read, true);
    r = lbi_db_first(read->db, LBI_SQL_KEY_AT, &statement, TEXT(request->board),
                     INT(request->offset));
    r = take_key(r, statement, &read->target);
    read->step = places ? page_rank : page_rows;
    return r;
}

static int page_by_cursor(lbi_read *read)
{
    lbi_request *request = read->request;
    lbi_key after = make_key(read->ascending, request->after.score, request->after.reached_us,
                             request->after.player);
    sqlite3_stmt *statement;
    int r =
        lbi_db_first(read->db, LBI_SQL_KEY_AFTER, &statement, TEXT(request->board), KEY(&after));

    r = take_key(r, statement, &read->target);
    read->step = request->flags & LBI_PLACE ? page_rank : page_rows;
    return r;
}

static int page_begin(lbi_read *read)
{
    lb_board board;
    int r = find_board(read, &board);

    if (r <= 0)
        return r < 0 ? r : refuse_board(read->request);
    return read->request->has_after ? page_by_cursor(read) : page_by_offset(read);
}

/* ---- Neighbours ----------------------------------------------------------------------------- */

/* Returns 1 = found, read->target is its key. */
static int find_player(lbi_read *read, const char *id, sqlite3_stmt **ret)
{
    lbi_row row;
    int r = lbi_db_first(read->db, LBI_SQL_PLAYER, ret, TEXT(read->request->board), TEXT(id));

    if (r <= 0)
        return r;
    lbi_row_read(*ret, 0, &row);
    read->ascending = sqlite3_column_int(*ret, 4) != 0;
    read->target = make_key(read->ascending, row.score, row.reached_us, row.id);
    return 1;
}

static int refuse_player(lbi_read *read)
{
    lbi_request *request = read->request;
    lb_board board;
    int r = find_board(read, &board);

    if (r <= 0)
        return r < 0 ? r : refuse_board(request);
    (void)lbi_request_fail(request, LB_E_NOTFOUND, "no player '%s' on board '%s'", request->player,
                           request->board);
    return 0;
}

/* How many rows of the window come before the player, were there enough of them. */
static int rows_above(lbi_read *read, uint32_t *ret)
{
    uint32_t others = read->request->limit - 1, below;
    sqlite3_stmt *statement;
    int r = lbi_db_first(read->db, LBI_SQL_COUNT_BELOW, &statement, TEXT(read->request->board),
                         KEY(&read->target), INT(others));

    if (r <= 0)
        return r;
    below = (uint32_t)sqlite3_column_int(statement, 0);
    lbi_db_end(statement);
    *ret = others / 2 > others - below ? others / 2 : others - below;
    return 0;
}

/* Moves the target from the player to the first row of the window. */
static int move_up(lbi_read *read, uint32_t rows)
{
    const char *board = read->request->board;
    sqlite3_stmt *statement;
    int r;

    if (rows == 0)
        return 0;
    r = lbi_db_first(read->db, LBI_SQL_KEY_ABOVE, &statement, TEXT(board), KEY(&read->target),
                     INT(rows - 1));
    r = take_key(r, statement, &read->target);
    if (r != 0)
        return r;
    r = lbi_db_first(read->db, LBI_SQL_KEY_AT, &statement, TEXT(board), INT(0));
    return take_key(r, statement, &read->target);
}

static int around_begin(lbi_read *read)
{
    sqlite3_stmt *statement;
    uint32_t above = 0;
    int r = find_player(read, read->request->player, &statement);

    if (r <= 0)
        return r < 0 ? r : refuse_player(read);
    lbi_db_end(statement);
    r = rows_above(read, &above);
    if (r >= 0)
        r = move_up(read, above);
    read->step = page_rank;
    return r < 0 ? r : 1;
}

/* ---- Players by id -------------------------------------------------------------------------- */

static lb_player *next_row(lbi_read *read)
{
    return &read->request->rows[read->order[read->next]];
}

static int places_next(lbi_read *read);

static int places_position(lbi_read *read)
{
    int r = count_position(read, places_next);

    if (r == 1 && read->step == places_next) {
        next_row(read)->rank = read->rank;
        next_row(read)->position = read->position;
        read->next++;
    }
    return r;
}

static int places_rank(lbi_read *read)
{
    return count_rank(read, places_position);
}

/* Rows are taken in board order, so that the board is gone over once for all of them. */
static int places_next(lbi_read *read)
{
    const lb_player *row,
        *above = read->next ? &read->request->rows[read->order[read->next - 1]] : NULL;

    if (read->next == read->request->n_rows)
        return 0;
    row = next_row(read);
    read->target = make_key(read->ascending, row->score, row->reached_us, row->id);
    /* Equal scores share the rank, and counting is past their first already. */
    read->step = above && above->score == row->score ? places_position : places_rank;
    return 1;
}

static lbi_place row_place(const lb_player *row)
{
    lbi_place place = {.score = row->score, .reached_us = row->reached_us};

    lbi_copy(place.player, sizeof place.player, row->id);
    return place;
}

static int compare_rows(const void *a, const void *b, void *user)
{
    const lbi_read *read = user;
    const lb_player *rows = read->request->rows;
    lbi_place x = row_place(&rows[*(const uint32_t *)a]);
    lbi_place y = row_place(&rows[*(const uint32_t *)b]);

    return lbi_place_compare(&x, &y, read->ascending);
}

static int places_begin(lbi_read *read)
{
    lbi_request *request = read->request;

    if (!(request->flags & LBI_PLACE) || request->n_rows == 0)
        return 0;
    read->order = lbi_arena_alloc(&request->arena, request->n_rows * sizeof *read->order);
    if (!read->order)
        return lbi_db_fail(read->db, SQLITE_NOMEM);
    for (size_t i = 0; i < request->n_rows; i++)
        read->order[i] = (uint32_t)i;
    qsort_r(read->order, request->n_rows, sizeof *read->order, compare_rows, read);
    read->step = places_next;
    return 1;
}

/* Returns 1 = added, 0 = there is none. */
static int add_player(lbi_read *read, const char *id, size_t room)
{
    sqlite3_stmt *statement;
    lb_player *row;
    int r = find_player(read, id, &statement);

    if (r <= 0)
        return r;
    r = add_row(read, statement, room, &row);
    lbi_db_end(statement);
    return r < 0 ? r : 1;
}

static int player_begin(lbi_read *read)
{
    int r = add_player(read, read->request->player, 1);

    if (r <= 0)
        return r < 0 ? r : refuse_player(read);
    return places_begin(read);
}

static int many_begin(lbi_read *read)
{
    lbi_request *request = read->request;
    lb_board board;
    int r = find_board(read, &board);

    if (r <= 0)
        return r < 0 ? r : refuse_board(request);
    for (size_t i = 0; i < request->n_players && r >= 0; i++)
        r = add_player(read, request->players[i], request->n_players);
    return r < 0 ? r : places_begin(read);
}

/* ---- The database itself -------------------------------------------------------------------- */

static int database_facts(lbi_read *read)
{
    lbi_request *request = read->request;
    int64_t log = 0;
    int r = lbi_db_pragma(read->db, "SELECT count(*) FROM changes", &log);

    if (r < 0)
        return r;
    if (!lbi_request_add_fact(request, "store", "sqlite") ||
        !lbi_request_add_fact(request, "version", "%s", sqlite3_libversion()) ||
        !lbi_request_add_fact(request, "schema", "%d", LBI_SCHEMA_VERSION) ||
        !lbi_request_add_fact(request, "change log", "%" PRId64 " entries", log))
        return lbi_db_fail(read->db, SQLITE_NOMEM);
    return 0;
}

/* ---- All ------------------------------------------------------------------------------------ */

bool lbi_read_counts(const lbi_request *request)
{
    switch (request->verb) {
    case LBI_BOARD_INFO:
    case LBI_PLAYER_AROUND:
        return true;
    case LBI_BOARD_GET:
        return request->has_after && (request->flags & LBI_PLACE);
    default:
        return request->flags & LBI_PLACE;
    }
}

static int (*first_step(lbi_verb verb))(lbi_read *)
{
    switch (verb) {
    case LBI_DATABASE_INFO:
        return database_facts;
    case LBI_BOARD_LIST:
        return list_boards;
    case LBI_BOARD_INFO:
        return info_begin;
    case LBI_BOARD_GET:
        return page_begin;
    case LBI_PLAYER_AROUND:
        return around_begin;
    case LBI_PLAYER_GET_MANY:
        return many_begin;
    default:
        return player_begin;
    }
}

void lbi_read_begin(lbi_read *read, lbi_request *request, lbi_db *db)
{
    lbi_request_clear_answer(request);
    *read = (lbi_read){
        .request = request, .db = db, .step = first_step(request->verb), .from = before_all};
}

int lbi_read_step(lbi_read *read)
{
    return read->step(read);
}
