#include "os/resolve.h"

#include "base/error.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

_Static_assert(sizeof(struct sockaddr_in6) <= LBI_ADDRESS_SIZE, "an address must fit");

static void set_ipv4(lbi_address *address, const struct in_addr *host, uint16_t port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = *host};

    memcpy(address->bytes, &in, sizeof in);
    address->len = sizeof in;
}

static void set_ipv6(lbi_address *address, const struct in6_addr *host, uint16_t port)
{
    struct sockaddr_in6 in6 = {
        .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = *host};

    memcpy(address->bytes, &in6, sizeof in6);
    address->len = sizeof in6;
}

bool lbi_host_is_address(const char *host, uint8_t ret[16], size_t *ret_size)
{
    *ret_size = 4;
    if (inet_pton(AF_INET, host, ret) == 1)
        return true;
    *ret_size = 16;
    return inet_pton(AF_INET6, host, ret) == 1;
}

/* RFC 6761: nobody is to be asked for it. */
static size_t localhost(uint16_t port, lbi_address *addresses, size_t cap)
{
    struct in_addr v4 = {.s_addr = htonl(INADDR_LOOPBACK)};
    size_t n = 0;

    if (n < cap)
        set_ipv4(&addresses[n++], &v4, port);
    if (n < cap)
        set_ipv6(&addresses[n++], &in6addr_loopback, port);
    return n;
}

static size_t numeric(const char *host, uint16_t port, lbi_address *addresses, size_t cap)
{
    struct in_addr v4;
    struct in6_addr v6;

    if (cap == 0)
        return 0;
    if (inet_pton(AF_INET, host, &v4) == 1) {
        set_ipv4(&addresses[0], &v4, port);
        return 1;
    }
    if (inet_pton(AF_INET6, host, &v6) == 1) {
        set_ipv6(&addresses[0], &v6, port);
        return 1;
    }
    return 0;
}

static int ask(const char *host, uint16_t port, lbi_address *addresses, size_t cap, size_t *ret_n,
               lb_error *reterr)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    char service[8];
    size_t n = 0;
    int r;

    (void)snprintf(service, sizeof service, "%u", port);
    r = getaddrinfo(host, service, &hints, &list);
    if (r != 0)
        return lbi_fail(reterr, LB_E_IO, "the host name '%.100s' cannot be resolved: %s", host,
                        r == EAI_SYSTEM ? strerror(errno) : gai_strerror(r));
    for (struct addrinfo *a = list; a && n < cap; a = a->ai_next) {
        if (a->ai_addrlen > LBI_ADDRESS_SIZE)
            continue;
        memcpy(addresses[n].bytes, a->ai_addr, a->ai_addrlen);
        addresses[n++].len = a->ai_addrlen;
    }
    freeaddrinfo(list);
    *ret_n = n;
    return n ? 0 : lbi_fail(reterr, LB_E_IO, "the host name '%.100s' has no address", host);
}

bool lbi_resolve_is_instant(const char *host)
{
    uint8_t bytes[16];
    size_t size;

    return strcasecmp(host, "localhost") == 0 || lbi_host_is_address(host, bytes, &size);
}

int lbi_resolve(const char *host, uint16_t port, lbi_address *addresses, size_t cap, size_t *ret_n,
                lb_error *reterr)
{
    size_t n = strcasecmp(host, "localhost") == 0 ? localhost(port, addresses, cap)
                                                  : numeric(host, port, addresses, cap);

    if (n == 0)
        return ask(host, port, addresses, cap, ret_n, reterr);
    *ret_n = n;
    return 0;
}
