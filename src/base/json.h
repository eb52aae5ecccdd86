/* Reading JSON from outside: depth and size are capped, numbers are exact or refused, text is
 * valid UTF-8 without NUL. The only includer of cJSON. */
#ifndef LBI_BASE_JSON_H
#define LBI_BASE_JSON_H

#include "base/buf.h"
#include "leaderboard.h"

#include <stdbool.h>

/* A value inside a parsed text: borrowed until its root is freed. NULL is legal everywhere and
 * stands for a value that is not there. */
typedef struct cJSON lbi_json;

/* Parses the whole of text[0..len). Owns: *ret is yours, end it with lbi_json_free().
 * U+0000 inside a string becomes U+FFFD: C strings cannot hold it, and one such string in
 * somebody's document must not make the rest unreadable.
 * Returns 0, LB_E_LIMIT (deeper than max_depth, longer than max_len), LB_E_INVAL, LB_E_NOMEM. */
int lbi_json_parse(const char *text, size_t len, size_t max_len, unsigned max_depth, lbi_json **ret,
                   lb_error *reterr);
void lbi_json_free(lbi_json *root);

bool lbi_json_is_null(const lbi_json *value); /* false for what is not there */
bool lbi_json_is_object(const lbi_json *value);
bool lbi_json_is_array(const lbi_json *value);

/* NULL unless value is an object that has this key. */
const lbi_json *lbi_json_get(const lbi_json *value, const char *key);

/* The elements of an array or the members of an object, in order. */
const lbi_json *lbi_json_first(const lbi_json *value);
const lbi_json *lbi_json_next(const lbi_json *element);
const char *lbi_json_key(const lbi_json *member); /* NULL in an array */

/* Each returns false, and leaves *ret alone, for a value of another kind. */
bool lbi_json_bool(const lbi_json *value, bool *ret);
bool lbi_json_int(const lbi_json *value, int64_t *ret); /* whole, within +-(2^53-1) */
bool lbi_json_double(const lbi_json *value, double *ret);

/* The text, with NUL; NULL for a value of another kind. */
const char *lbi_json_text(const lbi_json *value);

/* Adds a string in quotes, escaped. Invalid UTF-8 is refused: LB_E_INVAL sticks to the buffer. */
int lbi_json_put_text(lbi_buf *buf, const char *text, size_t len);

/* Adds a number in plain digits. */
int lbi_json_put_int(lbi_buf *buf, int64_t value);

#endif
