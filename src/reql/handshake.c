#include "reql/handshake.h"

#include "base/error.h"
#include "base/json.h"
#include "base/str.h"

#include <string.h>

/* SLICE: about two milliseconds. */
enum { MAX_DEPTH = 8, SLICE = 1024 };

static const char magic[4] = {'\xc3', '\xbd', '\xc2', '\x34'};

void lbi_reql_handshake_init(lbi_reql_handshake *hs, const char *user, const char *password,
                             lbi_reql_salted *salted)
{
    *hs = (lbi_reql_handshake){.user = user, .password = password, .salted = salted};
    lbi_reql_scram_init(&hs->scram);
    lbi_buf_init(&hs->in, LBI_REQL_HANDSHAKE_MAX);
}

void lbi_reql_handshake_done(lbi_reql_handshake *hs)
{
    lbi_pbkdf2_free(hs->pbkdf2);
    hs->pbkdf2 = NULL;
    lbi_reql_scram_done(&hs->scram);
    lbi_buf_done(&hs->in);
}

int lbi_reql_handshake_start(lbi_reql_handshake *hs, const uint8_t nonce[LBI_SCRAM_NONCE],
                             lbi_buf *out, lb_error *reterr)
{
    char nonce_text[LBI_BASE64_SIZE(LBI_SCRAM_NONCE)];
    lbi_buf text;
    int r;

    lbi_buf_init(&text, LBI_SCRAM_TEXT_MAX);
    (void)lbi_base64_encode(nonce, LBI_SCRAM_NONCE, nonce_text, sizeof nonce_text);
    r = lbi_reql_scram_first(&hs->scram, hs->user, nonce_text, &text, reterr);
    if (r < 0)
        goto out;
    /* Both at once: the server answers them in turn, which saves a round trip. */
    (void)lbi_buf_add(out, magic, sizeof magic);
    (void)lbi_buf_add_text(out, "{\"protocol_version\":0,"
                                "\"authentication_method\":\"SCRAM-SHA-256\",\"authentication\":");
    (void)lbi_json_put_text(out, lbi_buf_bytes(&text), text.len);
    r = lbi_buf_add(out, "}", 2);
    if (r == LB_E_INVAL)
        (void)lbi_fail(reterr, r, "the user name is not valid UTF-8");
    else if (r < 0)
        (void)lbi_fail_nomem(reterr);
out:
    lbi_buf_done(&text);
    return r;
}

/* ---- What the server refuses ---------------------------------------------------------------- */

/* reql.md, table of error codes: the class decides, the server's own sentence explains. */
static int map_error(const lbi_reql_handshake *hs, int64_t code, const char *text, lb_error *reterr)
{
    if (code == 12 || code == 17)
        return lbi_fail(reterr, LB_E_AUTH,
                        "wrong user or password for user '%.100s'%s (server: %.80s)", hs->user,
                        strpbrk(hs->user, ",=") ? "; servers since 2.4.2 misread ',' and '=' in a "
                                                  "user name"
                                                : "",
                        text);
    if (code >= 10 && code <= 22)
        return lbi_fail(reterr, LB_E_AUTH, "the server refused user '%.100s': %.120s", hs->user,
                        text);
    return lbi_fail(reterr, LB_E_PROTO, "the server refused the handshake: %.180s", text);
}

static int text_error(char *text, lb_error *reterr)
{
    static const char prefix[] = "ERROR: ";
    size_t len;

    if (strncmp(text, prefix, sizeof prefix - 1) == 0)
        text += sizeof prefix - 1;
    len = strcspn(text, "\r\n");
    return lbi_fail(reterr, LB_E_PROTO, "the server does not take this driver's protocol: %.*s",
                    (int)(len < 180 ? len : 180), text);
}

/* Nothing but '{' and "ERROR:" may begin a message; without waiting for a NUL that a stranger
 * never sends. */
static int check_beginning(const char *text, size_t len, lb_error *reterr)
{
    static const char error[] = "ERROR:";
    size_t n = len < sizeof error - 1 ? len : sizeof error - 1;

    if (len == 0 || text[0] == '{' || memcmp(text, error, n) == 0)
        return 0;
    if (text[0] == 0x15)
        return lbi_fail(reterr, LB_E_TLS, "the port speaks TLS: connect with tls=1");
    return lbi_fail(reterr, LB_E_PROTO,
                    "what answers there is no RethinkDB server: give its driver port, 28015 unless "
                    "it was changed");
}

/* ---- Messages ------------------------------------------------------------------------------- */

static int take_hello(lbi_reql_handshake *hs, const lbi_json *message, lb_error *reterr)
{
    const char *version = lbi_json_text(lbi_json_get(message, "server_version"));
    int64_t min = 0, max = 0;

    lbi_copy(hs->server_version, sizeof hs->server_version, version ? version : "");
    if (!lbi_json_int(lbi_json_get(message, "min_protocol_version"), &min) ||
        !lbi_json_int(lbi_json_get(message, "max_protocol_version"), &max))
        return lbi_fail(reterr, LB_E_PROTO, "the server's greeting has no protocol versions");
    if (min > 0 || max < 0)
        return lbi_fail(reterr, LB_E_PROTO,
                        "the server (%s) speaks versions %lld to %lld of the protocol, this driver "
                        "0: update libleaderboard",
                        hs->server_version, (long long)min, (long long)max);
    hs->stage = LBI_REQL_CHALLENGE;
    return 0;
}

static int take_challenge(lbi_reql_handshake *hs, const char *text, lb_error *reterr)
{
    lbi_reql_scram *scram = &hs->scram;
    int r = lbi_reql_scram_challenge(scram, text, reterr);

    if (r < 0)
        return r;
    hs->stage = LBI_REQL_SALTING;
    if (lbi_reql_scram_salted_fits(scram, hs->salted))
        return 0;
    hs->salted->valid = false;
    r = lbi_pbkdf2_new(hs->password, strlen(hs->password), scram->salt, scram->salt_len,
                       scram->iterations, &hs->pbkdf2);
    return r < 0 ? lbi_fail(reterr, r, "%s", lb_strerror(r)) : 0;
}

static int take_object(lbi_reql_handshake *hs, const lbi_json *message, lb_error *reterr)
{
    const char *error = lbi_json_text(lbi_json_get(message, "error"));
    const char *text = lbi_json_text(lbi_json_get(message, "authentication"));
    int64_t code = 0;
    bool success = false;
    int r;

    (void)lbi_json_bool(lbi_json_get(message, "success"), &success);
    if (!success) {
        (void)lbi_json_int(lbi_json_get(message, "error_code"), &code);
        return map_error(hs, code, error ? error : "no reason given", reterr);
    }
    if (hs->stage == LBI_REQL_HELLO)
        return take_hello(hs, message, reterr);
    if (!text)
        return lbi_fail(reterr, LB_E_PROTO, "a handshake message without authentication");
    if (hs->stage == LBI_REQL_CHALLENGE)
        return take_challenge(hs, text, reterr);
    if (hs->stage != LBI_REQL_SIGNATURE)
        return lbi_fail(reterr, LB_E_PROTO, "a handshake message out of turn");
    r = lbi_reql_scram_verify(&hs->scram, text, reterr);
    if (r == 0)
        hs->stage = LBI_REQL_READY;
    return r;
}

static int take_message(lbi_reql_handshake *hs, lb_error *reterr)
{
    char *text = lbi_buf_bytes(&hs->in);
    lbi_json *message = NULL;
    lb_error why;
    int r;

    if (text[0] != '{')
        return text_error(text, reterr);
    r = lbi_json_parse(text, strlen(text), LBI_REQL_HANDSHAKE_MAX, MAX_DEPTH, &message, &why);
    if (r < 0)
        return lbi_fail(reterr, r == LB_E_NOMEM ? r : LB_E_PROTO,
                        "the handshake is unreadable: %.150s", why.msg);
    r = take_object(hs, message, reterr);
    lbi_json_free(message);
    return r;
}

static int feed_message(lbi_reql_handshake *hs, const char *bytes, size_t n, bool whole,
                        lb_error *reterr)
{
    int r = lbi_buf_add(&hs->in, bytes, n);

    if (r == LB_E_LIMIT)
        return lbi_fail(reterr, LB_E_PROTO, "a handshake message of more than %d bytes",
                        LBI_REQL_HANDSHAKE_MAX);
    if (r < 0)
        return lbi_fail_nomem(reterr);
    r = check_beginning(lbi_buf_bytes(&hs->in), hs->in.len, reterr);
    if (r == 0 && whole) {
        r = take_message(hs, reterr);
        lbi_buf_clear(&hs->in);
    }
    return r;
}

int lbi_reql_handshake_feed(lbi_reql_handshake *hs, const char *bytes, size_t n, size_t *ret_used,
                            lb_error *reterr)
{
    size_t used = 0;

    while (hs->code == 0 && hs->stage != LBI_REQL_READY && used < n) {
        const char *nul = memchr(bytes + used, '\0', n - used);
        size_t len = nul ? (size_t)(nul - bytes) + 1 - used : n - used;

        hs->code = feed_message(hs, bytes + used, len, nul, reterr);
        used += len;
    }
    *ret_used = used;
    return hs->code;
}

/* ---- The proof ------------------------------------------------------------------------------ */

static void keep_salted(lbi_reql_handshake *hs)
{
    lbi_reql_salted *salted = hs->salted;

    memcpy(salted->salt, hs->scram.salt, hs->scram.salt_len);
    salted->salt_len = hs->scram.salt_len;
    salted->iterations = hs->scram.iterations;
    salted->valid = true;
    lbi_pbkdf2_free(hs->pbkdf2);
    hs->pbkdf2 = NULL;
}

static int put_proof(lbi_reql_handshake *hs, lbi_buf *out, lb_error *reterr)
{
    lbi_buf text;
    int r;

    lbi_buf_init(&text, LBI_SCRAM_TEXT_MAX);
    r = lbi_reql_scram_final(&hs->scram, hs->salted->key, &text, reterr);
    if (r == 0) {
        (void)lbi_buf_add_text(out, "{\"authentication\":");
        (void)lbi_json_put_text(out, lbi_buf_bytes(&text), text.len);
        if (lbi_buf_add(out, "}", 2) < 0)
            r = lbi_fail_nomem(reterr);
    }
    lbi_buf_done(&text);
    hs->stage = LBI_REQL_SIGNATURE;
    return r;
}

int lbi_reql_handshake_work(lbi_reql_handshake *hs, lbi_buf *out, lb_error *reterr)
{
    if (hs->code < 0 || hs->stage != LBI_REQL_SALTING)
        return hs->code;
    if (hs->pbkdf2) {
        int r = lbi_pbkdf2_step(hs->pbkdf2, SLICE, hs->salted->key);

        if (r < 0)
            return hs->code = lbi_fail(reterr, r, "SHA-256 failed");
        if (r > 0)
            return 1;
        keep_salted(hs);
    }
    return hs->code = put_proof(hs, out, reterr);
}
