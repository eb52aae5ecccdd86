#include "sse_parse.h"

#include "fault.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

static void text_add(sse_text *text, const char *bytes, size_t n)
{
    size_t need = text->len + n + 1;

    CHECK(need <= SSE_MAX);
    if (need > text->size) {
        fault_suspend(); /* the test's own memory */
        text->bytes = realloc(text->bytes, 2 * need);
        fault_resume();
        CHECK(text->bytes != NULL);
        text->size = 2 * need;
    }
    if (n)
        memcpy(text->bytes + text->len, bytes, n);
    text->len += n;
    text->bytes[text->len] = '\0';
}

static void text_set(sse_text *text, const char *bytes, size_t n)
{
    text->len = 0;
    text_add(text, bytes, n);
}

void sse_open(sse_parser *p)
{
    *p = (sse_parser){.retry_ms = -1};
    text_set(&p->line, "", 0);
    text_set(&p->data, "", 0);
    text_set(&p->type, "", 0);
    text_set(&p->id_buffer, "", 0);
    text_set(&p->last_data, "", 0);
    text_set(&p->last_type, "", 0);
    text_set(&p->last_id, "", 0);
}

void sse_close(sse_parser *p)
{
    free(p->line.bytes);
    free(p->data.bytes);
    free(p->type.bytes);
    free(p->id_buffer.bytes);
    free(p->last_data.bytes);
    free(p->last_type.bytes);
    free(p->last_id.bytes);
}

/* "If the line is empty: dispatch the event." */
static void dispatch(sse_parser *p)
{
    text_set(&p->last_id, p->id_buffer.bytes, p->id_buffer.len);
    if (p->data.len > 0) {
        p->events++;
        text_set(&p->last_data, p->data.bytes, p->data.len - 1); /* without its last LF */
        if (p->type.len > 0)
            text_set(&p->last_type, p->type.bytes, p->type.len);
        else
            text_set(&p->last_type, "message", 7);
    }
    text_set(&p->data, "", 0);
    text_set(&p->type, "", 0);
}

static void set_retry(sse_parser *p, const char *value, size_t n)
{
    int64_t ms = 0;

    for (size_t i = 0; i < n; i++) {
        if (value[i] < '0' || value[i] > '9' || ms > 1000000000)
            return;
        ms = ms * 10 + (value[i] - '0');
    }
    if (n > 0)
        p->retry_ms = ms;
}

static void process_field(sse_parser *p, const char *name, size_t name_len, const char *value,
                          size_t n)
{
    if (name_len == 5 && memcmp(name, "event", 5) == 0)
        text_set(&p->type, value, n);
    if (name_len == 4 && memcmp(name, "data", 4) == 0) {
        text_add(&p->data, value, n);
        text_add(&p->data, "\n", 1);
    }
    if (name_len == 2 && memcmp(name, "id", 2) == 0 && (n == 0 || !memchr(value, '\0', n)))
        text_set(&p->id_buffer, value, n);
    if (name_len == 5 && memcmp(name, "retry", 5) == 0)
        set_retry(p, value, n);
}

static void process_line(sse_parser *p)
{
    const char *line = p->line.bytes, *colon;
    size_t n = p->line.len, skip;

    if (!p->begun && n >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0) {
        line += 3;
        n -= 3;
    }
    p->begun = true;
    colon = n ? memchr(line, ':', n) : NULL;
    if (n == 0) {
        dispatch(p);
    } else if (colon == line) {
        p->comments++;
    } else if (colon) {
        skip = (size_t)(colon - line) + 1;
        skip += skip < n && line[skip] == ' ';
        process_field(p, line, (size_t)(colon - line), line + skip, n - skip);
    } else {
        process_field(p, line, n, "", 0);
    }
    text_set(&p->line, "", 0);
}

void sse_feed(sse_parser *p, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool was_cr = p->after_cr;

        p->after_cr = bytes[i] == '\r';
        if (bytes[i] == '\n' && was_cr)
            continue;
        if (bytes[i] == '\n' || bytes[i] == '\r')
            process_line(p);
        else
            text_add(&p->line, &bytes[i], 1);
    }
}

bool sse_is_between(const sse_parser *p)
{
    return p->line.len == 0 && p->data.len == 0 && p->type.len == 0;
}
