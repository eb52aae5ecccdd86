#include "reql/wire.h"

#include <string.h>

/* What may lie unread behind a frame that is not complete yet. */
enum { READ_AHEAD = 1024 * 1024 };

void lbi_reql_wire_init(lbi_reql_wire *wire, size_t max_frame)
{
    *wire = (lbi_reql_wire){.max_frame = max_frame};
    lbi_buf_init(&wire->in, max_frame + LBI_REQL_HEADER + READ_AHEAD);
}

void lbi_reql_wire_done(lbi_reql_wire *wire)
{
    lbi_buf_done(&wire->in);
}

static uint64_t get_le(const char *p, unsigned n)
{
    uint64_t value = 0;

    while (n-- > 0)
        value = value << 8 | (uint8_t)p[n];
    return value;
}

static void put_le(char *p, uint64_t value, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        p[i] = (char)(value >> (8 * i) & 0xff);
}

/* The frame given out last stays readable until more is asked for. */
static void drop_taken(lbi_reql_wire *wire)
{
    lbi_buf_consume(&wire->in, wire->taken);
    wire->taken = 0;
}

char *lbi_reql_wire_room(lbi_reql_wire *wire, size_t n)
{
    char *room;

    drop_taken(wire);
    if (wire->code < 0)
        return NULL;
    room = lbi_buf_reserve(&wire->in, n);
    wire->code = wire->in.code;
    return room;
}

/* Nothing else is in the buffer while a frame is skipped. */
void lbi_reql_wire_came(lbi_reql_wire *wire, size_t n)
{
    size_t skipped = wire->skip < n ? (size_t)wire->skip : n;

    lbi_buf_commit(&wire->in, n);
    lbi_buf_consume(&wire->in, skipped);
    wire->skip -= skipped;
}

int lbi_reql_wire_feed(lbi_reql_wire *wire, const void *bytes, size_t n)
{
    char *room = lbi_reql_wire_room(wire, n);

    if (!room)
        return wire->code;
    if (n > 0)
        memcpy(room, bytes, n);
    lbi_reql_wire_came(wire, n);
    return 0;
}

static int take_too_long(lbi_reql_wire *wire, lbi_reql_frame *frame)
{
    size_t here = wire->in.len - LBI_REQL_HEADER;

    if (frame->len > LBI_REQL_SKIP_MAX)
        return wire->code = LB_E_PROTO;
    here = here < frame->len ? here : frame->len;
    wire->skip = frame->len - here;
    wire->taken = LBI_REQL_HEADER + here;
    frame->too_long = true;
    return 1;
}

int lbi_reql_wire_next(lbi_reql_wire *wire, lbi_reql_frame *ret)
{
    lbi_reql_frame frame = {0};
    const char *p;

    drop_taken(wire);
    if (wire->code < 0)
        return wire->code;
    if (wire->in.len < LBI_REQL_HEADER)
        return 0;
    p = lbi_buf_bytes(&wire->in);
    frame.token = (int64_t)get_le(p, 8);
    frame.len = (size_t)get_le(p + 8, 4);
    if (frame.len > wire->max_frame) {
        if (take_too_long(wire, &frame) < 0)
            return wire->code;
    } else {
        if (wire->in.len - LBI_REQL_HEADER < frame.len)
            return 0;
        frame.body = p + LBI_REQL_HEADER;
        wire->taken = LBI_REQL_HEADER + frame.len;
    }
    *ret = frame;
    return 1;
}

bool lbi_reql_wire_ready(const lbi_reql_wire *wire)
{
    size_t len, here;

    if (wire->code < 0)
        return true;
    if (wire->in.len < wire->taken + LBI_REQL_HEADER)
        return false;
    here = wire->in.len - wire->taken - LBI_REQL_HEADER;
    len = (size_t)get_le(lbi_buf_bytes(&wire->in) + wire->taken + 8, 4);
    return len > wire->max_frame || len <= here;
}

int lbi_reql_wire_put(lbi_buf *out, int64_t token, const char *body, size_t len)
{
    char *room;

    if (len > UINT32_MAX)
        return lbi_buf_fail(out, LB_E_LIMIT);
    room = lbi_buf_reserve(out, LBI_REQL_HEADER + len);
    if (!room)
        return out->code;
    put_le(room, (uint64_t)token, 8);
    put_le(room + 8, len, 4);
    memcpy(room + LBI_REQL_HEADER, body, len);
    lbi_buf_commit(out, LBI_REQL_HEADER + len);
    return 0;
}
