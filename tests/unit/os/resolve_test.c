/* Names of hosts, asked of a name server of our own that answers by a script. */
#include "fault.h"
#include "test.h"

#include "os/clock.h"
#include "os/resolve.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DNS_A = 1, DNS_CNAME = 5, DNS_AAAA = 28, DNS_HEAD = 12, NXDOMAIN = 3 };

/* What the server says to each question; it ends when its socket is shut. */
struct name_server {
    int fd;
    char address[32];
    pthread_t thread;
    unsigned addresses; /* of each kind that it tells */
    unsigned code;
    bool silent, garbage, loop, forged, cut;
    unsigned asked;
};

static size_t put16(uint8_t *out, unsigned n)
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
    at += put16(at, (unsigned)size);
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

/* The question's name and type stay as they came; extensions behind them are cut off. */
static size_t answer(const struct name_server *s, uint8_t *message, size_t n)
{
    static const uint8_t itself[2] = {0xc0, DNS_HEAD};
    size_t end = DNS_HEAD;
    unsigned type, records = s->code || s->cut ? 0 : s->loop ? 1 : s->addresses;

    while (end < n && message[end])
        end += message[end] + 1u;
    CHECK(end + 5 <= n);
    type = message[end + 2];
    end += 5;
    message[2] = s->cut ? 0x83 : 0x81;
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
    return end;
}

static void *serve(void *user)
{
    struct name_server *s = user;
    uint8_t message[4096];
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    ssize_t n;

    while ((n = recvfrom(s->fd, message, 512, 0, (struct sockaddr *)&from, &size)) > DNS_HEAD) {
        size_t len = answer(s, message, (size_t)n);

        __atomic_add_fetch(&s->asked, 1, __ATOMIC_RELAXED);
        if (!s->silent)
            (void)sendto(s->fd, message, len, 0, (struct sockaddr *)&from, size);
        size = sizeof from;
    }
    return NULL;
}

static void server_start(struct name_server *s)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof in;

    s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(bind(s->fd, (struct sockaddr *)&in, sizeof in), 0);
    CHECK_EQ(getsockname(s->fd, (struct sockaddr *)&in, &size), 0);
    (void)snprintf(s->address, sizeof s->address, "127.0.0.1:%u", ntohs(in.sin_port));
    CHECK_EQ(pthread_create(&s->thread, NULL, serve, s), 0);
}

/* One byte is no question: it ends. */
static void server_stop(struct name_server *s)
{
    struct sockaddr_in in;
    socklen_t size = sizeof in;

    CHECK_EQ(getsockname(s->fd, (struct sockaddr *)&in, &size), 0);
    CHECK_EQ(sendto(s->fd, "", 1, 0, (struct sockaddr *)&in, size), 1);
    CHECK_EQ(pthread_join(s->thread, NULL), 0);
    close(s->fd);
}

struct asked {
    lbi_address addresses[LBI_ADDRESSES_MAX];
    int r; /* how many, or LB_E_... */
    lb_error error;
};

static struct asked ask_of(const char *name, const char *servers)
{
    struct asked ret = {.r = 0};
    lbi_resolver *resolver = NULL;
    lbi_poller *poller;

    CHECK_OK(lbi_poller_new(&poller, NULL));
    ret.r = lbi_resolver_new(name, 28015, servers, poller, &resolver, &ret.error);
    while (ret.r == 0 && resolver) {
        ret.r = lbi_resolver_process(resolver, ret.addresses, LBI_ADDRESSES_MAX, &ret.error);
        if (ret.r == 0) {
            uint64_t at_us = lbi_resolver_deadline(resolver), now_us = lbi_clock_us();

            lbi_poller_sleep(poller, at_us > now_us ? at_us - now_us : 0);
            (void)lbi_poller_dispatch(poller);
        }
    }
    lbi_resolver_free(resolver);
    lbi_poller_free(poller);
    return ret;
}

static struct asked ask(struct name_server *s, const char *name)
{
    struct asked ret;

    server_start(s);
    ret = ask_of(name, s->address);
    server_stop(s);
    return ret;
}

/* ---- Nobody is asked ------------------------------------------------------------------------ */

TEST(known_without_asking)
{
    lbi_address a[LBI_ADDRESSES_MAX];
    uint8_t bytes[16];
    size_t size = 0;

    CHECK_EQ(lbi_resolve_now("localhost", 28015, a, LBI_ADDRESSES_MAX), 2);
    CHECK_EQ(lbi_resolve_now("LocalHost", 28015, a, 1), 1);
    CHECK_EQ(lbi_resolve_now("192.0.2.1", 28015, a, LBI_ADDRESSES_MAX), 1);
    CHECK_EQ(a[0].len, sizeof(struct sockaddr_in));
    CHECK_EQ(lbi_resolve_now("2001:db8::1", 28015, a, LBI_ADDRESSES_MAX), 1);
    CHECK_EQ(a[0].len, sizeof(struct sockaddr_in6));
    CHECK_EQ(lbi_resolve_now("db.example", 28015, a, LBI_ADDRESSES_MAX), 0);
    CHECK(lbi_host_is_address("::1", bytes, &size));
    CHECK_EQ(size, 16);
    CHECK(lbi_host_is_address("127.0.0.1", bytes, &size));
    CHECK_EQ(size, 4);
    CHECK(!lbi_host_is_address("127.1", bytes, &size));
    CHECK(!lbi_host_is_address("db.example", bytes, &size));
}

/* ---- A name server is ----------------------------------------------------------------------- */

TEST(both_kinds_of_address)
{
    struct name_server s = {.addresses = 2};
    struct asked a = ask(&s, "db.example.");
    unsigned v4 = 0, v6 = 0;

    CHECK_EQ(a.r, 4);
    for (int i = 0; i < a.r; i++) {
        struct sockaddr_in in;

        v4 += a.addresses[i].len == sizeof(struct sockaddr_in);
        v6 += a.addresses[i].len == sizeof(struct sockaddr_in6);
        memcpy(&in, a.addresses[i].bytes, sizeof in);
        CHECK_EQ(ntohs(in.sin_port), 28015); /* both kinds have it at the same place */
    }
    CHECK_EQ(v4, 2);
    CHECK_EQ(v6, 2);
}

TEST(more_addresses_than_are_kept)
{
    struct name_server s = {.addresses = 12};

    CHECK_EQ(ask(&s, "db.example.").r, LBI_ADDRESSES_MAX);
}

TEST(no_such_name)
{
    struct name_server s = {.code = NXDOMAIN};
    struct asked a = ask(&s, "nowhere.example.");

    CHECK_EQ(a.r, LB_E_IO);
    CHECK(strstr(a.error.msg, "'nowhere.example.'"));
    CHECK(strstr(a.error.msg, "not found"));
}

TEST(a_name_without_addresses)
{
    struct name_server s = {.addresses = 0};

    CHECK_EQ(ask(&s, "empty.example.").r, LB_E_IO);
}

TEST(a_name_that_stands_for_itself)
{
    struct name_server s = {.loop = true};

    CHECK_EQ(ask(&s, "loop.example.").r, LB_E_IO);
}

TEST(names_that_are_none)
{
    char longest[256];

    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    CHECK_EQ(ask_of(longest, "127.0.0.1:1").r, LB_E_IO);
    CHECK_EQ(ask_of("a..b", "127.0.0.1:1").r, LB_E_IO);
    CHECK_EQ(ask_of(".", "127.0.0.1:1").r, LB_E_IO);
}

TEST(nobody_is_at_the_port)
{
    struct name_server s = {.fd = -1};
    char address[sizeof s.address];

    server_start(&s);
    memcpy(address, s.address, sizeof address);
    server_stop(&s);
    CHECK_EQ(ask_of("db.example.", address).r, LB_E_IO);
}

/* Turns that have nothing to do go by at once, and it can be left at any time. */
static void leave_in_the_middle(struct name_server *s)
{
    lbi_address a[LBI_ADDRESSES_MAX];
    lbi_resolver *resolver;
    lbi_poller *poller;

    server_start(s);
    CHECK_OK(lbi_poller_new(&poller, NULL));
    CHECK_OK(lbi_resolver_new("db.example.", 1, s->address, poller, &resolver, NULL));
    while (__atomic_load_n(&s->asked, __ATOMIC_RELAXED) < 2) {
        CHECK_EQ(lbi_resolver_process(resolver, a, LBI_ADDRESSES_MAX, NULL), 0);
        (void)lbi_poller_dispatch(poller);
    }
    CHECK(lbi_resolver_deadline(resolver) != LB_NEVER);
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(lbi_resolver_process(resolver, a, LBI_ADDRESSES_MAX, NULL), 0);
        (void)lbi_poller_dispatch(poller);
    }
    lbi_resolver_free(resolver);
    lbi_poller_free(poller);
    server_stop(s);
}

TEST(silent)
{
    struct name_server s = {.silent = true};

    leave_in_the_middle(&s);
}

TEST(answers_to_another_question)
{
    struct name_server s = {.forged = true, .addresses = 1};

    leave_in_the_middle(&s);
}

TEST(garbage)
{
    struct name_server s = {.garbage = true, .addresses = 1};

    leave_in_the_middle(&s);
}

/* It is asked again over TCP, where nobody listens. */
TEST(cut_answers)
{
    struct name_server s = {.cut = true};

    CHECK_EQ(ask(&s, "db.example.").r, LB_E_IO);
}

TEST(out_of_memory, .timeout_s = 120)
{
    struct name_server s = {.addresses = 2};

    server_start(&s);
    FOR_EACH_ALLOC_FAILURE (i) {
        lbi_poller *poller;
        lbi_resolver *resolver = NULL;
        lbi_address a[LBI_ADDRESSES_MAX];
        int r = lbi_poller_new(&poller, NULL);

        if (r < 0)
            continue;
        r = lbi_resolver_new("db.example.", 1, s.address, poller, &resolver, NULL);
        while (r == 0) {
            r = lbi_resolver_process(resolver, a, LBI_ADDRESSES_MAX, NULL);
            (void)lbi_poller_dispatch(poller);
        }
        CHECK(r > 0 || fault_fired());
        lbi_resolver_free(resolver);
        lbi_poller_free(poller);
    }
    server_stop(&s);
}
