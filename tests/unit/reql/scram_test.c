#include "reql/scram.h"

#include "fault.h"
#include "test.h"

#include <string.h>

/* The example of RFC 7677. */
static const char rfc_nonce[] = "rOprNGfwEbeRWgbNEkqO";
static const char rfc_challenge[] = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                                    "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
static const char rfc_final[] = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                                "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
static const char rfc_signature[] = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

static void salt_password(const lbi_reql_scram *s, const char *password, uint8_t key[32])
{
    lbi_pbkdf2 *p = NULL;

    CHECK_OK(lbi_pbkdf2_new(password, strlen(password), s->salt, s->salt_len, s->iterations, &p));
    while (lbi_pbkdf2_step(p, 100, key) > 0)
        continue;
    lbi_pbkdf2_free(p);
}

static const char *text_of(lbi_buf *b)
{
    CHECK_OK(lbi_buf_add_char(b, '\0'));
    return lbi_buf_bytes(b);
}

TEST(rfc_7677)
{
    lbi_reql_scram s;
    lbi_buf out;
    uint8_t key[32];

    lbi_reql_scram_init(&s);
    lbi_buf_init(&out, 4096);
    CHECK_OK(lbi_reql_scram_first(&s, "user", rfc_nonce, &out, NULL));
    CHECK_STR(text_of(&out), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    CHECK_OK(lbi_reql_scram_challenge(&s, rfc_challenge, NULL));
    CHECK_EQ(s.iterations, 4096);
    CHECK_EQ(s.salt_len, 16);
    salt_password(&s, "pencil", key);
    lbi_buf_clear(&out);
    CHECK_OK(lbi_reql_scram_final(&s, key, &out, NULL));
    CHECK_STR(text_of(&out), rfc_final);
    CHECK_OK(lbi_reql_scram_verify(&s, rfc_signature, NULL));
    lbi_buf_done(&out);
    lbi_reql_scram_done(&s);
}

/* Drivers were seen that compare the signature's digits only. */
TEST(signature_is_compared_whole)
{
    lbi_reql_scram s;
    lbi_buf out;
    uint8_t key[32];
    char changed[sizeof rfc_signature];

    lbi_reql_scram_init(&s);
    lbi_buf_init(&out, 4096);
    CHECK_OK(lbi_reql_scram_first(&s, "user", rfc_nonce, &out, NULL));
    CHECK_OK(lbi_reql_scram_challenge(&s, rfc_challenge, NULL));
    salt_password(&s, "pencil", key);
    CHECK_OK(lbi_reql_scram_final(&s, key, &out, NULL));
    for (size_t i = 2; i < sizeof rfc_signature - 2; i++) {
        memcpy(changed, rfc_signature, sizeof changed);
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        CHECK_EQ(lbi_reql_scram_verify(&s, changed, NULL), LB_E_AUTH);
    }
    CHECK_EQ(lbi_reql_scram_verify(&s, "", NULL), LB_E_PROTO);
    CHECK_EQ(lbi_reql_scram_verify(&s, "v", NULL), LB_E_PROTO);
    CHECK_EQ(lbi_reql_scram_verify(&s, "v=", NULL), LB_E_PROTO);
    CHECK_EQ(lbi_reql_scram_verify(&s, "v=AAAA", NULL), LB_E_PROTO);
    CHECK_EQ(lbi_reql_scram_verify(&s, "e=other-error", NULL), LB_E_PROTO);
    lbi_buf_done(&out);
    lbi_reql_scram_done(&s);
}

static int challenge(const char *text)
{
    lbi_reql_scram s;
    lbi_buf out;
    lb_error error = {.msg = ""};
    int r;

    lbi_reql_scram_init(&s);
    lbi_buf_init(&out, 4096);
    CHECK_OK(lbi_reql_scram_first(&s, "user", "ours", &out, NULL));
    r = lbi_reql_scram_challenge(&s, text, &error);
    CHECK_EQ(r, error.code);
    lbi_buf_done(&out);
    lbi_reql_scram_done(&s);
    return r;
}

TEST(challenges)
{
    CHECK_EQ(challenge("r=oursx,s=AAAA,i=1"), 0);
    CHECK_EQ(challenge("r=oursx,s=AAAA,i=1000000"), 0);
    CHECK_EQ(challenge("r=oursx,s=AAAA,i=1,x=later"), 0);
    CHECK_EQ(challenge("r=ours,s=AAAA,i=1"), LB_E_AUTH); /* nothing of theirs */
    CHECK_EQ(challenge("r=our,s=AAAA,i=1"), LB_E_AUTH);
    CHECK_EQ(challenge("r=xours,s=AAAA,i=1"), LB_E_AUTH);
    CHECK_EQ(challenge("r=oursx,s=AAAA,i=1000001"), LB_E_AUTH);
    CHECK_EQ(challenge("r=oursx,s=AAAA,i=1000000000"), LB_E_AUTH);
    CHECK_EQ(challenge("r=oursx,s=AAAA,i=99999999999999999999999"), LB_E_PROTO);
    CHECK_EQ(challenge("r=oursx,s=AAAA,i=0"), LB_E_PROTO);
    CHECK_EQ(challenge("r=oursx,s=AAAA,i=-1"), LB_E_PROTO);
    CHECK_EQ(challenge("r=oursx,s=AAAA,i="), LB_E_PROTO);
    CHECK_EQ(challenge("r=oursx,s=AAAA"), LB_E_PROTO);
    CHECK_EQ(challenge("r=oursx,s=,i=1"), LB_E_PROTO);
    CHECK_EQ(challenge("r=oursx,s=!!!!,i=1"), LB_E_PROTO);
    CHECK_EQ(challenge("r=oursx,i=1"), LB_E_PROTO);
    CHECK_EQ(challenge("s=AAAA,i=1,r=oursx"), LB_E_PROTO);
    CHECK_EQ(challenge("m=ext,r=oursx,s=AAAA,i=1"), LB_E_PROTO);
    CHECK_EQ(challenge(""), LB_E_PROTO);
    CHECK_EQ(challenge("r"), LB_E_PROTO);
}

TEST(user_names)
{
    char too_long[LBI_SCRAM_USER_MAX + 2];
    lbi_reql_scram s;
    lbi_buf out;

    lbi_reql_scram_init(&s);
    lbi_buf_init(&out, 4096);
    CHECK_OK(lbi_reql_scram_first(&s, "a,b=c", "ours", &out, NULL));
    CHECK_STR(text_of(&out), "n,,n=a=2Cb=3Dc,r=ours");
    memset(too_long, ',', sizeof too_long - 1);
    too_long[sizeof too_long - 1] = '\0';
    CHECK_EQ(lbi_reql_scram_first(&s, too_long, "ours", &out, NULL), LB_E_INVAL);
    lbi_buf_done(&out);
    lbi_reql_scram_done(&s);
}

TEST(salted_password_fits_its_salt_only)
{
    lbi_reql_scram s;
    lbi_reql_salted salted = {.salt = {1, 2}, .salt_len = 2, .iterations = 5};

    lbi_reql_scram_init(&s);
    s.salt[0] = 1;
    s.salt[1] = 2;
    s.salt_len = 2;
    s.iterations = 5;
    CHECK(!lbi_reql_scram_salted_fits(&s, &salted));
    salted.valid = true;
    CHECK(lbi_reql_scram_salted_fits(&s, &salted));
    s.iterations = 6;
    CHECK(!lbi_reql_scram_salted_fits(&s, &salted));
    s.iterations = 5;
    s.salt[1] = 3;
    CHECK(!lbi_reql_scram_salted_fits(&s, &salted));
    lbi_reql_scram_done(&s);
}

TEST(out_of_memory)
{
    FOR_EACH_ALLOC_FAILURE (i) {
        lbi_reql_scram s;
        lbi_buf out;
        uint8_t key[32] = {0};
        int r;

        lbi_reql_scram_init(&s);
        lbi_buf_init(&out, 4096);
        r = lbi_reql_scram_first(&s, "user", rfc_nonce, &out, NULL);
        if (r == 0)
            r = lbi_reql_scram_challenge(&s, rfc_challenge, NULL);
        if (r == 0)
            r = lbi_reql_scram_final(&s, key, &out, NULL);
        CHECK(r == 0 || (r == LB_E_NOMEM && fault_fired()));
        lbi_buf_done(&out);
        lbi_reql_scram_done(&s);
    }
}
