/* The handler: made, processed, freed. */
#include "base/error.h"
#include "base/json_out.h"
#include "base/list.h"
#include "base/options.h"
#include "base/sse.h"
#include "base/str.h"
#include "http/call.h"
#include "os/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_MS = 3600000, MAX_ORIGINS_SIZE = 8192, MAX_KEY = 1024, REPLIES_AT_ONCE = 256 };

/* ---- Options -------------------------------------------------------------------------------- */

static bool is_path(const char *text)
{
    size_t len = strnlen(text, LB_HTTP_PREFIX_MAX + 1);
    size_t same =
        strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~/-");

    return len <= LB_HTTP_PREFIX_MAX && same == len && text[0] == '/' && text[len - 1] != '/' &&
           !strstr(text, "//");
}

static int check_options(const lb_http_options *o, lb_error *reterr)
{
    if (o->flags & ~(uint32_t)(LB_HTTP_CREATE | LB_HTTP_READ_ONLY | LB_HTTP_PROXY_REQUIRED))
        return lbi_fail(reterr, LB_E_INVAL, "flags are none of LB_HTTP_...");
    if (o->flags & LB_HTTP_PROXY_REQUIRED && !o->grip_url)
        return lbi_fail(reterr, LB_E_INVAL, "LB_HTTP_PROXY_REQUIRED needs grip_url");
    if (o->limit > LB_LIMIT_MAX)
        return lbi_fail(reterr, LB_E_INVAL, "limit is at most %d", LB_LIMIT_MAX);
    if (o->timeout_ms > MAX_MS || o->min_interval_ms > MAX_MS || o->keep_alive_ms > MAX_MS ||
        o->retry_ms > MAX_MS || o->grip_timeout_ms > MAX_MS)
        return lbi_fail(reterr, LB_E_INVAL, "times are at most %d ms", MAX_MS);
    if (o->write_key && (!*o->write_key || strnlen(o->write_key, MAX_KEY + 1) > MAX_KEY))
        return lbi_fail(reterr, LB_E_INVAL, "write_key has 1 to %d bytes", MAX_KEY);
    if (o->cors_origins && strnlen(o->cors_origins, MAX_ORIGINS_SIZE + 1) > MAX_ORIGINS_SIZE)
        return lbi_fail(reterr, LB_E_INVAL, "cors_origins has at most %d bytes", MAX_ORIGINS_SIZE);
    if (o->path_prefix && *o->path_prefix && !is_path(o->path_prefix))
        return lbi_fail(reterr, LB_E_INVAL,
                        "path_prefix is a path as /api, without a slash at its end, of at most %d "
                        "bytes [A-Za-z0-9._~/-]",
                        LB_HTTP_PREFIX_MAX);
    return 0;
}

static int set_origins(lb_http *http, const char *origins, lb_error *reterr)
{
    char *save = NULL;

    if (!origins)
        return 0;
    http->origins = strdup(origins);
    if (!http->origins)
        return lbi_fail_nomem(reterr);
    for (char *p = strtok_r(http->origins, " ", &save); p; p = strtok_r(NULL, " ", &save)) {
        if (http->n_origins == LBI_HTTP_ORIGINS)
            return lbi_fail(reterr, LB_E_INVAL, "cors_origins has at most %d origins",
                            LBI_HTTP_ORIGINS);
        http->any_origin |= strcmp(p, "*") == 0;
        http->origin[http->n_origins++] = p;
    }
    if (http->any_origin)
        http->n_origins = 0; /* the answer is the same for all */
    return 0;
}

static int set_key(lb_http *http, const char *key, lb_error *reterr)
{
    if (!key)
        return 0;
    http->has_key = true;
    if (lbi_sha256(key, strlen(key), http->key_digest) < 0)
        return lbi_fail(reterr, LB_E_IO, "the digest of the key cannot be made");
    return 0;
}

static int make_events(lb_http *http, uint32_t retry_ms, lb_error *reterr)
{
    char retry[16];
    lbi_buf buf;

    lbi_buf_init(&buf, 256);
    (void)snprintf(retry, sizeof retry, "%u", (unsigned)retry_ms);
    lbi_sse_put_field(&buf, "retry", retry);
    (void)lbi_buf_add_char(&buf, '\n');
    http->hello = lbi_event_new(&buf, "");
    lbi_buf_clear(&buf);
    (void)lbi_buf_add_text(&buf, ":\n\n");
    http->comment = lbi_event_new(&buf, "");
    lbi_buf_done(&buf);
    return http->hello && http->comment ? 0 : lbi_fail_nomem(reterr);
}

/* ---- Life ----------------------------------------------------------------------------------- */

static uint32_t or_default(uint32_t value, uint32_t preset)
{
    return value ? value : preset;
}

static int init_http(lb_http *http, const lb_http_options *o, lb_error *reterr)
{
    int r;

    http->flags = o->flags;
    http->timeout_ms = o->timeout_ms;
    http->limit = or_default(o->limit, LB_LIMIT_DEFAULT);
    http->min_interval_us = or_default(o->min_interval_ms, 100) * UINT64_C(1000);
    http->failure = o->failure;
    http->failure_user = o->failure_user;
    http->keep_alive_us = or_default(o->keep_alive_ms, 15000) * UINT64_C(1000);
    lbi_copy(http->path_prefix, sizeof http->path_prefix, o->path_prefix ? o->path_prefix : "");
    http->max_calls = or_default(o->max_calls, 10000);
    http->max_streams = or_default(o->max_streams, 100000);
    r = set_key(http, o->write_key, reterr);
    if (r == 0)
        r = set_origins(http, o->cors_origins, reterr);
    if (r == 0)
        r = make_events(http, or_default(o->retry_ms, 2000), reterr);
    if (r == 0)
        r = lbi_holds_init(http, o, reterr);
    return r;
}

static void destroy(lb_http *http)
{
    (void)lbi_event_unref(http->hello);
    (void)lbi_event_unref(http->comment);
    lbi_wipe(http->key_digest, sizeof http->key_digest);
    free(http->origins);
    lbi_holds_done(http);
    free(http);
}

int lb_http_new(lb_client *client, const lb_http_options *opts, lb_http **ret, lb_error *reterr)
{
    lb_http_options o;
    lb_http *http;
    int r;

    if (!client || !ret)
        return lbi_fail(reterr, LB_E_INVAL, "client and ret must not be NULL");
    r = lbi_options_copy(&o, sizeof o, opts, "lb_http_options", reterr);
    if (r == 0)
        r = check_options(&o, reterr);
    if (r < 0)
        return r;
    http = calloc(1, sizeof *http);
    if (!http)
        return lbi_fail_nomem(reterr);
    http->client = client;
    r = init_http(http, &o, reterr);
    if (r < 0) {
        destroy(http);
        return r;
    }
    *ret = http;
    return 0;
}

void lbi_http_tell_failure(lb_http *http, const char *method, const char *target, int status,
                           const lb_error *error)
{
    if (http->failure)
        http->failure(http->failure_user, method, target, status, error);
}

/* ---- Calls ---------------------------------------------------------------------------------- */

void lbi_call_free(lb_http_call *call)
{
    lb_http *http = call->http;

    if (http) {
        if (call->is_replied)
            DL_DELETE(http->replies, call);
        else
            DL_DELETE(http->calls, call);
        http->n_calls--;
    }
    (void)lb_http_stream_free(call->stream);
    lbi_buf_done(&call->body);
    lbi_arena_clear(&call->arena);
    free(call);
}

int lb_http_handle(lb_http *http, const lb_http_request *request, lb_http_reply_fn fn, void *user,
                   lb_http_call **ret, lb_error *reterr)
{
    lb_http_request r;
    lb_http_call *call;
    int code;

    if (!http || !request || !fn)
        return lbi_fail(reterr, LB_E_INVAL, "http, request and fn must not be NULL");
    code = lbi_options_copy(&r, sizeof r, request, "lb_http_request", reterr);
    if (code < 0)
        return code;
    if (!r.method || !r.target || (r.body_size && !r.body))
        return lbi_fail(reterr, LB_E_INVAL, "a request has a method, a target, and its body");
    if (http->closing)
        return lbi_fail(reterr, LB_E_CLOSED, "the handler is being freed");
    if (http->n_calls >= 2 * http->max_calls)
        return lbi_fail(reterr, LB_E_LIMIT, "%zu replies wait for lb_http_process()",
                        http->n_calls);
    call = calloc(1, sizeof *call);
    if (!call)
        return lbi_fail_nomem(reterr);
    *call = (lb_http_call){.http = http, .fn = fn, .user = user};
    lbi_buf_init(&call->body, LBI_JSON_MAX);
    DL_APPEND(http->calls, call);
    http->n_calls++;
    http->counters.requests++;
    http->counters.calls_now++;
    lbi_call_begin(call, &r);
    if (ret)
        *ret = call;
    return 0;
}

lb_http_call *lb_http_cancel(lb_http_call *call)
{
    if (!call || call->is_given)
        return NULL;
    if (call->http)
        call->http->counters.calls_now--;
    call->fn = NULL;
    if (!call->op && !call->is_joining) {
        lbi_call_free(call);
        return NULL;
    }
    /* What was asked to be written is written, as after any click on a page that is left. */
    if (call->op && !call->writes)
        (void)lb_op_cancel(call->op);
    return NULL;
}

/* ---- Driving -------------------------------------------------------------------------------- */

int lb_http_deadline(lb_http *http, uint64_t *ret_us)
{
    uint64_t streams, followers;

    if (!http || !ret_us)
        return LB_E_INVAL;
    streams = lbi_streams_deadline(http);
    followers = lbi_followers_deadline(http);
    *ret_us = streams < followers ? streams : followers;
    if (http->replies)
        *ret_us = 0;
    return 0;
}

static int give_replies(lb_http *http)
{
    int done = 0;

    while (done < REPLIES_AT_ONCE && http->replies) {
        lbi_reply_give(http->replies);
        done++;
    }
    return done > 0;
}

int lb_http_process(lb_http *http)
{
    uint64_t now_us = lbi_clock_us();
    int r;

    if (!http)
        return LB_E_INVAL;
    if (http->busy)
        return LB_E_BUSY;
    http->busy = true;
    r = lbi_followers_process(http, now_us);
    r |= lbi_streams_keep_alive(http, now_us);
    r |= give_replies(http);
    r |= lbi_streams_wake(http);
    http->busy = false;
    return r;
}

int lb_http_counters_get(lb_http *http, lb_http_counters *ret, size_t size)
{
    lb_http_counters counters;

    if (!http || !ret)
        return LB_E_INVAL;
    counters = http->counters;
    counters.streams_now = http->n_streams;
    memset(ret, 0, size);
    memcpy(ret, &counters, size < sizeof counters ? size : sizeof counters);
    return 0;
}

/* ---- The end -------------------------------------------------------------------------------- */

/* The store has its operation, and frees it when it is done with that. A write may be applied yet:
 * nobody is told to come again with it. */
static void abandon(lb_http_call *call)
{
    static const lb_http_field fields[] = {{"Content-Type", "application/json"},
                                           {"Retry-After", "1"}};
    static const char closed[] =
        "{\"error\":{\"code\":\"closed\",\"message\":\"the server is closing down\"}}\n";
    static const char unknown[] =
        "{\"error\":{\"code\":\"unknown\",\"message\":\"the server is closing down: it may or may "
        "not have been applied\"}}\n";
    const char *body = call->writes ? unknown : closed;
    lb_http_reply reply = {
        .status = call->writes ? 504 : 503, .fields = fields, .n_fields = call->writes ? 1 : 2};
    lb_http_reply_fn fn = call->fn;
    lb_error error;

    (void)lbi_fail(&error, call->writes ? LB_E_UNKNOWN : LB_E_CLOSED, "the handler was freed");
    if (fn)
        lbi_http_tell_failure(call->http, call->method, call->asked, reply.status, &error);
    DL_DELETE(call->http->calls, call);
    call->http = NULL;
    call->fn = NULL;
    call->is_given = true;
    if (!call->writes)
        (void)lb_op_cancel(call->op);
    reply.body = call->head ? NULL : body;
    reply.body_size = strlen(body);
    if (fn)
        fn(&reply, call->user);
}

lb_http *lb_http_free(lb_http *http)
{
    if (!http || http->busy)
        return NULL;
    http->busy = http->closing = true;
    lbi_followers_free(http);
    while (http->calls)
        abandon(http->calls);
    while (give_replies(http) || lbi_streams_wake(http))
        ;
    lbi_streams_orphan(http);
    destroy(http);
    return NULL;
}
