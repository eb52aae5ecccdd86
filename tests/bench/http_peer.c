/* The peer of bench_http: a bare libmicrohttpd that answers everything with the same bytes.
 * Usage: http_peer BYTES. It says where it listens as leaderboard-server does, until it is killed. */
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum MHD_Result answer(void *cls, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *size, void **context)
{
    static int seen;

    (void)url;
    (void)method;
    (void)version;
    (void)data;
    if (!*context) {
        *context = &seen;
        return MHD_YES;
    }
    if (*size) {
        *size = 0;
        return MHD_YES;
    }
    return MHD_queue_response(connection, MHD_HTTP_OK, cls);
}

int main(int argc, char **argv)
{
    size_t size = argc > 1 ? strtoul(argv[1], NULL, 10) : 300;
    char *body = malloc(size);
    struct MHD_Response *response;
    struct MHD_Daemon *daemon;

    if (!body)
        return 1;
    memset(body, 'x', size);
    response = MHD_create_response_from_buffer(size, body, MHD_RESPMEM_MUST_FREE);
    (void)MHD_add_response_header(response, "Content-Type", "application/json");
    daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_TURBO, 0, NULL, NULL, answer,
                              response, MHD_OPTION_CONNECTION_LIMIT, 15000U, MHD_OPTION_END);
    if (!daemon)
        return 1;
    (void)fprintf(stderr, "listening on http://127.0.0.1:%u/\n",
                  (unsigned)MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
    for (;;)
        (void)pause();
}
