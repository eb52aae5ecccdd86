#include "reql/term.h"

#include "fault.h"
#include "test.h"

#include <locale.h>
#include <math.h>
#include <string.h>

static void check_text(lbi_term *t, const char *expected)
{
    CHECK_OK(t->buf.code);
    CHECK_OK(lbi_buf_add_char(&t->buf, '\0'));
    CHECK_STR(lbi_buf_bytes(&t->buf), expected);
}

/* reql.md 3: the queries that were run. */
TEST(atomic_add_of_one_row)
{
    lbi_term t;

    lbi_term_init(&t, 10000);
    lbi_term_query(&t);
    lbi_term_call(&t, LBI_T_UPDATE);
    lbi_term_call(&t, LBI_T_GET);
    lbi_term_table(&t, "scores");
    lbi_term_array(&t);
    lbi_term_text(&t, "b1");
    lbi_term_text(&t, "p1");
    lbi_term_end(&t);
    lbi_term_end(&t);
    lbi_term_func(&t, 1, 1);
    lbi_term_object(&t);
    lbi_term_key(&t, "score");
    lbi_term_call(&t, LBI_T_ADD);
    lbi_term_field(&t, 1, "score");
    lbi_term_int(&t, 5);
    lbi_term_end(&t);
    lbi_term_end(&t);
    lbi_term_end(&t);
    lbi_term_opts(&t);
    lbi_term_key(&t, "return_changes");
    lbi_term_bool(&t, true);
    lbi_term_end(&t);
    CHECK_OK(lbi_term_query_end(&t, "lb"));
    check_text(&t, "[1,[53,[[16,[[15,[\"scores\"]],[2,[\"b1\",\"p1\"]]]],[69,[[2,[1]],"
                   "{\"score\":[24,[[170,[[10,[1]],\"score\"]],5]]}]]],{\"return_changes\":true}],"
                   "{\"db\":[14,[\"lb\"]]}]");
    lbi_term_done(&t);
}

TEST(top_n)
{
    lbi_term t;

    lbi_term_init(&t, 10000);
    lbi_term_query(&t);
    lbi_term_call(&t, LBI_T_LIMIT);
    lbi_term_call(&t, LBI_T_ORDER_BY);
    lbi_term_call(&t, LBI_T_BETWEEN);
    lbi_term_table(&t, "scores");
    lbi_term_array(&t);
    lbi_term_text(&t, "b1");
    lbi_term_call0(&t, LBI_T_MINVAL);
    lbi_term_end(&t);
    lbi_term_array(&t);
    lbi_term_text(&t, "b1");
    lbi_term_call0(&t, LBI_T_MAXVAL);
    lbi_term_end(&t);
    lbi_term_opts(&t);
    lbi_term_key(&t, "index");
    lbi_term_text(&t, "rank");
    lbi_term_end(&t);
    lbi_term_opts(&t);
    lbi_term_key(&t, "index");
    lbi_term_call(&t, LBI_T_DESC);
    lbi_term_text(&t, "rank");
    lbi_term_end(&t);
    lbi_term_end(&t);
    lbi_term_int(&t, 10);
    lbi_term_end(&t);
    lbi_term_globals(&t, "lb");
    lbi_term_key(&t, "profile");
    lbi_term_bool(&t, true);
    CHECK_OK(lbi_term_globals_end(&t));
    check_text(&t,
               "[1,[71,[[41,[[182,[[15,[\"scores\"]],[2,[\"b1\",[180,[]]]],[2,[\"b1\",[181,[]]]]],"
               "{\"index\":\"rank\"}]],{\"index\":[74,[\"rank\"]]}],10]],"
               "{\"db\":[14,[\"lb\"]],\"profile\":true}]");
    lbi_term_done(&t);
}

TEST(functions_and_values)
{
    lbi_term t;

    lbi_term_init(&t, 10000);
    lbi_term_query(&t);
    lbi_term_call(&t, LBI_T_FUNCALL);
    lbi_term_func(&t, 3, 4);
    lbi_term_object(&t);
    lbi_term_key(&t, "a\"");
    lbi_term_var(&t, 6);
    lbi_term_key(&t, "b");
    lbi_term_null(&t);
    lbi_term_key(&t, "c");
    lbi_term_literal(&t, "[103,[]]");
    lbi_term_end(&t);
    lbi_term_end(&t);
    lbi_term_int(&t, LB_SCORE_MIN);
    lbi_term_double(&t, 0.25);
    lbi_term_text_n(&t, "x\0y", 3);
    lbi_term_end(&t);
    CHECK_OK(lbi_term_query_end(&t, NULL));
    check_text(&t, "[1,[64,[[69,[[2,[4,5,6]],{\"a\\\"\":[10,[6]],\"b\":null,\"c\":[103,[]]}]],"
                   "-9007199254740991,0.25,\"x\\u0000y\"]]]");
    lbi_term_done(&t);
}

TEST(memory_is_used_again)
{
    lbi_term t;
    char *memory;

    lbi_term_init(&t, 10000);
    lbi_term_query(&t);
    lbi_term_int(&t, 1);
    CHECK_OK(lbi_term_query_end(&t, NULL));
    memory = t.buf.data;
    for (int i = 0; i < 100; i++) {
        lbi_term_query(&t);
        lbi_term_int(&t, i);
        CHECK_OK(lbi_term_query_end(&t, NULL));
        CHECK(t.buf.data == memory);
    }
    lbi_term_done(&t);
}

/* Calls that do not fit together, and values that cannot travel. */
static void misuse(lbi_term *t, int how)
{
    static const char *const deep = "deep";

    switch (how) {
    case 0: /* no term */
        break;
    case 1:
        lbi_term_int(t, 1);
        lbi_term_int(t, 2);
        break;
    case 2:
        lbi_term_call(t, LBI_T_ADD);
        break;
    case 3:
        lbi_term_int(t, 1);
        lbi_term_end(t);
        lbi_term_end(t);
        break;
    case 4:
        lbi_term_object(t);
        lbi_term_int(t, 1);
        lbi_term_end(t);
        break;
    case 5:
        lbi_term_object(t);
        lbi_term_key(t, "a");
        lbi_term_end(t);
        break;
    case 6:
        lbi_term_call(t, LBI_T_ADD);
        lbi_term_key(t, "a");
        lbi_term_int(t, 1);
        lbi_term_end(t);
        break;
    case 7:
        lbi_term_func(t, 1, 1);
        lbi_term_end(t);
        break;
    case 8:
        lbi_term_func(t, 1, 1);
        lbi_term_int(t, 1);
        lbi_term_int(t, 1);
        lbi_term_end(t);
        break;
    case 9:
        lbi_term_call(t, 1); /* DATUM */
        lbi_term_end(t);
        break;
    case 10:
        lbi_term_object(t);
        lbi_term_opts(t);
        lbi_term_end(t);
        break;
    case 11:
        for (int i = 0; i < 100; i++)
            lbi_term_array(t);
        for (int i = 0; i < 100; i++)
            lbi_term_end(t);
        break;
    case 12:
        lbi_term_text(t, "\xc3(");
        break;
    case 13:
        lbi_term_int(t, LB_SCORE_MAX + 1);
        break;
    case 14:
        lbi_term_int(t, INT64_MIN);
        break;
    case 15:
        lbi_term_double(t, (double)INFINITY);
        break;
    case 16:
        lbi_term_double(t, (double)NAN);
        break;
    default:
        for (int i = 0; i < 5000; i++)
            lbi_term_text(t, deep);
        break;
    }
}

TEST(misuse_sticks)
{
    for (int how = 0; how < 18; how++) {
        lbi_term t;
        int r;

        lbi_term_init(&t, 10000);
        lbi_term_query(&t);
        misuse(&t, how);
        r = lbi_term_query_end(&t, how % 2 ? "db" : NULL);
        if (how < 13 ? r != LB_E_INVAL : how < 17 ? r != LB_E_RANGE : r >= 0)
            FAIL("case %d gives %d", how, r);
        lbi_term_query(&t); /* and is over with the next query */
        lbi_term_int(&t, 1);
        CHECK_OK(lbi_term_query_end(&t, NULL));
        lbi_term_done(&t);
    }
}

TEST(too_large)
{
    lbi_term t;

    lbi_term_init(&t, 100);
    lbi_term_query(&t);
    lbi_term_array(&t);
    for (int i = 0; i < 100; i++)
        lbi_term_int(&t, i);
    lbi_term_end(&t);
    CHECK_EQ(lbi_term_query_end(&t, NULL), LB_E_LIMIT);
    lbi_term_done(&t);
}

TEST(decimal_point_of_any_locale)
{
    lbi_term t;

    if (!setlocale(LC_NUMERIC, "de_DE.UTF-8") && !setlocale(LC_NUMERIC, "fr_FR.UTF-8"))
        SKIP("no locale with a decimal comma here");
    lbi_term_init(&t, 100);
    lbi_term_query(&t);
    lbi_term_double(&t, -1.5e-7);
    CHECK_OK(lbi_term_query_end(&t, NULL));
    CHECK(!memchr(lbi_buf_bytes(&t.buf) + 3, ',', t.buf.len - 3));
    lbi_term_done(&t);
}

TEST(out_of_memory)
{
    FOR_EACH_ALLOC_FAILURE (i) {
        lbi_term t;
        int r;

        lbi_term_init(&t, 10000);
        lbi_term_query(&t);
        lbi_term_array(&t);
        for (int n = 0; n < 200; n++)
            lbi_term_text(&t, "player");
        lbi_term_end(&t);
        r = lbi_term_query_end(&t, "db");
        CHECK(r == 0 || (r == LB_E_NOMEM && fault_fired()));
        lbi_term_done(&t);
    }
}
