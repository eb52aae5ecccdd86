/* GRIP_URL: where proxies are told what to send, who we are to them, and how theirs are known.
 *
 *     http[s]://[user[:password]@]host[:port][/path][?option=value&...]
 *
 * Options: iss, key (of publishing), verify-iss, verify-key (of Grip-Sig); others stay part of
 * the URL. Several URLs are separated by white space or commas. A '+' in a value is a plus. Scheme
 * and host are taken in lower case, without the port that is the scheme's own. */
#ifndef LBI_PUSH_GRIP_URL_H
#define LBI_PUSH_GRIP_URL_H

#include "push/grip_key.h"

#include <stdbool.h>

enum { LBI_GRIP_PROXIES = 16, LBI_GRIP_URL_MAX = 8192 };

typedef struct lbi_grip_proxy {
    char *name;        /* the URL without what is secret: for people; no two have the same */
    char *publish_url; /* ends in "/publish/", or that and further options */
    char *recover_url;
    char *user, *password; /* decoded; NULL = not given */
    char *iss;             /* NULL: the key is sent as it is */
    char *bearer;          /* the key as it is, or NULL */
    char *verify_iss;      /* or NULL */
    lbi_grip_key key;      /* makes tokens, with iss */
    lbi_grip_key verify_key;
    bool has_verify_key; /* the URL has it, not something else that can be checked with */
    bool fastly;         /* is it Fastly's API? */
} lbi_grip_proxy;

typedef struct lbi_grip_config {
    lbi_grip_proxy proxies[LBI_GRIP_PROXIES];
    size_t n;
} lbi_grip_config;

/* No message repeats more of a URL than the names of its options. Owns: end *ret with
 * lbi_grip_config_done() after success. Returns 0, LB_E_INVAL, LB_E_NOMEM. */
int lbi_grip_url_parse(const char *text, lbi_grip_config *ret, lb_error *reterr);
void lbi_grip_config_done(lbi_grip_config *config);

/* The key of those whose URL has no verify-key. Returns 0, LB_E_INVAL, LB_E_NOMEM. */
int lbi_grip_verify_with(lbi_grip_config *config, const char *key, lb_error *reterr);

typedef enum lbi_grip_trust {
    LBI_GRIP_DIRECT,    /* no proxy of ours has sent the request */
    LBI_GRIP_UNCHECKED, /* it says that one has; no key was given that could tell */
    LBI_GRIP_SIGNED     /* one has */
} lbi_grip_trust;

/* What is known of a request by its Grip-Sig (NULL: it has none). */
lbi_grip_trust lbi_grip_check(const lbi_grip_config *config, const char *sig, int64_t now_s);

#endif
