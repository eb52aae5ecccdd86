#include "os/resolve.h"

#include "base/error.h"
#include "base/str.h"
#include "os/clock.h"

/* c-ares 1.34 calls this form of its socket functions deprecated; older ones have no other. */
#define CARES_NO_DEPRECATED
#include <ares.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

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

size_t lbi_resolve_now(const char *host, uint16_t port, lbi_address *addresses, size_t cap)
{
    if (strcasecmp(host, "localhost") == 0)
        return localhost(port, addresses, cap);
    return numeric(host, port, addresses, cap);
}

/* ---- Asking --------------------------------------------------------------------------------- */

/* SOCKETS: that are watched; what comes on others is left, and asked for again.
 * READS_AT_ONCE: the rest of a flood stays in its socket until the next turn.
 * PATIENCE_MS: for one name server before the next is asked, at first; it doubles when all were
 * asked. Short, so that a lost packet or a dead server costs only a part of the time there is: an
 * answer that comes later is taken all the same. */
enum { SOCKETS = 16, READS_AT_ONCE = 32, PATIENCE_MS = 400 };

typedef struct asking_socket {
    lbi_poll poll;
    bool used, ready;
} asking_socket;

struct lbi_resolver {
    char host[256];
    lbi_poller *poller;
    ares_channel channel;
    asking_socket sockets[SOCKETS];
    unsigned reads; /* in this turn */
    bool done;
    int status; /* ARES_... */
    lbi_address addresses[LBI_ADDRESSES_MAX];
    size_t n;
};

/* It stays ready until the resolver goes on: see lbi_resolver_deadline(). */
static void on_socket(void *user)
{
    asking_socket *s = user;

    s->ready = true;
}

static asking_socket *find_socket(lbi_resolver *resolver, ares_socket_t fd)
{
    asking_socket *found = NULL;

    for (size_t i = 0; i < SOCKETS; i++) {
        asking_socket *s = &resolver->sockets[i];

        if (s->used && s->poll.fd == fd)
            return s;
        if (!s->used)
            found = s;
    }
    return found;
}

static void on_interest(void *user, ares_socket_t fd, int readable, int writable)
{
    lbi_resolver *resolver = user;
    asking_socket *s = find_socket(resolver, fd);

    if (!s)
        return;
    if (s->used && !readable && !writable) {
        lbi_poller_remove(resolver->poller, &s->poll);
        s->used = false;
    } else if (s->used) {
        s->poll.write = writable != 0;
        (void)lbi_poller_update(resolver->poller, &s->poll, NULL);
    } else if (readable || writable) {
        *s = (asking_socket){.poll = {.fd = fd, .fn = on_socket, .user = s}};
        s->poll.write = writable != 0;
        s->used = lbi_poller_add(resolver->poller, &s->poll, NULL) == 0;
    }
}

static void on_answer(void *user, int status, int timeouts, struct ares_addrinfo *info)
{
    lbi_resolver *resolver = user;

    (void)timeouts;
    resolver->done = true;
    resolver->status = status;
    if (!info)
        return;
    for (const struct ares_addrinfo_node *a = info->nodes; a; a = a->ai_next) {
        if (a->ai_addrlen > LBI_ADDRESS_SIZE || resolver->n == LBI_ADDRESSES_MAX)
            continue;
        memcpy(resolver->addresses[resolver->n].bytes, a->ai_addr, a->ai_addrlen);
        resolver->addresses[resolver->n++].len = a->ai_addrlen;
    }
    ares_freeaddrinfo(info);
}

/* c-ares' own sockets would raise SIGPIPE where a name server cuts a TCP connection. */
static ares_socket_t open_socket(int family, int type, int protocol, void *user)
{
    (void)user;
    return socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
}

static int close_socket(ares_socket_t fd, void *user)
{
    (void)user;
    return close(fd);
}

static int connect_socket(ares_socket_t fd, const struct sockaddr *to, ares_socklen_t size,
                          void *user)
{
    (void)user;
    return connect(fd, to, size);
}

static ares_ssize_t receive(ares_socket_t fd, void *bytes, size_t size, int flags,
                            struct sockaddr *from, ares_socklen_t *from_size, void *user)
{
    lbi_resolver *resolver = user;

    if (resolver->reads == READS_AT_ONCE) {
        errno = EAGAIN;
        return -1;
    }
    resolver->reads++;
    return recvfrom(fd, bytes, size, flags, from, from_size);
}

static ares_ssize_t send_parts(ares_socket_t fd, const struct iovec *parts, int n, void *user)
{
    struct msghdr message = {.msg_iov = (struct iovec *)parts, .msg_iovlen = (size_t)n};

    (void)user;
    return sendmsg(fd, &message, MSG_NOSIGNAL);
}

static const struct ares_socket_functions own_sockets = {open_socket, close_socket, connect_socket,
                                                         receive, send_parts};

/* ares_library_init() is not needed: on anything but Windows it only counts its calls, and that
 * not in a thread-safe manner. */
static int open_channel(lbi_resolver *resolver, const char *servers)
{
    struct ares_options options = {
        .sock_state_cb = on_interest, .sock_state_cb_data = resolver, .timeout = PATIENCE_MS};
    int status = ares_init_options(&resolver->channel, &options,
                                   ARES_OPT_SOCK_STATE_CB | ARES_OPT_TIMEOUTMS);

    if (status != ARES_SUCCESS) {
        resolver->channel = NULL;
        return status;
    }
    ares_set_socket_functions(resolver->channel, &own_sockets, resolver);
    return servers ? ares_set_servers_ports_csv(resolver->channel, servers) : ARES_SUCCESS;
}

static int fail(const lbi_resolver *resolver, int status, lb_error *reterr)
{
    if (status == ARES_ENOMEM)
        return lbi_fail_nomem(reterr);
    return lbi_fail(reterr, status == ARES_ECANCELLED ? LB_E_TIMEOUT : LB_E_IO,
                    "the host name '%.100s' cannot be resolved: %s", resolver->host,
                    ares_strerror(status));
}

int lbi_resolver_new(const char *host, uint16_t port, const char *servers, lbi_poller *poller,
                     lbi_resolver **ret, lb_error *reterr)
{
    struct ares_addrinfo_hints hints = {.ai_socktype = SOCK_STREAM,
                                        .ai_flags = ARES_AI_NUMERICSERV};
    lbi_resolver *resolver = calloc(1, sizeof *resolver);
    char service[8];
    int status;

    if (!resolver)
        return lbi_fail_nomem(reterr);
    resolver->poller = poller;
    lbi_copy(resolver->host, sizeof resolver->host, host);
    status = open_channel(resolver, servers);
    if (status != ARES_SUCCESS) {
        int r = fail(resolver, status, reterr);

        lbi_resolver_free(resolver);
        return r;
    }
    (void)snprintf(service, sizeof service, "%u", port);
    ares_getaddrinfo(resolver->channel, host, service, &hints, on_answer, resolver);
    *ret = resolver;
    return 0;
}

void lbi_resolver_free(lbi_resolver *resolver)
{
    if (!resolver)
        return;
    if (resolver->channel)
        ares_destroy(resolver->channel); /* answers what was asked, and gives the sockets back */
    free(resolver);
}

static void go_on(lbi_resolver *resolver)
{
    resolver->reads = 0;
    for (size_t i = 0; i < SOCKETS; i++) {
        asking_socket *s = &resolver->sockets[i];

        if (!s->used || !s->ready)
            continue;
        s->ready = false;
        ares_process_fd(resolver->channel, s->poll.fd, s->poll.fd);
    }
    ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD); /* what is late */
}

int lbi_resolver_process(lbi_resolver *resolver, bool last, lbi_address *addresses, size_t cap,
                         lb_error *reterr)
{
    size_t n;

    if (!resolver->done)
        go_on(resolver);
    if (last && !resolver->done)
        ares_cancel(resolver->channel); /* answers with what it has: addresses of one kind, say */
    if (!resolver->done)
        return 0;
    if (resolver->status != ARES_SUCCESS)
        return fail(resolver, resolver->status, reterr);
    n = resolver->n < cap ? resolver->n : cap;
    if (n == 0)
        return fail(resolver, ARES_ENODATA, reterr);
    memcpy(addresses, resolver->addresses, n * sizeof *addresses);
    return (int)n;
}

uint64_t lbi_resolver_deadline(const lbi_resolver *resolver)
{
    struct timeval left;

    if (resolver->done)
        return 0;
    for (size_t i = 0; i < SOCKETS; i++) {
        if (resolver->sockets[i].used && resolver->sockets[i].ready)
            return 0;
    }
    if (!ares_timeout(resolver->channel, NULL, &left))
        return LB_NEVER;
    /* c-ares counts in its own microseconds: rather a little late than again and again too soon. */
    return lbi_clock_us() + (uint64_t)left.tv_sec * 1000000 + (uint64_t)left.tv_usec + 1000;
}
