/* A handshake with a server that says anything. Our nonce is the recorder's, so that recorded
 * challenges fit. */
#include "reql/handshake.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t nonce[LBI_SCRAM_NONCE];
    lbi_reql_salted salted = {.valid = false};
    lbi_reql_handshake hs;
    lb_error error;
    lbi_buf out;
    size_t used = 0, piece = size ? (size_t)data[0] + 1 : 1;
    int r;

    for (size_t i = 0; i < sizeof nonce; i++)
        nonce[i] = (uint8_t)(i * 3);
    lbi_buf_init(&out, 65536);
    lbi_reql_handshake_init(&hs, "admin", "", &salted);
    r = lbi_reql_handshake_start(&hs, nonce, &out, &error);
    for (size_t at = 1; r == 0 && at < size && hs.stage != LBI_REQL_READY; at += piece) {
        size_t n = piece < size - at ? piece : size - at;

        r = lbi_reql_handshake_feed(&hs, (const char *)data + at, n, &used, &error);
        if (used > n)
            abort();
        /* A million iterations are legal, and nothing new after the first few. */
        for (int i = 0; r == 0 && i < 5; i++) {
            r = lbi_reql_handshake_work(&hs, &out, &error);
            if (r == 1)
                r = 0;
        }
    }
    if (r < 0 && error.msg[0] == '\0')
        abort();
    lbi_reql_handshake_done(&hs);
    lbi_buf_done(&out);
    return 0;
}
