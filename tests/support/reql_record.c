/* Records what a real RethinkDB says: its handshakes, and one answer of each shape.
 *
 *     reql_record PORT >tests/vectors/reql/recorded.h
 *
 * against a fresh server on loopback. Nonces of ours are fixed, the server's and its salts are
 * not: each recording is another one, and all must pass the tests. */
#include "base/buf.h"
#include "reql/handshake.h"
#include "reql/wire.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static uint16_t port;

static _Noreturn void give_up(const char *why)
{
    fprintf(stderr, "reql_record: %s\n", why);
    exit(1);
}

static int dial(void)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_usec = 300000};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    in.sin_port = htons(port);
    if (fd < 0 || connect(fd, (struct sockaddr *)&in, sizeof in) < 0)
        give_up("cannot connect");
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

static void write_all(int fd, const char *bytes, size_t n)
{
    if (send(fd, bytes, n, MSG_NOSIGNAL) != (ssize_t)n)
        give_up("cannot write");
}

/* Short lines of a string literal. */
static void print_bytes(const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)bytes[i];

        if (i % 60 == 0)
            printf("%s\n    \"", i ? "\"" : "");
        if (c == '"' || c == '\\')
            printf("\\%c", c);
        else if (c >= 0x20 && c < 0x7f && c != '?')
            putchar(c);
        else
            printf("\\%03o", c);
    }
    printf(n ? "\"" : "\"\"");
}

static void print_constant(const char *name, const char *part, const char *bytes, size_t n)
{
    printf("static const char %s%s[] =", name, part);
    print_bytes(bytes, n);
    printf(";\n");
}

/* ---- Handshakes ----------------------------------------------------------------------------- */

static size_t read_some(int fd, char *buf, size_t size)
{
    ssize_t n = recv(fd, buf, size, 0);

    return n > 0 ? (size_t)n : 0;
}

/* Sends what our handshake says and feeds it what comes, until it ends well or badly. */
static int shake(int fd, const char *user, const char *password, lbi_buf *said, lbi_buf *heard)
{
    uint8_t nonce[LBI_SCRAM_NONCE];
    lbi_reql_salted salted = {.valid = false};
    lbi_reql_handshake hs;
    char chunk[4096];
    size_t n, used, sent = 0;
    int r;

    for (size_t i = 0; i < sizeof nonce; i++)
        nonce[i] = (uint8_t)(i * 3);
    lbi_reql_handshake_init(&hs, user, password, &salted);
    r = lbi_reql_handshake_start(&hs, nonce, said, NULL);
    while (r >= 0 && hs.stage != LBI_REQL_READY) {
        while ((r = lbi_reql_handshake_work(&hs, said, NULL)) > 0)
            continue;
        write_all(fd, lbi_buf_bytes(said) + sent, said->len - sent);
        sent = said->len;
        n = read_some(fd, chunk, sizeof chunk);
        if (n == 0)
            break;
        lbi_buf_add(heard, chunk, n);
        r = lbi_reql_handshake_feed(&hs, chunk, n, &used, NULL);
    }
    r = hs.stage == LBI_REQL_READY ? 0 : -1;
    lbi_reql_handshake_done(&hs);
    return r;
}

static void record_handshake(const char *name, const char *user, const char *password)
{
    lbi_buf said, heard;
    int fd = dial();

    lbi_buf_init(&said, 65536);
    lbi_buf_init(&heard, 65536);
    (void)shake(fd, user, password, &said, &heard);
    print_constant(name, "_said", lbi_buf_bytes(&said), said.len);
    print_constant(name, "_heard", lbi_buf_bytes(&heard), heard.len);
    lbi_buf_done(&said);
    lbi_buf_done(&heard);
    close(fd);
}

/* What the server answers to these bytes instead of a handshake. */
static void record_refusal(const char *name, const char *bytes, size_t n)
{
    char heard[4096];
    size_t len = 0, some;
    int fd = dial();

    write_all(fd, bytes, n);
    while (len < sizeof heard && (some = read_some(fd, heard + len, sizeof heard - len)) > 0)
        len += some;
    print_constant(name, "_heard", heard, len);
    close(fd);
}

/* ---- Answers -------------------------------------------------------------------------------- */

static int queries;

static void ask(int fd, lbi_reql_wire *wire, int64_t token, const char *text, lbi_reql_frame *ret)
{
    char chunk[4096];
    lbi_buf out;
    int r;

    lbi_buf_init(&out, 65536);
    lbi_reql_wire_put(&out, token, text, strlen(text));
    write_all(fd, lbi_buf_bytes(&out), out.len);
    lbi_buf_done(&out);
    while ((r = lbi_reql_wire_next(wire, ret)) == 0) {
        size_t n = read_some(fd, chunk, sizeof chunk);

        if (n == 0)
            give_up("no answer");
        lbi_reql_wire_feed(wire, chunk, n);
    }
    if (r < 0)
        give_up("a broken frame");
}

static void record(int fd, lbi_reql_wire *wire, const char *name, const char *text)
{
    lbi_reql_frame frame;

    ask(fd, wire, ++queries, text, &frame);
    printf("    {\"%s\",", name);
    print_bytes(text, strlen(text));
    printf(",");
    print_bytes(frame.body, frame.len);
    printf(", %zu},\n", frame.len);
}

static void quiet(int fd, lbi_reql_wire *wire, const char *text)
{
    lbi_reql_frame frame;

    ask(fd, wire, ++queries, text, &frame);
}

#define DB ",{\"db\":[14,[\"rec\"]]}]"
#define LIST "[15,[\"t\"]]"

static void record_answers(void)
{
    static const char *const shapes[][2] = {
        {"atom", "[1,[24,[1,2]]]"},
        {"atom_array", "[1,[2,[1,\"two\",null,true,{\"a\":2.5}]]]"},
        {"sequence", "[1,[173,[3]]]"},
        {"empty_sequence", "[1," LIST DB},
        {"insert", "[1,[56,[" LIST ",{\"id\":1,\"score\":5}],{\"return_changes\":\"always\"}]" DB},
        {"conflict", "[1,[56,[" LIST ",{\"id\":1}]]" DB},
        {"update", "[1,[53,[[16,[" LIST ",1]],[69,[[2,[1]],{\"score\":[24,[[170,[[10,[1]],"
                   "\"score\"]],5]]}]]],{\"return_changes\":true}]" DB},
        {"get_missing", "[1,[16,[" LIST ",99]]" DB},
        {"time", "[1,[101,[1700000000.123]]]"},
        {"binary", "[1,{\"$reql_type$\":\"BINARY\",\"data\":\"aGVsbG8=\"}]"},
        {"binary_long", "[1,[155,[[24,[\"0123456789012345678901234567890123456789\","
                        "\"0123456789012345678901234567890123456789\"]]]]]"},
        {"profile", "[1,[24,[1,2]],{\"profile\":true}]"},
        {"large_number", "[1,[24,[9007199254740991,9007199254740991]]]"},
        {"nul_text", "[1,\"a\\u0000b\"]"},
        {"client_error", "[1,\"\\ud800\"]"},
        {"compile_error", "[1,[9999,[]]]"},
        {"query_logic", "[1,[24,[1,\"x\"]]]"},
        {"non_existence", "[1,[45,[[2,[]],0]]]"},
        {"op_failed", "[1,[15,[\"none\"]]" DB},
        {"user_error", "[1,[12,[\"mine\"]]]"},
        {"resource_limit", "[1,[51,[[173,[1000]],\"array\"]],{\"array_limit\":10}]"},
        {"server_info", "[5]"},
        {"noreply_wait", "[4]"},
        {"stop_unknown", "[3]"},
        {"feed_open", "[1,[152,[" LIST "],{\"include_initial\":true,\"include_states\":true}]" DB},
        {"feed_point", "[1,[152,[[16,[" LIST ",77]]],{\"include_initial\":true}]" DB},
    };
    lbi_buf said, heard;
    lbi_reql_wire wire;
    int fd = dial();

    lbi_buf_init(&said, 65536);
    lbi_buf_init(&heard, 65536);
    if (shake(fd, "admin", "", &said, &heard) < 0)
        give_up("no handshake");
    lbi_buf_done(&said);
    lbi_buf_done(&heard);
    lbi_reql_wire_init(&wire, 1 << 20);
    quiet(fd, &wire, "[1,[57,[\"rec\"]]]");
    quiet(fd, &wire, "[1,[60,[\"t\"]]" DB);
    quiet(fd, &wire, "[1,[177,[" LIST "]]" DB);
    printf("\nstatic const struct recorded {\n    const char *name, *query, *body;\n"
           "    size_t len; /* of the body */\n} recorded_answers[] = {\n");
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        record(fd, &wire, shapes[i][0], shapes[i][1]);
    printf("};\n");
    lbi_reql_wire_done(&wire);
    close(fd);
}

static void make_user(void)
{
    lbi_buf said, heard;
    lbi_reql_wire wire;
    int fd = dial();

    lbi_buf_init(&said, 65536);
    lbi_buf_init(&heard, 65536);
    (void)shake(fd, "admin", "", &said, &heard);
    lbi_buf_done(&said);
    lbi_buf_done(&heard);
    lbi_reql_wire_init(&wire, 1 << 20);
    quiet(
        fd, &wire,
        "[1,[56,[[15,[[14,[\"rethinkdb\"]],\"users\"]],{\"id\":\"ann\",\"password\":\"pencil\"}]]]");
    lbi_reql_wire_done(&wire);
    close(fd);
}

int main(int argc, char *argv[])
{
    if (argc != 2)
        give_up("usage: reql_record PORT");
    port = (uint16_t)atoi(argv[1]);
    printf("/* Made by tests/support/reql_record.c from a real RethinkDB 2.4.4: facts, not to be\n"
           " * edited. */\n/* clang-format off */\n\n");
    make_user();
    record_handshake("shake_admin", "admin", "");
    record_handshake("shake_ann", "ann", "pencil");
    record_handshake("shake_wrong", "ann", "crayon");
    record_handshake("shake_nobody", "nobody", "");
    record_handshake("shake_comma", "a,bc", "");
    record_refusal("bad_magic", "\x01\x02\x03\x04", 4);
    record_refusal("old_version", "\x35\xba\x61\xaf", 4);
    record_refusal("old_key", "\x20\x2d\x0c\x40\x03\0\0\0key\xc7\x70\x69\x7e", 15);
    record_refusal("tls_hello", "\x16\x03\x01\x02\x00\x01\x00\x01", 8);
    record_refusal("no_method", "\xc3\xbd\xc2\x34{\"protocol_version\":0}", 27);
    record_refusal("other_version",
                   "\xc3\xbd\xc2\x34{\"protocol_version\":9,"
                   "\"authentication_method\":\"SCRAM-SHA-256\","
                   "\"authentication\":\"n,,n=admin,r=x\"}",
                   109);
    record_answers();
    return 0;
}
