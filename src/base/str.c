#include "base/str.h"

#include "base/error.h"

#include <stdio.h>
#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
    return is_digit(c) || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_id_char(char c)
{
    return is_alnum(c) || c == '.' || c == '_' || c == '~' || c == '-';
}

static int check_id(const char *what, const char *id, size_t max, lb_error *reterr)
{
    size_t len;

    if (!id || !*id)
        return lbi_fail(reterr, LB_E_INVAL, "a %s id must not be empty", what);
    len = strnlen(id, max + 1);
    if (len > max)
        return lbi_fail(reterr, LB_E_INVAL, "a %s id has at most %zu bytes, this one is longer",
                        what, max);
    for (size_t i = 0; i < len; i++) {
        if (!is_id_char(id[i]))
            return lbi_fail(reterr, LB_E_INVAL,
                            "a %s id is made of A-Z a-z 0-9 . _ ~ - only, byte %zu is another",
                            what, i + 1);
    }
    if (strcmp(id, ".") == 0 || strcmp(id, "..") == 0)
        return lbi_fail(reterr, LB_E_INVAL, "a %s id must not be \".\" or \"..\"", what);
    return 0;
}

int lb_board_id_check(const char *id, lb_error *reterr)
{
    return check_id("board", id, LB_BOARD_MAX, reterr);
}

int lb_player_id_check(const char *id, lb_error *reterr)
{
    return check_id("player", id, LB_PLAYER_MAX, reterr);
}

int lbi_key_check(const char *key, lb_error *reterr)
{
    size_t len = strnlen(key, LB_KEY_MAX + 1);

    if (len == 0 || len > LB_KEY_MAX)
        return lbi_fail(reterr, LB_E_INVAL, "an idempotency key has 1 to %d bytes", LB_KEY_MAX);
    for (size_t i = 0; i < len; i++) {
        if (!is_alnum(key[i]) && key[i] != '_' && key[i] != '-')
            return lbi_fail(reterr, LB_E_INVAL,
                            "an idempotency key is made of A-Z a-z 0-9 _ - only");
    }
    return 0;
}

/* C0, DEL, C1, and the two separators that break lines in JavaScript. */
static bool is_control(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x2028 || c == 0x2029;
}

enum { NAME_POINTS = 64 };

int lb_name_check(const char *name, lb_error *reterr)
{
    size_t len, points = 0;

    if (!name || !*name)
        return lbi_fail(reterr, LB_E_INVAL, "a name must not be empty");
    len = strnlen(name, LB_NAME_MAX + 1);
    if (len > LB_NAME_MAX)
        return lbi_fail(reterr, LB_E_INVAL, "a name has at most %d bytes, this one is longer",
                        LB_NAME_MAX);
    for (size_t i = 0; i < len;) {
        uint32_t c;
        size_t n = lbi_utf8_next(name + i, len - i, &c);

        if (n == 0)
            return lbi_fail(reterr, LB_E_INVAL, "a name must be valid UTF-8, byte %zu is not",
                            i + 1);
        if (is_control(c))
            return lbi_fail(reterr, LB_E_INVAL,
                            "a name must not contain control characters, U+%04X is one", c);
        i += n;
        points++;
    }
    if (points > NAME_POINTS)
        return lbi_fail(reterr, LB_E_INVAL, "a name has at most 64 characters, this one has %zu",
                        points);
    return 0;
}

void lbi_name_mend(const char *raw, char ret[LB_NAME_MAX + 1])
{
    static const char unknown[] = "\xef\xbf\xbd";
    size_t len = strlen(raw), n = 0;

    for (size_t i = 0, points = 0; i < len && points < NAME_POINTS; points++) {
        uint32_t c;
        size_t width = lbi_utf8_next(raw + i, len - i, &c);
        bool good = width > 0 && !is_control(c);
        size_t size = good ? width : sizeof unknown - 1;

        if (n + size > LB_NAME_MAX)
            break;
        memcpy(ret + n, good ? raw + i : unknown, size);
        n += size;
        i += width > 0 ? width : 1;
    }
    ret[n] = '\0';
}

bool lbi_parse_u64(const char *text, size_t len, uint64_t max, uint64_t *ret)
{
    uint64_t value = 0;

    if (len == 0)
        return false;
    for (size_t i = 0; i < len; i++) {
        uint64_t digit;

        if (!is_digit(text[i]))
            return false;
        digit = (uint64_t)(text[i] - '0');
        if (digit > max || value > (max - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *ret = value;
    return true;
}

bool lbi_parse_score(const char *text, size_t len, int64_t *ret)
{
    bool negative = len > 0 && text[0] == '-';
    uint64_t value;

    if (negative) {
        text++;
        len--;
    }
    if (len > 1 && text[0] == '0')
        return false;
    if (!lbi_parse_u64(text, len, (uint64_t)LB_SCORE_MAX, &value))
        return false;
    *ret = negative ? -(int64_t)value : (int64_t)value;
    return true;
}

int lbi_score_check(int64_t score, lb_error *reterr)
{
    if (score >= LB_SCORE_MIN && score <= LB_SCORE_MAX)
        return 0;
    return lbi_fail(reterr, LB_E_INVAL,
                    "scores and amounts are within -9007199254740991..9007199254740991");
}

static const char *score_problem(const char *text)
{
    const char *digits = text + (*text == '-');

    if (!*text)
        return "is empty";
    if (!*digits)
        return "has no digits";
    if (digits[strspn(digits, "0123456789")] != '\0')
        return "is not a whole number in plain decimal digits";
    if (digits[0] == '0' && digits[1])
        return "has a leading zero";
    return "is outside -9007199254740991..9007199254740991";
}

/* May it be shown on a terminal as it is? */
static bool is_plain(const char *text)
{
    while (*text >= ' ' && *text <= '~')
        text++;
    return *text == '\0';
}

int lb_score_parse(const char *text, int64_t *ret, lb_error *reterr)
{
    /* A number that is too long to be shown says no more than its first digits do. */
    if (!text || !ret)
        return lbi_fail(reterr, LB_E_INVAL, "a number is missing");
    if (lbi_parse_score(text, strnlen(text, 64), ret))
        return 0;
    if (!is_plain(text))
        return lbi_fail(reterr, LB_E_INVAL, "the number %s", score_problem(text));
    return lbi_fail(reterr, LB_E_INVAL, "the number '%.40s' %s", text, score_problem(text));
}

static size_t utf8_length(uint8_t lead)
{
    if (lead < 0x80)
        return 1;
    if (lead >= 0xc2 && lead <= 0xdf)
        return 2;
    if (lead >= 0xe0 && lead <= 0xef)
        return 3;
    if (lead >= 0xf0 && lead <= 0xf4)
        return 4;
    return 0;
}

size_t lbi_utf8_next(const char *text, size_t len, uint32_t *ret)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    static const uint8_t lead_mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    const uint8_t *p = (const uint8_t *)text;
    size_t n = len ? utf8_length(p[0]) : 0;
    uint32_t c;

    if (n == 0 || n > len)
        return 0;
    c = p[0] & lead_mask[n];
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        c = (c << 6) | (p[i] & 0x3fU);
    }
    if (c < smallest[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return 0;
    *ret = c;
    return n;
}

void lbi_uuid4(const uint8_t random[16], char ret[LBI_UUID_LEN + 1])
{
    static const char hex[] = "0123456789abcdef";
    char *out = ret;

    for (size_t i = 0; i < 16; i++) {
        uint8_t byte = random[i];

        if (i == 6)
            byte = (uint8_t)((byte & 0x0f) | 0x40); /* version 4 */
        if (i == 8)
            byte = (uint8_t)((byte & 0x3f) | 0x80); /* variant 1 */
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *out++ = '-';
        *out++ = hex[byte >> 4];
        *out++ = hex[byte & 15];
    }
    *out = '\0';
}

void lbi_copy(char *dst, size_t size, const char *src)
{
    size_t len = strnlen(src, size - 1);

    memcpy(dst, src, len);
    dst[len] = '\0';
}

int lbi_hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *at = c ? strchr(digits, c) : NULL;

    return at ? (int)(at - digits) % 16 : -1;
}

static bool is_utf8(const char *text)
{
    size_t len = strlen(text), n;
    uint32_t c;

    for (; len > 0; text += n, len -= n) {
        n = lbi_utf8_next(text, len, &c);
        if (n == 0)
            return false;
    }
    return true;
}

bool lbi_percent_decode(char *text)
{
    char *out = text;

    for (const char *in = text; *in; in++) {
        int high, low;

        if (*in != '%') {
            *out++ = *in;
            continue;
        }
        high = lbi_hex_digit(in[1]);
        low = high < 0 ? -1 : lbi_hex_digit(in[2]);
        if (low < 0 || high + low == 0)
            return false;
        *out++ = (char)(high * 16 + low);
        in += 2;
    }
    *out = '\0';
    return is_utf8(text);
}
