/* Against the recorded bytes of a real server; what a real one does not do is in conn_test.c. */
#include "reql/handshake.h"

#include "../../vectors/reql/recorded.h"
#include "fault.h"
#include "test.h"

#include <string.h>

struct shake {
    const char *user, *password;
    const char *said, *heard;
    size_t said_len, heard_len;
    size_t piece; /* bytes fed at a time */
    int code;
    char message[252];
};

static void nonce_of_recorder(uint8_t nonce[LBI_SCRAM_NONCE])
{
    for (size_t i = 0; i < LBI_SCRAM_NONCE; i++)
        nonce[i] = (uint8_t)(i * 3);
}

/* Plays the server's half and compares ours with what was recorded. */
static void play(struct shake *s)
{
    uint8_t nonce[LBI_SCRAM_NONCE];
    lbi_reql_salted salted = {.valid = false};
    lbi_reql_handshake hs;
    lb_error error = {.msg = ""};
    lbi_buf out;
    int r;

    nonce_of_recorder(nonce);
    lbi_buf_init(&out, 65536);
    lbi_reql_handshake_init(&hs, s->user, s->password, &salted);
    r = lbi_reql_handshake_start(&hs, nonce, &out, &error);
    for (size_t at = 0; r == 0 && at < s->heard_len; at += s->piece) {
        size_t n = s->piece < s->heard_len - at ? s->piece : s->heard_len - at, used;

        r = lbi_reql_handshake_feed(&hs, s->heard + at, n, &used, &error);
        while (r == 0 && (r = lbi_reql_handshake_work(&hs, &out, &error)) > 0)
            r = 0;
    }
    s->code = r;
    memcpy(s->message, error.msg, sizeof s->message);
    if (s->said) {
        CHECK_EQ(out.len, s->said_len);
        CHECK_MEM(lbi_buf_bytes(&out), s->said, s->said_len);
    }
    if (r == 0) {
        CHECK_EQ(hs.stage, LBI_REQL_READY);
        CHECK_STR(hs.server_version, "2.4.4");
    }
    lbi_reql_handshake_done(&hs);
    lbi_buf_done(&out);
}

#define SHAKE(name, user_, password_)                                                              \
    {                                                                                              \
        .user = user_, .password = password_, .said = name##_said,                                 \
        .said_len = sizeof name##_said - 1, .heard = name##_heard,                                 \
        .heard_len = sizeof name##_heard - 1                                                       \
    }

/* The server's challenge must be read before its answer to our proof: piece by piece up to the
 * length at which both would come at once, which no server can do. */
static void check_recorded(struct shake s, int code, const char *says)
{
    for (s.piece = 1; s.piece < 64; s.piece += 7) {
        play(&s);
        CHECK_EQ(s.code, code);
        if (!strstr(s.message, says))
            FAIL("'%s' is not in '%s'", says, s.message);
    }
}

TEST(recorded)
{
    check_recorded((struct shake)SHAKE(shake_admin, "admin", ""), 0, "");
    check_recorded((struct shake)SHAKE(shake_ann, "ann", "pencil"), 0, "");
    check_recorded((struct shake)SHAKE(shake_wrong, "ann", "crayon"), LB_E_AUTH,
                   "wrong user or password for user 'ann'");
    check_recorded((struct shake)SHAKE(shake_nobody, "nobody", ""), LB_E_AUTH, "'nobody'");
    check_recorded((struct shake)SHAKE(shake_comma, "a,bc", ""), LB_E_AUTH, "misread ','");
}

#define REFUSAL(name)                                                                              \
    {                                                                                              \
        .user = "admin", .password = "", .heard = name##_heard,                                    \
        .heard_len = sizeof name##_heard - 1                                                       \
    }

TEST(recorded_refusals)
{
    check_recorded((struct shake)REFUSAL(bad_magic), LB_E_PROTO, "unsupported protocol version");
    check_recorded((struct shake)REFUSAL(old_version), LB_E_PROTO, "unsupported");
    check_recorded((struct shake)REFUSAL(old_key), LB_E_PROTO, "Incorrect authorization key.");
    check_recorded((struct shake)REFUSAL(tls_hello), LB_E_PROTO, "unsupported");
    check_recorded((struct shake)REFUSAL(no_method), LB_E_PROTO, "authentication_method");
    check_recorded((struct shake)REFUSAL(other_version), LB_E_PROTO, "protocol_version");
}

TEST(what_follows_is_left)
{
    uint8_t nonce[LBI_SCRAM_NONCE];
    lbi_reql_salted salted = {.valid = false};
    lbi_reql_handshake hs;
    lbi_buf out;
    size_t used, first = sizeof shake_admin_heard - 1, at;

    nonce_of_recorder(nonce);
    lbi_buf_init(&out, 65536);
    lbi_reql_handshake_init(&hs, "admin", "", &salted);
    CHECK_OK(lbi_reql_handshake_start(&hs, nonce, &out, NULL));
    at = strlen(shake_admin_heard) + 1;
    at += strlen(shake_admin_heard + at) + 1;
    CHECK_OK(lbi_reql_handshake_feed(&hs, shake_admin_heard, at, &used, NULL));
    CHECK_EQ(used, at);
    while (lbi_reql_handshake_work(&hs, &out, NULL) > 0)
        continue;
    CHECK(salted.valid);
    lbi_buf_clear(&out);
    CHECK_OK(lbi_buf_add(&out, shake_admin_heard + at, first - at));
    CHECK_OK(lbi_buf_add_text(&out, "frames"));
    CHECK_OK(lbi_reql_handshake_feed(&hs, lbi_buf_bytes(&out), out.len, &used, NULL));
    CHECK_EQ(used, first - at);
    CHECK_EQ(hs.stage, LBI_REQL_READY);
    lbi_reql_handshake_done(&hs);
    lbi_buf_done(&out);
}

TEST(names_that_need_escaping)
{
    uint8_t nonce[LBI_SCRAM_NONCE] = {0};
    lbi_reql_salted salted = {.valid = false};
    lbi_reql_handshake hs;
    lbi_buf out;

    lbi_buf_init(&out, 65536);
    lbi_reql_handshake_init(&hs, "a\"b\\c\n", "", &salted);
    CHECK_OK(lbi_reql_handshake_start(&hs, nonce, &out, NULL));
    CHECK(memmem(lbi_buf_bytes(&out), out.len, "n,,n=a\\\"b\\\\c\\u000a,r=", 21));
    lbi_reql_handshake_done(&hs);
    lbi_buf_clear(&out);
    lbi_reql_handshake_init(&hs, "\xff", "", &salted);
    CHECK_EQ(lbi_reql_handshake_start(&hs, nonce, &out, NULL), LB_E_INVAL);
    lbi_reql_handshake_done(&hs);
    lbi_buf_done(&out);
}

TEST(a_message_without_end)
{
    uint8_t nonce[LBI_SCRAM_NONCE] = {0};
    lbi_reql_salted salted = {.valid = false};
    lbi_reql_handshake hs;
    lbi_buf out;
    size_t used;
    int r = 0;

    lbi_buf_init(&out, 65536);
    lbi_reql_handshake_init(&hs, "admin", "", &salted);
    CHECK_OK(lbi_reql_handshake_start(&hs, nonce, &out, NULL));
    for (int i = 0; r == 0 && i < 100000; i++)
        r = lbi_reql_handshake_feed(&hs, i ? " " : "{", 1, &used, NULL);
    CHECK_EQ(r, LB_E_PROTO);
    CHECK_EQ(lbi_reql_handshake_feed(&hs, " ", 1, &used, NULL), LB_E_PROTO);
    CHECK_EQ(lbi_reql_handshake_work(&hs, &out, NULL), LB_E_PROTO);
    lbi_reql_handshake_done(&hs);
    lbi_buf_done(&out);
}

TEST(out_of_memory)
{
    struct shake s = SHAKE(shake_admin, "admin", "");

    s.piece = 50;
    s.said = NULL;
    FOR_EACH_ALLOC_FAILURE (i) {
        play(&s);
        CHECK(s.code == 0 || (s.code == LB_E_NOMEM && fault_fired()));
    }
}
