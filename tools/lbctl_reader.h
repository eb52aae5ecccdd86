/* The lines of a file, twice: a pipe is copied into a temporary file first. */
#ifndef LBCTL_READER_H
#define LBCTL_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LBCTL_LINE_MAX 65536
#define LBCTL_READER_LONG (-2) /* the line has more bytes than that */

struct lbctl_reader {
    const char *name; /* for messages */
    int fd;
    int64_t base, size; /* of what is read, in bytes; base: where it begins in the file */
    int64_t at;         /* bytes that were read */
    uint64_t line;      /* number of the last one, from 1 */
    char *buf;
    size_t start, end;
};

/* Opens the file, "-" is standard input. False after saying why. */
bool lbctl_reader_open(struct lbctl_reader *reader, const char *path);
/* 1 = a line, without its end; 0 = there are no more; LBCTL_READER_LONG; -1 after saying why.
 * Borrowed until the next call. */
int lbctl_reader_next(struct lbctl_reader *reader, const char **ret, size_t *ret_len);
/* Back to the first line. */
bool lbctl_reader_rewind(struct lbctl_reader *reader);
void lbctl_reader_close(struct lbctl_reader *reader);

#endif
