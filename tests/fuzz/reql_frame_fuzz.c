/* Frames out of any bytes, in pieces of a size that the first byte gives. */
#include "reql/wire.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_FRAME = 300 };

static void use(const lbi_reql_frame *frame)
{
    uint8_t sum = 0;

    if (frame->too_long ? frame->len <= MAX_FRAME : frame->len > MAX_FRAME)
        abort();
    for (size_t i = 0; !frame->too_long && i < frame->len; i++)
        sum ^= (uint8_t)frame->body[i];
    if (sum == 0 && frame->token == INT64_MIN && frame->len == MAX_FRAME - 1)
        abort(); /* never: keeps the sum from being optimised away */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lbi_reql_wire wire;
    lbi_reql_frame frame;
    size_t piece = size ? (size_t)data[0] + 1 : 1;

    lbi_reql_wire_init(&wire, MAX_FRAME);
    for (size_t at = size ? 1 : 0; at < size; at += piece) {
        size_t n = piece < size - at ? piece : size - at;

        if (lbi_reql_wire_feed(&wire, data + at, n) < 0)
            break;
        while (lbi_reql_wire_ready(&wire) && lbi_reql_wire_next(&wire, &frame) > 0)
            use(&frame);
        if (wire.code == 0 && lbi_reql_wire_next(&wire, &frame) != 0)
            abort();
    }
    lbi_reql_wire_done(&wire);
    return 0;
}
