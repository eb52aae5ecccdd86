/* The listening socket. It is made here and not by libmicrohttpd, for errors that say what to do. */
#include "server.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void say_why_not(const struct options *options, int error)
{
    const char *address = options->address;
    unsigned port = options->port;

    if (error == EADDRINUSE)
        complain(
            "port %u of %s is taken: another program listens there, and as root "
            "\"ss -ltnp sport = %u\" names it. Stop it, or choose another port with --port or PORT",
            port, address, port);
    else if (error == EACCES)
        complain("port %u needs more rights: choose one above 1023 with --port or PORT", port);
    else if (error == EADDRNOTAVAIL)
        complain("%s is no address of this machine: see --listen", address);
    else
        complain("cannot listen on %s, port %u: %s", address, port, strerror(error));
}

static int try_address(const struct addrinfo *info)
{
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1,
        off = 0, error;

    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (info->ai_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0)
        return fd;
    error = errno;
    close(fd);
    errno = error;
    return -1;
}

union name {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static union name name_of(int fd)
{
    union name name = {.any.sa_family = AF_UNSPEC};
    socklen_t size = sizeof name;

    (void)getsockname(fd, &name.any, &size);
    return name;
}

static uint32_t port_of(int fd)
{
    union name name = name_of(fd);

    return ntohs(name.any.sa_family == AF_INET6 ? name.v6.sin6_port : name.v4.sin_port);
}

bool listens_locally(int fd)
{
    union name name = name_of(fd);

    if (name.any.sa_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&name.v6.sin6_addr);
    return ntohl(name.v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

int listen_on(const struct options *options, uint32_t *ret_port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *list;
    char service[16];
    int fd = -1, r;

    (void)snprintf(service, sizeof service, "%u", options->port);
    r = getaddrinfo(options->address, service, &hints, &list);
    if (r != 0) {
        complain("--listen %s: %s", options->address, gai_strerror(r));
        return -1;
    }
    for (const struct addrinfo *info = list; info && fd < 0; info = info->ai_next)
        fd = try_address(info);
    if (fd < 0)
        say_why_not(options, errno);
    else
        *ret_port = port_of(fd);
    freeaddrinfo(list);
    return fd;
}
