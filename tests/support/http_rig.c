#include "http_rig.h"

#include "fault.h"
#include "model_store.h"
#include "test.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* ---- the handler ---------------------------------------------------------------------------- */

void http_open_sqlite(http_rig *rig, const lb_http_options *opts)
{
    lb_options o;

    *rig = (http_rig){.client = NULL};
    lb_options_init(&o);
    o.database = "sqlite:http.db";
    CHECK_EQ(lb_client_new(&o, &rig->client, NULL), 0);
    CHECK_EQ(lb_http_new(rig->client, opts, &rig->http, NULL), 0);
}

void http_open_model(http_rig *rig, const lb_http_options *opts)
{
    *rig = (http_rig){.client = model_client(NULL)};
    CHECK_EQ(lb_http_new(rig->client, opts, &rig->http, NULL), 0);
}

void http_close(http_rig *rig)
{
    CHECK(lb_http_free(rig->http) == NULL);
    CHECK(lb_client_free(rig->client) == NULL);
}

/* ---- requests ------------------------------------------------------------------------------- */

struct field_list {
    const char *lines;
    char value[8192];
};

static const char *find_line(const char *lines, const char *name)
{
    size_t len = strlen(name);

    while (lines && *lines) {
        if (strncasecmp(lines, name, len) == 0 && strncmp(lines + len, ": ", 2) == 0)
            return lines + len + 2;
        lines = strchr(lines, '\n');
        lines += lines != NULL;
    }
    return NULL;
}

static const char *copy_line(char *buf, size_t size, const char *line)
{
    CHECK((size_t)snprintf(buf, size, "%.*s", (int)strcspn(line, "\n"), line) < size);
    return buf;
}

static const char *get_field(const char *name, void *user)
{
    struct field_list *list = user;
    const char *line = find_line(list->lines, name);

    CHECK(!strpbrk(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"));
    return line ? copy_line(list->value, sizeof list->value, line) : NULL;
}

int http_start(http_rig *rig, answer *a, const char *line, const char *fields, const char *body,
               size_t size, lb_http_call **ret)
{
    struct field_list list = {.lines = fields};
    size_t len = strcspn(line, " ");
    lb_http_request request;
    char method[16];
    int r;

    CHECK(len < sizeof method && line[len] == ' ');
    (void)snprintf(method, sizeof method, "%.*s", (int)len, line);
    lb_http_request_init(&request);
    request.method = method;
    request.target = line + len + 1;
    request.field = fields ? get_field : NULL;
    request.field_user = &list;
    request.body = body;
    request.body_size = size;
    r = lb_http_handle(rig->http, &request, answer_take, a, ret, NULL);
    memset(method, 'x', sizeof method); /* all was copied */
    memset(&list, 'x', sizeof list);
    return r;
}

static bool has_come(void *user)
{
    const answer *a = user;

    return a->count > 0;
}

int http_ask(http_rig *rig, answer *a, const char *line, const char *fields, const char *body)
{
    answer_clear(a);
    CHECK_EQ(http_start(rig, a, line, fields, body, body ? strlen(body) : 0, NULL), 0);
    CHECK_EQ(a->count, 0);
    http_until(rig, has_come, a);
    CHECK_EQ(a->count, 1);
    return a->status;
}

/* ---- replies -------------------------------------------------------------------------------- */

static void take_fields(answer *a, const lb_http_reply *reply)
{
    size_t len = 0;

    for (size_t i = 0; i < reply->n_fields; i++) {
        const lb_http_field *f = &reply->fields[i];

        CHECK(f->name[0] && !strpbrk(f->name, "\r\n: ") && !strpbrk(f->value, "\r\n"));
        CHECK(!find_line(a->fields, f->name));
        len += (size_t)snprintf(a->fields + len, sizeof a->fields - len, "%s: %s\n", f->name,
                                f->value);
        CHECK(len < sizeof a->fields);
    }
}

void answer_take(const lb_http_reply *reply, void *user)
{
    answer *a = user;

    a->count++;
    a->status = reply->status;
    a->stream = reply->stream;
    a->body_size = reply->body_size;
    take_fields(a, reply);
    CHECK(!find_line(a->fields, "Content-Length") && !find_line(a->fields, "Transfer-Encoding"));
    if (!reply->body)
        return;
    fault_suspend();
    a->body = malloc(reply->body_size + 1);
    fault_resume();
    CHECK(a->body != NULL);
    memcpy(a->body, reply->body, reply->body_size);
    a->body[reply->body_size] = '\0';
    CHECK_EQ(strlen(a->body), reply->body_size);
}

const char *answer_field(const answer *a, const char *name)
{
    static char value[2048];
    const char *line = find_line(a->fields, name);

    return line ? copy_line(value, sizeof value, line) : "";
}

void answer_clear(answer *a)
{
    free(a->body);
    CHECK(lb_http_stream_free(a->stream) == NULL);
    *a = (answer){.count = 0};
}

/* ---- the loop ------------------------------------------------------------------------------- */

static uint64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void sleep_until_due(http_rig *rig)
{
    struct pollfd fd = {.fd = lb_client_fd(rig->client), .events = POLLIN};
    uint64_t client = 0, http = 0, due, now = now_us();
    int timeout = -1;

    CHECK_EQ(lb_client_deadline(rig->client, &client), 0);
    CHECK_EQ(lb_http_deadline(rig->http, &http), 0);
    due = client < http ? client : http;
    if (due != LB_NEVER)
        timeout = due > now ? (int)((due - now + 999) / 1000) : 0;
    (void)poll(&fd, 1, timeout);
}

bool http_turn(http_rig *rig, bool sleeps)
{
    int busy = lb_client_process(rig->client);

    CHECK_OK(busy);
    busy |= lb_http_process(rig->http);
    CHECK_OK(busy);
    if (!busy && sleeps)
        sleep_until_due(rig);
    return busy;
}

void http_idle(http_rig *rig)
{
    while (http_turn(rig, false))
        ;
}

void http_until(http_rig *rig, bool (*is_true)(void *user), void *user)
{
    while (!is_true(user))
        (void)http_turn(rig, true);
}

/* ---- listeners ------------------------------------------------------------------------------ */

static void on_ready(lb_http_stream *stream, void *user)
{
    listener *l = user;

    CHECK(stream == l->a.stream);
    l->readies++;
    if (!l->by_hand)
        listen_read(l);
}

void listen_open(listener *l, http_rig *rig, const char *target, const char *fields)
{
    char line[256], all[1024];

    (void)snprintf(line, sizeof line, "GET %s", target);
    (void)snprintf(all, sizeof all, "accept: text/event-stream\n%s", fields ? fields : "");
    CHECK_EQ(http_ask(rig, &l->a, line, all, NULL), 200);
    CHECK_STR(answer_field(&l->a, "Content-Type"), "text/event-stream");
    CHECK(l->a.stream != NULL && l->a.body == NULL);
    sse_open(&l->sse);
    CHECK_EQ(lb_http_stream_ready(l->a.stream, on_ready, l), 0);
}

void listen_read(listener *l)
{
    char buf[65536];
    size_t size = l->chunk ? l->chunk : sizeof buf;
    int n;

    CHECK(size <= sizeof buf);
    while ((n = lb_http_stream_read(l->a.stream, buf, size)) > 0) {
        CHECK((size_t)n <= size);
        l->bytes += (size_t)n;
        sse_feed(&l->sse, buf, (size_t)n);
    }
    CHECK(n == 0 || n == LB_E_CLOSED);
    l->closed = n < 0;
}

void listen_close(listener *l)
{
    answer_clear(&l->a);
    sse_close(&l->sse);
    *l = (listener){.bytes = 0};
}

struct goal {
    listener *l;
    const char *data; /* NULL: the end */
};

static bool is_reached(void *user)
{
    const struct goal *goal = user;

    return goal->l->closed || (goal->data && strcmp(goal->l->sse.last_data.bytes, goal->data) == 0);
}

void listen_until(http_rig *rig, listener *l, const char *data)
{
    http_until(rig, is_reached, &(struct goal){.l = l, .data = data});
    CHECK_STR(l->sse.last_data.bytes, data);
}

void listen_until_closed(http_rig *rig, listener *l)
{
    http_until(rig, is_reached, &(struct goal){.l = l});
    CHECK(sse_is_between(&l->sse));
}
