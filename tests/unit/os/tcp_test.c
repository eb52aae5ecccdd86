#include "os/tcp.h"

#include "fault.h"
#include "test.h"

#include "os/poller.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct peer {
    int listener, fd;
    lbi_address address;
};

static void peer_open(struct peer *p)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof in;

    p->fd = -1;
    p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(bind(p->listener, (struct sockaddr *)&in, sizeof in), 0);
    CHECK_EQ(listen(p->listener, 4), 0);
    CHECK_EQ(getsockname(p->listener, (struct sockaddr *)&in, &size), 0);
    CHECK_EQ(lbi_resolve_now("127.0.0.1", ntohs(in.sin_port), &p->address, 1), 1);
}

static void peer_close(struct peer *p)
{
    close(p->listener);
    if (p->fd >= 0)
        close(p->fd);
}

static void wait_ready(lbi_stream *s, short events)
{
    struct pollfd set = {.fd = lbi_stream_fd(s), .events = events};

    CHECK_EQ(poll(&set, 1, 20000), 1);
}

static lbi_stream *connect_to(struct peer *p)
{
    lbi_stream *s = NULL;
    int r;

    CHECK_OK(lbi_tcp_connect(&p->address, &s, NULL));
    CHECK_STR(lbi_stream_doing(s), "connecting");
    while ((r = lbi_stream_open(s, NULL)) == LBI_STREAM_AGAIN)
        wait_ready(s, POLLOUT);
    CHECK_OK(r);
    p->fd = accept(p->listener, NULL, NULL);
    CHECK(p->fd >= 0);
    return s;
}

TEST(bytes_both_ways)
{
    struct peer p;
    lbi_stream *s;
    char buf[16];
    size_t n = 0;

    peer_open(&p);
    s = connect_to(&p);
    CHECK_EQ(lbi_stream_read(s, buf, sizeof buf, &n, NULL), LBI_STREAM_AGAIN);
    CHECK_EQ(lbi_stream_wants(s), LBI_STREAM_READ);
    CHECK_EQ(send(p.fd, "hello", 5, 0), 5);
    wait_ready(s, POLLIN);
    CHECK_EQ(lbi_stream_read(s, buf, sizeof buf, &n, NULL), 0);
    CHECK_EQ(n, 5);
    CHECK_MEM(buf, "hello", 5);
    CHECK_EQ(lbi_stream_write(s, "back", 4, &n, NULL), 0);
    CHECK_EQ(n, 4);
    CHECK_EQ(recv(p.fd, buf, sizeof buf, 0), 4);
    close(p.fd);
    p.fd = -1;
    wait_ready(s, POLLIN);
    CHECK_EQ(lbi_stream_read(s, buf, sizeof buf, &n, NULL), LBI_STREAM_END);
    lbi_stream_close(s);
    lbi_stream_close(NULL);
    peer_close(&p);
}

/* A full socket, and the poller's wait for its room. */
static void count(void *user)
{
    ++*(int *)user;
}

TEST(full_socket)
{
    static char much[1 << 20];
    struct peer p;
    lbi_stream *s;
    lbi_poller *poller = NULL;
    lbi_poll place = {.fn = count};
    size_t n = 0;
    int calls = 0;

    peer_open(&p);
    s = connect_to(&p);
    CHECK_OK(lbi_poller_new(&poller, NULL));
    place.fd = lbi_stream_fd(s);
    place.user = &calls;
    while (lbi_stream_write(s, much, sizeof much, &n, NULL) == 0)
        continue;
    CHECK_EQ(lbi_stream_wants(s), LBI_STREAM_READ | LBI_STREAM_WRITE);
    CHECK_EQ(lbi_stream_held(s), 0);
    CHECK_OK(lbi_poller_add(poller, &place, NULL));
    place.write = true;
    CHECK_OK(lbi_poller_update(poller, &place, NULL));
    CHECK_EQ(lbi_poller_dispatch(poller), 0);
    while (lbi_poller_wait(poller, 0) == 0)
        CHECK(recv(p.fd, much, sizeof much, 0) > 0);
    CHECK_EQ(lbi_poller_dispatch(poller), 1);
    CHECK(calls > 0);
    calls = 0;
    place.write = false;
    CHECK_OK(lbi_poller_update(poller, &place, NULL));
    CHECK_EQ(lbi_poller_dispatch(poller), 0);
    CHECK_EQ(send(p.fd, "x", 1, 0), 1);
    CHECK_EQ(lbi_poller_wait(poller, 20000000), 1);
    place.no_read = true;
    CHECK_OK(lbi_poller_update(poller, &place, NULL));
    CHECK_EQ(lbi_poller_dispatch(poller), 0);
    lbi_poller_remove(poller, &place);
    lbi_poller_free(poller);
    lbi_stream_close(s);
    peer_close(&p);
}

TEST(refused_and_reset)
{
    struct linger now = {.l_onoff = 1};
    struct peer p;
    lbi_stream *s = NULL;
    lb_error error = {.msg = ""};
    char c;
    size_t n;
    int r;

    peer_open(&p);
    s = connect_to(&p);
    setsockopt(p.fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(p.fd);
    p.fd = -1;
    wait_ready(s, POLLIN);
    CHECK_EQ(lbi_stream_read(s, &c, 1, &n, &error), LB_E_IO);
    CHECK(strstr(error.msg, "reset"));
    CHECK_EQ(lbi_stream_write(s, &c, 1, &n, &error), LB_E_IO); /* and no SIGPIPE */
    lbi_stream_close(s);
    peer_close(&p);
    r = lbi_tcp_connect(&p.address, &s, &error);
    while (r >= 0 && (r = lbi_stream_open(s, &error)) == LBI_STREAM_AGAIN)
        wait_ready(s, POLLOUT);
    CHECK_EQ(r, LB_E_IO);
    CHECK(strstr(error.msg, "refused"));
    lbi_stream_close(s);
}

TEST(out_of_memory)
{
    struct peer p;

    peer_open(&p);
    FOR_EACH_ALLOC_FAILURE (i) {
        lbi_stream *s = NULL;
        int r = lbi_tcp_connect(&p.address, &s, NULL);

        CHECK(r == 0 || (r == LB_E_NOMEM && fault_fired()));
        lbi_stream_close(s);
    }
    peer_close(&p);
}
