#include "os/tls.h"

#include "base/error.h"
#include "base/str.h"
#include "os/random.h"
#include "os/resolve.h"

#include <mbedtls/asn1.h>
#include <mbedtls/error.h>
#include <mbedtls/pk.h>
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>
#include <mbedtls/x509.h>
#include <mbedtls/x509_crt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct lbi_tls_config {
    mbedtls_ssl_config ssl;
    mbedtls_x509_crt ca, own;
    mbedtls_pk_context key;
    bool insecure;
};

typedef struct tls {
    lbi_stream stream; /* first */
    lbi_tls_config *config;
    lbi_stream *below;
    mbedtls_ssl_context ssl;
    lb_error below_error; /* what the lower stream said last; code 0 = nothing */
    size_t write_pending; /* bytes mbed TLS has taken over but not sent yet */
    bool connected, open;
    bool write_blocked; /* by mbed TLS, whatever it was asked to do */
    char host[256];
} tls;

static int random_bytes(void *user, unsigned char *buf, size_t size)
{
    (void)user;
    return lbi_random(buf, size) < 0 ? -1 : 0;
}

/* ---- Configuration -------------------------------------------------------------------------- */

static int tls_fail(lb_error *reterr, const char *what, int code)
{
    char why[120] = "";

    mbedtls_strerror(code, why, sizeof why);
    return lbi_fail(reterr, LB_E_TLS, "%.100s: %s", what, why);
}

static int load_ca(lbi_tls_config *config, const char *file, lb_error *reterr)
{
    static const char *const places[] = {
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/cert.pem",
    };
    int r = -1;

    if (file) {
        r = mbedtls_x509_crt_parse_file(&config->ca, file);
        return r == 0 ? 0
                      : lbi_fail(reterr, LB_E_TLS,
                                 "the authority's certificate '%.120s' cannot be read", file);
    }
    /* Of the system's authorities some may be of a kind that is not known here: r > 0. */
    for (size_t i = 0; r < 0 && i < sizeof places / sizeof *places; i++)
        r = mbedtls_x509_crt_parse_file(&config->ca, places[i]);
    if (r < 0)
        return lbi_fail(reterr, LB_E_TLS,
                        "this system has no list of authorities: name the server's with ca=FILE");
    return 0;
}

static int parse_key(lbi_tls_config *config, const char *file)
{
#if MBEDTLS_VERSION_MAJOR >= 3
    return mbedtls_pk_parse_keyfile(&config->key, file, NULL, random_bytes, NULL);
#else
    return mbedtls_pk_parse_keyfile(&config->key, file, NULL);
#endif
}

static int load_own(lbi_tls_config *config, const lbi_tls_options *o, lb_error *reterr)
{
    int r;

    if (!o->cert_file)
        return 0;
    r = mbedtls_x509_crt_parse_file(&config->own, o->cert_file);
    if (r == 0)
        r = parse_key(config, o->key_file ? o->key_file : o->cert_file);
    if (r == 0)
        r = mbedtls_ssl_conf_own_cert(&config->ssl, &config->own, &config->key);
    return r == 0 ? 0 : tls_fail(reterr, "the client's own certificate or key cannot be used", r);
}

/* 1.3 of mbed TLS 3 needs its process-wide PSA state, which is not ours to make. */
static void set_versions(mbedtls_ssl_config *ssl)
{
#if MBEDTLS_VERSION_NUMBER >= 0x03020000
    mbedtls_ssl_conf_min_tls_version(ssl, MBEDTLS_SSL_VERSION_TLS1_2);
    mbedtls_ssl_conf_max_tls_version(ssl, MBEDTLS_SSL_VERSION_TLS1_2);
#else
    mbedtls_ssl_conf_min_version(ssl, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
    mbedtls_ssl_conf_max_version(ssl, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
#endif
}

static int configure(lbi_tls_config *config, const lbi_tls_options *o, lb_error *reterr)
{
    int r = mbedtls_ssl_config_defaults(&config->ssl, MBEDTLS_SSL_IS_CLIENT,
                                        MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);

    if (r != 0)
        return tls_fail(reterr, "TLS cannot be set up", r);
    set_versions(&config->ssl);
    mbedtls_ssl_conf_rng(&config->ssl, random_bytes, NULL);
    mbedtls_ssl_conf_authmode(&config->ssl,
                              o->insecure ? MBEDTLS_SSL_VERIFY_NONE : MBEDTLS_SSL_VERIFY_REQUIRED);
    if (!o->insecure) {
        r = load_ca(config, o->ca_file, reterr);
        if (r < 0)
            return r;
        mbedtls_ssl_conf_ca_chain(&config->ssl, &config->ca, NULL);
    }
    return load_own(config, o, reterr);
}

int lbi_tls_config_new(const lbi_tls_options *options, lbi_tls_config **ret, lb_error *reterr)
{
    lbi_tls_config *config = calloc(1, sizeof *config);
    int r;

    if (!config)
        return lbi_fail_nomem(reterr);
    config->insecure = options->insecure;
    mbedtls_ssl_config_init(&config->ssl);
    mbedtls_x509_crt_init(&config->ca);
    mbedtls_x509_crt_init(&config->own);
    mbedtls_pk_init(&config->key);
    r = configure(config, options, reterr);
    if (r < 0) {
        lbi_tls_config_free(config);
        return r;
    }
    *ret = config;
    return 0;
}

void lbi_tls_config_free(lbi_tls_config *config)
{
    if (!config)
        return;
    mbedtls_ssl_config_free(&config->ssl);
    mbedtls_x509_crt_free(&config->ca);
    mbedtls_x509_crt_free(&config->own);
    mbedtls_pk_free(&config->key);
    free(config);
}

/* ---- Bytes below ---------------------------------------------------------------------------- */

static int below_write(void *user, const unsigned char *buf, size_t size)
{
    tls *t = user;
    size_t n = 0;
    int r = lbi_stream_write(t->below, buf, size, &n, &t->below_error);

    if (r == LBI_STREAM_AGAIN)
        return MBEDTLS_ERR_SSL_WANT_WRITE;
    return r < 0 ? MBEDTLS_ERR_SSL_INTERNAL_ERROR : (int)n;
}

static int below_read(void *user, unsigned char *buf, size_t size)
{
    tls *t = user;
    size_t n = 0;
    int r = lbi_stream_read(t->below, buf, size, &n, &t->below_error);

    if (r == LBI_STREAM_AGAIN)
        return MBEDTLS_ERR_SSL_WANT_READ;
    if (r == LBI_STREAM_END)
        return 0;
    return r < 0 ? MBEDTLS_ERR_SSL_INTERNAL_ERROR : (int)n;
}

/* ---- Certificates --------------------------------------------------------------------------- */

/* mbed TLS 2 looks for names only: an address must be compared here. 7 is iPAddress. */
static bool has_address(const mbedtls_x509_crt *crt, const uint8_t *bytes, size_t size)
{
    for (const mbedtls_x509_sequence *name = &crt->subject_alt_names; name; name = name->next) {
        if ((name->buf.tag & MBEDTLS_ASN1_TAG_VALUE_MASK) == 7 && name->buf.len == size &&
            memcmp(name->buf.p, bytes, size) == 0)
            return true;
    }
    return false;
}

static int check_address(tls *t, lb_error *reterr)
{
    const mbedtls_x509_crt *crt = mbedtls_ssl_get_peer_cert(&t->ssl);
    uint8_t bytes[16];
    size_t size;

    if (t->config->insecure || !lbi_host_is_address(t->host, bytes, &size))
        return 0;
    if (crt && has_address(crt, bytes, size))
        return 0;
    return lbi_fail(reterr, LB_E_TLS,
                    "the server's certificate does not have the address %.60s: connect by a name "
                    "that it has",
                    t->host);
}

static int verify_fail(const tls *t, uint32_t flags, lb_error *reterr)
{
    char why[160] = "";

    if (flags & MBEDTLS_X509_BADCERT_CN_MISMATCH)
        return lbi_fail(reterr, LB_E_TLS,
                        "the server's certificate is not for '%.100s': connect by a name that it "
                        "has",
                        t->host);
    if (flags & MBEDTLS_X509_BADCERT_EXPIRED)
        return lbi_fail(reterr, LB_E_TLS, "the certificate of '%.100s' has expired", t->host);
    if (flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED)
        return lbi_fail(reterr, LB_E_TLS,
                        "the certificate of '%.100s' is not signed by a known authority: name its "
                        "authority with ca=FILE",
                        t->host);
    (void)mbedtls_x509_crt_verify_info(why, sizeof why, "", flags);
    why[strcspn(why, "\n")] = '\0';
    return lbi_fail(reterr, LB_E_TLS, "the certificate of '%.60s' is refused: %.120s", t->host,
                    why);
}

static int handshake_fail(tls *t, int code, lb_error *reterr)
{
    uint32_t flags = mbedtls_ssl_get_verify_result(&t->ssl);

    if (t->below_error.code != 0)
        return lbi_fail(reterr, t->below_error.code, "%s, in the TLS handshake",
                        t->below_error.msg);
    if (flags != 0 && flags != UINT32_MAX)
        return verify_fail(t, flags, reterr);
    if (code == MBEDTLS_ERR_SSL_INVALID_RECORD)
        return lbi_fail(reterr, LB_E_TLS,
                        "what answers does not speak TLS: use its TLS port, or leave out tls=1");
    if (code == MBEDTLS_ERR_SSL_CONN_EOF)
        return lbi_fail(reterr, LB_E_TLS, "the server ended the connection in the TLS handshake");
    return tls_fail(reterr, "the TLS handshake failed", code);
}

/* ---- The stream ----------------------------------------------------------------------------- */

static bool is_again(tls *t, int code)
{
    t->write_blocked = code == MBEDTLS_ERR_SSL_WANT_WRITE;
    return t->write_blocked || code == MBEDTLS_ERR_SSL_WANT_READ;
}

static int tls_open(lbi_stream *stream, lb_error *reterr)
{
    tls *t = (tls *)stream;
    int r;

    if (t->open)
        return 0;
    r = lbi_stream_open(t->below, reterr);
    if (r != 0)
        return r;
    t->connected = true;
    r = mbedtls_ssl_handshake(&t->ssl);
    if (is_again(t, r))
        return LBI_STREAM_AGAIN;
    if (r != 0)
        return handshake_fail(t, r, reterr);
    r = check_address(t, reterr);
    t->open = r == 0;
    return r;
}

static int transfer_fail(const tls *t, int code, lb_error *reterr)
{
    if (t->below_error.code != 0)
        return lbi_fail(reterr, t->below_error.code, "%s", t->below_error.msg);
    return tls_fail(reterr, "TLS", code);
}

static int tls_read(lbi_stream *stream, void *buf, size_t size, size_t *ret, lb_error *reterr)
{
    tls *t = (tls *)stream;
    int r = mbedtls_ssl_read(&t->ssl, buf, size);

    if (r > 0) {
        *ret = (size_t)r;
        return 0;
    }
    if (is_again(t, r))
        return LBI_STREAM_AGAIN;
    if (r == 0 || r == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY || r == MBEDTLS_ERR_SSL_CONN_EOF)
        return LBI_STREAM_END;
    return transfer_fail(t, r, reterr);
}

/* A record that could not be sent at once is inside mbed TLS; the call that ends it must be told
 * the same length, or it would report bytes as sent that never were. */
static int tls_write(lbi_stream *stream, const void *buf, size_t size, size_t *ret,
                     lb_error *reterr)
{
    tls *t = (tls *)stream;
    size_t n = t->write_pending ? t->write_pending : size;
    int r;

    if (n > MBEDTLS_SSL_OUT_CONTENT_LEN)
        n = MBEDTLS_SSL_OUT_CONTENT_LEN;
    r = mbedtls_ssl_write(&t->ssl, buf, n);
    t->write_pending = 0;
    if (r > 0) {
        t->write_blocked = false;
        *ret = (size_t)r;
        return 0;
    }
    if (is_again(t, r)) {
        t->write_pending = n;
        return LBI_STREAM_AGAIN;
    }
    return transfer_fail(t, r, reterr);
}

static unsigned tls_wants(const lbi_stream *stream)
{
    const tls *t = (const tls *)stream;

    if (!t->connected)
        return lbi_stream_wants(t->below);
    return LBI_STREAM_READ | (t->write_blocked ? LBI_STREAM_WRITE : 0U);
}

static size_t tls_held(const lbi_stream *stream)
{
    return ((const tls *)stream)->write_pending;
}

static const char *tls_doing(const lbi_stream *stream)
{
    const tls *t = (const tls *)stream;

    return t->connected ? "the TLS handshake" : lbi_stream_doing(t->below);
}

static int tls_fd(const lbi_stream *stream)
{
    return lbi_stream_fd(((const tls *)stream)->below);
}

static void tls_close(lbi_stream *stream)
{
    tls *t = (tls *)stream;

    if (t->open && t->write_pending == 0)
        (void)mbedtls_ssl_close_notify(&t->ssl);
    mbedtls_ssl_free(&t->ssl);
    lbi_stream_close(t->below);
    free(t);
}

static const lbi_stream_ops tls_ops = {
    .open = tls_open,
    .read = tls_read,
    .write = tls_write,
    .wants = tls_wants,
    .held = tls_held,
    .doing = tls_doing,
    .fd = tls_fd,
    .close = tls_close,
};

static int set_up(tls *t)
{
    uint8_t bytes[16];
    size_t size;
    /* An address is no server name (RFC 6066); check_address() compares it later. */
    const char *name = lbi_host_is_address(t->host, bytes, &size) ? NULL : t->host;
    int r = mbedtls_ssl_setup(&t->ssl, &t->config->ssl);

    if (r == 0)
        r = mbedtls_ssl_set_hostname(&t->ssl, name);
    mbedtls_ssl_set_bio(&t->ssl, t, below_write, below_read, NULL);
    return r;
}

int lbi_tls_wrap(lbi_tls_config *config, const char *host, lbi_stream *below, lbi_stream **ret,
                 lb_error *reterr)
{
    tls *t = calloc(1, sizeof *t);
    int r;

    if (!t) {
        lbi_stream_close(below);
        return lbi_fail_nomem(reterr);
    }
    t->stream.ops = &tls_ops;
    t->config = config;
    t->below = below;
    lbi_copy(t->host, sizeof t->host, host);
    mbedtls_ssl_init(&t->ssl);
    r = set_up(t);
    if (r != 0) {
        tls_close(&t->stream);
        return tls_fail(reterr, "TLS cannot be set up", r);
    }
    *ret = &t->stream;
    return 0;
}
