/* What a JSON string says. It was checked by lbctl_scan_object(): every escape is complete. */
#include "lbctl_scan.h"

#include <stdint.h>
#include <string.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c - 'A' + 10;
}

static int32_t hex4(const char *p)
{
    int32_t value = 0;

    for (size_t i = 0; i < 4; i++)
        value = value * 16 + hex_digit(p[i]);
    return value;
}

/* One code point of a checked string; -1 = half a surrogate pair. */
static int32_t decode_escape(const char **at, const char *end)
{
    static const char letters[] = "bfnrt", meanings[] = "\b\f\n\r\t";
    const char *p = *at + 1, *letter;
    int32_t c, low;

    if (*p != 'u') {
        *at = p + 1;
        letter = strchr(letters, *p);
        return letter ? meanings[letter - letters] : *p;
    }
    c = hex4(p + 1);
    *at = p + 5;
    if (c < 0xd800 || c > 0xdfff)
        return c;
    if (c > 0xdbff || end - *at < 6 || (*at)[0] != '\\' || (*at)[1] != 'u')
        return -1;
    low = hex4(*at + 2);
    *at += 6;
    return low >= 0xdc00 && low <= 0xdfff ? 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00) : -1;
}

static size_t encode(int32_t c, char out[4])
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | (c >> 6));
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | (c >> 12));
        out[1] = (char)(0x80 | ((c >> 6) & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | (c >> 18));
    out[1] = (char)(0x80 | ((c >> 12) & 0x3f));
    out[2] = (char)(0x80 | ((c >> 6) & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

bool lbctl_token_string(const struct lbctl_token *token, char *buf, size_t size)
{
    const char *at = token->text, *end = token->text + token->len;
    size_t used = 0;

    while (at < end) {
        char bytes[4];
        size_t n = 1;

        bytes[0] = *at;
        if (*at == '\\') {
            int32_t c = decode_escape(&at, end);

            if (c <= 0)
                return false;
            n = encode(c, bytes);
        } else {
            at++;
        }
        if (used + n >= size)
            return false;
        memcpy(buf + used, bytes, n);
        used += n;
    }
    buf[used] = '\0';
    return true;
}
