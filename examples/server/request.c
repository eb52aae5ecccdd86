/*
 * The life of a request: libmicrohttpd reads it, the library answers it, libmicrohttpd sends that.
 *
 *     READING ──submit()──▶ WAITING ──reply──▶ READY ──queued──▶ SENDING ──▶ on_end()
 *
 * A request that waits is suspended: libmicrohttpd leaves its connection alone until it is resumed,
 * and then calls on_request() again. A stream is suspended whenever it has nothing to send.
 *
 * requests_check() looks once a second after what libmicrohttpd leaves alone: heads and bodies that
 * do not come to an end, and clients that have gone while they had to wait.
 */
#include "server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* The head of a request, and later the reply's. */
#define HEAD_MAX 16384
/* What is read and forgotten of a body that is too long, so that its sender gets to hear of it. */
#define FORGET_MAX (UINT64_C(4) << 20)
/* A stream's socket holds little, since a slow client is better served the newest state later than
 * old ones now. */
#define STREAM_BUFFER 32768

/* How often to look, and how long a request waits before its client is watched. */
#define CHECK_US 1000000

enum state { READING, WAITING, READY, SENDING };

struct connection {
    struct connection *previous, *next;
    struct MHD_Connection *daemons; /* libmicrohttpd's */
    struct request *request;        /* NULL: none has begun */
    uint64_t deadline_us;           /* of the head or the body that is being read */
};

struct request {
    struct server *server;
    struct MHD_Connection *connection;
    char *target;       /* as it came, still percent-encoded */
    const char *method; /* libmicrohttpd's */
    uint64_t start_us, submit_us, sent;
    enum state state;
    bool old; /* HTTP/1.0 */
    bool suspended, answering, gone;
    bool watched; /* server->gone_fd has its socket */
    bool last;    /* of its connection */
    char *body;   /* at most LB_HTTP_BODY_MAX + 1 bytes: enough to be too long */
    size_t body_size, body_room;
    uint64_t forgotten; /* further bytes */
    lb_http_call *call; /* while the library is at it */
    struct probe *probe;
    struct MHD_Response *response; /* when READY */
    int status;
    lb_http_stream *stream;
};

/* ---- Begin and end -------------------------------------------------------------------------- */

static uint64_t after_s(uint32_t seconds)
{
    return now_us() + (uint64_t)seconds * 1000000;
}

static struct connection *connection_of(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

static void forget(struct request *request)
{
    if (!request)
        return;
    connection_of(request->connection)->request = NULL;
    free(request->target);
    free(request->body);
    free(request);
}

static void connection_begin(struct server *server, struct MHD_Connection *daemons, void **ret)
{
    struct connection *connection = calloc(1, sizeof *connection);

    *ret = connection;
    if (!connection)
        return;
    connection->daemons = daemons;
    connection->deadline_us = after_s(server->options.read_timeout_s);
    connection->next = server->connections;
    if (connection->next)
        connection->next->previous = connection;
    server->connections = connection;
}

static void connection_end(struct server *server, struct connection *connection)
{
    if (!connection)
        return;
    if (connection->previous)
        connection->previous->next = connection->next;
    else
        server->connections = connection->next;
    if (connection->next)
        connection->next->previous = connection->previous;
    free(connection);
}

/* When the parameters of a query, or a long target, do not fit into a connection's memory,
 * libmicrohttpd ends the connection without on_end(). */
static void on_connection(void *cls, struct MHD_Connection *daemons, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct connection *connection = *context;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        connection_begin(cls, daemons, context);
        return;
    }
    if (connection)
        forget(connection->request);
    connection_end(cls, connection);
}

/* Called with the target when the first line of a request has come. */
static void *on_target(void *cls, const char *target, struct MHD_Connection *daemons)
{
    struct server *server = cls;
    struct connection *connection = connection_of(daemons);
    struct request *request = connection ? calloc(1, sizeof *request) : NULL;
    uint64_t deadline = after_s(server->options.read_timeout_s);

    if (!request || !(request->target = strdup(target))) {
        free(request);
        return NULL;
    }
    request->server = server;
    request->connection = daemons;
    request->start_us = now_us();
    connection->request = request;
    if (deadline < connection->deadline_us)
        connection->deadline_us = deadline;
    return request;
}

static int socket_of(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

static void log_end(const struct request *request)
{
    const union MHD_ConnectionInfo *peer, *status;

    peer = MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    status = MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_HTTP_STATUS);
    log_request(peer ? peer->client_addr : NULL, request->method ? request->method : "",
                request->target, status ? (int)status->http_status : 0, request->sent,
                request->start_us);
}

/* Whatever became of it: it was answered, or the client has gone. */
static void on_end(void *cls, struct MHD_Connection *connection, void **context,
                   enum MHD_RequestTerminationCode code)
{
    struct server *server = cls;
    struct request *request = *context;

    (void)code;
    if (!request)
        return;
    *context = NULL;
    if (!server->options.quiet)
        log_end(request);
    lb_http_cancel(request->call);
    probe_end(request->probe);
    if (request->watched)
        (void)epoll_ctl(server->gone_fd, EPOLL_CTL_DEL, socket_of(request->connection), NULL);
    if (request->stream) {
        lb_http_stream_free(request->stream);
        server->streaming--;
    }
    if (request->answering)
        server->answering--;
    if (request->response)
        MHD_destroy_response(request->response);
    forget(request);
    connection_of(connection)->deadline_us =
        after_s(server->options.idle_timeout_s + server->options.read_timeout_s);
}

static void suspend(struct request *request)
{
    request->suspended = true;
    MHD_suspend_connection(request->connection);
}

static void resume(struct request *request)
{
    if (request->suspended) {
        request->suspended = false;
        MHD_resume_connection(request->connection);
    }
}

/* ---- Clients that have gone, or take too long ------------------------------------------------ */

/* libmicrohttpd does not look at a suspended connection: this notices when its client goes. Of a
 * client that has only said that it sends no more one cannot tell whether it has gone. A listener
 * that does is taken to have; who waits for a reply gets it, and waits no longer than its timeout. */
static void watch_for_gone(struct request *request, uint32_t half_closed)
{
    struct epoll_event event = {.events = half_closed | EPOLLET, .data.ptr = request};

    (void)epoll_ctl(request->server->gone_fd, request->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD,
                    socket_of(request->connection), &event);
    request->watched = true;
}

void requests_look_for_gone(struct server *server)
{
    struct epoll_event events[256];
    int n = epoll_wait(server->gone_fd, events, sizeof events / sizeof events[0], 0);

    /* Requests end only inside MHD_run(), so all of these are there. */
    for (int i = 0; i < n; i++) {
        struct request *request = events[i].data.ptr;

        request->gone = true;
        resume(request);
    }
}

void requests_release(struct server *server)
{
    for (struct connection *c = server->connections; c; c = c->next) {
        if (c->request) {
            c->request->gone = true;
            resume(c->request);
        }
    }
}

/* Its request must have come by a certain time, however busily it is sent. libmicrohttpd has a
 * timeout for connections on which nothing moves, and no call to end one. */
static void check(struct connection *connection, uint64_t now)
{
    struct request *request = connection->request;

    if (!request || request->state == READING) {
        if (now >= connection->deadline_us)
            (void)shutdown(socket_of(connection->daemons), SHUT_RDWR);
    } else if (request->state == WAITING && now >= request->submit_us + CHECK_US) {
        if (!request->watched)
            watch_for_gone(request, 0);
    }
}

void requests_check(struct server *server)
{
    uint64_t now = now_us();

    if (now < server->check_us)
        return;
    server->check_us = now + CHECK_US;
    for (struct connection *c = server->connections; c; c = c->next)
        check(c, now);
}

uint64_t requests_deadline(const struct server *server)
{
    return server->connections ? server->check_us : LB_NEVER;
}

/* ---- Streams -------------------------------------------------------------------------------- */

static void on_ready(lb_http_stream *stream, void *user)
{
    (void)stream;
    resume(user);
}

/* Ends the connection by a byte that cannot be sent. After MHD_CONTENT_READER_END_WITH_ERROR, and at
 * the end of a reply without chunks, libmicrohttpd would keep the socket for as long as there is a
 * connection on which nothing has moved for longer. */
static ssize_t hang_up(const struct request *request, char *buffer)
{
    (void)shutdown(socket_of(request->connection), SHUT_RDWR);
    *buffer = '\n';
    return 1;
}

static ssize_t read_stream(void *cls, uint64_t position, char *buffer, size_t size)
{
    struct request *request = cls;
    int n;

    (void)position;
    if (request->gone)
        return hang_up(request, buffer);
    n = lb_http_stream_read(request->stream, buffer, size);
    if (n < 0)
        return request->old ? hang_up(request, buffer) : MHD_CONTENT_READER_END_OF_STREAM;
    if (n == 0)
        suspend(request);
    request->sent += (uint64_t)n;
    return n;
}

static struct MHD_Response *stream_response(struct request *request, lb_http_stream *stream)
{
    int size = STREAM_BUFFER;

    request->stream = stream;
    request->server->streaming++;
    (void)setsockopt(socket_of(request->connection), SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    watch_for_gone(request, EPOLLRDHUP);
    lb_http_stream_ready(stream, on_ready, request);
    /* The size of the pieces is for HTTP/1.0: chunks are made in the connection's own memory. */
    return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, request->old ? STREAM_BUFFER : 1,
                                             read_stream, request, NULL);
}

/* ---- Replies -------------------------------------------------------------------------------- */

static bool is_head(const struct request *request)
{
    return strcmp(request->method, "HEAD") == 0;
}

/* Never called: to HEAD no body is sent, only its length. */
static ssize_t read_nothing(void *cls, uint64_t position, char *buffer, size_t size)
{
    (void)cls;
    (void)position;
    (void)buffer;
    (void)size;
    return MHD_CONTENT_READER_END_WITH_ERROR;
}

/* A reply without a body, which says how long it would be, or nothing of that if it has no length:
 * then the connection ends with it, since libmicrohttpd sends a last chunk where none belongs. */
static struct MHD_Response *bodiless_response(uint64_t size)
{
    struct MHD_Response *response = MHD_create_response_from_callback(
        size > 0 ? size : MHD_SIZE_UNKNOWN, 1, read_nothing, NULL, NULL);

    if (response && size == 0)
        (void)MHD_set_response_options(response, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
    return response;
}

static struct MHD_Response *body_response(struct request *request, int status, const void *body,
                                          size_t size)
{
    if (is_head(request) || status == MHD_HTTP_NOT_MODIFIED) {
        request->last = request->last || size == 0;
        return bodiless_response(size);
    }
    request->sent = size;
    return MHD_create_response_from_buffer(body ? size : 0, (void *)(uintptr_t)body,
                                           MHD_RESPMEM_MUST_COPY);
}

static void on_reply(const lb_http_reply *reply, void *user)
{
    struct request *request = user;
    struct server *server = request->server;
    struct MHD_Response *response =
        reply->stream ? stream_response(request, reply->stream)
                      : body_response(request, reply->status, reply->body, reply->body_size);

    request->call = NULL;
    /* Who has no place for a stream must not keep that of a plain request. */
    if (reply->status == MHD_HTTP_SERVICE_UNAVAILABLE && server->streaming >= server->max_streams)
        request->last = true;
    for (size_t i = 0; response && i < reply->n_fields; i++)
        (void)MHD_add_response_header(response, reply->fields[i].name, reply->fields[i].value);
    request->status = reply->status;
    request->response = response;
    request->state = READY;
    resume(request);
}

void request_reply_text(struct request *request, int status, const char *type, const char *text)
{
    request->response = body_response(request, status, text, strlen(text));
    request->status = status;
    request->state = READY;
    request->probe = NULL;
    if (request->response) {
        (void)MHD_add_response_header(request->response, "Content-Type", type);
        (void)MHD_add_response_header(request->response, "Cache-Control", "no-store");
    }
    resume(request);
}

void request_refuse(struct request *request, int status, const char *code, const char *message,
                    const char *allow)
{
    char text[300];

    (void)snprintf(text, sizeof text, "{\"error\":{\"code\":\"%s\",\"message\":\"%s\"}}\n", code,
                   message);
    request_reply_text(request, status, "application/json", text);
    if (request->response && allow)
        (void)MHD_add_response_header(request->response, MHD_HTTP_HEADER_ALLOW, allow);
}

/* Inside on_request(), where libmicrohttpd wants it. */
static enum MHD_Result send_reply(struct request *request)
{
    struct MHD_Response *response = request->response;
    enum MHD_Result result;

    if (!response)
        return MHD_NO; /* no memory for it: the connection ends */
    if (request->server->stopping || request->last)
        (void)MHD_add_response_header(response, "Connection", "close");
    if (request->stream) {
        request->server->answering--;
        request->answering = false;
    }
    request->state = SENDING;
    request->response = NULL;
    result = MHD_queue_response(request->connection, (unsigned)request->status, response);
    MHD_destroy_response(response);
    return result;
}

/* ---- Requests ------------------------------------------------------------------------------- */

/* A search for the lines of one name, in two passes when there are several. */
struct search {
    const char *name, *first;
    size_t lines, length;
    char *end; /* second pass: where the next one goes */
};

/* Values that were joined live until the library has taken the request. */
struct joined {
    struct joined *next;
    char value[];
};

struct fields {
    struct MHD_Connection *connection;
    struct joined *joined;
};

static enum MHD_Result look_at_line(void *cls, enum MHD_ValueKind kind, const char *name,
                                    const char *value)
{
    struct search *search = cls;

    (void)kind;
    if (strcasecmp(name, search->name) != 0 || !value)
        return MHD_YES;
    if (search->end) {
        if (search->lines++ > 0)
            search->end = stpcpy(search->end, ", ");
        search->end = stpcpy(search->end, value);
        return MHD_YES;
    }
    if (search->lines++ == 0)
        search->first = value;
    search->length += strlen(value) + strlen(", ");
    return MHD_YES;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool ends_blank(const char *value)
{
    size_t n = strlen(value);

    return n > 0 && is_blank(value[n - 1]);
}

/* libmicrohttpd leaves blanks behind a value, which are no part of it. */
static const char *find_field(const char *name, void *user)
{
    struct fields *fields = user;
    struct search search = {.name = name};
    struct joined *joined;

    (void)MHD_get_connection_values(fields->connection, MHD_HEADER_KIND, look_at_line, &search);
    if (search.lines == 0 || (search.lines == 1 && !ends_blank(search.first)))
        return search.first;
    joined = malloc(sizeof *joined + search.length + 1);
    if (!joined)
        return NULL;
    joined->next = fields->joined;
    fields->joined = joined;
    search.end = joined->value;
    search.lines = 0;
    (void)MHD_get_connection_values(fields->connection, MHD_HEADER_KIND, look_at_line, &search);
    while (search.end > joined->value && is_blank(search.end[-1]))
        *--search.end = '\0';
    return joined->value;
}

static bool handle(struct request *request)
{
    struct fields fields = {.connection = request->connection};
    lb_http_request given;
    int r;

    lb_http_request_init(&given);
    given.method = request->method;
    given.target = request->target;
    given.field = find_field;
    given.field_user = &fields;
    given.body = request->body;
    given.body_size = request->body_size;
    r = lb_http_handle(request->server->http, &given, on_reply, request, &request->call, NULL);
    while (fields.joined) {
        struct joined *next = fields.joined->next;

        free(fields.joined);
        fields.joined = next;
    }
    return r >= 0;
}

static enum MHD_Result submit(struct request *request)
{
    struct server *server = request->server;

    request->state = WAITING;
    request->submit_us = now_us();
    request->answering = true;
    server->answering++;
    if (!server->http)
        return MHD_NO;
    if (!probe_request(server, request, request->method, request->target, &request->probe) &&
        !handle(request))
        return MHD_NO;
    free(request->body);
    request->body = NULL;
    if (request->state == READY)
        return send_reply(request);
    suspend(request);
    return MHD_YES;
}

/* ---- Reading -------------------------------------------------------------------------------- */

static bool body_reserve(struct request *request, size_t size)
{
    char *body;

    if (size <= request->body_room)
        return true;
    size = size > request->body_room * 2 ? size : request->body_room * 2;
    body = realloc(request->body, size);
    if (!body)
        return false;
    request->body = body;
    request->body_room = size;
    return true;
}

static enum MHD_Result take_body(struct request *request, const char *data, size_t size)
{
    size_t room = LB_HTTP_BODY_MAX + 1 - request->body_size;
    size_t taken = size < room ? size : room;

    if (!body_reserve(request, request->body_size + taken))
        return MHD_NO;
    memcpy(request->body + request->body_size, data, taken);
    request->body_size += taken;
    request->forgotten += size - taken;
    return request->forgotten <= FORGET_MAX ? MHD_YES : MHD_NO;
}

/* A body too long to be read at all. The library sees as many zeros as make it say so. */
static enum MHD_Result refuse_body(struct request *request)
{
    request->body_size = LB_HTTP_BODY_MAX + 1;
    request->body = calloc(1, request->body_size);
    return request->body ? submit(request) : MHD_NO;
}

static enum MHD_Result begin(struct request *request, const char *method, const char *version)
{
    const char *length = MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND,
                                                     MHD_HTTP_HEADER_CONTENT_LENGTH);
    const char *fault = framing_fault(request->connection, method, request->target, version);

    request->method = method;
    request->old = strcmp(version, MHD_HTTP_VERSION_1_0) == 0;
    connection_of(request->connection)->deadline_us =
        after_s(request->server->options.read_timeout_s);
    /* libmicrohttpd is lenient about the lines of chunks: nothing behind them is a request. */
    request->last = MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND,
                                                MHD_HTTP_HEADER_TRANSFER_ENCODING) != NULL;
    if (fault) {
        request->last = true;
        request_refuse(request, MHD_HTTP_BAD_REQUEST, "invalid", fault, NULL);
        return send_reply(request);
    }
    /* libmicrohttpd has checked that it is a number. */
    if (length && strtoull(length, NULL, 10) > FORGET_MAX)
        return refuse_body(request);
    return MHD_YES;
}

/* Called when the head has been read, for each piece of the body, at the end of it, and again when a
 * connection was resumed. */
static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **context)
{
    struct request *request = *context;
    size_t n = *size;

    (void)cls;
    (void)connection;
    (void)url;
    if (!request)
        return MHD_NO; /* there was no memory for it */
    if (request->gone)
        return MHD_NO;
    if (request->state == READY)
        return send_reply(request);
    if (!request->method)
        return begin(request, method, version);
    if (n == 0)
        return submit(request);
    *size = 0;
    return take_body(request, data, n);
}

/* ---- The daemon ----------------------------------------------------------------------------- */

bool daemon_start(struct server *server, int listen_fd)
{
    const struct options *options = &server->options;
    const union MHD_DaemonInfo *info;

    server->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_TURBO, 0, NULL, NULL, on_request, server,
        MHD_OPTION_LISTEN_SOCKET, listen_fd, MHD_OPTION_URI_LOG_CALLBACK, on_target, server,
        MHD_OPTION_NOTIFY_COMPLETED, on_end, server, MHD_OPTION_NOTIFY_CONNECTION, on_connection,
        server, MHD_OPTION_CONNECTION_LIMIT, options->max_connections,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, options->max_per_address, MHD_OPTION_CONNECTION_TIMEOUT,
        options->idle_timeout_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEAD_MAX,
        MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    info = server->daemon ? MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    if (!info) {
        complain("libmicrohttpd does not start");
        return false;
    }
    server->epoll_fd = info->epoll_fd;
    return true;
}
