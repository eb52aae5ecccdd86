/* Bodies: JSON objects and forms. */
#include "base/error.h"
#include "base/json.h"
#include "base/str.h"
#include "http/request.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- Content types -------------------------------------------------------------------------- */

static bool is_utf8(const char *parameters)
{
    const char *charset = strcasestr(parameters, "charset=");

    if (!charset)
        return true;
    charset += strlen("charset=");
    charset += *charset == '"';
    return strncasecmp(charset, "utf-8", 5) == 0 && strchr("\"; \t", charset[5]);
}

static bool type_is(const char *type, const char *name)
{
    size_t len = strlen(name);
    const char *end = type + len;

    if (strncasecmp(type, name, len) != 0)
        return false;
    end += strspn(end, " \t");
    return *end == '\0' || (*end == ';' && is_utf8(end));
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static size_t string_length(const char *p, size_t len)
{
    size_t n = 1;

    while (n < len && p[n] != '"')
        n += p[n] == '\\' ? 2 : 1;
    return n < len ? n + 1 : len;
}

static bool has_nul_escape(const char *p, size_t len)
{
    for (size_t i = 0; i + 6 <= len; i += p[i] == '\\' ? 2 : 1) {
        if (memcmp(p + i, "\\u0000", 6) == 0)
            return true;
    }
    return false;
}

/* The parser takes any number, and rounds, and replaces U+0000: here numbers must be whole and
 * plain, like scores, and text be taken as it is or not at all. */
static bool is_plain(const char *p, size_t len)
{
    while (len > 0) {
        int64_t ignored;
        size_t n = 1;

        if (*p == '"') {
            n = string_length(p, len);
            if (has_nul_escape(p, n))
                return false;
        } else if (*p == '-' || (*p >= '0' && *p <= '9')) {
            while (n < len && memchr("0123456789+-.eE", p[n], 15))
                n++;
            if (!lbi_parse_score(p, n, &ignored))
                return false;
        }
        p += n;
        len -= n;
    }
    return true;
}

/* A member as the text that a form would have had; NULL = a value of another kind. */
static const char *member_text(const lbi_json *member, const char *key, char *buf, size_t size)
{
    int64_t number;
    bool flag;

    if (strcmp(key, "amount") == 0) {
        if (!lbi_json_int(member, &number))
            return NULL;
        (void)snprintf(buf, size, "%lld", (long long)number);
        return buf;
    }
    if (strcmp(key, "ascending") != 0)
        return lbi_json_text(member);
    if (!lbi_json_bool(member, &flag))
        return NULL;
    return flag ? "true" : "false";
}

static int set_member(lbi_params *params, unsigned allowed, const lbi_json *member,
                      lb_error *reterr)
{
    const char *key = lbi_json_key(member), *text;
    char buf[24];
    int r = 0;

    text = member_text(member, key, buf, sizeof buf);
    if (text)
        r = lbi_params_set(params, allowed, key, text, reterr);
    if (r == 0)
        return lbi_fail(reterr, LB_E_INVAL,
                        "the body has a member that this request does not take, or not as it is: "
                        "amount is a whole number, ascending true or false, id and name are text");
    return r;
}

static int parse_json(lbi_params *params, unsigned allowed, const char *body, size_t size,
                      lb_error *reterr)
{
    lbi_json *root = NULL;
    int r = lbi_json_parse(body, size, size, 1, &root, reterr);

    if (r < 0)
        return r == LB_E_LIMIT ? LB_E_INVAL : r;
    if (!lbi_json_is_object(root))
        r = lbi_fail(reterr, LB_E_INVAL, "the body is not a JSON object");
    else if (!is_plain(body, size))
        r = lbi_fail(reterr, LB_E_INVAL,
                     "the body has a number that is not whole and plain, or outside "
                     "-9007199254740991..9007199254740991, or text with a NUL");
    for (const lbi_json *m = lbi_json_first(root); m && r >= 0; m = lbi_json_next(m))
        r = set_member(params, allowed, m, reterr);
    lbi_json_free(root);
    return r < 0 ? r : 0;
}

int lbi_body_parse(lbi_params *params, unsigned allowed, const char *type, const void *body,
                   size_t size, lb_error *reterr)
{
    if (size == 0)
        return 0;
    if (type && type_is(type, "application/json"))
        return parse_json(params, allowed, body, size, reterr);
    if (type && type_is(type, "application/x-www-form-urlencoded"))
        return lbi_params_parse(params, allowed, true, body, size, reterr);
    return lbi_fail(reterr, LB_E_UNSUPPORTED,
                    "a body is application/json or application/x-www-form-urlencoded, in UTF-8");
}
