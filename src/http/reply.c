#include "base/error.h"
#include "base/json_out.h"
#include "base/list.h"
#include "http/call.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char no_memory[] = "{\"error\":{\"code\":\"nomem\",\"message\":\"out of memory\"}}\n";

/* ---- Fields --------------------------------------------------------------------------------- */

void lbi_reply_field(lb_http_call *call, const char *name, const char *value)
{
    if (call->n_fields < LBI_HTTP_FIELDS)
        call->fields[call->n_fields++] = (lb_http_field){.name = name, .value = value};
}

void lbi_reply_fieldf(lb_http_call *call, const char *name, const char *format, ...)
{
    enum { MAX = 1024 };
    char *value = lbi_arena_alloc(&call->arena, MAX);
    va_list args;
    int n;

    if (!value)
        return;
    va_start(args, format);
    n = vsnprintf(value, MAX, format, args);
    va_end(args);
    if (n > 0 && n < MAX)
        lbi_reply_field(call, name, value);
}

/* ---- Replies -------------------------------------------------------------------------------- */

static void finish(lb_http_call *call, int status)
{
    lb_http *http = call->http;

    call->status = status;
    call->is_replied = true;
    DL_DELETE(http->calls, call);
    DL_APPEND(http->replies, call);
}

void lbi_reply_empty(lb_http_call *call, int status)
{
    lbi_buf_clear(&call->body);
    finish(call, status);
}

void lbi_reply_json(lb_http_call *call, int status)
{
    (void)lbi_buf_add_char(&call->body, '\n');
    if (call->body.code < 0) {
        lbi_reply_failure(call, LB_E_NOMEM, "");
        return;
    }
    lbi_reply_field(call, "Content-Type", "application/json");
    lbi_reply_field(call, "X-Content-Type-Options", "nosniff");
    finish(call, status);
}

void lbi_reply_error(lb_http_call *call, int status, const char *code, const char *message)
{
    lbi_buf_clear(&call->body);
    lbi_put_error(&call->body, code, message);
    (void)lbi_buf_add_char(&call->body, '\n');
    lbi_reply_field(call, "Content-Type", "application/json");
    lbi_reply_field(call, "X-Content-Type-Options", "nosniff");
    if (status >= 500 && call->error.code == 0)
        (void)lbi_fail(&call->error, LB_E_UNSUPPORTED, "%s", message);
    /* Those two were not applied. */
    if (status == 503 || call->error.code == LB_E_TIMEOUT)
        lbi_reply_field(call, "Retry-After", "1");
    finish(call, status);
}

void lbi_reply_stream(lb_http_call *call)
{
    lbi_buf_clear(&call->body);
    lbi_reply_events(call);
}

void lbi_reply_events(lb_http_call *call)
{
    lbi_reply_field(call, "Content-Type", "text/event-stream");
    lbi_reply_field(call, "X-Accel-Buffering", "no"); /* else nginx waits for more */
    finish(call, 200);
}

/* ---- Errors of the library ------------------------------------------------------------------ */

/* What a browser may know of a failure: whose fault it is. Messages of the store name files and
 * hosts, which is for the host to know; those of status 400, 409 and 415 speak of the request. */
static const struct {
    int code, status;
    const char *name, *message; /* message NULL: the library's */
} failures[] = {
    {LB_E_INVAL, 400, "invalid", NULL},
    {LB_E_NOTFOUND, 404, "not_found", "there is no such board, or no such player on it"},
    {LB_E_RANGE, 409, "range", NULL},
    {LB_E_CONFLICT, 409, "conflict", NULL},
    {LB_E_UNSUPPORTED, 415, "unsupported_type", NULL},
    {LB_E_TIMEOUT, 504, "timeout", "it took too long, and nothing was changed: try again"},
    {LB_E_UNKNOWN, 504, "unknown",
     "it is not known whether this was applied: read before you repeat it, or repeat it with the "
     "same Idempotency-Key"},
    {LB_E_NOMEM, 503, "nomem", "out of memory"},
    {LB_E_LIMIT, 503, "limit", "too much is going on: try again later"},
    {LB_E_BUSY, 503, "busy", "the database is busy: try again later"},
    {LB_E_CLOSED, 503, "closed", "the server is closing down, nothing was changed"},
    {LB_E_CANCELED, 503, "canceled", "canceled, nothing was changed"},
    {LB_E_IO, 503, "io", "the database cannot be reached: the server's log says why"},
    {LB_E_TLS, 503, "tls", "the database cannot be reached: the server's log says why"},
    {LB_E_AUTH, 503, "auth", "the database cannot be reached: the server's log says why"},
    {LB_E_FULL, 503, "full", "the disk of the database is full"},
    {0, 500, "internal", "the database cannot be used: the server's log says why"},
};

static void reply_row(lb_http_call *call, size_t row, int code, const char *message)
{
    if (failures[row].status >= 500)
        (void)lbi_fail(&call->error, code, "%s", *message ? message : lb_strerror(code));
    lbi_reply_error(call, failures[row].status, failures[row].name,
                    failures[row].message ? failures[row].message : message);
}

void lbi_reply_failure(lb_http_call *call, int code, const char *message)
{
    size_t i = 0;

    while (failures[i].code != 0 && failures[i].code != code)
        i++;
    reply_row(call, i, code, message);
}

void lbi_reply_broken(lb_http_call *call, int code, const char *message)
{
    reply_row(call, sizeof failures / sizeof *failures - 1, code, message);
}

/* ---- Giving --------------------------------------------------------------------------------- */

void lbi_reply_give(lb_http_call *call)
{
    lb_http *http = call->http;
    lb_http_reply reply = {.status = call->status, .fields = call->fields};

    reply.n_fields = call->n_fields;
    reply.stream = call->stream;
    if (call->body.code < 0) { /* not even an error could be made */
        reply.status = 503;
        reply.body = no_memory;
        reply.body_size = sizeof no_memory - 1;
        (void)lbi_fail(&call->error, LB_E_NOMEM, "%s", lb_strerror(LB_E_NOMEM));
    } else if (call->body.len > 0) {
        reply.body = lbi_buf_bytes(&call->body);
        reply.body_size = call->body.len;
    }
    if (call->head || call->status == 304)
        reply.body = NULL;
    call->stream = NULL; /* the host's from now on */
    call->is_given = true;
    http->counters.calls_now--;
    http->counters.replies[reply.status / 100]++;
    if (reply.status >= 500)
        lbi_http_tell_failure(http, call->method, call->asked, reply.status, &call->error);
    call->fn(&reply, call->user);
    lbi_call_free(call);
}
