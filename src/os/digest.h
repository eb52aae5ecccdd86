/* Digests and what is made of them: the only includer of mbedTLS' hashes. */
#ifndef LBI_OS_DIGEST_H
#define LBI_OS_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LBI_SHA256_SIZE 32

/* Returns 0 or LB_E_IO (the implementation failed; does not happen in software). */
int lbi_sha256(const void *data, size_t size, uint8_t ret[LBI_SHA256_SIZE]);
int lbi_hmac_sha256(const void *key, size_t key_size, const void *data, size_t size,
                    uint8_t ret[LBI_SHA256_SIZE]);

/* Are the bytes the same? Takes as long whatever they are. */
bool lbi_equal_secret(const void *a, const void *b, size_t size);

/* Overwrites what must not stay in memory. */
void lbi_wipe(void *secret, size_t size);

/* PBKDF2 with HMAC-SHA-256, 32 bytes, in slices: many iterations must not hold up a loop. */
typedef struct lbi_pbkdf2 lbi_pbkdf2;

/* iterations >= 1. Returns 0, LB_E_NOMEM, LB_E_IO. End it with lbi_pbkdf2_free(). */
int lbi_pbkdf2_new(const void *password, size_t password_size, const void *salt, size_t salt_size,
                   uint32_t iterations, lbi_pbkdf2 **ret);
void lbi_pbkdf2_free(lbi_pbkdf2 *pbkdf2);

/* At most n iterations more. Returns 1 = more are to be done, 0 = ret is filled, LB_E_IO. */
int lbi_pbkdf2_step(lbi_pbkdf2 *pbkdf2, uint32_t n, uint8_t ret[LBI_SHA256_SIZE]);

/* Text with NUL; ret has LBI_BASE64_SIZE(size) bytes. */
#define LBI_BASE64_SIZE(size) (((size) + 2) / 3 * 4 + 1)
int lbi_base64_encode(const void *data, size_t size, char *ret, size_t ret_size);

/* Takes text broken into lines. *ret_len is how many bytes of ret[0..cap) are filled.
 * Returns 0, LB_E_INVAL, LB_E_LIMIT (cap is too small). */
int lbi_base64_decode(const char *text, size_t len, void *ret, size_t cap, size_t *ret_len);

#endif
