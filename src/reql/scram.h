/* SCRAM-SHA-256 (RFC 5802, 7677) as RethinkDB speaks it: text in, text out. No I/O; the nonce and
 * the salted password are given. */
#ifndef LBI_REQL_SCRAM_H
#define LBI_REQL_SCRAM_H

#include "base/buf.h"
#include "leaderboard.h"
#include "os/digest.h"

#include <stdbool.h>

enum {
    LBI_SCRAM_NONCE = 18,               /* random bytes, as the official clients have it */
    LBI_SCRAM_USER_MAX = 500,           /* a handshake message has 2,047 bytes at most */
    LBI_SCRAM_TEXT_MAX = 4096,          /* of any one message */
    LBI_SCRAM_SALT_MAX = 64,            /* the server's has 16 */
    LBI_SCRAM_ITERATIONS_MAX = 1000000, /* about two seconds of a core */
};

/* What the password became: kept over reconnects, since the salt of a user stays the same. */
typedef struct lbi_reql_salted {
    uint8_t salt[LBI_SCRAM_SALT_MAX];
    size_t salt_len;
    uint32_t iterations;
    uint8_t key[LBI_SHA256_SIZE];
    bool valid;
} lbi_reql_salted;

typedef struct lbi_reql_scram {
    lbi_buf auth;                   /* AuthMessage as far as it is known */
    size_t nonce_at, nonce_len;     /* our part of it, in auth */
    char nonce[LBI_SCRAM_TEXT_MAX]; /* both parts */
    uint8_t salt[LBI_SCRAM_SALT_MAX];
    size_t salt_len;
    uint32_t iterations;
    uint8_t server_signature[LBI_SHA256_SIZE];
} lbi_reql_scram;

void lbi_reql_scram_init(lbi_reql_scram *scram);
void lbi_reql_scram_done(lbi_reql_scram *scram);

/* Each step adds the next message to `out` or reads one that came. The nonce is text without a
 * comma, new for each handshake. Each returns 0 or LB_E_INVAL, LB_E_NOMEM, LB_E_PROTO (not what the protocol says), LB_E_AUTH. */
int lbi_reql_scram_first(lbi_reql_scram *scram, const char *user, const char *nonce, lbi_buf *out,
                         lb_error *reterr);
int lbi_reql_scram_challenge(lbi_reql_scram *scram, const char *text, lb_error *reterr);
int lbi_reql_scram_final(lbi_reql_scram *scram, const uint8_t salted[LBI_SHA256_SIZE], lbi_buf *out,
                         lb_error *reterr);
int lbi_reql_scram_verify(const lbi_reql_scram *scram, const char *text, lb_error *reterr);

/* Is this the salted password that the challenge asks for? */
bool lbi_reql_scram_salted_fits(const lbi_reql_scram *scram, const lbi_reql_salted *salted);

#endif
