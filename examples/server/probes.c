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

static void on_answer(const lb_result *result, void *user)
{
    struct probe *probe = user;
    char text[300];

    if (probe->request && result->code >= 0) {
        request_reply_text(probe->request, 200, TEXT, "ok\n");
    } else if (probe->request) {
        (void)snprintf(text, sizeof text, "%s\n", result->message);
        request_reply_text(probe->request, 503, TEXT, text);
    }
    free(probe);
}

static int ignore(const lb_board *board, void *user)
{
    (void)board;
    (void)user;
    return 0;
}

static struct probe *ask(lb_client *client, struct request *request)
{
    struct probe *probe = malloc(sizeof *probe);
    lb_range range;

    if (!probe)
        return NULL;
    probe->request = request;
    lb_range_init(&range);
    range.limit = 1;
    range.timeout_ms = HEALTH_MS;
    if (lb_board_list_start(client, &range, ignore, on_answer, probe, NULL, NULL) < 0) {
        free(probe);
        return NULL;
    }
    return probe;
}

static bool path_is(const char *target, const char *path)
{
    size_t n = strlen(path);

    return strncmp(target, path, n) == 0 && (target[n] == '\0' || target[n] == '?');
}

bool probe_request(struct server *server, struct request *request, const char *method,
                   const char *target, struct probe **ret)
{
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return false;
    if (path_is(target, "/metrics")) {
        metrics_reply(server, request);
        return true;
    }
    if (!path_is(target, "/healthz"))
        return false;
    *ret = ask(server->client, request);
    if (!*ret)
        request_reply_text(request, 503, TEXT, "out of memory\n");
    return true;
}
