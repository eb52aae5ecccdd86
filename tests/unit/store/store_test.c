#include "store/store.h"

#include "fault.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))

/* ---- verbs ---------------------------------------------------------------------------------- */

TEST(which_verbs_write)
{
    static const struct {
        lbi_verb verb;
        bool writes;
    } cases[] = {
        {LBI_BOARD_CREATE, true},   {LBI_BOARD_DELETE, true},     {LBI_BOARD_LIST, false},
        {LBI_BOARD_INFO, false},    {LBI_BOARD_GET, false},       {LBI_PLAYER_PUT, true},
        {LBI_PLAYER_GET, false},    {LBI_PLAYER_GET_MANY, false}, {LBI_PLAYER_REMOVE, true},
        {LBI_PLAYER_AROUND, false}, {LBI_SCORE_ADD, true},        {LBI_SCORE_SET, true},
    };

    for (size_t i = 0; i < N(cases); i++)
        CHECK_EQ(lbi_verb_writes(cases[i].verb), cases[i].writes);
}

/* ---- the order ------------------------------------------------------------------------------ */

static int sign(int n)
{
    return (n > 0) - (n < 0);
}

/* In board order, descending; ascending only turns the scores round. */
static const lbi_place descending[] = {
    {LB_SCORE_MAX, 0, "a"}, {10, 1, "z"}, {10, 2, "A"}, {10, 2, "B"}, {10, 2, "a"},
    {10, 2, "aa"},          {10, 2, "b"}, {10, 3, "~"}, {0, 0, "a"},  {-5, 9, "a"},
    {LB_SCORE_MIN, 0, "a"},
};
static const lbi_place ascending[] = {
    {LB_SCORE_MIN, 0, "a"}, {-5, 9, "a"}, {0, 0, "a"},  {10, 1, "z"},           {10, 2, "A"},
    {10, 2, "a"},           {10, 2, "b"}, {10, 3, "~"}, {LB_SCORE_MAX, 0, "a"},
};

static void check_order(const lbi_place *list, size_t n, bool asc)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < n; k++)
            CHECK_EQ(sign(lbi_place_compare(&list[i], &list[k], asc)), (i > k) - (i < k));
    }
}

TEST(score_then_time_then_id_bytewise)
{
    check_order(descending, N(descending), false);
    check_order(ascending, N(ascending), true);
}

/* ---- cursors -------------------------------------------------------------------------------- */

static void check_round_trip(int64_t score, int64_t reached_us, const char *id)
{
    lb_player player = {.board = "b", .id = id, .name = id, .score = score};
    char text[LB_CURSOR_SIZE];
    lbi_place place;

    player.reached_us = reached_us;
    CHECK_EQ(lb_player_cursor(&player, text, sizeof text), 0);
    CHECK_EQ(strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~-"),
             strlen(text));
    CHECK_EQ(lbi_place_parse(text, &place, NULL), 0);
    CHECK_EQ(place.score, score);
    CHECK_EQ(place.reached_us, reached_us);
    CHECK_STR(place.player, id);
}

TEST(cursors_are_read_back)
{
    char longest[LB_PLAYER_MAX + 1];

    memset(longest, 'x', LB_PLAYER_MAX);
    longest[LB_PLAYER_MAX] = '\0';
    check_round_trip(0, 0, "a");
    check_round_trip(-1, 1790000000000000, "a.b..c");
    check_round_trip(5, 6, "...");
    check_round_trip(LB_SCORE_MAX, LB_SCORE_MAX, longest);
    check_round_trip(LB_SCORE_MIN, LB_SCORE_MAX, longest);
}

TEST(a_cursor_needs_its_room)
{
    lb_player player = {.id = "a", .name = "a"};
    char text[LB_CURSOR_SIZE];

    CHECK_EQ(lb_player_cursor(&player, text, LB_CURSOR_SIZE - 1), LB_E_INVAL);
    CHECK_EQ(lb_player_cursor(NULL, text, sizeof text), LB_E_INVAL);
    CHECK_EQ(lb_player_cursor(&player, NULL, sizeof text), LB_E_INVAL);
}

TEST(other_texts_are_no_cursors)
{
    static const char *const bad[] = {
        "",
        ".",
        "..",
        "...",
        "1",
        "1.2",
        "1.2.",
        "1.2..",
        "1.2...",
        "x.2.a",
        "1.x.a",
        "1.-2.a",
        "01.2.a",
        "1. 2.a",
        " 1.2.a",
        "1.2.a b",
        "1.2.a/",
        "1.2.\xc3\xa9",
        "9007199254740992.2.a",
        "1.9007199254740992.a",
        "1.99999999999999999999.a",
        "1..a",
        ".2.a",
        "--1.2.a",
        "1.2.12345678901234567890123456789012345678901234567890123456789012345", /* 65 */
    };

    for (size_t i = 0; i < N(bad); i++) {
        lb_error error = {.code = 0};
        lbi_place place;

        if (lbi_place_parse(bad[i], &place, &error) != LB_E_INVAL)
            FAIL("'%s' was taken", bad[i]);
        CHECK_EQ(error.code, LB_E_INVAL);
    }
    CHECK_EQ(lbi_place_parse("1.2....", &(lbi_place){0}, NULL), 0); /* "..." is an id */
}

/* ---- requests ------------------------------------------------------------------------------- */

TEST(a_failure_fills_the_request)
{
    lbi_request request = {.code = 1};

    CHECK_EQ(lbi_request_fail(&request, LB_E_RANGE, "%s %d", "more than", 3), LB_E_RANGE);
    CHECK_EQ(request.code, LB_E_RANGE);
    CHECK_EQ(request.error.code, LB_E_RANGE);
    CHECK_STR(request.error.msg, "more than 3");
}

TEST(rows_are_copied_into_the_answer)
{
    lbi_request request = {.board = "b"};
    char id[16], name[16];
    lb_player row = {.board = "other", .id = id, .name = name};

    for (int i = 0; i < 3; i++) {
        snprintf(id, sizeof id, "p%d", i);
        snprintf(name, sizeof name, "n%d", i);
        row.score = i;
        CHECK(lbi_request_add_row(&request, &row, 3) == &request.rows[i]);
    }
    CHECK(!lbi_request_add_row(&request, &row, 3)); /* no more room */
    memset(id, 'x', sizeof id - 1);
    CHECK_EQ(request.n_rows, 3);
    for (int i = 0; i < 3; i++) {
        CHECK_STR(request.rows[i].board, "b");
        CHECK_EQ(request.rows[i].id[1], '0' + i);
        CHECK_EQ(request.rows[i].name[0], 'n');
        CHECK_EQ(request.rows[i].score, i);
    }
    lbi_arena_clear(&request.arena);
}

TEST(boards_are_copied_into_the_answer)
{
    lbi_request request = {.n_boards = 0};
    char id[4] = "one";
    lb_board board = {.id = id, .ascending = 1, .created_us = 5, .players = -1};

    CHECK(lbi_request_add_board(&request, &board, 2) != NULL);
    memcpy(id, "two", 4);
    CHECK(lbi_request_add_board(&request, &board, 2) != NULL);
    CHECK(!lbi_request_add_board(&request, &board, 2));
    CHECK_EQ(request.n_boards, 2);
    CHECK_STR(request.boards[0].id, "one");
    CHECK_STR(request.boards[1].id, "two");
    CHECK_EQ(request.boards[1].created_us, 5);
    lbi_arena_clear(&request.arena);
}

TEST(an_answer_can_be_started_afresh)
{
    lbi_request request = {.code = 1};
    lb_player row = {.id = "p", .name = "n"};
    lb_board board = {.id = "b"};

    CHECK(lbi_request_add_row(&request, &row, 1) && lbi_request_add_board(&request, &board, 1));
    lbi_request_clear_answer(&request);
    CHECK(request.code == 0 && request.n_rows == 0 && request.n_boards == 0);
    CHECK(!request.rows && !request.boards);
    CHECK(lbi_request_add_row(&request, &row, 4) && lbi_request_add_row(&request, &row, 4));
    CHECK_EQ(request.n_rows, 2);
    lbi_arena_clear(&request.arena);
}

TEST(allocation_failures_while_adding)
{
    FOR_EACH_ALLOC_FAILURE (i) {
        lbi_request request = {.board = "b"};
        lb_player row = {.id = "p", .name = "n"};
        lb_board board = {.id = "b"};
        size_t rows = 0, boards = 0;

        for (int k = 0; k < 50; k++) {
            rows += lbi_request_add_row(&request, &row, 50) != NULL;
            boards += lbi_request_add_board(&request, &board, 50) != NULL;
        }
        CHECK_EQ(request.n_rows, rows);
        CHECK_EQ(request.n_boards, boards);
        CHECK(rows + boards == 100 || fault_fired());
        lbi_arena_clear(&request.arena);
    }
}

/* ---- which store ---------------------------------------------------------------------------- */

TEST(a_scheme_that_is_not_there)
{
    static const char *const urls[] = {
        "", "leaderboard.db", "SQLITE:x", "sqlite", "mysql://u:secret@h/d", " sqlite:x",
    };

    for (size_t i = 0; i < N(urls); i++) {
        lbi_store_config config = {.url = urls[i]};
        lb_error error = {.code = 0};
        lbi_store *store = NULL;

        CHECK_EQ(lbi_store_new(&config, &store, &error), LB_E_UNSUPPORTED);
        CHECK_EQ(error.code, LB_E_UNSUPPORTED);
        CHECK(!strstr(error.msg, "secret"));
        CHECK(!store);
    }
}

/* ---- notices -------------------------------------------------------------------------------- */

static void on_notice(const lb_notice *notice, void *user)
{
    CHECK_EQ(notice->kind, LB_NOTICE_GAP);
    CHECK_EQ(notice->code, LB_E_IO);
    CHECK_STR(notice->message, "3 were missed");
    ++*(int *)user;
}

TEST(a_notice_reaches_its_callback)
{
    int calls = 0;
    lbi_store_config config = {.notice = on_notice, .notice_user = &calls};

    lbi_notice(&config, LB_NOTICE_GAP, LB_E_IO, "%d were missed", 3);
    CHECK_EQ(calls, 1);
}
