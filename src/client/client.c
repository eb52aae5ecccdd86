#include "client/client.h"

#include "base/error.h"
#include "base/list.h"
#include "base/options.h"
#include "os/clock.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DEFAULT_TIMEOUT_MS = 5000, DEFAULT_PENDING = 65536, DEFAULT_LOG = 65536 };
enum { MAX_LOG = 10000000 };

static void on_notice(const lb_notice *notice, void *user)
{
    lb_client *client = user;

    if (client->notice)
        client->notice(notice, client->notice_user);
}

static int check_options(const lb_options *o, lb_error *reterr)
{
    if (o->timeout_ms > LBI_TIMEOUT_MAX_MS)
        return lbi_fail(reterr, LB_E_INVAL, "timeout_ms is at most %d", LBI_TIMEOUT_MAX_MS);
    if (o->durability < LB_DURABILITY_DEFAULT || o->durability > LB_DURABILITY_FULL)
        return lbi_fail(reterr, LB_E_INVAL, "durability is none of LB_DURABILITY_...");
    if (o->change_log > MAX_LOG)
        return lbi_fail(reterr, LB_E_INVAL, "change_log is at most %d", MAX_LOG);
    return 0;
}

static int init_client(lb_client *c, const lb_options *o, lbi_store_new_fn make, lb_error *reterr)
{
    lbi_store_config config;
    int r;

    c->pid = getpid();
    c->timeout_ms = o->timeout_ms ? o->timeout_ms : DEFAULT_TIMEOUT_MS;
    c->max_pending = o->max_pending ? o->max_pending : DEFAULT_PENDING;
    c->notice = o->notice;
    c->notice_user = o->notice_user;
    c->url = strdup(o->database ? o->database : "sqlite:leaderboard.db");
    if (!c->url)
        return lbi_fail_nomem(reterr);
    r = lbi_poller_new(&c->poller, reterr);
    if (r < 0)
        return r;
    config = (lbi_store_config){
        .url = c->url,
        .durability = o->durability ? o->durability : LB_DURABILITY_NORMAL,
        .change_log = o->change_log ? o->change_log : DEFAULT_LOG,
        .poller = c->poller,
        .counters = &c->counters,
        .notice = on_notice,
        .notice_user = c,
    };
    return make(&config, &c->store, reterr);
}

static void destroy_client(lb_client *client)
{
    if (client->store)
        client->store->ops->free(client->store);
    lbi_poller_free(client->poller);
    free(client->url);
    free(client);
}

int lbi_client_new_with(const lb_options *opts, lbi_store_new_fn make, lb_client **ret,
                        lb_error *reterr)
{
    lb_options o;
    lb_client *client;
    int r;

    if (!ret)
        return lbi_fail(reterr, LB_E_INVAL, "ret must not be NULL");
    r = lbi_options_copy(&o, sizeof o, opts, "lb_options", reterr);
    if (r == 0)
        r = check_options(&o, reterr);
    if (r < 0)
        return r;
    client = calloc(1, sizeof *client);
    if (!client)
        return lbi_fail_nomem(reterr);
    r = init_client(client, &o, make, reterr);
    if (r < 0) {
        destroy_client(client);
        return r;
    }
    *ret = client;
    return 0;
}

int lb_client_new(const lb_options *opts, lb_client **ret, lb_error *reterr)
{
    return lbi_client_new_with(opts, lbi_store_new, ret, reterr);
}

/* The child has copies of descriptors and locks that belong to the parent: hands off. */
static bool forked(const lb_client *client)
{
    return client->pid != getpid();
}

int lbi_client_check(const lb_client *client, lb_error *reterr)
{
    if (!client)
        return lbi_fail(reterr, LB_E_INVAL, "client must not be NULL");
    if (forked(client))
        return lbi_fail(
            reterr, LB_E_FORKED,
            "the client was made before fork(): make one in the child process, if no database was open then");
    if (client->closing)
        return lbi_fail(reterr, LB_E_CLOSED, "the client is closed");
    return 0;
}

static void close_client(lb_client *client)
{
    client->depth++; /* whatever its last callbacks ask for, it is freed here and once */
    lbi_client_finish_ops(client);
    lbi_changes_free_all(client);
    lbi_tops_free_all(client);
    lbi_op_free(client->last);
    destroy_client(client);
}

lb_client *lb_client_free(lb_client *client)
{
    if (!client || forked(client) || client->closing)
        return NULL;
    client->closing = true;
    if (client->depth == 0)
        close_client(client);
    return NULL;
}

void lbi_client_enter(lb_client *client)
{
    client->depth++;
}

bool lbi_client_leave(lb_client *client)
{
    if (--client->depth > 0)
        return true;
    if (client->closing) {
        close_client(client);
        return false;
    }
    lbi_changes_sweep(client);
    lbi_tops_sweep(client);
    return true;
}

int lb_client_fd(lb_client *client)
{
    int r = lbi_client_check(client, NULL);

    return r < 0 ? r : lbi_poller_fd(client->poller);
}

int lb_client_deadline(lb_client *client, uint64_t *ret_us)
{
    int r = lbi_client_check(client, NULL);
    const lbi_store *store;
    uint64_t ret;

    if (r < 0)
        return r;
    if (!ret_us)
        return LB_E_INVAL;
    store = client->store;
    ret = client->completed ? 0 : store->ops->deadline(store);
    ret = lbi_earlier(ret, store->ops->feeds_deadline(store));
    *ret_us = lbi_earlier(ret, lbi_tops_deadline(client));
    return 0;
}

int lb_client_process(lb_client *client)
{
    int r = lbi_client_check(client, NULL);
    const lbi_store_ops *ops;
    uint64_t now;

    if (r < 0)
        return r;
    if (client->depth > 0)
        return LB_E_BUSY;
    lbi_client_enter(client);
    ops = client->store->ops;
    now = lbi_clock_us();
    r = lbi_poller_dispatch(client->poller);
    (void)lbi_poller_take_wakeup(client->poller);
    r |= ops->process(client->store, now);
    r |= lbi_client_deliver(client);
    if (!client->closing)
        r |= ops->process_feeds(client->store, now);
    if (!client->closing)
        r |= lbi_tops_process(client, now);
    (void)lbi_client_leave(client);
    return r;
}

int lb_client_wait(lb_client *client, uint64_t timeout_us)
{
    uint64_t deadline = LB_NEVER, now;
    int r = lb_client_deadline(client, &deadline);

    if (r < 0)
        return r;
    now = lbi_clock_us();
    if (deadline <= now)
        return 1;
    if (deadline != LB_NEVER && deadline - now <= timeout_us) {
        r = lbi_poller_wait(client->poller, deadline - now);
        return r < 0 ? r : 1;
    }
    return lbi_poller_wait(client->poller, timeout_us);
}

int lb_client_wakeup(lb_client *client)
{
    /* Nothing that the owning thread may change at the same time is read here. */
    if (!client)
        return LB_E_INVAL;
    if (forked(client))
        return LB_E_FORKED;
    lbi_poller_wakeup(client->poller);
    return 0;
}

int lb_client_counters(lb_client *client, lb_counters *ret, size_t size)
{
    int r = lbi_client_check(client, NULL);
    size_t ours = sizeof client->counters;

    if (r < 0)
        return r;
    if (!ret)
        return LB_E_INVAL;
    memset(ret, 0, size);
    memcpy(ret, &client->counters, size < ours ? size : ours);
    return 0;
}
