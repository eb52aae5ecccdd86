#include "push/grip_token.h"

#include "base/error.h"
#include "base/json.h"
#include "os/digest.h"
#include "os/ecdsa.h"
#include "push/grip_base64.h"

#include <string.h>

enum { VALID_FOR_S = 3600, CLAIMS_MAX = 1024, SIGNATURE_SIZE = 64 };

/* ---- Making --------------------------------------------------------------------------------- */

static int add_encoded(lbi_buf *buf, const void *data, size_t size)
{
    size_t room = LBI_BASE64_SIZE(size);
    char *text = lbi_buf_reserve(buf, room);

    if (!text)
        return buf->code;
    if (lbi_grip_base64_encode(data, size, text, room) < 0)
        return lbi_buf_fail(buf, LB_E_LIMIT);
    lbi_buf_commit(buf, strlen(text));
    return 0;
}

static int add_claims(lbi_buf *buf, const char *iss, int64_t now_s)
{
    lbi_buf claims;
    int r;

    lbi_buf_init(&claims, CLAIMS_MAX);
    (void)lbi_buf_add_text(&claims, "{\"iss\":");
    (void)lbi_json_put_text(&claims, iss, strlen(iss));
    (void)lbi_buf_add_text(&claims, ",\"exp\":");
    (void)lbi_json_put_int(&claims, now_s + VALID_FOR_S);
    r = lbi_buf_add_char(&claims, '}');
    if (r == 0)
        r = add_encoded(buf, lbi_buf_bytes(&claims), claims.len);
    else
        (void)lbi_buf_fail(buf, r);
    lbi_buf_done(&claims);
    return r;
}

int lbi_grip_token_make(lbi_buf *buf, const lbi_grip_key *key, const char *iss, int64_t now_s)
{
    static const char header[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
    uint8_t mac[LBI_SHA256_SIZE];
    size_t start = buf->len;

    (void)add_encoded(buf, header, sizeof header - 1);
    (void)lbi_buf_add_char(buf, '.');
    if (add_claims(buf, iss, now_s) < 0)
        return buf->code;
    if (lbi_hmac_sha256(key->bytes, key->size, lbi_buf_bytes(buf) + start, buf->len - start, mac) <
        0)
        return lbi_buf_fail(buf, LB_E_IO);
    (void)lbi_buf_add_char(buf, '.');
    return add_encoded(buf, mac, sizeof mac);
}

/* ---- Verifying ------------------------------------------------------------------------------ */

typedef struct parts {
    const char *header, *claims, *signature;
    size_t header_len, claims_len, signature_len;
} parts;

static bool split(const char *token, parts *ret)
{
    const char *first = strchr(token, '.'), *second = first ? strchr(first + 1, '.') : NULL;

    if (!second || strchr(second + 1, '.'))
        return false;
    *ret = (parts){
        .header = token,
        .header_len = (size_t)(first - token),
        .claims = first + 1,
        .claims_len = (size_t)(second - first - 1),
        .signature = second + 1,
        .signature_len = strlen(second + 1),
    };
    return true;
}

static int parse_part(const char *text, size_t len, lbi_json **ret, lb_error *reterr)
{
    char json[LBI_GRIP_TOKEN_MAX];
    size_t size = 0;
    int r = lbi_grip_base64_decode(text, len, false, json, sizeof json, &size);

    if (r == 0)
        r = lbi_json_parse(json, size, sizeof json, 8, ret, NULL);
    if (r == LB_E_NOMEM)
        return lbi_fail_nomem(reterr);
    if (r == 0 && lbi_json_is_object(*ret))
        return 0;
    if (r == 0)
        lbi_json_free(*ret);
    return lbi_fail(reterr, LB_E_AUTH, "the token is not well-formed");
}

/* The header is read before anything is proven: it may only agree. */
static int check_header(const parts *p, const lbi_grip_key *key, lb_error *reterr)
{
    const char *wanted = key->kind == LBI_GRIP_KEY_P256 ? "ES256" : "HS256", *alg;
    lbi_json *header = NULL;
    int r = parse_part(p->header, p->header_len, &header, reterr);

    if (r < 0)
        return r;
    alg = lbi_json_text(lbi_json_get(header, "alg"));
    if (!alg || strcmp(alg, wanted) != 0)
        r = lbi_fail(reterr, LB_E_AUTH, "the token is not signed by %s, as the key is for", wanted);
    else if (lbi_json_get(header, "crit"))
        r = lbi_fail(reterr, LB_E_AUTH, "the token asks for an extension");
    lbi_json_free(header);
    return r;
}

static bool is_signed(const parts *p, const lbi_grip_key *key)
{
    uint8_t signature[SIGNATURE_SIZE], digest[LBI_SHA256_SIZE];
    size_t size = 0, len = p->header_len + 1 + p->claims_len;

    if (lbi_grip_base64_decode(p->signature, p->signature_len, false, signature, sizeof signature,
                               &size) < 0)
        return false;
    if (key->kind == LBI_GRIP_KEY_P256)
        return size == LBI_P256_SIGNATURE_SIZE && lbi_sha256(p->header, len, digest) == 0 &&
               lbi_p256_verify(key->bytes, digest, signature);
    return size == LBI_SHA256_SIZE &&
           lbi_hmac_sha256(key->bytes, key->size, p->header, len, digest) == 0 &&
           lbi_equal_secret(digest, signature, sizeof digest);
}

static int check_claims(const lbi_json *claims, const char *iss, int64_t now_s, lb_error *reterr)
{
    const char *from = lbi_json_text(lbi_json_get(claims, "iss"));
    double exp, nbf;

    if (!lbi_json_double(lbi_json_get(claims, "exp"), &exp))
        return lbi_fail(reterr, LB_E_AUTH, "the token does not say when it expires");
    if (!(exp > (double)now_s))
        return lbi_fail(reterr, LB_E_AUTH, "the token has expired");
    if (lbi_json_get(claims, "nbf") &&
        (!lbi_json_double(lbi_json_get(claims, "nbf"), &nbf) || !(nbf <= (double)now_s)))
        return lbi_fail(reterr, LB_E_AUTH, "the token is not valid yet");
    if (iss && (!from || strcmp(from, iss) != 0))
        return lbi_fail(reterr, LB_E_AUTH, "the token is from another issuer");
    return 0;
}

int lbi_grip_token_verify(const char *token, const lbi_grip_key *key, const char *iss,
                          int64_t now_s, lb_error *reterr)
{
    lbi_json *claims = NULL;
    parts p;
    int r;

    if (key->kind == LBI_GRIP_KEY_NONE)
        return lbi_fail(reterr, LB_E_AUTH, "there is no key to verify the token with");
    if (strnlen(token, LBI_GRIP_TOKEN_MAX + 1) > LBI_GRIP_TOKEN_MAX)
        return lbi_fail(reterr, LB_E_AUTH, "the token is longer than %d bytes", LBI_GRIP_TOKEN_MAX);
    if (!split(token, &p))
        return lbi_fail(reterr, LB_E_AUTH, "the token is not well-formed");
    r = check_header(&p, key, reterr);
    if (r < 0)
        return r;
    if (!is_signed(&p, key))
        return lbi_fail(reterr, LB_E_AUTH, "the token's signature is wrong");
    r = parse_part(p.claims, p.claims_len, &claims, reterr);
    if (r < 0)
        return r;
    r = check_claims(claims, iss, now_s, reterr);
    lbi_json_free(claims);
    return r;
}
