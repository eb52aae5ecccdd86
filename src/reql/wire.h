/* Frames: 8 bytes of token, 4 bytes of length, both little-endian, then JSON. No I/O: bytes in,
 * frames out. */
#ifndef LBI_REQL_WIRE_H
#define LBI_REQL_WIRE_H

#include "base/buf.h"
#include "leaderboard.h"

#include <stdbool.h>

enum { LBI_REQL_HEADER = 12 };

/* A frame that is larger than the cap, but not absurd, is skipped, so that one large answer does
 * not cost the connection and every write under way on it. */
#define LBI_REQL_SKIP_MAX UINT32_C(0x40000000)

typedef struct lbi_reql_wire {
    lbi_buf in;
    size_t max_frame;
    uint64_t skip; /* bytes still to come of a frame that is skipped */
    size_t taken;  /* bytes of the frame that was given out last */
    int code;      /* 0 or LB_E_PROTO, LB_E_NOMEM, LB_E_LIMIT: sticks */
} lbi_reql_wire;

typedef struct lbi_reql_frame {
    int64_t token;
    const char *body; /* borrowed until the next call; NULL if too_long */
    size_t len;
    bool too_long; /* over the cap: its bytes are skipped */
} lbi_reql_frame;

void lbi_reql_wire_init(lbi_reql_wire *wire, size_t max_frame);
void lbi_reql_wire_done(lbi_reql_wire *wire);

/* What came from the peer. Returns 0 or the sticky code. */
int lbi_reql_wire_feed(lbi_reql_wire *wire, const void *bytes, size_t n);

/* The same without a copy: room for n bytes, NULL on failure (then the code sticks); then how
 * many of them came. */
char *lbi_reql_wire_room(lbi_reql_wire *wire, size_t n);
void lbi_reql_wire_came(lbi_reql_wire *wire, size_t n);

/* Returns 1 = *ret is a frame, 0 = more bytes are needed, < 0 = the sticky code. */
int lbi_reql_wire_next(lbi_reql_wire *wire, lbi_reql_frame *ret);

/* Is there a frame, or a failure, for lbi_reql_wire_next() to report? */
bool lbi_reql_wire_ready(const lbi_reql_wire *wire);

/* Adds a frame to a buffer. Returns 0 or the buffer's sticky code. */
int lbi_reql_wire_put(lbi_buf *out, int64_t token, const char *body, size_t len);

#endif
