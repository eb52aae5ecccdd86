/* TCP as a stream. */
#ifndef LBI_OS_TCP_H
#define LBI_OS_TCP_H

#include "os/resolve.h"
#include "os/stream.h"

/* Begins to connect and returns at once; lbi_stream_open() tells when it is done.
 * Owns: *ret is yours, end it with lbi_stream_close(). Returns 0, LB_E_NOMEM, LB_E_IO. */
int lbi_tcp_connect(const lbi_address *address, lbi_stream **ret, lb_error *reterr);

#endif
