#include "push/grip_key.h"

#include "base/error.h"
#include "base/json.h"
#include "os/ecdsa.h"
#include "push/grip_base64.h"

#include <string.h>

#define BASE64 "base64:"
#define PEM_BEGIN "-----BEGIN PUBLIC KEY-----"
#define PEM_END "-----END PUBLIC KEY-----"

enum { TEXT_MAX = 4096, COORDINATE = 32 };

/* What Fastly signs with, for every service: its issuer tells them apart. */
static const char fastly_x[] = "CKo5A1ebyFcnmVV8SE5On-8G81JyBjSvcrx4VLetWCg";
static const char fastly_y[] = "7gwJqaU6N8TP88--twjkwoB36f-pT3QsmI46nPhjO7M";

static int decode_secret(const char *text, size_t len, lbi_grip_key *ret, lb_error *reterr)
{
    lbi_grip_key key = {.kind = LBI_GRIP_KEY_SECRET};
    int r = lbi_grip_base64_decode(text, len, true, key.bytes, sizeof key.bytes, &key.size);

    if (r == LB_E_LIMIT)
        return lbi_fail(reterr, LB_E_INVAL, "a GRIP key has at most %d bytes", LBI_GRIP_SECRET_MAX);
    if (r < 0)
        return lbi_fail(reterr, LB_E_INVAL,
                        "a GRIP key is no base64: leave out 'base64:' if it is a plain text");
    if (key.size == 0)
        return lbi_fail(reterr, LB_E_INVAL, "a GRIP key is empty");
    *ret = key;
    lbi_wipe(&key, sizeof key);
    return 0;
}

int lbi_grip_key_secret(const char *text, lbi_grip_key *ret, lb_error *reterr)
{
    size_t len = strlen(text);

    if (strncmp(text, BASE64, strlen(BASE64)) == 0)
        return decode_secret(text + strlen(BASE64), len - strlen(BASE64), ret, reterr);
    if (len == 0)
        return lbi_fail(reterr, LB_E_INVAL, "a GRIP key is empty");
    if (len > LBI_GRIP_SECRET_MAX)
        return lbi_fail(reterr, LB_E_INVAL, "a GRIP key has at most %d bytes", LBI_GRIP_SECRET_MAX);
    *ret = (lbi_grip_key){.kind = LBI_GRIP_KEY_SECRET, .size = len};
    memcpy(ret->bytes, text, len);
    return 0;
}

static int take_point(const uint8_t xy[LBI_P256_KEY_SIZE], lbi_grip_key *ret, lb_error *reterr)
{
    if (!lbi_p256_check(xy))
        return lbi_fail(reterr, LB_E_INVAL, "a GRIP public key is no point of the curve P-256");
    *ret = (lbi_grip_key){.kind = LBI_GRIP_KEY_P256, .size = LBI_P256_KEY_SIZE};
    memcpy(ret->bytes, xy, LBI_P256_KEY_SIZE);
    return 0;
}

/* ---- PEM ------------------------------------------------------------------------------------ */

static int parse_pem(const char *text, lbi_grip_key *ret, lb_error *reterr)
{
    /* SubjectPublicKeyInfo of a P-256 key, up to x: it has no parts that may differ. */
    static const uint8_t head[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                   0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                   0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04};
    const char *begin = text + strlen(PEM_BEGIN), *end = strstr(begin, PEM_END);
    uint8_t der[sizeof head + LBI_P256_KEY_SIZE];
    char body[160];
    size_t len = 0, size = 0;

    for (; end && begin < end && len < sizeof body; begin++) {
        if (!strchr("\r\n\t ", *begin))
            body[len++] = *begin;
    }
    if (!end || lbi_grip_base64_decode(body, len, true, der, sizeof der, &size) < 0 ||
        size != sizeof der || memcmp(der, head, sizeof head) != 0)
        return lbi_fail(reterr, LB_E_INVAL,
                        "a GRIP public key is no P-256 key in PEM: make it with "
                        "'openssl ec -pubout'");
    return take_point(der + sizeof head, ret, reterr);
}

/* ---- JWK ------------------------------------------------------------------------------------ */

static bool is_text(const lbi_json *value, const char *text)
{
    const char *have = lbi_json_text(value);

    return have && strcmp(have, text) == 0;
}

static int read_point(const char *x, const char *y, lbi_grip_key *ret, lb_error *reterr)
{
    uint8_t xy[LBI_P256_KEY_SIZE];
    size_t x_size = 0, y_size = 0;

    if (!x || !y || lbi_grip_base64_decode(x, strlen(x), false, xy, COORDINATE, &x_size) < 0 ||
        lbi_grip_base64_decode(y, strlen(y), false, xy + COORDINATE, COORDINATE, &y_size) < 0 ||
        x_size != COORDINATE || y_size != COORDINATE)
        return lbi_fail(reterr, LB_E_INVAL, "a GRIP public key lacks x or y of 32 bytes");
    return take_point(xy, ret, reterr);
}

static int read_jwk(const lbi_json *jwk, lbi_grip_key *ret, lb_error *reterr)
{
    const char *secret = lbi_json_text(lbi_json_get(jwk, "k"));

    if (is_text(lbi_json_get(jwk, "kty"), "oct") && secret)
        return decode_secret(secret, strlen(secret), ret, reterr);
    if (is_text(lbi_json_get(jwk, "kty"), "EC") && is_text(lbi_json_get(jwk, "crv"), "P-256"))
        return read_point(lbi_json_text(lbi_json_get(jwk, "x")),
                          lbi_json_text(lbi_json_get(jwk, "y")), ret, reterr);
    return lbi_fail(reterr, LB_E_INVAL,
                    "a GRIP key is of a kind that is not supported: it is P-256 or a secret");
}

static int parse_jwk(const char *text, lbi_grip_key *ret, lb_error *reterr)
{
    lbi_json *jwk = NULL;
    int r = lbi_json_parse(text, strlen(text), TEXT_MAX, 4, &jwk, NULL);

    if (r == LB_E_NOMEM)
        return lbi_fail_nomem(reterr);
    if (r < 0)
        return lbi_fail(reterr, LB_E_INVAL, "a GRIP key begins like a JWK but is no JSON");
    r = read_jwk(jwk, ret, reterr);
    lbi_json_free(jwk);
    return r;
}

int lbi_grip_key_parse(const char *text, lbi_grip_key *ret, lb_error *reterr)
{
    if (strncmp(text, PEM_BEGIN, strlen(PEM_BEGIN)) == 0)
        return parse_pem(text, ret, reterr);
    if (text[0] == '{')
        return parse_jwk(text, ret, reterr);
    if (strcmp(text, "fastly") == 0)
        return read_point(fastly_x, fastly_y, ret, reterr);
    if (strncmp(text, "-----BEGIN", 10) == 0)
        return lbi_fail(reterr, LB_E_INVAL,
                        "a GRIP verify-key is another PEM than a public key: make it with "
                        "'openssl ec -pubout'");
    return lbi_grip_key_secret(text, ret, reterr);
}
