/* Requests taken apart, without a handler. */
#include "http/request.h"

#include "fault.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

/* ---- escapes -------------------------------------------------------------------------------- */

TEST(escapes)
{
    static const struct {
        const char *text;
        bool plus;
        int code;
        const char *decoded;
    } cases[] = {
        {"", false, 0, ""},
        {"plain", false, 0, "plain"},
        {"a%20b", false, 0, "a b"},
        {"%2f%2F", false, 0, "//"},
        {"%C3%BC", false, 0, "\xc3\xbc"},
        {"a+b", false, 0, "a+b"},
        {"a+b", true, 0, "a b"},
        {"%2b", true, 0, "+"},
        {"12345678", false, LB_E_LIMIT, NULL},
        {"%31%32%33%34%35%36%37", false, 0, "1234567"},
        {"%", false, LB_E_INVAL, NULL},
        {"%4", false, LB_E_INVAL, NULL},
        {"%4g", false, LB_E_INVAL, NULL},
        {"%g4", false, LB_E_INVAL, NULL},
        {"%%41", false, LB_E_INVAL, NULL},
        {"%+1", false, LB_E_INVAL, NULL},
        {"%00", false, LB_E_INVAL, NULL},
        {"much too long and then bad %", false, LB_E_INVAL, NULL},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[8];
        int r = lbi_decode(cases[i].text, strlen(cases[i].text), cases[i].plus, text, sizeof text);

        if (r != cases[i].code || (r == 0 && strcmp(text, cases[i].decoded) != 0))
            FAIL("'%s': %d", cases[i].text, r);
    }
}

/* ---- targets -------------------------------------------------------------------------------- */

TEST(targets)
{
    static const struct {
        const char *target;
        int code;
        lbi_route route;
        const char *board, *player, *query;
    } cases[] = {
        {"/boards/", 0, LBI_BOARDS, "", "", ""},
        {"/boards", 0, LBI_BOARDS, "", "", ""},
        {"/boards/?a=b", 0, LBI_BOARDS, "", "", "a=b"},
        {"/boards?a=b?c", 0, LBI_BOARDS, "", "", "a=b?c"},
        {"/boards/b/", 0, LBI_BOARD, "b", "", ""},
        {"/boards/b", 0, LBI_BOARD, "b", "", ""},
        {"/%62oards/%62/", 0, LBI_BOARD, "b", "", ""},
        {"/boards/boards/", 0, LBI_BOARD, "boards", "", ""},
        {"/boards/b/players/", 0, LBI_PLAYERS, "b", "", ""},
        {"/boards/b/players/p", 0, LBI_PLAYER, "b", "p", ""},
        {"/boards/b/players/players/?x", 0, LBI_PLAYER, "b", "players", "x"},
        {"/boards/b/players/p/score-add/", 0, LBI_ADD, "b", "p", ""},
        {"/boards/b/players/p/score-add", 0, LBI_ADD, "b", "p", ""},
        {"/boards/a.b_c~d-e/", 0, LBI_BOARD, "a.b_c~d-e", "", ""},
        {"/boards/1234567890123456789012345678901234567890/", 0, LBI_BOARD,
         "1234567890123456789012345678901234567890", "", ""},
        {"http://host/boards/b?x", 0, LBI_BOARD, "b", "", "x"},
        {"HTTPS://host:1/boards/", 0, LBI_BOARDS, "", "", ""},
        {"http://host", LB_E_NOTFOUND, 0, NULL, NULL, NULL},
        {"http://host?/boards/", LB_E_NOTFOUND, 0, NULL, NULL, NULL},
        {"http://host#/boards/", LB_E_NOTFOUND, 0, NULL, NULL, NULL},
        {"http:///boards/", LB_E_INVAL, 0, NULL, NULL, NULL},
        {"http:/boards/", LB_E_INVAL, 0, NULL, NULL, NULL},
        {"ws://host/boards/", LB_E_INVAL, 0, NULL, NULL, NULL},
        {"/", LB_E_NOTFOUND, 0, NULL, NULL, NULL},
        {"//", LB_E_NOTFOUND, 0, NULL, NULL, NULL},
        {"//boards/", LB_E_NOTFOUND, 0, NULL, NULL, NULL},
        {"/Boards/", LB_E_NOTFOUND, 0, NULL, NULL, NULL},
        {"/board/", LB_E_NOTFOUND, 0, NULL, NULL, NULL},
        {"/boards/b/player/p/", LB_E_NOTFOUND, 0, NULL, NULL, NULL},
        {"/boards/b/players/p/score-sub/", LB_E_NOTFOUND, 0, NULL, NULL, NULL},
        {"/boards/b/players/p/score-add/x", LB_E_NOTFOUND, 0, NULL, NULL, NULL},
        {"/a/b/c/d/e/f/g", LB_E_NOTFOUND, 0, NULL, NULL, NULL},
        {"", LB_E_INVAL, 0, NULL, NULL, NULL},
        {"boards/", LB_E_INVAL, 0, NULL, NULL, NULL},
        {"*", LB_E_INVAL, 0, NULL, NULL, NULL},
        {"/boards//", LB_E_INVAL, 0, NULL, NULL, NULL},
        {"/boards/./", LB_E_INVAL, 0, NULL, NULL, NULL},
        {"/boards/../", LB_E_INVAL, 0, NULL, NULL, NULL},
        {"/boards/%2e%2e/", LB_E_INVAL, 0, NULL, NULL, NULL},
        {"/boards/a%2fb/", LB_E_INVAL, 0, NULL, NULL, NULL},
        {"/boards/a b/", LB_E_INVAL, 0, NULL, NULL, NULL},
        {"/boards/a%00/", LB_E_INVAL, 0, NULL, NULL, NULL},
        {"/boards/%/", LB_E_INVAL, 0, NULL, NULL, NULL},
        {"/%zz/", LB_E_INVAL, 0, NULL, NULL, NULL},
        {"/boards/\xc3\xbc/", LB_E_INVAL, 0, NULL, NULL, NULL},
        {"/boards/b#x/", LB_E_INVAL, 0, NULL, NULL, NULL},
        {"/boards/12345678901234567890123456789012345678901/", LB_E_INVAL, 0, NULL, NULL, NULL},
        {"/boards/b/players//", LB_E_INVAL, 0, NULL, NULL, NULL},
        {"/boards/b/players/'/", LB_E_INVAL, 0, NULL, NULL, NULL},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lb_error error = {.msg = ""};
        lbi_target t;
        int r = lbi_target_parse(cases[i].target, &t, &error);

        if (r != cases[i].code)
            FAIL("'%s': %d (%s)", cases[i].target, r, error.msg);
        CHECK_EQ(r < 0, error.msg[0] != '\0');
        if (r < 0)
            continue;
        CHECK_EQ(t.route, cases[i].route);
        CHECK_STR(t.board, cases[i].board);
        CHECK_STR(t.player, cases[i].player);
        CHECK_STR(t.query, cases[i].query);
    }
}

/* ---- queries -------------------------------------------------------------------------------- */

static int parse_query(const char *text, lbi_params *ret)
{
    lb_error error = {.msg = ""};
    int r;

    *ret = (lbi_params){.given = 0};
    r = lbi_params_parse(ret, LBI_LIMIT | LBI_OFFSET | LBI_AFTER | LBI_RANK, false, text,
                         strlen(text), &error);
    CHECK_EQ(r < 0, error.msg[0] != '\0');
    return r;
}

TEST(queries)
{
    lbi_params p;

    CHECK_EQ(parse_query("", &p), 0);
    CHECK_EQ(p.given, 0);
    CHECK_EQ(parse_query("limit=3&&offset=7&", &p), 0);
    CHECK_EQ(p.given, LBI_LIMIT | LBI_OFFSET);
    CHECK_EQ(p.limit, 3);
    CHECK_EQ(p.offset, 7);
    CHECK_EQ(parse_query("%6cimit=1000&rank=1&after=5.6.p%2Dq", &p), 0);
    CHECK_EQ(p.limit, 1000);
    CHECK(p.rank);
    CHECK_STR(p.after, "5.6.p-q");
    /* What we do not know is somebody else's. */
    CHECK_EQ(parse_query("utm=x&utm=y&amount=z&Limit=0&a_very_long_name_of_a_parameter=1&x", &p),
             0);
    CHECK_EQ(p.given, 0);
    CHECK_EQ(parse_query("rank=0", &p), 0);
    CHECK(!p.rank && p.given == LBI_RANK);
}

TEST(bad_queries)
{
    static const char *const cases[] = {
        "limit=0",
        "limit=1001",
        "limit=-1",
        "limit=",
        "limit",
        "limit=1.0",
        "limit=1e2",
        "limit=+5",
        "limit=%205",
        "limit=0x10",
        "limit=5&limit=5",
        "limit=4294967297",
        "limit=18446744073709551621",
        "offset=10001",
        "offset=-1",
        "offset=1&offset=2",
        "rank=yes",
        "rank=",
        "rank=2",
        "x=%",
        "%=x",
        "limit=%00",
        "x=%0",
        "after=%zz",
    };
    char longer[400];
    lbi_params p;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (parse_query(cases[i], &p) != LB_E_INVAL)
            FAIL("'%s' was taken", cases[i]);
    }
    for (size_t n = LB_CURSOR_SIZE; n < 300; n++) {
        (void)snprintf(longer, sizeof longer, "after=%0*d", (int)n, 0);
        CHECK_EQ(parse_query(longer, &p), LB_E_INVAL);
    }
}

/* ---- bodies --------------------------------------------------------------------------------- */

static const unsigned all_members = LBI_ID | LBI_NAME | LBI_AMOUNT | LBI_ASCENDING;

static int parse_body(const char *type, const char *body, lbi_params *ret)
{
    lb_error error = {.msg = ""};
    int r;

    *ret = (lbi_params){.given = 0};
    r = lbi_body_parse(ret, all_members, type, body, strlen(body), &error);
    CHECK_EQ(r < 0, error.msg[0] != '\0');
    return r;
}

TEST(bodies)
{
    lbi_params p;

    CHECK_EQ(parse_body(NULL, "", &p), 0);
    CHECK_EQ(parse_body("text/plain", "", &p), 0);
    CHECK_EQ(p.given, 0);
    CHECK_EQ(parse_body("application/json", "{}", &p), 0);
    CHECK_EQ(p.given, 0);
    CHECK_EQ(parse_body("Application/JSON ; Charset=\"UTF-8\"",
                        " {\"amount\" : -7, \"id\":\"x\\u0041\", \"name\":\"e1.5 \\\" 01\","
                        "\"ascending\":true}\n",
                        &p),
             0);
    CHECK_EQ(p.given, all_members);
    CHECK_EQ(p.amount, -7);
    CHECK_STR(p.id, "xA");
    CHECK_STR(p.name, "e1.5 \" 01");
    CHECK(p.ascending);
    CHECK_EQ(parse_body("application/json", "{\"amount\":9007199254740991}", &p), 0);
    CHECK_EQ(p.amount, LB_SCORE_MAX);
    CHECK_EQ(parse_body("application/json", "{\"amount\":-0}", &p), 0);
    CHECK_EQ(p.amount, 0);
    CHECK_EQ(parse_body("application/json", "{\"name\":\"\\\\u0000\"}", &p), 0);
    CHECK_STR(p.name, "\\u0000");
    CHECK_EQ(parse_body("application/x-www-form-urlencoded", "amount=12&name=A+%C3%BC", &p), 0);
    CHECK_EQ(p.amount, 12);
    CHECK_STR(p.name, "A \xc3\xbc");
    CHECK_EQ(parse_body("application/x-www-form-urlencoded;charset=utf-8", "ascending=false", &p),
             0);
    CHECK(!p.ascending && p.given == LBI_ASCENDING);
}

TEST(bad_json)
{
    static const char *const cases[] = {
        "{\"amount\":1.5}",
        "{\"amount\":1.0}",
        "{\"amount\":1e3}",
        "{\"amount\":\"7\"}",
        "{\"amount\":07}",
        "{\"amount\":+7}",
        "{\"amount\":-}",
        "{\"amount\":null}",
        "{\"amount\":true}",
        "{\"amount\":[1]}",
        "{\"amount\":{}}",
        "{\"amount\":NaN}",
        "{\"amount\":Infinity}",
        "{\"amount\":9007199254740992}",
        "{\"amount\":-9007199254740992}",
        "{\"amount\":9007199254740993}",
        "{\"amount\":1e400}",
        "{\"amount\":0x10}",
        "{\"amount\":1,\"amount\":1}",
        "{\"amount\":1,\"amoun\\u0074\":2}",
        "{\"ammount\":1}",
        "{\"Amount\":1}",
        "{\"limit\":1}",
        "{\"amount\":1}x",
        "{\"amount\":1},",
        "{\"amount\":1",
        "{amount:1}",
        "[]",
        "7",
        "\"x\"",
        "null",
        "true",
        "[[[[[[[[[[",
        "{\"name\":{\"a\":{}}}",
        "{\"name\":\"a\\u0000b\"}",
        "{\"name\":\"\xff\"}",
        "{\"name\":7}",
        "{\"id\":null}",
        "{\"ascending\":1}",
        "{\"ascending\":\"true\"}",
        "\xef\xbb\xbf",
        " ",
        "{",
        "\"",
        "{\"\":1}",
        "{\"amount\":1,}",
        "{\"name\":\"\\ud800\"}",
    };
    lbi_params p;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (parse_body("application/json", cases[i], &p) != LB_E_INVAL)
            FAIL("%s was taken", cases[i]);
    }
    p = (lbi_params){.given = 0};
    CHECK_EQ(lbi_body_parse(&p, LBI_AMOUNT, "application/json", "{\"amount\":1}\0", 13, NULL),
             LB_E_INVAL);
    CHECK_EQ(lbi_body_parse(&p, LBI_AMOUNT, "application/json", "{\"id\":\"x\"}", 10, NULL),
             LB_E_INVAL);
}

TEST(bad_forms)
{
    static const char *const cases[] = {
        "amount",
        "amount=",
        "amount=+1",
        "amount=1.5",
        "amount=1&amount=1",
        "amount=%",
        "amount=1%00",
        "ammount=1",
        "=1",
        "ascending=1",
        "amount=1e3",
        "amount= 1",
        "amount=9007199254740992",
        "{\"amount\":1}",
        "limit=1",
    };
    char longer[700];
    lbi_params p;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (parse_body("application/x-www-form-urlencoded", cases[i], &p) != LB_E_INVAL)
            FAIL("%s was taken", cases[i]);
    }
    for (int n = LB_NAME_MAX + 1; n < 600; n++) {
        (void)snprintf(longer, sizeof longer, "name=%0*d", n, 0);
        CHECK_EQ(parse_body("application/x-www-form-urlencoded", longer, &p), LB_E_INVAL);
    }
}

TEST(content_types)
{
    static const char *const others[] = {
        "text/plain",
        "",
        "application/jsonp",
        "application/json/x",
        "application",
        "application/json;charset=latin1",
        "application/json; charset=utf-16",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded2",
        "*/*",
    };
    lbi_params p;

    CHECK_EQ(parse_body(NULL, "{}", &p), LB_E_UNSUPPORTED);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (parse_body(others[i], "{}", &p) != LB_E_UNSUPPORTED)
            FAIL("%s was taken", others[i]);
    }
}

TEST(body_out_of_memory)
{
    FOR_EACH_ALLOC_FAILURE (i) {
        lbi_params p = {.given = 0};
        const char *body = "{\"amount\":5,\"name\":\"x\"}";
        int r = lbi_body_parse(&p, all_members, "application/json", body, strlen(body), NULL);

        CHECK(r == 0 || (fault_fired() && (r == LB_E_NOMEM || r == LB_E_INVAL)));
    }
}

/* ---- lists in fields ------------------------------------------------------------------------ */

TEST(accept)
{
    static const struct {
        const char *field;
        int want;
    } cases[] = {
        {NULL, LBI_ACCEPT_JSON},
        {"", LBI_ACCEPT_JSON},
        {" , ,", LBI_ACCEPT_JSON},
        {"*/*", LBI_ACCEPT_JSON},
        {"application/json", LBI_ACCEPT_JSON},
        {"application/*", LBI_ACCEPT_JSON},
        {"text/html,application/xhtml+xml,*/*;q=0.8", LBI_ACCEPT_JSON},
        {"text/event-stream", LBI_ACCEPT_STREAM},
        {"TEXT/Event-Stream", LBI_ACCEPT_STREAM},
        {"text/event-stream;charset=utf-8", LBI_ACCEPT_STREAM},
        {"text/event-stream ; q=1.000", LBI_ACCEPT_STREAM},
        {"text/*", LBI_ACCEPT_STREAM},
        {"text/event-stream, */*", LBI_ACCEPT_STREAM},
        {"*/*, text/event-stream", LBI_ACCEPT_STREAM},
        {"text/event-stream, application/json", LBI_ACCEPT_STREAM},
        {"application/json, text/event-stream", LBI_ACCEPT_JSON},
        {"application/json;q=0.9, text/event-stream", LBI_ACCEPT_STREAM},
        {"application/json, text/event-stream;q=0.9", LBI_ACCEPT_JSON},
        {"text/event-stream;q=0.001", LBI_ACCEPT_STREAM},
        {"text/event-stream;q=0", LBI_ACCEPT_NOTHING},
        {"text/event-stream;q=0, */*", LBI_ACCEPT_JSON},
        {"application/json;q=0, */*", LBI_ACCEPT_STREAM},
        {"application/json;q=0.0,text/*;q=0.2,*/*;q=0.5", LBI_ACCEPT_STREAM},
        {"*/*;q=0", LBI_ACCEPT_NOTHING},
        {"text/html", LBI_ACCEPT_NOTHING},
        {"image/png, text/html;q=0.7", LBI_ACCEPT_NOTHING},
        {"text/html;x=\"a,text/event-stream\"", LBI_ACCEPT_NOTHING},
        {"text/html;x=\"a\\\",text/event-stream\", application/json", LBI_ACCEPT_JSON},
        /* An element that makes no sense says nothing. */
        {"text/event-stream;q=2", LBI_ACCEPT_JSON},
        {"text/event-stream;q=", LBI_ACCEPT_JSON},
        {"text/event-stream;q=0.1234", LBI_ACCEPT_JSON},
        {"text/event-stream;q=1.001", LBI_ACCEPT_JSON},
        {"text/event-stream;q=.5", LBI_ACCEPT_JSON},
        {"text/event-stream;q=-1, application/json;q=0.1", LBI_ACCEPT_JSON},
        {";q=1", LBI_ACCEPT_JSON},
        {"text/event-stream;x=\"", LBI_ACCEPT_STREAM},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int got = lbi_accept(cases[i].field);

        if (got != cases[i].want)
            FAIL("%s: %d", cases[i].field ? cases[i].field : "(none)", got);
    }
}

TEST(tags)
{
    static const struct {
        const char *field;
        bool want;
    } cases[] = {
        {"\"abc\"", true},
        {"W/\"abc\"", true},
        {"\"x\", \"abc\"", true},
        {"\"x\",W/\"y\" ,\"abc\"", true},
        {"\"a,b\", \"abc\"", true},
        {",\"abc\"", true},
        {"\"x\",, ,\"abc\"", true},
        {"*", true},
        {" * ", true},
        {"abc", false},
        {"\"abc", false},
        {"\"ab\"", false},
        {"\"abcd\"", false},
        {"w/\"abc\"", false},
        {"", false},
        {"\"x\" \"y\"", false},
        {"W/", false},
        {"\"", false},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (lbi_tag_matches(cases[i].field, "\"abc\"") != cases[i].want)
            FAIL("%s", cases[i].field);
    }
}

TEST(bearer)
{
    CHECK(lbi_bearer(NULL) == NULL);
    CHECK(lbi_bearer("") == NULL);
    CHECK(lbi_bearer("Basic eDp5") == NULL);
    CHECK(lbi_bearer("Bearer") == NULL);
    CHECK(lbi_bearer("Bearerkey") == NULL);
    CHECK_STR(lbi_bearer("Bearer key"), "key");
    CHECK_STR(lbi_bearer("bearer  key"), "key");
}
