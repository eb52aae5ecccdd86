/* The lines of a file, or the JSON objects in it, twice: a pipe is copied into a temporary file
 * first. */
#ifndef LBCTL_READER_H
#define LBCTL_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LBCTL_LINE_MAX 65536
#define LBCTL_READER_LONG (-2) /* the line or the object has more bytes than that */
#define LBCTL_READER_BAD (-3)  /* what stands between two objects is wrong */

struct lbctl_reader {
    const char *name; /* for messages */
    int fd;
    int64_t base, size; /* of what is read, in bytes; base: where it begins in the file */
    int64_t at;         /* bytes that were read */
    uint64_t line;      /* number of the last one, or of the one where the object begins; from 1 */
    char *buf;
    size_t start, end;
    uint64_t breaks; /* before `start`, while objects are read */
    bool in_list, has_item, has_comma;
};

/* Opens the file, "-" is standard input. False after saying why. */
bool lbctl_reader_open(struct lbctl_reader *reader, const char *path);
/* 1 = a line, without its end; 0 = there are no more; LBCTL_READER_LONG; -1 after saying why.
 * Borrowed until the next call. */
int lbctl_reader_next(struct lbctl_reader *reader, const char **ret, size_t *ret_len);
/* The same for objects, whether they stand one after another or in a list, on whatever lines.
 * LBCTL_READER_BAD: *ret_why says what is wrong. An object is checked for its end only. */
int lbctl_reader_object(struct lbctl_reader *reader, const char **ret, size_t *ret_len,
                        const char **ret_why);
/* Back to the beginning. */
bool lbctl_reader_rewind(struct lbctl_reader *reader);
void lbctl_reader_close(struct lbctl_reader *reader);

#endif
