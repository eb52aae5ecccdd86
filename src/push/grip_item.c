#include "push/grip_item.h"

#include "base/json.h"
#include "leaderboard.h"

#include <string.h>

#define BEGIN "{\"items\":["
#define END "]}"

int lbi_grip_formats_put(lbi_buf *buf, lbi_grip_action action, const char *content, size_t len)
{
    if (action == LBI_GRIP_HINT)
        return lbi_buf_add_text(buf, "{\"http-stream\":{\"action\":\"hint\"}}");
    if (action == LBI_GRIP_CLOSE)
        return lbi_buf_add_text(buf, "{\"http-stream\":{\"action\":\"close\"}}");
    (void)lbi_buf_add_text(buf, "{\"http-stream\":{\"content\":");
    (void)lbi_json_put_text(buf, content, len);
    return lbi_buf_add_text(buf, "}}");
}

static void put_member(lbi_buf *buf, const char *key, const char *value)
{
    (void)lbi_buf_add_text(buf, key);
    (void)lbi_json_put_text(buf, value, strlen(value));
}

static void put_item(lbi_buf *buf, const lbi_grip_item *item)
{
    put_member(buf, "{\"channel\":", item->channel);
    if (*item->id)
        put_member(buf, ",\"id\":", item->id);
    if (*item->prev_id)
        put_member(buf, ",\"prev-id\":", item->prev_id);
    (void)lbi_buf_add_text(buf, ",\"formats\":");
    (void)lbi_buf_add(buf, item->formats, item->formats_len);
    (void)lbi_buf_add_char(buf, '}');
}

int lbi_grip_body_add(lbi_buf *buf, const lbi_grip_item *item)
{
    size_t before = buf->len;

    (void)lbi_buf_add_text(buf, before == 0 ? BEGIN : ",");
    put_item(buf, item);
    if (buf->code == 0 && buf->max - buf->len >= strlen(END))
        return 1;
    if (buf->code < 0 && buf->code != LB_E_LIMIT)
        return buf->code;
    buf->len = before;
    buf->code = 0;
    return 0;
}

int lbi_grip_body_end(lbi_buf *buf)
{
    return lbi_buf_add_text(buf, END);
}
