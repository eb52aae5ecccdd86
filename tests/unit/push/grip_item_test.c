#include "push/grip_item.h"

#include "fault.h"
#include "test.h"

#include "base/json.h"
#include "leaderboard.h"

#include <stdlib.h>
#include <string.h>

static const char *formats(lbi_grip_action action, const char *content)
{
    static char text[1000];
    lbi_buf buf;

    lbi_buf_init(&buf, sizeof text);
    CHECK_OK(lbi_grip_formats_put(&buf, action, content, strlen(content)));
    CHECK_OK(lbi_buf_add_char(&buf, '\0'));
    memcpy(text, lbi_buf_bytes(&buf), buf.len);
    lbi_buf_done(&buf);
    return text;
}

static lbi_grip_item item(const char *channel, const char *id, const char *prev_id,
                          const char *text)
{
    return (lbi_grip_item){.channel = channel,
                           .id = id,
                           .prev_id = prev_id,
                           .formats = text,
                           .formats_len = strlen(text)};
}

TEST(what_to_do)
{
    CHECK_STR(
        formats(LBI_GRIP_CONTENT, "id: 1\ndata: \"\\\x01\n\n"),
        "{\"http-stream\":{\"content\":\"id: 1\\u000adata: \\\"\\\\\\u0001\\u000a\\u000a\"}}");
    CHECK_STR(formats(LBI_GRIP_HINT, ""), "{\"http-stream\":{\"action\":\"hint\"}}");
    CHECK_STR(formats(LBI_GRIP_CLOSE, ""), "{\"http-stream\":{\"action\":\"close\"}}");
}

TEST(what_is_no_text)
{
    lbi_buf buf;

    lbi_buf_init(&buf, 1000);
    CHECK_EQ(lbi_grip_formats_put(&buf, LBI_GRIP_CONTENT, "\xff", 1), LB_E_INVAL);
    lbi_buf_done(&buf);
}

TEST(a_body)
{
    const char *close = "{\"http-stream\":{\"action\":\"close\"}}";
    lbi_grip_item first = item("a", "1", "0", close), second = item("b", "", "", close);
    lbi_buf buf;

    lbi_buf_init(&buf, LBI_GRIP_BODY_MAX);
    CHECK_EQ(lbi_grip_body_add(&buf, &first), 1);
    CHECK_EQ(lbi_grip_body_add(&buf, &second), 1);
    CHECK_OK(lbi_grip_body_end(&buf));
    CHECK_OK(lbi_buf_add_char(&buf, '\0'));
    CHECK_STR(lbi_buf_bytes(&buf),
              "{\"items\":["
              "{\"channel\":\"a\",\"id\":\"1\",\"prev-id\":\"0\",\"formats\":"
              "{\"http-stream\":{\"action\":\"close\"}}},"
              "{\"channel\":\"b\",\"formats\":{\"http-stream\":{\"action\":\"close\"}}}]}");
    lbi_buf_done(&buf);
}

/* As many as fit, whatever the room: never a body that is longer, never half an item. */
TEST(a_body_that_is_full)
{
    lbi_grip_item one = item("channel", "id", "", "{\"http-stream\":{\"action\":\"hint\"}}");

    for (size_t max = 1; max < 400; max++) {
        lbi_json *root = NULL;
        size_t n = 0, found = 0;
        lbi_buf buf;

        lbi_buf_init(&buf, max);
        while (lbi_grip_body_add(&buf, &one) == 1)
            n++;
        CHECK_EQ(buf.code, 0);
        if (n > 0) {
            CHECK_OK(lbi_grip_body_end(&buf));
            CHECK_OK(lbi_json_parse(lbi_buf_bytes(&buf), buf.len, 1000, 8, &root, NULL));
            for (const lbi_json *i = lbi_json_first(lbi_json_get(root, "items")); i;
                 i = lbi_json_next(i))
                found++;
            lbi_json_free(root);
        } else {
            CHECK_EQ(buf.len, 0);
        }
        CHECK_EQ(found, n);
        lbi_buf_done(&buf);
    }
}

TEST(out_of_memory)
{
    FOR_EACH_ALLOC_FAILURE (i) {
        lbi_grip_item one = item("channel", "id", "", "{}");
        lbi_buf buf;
        int r;

        lbi_buf_init(&buf, 10000);
        do
            r = lbi_grip_body_add(&buf, &one);
        while (r == 1);
        CHECK(r == 0 || (r == LB_E_NOMEM && fault_fired()));
        lbi_buf_done(&buf);
    }
}
