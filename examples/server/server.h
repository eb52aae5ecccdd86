/*
 * leaderboard-server: the HTTP API of libleaderboard on GNU libmicrohttpd.
 *
 * One thread and one poll(2): the descriptors of libmicrohttpd, of the client and of the signals.
 * What another HTTP stack needs is in request.c: it gives lb_http_handle() each request that was
 * read, keeps the connection waiting until the reply comes, sends the reply, and pulls a stream for
 * as long as its client listens. loop.c shows what the library wants of a loop.
 */
#ifndef SERVER_H
#define SERVER_H

#include <leaderboard-http.h>
#include <leaderboard.h>

#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>

struct options {
    const char *database; /* NULL: the library's default */
    const char *address;
    const char *write_key;
    const char *cors;
    const char *grip_url;
    const char *grip_prefix;
    uint32_t port;
    uint32_t limit;           /* 0: the library's default */
    uint32_t max_connections; /* 0: as many as seem right */
    uint32_t max_per_address; /* 0: no limit */
    uint32_t idle_timeout_s;
    uint32_t change_log;
    uint32_t grip_timeout_s; /* 0: the library's default */
    bool create, read_only, seed, relay, proxy_required, quiet, help, version;
};

struct request;
struct relay;

struct server {
    struct options options;
    lb_client *client;
    lb_http *http;       /* NULL once it stops */
    struct relay *relay; /* or NULL */
    struct MHD_Daemon *daemon;
    int epoll_fd;             /* of libmicrohttpd */
    int gone_fd;              /* an epoll of the streams' sockets: whose client has gone */
    int signal_fd;            /* SIGINT, SIGTERM */
    struct request *requests; /* all, newest first */
    unsigned answering;       /* those that were read wholly and whose reply is not yet sent */
    unsigned streaming;       /* those whose reply is a stream */
    bool stopping;
};

/* options.c: false after saying what is wrong */
bool options_read(struct options *options, int argc, char **argv);
void options_help(void);

/* listen.c: a listening socket and the port it got, or -1 after saying why not */
int listen_on(const struct options *options, uint32_t *ret_port);

/* log.c */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* For the notices of the library. */
void complain_of(const lb_notice *notice, void *user);
uint64_t now_us(void);
/* One line on standard output: what was asked, and how it ended. Status 0: it has no reply. */
void log_request(const struct sockaddr *peer, const char *method, const char *target, int status,
                 uint64_t bytes, uint64_t start_us);
void log_flush(void);

/* request.c: the life of a request */
bool daemon_start(struct server *server, int listen_fd);
/* Deals with streams whose clients have gone. */
void requests_look_for_gone(struct server *server);
/* Lets go of every connection that is waiting, so that the daemon can be stopped. */
void requests_release(struct server *server);
/* Gives a request its reply. Called at most once. */
void request_reply_text(struct request *request, int status, const char *type, const char *text);

/* probes.c: requests that are no part of the library's API. True: it is one, and has or will get its
 * reply. *ret is what to give probe_end() when the request ends before. */
struct probe;
bool probe_request(struct server *server, struct request *request, const char *method,
                   const char *target, struct probe **ret);
void probe_end(struct probe *probe);

/* metrics.c */
struct metrics;
void metrics_reply(struct server *server, struct request *request);
void metrics_add(struct metrics *metrics, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void metrics_counter(struct metrics *metrics, const char *name, const char *help, uint64_t value);
void metrics_gauge(struct metrics *metrics, const char *name, const char *help, uint64_t value);

/* relay.c, or norelay.c: has what changes published through the GRIP proxies */
/* False after saying what is wrong; the relay is server->relay. */
bool relay_start(struct server *server);
void relay_end(struct relay *relay);
int relay_fd(struct relay *relay);
uint64_t relay_deadline(struct relay *relay);
/* True: it did something. */
bool relay_work(struct relay *relay);
/* Begins to stop: what has changed is published, for at most so long. */
void relay_stop(struct relay *relay, uint32_t timeout_ms);
bool relay_is_stopped(const struct relay *relay);
void relay_add_metrics(struct relay *relay, struct metrics *metrics);

/* loop.c: until a signal comes, and then until what was begun is done */
void loop_run(struct server *server);

/* seed.c: false after saying what is wrong */
bool seed_board(lb_client *client);

#endif
