/* A connection as bytes in and bytes out, whatever it is made of. Nothing here ever sleeps. */
#ifndef LBI_OS_STREAM_H
#define LBI_OS_STREAM_H

#include "leaderboard.h"

#include <stdbool.h>

typedef struct lbi_stream lbi_stream;

/* What a call returns beside 0 and LB_E_... */
enum {
    LBI_STREAM_AGAIN = 1, /* nothing can be done now: poll for lbi_stream_wants() */
    LBI_STREAM_END = 2,   /* the peer has ended the connection in order */
};

enum { LBI_STREAM_READ = 1, LBI_STREAM_WRITE = 2 };

typedef struct lbi_stream_ops {
    int (*open)(lbi_stream *stream, lb_error *reterr);
    int (*read)(lbi_stream *stream, void *buf, size_t size, size_t *ret, lb_error *reterr);
    int (*write)(lbi_stream *stream, const void *buf, size_t size, size_t *ret, lb_error *reterr);
    unsigned (*wants)(const lbi_stream *stream);
    size_t (*held)(const lbi_stream *stream);
    const char *(*doing)(const lbi_stream *stream);
    int (*fd)(const lbi_stream *stream);
    void (*close)(lbi_stream *stream);
} lbi_stream_ops;

struct lbi_stream {
    const lbi_stream_ops *ops;
};

/* Carries on with opening (connecting, the TLS handshake). Returns 0 = open, LBI_STREAM_AGAIN,
 * LB_E_IO, LB_E_TLS, LB_E_NOMEM. */
int lbi_stream_open(lbi_stream *stream, lb_error *reterr);

/* *ret > 0 bytes, and 0 is returned; or LBI_STREAM_AGAIN, LBI_STREAM_END, LB_E_IO, LB_E_TLS. */
int lbi_stream_read(lbi_stream *stream, void *buf, size_t size, size_t *ret, lb_error *reterr);

/* The same for writing. After LBI_STREAM_AGAIN the next write begins with the same bytes; there
 * may be more of them. */
int lbi_stream_write(lbi_stream *stream, const void *buf, size_t size, size_t *ret,
                     lb_error *reterr);

/* What to poll for after LBI_STREAM_AGAIN, beside what the caller wants to do next: bits. TLS may
 * have to write in order to read. */
unsigned lbi_stream_wants(const lbi_stream *stream);

/* How many bytes of those that the last write did not report may be on their way all the same:
 * TLS keeps a record that could not be sent at once. */
size_t lbi_stream_held(const lbi_stream *stream);

/* What opening is at: "connecting", "the TLS handshake". Static. */
const char *lbi_stream_doing(const lbi_stream *stream);

/* The descriptor to poll; -1 = none. Borrowed. */
int lbi_stream_fd(const lbi_stream *stream);

/* Closes and frees. NULL is legal. */
void lbi_stream_close(lbi_stream *stream);

#endif
