#include "os/stream.h"

int lbi_stream_open(lbi_stream *stream, lb_error *reterr)
{
    return stream->ops->open(stream, reterr);
}

int lbi_stream_read(lbi_stream *stream, void *buf, size_t size, size_t *ret, lb_error *reterr)
{
    return stream->ops->read(stream, buf, size, ret, reterr);
}

int lbi_stream_write(lbi_stream *stream, const void *buf, size_t size, size_t *ret,
                     lb_error *reterr)
{
    return stream->ops->write(stream, buf, size, ret, reterr);
}

unsigned lbi_stream_wants(const lbi_stream *stream)
{
    return stream->ops->wants(stream);
}

size_t lbi_stream_held(const lbi_stream *stream)
{
    return stream->ops->held(stream);
}

const char *lbi_stream_doing(const lbi_stream *stream)
{
    return stream->ops->doing(stream);
}

int lbi_stream_fd(const lbi_stream *stream)
{
    return stream->ops->fd(stream);
}

void lbi_stream_close(lbi_stream *stream)
{
    if (stream)
        stream->ops->close(stream);
}
