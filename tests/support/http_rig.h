/* A handler without a socket: requests are text, replies are copied, time passes as a host's loop
 * lets it pass. */
#ifndef HTTP_RIG_H
#define HTTP_RIG_H

#include "leaderboard-http.h"
#include "sse_parse.h"

#include <stdbool.h>

typedef struct http_rig {
    lb_client *client;
    lb_http *http;
} http_rig;

typedef struct answer {
    int count; /* how often the host was called */
    int status;
    char fields[2048]; /* "name: value" lines */
    char *body;        /* with NUL; NULL = none */
    size_t body_size;  /* as it was said */
    lb_http_stream *stream;
} answer;

/* On a file of its own, and on the test store, whose world must be open. opts may be NULL. */
void http_open_sqlite(http_rig *rig, const lb_http_options *opts);
void http_open_model(http_rig *rig, const lb_http_options *opts);
void http_close(http_rig *rig);

/* Begins "METHOD TARGET", with "name: value" lines and a body of size bytes (each may be NULL). */
int http_start(http_rig *rig, answer *a, const char *line, const char *fields, const char *body,
               size_t size, lb_http_call **ret);

/* The same, and works until the reply has come. What a had before is freed. Returns the status. */
int http_ask(http_rig *rig, answer *a, const char *line, const char *fields, const char *body);

/* The value of a reply's field, "" if there is none; valid until the next call. */
const char *answer_field(const answer *a, const char *name);
void answer_clear(answer *a); /* ends its stream, too */

/* An lb_http_reply_fn; user is the answer. */
void answer_take(const lb_http_reply *reply, void *user);

/* One turn of a host's loop; sleeps until something is due if `sleeps`. Returns: was it busy? */
bool http_turn(http_rig *rig, bool sleeps);
void http_idle(http_rig *rig); /* until nothing is to be done just now */
void http_until(http_rig *rig, bool (*is_true)(void *user), void *user);

/* A listener: reads when it is told to, or by hand. */
typedef struct listener {
    answer a;
    sse_parser sse;
    bool closed;
    unsigned readies;
    size_t chunk; /* bytes of a read; 0 = many */
    size_t bytes; /* read in all */
    bool by_hand; /* being told, it does not read */
} listener;

/* Opens an event stream, whose status must be 200. fields may be NULL. */
void listen_open(listener *l, http_rig *rig, const char *target, const char *fields);
void listen_read(listener *l); /* until there is nothing more */
void listen_close(listener *l);

/* Works until the last data is this, or the stream has ended. */
void listen_until(http_rig *rig, listener *l, const char *data);
void listen_until_closed(http_rig *rig, listener *l);

#endif
