#include "push/grip_key.h"

#include "base/error.h"
#include "base/json.h"
#include "os/ecdsa.h"
#include "push/grip_base64.h"

#include <string.h>
#include <strings.h>

#define BASE64 "base64:"
#define PEM_BEGIN "-----BEGIN PUBLIC KEY-----"
#define PEM_END "-----END PUBLIC KEY-----"

enum { TEXT_MAX = 4096, COORDINATE = 32 };

/* It has no form of a key. */
enum { NONE = 1 };

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

static int copy_secret(const char *text, size_t len, lbi_grip_key *ret, lb_error *reterr)
{
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

/* Is all of it one ASN.1 sequence that begins with another, or with a version? */
static bool is_der(const uint8_t *der, size_t size)
{
    size_t head = 2, len;

    if (size < 4 || size > 0xffff || der[0] != 0x30)
        return false;
    len = der[1];
    if (len == 0x81 || len == 0x82) {
        head += len - 0x80;
        len = head == 3 ? der[2] : (size_t)der[2] << 8 | der[3];
    }
    return len == size - head && len > 0 && (der[head] == 0x30 || der[head] == 0x02);
}

/* SubjectPublicKeyInfo of a P-256 key. */
static int parse_der(const uint8_t *der, size_t size, lbi_grip_key *ret, lb_error *reterr)
{
    /* Up to x: it has no parts that may differ. */
    static const uint8_t head[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                   0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                   0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04};

    if (size != sizeof head + LBI_P256_KEY_SIZE || memcmp(der, head, sizeof head) != 0)
        return lbi_fail(reterr, LB_E_INVAL,
                        "a GRIP public key is no P-256 key: make it with 'openssl ec -pubout', and "
                        "percent-encode it, since white space separates URLs");
    return take_point(der + sizeof head, ret, reterr);
}

/* Base64 with white space and, as variables of environments have it, "\n" in it. Returns
 * its size, 0 if it is none. */
static size_t decode_text(const char *text, size_t len, uint8_t *ret, size_t cap)
{
    char body[LBI_GRIP_SECRET_MAX * 2];
    size_t n = 0, size = 0;

    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\\' && i + 1 < len && strchr("rn", text[i + 1]))
            i++;
        else if (n == sizeof body)
            return 0;
        else if (!strchr("\r\n\t ", text[i]))
            body[n++] = text[i];
    }
    return lbi_grip_base64_decode(body, n, true, ret, cap, &size) < 0 ? 0 : size;
}

static int parse_pem(const char *text, size_t len, lbi_grip_key *ret, lb_error *reterr)
{
    const char *begin = memmem(text, len, PEM_BEGIN, strlen(PEM_BEGIN)), *end = NULL;
    uint8_t der[LBI_GRIP_SECRET_MAX];
    size_t size = 0;

    if (begin) {
        begin += strlen(PEM_BEGIN);
        end = memmem(begin, len - (size_t)(begin - text), PEM_END, strlen(PEM_END));
    }
    if (end)
        size = decode_text(begin, (size_t)(end - begin), der, sizeof der);
    return parse_der(der, size, ret, reterr);
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

static int parse_jwk(const char *text, size_t len, lbi_grip_key *ret, lb_error *reterr)
{
    lbi_json *jwk = NULL;
    int r = lbi_json_parse(text, len, TEXT_MAX, 4, &jwk, NULL);

    if (r == LB_E_NOMEM)
        return lbi_fail_nomem(reterr);
    if (r < 0)
        return lbi_fail(reterr, LB_E_INVAL,
                        "a GRIP key begins like a JWK but is no JSON: percent-encode it, since "
                        "white space separates URLs");
    r = read_jwk(jwk, ret, reterr);
    lbi_json_free(jwk);
    return r;
}

/* ---- Any ------------------------------------------------------------------------------------ */

static bool is_around(char c)
{
    return c && strchr(" \t\r\n\"'\xef\xbb\xbf", c);
}

/* What only public keys have, or what names one. */
static bool is_public(const char *text, size_t len)
{
    static const char *const begins[] = {"file:", "ssh-", "ecdsa-sha2-"};

    for (size_t i = 0; i < sizeof begins / sizeof begins[0]; i++) {
        if (len >= strlen(begins[i]) && memcmp(text, begins[i], strlen(begins[i])) == 0)
            return true;
    }
    return memmem(text, len, "\"kty\"", 5);
}

static int parse_bytes(const uint8_t *bytes, size_t size, lbi_grip_key *ret, lb_error *reterr)
{
    if (is_der(bytes, size))
        return parse_der(bytes, size, ret, reterr);
    /* A secret of chance is no point of the curve. */
    if (size == LBI_P256_KEY_SIZE && lbi_p256_check(bytes))
        return take_point(bytes, ret, reterr);
    if (size == LBI_P256_KEY_SIZE + 1 && *bytes == 4 && lbi_p256_check(bytes + 1))
        return take_point(bytes + 1, ret, reterr);
    return NONE;
}

/* Takes a key that has a form. A public one must never become a secret, however it is wrapped:
 * everybody could sign with it. Returns 0, NONE, LB_E_INVAL, LB_E_NOMEM. */
static int parse_formed(const char *text, size_t len, lbi_grip_key *ret, lb_error *reterr)
{
    uint8_t bytes[LBI_GRIP_SECRET_MAX];
    size_t size;
    int r = parse_bytes((const uint8_t *)text, len, ret, reterr);

    if (r != NONE)
        return r;
    for (; len > 0 && is_around(*text); len--)
        text++;
    while (len > 0 && is_around(text[len - 1]))
        len--;
    if (memmem(text, len, "-----BEGIN", 10))
        return parse_pem(text, len, ret, reterr);
    if (len > 0 && *text == '{')
        return parse_jwk(text, len, ret, reterr);
    if (len > strlen(BASE64) && strncasecmp(text, BASE64, strlen(BASE64)) == 0) {
        size = decode_text(text + strlen(BASE64), len - strlen(BASE64), bytes, sizeof bytes);
        return parse_formed((const char *)bytes, size, ret, reterr);
    }
    size = decode_text(text, len, bytes, sizeof bytes);
    r = parse_bytes(bytes, size, ret, reterr);
    if (r == NONE && is_public(text, len))
        r = lbi_fail(
            reterr, LB_E_INVAL,
            "a GRIP key looks like a public key in a form that is not known: give its PEM, "
            "percent-encoded");
    return r;
}

static int parse_secret(const char *text, lbi_grip_key *ret, lb_error *reterr)
{
    size_t len = strlen(text);

    if (strncmp(text, BASE64, strlen(BASE64)) == 0)
        return decode_secret(text + strlen(BASE64), len - strlen(BASE64), ret, reterr);
    return copy_secret(text, len, ret, reterr);
}

int lbi_grip_key_secret(const char *text, lbi_grip_key *ret, lb_error *reterr)
{
    int r = parse_formed(text, strlen(text), ret, reterr);

    if (r == 0)
        return lbi_fail(reterr, LB_E_INVAL,
                        "a GRIP key to sign with is a secret, no public key and no JWK");
    return r == NONE ? parse_secret(text, ret, reterr) : r;
}

int lbi_grip_key_parse(const char *text, lbi_grip_key *ret, lb_error *reterr)
{
    lbi_grip_key inner;
    int r;

    if (strcmp(text, "fastly") == 0)
        return read_point(fastly_x, fastly_y, ret, reterr);
    r = parse_formed(text, strlen(text), ret, reterr);
    if (r == 0 && ret->kind == LBI_GRIP_KEY_SECRET) /* of a JWK */
        r = parse_formed((const char *)ret->bytes, ret->size, &inner, NULL) == NONE
                ? 0
                : lbi_fail(reterr, LB_E_INVAL, "a GRIP key as JWK has a public key as its secret");
    return r == NONE ? parse_secret(text, ret, reterr) : r;
}

bool lbi_grip_key_is_fastly(const lbi_grip_key *key)
{
    lbi_grip_key fastly = {.size = 0};

    return key->kind == LBI_GRIP_KEY_P256 && read_point(fastly_x, fastly_y, &fastly, NULL) == 0 &&
           memcmp(key->bytes, fastly.bytes, fastly.size) == 0;
}
