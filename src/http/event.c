#include "http/event.h"

#include "base/sse.h"

#include <stdlib.h>
#include <string.h>

lbi_event *lbi_event_new(const lbi_buf *buf, const char *state)
{
    lbi_event *event = buf->code < 0 ? NULL : malloc(sizeof *event + buf->len);

    if (!event)
        return NULL;
    *event = (lbi_event){.refs = 1, .size = buf->len};
    memcpy(event->state, state, strnlen(state, sizeof event->state - 1));
    memcpy(event->bytes, lbi_buf_bytes(buf), buf->len);
    return event;
}

lbi_event *lbi_event_ref(lbi_event *event)
{
    event->refs++;
    return event;
}

lbi_event *lbi_event_unref(lbi_event *event)
{
    if (event && --event->refs == 0)
        free(event);
    return NULL;
}

lbi_event *lbi_event_update(const char *json, size_t size, const char *state)
{
    lbi_event *event;
    lbi_buf buf;

    lbi_buf_init(&buf, size + 4096); /* json is one line */
    lbi_sse_put_update(&buf, json, size, state);
    event = lbi_event_new(&buf, state);
    lbi_buf_done(&buf);
    return event;
}
