#include "push/grip_base64.h"

#include "leaderboard.h"
#include "os/digest.h"

#include <stdint.h>
#include <string.h>

static int value_of(char c, bool any)
{
    static const char url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const char *at = c ? strchr(url, c) : NULL;

    if (at)
        return (int)(at - url);
    if (any && (c == '+' || c == '/'))
        return c == '+' ? 62 : 63;
    return -1;
}

int lbi_grip_base64_decode(const char *text, size_t len, bool any, void *ret, size_t cap,
                           size_t *ret_len)
{
    uint8_t *out = ret;
    uint32_t bits = 0;
    size_t n = 0;

    if (any && len % 4 == 0) {
        for (int padding = 0; padding < 2 && len > 0 && text[len - 1] == '='; padding++)
            len--;
    }
    if (len % 4 == 1)
        return LB_E_INVAL;
    for (size_t i = 0; i < len; i++) {
        int value = value_of(text[i], any);

        if (value < 0)
            return LB_E_INVAL;
        bits = bits << 6 | (uint32_t)value;
        if (i % 4 == 0)
            continue;
        if (n == cap)
            return LB_E_LIMIT;
        out[n++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
    }
    /* Bits that no byte holds: another text for the same bytes. */
    if ((len % 4 == 2 && (bits & 15)) || (len % 4 == 3 && (bits & 3)))
        return LB_E_INVAL;
    *ret_len = n;
    return 0;
}

int lbi_grip_base64_encode(const void *data, size_t size, char *ret, size_t ret_size)
{
    int r = lbi_base64_encode(data, size, ret, ret_size);
    char *at;

    if (r < 0)
        return r;
    for (at = ret; *at && *at != '='; at++) {
        if (*at == '+')
            *at = '-';
        else if (*at == '/')
            *at = '_';
    }
    *at = '\0';
    return 0;
}
