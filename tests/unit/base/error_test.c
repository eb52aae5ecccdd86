#include "base/error.h"

#include "test.h"

#include <string.h>

/* The values are frozen: this table is what 0.1 promised, written out once more. */
static const struct {
    int code;
    const char *name;
} frozen[] = {
    {-1, "NOMEM"},  {-2, "INVAL"},     {-3, "STATE"},        {-4, "BUSY"},      {-5, "FORKED"},
    {-6, "LIMIT"},  {-7, "TIMEOUT"},   {-8, "CANCELED"},     {-9, "CLOSED"},    {-10, "IO"},
    {-11, "FULL"},  {-12, "READONLY"}, {-13, "CORRUPT"},     {-14, "NOTFOUND"}, {-15, "CONFLICT"},
    {-16, "RANGE"}, {-17, "UNKNOWN"},  {-18, "UNSUPPORTED"}, {-19, "TLS"},      {-20, "AUTH"},
    {-21, "PROTO"}, {-22, "QUERY"},
};
enum { N_FROZEN = sizeof frozen / sizeof frozen[0] };

TEST(names_and_values_are_frozen)
{
    for (size_t i = 0; i < N_FROZEN; i++)
        CHECK_STR(lb_error_name(frozen[i].code), frozen[i].name);
}

TEST(every_code_has_a_text_of_its_own)
{
    for (size_t i = 0; i < N_FROZEN; i++) {
        const char *text = lb_strerror(frozen[i].code);

        CHECK(text && *text && strcmp(text, "unknown error") != 0);
        for (size_t k = 0; k < i; k++)
            CHECK(strcmp(text, lb_strerror(frozen[k].code)) != 0);
    }
}

TEST(other_numbers_are_unknown)
{
    static const int others[] = {0, 1, 2, -23, -1000, INT32_MAX, INT32_MIN};

    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        CHECK_STR(lb_strerror(others[i]), "unknown error");
        CHECK_STR(lb_error_name(others[i]), "?");
    }
}

TEST(fail_fills_and_returns_the_code)
{
    lb_error error = {.code = 7};

    CHECK_EQ(lbi_fail(&error, LB_E_RANGE, "%d and %s", 3, "four"), LB_E_RANGE);
    CHECK_EQ(error.code, LB_E_RANGE);
    CHECK_STR(error.msg, "3 and four");
    CHECK_EQ(lbi_fail_nomem(&error), LB_E_NOMEM);
    CHECK_EQ(error.code, LB_E_NOMEM);
    CHECK_STR(error.msg, "out of memory");
}

TEST(fail_takes_no_error)
{
    CHECK_EQ(lbi_fail(NULL, LB_E_IO, "%s", "x"), LB_E_IO);
    CHECK_EQ(lbi_fail_nomem(NULL), LB_E_NOMEM);
}

TEST(fail_cuts_what_is_too_long)
{
    struct {
        lb_error error;
        char guard[8];
    } e = {.guard = "guarded"};
    char text[600];

    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    CHECK_EQ(lbi_fail(&e.error, LB_E_IO, "%s", text), LB_E_IO);
    CHECK_EQ(strlen(e.error.msg), sizeof e.error.msg - 1);
    CHECK_STR(e.guard, "guarded");
}

TEST(the_layout_of_an_error_is_frozen)
{
    CHECK_EQ(sizeof(lb_error), 256);
    CHECK_EQ(offsetof(lb_error, msg), 4);
}
