/* Requests and their answers, on an SQLite file. */
#include "http_rig.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char json[] = "content-type: application/json";

static void open_rig(http_rig *rig)
{
    http_open_sqlite(rig, NULL);
}

/* Asks, and checks the status; what came stays in a. */
static void expect(http_rig *rig, answer *a, const char *line, const char *body, int status)
{
    int got = http_ask(rig, a, line, body ? json : NULL, body);

    if (got != status)
        FAIL("%s: %d %s", line, got, a->body ? a->body : "");
}

static void expect_body(http_rig *rig, const char *line, const char *body, int status,
                        const char *want)
{
    answer a = {.count = 0};

    expect(rig, &a, line, body, status);
    CHECK_STR(a.body, want);
    answer_clear(&a);
}

/* Board b with ann 3, bob 3 (later), cy 1. */
static void fill(http_rig *rig)
{
    answer a = {.count = 0};

    expect(rig, &a, "PUT /boards/b/", NULL, 201);
    expect(rig, &a, "PUT /boards/b/players/ann/", "{\"name\":\"Ann & \\\"Co\\\"\"}", 200);
    expect(rig, &a, "PUT /boards/b/players/bob/", NULL, 200);
    expect(rig, &a, "PUT /boards/b/players/cy/", NULL, 200);
    expect(rig, &a, "POST /boards/b/players/ann/score-add/", "{\"amount\":3}", 200);
    expect(rig, &a, "POST /boards/b/players/bob/score-add/", "{\"amount\":3}", 200);
    expect(rig, &a, "POST /boards/b/players/cy/score-add/", NULL, 200);
    answer_clear(&a);
}

/* ---- boards and players --------------------------------------------------------------------- */

static const char top[] =
    "{\"players\":["
    "{\"id\":\"ann\",\"name\":\"Ann & \\\"Co\\\"\",\"score\":3,\"position\":1,\"rank\":1},"
    "{\"id\":\"bob\",\"name\":\"bob\",\"score\":3,\"position\":2,\"rank\":1},"
    "{\"id\":\"cy\",\"name\":\"cy\",\"score\":1,\"position\":3,\"rank\":3}]}\n";

TEST(board)
{
    answer a = {.count = 0};
    http_rig rig;

    open_rig(&rig);
    expect(&rig, &a, "GET /boards/b/", NULL, 404);
    fill(&rig);
    expect(&rig, &a, "GET /boards/b/", NULL, 200);
    CHECK_STR(a.body, top);
    CHECK_STR(answer_field(&a, "Content-Type"), "application/json");
    CHECK_STR(answer_field(&a, "Cache-Control"), "no-cache");
    CHECK_STR(answer_field(&a, "Vary"), "Accept");
    CHECK_EQ(strlen(answer_field(&a, "ETag")), LB_STATE_SIZE - 1 + 2);
    CHECK_STR(answer_field(&a, "Link"), "");
    CHECK_STR(answer_field(&a, "Access-Control-Allow-Origin"), "");
    expect_body(&rig, "GET /boards/b", NULL, 200, top);
    expect_body(&rig, "GET /boards/b/players/?limit=1000", NULL, 200, top);
    expect_body(&rig, "GET /boards/%62/?unknown=1&unknown=2", NULL, 200, top);
    answer_clear(&a);
    http_close(&rig);
}

TEST(player)
{
    http_rig rig;

    open_rig(&rig);
    fill(&rig);
    expect_body(&rig, "GET /boards/b/players/bob/", NULL, 200,
                "{\"id\":\"bob\",\"name\":\"bob\",\"score\":3}\n");
    expect_body(&rig, "GET /boards/b/players/bob/?rank=1", NULL, 200,
                "{\"id\":\"bob\",\"name\":\"bob\",\"score\":3,\"position\":2,\"rank\":1}\n");
    expect_body(&rig, "POST /boards/b/players/bob/score-add/", "{\"amount\":-4}", 200,
                "{\"id\":\"bob\",\"name\":\"bob\",\"score\":-1}\n");
    expect_body(&rig, "POST /boards/b/players/bob/score-add", "{}", 200,
                "{\"id\":\"bob\",\"name\":\"bob\",\"score\":0}\n");
    expect_body(&rig, "PUT /boards/b/players/bob/", "{\"name\":\"Bobby\"}", 200,
                "{\"id\":\"bob\",\"name\":\"Bobby\",\"score\":0}\n");
    expect_body(&rig, "PUT /boards/b/players/bob/", NULL, 200,
                "{\"id\":\"bob\",\"name\":\"Bobby\",\"score\":0}\n");
    http_close(&rig);
}

TEST(forms)
{
    static const char form[] = "content-type: application/x-www-form-urlencoded; charset=UTF-8";
    answer a = {.count = 0};
    http_rig rig;

    open_rig(&rig);
    fill(&rig);
    CHECK_EQ(http_ask(&rig, &a, "POST /boards/b/players/cy/score-add/", form, "amount=41"), 200);
    CHECK_STR(a.body, "{\"id\":\"cy\",\"name\":\"cy\",\"score\":42}\n");
    CHECK_EQ(http_ask(&rig, &a, "PUT /boards/b/players/cy/", form, "name=C%20%2B+y"), 200);
    CHECK_STR(a.body, "{\"id\":\"cy\",\"name\":\"C + y\",\"score\":42}\n");
    answer_clear(&a);
    http_close(&rig);
}

TEST(creating)
{
    answer a = {.count = 0};
    char path[128], line[160];
    http_rig rig;

    open_rig(&rig);
    expect(&rig, &a, "PUT /boards/new/", NULL, 201);
    CHECK_STR(answer_field(&a, "Location"), "/boards/new/");
    CHECK(strncmp(a.body, "{\"id\":\"new\",\"ascending\":false,\"created_us\":", 42) == 0);
    expect(&rig, &a, "PUT /boards/new/", NULL, 200);
    expect(&rig, &a, "PUT /boards/new/", "{\"ascending\":true}", 409);
    expect(&rig, &a, "POST /boards/", "{\"id\":\"golf\",\"ascending\":true}", 201);
    CHECK_STR(answer_field(&a, "Location"), "/boards/golf/");
    CHECK(strstr(a.body, "\"ascending\":true"));
    expect(&rig, &a, "POST /boards/", NULL, 201);
    (void)snprintf(path, sizeof path, "%s", answer_field(&a, "Location"));
    CHECK_EQ(strlen(path), strlen("/boards//") + 36);
    (void)snprintf(line, sizeof line, "POST %splayers/", path);
    expect(&rig, &a, line, "{\"name\":\"N\"}", 201);
    (void)snprintf(line, sizeof line, "GET %s", answer_field(&a, "Location"));
    CHECK(strncmp(line + 4, path, strlen(path)) == 0);
    expect(&rig, &a, line, NULL, 200);
    CHECK(strstr(a.body, "\"name\":\"N\",\"score\":0}"));
    expect(&rig, &a, "POST /boards/golf/players/", "{\"id\":\"p\"}", 201);
    CHECK_STR(answer_field(&a, "Location"), "/boards/golf/players/p/");
    expect(&rig, &a, "POST /boards/golf/players/", "{\"id\":\"p\"}", 200);
    expect(&rig, &a, "POST /boards/nosuch/players/", "{\"id\":\"p\"}", 404);
    expect(&rig, &a, "PUT /boards/nosuch/players/p/", NULL, 404);
    answer_clear(&a);
    http_close(&rig);
}

TEST(removing)
{
    answer a = {.count = 0};
    http_rig rig;

    open_rig(&rig);
    fill(&rig);
    expect(&rig, &a, "DELETE /boards/b/players/ann/", NULL, 204);
    CHECK(a.body == NULL && a.body_size == 0);
    CHECK_STR(answer_field(&a, "Content-Type"), "");
    expect(&rig, &a, "DELETE /boards/b/players/ann/", NULL, 404);
    expect(&rig, &a, "GET /boards/b/players/ann/", NULL, 404);
    expect(&rig, &a, "DELETE /boards/b/", NULL, 204);
    expect(&rig, &a, "DELETE /boards/b/", NULL, 404);
    expect(&rig, &a, "GET /boards/b/players/bob/", NULL, 404);
    answer_clear(&a);
    http_close(&rig);
}

TEST(adding_creates_only_if_asked_to)
{
    lb_http_options o;
    http_rig rig;
    answer a = {.count = 0};

    open_rig(&rig);
    expect(&rig, &a, "POST /boards/b/players/p/score-add/", NULL, 404);
    expect(&rig, &a, "PUT /boards/b/", NULL, 201);
    expect(&rig, &a, "POST /boards/b/players/p/score-add/", NULL, 404);
    http_close(&rig);
    lb_http_options_init(&o);
    o.flags = LB_HTTP_CREATE;
    http_open_sqlite(&rig, &o);
    expect(&rig, &a, "POST /boards/b2/players/p/score-add/", NULL, 200);
    CHECK_STR(a.body, "{\"id\":\"p\",\"name\":\"p\",\"score\":1}\n");
    answer_clear(&a);
    http_close(&rig);
}

/* ---- lists ---------------------------------------------------------------------------------- */

/* Follows "next" links from a path on. Returns how many pages, and the bodies one after another. */
static int read_pages(http_rig *rig, const char *path, char *all, size_t size)
{
    answer a = {.count = 0};
    char line[256];
    int pages = 0;

    (void)snprintf(line, sizeof line, "GET %s", path);
    all[0] = '\0';
    for (;;) {
        const char *link;

        expect(rig, &a, line, NULL, 200);
        CHECK((size_t)snprintf(all + strlen(all), size - strlen(all), "%s", a.body) < size);
        pages++;
        link = answer_field(&a, "Link");
        if (!*link)
            break;
        CHECK(*link == '<' && strstr(link, ">; rel=\"next\""));
        (void)snprintf(line, sizeof line, "GET %.*s", (int)strcspn(link + 1, ">"), link + 1);
    }
    answer_clear(&a);
    return pages;
}

TEST(pages)
{
    char all[4096];
    http_rig rig;

    open_rig(&rig);
    fill(&rig);
    CHECK_EQ(read_pages(&rig, "/boards/b/?limit=2", all, sizeof all), 2);
    CHECK(strstr(all, "\"ann\"") && strstr(all, "\"bob\""));
    CHECK(strstr(all, "{\"players\":[{\"id\":\"cy\",\"name\":\"cy\",\"score\":1,\"position\":3,"
                      "\"rank\":3}]}\n"));
    CHECK_EQ(read_pages(&rig, "/boards/b/players/?limit=1", all, sizeof all), 4);
    CHECK(strstr(all, "{\"players\":[]}\n"));
    expect_body(&rig, "GET /boards/b/?offset=1&limit=1", NULL, 200,
                "{\"players\":[{\"id\":\"bob\",\"name\":\"bob\",\"score\":3,\"position\":2,"
                "\"rank\":1}]}\n");
    expect_body(&rig, "GET /boards/b/?offset=10000", NULL, 200, "{\"players\":[]}\n");
    http_close(&rig);
}

TEST(list_of_boards)
{
    char all[4096];
    http_rig rig;
    answer a = {.count = 0};

    open_rig(&rig);
    expect_body(&rig, "GET /boards/", NULL, 200, "{\"boards\":[]}\n"); /* no file yet */
    expect(&rig, &a, "PUT /boards/c/", NULL, 201);
    expect(&rig, &a, "PUT /boards/a/", "{\"ascending\":true}", 201);
    expect(&rig, &a, "PUT /boards/b/", NULL, 201);
    expect(&rig, &a, "GET /boards/", NULL, 200);
    CHECK(strncmp(a.body, "{\"boards\":[{\"id\":\"a\",\"ascending\":true,", 38) == 0);
    CHECK(strstr(a.body, "},{\"id\":\"b\",\"ascending\":false,"));
    CHECK_EQ(read_pages(&rig, "/boards/?limit=2", all, sizeof all), 2);
    CHECK(strstr(all, "]}\n{\"boards\":[{\"id\":\"c\","));
    answer_clear(&a);
    http_close(&rig);
}

TEST(default_limit_is_five)
{
    http_rig rig;
    answer a = {.count = 0};
    char line[80];

    open_rig(&rig);
    expect(&rig, &a, "PUT /boards/b/", NULL, 201);
    for (int i = 0; i < 7; i++) {
        (void)snprintf(line, sizeof line, "PUT /boards/b/players/p%d/", i);
        expect(&rig, &a, line, NULL, 200);
    }
    expect(&rig, &a, "GET /boards/b/", NULL, 200);
    CHECK(strstr(a.body, "\"position\":5") && !strstr(a.body, "\"position\":6"));
    answer_clear(&a);
    http_close(&rig);
}

/* ---- caching -------------------------------------------------------------------------------- */

static int ask_again(http_rig *rig, answer *a, const char *line, const char *format,
                     const char *tag)
{
    char fields[200];

    (void)snprintf(fields, sizeof fields, format, tag);
    return http_ask(rig, a, line, fields, NULL);
}

TEST(not_modified)
{
    answer a = {.count = 0};
    http_rig rig;
    char tag[80];
    size_t size;

    open_rig(&rig);
    fill(&rig);
    expect(&rig, &a, "GET /boards/b/", NULL, 200);
    (void)snprintf(tag, sizeof tag, "%s", answer_field(&a, "ETag"));
    size = a.body_size;
    CHECK_EQ(ask_again(&rig, &a, "GET /boards/b/", "if-none-match: %s", tag), 304);
    CHECK(a.body == NULL && a.body_size == size);
    CHECK_STR(answer_field(&a, "ETag"), tag);
    CHECK_STR(answer_field(&a, "Vary"), "Accept");
    CHECK_EQ(ask_again(&rig, &a, "GET /boards/b/", "if-none-match: \"x\", W/%s", tag), 304);
    CHECK_EQ(ask_again(&rig, &a, "HEAD /boards/b/", "if-none-match: *%.0s", tag), 304);
    CHECK_EQ(ask_again(&rig, &a, "GET /boards/b/", "if-none-match: \"x\"%.0s", tag), 200);
    expect(&rig, &a, "POST /boards/b/players/cy/score-add/", "{\"amount\":0}", 200);
    CHECK_EQ(ask_again(&rig, &a, "GET /boards/b/", "if-none-match: %s", tag), 304);
    expect(&rig, &a, "POST /boards/b/players/cy/score-add/", NULL, 200);
    CHECK_EQ(ask_again(&rig, &a, "GET /boards/b/", "if-none-match: %s", tag), 200);
    CHECK(strcmp(answer_field(&a, "ETag"), tag) != 0);
    answer_clear(&a);
    http_close(&rig);
}

/* The row itself stays as it is while others pass it. */
TEST(a_later_page_changes_with_its_places)
{
    answer a = {.count = 0}, page = {.count = 0};
    char tag[80], line[120];
    http_rig rig;

    open_rig(&rig);
    fill(&rig);
    expect(&rig, &a, "GET /boards/b/?limit=2", NULL, 200);
    (void)snprintf(line, sizeof line, "GET %.*s", (int)strcspn(answer_field(&a, "Link") + 1, ">"),
                   answer_field(&a, "Link") + 1);
    expect(&rig, &page, line, NULL, 200);
    CHECK(strstr(page.body, "\"id\":\"cy\"") && strstr(page.body, "\"position\":3"));
    (void)snprintf(tag, sizeof tag, "%s", answer_field(&page, "ETag"));
    CHECK_EQ(ask_again(&rig, &page, line, "if-none-match: %s", tag), 304);
    expect(&rig, &a, "PUT /boards/b/players/dee/", NULL, 200);
    expect(&rig, &a, "POST /boards/b/players/dee/score-add/", "{\"amount\":9}", 200);
    CHECK_EQ(ask_again(&rig, &page, line, "if-none-match: %s", tag), 200);
    CHECK(strstr(page.body, "\"id\":\"cy\"") && strstr(page.body, "\"position\":4"));
    answer_clear(&a);
    answer_clear(&page);
    http_close(&rig);
}

TEST(head)
{
    answer a = {.count = 0};
    http_rig rig;

    open_rig(&rig);
    fill(&rig);
    expect(&rig, &a, "HEAD /boards/b/", NULL, 200);
    CHECK(a.body == NULL);
    CHECK_EQ(a.body_size, strlen(top));
    CHECK_STR(answer_field(&a, "Content-Type"), "application/json");
    CHECK_EQ(strlen(answer_field(&a, "ETag")), LB_STATE_SIZE - 1 + 2);
    expect(&rig, &a, "HEAD /boards/nosuch/", NULL, 404);
    CHECK(a.body == NULL && a.body_size > 0);
    expect(&rig, &a, "HEAD /boards/", NULL, 200);
    expect(&rig, &a, "HEAD /boards/b/players/ann/", NULL, 200);
    expect(&rig, &a, "HEAD /boards/b/players/ann/score-add/", NULL, 405);
    answer_clear(&a);
    http_close(&rig);
}

/* ---- what is refused ------------------------------------------------------------------------ */

static void check_error(const answer *a, const char *line, int status, const char *code)
{
    char begin[64];

    (void)snprintf(begin, sizeof begin, "{\"error\":{\"code\":\"%s\",\"message\":\"", code);
    if (a->status != status || !a->body || strncmp(a->body, begin, strlen(begin)) != 0)
        FAIL("%s: %d %s", line, a->status, a->body ? a->body : "");
    CHECK_STR(answer_field(a, "Content-Type"), "application/json");
    CHECK(strcmp(a->body + strlen(a->body) - 4, "\"}}\n") == 0);
}

TEST(refused)
{
    static const struct {
        const char *line, *fields, *body;
        int status;
        const char *code;
    } cases[] = {
        {"GET /", NULL, NULL, 404, "not_found"},
        {"GET /boards/nosuch/", NULL, NULL, 404, "not_found"},
        {"GET /boards/b/players/nosuch/", NULL, NULL, 404, "not_found"},
        {"GET /boards/nosuch/players/ann/", NULL, NULL, 404, "not_found"},
        {"POST /boards/b/players/nosuch/score-add/", NULL, NULL, 404, "not_found"},
        {"POST /boards/nosuch/players/ann/score-add/", NULL, NULL, 404, "not_found"},
        {"GET /boards/b%2f/", NULL, NULL, 400, "invalid"},
        {"GET /boards/%00/", NULL, NULL, 400, "invalid"},
        {"GET /boards/../", NULL, NULL, 400, "invalid"},
        {"GET boards", NULL, NULL, 400, "invalid"},
        {"GET /boards/b/?limit=0", NULL, NULL, 400, "invalid"},
        {"GET /boards/b/?limit=1001", NULL, NULL, 400, "invalid"},
        {"GET /boards/b/?limit=5&limit=5", NULL, NULL, 400, "invalid"},
        {"GET /boards/b/?offset=10001", NULL, NULL, 400, "invalid"},
        {"GET /boards/b/?offset=1&after=3.4.x", NULL, NULL, 400, "invalid"},
        {"GET /boards/b/?after=nonsense", NULL, NULL, 400, "invalid"},
        {"GET /boards/b/?after=", NULL, NULL, 400, "invalid"},
        {"GET /boards/?after=a%20b", NULL, NULL, 400, "invalid"},
        {"GET /boards/b/players/ann/?rank=x", NULL, NULL, 400, "invalid"},
        {"POST /boards/b/", NULL, NULL, 405, "method_not_allowed"},
        {"PATCH /boards/b/", NULL, NULL, 405, "method_not_allowed"},
        {"get /boards/b/", NULL, NULL, 405, "method_not_allowed"},
        {"TRACE /boards/", NULL, NULL, 405, "method_not_allowed"},
        {"GET /boards/b/players/ann/score-add/", NULL, NULL, 405, "method_not_allowed"},
        {"GET /boards/b/", "accept: text/html", NULL, 406, "not_acceptable"},
        {"GET /boards/", "accept: text/event-stream", NULL, 406, "not_acceptable"},
        {"GET /boards/b/players/", "accept: text/event-stream", NULL, 406, "not_acceptable"},
        {"GET /boards/b/?limit=4", "accept: text/event-stream", NULL, 400, "invalid"},
        {"GET /boards/b/?offset=1", "accept: text/event-stream", NULL, 400, "invalid"},
        {"GET /boards/b/?after=1.1.x", "accept: text/event-stream", NULL, 400, "invalid"},
        {"GET /boards/nosuch/", "accept: text/event-stream", NULL, 404, "not_found"},
        {"POST /boards/b/players/ann/score-add/", json, "{\"amount\":1.5}", 400, "invalid"},
        {"POST /boards/b/players/ann/score-add/", json, "{\"amount\":\"1\"}", 400, "invalid"},
        {"POST /boards/b/players/ann/score-add/", json, "[]", 400, "invalid"},
        {"POST /boards/b/players/ann/score-add/", json, "{\"name\":\"x\"}", 400, "invalid"},
        {"POST /boards/b/players/ann/score-add/", "content-type: text/plain", "1", 415,
         "unsupported_type"},
        {"POST /boards/b/players/ann/score-add/", NULL, "{}", 415, "unsupported_type"},
        {"POST /boards/b/players/ann/score-add/",
         "content-type: application/json\ncontent-encoding: gzip", "{}", 415, "unsupported_type"},
        {"POST /boards/b/players/ann/score-add/", json, "{\"amount\":9007199254740991}", 409,
         "range"},
        {"POST /boards/b/players/ann/score-add/", "idempotency-key: a b", NULL, 400, "invalid"},
        {"POST /boards/b/players/ann/score-add/", "idempotency-key: ", NULL, 400, "invalid"},
        {"POST /boards/", json, "{\"id\":\"a/b\"}", 400, "invalid"},
        {"POST /boards/", json, "{\"id\":\"\"}", 400, "invalid"},
        {"POST /boards/", json, "{\"id\":\"12345678901234567890123456789012345678901\"}", 400,
         "invalid"},
        {"PUT /boards/c/", json, "{\"id\":\"c\"}", 400, "invalid"},
        {"PUT /boards/c/", json, "{\"ascending\":\"yes\"}", 400, "invalid"},
        {"PUT /boards/b/", json, "{\"ascending\":true}", 409, "conflict"},
        {"PUT /boards/b/players/ann/", json, "{\"name\":\"\"}", 400, "invalid"},
        {"PUT /boards/b/players/ann/", json, "{\"name\":\"a\\nb\"}", 400, "invalid"},
        {"PUT /boards/b/players/ann/", json, "{\"name\":\"\\u2028\"}", 400, "invalid"},
        {"POST /boards/b/players/", json, "{\"id\":\"..\"}", 400, "invalid"},
    };
    answer a = {.count = 0};
    http_rig rig;

    open_rig(&rig);
    fill(&rig);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        (void)http_ask(&rig, &a, cases[i].line, cases[i].fields, cases[i].body);
        check_error(&a, cases[i].line, cases[i].status, cases[i].code);
    }
    expect_body(&rig, "GET /boards/b/", NULL, 200, top); /* and nothing has changed */
    answer_clear(&a);
    http_close(&rig);
}

TEST(methods)
{
    static const char *const cases[][2] = {
        {"/boards/", "GET, HEAD, POST, OPTIONS"},
        {"/boards/b/", "GET, HEAD, PUT, DELETE, OPTIONS"},
        {"/boards/b/players/", "GET, HEAD, POST, OPTIONS"},
        {"/boards/b/players/p/", "GET, HEAD, PUT, DELETE, OPTIONS"},
        {"/boards/b/players/p/score-add/", "POST, OPTIONS"},
    };
    answer a = {.count = 0};
    char line[80];
    http_rig rig;

    open_rig(&rig);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        (void)snprintf(line, sizeof line, "PATCH %s", cases[i][0]);
        expect(&rig, &a, line, NULL, 405);
        CHECK_STR(answer_field(&a, "Allow"), cases[i][1]);
        (void)snprintf(line, sizeof line, "OPTIONS %s", cases[i][0]);
        expect(&rig, &a, line, NULL, 204);
        CHECK_STR(answer_field(&a, "Allow"), cases[i][1]);
        CHECK_STR(answer_field(&a, "Access-Control-Allow-Methods"), "");
    }
    answer_clear(&a);
    http_close(&rig);
}

TEST(too_large)
{
    char *body = malloc(LB_HTTP_BODY_MAX + 2), *line = malloc(LB_HTTP_TARGET_MAX + 16);
    answer a = {.count = 0};
    http_rig rig;

    open_rig(&rig);
    CHECK(body && line);
    memset(body, ' ', LB_HTTP_BODY_MAX + 1);
    memcpy(body, "{}", 2);
    body[LB_HTTP_BODY_MAX + 1] = '\0';
    CHECK_EQ(http_ask(&rig, &a, "PUT /boards/b/", json, body), 413);
    body[LB_HTTP_BODY_MAX] = '\0';
    CHECK_EQ(http_ask(&rig, &a, "PUT /boards/b/", json, body), 201);
    memset(line, 'x', LB_HTTP_TARGET_MAX + 5);
    memcpy(line, "GET /boards/b/?", 15);
    line[LB_HTTP_TARGET_MAX + 5] = '\0';
    CHECK_EQ(http_ask(&rig, &a, line, NULL, NULL), 414);
    line[LB_HTTP_TARGET_MAX + 4] = '\0';
    CHECK_EQ(http_ask(&rig, &a, line, NULL, NULL), 200);
    free(body);
    free(line);
    answer_clear(&a);
    http_close(&rig);
}

/* ---- who may do what ------------------------------------------------------------------------ */

TEST(idempotency)
{
    static const char key[] = "idempotency-key: once-1\ncontent-type: application/json";
    static const char add[] = "POST /boards/b/players/cy/score-add/";
    answer a = {.count = 0};
    http_rig rig;

    open_rig(&rig);
    fill(&rig);
    CHECK_EQ(http_ask(&rig, &a, add, key, "{\"amount\":5}"), 200);
    CHECK(strstr(a.body, "\"score\":6}"));
    CHECK_EQ(http_ask(&rig, &a, add, key, "{\"amount\":5}"), 200);
    CHECK(strstr(a.body, "\"score\":6}"));
    CHECK_EQ(http_ask(&rig, &a, add, key, "{\"amount\":6}"), 409);
    answer_clear(&a);
    http_close(&rig);
}

TEST(write_key)
{
    static const char *const wrong[] = {
        NULL,
        "authorization: ",
        "authorization: Bearer ",
        "authorization: Bearer secre",
        "authorization: Bearer secrets",
        "authorization: Bearer Secret",
        "authorization: Basic secret",
        "authorization: secret",
        "authorization: Bearer secret, Bearer secret",
    };
    static const char *const writes[] = {
        "POST /boards/",
        "PUT /boards/b/",
        "DELETE /boards/b/",
        "POST /boards/b/players/",
        "PUT /boards/b/players/p",
        "DELETE /boards/b/players/p",
        "POST /boards/b/players/p/score-add/",
    };
    lb_http_options o;
    answer a = {.count = 0};
    char key[] = "secret";
    http_rig rig;

    lb_http_options_init(&o);
    o.write_key = key;
    http_open_sqlite(&rig, &o);
    memset(key, 0, sizeof key); /* it was copied */
    for (size_t i = 0; i < sizeof writes / sizeof *writes; i++) {
        for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++) {
            (void)http_ask(&rig, &a, writes[i], wrong[k], NULL);
            check_error(&a, writes[i], 401, "unauthorized");
            CHECK(strncmp(answer_field(&a, "WWW-Authenticate"), "Bearer", 6) == 0);
        }
    }
    CHECK_EQ(http_ask(&rig, &a, "PUT /boards/b/", "authorization: Bearer secret", NULL), 201);
    CHECK_EQ(http_ask(&rig, &a, "PUT /boards/c/", "authorization: bearer secret", NULL), 201);
    CHECK_EQ(http_ask(&rig, &a, "GET /boards/b/", NULL, NULL), 200);
    CHECK_EQ(http_ask(&rig, &a, "OPTIONS /boards/b/", NULL, NULL), 204);
    answer_clear(&a);
    http_close(&rig);
}

TEST(read_only)
{
    lb_http_options o;
    answer a = {.count = 0};
    http_rig rig;

    open_rig(&rig);
    fill(&rig);
    http_close(&rig);
    lb_http_options_init(&o);
    o.flags = LB_HTTP_READ_ONLY;
    o.write_key = "k";
    http_open_sqlite(&rig, &o);
    (void)http_ask(&rig, &a, "DELETE /boards/b/", "authorization: Bearer k", NULL);
    check_error(&a, "DELETE", 403, "read_only");
    expect_body(&rig, "GET /boards/b/", NULL, 200, top);
    answer_clear(&a);
    http_close(&rig);
}

TEST(origins)
{
    static const char preflight[] =
        "origin: https://a.example\naccess-control-request-method: POST\n"
        "access-control-request-headers: content-type";
    lb_http_options o;
    answer a = {.count = 0};
    http_rig rig;

    lb_http_options_init(&o);
    o.cors_origins = "https://a.example  http://localhost:3000";
    http_open_sqlite(&rig, &o);
    CHECK_EQ(http_ask(&rig, &a, "GET /boards/b/", "origin: http://localhost:3000", NULL), 404);
    CHECK_STR(answer_field(&a, "Access-Control-Allow-Origin"), "http://localhost:3000");
    CHECK_STR(answer_field(&a, "Vary"), "Accept, Origin");
    CHECK_EQ(http_ask(&rig, &a, "GET /boards/", "origin: https://a.example.evil", NULL), 200);
    CHECK_STR(answer_field(&a, "Access-Control-Allow-Origin"), "");
    CHECK_STR(answer_field(&a, "Vary"), "Accept, Origin");
    CHECK_EQ(http_ask(&rig, &a, "OPTIONS /boards/b/players/p/score-add/", preflight, NULL), 204);
    CHECK_STR(answer_field(&a, "Access-Control-Allow-Origin"), "https://a.example");
    CHECK_STR(answer_field(&a, "Access-Control-Allow-Methods"), "POST, OPTIONS");
    CHECK(strstr(answer_field(&a, "Access-Control-Allow-Headers"), "Idempotency-Key"));
    CHECK_STR(answer_field(&a, "Access-Control-Allow-Credentials"), "");
    http_close(&rig);
    o.cors_origins = "*";
    http_open_sqlite(&rig, &o);
    CHECK_EQ(http_ask(&rig, &a, "GET /boards/", "origin: null", NULL), 200);
    CHECK_STR(answer_field(&a, "Access-Control-Allow-Origin"), "*");
    CHECK_STR(answer_field(&a, "Vary"), "Accept");
    answer_clear(&a);
    http_close(&rig);
}

TEST(other_sites)
{
    static const char foreign[] = "sec-fetch-site: cross-site\norigin: https://evil.example";
    static const char friendly[] = "sec-fetch-site: cross-site\norigin: https://a.example";
    lb_http_options o;
    answer a = {.count = 0};
    http_rig rig;

    lb_http_options_init(&o);
    o.cors_origins = "https://a.example";
    http_open_sqlite(&rig, &o);
    (void)http_ask(&rig, &a, "PUT /boards/b/", foreign, NULL);
    check_error(&a, "PUT", 403, "foreign_origin");
    (void)http_ask(&rig, &a, "POST /boards/", "sec-fetch-site: cross-site", NULL);
    check_error(&a, "POST", 403, "foreign_origin");
    CHECK_EQ(http_ask(&rig, &a, "GET /boards/", foreign, NULL), 200);
    CHECK_EQ(http_ask(&rig, &a, "PUT /boards/b/", friendly, NULL), 201);
    CHECK_EQ(http_ask(&rig, &a, "PUT /boards/c/", "sec-fetch-site: same-origin", NULL), 201);
    answer_clear(&a);
    http_close(&rig);
}

/* ---- the handler itself --------------------------------------------------------------------- */

TEST(bad_options)
{
    lb_client *client = NULL;
    lb_http *http = NULL;
    lb_http_options o;
    char origins[200] = "";
    struct {
        lb_http_options o;
        int more;
    } newer;

    CHECK_EQ(lb_client_new(NULL, &client, NULL), 0);
#define REFUSED(field, value)                                                                      \
    do {                                                                                           \
        lb_http_options_init(&o);                                                                  \
        o.field = (value);                                                                         \
        CHECK_EQ(lb_http_new(client, &o, &http, NULL), LB_E_INVAL);                                \
    } while (0)
    REFUSED(flags, 4);
    REFUSED(limit, 1001);
    REFUSED(timeout_ms, 3600001);
    REFUSED(min_interval_ms, 3600001);
    REFUSED(keep_alive_ms, 3600001);
    REFUSED(retry_ms, 3600001);
    REFUSED(write_key, "");
    REFUSED(struct_size, 0);
    for (int i = 0; i < 65; i++)
        memcpy(origins + 2 * i, "x ", 3);
    REFUSED(cors_origins, origins);
    lb_init_sized(&newer, sizeof newer);
    newer.more = 1;
    CHECK_EQ(lb_http_new(client, &newer.o, &http, NULL), LB_E_UNSUPPORTED);
    CHECK_EQ(lb_http_new(NULL, NULL, &http, NULL), LB_E_INVAL);
    CHECK_EQ(lb_http_new(client, NULL, NULL, NULL), LB_E_INVAL);
    CHECK(http == NULL);
    newer.more = 0;
    CHECK_EQ(lb_http_new(client, &newer.o, &http, NULL), 0);
    CHECK(lb_http_free(http) == NULL);
    CHECK(lb_http_free(NULL) == NULL);
    CHECK(lb_http_cancel(NULL) == NULL);
    CHECK(lb_http_stream_free(NULL) == NULL);
    CHECK_EQ(lb_http_process(NULL), LB_E_INVAL);
    CHECK_EQ(lb_http_deadline(NULL, &(uint64_t){0}), LB_E_INVAL);
    CHECK_EQ(lb_http_stream_read(NULL, origins, 1), LB_E_INVAL);
    CHECK_EQ(lb_http_stream_ready(NULL, NULL, NULL), LB_E_INVAL);
    lb_client_free(client);
}

TEST(bad_requests_of_the_host)
{
    lb_http_request request;
    answer a = {.count = 0};
    http_rig rig;

    open_rig(&rig);
    lb_http_request_init(&request);
    CHECK_EQ(lb_http_handle(rig.http, &request, answer_take, &a, NULL, NULL), LB_E_INVAL);
    request.method = "GET";
    CHECK_EQ(lb_http_handle(rig.http, &request, answer_take, &a, NULL, NULL), LB_E_INVAL);
    request.target = "/";
    request.body_size = 1;
    CHECK_EQ(lb_http_handle(rig.http, &request, answer_take, &a, NULL, NULL), LB_E_INVAL);
    request.body_size = 0;
    CHECK_EQ(lb_http_handle(rig.http, &request, NULL, &a, NULL, NULL), LB_E_INVAL);
    CHECK_EQ(lb_http_handle(NULL, &request, answer_take, &a, NULL, NULL), LB_E_INVAL);
    CHECK_EQ(lb_http_handle(rig.http, NULL, answer_take, &a, NULL, NULL), LB_E_INVAL);
    http_idle(&rig);
    CHECK_EQ(a.count, 0);
    http_close(&rig);
}

TEST(counters)
{
    answer a = {.count = 0};
    lb_http_counters c;
    uint64_t small;
    http_rig rig;

    open_rig(&rig);
    fill(&rig);
    expect(&rig, &a, "GET /boards/nosuch/", NULL, 404);
    expect(&rig, &a, "GET /boards/b/", NULL, 200);
    CHECK_EQ(http_start(&rig, &a, "GET /boards/b/", NULL, NULL, 0, NULL), 0);
    CHECK_EQ(lb_http_counters_get(rig.http, &c, sizeof c), 0);
    CHECK_EQ(c.requests, 10);
    CHECK_EQ(c.replies[2], 8);
    CHECK_EQ(c.replies[4], 1);
    CHECK_EQ(c.calls_now, 1);
    CHECK_EQ(c.streams + c.streams_now + c.followers_now + c.events + c.skipped, 0);
    CHECK_EQ(lb_http_counters_get(rig.http, (lb_http_counters *)&small, sizeof small), 0);
    CHECK_EQ(small, 10);
    free(a.body);
    a = (answer){.count = 0};
    http_idle(&rig);
    CHECK_EQ(a.status, 200);
    answer_clear(&a);
    http_close(&rig);
}
