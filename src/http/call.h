/* A request on its way to its reply. */
#ifndef LBI_HTTP_CALL_H
#define LBI_HTTP_CALL_H

#include "base/arena.h"
#include "http/http.h"
#include "http/request.h"

typedef enum lbi_hold {
    LBI_HOLD_NONE,
    LBI_HOLD_FIRST, /* an event stream, by way of a proxy of ours */
    LBI_HOLD_NEXT   /* the next link of one: what its listeners lack */
} lbi_hold;

struct lb_http_call {
    lb_http *http;             /* NULL: freed while the store still had the operation */
    lb_http_call *prev, *next; /* http->calls or http->replies */
    lb_http_reply_fn fn;       /* NULL: nobody waits for the reply any more */
    void *user;
    lb_op *op;       /* NULL: no operation, or it has completed */
    bool is_joining; /* a follower has it, in a list of its own */
    lb_http_call *join_prev, *join_next;
    bool writes;
    bool head;
    bool is_replied; /* in http->replies */
    bool is_given;   /* fn runs, or has */

    lbi_target target;
    lbi_params params;
    lbi_arena arena; /* the texts below */
    const char *if_none_match, *last_event_id, *grip_last;
    const char *key; /* for idempotency */
    bool wants_stream;
    lbi_hold hold;

    uint32_t limit; /* of the list that is made into the body */
    uint32_t n_rows;
    uint64_t position, rank; /* of its first row */
    char last[LB_CURSOR_SIZE];

    char method[16], asked[LBI_HTTP_TOLD + 1]; /* the target; cut, to tell of a failure */
    lb_error error; /* with a status of 500 or more: what the client is not told */

    int status;
    lb_http_field fields[LBI_HTTP_FIELDS];
    size_t n_fields;
    lbi_buf body;
    lb_http_stream *stream;
};

/* Takes the call out of everything and frees it. */
void lbi_call_free(lb_http_call *call);

/* ---- handle.c ---- */

/* Starts what the request asks for, or makes the reply to a bad one. */
void lbi_call_begin(lb_http_call *call, const lb_http_request *request);

/* ---- endpoint.c ---- */

typedef struct lbi_endpoint {
    lbi_route route;
    const char *method;
    bool writes;
    unsigned query, body;                               /* parameters it takes */
    bool streams;                                       /* may answer with an event stream */
    int (*start)(lb_http_call *call, lb_error *reterr); /* 0, or < 0 and nothing was started */
} lbi_endpoint;

/* NULL if the resource has no such method. */
const lbi_endpoint *lbi_endpoint_find(lbi_route route, const char *method);

/* The methods of a resource, as an Allow field has them. */
const char *lbi_endpoint_allow(lbi_route route);

/* A follower has read the page (error->code 0), or has failed to. */
void lbi_call_joined(lb_http_call *call, lbi_follower *follower, const lb_error *error);

/* ---- reply.c ---- */

/* value must live as long as the call. */
void lbi_reply_field(lb_http_call *call, const char *name, const char *value);

/* The same, made by printf(); nothing is added if there is no memory for it. */
void lbi_reply_fieldf(lb_http_call *call, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* These make the reply whole; lb_http_process() gives it to the host. */
void lbi_reply_json(lb_http_call *call, int status); /* call->body */
void lbi_reply_empty(lb_http_call *call, int status);
void lbi_reply_error(lb_http_call *call, int status, const char *code, const char *message);
void lbi_reply_failure(lb_http_call *call, int code, const char *message); /* LB_E_... */
void lbi_reply_broken(lb_http_call *call, int code, const char *message); /* likewise, always 500 */
void lbi_reply_stream(lb_http_call *call);
void lbi_reply_events(lb_http_call *call); /* call->body, as a stream's */

/* Gives it to the host, and frees the call. */
void lbi_reply_give(lb_http_call *call);

/* ---- hold.c ---- */

/* The page in call->body, in this state, as what a proxy begins or continues a stream with. */
void lbi_reply_hold(lb_http_call *call, const char *state);

#endif
