#include "http/request.h"

#include "base/error.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- Escapes -------------------------------------------------------------------------------- */

/* The byte at text, and in *ret_n how many it takes; -1 = there is none. */
static int decode_byte(const char *text, size_t len, bool plus, size_t *ret_n)
{
    int high, low;

    *ret_n = 1;
    if (*text == '+' && plus)
        return ' ';
    if (*text != '%')
        return (unsigned char)*text;
    high = len > 1 ? lbi_hex_digit(text[1]) : -1;
    low = len > 2 ? lbi_hex_digit(text[2]) : -1;
    *ret_n = 3;
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

int lbi_decode(const char *text, size_t len, bool plus, char *ret, size_t size)
{
    size_t out = 0, n;

    for (size_t i = 0; i < len; i += n) {
        int byte = decode_byte(text + i, len - i, plus, &n);

        if (byte <= 0)
            return LB_E_INVAL;
        if (out < size)
            ret[out] = (char)byte;
        out++;
    }
    if (out >= size)
        return LB_E_LIMIT;
    ret[out] = '\0';
    return 0;
}

/* ---- The target ----------------------------------------------------------------------------- */

enum { MAX_SEGMENTS = 5 };

struct path {
    const char *segment[MAX_SEGMENTS];
    size_t len[MAX_SEGMENTS];
    size_t n;
};

/* A slash at the end makes no difference. Returns false if there are too many segments. */
static bool split_path(const char *text, size_t len, struct path *ret)
{
    *ret = (struct path){.n = 0};
    if (len > 1 && text[len - 1] == '/')
        len--;
    for (size_t i = 0; i < len;) {
        size_t begin = ++i; /* behind the slash */

        while (i < len && text[i] != '/')
            i++;
        if (ret->n == MAX_SEGMENTS)
            return false;
        ret->segment[ret->n] = text + begin;
        ret->len[ret->n++] = i - begin;
    }
    return true;
}

static bool segment_is(const struct path *path, size_t i, const char *word)
{
    char text[16];

    return lbi_decode(path->segment[i], path->len[i], false, text, sizeof text) == 0 &&
           strcmp(text, word) == 0;
}

/* Does the path have the form of this route? */
static bool has_form(const struct path *path, lbi_route route)
{
    static const size_t lengths[] = {1, 2, 3, 4, 5};

    return path->n == lengths[route] && segment_is(path, 0, "boards") &&
           (path->n < 3 || segment_is(path, 2, "players")) &&
           (path->n < 5 || segment_is(path, 4, "score-add"));
}

static int take_id(const struct path *path, size_t i, int (*check)(const char *, lb_error *),
                   char *ret, size_t size, lb_error *reterr)
{
    int r = lbi_decode(path->segment[i], path->len[i], false, ret, size);

    if (r == LB_E_LIMIT)
        return lbi_fail(reterr, LB_E_INVAL, "an id in the path is longer than %zu bytes", size - 1);
    return check(ret, reterr);
}

/* The path of a whole URL, and its host in *ret; what is none is given back as it is. */
static const char *skip_host(const char *target, lbi_target *ret)
{
    const char *host = NULL;

    if (strncasecmp(target, "http://", 7) == 0)
        host = target + 7;
    else if (strncasecmp(target, "https://", 8) == 0)
        host = target + 8;
    if (!host)
        return target;
    ret->host = host;
    ret->host_len = strcspn(host, "/?#");
    return host + ret->host_len;
}

int lbi_target_parse(const char *target, lbi_target *ret, lb_error *reterr)
{
    size_t len;
    lbi_route route = LBI_BOARDS;
    struct path path;
    char nothing;
    int r = 0;

    *ret = (lbi_target){.query = ""};
    target = skip_host(target, ret);
    len = strcspn(target, "?");
    ret->query = target + len + (target[len] == '?');
    if (ret->host ? ret->host_len == 0 : *target != '/')
        return lbi_fail(reterr, LB_E_INVAL,
                        "the target of a request begins with a slash, or with http:// and a host");
    if (lbi_decode(target, len, false, &nothing, 1) == LB_E_INVAL)
        return lbi_fail(reterr, LB_E_INVAL, "the path has a bad %% escape");
    if (!split_path(target, len, &path))
        return lbi_fail(reterr, LB_E_NOTFOUND, "there is nothing at this path");
    while (!has_form(&path, route)) {
        if (route++ == LBI_ADD)
            return lbi_fail(reterr, LB_E_NOTFOUND, "there is nothing at this path");
    }
    ret->route = route;
    if (path.n > 1)
        r = take_id(&path, 1, lb_board_id_check, ret->board, sizeof ret->board, reterr);
    if (r == 0 && path.n > 3)
        r = take_id(&path, 3, lb_player_id_check, ret->player, sizeof ret->player, reterr);
    return r;
}

/* ---- Parameters ----------------------------------------------------------------------------- */

static const struct {
    const char *name;
    unsigned flag;
} parameters[] = {
    {"limit", LBI_LIMIT},   {"offset", LBI_OFFSET},
    {"after", LBI_AFTER},   {"rank", LBI_RANK},
    {"id", LBI_ID},         {"name", LBI_NAME},
    {"amount", LBI_AMOUNT}, {"ascending", LBI_ASCENDING},
    {"grip", LBI_GRIP},
};

static unsigned find_parameter(unsigned allowed, const char *name)
{
    for (size_t i = 0; i < sizeof parameters / sizeof *parameters; i++) {
        if ((parameters[i].flag & allowed) && strcmp(parameters[i].name, name) == 0)
            return parameters[i].flag;
    }
    return 0;
}

static int set_number(uint32_t *dst, const char *name, const char *value, uint64_t min,
                      uint64_t max, lb_error *reterr)
{
    uint64_t number = 0;

    if (!lbi_parse_u64(value, strlen(value), max, &number) || number < min)
        return lbi_fail(reterr, LB_E_INVAL, "%s is a number from %u to %u", name, (unsigned)min,
                        (unsigned)max);
    *dst = (uint32_t)number;
    return 1;
}

static int set_text(char *dst, size_t size, const char *name, const char *value, lb_error *reterr)
{
    if (strlen(value) >= size)
        return lbi_fail(reterr, LB_E_INVAL, "%s has at most %zu bytes, this one is longer", name,
                        size - 1);
    lbi_copy(dst, size, value);
    return 1;
}

static int set_bool(bool *dst, const char *name, const char *value, const char *yes, const char *no,
                    lb_error *reterr)
{
    *dst = strcmp(value, yes) == 0;
    if (!*dst && strcmp(value, no) != 0)
        return lbi_fail(reterr, LB_E_INVAL, "%s is %s or %s", name, yes, no);
    return 1;
}

static int set_score(int64_t *dst, const char *value, lb_error *reterr)
{
    int r = lb_score_parse(value, dst, reterr);

    return r < 0 ? r : 1;
}

int lbi_params_set(lbi_params *params, unsigned allowed, const char *name, const char *value,
                   lb_error *reterr)
{
    unsigned flag = find_parameter(allowed, name);

    if (params->given & flag)
        return lbi_fail(reterr, LB_E_INVAL, "%s is given twice", name);
    params->given |= flag;
    switch (flag) {
    case LBI_LIMIT:
        return set_number(&params->limit, name, value, 1, LB_LIMIT_MAX, reterr);
    case LBI_OFFSET:
        return set_number(&params->offset, name, value, 0, LB_OFFSET_MAX, reterr);
    case LBI_AFTER:
        return set_text(params->after, sizeof params->after, name, value, reterr);
    case LBI_RANK:
        return set_bool(&params->rank, name, value, "1", "0", reterr);
    case LBI_ID:
        return set_text(params->id, sizeof params->id, name, value, reterr);
    case LBI_NAME:
        return set_text(params->name, sizeof params->name, name, value, reterr);
    case LBI_AMOUNT:
        return set_score(&params->amount, value, reterr);
    case LBI_ASCENDING:
        return set_bool(&params->ascending, name, value, "true", "false", reterr);
    case LBI_GRIP:
        if (strcmp(value, "next") != 0)
            return lbi_fail(reterr, LB_E_INVAL, "grip is next, in requests of a proxy");
        return 1;
    default:
        return 0;
    }
}

/* One name=value. Returns as lbi_params_set(). */
static int parse_pair(lbi_params *params, unsigned allowed, const char *text, size_t len,
                      lb_error *reterr)
{
    char name[16], value[LB_NAME_MAX + 2]; /* longer values are too long for any parameter */
    const char *equals = memchr(text, '=', len);
    size_t name_len = equals ? (size_t)(equals - text) : len;
    size_t skip = equals ? name_len + 1 : len;
    int r = lbi_decode(text, name_len, true, name, sizeof name);
    int r2 = lbi_decode(text + skip, len - skip, true, value, sizeof value);

    if (r == LB_E_INVAL || r2 == LB_E_INVAL)
        return lbi_fail(reterr, LB_E_INVAL, "a parameter has a bad %% escape");
    if (r < 0 || find_parameter(allowed, name) == 0)
        return 0;
    if (r2 < 0)
        return lbi_fail(reterr, LB_E_INVAL, "%s is too long", name);
    return lbi_params_set(params, allowed, name, value, reterr);
}

int lbi_params_parse(lbi_params *params, unsigned allowed, bool strict, const char *text,
                     size_t len, lb_error *reterr)
{
    while (len > 0) {
        const char *end = memchr(text, '&', len);
        size_t n = end ? (size_t)(end - text) : len;
        int r = n > 0 ? parse_pair(params, allowed, text, n, reterr) : 1;

        if (r < 0)
            return r;
        if (r == 0 && strict)
            return lbi_fail(reterr, LB_E_INVAL,
                            "the body has a member that this request does not take");
        n += end != NULL;
        text += n;
        len -= n;
    }
    return 0;
}
