/* The tokens of GRIP: JSON Web Tokens that prove to a proxy who publishes, and to an origin that
 * a request came through its proxy. The time is an argument. */
#ifndef LBI_PUSH_GRIP_TOKEN_H
#define LBI_PUSH_GRIP_TOKEN_H

#include "base/buf.h"
#include "push/grip_key.h"

enum { LBI_GRIP_TOKEN_MAX = 4096 };

/* Adds a token (HS256) that is valid for an hour. The key is a secret.
 * Returns 0 or what sticks to the buffer; LB_E_INVAL: iss is no UTF-8. */
int lbi_grip_token_make(lbi_buf *buf, const lbi_grip_key *key, const char *iss, int64_t now_s);

/* Is the token signed with this key, not expired and, with iss, from there? What may sign is the
 * key's to say, not the token's: HS256 for a secret, ES256 for a public key, nothing else.
 * Returns 0, LB_E_AUTH with the reason, LB_E_NOMEM. */
int lbi_grip_token_verify(const char *token, const lbi_grip_key *key, const char *iss,
                          int64_t now_s, lb_error *reterr);

#endif
