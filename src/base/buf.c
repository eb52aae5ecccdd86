#include "base/buf.h"

#include "leaderboard.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_SIZE = 256, KEPT_SIZE = 1024 * 1024 };

void lbi_buf_init(lbi_buf *buf, size_t max)
{
    *buf = (lbi_buf){.max = max};
}

void lbi_buf_done(lbi_buf *buf)
{
    free(buf->data);
    *buf = (lbi_buf){.max = buf->max};
}

void lbi_buf_clear(lbi_buf *buf)
{
    buf->head = 0;
    buf->len = 0;
    buf->code = 0;
}

int lbi_buf_fail(lbi_buf *buf, int code)
{
    if (buf->code == 0)
        buf->code = code;
    return buf->code;
}

static void close_gap(lbi_buf *buf)
{
    if (buf->head > 0)
        memmove(buf->data, buf->data + buf->head, buf->len);
    buf->head = 0;
}

static int grow(lbi_buf *buf, size_t need)
{
    size_t size = buf->size ? buf->size : FIRST_SIZE;
    char *data;

    while (size < need)
        size = size > SIZE_MAX / 2 ? need : size * 2;
    data = realloc(buf->data, size);
    if (!data)
        return lbi_buf_fail(buf, LB_E_NOMEM);
    buf->data = data;
    buf->size = size;
    return 0;
}

char *lbi_buf_reserve(lbi_buf *buf, size_t n)
{
    if (buf->code < 0)
        return NULL;
    if (n > buf->max - buf->len) {
        (void)lbi_buf_fail(buf, LB_E_LIMIT);
        return NULL;
    }
    /* Moved only when at least as much was consumed as is left: each byte moves once at most. */
    if (buf->head >= buf->len)
        close_gap(buf);
    if (n > buf->size - buf->head - buf->len || !buf->data) {
        if (grow(buf, buf->head + buf->len + n) < 0)
            return NULL;
    }
    return buf->data + buf->head + buf->len;
}

void lbi_buf_commit(lbi_buf *buf, size_t n)
{
    buf->len += n;
}

int lbi_buf_add(lbi_buf *buf, const void *bytes, size_t n)
{
    char *room = lbi_buf_reserve(buf, n);

    if (!room)
        return buf->code;
    if (n > 0)
        memcpy(room, bytes, n);
    buf->len += n;
    return 0;
}

int lbi_buf_add_text(lbi_buf *buf, const char *text)
{
    return lbi_buf_add(buf, text, strlen(text));
}

int lbi_buf_add_char(lbi_buf *buf, char c)
{
    return lbi_buf_add(buf, &c, 1);
}

char *lbi_buf_bytes(const lbi_buf *buf)
{
    static char nothing[1];

    return buf->data ? buf->data + buf->head : nothing;
}

void lbi_buf_consume(lbi_buf *buf, size_t n)
{
    if (n > buf->len)
        n = buf->len;
    buf->head += n;
    buf->len -= n;
    if (buf->len > 0)
        return;
    buf->head = 0;
    if (buf->size > KEPT_SIZE) { /* one large frame must not be paid for ever after */
        free(buf->data);
        buf->data = NULL;
        buf->size = 0;
    }
}
