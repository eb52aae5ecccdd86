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

bool lbctl_reader_rewind(struct lbctl_reader *reader)
{
    reader->start = reader->end = 0;
    reader->at = 0;
    reader->line = 0;
    return lseek(reader->fd, reader->base, SEEK_SET) == reader->base || fail(reader, "read");
}

void lbctl_reader_close(struct lbctl_reader *reader)
{
    if (reader->fd > STDERR_FILENO)
        close(reader->fd);
    free(reader->buf);
}
