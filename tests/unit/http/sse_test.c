/* What the encoder writes, a parser that was written from the standard reads. */
#include "base/json_out.h"
#include "base/sse.h"
#include "http/event.h"

#include "fault.h"
#include "sse_parse.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

/* The data as the reader has it: every line end is one LF. */
static void expect(const char *data, size_t size, const char *want)
{
    sse_parser p;
    lbi_buf buf;

    lbi_buf_init(&buf, 4096);
    lbi_sse_put_data(&buf, data, size);
    (void)lbi_buf_add_char(&buf, '\n');
    CHECK_EQ(buf.code, 0);
    sse_open(&p);
    for (size_t i = 0; i < buf.len; i++)
        sse_feed(&p, lbi_buf_bytes(&buf) + i, 1);
    CHECK_EQ(p.events, *want != '\0');
    CHECK_STR(p.last_data.bytes, want);
    CHECK(sse_is_between(&p));
    sse_close(&p);
    lbi_buf_done(&buf);
}

TEST(data_of_any_lines)
{
    static const char *const cases[][2] = {
        {"one", "one"},
        {"two\nlines", "two\nlines"},
        {"two\r\nlines", "two\nlines"},
        {"two\rlines", "two\nlines"},
        {"\n", "\n"},
        {"\r\r\n\n", "\n\n\n"},
        {"x\n\nevent: evil\ndata: y\n\n", "x\n\nevent: evil\ndata: y\n\n"},
        {"\r\rid: 1", "\n\nid: 1"},
        {" leading", " leading"},
        {":colon", ":colon"},
        {"\xef\xbb\xbf"
         "bom",
         "\xef\xbb\xbf"
         "bom"},
        {"\xe2\x80\xa8line separator", "\xe2\x80\xa8line separator"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect(cases[i][0], strlen(cases[i][0]), cases[i][1]);
}

TEST(update)
{
    lbi_event *event = lbi_event_update("{\"players\":[]}", 14, "00ff");
    sse_parser p;

    CHECK(event != NULL);
    CHECK_STR(event->state, "00ff");
    sse_open(&p);
    sse_feed(&p, event->bytes, event->size);
    CHECK_EQ(p.events, 1);
    CHECK_STR(p.last_id.bytes, "00ff");
    CHECK_STR(p.last_type.bytes, "update");
    CHECK_STR(p.last_data.bytes, "{\"players\":[]}");
    sse_close(&p);
    CHECK(lbi_event_ref(event) == event);
    CHECK(lbi_event_unref(event) == NULL);
    CHECK_STR(event->state, "00ff");
    CHECK(lbi_event_unref(event) == NULL);
    CHECK(lbi_event_unref(NULL) == NULL);
}

/* A handler and a relay send it: a listener must not see from which of them it has a state. */
TEST(update_of_rows)
{
    lb_player a = {.id = "a", .name = "An\"n", .score = -5, .position = 1, .rank = 1};
    lb_player b = {.id = "b", .name = "B\xc3\xb6", .score = LB_SCORE_MAX, .position = 2, .rank = 1};
    lbi_buf json, event;

    lbi_buf_init(&json, LBI_JSON_MAX);
    lbi_buf_init(&event, LBI_JSON_MAX);
    lbi_put_list_begin(&json, "players");
    lbi_put_player(&json, &a);
    lbi_put_player(&json, &b);
    lbi_put_list_end(&json);
    lbi_sse_put_update(&event, lbi_buf_bytes(&json), json.len, "state");
    CHECK_OK(lbi_buf_add_char(&event, '\0'));
    CHECK_STR(lbi_buf_bytes(&event),
              "id: state\nevent: update\ndata: {\"players\":["
              "{\"id\":\"a\",\"name\":\"An\\\"n\",\"score\":-5,\"position\":1,\"rank\":1},"
              "{\"id\":\"b\",\"name\":\"B\xc3\xb6\",\"score\":9007199254740991,\"position\":2,"
              "\"rank\":1}]}\n\n");
    lbi_buf_done(&json);
    lbi_buf_done(&event);
}

TEST(update_out_of_memory)
{
    FOR_EACH_ALLOC_FAILURE (i) {
        lbi_event *event = lbi_event_update("{}", 2, "1");

        CHECK_EQ(event == NULL, fault_fired());
        (void)lbi_event_unref(event);
    }
}

/* The parser itself, on the standard's own examples. */
TEST(parser_on_examples)
{
    static const struct {
        const char *text;
        unsigned events;
        const char *data, *type, *id;
    } cases[] = {
        {"data: YHOO\ndata: +2\ndata: 10\n\n", 1, "YHOO\n+2\n10", "message", ""},
        {": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
         3, " third event", "message", ""},
        {"data\n\ndata\ndata\n\ndata:", 2, "\n", "message", ""},
        {"data:test\n\ndata: test\n\n", 2, "test", "message", ""},
        {"event: add\ndata: 1\n\nevent: remove\ndata: 2\n\n", 2, "2", "remove", ""},
        {"\xef\xbb\xbf"
         "data: x\r\n\r\n",
         1, "x", "message", ""},
        {"id: 7\r\rdata: x\r\r", 1, "x", "message", "7"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sse_parser p;

        sse_open(&p);
        sse_feed(&p, cases[i].text, strlen(cases[i].text));
        CHECK_EQ(p.events, cases[i].events);
        CHECK_STR(p.last_data.bytes, cases[i].data);
        CHECK_STR(p.last_type.bytes, cases[i].type);
        CHECK_STR(p.last_id.bytes, cases[i].id);
        sse_close(&p);
    }
}
