/* /healthz: does the database answer? /metrics is in metrics.c. */
#include "server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT "text/plain; charset=utf-8"
#define HEALTH_MS 2000

struct probe {
    struct request *request; /* NULL: it has ended */
};

void probe_end(struct probe *probe)
{
    if (probe)
        probe->request = NULL;
}

/* What anybody may know; the log has the rest. */
static void reply_ill(struct request *request, const lb_error *error)
{
    char text[200], name[CODE_NAME_SIZE];

    complain_of_failure(NULL, "GET", "/healthz", 503, error);
    (void)snprintf(text, sizeof text, "%s: %s\n", code_name(error->code, name),
                   error->code == LB_E_NOTFOUND ? "there is no database yet"
                                                : "the database does not answer as it should");
    request_reply_text(request, 503, TEXT, text);
}

static void on_answer(const lb_result *result, void *user)
{
    struct probe *probe = user;
    lb_error error = {.code = result->code};

    (void)snprintf(error.msg, sizeof error.msg, "%s", result->message);
    if (probe->request && result->code >= 0)
        request_reply_text(probe->request, 200, TEXT, "ok\n");
    else if (probe->request)
        reply_ill(probe->request, &error);
    free(probe);
}

static int ignore(const lb_board *board, void *user)
{
    (void)board;
    (void)user;
    return 0;
}

static void ask(lb_client *client, struct request *request, struct probe **ret)
{
    struct probe *probe = malloc(sizeof *probe);
    lb_error error = {.code = LB_E_NOMEM, .msg = "out of memory"};
    lb_range range;

    lb_range_init(&range);
    range.limit = 1;
    range.timeout_ms = HEALTH_MS;
    if (probe)
        probe->request = request;
    if (probe && lb_board_list_start(client, &range, ignore, on_answer, probe, NULL, &error) == 0) {
        *ret = probe;
        return;
    }
    free(probe);
    reply_ill(request, &error);
}

/* The path of a target, which may name the server, too. */
static const char *path_of(const char *target)
{
    const char *host = strstr(target, "://");

    if (*target == '/' || !host)
        return target;
    host += strlen("://");
    return host + strcspn(host, "/");
}

static bool path_is(const char *target, const char *path)
{
    size_t n = strlen(path);

    target = path_of(target);
    return strncmp(target, path, n) == 0 && (target[n] == '\0' || target[n] == '?');
}

bool probe_request(struct server *server, struct request *request, const char *method,
                   const char *target, struct probe **ret)
{
    bool health = path_is(target, "/healthz");

    if (!health && !path_is(target, "/metrics"))
        return false;
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        request_refuse(request, 405, "method_not_allowed", "this can be read only", "GET, HEAD");
    else if (health)
        ask(server->prober, request, ret);
    else
        metrics_reply(server, request);
    return true;
}
