/* The V1_0 handshake: bytes in, bytes out. No I/O, no clock; the nonce is given. Each message is
 * a JSON object ended by NUL; old servers and strangers answer with text. */
#ifndef LBI_REQL_HANDSHAKE_H
#define LBI_REQL_HANDSHAKE_H

#include "reql/scram.h"

enum { LBI_REQL_VERSION_SIZE = 64, LBI_REQL_HANDSHAKE_MAX = 8192 };

typedef enum lbi_reql_stage {
    LBI_REQL_HELLO,     /* the server's versions are awaited */
    LBI_REQL_CHALLENGE, /* its challenge is */
    LBI_REQL_SALTING,   /* the password is being salted: lbi_reql_handshake_work() */
    LBI_REQL_SIGNATURE, /* the server's signature is awaited */
    LBI_REQL_READY,     /* frames may follow */
} lbi_reql_stage;

typedef struct lbi_reql_handshake {
    lbi_reql_stage stage;
    const char *user, *password; /* borrowed */
    lbi_reql_salted *salted;     /* borrowed: read, and written when it was computed */
    lbi_reql_scram scram;
    lbi_pbkdf2 *pbkdf2;
    lbi_buf in;
    char server_version[LBI_REQL_VERSION_SIZE]; /* "" = not said */
    int code;                                   /* sticks */
} lbi_reql_handshake;

/* Owns nothing of user, password and salted; they outlive the handshake. */
void lbi_reql_handshake_init(lbi_reql_handshake *hs, const char *user, const char *password,
                             lbi_reql_salted *salted);
void lbi_reql_handshake_done(lbi_reql_handshake *hs);

/* Adds what the client says first. Returns 0, LB_E_INVAL, LB_E_NOMEM. */
int lbi_reql_handshake_start(lbi_reql_handshake *hs, const uint8_t nonce[LBI_SCRAM_NONCE],
                             lbi_buf *out, lb_error *reterr);

/* What the server said. *ret_used < n only when the handshake is over and frames follow.
 * Returns 0 or, sticky, LB_E_PROTO, LB_E_AUTH, LB_E_LIMIT, LB_E_NOMEM. */
int lbi_reql_handshake_feed(lbi_reql_handshake *hs, const char *bytes, size_t n, size_t *ret_used,
                            lb_error *reterr);

/* A slice of computing; adds what is to be sent. Returns 1 = there is more to compute, 0 = wait
 * for bytes (or ready), < 0 as above. */
int lbi_reql_handshake_work(lbi_reql_handshake *hs, lbi_buf *out, lb_error *reterr);

#endif
