/* Signatures made with an elliptic curve: verifying only, P-256 only. */
#ifndef LBI_OS_ECDSA_H
#define LBI_OS_ECDSA_H

#include "os/digest.h"

#include <stdbool.h>
#include <stdint.h>

#define LBI_P256_KEY_SIZE 64       /* x and y of the public point, 32 bytes each */
#define LBI_P256_SIGNATURE_SIZE 64 /* r and s, 32 bytes each */

/* Is it a point of the curve? */
bool lbi_p256_check(const uint8_t key[LBI_P256_KEY_SIZE]);

/* Was the hash signed with the private key of this public one? False for a key that is none. */
bool lbi_p256_verify(const uint8_t key[LBI_P256_KEY_SIZE], const uint8_t hash[LBI_SHA256_SIZE],
                     const uint8_t signature[LBI_P256_SIGNATURE_SIZE]);

#endif
