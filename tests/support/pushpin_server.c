#include "pushpin_server.h"

#include "free_port.h"
#include "test.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Debian's own configuration expects a zurl that runs as a service: this one starts its own. */
static void write_config(const struct pushpin_server *s, const char *dir)
{
    FILE *file = fopen("pushpin.conf", "w"), *routes = fopen("routes", "w");

    CHECK(file && routes);
    /* Nobody is behind /ready: the answer to it is the proxy's own. */
    fprintf(routes, "* 127.0.0.1:%u\n*,path_beg=/ready 127.0.0.1:1\n", s->origin_port);
    fclose(routes);
    fprintf(file,
            "[global]\n"
            "include={libdir}/internal.conf\n"
            "rundir=%s/run\n"
            "[runner]\n"
            "services=condure,zurl,pushpin-proxy,pushpin-handler\n"
            "http_port=127.0.0.1:%u\n"
            "logdir=%s/log\n"
            "[proxy]\n"
            "routesfile=%s/routes\n"
            "sig_iss=%s\n"
            "sig_key=%s\n"
            "zurl_out_specs=ipc://{rundir}/{ipc_prefix}zurl-in\n"
            "zurl_out_stream_specs=ipc://{rundir}/{ipc_prefix}zurl-in-stream\n"
            "zurl_in_specs=ipc://{rundir}/{ipc_prefix}zurl-out\n"
            "[handler]\n"
            "push_in_http_addr=127.0.0.1\n"
            "push_in_http_port=%u\n"
            "message_rate=0\n"
            "id_cache_ttl=60\n",
            dir, s->port, dir, dir, s->sig_iss, s->sig_key, s->control);
    CHECK_EQ(fclose(file), 0);
}

static void run(void)
{
    int log = open("server.log", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    /* When the test is killed it is asked to end, and ends its children; killed itself it would
     * leave them behind. */
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    dup2(log, 1);
    dup2(log, 2);
    execlp("pushpin", "pushpin", "--config=pushpin.conf", "-m", (char *)NULL);
    _exit(127);
}

/* Does it answer to this path with this status? */
static int answers(uint16_t port, const char *path, const char *status)
{
    struct sockaddr_in in = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = 1}; /* what it loses while it starts it never answers */
    char request[100], answer[200] = "";
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), n, ok = 0;

    n = snprintf(request, sizeof request, "GET %s HTTP/1.0\r\nHost: h\r\n\r\n", path);
    CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    if (connect(fd, (struct sockaddr *)&in, sizeof in) == 0 &&
        send(fd, request, (size_t)n, MSG_NOSIGNAL) == n &&
        recv(fd, answer, sizeof answer - 1, 0) > 0)
        ok = strstr(answer, status) != NULL;
    close(fd);
    return ok;
}

static int is_ready(const struct pushpin_server *s)
{
    return answers(s->control, "/", " 200 ") && answers(s->port, "/ready", " 502 ");
}

void pushpin_server_start(struct pushpin_server *s)
{
    struct timespec pause = {.tv_nsec = 10000000};
    char dir[PATH_MAX];

    if (system("command -v pushpin >/dev/null 2>&1") != 0)
        SKIP("no pushpin on PATH");
    CHECK(getcwd(dir, sizeof dir) != NULL);
    if (strlen(dir) > 60)
        SKIP("the path of the directory is too long for the sockets of pushpin");
    s->port = free_port();
    s->control = free_port();
    CHECK(mkdir("run", 0700) == 0 && mkdir("log", 0700) == 0);
    write_config(s, dir);
    s->pid = fork();
    CHECK(s->pid >= 0);
    if (s->pid == 0)
        run();
    /* Another program's start gives no event. */
    while (!is_ready(s)) {
        if (waitpid(s->pid, NULL, WNOHANG) == s->pid) {
            s->pid = 0;
            if (system("cat server.log >&2"))
                FAIL("pushpin did not start, and has no log");
            FAIL("pushpin did not start");
        }
        nanosleep(&pause, NULL);
    }
}

void pushpin_server_stop(struct pushpin_server *s)
{
    kill(s->pid, SIGTERM);
    waitpid(s->pid, NULL, 0);
}
