#include "fake_dns.h"

#include "test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The longest answer is a few hundred bytes. */
enum { DNS_A = 1, DNS_CNAME = 5, DNS_AAAA = 28, DNS_HEAD = 12, QUESTION = 512, ANSWER = 4096 };

static size_t put16(uint8_t *out, size_t n)
{
    out[0] = (uint8_t)(n >> 8);
    out[1] = (uint8_t)n;
    return 2;
}

/* An answer about the name of the question, which begins at DNS_HEAD. */
static size_t put_record(uint8_t *out, unsigned type, const void *data, size_t size)
{
    uint8_t *at = out;

    at += put16(at, 0xc000 | DNS_HEAD);
    at += put16(at, type);
    at += put16(at, 1);
    at += put16(at, 0);
    at += put16(at, 60);
    at += put16(at, size);
    memcpy(at, data, size);
    return (size_t)(at - out) + size;
}

static size_t put_address(uint8_t *out, unsigned type, unsigned i)
{
    uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = (uint8_t)(i + 1)};
    uint8_t v4[4] = {127, 0, 0, (uint8_t)(i + 1)};

    return type == DNS_AAAA ? put_record(out, type, v6, sizeof v6)
                            : put_record(out, type, v4, sizeof v4);
}

static unsigned records_of(const struct fake_dns *s, unsigned type, bool cut)
{
    if (s->code || cut || (type == DNS_AAAA && s->no_ipv6))
        return 0;
    return s->loop ? 1 : s->addresses;
}

/* In place: the question's name and type stay as they came; extensions behind them are cut off. */
static size_t put_answer(const struct fake_dns *s, uint8_t *message, size_t n, bool cut,
                         unsigned *ret_type)
{
    static const uint8_t itself[2] = {0xc0, DNS_HEAD};
    size_t end = DNS_HEAD;
    unsigned type, records;

    while (end < n && message[end])
        end += message[end] + 1u;
    CHECK(end + 5 <= n);
    type = *ret_type = message[end + 2];
    records = records_of(s, type, cut);
    end += 5;
    message[2] = cut ? 0x83 : 0x81;
    message[3] = (uint8_t)(0x80 | s->code);
    memset(message + 4, 0, 8);
    message[5] = 1;
    message[7] = (uint8_t)records;
    for (unsigned i = 0; i < records; i++)
        end += s->loop ? put_record(message + end, DNS_CNAME, itself, sizeof itself)
                       : put_address(message + end, type, i);
    if (s->forged)
        message[0] ^= 0x55;
    if (s->garbage)
        memset(message + 2, 0xff, end - 2);
    return s->empty ? 0 : end;
}

static void answer_datagram(const struct fake_dns *s, uint8_t *message, size_t n,
                            const struct sockaddr_in *to)
{
    unsigned type;
    size_t len = put_answer(s, message, n, s->cut, &type);

    if (s->silent || (s->silent_ipv6 && type == DNS_AAAA))
        return;
    message[0] ^= 0x55;
    for (unsigned i = 0; i < s->flood; i++)
        (void)sendto(s->fd, message, len, 0, (const struct sockaddr *)to, sizeof *to);
    message[0] ^= 0x55;
    (void)sendto(s->fd, message, len, 0, (const struct sockaddr *)to, sizeof *to);
}

/* Questions and answers have their length before them. */
static void serve_connection(struct fake_dns *s)
{
    int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
    uint8_t message[2 + ANSWER];

    CHECK(fd >= 0);
    while (recv(fd, message, 2, MSG_WAITALL) == 2) {
        size_t n = (size_t)message[0] << 8 | message[1];
        unsigned type;

        CHECK(n <= QUESTION);
        if (recv(fd, message + 2, n, MSG_WAITALL) != (ssize_t)n || s->hang_up)
            break;
        n = put_answer(s, message + 2, n, false, &type);
        (void)put16(message, n);
        (void)send(fd, message, 2 + n, MSG_NOSIGNAL);
        s->asked++;
    }
    close(fd);
}

/* One byte is no question: it ends. Datagrams first: who asks over TCP has more of them here. */
static void *serve(void *user)
{
    struct fake_dns *s = user;

    for (;;) {
        struct pollfd polled[] = {{.fd = s->fd, .events = POLLIN},
                                  {.fd = s->listener, .events = POLLIN}};
        struct sockaddr_in from;
        socklen_t size = sizeof from;
        uint8_t message[ANSWER];
        ssize_t n;

        CHECK(poll(polled, 2, -1) > 0);
        if (!polled[0].revents) {
            serve_connection(s);
            continue;
        }
        n = recvfrom(s->fd, message, QUESTION, 0, (struct sockaddr *)&from, &size);
        if (n <= DNS_HEAD)
            return NULL;
        answer_datagram(s, message, (size_t)n, &from);
        s->asked++;
    }
}

/* The same port for both, if it is free for both. */
static bool open_sockets(struct fake_dns *s)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof in;

    s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(bind(s->fd, (struct sockaddr *)&in, sizeof in), 0);
    CHECK_EQ(getsockname(s->fd, (struct sockaddr *)&in, &size), 0);
    if (bind(s->listener, (struct sockaddr *)&in, sizeof in) != 0) {
        close(s->fd);
        close(s->listener);
        return false;
    }
    CHECK_EQ(listen(s->listener, 8), 0);
    (void)snprintf(s->address, sizeof s->address, "127.0.0.1:%u", ntohs(in.sin_port));
    return true;
}

void fake_dns_start(struct fake_dns *s)
{
    while (!open_sockets(s))
        ;
    CHECK_EQ(pthread_create(&s->thread, NULL, serve, s), 0);
}

void fake_dns_stop(struct fake_dns *s)
{
    struct sockaddr_in in;
    socklen_t size = sizeof in;

    CHECK_EQ(getsockname(s->fd, (struct sockaddr *)&in, &size), 0);
    CHECK_EQ(sendto(s->fd, "", 1, 0, (struct sockaddr *)&in, size), 1);
    CHECK_EQ(pthread_join(s->thread, NULL), 0);
    close(s->fd);
    close(s->listener);
}
