/* Which relay is the active one: the holder of a lease in the database. It extends the lease every
 * second; it runs out after four, and the others ask twice a second: one of them takes over within
 * five. The holder counts from before it asked, so that it ends before the database thinks so. */
#include "base/error.h"
#include "os/clock.h"
#include "os/digest.h"
#include "os/random.h"
#include "push/relay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRY_US UINT64_C(500000)
#define KEEP_US UINT64_C(1000000)

enum { TTL_MS = 4000, TIMEOUT_MS = 2000 };

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Relays that serve other proxies, or other channels, have a lease of their own; in which order and
 * how the proxies are written does not matter. */
static int name_lease(lb_relay *relay, lb_error *reterr)
{
    const char *names[LB_PUSH_PROXIES_MAX];
    size_t proxies = lbi_sender_proxies(relay->push->sender);
    uint8_t digest[LBI_SHA256_SIZE];
    lbi_buf text;
    int r, n;

    for (size_t i = 0; i < proxies; i++)
        names[i] = lbi_sender_counters(relay->push->sender, i)->proxy;
    qsort(names, proxies, sizeof names[0], compare_names);
    lbi_buf_init(&text, 65536);
    (void)lbi_buf_add_text(&text, relay->prefix);
    for (size_t i = 0; i < proxies; i++) {
        (void)lbi_buf_add_char(&text, '\n');
        (void)lbi_buf_add_text(&text, names[i]);
    }
    r = text.code;
    if (r == 0)
        r = lbi_sha256(lbi_buf_bytes(&text), text.len, digest);
    lbi_buf_done(&text);
    if (r < 0)
        return lbi_fail(reterr, r, "cannot name the relay's lease");
    n = snprintf(relay->lease, sizeof relay->lease, "relay-");
    for (size_t i = 0; i < 8; i++)
        n += snprintf(relay->lease + n, sizeof relay->lease - (size_t)n, "%02x", digest[i]);
    return 0;
}

int lbi_lease_init(lb_relay *relay, lb_error *reterr)
{
    uint8_t random[16];

    if (lbi_random(random, sizeof random) < 0)
        return lbi_fail(reterr, LB_E_IO, "the system gives no random bytes");
    lbi_uuid4(random, relay->holder);
    return name_lease(relay, reterr);
}

static int ask(lb_relay *relay, uint32_t ttl_ms, uint64_t now_us);

/* Without the lease it can do nothing: that is said, once. */
static void tell_lease(lb_relay *relay, int code, const char *why)
{
    if (code < 0 && !relay->lease_failing)
        lbi_push_tell(relay->push, LB_NOTICE_RELAY, code,
                      "the relay cannot ask the database whether it is the active one, and tries "
                      "again: %.140s",
                      *why ? why : lb_strerror(code));
    else if (code >= 0 && relay->lease_failing)
        lbi_push_tell(relay->push, LB_NOTICE_RELAY, 0, "the database answers the relay again");
    relay->lease_failing = code < 0;
}

static void take_answer(lb_relay *relay, int code, uint64_t asked_us, uint64_t now_us)
{
    relay->lease_next_us = now_us + TRY_US;
    if (code > 0) {
        relay->lease_until_us = asked_us + TTL_MS * UINT64_C(1000);
        relay->lease_next_us = asked_us + KEEP_US;
        if (!relay->active && relay->lease_until_us > now_us)
            lbi_relay_activate(relay, now_us);
    } else if (code == 0) {
        relay->lease_until_us = 0;
        if (relay->active)
            lbi_relay_deactivate(relay);
        else
            lbi_relay_stand_by(relay);
    }
    /* An error changes nothing: the lease is kept for as long as it was promised. */
}

static void on_lease(const lb_result *result, void *user)
{
    lbi_relay_job *job = user;
    uint64_t asked_us = job->begin_us, now_us = lbi_clock_us();
    bool gave_up = job->gives_up;
    lb_relay *relay = lbi_relay_job_end(job);

    if (!relay)
        return;
    relay->leasing = false;
    if (!relay->giving_up) {
        tell_lease(relay, result->code, result->message);
        take_answer(relay, result->code, asked_us, now_us);
    } else if (!gave_up && result->code > 0) { /* it was asked for before */
        (void)ask(relay, 0, now_us);
    }
}

static int ask(lb_relay *relay, uint32_t ttl_ms, uint64_t now_us)
{
    lbi_relay_job *job = lbi_relay_job_new(relay);
    lb_write_options opts;
    int r;

    if (!job)
        return LB_E_NOMEM;
    lb_write_options_init(&opts);
    opts.timeout_ms = TIMEOUT_MS;
    job->begin_us = now_us;
    job->gives_up = ttl_ms == 0;
    r = lb_lease_take_start(relay->client, relay->lease, relay->holder, ttl_ms, &opts, on_lease,
                            job, &job->op, NULL);
    if (r < 0)
        (void)lbi_relay_job_end(job);
    else
        relay->leasing = true;
    return r;
}

void lbi_lease_give_up(lb_relay *relay)
{
    relay->giving_up = true;
    if (relay->active && !relay->leasing && !(relay->flags & LB_RELAY_ALONE))
        (void)ask(relay, 0, lbi_clock_us());
    relay->active = false;
}

bool lbi_lease_is_over(lb_relay *relay, uint64_t now_us)
{
    if (!relay->active || relay->lease_until_us > now_us)
        return false;
    lbi_relay_deactivate(relay);
    return true;
}

int lbi_lease_process(lb_relay *relay, uint64_t now_us)
{
    int done = 0, r;

    if (relay->giving_up)
        return 0;
    if (relay->flags & LB_RELAY_ALONE) {
        if (relay->active)
            return 0;
        relay->lease_until_us = LB_NEVER;
        lbi_relay_activate(relay, now_us);
        return 1;
    }
    if (lbi_lease_is_over(relay, now_us))
        done = 1;
    if (!relay->leasing && relay->lease_next_us <= now_us) {
        relay->lease_next_us = now_us + TRY_US;
        r = ask(relay, TTL_MS, now_us);
        if (r < 0)
            tell_lease(relay, r, "");
        done = 1;
    }
    return done;
}

uint64_t lbi_lease_deadline(const lb_relay *relay)
{
    uint64_t ret = relay->leasing ? LB_NEVER : relay->lease_next_us;

    if (relay->giving_up)
        return LB_NEVER;
    if (relay->flags & LB_RELAY_ALONE)
        return relay->active ? LB_NEVER : 0;
    if (relay->active && relay->lease_until_us < ret)
        ret = relay->lease_until_us;
    return ret;
}
