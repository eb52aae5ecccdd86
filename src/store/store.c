#include "store/store.h"

#include "base/error.h"
#include "base/str.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *scheme;
    lbi_store_new_fn create;
} stores[] = {
    {"sqlite:", lbi_sqlite_new},
    {"rethinkdb:", lbi_rethinkdb_new},
};

int lbi_store_new(const lbi_store_config *config, lbi_store **ret, lb_error *reterr)
{
    for (size_t i = 0; i < sizeof stores / sizeof stores[0]; i++) {
        if (strncmp(config->url, stores[i].scheme, strlen(stores[i].scheme)) == 0)
            return stores[i].create(config, ret, reterr);
    }
    /* The URL is not repeated: it may hold a password. */
    return lbi_fail(reterr, LB_E_UNSUPPORTED,
                    "the database URL must begin with sqlite: as in sqlite:leaderboard.db, or with "
                    "rethinkdb: as in rethinkdb://host:28015/leaderboard");
}

bool lbi_verb_writes(lbi_verb verb)
{
    switch (verb) {
    case LBI_BOARD_CREATE:
    case LBI_BOARD_DELETE:
    case LBI_PLAYER_PUT:
    case LBI_PLAYER_RESTORE:
    case LBI_PLAYER_REMOVE:
    case LBI_SCORE_ADD:
    case LBI_SCORE_SET:
    case LBI_LEASE_TAKE:
        return true;
    case LBI_DATABASE_INFO:
    case LBI_BOARD_LIST:
    case LBI_BOARD_INFO:
    case LBI_BOARD_GET:
    case LBI_PLAYER_GET:
    case LBI_PLAYER_GET_MANY:
    case LBI_PLAYER_AROUND:
        return false;
    }
    return false;
}

int lbi_request_fail(lbi_request *request, int code, const char *format, ...)
{
    va_list args;

    request->code = request->error.code = code;
    va_start(args, format);
    (void)vsnprintf(request->error.msg, sizeof request->error.msg, format, args);
    va_end(args);
    return code;
}

void lbi_request_clear_answer(lbi_request *request)
{
    request->code = 0;
    request->rows = NULL; /* the arena keeps the memory until the request ends */
    request->n_rows = 0;
    request->boards = NULL;
    request->n_boards = 0;
    request->n_facts = 0;
}

bool lbi_request_add_fact(lbi_request *request, const char *name, const char *format, ...)
{
    char value[512];
    lbi_fact *fact = &request->facts[request->n_facts];
    va_list args;

    if (request->n_facts == LBI_FACTS_MAX)
        return false;
    va_start(args, format);
    (void)vsnprintf(value, sizeof value, format, args);
    va_end(args);
    fact->name = lbi_arena_text(&request->arena, name, strlen(name));
    fact->value = lbi_arena_text(&request->arena, value, strlen(value));
    if (!fact->name || !fact->value)
        return false;
    request->n_facts++;
    return true;
}

lb_player *lbi_request_add_row(lbi_request *request, const lb_player *row, size_t room)
{
    lbi_arena *arena = &request->arena;
    lb_player copy = *row;

    if (!request->rows)
        request->rows = lbi_arena_alloc(arena, room * sizeof *row);
    copy.board = request->board;
    copy.id = lbi_arena_text(arena, row->id, strlen(row->id));
    copy.name = lbi_arena_text(arena, row->name, strlen(row->name));
    if (!request->rows || !copy.id || !copy.name || request->n_rows >= room)
        return NULL;
    request->rows[request->n_rows] = copy;
    return &request->rows[request->n_rows++];
}

lb_board *lbi_request_add_board(lbi_request *request, const lb_board *board, size_t room)
{
    lbi_arena *arena = &request->arena;
    lb_board copy = *board;

    if (!request->boards)
        request->boards = lbi_arena_alloc(arena, room * sizeof *board);
    copy.id = lbi_arena_text(arena, board->id, strlen(board->id));
    if (!request->boards || !copy.id || request->n_boards >= room)
        return NULL;
    request->boards[request->n_boards] = copy;
    return &request->boards[request->n_boards++];
}

int lbi_place_compare(const lbi_place *a, const lbi_place *b, bool ascending)
{
    if (a->score != b->score)
        return (a->score < b->score) == ascending ? -1 : 1;
    if (a->reached_us != b->reached_us)
        return a->reached_us < b->reached_us ? -1 : 1;
    return strcmp(a->player, b->player);
}

/* SCORE.REACHED_US.ID: an id may have dots, the numbers before it have none. */
int lb_player_cursor(const lb_player *player, char *buf, size_t size)
{
    int n;

    if (!player || !buf || size < LB_CURSOR_SIZE)
        return LB_E_INVAL;
    n = snprintf(buf, size, "%" PRId64 ".%" PRId64 ".%s", player->score, player->reached_us,
                 player->id);
    return n > 0 && (size_t)n < size ? 0 : LB_E_INVAL;
}

int lbi_place_parse(const char *cursor, lbi_place *ret, lb_error *reterr)
{
    const char *reached = strchr(cursor, '.');
    const char *id = reached ? strchr(reached + 1, '.') : NULL;
    uint64_t us;

    if (!id || !lbi_parse_score(cursor, (size_t)(reached - cursor), &ret->score) ||
        !lbi_parse_u64(reached + 1, (size_t)(id - reached - 1), (uint64_t)LB_SCORE_MAX, &us) ||
        lb_player_id_check(id + 1, NULL) < 0)
        return lbi_fail(reterr, LB_E_INVAL, "after is not a cursor that this library gave");
    ret->reached_us = (int64_t)us;
    lbi_copy(ret->player, sizeof ret->player, id + 1);
    return 0;
}

void lbi_notice(const lbi_store_config *config, int kind, int code, const char *format, ...)
{
    char message[256];
    lb_notice notice = {.kind = kind, .code = code, .message = message};
    va_list args;

    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    config->notice(&notice, config->notice_user);
}
