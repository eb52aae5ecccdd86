/* One JSON object in a piece of text, read strictly and without allocating: RFC 8259, valid UTF-8,
 * nothing behind it. */
#ifndef LBCTL_SCAN_H
#define LBCTL_SCAN_H

#include <stdbool.h>
#include <stddef.h>

enum lbctl_json_type {
    LBCTL_JSON_MISSING,
    LBCTL_JSON_STRING,
    LBCTL_JSON_NUMBER,
    LBCTL_JSON_BOOL,
    LBCTL_JSON_NULL,
    LBCTL_JSON_LIST,
    LBCTL_JSON_OBJECT,
};

/* A value as it stands in the text: of a string what is between its quotes. */
struct lbctl_token {
    enum lbctl_json_type type;
    const char *text;
    size_t len;
};

/* Finds the members called names[0..n), others are passed over; a missing one is of type MISSING.
 * False if the text is no such object or has one of them twice; *ret_why says so ("is not a JSON
 * object", ...), *ret_at is where, a number of bytes. */
bool lbctl_scan_object(const char *text, size_t len, const char *const *names, size_t n,
                       struct lbctl_token *ret, const char **ret_why, size_t *ret_at);

/* Writes what a string says, its escapes replaced, into buf, ended by NUL. False if it does not
 * fit, or has a NUL or half a surrogate pair. */
bool lbctl_token_string(const struct lbctl_token *token, char *buf, size_t size);

#endif
