/* Documents of the two tables, as they come, and what is answered from them. */
#include "store/rethinkdb.h"

#include "base/str.h"

#include <string.h>

/* A name from outside may be too long: it is cut between two characters. */
static void read_name(const char *name, const char *id, char *ret)
{
    size_t len = strlen(name), n = 0;

    while (n < len) {
        uint32_t c;
        size_t width = lbi_utf8_next(name + n, len - n, &c);

        if (width == 0 || n + width > LB_NAME_MAX)
            break;
        n += width;
    }
    memcpy(ret, name, n);
    ret[n] = '\0';
    if (n == 0)
        lbi_copy(ret, LB_NAME_MAX + 1, id);
}

static bool read_id(const lbi_json *value, bool player, char *ret, size_t size)
{
    const char *id = lbi_json_text(value);

    if (!id || (player ? lb_player_id_check(id, NULL) : lb_board_id_check(id, NULL)) < 0)
        return false;
    lbi_copy(ret, size, id);
    return true;
}

int lbi_rdb_row_read(const lbi_json *value, lbi_rdb_row *ret)
{
    const lbi_json *key = lbi_json_get(value, "key"), *board = lbi_json_first(key), *id;
    const char *name = lbi_json_text(lbi_json_get(value, "name"));

    if (!value || lbi_json_is_null(value))
        return 0;
    id = board ? lbi_json_next(board) : NULL;
    ret->board[0] = ret->id[0] = '\0';
    if (!lbi_json_is_array(key) || !id || lbi_json_next(id) ||
        !read_id(board, false, ret->board, sizeof ret->board) ||
        !read_id(id, true, ret->id, sizeof ret->id))
        return LB_E_INVAL;
    if (!lbi_json_int(lbi_json_get(value, "score"), &ret->score))
        return LB_E_RANGE;
    if (!lbi_json_int(lbi_json_get(value, "at"), &ret->reached_us))
        ret->reached_us = 0;
    read_name(name ? name : "", ret->id, ret->name);
    return 1;
}

lb_player lbi_rdb_row_player(const lbi_rdb_row *row)
{
    return (lb_player){.board = row->board,
                       .id = row->id,
                       .name = row->name,
                       .score = row->score,
                       .reached_us = row->reached_us};
}

void lbi_rdb_board_read(const lbi_json *value, lbi_rdb_board *ret)
{
    const char *id = lbi_json_text(lbi_json_get(value, "id"));
    bool flag;

    *ret = (lbi_rdb_board){.exists = id && lb_board_id_check(id, NULL) == 0};
    if (!ret->exists)
        return;
    lbi_copy(ret->id, sizeof ret->id, id);
    ret->ascending = lbi_json_bool(lbi_json_get(value, "asc"), &flag) && flag;
    ret->deleting = lbi_json_get(value, "deleting") &&
                    !lbi_json_is_null(lbi_json_get(value, "deleting")) &&
                    !(lbi_json_bool(lbi_json_get(value, "deleting"), &flag) && !flag);
    if (!lbi_json_int(lbi_json_get(value, "created"), &ret->created_us))
        ret->created_us = 0;
}

static void no_memory(lbi_request *request)
{
    lbi_request_clear_answer(request);
    (void)lbi_request_fail(request, LB_E_NOMEM, "%s", lb_strerror(LB_E_NOMEM));
}

void lbi_rdb_answer_board(lbi_request *request, const lbi_rdb_board *board, int code,
                          int64_t players, size_t room)
{
    lb_board row = {.id = board->id,
                    .ascending = board->ascending,
                    .created_us = board->created_us,
                    .players = players};

    if (!lbi_request_add_board(request, &row, room))
        no_memory(request);
    else
        request->code = code;
}

/* A write has been made by now: what cannot be told is not what has failed. */
void lbi_rdb_answer_row(lbi_request *request, const lbi_rdb_row *row, int code)
{
    lb_player player = lbi_rdb_row_player(row);

    request->code = code;
    if (lbi_request_add_row(request, &player, 1))
        return;
    lbi_request_clear_answer(request);
    (void)lbi_request_fail(request, code > 0 ? LB_E_UNKNOWN : LB_E_NOMEM,
                           "out of memory for the answer");
}

void lbi_rdb_refuse_board(lbi_request *request)
{
    (void)lbi_request_fail(request, LB_E_NOTFOUND, "no board '%s'", request->board);
}

void lbi_rdb_refuse_player(lbi_request *request)
{
    (void)lbi_request_fail(request, LB_E_NOTFOUND, "no player '%s' on board '%s'", request->player,
                           request->board);
}
