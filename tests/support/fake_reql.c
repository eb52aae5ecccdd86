#include "fake_reql.h"

#include "test.h"

#include "os/digest.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void *run(void *user)
{
    struct fake *f = user;

    f->script(f);
    fake_close(f);
    return NULL;
}

void fake_start(struct fake *f, void (*script)(struct fake *f), void *user)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof in;

    f->fd = -1;
    f->script = script;
    f->user = user;
    f->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(f->listener >= 0);
    CHECK_EQ(bind(f->listener, (struct sockaddr *)&in, sizeof in), 0);
    CHECK_EQ(listen(f->listener, 16), 0);
    CHECK_EQ(getsockname(f->listener, (struct sockaddr *)&in, &size), 0);
    f->port = ntohs(in.sin_port);
    CHECK_EQ(pthread_create(&f->thread, NULL, run, f), 0);
}

void fake_join(struct fake *f)
{
    CHECK_EQ(pthread_join(f->thread, NULL), 0);
    close(f->listener);
}

void fake_stop(struct fake *f)
{
    shutdown(f->listener, SHUT_RDWR);
    fake_join(f);
}

bool fake_try_accept(struct fake *f)
{
    int on = 1;

    f->fd = accept(f->listener, NULL, NULL);
    if (f->fd < 0)
        return false;
    setsockopt(f->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return true;
}

void fake_accept(struct fake *f)
{
    CHECK(fake_try_accept(f));
}

void fake_close(struct fake *f)
{
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
}

void fake_reset(struct fake *f)
{
    struct linger now = {.l_onoff = 1};

    setsockopt(f->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    fake_close(f);
}

void fake_wait_end(struct fake *f)
{
    char bytes[4096];

    while (recv(f->fd, bytes, sizeof bytes, 0) > 0)
        continue;
    fake_close(f);
}

void fake_send(struct fake *f, const void *bytes, size_t n)
{
    const char *p = bytes;

    while (n > 0) {
        size_t some = f->chunk && f->chunk < n ? f->chunk : n;
        ssize_t sent = send(f->fd, p, some, MSG_NOSIGNAL);

        if (sent <= 0)
            return; /* the client has gone: it may */
        p += sent;
        n -= (size_t)sent;
    }
}

void fake_header(struct fake *f, int64_t token, uint32_t len)
{
    unsigned char header[12];

    for (unsigned i = 0; i < 8; i++)
        header[i] = (unsigned char)((uint64_t)token >> (8 * i));
    for (unsigned i = 0; i < 4; i++)
        header[8 + i] = (unsigned char)(len >> (8 * i));
    fake_send(f, header, sizeof header);
}

void fake_answer(struct fake *f, int64_t token, const char *json)
{
    fake_header(f, token, (uint32_t)strlen(json));
    fake_send(f, json, strlen(json));
}

static bool read_all(struct fake *f, void *bytes, size_t n)
{
    char *p = bytes;

    while (n > 0) {
        ssize_t got = recv(f->fd, p, n, 0);

        if (got <= 0)
            return false;
        p += got;
        n -= (size_t)got;
    }
    return true;
}

/* What does not fit is read and forgotten. */
static bool read_text(struct fake *f, struct fake_query *ret)
{
    char rest[65536];
    size_t fits = ret->len < sizeof ret->text ? ret->len : sizeof ret->text - 1;
    size_t left = ret->len - fits;

    ret->text[fits] = '\0';
    if (!read_all(f, ret->text, fits))
        return false;
    while (left > 0) {
        size_t some = left < sizeof rest ? left : sizeof rest;

        if (!read_all(f, rest, some))
            return false;
        left -= some;
    }
    return true;
}

bool fake_read(struct fake *f, struct fake_query *ret)
{
    unsigned char header[12];
    uint64_t token = 0;

    if (!read_all(f, header, sizeof header))
        return false;
    for (unsigned i = 8; i-- > 0;)
        token = token << 8 | header[i];
    ret->token = (int64_t)token;
    ret->len = 0;
    for (unsigned i = 12; i-- > 8;)
        ret->len = ret->len << 8 | header[i];
    return read_text(f, ret);
}

void fake_expect(struct fake *f, const char *text, int64_t *ret_token)
{
    struct fake_query q;

    if (!fake_read(f, &q))
        FAIL("the client went away, %s was expected", text);
    CHECK_STR(q.text, text);
    if (ret_token)
        *ret_token = q.token;
}

/* ---- The handshake -------------------------------------------------------------------------- */

static const char salt[] = "0123456789abcdef";

static bool read_message(struct fake *f, char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (!read_all(f, text + i, 1))
            return false;
        if (text[i] == '\0')
            return true;
    }
    return false;
}

/* The value of r= in a message, up to a comma or a quote. */
static void nonce_of(const char *text, char *ret, size_t size)
{
    const char *at = strstr(text, "r=");

    CHECK(at);
    snprintf(ret, size, "%.*s", (int)strcspn(at + 2, ",\""), at + 2);
}

static void send_message(struct fake *f, const char *text)
{
    fake_send(f, text, strlen(text) + 1);
}

static void sign(const char *auth, uint64_t iterations, uint8_t ret[LBI_SHA256_SIZE])
{
    uint8_t salted[LBI_SHA256_SIZE], key[LBI_SHA256_SIZE];
    lbi_pbkdf2 *p = NULL;

    CHECK_OK(lbi_pbkdf2_new("", 0, salt, 16, (uint32_t)iterations, &p));
    CHECK_EQ(lbi_pbkdf2_step(p, UINT32_MAX, salted), 0);
    lbi_pbkdf2_free(p);
    CHECK_OK(lbi_hmac_sha256(salted, sizeof salted, "Server Key", 10, key));
    CHECK_OK(lbi_hmac_sha256(key, sizeof key, auth, strlen(auth), ret));
}

static void send_challenge(struct fake *f, const struct fake_shake *how, const char *nonce,
                           char *challenge, size_t size)
{
    char message[1024], salt64[32];

    CHECK_OK(lbi_base64_encode(salt, 16, salt64, sizeof salt64));
    snprintf(challenge, size, "r=%s%.200s%s,s=%s,i=%llu", how->wrong_nonce ? "x" : "", nonce,
             how->short_nonce ? "" : "theirs", salt64,
             (unsigned long long)(how->iterations ? how->iterations : 1));
    snprintf(message, sizeof message, "{\"authentication\":\"%s\",\"success\":true}", challenge);
    send_message(f, how->challenge ? how->challenge : message);
}

static void send_signature(struct fake *f, const struct fake_shake *how, const char *auth)
{
    uint8_t signature[LBI_SHA256_SIZE];
    char text[64], message[256];
    struct timespec pause = {.tv_nsec = how->delay_ms * 1000000L};

    sign(auth, how->iterations ? how->iterations : 1, signature);
    signature[31] ^= how->wrong_signature;
    CHECK_OK(lbi_base64_encode(signature, sizeof signature, text, sizeof text));
    snprintf(message, sizeof message, "{\"authentication\":\"v=%s\"%s}", text,
             how->no_success ? "" : ",\"success\":true");
    nanosleep(&pause, NULL);
    send_message(f, how->refusal ? how->refusal : message);
}

void fake_shake(struct fake *f, const struct fake_shake *how)
{
    static const struct fake_shake plain;
    static const char hello[] = "{\"max_protocol_version\":0,\"min_protocol_version\":0,"
                                "\"server_version\":\"9.9.9\",\"success\":true}";
    char magic[4], first[2048], last[2048], auth[4096], challenge[512], nonce[256], both[512];
    char *bare;

    if (!how)
        how = &plain;
    if (!read_all(f, magic, sizeof magic))
        return;
    CHECK_MEM(magic, "\xc3\xbd\xc2\x34", 4);
    fake_send(f, how->hello ? how->hello : hello, how->hello ? how->hello_len : sizeof hello);
    if (how->silent_after_hello || !read_message(f, first, sizeof first))
        return;
    nonce_of(first, nonce, sizeof nonce);
    bare = strstr(first, "n,,");
    CHECK(bare);
    bare += 3;
    bare[strcspn(bare, "\"")] = '\0';
    send_challenge(f, how, nonce, challenge, sizeof challenge);
    if (!read_message(f, last, sizeof last))
        return;
    nonce_of(last, both, sizeof both);
    snprintf(auth, sizeof auth, "%s,%s,c=biws,r=%s", bare, challenge, both);
    send_signature(f, how, auth);
}
