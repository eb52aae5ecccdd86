/* The store suite: scores, what happens to those that travel together, order, pages. */
#include "store_suite.h"

#include "test.h"

#include <stdio.h>
#include <string.h>

#define BEST suite_options(LB_WRITE_BEST, NULL)
#define BEST_CREATE suite_options(LB_WRITE_BEST | LB_WRITE_CREATE, NULL)

/* ---- one at a time -------------------------------------------------------------------------- */

void suite_scores_are_added(suite_case *c)
{
    const lb_player *row = NULL;

    CHECK_EQ(lb_score_add(c->client, "b", "p", 5, CREATE, &row, NULL), 1);
    CHECK_STR(row->board, "b");
    CHECK_STR(row->id, "p");
    CHECK_STR(row->name, "p");
    CHECK_EQ(row->score, 5);
    CHECK_EQ(row->position, 0);
    CHECK_EQ(row->rank, 0);
    CHECK_EQ(lb_score_add(c->client, "b", "p", -8, NULL, &row, NULL), 1);
    CHECK_EQ(row->score, -3);
    CHECK_EQ(lb_score_add(c->client, "b", "p", 0, NULL, &row, NULL), 0);
    CHECK_EQ(row->score, -3);
    /* Nothing to add is still a player to create, where that is asked for. */
    CHECK_EQ(lb_score_add(c->client, "b", "q", 0, NULL, NULL, NULL), LB_E_NOTFOUND);
    CHECK_EQ(lb_score_add(c->client, "b", "q", 0, CREATE, &row, NULL), 1);
    CHECK_EQ(row->score, 0);
    CHECK_STR(suite_page(c, "b"), "q:0 p:-3");
}

void suite_scores_are_set(suite_case *c)
{
    const lb_player *row = NULL;

    CHECK_EQ(lb_score_set(c->client, "b", "p", 5, CREATE, &row, NULL), 1);
    CHECK_EQ(row->score, 5);
    CHECK_EQ(lb_score_set(c->client, "b", "p", -9, NULL, &row, NULL), 1);
    CHECK_EQ(row->score, -9);
    CHECK_EQ(lb_score_set(c->client, "b", "p", -9, NULL, &row, NULL), 0);
    CHECK_EQ(row->score, -9);
    CHECK_EQ(lb_score_set(c->client, "b", "q", 5, NULL, NULL, NULL), LB_E_NOTFOUND);
    CHECK_EQ(lb_score_set(c->client, "b", "q", 0, CREATE, NULL, NULL), 1);
    CHECK_STR(suite_page(c, "b"), "q:0 p:-9");
}

void suite_best_scores_are_kept(suite_case *c)
{
    const lb_player *row = NULL;

    for (int asc = 0; asc < 2; asc++) {
        const char *board = asc ? "up" : "down";
        int64_t better = asc ? -1 : 1;

        suite_board(c, board, asc ? LB_BOARD_ASCENDING : 0);
        CHECK_EQ(lb_score_set(c->client, board, "p", 5, BEST, NULL, NULL), LB_E_NOTFOUND);
        CHECK_EQ(lb_score_set(c->client, board, "p", 5, BEST_CREATE, &row, NULL), 1);
        CHECK_EQ(lb_score_set(c->client, board, "p", 5 - better, BEST, &row, NULL), 0);
        CHECK_EQ(row->score, 5);
        CHECK_EQ(lb_score_set(c->client, board, "p", 5, BEST_CREATE, &row, NULL), 0);
        CHECK_EQ(row->score, 5);
        CHECK_EQ(lb_score_set(c->client, board, "p", 5 + better, BEST_CREATE, &row, NULL), 1);
        CHECK_EQ(row->score, 5 + better);
        CHECK_EQ(suite_get(c, board, "p").score, 5 + better);
        /* A new player has nothing that could be better. */
        CHECK_EQ(lb_score_set(c->client, board, "q", -100 * better, BEST_CREATE, &row, NULL), 1);
        CHECK_EQ(row->score, -100 * better);
    }
}

void suite_scores_have_a_range(suite_case *c)
{
    const lb_player *row = NULL;

    for (int64_t sign = -1; sign <= 1; sign += 2) {
        int64_t end = sign * LB_SCORE_MAX;
        row_copy before;

        suite_set(c, "b", "p", end - sign);
        CHECK_EQ(lb_score_add(c->client, "b", "p", sign, NULL, &row, NULL), 1);
        CHECK_EQ(row->score, end);
        before = suite_get(c, "b", "p");
        CHECK_EQ(lb_score_add(c->client, "b", "p", sign, NULL, NULL, NULL), LB_E_RANGE);
        CHECK_EQ(lb_score_add(c->client, "b", "p", end, CREATE, NULL, NULL), LB_E_RANGE);
        CHECK_EQ(suite_get(c, "b", "p").score, end);
        CHECK_EQ(suite_get(c, "b", "p").reached_us, before.reached_us);
        CHECK_EQ(lb_score_add(c->client, "b", "p", -end, NULL, &row, NULL), 1);
        CHECK_EQ(row->score, 0);
        CHECK_EQ(lb_score_set(c->client, "b", "p", end + sign, NULL, NULL, NULL), LB_E_INVAL);
        CHECK_EQ(lb_score_add(c->client, "b", "p", end + sign, NULL, NULL, NULL), LB_E_INVAL);
    }
    CHECK_STR(suite_page(c, "b"), "p:0");
}

void suite_unchanged_scores_keep_their_time(suite_case *c)
{
    row_copy a, b;
    const lb_player *row = NULL;

    a = suite_set(c, "b", "p", 5);
    CHECK(a.reached_us > INT64_C(1500000000000000));
    CHECK_EQ(suite_get(c, "b", "p").reached_us, a.reached_us);
    CHECK_EQ(lb_score_add(c->client, "b", "p", 0, NULL, &row, NULL), 0);
    CHECK_EQ(row->reached_us, a.reached_us);
    CHECK_EQ(lb_score_set(c->client, "b", "p", 5, NULL, &row, NULL), 0);
    CHECK_EQ(row->reached_us, a.reached_us);
    CHECK_EQ(lb_score_set(c->client, "b", "p", 4, BEST, &row, NULL), 0);
    CHECK_EQ(row->reached_us, a.reached_us);
    CHECK_EQ(lb_player_put(c->client, "b", "p", "Name", NULL, &row, NULL), 1);
    CHECK_EQ(row->reached_us, a.reached_us);
    CHECK_EQ(suite_get(c, "b", "p").reached_us, a.reached_us);
    b = suite_set(c, "b", "p", 6);
    CHECK(b.reached_us >= a.reached_us && (!c->store->strict_time || b.reached_us > a.reached_us));
    b = suite_set(c, "b", "p", 5);
    CHECK(b.reached_us >= a.reached_us && (!c->store->strict_time || b.reached_us > a.reached_us));
}

/* ---- together ------------------------------------------------------------------------------- */

static void add_start(suite_case *c, const char *player, int64_t amount,
                      const lb_write_options *opts, outcome *o)
{
    CHECK_EQ(lb_score_add_start(c->client, "b", player, amount, opts, outcome_done, o, NULL, NULL),
             0);
}

static void wait_all(suite_case *c, outcome *o, size_t n)
{
    for (size_t i = 0; i < n; i++)
        (void)run_outcome(c->client, &o[i]);
    run_idle(c->client);
    for (size_t i = 0; i < n; i++)
        CHECK_EQ(o[i].count, 1);
}

void suite_started_together_as_if_one_after_another(suite_case *c)
{
    int sequence = 0;
    outcome o[3] = {{.sequence = &sequence}, {.sequence = &sequence}, {.sequence = &sequence}};

    suite_board(c, "b", 0);
    for (size_t i = 0; i < 3; i++)
        add_start(c, "p", 1, CREATE, &o[i]);
    CHECK_EQ(sequence, 0); /* never inside _start */
    wait_all(c, o, 3);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(o[i].code, 1);
        CHECK(o[i].has_player && !o[i].has_board);
        CHECK_EQ(o[i].player.score, i + 1);
        CHECK_EQ(o[i].order, i + 1);
        if (i)
            CHECK(o[i].player.reached_us >= o[i - 1].player.reached_us);
        if (i && c->store->strict_time)
            CHECK(o[i].player.reached_us > o[i - 1].player.reached_us);
    }
    CHECK_EQ(suite_get(c, "b", "p").score, 3);
    CHECK_EQ(suite_get(c, "b", "p").reached_us, o[2].player.reached_us);
}

/* Summed first, all three would fit, or none. */
void suite_one_refused_fails_alone(suite_case *c)
{
    outcome o[5] = {{0}};

    suite_set(c, "b", "p", LB_SCORE_MAX - 1);
    suite_set(c, "b", "q", 0);
    add_start(c, "p", 1, NULL, &o[0]);
    add_start(c, "p", 1, NULL, &o[1]);
    add_start(c, "q", 1, NULL, &o[2]);
    add_start(c, "nobody", 1, NULL, &o[3]);
    add_start(c, "p", -2, NULL, &o[4]);
    wait_all(c, o, 5);
    CHECK_EQ(o[0].code, 1);
    CHECK_EQ(o[0].player.score, LB_SCORE_MAX);
    CHECK_EQ(o[1].code, LB_E_RANGE);
    CHECK(!o[1].has_player);
    CHECK_EQ(o[2].code, 1);
    CHECK_EQ(o[3].code, LB_E_NOTFOUND);
    CHECK_EQ(o[4].code, 1);
    CHECK_EQ(o[4].player.score, LB_SCORE_MAX - 2);
    CHECK_EQ(suite_get(c, "b", "p").score, LB_SCORE_MAX - 2);
    CHECK_EQ(suite_get(c, "b", "q").score, 1);
}

void suite_a_mixed_batch_in_order(suite_case *c)
{
    outcome o[8] = {{0}};
    lb_client *client = c->client;

    suite_set(c, "b", "other", 0);
    add_start(c, "p", 1, NULL, &o[0]); /* not there yet */
    CHECK_EQ(lb_player_put_start(client, "b", "p", "Name", NULL, outcome_done, &o[1], NULL, NULL),
             0);
    add_start(c, "p", 2, NULL, &o[2]);
    CHECK_EQ(lb_score_set_start(client, "b", "p", 2, NULL, outcome_done, &o[3], NULL, NULL), 0);
    CHECK_EQ(lb_score_set_start(client, "b", "p", 9, BEST, outcome_done, &o[4], NULL, NULL), 0);
    CHECK_EQ(lb_player_remove_start(client, "b", "p", NULL, outcome_done, &o[5], NULL, NULL), 0);
    add_start(c, "p", 1, NULL, &o[6]); /* gone again */
    add_start(c, "p", 4, CREATE, &o[7]);
    wait_all(c, o, 8);
    CHECK_EQ(o[0].code, LB_E_NOTFOUND);
    CHECK_EQ(o[1].code, 1);
    CHECK_EQ(o[1].player.score, 0);
    CHECK_EQ(o[2].code, 1);
    CHECK_EQ(o[2].player.score, 2);
    CHECK_STR(o[2].player.name, "Name");
    CHECK_EQ(o[3].code, 0);
    CHECK_EQ(o[4].code, 1);
    CHECK_EQ(o[4].player.score, 9);
    CHECK_EQ(o[5].code, 1);
    CHECK_EQ(o[6].code, LB_E_NOTFOUND);
    CHECK_EQ(o[7].code, 1);
    CHECK_EQ(o[7].player.score, 4);
    CHECK_STR(o[7].player.name, "p");
    CHECK_STR(suite_page(c, "b"), "p:4 other:0");
}

enum { MANY = 5000 };

void suite_many_started_together(suite_case *c)
{
    static outcome o[MANY];
    int64_t sum[7] = {0};

    suite_board(c, "b", 0);
    for (int i = 0; i < MANY; i++) {
        char id[16];

        o[i] = (outcome){.count = 0};
        snprintf(id, sizeof id, "p%d", i % 7);
        add_start(c, id, i, CREATE, &o[i]);
    }
    wait_all(c, o, MANY);
    for (int i = 0; i < MANY; i++) {
        sum[i % 7] += i;
        CHECK_EQ(o[i].code, i > 0 || o[i].player.score == 0);
        CHECK_EQ(o[i].player.score, sum[i % 7]);
    }
    CHECK_EQ(suite_get(c, "b", "p3").score, sum[3]);
}

/* ---- idempotency keys ----------------------------------------------------------------------- */

static int add_key(suite_case *c, const char *player, int64_t amount, const char *key,
                   row_copy *ret)
{
    const lb_player *row = NULL;
    int r = lb_score_add(c->client, "b", player, amount, suite_options(LB_WRITE_CREATE, key),
                         ret ? &row : NULL, NULL);

    if (ret && r >= 0)
        *ret = copy_row(row);
    return r;
}

void suite_keys_repeat_the_answer(suite_case *c)
{
    row_copy first, again;

    CHECK_EQ(add_key(c, "p", 5, "k1", &first), 1);
    CHECK_EQ(add_key(c, "p", 5, "k2", NULL), 1);
    CHECK_EQ(add_key(c, "p", 5, "k1", &again), 1);
    CHECK_EQ(again.score, 5); /* as it was answered, not as it is */
    CHECK_EQ(again.reached_us, first.reached_us);
    CHECK_STR(again.name, first.name);
    CHECK_EQ(suite_get(c, "b", "p").score, 10);
    /* The same key for anything else. */
    CHECK_EQ(add_key(c, "p", 6, "k1", NULL), LB_E_CONFLICT);
    CHECK_EQ(lb_score_set(c->client, "b", "p", 5, suite_options(0, "k1"), NULL, NULL),
             LB_E_CONFLICT);
    CHECK_STR(suite_page(c, "b"), "p:10");
    /* An answer without a change is an answer too. */
    CHECK_EQ(lb_score_set(c->client, "b", "p", 10, suite_options(0, "k3"), NULL, NULL), 0);
    suite_set(c, "b", "p", 11);
    CHECK_EQ(lb_score_set(c->client, "b", "p", 10, suite_options(0, "k3"), NULL, NULL), 0);
    CHECK_EQ(suite_get(c, "b", "p").score, 11);
}

/* Whether his keys go with him or not: without LB_WRITE_CREATE a repeat does not bring him back. */
void suite_keys_of_a_player_who_was_removed(suite_case *c)
{
    int forgotten = c->store->keys_in_rows ? LB_E_NOTFOUND : 1;

    CHECK_EQ(add_key(c, "p", 5, "k1", NULL), 1);
    CHECK_EQ(lb_player_remove(c->client, "b", "p", NULL, NULL), 1);
    CHECK_EQ(lb_score_add(c->client, "b", "p", 5, suite_options(0, "k1"), NULL, NULL), forgotten);
    CHECK_EQ(lb_player_get(c->client, "b", "p", NULL, NULL, NULL), LB_E_NOTFOUND);
    CHECK_EQ(lb_score_add(c->client, "b", "p", 5, suite_options(0, "k2"), NULL, NULL),
             LB_E_NOTFOUND);
    CHECK_EQ(add_key(c, "p", 7, "k3", NULL), 1);
    CHECK_EQ(add_key(c, "p", 7, "k3", NULL), 1);
    CHECK_EQ(suite_get(c, "b", "p").score, 7);
}

void suite_keys_within_a_batch(suite_case *c)
{
    outcome o[4] = {{0}};

    suite_board(c, "b", 0);
    add_start(c, "p", 5, suite_options(LB_WRITE_CREATE, "k"), &o[0]);
    add_start(c, "p", 1, CREATE, &o[1]);
    add_start(c, "p", 5, suite_options(LB_WRITE_CREATE, "k"), &o[2]);
    add_start(c, "p", 7, suite_options(LB_WRITE_CREATE, "k"), &o[3]);
    wait_all(c, o, 4);
    CHECK_EQ(o[0].player.score, 5);
    CHECK_EQ(o[1].player.score, 6);
    CHECK_EQ(o[2].code, 1);
    CHECK_EQ(o[2].player.score, 5);
    CHECK_EQ(o[3].code, LB_E_CONFLICT);
    CHECK_EQ(suite_get(c, "b", "p").score, 6);
}

/* ---- order ---------------------------------------------------------------------------------- */

static void fill_scores(suite_case *c, const char *board)
{
    suite_set(c, board, "low", -5);
    suite_set(c, board, "z-first", 10);
    suite_set(c, board, "a-second", 10);
    suite_set(c, board, "top", LB_SCORE_MAX);
    suite_set(c, board, "zero", 0);
    suite_set(c, board, "bottom", LB_SCORE_MIN);
    suite_set(c, board, "m-third", 10);
}

void suite_order_descending(suite_case *c)
{
    suite_board(c, "b", 0);
    fill_scores(c, "b");
    CHECK_STR(suite_page(c, "b"), "top:9007199254740991 z-first:10 a-second:10 m-third:10 "
                                  "zero:0 low:-5 bottom:-9007199254740991");
}

void suite_order_ascending(suite_case *c)
{
    suite_board(c, "b", LB_BOARD_ASCENDING);
    fill_scores(c, "b");
    CHECK_STR(suite_page(c, "b"), "bottom:-9007199254740991 low:-5 zero:0 z-first:10 "
                                  "a-second:10 m-third:10 top:9007199254740991");
}

/* Who leaves a score and comes back is behind those who stayed; renaming moves nobody. */
void suite_order_of_ties_follows_time(suite_case *c)
{
    suite_set(c, "b", "c", 5);
    suite_set(c, "b", "a", 5);
    suite_set(c, "b", "b", 5);
    CHECK_STR(suite_page(c, "b"), "c:5 a:5 b:5");
    suite_set(c, "b", "c", 6);
    suite_set(c, "b", "c", 5);
    CHECK_STR(suite_page(c, "b"), "a:5 b:5 c:5");
    CHECK_EQ(lb_player_put(c->client, "b", "a", "zzz", NULL, NULL, NULL), 1);
    suite_set(c, "b", "b", 5);
    CHECK_STR(suite_page(c, "b"), "a:5 b:5 c:5");
    CHECK_EQ(lb_player_remove(c->client, "b", "a", NULL, NULL), 1);
    suite_set(c, "b", "a", 5);
    CHECK_STR(suite_page(c, "b"), "b:5 c:5 a:5");
}

static const char *places(suite_case *c, const char *board, uint32_t limit, uint32_t offset,
                          const char *after)
{
    row_list list = {.n = 0};
    const char *text;
    lb_range range;

    lb_range_init(&range);
    range.limit = limit;
    range.offset = offset;
    range.after = after;
    CHECK_EQ(lb_board_get(c->client, board, &range, row_list_add, &list, NULL), 0);
    text = row_list_places(&list);
    row_list_clear(&list);
    return text;
}

void suite_position_and_rank(suite_case *c)
{
    for (int asc = 0; asc < 2; asc++) {
        const char *board = asc ? "up" : "down";
        int64_t sign = asc ? -1 : 1;

        suite_board(c, board, asc ? LB_BOARD_ASCENDING : 0);
        CHECK_STR(places(c, board, 10, 0, NULL), "");
        suite_set(c, board, "d", 5 * sign);
        suite_set(c, board, "a", 9 * sign);
        suite_set(c, board, "b", 7 * sign);
        suite_set(c, board, "c", 7 * sign);
        suite_set(c, board, "e", 5 * sign);
        CHECK_STR(places(c, board, 10, 0, NULL), "1/1/a 2/2/b 3/2/c 4/4/d 5/4/e");
        CHECK_STR(places(c, board, 2, 2, NULL), "3/2/c 4/4/d");
        CHECK_STR(places(c, board, 2, 4, NULL), "5/4/e");
    }
}

/* ---- pages ---------------------------------------------------------------------------------- */

static void fill_ten(suite_case *c, const char *board)
{
    for (int i = 0; i < 10; i++) {
        char id[16];

        snprintf(id, sizeof id, "p%d", i);
        suite_set(c, board, id, 100 - i / 2); /* pairs of equal scores */
    }
}

void suite_pages_by_limit_and_offset(suite_case *c)
{
    row_list list = {.n = 0};

    fill_ten(c, "b");
    CHECK_EQ(lb_board_get(c->client, "b", NULL, row_list_add, &list, NULL), 0);
    CHECK_STR(row_list_places(&list), "1/1/p0 2/1/p1 3/3/p2 4/3/p3 5/5/p4");
    row_list_clear(&list);
    CHECK_STR(places(c, "b", 0, 0, NULL), "1/1/p0 2/1/p1 3/3/p2 4/3/p3 5/5/p4");
    CHECK_STR(places(c, "b", 1, 0, NULL), "1/1/p0");
    CHECK_STR(places(c, "b", 1, 9, NULL), "10/9/p9");
    CHECK_STR(places(c, "b", 3, 8, NULL), "9/9/p8 10/9/p9");
    CHECK_STR(places(c, "b", 1, 10, NULL), "");
    CHECK_STR(places(c, "b", LB_LIMIT_MAX, LB_OFFSET_MAX, NULL), "");
    CHECK_EQ(lb_board_get(c->client, "nowhere", NULL, row_list_add, &list, NULL), LB_E_NOTFOUND);
}

static void cursor_of(suite_case *c, const char *board, const char *player, char *ret)
{
    const lb_player *row = NULL;

    CHECK_EQ(lb_player_get(c->client, board, player, NULL, &row, NULL), 0);
    CHECK_EQ(lb_player_cursor(row, ret, LB_CURSOR_SIZE), 0);
}

void suite_pages_by_cursor(suite_case *c)
{
    char cursor[LB_CURSOR_SIZE];
    row_list list = {.n = 0};
    lb_range range;

    fill_ten(c, "b");
    cursor_of(c, "b", "p2", cursor);
    CHECK_STR(places(c, "b", 3, 0, cursor), "4/3/p3 5/5/p4 6/5/p5");
    cursor_of(c, "b", "p9", cursor);
    CHECK_STR(places(c, "b", 3, 0, cursor), "");
    lb_range_init(&range);
    range.limit = 2;
    range.flags = LB_READ_NO_PLACE;
    cursor_of(c, "b", "p0", cursor);
    range.after = cursor;
    CHECK_EQ(lb_board_get(c->client, "b", &range, row_list_add, &list, NULL), 0);
    CHECK_STR(row_list_places(&list), "0/0/p1 0/0/p2");
    row_list_clear(&list);
    CHECK_EQ(read_all(c->client, "b", &list), 0);
    CHECK_STR(row_list_text(&list), suite_page(c, "b"));
    row_list_clear(&list);
}

/* A cursor is a place in the order, not a row. */
void suite_a_cursor_outlives_its_row(suite_case *c)
{
    for (int asc = 0; asc < 2; asc++) {
        const char *board = asc ? "up" : "down";
        char cursor[LB_CURSOR_SIZE];
        int64_t sign = asc ? -1 : 1;

        suite_board(c, board, asc ? LB_BOARD_ASCENDING : 0);
        suite_set(c, board, "a", 30 * sign);
        suite_set(c, board, "b", 20 * sign);
        suite_set(c, board, "c", 20 * sign);
        suite_set(c, board, "d", 20 * sign);
        suite_set(c, board, "e", 10 * sign);
        cursor_of(c, board, "c", cursor);
        CHECK_STR(places(c, board, 5, 0, cursor), "4/2/d 5/5/e");
        suite_set(c, board, "c", 40 * sign); /* moved: those behind its old place remain */
        CHECK_STR(places(c, board, 5, 0, cursor), "4/3/d 5/5/e");
        suite_set(c, board, "c", 5 * sign); /* it comes again further down */
        CHECK_STR(places(c, board, 5, 0, cursor), "3/2/d 4/4/e 5/5/c");
        CHECK_EQ(lb_player_remove(c->client, board, "c", NULL, NULL), 1);
        CHECK_STR(places(c, board, 5, 0, cursor), "3/2/d 4/4/e");
        suite_set(c, board, "f", 20 * sign); /* later than the cursor */
        CHECK_STR(places(c, board, 5, 0, cursor), "3/2/d 4/2/f 5/5/e");
    }
}

static const char *around(suite_case *c, const char *board, const char *player, uint32_t count)
{
    row_list list = {.n = 0};
    const char *text;

    CHECK_EQ(lb_player_around(c->client, board, player, count, NULL, row_list_add, &list, NULL), 0);
    text = row_list_places(&list);
    row_list_clear(&list);
    return text;
}

void suite_around_a_player(suite_case *c)
{
    for (int asc = 0; asc < 2; asc++) {
        const char *board = asc ? "up" : "down";

        suite_board(c, board, asc ? LB_BOARD_ASCENDING : 0);
        for (int i = 0; i < 9; i++) {
            char id[16];

            snprintf(id, sizeof id, "p%d", i);
            suite_set(c, board, id, (asc ? 1 : -1) * (i / 2));
        }
        CHECK_STR(around(c, board, "p4", 3), "4/3/p3 5/5/p4 6/5/p5");
        CHECK_STR(around(c, board, "p4", 0), "3/3/p2 4/3/p3 5/5/p4 6/5/p5 7/7/p6");
        CHECK_STR(around(c, board, "p4", 1), "5/5/p4");
        CHECK_STR(around(c, board, "p0", 3), "1/1/p0 2/1/p1 3/3/p2");
        CHECK_STR(around(c, board, "p1", 5), "1/1/p0 2/1/p1 3/3/p2 4/3/p3 5/5/p4");
        CHECK_STR(around(c, board, "p8", 3), "7/7/p6 8/7/p7 9/9/p8");
        CHECK_STR(around(c, board, "p7", 5), "5/5/p4 6/5/p5 7/7/p6 8/7/p7 9/9/p8");
        CHECK_STR(around(c, board, "p8", 1), "9/9/p8");
        CHECK_STR(around(c, board, "p4", 9),
                  "1/1/p0 2/1/p1 3/3/p2 4/3/p3 5/5/p4 6/5/p5 7/7/p6 8/7/p7 9/9/p8");
    }
}

void suite_around_on_small_boards(suite_case *c)
{
    row_list list = {.n = 0};

    suite_set(c, "b", "a", 3);
    CHECK_STR(around(c, "b", "a", 1), "1/1/a");
    CHECK_STR(around(c, "b", "a", LB_LIMIT_MAX), "1/1/a");
    suite_set(c, "b", "b", 3);
    CHECK_STR(around(c, "b", "a", 5), "1/1/a 2/1/b");
    CHECK_STR(around(c, "b", "b", 5), "1/1/a 2/1/b");
    CHECK_EQ(lb_player_around(c->client, "b", "c", 3, NULL, row_list_add, &list, NULL),
             LB_E_NOTFOUND);
    CHECK_EQ(lb_player_around(c->client, "nowhere", "a", 3, NULL, row_list_add, &list, NULL),
             LB_E_NOTFOUND);
    CHECK_EQ(list.n, 0);
}

void suite_a_row_callback_stops(suite_case *c)
{
    static const char *const ids[] = {"p1", "p2", "p3"};
    row_list list = {.stop_at = 2, .stop_with = 42};

    fill_ten(c, "b");
    CHECK_EQ(lb_board_get(c->client, "b", NULL, row_list_add, &list, NULL), 42);
    CHECK_EQ(list.n, 2);
    list.n = 0;
    list.stop_with = -99;
    CHECK_EQ(lb_player_around(c->client, "b", "p5", 5, NULL, row_list_add, &list, NULL), -99);
    CHECK_EQ(list.n, 2);
    list.n = 0;
    CHECK_EQ(lb_player_get_many(c->client, "b", ids, 3, NULL, row_list_add, &list, NULL), -99);
    CHECK_EQ(list.n, 2);
    row_list_clear(&list);
}

/* ---- another client ------------------------------------------------------------------------- */

void suite_another_client_sees_it(suite_case *c)
{
    suite_case other = *c;

    if (!c->store->persistent)
        SKIP("this store does not outlive its client");
    other.client = suite_client(c);
    suite_set(c, "b", "p", 1);
    CHECK_STR(suite_page(&other, "b"), "p:1");
    CHECK_EQ(lb_score_add(other.client, "b", "p", 1, NULL, NULL, NULL), 1);
    CHECK_STR(suite_page(c, "b"), "p:2");
    CHECK_EQ(add_key(c, "p", 5, "k", NULL), 1);
    CHECK_EQ(add_key(&other, "p", 5, "k", NULL), 1);
    CHECK_EQ(add_key(&other, "p", 6, "k", NULL), LB_E_CONFLICT);
    lb_client_free(other.client);
    other.client = suite_client(c);
    CHECK_STR(suite_page(&other, "b"), "p:7");
    CHECK_EQ(lb_board_delete(other.client, "b", NULL, NULL), 1);
    lb_client_free(other.client);
    CHECK_EQ(lb_board_info(c->client, "b", NULL, NULL, NULL), LB_E_NOTFOUND);
}
