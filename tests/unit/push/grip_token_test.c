/* Vectors are those of RFC 7515 (appendix A) or were made with Python's hmac and with openssl. */
#include "push/grip_token.h"

#include "test.h"

#include "os/digest.h"
#include "push/grip_base64.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW INT64_C(1700000000)
#define CLAIMS "{\"exp\":1700003600,\"iss\":\"pushpin\"}"

/* Private key: thrown away. */
#define PEM                                                                                        \
    "-----BEGIN PUBLIC KEY-----\n"                                                                 \
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE0flt6wyg2lY6vIIeCZ/So1z00EVa\n"                           \
    "DPsQrKhdnhUsOlmlEcHBsOmTH3vXU7zl+fZggZbuKHbDAk37Os6ghK9MQg==\n"                               \
    "-----END PUBLIC KEY-----\n"
#define JWK                                                                                        \
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"0flt6wyg2lY6vIIeCZ_So1z00EVaDPsQrKhdnhUsOlk\","     \
    "\"y\":\"pRHBwbDpkx9711O85fn2YIGW7ih2wwJN-zrOoISvTEI\"}"
#define ES256_SIGNED                                                                               \
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9."                                                        \
    "eyJleHAiOjE3MDAwMDM2MDAsImlzcyI6ImZhc3RseTpTRVJWSUNFIn0"
#define ES256_TOKEN                                                                                \
    ES256_SIGNED                                                                                   \
    ".bA5-RNAYhtjGZILsiatzlPIOM5aGZpNayfVMz6fhyYfaNDFzKS4mWXlLxBdxfDYnSNZh0vLLji5ycR3yNb-zEg"
#define ES256_TOKEN_DER                                                                            \
    ES256_SIGNED                                                                                   \
    ".MEUCIGwOfkTQGIbYxmSC7Imrc5TyDjOWhmaTWsn1TM-n4cmHAiEA2jQxcykuJll5S8QXcXw2J0jWYdLyy44ucnEd8"   \
    "jW_sxI"

static lbi_grip_key key_of(const char *text)
{
    lbi_grip_key key;
    lb_error error = {.msg = ""};

    if (lbi_grip_key_parse(text, &key, &error) < 0)
        FAIL("%s", error.msg);
    return key;
}

static void encode(char *out, size_t size, const char *text)
{
    CHECK_OK(lbi_grip_base64_encode(text, strlen(text), out, size));
}

/* A token signed with HMAC, whatever its header says. */
static const char *make(const char *header, const char *claims, const void *key, size_t key_size)
{
    static char token[8192];
    uint8_t mac[LBI_SHA256_SIZE];
    size_t n;

    encode(token, sizeof token, header);
    n = strlen(token);
    token[n++] = '.';
    encode(token + n, sizeof token - n, claims);
    n = strlen(token);
    CHECK_OK(lbi_hmac_sha256(key, key_size, token, n, mac));
    token[n++] = '.';
    CHECK_OK(lbi_grip_base64_encode(mac, sizeof mac, token + n, sizeof token - n));
    return token;
}

static const char *hs256(const char *claims)
{
    return make("{\"typ\":\"JWT\",\"alg\":\"HS256\"}", claims, "changeme", 8);
}

static int verify(const char *token, const char *key, const char *iss, int64_t now_s)
{
    lbi_grip_key k = key_of(key);

    return lbi_grip_token_verify(token, &k, iss, now_s, NULL);
}

static int refused(const char *token)
{
    lbi_grip_key key = key_of("changeme");
    lb_error error = {.msg = ""};
    int r = lbi_grip_token_verify(token, &key, NULL, NOW, &error);

    CHECK((r < 0) == (error.msg[0] != '\0'));
    return r == LB_E_AUTH;
}

TEST(made_as_others_make_it)
{
    lbi_grip_key key = key_of("changeme");
    lbi_buf buf;

    lbi_buf_init(&buf, 1000);
    CHECK_OK(lbi_grip_token_make(&buf, &key, "pushpin", NOW));
    CHECK_OK(lbi_buf_add_char(&buf, '\0'));
    CHECK_STR(lbi_buf_bytes(&buf), "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
                                   "eyJpc3MiOiJwdXNocGluIiwiZXhwIjoxNzAwMDAzNjAwfQ."
                                   "nv_CZxbKPtW9c7pb0AsTvOD49IbZaj5LGd0CowmXKR0");
    CHECK_OK(verify(lbi_buf_bytes(&buf), "changeme", "pushpin", NOW));
    lbi_buf_done(&buf);
}

TEST(made_within_its_room)
{
    lbi_grip_key key = key_of("changeme");
    char iss[2000];
    lbi_buf buf;

    lbi_buf_init(&buf, 50);
    CHECK_EQ(lbi_grip_token_make(&buf, &key, "pushpin", NOW), LB_E_LIMIT);
    lbi_buf_done(&buf);
    lbi_buf_init(&buf, 5000);
    CHECK_EQ(lbi_grip_token_make(&buf, &key, "\xff", NOW), LB_E_INVAL);
    lbi_buf_clear(&buf);
    memset(iss, 'i', sizeof iss - 1);
    iss[sizeof iss - 1] = '\0';
    CHECK_EQ(lbi_grip_token_make(&buf, &key, iss, NOW), LB_E_LIMIT);
    lbi_buf_done(&buf);
}

TEST(of_rfc_7515)
{
    CHECK_OK(verify("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
                    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9p"
                    "c19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
                    "{\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-"
                    "1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow\"}",
                    "joe", 1300819379));
    CHECK_OK(verify("eyJhbGciOiJFUzI1NiJ9."
                    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9p"
                    "c19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa"
                    "8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
                    "{\"kty\":\"EC\",\"crv\":\"P-256\","
                    "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
                    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}",
                    "joe", 1300819379));
}

TEST(of_pushpin)
{
    const char *token = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9."
                        "eyJleHAiOjE3MDAwMDM2MDAsImlzcyI6InB1c2hwaW4ifQ."
                        "kLqQZD5BP5GyM4rxs4s7hNTebsh6irVi0yu8Uk7hRKo";
    const char *binary = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9."
                         "eyJleHAiOjE3MDAwMDM2MDAsImlzcyI6InB1c2hwaW4ifQ."
                         "FTjoGen8gdrEmNRe83zyJbbt5QXIyMwsKanXJx5y7s4";

    CHECK_OK(verify(token, "changeme", NULL, NOW));
    CHECK_OK(verify(token, "changeme", "pushpin", NOW));
    CHECK_OK(verify(token, "base64:Y2hhbmdlbWU=", NULL, NOW));
    CHECK_OK(verify(binary, "base64:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", NULL, NOW));
    CHECK_EQ(verify(binary, "changeme", NULL, NOW), LB_E_AUTH);
}

TEST(of_a_public_key)
{
    CHECK_OK(verify(ES256_TOKEN, PEM, "fastly:SERVICE", NOW));
    CHECK_OK(verify(ES256_TOKEN, JWK, NULL, NOW));
    CHECK_EQ(verify(ES256_TOKEN, "fastly", NULL, NOW), LB_E_AUTH); /* another key */
    CHECK_EQ(verify(ES256_TOKEN, PEM, "fastly:OTHER", NOW), LB_E_AUTH);
    /* The signature is r and s as they are, never in DER. */
    CHECK_EQ(verify(ES256_TOKEN_DER, PEM, NULL, NOW), LB_E_AUTH);
}

TEST(a_changed_bit)
{
    char token[] = ES256_TOKEN;
    size_t signature = strlen(ES256_SIGNED) + 1;

    for (size_t i = 0; i < sizeof token - 1; i++) {
        char kept = token[i];

        /* Verifying takes milliseconds: of the signature some characters will do. */
        if (i > signature && i % 8)
            continue;
        token[i] = kept == 'A' ? 'B' : 'A';
        CHECK_EQ(verify(token, PEM, NULL, NOW), LB_E_AUTH);
        token[i] = kept;
    }
    CHECK_OK(verify(token, PEM, NULL, NOW));
}

TEST(the_key_decides_the_algorithm)
{
    lbi_grip_key pem = key_of(PEM), none = {.kind = LBI_GRIP_KEY_NONE};
    const char *headers[] = {"{\"alg\":\"none\"}",
                             "{\"alg\":\"None\"}",
                             "{\"alg\":\"ES256\"}",
                             "{\"alg\":\"HS384\"}",
                             "{\"alg\":\"hs256\"}",
                             "{\"alg\":256}",
                             "{\"alg\":null}",
                             "{\"alg\":[\"HS256\"]}",
                             "{}",
                             "[]",
                             "\"HS256\"",
                             "",
                             "{\"alg\":\"HS256\",\"crit\":[\"exp\"]}"};

    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        CHECK(refused(make(headers[i], CLAIMS, "changeme", 8)));
    /* A public key is no secret: who knows it must not be able to sign with it. */
    CHECK_EQ(verify(make("{\"alg\":\"HS256\"}", CLAIMS, PEM, strlen(PEM)), PEM, NULL, NOW),
             LB_E_AUTH);
    CHECK_EQ(verify(make("{\"alg\":\"HS256\"}", CLAIMS, pem.bytes, pem.size), PEM, NULL, NOW),
             LB_E_AUTH);
    CHECK_EQ(verify(make("{\"alg\":\"ES256\"}", CLAIMS, pem.bytes, pem.size), PEM, NULL, NOW),
             LB_E_AUTH);
    CHECK_EQ(lbi_grip_token_verify(hs256(CLAIMS), &none, NULL, NOW, NULL), LB_E_AUTH);
    CHECK_EQ(lbi_grip_token_verify("e30.e30.", &none, NULL, NOW, NULL), LB_E_AUTH);
}

TEST(when_and_from_whom)
{
    CHECK_OK(verify(hs256("{\"exp\":1700000001}"), "changeme", NULL, NOW));
    CHECK_OK(verify(hs256("{\"exp\":1700000000.5}"), "changeme", NULL, NOW));
    CHECK_OK(verify(hs256("{\"exp\":1700000001,\"nbf\":1700000000}"), "changeme", NULL, NOW));
    CHECK(refused(hs256("{\"exp\":1700000000}")));
    CHECK(refused(hs256("{\"exp\":0}")));
    CHECK(refused(hs256("{\"exp\":-1700003600}")));
    CHECK(refused(hs256("{\"exp\":\"1700003600\"}")));
    CHECK(refused(hs256("{\"exp\":null}")));
    CHECK(refused(hs256("{\"exp\":true}")));
    CHECK(refused(hs256("{\"exp\":1e999}")));
    CHECK(refused(hs256("{\"iss\":\"pushpin\"}")));
    CHECK(refused(hs256("{\"exp\":1700003600,\"nbf\":1700000001}")));
    CHECK(refused(hs256("{\"exp\":1700003600,\"nbf\":\"x\"}")));
    CHECK(refused(hs256("[1700003600]")));
    CHECK(refused(hs256("")));
    CHECK_EQ(verify(hs256("{\"exp\":1700003600}"), "changeme", "pushpin", NOW), LB_E_AUTH);
    CHECK_EQ(verify(hs256("{\"exp\":1700003600,\"iss\":1}"), "changeme", "1", NOW), LB_E_AUTH);
    CHECK_EQ(verify(hs256(CLAIMS), "changeme", "pushpi", NOW), LB_E_AUTH);
    CHECK_EQ(verify(hs256(CLAIMS), "changeme", "pushpin2", NOW), LB_E_AUTH);
}

TEST(cut_off)
{
    char token[1024];
    size_t len;

    snprintf(token, sizeof token, "%s", hs256(CLAIMS));
    len = strlen(token);
    CHECK(!refused(token));
    for (size_t n = 0; n < len; n++) {
        char kept = token[n];

        token[n] = '\0';
        CHECK(refused(token));
        token[n] = kept;
    }
}

TEST(not_the_one_way_to_write_it)
{
    char token[1024];
    size_t len;

    snprintf(token, sizeof token, "%s", hs256(CLAIMS));
    len = strlen(token);
    snprintf(token + len, sizeof token - len, "=");
    CHECK(refused(token));
    snprintf(token + len, sizeof token - len, ".");
    CHECK(refused(token));
    snprintf(token + len, sizeof token - len, "\n");
    CHECK(refused(token));
    token[len] = '\0';
    /* 32 bytes leave two bits over in the last character. */
    token[len - 1]++;
    CHECK(refused(token));
    CHECK(refused("..."));
    CHECK(refused(".."));
    CHECK(refused("a b.c.d"));
}

TEST(too_long)
{
    char *token = malloc(100001);

    CHECK(token != NULL);
    memset(token, 'A', 100000);
    token[100000] = '\0';
    CHECK(refused(token));
    token[1000] = token[2000] = '.';
    CHECK(refused(token));
    token[4096] = '\0';
    CHECK(refused(token));
    free(token);
}

/* "base64:" and the Base64 of a text or of bytes. */
static void wrap(char ret[2048], const void *bytes, size_t size)
{
    strcpy(ret, "base64:");
    CHECK_OK(lbi_base64_encode(bytes, size, ret + 7, 2048 - 7));
}

/* Whoever knows the public key must not be able to sign, however it was written. */
static void check_public(const char *text)
{
    lbi_grip_key key;
    lb_error error = {.msg = ""};

    if (lbi_grip_key_parse(text, &key, &error) == 0) {
        if (key.kind != LBI_GRIP_KEY_P256)
            FAIL("a secret: %s", text);
        CHECK_OK(lbi_grip_token_verify(ES256_TOKEN, &key, NULL, NOW, NULL));
    } else {
        FAIL("refused: %s: %s", text, error.msg);
    }
    CHECK_EQ(lbi_grip_key_secret(text, &key, &error), LB_E_INVAL);
}

#define BODY                                                                                       \
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE0flt6wyg2lY6vIIeCZ/So1z00EVa"                             \
    "DPsQrKhdnhUsOlmlEcHBsOmTH3vXU7zl+fZggZbuKHbDAk37Os6ghK9MQg=="

TEST(a_public_key_is_never_a_secret)
{
    static const char *const texts[] = {
        PEM,
        JWK,
        BODY,
        " " PEM,
        "\n" PEM,
        "\r\n\t" PEM "\n\n",
        "\"" PEM "\"",
        "'" PEM "'",
        "\xef\xbb\xbf" PEM,
        "my key\n" PEM,
        " " JWK,
        "\"" JWK "\"",
        "\xef\xbb\xbf" JWK,
        BODY "\n",
        " " BODY,
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE0flt6wyg2lY6vIIeCZ_So1z00EVa"
        "DPsQrKhdnhUsOlmlEcHBsOmTH3vXU7zl-fZggZbuKHbDAk37Os6ghK9MQg",
        /* as a variable of the environment often has it */
        "-----BEGIN PUBLIC KEY-----\\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE0flt6wyg2lY6vIIeCZ/So1z00EVa"
        "\\nDPsQrKhdnhUsOlmlEcHBsOmTH3vXU7zl+fZggZbuKHbDAk37Os6ghK9MQg==\\n-----END PUBLIC KEY-----\\n",
        "-----BEGIN PUBLIC KEY----- " BODY " -----END PUBLIC KEY-----",
    };
    char once[2048], twice[2048 + 3], der[200];
    size_t size;

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        check_public(texts[i]);
        wrap(once, texts[i], strlen(texts[i]));
        check_public(once);
        wrap(twice, once, strlen(once));
        if (strlen(once) <= LBI_GRIP_SECRET_MAX)
            check_public(twice);
        snprintf(twice, sizeof twice, " %s\n", once);
        check_public(twice);
    }
    CHECK_OK(lbi_base64_decode(BODY, strlen(BODY), der, sizeof der, &size));
    wrap(once, der, size);
    check_public(once);
    wrap(once, der + size - 64, 64);
    check_public(once);
    wrap(once, der + size - 65, 65);
    check_public(once);
}

TEST(a_public_key_of_another_kind)
{
    static const char *const texts[] = {
        "file:/etc/pushpin/ec.pem",
        "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC7",
        "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTY=",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
        "{\"kty\":\"RSA\",\"n\":\"AQ\",\"e\":\"AQAB\"}",
        "[{\"kty\":\"EC\"}]",
        "{\"kty\":\"oct\",\"k\":\"" BODY "\"}",
        /* P-384 */
        "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAESUKBE+ln5juZaoLzXFLU1nIKVOYSTe/M"
        "VNiflu5wXaEh9jOMo2oX/RXan+m2Hnoj/D7aV/44BpHYSqTqDU0acj/bl4C1zu3Z"
        "Jfp4wyr8gI6sarc1qrqLDPVpsoyHy67P",
    };
    char once[2048];
    lbi_grip_key key;

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (lbi_grip_key_parse(texts[i], &key, NULL) != LB_E_INVAL)
            FAIL("taken: %s", texts[i]);
        CHECK_EQ(lbi_grip_key_secret(texts[i], &key, NULL), LB_E_INVAL);
        wrap(once, texts[i], strlen(texts[i]));
        if (lbi_grip_key_parse(once, &key, NULL) != LB_E_INVAL)
            FAIL("taken: %s", once);
    }
}

TEST(keys)
{
    static const char *const bad[] = {
        "",
        "base64:",
        "base64:A",
        "base64:AB=",
        "base64:A B=",
        "base64:AB==CD==",
        "base64:AA=A",
        "{",
        "{}",
        "{\"kty\":\"RSA\",\"n\":\"AQ\",\"e\":\"AQAB\"}",
        "{\"kty\":\"oct\",\"k\":\"\"}",
        "{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"AQ\",\"y\":\"AQ\"}",
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AQ\",\"y\":\"AQ\"}",
        /* not on the curve */
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"0flt6wyg2lY6vIIeCZ_So1z00EVaDPsQrKhdnhUsOlk\","
        "\"y\":\"0flt6wyg2lY6vIIeCZ_So1z00EVaDPsQrKhdnhUsOlk\"}",
        /* the point at infinity */
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
        "\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
        "-----BEGIN EC PRIVATE KEY-----\nMHcC\n-----END EC PRIVATE KEY-----\n",
        "-----BEGIN PUBLIC KEY-----",
        "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----",
        /* P-384 */
        "-----BEGIN PUBLIC KEY-----\n"
        "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAESUKBE+ln5juZaoLzXFLU1nIKVOYSTe/M\n"
        "VNiflu5wXaEh9jOMo2oX/RXan+m2Hnoj/D7aV/44BpHYSqTqDU0acj/bl4C1zu3Z\n"
        "Jfp4wyr8gI6sarc1qrqLDPVpsoyHy67P\n"
        "-----END PUBLIC KEY-----\n",
        /* P-256, compressed */
        "-----BEGIN PUBLIC KEY-----\n"
        "MDkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDIgAC0flt6wyg2lY6vIIeCZ/So1z00EVa\n"
        "DPsQrKhdnhUsOlk=\n"
        "-----END PUBLIC KEY-----\n",
    };
    lbi_grip_key key;
    char longest[LBI_GRIP_SECRET_MAX + 2];

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        lb_error error = {.msg = ""};

        if (lbi_grip_key_parse(bad[i], &key, &error) != LB_E_INVAL || !error.msg[0])
            FAIL("taken: %s", bad[i]);
    }
    memset(longest, 'k', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    CHECK_EQ(lbi_grip_key_parse(longest, &key, NULL), LB_E_INVAL);
    longest[sizeof longest - 2] = '\0';
    CHECK_OK(lbi_grip_key_parse(longest, &key, NULL));
    CHECK_EQ(key_of("base64:-_8").size, 2);
    CHECK_EQ(key_of("base64:+/8=").bytes[0], 0xfb);
    CHECK_EQ(key_of("fastly").kind, LBI_GRIP_KEY_P256);
    CHECK_EQ(key_of("fast").kind, LBI_GRIP_KEY_SECRET);
    CHECK(lbi_grip_key_is_fastly(&(lbi_grip_key[]){key_of("fastly")}[0]));
    CHECK(!lbi_grip_key_is_fastly(&(lbi_grip_key[]){key_of(PEM)}[0]));
    CHECK_EQ(key_of("{\"kty\":\"oct\",\"k\":\"Y2hhbmdlbWU\"}").size, 8);
    CHECK_EQ(key_of("base64:YmFzZTY0Ong=").size, 8); /* "base64:x" */
}
