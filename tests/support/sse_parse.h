/* An event stream as a browser reads it, written from the rules of the HTML standard (9.2.6,
 * "Interpreting an event stream") and from nothing of ours. */
#ifndef SSE_PARSE_H
#define SSE_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SSE_MAX = 1024 * 1024 };

typedef struct sse_text {
    char *bytes; /* always with a NUL behind */
    size_t len, size;
} sse_text;

typedef struct sse_parser {
    sse_text line, data, type, id_buffer;
    bool after_cr; /* the last byte was a CR: an LF that follows belongs to it */
    bool begun;    /* the first bytes, where a BOM may be, are behind */
    unsigned comments;

    /* What was dispatched last. */
    unsigned events;
    sse_text last_data, last_type, last_id;
    int64_t retry_ms; /* -1 = none was given */
} sse_parser;

void sse_open(sse_parser *p);
void sse_close(sse_parser *p);

/* Any cut is right, that of one byte too. */
void sse_feed(sse_parser *p, const char *bytes, size_t n);

/* Is the parser between two events, and nothing half read? */
bool sse_is_between(const sse_parser *p);

#endif
