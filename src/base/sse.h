/* The text of server-sent events. A failure sticks to the buffer. */
#ifndef LBI_BASE_SSE_H
#define LBI_BASE_SSE_H

#include "base/buf.h"

/* Adds a field of one line; value holds no line end. */
void lbi_sse_put_field(lbi_buf *buf, const char *name, const char *value);

/* Adds data, a line of its own for each line in it (ended by CR LF, LF or CR). */
void lbi_sse_put_data(lbi_buf *buf, const char *data, size_t size);

/* Adds the event that tells a board's state, the same bytes whoever sends it:
 *
 *     id: STATE
 *     event: update
 *     data: {"players":[ … ]}
 *
 * and an empty line. */
void lbi_sse_put_update(lbi_buf *buf, const char *json, size_t size, const char *state);

#endif
