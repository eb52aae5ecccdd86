/* What can be asked for, and the answers of the library made into replies. */
#include "http/call.h"

#include "base/error.h"
#include "base/json_out.h"
#include "base/str.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- Completions ---------------------------------------------------------------------------- */

/* Whether anybody still waits for this; if not, the call is freed. */
static bool is_awaited(lb_http_call *call)
{
    call->op = NULL;
    call->is_joining = false;
    if (call->fn)
        return true;
    lbi_call_free(call);
    return false;
}

static bool begins_with(const char *text, const char *word)
{
    return strncmp(text, word, strlen(word)) == 0;
}

/* A database of a newer version is no fault of the request; nor is any conflict but one with the
 * board or the key that it named: the others are with a database of somebody else, whose name they
 * say. */
static void fail_code(lb_http_call *call, int code, const char *message)
{
    bool broken =
        code == LB_E_UNSUPPORTED || (code == LB_E_CONFLICT && !begins_with(message, "board '") &&
                                     !begins_with(message, "idempotency key '"));

    if (broken)
        lbi_reply_broken(call, code, message);
    else
        lbi_reply_failure(call, code, message);
}

static void fail(lb_http_call *call, const lb_result *result)
{
    fail_code(call, result->code, result->message);
}

static void add_location(lb_http_call *call, const char *board, const char *player)
{
    if (player)
        lbi_reply_fieldf(call, "Location", "%s/boards/%s/players/%s/", call->http->path_prefix,
                         board, player);
    else
        lbi_reply_fieldf(call, "Location", "%s/boards/%s/", call->http->path_prefix, board);
}

static void reply_player(lb_http_call *call, const lb_player *player, int status)
{
    lbi_put_player(&call->body, player);
    lbi_reply_json(call, status);
}

static void on_player(const lb_result *result, void *user)
{
    lb_http_call *call = user;

    if (!is_awaited(call))
        return;
    if (result->code < 0)
        fail(call, result);
    else
        reply_player(call, result->player, 200);
}

static void on_new_player(const lb_result *result, void *user)
{
    lb_http_call *call = user;

    if (!is_awaited(call))
        return;
    if (result->code < 0) {
        fail(call, result);
        return;
    }
    add_location(call, result->player->board, result->player->id);
    reply_player(call, result->player, result->code == 1 ? 201 : 200);
}

static void on_new_board(const lb_result *result, void *user)
{
    lb_http_call *call = user;

    if (!is_awaited(call))
        return;
    if (result->code < 0) {
        fail(call, result);
        return;
    }
    add_location(call, result->board->id, NULL);
    lbi_put_board(&call->body, result->board);
    lbi_reply_json(call, result->code == 1 ? 201 : 200);
}

static void on_removed(const lb_result *result, void *user)
{
    lb_http_call *call = user;

    if (!is_awaited(call))
        return;
    if (result->code < 0)
        fail(call, result);
    else
        lbi_reply_empty(call, 204);
}

/* ---- Lists ---------------------------------------------------------------------------------- */

static int add_row(const lb_player *player, void *user)
{
    lb_http_call *call = user;

    if (call->n_rows++ == 0) {
        call->position = player->position;
        call->rank = player->rank;
    }
    if (call->n_rows == call->limit)
        (void)lb_player_cursor(player, call->last, sizeof call->last);
    lbi_put_player(&call->body, player);
    return 0;
}

static int add_board(const lb_board *board, void *user)
{
    lb_http_call *call = user;

    if (++call->n_rows == call->limit)
        lbi_copy(call->last, sizeof call->last, board->id);
    lbi_put_board(&call->body, board);
    return 0;
}

/* A full page may have another one behind it. */
static void add_link(lb_http_call *call, const char *path)
{
    if (call->last[0])
        lbi_reply_fieldf(call, "Link", "<%s%s?limit=%" PRIu32 "&after=%s>; rel=\"next\"",
                         call->http->path_prefix, path, call->limit, call->last);
}

static void on_boards(const lb_result *result, void *user)
{
    lb_http_call *call = user;

    if (!is_awaited(call))
        return;
    /* Without a database there are no boards. */
    if (result->code < 0 && result->code != LB_E_NOTFOUND) {
        fail(call, result);
        return;
    }
    lbi_put_list_end(&call->body);
    add_link(call, "/boards/");
    lbi_reply_json(call, 200);
}

/* The rows of the first page say their own places. Those of a later one stay the same when their
 * places change: the place of the first of them tells those of all. */
static const char *make_tag(lb_http_call *call, const char *state)
{
    bool first = !(call->params.given & (LBI_OFFSET | LBI_AFTER));
    char tag[LB_STATE_SIZE + 48];

    if (first)
        (void)snprintf(tag, sizeof tag, "\"%s\"", state);
    else
        (void)snprintf(tag, sizeof tag, "\"%s-%" PRIu64 "-%" PRIu64 "\"", state, call->position,
                       call->rank);
    return lbi_arena_text(&call->arena, tag, strlen(tag));
}

static void reply_page(lb_http_call *call, const char *state)
{
    const char *tag = state ? make_tag(call, state) : NULL;
    char path[LB_BOARD_MAX + 32];

    if (tag)
        lbi_reply_field(call, "ETag", tag);
    if (tag && call->if_none_match && lbi_tag_matches(call->if_none_match, tag)) {
        lbi_reply_json(call, 304);
        return;
    }
    (void)snprintf(path, sizeof path, "/boards/%s/%s", call->target.board,
                   call->target.route == LBI_PLAYERS ? "players/" : "");
    add_link(call, path);
    lbi_reply_json(call, 200);
}

/* ---- Event streams -------------------------------------------------------------------------- */

static void reply_stream(lb_http_call *call, lbi_follower *follower)
{
    lb_http *http = call->http;

    if (http->n_streams >= http->max_streams) {
        lbi_reply_failure(call, LB_E_LIMIT, "");
        return;
    }
    call->stream = lbi_stream_new(http, follower, call->last_event_id);
    if (!call->stream) {
        lbi_reply_failure(call, LB_E_NOMEM, "");
        return;
    }
    http->counters.streams++;
    lbi_reply_stream(call);
}

void lbi_call_joined(lb_http_call *call, lbi_follower *follower, const lb_error *error)
{
    if (!is_awaited(call))
        return;
    if (error->code < 0)
        fail_code(call, error->code, error->msg);
    else
        reply_stream(call, follower);
}

static void on_page(const lb_result *result, void *user)
{
    lb_http_call *call = user;

    if (!is_awaited(call))
        return;
    lbi_put_list_end(&call->body);
    if (call->hold == LBI_HOLD_NEXT && result->code == LB_E_NOTFOUND)
        lbi_reply_empty(call, 204); /* success without a hold: the proxy ends the streams */
    else if (result->code < 0)
        fail(call, result);
    else if (call->hold)
        lbi_reply_hold(call, result->state);
    else if (call->wants_stream)
        lbi_reply_stream(call); /* HEAD */
    else
        reply_page(call, result->state);
}

/* ---- Starting ------------------------------------------------------------------------------- */

static lb_read_options read_options(const lb_http_call *call)
{
    lb_read_options ret;

    lb_read_options_init(&ret);
    ret.timeout_ms = call->http->timeout_ms;
    ret.flags = call->params.rank ? LB_READ_PLACE : 0;
    return ret;
}

static lb_write_options write_options(const lb_http_call *call)
{
    lb_write_options ret;

    lb_write_options_init(&ret);
    ret.timeout_ms = call->http->timeout_ms;
    return ret;
}

static lb_range range_of(const lb_http_call *call)
{
    const lbi_params *p = &call->params;
    lb_range ret;

    lb_range_init(&ret);
    ret.timeout_ms = call->http->timeout_ms;
    ret.limit = call->limit;
    ret.offset = p->offset;
    ret.after = p->given & LBI_AFTER ? p->after : NULL;
    return ret;
}

static int start_boards(lb_http_call *call, lb_error *reterr)
{
    lb_range range;

    call->limit = call->params.limit ? call->params.limit : LB_LIMIT_MAX;
    range = range_of(call);
    lbi_put_list_begin(&call->body, "boards");
    return lb_board_list_start(call->http->client, &range, add_board, on_boards, call, &call->op,
                               reterr);
}

static int check_stream(const lb_http_call *call, lb_error *reterr)
{
    const lbi_params *p = &call->params;

    if (p->given & (LBI_OFFSET | LBI_AFTER))
        return lbi_fail(reterr, LB_E_INVAL, "an event stream begins with the first row");
    if (p->limit && p->limit != call->http->limit)
        return lbi_fail(reterr, LB_E_INVAL, "event streams have %" PRIu32 " rows",
                        call->http->limit);
    return 0;
}

static int start_page(lb_http_call *call, lb_error *reterr)
{
    lb_range range;

    call->limit = call->params.limit ? call->params.limit : call->http->limit;
    if (call->wants_stream) {
        int r = check_stream(call, reterr);

        if (r < 0)
            return r;
        if (!call->hold && !call->head)
            return lbi_follower_join(call->http, call->target.board, call, reterr);
    }
    range = range_of(call);
    range.flags = LB_READ_STATE | (call->hold ? LB_READ_DURABLE : 0);
    lbi_put_list_begin(&call->body, "players");
    return lb_board_get_start(call->http->client, call->target.board, &range, add_row, on_page,
                              call, &call->op, reterr);
}

static int create_board(lb_http_call *call, const char *board, lb_error *reterr)
{
    lb_write_options opts = write_options(call);
    uint32_t flags = call->params.ascending ? LB_BOARD_ASCENDING : 0;

    return lb_board_create_start(call->http->client, board, flags, &opts, on_new_board, call,
                                 &call->op, reterr);
}

static int post_board(lb_http_call *call, lb_error *reterr)
{
    return create_board(call, call->params.given & LBI_ID ? call->params.id : NULL, reterr);
}

static int put_board(lb_http_call *call, lb_error *reterr)
{
    return create_board(call, call->target.board, reterr);
}

static int delete_board(lb_http_call *call, lb_error *reterr)
{
    lb_write_options opts = write_options(call);

    return lb_board_delete_start(call->http->client, call->target.board, &opts, on_removed, call,
                                 &call->op, reterr);
}

static int start_player(lb_http_call *call, lb_error *reterr)
{
    lb_read_options opts = read_options(call);

    return lb_player_get_start(call->http->client, call->target.board, call->target.player, &opts,
                               on_player, call, &call->op, reterr);
}

static int name_player(lb_http_call *call, const char *player, lb_done_fn done, lb_error *reterr)
{
    lb_write_options opts = write_options(call);
    const char *name = call->params.given & LBI_NAME ? call->params.name : NULL;

    return lb_player_put_start(call->http->client, call->target.board, player, name, &opts, done,
                               call, &call->op, reterr);
}

/* Whether there is a player of the id that is to be created. There may be one a moment later: then
 * that one is renamed. */
static void on_looked(const lb_result *result, void *user)
{
    lb_http_call *call = user;
    lb_error error = {.msg = ""};
    int r;

    if (!is_awaited(call))
        return;
    if (result->code == LB_E_NOTFOUND) {
        call->writes = true;
        r = name_player(call, call->params.id, on_new_player, &error);
        if (r < 0)
            lbi_reply_failure(call, r, error.msg);
    } else if (result->code < 0) {
        fail(call, result);
    } else if (call->params.given & LBI_NAME &&
               strcmp(call->params.name, result->player->name) != 0) {
        lbi_reply_failure(call, LB_E_CONFLICT,
                          "there is a player of this id with another name: PUT renames it");
    } else {
        add_location(call, result->player->board, result->player->id);
        reply_player(call, result->player, 200);
    }
}

static int post_player(lb_http_call *call, lb_error *reterr)
{
    lb_read_options opts = read_options(call);
    const char *name = call->params.given & LBI_NAME ? call->params.name : NULL;
    int r = name ? lb_name_check(name, reterr) : 0;

    if (r < 0)
        return r;
    if (!(call->params.given & LBI_ID))
        return name_player(call, NULL, on_new_player, reterr);
    call->writes = false; /* not yet */
    return lb_player_get_start(call->http->client, call->target.board, call->params.id, &opts,
                               on_looked, call, &call->op, reterr);
}

static int put_player(lb_http_call *call, lb_error *reterr)
{
    return name_player(call, call->target.player, on_player, reterr);
}

static int delete_player(lb_http_call *call, lb_error *reterr)
{
    lb_write_options opts = write_options(call);

    return lb_player_remove_start(call->http->client, call->target.board, call->target.player,
                                  &opts, on_removed, call, &call->op, reterr);
}

static int add_score(lb_http_call *call, lb_error *reterr)
{
    int64_t amount = call->params.given & LBI_AMOUNT ? call->params.amount : 1;
    lb_write_options opts = write_options(call);

    opts.idempotency_key = call->key;
    if (call->http->flags & LB_HTTP_CREATE)
        opts.flags = LB_WRITE_CREATE;
    return lb_score_add_start(call->http->client, call->target.board, call->target.player, amount,
                              &opts, on_player, call, &call->op, reterr);
}

/* ---- The table ------------------------------------------------------------------------------ */

enum { PAGE = LBI_LIMIT | LBI_OFFSET | LBI_AFTER };

static const lbi_endpoint endpoints[] = {
    {LBI_BOARDS, "GET", false, LBI_LIMIT | LBI_AFTER, 0, false, start_boards},
    {LBI_BOARDS, "POST", true, 0, LBI_ID | LBI_ASCENDING, false, post_board},
    {LBI_BOARD, "GET", false, PAGE, 0, true, start_page},
    {LBI_BOARD, "PUT", true, 0, LBI_ASCENDING, false, put_board},
    {LBI_BOARD, "DELETE", true, 0, 0, false, delete_board},
    {LBI_PLAYERS, "GET", false, PAGE, 0, false, start_page},
    {LBI_PLAYERS, "POST", true, 0, LBI_ID | LBI_NAME, false, post_player},
    {LBI_PLAYER, "GET", false, LBI_RANK, 0, false, start_player},
    {LBI_PLAYER, "PUT", true, 0, LBI_NAME, false, put_player},
    {LBI_PLAYER, "DELETE", true, 0, 0, false, delete_player},
    {LBI_ADD, "POST", true, 0, LBI_AMOUNT, false, add_score},
};

const lbi_endpoint *lbi_endpoint_find(lbi_route route, const char *method)
{
    if (strcmp(method, "HEAD") == 0)
        method = "GET";
    for (size_t i = 0; i < sizeof endpoints / sizeof *endpoints; i++) {
        if (endpoints[i].route == route && strcmp(endpoints[i].method, method) == 0)
            return &endpoints[i];
    }
    return NULL;
}

const char *lbi_endpoint_allow(lbi_route route)
{
    static const char *const allow[] = {
        [LBI_BOARDS] = "GET, HEAD, POST, OPTIONS",
        [LBI_BOARD] = "GET, HEAD, PUT, DELETE, OPTIONS",
        [LBI_PLAYERS] = "GET, HEAD, POST, OPTIONS",
        [LBI_PLAYER] = "GET, HEAD, PUT, DELETE, OPTIONS",
        [LBI_ADD] = "POST, OPTIONS",
    };

    return allow[route];
}
