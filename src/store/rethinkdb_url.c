#include "store/rethinkdb_url.h"

#include "base/error.h"
#include "base/str.h"
#include "os/digest.h"

#include <stdlib.h>
#include <string.h>

#define SCHEME "rethinkdb://"
#define EXAMPLE "write rethinkdb://host:28015/database"

enum { SILENCE_LEAST_MS = 100, SILENCE_MOST_MS = 3600000 };

/* ---- Characters ----------------------------------------------------------------------------- */

static bool is_word(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Ends the text at the first of these characters and returns what follows it, or NULL. */
static char *split(char *text, char c)
{
    char *at = strchr(text, c);

    if (!at)
        return NULL;
    *at = '\0';
    return at + 1;
}

/* ---- Who ------------------------------------------------------------------------------------ */

static int parse_user(char *text, lbi_rdb_url *url, lb_error *reterr)
{
    char *password = split(text, ':');

    if (!*text)
        return lbi_fail(reterr, LB_E_INVAL, "the database URL has an @ but no user before it");
    if (password && strchr(password, ':'))
        return lbi_fail(reterr, LB_E_INVAL,
                        "the database URL has several colons before the @: write a colon in a "
                        "password as %%3A");
    if (!lbi_percent_decode(text) || (password && !lbi_percent_decode(password)))
        return lbi_fail(reterr, LB_E_INVAL,
                        "user or password in the database URL is not percent-encoded UTF-8: write "
                        "a %% as %%25");
    url->user = text;
    url->password = password;
    return 0;
}

/* ---- Where ---------------------------------------------------------------------------------- */

static bool is_name(const char *text)
{
    for (const char *p = text; *p; p++) {
        if (!is_word(*p) && !strchr(".-_", *p))
            return false;
    }
    return *text && strlen(text) < 254;
}

static bool is_address6(const char *text)
{
    for (const char *p = text; *p; p++) {
        if (lbi_hex_digit(*p) < 0 && *p != ':' && *p != '.')
            return false;
    }
    return *text && strlen(text) < 46 && strchr(text, ':');
}

static bool parse_port(const char *text, uint16_t *ret)
{
    uint64_t port;

    if (!lbi_parse_u64(text, strlen(text), 65535, &port) || port == 0)
        return false;
    *ret = (uint16_t)port;
    return true;
}

/* "name", "name:port", "[address]", "[address]:port". */
static bool parse_host(char *text, lbi_reql_host *ret)
{
    char *port;

    *ret = (lbi_reql_host){.name = text};
    if (*text != '[') {
        port = split(text, ':');
        return is_name(text) && (!port || parse_port(port, &ret->port));
    }
    ret->name = text + 1;
    port = split(text, ']');
    if (!port || !is_address6(ret->name))
        return false;
    return !*port || (*port == ':' && parse_port(port + 1, &ret->port));
}

static int parse_hosts(char *text, lbi_rdb_url *url, lb_error *reterr)
{
    while (text) {
        char *next = split(text, ',');

        if (url->n_hosts == LBI_RDB_HOSTS)
            return lbi_fail(reterr, LB_E_INVAL, "the database URL names more than %d hosts",
                            LBI_RDB_HOSTS);
        if (!parse_host(text, &url->hosts[url->n_hosts++]))
            return lbi_fail(reterr, LB_E_INVAL,
                            "host %zu in the database URL is not one: " EXAMPLE
                            ", an IPv6 address in brackets, and @ : / ? in a password "
                            "percent-encoded",
                            url->n_hosts);
        text = next;
    }
    return 0;
}

static int check_database(const char *name, lb_error *reterr)
{
    if (!name || !*name)
        return lbi_fail(reterr, LB_E_INVAL, "the database URL names no database: " EXAMPLE);
    for (const char *p = name; *p; p++) {
        if (!is_word(*p) && *p != '_' && *p != '-')
            return lbi_fail(reterr, LB_E_INVAL,
                            "a database name has letters, digits, _ and - only");
    }
    if (strlen(name) > LBI_RDB_NAME)
        return lbi_fail(reterr, LB_E_INVAL, "a database name has at most %d bytes", LBI_RDB_NAME);
    if (strcmp(name, "rethinkdb") == 0)
        return lbi_fail(reterr, LB_E_INVAL,
                        "the database 'rethinkdb' is the server's own: choose "
                        "another name");
    return 0;
}

/* ---- How ------------------------------------------------------------------------------------ */

typedef struct options {
    const char *tls, *insecure, *ca, *cert, *key, *silence_ms;
} options;

static const char **find_option(options *o, const char *name)
{
    const struct {
        const char *name;
        const char **value;
    } known[] = {{"tls", &o->tls},   {"insecure", &o->insecure}, {"ca", &o->ca},
                 {"cert", &o->cert}, {"key", &o->key},           {"silence_ms", &o->silence_ms}};

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(name, known[i].name) == 0)
            return known[i].value;
    }
    return NULL;
}

static int parse_options(char *text, options *ret, lb_error *reterr)
{
    while (text) {
        char *next = split(text, '&'), *value = split(text, '=');
        const char **place = find_option(ret, text);

        if (!place || !value)
            return lbi_fail(reterr, LB_E_INVAL,
                            "the options of a rethinkdb URL are tls=1, ca=FILE, cert=FILE, "
                            "key=FILE, insecure=1 and silence_ms=N, joined by &");
        if (*place)
            return lbi_fail(reterr, LB_E_INVAL, "an option of the database URL is given twice");
        if (!*value || !lbi_percent_decode(value))
            return lbi_fail(reterr, LB_E_INVAL,
                            "an option of the database URL has no value, or one that is not "
                            "percent-encoded UTF-8");
        *place = value;
        text = next;
    }
    return 0;
}

static bool parse_flag(const char *text, bool *ret)
{
    *ret = text && strcmp(text, "1") == 0;
    return !text || *ret || strcmp(text, "0") == 0;
}

static bool parse_silence(const char *text, uint32_t *ret)
{
    uint64_t n = 0;

    if (text && (!lbi_parse_u64(text, strlen(text), SILENCE_MOST_MS, &n) || n < SILENCE_LEAST_MS))
        return false;
    *ret = (uint32_t)n;
    return true;
}

static int use_options(const options *o, lbi_rdb_url *url, lb_error *reterr)
{
    lbi_tls_options *t = &url->tls_options;

    if (!parse_silence(o->silence_ms, &url->silence_ms))
        return lbi_fail(reterr, LB_E_INVAL, "silence_ms in the database URL is %d to %d",
                        SILENCE_LEAST_MS, SILENCE_MOST_MS);
    if (!parse_flag(o->tls, &url->tls) || !parse_flag(o->insecure, &t->insecure))
        return lbi_fail(reterr, LB_E_INVAL, "tls and insecure in the database URL are 0 or 1");
    if (!url->tls && (o->ca || o->cert || o->key || t->insecure))
        return lbi_fail(reterr, LB_E_INVAL,
                        "ca, cert, key and insecure in the database URL go with tls=1");
    if (!o->cert != !o->key)
        return lbi_fail(reterr, LB_E_INVAL, "cert and key in the database URL go together");
    if (o->ca && t->insecure)
        return lbi_fail(reterr, LB_E_INVAL,
                        "ca and insecure=1 in the database URL contradict each other");
    t->ca_file = o->ca;
    t->cert_file = o->cert;
    t->key_file = o->key;
    return 0;
}

/* ---- All ------------------------------------------------------------------------------------ */

static int check_bytes(const char *text, lb_error *reterr)
{
    for (const char *p = text; *p; p++) {
        if (*p <= ' ' || *p == 0x7f || *p == '#')
            return lbi_fail(reterr, LB_E_INVAL,
                            "the database URL has a character that must be percent-encoded: a "
                            "space, a #, a control character or one that is not ASCII");
    }
    return 0;
}

static int parse(char *text, lbi_rdb_url *url, lb_error *reterr)
{
    options o = {0};
    char *more = split(text, '?');
    char *database = split(text, '/');
    char *hosts = split(text, '@');
    int r = check_database(database, reterr);

    if (r == 0 && hosts && strchr(hosts, '@'))
        r = lbi_fail(reterr, LB_E_INVAL,
                     "the database URL has several @: write an @ in a password as %%40");
    if (r == 0 && hosts)
        r = parse_user(text, url, reterr);
    if (r == 0)
        r = parse_hosts(hosts ? hosts : text, url, reterr);
    if (r == 0)
        r = parse_options(more, &o, reterr);
    if (r == 0)
        r = use_options(&o, url, reterr);
    url->database = database;
    return r;
}

int lbi_rdb_url_parse(const char *url, lbi_rdb_url *ret, lb_error *reterr)
{
    int r;

    *ret = (lbi_rdb_url){0};
    if (strncmp(url, SCHEME, strlen(SCHEME)) != 0)
        return lbi_fail(reterr, LB_E_INVAL, "the database URL is not complete: " EXAMPLE);
    r = check_bytes(url, reterr);
    if (r < 0)
        return r;
    ret->text = strdup(url + strlen(SCHEME));
    if (!ret->text)
        return lbi_fail_nomem(reterr);
    ret->text_size = strlen(ret->text);
    r = parse(ret->text, ret, reterr);
    if (r < 0)
        lbi_rdb_url_done(ret);
    return r;
}

void lbi_rdb_url_done(lbi_rdb_url *url)
{
    if (url->text)
        lbi_wipe(url->text, url->text_size);
    free(url->text);
    *url = (lbi_rdb_url){0};
}
