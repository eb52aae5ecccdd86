#include "base/json.h"

#include "base/error.h"
#include "base/str.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Looking over the text before cJSON sees it --------------------------------------------- */

typedef struct scan {
    const char *text;
    size_t len, at;
    unsigned depth, max_depth;
    bool in_string;
    bool has_nul; /* an escaped U+0000 somewhere */
} scan;

static bool is_nul_escape(const char *p, size_t left)
{
    return left >= 6 && memcmp(p, "\\u0000", 6) == 0;
}

static int scan_string_byte(scan *s)
{
    const char *p = s->text + s->at;
    size_t left = s->len - s->at, n = 1;
    uint32_t c;

    if (*p == '"')
        s->in_string = false;
    if (*p == '\\') {
        s->has_nul |= is_nul_escape(p, left);
        n = left < 2 ? 1 : 2;
    } else if ((unsigned char)*p >= 0x80) {
        n = lbi_utf8_next(p, left, &c);
    }
    s->at += n;
    return n == 0 ? LB_E_INVAL : 0;
}

static int scan_byte(scan *s)
{
    switch (s->text[s->at++]) {
    case '"':
        s->in_string = true;
        return 0;
    case '[':
    case '{':
        return ++s->depth > s->max_depth ? LB_E_LIMIT : 0;
    case ']':
    case '}':
        s->depth -= s->depth > 0;
        return 0;
    case '\0':
        return LB_E_INVAL;
    default:
        return 0;
    }
}

static int scan_text(scan *s)
{
    int r = 0;

    while (r == 0 && s->at < s->len) {
        if (s->in_string && s->text[s->at] == '\0')
            return LB_E_INVAL;
        r = s->in_string ? scan_string_byte(s) : scan_byte(s);
    }
    return r;
}

/* The same text with every \u0000 made \ufffd. */
static char *without_nul(const char *text, size_t len)
{
    char *copy = malloc(len ? len : 1);

    if (!copy)
        return NULL;
    memcpy(copy, text, len);
    for (size_t i = 0; i + 1 < len; i++) {
        if (copy[i] != '\\')
            continue;
        if (is_nul_escape(copy + i, len - i))
            memcpy(copy + i, "\\ufffd", 6);
        i++; /* whatever is escaped is not the beginning of an escape */
    }
    return copy;
}

/* ---- Parsing -------------------------------------------------------------------------------- */

static bool only_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n'))
        p++;
    return p == end;
}

static int parse(const char *text, size_t len, lbi_json **ret, lb_error *reterr)
{
    const char *end = NULL;
    cJSON *root = cJSON_ParseWithLengthOpts(text, len, &end, false);

    if (!root)
        return lbi_fail(reterr, LB_E_INVAL, "not valid JSON");
    if (!only_space(end, text + len)) {
        cJSON_Delete(root);
        return lbi_fail(reterr, LB_E_INVAL, "something follows the JSON value");
    }
    *ret = root;
    return 0;
}

int lbi_json_parse(const char *text, size_t len, size_t max_len, unsigned max_depth, lbi_json **ret,
                   lb_error *reterr)
{
    scan s = {.text = text, .len = len, .max_depth = max_depth};
    char *copy;
    int r;

    if (len > max_len)
        return lbi_fail(reterr, LB_E_LIMIT, "JSON of %zu bytes, at most %zu are taken", len,
                        max_len);
    r = scan_text(&s);
    if (r == LB_E_LIMIT)
        return lbi_fail(reterr, r, "JSON is nested deeper than %u", max_depth);
    if (r < 0)
        return lbi_fail(reterr, r, "JSON with a byte at %zu that is not UTF-8 text", s.at);
    if (!s.has_nul)
        return parse(text, len, ret, reterr);
    copy = without_nul(text, len);
    if (!copy)
        return lbi_fail_nomem(reterr);
    r = parse(copy, len, ret, reterr);
    free(copy);
    return r;
}

void lbi_json_free(lbi_json *root)
{
    cJSON_Delete(root);
}

/* ---- Getters -------------------------------------------------------------------------------- */

bool lbi_json_is_null(const lbi_json *value)
{
    return cJSON_IsNull(value);
}

bool lbi_json_is_object(const lbi_json *value)
{
    return cJSON_IsObject(value);
}

bool lbi_json_is_array(const lbi_json *value)
{
    return cJSON_IsArray(value);
}

const lbi_json *lbi_json_get(const lbi_json *value, const char *key)
{
    return cJSON_IsObject(value) ? cJSON_GetObjectItemCaseSensitive(value, key) : NULL;
}

const lbi_json *lbi_json_first(const lbi_json *value)
{
    return cJSON_IsObject(value) || cJSON_IsArray(value) ? value->child : NULL;
}

const lbi_json *lbi_json_next(const lbi_json *element)
{
    return element ? element->next : NULL;
}

const char *lbi_json_key(const lbi_json *member)
{
    return member ? member->string : NULL;
}

bool lbi_json_bool(const lbi_json *value, bool *ret)
{
    if (!cJSON_IsBool(value))
        return false;
    *ret = cJSON_IsTrue(value);
    return true;
}

bool lbi_json_double(const lbi_json *value, double *ret)
{
    if (!cJSON_IsNumber(value) || !isfinite(value->valuedouble))
        return false;
    *ret = value->valuedouble;
    return true;
}

/* Every double in this range that is whole stands for one integer only; 2^53 stands for two. */
bool lbi_json_int(const lbi_json *value, int64_t *ret)
{
    double number;

    if (!lbi_json_double(value, &number))
        return false;
    if (number < (double)LB_SCORE_MIN || number > (double)LB_SCORE_MAX ||
        (double)(int64_t)number != number)
        return false;
    *ret = (int64_t)number;
    return true;
}

const char *lbi_json_text(const lbi_json *value)
{
    return cJSON_IsString(value) ? value->valuestring : NULL;
}

/* ---- Writing -------------------------------------------------------------------------------- */

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* Adds text[0] in another form. Returns how many bytes of the text that was, 0 if none. */
static size_t put_special(lbi_buf *buf, const char *text, size_t len)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char byte = (unsigned char)text[0];
    char escape[6] = {'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]};
    uint32_t c;
    size_t n;

    if (byte == '"' || byte == '\\') {
        escape[1] = (char)byte;
        (void)lbi_buf_add(buf, escape, 2);
        return 1;
    }
    if (byte < 0x20 || byte == 0x7f) {
        (void)lbi_buf_add(buf, escape, 6);
        return 1;
    }
    n = lbi_utf8_next(text, len, &c);
    (void)lbi_buf_add(buf, text, n);
    return n;
}

int lbi_json_put_text(lbi_buf *buf, const char *text, size_t len)
{
    (void)lbi_buf_add_char(buf, '"');
    while (len > 0) {
        size_t n = 0;

        while (n < len && is_plain((unsigned char)text[n]))
            n++;
        if (n > 0)
            (void)lbi_buf_add(buf, text, n);
        else
            n = put_special(buf, text, len);
        if (n == 0)
            return lbi_buf_fail(buf, LB_E_INVAL);
        text += n;
        len -= n;
    }
    return lbi_buf_add_char(buf, '"');
}

int lbi_json_put_int(lbi_buf *buf, int64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

    do {
        digits[--at] = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (value < 0)
        digits[--at] = '-';
    return lbi_buf_add(buf, digits + at, sizeof digits - at);
}
