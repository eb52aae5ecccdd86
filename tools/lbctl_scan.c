#include "lbctl_scan.h"

#include <stdint.h>
#include <string.h>

/* Deeper nesting, in members that are passed over, is refused. */
#define DEPTH_MAX 64

struct scan {
    const char *start, *at, *end;
    const char *why; /* what is wrong at `at`, or NULL */
};

static bool wrong(struct scan *s, const char *why)
{
    s->why = why;
    return false;
}

static void skip_space(struct scan *s)
{
    while (s->at < s->end && memchr(" \t\r\n", *s->at, 4))
        s->at++;
}

/* The next byte that is no white space; -1 at the end. */
static int peek(struct scan *s)
{
    skip_space(s);
    return s->at < s->end ? (unsigned char)*s->at : -1;
}

static bool take(struct scan *s, char c)
{
    if (peek(s) != c)
        return wrong(s, "is not valid JSON");
    s->at++;
    return true;
}

static bool is_digit(const struct scan *s)
{
    return s->at < s->end && *s->at >= '0' && *s->at <= '9';
}

/* ---- Strings -------------------------------------------------------------------------------- */

static bool is_tail(uint8_t byte)
{
    return (byte & 0xc0) == 0x80;
}

/* Length of the UTF-8 sequence at `at`, 0 if there is none; no overlong form, no surrogate. */
static size_t utf8_length(const struct scan *s)
{
    const uint8_t *p = (const uint8_t *)s->at;
    size_t left = (size_t)(s->end - s->at);

    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xc2 && p[0] <= 0xdf)
        return left >= 2 && is_tail(p[1]) ? 2 : 0;
    if (left < 3 || !is_tail(p[1]) || !is_tail(p[2]))
        return 0;
    if (p[0] >= 0xe0 && p[0] <= 0xef) {
        bool overlong = p[0] == 0xe0 && p[1] < 0xa0, surrogate = p[0] == 0xed && p[1] >= 0xa0;

        return overlong || surrogate ? 0 : 3;
    }
    if (p[0] < 0xf0 || p[0] > 0xf4 || left < 4 || !is_tail(p[3]))
        return 0;
    return (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] >= 0x90) ? 0 : 4;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool scan_escape(struct scan *s)
{
    size_t left = (size_t)(s->end - s->at) - 1; /* behind the backslash */

    if (left == 0 || !memchr("\"\\/bfnrtu", s->at[1], 9))
        return wrong(s, "is not valid JSON");
    if (s->at[1] != 'u') {
        s->at += 2;
        return true;
    }
    for (size_t i = 2; i < 6; i++) {
        if (i > left || !is_hex(s->at[i]))
            return wrong(s, "is not valid JSON");
    }
    s->at += 6;
    return true;
}

static bool scan_character(struct scan *s)
{
    size_t n;

    if (*s->at == '\\')
        return scan_escape(s);
    if ((unsigned char)*s->at < 0x20)
        return wrong(s, *s->at == '\0' ? "has a NUL byte"
                                       : "is not valid JSON: a control character in a string");
    n = utf8_length(s);
    if (n == 0)
        return wrong(s, "is not valid UTF-8");
    s->at += n;
    return true;
}

static bool scan_string(struct scan *s, struct lbctl_token *ret)
{
    if (!take(s, '"'))
        return false;
    *ret = (struct lbctl_token){.type = LBCTL_JSON_STRING, .text = s->at};
    while (s->at < s->end && *s->at != '"') {
        if (!scan_character(s))
            return false;
    }
    ret->len = (size_t)(s->at - ret->text);
    return take(s, '"');
}

/* ---- Values --------------------------------------------------------------------------------- */

static bool scan_digits(struct scan *s)
{
    if (!is_digit(s))
        return wrong(s, "is not valid JSON");
    while (is_digit(s))
        s->at++;
    return true;
}

static bool scan_number(struct scan *s, struct lbctl_token *ret)
{
    *ret = (struct lbctl_token){.type = LBCTL_JSON_NUMBER, .text = s->at};
    s->at += *s->at == '-';
    if (s->at < s->end && *s->at == '0')
        s->at++;
    else if (!scan_digits(s))
        return false;
    if (s->at < s->end && *s->at == '.') {
        s->at++;
        if (!scan_digits(s))
            return false;
    }
    if (s->at < s->end && (*s->at == 'e' || *s->at == 'E')) {
        s->at++;
        s->at += s->at < s->end && (*s->at == '+' || *s->at == '-');
        if (!scan_digits(s))
            return false;
    }
    ret->len = (size_t)(s->at - ret->text);
    return true;
}

static bool scan_word(struct scan *s, struct lbctl_token *ret, const char *word,
                      enum lbctl_json_type type)
{
    size_t len = strlen(word);

    if ((size_t)(s->end - s->at) < len || memcmp(s->at, word, len) != 0)
        return wrong(s, "is not valid JSON");
    *ret = (struct lbctl_token){.type = type, .text = s->at, .len = len};
    s->at += len;
    return true;
}

static bool scan_value(struct scan *s, struct lbctl_token *ret, unsigned depth);

/* The rest of a list or an object that is passed over. */
static bool scan_nested(struct scan *s, struct lbctl_token *ret, unsigned depth)
{
    char close = *s->at == '{' ? '}' : ']';
    struct lbctl_token ignored;

    *ret = (struct lbctl_token){.text = s->at};
    ret->type = close == '}' ? LBCTL_JSON_OBJECT : LBCTL_JSON_LIST;
    if (depth == DEPTH_MAX)
        return wrong(s, "is nested too deeply");
    s->at++;
    if (peek(s) != close) {
        do {
            if (close == '}' && (!scan_string(s, &ignored) || !take(s, ':')))
                return false;
            if (!scan_value(s, &ignored, depth + 1))
                return false;
        } while (peek(s) == ',' && take(s, ','));
    }
    if (!take(s, close))
        return false;
    ret->len = (size_t)(s->at - ret->text);
    return true;
}

static bool scan_value(struct scan *s, struct lbctl_token *ret, unsigned depth)
{
    switch (peek(s)) {
    case '"':
        return scan_string(s, ret);
    case '{':
    case '[':
        return scan_nested(s, ret, depth);
    case 't':
        return scan_word(s, ret, "true", LBCTL_JSON_BOOL);
    case 'f':
        return scan_word(s, ret, "false", LBCTL_JSON_BOOL);
    case 'n':
        return scan_word(s, ret, "null", LBCTL_JSON_NULL);
    default:
        if (s->at == s->end || (*s->at != '-' && !is_digit(s)))
            return wrong(s, "is not valid JSON");
        return scan_number(s, ret);
    }
}

/* ---- The object ----------------------------------------------------------------------------- */

static bool scan_member(struct scan *s, const char *const *names, size_t n, struct lbctl_token *ret)
{
    struct lbctl_token key, value;
    char name[32];
    bool fits;

    if (!scan_string(s, &key) || !take(s, ':') || !scan_value(s, &value, 1))
        return false;
    fits = lbctl_token_string(&key, name, sizeof name);
    for (size_t i = 0; fits && i < n; i++) {
        if (strcmp(name, names[i]) != 0)
            continue;
        if (ret[i].type != LBCTL_JSON_MISSING) {
            s->at = key.text;
            return wrong(s, "has a member twice");
        }
        ret[i] = value;
    }
    return true;
}

static bool scan_object(struct scan *s, const char *const *names, size_t n, struct lbctl_token *ret)
{
    if (peek(s) != '{')
        return wrong(s, "is not a JSON object");
    s->at++;
    if (peek(s) != '}') {
        do {
            if (!scan_member(s, names, n, ret))
                return false;
        } while (peek(s) == ',' && take(s, ','));
    }
    return take(s, '}') && (peek(s) < 0 || wrong(s, "goes on behind its JSON object"));
}

bool lbctl_scan_object(const char *text, size_t len, const char *const *names, size_t n,
                       struct lbctl_token *ret, const char **ret_why, size_t *ret_at)
{
    struct scan s = {.start = text, .at = text, .end = text + len};

    for (size_t i = 0; i < n; i++)
        ret[i] = (struct lbctl_token){.type = LBCTL_JSON_MISSING};
    if (scan_object(&s, names, n, ret))
        return true;
    *ret_why = s.why;
    *ret_at = (size_t)(s.at - s.start) + 1;
    return false;
}
