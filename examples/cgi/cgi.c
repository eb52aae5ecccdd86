/* The HTTP API of libleaderboard as a CGI program: one process for each request. Behind a GRIP
 * proxy event streams are live all the same, since the proxy keeps them. */
#include <leaderboard-http.h>

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_notice(const lb_notice *notice, void *user)
{
    (void)user;
    fprintf(stderr, "leaderboard.cgi: %s\n", notice->message);
}

/* The client is told no more than that something failed; the target is its own words, not for a log
 * that is read in a terminal. */
static void on_failure(void *user, const char *method, const char *target, int status,
                       const lb_error *error)
{
    (void)user;
    (void)method;
    (void)target;
    fprintf(stderr, "leaderboard.cgi: answered with %d: %s\n", status, error->msg);
}

/* ---- The request ---------------------------------------------------------------------------- */

/* A variable of the environment; one that is empty is none. */
static const char *get_variable(const char *name)
{
    const char *value = getenv(name);

    return value && *value ? value : NULL;
}

static const char *get_field(const char *name, void *user)
{
    char variable[64];
    int n;

    (void)user;
    if (strcmp(name, "content-type") == 0)
        return get_variable("CONTENT_TYPE");
    n = snprintf(variable, sizeof variable, "HTTP_%s", name);
    if (n < 0 || (size_t)n >= sizeof variable)
        return NULL;
    for (char *c = variable; *c; c++)
        *c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
    return get_variable(variable);
}

/* What was asked for. REQUEST_URI, which is not in the standard but everywhere, is as it came;
 * PATH_INFO is decoded, but nothing in our paths is encoded. */
static const char *get_target(char *buf, size_t size)
{
    const char *uri = get_variable("REQUEST_URI"), *path = get_variable("PATH_INFO");
    const char *query = get_variable("QUERY_STRING");

    if (uri)
        return uri;
    (void)snprintf(buf, size, "%s%s%s", path ? path : "/", query ? "?" : "", query ? query : "");
    return buf;
}

/* Reads the body, of one that is too long so much that the handler sees it. */
static size_t read_body(char *buf, size_t size)
{
    const char *text = get_variable("CONTENT_LENGTH");
    unsigned long long length = text ? strtoull(text, NULL, 10) : 0;

    return fread(buf, 1, length < size ? (size_t)length : size, stdin);
}

/* ---- The reply ------------------------------------------------------------------------------ */

/* Nobody is here to tell more later: the browser comes again, after the time of the `retry` that
 * a stream begins with. */
static void send_stream(lb_http_stream *stream)
{
    char buf[4096];
    int n;

    while ((n = lb_http_stream_read(stream, buf, sizeof buf)) > 0)
        (void)fwrite(buf, 1, (size_t)n, stdout);
    lb_http_stream_free(stream);
}

struct progress {
    bool head, done;
};

static void on_reply(const lb_http_reply *reply, void *user)
{
    struct progress *progress = user;
    bool has_length = reply->status != 204 && reply->status != 304;

    progress->done = true;
    printf("Status: %d %s\r\n", reply->status, reply->status < 400 ? "OK" : "Error");
    for (size_t i = 0; i < reply->n_fields; i++)
        printf("%s: %s\r\n", reply->fields[i].name, reply->fields[i].value);
    if (progress->head && reply->body_size == 0)
        has_length = false; /* what GET would have been sent has no end */
    if (!reply->stream && has_length)
        printf("Content-Length: %zu\r\n", reply->body_size);
    printf("\r\n");
    if (reply->stream)
        send_stream(reply->stream);
    else if (reply->body)
        (void)fwrite(reply->body, 1, reply->body_size, stdout);
}

/* ---- Both ----------------------------------------------------------------------------------- */

static int answer(lb_client *client, lb_http *http, lb_error *reterr)
{
    static char target[LB_HTTP_TARGET_MAX + 2], body[LB_HTTP_BODY_MAX + 1];
    const char *method = get_variable("REQUEST_METHOD");
    lb_http_request request;
    struct progress progress = {.done = false};
    int r;

    lb_http_request_init(&request);
    request.method = method ? method : "GET";
    progress.head = strcmp(request.method, "HEAD") == 0;
    request.target = get_target(target, sizeof target);
    request.field = get_field;
    request.body_size = read_body(body, sizeof body);
    request.body = body;
    r = lb_http_handle(http, &request, on_reply, &progress, NULL, reterr);
    while (r == 0 && !progress.done) {
        int busy = lb_client_process(client);

        busy |= lb_http_process(http);
        if (!busy)
            (void)lb_client_wait(client, LB_NEVER);
    }
    return r;
}

static int serve(lb_error *reterr)
{
    lb_http_options http_options;
    lb_options options;
    lb_client *client = NULL;
    lb_http *http = NULL;
    int r;

    lb_options_init(&options);
    options.database = getenv("DATABASE_URL");
    options.notice = on_notice;
    r = lb_client_new(&options, &client, reterr);
    if (r < 0)
        return r;
    lb_http_options_init(&http_options);
    http_options.failure = on_failure;
    http_options.write_key = get_variable("LB_WRITE_KEY");
    http_options.grip_url = get_variable("GRIP_URL");
    http_options.grip_prefix = get_variable("GRIP_PREFIX");
    http_options.grip_verify_key = get_variable("GRIP_VERIFY_KEY");
    http_options.path_prefix = get_variable("LB_BASE_PATH");
    r = lb_http_new(client, &http_options, &http, reterr);
    if (r == 0)
        r = answer(client, http, reterr);
    lb_http_free(http);
    lb_client_free(client);
    return r;
}

static int fail(const char *why)
{
    fprintf(stderr, "leaderboard.cgi: %s\n", why);
    printf("Status: 500 Error\r\nContent-Type: text/plain\r\n\r\n"
           "This server is not set up: its error log says why.\n");
    return 1;
}

int main(void)
{
    lb_error error;

    /* The directory of a CGI program is no place for a database: everybody might read it. */
    if (!get_variable("DATABASE_URL"))
        return fail("DATABASE_URL must be set: sqlite:/path/to/leaderboard.db, for example");
    if (serve(&error) < 0)
        return fail(error.msg);
    return fflush(stdout) == 0 ? 0 : 1;
}
