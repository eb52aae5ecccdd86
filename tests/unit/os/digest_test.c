#include "os/digest.h"

#include "leaderboard.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

static void check_sha256(const void *data, size_t size, const char *hex)
{
    uint8_t digest[LBI_SHA256_SIZE];
    char text[2 * LBI_SHA256_SIZE + 1];

    CHECK_EQ(lbi_sha256(data, size, digest), 0);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    CHECK_STR(text, hex);
}

/* FIPS 180-4: the examples of the standard. */
TEST(sha256_vectors)
{
    static char million[1000000];

    check_sha256("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check_sha256("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    check_sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
                 "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    memset(million, 'a', sizeof million);
    check_sha256(million, sizeof million,
                 "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void check_hex(const uint8_t *bytes, size_t n, const char *hex)
{
    char text[2 * LBI_SHA256_SIZE + 1];

    for (size_t i = 0; i < n; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    CHECK_STR(text, hex);
}

/* RFC 4231, case 2. */
TEST(hmac)
{
    uint8_t mac[LBI_SHA256_SIZE];

    CHECK_OK(lbi_hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, mac));
    check_hex(mac, sizeof mac, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

/* The vectors of RFC 6070, computed with SHA-256; the slices must not matter. */
TEST(pbkdf2)
{
    static const struct {
        uint32_t iterations;
        const char *hex;
    } rows[] = {
        {1, "120fb6cffcf8b32c43e7225256c4f837a86548c92ccc35480805987cb70be17b"},
        {2, "ae4d0c95af6b46d32d0adff928f06dd02a303f8ef3c251dfd6e2d85a95474c43"},
        {4096, "c5e478d59288c841aa530db6845c4c8d962893a001ce4e11a4963873aa98134a"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (uint32_t slice = 1; slice < 10000; slice *= 10) {
            uint8_t key[LBI_SHA256_SIZE] = {0};
            lbi_pbkdf2 *p = NULL;

            CHECK_OK(lbi_pbkdf2_new("password", 8, "salt", 4, rows[i].iterations, &p));
            while (lbi_pbkdf2_step(p, slice, key) > 0)
                continue;
            check_hex(key, sizeof key, rows[i].hex);
            lbi_pbkdf2_free(p);
        }
    }
    lbi_pbkdf2_free(NULL);
}

TEST(secrets_compared_whole)
{
    uint8_t a[32] = {0}, b[32] = {0};

    CHECK(lbi_equal_secret(a, b, sizeof a));
    CHECK(lbi_equal_secret(a, b, 0));
    for (size_t i = 0; i < sizeof a; i++) {
        b[i] = 0x80;
        CHECK(!lbi_equal_secret(a, b, sizeof a));
        b[i] = 0;
    }
    lbi_wipe(NULL, 0);
}

TEST(base64)
{
    char text[LBI_BASE64_SIZE(5)];
    uint8_t bytes[8];
    size_t n = 0;

    CHECK_OK(lbi_base64_encode("hello", 5, text, sizeof text));
    CHECK_STR(text, "aGVsbG8=");
    CHECK_EQ(lbi_base64_encode("hello", 5, text, 8), LB_E_LIMIT);
    CHECK_OK(lbi_base64_decode("aGVs\r\nbG8=", 10, bytes, sizeof bytes, &n));
    CHECK_EQ(n, 5);
    CHECK_MEM(bytes, "hello", 5);
    CHECK_EQ(lbi_base64_decode("aGVsbG8=", 8, bytes, 4, &n), LB_E_LIMIT);
    CHECK_EQ(lbi_base64_decode("a!==", 4, bytes, sizeof bytes, &n), LB_E_INVAL);
}
