#include "base/json_out.h"

#include "base/json.h"

#include <string.h>

static void put_key(lbi_buf *buf, const char *key)
{
    if (buf->len > 0 && lbi_buf_bytes(buf)[buf->len - 1] != '{')
        (void)lbi_buf_add_char(buf, ',');
    (void)lbi_buf_add_char(buf, '"');
    (void)lbi_buf_add_text(buf, key);
    (void)lbi_buf_add_text(buf, "\":");
}

static void put_text(lbi_buf *buf, const char *key, const char *text)
{
    put_key(buf, key);
    (void)lbi_json_put_text(buf, text, strlen(text));
}

static void put_int(lbi_buf *buf, const char *key, int64_t value)
{
    put_key(buf, key);
    (void)lbi_json_put_int(buf, value);
}

/* An object at the top or as the next element of a list. */
static void begin_object(lbi_buf *buf)
{
    if (buf->len > 0 && lbi_buf_bytes(buf)[buf->len - 1] == '}')
        (void)lbi_buf_add_char(buf, ',');
    (void)lbi_buf_add_char(buf, '{');
}

void lbi_put_player(lbi_buf *buf, const lb_player *player)
{
    begin_object(buf);
    put_text(buf, "id", player->id);
    put_text(buf, "name", player->name);
    put_int(buf, "score", player->score);
    if (player->position) {
        put_int(buf, "position", (int64_t)player->position);
        put_int(buf, "rank", (int64_t)player->rank);
    }
    (void)lbi_buf_add_char(buf, '}');
}

void lbi_put_board(lbi_buf *buf, const lb_board *board)
{
    begin_object(buf);
    put_text(buf, "id", board->id);
    put_key(buf, "ascending");
    (void)lbi_buf_add_text(buf, board->ascending ? "true" : "false");
    put_int(buf, "created_us", board->created_us);
    (void)lbi_buf_add_char(buf, '}');
}

void lbi_put_list_begin(lbi_buf *buf, const char *name)
{
    (void)lbi_buf_add_char(buf, '{');
    put_key(buf, name);
    (void)lbi_buf_add_char(buf, '[');
}

void lbi_put_list_end(lbi_buf *buf)
{
    (void)lbi_buf_add_text(buf, "]}");
}

void lbi_put_error(lbi_buf *buf, const char *code, const char *message)
{
    (void)lbi_buf_add_text(buf, "{\"error\":{");
    put_text(buf, "code", code);
    put_text(buf, "message", message);
    (void)lbi_buf_add_text(buf, "}}");
}
