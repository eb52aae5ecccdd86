#include "push/grip_url.h"

#include "base/error.h"
#include "base/str.h"
#include "os/digest.h"
#include "push/grip_token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FASTLY_HOST "api.fastly.com"

/* The parts of one URL, in a copy that is cut up. */
typedef struct parts {
    char *scheme, *user, *password, *host, *path, *query;
    char *iss, *key, *verify_iss, *verify_key;
    char rest[LBI_GRIP_URL_MAX + 1]; /* of the query */
} parts;

/* ---- Text ----------------------------------------------------------------------------------- */

static char *split(char *text, char c)
{
    char *at = strchr(text, c);

    if (!at)
        return NULL;
    *at = '\0';
    return at + 1;
}

static void lower(char *text)
{
    for (; *text; text++) {
        if (*text >= 'A' && *text <= 'Z')
            *text = (char)(*text + 'a' - 'A');
    }
}

/* Text that goes into a header field. */
static bool is_field(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return false;
    }
    return true;
}

/* a, b and c in one new string; NULL: out of memory. */
static char *joined(const char *a, const char *b, const char *c)
{
    size_t size = strlen(a) + strlen(b) + strlen(c) + 1;
    char *text = malloc(size);

    if (text) {
        lbi_copy(text, size, a);
        lbi_copy(text + strlen(a), size - strlen(a), b);
        lbi_copy(text + strlen(a) + strlen(b), size - strlen(a) - strlen(b), c);
    }
    return text;
}

/* ---- One URL -------------------------------------------------------------------------------- */

static int take_option(parts *p, const char *name, char *value, lb_error *reterr)
{
    const struct {
        const char *name;
        char **value;
    } known[] = {{"iss", &p->iss},
                 {"key", &p->key},
                 {"verify-iss", &p->verify_iss},
                 {"verify-key", &p->verify_key}};

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(name, known[i].name) != 0)
            continue;
        if (!lbi_percent_decode(value))
            return lbi_fail(reterr, LB_E_INVAL,
                            "option %s of the GRIP URL is not percent-encoded UTF-8: write a %% as "
                            "%%25",
                            name);
        /* The first one counts; one that is empty is none. */
        if (!*known[i].value && *value)
            *known[i].value = value;
        return 1;
    }
    return 0;
}

/* Takes our options out; the others, joined again, become the query. */
static int parse_options(parts *p, lb_error *reterr)
{
    char *text = p->query;
    size_t n = 0;
    int r = 0;

    p->query = NULL;
    while (text && r >= 0) {
        char *next = split(text, '&'), *value = strchr(text, '=');
        size_t len = strlen(text);

        if (value)
            *value++ = '\0';
        r = value ? take_option(p, text, value, reterr) : 0;
        if (r == 0 && len > 0) {
            if (value)
                value[-1] = '=';
            if (n > 0)
                p->rest[n++] = '&';
            memcpy(p->rest + n, text, len);
            n += len;
            p->query = p->rest;
        }
        text = next;
    }
    p->rest[n] = '\0';
    return r < 0 ? r : 0;
}

static bool is_host_char(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           (c && strchr(".-_", c));
}

static bool is_port(const char *text)
{
    uint64_t port;

    return lbi_parse_u64(text, strlen(text), 65535, &port) && port > 0;
}

/* "name", "name:port", "[address]", "[address]:port". */
static bool is_host(const char *text)
{
    const char *at = text;

    if (*at == '[') {
        for (at++; lbi_hex_digit(*at) >= 0 || *at == ':' || *at == '.'; at++)
            ;
        if (at == text + 1 || *at++ != ']')
            return false;
    } else {
        while (is_host_char(*at))
            at++;
        if (at == text)
            return false;
    }
    return *at == '\0' || (*at == ':' && is_port(at + 1));
}

/* What may stand in a path or in options that are not ours: visible ASCII. */
static bool is_visible(const char *text)
{
    for (; *text; text++) {
        if (*text <= ' ' || *text >= 0x7f)
            return false;
    }
    return true;
}

/* One proxy has one name, whatever way it is written. */
static void normalise_host(parts *p)
{
    const char *port = strcmp(p->scheme, "http") == 0 ? ":80" : ":443";
    char *at = strrchr(p->host, ':');

    lower(p->host);
    if (at && strcmp(at, port) == 0)
        *at = '\0';
}

static int parse_where(parts *p, lb_error *reterr)
{
    char *at = strrchr(p->host, '@');

    if (at) {
        *at = '\0';
        p->user = p->host;
        p->host = at + 1;
        p->password = split(p->user, ':');
        if (!lbi_percent_decode(p->user) || !is_field(p->user) ||
            (p->password && (!lbi_percent_decode(p->password) || !is_field(p->password))))
            return lbi_fail(reterr, LB_E_INVAL,
                            "user or password in the GRIP URL is not percent-encoded UTF-8: write "
                            "a %% as %%25");
        if (!*p->user || strchr(p->user, ':'))
            return lbi_fail(reterr, LB_E_INVAL,
                            "the user in the GRIP URL is empty or contains a colon");
    }
    if (!is_host(p->host))
        return lbi_fail(reterr, LB_E_INVAL,
                        "the GRIP URL has no host as in http://host:5561/, or a character in it "
                        "that must be percent-encoded");
    normalise_host(p);
    if ((p->path && !is_visible(p->path)) || (p->query && !is_visible(p->query)))
        return lbi_fail(reterr, LB_E_INVAL,
                        "the GRIP URL has a character that must be percent-encoded");
    return 0;
}

/* Cuts up: the query first, since anything may be in it. */
static int parse_parts(char *text, parts *p, lb_error *reterr)
{
    int r;

    memset(p, 0, sizeof *p);
    p->scheme = text;
    if (strchr(text, '#'))
        return lbi_fail(reterr, LB_E_INVAL, "the GRIP URL contains a #: write it as %%23");
    p->query = split(text, '?');
    p->host = strstr(text, "://");
    if (!p->host)
        return lbi_fail(
            reterr, LB_E_INVAL,
            "the GRIP URL is none: write http://host:5561/, and percent-encode keys, since "
            "white space separates URLs");
    *p->host = '\0';
    p->host += 3;
    lower(p->scheme);
    if (strcmp(p->scheme, "http") != 0 && strcmp(p->scheme, "https") != 0)
        return lbi_fail(reterr, LB_E_INVAL,
                        "the GRIP URL begins with neither http:// nor https://");
    p->path = split(p->host, '/');
    while (p->path && *p->path && p->path[strlen(p->path) - 1] == '/')
        p->path[strlen(p->path) - 1] = '\0';
    if (p->path && !*p->path)
        p->path = NULL;
    r = parse_options(p, reterr);
    if (r == 0)
        r = parse_where(p, reterr);
    return r;
}

/* ---- One proxy ------------------------------------------------------------------------------ */

static int copy_text(const char *text, char **ret, lb_error *reterr)
{
    if (!text)
        return 0;
    *ret = strdup(text);
    return *ret ? 0 : lbi_fail_nomem(reterr);
}

static int make_urls(const parts *p, lbi_grip_proxy *proxy, lb_error *reterr)
{
    char *base = joined(p->scheme, "://", p->host);
    char *tail = joined(p->query ? "/?" : "/", p->query ? p->query : "", "");

    if (base && tail)
        proxy->name = joined(base, p->path ? "/" : "", p->path ? p->path : "");
    if (proxy->name) {
        proxy->publish_url = joined(proxy->name, "/publish", tail);
        proxy->recover_url = joined(proxy->name, "/recover", tail);
    }
    free(base);
    free(tail);
    return proxy->publish_url && proxy->recover_url ? 0 : lbi_fail_nomem(reterr);
}

static int make_key(const parts *p, lbi_grip_proxy *proxy, lb_error *reterr)
{
    if (p->iss && !p->key)
        return lbi_fail(reterr, LB_E_INVAL, "the GRIP URL has iss but no key");
    if (p->iss)
        return lbi_grip_key_secret(p->key, &proxy->key, reterr);
    if (p->key && !is_field(p->key))
        return lbi_fail(reterr, LB_E_INVAL, "the key in the GRIP URL has a control character");
    return copy_text(p->key, &proxy->bearer, reterr);
}

/* Without a key of its own Grip-Sig is checked with what tells whose it is, or with the secret
 * that is shared already. The token of an API is not that. */
static int make_verify_key(const parts *p, lbi_grip_proxy *proxy, lb_error *reterr)
{
    proxy->has_verify_key = p->verify_key != NULL;
    if (p->verify_key)
        return lbi_grip_key_parse(p->verify_key, &proxy->verify_key, reterr);
    if (p->verify_iss && strncmp(p->verify_iss, "fastly:", 7) == 0)
        return lbi_grip_key_parse("fastly", &proxy->verify_key, reterr);
    if (p->key && !proxy->fastly)
        return lbi_grip_key_secret(p->key, &proxy->verify_key, reterr);
    return 0;
}

/* Every service of Fastly's has the same key: without the issuer anybody's would be ours. */
static int check_issuer(const lbi_grip_proxy *proxy, lb_error *reterr)
{
    if (!proxy->verify_iss && lbi_grip_key_is_fastly(&proxy->verify_key))
        return lbi_fail(reterr, LB_E_INVAL,
                        "Fastly's key to verify with needs verify-iss=fastly:SERVICE in the GRIP "
                        "URL");
    return 0;
}

/* At whatever port. */
static bool is_fastly_host(const char *host)
{
    size_t len = strlen(FASTLY_HOST);

    return strncmp(host, FASTLY_HOST, len) == 0 && (host[len] == '\0' || host[len] == ':');
}

static int make_proxy(const parts *p, lbi_grip_proxy *proxy, lb_error *reterr)
{
    int r = make_urls(p, proxy, reterr);

    proxy->fastly = is_fastly_host(p->host);
    if (r == 0)
        r = make_key(p, proxy, reterr);
    if (r == 0)
        r = make_verify_key(p, proxy, reterr);
    if (r == 0)
        r = copy_text(p->iss, &proxy->iss, reterr);
    if (r == 0)
        r = copy_text(p->verify_iss, &proxy->verify_iss, reterr);
    if (r == 0)
        r = check_issuer(proxy, reterr);
    /* Whoever gives a key means the key. */
    if (r == 0 && !p->key)
        r = copy_text(p->user, &proxy->user, reterr);
    if (r == 0 && !p->key)
        r = copy_text(p->password, &proxy->password, reterr);
    return r;
}

static void free_secret(char *text)
{
    if (text)
        lbi_wipe(text, strlen(text));
    free(text);
}

static void done_proxy(lbi_grip_proxy *proxy)
{
    free(proxy->name);
    free(proxy->publish_url);
    free(proxy->recover_url);
    free(proxy->user);
    free_secret(proxy->password);
    free(proxy->iss);
    free_secret(proxy->bearer);
    free(proxy->verify_iss);
    lbi_wipe(proxy, sizeof *proxy);
}

void lbi_grip_config_done(lbi_grip_config *config)
{
    for (size_t i = 0; i < config->n; i++)
        done_proxy(&config->proxies[i]);
    config->n = 0;
}

/* ---- Several -------------------------------------------------------------------------------- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Ends the URL at text and returns the next. A comma separates only before another URL: it is
 * legal inside one. */
static char *next_url(char *text)
{
    for (; *text; text++) {
        char *next = text;

        while (is_space(*next) || *next == ',')
            next++;
        if (next == text)
            continue;
        if (is_space(*text) || *next == '\0' || strncasecmp(next, "http", 4) == 0) {
            *text = '\0';
            return next;
        }
    }
    return text;
}

/* The last proxy gets a number if others have its name, as they may when only options in their URLs
 * differ: people, and series of counters, have to tell them apart. */
static int number_name(lbi_grip_config *config, lb_error *reterr)
{
    lbi_grip_proxy *proxy = &config->proxies[config->n - 1];
    size_t len = strlen(proxy->name), same = 1;
    char number[16], *name;

    for (size_t i = 0; i + 1 < config->n; i++) {
        const char *other = config->proxies[i].name;

        same += strncmp(other, proxy->name, len) == 0 && (!other[len] || other[len] == '#');
    }
    if (same == 1)
        return 0;
    (void)snprintf(number, sizeof number, "#%zu", same);
    name = joined(proxy->name, number, "");
    if (!name)
        return lbi_fail_nomem(reterr);
    free(proxy->name);
    proxy->name = name;
    return 0;
}

static int parse_nth(char *text, lbi_grip_config *config, lb_error *reterr)
{
    parts p;
    int r = parse_parts(text, &p, reterr);

    if (r == 0)
        r = make_proxy(&p, &config->proxies[config->n++], reterr);
    return r < 0 ? r : number_name(config, reterr);
}

static int parse_urls(char *text, lbi_grip_config *config, lb_error *reterr)
{
    lb_error error = {.msg = ""};
    int r = 0;

    while (is_space(*text) || *text == ',')
        text++;
    for (size_t n = 1; *text && r == 0; n++) {
        char *next = next_url(text);

        if (config->n == LBI_GRIP_PROXIES)
            return lbi_fail(reterr, LB_E_INVAL, "there are more than %d GRIP URLs",
                            LBI_GRIP_PROXIES);
        r = parse_nth(text, config, &error);
        if (r < 0 && (n > 1 || *next))
            r = lbi_fail(reterr, r, "URL %zu of several: %s", n, error.msg);
        else if (r < 0)
            r = lbi_fail(reterr, r, "%s", error.msg);
        text = next;
    }
    if (r == 0 && config->n == 0)
        r = lbi_fail(reterr, LB_E_INVAL, "the GRIP URL is empty: write http://host:5561/");
    return r;
}

int lbi_grip_url_parse(const char *text, lbi_grip_config *ret, lb_error *reterr)
{
    size_t len = strnlen(text, LBI_GRIP_URL_MAX + 1);
    char *copy;
    int r;

    if (len > LBI_GRIP_URL_MAX)
        return lbi_fail(reterr, LB_E_INVAL, "the GRIP URL has more than %d bytes",
                        LBI_GRIP_URL_MAX);
    copy = strdup(text);
    if (!copy)
        return lbi_fail_nomem(reterr);
    memset(ret, 0, sizeof *ret);
    r = parse_urls(copy, ret, reterr);
    if (r < 0)
        lbi_grip_config_done(ret);
    lbi_wipe(copy, len);
    free(copy);
    return r;
}

int lbi_grip_verify_with(lbi_grip_config *config, const char *key, lb_error *reterr)
{
    int r = 0;

    for (size_t i = 0; i < config->n && r == 0; i++) {
        lbi_grip_proxy *proxy = &config->proxies[i];

        if (proxy->has_verify_key)
            continue;
        r = lbi_grip_key_parse(key, &proxy->verify_key, reterr);
        if (r == 0)
            r = check_issuer(proxy, reterr);
    }
    return r;
}

/* ---- Requests ------------------------------------------------------------------------------- */

lbi_grip_trust lbi_grip_check(const lbi_grip_config *config, const char *sig, int64_t now_s)
{
    bool all_checked = true;

    if (!sig)
        return LBI_GRIP_DIRECT;
    for (size_t i = 0; i < config->n; i++) {
        const lbi_grip_proxy *proxy = &config->proxies[i];

        if (proxy->verify_key.kind == LBI_GRIP_KEY_NONE)
            all_checked = false;
        else if (lbi_grip_token_verify(sig, &proxy->verify_key, proxy->verify_iss, now_s, NULL) ==
                 0)
            return LBI_GRIP_SIGNED;
    }
    return all_checked ? LBI_GRIP_DIRECT : LBI_GRIP_UNCHECKED;
}
