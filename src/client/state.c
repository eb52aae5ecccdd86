/* The id of a state: what an event stream, an HTTP cache and a proxy know a page by. */
#include "client/client.h"

#include "os/digest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* The rows as text, every field ended by a NUL: what is hashed into the state id. */
static size_t write_row(char *buf, size_t size, const lb_player *row)
{
    int n = snprintf(buf, size, "%s%c%s%c%" PRId64 "%c%" PRId64 "%c", row->id, 0, row->name, 0,
                     row->score, 0, row->reached_us, 0);

    return (size_t)n;
}

int lbi_state_id(const lbi_request *request, char ret[LB_STATE_SIZE])
{
    enum { ROW_MAX = LB_PLAYER_MAX + LB_NAME_MAX * 3 + 64 };
    uint8_t digest[LBI_SHA256_SIZE];
    char *text = malloc(request->n_rows * ROW_MAX + 1);
    size_t len = 0;
    int r;

    if (!text)
        return LB_E_NOMEM;
    for (size_t i = 0; i < request->n_rows; i++)
        len += write_row(text + len, ROW_MAX, &request->rows[i]);
    r = lbi_sha256(text, len, digest);
    free(text);
    for (size_t i = 0; r == 0 && i < (LB_STATE_SIZE - 1) / 2; i++)
        (void)snprintf(ret + 2 * i, 3, "%02x", digest[i]);
    return r;
}
