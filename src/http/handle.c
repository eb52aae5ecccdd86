/* A request before anything is started: what is wrong with it, and whether it may be made. */
#include "base/error.h"
#include "base/str.h"
#include "http/call.h"

#include <string.h>
#include <strings.h>

enum { MAX_FIELD = 4096 }; /* bytes of a field that is kept */

static const char *get_field(const lb_http_request *request, const char *name)
{
    return request->field ? request->field(name, request->field_user) : NULL;
}

/* ---- Browsers of other origins -------------------------------------------------------------- */

static const char *find_origin(const lb_http *http, const char *origin)
{
    if (http->any_origin)
        return "*";
    for (size_t i = 0; origin && i < http->n_origins; i++) {
        if (strcmp(http->origin[i], origin) == 0)
            return http->origin[i];
    }
    return NULL;
}

/* On every reply, errors too: else a page cannot read them. */
static void add_origin(lb_http_call *call, const lb_http_request *request)
{
    const char *origin = find_origin(call->http, get_field(request, "origin"));

    lbi_reply_field(call, "Cache-Control", "no-cache");
    lbi_reply_field(call, "Vary", call->http->n_origins > 0 ? "Accept, Origin" : "Accept");
    if (!origin)
        return;
    lbi_reply_field(call, "Access-Control-Allow-Origin", origin);
    lbi_reply_field(call, "Access-Control-Expose-Headers", "ETag, Link, Location, Retry-After");
}

static void reply_options(lb_http_call *call, const lb_http_request *request)
{
    const char *allow = lbi_endpoint_allow(call->target.route);

    lbi_reply_field(call, "Allow", allow);
    if (find_origin(call->http, get_field(request, "origin")) &&
        get_field(request, "access-control-request-method")) {
        lbi_reply_field(call, "Access-Control-Allow-Methods", allow);
        lbi_reply_field(call, "Access-Control-Allow-Headers",
                        "Authorization, Content-Type, Idempotency-Key, If-None-Match, "
                        "Last-Event-ID");
        lbi_reply_field(call, "Access-Control-Max-Age", "600");
    }
    lbi_reply_empty(call, 204);
}

/* ---- Who may write -------------------------------------------------------------------------- */

static bool has_write_key(const lb_http *http, const char *authorization)
{
    const char *token = lbi_bearer(authorization);
    uint8_t digest[LBI_SHA256_SIZE];

    /* Digests are of one length and say nothing of how much of the key was right. */
    return token && lbi_sha256(token, strlen(token), digest) == 0 &&
           lbi_equal_secret(digest, http->key_digest, sizeof digest);
}

/* A form or an image on any page can send a request here, without asking: browsers say so, older
 * ones by Origin alone. Programs that are no browsers say neither. Where a proxy has changed Host,
 * the browser's own word on whose page it is counts. A field's value lives until the next is asked
 * for. */
static bool is_foreign(lb_http_call *call, const lb_http_request *request)
{
    const char *site, *origin = get_field(request, "origin"), *host = call->target.host;
    bool has_origin = origin != NULL;

    if (find_origin(call->http, origin))
        return false;
    if (has_origin)
        origin = lbi_arena_text(&call->arena, origin, strlen(origin));
    site = get_field(request, "sec-fetch-site");
    if (site)
        return strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0;
    if (!has_origin)
        return false;
    if (!host)
        host = get_field(request, "host");
    return !origin || !host ||
           !lbi_origin_is(origin, host, call->target.host ? call->target.host_len : strlen(host));
}

static bool may_write(lb_http_call *call, const lb_http_request *request)
{
    lb_http *http = call->http;

    if (http->flags & LB_HTTP_READ_ONLY) {
        lbi_reply_error(call, 403, "read_only", "boards cannot be changed here");
        return false;
    }
    if (is_foreign(call, request)) {
        lbi_reply_error(call, 403, "foreign_origin",
                        "pages of this origin may change nothing here");
        return false;
    }
    if (http->has_key && !has_write_key(http, get_field(request, "authorization"))) {
        lbi_reply_field(call, "WWW-Authenticate", "Bearer realm=\"leaderboard\"");
        lbi_reply_error(call, 401, "unauthorized",
                        "changes need the header Authorization: Bearer KEY");
        return false;
    }
    return true;
}

/* ---- Checks, each of which makes the reply if it fails --------------------------------------- */

static bool is_server(lb_http_call *call, const lb_http_request *request)
{
    if (strcmp(request->method, "OPTIONS") != 0 || strcmp(request->target, "*") != 0)
        return false;
    lbi_reply_field(call, "Allow", "GET, HEAD, POST, PUT, DELETE, OPTIONS");
    lbi_reply_empty(call, 204);
    return true;
}

static bool check_size(lb_http_call *call, const lb_http_request *request)
{
    if (call->http->n_calls > call->http->max_calls)
        lbi_reply_failure(call, LB_E_LIMIT, "");
    else if (strnlen(request->target, LB_HTTP_TARGET_MAX + 1) > LB_HTTP_TARGET_MAX)
        lbi_reply_error(call, 414, "too_long", "the target of the request is too long");
    else if (request->body_size > LB_HTTP_BODY_MAX)
        lbi_reply_error(call, 413, "too_large", "the body of the request is too large");
    else
        return true;
    return false;
}

static const lbi_endpoint *check_target(lb_http_call *call, const lb_http_request *request)
{
    const lbi_endpoint *endpoint;
    lb_error error;
    int r = lbi_target_parse(request->target, &call->target, &error);

    if (r < 0) {
        lbi_reply_error(call, r == LB_E_NOTFOUND ? 404 : 400,
                        r == LB_E_NOTFOUND ? "not_found" : "invalid", error.msg);
        return NULL;
    }
    if (strcmp(request->method, "OPTIONS") == 0) {
        reply_options(call, request);
        return NULL;
    }
    endpoint = lbi_endpoint_find(call->target.route, request->method);
    if (!endpoint) {
        lbi_reply_field(call, "Allow", lbi_endpoint_allow(call->target.route));
        lbi_reply_error(call, 405, "method_not_allowed", "this resource has no such method");
    }
    return endpoint;
}

static bool check_accept(lb_http_call *call, const lbi_endpoint *endpoint, const char *accept)
{
    int prefers = lbi_accept(accept);

    if (endpoint->writes || prefers == LBI_ACCEPT_JSON)
        return true;
    call->wants_stream = prefers == LBI_ACCEPT_STREAM && endpoint->streams;
    if (!call->wants_stream)
        lbi_reply_error(call, 406, "not_acceptable",
                        endpoint->streams ? "there is application/json and text/event-stream"
                                          : "there is application/json");
    return call->wants_stream;
}

static bool is_identity(const char *encoding)
{
    static const char identity[] = "identity";
    const char *p = encoding + strspn(encoding, " \t");

    if (strncasecmp(p, identity, sizeof identity - 1) != 0)
        return false;
    p += sizeof identity - 1;
    return p[strspn(p, " \t")] == '\0';
}

static bool check_encoding(lb_http_call *call, const lb_http_request *request)
{
    const char *encoding = get_field(request, "content-encoding");

    if (!encoding || request->body_size == 0 || is_identity(encoding))
        return true;
    lbi_reply_failure(call, LB_E_UNSUPPORTED, "the body must not be compressed");
    return false;
}

/* Parameters that are not known are passed over, but not those that would have changed the write. */
static int check_query(const lbi_endpoint *endpoint, const char *query, lb_error *reterr)
{
    lbi_params params = {.given = 0};
    int r = 0;

    if (endpoint->writes)
        r = lbi_params_parse(&params, LBI_IN_BODY, false, query, strlen(query), reterr);
    if (params.given)
        return lbi_fail(reterr, LB_E_INVAL,
                        "id, name, amount and ascending go into the body, not into the query");
    return r;
}

static bool check_params(lb_http_call *call, const lbi_endpoint *endpoint,
                         const lb_http_request *request)
{
    const char *query = call->target.query;
    unsigned allowed = endpoint->query;
    lb_error error;
    int r;

    if (endpoint->streams && call->http->grip)
        allowed |= LBI_GRIP;
    r = check_query(endpoint, query, &error);
    if (r == 0)
        r = lbi_params_parse(&call->params, allowed, false, query, strlen(query), &error);
    if (r == 0 && endpoint->body)
        r = lbi_body_parse(&call->params, endpoint->body, get_field(request, "content-type"),
                           request->body, request->body_size, &error);
    if (r < 0)
        lbi_reply_failure(call, r, error.msg);
    return r == 0;
}

/* Nothing that a request says of proxies has any effect unless a proxy of ours has signed it.
 * Requests of a next link have no Accept: their target tells. */
static bool check_proxy(lb_http_call *call, const lb_http_request *request)
{
    bool next = call->params.given & LBI_GRIP;

    if (!next && !call->wants_stream)
        return true;
    if (lbi_hold_is_signed(call->http, get_field(request, "grip-sig"))) {
        call->wants_stream = true;
        if (!call->head)
            call->hold = next ? LBI_HOLD_NEXT : LBI_HOLD_FIRST;
        return true;
    }
    if (next)
        lbi_reply_error(call, 403, "unsigned", "this is for proxies of this server only");
    else if (call->http->flags & LB_HTTP_PROXY_REQUIRED)
        lbi_reply_error(call, 501, "proxy_required",
                        "event streams are to be had by way of a proxy of this server only");
    else
        return true;
    return false;
}

/* ---- Beginning ------------------------------------------------------------------------------ */

/* Keeps a field for later. One that is too long is as good as none. Returns 0 or LB_E_NOMEM. */
static int keep_field(lb_http_call *call, const lb_http_request *request, const char *name,
                      const char **ret)
{
    const char *value = get_field(request, name);

    if (!value || strnlen(value, MAX_FIELD + 1) > MAX_FIELD)
        return 0;
    *ret = lbi_arena_text(&call->arena, value, strlen(value));
    return *ret ? 0 : LB_E_NOMEM;
}

static int keep_fields(lb_http_call *call, const lb_http_request *request)
{
    int r = keep_field(call, request, "if-none-match", &call->if_none_match);

    if (r == 0 && call->wants_stream)
        r = keep_field(call, request, "last-event-id", &call->last_event_id);
    if (r == 0 && call->hold == LBI_HOLD_NEXT)
        r = keep_field(call, request, "grip-last", &call->grip_last);
    return r;
}

static void start(lb_http_call *call, const lbi_endpoint *endpoint, const lb_http_request *request)
{
    lb_error error = {.msg = ""};
    int r = keep_fields(call, request);

    call->key = get_field(request, "idempotency-key"); /* lent: used within this call only */
    call->writes = endpoint->writes;
    if (r == 0)
        r = endpoint->start(call, &error);
    call->key = NULL;
    if (r < 0)
        lbi_reply_failure(call, r, error.msg);
}

void lbi_call_begin(lb_http_call *call, const lb_http_request *request)
{
    const lbi_endpoint *endpoint;

    lbi_copy(call->method, sizeof call->method, request->method);
    lbi_copy(call->asked, sizeof call->asked, request->target);
    call->head = strcmp(request->method, "HEAD") == 0;
    add_origin(call, request);
    if (!check_size(call, request) || is_server(call, request))
        return;
    endpoint = check_target(call, request);
    if (!endpoint)
        return;
    if (endpoint->writes && !may_write(call, request))
        return;
    if (check_accept(call, endpoint, get_field(request, "accept")) &&
        check_encoding(call, request) && check_params(call, endpoint, request) &&
        check_proxy(call, request))
        start(call, endpoint, request);
}
