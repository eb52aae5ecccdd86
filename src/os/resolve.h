/* From a host's name to addresses. */
#ifndef LBI_OS_RESOLVE_H
#define LBI_OS_RESOLVE_H

#include "os/poller.h"

#include <stdbool.h>

enum { LBI_ADDRESSES_MAX = 32, LBI_ADDRESS_SIZE = 28, LBI_ADDRESS_TEXT = 64 };

/* A socket address of IPv4 or IPv6, with its port. */
typedef struct lbi_address {
    _Alignas(8) uint8_t bytes[LBI_ADDRESS_SIZE];
    uint32_t len;
} lbi_address;

/* The addresses of a host for which nobody has to be asked: an address in digits, or "localhost".
 * At most cap, in the order in which to try them. Returns how many; 0 = ask. */
size_t lbi_resolve_now(const char *host, uint16_t port, lbi_address *addresses, size_t cap);

/* Any other name is asked for, of /etc/hosts and of the name servers of /etc/resolv.conf, by c-ares:
 * the system's own resolver blocks, and this library starts no threads. */
typedef struct lbi_resolver lbi_resolver;

/* Begins to ask. servers: "ADDRESS[:PORT],..." in place of the system's, for tests; or NULL.
 * Owns: *ret is yours, and *poller outlives it. Returns 0, LB_E_NOMEM, LB_E_IO. */
int lbi_resolver_new(const char *host, uint16_t port, const char *servers, lbi_poller *poller,
                     lbi_resolver **ret, lb_error *reterr);
void lbi_resolver_free(lbi_resolver *resolver);

/* Goes on; never blocks. last: there is no more time, what has come by now must do. Returns how
 * many addresses were found, at most cap; 0 = not yet, unless it is the last time; LB_E_IO (there
 * is no such name, or nobody could say), LB_E_TIMEOUT (the last time, nobody has said anything),
 * LB_E_NOMEM. */
int lbi_resolver_process(lbi_resolver *resolver, bool last, lbi_address *addresses, size_t cap,
                         lb_error *reterr);

/* When to process again at the latest, whatever the poller says. */
uint64_t lbi_resolver_deadline(const lbi_resolver *resolver);

/* Is it an address in digits? Then *ret_size of ret[16] are its bytes. */
bool lbi_host_is_address(const char *host, uint8_t ret[16], size_t *ret_size);

#endif
