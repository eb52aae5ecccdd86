/* From a host's name to addresses. */
#ifndef LBI_OS_RESOLVE_H
#define LBI_OS_RESOLVE_H

#include "leaderboard.h"

#include <stdbool.h>

enum { LBI_ADDRESSES_MAX = 8, LBI_ADDRESS_SIZE = 28, LBI_ADDRESS_TEXT = 64 };

/* A socket address of IPv4 or IPv6, with its port. */
typedef struct lbi_address {
    _Alignas(8) uint8_t bytes[LBI_ADDRESS_SIZE];
    uint32_t len;
} lbi_address;

/* Finds the addresses of a host: at most cap of them, in the order in which to try them.
 *
 * Numeric addresses and "localhost" are answered at once. Any other name is asked of the system's
 * resolver, which BLOCKS until it answers or gives up (/etc/resolv.conf: by default 5 s for each
 * of two tries on each server). There is no way to ask it without blocking but a thread, and this
 * library starts none. So: called when a connection is made and at no other time; who cannot
 * afford it configures addresses.
 * Returns 0 and *ret_n > 0, or LB_E_IO (the name is not known, or cannot be asked for now). */
int lbi_resolve(const char *host, uint16_t port, lbi_address *addresses, size_t cap, size_t *ret_n,
                lb_error *reterr);

/* Is it an address in digits? Then *ret_size of ret[16] are its bytes. */
bool lbi_host_is_address(const char *host, uint8_t ret[16], size_t *ret_size);

/* Is it answered without asking anybody? */
bool lbi_resolve_is_instant(const char *host);

#endif
