/* rethinkdb://[user[:password]@]host[:port][,host[:port]...]/database[?option=value&...] */
#ifndef LBI_STORE_RETHINKDB_URL_H
#define LBI_STORE_RETHINKDB_URL_H

#include "reql/conn.h"

enum { LBI_RDB_HOSTS = 32, LBI_RDB_NAME = 64 };

/* All pointers are into `text`. */
typedef struct lbi_rdb_url {
    lbi_reql_host hosts[LBI_RDB_HOSTS];
    size_t n_hosts;
    const char *user, *password; /* decoded; NULL = not given */
    const char *database;
    bool tls;
    lbi_tls_options tls_options;
    uint32_t silence_ms; /* after which a server that says nothing is given up; 0 = default */
    char *text;
    size_t text_size;
} lbi_rdb_url;

/* No message repeats a part of the URL: where it is not well-formed nobody can say which part of
 * it is the password. Owns: end *ret with lbi_rdb_url_done() after success.
 * Returns 0, LB_E_INVAL, LB_E_NOMEM. */
int lbi_rdb_url_parse(const char *url, lbi_rdb_url *ret, lb_error *reterr);
void lbi_rdb_url_done(lbi_rdb_url *url);

#endif
