#include "fake_http.h"

#include "test.h"

#include "base/json.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUEST_MAX = 2 * 1024 * 1024 };

#define OK_ANSWER                                                                                  \
    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: "         \
    "10\r\n\r\nPublished\n"

static void watch(const fake_http *http, int operation, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};

    CHECK_EQ(epoll_ctl(http->epoll, operation, fd, &event), 0);
}

void fake_http_open(fake_http *http)
{
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_port = htons(http->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof in;
    int one = 1;

    http->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    CHECK(http->listener >= 0);
    CHECK_EQ(setsockopt(http->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), 0);
    CHECK_EQ(bind(http->listener, (struct sockaddr *)&in, size), 0);
    CHECK_EQ(listen(http->listener, 64), 0);
    CHECK_EQ(getsockname(http->listener, (struct sockaddr *)&in, &size), 0);
    http->port = ntohs(in.sin_port);
    watch(http, EPOLL_CTL_ADD, http->listener, EPOLLIN);
}

void fake_http_start(fake_http *http)
{
    memset(http, 0, sizeof *http);
    http->epoll = epoll_create1(EPOLL_CLOEXEC);
    CHECK(http->epoll >= 0);
    fake_http_open(http);
}

static void end_conn(struct fake_conn *conn)
{
    close(conn->fd);
    free(conn->data);
    memset(conn, 0, sizeof *conn);
}

void fake_http_close(fake_http *http)
{
    close(http->listener);
    http->listener = -1;
    for (size_t i = 0; i < FAKE_HTTP_CONNS; i++) {
        if (http->conns[i].fd)
            end_conn(&http->conns[i]);
    }
}

void fake_http_stop(fake_http *http)
{
    if (http->listener >= 0)
        fake_http_close(http);
    close(http->epoll);
    for (size_t i = 0; i < http->n_requests; i++) {
        free(http->requests[i].head);
        free(http->requests[i].body);
    }
    free(http->requests);
}

void fake_http_answer(fake_http *http, fake_answer answer)
{
    CHECK(http->n_script < FAKE_HTTP_SCRIPT);
    http->script[http->n_script++] = answer;
}

void fake_http_status(fake_http *http, const char *status)
{
    static char texts[FAKE_HTTP_SCRIPT][300];
    char *text = texts[http->n_script];

    snprintf(text, sizeof texts[0], "HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
             status);
    fake_http_answer(http, (fake_answer){.bytes = text});
}

int fake_http_fd(const fake_http *http)
{
    return http->epoll;
}

/* ---- Connections ---------------------------------------------------------------------------- */

static fake_answer answer_to(const fake_http *http, size_t number)
{
    if (number < http->n_script)
        return http->script[number];
    return (fake_answer){.bytes = NULL};
}

static void take_conn(fake_http *http)
{
    int fd = accept4(http->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    size_t i = 0;

    if (fd < 0)
        return;
    while (i < FAKE_HTTP_CONNS && http->conns[i].fd)
        i++;
    CHECK(i < FAKE_HTTP_CONNS);
    http->conns[i].fd = fd;
    http->conns[i].number = http->n_conns++;
    watch(http, EPOLL_CTL_ADD, fd, EPOLLIN);
    if (answer_to(http, http->conns[i].number).drop_early)
        end_conn(&http->conns[i]);
}

static void send_more(fake_http *http, struct fake_conn *conn)
{
    ssize_t n = send(conn->fd, conn->out, conn->out_left, MSG_NOSIGNAL);

    if (n < 0 && errno == EAGAIN)
        n = 0;
    if (n < 0 || (size_t)n == conn->out_left) {
        end_conn(conn);
        return;
    }
    conn->out += n;
    conn->out_left -= (size_t)n;
    watch(http, EPOLL_CTL_MOD, conn->fd, EPOLLOUT);
}

static void answer(fake_http *http, struct fake_conn *conn)
{
    fake_answer a = answer_to(http, conn->number);

    if (http->handler)
        a = http->handler(&http->requests[http->n_requests - 1], http->handler_user);
    conn->held = false;
    if (a.drop) {
        end_conn(conn);
        return;
    }
    conn->out = a.bytes ? a.bytes : OK_ANSWER;
    conn->out_left = a.size ? a.size : strlen(conn->out);
    send_more(http, conn);
}

/* The value of a field, NULL if there is none. */
static const char *field(const char *head, const char *name)
{
    const char *line = head;

    while ((line = strstr(line, "\r\n"))) {
        line += 2;
        if (strncasecmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':')
            return line + strlen(name) + 1;
    }
    return NULL;
}

static void take_request(fake_http *http, struct fake_conn *conn, size_t head_len, size_t size)
{
    fake_request *request;

    http->requests = realloc(http->requests, (http->n_requests + 1) * sizeof *request);
    CHECK(http->requests != NULL);
    request = &http->requests[http->n_requests++];
    request->head = strndup(conn->data, head_len);
    request->body = malloc(size + 1);
    CHECK(request->head && request->body);
    memcpy(request->body, conn->data + head_len + 4, size);
    request->body[size] = '\0';
    request->body_size = size;
    if (answer_to(http, conn->number).hold && !http->released)
        conn->held = true;
    else
        answer(http, conn);
}

static void read_more(fake_http *http, struct fake_conn *conn)
{
    const char *end, *length;
    size_t size;
    ssize_t n;

    if (!conn->data)
        conn->data = calloc(1, REQUEST_MAX + 1);
    CHECK(conn->data && conn->len < REQUEST_MAX);
    n = recv(conn->fd, conn->data + conn->len, REQUEST_MAX - conn->len, 0);
    if (n <= 0) {
        if (n == 0 || errno != EAGAIN)
            end_conn(conn);
        return;
    }
    conn->len += (size_t)n;
    end = strstr(conn->data, "\r\n\r\n");
    if (!end || conn->held || conn->out)
        return;
    length = field(conn->data, "Content-Length");
    CHECK(length || http->handler); /* a proxy wants it */
    size = length ? strtoul(length, NULL, 10) : 0;
    if (conn->len >= (size_t)(end - conn->data) + 4 + size)
        take_request(http, conn, (size_t)(end - conn->data), size);
}

void fake_http_process(fake_http *http)
{
    struct epoll_event event;

    while (epoll_wait(http->epoll, &event, 1, 0) == 1) {
        size_t i = 0;

        if (event.data.fd == http->listener) {
            take_conn(http);
            continue;
        }
        while (i < FAKE_HTTP_CONNS && http->conns[i].fd != event.data.fd)
            i++;
        CHECK(i < FAKE_HTTP_CONNS);
        if (http->conns[i].out)
            send_more(http, &http->conns[i]);
        else
            read_more(http, &http->conns[i]);
    }
}

void fake_http_release(fake_http *http)
{
    http->released = true;
    for (size_t i = 0; i < FAKE_HTTP_CONNS; i++) {
        if (http->conns[i].held)
            answer(http, &http->conns[i]);
    }
}

const char *fake_http_field(const fake_request *request, const char *name)
{
    static char value[8192];
    const char *at = field(request->head, name);

    if (!at)
        return NULL;
    at += strspn(at, " ");
    snprintf(value, sizeof value, "%.*s", (int)strcspn(at, "\r"), at);
    return value;
}

/* ---- Items ---------------------------------------------------------------------------------- */

static const char *text_of(const lbi_json *object, const char *key)
{
    const char *text = lbi_json_text(lbi_json_get(object, key));

    return text ? text : "-";
}

const char *fake_http_items(const fake_http *http, size_t i)
{
    static char text[65536];
    const fake_request *request;
    lbi_json *root = NULL;
    size_t n = 0;

    CHECK(i < http->n_requests);
    request = &http->requests[i];
    CHECK(strncmp(request->head, "POST ", 5) == 0);
    CHECK(!field(request->head, "Transfer-Encoding") && !field(request->head, "Expect"));
    CHECK(request->body_size <= 1000000);
    CHECK_OK(lbi_json_parse(request->body, request->body_size, 1000000, 8, &root, NULL));
    text[0] = '\0';
    for (const lbi_json *item = lbi_json_first(lbi_json_get(root, "items")); item;
         item = lbi_json_next(item)) {
        const lbi_json *stream = lbi_json_get(lbi_json_get(item, "formats"), "http-stream");
        const char *content = lbi_json_text(lbi_json_get(stream, "content"));

        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s %s %s %s", n ? ", " : "",
                              text_of(item, "channel"), text_of(item, "id"),
                              text_of(item, "prev-id"),
                              content ? content : text_of(stream, "action"));
        CHECK(n < sizeof text);
    }
    lbi_json_free(root);
    return text;
}
