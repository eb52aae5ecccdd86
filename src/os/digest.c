#include "os/digest.h"

#include "leaderboard.h"

#include <mbedtls/base64.h>
#include <mbedtls/md.h>
#include <stdlib.h>
#include <string.h>

int lbi_sha256(const void *data, size_t size, uint8_t ret[LBI_SHA256_SIZE])
{
    const mbedtls_md_info_t *info = mbedtls_md_info_from_type(MBEDTLS_MD_SHA256);

    if (!info || mbedtls_md(info, data, size, ret) != 0)
        return LB_E_IO;
    return 0;
}

int lbi_hmac_sha256(const void *key, size_t key_size, const void *data, size_t size,
                    uint8_t ret[LBI_SHA256_SIZE])
{
    const mbedtls_md_info_t *info = mbedtls_md_info_from_type(MBEDTLS_MD_SHA256);

    if (!info || mbedtls_md_hmac(info, key, key_size, data, size, ret) != 0)
        return LB_E_IO;
    return 0;
}

bool lbi_equal_secret(const void *a, const void *b, size_t size)
{
    const volatile uint8_t *x = a, *y = b;
    uint8_t difference = 0;

    for (size_t i = 0; i < size; i++)
        difference |= (uint8_t)(x[i] ^ y[i]);
    return difference == 0;
}

void lbi_wipe(void *secret, size_t size)
{
    if (secret)
        explicit_bzero(secret, size);
}

struct lbi_pbkdf2 {
    mbedtls_md_context_t hmac;
    uint8_t last[LBI_SHA256_SIZE]; /* the last link of the chain */
    uint8_t sum[LBI_SHA256_SIZE];  /* all links so far, XORed */
    uint32_t left;
};

static int first_link(lbi_pbkdf2 *p, const void *password, size_t password_size, const void *salt,
                      size_t salt_size)
{
    static const uint8_t block[4] = {0, 0, 0, 1}; /* 32 bytes are the first block, whole */
    const mbedtls_md_info_t *info = mbedtls_md_info_from_type(MBEDTLS_MD_SHA256);

    if (!info || mbedtls_md_setup(&p->hmac, info, 1) != 0)
        return LB_E_NOMEM;
    if (mbedtls_md_hmac_starts(&p->hmac, password, password_size) != 0 ||
        mbedtls_md_hmac_update(&p->hmac, salt, salt_size) != 0 ||
        mbedtls_md_hmac_update(&p->hmac, block, sizeof block) != 0 ||
        mbedtls_md_hmac_finish(&p->hmac, p->last) != 0)
        return LB_E_IO;
    memcpy(p->sum, p->last, sizeof p->sum);
    return 0;
}

int lbi_pbkdf2_new(const void *password, size_t password_size, const void *salt, size_t salt_size,
                   uint32_t iterations, lbi_pbkdf2 **ret)
{
    lbi_pbkdf2 *p = calloc(1, sizeof *p);
    int r;

    if (!p)
        return LB_E_NOMEM;
    mbedtls_md_init(&p->hmac);
    p->left = iterations - 1;
    r = first_link(p, password, password_size, salt, salt_size);
    if (r < 0) {
        lbi_pbkdf2_free(p);
        return r;
    }
    *ret = p;
    return 0;
}

void lbi_pbkdf2_free(lbi_pbkdf2 *p)
{
    if (!p)
        return;
    mbedtls_md_free(&p->hmac);
    lbi_wipe(p, sizeof *p);
    free(p);
}

int lbi_pbkdf2_step(lbi_pbkdf2 *p, uint32_t n, uint8_t ret[LBI_SHA256_SIZE])
{
    for (; n > 0 && p->left > 0; n--, p->left--) {
        if (mbedtls_md_hmac_reset(&p->hmac) != 0 ||
            mbedtls_md_hmac_update(&p->hmac, p->last, sizeof p->last) != 0 ||
            mbedtls_md_hmac_finish(&p->hmac, p->last) != 0)
            return LB_E_IO;
        for (size_t i = 0; i < sizeof p->sum; i++)
            p->sum[i] ^= p->last[i];
    }
    if (p->left > 0)
        return 1;
    memcpy(ret, p->sum, sizeof p->sum);
    return 0;
}

int lbi_base64_encode(const void *data, size_t size, char *ret, size_t ret_size)
{
    size_t len;

    if (mbedtls_base64_encode((unsigned char *)ret, ret_size, &len, data, size) != 0)
        return LB_E_LIMIT;
    return 0;
}

int lbi_base64_decode(const char *text, size_t len, void *ret, size_t cap, size_t *ret_len)
{
    size_t n = 0;
    int r = mbedtls_base64_decode(ret, cap, &n, (const unsigned char *)text, len);

    if (r != 0)
        return r == MBEDTLS_ERR_BASE64_BUFFER_TOO_SMALL ? LB_E_LIMIT : LB_E_INVAL;
    *ret_len = n;
    return 0;
}
