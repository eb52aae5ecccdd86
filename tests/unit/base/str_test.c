#include "base/str.h"

#include "test.h"

#include <string.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))

/* n times the character c. */
static const char *repeat(char c, size_t n)
{
    static char text[2000];

    memset(text, c, n);
    text[n] = '\0';
    return text;
}

typedef int (*check_fn)(const char *text, lb_error *reterr);

/* Refused, with a sentence, and also where nobody asks for the sentence. */
static void check_refused(check_fn check, const char *text)
{
    lb_error error = {.code = 0};

    if (check(text, NULL) != LB_E_INVAL || check(text, &error) != LB_E_INVAL)
        FAIL("'%s' was not refused", text ? text : "(null)");
    CHECK_EQ(error.code, LB_E_INVAL);
    CHECK(strlen(error.msg) > 10);
}

static void check_taken(check_fn check, const char *text)
{
    lb_error error = {.code = 77, .msg = "untouched"};

    if (check(text, NULL) != 0 || check(text, &error) != 0)
        FAIL("'%s' was refused: %s", text, error.msg);
    CHECK_EQ(error.code, 77); /* written only on failure */
    CHECK_STR(error.msg, "untouched");
}

/* ---- ids ------------------------------------------------------------------------------------ */

static const char *const good_ids[] = {
    "a",  "Z",  "0",  "-",   "_",    "~",   "...", "..a",
    ".a", "a.", "-a", "--x", "~._-", "con", "NaN", "A-Z.a_z~09",
};

static const char *const bad_ids[] = {
    NULL,  "",    ".",     "..",   "a b", " a",   "a ",    "a/b",      "/",    "a\\b",
    "a\n", "\ta", "a%20b", "a+b",  "a:b", "a@b",  "a?b",   "a#b",      "a&b",  "a=b",
    "a,b", "a;b", "a'b",   "a\"b", "a<b", "\x7f", "a\x01", "\xc3\xa9", "\x80", "a|b",
    "{a}", "[a]", "a*b",   "a!b",  "a$b", "a`b",  "a^b",   "(a)",
};

TEST(board_and_player_ids)
{
    for (size_t i = 0; i < N(good_ids); i++) {
        check_taken(lb_board_id_check, good_ids[i]);
        check_taken(lb_player_id_check, good_ids[i]);
    }
    for (size_t i = 0; i < N(bad_ids); i++) {
        check_refused(lb_board_id_check, bad_ids[i]);
        check_refused(lb_player_id_check, bad_ids[i]);
    }
}

/* Each of the 255 bytes alone, against the rule spelled out another way. */
TEST(each_byte_in_an_id)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                  "._~-";

    for (int c = 1; c < 256; c++) {
        char id[3] = {'x', (char)c, '\0'};
        bool want = strchr(allowed, c) != NULL;

        CHECK_EQ(lb_player_id_check(id, NULL), want ? 0 : LB_E_INVAL);
        CHECK_EQ(lb_board_id_check(id, NULL), want ? 0 : LB_E_INVAL);
    }
}

TEST(lengths_of_ids)
{
    check_taken(lb_board_id_check, repeat('b', 40));
    check_refused(lb_board_id_check, repeat('b', 41));
    check_taken(lb_player_id_check, repeat('p', 64));
    check_refused(lb_player_id_check, repeat('p', 65));
    check_refused(lb_player_id_check, repeat('p', 1500));
}

/* ---- idempotency keys ----------------------------------------------------------------------- */

TEST(idempotency_keys)
{
    static const char *const good[] = {"k", "A-Z_09", "-", "_"};
    static const char *const bad[] = {"", "a.b", "a~b", "a b", "a\n", "\xc3\xa9", "a/b"};

    for (size_t i = 0; i < N(good); i++)
        check_taken(lbi_key_check, good[i]);
    for (size_t i = 0; i < N(bad); i++)
        check_refused(lbi_key_check, bad[i]);
    check_taken(lbi_key_check, repeat('k', 64));
    check_refused(lbi_key_check, repeat('k', 65));
}

/* ---- names ---------------------------------------------------------------------------------- */

static const char *const good_names[] = {
    "a",
    " ",
    "Ann Lee",
    "O'Neill \"Bob\" <b>",
    "\xc3\xa9",             /* U+00E9 */
    "\xc2\xa0",             /* U+00A0, the first after C1 */
    "\xdf\xbf",             /* U+07FF */
    "\xe0\xa0\x80",         /* U+0800 */
    "\xe2\x80\xa7",         /* U+2027, just below the separators */
    "\xe2\x80\xaa",         /* U+202A, just above */
    "\xed\x9f\xbf",         /* U+D7FF */
    "\xee\x80\x80",         /* U+E000 */
    "\xef\xbf\xbf",         /* U+FFFF */
    "\xf0\x90\x80\x80",     /* U+10000 */
    "\xf4\x8f\xbf\xbf",     /* U+10FFFF */
    "\xf0\x9f\x8f\x86 won", /* a trophy */
    "e\xcc\x81",            /* e and a combining accent: two code points */
};

static const char *const bad_names[] = {
    NULL,
    "",
    "a\nb",
    "a\tb",
    "\x01",
    "\x1f",
    "\x7f",
    "\xc2\x80", /* C1, first and last */
    "\xc2\x9f",
    "\xe2\x80\xa8", /* U+2028 */
    "\xe2\x80\xa9", /* U+2029 */
    "\x80",         /* a continuation alone */
    "\xbf",
    "\xc3", /* cut */
    "\xc3(",
    "\xe2\x82",
    "\xe2\x82(",
    "\xf0\x9f\x8f",
    "\xf0\x9f\x8f(",
    "\xc0\x80", /* overlong NUL */
    "\xc1\xbf", /* overlong U+007F */
    "\xe0\x80\x80",
    "\xe0\x9f\xbf", /* overlong U+07FF */
    "\xf0\x80\x80\x80",
    "\xf0\x8f\xbf\xbf", /* overlong U+FFFF */
    "\xed\xa0\x80",     /* the first surrogate */
    "\xed\xbf\xbf",     /* the last */
    "\xf4\x90\x80\x80", /* U+110000 */
    "\xf5\x80\x80\x80",
    "\xf8\x88\x80\x80\x80",
    "\xfe",
    "\xff",
    "ok then \xff",
    "\xc3\xa9\xa9", /* one continuation too many */
};

TEST(names)
{
    for (size_t i = 0; i < N(good_names); i++)
        check_taken(lb_name_check, good_names[i]);
    for (size_t i = 0; i < N(bad_names); i++)
        check_refused(lb_name_check, bad_names[i]);
}

static const char *trophies(size_t n)
{
    static char text[4 * 70 + 1];

    text[0] = '\0';
    for (size_t i = 0; i < n; i++)
        strcat(text, "\xf0\x9f\x8f\x86");
    return text;
}

/* Whatever it was, it is a name afterwards. */
TEST(names_are_mended)
{
    static const struct {
        const char *raw, *mended;
    } cases[] = {
        {"Ann", "Ann"},
        {"", ""},
        {"a\nb\x1b[2J", "a\xef\xbf\xbd"
                        "b\xef\xbf\xbd[2J"},
        {"\xc2\x9b", "\xef\xbf\xbd"},
        {"\xff\xc3", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
    };
    char name[LB_NAME_MAX + 1], longest[1001];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lbi_name_mend(cases[i].raw, name);
        CHECK_STR(name, cases[i].mended);
        if (*name)
            CHECK_EQ(lb_name_check(name, NULL), 0);
    }
    for (int c = 1; c < 256; c++) {
        memset(longest, c, sizeof longest - 1);
        longest[sizeof longest - 1] = '\0';
        lbi_name_mend(longest, name);
        CHECK_EQ(lb_name_check(name, NULL), 0);
    }
}

TEST(lengths_of_names)
{
    check_taken(lb_name_check, repeat('n', 64));
    check_refused(lb_name_check, repeat('n', 65));
    check_taken(lb_name_check, trophies(64)); /* 256 bytes */
    check_refused(lb_name_check, trophies(65));
    check_refused(lb_name_check, repeat('n', 257));
}

/* ---- UTF-8 ---------------------------------------------------------------------------------- */

/* Straight from the definition, for the test only. */
static size_t encode(uint32_t c, char out[5])
{
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned lead[] = {0, 0, 0xc0, 0xe0, 0xf0};

    for (size_t i = n; i-- > 1; c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(lead[n] | c);
    out[n] = '\0';
    return n;
}

TEST(every_code_point_is_read_back)
{
    for (uint32_t c = 0; c <= 0x110010; c++) {
        bool valid = c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
        uint32_t got = 0;
        char text[5];
        size_t n = encode(c, text);

        if (lbi_utf8_next(text, n, &got) != (valid ? n : 0) || (valid && got != c))
            FAIL("U+%04X is not read as it should be", c);
        for (size_t cut = 0; cut < n; cut++)
            CHECK_EQ(lbi_utf8_next(text, cut, &got), 0);
    }
}

TEST(what_follows_a_sequence_is_left_alone)
{
    uint32_t c;

    CHECK_EQ(lbi_utf8_next("\xc3\xa9\xff", 3, &c), 2);
    CHECK_EQ(c, 0xe9);
    CHECK_EQ(lbi_utf8_next("", 0, &c), 0);
    CHECK_EQ(lbi_utf8_next("\0", 1, &c), 1);
    CHECK_EQ(c, 0);
}

/* ---- numbers -------------------------------------------------------------------------------- */

static const struct {
    const char *text;
    int64_t value;
} good_scores[] = {
    {"0", 0},
    {"-0", 0},
    {"1", 1},
    {"-1", -1},
    {"10", 10},
    {"9007199254740991", LB_SCORE_MAX},
    {"-9007199254740991", LB_SCORE_MIN},
    {"9007199254740990", LB_SCORE_MAX - 1},
};

static const char *const bad_scores[] = {
    "",
    "-",
    "--1",
    "+1",
    "1.5",
    "1e3",
    "1.",
    ".5",
    " 1",
    "1 ",
    "\t1",
    "1\n",
    "00",
    "01",
    "-01",
    "-00",
    "0x10",
    "1_000",
    "1,000",
    "abc",
    "NaN",
    "Infinity",
    "9007199254740992",
    "-9007199254740992",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "18446744073709551617",
    "99999999999999999999999999",
    "\xd9\xa1", /* an Arabic digit */
};

TEST(scores)
{
    for (size_t i = 0; i < N(good_scores); i++) {
        const char *text = good_scores[i].text;
        int64_t value = 77;

        CHECK(lbi_parse_score(text, strlen(text), &value));
        CHECK_EQ(value, good_scores[i].value);
        value = 77;
        CHECK_EQ(lb_score_parse(text, &value, NULL), 0);
        CHECK_EQ(value, good_scores[i].value);
    }
    for (size_t i = 0; i < N(bad_scores); i++) {
        lb_error error = {.code = 0};
        int64_t value = 77;

        if (lbi_parse_score(bad_scores[i], strlen(bad_scores[i]), &value))
            FAIL("'%s' was taken", bad_scores[i]);
        CHECK_EQ(lb_score_parse(bad_scores[i], &value, &error), LB_E_INVAL);
        CHECK_EQ(error.code, LB_E_INVAL);
        CHECK_EQ(value, 77);
    }
}

TEST(a_bad_number_gets_its_own_sentence)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "empty"},           {"-", "no digits"},      {"1.5", "whole number"},
        {"1e3", "whole number"}, {"007", "leading zero"}, {"9007199254740992", "outside"},
    };

    for (size_t i = 0; i < N(cases); i++) {
        lb_error error;
        int64_t value;

        CHECK_EQ(lb_score_parse(cases[i].text, &value, &error), LB_E_INVAL);
        if (!strstr(error.msg, cases[i].says))
            FAIL("'%s' gets: %s", cases[i].text, error.msg);
    }
    CHECK_EQ(lb_score_parse(NULL, &(int64_t){0}, NULL), LB_E_INVAL);
    CHECK_EQ(lb_score_parse("1", NULL, NULL), LB_E_INVAL);
}

/* What cannot be shown as it is is not repeated: the sentence stays UTF-8 without controls. */
TEST(a_bad_number_does_not_get_into_the_sentence_raw)
{
    static const char *const texts[] = {"\xff", "1\x1b[2J", "1\n", "\xc3", "\xd9\xa1"};

    for (size_t i = 0; i < N(texts); i++) {
        lb_error error;
        int64_t value;

        CHECK_EQ(lb_score_parse(texts[i], &value, &error), LB_E_INVAL);
        CHECK(strstr(error.msg, "whole number") != NULL);
        for (const char *c = error.msg; *c; c++)
            CHECK(*c >= ' ' && *c <= '~');
    }
}

TEST(a_very_long_number_is_refused)
{
    lb_error error;
    int64_t value;

    CHECK_EQ(lb_score_parse(repeat('1', 1500), &value, &error), LB_E_INVAL);
    CHECK_EQ(lb_score_parse(repeat('0', 1500), &value, &error), LB_E_INVAL);
    CHECK(strlen(error.msg) < 150);
}

TEST(only_the_given_part_of_a_text_is_read)
{
    int64_t score = 0;
    uint64_t number = 0;

    CHECK(lbi_parse_score("123", 2, &score));
    CHECK_EQ(score, 12);
    CHECK(lbi_parse_score("-12.5", 3, &score));
    CHECK_EQ(score, -12);
    CHECK(!lbi_parse_score("-12", 1, &score));
    CHECK(lbi_parse_u64("99x", 2, 99, &number));
    CHECK_EQ(number, 99);
}

TEST(unsigned_numbers_and_their_bound)
{
    static const struct {
        const char *text;
        uint64_t max;
        bool ok;
    } cases[] = {
        {"0", 0, true},
        {"1", 0, false},
        {"007", 7, true},
        {"8", 7, false},
        {"255", 255, true},
        {"256", 255, false},
        {"300", 255, false},
        {"18446744073709551615", UINT64_MAX, true},
        {"18446744073709551616", UINT64_MAX, false},
        {"184467440737095516150", UINT64_MAX, false},
        {"", 9, false},
        {"-1", 9, false},
        {"+1", 9, false},
        {"1 ", 99, false},
        {"9", 5, false},
    };

    for (size_t i = 0; i < N(cases); i++) {
        const char *text = cases[i].text;
        uint64_t value = 77;

        if (lbi_parse_u64(text, strlen(text), cases[i].max, &value) != cases[i].ok)
            FAIL("'%s' up to %ju", text, (uintmax_t)cases[i].max);
        CHECK(cases[i].ok || value == 77);
    }
}

/* ---- the rest ------------------------------------------------------------------------------- */

TEST(uuids_have_version_and_variant)
{
    uint8_t random[16];
    char text[LBI_UUID_LEN + 1];

    memset(random, 0, sizeof random);
    lbi_uuid4(random, text);
    CHECK_STR(text, "00000000-0000-4000-8000-000000000000");
    memset(random, 0xff, sizeof random);
    lbi_uuid4(random, text);
    CHECK_STR(text, "ffffffff-ffff-4fff-bfff-ffffffffffff");
    for (uint8_t i = 0; i < 16; i++)
        random[i] = (uint8_t)(i * 0x11);
    lbi_uuid4(random, text);
    CHECK_STR(text, "00112233-4455-4677-8899-aabbccddeeff");
    CHECK_EQ(lb_board_id_check(text, NULL), 0);
    CHECK_EQ(lb_player_id_check(text, NULL), 0);
}

TEST(copies_are_cut_and_ended)
{
    char buf[6] = "#####";

    lbi_copy(buf, 4, "abcdef");
    CHECK_MEM(buf, "abc\0#", 6);
    lbi_copy(buf, 4, "");
    CHECK_STR(buf, "");
    lbi_copy(buf, 1, "abc");
    CHECK_STR(buf, "");
    lbi_copy(buf, sizeof buf, "12345");
    CHECK_STR(buf, "12345");
}

TEST(percent_escapes_are_undone_or_refused)
{
    static const struct {
        const char *text, *decoded; /* NULL: refused */
    } cases[] = {
        {"", ""},
        {"plain", "plain"},
        {"%41%62", "Ab"},
        {"a%20b%2b+", "a b++"},
        {"%C3%a9", "\xc3\xa9"},
        {"%25%34%31", "%41"},
        {"%", NULL},
        {"%4", NULL},
        {"%4x", NULL},
        {"%x4", NULL},
        {"%00", NULL},
        {"%c3", NULL},
        {"%ed%a0%80", NULL},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[32];

        lbi_copy(text, sizeof text, cases[i].text);
        CHECK_EQ(lbi_percent_decode(text), cases[i].decoded != NULL);
        if (cases[i].decoded)
            CHECK_STR(text, cases[i].decoded);
    }
}
