#include "push/push.h"

#include "base/error.h"
#include "base/list.h"
#include "base/options.h"
#include "os/clock.h"
#include "push/relay.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TIMEOUT_MAX_MS = 3600000, COUNT_MAX = 10000000 };

int lbi_push_counters_copy(void *dst, size_t size, const void *src, size_t src_size)
{
    if (!dst)
        return LB_E_INVAL;
    memset(dst, 0, size);
    memcpy(dst, src, size < src_size ? size : src_size);
    return 0;
}

/* ---- The object ----------------------------------------------------------------------------- */

int lbi_push_check(const lb_push *push, lb_error *reterr)
{
    if (!push)
        return lbi_fail(reterr, LB_E_INVAL, "push must not be NULL");
    if (push->pid != getpid())
        return lbi_fail(reterr, LB_E_FORKED,
                        "the push object was made before fork(): make one in the child process");
    if (push->closing)
        return lbi_fail(reterr, LB_E_CLOSED, "the push object is closed");
    return 0;
}

void lbi_push_tell(lb_push *push, int kind, int code, const char *format, ...)
{
    lb_notice notice = {.kind = kind, .code = code};
    char text[256];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    notice.message = text;
    if (push->notice)
        push->notice(&notice, push->notice_user);
}

static int check_options(const lb_push_options *o, lb_error *reterr)
{
    if (!o->grip_url)
        return lbi_fail(reterr, LB_E_INVAL,
                        "grip_url is missing: write http://host:5561/ with the key of the proxy");
    if (o->timeout_ms > TIMEOUT_MAX_MS)
        return lbi_fail(reterr, LB_E_INVAL, "timeout_ms is at most %d", TIMEOUT_MAX_MS);
    if (o->max_channels > COUNT_MAX || o->max_messages > COUNT_MAX)
        return lbi_fail(reterr, LB_E_INVAL, "max_channels and max_messages are at most %d",
                        COUNT_MAX);
    return 0;
}

int lb_push_new(const lb_push_options *opts, lb_push **ret, lb_error *reterr)
{
    lb_push_options o;
    lb_push *push;
    int r;

    if (!ret)
        return lbi_fail(reterr, LB_E_INVAL, "ret must not be NULL");
    r = lbi_options_copy(&o, sizeof o, opts, "lb_push_options", reterr);
    if (r == 0)
        r = check_options(&o, reterr);
    if (r < 0)
        return r;
    push = calloc(1, sizeof *push);
    if (!push)
        return lbi_fail_nomem(reterr);
    push->pid = getpid();
    push->notice = o.notice;
    push->notice_user = o.notice_user;
    r = lbi_poller_new(&push->poller, reterr);
    if (r == 0)
        r = lbi_sender_new(&o, push->poller, &push->sender, reterr);
    if (r < 0) {
        lbi_poller_free(push->poller);
        free(push);
        return r;
    }
    *ret = push;
    return 0;
}

lb_push *lb_push_free(lb_push *push)
{
    if (lbi_push_check(push, NULL) < 0 || push->busy)
        return NULL;
    push->busy = push->closing = true;
    lbi_sender_free(push->sender);
    lbi_poller_free(push->poller);
    free(push);
    return NULL;
}

int lb_push_fd(lb_push *push)
{
    int r = lbi_push_check(push, NULL);

    return r < 0 ? r : lbi_poller_fd(push->poller);
}

int lb_push_deadline(lb_push *push, uint64_t *ret_us)
{
    int r = lbi_push_check(push, NULL);
    const lb_relay *relay;
    uint64_t ret;

    if (r < 0)
        return r;
    if (!ret_us)
        return LB_E_INVAL;
    ret = lbi_sender_deadline(push->sender);
    DL_FOREACH (push->relays, relay)
        ret = lbi_earlier(ret, lbi_relay_deadline(relay));
    *ret_us = ret;
    return 0;
}

int lb_push_process(lb_push *push)
{
    int r = lbi_push_check(push, NULL);
    lb_relay *relay;
    uint64_t now_us;

    if (r < 0)
        return r;
    if (push->busy)
        return LB_E_BUSY;
    push->busy = true;
    now_us = lbi_clock_us();
    DL_FOREACH (push->relays, relay)
        (void)lbi_lease_is_over(relay, now_us); /* after a pause */
    r = lbi_poller_dispatch(push->poller);
    r |= lbi_sender_process(push->sender, now_us);
    DL_FOREACH (push->relays, relay)
        r |= lbi_relay_process(relay, now_us);
    push->busy = false;
    return r;
}

int lb_push_wait(lb_push *push, uint64_t timeout_us)
{
    uint64_t deadline = LB_NEVER, now;
    int r = lb_push_deadline(push, &deadline);

    if (r < 0)
        return r;
    now = lbi_clock_us();
    if (deadline <= now)
        return 1;
    if (deadline != LB_NEVER && deadline - now <= timeout_us) {
        r = lbi_poller_wait(push->poller, deadline - now);
        return r < 0 ? r : 1;
    }
    return lbi_poller_wait(push->poller, timeout_us);
}

int lb_push_proxies(lb_push *push)
{
    int r = lbi_push_check(push, NULL);

    return r < 0 ? r : (int)lbi_sender_proxies(push->sender);
}

int lb_push_counters_get(lb_push *push, int proxy, lb_push_counters *ret, size_t size)
{
    int r = lbi_push_check(push, NULL);

    if (r < 0)
        return r;
    if (proxy < 0 || (size_t)proxy >= lbi_sender_proxies(push->sender))
        return LB_E_INVAL;
    return lbi_push_counters_copy(ret, size, lbi_sender_counters(push->sender, (size_t)proxy),
                                  sizeof *ret);
}

int lb_push_publish(lb_push *push, const lb_push_message *message, lb_push_done_fn done, void *user,
                    lb_error *reterr)
{
    lbi_publication *publication;
    lb_push_message m;
    int r = lbi_push_check(push, reterr);

    if (r == 0)
        r = lbi_options_copy(&m, sizeof m, message, "lb_push_message", reterr);
    if (r == 0)
        r = lbi_publication_new(&m, &publication, reterr);
    if (r < 0)
        return r;
    publication->done = done;
    publication->user = user;
    r = lbi_sender_publish(push->sender, publication);
    if (r < 0)
        publication->done = NULL; /* some of the proxies may have it */
    lbi_publication_unref(publication);
    return r < 0 ? lbi_fail_nomem(reterr) : 0;
}
