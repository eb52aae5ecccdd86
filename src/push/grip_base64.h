/* Base64 as tokens and keys have it: strict, so that one text has one reading. */
#ifndef LBI_PUSH_GRIP_BASE64_H
#define LBI_PUSH_GRIP_BASE64_H

#include <stdbool.h>
#include <stddef.h>

/* Base64url without padding, as in a JWT; `any` also takes the standard alphabet and padding.
 * *ret_len is how many bytes of ret[0..cap) are filled.
 * Returns 0, LB_E_INVAL, LB_E_LIMIT (cap is too small). */
int lbi_grip_base64_decode(const char *text, size_t len, bool any, void *ret, size_t cap,
                           size_t *ret_len);

/* Base64url without padding, with NUL; ret has LBI_BASE64_SIZE(size) bytes (os/digest.h).
 * Returns 0, LB_E_LIMIT. */
int lbi_grip_base64_encode(const void *data, size_t size, char *ret, size_t ret_size);

#endif
