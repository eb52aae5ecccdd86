#include "os/tcp.h"

#include "base/error.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct tcp {
    lbi_stream stream; /* first */
    int fd;
    bool open;
    bool write_blocked;
} tcp;

static int tcp_open(lbi_stream *stream, lb_error *reterr)
{
    tcp *t = (tcp *)stream;
    int error = 0;
    socklen_t size = sizeof error;
    struct sockaddr_storage peer;
    socklen_t peer_size = sizeof peer;

    if (t->open)
        return 0;
    if (getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        error = errno;
    if (error != 0)
        return lbi_fail(reterr, LB_E_IO, "%s", strerror(error));
    if (getpeername(t->fd, (struct sockaddr *)&peer, &peer_size) < 0) {
        if (errno == ENOTCONN)
            return LBI_STREAM_AGAIN;
        return lbi_fail(reterr, LB_E_IO, "%s", strerror(errno));
    }
    t->open = true;
    return 0;
}

static bool would_block(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK;
}

static int tcp_read(lbi_stream *stream, void *buf, size_t size, size_t *ret, lb_error *reterr)
{
    tcp *t = (tcp *)stream;
    ssize_t n;

    do
        n = recv(t->fd, buf, size, 0);
    while (n < 0 && errno == EINTR);
    if (n == 0)
        return LBI_STREAM_END;
    if (n < 0 && would_block(errno))
        return LBI_STREAM_AGAIN;
    if (n < 0)
        return lbi_fail(reterr, LB_E_IO, "%s", strerror(errno));
    *ret = (size_t)n;
    return 0;
}

static int tcp_write(lbi_stream *stream, const void *buf, size_t size, size_t *ret,
                     lb_error *reterr)
{
    tcp *t = (tcp *)stream;
    ssize_t n;

    do
        n = send(t->fd, buf, size, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    t->write_blocked = n < 0 && would_block(errno);
    if (t->write_blocked)
        return LBI_STREAM_AGAIN;
    if (n < 0)
        return lbi_fail(reterr, LB_E_IO, "%s", strerror(errno));
    *ret = (size_t)n;
    return 0;
}

static unsigned tcp_wants(const lbi_stream *stream)
{
    const tcp *t = (const tcp *)stream;

    if (!t->open)
        return LBI_STREAM_WRITE;
    return t->write_blocked ? LBI_STREAM_READ | LBI_STREAM_WRITE : LBI_STREAM_READ;
}

static size_t tcp_held(const lbi_stream *stream)
{
    (void)stream;
    return 0;
}

static const char *tcp_doing(const lbi_stream *stream)
{
    (void)stream;
    return "connecting";
}

static int tcp_fd(const lbi_stream *stream)
{
    return ((const tcp *)stream)->fd;
}

static void tcp_close(lbi_stream *stream)
{
    tcp *t = (tcp *)stream;

    (void)close(t->fd);
    free(t);
}

static const lbi_stream_ops tcp_ops = {
    .open = tcp_open,
    .read = tcp_read,
    .write = tcp_write,
    .wants = tcp_wants,
    .held = tcp_held,
    .doing = tcp_doing,
    .fd = tcp_fd,
    .close = tcp_close,
};

/* Small frames at once. Keep-alive is only a second line: a silent peer is found by a query. */
static void set_options(int fd)
{
    int on = 1;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

int lbi_tcp_connect(const lbi_address *address, lbi_stream **ret, lb_error *reterr)
{
    struct sockaddr_storage to = {0};
    tcp *t = calloc(1, sizeof *t);
    int r;

    if (!t)
        return lbi_fail_nomem(reterr);
    memcpy(&to, address->bytes, address->len);
    t->stream.ops = &tcp_ops;
    t->fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (t->fd < 0) {
        r = lbi_fail(reterr, LB_E_IO, "no socket: %s", strerror(errno));
        free(t);
        return r;
    }
    set_options(t->fd);
    if (connect(t->fd, (struct sockaddr *)&to, address->len) < 0 && errno != EINPROGRESS &&
        errno != EINTR) {
        r = lbi_fail(reterr, LB_E_IO, "%s", strerror(errno));
        tcp_close(&t->stream);
        return r;
    }
    *ret = &t->stream;
    return 0;
}
