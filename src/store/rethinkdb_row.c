/* Documents of the two tables, as they come, and what is answered from them. */
#include "store/rethinkdb.h"

#include "base/str.h"

#include <stdio.h>
#include <string.h>

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
    lbi_name_mend(name && *name ? name : ret->id, ret->name);
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

/* ---- What is no row of ours ----------------------------------------------------------------- */

enum { SHOWN = 40 }; /* bytes of somebody else's text that a notice repeats */

/* Text from outside for a log: printable, and not much of it. */
static const char *show(const char *text, char ret[4 * SHOWN + 4])
{
    size_t n = 0;

    for (const char *c = text; *c && c < text + SHOWN; c++) {
        bool plain = *c >= ' ' && *c <= '~' && *c != '\\' && *c != '\'';

        n += (size_t)snprintf(ret + n, 5, plain ? "%c" : "\\x%02x", (unsigned char)*c);
    }
    lbi_copy(ret + n, 4, strlen(text) > SHOWN ? "..." : "");
    return ret;
}

static const char *board_in(const lbi_json *key)
{
    return lbi_json_text(lbi_json_first(key));
}

static const char *player_in(const lbi_json *key)
{
    const lbi_json *board = lbi_json_first(key);
    const lbi_json *id = board ? lbi_json_next(board) : NULL;

    return id && !lbi_json_next(id) ? lbi_json_text(id) : NULL;
}

static void report_key(const lbi_store_config *config, const lbi_json *key)
{
    const char *board = board_in(key), *id = player_in(key);
    char shown[4 * SHOWN + 4];

    if (!board || !id)
        lbi_notice(config, LB_NOTICE_BAD_ROW, LB_E_INVAL,
                   "a row%s%s%s has a key that is not [board, player]: left out",
                   board ? " on board '" : "", board ? show(board, shown) : "", board ? "'" : "");
    else if (lb_board_id_check(board, NULL) < 0)
        lbi_notice(config, LB_NOTICE_BAD_ROW, LB_E_INVAL,
                   "a row is on board '%s', which is no board id: left out", show(board, shown));
    else
        lbi_notice(config, LB_NOTICE_BAD_ROW, LB_E_INVAL,
                   "'%s' on board '%s' is no player id: left out", show(id, shown), board);
}

void lbi_rdb_row_report(const lbi_store_config *config, const lbi_json *value, bool tells)
{
    lbi_rdb_row row;
    int r = lbi_rdb_row_read(value, &row);

    config->counters->bad_rows++;
    if (!tells)
        return;
    if (r == LB_E_RANGE)
        lbi_notice(config, LB_NOTICE_BAD_ROW, r,
                   "player '%s' on board '%s' has a score that is no whole number within "
                   "-9007199254740991..9007199254740991: left out",
                   row.id, row.board);
    else
        report_key(config, lbi_json_get(value, "key"));
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
