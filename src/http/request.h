/* What a request asks for, taken apart and checked. No input or output. */
#ifndef LBI_HTTP_REQUEST_H
#define LBI_HTTP_REQUEST_H

#include "leaderboard.h"

#include <stdbool.h>

/* Parameters, of a query and of a body. */
enum {
    LBI_LIMIT = 1,
    LBI_OFFSET = 2,
    LBI_AFTER = 4,
    LBI_RANK = 8,
    LBI_ID = 16,
    LBI_NAME = 32,
    LBI_AMOUNT = 64,
    LBI_ASCENDING = 128,
    LBI_GRIP = 256, /* a next link */
    LBI_IN_BODY = LBI_ID | LBI_NAME | LBI_AMOUNT | LBI_ASCENDING
};

typedef struct lbi_params {
    unsigned given; /* those that were there */
    uint32_t limit, offset;
    bool rank, ascending;
    int64_t amount;
    char after[LB_CURSOR_SIZE];
    char id[LB_PLAYER_MAX + 1];
    char name[LB_NAME_MAX + 1];
} lbi_params;

typedef enum lbi_route {
    LBI_BOARDS,
    LBI_BOARD,
    LBI_PLAYERS,
    LBI_PLAYER,
    LBI_ADD,
} lbi_route;

typedef struct lbi_target {
    lbi_route route;
    char board[LB_BOARD_MAX + 1];
    char player[LB_PLAYER_MAX + 1];
    const char *query; /* within the target, "" = none */
    const char *host;  /* HOST:PORT within a target that is a whole URL, NULL = it is none */
    size_t host_len;
} lbi_target;

/* Undoes %XX, and + if it stands for a space. Returns 0, LB_E_INVAL (not well-formed, a NUL),
 * LB_E_LIMIT (does not fit). */
int lbi_decode(const char *text, size_t len, bool plus, char *ret, size_t size);

/* A path, or a whole URL as a proxy is asked for it.
 * Returns 0, LB_E_NOTFOUND (no such resource), LB_E_INVAL (a bad id or escape). */
int lbi_target_parse(const char *target, lbi_target *ret, lb_error *reterr);

/* Sets a parameter. Returns 1, 0 = none of `allowed`, LB_E_INVAL (bad value, or given before). */
int lbi_params_set(lbi_params *params, unsigned allowed, const char *name, const char *value,
                   lb_error *reterr);

/* name=value&name=value. Names that are not in `allowed` are passed over, or refused if `strict`.
 * Returns 0, LB_E_INVAL. */
int lbi_params_parse(lbi_params *params, unsigned allowed, bool strict, const char *text,
                     size_t len, lb_error *reterr);

/* A body of the given content type, NULL = none was given; an empty one sets nothing.
 * Returns 0, LB_E_INVAL, LB_E_UNSUPPORTED (another content type), LB_E_NOMEM. */
int lbi_body_parse(lbi_params *params, unsigned allowed, const char *type, const void *body,
                   size_t size, lb_error *reterr);

/* What an Accept field (NULL = none) prefers. */
enum { LBI_ACCEPT_NOTHING, LBI_ACCEPT_JSON, LBI_ACCEPT_STREAM };
int lbi_accept(const char *field);

/* Does an If-None-Match field name this tag (in quotes)? Weak tags count as strong ones. */
bool lbi_tag_matches(const char *field, const char *tag);

/* Is an Origin field's origin that of this Host, without regard to http or https? */
bool lbi_origin_is(const char *origin, const char *host, size_t len);

/* The token of an "Authorization: Bearer" field, NULL if it is none. */
const char *lbi_bearer(const char *field);

#endif
