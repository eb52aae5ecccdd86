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

/* An option that was not given and whose default depends on others. */
#define AUTOMATIC UINT32_MAX

struct options {
    const char *database; /* NULL: the library's default */
    const char *address;
    const char *write_key;
    const char *cors;
    const char *grip_url;
    const char *grip_prefix;
    const char *grip_verify_key;
    const char *base_path;
    uint32_t port;
    uint32_t limit;           /* 0: the library's default */
    uint32_t max_connections; /* 0: as many as seem right */
    uint32_t max_per_address; /* 0: no limit; AUTOMATIC */
    uint32_t idle_timeout_s;
    uint32_t read_timeout_s;
    uint32_t change_log;
    uint32_t grip_timeout_s; /* 0: the library's default */
    bool create, read_only, seed, relay, proxy_required, quiet, help, version;
};

struct connection;
struct request;
struct relay;

struct server {
    struct options options;
    lb_client *client;
    lb_client *prober;   /* asks for /healthz, where no write is before it */
    lb_http *http;       /* NULL once it stops */
    struct relay *relay; /* or NULL */
    struct MHD_Daemon *daemon;
    int epoll_fd;                   /* of libmicrohttpd */
    int gone_fd;                    /* an epoll of suspended sockets: whose client has gone */
    int signal_fd;                  /* SIGINT, SIGTERM */
    struct connection *connections; /* all, newest first */
    uint64_t check_us;              /* when requests_check() looks again */
    unsigned answering; /* requests that were read wholly and whose reply is not yet sent */
    unsigned streaming; /* requests whose reply is a stream */
    uint32_t max_streams;
    bool stopping;
};

/* options.c: false after saying what is wrong */
bool options_read(struct options *options, int argc, char **argv);
void options_help(void);

/* listen.c: a listening socket and the port it got, or -1 after saying why not */
int listen_on(const struct options *options, uint32_t *ret_port);
/* True: only this machine can connect. */
bool listens_locally(int fd);

/* log.c */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* For the notices of the library. */
void complain_of(const lb_notice *notice, void *user);
/* Of a request that failed, what its client is not told. The same code once a second at most. */
void complain_of_failure(void *user, const char *method, const char *target, int status,
                         const lb_error *error);
/* Says how many were left out. */
void complain_of_rest(void);
/* An error's code as the API has it, in lower case. */
#define CODE_NAME_SIZE 32
const char *code_name(int code, char ret[CODE_NAME_SIZE]);
uint64_t now_us(void);
/* One line on standard output: what was asked, and how it ended. Status 0: it has no reply. */
void log_request(const struct sockaddr *peer, const char *method, const char *target, int status,
                 uint64_t bytes, uint64_t start_us);
void log_flush(void);

/* request.c: the life of a request */
bool daemon_start(struct server *server, int listen_fd);
/* Deals with clients that have gone while nothing was to be sent to them. */
void requests_look_for_gone(struct server *server);
/* Once a second: ends connections that take too long to send their request. */
void requests_check(struct server *server);
/* LB_NEVER: not before there are other connections. */
uint64_t requests_deadline(const struct server *server);
/* Lets go of every connection that is waiting, so that the daemon can be stopped. */
void requests_release(struct server *server);
/* Gives a request its reply. Called at most once. */
void request_reply_text(struct request *request, int status, const char *type, const char *text);
/* The same for an error, as the library words its own. allow: the methods that there are, or NULL. */
void request_refuse(struct request *request, int status, const char *code, const char *message,
                    const char *allow);

/* framing.c: what is wrong with a request's head, or NULL */
const char *framing_fault(struct MHD_Connection *connection, const char *method, const char *target,
                          const char *version);

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
