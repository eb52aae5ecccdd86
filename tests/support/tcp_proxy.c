/* One thread runs the loop. It holds the lock but while it polls; so do the calls of the test, which
 * change and close what they want and wake it. What poll() said is only a hint: afterwards every
 * connection is tried. */
#include "tcp_proxy.h"

#include "os/clock.h"
#include "test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST = 64, ROOM = 16 * 1024, SOCKET_ROOM = 64 * 1024, TICK_MS = 5 };

/* Bytes on their way from one side of a connection to the other. */
struct pipe {
    char bytes[ROOM];
    size_t at, len;
    bool ended, shut; /* nothing more comes; and that was passed on */
};

struct link {
    int fd[2]; /* the client's side, the server's; -1 = free */
    struct pipe pipe[2];
};

struct way {
    bool stalled;
    uint32_t rate; /* bytes a second, 0 = no limit */
    uint64_t since_us;
    uint64_t passed;
    uint64_t cut_at; /* of `passed` */
    enum tcp_proxy_cut cut_how;
};

enum { UP, DOWN };

struct tcp_proxy {
    pthread_mutex_t lock;
    pthread_t thread;
    int listener, wake;
    uint16_t port, target;
    bool quit;
    struct way way[2];
    struct link links[MOST];
    struct tcp_proxy_counts counts;
};

/* ---- Sockets -------------------------------------------------------------------------------- */

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
}

static void tune(int fd)
{
    int room = SOCKET_ROOM, on = 1;

    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static int new_listener(uint16_t port)
{
    struct sockaddr_in in = loopback(port);
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    CHECK(fd >= 0);
    CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
    tune(fd);
    CHECK_EQ(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
    CHECK_EQ(listen(fd, MOST), 0);
    return fd;
}

static void wake(struct tcp_proxy *p)
{
    CHECK_EQ(eventfd_write(p->wake, 1), 0);
}

/* ---- Connections ---------------------------------------------------------------------------- */

/* With something unread a socket that is closed resets the connection, whatever it is told. */
static void close_side(int fd, enum tcp_proxy_cut how)
{
    struct linger linger = {.l_onoff = how == TCP_PROXY_RST};
    char rest[4096];

    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    while (how == TCP_PROXY_FIN && recv(fd, rest, sizeof rest, MSG_DONTWAIT) > 0)
        ;
    close(fd);
}

static void close_link(struct tcp_proxy *p, struct link *link, enum tcp_proxy_cut how)
{
    close_side(link->fd[0], how);
    close_side(link->fd[1], how);
    link->fd[0] = link->fd[1] = -1;
    p->counts.open--;
}

static void cut_all(struct tcp_proxy *p, enum tcp_proxy_cut how)
{
    for (size_t i = 0; i < MOST; i++) {
        if (p->links[i].fd[0] < 0)
            continue;
        close_link(p, &p->links[i], how);
        p->counts.cut++;
    }
}

static struct link *free_link(struct tcp_proxy *p)
{
    for (size_t i = 0; i < MOST; i++) {
        if (p->links[i].fd[0] < 0)
            return &p->links[i];
    }
    return NULL;
}

/* A server that is not there shows when the link is tried. */
static void take_connection(struct tcp_proxy *p, int client)
{
    struct sockaddr_in in = loopback(p->target);
    struct link *link = free_link(p);
    int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (!link || server < 0) {
        close(client);
        if (server >= 0)
            close(server);
        return;
    }
    tune(server);
    (void)connect(server, (struct sockaddr *)&in, sizeof in);
    memset(link->pipe, 0, sizeof link->pipe);
    link->fd[0] = client;
    link->fd[1] = server;
    p->counts.accepted++;
    p->counts.open++;
}

static void take_connections(struct tcp_proxy *p)
{
    int fd;

    while (p->listener >= 0 &&
           (fd = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0)
        take_connection(p, fd);
}

/* ---- Bytes ---------------------------------------------------------------------------------- */

static bool is_open(const struct link *link)
{
    return link->fd[0] >= 0;
}

/* How many bytes may go now. A quiet time saves up no more than a twentieth of a second. */
static uint64_t allowance(struct way *way)
{
    uint64_t now_us = lbi_clock_us();

    if (way->rate == 0)
        return ROOM;
    if (now_us - way->since_us > 50000)
        way->since_us = now_us - 50000;
    return (now_us - way->since_us) * way->rate / 1000000;
}

static void spend(struct way *way, uint64_t bytes)
{
    if (way->rate)
        way->since_us += bytes * 1000000 / way->rate;
}

static bool reads(const struct way *way, const struct pipe *pipe)
{
    return !way->stalled && !pipe->ended && pipe->len == 0;
}

/* Returns < 0 if the connection is broken. */
static int fill(struct way *way, struct pipe *pipe, int fd)
{
    uint64_t most = allowance(way);
    ssize_t n;

    if (!reads(way, pipe) || most == 0)
        return 0;
    n = recv(fd, pipe->bytes, most < ROOM ? (size_t)most : ROOM, 0);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    pipe->ended = n == 0;
    pipe->at = 0;
    pipe->len = (size_t)n;
    spend(way, (uint64_t)n);
    return 0;
}

/* Returns < 0 if the connection is broken. */
static int empty(struct way *way, struct pipe *pipe, int fd)
{
    uint64_t most = way->cut_at - way->passed;
    ssize_t n;

    if (pipe->ended && pipe->len == 0 && !pipe->shut) {
        pipe->shut = true;
        (void)shutdown(fd, SHUT_WR);
    }
    if (pipe->len == 0 || way->stalled)
        return 0;
    n = send(fd, pipe->bytes + pipe->at, pipe->len < most ? pipe->len : (size_t)most, MSG_NOSIGNAL);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    pipe->at += (size_t)n;
    pipe->len -= (size_t)n;
    way->passed += (uint64_t)n;
    return 0;
}

/* Cuts what is due to be cut. */
static void look_at_mark(struct tcp_proxy *p, struct way *way)
{
    if (way->passed != way->cut_at)
        return;
    way->cut_at = UINT64_MAX;
    cut_all(p, way->cut_how);
}

static void move(struct tcp_proxy *p, struct link *link)
{
    for (int i = UP; i <= DOWN && is_open(link); i++) {
        struct pipe *pipe = &link->pipe[i];
        int from = link->fd[i], to = link->fd[1 - i];

        if (fill(&p->way[i], pipe, from) < 0 || empty(&p->way[i], pipe, to) < 0)
            close_link(p, link, TCP_PROXY_RST);
        else
            look_at_mark(p, &p->way[i]);
    }
    if (is_open(link) && link->pipe[UP].shut && link->pipe[DOWN].shut)
        close_link(p, link, TCP_PROXY_FIN);
}

/* ---- The loop ------------------------------------------------------------------------------- */

static short wishes(const struct tcp_proxy *p, const struct link *link, int side)
{
    const struct pipe *in = &link->pipe[side], *out = &link->pipe[1 - side];
    const struct way *in_way = &p->way[side], *out_way = &p->way[1 - side];
    short events = 0;

    if (reads(in_way, in) && in_way->rate == 0)
        events |= POLLIN;
    if (out->len > 0 && !out_way->stalled)
        events |= POLLOUT;
    return events;
}

static bool is_throttled(const struct tcp_proxy *p)
{
    return p->counts.open > 0 && (p->way[UP].rate || p->way[DOWN].rate);
}

/* A descriptor without a wish is left out: poll() would report its end for ever. */
static nfds_t list(const struct tcp_proxy *p, struct pollfd *polls)
{
    nfds_t n = 0;

    polls[n++] = (struct pollfd){.fd = p->wake, .events = POLLIN};
    polls[n++] = (struct pollfd){.fd = p->listener, .events = POLLIN};
    for (size_t i = 0; i < MOST; i++) {
        for (int side = 0; side < 2 && is_open(&p->links[i]); side++) {
            short events = wishes(p, &p->links[i], side);

            if (events)
                polls[n++] = (struct pollfd){.fd = p->links[i].fd[side], .events = events};
        }
    }
    return n;
}

static void turn(struct tcp_proxy *p)
{
    eventfd_t ignored;

    (void)eventfd_read(p->wake, &ignored);
    take_connections(p);
    for (size_t i = 0; i < MOST; i++) {
        if (is_open(&p->links[i]))
            move(p, &p->links[i]);
    }
}

static void *run(void *user)
{
    struct tcp_proxy *p = user;
    struct pollfd polls[2 * MOST + 2];

    pthread_mutex_lock(&p->lock);
    while (!p->quit) {
        nfds_t n = list(p, polls);
        int timeout = is_throttled(p) ? TICK_MS : -1;

        pthread_mutex_unlock(&p->lock);
        (void)poll(polls, n, timeout);
        pthread_mutex_lock(&p->lock);
        turn(p);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* ---- Calls ---------------------------------------------------------------------------------- */

struct tcp_proxy *tcp_proxy_start(uint16_t target)
{
    struct tcp_proxy *p = calloc(1, sizeof *p);
    struct sockaddr_in in;
    socklen_t size = sizeof in;

    CHECK(p != NULL);
    p->target = target;
    p->way[UP].cut_at = p->way[DOWN].cut_at = UINT64_MAX;
    for (size_t i = 0; i < MOST; i++)
        p->links[i].fd[0] = p->links[i].fd[1] = -1;
    p->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    CHECK(p->wake >= 0);
    p->listener = new_listener(0);
    CHECK_EQ(getsockname(p->listener, (struct sockaddr *)&in, &size), 0);
    p->port = ntohs(in.sin_port);
    CHECK_EQ(pthread_mutex_init(&p->lock, NULL), 0);
    CHECK_EQ(pthread_create(&p->thread, NULL, run, p), 0);
    return p;
}

static void begin_call(struct tcp_proxy *p)
{
    pthread_mutex_lock(&p->lock);
}

static void end_call(struct tcp_proxy *p)
{
    wake(p);
    pthread_mutex_unlock(&p->lock);
}

void tcp_proxy_stop(struct tcp_proxy *p)
{
    begin_call(p);
    p->quit = true;
    end_call(p);
    CHECK_EQ(pthread_join(p->thread, NULL), 0);
    cut_all(p, TCP_PROXY_FIN);
    if (p->listener >= 0)
        close(p->listener);
    close(p->wake);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

uint16_t tcp_proxy_port(const struct tcp_proxy *p)
{
    return p->port;
}

void tcp_proxy_set_target(struct tcp_proxy *p, uint16_t target)
{
    begin_call(p);
    p->target = target;
    end_call(p);
}

void tcp_proxy_stall(struct tcp_proxy *p, int directions)
{
    begin_call(p);
    p->way[UP].stalled = directions & TCP_PROXY_UP;
    p->way[DOWN].stalled = directions & TCP_PROXY_DOWN;
    end_call(p);
}

void tcp_proxy_throttle(struct tcp_proxy *p, int directions, uint32_t bytes_per_second)
{
    begin_call(p);
    for (int i = UP; i <= DOWN; i++) {
        if (directions & (1 << i))
            p->way[i].rate = bytes_per_second;
    }
    end_call(p);
}

void tcp_proxy_cut(struct tcp_proxy *p, enum tcp_proxy_cut how)
{
    begin_call(p);
    cut_all(p, how);
    end_call(p);
}

void tcp_proxy_cut_after(struct tcp_proxy *p, int direction, uint64_t bytes, enum tcp_proxy_cut how)
{
    struct way *way = &p->way[direction == TCP_PROXY_UP ? UP : DOWN];

    begin_call(p);
    way->cut_at = way->passed + bytes;
    way->cut_how = how;
    look_at_mark(p, way);
    end_call(p);
}

void tcp_proxy_refuse(struct tcp_proxy *p, bool refuse)
{
    begin_call(p);
    if (refuse && p->listener >= 0) {
        close(p->listener);
        p->listener = -1;
    } else if (!refuse && p->listener < 0) {
        p->listener = new_listener(p->port);
    }
    end_call(p);
}

struct tcp_proxy_counts tcp_proxy_count(struct tcp_proxy *p)
{
    struct tcp_proxy_counts counts;

    begin_call(p);
    counts = p->counts;
    counts.up = p->way[UP].passed;
    counts.down = p->way[DOWN].passed;
    end_call(p);
    return counts;
}
