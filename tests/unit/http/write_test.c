/* Who may write from which page, what a write must not be mistaken for, and how it may be asked
 * for. */
#include "http_rig.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

static const char json[] = "content-type: application/json";

static void check_code(const answer *a, const char *what, int status, const char *code)
{
    char word[64];

    (void)snprintf(word, sizeof word, "\"code\":\"%s\"", code);
    if (a->status != status || !a->body || !strstr(a->body, word))
        FAIL("%s: %d %s", what, a->status, a->body ? a->body : "");
}

/* ---- pages of other sites ------------------------------------------------------------------- */

TEST(pages_that_may_write)
{
    static const struct {
        const char *fields;
        bool may;
    } cases[] = {
        {NULL, true}, /* no browser */
        {"host: h.example", true},
        {"host: h.example\nsec-fetch-site: same-origin", true},
        {"host: h.example\nsec-fetch-site: none", true},
        {"host: h.example\nsec-fetch-site: cross-site", false},
        {"host: h.example\nsec-fetch-site: same-site", false},
        {"host: h.example\nsec-fetch-site: something-new", false},
        {"host: h.example\nsec-fetch-site: same-site\norigin: https://a.h.example", false},
        {"host: h.example\nsec-fetch-site: same-site\norigin: https://a.example", true},
        {"host: inner:8080\nsec-fetch-site: same-origin\norigin: https://h.example", true},
        {"host: h.example\nsec-fetch-site: cross-site\norigin: https://h.example", false},
        {"host: h.example\norigin: https://a.example", true}, /* listed */
        {"host: h.example\norigin: http://a.example", false},
        {"host: h.example\norigin: https://h.example", true},
        {"host: h.example\norigin: http://h.example", true},
        {"host: H.Example\norigin: http://h.example", true},
        {"host: h.example:80\norigin: http://h.example", true},
        {"host: h.example\norigin: http://h.example:80", true},
        {"host: h.example:443\norigin: https://h.example", true},
        {"host: h.example:443\norigin: http://h.example", false},
        {"host: h.example:8080\norigin: http://h.example:8080", true},
        {"host: h.example:8080\norigin: http://h.example", false},
        {"host: h.example\norigin: http://h.example:8080", false},
        {"host: [::1]:5000\norigin: http://[::1]:5000", true},
        {"host: h.example\norigin: http://h.example.evil", false},
        {"host: h.example\norigin: http://evil.h.example", false},
        {"host: h.example\norigin: http://evil, http://h.example", false},
        {"host: h.example\norigin: null", false},
        {"host: null\norigin: null", false},
        {"host: h.example\norigin: ", false},
        {"host: \norigin: http://", false},
        {"origin: http://h.example", false},
    };
    lb_http_options o;
    answer a = {.count = 0};
    http_rig rig;

    lb_http_options_init(&o);
    o.cors_origins = "https://a.example";
    http_open_sqlite(&rig, &o);
    CHECK_EQ(http_ask(&rig, &a, "PUT /boards/b/", NULL, NULL), 201);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *what = cases[i].fields ? cases[i].fields : "";
        int status = http_ask(&rig, &a, "PUT /boards/b/", cases[i].fields, NULL);

        if (cases[i].may && status != 200)
            FAIL("%s: %d", what, status);
        if (!cases[i].may)
            check_code(&a, what, 403, "foreign_origin");
        CHECK_EQ(http_ask(&rig, &a, "GET /boards/b/", cases[i].fields, NULL), 200);
    }
    /* The host of a whole URL counts, not the field's. */
    CHECK_EQ(http_ask(&rig, &a, "PUT http://h.example/boards/b/",
                      "host: x\norigin: http://h.example", NULL),
             200);
    (void)http_ask(&rig, &a, "PUT http://x/boards/b/", "host: h.example\norigin: http://h.example",
                   NULL);
    check_code(&a, "another host", 403, "foreign_origin");
    answer_clear(&a);
    http_close(&rig);
}

TEST(any_page_may_write_if_all_are_listed)
{
    lb_http_options o;
    answer a = {.count = 0};
    http_rig rig;

    lb_http_options_init(&o);
    o.cors_origins = "*";
    http_open_sqlite(&rig, &o);
    CHECK_EQ(http_ask(&rig, &a, "PUT /boards/b/", "host: h\norigin: null", NULL), 201);
    CHECK_EQ(http_ask(&rig, &a, "PUT /boards/b/", "host: h\nsec-fetch-site: cross-site", NULL),
             200);
    answer_clear(&a);
    http_close(&rig);
}

/* ---- parameters in the wrong place ---------------------------------------------------------- */

TEST(the_query_of_a_write)
{
    static const struct {
        const char *line;
        int status;
    } cases[] = {
        {"POST /boards/b/players/p/score-add/?amount=7", 400},
        {"POST /boards/b/players/p/score-add/?amount=x", 400},
        {"POST /boards/b/players/p/score-add/?x=1&%61mount=7", 400},
        {"POST /boards/b/players/p/score-add/?name=x", 400},
        {"POST /boards/b/players/p/score-add/?amount", 400},
        {"PUT /boards/b/players/p/?name=x", 400},
        {"PUT /boards/b/?ascending=true", 400},
        {"POST /boards/?id=c", 400},
        {"POST /boards/b/players/?id=c", 400},
        {"DELETE /boards/b/?id=c", 400},
        {"DELETE /boards/b/players/p/?amount=1", 400},
        {"POST /boards/b/players/p/score-add/?x=%zz", 400},
        {"POST /boards/b/players/p/score-add/?Amount=7&limit=0&utm=1", 200},
        {"PUT /boards/b/?nocache=7", 200},
        {"GET /boards/b/?amount=7&id=x", 200},
    };
    answer a = {.count = 0};
    http_rig rig;

    http_open_sqlite(&rig, NULL);
    CHECK_EQ(http_ask(&rig, &a, "PUT /boards/b/", NULL, NULL), 201);
    CHECK_EQ(http_ask(&rig, &a, "PUT /boards/b/players/p/", NULL, NULL), 200);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int status = http_ask(&rig, &a, cases[i].line, NULL, NULL);

        if (status != cases[i].status)
            FAIL("%s: %d %s", cases[i].line, status, a.body ? a.body : "");
    }
    CHECK_EQ(http_ask(&rig, &a, cases[0].line, json, "{\"amount\":7}"), 400);
    CHECK(strstr(a.body, "into the body"));
    CHECK_EQ(http_ask(&rig, &a, "GET /boards/b/players/p/", NULL, NULL), 200);
    CHECK_STR(a.body, "{\"id\":\"p\",\"name\":\"p\",\"score\":1}\n");
    answer_clear(&a);
    http_close(&rig);
}

/* ---- creating what is there ----------------------------------------------------------------- */

TEST(creating_a_player_that_is_there)
{
    static const struct {
        const char *body;
        int status;
        const char *text;
    } cases[] = {
        {"{\"id\":\"p\",\"name\":\"Ann\"}", 201, "\"name\":\"Ann\",\"score\":0}"},
        {"{\"id\":\"p\",\"name\":\"Ann\"}", 200, "\"name\":\"Ann\",\"score\":0}"},
        {"{\"id\":\"p\"}", 200, "\"name\":\"Ann\",\"score\":0}"},
        {"{\"id\":\"p\",\"name\":\"Bob\"}", 409, "\"code\":\"conflict\""},
        {"{\"id\":\"p\",\"name\":\"\"}", 400, "\"code\":\"invalid\""},
        {"{\"id\":\"q\"}", 201, "\"name\":\"q\",\"score\":0}"},
        {"{\"id\":\"q\",\"name\":\"q\"}", 200, "\"name\":\"q\",\"score\":0}"},
    };
    answer a = {.count = 0};
    http_rig rig;

    http_open_sqlite(&rig, NULL);
    CHECK_EQ(http_ask(&rig, &a, "PUT /boards/b/", NULL, NULL), 201);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int status = http_ask(&rig, &a, "POST /boards/b/players/", json, cases[i].body);

        if (status != cases[i].status || !strstr(a.body, cases[i].text))
            FAIL("%s: %d %s", cases[i].body, status, a.body);
        CHECK_EQ(status < 300,
                 strncmp(answer_field(&a, "Location"), "/boards/b/players/", 18) == 0);
    }
    CHECK_EQ(http_ask(&rig, &a, "GET /boards/b/players/p/", NULL, NULL), 200);
    CHECK(strstr(a.body, "\"name\":\"Ann\""));
    answer_clear(&a);
    http_close(&rig);
}

/* ---- forms of a request --------------------------------------------------------------------- */

TEST(whole_urls_and_the_server)
{
    static const struct {
        const char *line;
        int status;
    } cases[] = {
        {"GET http://h.example/boards/b/", 200},
        {"GET http://h.example:8080/boards/b/?limit=1", 200},
        {"GET HTTPS://h.example/boards/b", 200},
        {"HEAD http://h.example/boards/b/", 200},
        {"GET http://h.example/boards/b/?limit=0", 400},
        {"GET http://h.example/", 404},
        {"GET http://h.example", 404},
        {"GET http://h.example?limit=1", 404},
        {"GET http:///boards/b/", 400},
        {"GET ftp://h.example/boards/b/", 400},
        {"GET http:/boards/b/", 400},
        {"GET *", 400},
        {"OPTIONS http://h.example/boards/b/", 204},
        {"OPTIONS *", 204},
    };
    answer a = {.count = 0};
    http_rig rig;

    http_open_sqlite(&rig, NULL);
    CHECK_EQ(http_ask(&rig, &a, "PUT /boards/b/", NULL, NULL), 201);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int status = http_ask(&rig, &a, cases[i].line, NULL, NULL);

        if (status != cases[i].status)
            FAIL("%s: %d %s", cases[i].line, status, a.body ? a.body : "");
    }
    CHECK_STR(answer_field(&a, "Allow"), "GET, HEAD, POST, PUT, DELETE, OPTIONS");
    answer_clear(&a);
    http_close(&rig);
}

TEST(encodings)
{
    static const struct {
        const char *encoding;
        int status;
    } cases[] = {
        {"identity", 200}, {"IDENTITY", 200},   {" Identity \t", 200},   {"gzip", 415},
        {"", 415},         {"identity x", 415}, {"identity, gzip", 415}, {"identityx", 415},
    };
    answer a = {.count = 0};
    char fields[120];
    http_rig rig;

    http_open_sqlite(&rig, NULL);
    CHECK_EQ(http_ask(&rig, &a, "PUT /boards/b/", NULL, NULL), 201);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        (void)snprintf(fields, sizeof fields, "%s\ncontent-encoding: %s", json, cases[i].encoding);
        if (http_ask(&rig, &a, "PUT /boards/b/", fields, "{}") != cases[i].status)
            FAIL("'%s': %d", cases[i].encoding, a.status);
    }
    answer_clear(&a);
    http_close(&rig);
}
