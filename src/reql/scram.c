#include "reql/scram.h"

#include "base/error.h"
#include "base/str.h"

#include <string.h>

void lbi_reql_scram_init(lbi_reql_scram *scram)
{
    *scram = (lbi_reql_scram){0};
    lbi_buf_init(&scram->auth, 3 * (size_t)LBI_SCRAM_TEXT_MAX);
}

void lbi_reql_scram_done(lbi_reql_scram *scram)
{
    lbi_buf_done(&scram->auth);
    lbi_wipe(scram, sizeof *scram);
}

/* ---- Message 1: n,,n=<user>,r=<nonce> ------------------------------------------------------- */

static void add_user(lbi_buf *buf, const char *user)
{
    for (; *user; user++) {
        if (*user == ',')
            (void)lbi_buf_add_text(buf, "=2C");
        else if (*user == '=')
            (void)lbi_buf_add_text(buf, "=3D");
        else
            (void)lbi_buf_add_char(buf, *user);
    }
}

int lbi_reql_scram_first(lbi_reql_scram *scram, const char *user, const char *nonce, lbi_buf *out,
                         lb_error *reterr)
{
    if (strnlen(user, LBI_SCRAM_USER_MAX + 1) > LBI_SCRAM_USER_MAX)
        return lbi_fail(reterr, LB_E_INVAL, "a user name has at most %d bytes", LBI_SCRAM_USER_MAX);
    lbi_buf_clear(&scram->auth);
    (void)lbi_buf_add_text(&scram->auth, "n=");
    add_user(&scram->auth, user);
    (void)lbi_buf_add_text(&scram->auth, ",r=");
    scram->nonce_at = scram->auth.len;
    scram->nonce_len = strlen(nonce);
    (void)lbi_buf_add_text(&scram->auth, nonce);
    (void)lbi_buf_add_text(out, "n,,");
    if (scram->auth.code < 0 || lbi_buf_add(out, lbi_buf_bytes(&scram->auth), scram->auth.len) < 0)
        return lbi_fail_nomem(reterr);
    return 0;
}

/* ---- Message 2: r=<nonce of both>,s=<salt>,i=<iterations> ----------------------------------- */

/* The value of the attribute that text begins with, up to the comma or the end; NULL if it is
 * another attribute. *text is then behind it. */
static const char *take_attribute(const char **text, char name, size_t *ret_len)
{
    const char *value = *text + 2;

    if ((*text)[0] != name || (*text)[1] != '=')
        return NULL;
    *ret_len = strcspn(value, ",");
    *text = value + *ret_len;
    if (**text == ',')
        (*text)++;
    return value;
}

static int take_nonce(lbi_reql_scram *scram, const char *value, size_t len, lb_error *reterr)
{
    const char *ours = lbi_buf_bytes(&scram->auth) + scram->nonce_at;

    if (!value)
        return lbi_fail(reterr, LB_E_PROTO, "the server's challenge has no nonce");
    if (len >= sizeof scram->nonce || len <= scram->nonce_len ||
        memcmp(value, ours, scram->nonce_len) != 0)
        return lbi_fail(reterr, LB_E_AUTH,
                        "the server answered a challenge that is not ours: somebody may be in "
                        "between");
    memcpy(scram->nonce, value, len);
    scram->nonce[len] = '\0';
    return 0;
}

static int take_salt(lbi_reql_scram *scram, const char *value, size_t len, lb_error *reterr)
{
    if (!value || len == 0 ||
        lbi_base64_decode(value, len, scram->salt, sizeof scram->salt, &scram->salt_len) < 0)
        return lbi_fail(reterr, LB_E_PROTO, "the server's challenge has no usable salt");
    return 0;
}

/* 1 is legal: the admin account without a password has it. Too many would keep us busy for ever. */
static int take_iterations(lbi_reql_scram *scram, const char *value, size_t len, lb_error *reterr)
{
    uint64_t n = 0;

    if (!value || !lbi_parse_u64(value, len, UINT64_MAX, &n) || n == 0)
        return lbi_fail(reterr, LB_E_PROTO, "the server's challenge has no usable iteration count");
    if (n > LBI_SCRAM_ITERATIONS_MAX)
        return lbi_fail(reterr, LB_E_AUTH,
                        "the server asks for %llu iterations of the password, at most %d are done",
                        (unsigned long long)n, LBI_SCRAM_ITERATIONS_MAX);
    scram->iterations = (uint32_t)n;
    return 0;
}

int lbi_reql_scram_challenge(lbi_reql_scram *scram, const char *text, lb_error *reterr)
{
    const char *at = text, *value;
    size_t len = 0;
    int r;

    value = take_attribute(&at, 'r', &len);
    r = take_nonce(scram, value, len, reterr);
    if (r < 0)
        return r;
    value = take_attribute(&at, 's', &len);
    r = take_salt(scram, value, len, reterr);
    if (r < 0)
        return r;
    value = take_attribute(&at, 'i', &len);
    r = take_iterations(scram, value, len, reterr);
    if (r < 0)
        return r;
    (void)lbi_buf_add_char(&scram->auth, ',');
    return lbi_buf_add_text(&scram->auth, text) < 0 ? lbi_fail_nomem(reterr) : 0;
}

bool lbi_reql_scram_salted_fits(const lbi_reql_scram *scram, const lbi_reql_salted *salted)
{
    return salted->valid && salted->iterations == scram->iterations &&
           salted->salt_len == scram->salt_len &&
           memcmp(salted->salt, scram->salt, scram->salt_len) == 0;
}

/* ---- Message 3: c=biws,r=<nonce of both>,p=<proof> ------------------------------------------ */

static int compute(lbi_reql_scram *scram, const uint8_t salted[LBI_SHA256_SIZE],
                   uint8_t proof[LBI_SHA256_SIZE])
{
    uint8_t client_key[LBI_SHA256_SIZE], stored_key[LBI_SHA256_SIZE], server_key[LBI_SHA256_SIZE];
    const char *auth = lbi_buf_bytes(&scram->auth);
    int r = lbi_hmac_sha256(salted, LBI_SHA256_SIZE, "Client Key", 10, client_key);

    if (r == 0)
        r = lbi_sha256(client_key, sizeof client_key, stored_key);
    if (r == 0)
        r = lbi_hmac_sha256(stored_key, sizeof stored_key, auth, scram->auth.len, proof);
    if (r == 0)
        r = lbi_hmac_sha256(salted, LBI_SHA256_SIZE, "Server Key", 10, server_key);
    if (r == 0)
        r = lbi_hmac_sha256(server_key, sizeof server_key, auth, scram->auth.len,
                            scram->server_signature);
    for (size_t i = 0; r == 0 && i < LBI_SHA256_SIZE; i++)
        proof[i] ^= client_key[i];
    lbi_wipe(client_key, sizeof client_key);
    lbi_wipe(stored_key, sizeof stored_key);
    lbi_wipe(server_key, sizeof server_key);
    return r;
}

int lbi_reql_scram_final(lbi_reql_scram *scram, const uint8_t salted[LBI_SHA256_SIZE], lbi_buf *out,
                         lb_error *reterr)
{
    uint8_t proof[LBI_SHA256_SIZE];
    char text[LBI_BASE64_SIZE(LBI_SHA256_SIZE)];

    /* "biws" is base64 of "n,,": no channel binding. */
    (void)lbi_buf_add_text(&scram->auth, ",c=biws,r=");
    if (lbi_buf_add_text(&scram->auth, scram->nonce) < 0)
        return lbi_fail_nomem(reterr);
    if (compute(scram, salted, proof) < 0 ||
        lbi_base64_encode(proof, sizeof proof, text, sizeof text) < 0)
        return lbi_fail(reterr, LB_E_IO, "SHA-256 failed");
    (void)lbi_buf_add_text(out, "c=biws,r=");
    (void)lbi_buf_add_text(out, scram->nonce);
    (void)lbi_buf_add_text(out, ",p=");
    return lbi_buf_add_text(out, text) < 0 ? lbi_fail_nomem(reterr) : 0;
}

/* ---- Message 4: v=<signature> --------------------------------------------------------------- */

int lbi_reql_scram_verify(const lbi_reql_scram *scram, const char *text, lb_error *reterr)
{
    uint8_t theirs[LBI_SHA256_SIZE];
    const char *value;
    size_t len = 0, n = 0;

    value = take_attribute(&text, 'v', &len);
    if (!value || lbi_base64_decode(value, len, theirs, sizeof theirs, &n) < 0 ||
        n != sizeof theirs)
        return lbi_fail(reterr, LB_E_PROTO, "the server's signature is unreadable");
    if (!lbi_equal_secret(theirs, scram->server_signature, sizeof theirs))
        return lbi_fail(reterr, LB_E_AUTH,
                        "the server does not know the password either: its signature is wrong, "
                        "so it may be somebody else's");
    return 0;
}
