/* An HTTP server that does as it is told: answers, answers wrongly, keeps silent, cuts off. It runs
 * inside the test's own loop and records what it was sent. */
#ifndef FAKE_HTTP_H
#define FAKE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FAKE_HTTP_CONNS = 16, FAKE_HTTP_SCRIPT = 64 };

/* What becomes of one request. */
typedef struct fake_answer {
    const char *bytes; /* sent as they are; NULL: "200 OK" */
    size_t size;       /* 0 = up to the NUL */
    bool hold;         /* only after fake_http_release() */
    bool drop;         /* the connection ends instead */
    bool drop_early;   /* it ends before the request was read */
} fake_answer;

typedef struct fake_request {
    char *head; /* with NUL, up to the empty line */
    char *body; /* with NUL */
    size_t body_size;
} fake_request;

typedef struct fake_http {
    int listener, epoll;
    uint16_t port;
    struct fake_conn {
        int fd; /* 0 = free */
        char *data;
        size_t len;
        bool held;
        size_t number; /* of its request, from 0 */
        const char *out;
        size_t out_left;
    } conns[FAKE_HTTP_CONNS];
    fake_answer script[FAKE_HTTP_SCRIPT];
    size_t n_script;
    fake_request *requests;
    size_t n_requests; /* that were read in full */
    size_t n_conns;    /* that came, for the script */
    bool released;
    /* Instead of the script, if it is there: what to answer to a request. */
    fake_answer (*handler)(const fake_request *request, void *user);
    void *handler_user;
} fake_http;

/* At a port of its own on 127.0.0.1. */
void fake_http_start(fake_http *http);
void fake_http_stop(fake_http *http);

/* Nobody listens at the port any more; connections end. / Again, at the same port. */
void fake_http_close(fake_http *http);
void fake_http_open(fake_http *http);

/* Of the next request that no answer was said for yet. Without, and after the last one: 200. */
void fake_http_answer(fake_http *http, fake_answer answer);
void fake_http_status(fake_http *http, const char *status); /* such as "503 Busy" */

/* Answers what is held back, and holds nothing back any more. */
void fake_http_release(fake_http *http);

/* A descriptor to poll for reading; does what is due. */
int fake_http_fd(const fake_http *http);
void fake_http_process(fake_http *http);

/* The value of a field of a request, cut off at the end of its line; NULL if there is none. Borrowed
 * until the next call. */
const char *fake_http_field(const fake_request *request, const char *name);

/* The items of request i as text: "channel id prev-id content|hint|close" each, '-' for what is not
 * there, joined by ", ". Borrowed until the next call. Checks that the request is one that a proxy
 * takes. */
const char *fake_http_items(const fake_http *http, size_t i);

#endif
