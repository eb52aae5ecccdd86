/* TLS against another implementation of it: openssl s_server. */
#include "os/tls.h"

#include "certs.h"
#include "test.h"

#include "os/clock.h"
#include "os/tcp.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct server {
    pid_t pid;
    uint16_t port;
    int out; /* what it prints */
};

static void run_server(const char *cert, const char *more, int out)
{
    char pem[64], key[64];
    char *argv[] = {"openssl", "s_server", "-accept", "127.0.0.1:0",           "-cert", pem,
                    "-key",    key,        "-rev",    (char *)(uintptr_t)more, NULL};

    snprintf(pem, sizeof pem, "%s.pem", cert);
    snprintf(key, sizeof key, "%s.key", cert);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(out, 1);
    execvp(argv[0], argv);
    _exit(127);
}

/* It says where it listens: "ACCEPT 127.0.0.1:40123". */
static void server_start(struct server *s, const char *cert, const char *more)
{
    char text[4096] = "", *at;
    size_t len = 0;
    int fds[2];

    CHECK_EQ(pipe(fds), 0);
    s->pid = fork();
    CHECK(s->pid >= 0);
    if (s->pid == 0)
        run_server(cert, more, fds[1]);
    close(fds[1]);
    s->out = fds[0];
    while (!(at = strstr(text, "ACCEPT ")) || !strchr(at, '\n')) {
        ssize_t n = read(s->out, text + len, sizeof text - 1 - len);

        if (n <= 0)
            FAIL("openssl s_server does not start: %s", text);
        len += (size_t)n;
        text[len] = '\0';
    }
    s->port = (uint16_t)atoi(strrchr(text, ':') + 1);
    CHECK(s->port > 0);
}

static void server_stop(struct server *s)
{
    kill(s->pid, SIGKILL);
    waitpid(s->pid, NULL, 0);
    close(s->out);
}

static lbi_stream *dial(uint16_t port, const char *name, const char *ca, bool insecure,
                        lbi_tls_config **ret_config)
{
    lbi_tls_options o = {.ca_file = ca, .insecure = insecure};
    lbi_address address;
    lbi_stream *tcp = NULL, *tls = NULL;
    lb_error error = {.msg = ""};

    if (lbi_tls_config_new(&o, ret_config, &error) < 0)
        FAIL("%s", error.msg);
    CHECK_EQ(lbi_resolve_now("127.0.0.1", port, &address, 1), 1);
    CHECK_OK(lbi_tcp_connect(&address, &tcp, NULL));
    CHECK_OK(lbi_tls_wrap(*ret_config, name, tcp, &tls, NULL));
    return tls;
}

static void wait_for(lbi_stream *s, bool write)
{
    struct pollfd set = {.fd = lbi_stream_fd(s)};
    unsigned wants = lbi_stream_wants(s);

    set.events = (short)((wants & LBI_STREAM_READ ? POLLIN : 0) |
                         (write || (wants & LBI_STREAM_WRITE) ? POLLOUT : 0));
    CHECK(poll(&set, 1, 20000) > 0);
}

static int open_stream(lbi_stream *s, lb_error *error)
{
    int r;

    while ((r = lbi_stream_open(s, error)) == LBI_STREAM_AGAIN)
        wait_for(s, false);
    return r;
}

/* What comes of connecting to a server with this certificate under this name. */
static void check_open(const char *cert, const char *more, const char *name, const char *ca,
                       int code, const char *says)
{
    struct server server;
    lbi_tls_config *config = NULL;
    lb_error error = {.msg = ""};
    lbi_stream *s;

    server_start(&server, cert, more);
    s = dial(server.port, name, ca, false, &config);
    CHECK_EQ(open_stream(s, &error), code);
    if (!strstr(error.msg, says))
        FAIL("'%s' is not in '%s'", says, error.msg);
    lbi_stream_close(s);
    lbi_tls_config_free(config);
    server_stop(&server);
}

TEST(verification, .timeout_s = 60)
{
    certs_make_ca();
    certs_make("named", "DNS:db.example,DNS:*.wild.example", 2);
    certs_make("numbered", "IP:127.0.0.1,IP:::1", 2);
    certs_make("expired", "DNS:db.example", -1);
    check_open("named", NULL, "db.example", "ca.pem", 0, "");
    check_open("named", NULL, "a.wild.example", "ca.pem", 0, "");
    check_open("named", NULL, "a.b.wild.example", "ca.pem", LB_E_TLS, "not for 'a.b.wild.example'");
    check_open("named", NULL, "other.example", "ca.pem", LB_E_TLS, "not for 'other.example'");
    check_open("named", NULL, "127.0.0.1", "ca.pem", LB_E_TLS, "address 127.0.0.1");
    check_open("numbered", NULL, "127.0.0.1", "ca.pem", 0, "");
    check_open("numbered", NULL, "::1", "ca.pem", 0, "");
    check_open("numbered", NULL, "127.0.0.2", "ca.pem", LB_E_TLS, "address 127.0.0.2");
    check_open("expired", NULL, "db.example", "ca.pem", LB_E_TLS, "expired");
    check_open("named", NULL, "db.example", "numbered.pem", LB_E_TLS, "ca=FILE");
    check_open("named", "-tls1_1", "db.example", "ca.pem", LB_E_TLS, "");
}

/* Lines go out, and come back reversed: many of them, faster than they are read. */
static void exchange(lbi_stream *s, size_t lines)
{
    enum { LINE = 1000 };
    size_t to_write = lines * LINE, to_read = lines * LINE, written = 0, seen = 0;
    char line[LINE], chunk[65536];
    static char all[64 * 1024];
    lb_error error = {.msg = ""};

    memset(line, 'a', LINE);
    line[0] = 'z';
    line[LINE - 1] = '\n';
    for (size_t i = 0; i < sizeof all; i++)
        all[i] = line[i % LINE];
    while (seen < to_read) {
        size_t n = 0, from = written % LINE;
        size_t some =
            sizeof all - LINE < to_write - written ? sizeof all - LINE : to_write - written;
        int w = LBI_STREAM_AGAIN, r;

        if (some > 0)
            w = lbi_stream_write(s, all + from, some, &n, &error);
        CHECK_OK(w);
        written += w == 0 ? n : 0;
        r = lbi_stream_read(s, chunk, sizeof chunk, &n, &error);
        CHECK(r == 0 || r == LBI_STREAM_AGAIN);
        for (size_t i = 0; r == 0 && i < n; i++, seen++) {
            char expected = seen % LINE == LINE - 1 ? '\n' : seen % LINE == LINE - 2 ? 'z' : 'a';

            CHECK_EQ(chunk[i], expected);
        }
        if (r == LBI_STREAM_AGAIN && (w == LBI_STREAM_AGAIN || some == 0) && seen < to_read)
            wait_for(s, some > 0);
    }
}

TEST(much_data, .timeout_s = 60)
{
    struct server server;
    lbi_tls_config *config = NULL;
    lb_error error = {.msg = ""};
    lbi_stream *s;

    certs_make_ca();
    certs_make("named", "DNS:db.example", 2);
    server_start(&server, "named", NULL);
    s = dial(server.port, "db.example", "ca.pem", false, &config);
    CHECK_EQ(open_stream(s, &error), 0);
    CHECK_STR(lbi_stream_doing(s), "the TLS handshake");
    exchange(s, 5000);
    kill(server.pid, SIGKILL);
    for (;;) {
        char c;
        size_t n;
        int r = lbi_stream_read(s, &c, 1, &n, &error);

        if (r == LBI_STREAM_END || r < 0)
            break;
        wait_for(s, false);
    }
    lbi_stream_close(s);
    lbi_tls_config_free(config);
    server_stop(&server);
}

TEST(insecure_if_asked_for, .timeout_s = 60)
{
    struct server server;
    lbi_tls_config *config = NULL;
    lbi_stream *s;

    certs_make_ca();
    certs_make("named", "DNS:db.example", 2);
    server_start(&server, "named", NULL);
    s = dial(server.port, "127.0.0.1", NULL, true, &config);
    CHECK_EQ(open_stream(s, NULL), 0);
    lbi_stream_close(s);
    lbi_tls_config_free(config);
    server_stop(&server);
}

TEST(files_that_cannot_be_read)
{
    lbi_tls_config *config = NULL;
    lbi_tls_options o = {.ca_file = "none.pem"};
    lb_error error = {.msg = ""};

    CHECK_EQ(lbi_tls_config_new(&o, &config, &error), LB_E_TLS);
    CHECK(strstr(error.msg, "none.pem"));
    o = (lbi_tls_options){.insecure = true, .cert_file = "none.pem"};
    CHECK_EQ(lbi_tls_config_new(&o, &config, &error), LB_E_TLS);
    lbi_tls_config_free(NULL);
}
