/* TLS with a real server. */
#include "certs.h"
#include "reql_drive.h"
#include "reql_server.h"
#include "test.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static void start_tls(struct reql_server *s)
{
    certs_make_ca();
    certs_make("server", "DNS:localhost,IP:127.0.0.1", 2);
    s->args[0] = "--driver-tls-key";
    s->args[1] = "server.key";
    s->args[2] = "--driver-tls-cert";
    s->args[3] = "server.pem";
    reql_server_start(s);
}

static void check_fails(const char *host, uint16_t port, lbi_reql_options options, int code,
                        const char *says)
{
    struct drive d;
    struct outcome o = {0};

    options.handshake_ms = options.connect_ms = code == LB_E_TIMEOUT ? 400 : 20000;
    drive_open_at(&d, host, port, &options);
    (void)drive_submit(&d, "[1,[24,[1,2]]]", code == LB_E_TIMEOUT ? 600 : 20000, &o);
    drive_until(&d, &o.done);
    CHECK_EQ(o.code, code);
    CHECK(!o.sent);
    if (!strstr(o.message, says))
        FAIL("'%s' is not in '%s'", says, o.message);
    drive_close(&d);
}

static int read_length(const lbi_reql_reply *reply, void *user)
{
    const char *text = reply->answer ? lbi_json_text(lbi_json_first(reply->answer->values)) : NULL;

    *(size_t *)user = text ? strlen(text) : 0;
    return 0;
}

TEST(queries_over_tls, .timeout_s = 60)
{
    static char text[3000000];
    struct reql_server s = {0};
    struct drive d;
    struct outcome o = {.also = read_length};
    size_t length = 0;
    lbi_reql_options tls = {.tls = true, .tls_options = {.ca_file = "ca.pem"}};
    static const char *const hosts[] = {"localhost", "127.0.0.1"};

    start_tls(&s);
    for (int i = 0; i < 2; i++) {
        drive_open_at(&d, hosts[i], s.port, &tls);
        CHECK_EQ(drive_ok(&d, "[1,[24,[1,2]]]").number, 3);
        CHECK_EQ(drive_ok(&d, "[1,[173,[100000]]]").n_values, 100000);
        drive_close(&d);
    }
    /* Three megabytes there and back, in records of 16 KiB. */
    memset(text, 'x', sizeof text - 1);
    memcpy(text, "[1,\"", 4);
    memcpy(text + sizeof text - 3, "\"]", 2);
    drive_open_at(&d, "localhost", s.port, &tls);
    o.also_user = &length;
    (void)drive_submit(&d, text, 20000, &o);
    drive_until(&d, &o.done);
    CHECK_EQ(o.code, 0);
    CHECK_EQ(length, sizeof text - 1 - 6);
    drive_close(&d);
    reql_server_stop(&s, SIGKILL);
}

TEST(refusals, .timeout_s = 60)
{
    struct reql_server s = {0};
    lbi_reql_options plain = {0}, tls = {.tls = true};

    start_tls(&s);
    /* The server stays silent: our own deadline must end it, and say why it may be. */
    check_fails("127.0.0.1", s.port, plain, LB_E_TIMEOUT, "tls=1");
    certs_make("other", "DNS:other.example", 2);
    tls.tls_options.ca_file = "other.pem";
    check_fails("127.0.0.1", s.port, tls, LB_E_TLS, "ca=FILE");
    reql_server_stop(&s, SIGKILL);

    s.args[0] = NULL;
    reql_server_restart(&s);
    tls.tls_options.ca_file = "ca.pem";
    check_fails("127.0.0.1", s.port, tls, LB_E_TLS, "does not speak TLS");
    reql_server_stop(&s, SIGKILL);

    s.args[0] = "--driver-tls-key";
    s.args[1] = "other.key";
    s.args[2] = "--driver-tls-cert";
    s.args[3] = "other.pem";
    reql_server_restart(&s);
    check_fails("localhost", s.port, tls, LB_E_TLS, "not for 'localhost'");
    reql_server_stop(&s, SIGKILL);
}

TEST(client_certificates, .timeout_s = 60)
{
    struct reql_server s = {0};
    struct drive d;
    lbi_reql_options tls = {.tls = true, .tls_options = {.ca_file = "ca.pem"}};

    s.args[4] = "--driver-tls-ca";
    s.args[5] = "ca.pem";
    start_tls(&s);
    certs_make("me", "DNS:me", 2);
    tls.tls_options.cert_file = "me.pem";
    tls.tls_options.key_file = "me.key";
    drive_open_at(&d, "localhost", s.port, &tls);
    CHECK_EQ(drive_ok(&d, "[1,[24,[1,2]]]").number, 3);
    drive_close(&d);
    reql_server_stop(&s, SIGKILL);
}
