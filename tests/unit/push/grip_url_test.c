#include "push/grip_url.h"

#include "fault.h"
#include "test.h"

#include "push/grip_token.h"

#include <stdio.h>
#include <string.h>

#define PEM                                                                                        \
    "-----BEGIN%20PUBLIC%20KEY-----%0A"                                                            \
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE0flt6wyg2lY6vIIeCZ/So1z00EVa%0A"                          \
    "DPsQrKhdnhUsOlmlEcHBsOmTH3vXU7zl+fZggZbuKHbDAk37Os6ghK9MQg%3D%3D%0A"                          \
    "-----END%20PUBLIC%20KEY-----"

/* Everything that matters of one proxy, in one line. */
static const char *show(const lbi_grip_proxy *p)
{
    static const char *const kinds[] = {"-", "secret", "p256"};
    static char text[4096];

    snprintf(text, sizeof text, "%s user=%s:%s iss=%s key=%.*s bearer=%s verify=%s/%s%s",
             p->publish_url, p->user ? p->user : "-", p->password ? p->password : "-",
             p->iss ? p->iss : "-", (int)p->key.size, (const char *)p->key.bytes,
             p->bearer ? p->bearer : "-", p->verify_iss ? p->verify_iss : "-",
             kinds[p->verify_key.kind], p->fastly ? " fastly" : "");
    return text;
}

static void check_one(const char *url, const char *want)
{
    lbi_grip_config config;
    lb_error error = {.msg = ""};

    if (lbi_grip_url_parse(url, &config, &error) < 0)
        FAIL("%s: %s", url, error.msg);
    CHECK_EQ(config.n, 1);
    CHECK_STR(show(&config.proxies[0]), want);
    lbi_grip_config_done(&config);
}

TEST(what_is_taken)
{
    static const struct {
        const char *url, *want;
    } cases[] = {
        {"http://localhost:5561",
         "http://localhost:5561/publish/ user=-:- iss=- key= bearer=- verify=-/-"},
        {"http://localhost:5561/",
         "http://localhost:5561/publish/ user=-:- iss=- key= bearer=- verify=-/-"},
        {"http://localhost:5561?key=changeme",
         "http://localhost:5561/publish/ user=-:- iss=- key= bearer=changeme verify=-/secret"},
        {"http://localhost:5561?iss=pushpin&key=changeme",
         "http://localhost:5561/publish/ user=-:- iss=pushpin key=changeme bearer=- "
         "verify=-/secret"},
        {"https://api.fanout.io/realm/R?iss=R&key=base64:Y2hhbmdlbWU=",
         "https://api.fanout.io/realm/R/publish/ user=-:- iss=R key=changeme bearer=- "
         "verify=-/secret"},
        {"https://api.fanout.io/realm/R?iss=R&key=base64:Y2hhbmdlbWU%3D",
         "https://api.fanout.io/realm/R/publish/ user=-:- iss=R key=changeme bearer=- "
         "verify=-/secret"},
        {"https://api.fastly.com/service/S?key=TOK&verify-iss=fastly:S",
         "https://api.fastly.com/service/S/publish/ user=-:- iss=- key= bearer=TOK "
         "verify=fastly:S/p256 fastly"},
        {"https://api.fastly.com/service/S?key=TOK",
         "https://api.fastly.com/service/S/publish/ user=-:- iss=- key= bearer=TOK "
         "verify=-/- fastly"},
        {"https://api.fastly.com/service/S?key=TOK&verify-iss=fastly:S&verify-key=fastly",
         "https://api.fastly.com/service/S/publish/ user=-:- iss=- key= bearer=TOK "
         "verify=fastly:S/p256 fastly"},
        {"http://h/?verify-key=other&key=k",
         "http://h/publish/ user=-:- iss=- key= bearer=k verify=-/secret"},
        {"http://h/?verify-key=" PEM "&verify-iss=i",
         "http://h/publish/ user=-:- iss=- key= bearer=- verify=i/p256"},
        /* The path comes before the query, whatever is left of it. */
        {"http://u:p@h:1/x//?a=1&key=k",
         "http://h:1/x/publish/?a=1 user=-:- iss=- key= bearer=k verify=-/secret"},
        {"http://u:p@h:1/x//?a=1",
         "http://h:1/x/publish/?a=1 user=u:p iss=- key= bearer=- verify=-/-"},
        {"http://h?a=1&key=k&b=2&c",
         "http://h/publish/?a=1&b=2&c user=-:- iss=- key= bearer=k verify=-/secret"},
        {"http://h?key=longest-of-all-keys&abcdefghijklmnopqrstuvwxyz=1&iss=i",
         "http://h/publish/?abcdefghijklmnopqrstuvwxyz=1 user=-:- iss=i key=longest-of-all-keys "
         "bearer=- verify=-/secret"},
        {"http://u%40x:p%3A%2F@h", "http://h/publish/ user=u@x:p:/ iss=- key= bearer=- verify=-/-"},
        {"http://u@h", "http://h/publish/ user=u:- iss=- key= bearer=- verify=-/-"},
        {"http://[::1]:5561/",
         "http://[::1]:5561/publish/ user=-:- iss=- key= bearer=- verify=-/-"},
        /* A plus is a plus. */
        {"http://h?key=a+b%2Bc",
         "http://h/publish/ user=-:- iss=- key= bearer=a+b+c verify=-/secret"},
        {"http://h?iss=i&key=base64:YSti",
         "http://h/publish/ user=-:- iss=i key=a+b bearer=- verify=-/secret"},
        /* The first one counts, empty ones do not. */
        {"http://h?key=&key=a&key=b",
         "http://h/publish/ user=-:- iss=- key= bearer=a verify=-/secret"},
        {"http://h?iss=&key=", "http://h/publish/ user=-:- iss=- key= bearer=- verify=-/-"},
        {"http://h?&&a=%zz&", "http://h/publish/?a=%zz user=-:- iss=- key= bearer=- verify=-/-"},
        {" http://h \n", "http://h/publish/ user=-:- iss=- key= bearer=- verify=-/-"},
        {"HTTP://API.Fastly.com:443/Service/S?key=TOK",
         "http://api.fastly.com:443/Service/S/publish/ user=-:- iss=- key= bearer=TOK "
         "verify=-/- fastly"},
        {"HttpS://API.Fastly.com:443/Service/S?key=TOK",
         "https://api.fastly.com/Service/S/publish/ user=-:- iss=- key= bearer=TOK "
         "verify=-/- fastly"},
        {"https://api.fastly.com.example/?key=k",
         "https://api.fastly.com.example/publish/ user=-:- iss=- key= bearer=k verify=-/secret"},
        {"http://[2001:DB8::1]:80/",
         "http://[2001:db8::1]/publish/ user=-:- iss=- key= bearer=- verify=-/-"},
        {"http://h/a,b", "http://h/a,b/publish/ user=-:- iss=- key= bearer=- verify=-/-"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_one(cases[i].url, cases[i].want);
}

TEST(several)
{
    static const char *const texts[] = {"http://a?key=1 http://b/x https://c",
                                        "http://a?key=1,http://b/x,https://c",
                                        "  http://a?key=1 ,\n\thttp://b/x\r\n\r\nhttps://c,",
                                        ",http://a?key=1, http://b/x ,https://c"};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        lbi_grip_config config;

        CHECK_OK(lbi_grip_url_parse(texts[i], &config, NULL));
        CHECK_EQ(config.n, 3);
        CHECK_STR(config.proxies[0].name, "http://a");
        CHECK_STR(config.proxies[0].recover_url, "http://a/recover/");
        CHECK_STR(config.proxies[1].name, "http://b/x");
        CHECK_STR(config.proxies[2].publish_url, "https://c/publish/");
        lbi_grip_config_done(&config);
    }
}

TEST(what_is_refused)
{
    static const char *const bad[] = {
        "",
        " ,\n",
        "localhost:5561",
        "ftp://h/SECRET",
        "HTTPX://h/SECRET",
        "http://",
        "http:///x",
        "http://:80/",
        "http://h:0/",
        "http://h:65536/",
        "http://h:80x/",
        "http://h_\x80/",
        "http://h\x01SECRET/",
        "http://h/\x7fSECRET",
        "http://[::1/",
        "http://[]/",
        "http://[SECRET]/",
        "http://u:SECRET@/",
        "http://:SECRET@h/",
        "http://u%3Ax:SECRET@h/",
        "http://u:SECRET%@h/",
        "http://u:SECRET%0A@h/",
        "http://h/#SECRET",
        "http://h?key=SECRET%",
        "http://h?key=SECRET%0",
        "http://h?key=SECRET%00",
        "http://h?key=SECRET%FF",
        "http://h?key=SECRET%0Ainjected",
        "http://h?iss=i",
        "http://h?iss=i&key=base64:SECRET!",
        "http://h?verify-key=base64:SECRET!",
        "http://h?verify-key=fastly",
        /* Fastly's key in other words */
        "http://h?verify-key={\"kty\":\"EC\",\"crv\":\"P-256\","
        "\"x\":\"CKo5A1ebyFcnmVV8SE5On-8G81JyBjSvcrx4VLetWCg\",\"y\":\"7gwJqaU6N8TP88--twjkwoB36f-pT3QsmI46nPhjO7M\"}",
        "http://h?verify-key=MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAECKo5A1ebyFcnmVV8SE5On-8G81JyBjSvcrx4VLetWCjuDAmppTo3xM_zz763COTCgHfp_6lPdCyYjjqc-GM7sw",
        "http://h?iss=i&key=-----BEGIN%20PUBLIC%20KEY-----SECRET",
        "http://h?key=" PEM,
        "http://h?verify-key={SECRET",
        "http://h?verify-key=-----BEGIN%20PRIVATE%20KEY-----SECRET",
        "http://h http://SECRET\x01",
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        lbi_grip_config config;
        lb_error error = {.msg = ""};

        if (lbi_grip_url_parse(bad[i], &config, &error) != LB_E_INVAL)
            FAIL("taken: %s", bad[i]);
        CHECK(error.msg[0] != '\0');
        if (strstr(error.msg, "SECRET"))
            FAIL("%s: tells the secret: %s", bad[i], error.msg);
    }
}

static void check_error(const char *text, const char *want)
{
    lbi_grip_config config;
    lb_error error = {.msg = ""};

    CHECK_EQ(lbi_grip_url_parse(text, &config, &error), LB_E_INVAL);
    if (!strstr(error.msg, want))
        FAIL("%s: %s", text, error.msg);
}

TEST(which_url_is_wrong)
{
    check_error("http://a http://b:0 http://c", "URL 2 of several");
    check_error("ftp://a http://b", "URL 1 of several");
    check_error("http://a?verify-key=-----BEGIN PUBLIC KEY-----", "white space separates URLs");
    check_error("http://a?verify-key={\"kty\": \"EC\"}", "white space separates URLs");
    check_error("http://a?key=my key", "white space separates URLs");
}

TEST(a_name_of_its_own)
{
    lbi_grip_config config;

    CHECK_OK(
        lbi_grip_url_parse("http://h/?a=1 HTTP://H:80?a=2 http://h/x http://h", &config, NULL));
    CHECK_STR(config.proxies[0].name, "http://h");
    CHECK_STR(config.proxies[1].name, "http://h#2");
    CHECK_STR(config.proxies[2].name, "http://h/x");
    CHECK_STR(config.proxies[3].name, "http://h#3");
    CHECK_STR(config.proxies[1].publish_url, "http://h/publish/?a=2");
    lbi_grip_config_done(&config);
}

TEST(a_verify_key_from_elsewhere)
{
    lbi_grip_config config;
    lb_error error = {.msg = ""};

    CHECK_OK(lbi_grip_url_parse("http://a?key=k http://b?verify-key=own http://c "
                                "https://api.fastly.com/service/S?key=T&verify-iss=fastly:S",
                                &config, NULL));
    CHECK_OK(lbi_grip_verify_with(&config, "from elsewhere", NULL));
    CHECK_EQ(config.proxies[0].verify_key.size, 14);
    CHECK_EQ(config.proxies[1].verify_key.size, 3);
    CHECK_EQ(config.proxies[2].verify_key.size, 14);
    CHECK_EQ(config.proxies[3].verify_key.size, 14);
    CHECK_EQ(lbi_grip_verify_with(&config, "base64:SECRET!", &error), LB_E_INVAL);
    CHECK_EQ(lbi_grip_verify_with(&config, "fastly", &error), LB_E_INVAL);
    CHECK(strstr(error.msg, "verify-iss") != NULL);
    lbi_grip_config_done(&config);
}

TEST(limits)
{
    static char text[LBI_GRIP_URL_MAX + 2];
    lbi_grip_config config;

    memset(text, 'x', sizeof text - 1);
    memcpy(text, "http://h/", 9);
    CHECK_EQ(lbi_grip_url_parse(text, &config, NULL), LB_E_INVAL);
    text[LBI_GRIP_URL_MAX] = '\0';
    CHECK_OK(lbi_grip_url_parse(text, &config, NULL));
    lbi_grip_config_done(&config);
    text[0] = '\0';
    for (int i = 0; i < LBI_GRIP_PROXIES; i++)
        strcat(text, "http://h ");
    CHECK_OK(lbi_grip_url_parse(text, &config, NULL));
    CHECK_EQ(config.n, LBI_GRIP_PROXIES);
    lbi_grip_config_done(&config);
    strcat(text, "http://h");
    CHECK_EQ(lbi_grip_url_parse(text, &config, NULL), LB_E_INVAL);
}

TEST(out_of_memory)
{
    FOR_EACH_ALLOC_FAILURE (i) {
        lbi_grip_config config;
        int r = lbi_grip_url_parse("http://u:p@h/x?a=1 https://api.fastly.com/service/S?key=T&"
                                   "verify-iss=fastly:S http://h?iss=i&key=k&verify-key=" PEM,
                                   &config, NULL);

        CHECK(r == 0 || (r == LB_E_NOMEM && fault_fired()));
        if (r == 0)
            lbi_grip_config_done(&config);
    }
}

/* What django-grip and serve-grip decide; but a signature that is there and right always counts. */
TEST(who_has_sent_a_request)
{
    const int64_t now = 1700000000;
    lbi_grip_config both, one, none;
    lbi_buf token, other;

    CHECK_OK(lbi_grip_url_parse("http://a?iss=i&key=k http://b?verify-key=v", &both, NULL));
    CHECK_OK(lbi_grip_url_parse("http://a http://b?verify-key=k", &one, NULL));
    CHECK_OK(lbi_grip_url_parse("http://a", &none, NULL));
    lbi_buf_init(&token, 1000);
    lbi_buf_init(&other, 1000);
    CHECK_OK(lbi_grip_token_make(&token, &both.proxies[0].key, "i", now));
    CHECK_OK(lbi_buf_add_char(&token, '\0'));
    CHECK_OK(lbi_grip_token_make(&other, &both.proxies[1].verify_key, "i", now));
    CHECK_OK(lbi_buf_add_char(&other, '\0'));

    CHECK_EQ(lbi_grip_check(&both, NULL, now), LBI_GRIP_DIRECT);
    CHECK_EQ(lbi_grip_check(&both, lbi_buf_bytes(&token), now), LBI_GRIP_SIGNED);
    CHECK_EQ(lbi_grip_check(&both, lbi_buf_bytes(&other), now), LBI_GRIP_SIGNED);
    CHECK_EQ(lbi_grip_check(&both, lbi_buf_bytes(&token), now + 3600), LBI_GRIP_DIRECT);
    CHECK_EQ(lbi_grip_check(&both, "", now), LBI_GRIP_DIRECT);
    CHECK_EQ(lbi_grip_check(&one, lbi_buf_bytes(&token), now), LBI_GRIP_SIGNED);
    CHECK_EQ(lbi_grip_check(&one, lbi_buf_bytes(&other), now), LBI_GRIP_UNCHECKED);
    CHECK_EQ(lbi_grip_check(&one, NULL, now), LBI_GRIP_DIRECT);
    CHECK_EQ(lbi_grip_check(&none, lbi_buf_bytes(&token), now), LBI_GRIP_UNCHECKED);

    lbi_buf_done(&token);
    lbi_buf_done(&other);
    lbi_grip_config_done(&both);
    lbi_grip_config_done(&one);
    lbi_grip_config_done(&none);
}
