#include "base/json.h"

#include "fault.h"
#include "test.h"

#include <string.h>

static lbi_json *parse(const char *text)
{
    lbi_json *root = NULL;
    lb_error error = {.msg = ""};

    if (lbi_json_parse(text, strlen(text), 1 << 20, 32, &root, &error) < 0)
        FAIL("%s: %s", text, error.msg);
    return root;
}

static void refused(const char *text, size_t len, int code)
{
    lbi_json *root = NULL;
    lb_error error = {.msg = ""};

    if (lbi_json_parse(text, len, 100, 4, &root, &error) != code)
        FAIL("%.*s: not refused with %d", (int)len, text, code);
    CHECK(!root);
    CHECK_EQ(error.code, code);
    CHECK(error.msg[0]);
}

TEST(getters)
{
    lbi_json *root = parse(" {\"a\":1,\"b\":\"x\",\"c\":[true,null,-2.5],\"A\":9} \r\n");
    const lbi_json *list = lbi_json_get(root, "c"), *item;
    int64_t number = 0;
    double real = 0;
    bool flag = false;

    CHECK(lbi_json_int(lbi_json_get(root, "a"), &number));
    CHECK_EQ(number, 1);
    CHECK(lbi_json_int(lbi_json_get(root, "A"), &number));
    CHECK_EQ(number, 9);
    CHECK_STR(lbi_json_text(lbi_json_get(root, "b")), "x");
    CHECK_STR(lbi_json_key(lbi_json_first(root)), "a");
    CHECK(lbi_json_is_object(root));
    CHECK(lbi_json_is_array(list));
    item = lbi_json_first(list);
    CHECK(lbi_json_bool(item, &flag));
    CHECK(flag);
    item = lbi_json_next(item);
    CHECK(lbi_json_is_null(item));
    item = lbi_json_next(item);
    CHECK(lbi_json_double(item, &real));
    CHECK(real < -2.4 && real > -2.6);
    CHECK(!lbi_json_int(item, &number));
    CHECK(!lbi_json_next(item));
    CHECK(!lbi_json_key(item));
    lbi_json_free(root);
}

TEST(what_is_not_there)
{
    int64_t number = 5;
    bool flag = true;
    double real;

    CHECK(!lbi_json_get(NULL, "a"));
    CHECK(!lbi_json_first(NULL));
    CHECK(!lbi_json_next(NULL));
    CHECK(!lbi_json_text(NULL));
    CHECK(!lbi_json_key(NULL));
    CHECK(!lbi_json_int(NULL, &number));
    CHECK(!lbi_json_double(NULL, &real));
    CHECK(!lbi_json_bool(NULL, &flag));
    CHECK(!lbi_json_is_null(NULL));
    CHECK_EQ(number, 5);
    lbi_json_free(NULL);
}

TEST(integers_exact_or_refused)
{
    static const struct {
        const char *text;
        bool ok;
        int64_t value;
    } rows[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"-0.0", true, 0},
        {"9007199254740991", true, LB_SCORE_MAX},
        {"-9007199254740991", true, LB_SCORE_MIN},
        {"9007199254740992", false, 0},
        {"9007199254740993", false, 0},
        {"-9007199254740993", false, 0},
        {"18446744073709552000.0", false, 0},
        {"9223372036854775808", false, 0},
        {"1e3", true, 1000},
        {"1e999", false, 0},
        {"5.5", false, 0},
        {"0.30000000000000007", false, 0},
        {"\"5\"", false, 0},
        {"true", false, 0},
        {"null", false, 0},
        {"[]", false, 0},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        lbi_json *root = parse(rows[i].text);
        int64_t value = 77;

        if (lbi_json_int(root, &value) != rows[i].ok)
            FAIL("%s", rows[i].text);
        CHECK_EQ(value, rows[i].ok ? rows[i].value : 77);
        lbi_json_free(root);
    }
}

TEST(refuses)
{
    static const char *const bad[] = {"",
                                      " ",
                                      "{",
                                      "[1,]",
                                      "{\"a\"}",
                                      "1 2",
                                      "nul",
                                      "\"\xff\"",
                                      "\"\xed\xa0\x80\"",
                                      "\"\\ud800\"",
                                      "\"a",
                                      "{} x",
                                      "\"\\u00\""};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refused(bad[i], strlen(bad[i]), LB_E_INVAL);
    refused("\"a\0b\"", 5, LB_E_INVAL);
    refused("1\0", 2, LB_E_INVAL);
    refused("[[[[[1]]]]]", 11, LB_E_LIMIT);
    refused("[[[[[", 5, LB_E_LIMIT);
    refused("{\"a\":[{\"b\":[{}]}]}", 18, LB_E_LIMIT);
}

TEST(depth_and_size)
{
    static char text[20001];
    lbi_json *root = NULL;

    memset(text, '[', 10000);
    memset(text + 10000, ']', 10000);
    CHECK_EQ(lbi_json_parse(text, 20000, 20000, 128, &root, NULL), LB_E_LIMIT);
    CHECK_EQ(lbi_json_parse(text, 20000, 19999, 20000, &root, NULL), LB_E_LIMIT);
    CHECK_EQ(lbi_json_parse(text + 9950, 100, 100, 50, &root, NULL), 0);
    lbi_json_free(root);
    root = parse("[\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[[\"]"); /* in text */
    lbi_json_free(root);
}

TEST(nul_in_text)
{
    lbi_json *root = parse("[\"a\\u0000b\",\"\\\\u0000\",\"\\\\\\u0000\"]");
    const lbi_json *item = lbi_json_first(root);

    CHECK_STR(lbi_json_text(item), "a\xef\xbf\xbd"
                                   "b");
    item = lbi_json_next(item);
    CHECK_STR(lbi_json_text(item), "\\u0000");
    item = lbi_json_next(item);
    CHECK_STR(lbi_json_text(item), "\\\xef\xbf\xbd");
    lbi_json_free(root);
}

/* From a block of exactly its size, cut at every byte: a checker sees a read past the end. */
TEST(every_prefix)
{
    static const char text[] = "{\"a\\u0000\":[1,-2.5e3,\"\\\"\xc3\xa9\",true,null,{}]}";

    for (size_t n = 0; n < sizeof text - 1; n++) {
        lbi_json *root = NULL;
        lbi_buf exact;

        lbi_buf_init(&exact, 100);
        CHECK_OK(lbi_buf_add(&exact, text, n));
        CHECK_EQ(lbi_json_parse(lbi_buf_bytes(&exact), n, 100, 8, &root, NULL), LB_E_INVAL);
        lbi_buf_done(&exact);
    }
}

static void check_put(const char *text, size_t len, const char *expected)
{
    lbi_buf b;

    lbi_buf_init(&b, 100);
    CHECK_OK(lbi_json_put_text(&b, text, len));
    CHECK_OK(lbi_buf_add_char(&b, '\0'));
    CHECK_STR(lbi_buf_bytes(&b), expected);
    lbi_buf_done(&b);
}

TEST(put_text)
{
    lbi_buf b;

    check_put("", 0, "\"\"");
    check_put("plain", 5, "\"plain\"");
    check_put("a\"b\\c", 5, "\"a\\\"b\\\\c\"");
    check_put("\n\t\x7f\x00!", 5, "\"\\u000a\\u0009\\u007f\\u0000!\"");
    check_put("\xc3\xa9\xf0\x9f\x8f\x86", 6, "\"\xc3\xa9\xf0\x9f\x8f\x86\"");
    lbi_buf_init(&b, 100);
    CHECK_EQ(lbi_json_put_text(&b, "a\xff", 2), LB_E_INVAL);
    CHECK_EQ(b.code, LB_E_INVAL);
    lbi_buf_clear(&b);
    CHECK_EQ(lbi_json_put_text(&b, "\xc3", 1), LB_E_INVAL);
    lbi_buf_clear(&b);
    CHECK_EQ(lbi_json_put_text(&b, "\xed\xa0\x80", 3), LB_E_INVAL);
    lbi_buf_done(&b);
}

TEST(put_int)
{
    lbi_buf b;

    lbi_buf_init(&b, 100);
    CHECK_OK(lbi_json_put_int(&b, 0));
    CHECK_OK(lbi_buf_add_char(&b, ' '));
    CHECK_OK(lbi_json_put_int(&b, INT64_MIN));
    CHECK_OK(lbi_buf_add_char(&b, ' '));
    CHECK_OK(lbi_json_put_int(&b, INT64_MAX));
    CHECK_OK(lbi_buf_add_char(&b, '\0'));
    CHECK_STR(lbi_buf_bytes(&b), "0 -9223372036854775808 9223372036854775807");
    lbi_buf_done(&b);
}

TEST(out_of_memory)
{
    FOR_EACH_ALLOC_FAILURE (i) {
        lbi_json *root = NULL;
        int r = lbi_json_parse("[\"\\u0000\"]", 10, 100, 4, &root, NULL);

        CHECK(r == 0 || (r == LB_E_NOMEM && fault_fired()));
        lbi_json_free(root);
    }
}
