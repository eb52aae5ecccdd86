#include "lbctl_reader.h"

#include "lbctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUF_SIZE (2 * (LBCTL_LINE_MAX + 1))

static bool fail(const struct lbctl_reader *reader, const char *what)
{
    lbctl_complain("cannot %s %s: %s", what, reader->name, strerror(errno));
    return false;
}

/* A file that nobody else sees and that goes with the process. */
static int open_temporary(void)
{
    const char *dir = getenv("TMPDIR");
    char path[4096];
    int fd;

    (void)snprintf(path, sizeof path, "%s/lbctl-XXXXXX", dir && *dir ? dir : "/tmp");
    fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        lbctl_complain("cannot make a temporary file %s: %s; TMPDIR says where", path,
                       strerror(errno));
    else
        unlink(path);
    return fd;
}

static bool write_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, data, size);

        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0) {
            data += n;
            size -= (size_t)n;
        }
    }
    return true;
}

static bool copy(struct lbctl_reader *reader, int from, int to)
{
    ssize_t n;

    while ((n = read(from, reader->buf, BUF_SIZE)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail(reader, "read");
        if (!write_all(to, reader->buf, (size_t)n)) {
            lbctl_complain("cannot keep a copy of %s in a temporary file: %s; TMPDIR says where",
                           reader->name, strerror(errno));
            return false;
        }
        reader->size += n;
    }
    return true;
}

/* A file that can be read again stays where it is. */
static bool settle(struct lbctl_reader *reader)
{
    struct stat st;
    int pipe = reader->fd;
    bool copied;

    if (fstat(pipe, &st) < 0)
        return fail(reader, "read");
    if (S_ISREG(st.st_mode)) {
        reader->base = lseek(pipe, 0, SEEK_CUR);
        reader->size = st.st_size - reader->base;
        return reader->base >= 0 || fail(reader, "read");
    }
    reader->fd = open_temporary();
    copied = reader->fd >= 0 && copy(reader, pipe, reader->fd);
    if (pipe != STDIN_FILENO)
        close(pipe);
    return copied && lbctl_reader_rewind(reader);
}

bool lbctl_reader_open(struct lbctl_reader *reader, const char *path)
{
    bool standard = strcmp(path, "-") == 0;

    *reader = (struct lbctl_reader){.name = standard ? "standard input" : path};
    reader->fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (reader->fd < 0)
        return fail(reader, "open");
    reader->buf = lbctl_alloc(BUF_SIZE);
    if (settle(reader))
        return true;
    lbctl_reader_close(reader);
    return false;
}

/* Returns 1 = there is more, 0 = the end, -1. */
static int fill(struct lbctl_reader *reader)
{
    ssize_t n;

    memmove(reader->buf, reader->buf + reader->start, reader->end - reader->start);
    reader->end -= reader->start;
    reader->start = 0;
    do {
        n = read(reader->fd, reader->buf + reader->end, BUF_SIZE - reader->end);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        fail(reader, "read");
        return -1;
    }
    reader->end += (size_t)n;
    reader->at += n;
    return n > 0;
}

int lbctl_reader_next(struct lbctl_reader *reader, const char **ret, size_t *ret_len)
{
    size_t searched = 0, len;
    const char *end;
    int r = 1;

    reader->line++;
    for (;;) {
        len = reader->end - reader->start;
        end = memchr(reader->buf + reader->start + searched, '\n', len - searched);
        if (end || r <= 0)
            break;
        if (len > LBCTL_LINE_MAX)
            return LBCTL_READER_LONG;
        searched = len;
        r = fill(reader);
    }
    if (r < 0 || (!end && len == 0))
        return r;
    *ret = reader->buf + reader->start;
    *ret_len = end ? (size_t)(end - *ret) : len;
    reader->start += *ret_len + (end != NULL);
    return *ret_len > LBCTL_LINE_MAX ? LBCTL_READER_LONG : 1;
}

/* ---- Objects -------------------------------------------------------------------------------- */

/* The next byte that is no white space, which stays; -1 = there is none, -2 = reading failed. */
static int peek(struct lbctl_reader *reader)
{
    for (;;) {
        if (reader->start == reader->end) {
            int r = fill(reader);

            if (r <= 0)
                return r < 0 ? -2 : -1;
        }
        if (!memchr(" \t\r\n", reader->buf[reader->start], 4))
            return (unsigned char)reader->buf[reader->start];
        reader->breaks += reader->buf[reader->start++] == '\n';
    }
}

/* Takes a bracket or a comma. Returns what is wrong with it, or NULL. */
static const char *take_mark(struct lbctl_reader *reader, int c)
{
    bool fits = c == '[' ? !reader->in_list
                         : reader->in_list && !reader->has_comma && (c == ']' || reader->has_item);

    if (!fits)
        return "is not valid JSON: a bracket or a comma is not where one may be";
    reader->start++;
    reader->in_list = c != ']';
    reader->has_comma = c == ',';
    reader->has_item = c == ',';
    return NULL;
}

/* To where an object begins. Returns 1, 0 = there is none, -1, LBCTL_READER_BAD. */
static int find_object(struct lbctl_reader *reader, const char **ret_why)
{
    int c;

    while ((c = peek(reader)) == '[' || c == ']' || c == ',') {
        reader->line = reader->breaks + 1;
        *ret_why = take_mark(reader, c);
        if (*ret_why)
            return LBCTL_READER_BAD;
    }
    reader->line = reader->breaks + 1;
    if (c == -2)
        return -1;
    if (c == -1 && !reader->in_list)
        return 0;
    *ret_why = NULL;
    if (c == -1)
        *ret_why = "is the last one, but its list has no end: the file is cut short";
    else if (c != '{')
        *ret_why = "is not a JSON object";
    else if (reader->in_list && reader->has_item && !reader->has_comma)
        *ret_why = "is not valid JSON: a comma is missing";
    return *ret_why ? LBCTL_READER_BAD : 1;
}

/* How far an object has been followed. */
struct braces {
    size_t at;
    unsigned depth;
    bool in_string, escaped;
};

/* Returns true at the last brace. */
static bool follow(struct braces *b, char c)
{
    if (b->in_string) {
        b->in_string = b->escaped || c != '"';
        b->escaped = !b->escaped && c == '\\';
    } else if (c == '"') {
        b->in_string = true;
    } else if (c == '{' || c == '}') {
        b->depth += c == '{' ? 1U : -1U;
    }
    return b->depth == 0;
}

/* What lies between `start` and the last brace, or the end of the file. */
static int measure(struct lbctl_reader *reader, size_t *ret_len)
{
    struct braces b = {0};
    int r = 1;

    while (r > 0) {
        while (b.at < reader->end - reader->start) {
            if (b.at == LBCTL_LINE_MAX)
                return LBCTL_READER_LONG;
            if (follow(&b, reader->buf[reader->start + b.at++])) {
                *ret_len = b.at;
                return 1;
            }
        }
        r = fill(reader);
    }
    *ret_len = b.at;
    return r < 0 ? r : 1;
}

int lbctl_reader_object(struct lbctl_reader *reader, const char **ret, size_t *ret_len,
                        const char **ret_why)
{
    int r = find_object(reader, ret_why);

    if (r == 1)
        r = measure(reader, ret_len);
    if (r != 1)
        return r;
    *ret = reader->buf + reader->start;
    for (size_t i = 0; i < *ret_len; i++)
        reader->breaks += (*ret)[i] == '\n';
    reader->start += *ret_len;
    reader->has_item = reader->in_list;
    reader->has_comma = false;
    return 1;
}

bool lbctl_reader_rewind(struct lbctl_reader *reader)
{
    reader->start = reader->end = 0;
    reader->at = 0;
    reader->line = reader->breaks = 0;
    reader->in_list = reader->has_item = reader->has_comma = false;
    return lseek(reader->fd, reader->base, SEEK_SET) == reader->base || fail(reader, "read");
}

void lbctl_reader_close(struct lbctl_reader *reader)
{
    if (reader->fd > STDERR_FILENO)
        close(reader->fd);
    free(reader->buf);
}
