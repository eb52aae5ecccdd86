#include "http_load.h"

#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTING_MAX = 250, PATIENCE_MS = 30000 };

struct crowd {
    size_t n, shown;
    int epoll;
    int *fds;
    bool *seen; /* the score that is waited for */
};

int http_connect(unsigned port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((in_port_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
        bench_die("cannot connect: %s", strerror(errno));
    return fd;
}

static void send_text(int fd, const char *text)
{
    size_t size = strlen(text);

    if (send(fd, text, size, MSG_NOSIGNAL) != (ssize_t)size)
        bench_die("cannot send: %s", strerror(errno));
}

/* The number behind the last "score": of a reply or an event. */
static long long score_in(const char *text)
{
    const char *at = strstr(text, "\"score\":");

    return at ? strtoll(at + strlen("\"score\":"), NULL, 10) : -1;
}

long long http_add(int fd, const char *board, const char *player)
{
    char text[4096];
    size_t size = 0;

    (void)snprintf(text, sizeof text,
                   "POST /boards/%s/players/%s/score-add/ HTTP/1.1\r\nHost: bench\r\n\r\n", board,
                   player);
    send_text(fd, text);
    do {
        ssize_t n = recv(fd, text + size, sizeof text - 1 - size, 0);

        if (n <= 0)
            bench_die("no reply to an add");
        size += (size_t)n;
        text[size] = '\0';
    } while (!strchr(text, '}'));
    if (strncmp(text, "HTTP/1.1 200 ", strlen("HTTP/1.1 200 ")) != 0)
        bench_die("an add is answered with: %s", text);
    return score_in(text);
}

/* The events that came, if the listener's is among them. They are small, and come in one piece. */
static bool shows(struct crowd *crowd, size_t i, long long score)
{
    char text[8192];
    ssize_t n = recv(crowd->fds[i], text, sizeof text - 1, MSG_DONTWAIT);

    if (n == 0 || (n < 0 && errno != EAGAIN))
        bench_die("a listener was sent away");
    text[n > 0 ? n : 0] = '\0';
    return score < 0 ? strstr(text, "event: update") != NULL : score_in(text) >= score;
}

static void listen_once(struct crowd *crowd, long long score, double *samples)
{
    struct epoll_event events[256];
    int n = epoll_wait(crowd->epoll, events, sizeof events / sizeof events[0], PATIENCE_MS);

    if (n <= 0)
        bench_die("%zu of %zu listeners were shown nothing", crowd->n - crowd->shown, crowd->n);
    for (int k = 0; k < n; k++) {
        size_t i = (size_t)events[k].data.u64;

        if (!shows(crowd, i, score) || crowd->seen[i])
            continue;
        crowd->seen[i] = true;
        if (samples)
            samples[crowd->shown] = bench_now_us();
        crowd->shown++;
    }
}

static void join(struct crowd *crowd, size_t i, unsigned port, const char *board)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = i};
    char text[256];

    crowd->fds[i] = http_connect(port);
    (void)snprintf(text, sizeof text,
                   "GET /boards/%s/ HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\n\r\n",
                   board);
    send_text(crowd->fds[i], text);
    if (epoll_ctl(crowd->epoll, EPOLL_CTL_ADD, crowd->fds[i], &event) < 0)
        bench_die("epoll: %s", strerror(errno));
}

struct crowd *crowd_new(unsigned port, const char *board, size_t n)
{
    struct crowd *crowd = calloc(1, sizeof *crowd);

    if (crowd) {
        crowd->fds = calloc(n, sizeof *crowd->fds);
        crowd->seen = calloc(n, sizeof *crowd->seen);
    }
    if (!crowd || !crowd->fds || !crowd->seen)
        bench_die("out of memory");
    crowd->epoll = epoll_create1(EPOLL_CLOEXEC);
    for (size_t i = 0; i < n; i++) {
        join(crowd, i, port, board);
        crowd->n++;
        while (crowd->n - crowd->shown > CONNECTING_MAX)
            listen_once(crowd, -1, NULL);
    }
    while (crowd->shown < crowd->n)
        listen_once(crowd, -1, NULL);
    return crowd;
}

void crowd_wait(struct crowd *crowd, long long score, double *samples)
{
    memset(crowd->seen, 0, crowd->n * sizeof *crowd->seen);
    crowd->shown = 0;
    while (crowd->shown < crowd->n)
        listen_once(crowd, score, samples);
}

void crowd_free(struct crowd *crowd)
{
    for (size_t i = 0; i < crowd->n; i++)
        close(crowd->fds[i]);
    close(crowd->epoll);
    free(crowd->fds);
    free(crowd->seen);
    free(crowd);
}
