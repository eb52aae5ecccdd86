/* Names of hosts, asked of a name server of our own that answers by a script. */
#include "fake_dns.h"
#include "fault.h"
#include "test.h"

#include "os/clock.h"
#include "os/resolve.h"

#include <ares.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    while (ret.r == 0) {
        uint64_t at_us = lbi_resolver_deadline(resolver), now_us = lbi_clock_us();

        lbi_poller_sleep(poller, at_us > now_us ? at_us - now_us : 0);
        (void)lbi_poller_dispatch(poller);
        ret.r = lbi_resolver_process(resolver, false, ret.addresses, LBI_ADDRESSES_MAX, &ret.error);
    }
    lbi_resolver_free(resolver);
    lbi_poller_free(poller);
    return ret;
}

static struct asked ask(struct fake_dns *s, const char *name)
{
    struct asked ret;

    fake_dns_start(s);
    ret = ask_of(name, s->address);
    fake_dns_stop(s);
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
    struct fake_dns s = {.addresses = 2};
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
    struct fake_dns s = {.addresses = 17};

    CHECK_EQ(ask(&s, "db.example.").r, LBI_ADDRESSES_MAX);
}

TEST(no_such_name)
{
    struct fake_dns s = {.code = FAKE_DNS_NXDOMAIN};
    struct asked a = ask(&s, "nowhere.example.");

    CHECK_EQ(a.r, LB_E_IO);
    CHECK(strstr(a.error.msg, "'nowhere.example.'"));
    CHECK(strstr(a.error.msg, "not found"));
}

TEST(a_name_without_addresses)
{
    struct fake_dns s = {.addresses = 0};

    CHECK_EQ(ask(&s, "empty.example.").r, LB_E_IO);
}

TEST(a_name_that_stands_for_itself)
{
    struct fake_dns s = {.loop = true};

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
    struct fake_dns s = {.addresses = 1};

    fake_dns_start(&s);
    fake_dns_stop(&s);
    CHECK_EQ(ask_of("db.example.", s.address).r, LB_E_IO);
}

/* Each is asked in turn, the next one soon: there is time for all of them. */
TEST(the_first_server_is_dead)
{
    struct fake_dns dead = {.silent = true}, s = {.addresses = 1};
    char both[sizeof s.address * 2];

    fake_dns_start(&dead);
    fake_dns_start(&s);
    (void)snprintf(both, sizeof both, "%s,%s", dead.address, s.address);
    CHECK_EQ(ask_of("db.example.", both).r, 2);
    fake_dns_stop(&s);
    fake_dns_stop(&dead);
    CHECK(dead.asked > 0);
}

/* ---- Over TCP ------------------------------------------------------------------------------- */

TEST(answers_too_long_for_udp)
{
    struct fake_dns s = {.cut = true, .addresses = 3};

    CHECK_EQ(ask(&s, "db.example.").r, 6);
    CHECK(s.asked >= 4); /* twice over UDP, twice over TCP */
}

TEST(hangs_up)
{
    struct fake_dns s = {.cut = true, .hang_up = true, .addresses = 3};

    CHECK_EQ(ask(&s, "db.example.").r, LB_E_IO);
}

/* ---- No answer yet -------------------------------------------------------------------------- */

struct asking {
    lbi_poller *poller;
    lbi_resolver *resolver;
    lbi_address addresses[LBI_ADDRESSES_MAX];
};

static void begin(struct asking *a, struct fake_dns *s)
{
    fake_dns_start(s);
    CHECK_OK(lbi_poller_new(&a->poller, NULL));
    CHECK_OK(lbi_resolver_new("db.example.", 1, s->address, a->poller, &a->resolver, NULL));
}

static void end(struct asking *a, struct fake_dns *s)
{
    lbi_resolver_free(a->resolver);
    lbi_poller_free(a->poller);
    fake_dns_stop(s);
}

static int turn(struct asking *a, bool last)
{
    (void)lbi_poller_dispatch(a->poller);
    return lbi_resolver_process(a->resolver, last, a->addresses, LBI_ADDRESSES_MAX, NULL);
}

/* Turns that have nothing to do go by at once, and it can be left at any time. */
static void no_answer_from(struct fake_dns s)
{
    struct asking a;

    begin(&a, &s);
    while (s.asked < 2)
        CHECK_EQ(turn(&a, false), 0);
    for (int i = 0; i < 100; i++)
        CHECK_EQ(turn(&a, false), 0);
    CHECK(lbi_resolver_deadline(a.resolver) != LB_NEVER);
    end(&a, &s);
    s.asked = 0;
    begin(&a, &s);
    while (s.asked < 2)
        CHECK_EQ(turn(&a, false), 0);
    CHECK_EQ(turn(&a, true), LB_E_TIMEOUT);
    CHECK_EQ(turn(&a, true), LB_E_TIMEOUT);
    end(&a, &s);
}

TEST(silent)
{
    no_answer_from((struct fake_dns){.silent = true});
}

TEST(answers_to_another_question)
{
    no_answer_from((struct fake_dns){.forged = true, .addresses = 1});
}

/* Whether it is waited for something better is up to c-ares, and differs between its versions. */
static void no_sense_from(struct fake_dns s)
{
    struct asking a;

    begin(&a, &s);
    while (s.asked < 2)
        CHECK(turn(&a, false) <= 0);
    CHECK(turn(&a, true) < 0);
    end(&a, &s);
}

TEST(garbage)
{
    no_sense_from((struct fake_dns){.garbage = true, .addresses = 1});
}

TEST(datagrams_without_a_byte)
{
    no_sense_from((struct fake_dns){.empty = true});
}

/* Rather soon, so that a lost datagram costs little of the time there is to connect. */
TEST(asks_again)
{
    struct fake_dns s = {.silent = true};
    struct asking a;
    uint64_t at_us;

    begin(&a, &s);
    at_us = lbi_resolver_deadline(a.resolver);
    CHECK(at_us <= lbi_clock_us() + 1000000);
    while (s.asked < 4)
        CHECK_EQ(turn(&a, false), 0);
    end(&a, &s);
}

/* When the time is over, the addresses of one kind are better than none. */
TEST(an_answer_for_one_kind_of_address)
{
    struct fake_dns s = {.silent_ipv6 = true, .addresses = 2};
    struct asking a;
    int r = 0;

    begin(&a, &s);
    while (s.asked < 3 && r == 0) /* the third is the one without an answer, again */
        r = turn(&a, false);
    CHECK_EQ(turn(&a, true), 2);
    CHECK_EQ(a.addresses[0].len, sizeof(struct sockaddr_in));
    end(&a, &s);
}

/* What one turn reads is bounded. */
TEST(a_flood_of_forged_answers)
{
    struct fake_dns s = {.flood = 40, .addresses = 1};
    struct asking a;

    begin(&a, &s);
    while (s.asked < 2)
        lbi_poller_sleep(a.poller, 1000);
    CHECK_EQ(turn(&a, false), 0);
    while (turn(&a, false) == 0)
        lbi_poller_sleep(a.poller, 1000);
    CHECK_EQ(turn(&a, false), 2);
    end(&a, &s);
}

/* ---- Out of memory -------------------------------------------------------------------------- */

/* The allocations of a shared library are not reached by themselves. c-ares 1.34 crashes without
 * memory. */
static void include_cares(void)
{
    int version;

    (void)ares_version(&version);
    if (version < 0x012200)
        CHECK_EQ(ares_library_init_mem(ARES_LIB_INIT_ALL, malloc, free, realloc), ARES_SUCCESS);
}

TEST(out_of_memory, .timeout_s = 120)
{
    struct fake_dns s = {.addresses = 2};

    include_cares();
    fake_dns_start(&s);
    FOR_EACH_ALLOC_FAILURE (i) {
        lbi_poller *poller;
        lbi_resolver *resolver = NULL;
        lbi_address a[LBI_ADDRESSES_MAX];
        int r = lbi_poller_new(&poller, NULL);

        if (r < 0)
            continue;
        r = lbi_resolver_new("db.example.", 1, s.address, poller, &resolver, NULL);
        while (r == 0) {
            r = lbi_resolver_process(resolver, false, a, LBI_ADDRESSES_MAX, NULL);
            (void)lbi_poller_dispatch(poller);
        }
        CHECK(r > 0 || fault_fired());
        lbi_resolver_free(resolver);
        lbi_poller_free(poller);
    }
    fake_dns_stop(&s);
}
