/* Keys that a proxy's tokens are verified with, as a GRIP_URL names them. */
#ifndef LBI_PUSH_GRIP_KEY_H
#define LBI_PUSH_GRIP_KEY_H

#include "leaderboard.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LBI_GRIP_SECRET_MAX = 512 };

typedef enum lbi_grip_key_kind {
    LBI_GRIP_KEY_NONE, /* all zero */
    LBI_GRIP_KEY_SECRET,
    LBI_GRIP_KEY_P256
} lbi_grip_key_kind;

typedef struct lbi_grip_key {
    lbi_grip_key_kind kind;
    uint8_t bytes[LBI_GRIP_SECRET_MAX]; /* the secret, or x and y */
    size_t size;
} lbi_grip_key;

/* A plain secret, or "base64:" and one. Not empty, and nothing that looks like a public key. */
int lbi_grip_key_secret(const char *text, lbi_grip_key *ret, lb_error *reterr);

/* A secret as above, a public key of P-256 (PEM, DER or the point in Base64, JWK, each also after
 * "base64:"), a secret as JWK, or "fastly", the key of Fastly's proxies.
 * Returns 0, LB_E_INVAL (with a sentence that repeats nothing of the text), LB_E_NOMEM. */
int lbi_grip_key_parse(const char *text, lbi_grip_key *ret, lb_error *reterr);

/* Is it the key of Fastly's proxies, however it was written? */
bool lbi_grip_key_is_fastly(const lbi_grip_key *key);

#endif
