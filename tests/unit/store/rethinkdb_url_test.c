#include "store/rethinkdb_url.h"

#include "test.h"

#include <string.h>

static const char *text(const char *t)
{
    return t ? t : "(none)";
}

TEST(what_is_taken)
{
    static const struct {
        const char *url, *host, *user, *password, *database;
        unsigned n, port;
        bool tls;
    } cases[] = {
        {"rethinkdb://h/d", "h", "(none)", "(none)", "d", 1, 0, false},
        {"rethinkdb://h:1/d", "h", "(none)", "(none)", "d", 1, 1, false},
        {"rethinkdb://h:65535/D_-9", "h", "(none)", "(none)", "D_-9", 1, 65535, false},
        {"rethinkdb://u@h/d", "h", "u", "(none)", "d", 1, 0, false},
        {"rethinkdb://u:@h/d", "h", "u", "", "d", 1, 0, false},
        {"rethinkdb://u:p@h/d", "h", "u", "p", "d", 1, 0, false},
        {"rethinkdb://%75:%40%3a%2F%3f%25@h/d", "h", "u", "@:/?%", "d", 1, 0, false},
        {"rethinkdb://u:%C3%A9@h/d", "h", "u", "\xc3\xa9", "d", 1, 0, false},
        {"rethinkdb://a.b-c_d,e:2,[::1]:3,[fe80::1]/d", "a.b-c_d", "(none)", "(none)", "d", 4, 0,
         false},
        {"rethinkdb://[::1]:28015/d", "::1", "(none)", "(none)", "d", 1, 28015, false},
        {"rethinkdb://h/d?tls=1", "h", "(none)", "(none)", "d", 1, 0, true},
        {"rethinkdb://h/d?tls=0", "h", "(none)", "(none)", "d", 1, 0, false},
        {"rethinkdb://u:p@h/d?tls=1&ca=%2Ftmp%2Fca.pem", "h", "u", "p", "d", 1, 0, true},
        {"rethinkdb://h/d?tls=1&cert=c&key=k", "h", "(none)", "(none)", "d", 1, 0, true},
        {"rethinkdb://h/d?insecure=1&tls=1", "h", "(none)", "(none)", "d", 1, 0, true},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lbi_rdb_url url;
        lb_error error;

        if (lbi_rdb_url_parse(cases[i].url, &url, &error) < 0)
            FAIL("%s: %s", cases[i].url, error.msg);
        CHECK_EQ(url.n_hosts, cases[i].n);
        CHECK_STR(url.hosts[0].name, cases[i].host);
        CHECK_EQ(url.hosts[0].port, cases[i].port);
        CHECK_STR(text(url.user), cases[i].user);
        CHECK_STR(text(url.password), cases[i].password);
        CHECK_STR(url.database, cases[i].database);
        CHECK_EQ(url.tls, cases[i].tls);
        lbi_rdb_url_done(&url);
    }
}

TEST(files_of_tls)
{
    lbi_rdb_url url;

    CHECK_OK(lbi_rdb_url_parse("rethinkdb://h/d?tls=1&ca=%2fa%20b&cert=c&key=k", &url, NULL));
    CHECK_STR(url.tls_options.ca_file, "/a b");
    CHECK_STR(url.tls_options.cert_file, "c");
    CHECK_STR(url.tls_options.key_file, "k");
    CHECK(!url.tls_options.insecure);
    lbi_rdb_url_done(&url);
}

/* Whatever is wrong, nothing of the URL is repeated: "hush" might be the password. */
TEST(what_is_refused)
{
    static const char *const cases[] = {
        "rethinkdb:",
        "rethinkdb:/hush/d",
        "rethinkdb://",
        "rethinkdb://hush",
        "rethinkdb://hush/",
        "rethinkdb:///d",
        "rethinkdb://h/d/hush",
        "rethinkdb://h/d.hush",
        "rethinkdb://h/d%20",
        "rethinkdb://h/rethinkdb",
        "rethinkdb://h/ddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
        "rethinkdb://h:/d",
        "rethinkdb://h:0/d",
        "rethinkdb://h:65536/d",
        "rethinkdb://h:hush/d",
        "rethinkdb://h:1:2/d",
        "rethinkdb://h,/d",
        "rethinkdb://,h/d",
        "rethinkdb://[::1/d",
        "rethinkdb://[hush]/d",
        "rethinkdb://[::1]hush/d",
        "rethinkdb://::1/d",
        "rethinkdb://@h/d",
        "rethinkdb://:hush@h/d",
        "rethinkdb://u:hush:x@h/d",
        "rethinkdb://u:hu@sh@h/d",
        "rethinkdb://u:hu/sh@h/d",
        "rethinkdb://u:hush?@h/d",
        "rethinkdb://u:hush%@h/d",
        "rethinkdb://u:hush%4@h/d",
        "rethinkdb://u:hush%00@h/d",
        "rethinkdb://u:hush%ff@h/d",
        "rethinkdb://u:hu sh@h/d",
        "rethinkdb://u:hu#sh@h/d",
        "rethinkdb://u:hush\xc3\xa9@h/d",
        "rethinkdb://h\x01/d",
        "rethinkdb://h/d?",
        "rethinkdb://h/d?hush",
        "rethinkdb://h/d?hush=1",
        "rethinkdb://h/d?tls",
        "rethinkdb://h/d?tls=",
        "rethinkdb://h/d?tls=yes",
        "rethinkdb://h/d?tls=1&tls=1",
        "rethinkdb://h/d?tls=1&",
        "rethinkdb://h/d?ca=hush",
        "rethinkdb://h/d?insecure=1",
        "rethinkdb://h/d?tls=1&cert=hush",
        "rethinkdb://h/d?tls=1&key=hush",
        "rethinkdb://h/d?tls=1&ca=hush&insecure=1",
        "rethinkdb://a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z,a,b,c,d,e,f,g/d",
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lbi_rdb_url url;
        lb_error error = {.msg = ""};

        if (lbi_rdb_url_parse(cases[i], &url, &error) != LB_E_INVAL)
            FAIL("taken: %s", cases[i]);
        CHECK(error.msg[0] != '\0');
        CHECK(!strstr(error.msg, "hush"));
        CHECK(!url.text);
    }
}
