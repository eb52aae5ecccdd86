/* TLS 1.2 over another stream (mbed TLS 2.28 and 3). */
#ifndef LBI_OS_TLS_H
#define LBI_OS_TLS_H

#include "os/stream.h"

/* What is shared by all connections: trusted authorities, own certificate. */
typedef struct lbi_tls_config lbi_tls_config;

typedef struct lbi_tls_options {
    const char *ca_file;   /* PEM; NULL = the system's */
    const char *cert_file; /* own certificate and key, for servers that ask for one; or NULL */
    const char *key_file;
    bool insecure; /* nothing is verified: for tests, and for who insists */
} lbi_tls_options;

/* Reads the files. Owns: *ret is yours, end it with lbi_tls_config_free() after its streams.
 * Returns 0, LB_E_TLS (a file cannot be read), LB_E_NOMEM. */
int lbi_tls_config_new(const lbi_tls_options *options, lbi_tls_config **ret, lb_error *reterr);
void lbi_tls_config_free(lbi_tls_config *config);

/* Takes `below` over in any case. host is the name (or address) that the certificate must have.
 * Owns: *ret is yours, end it with lbi_stream_close(). Returns 0, LB_E_NOMEM, LB_E_TLS. */
int lbi_tls_wrap(lbi_tls_config *config, const char *host, lbi_stream *below, lbi_stream **ret,
                 lb_error *reterr);

#endif
