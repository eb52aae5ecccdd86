/* A byte buffer that cannot be made without a maximum. Bytes go in at the end and out at the
 * front. A failure sticks until the buffer is cleared, so that a run of calls needs one check. */
#ifndef LBI_BASE_BUF_H
#define LBI_BASE_BUF_H

#include <stddef.h>

typedef struct lbi_buf {
    char *data;  /* NULL while nothing was added */
    size_t head; /* the bytes are data[head .. head + len) */
    size_t len;
    size_t size; /* allocated */
    size_t max;  /* len is never more */
    int code;    /* 0, LB_E_NOMEM, LB_E_LIMIT, or what lbi_buf_fail() was given */
} lbi_buf;

/* Allocates nothing. */
void lbi_buf_init(lbi_buf *buf, size_t max);
void lbi_buf_done(lbi_buf *buf);

/* Empty, without an error, the memory kept. */
void lbi_buf_clear(lbi_buf *buf);

/* Makes a failure stick; the first one stays. Returns the one that sticks. */
int lbi_buf_fail(lbi_buf *buf, int code);

/* Return 0 or the sticky code; a failed call adds nothing. */
int lbi_buf_add(lbi_buf *buf, const void *bytes, size_t n);
int lbi_buf_add_text(lbi_buf *buf, const char *text);
int lbi_buf_add_char(lbi_buf *buf, char c);

/* Room for n more bytes, borrowed until the next call; NULL on failure. lbi_buf_commit() makes
 * the first n of them part of the contents. */
char *lbi_buf_reserve(lbi_buf *buf, size_t n);
void lbi_buf_commit(lbi_buf *buf, size_t n);

/* The contents, borrowed until the next call. Never NULL, no NUL at the end. */
char *lbi_buf_bytes(const lbi_buf *buf);

/* Takes n bytes away from the front. */
void lbi_buf_consume(lbi_buf *buf, size_t n);

#endif
