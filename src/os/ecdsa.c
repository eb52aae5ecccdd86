#include "os/ecdsa.h"

#include <mbedtls/ecdsa.h>
#include <string.h>

enum { HALF = 32 };

static int load_key(mbedtls_ecp_group *group, mbedtls_ecp_point *point, const uint8_t *key)
{
    uint8_t bytes[1 + LBI_P256_KEY_SIZE] = {4}; /* 4: a point in full */
    int r = mbedtls_ecp_group_load(group, MBEDTLS_ECP_DP_SECP256R1);

    memcpy(bytes + 1, key, LBI_P256_KEY_SIZE);
    if (r == 0)
        r = mbedtls_ecp_point_read_binary(group, point, bytes, sizeof bytes);
    if (r == 0)
        r = mbedtls_ecp_check_pubkey(group, point);
    return r;
}

bool lbi_p256_check(const uint8_t key[LBI_P256_KEY_SIZE])
{
    mbedtls_ecp_group group;
    mbedtls_ecp_point point;
    int r;

    mbedtls_ecp_group_init(&group);
    mbedtls_ecp_point_init(&point);
    r = load_key(&group, &point, key);
    mbedtls_ecp_point_free(&point);
    mbedtls_ecp_group_free(&group);
    return r == 0;
}

bool lbi_p256_verify(const uint8_t key[LBI_P256_KEY_SIZE], const uint8_t hash[LBI_SHA256_SIZE],
                     const uint8_t signature[LBI_P256_SIGNATURE_SIZE])
{
    mbedtls_ecp_group group;
    mbedtls_ecp_point point;
    mbedtls_mpi r, s;
    int code;

    mbedtls_ecp_group_init(&group);
    mbedtls_ecp_point_init(&point);
    mbedtls_mpi_init(&r);
    mbedtls_mpi_init(&s);
    code = load_key(&group, &point, key);
    if (code == 0)
        code = mbedtls_mpi_read_binary(&r, signature, HALF);
    if (code == 0)
        code = mbedtls_mpi_read_binary(&s, signature + HALF, HALF);
    if (code == 0)
        code = mbedtls_ecdsa_verify(&group, hash, LBI_SHA256_SIZE, &point, &r, &s);
    mbedtls_mpi_free(&s);
    mbedtls_mpi_free(&r);
    mbedtls_ecp_point_free(&point);
    mbedtls_ecp_group_free(&group);
    return code == 0;
}
