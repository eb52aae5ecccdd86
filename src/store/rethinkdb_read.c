/*
 * The reads: a query for the board and the rows, and, where places are asked for, a second one that
 * counts. So a page may mix two instants.
 *
 * A row that somebody else wrote under an id that no player can have is in the index, too: to check
 * ids there would cost each write a fifth more. Pages leave it out, and are full without it; where
 * the server counts, which is quick only without looking at rows, it takes a place: in the number of
 * players of a board, and before a player, a page by cursor or a window that is read behind it.
 *
 * In the queries: 1 the board, 2 the player, 3 a row.
 */
#include "store/rethinkdb.h"

#include "base/list.h"
#include "base/str.h"
#include "os/clock.h"
#include "store/rethinkdb_term.h"

#include <stdlib.h>
#include <string.h>

enum { PAUSE_FIRST_US = 50000, PAUSE_MOST_US = 1000000 };

/* ---- Life ----------------------------------------------------------------------------------- */

static void end_read(lbi_rdb_read *read)
{
    DL_DELETE(read->store->reads, read);
    free(read);
}

void lbi_rdb_read_stop(lbi_rdb_read *read)
{
    if (read->query)
        lbi_reql_stop(read->query);
    end_read(read);
}

bool lbi_rdb_read_withdraw(lbi_rdb_read *read)
{
    lbi_request *request = read->request;
    bool is_lease = request->verb == LBI_LEASE_TAKE;

    if (is_lease && (lbi_rdb_was_sent(request) || !lbi_reql_cancel(read->query)))
        return false;
    if (is_lease)
        end_read(read);
    else
        lbi_rdb_read_stop(read);
    return true;
}

void lbi_rdb_read_finish(lbi_rdb_read *read)
{
    lbi_rdb_finish(read->store, read->request);
    end_read(read);
}

void lbi_rdb_read_fail(lbi_rdb_read *read, int code, const char *message)
{
    lbi_rdb_fail(read->store, read->request, code, message);
    end_read(read);
}

/* Nothing is lost by asking again. */
static void ask_again(lbi_rdb_read *read)
{
    lbi_request *request = read->request;

    lbi_request_clear_answer(request);
    lbi_rdb_refresh(read->store, request, false);
    end_read(read);
}

/* A lease that may have been taken. */
static void note_sent(lbi_request *request, const lbi_reql_reply *reply)
{
    if (request->verb == LBI_LEASE_TAKE && lbi_rdb_is_doubtful(reply))
        request->reached_us = 1;
}

void lbi_rdb_read_refuse(lbi_rdb_read *read, const lbi_reql_reply *reply)
{
    lbi_rdb_schema *schema = &read->store->schema;

    note_sent(read->request, reply);
    if (lbi_rdb_is_absent(reply)) {
        lbi_rdb_schema_lost(read->store);
        ask_again(read);
    } else if (reply->answer && (reply->code == LB_E_IO || reply->code == LB_E_UNKNOWN)) {
        if (schema->state == LBI_RDB_READY)
            schema->state = LBI_RDB_UNKNOWN;
        lbi_copy(schema->why, sizeof schema->why, reply->message);
        lbi_rdb_pause_more(&schema->pause, PAUSE_FIRST_US, PAUSE_MOST_US);
        ask_again(read);
    } else if (reply->sent && reply->code == LB_E_IO) {
        ask_again(read);
    } else if (reply->code == LB_E_TIMEOUT) {
        lbi_rdb_fail_late(read->store, read->request, reply->sent ? reply->message : "");
        end_read(read);
    } else {
        bool may_have_taken = lbi_rdb_was_sent(read->request) && lbi_rdb_is_doubtful(reply);

        lbi_rdb_read_fail(read, may_have_taken ? LB_E_UNKNOWN : reply->code, reply->message);
    }
}

/* By default the server answers from memory, with writes that are not on its disk yet. */
static int end_query(const lbi_rdb_read *read)
{
    lbi_term *t = &read->store->term;

    lbi_term_globals(t, read->store->url.database);
    if (read->request->flags & LBI_DURABLE) {
        lbi_term_key(t, "read_mode");
        lbi_term_text(t, "majority");
    }
    return lbi_term_globals_end(t);
}

void lbi_rdb_read_send(lbi_rdb_read *read, lbi_reql_fn fn)
{
    lbi_rdb *store = read->store;
    lbi_term *t = &store->term;
    lbi_reql_call call = {.deadline_us = read->request->deadline_us, .fn = fn, .user = read};
    lb_error error = {.code = end_query(read)};

    call.text = lbi_buf_bytes(&t->buf);
    call.len = t->buf.len;
    if (error.code == 0)
        error.code = lbi_reql_submit(store->conn, &call, &read->query, &error);
    if (error.code < 0)
        lbi_rdb_read_fail(read, error.code, error.msg[0] ? error.msg : lb_strerror(error.code));
}

/* ---- Rows to places --------------------------------------------------------------------------- */

/* The rows are there. */
static void go_on(lbi_rdb_read *read)
{
    lbi_request *request = read->request;
    bool from_top = request->verb == LBI_BOARD_GET && !request->has_after && !request->offset;

    if (request->n_rows == 0 || !(request->flags & LBI_PLACE)) {
        lbi_rdb_read_finish(read);
    } else if (from_top) {
        request->rows[0].position = request->rows[0].rank = 1;
        lbi_rdb_places_follow(request);
        lbi_rdb_read_finish(read);
    } else {
        lbi_rdb_places_ask(read);
    }
}

/* ---- The first query ------------------------------------------------------------------------ */

static void put_player_key(lbi_term *t, const char *board, const char *player)
{
    lbi_rdb_term_key(t, board);
    lbi_term_text(t, player);
    lbi_term_end(t);
}

/* Around a sequence: its first rows, as an array. */
static void begin_rows(lbi_term *t)
{
    lbi_term_call(t, LBI_T_COERCE_TO);
    lbi_term_call(t, LBI_T_PLUCK);
}

static void end_rows(lbi_term *t)
{
    lbi_term_text(t, "key");
    lbi_term_text(t, "name");
    lbi_term_text(t, "score");
    lbi_term_text(t, "at");
    lbi_term_end(t);
    lbi_term_text(t, "array");
    lbi_term_end(t);
}

static void begin_order(lbi_term *t)
{
    lbi_term_call(t, LBI_T_ORDER_BY);
}

static void end_order(lbi_term *t, bool down)
{
    lbi_term_opts(t);
    lbi_term_key(t, "index");
    if (down)
        lbi_term_literal(t, "[74,[\"rank\"]]");
    else
        lbi_term_text(t, "rank");
    lbi_term_end(t);
}

/* The board or null, then the rows: a stream, which costs the server half of what an array of the
 * same rows does. `picks`: only rows of players, so that others do not take a place. */
static void put_page(const lbi_request *request, bool picks, lbi_term *t)
{
    lbi_term_call(t, LBI_T_UNION);
    lbi_term_array(t);
    lbi_rdb_term_board(t, request->board);
    lbi_term_end(t);
    lbi_term_call(t, LBI_T_PLUCK);
    lbi_term_call(t, LBI_T_LIMIT);
    if (request->offset)
        lbi_term_call(t, LBI_T_SKIP);
    if (picks)
        lbi_term_call(t, LBI_T_FILTER);
    begin_order(t);
    lbi_rdb_term_rows(t, request->board, true);
    end_order(t, false);
    if (picks) {
        lbi_term_literal(t, "[69,[[2,[3]]," IS_PLAYER(3) "]]");
        lbi_term_end(t);
    }
    if (request->offset) {
        lbi_term_int(t, request->offset);
        lbi_term_end(t);
    }
    lbi_term_int(t, request->limit);
    lbi_term_end(t);
    lbi_term_literal(t, ROW_FIELDS);
    lbi_term_end(t);
    lbi_term_opts(t);
    lbi_term_key(t, "interleave");
    lbi_term_bool(t, false);
    lbi_term_end(t);
}

/* branch(ascending, score, -score) */
static void put_rank_key(lbi_term *t, int64_t score)
{
    lbi_term_call(t, LBI_T_BRANCH);
    lbi_term_literal(t, IS_ASCENDING(1));
    lbi_term_int(t, score);
    lbi_term_int(t, -score);
    lbi_term_end(t);
}

static void put_range(lbi_term *t, const char *closed)
{
    lbi_term_opts(t);
    lbi_term_key(t, "index");
    lbi_term_text(t, "rank");
    if (closed) {
        lbi_term_key(t, closed);
        lbi_term_text(t, "closed");
    }
    lbi_term_end(t);
}

static void put_page_after(const lbi_request *request, lbi_term *t)
{
    const lbi_place *after = &request->after;

    begin_rows(t);
    lbi_term_call(t, LBI_T_LIMIT);
    lbi_term_call(t, LBI_T_FILTER);
    begin_order(t);
    lbi_term_call(t, LBI_T_BETWEEN);
    lbi_term_literal(t, PLAYERS);
    lbi_rdb_term_key(t, request->board);
    put_rank_key(t, after->score);
    lbi_term_int(t, after->reached_us);
    lbi_term_end(t);
    lbi_rdb_term_key(t, request->board);
    lbi_term_call0(t, LBI_T_MAXVAL);
    lbi_term_end(t);
    put_range(t, NULL);
    end_order(t, false);
    lbi_term_func(t, 1, 3);
    lbi_term_call(t, LBI_T_AND);
    lbi_term_literal(t, IS_PLAYER(3));
    lbi_term_call(t, LBI_T_OR);
    lbi_term_call(t, LBI_T_NE);
    lbi_term_field(t, 3, "score");
    lbi_term_int(t, after->score);
    lbi_term_end(t);
    lbi_term_call(t, LBI_T_NE);
    lbi_term_literal(t, OR_ELSE(FIELD(3, "at"), "0"));
    lbi_term_int(t, after->reached_us);
    lbi_term_end(t);
    lbi_term_call(t, LBI_T_GT);
    lbi_term_field(t, 3, "key");
    put_player_key(t, request->board, after->player);
    lbi_term_end(t);
    lbi_term_end(t);
    lbi_term_end(t);
    lbi_term_end(t);
    lbi_term_end(t);
    lbi_term_int(t, request->limit);
    lbi_term_end(t);
    end_rows(t);
}

static void put_players(const lbi_request *request, lbi_term *t)
{
    bool many = request->verb == LBI_PLAYER_GET_MANY;

    if (many && request->n_players == 0) {
        lbi_term_literal(t, "[2,[]]");
        return;
    }
    begin_rows(t);
    lbi_term_call(t, LBI_T_GET_ALL);
    lbi_term_literal(t, PLAYERS);
    for (size_t i = 0; i < (many ? request->n_players : 1); i++)
        put_player_key(t, request->board, many ? request->players[i] : request->player);
    lbi_term_end(t);
    end_rows(t);
}

#define AT(n) OR_ELSE(FIELD(n, "at"), "0")
#define KEY_OF_2 "[65,[" IS_ASCENDING(1) "," FIELD(2, "score") ",[25,[0," FIELD(2, "score") "]]]]"
#define POINT_OF_2 "[2,[[45,[" FIELD(2, "key") ",0]]," KEY_OF_2 "," AT(2) "]]"
#define OTHER_TIE "[18,[" FIELD(3, "score") "," FIELD(2, "score") "]],[18,[" AT(3) "," AT(2) "]]"

/* It is no tie, or one whose key is before the other (19), or not before (22). */
#define NEIGHBOUR(op)                                                                              \
    "[69,[[2,[3]],[67,[" IS_PLAYER(3) ",[66,[" OTHER_TIE ",[" op                                   \
                                      ",[" FIELD(3, "key") "," FIELD(2, "key") "]]]]]]]]"

static void put_neighbours(const lbi_request *request, bool above, lbi_term *t)
{
    begin_rows(t);
    lbi_term_call(t, LBI_T_LIMIT);
    lbi_term_call(t, LBI_T_FILTER);
    begin_order(t);
    lbi_term_call(t, LBI_T_BETWEEN);
    lbi_term_literal(t, PLAYERS);
    if (!above)
        lbi_term_literal(t, POINT_OF_2);
    lbi_rdb_term_key(t, request->board);
    lbi_term_call0(t, above ? LBI_T_MINVAL : LBI_T_MAXVAL);
    lbi_term_end(t);
    if (above)
        lbi_term_literal(t, POINT_OF_2);
    put_range(t, above ? "right_bound" : NULL);
    end_order(t, above);
    if (above)
        lbi_term_literal(t, NEIGHBOUR("19"));
    else
        lbi_term_literal(t, NEIGHBOUR("22"));
    lbi_term_end(t);
    lbi_term_int(t, above ? request->limit - 1 : request->limit);
    lbi_term_end(t);
    end_rows(t);
}

/* {below: it and what follows, above: what comes before, the nearest first}, or null. */
static void put_around(const lbi_request *request, lbi_term *t)
{
    lbi_term_call(t, LBI_T_FUNCALL);
    lbi_term_func(t, 1, 2);
    lbi_term_call(t, LBI_T_BRANCH);
    lbi_term_literal(t, "[67,[[18,[" V(2) ",null]]," IS_GOOD(2) "]]");
    lbi_term_object(t);
    lbi_term_key(t, "below");
    put_neighbours(request, false, t);
    lbi_term_key(t, "above");
    put_neighbours(request, true, t);
    lbi_term_end(t);
    lbi_term_null(t);
    lbi_term_end(t);
    lbi_term_end(t);
    lbi_term_call(t, LBI_T_GET);
    lbi_term_literal(t, PLAYERS);
    put_player_key(t, request->board, request->player);
    lbi_term_end(t);
    lbi_term_end(t);
}

static void put_data(const lbi_request *request, lbi_term *t)
{
    switch (request->verb) {
    case LBI_BOARD_INFO:
        lbi_term_call(t, LBI_T_COUNT);
        lbi_rdb_term_rows(t, request->board, true);
        lbi_term_end(t);
        break;
    case LBI_BOARD_GET:
        put_page_after(request, t);
        break;
    case LBI_PLAYER_AROUND:
        put_around(request, t);
        break;
    default:
        put_players(request, t);
        break;
    }
}

/* [board, what is asked for] */
static void put_question(const lbi_request *request, lbi_term *t)
{
    lbi_term_call(t, LBI_T_FUNCALL);
    lbi_term_func(t, 1, 1);
    lbi_term_array(t);
    lbi_term_var(t, 1);
    lbi_term_call(t, LBI_T_BRANCH);
    lbi_term_literal(t, IS_ALIVE(1));
    put_data(request, t);
    lbi_term_null(t);
    lbi_term_end(t);
    lbi_term_end(t);
    lbi_term_end(t);
    lbi_rdb_term_board(t, request->board);
    lbi_term_end(t);
}

static void put_list(const lbi_request *request, lbi_term *t)
{
    lbi_term_call(t, LBI_T_COERCE_TO);
    lbi_term_call(t, LBI_T_LIMIT);
    lbi_term_call(t, LBI_T_SKIP);
    lbi_term_call(t, LBI_T_FILTER);
    lbi_term_call(t, LBI_T_ORDER_BY);
    lbi_term_call(t, LBI_T_BETWEEN);
    lbi_term_literal(t, BOARDS);
    if (request->board[0])
        lbi_term_text(t, request->board);
    else
        lbi_term_call0(t, LBI_T_MINVAL);
    lbi_term_call0(t, LBI_T_MAXVAL);
    lbi_term_opts(t);
    lbi_term_key(t, "left_bound");
    lbi_term_text(t, "open");
    lbi_term_end(t);
    lbi_term_opts(t);
    lbi_term_key(t, "index");
    lbi_term_text(t, "id");
    lbi_term_end(t);
    lbi_term_literal(t, "[69,[[2,[1]],[23,[" OR_ELSE(FIELD(1, "deleting"), "false") "]]]]");
    lbi_term_end(t);
    lbi_term_int(t, request->offset);
    lbi_term_end(t);
    lbi_term_int(t, request->limit);
    lbi_term_end(t);
    lbi_term_text(t, "array");
    lbi_term_end(t);
}

/* ---- Its answer ----------------------------------------------------------------------------- */

/* These return 0, LB_E_NOMEM, or LB_E_PROTO: it is not what was asked for. What is no row of a player
 * is left out. */

static int add_row(lbi_request *request, const lbi_json *value, size_t room)
{
    lbi_rdb_row row;
    lb_player player;

    if (lbi_rdb_row_read(value, &row) != 1)
        return 0; /* no row of ours */
    if (strcmp(row.board, request->board) != 0 || request->n_rows == room)
        return LB_E_PROTO;
    player = lbi_rdb_row_player(&row);
    return lbi_request_add_row(request, &player, room) ? 0 : LB_E_NOMEM;
}

static int add_rows(lbi_request *request, const lbi_json *rows)
{
    int r = lbi_json_is_array(rows) ? 0 : LB_E_PROTO;

    for (const lbi_json *v = lbi_json_first(rows); v && r == 0; v = lbi_json_next(v))
        r = add_row(request, v, request->limit);
    return r;
}

static int add_player(lbi_request *request, const lbi_json *rows)
{
    int r;

    request->limit = 1;
    r = add_rows(request, rows);
    if (r == 0 && request->n_rows && strcmp(request->rows[0].id, request->player) != 0)
        return LB_E_PROTO;
    return r;
}

static size_t count_rows(const lbi_json *rows)
{
    size_t n = 0;

    for (const lbi_json *v = lbi_json_first(rows); v; v = lbi_json_next(v))
        n++;
    return n;
}

static bool has_player(const lbi_request *request)
{
    size_t i = 0;

    while (i < request->n_rows && strcmp(request->rows[i].id, request->player) != 0)
        i++;
    return i < request->n_rows;
}

/* The window: half of the others above, and as many more as there are too few below. */
static int add_window(lbi_request *request, const lbi_json *value)
{
    const lbi_json *above = lbi_json_get(value, "above"), *below = lbi_json_get(value, "below");
    size_t others = request->limit - 1, n_above = count_rows(above), n_below = count_rows(below);
    size_t least = n_below > others ? 0 : others + 1 - n_below;
    size_t take = others / 2 > least ? others / 2 : least;
    const lbi_json *rows[LB_LIMIT_MAX];
    size_t n = 0;
    int r = 0;

    if (lbi_json_is_null(value))
        return 0;
    if (take > n_above)
        take = n_above;
    for (const lbi_json *v = lbi_json_first(above); v && n < take; v = lbi_json_next(v))
        rows[n++] = v;
    while (n > 0 && r == 0)
        r = add_row(request, rows[--n], request->limit);
    for (const lbi_json *v = lbi_json_first(below); v && r == 0 && request->n_rows < request->limit;
         v = lbi_json_next(v))
        r = add_row(request, v, request->limit);
    return r == 0 && !has_player(request) ? LB_E_PROTO : r;
}

/* In the order in which they are named. */
static int add_named(lbi_request *request, const lbi_json *rows)
{
    typedef struct entry {
        const char *id;
        const lbi_json *value;
        UT_hash_handle hh;
    } entry;
    entry *map = NULL, *found, *all = calloc(count_rows(rows) + 1, sizeof *all);
    int r = !lbi_json_is_array(rows) ? LB_E_PROTO : all ? 0 : LB_E_NOMEM;
    size_t n = 0;

    for (const lbi_json *v = lbi_json_first(rows); v && r == 0; v = lbi_json_next(v)) {
        const lbi_json *key = lbi_json_first(lbi_json_get(v, "key"));
        const char *id = key ? lbi_json_text(lbi_json_next(key)) : NULL;

        if (!id)
            continue;
        HASH_FIND_STR(map, id, found);
        if (found)
            continue;
        all[n] = (entry){.id = id, .value = v};
        HASH_ADD_KEYPTR(hh, map, id, strlen(id), &all[n]);
        r = lbi_map_failed(&all[n]) ? LB_E_NOMEM : 0;
        n++;
    }
    for (size_t i = 0; r == 0 && i < request->n_players; i++) {
        HASH_FIND_STR(map, request->players[i], found);
        r = found ? add_row(request, found->value, request->n_players) : 0;
    }
    HASH_CLEAR(hh, map);
    free(all);
    return r;
}

static int take_data(lbi_rdb_read *read, const lbi_json *data, const lbi_rdb_board *board)
{
    lbi_request *request = read->request;
    int64_t players = 0;

    switch (request->verb) {
    case LBI_BOARD_INFO:
        if (!lbi_json_int(data, &players) || players < 0)
            return LB_E_PROTO;
        lbi_rdb_answer_board(request, board, 0, players, 1);
        return 0;
    case LBI_PLAYER_GET:
        return add_player(request, data);
    case LBI_PLAYER_AROUND:
        return add_window(request, data);
    case LBI_PLAYER_GET_MANY:
        return add_named(request, data);
    default:
        return add_rows(request, data);
    }
}

static void fail_answer(lbi_rdb_read *read, int code)
{
    lbi_rdb_read_fail(
        read, code, code == LB_E_PROTO ? "the server's answer makes no sense" : lb_strerror(code));
}

static void accept(lbi_rdb_read *read, const lbi_json *value)
{
    lbi_request *request = read->request;
    const lbi_json *first = lbi_json_first(value);
    bool one = request->verb == LBI_PLAYER_GET || request->verb == LBI_PLAYER_AROUND;
    lbi_rdb_board board;
    int r = LB_E_PROTO;

    lbi_request_clear_answer(request);
    read->store->schema.losses = 0;
    lbi_rdb_board_read(first, &board);
    if (lbi_json_is_null(first) || board.deleting) {
        lbi_rdb_refuse_board(request);
        lbi_rdb_read_finish(read);
        return;
    }
    read->ascending = board.ascending;
    if (board.exists)
        r = take_data(read, lbi_json_next(first), &board);
    if (r < 0) {
        fail_answer(read, r);
        return;
    }
    if (one && request->n_rows == 0)
        lbi_rdb_refuse_player(request);
    go_on(read);
}

static void accept_list(lbi_rdb_read *read, const lbi_json *value)
{
    lbi_request *request = read->request;
    const lbi_json *v = lbi_json_first(value);

    if (!lbi_json_is_array(value)) {
        fail_answer(read, LB_E_PROTO);
        return;
    }
    lbi_request_clear_answer(request);
    for (; v && request->code == 0 && request->n_boards < request->limit; v = lbi_json_next(v)) {
        lbi_rdb_board board;

        lbi_rdb_board_read(v, &board);
        if (board.exists)
            lbi_rdb_answer_board(request, &board, 0, -1, request->limit);
    }
    lbi_rdb_read_finish(read);
}

static int on_page(const lbi_reql_reply *reply, void *user);

static void ask_page(lbi_rdb_read *read)
{
    lbi_term *t = &read->store->term;

    lbi_request_clear_answer(read->request);
    read->board = (lbi_rdb_board){.exists = false};
    read->n_strange = 0;
    lbi_term_query(t);
    put_page(read->request, read->picks, t);
    lbi_rdb_read_send(read, on_page);
}

static void end_page(lbi_rdb_read *read)
{
    if (!read->picks && read->n_strange > 0 &&
        read->request->n_rows + read->n_strange == read->request->limit) {
        read->picks = true; /* there may be more rows that are good */
        ask_page(read);
        return;
    }
    if (!read->board.exists || read->board.deleting) {
        lbi_request_clear_answer(read->request);
        lbi_rdb_refuse_board(read->request);
        lbi_rdb_read_finish(read);
        return;
    }
    read->ascending = read->board.ascending;
    read->store->schema.losses = 0;
    go_on(read);
}

/* The first one is told of: pages are read again and again. */
static void take_strange(lbi_rdb_read *read, const lbi_json *value)
{
    lbi_rdb *store = read->store;

    read->n_strange++;
    lbi_rdb_row_report(&store->config, value, !store->told_strange);
    store->told_strange = true;
}

static int take_row_of_page(lbi_rdb_read *read, const lbi_json *value)
{
    lbi_request *request = read->request;
    size_t before = request->n_rows;
    int r = before + read->n_strange < request->limit ? add_row(request, value, request->limit)
                                                      : LB_E_PROTO;

    if (r == 0 && request->n_rows == before)
        take_strange(read, value);
    return r;
}

static int take_of_page(lbi_rdb_read *read, const lbi_json *value)
{
    if (lbi_json_get(value, "key"))
        return take_row_of_page(read, value);
    if (lbi_json_is_null(value) && !read->board.exists && read->request->n_rows == 0)
        return 0; /* there is no board */
    lbi_rdb_board_read(value, &read->board);
    return read->board.exists ? 0 : LB_E_PROTO;
}

/* A batch of a page by offset. */
static int on_page(const lbi_reql_reply *reply, void *user)
{
    lbi_rdb_read *read = user;
    const lbi_json *v = reply->answer ? lbi_json_first(reply->answer->values) : NULL;
    int r = 0;

    if (read->store->freeing)
        return 0;
    if (reply->code < 0) {
        read->query = NULL;
        lbi_rdb_read_refuse(read, reply);
        return 0;
    }
    for (; v && r == 0; v = lbi_json_next(v))
        r = take_of_page(read, v);
    if (r == 0 && !reply->last)
        return 0;
    read->query = NULL;
    if (r == 0)
        end_page(read);
    else
        fail_answer(read, r);
    return 1;
}

static int on_rows(const lbi_reql_reply *reply, void *user)
{
    lbi_rdb_read *read = user;

    if (read->store->freeing)
        return 0;
    read->query = NULL;
    if (reply->code < 0)
        lbi_rdb_read_refuse(read, reply);
    else if (read->request->verb == LBI_BOARD_LIST)
        accept_list(read, lbi_json_first(reply->answer->values));
    else
        accept(read, lbi_json_first(reply->answer->values));
    return 0;
}

void lbi_rdb_read_start(lbi_rdb *store, lbi_request *request)
{
    bool is_stream = request->verb == LBI_BOARD_GET && !request->has_after;
    lbi_rdb_read *read = calloc(1, sizeof *read);

    if (!read) {
        lbi_rdb_fail(store, request, LB_E_NOMEM, lb_strerror(LB_E_NOMEM));
        return;
    }
    *read = (lbi_rdb_read){.store = store, .request = request};
    DL_APPEND(store->reads, read);
    lbi_rdb_put(request, LBI_RDB_IN_READ);
    if (request->verb == LBI_DATABASE_INFO) {
        lbi_rdb_info_send(read);
        return;
    }
    if (request->verb == LBI_LEASE_TAKE) {
        lbi_rdb_lease_send(read);
        return;
    }
    if (is_stream) {
        read->picks = request->offset > 0; /* who is left out takes no place before it either */
        ask_page(read);
        return;
    }
    lbi_request_clear_answer(request);
    lbi_term_query(&store->term);
    if (request->verb == LBI_BOARD_LIST)
        put_list(request, &store->term);
    else
        put_question(request, &store->term);
    lbi_rdb_read_send(read, on_rows);
}
