/* Hosts that have a name: what is asked of a name server of our own, and when. */
#include "fake_dns.h"
#include "fake_reql.h"
#include "reql_drive.h"
#include "test.h"

#include "os/clock.h"

#include <stdio.h>
#include <string.h>

#define SEVEN "[1,[24,[3,4]]]"

/* Each client gets one answer and is left then. */
static void one_answer_each(struct fake *f)
{
    struct fake_query q;

    while (fake_try_accept(f)) {
        fake_shake(f, NULL);
        if (fake_read(f, &q))
            fake_answer(f, q.token, "{\"t\":1,\"r\":[7]}");
        fake_close(f);
    }
}

struct rig {
    struct fake_dns dns;
    struct fake f;
    struct drive d;
};

static void rig_open(struct rig *r, const char *servers, uint32_t connect_ms)
{
    lbi_reql_host host = {.name = "db.example."};
    lbi_reql_options o = {.hosts = &host, .n_hosts = 1, .connect_ms = connect_ms};

    fake_start(&r->f, one_answer_each, NULL);
    host.port = r->f.port;
    o.name_servers = servers ? servers : r->dns.address;
    drive_open(&r->d, &o);
}

static void rig_close(struct rig *r)
{
    drive_close(&r->d);
    fake_stop(&r->f);
    fake_dns_stop(&r->dns);
}

/* ---- Found ---------------------------------------------------------------------------------- */

TEST(asked_once_for_many_connections)
{
    struct rig r = {.dns = {.addresses = 1, .no_ipv6 = true}};

    fake_dns_start(&r.dns);
    rig_open(&r, NULL, 0);
    CHECK_EQ(drive_ok(&r.d, SEVEN).number, 7);
    drive_until_event(&r.d, LBI_REQL_LOST, 1);
    CHECK_EQ(drive_ok(&r.d, SEVEN).number, 7);
    rig_close(&r);
    CHECK_EQ(r.dns.asked, 2); /* IPv4 and IPv6 */
}

/* As drive.c does, but later than it is: a minute goes by at once. */
static void turn_later(struct drive *d, uint64_t later_us)
{
    (void)lbi_reql_conn_process(d->conn, lbi_clock_us() + later_us);
    lbi_poller_sleep(d->poller, 1000);
    (void)lbi_poller_dispatch(d->poller);
}

TEST(old_addresses_if_nobody_knows_the_name_any_more)
{
    struct rig r = {.dns = {.addresses = 1, .no_ipv6 = true}};
    struct outcome o = {0};

    fake_dns_start(&r.dns);
    rig_open(&r, NULL, 0);
    CHECK_EQ(drive_ok(&r.d, SEVEN).number, 7);
    drive_until_event(&r.d, LBI_REQL_LOST, 1);
    r.dns.code = FAKE_DNS_NXDOMAIN;
    (void)drive_submit(&r.d, SEVEN, 0, &o);
    while (!o.done)
        turn_later(&r.d, 61000000);
    CHECK_EQ(o.number, 7);
    CHECK(r.dns.asked > 2);
    rig_close(&r);
}

/* Both in less than c-ares would wait for one server by itself. */
TEST(the_first_name_server_is_dead)
{
    struct rig r = {.dns = {.addresses = 1, .no_ipv6 = true}};
    struct fake_dns dead = {.silent = true};
    char both[sizeof dead.address * 2];

    fake_dns_start(&dead);
    fake_dns_start(&r.dns);
    (void)snprintf(both, sizeof both, "%s,%s", dead.address, r.dns.address);
    rig_open(&r, both, 4500);
    CHECK_EQ(drive_ok(&r.d, SEVEN).number, 7);
    CHECK_EQ(r.d.events[LBI_REQL_FAILED], 0);
    rig_close(&r);
    fake_dns_stop(&dead);
    CHECK(dead.asked > 0);
}

/* The time for it goes by, then what has come is used. */
TEST(no_answer_for_one_kind_of_address)
{
    struct rig r = {.dns = {.addresses = 1, .silent_ipv6 = true}};

    fake_dns_start(&r.dns);
    rig_open(&r, NULL, 1000);
    CHECK_EQ(drive_ok(&r.d, SEVEN).number, 7);
    rig_close(&r);
}

/* ---- Not found ------------------------------------------------------------------------------ */

TEST(a_silent_name_server_holds_nobody_up)
{
    struct rig r = {.dns = {.silent = true}};
    struct outcome o = {0};

    fake_dns_start(&r.dns);
    rig_open(&r, NULL, 60000);
    (void)drive_submit(&r.d, SEVEN, 300, &o);
    drive_until(&r.d, &o.done);
    CHECK_EQ(r.d.events[LBI_REQL_FAILED], 0); /* it is still being asked */
    CHECK_EQ(o.code, LB_E_TIMEOUT);
    CHECK(!o.sent);
    CHECK(strstr(o.message, "no name server has answered for db.example.:"));
    rig_close(&r); /* in the middle of it */
}

TEST(a_silent_name_server_is_asked_again_and_again)
{
    struct rig r = {.dns = {.silent = true}};
    struct outcome o = {0};

    fake_dns_start(&r.dns);
    rig_open(&r, NULL, 100);
    (void)drive_submit(&r.d, SEVEN, 60000, &o);
    drive_until_event(&r.d, LBI_REQL_FAILED, 2);
    CHECK(strstr(r.d.event_text,
                 "'db.example.' cannot be resolved: no name server answers within 100 ms"));
    CHECK(!o.done);
    rig_close(&r);
    CHECK_EQ(o.code, LB_E_CLOSED);
}

TEST(no_such_name)
{
    struct rig r = {.dns = {.code = FAKE_DNS_NXDOMAIN}};
    struct outcome o = {0};

    fake_dns_start(&r.dns);
    rig_open(&r, NULL, 0);
    (void)drive_submit(&r.d, SEVEN, 60000, &o);
    drive_until_event(&r.d, LBI_REQL_FAILED, 1);
    CHECK_EQ(r.d.event_code, LB_E_IO);
    CHECK(strstr(r.d.event_text, "the host name 'db.example.' cannot be resolved"));
    rig_close(&r);
}

/* Of the system's own name servers, if there are any. */
TEST(hosts_that_do_not_exist)
{
    struct drive d;
    struct outcome o = {0};
    lbi_reql_host host = {.name = "nowhere.invalid"};
    lbi_reql_options options = {.hosts = &host, .n_hosts = 1};

    drive_open(&d, &options);
    (void)drive_submit(&d, SEVEN, 500, &o);
    drive_until(&d, &o.done);
    CHECK_EQ(o.code, LB_E_TIMEOUT);
    CHECK(!o.sent);
    CHECK(strstr(o.message, "nowhere.invalid"));
    drive_close(&d);
}
