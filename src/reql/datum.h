/* Answers: what a frame's JSON says. */
#ifndef LBI_REQL_DATUM_H
#define LBI_REQL_DATUM_H

#include "base/json.h"

/* `t` of a response. */
enum {
    LBI_REQL_ATOM = 1,     /* one value */
    LBI_REQL_SEQUENCE = 2, /* the last batch, or the only one */
    LBI_REQL_PARTIAL = 3,  /* a batch; more may come */
    LBI_REQL_WAIT_COMPLETE = 4,
    LBI_REQL_SERVER_INFO = 5,
    LBI_REQL_CLIENT_ERROR = 16,
    LBI_REQL_COMPILE_ERROR = 17,
    LBI_REQL_RUNTIME_ERROR = 18,
};

/* `e` of a runtime error. */
enum {
    LBI_REQL_INTERNAL = 1000000,
    LBI_REQL_RESOURCE_LIMIT = 2000000,
    LBI_REQL_QUERY_LOGIC = 3000000,
    LBI_REQL_NON_EXISTENCE = 3100000,
    LBI_REQL_OP_FAILED = 4100000,
    LBI_REQL_OP_INDETERMINATE = 4200000,
    LBI_REQL_USER_ERROR = 5000000,
    LBI_REQL_PERMISSION = 6000000,
};

/* `n` of a response, as bits 1 << n. */
enum {
    LBI_REQL_SEQUENCE_FEED = 1 << 1,
    LBI_REQL_ATOM_FEED = 1 << 2,
    LBI_REQL_LIMIT_FEED = 1 << 3,
    LBI_REQL_UNION_FEED = 1 << 4,
    LBI_REQL_HAS_STATES = 1 << 5,
};

typedef struct lbi_reql_answer {
    int type;               /* LBI_REQL_...; 0 = one that is not known yet */
    int64_t raw_type;       /* what the server said */
    int64_t error;          /* LBI_REQL_INTERNAL ..., 0 unless type is LBI_REQL_RUNTIME_ERROR */
    unsigned notes;         /* bits */
    const lbi_json *values; /* the array `r`, never NULL */
    const lbi_json *profile, *backtrace; /* or NULL */
    lbi_json *root;                      /* all of it */
} lbi_reql_answer;

/* How deep an answer may be nested, and how long it may be, is the caller's to say.
 * Owns: end *ret with lbi_reql_answer_done(). Returns 0, LB_E_PROTO, LB_E_LIMIT, LB_E_NOMEM. */
int lbi_reql_answer_parse(const char *body, size_t len, size_t max_len, unsigned max_depth,
                          lbi_reql_answer *ret, lb_error *reterr);
void lbi_reql_answer_done(lbi_reql_answer *answer);

/* Is it one of the three kinds of error (or of a type that is not known)? Fills *reterr with the
 * server's own text. Returns 0 = no error, LB_E_QUERY (the query is wrong), LB_E_LIMIT,
 * LB_E_NOTFOUND (3100000), LB_E_IO (4100000: not done, may succeed later), LB_E_UNKNOWN
 * (4200000), LB_E_AUTH, LB_E_PROTO. */
int lbi_reql_answer_error(const lbi_reql_answer *answer, lb_error *reterr);

/* A TIME: microseconds since 1970, exact to the millisecond, which is all the server keeps. */
bool lbi_reql_time(const lbi_json *value, int64_t *ret_us);

/* A BINARY, appended to buf. Returns 0, LB_E_INVAL (no BINARY), LB_E_LIMIT, LB_E_NOMEM. */
int lbi_reql_binary(const lbi_json *value, lbi_buf *buf);

#endif
