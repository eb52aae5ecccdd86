#include "base/sse.h"

void lbi_sse_put_field(lbi_buf *buf, const char *name, const char *value)
{
    (void)lbi_buf_add_text(buf, name);
    (void)lbi_buf_add_text(buf, ": ");
    (void)lbi_buf_add_text(buf, value);
    (void)lbi_buf_add_char(buf, '\n');
}

static size_t line_length(const char *data, size_t size)
{
    size_t n = 0;

    while (n < size && data[n] != '\n' && data[n] != '\r')
        n++;
    return n;
}

void lbi_sse_put_data(lbi_buf *buf, const char *data, size_t size)
{
    const char *end = data + size;

    for (;;) {
        size_t n = line_length(data, (size_t)(end - data));

        (void)lbi_buf_add_text(buf, "data: ");
        (void)lbi_buf_add(buf, data, n);
        (void)lbi_buf_add_char(buf, '\n');
        data += n;
        if (data == end)
            return;
        data += end - data > 1 && data[0] == '\r' && data[1] == '\n' ? 2 : 1;
    }
}

void lbi_sse_put_update(lbi_buf *buf, const char *json, size_t size, const char *state)
{
    lbi_sse_put_field(buf, "id", state);
    lbi_sse_put_field(buf, "event", "update");
    lbi_sse_put_data(buf, json, size);
    (void)lbi_buf_add_char(buf, '\n');
}
