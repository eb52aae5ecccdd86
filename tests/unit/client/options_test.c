/* Input structs of all sizes, and every argument that is refused. */
#include "client/client.h"

#include "capture.h"
#include "model_store.h"
#include "test.h"

#include <string.h>

static lb_client *client; /* with board b and player p at 5 */

static void begin(void)
{
    lb_write_options w;

    lb_write_options_init(&w);
    w.flags = LB_WRITE_CREATE;
    model_world_open(&(model_faults){.seed = 1});
    client = model_client(NULL);
    CHECK_EQ(lb_score_set(client, "b", "p", 5, &w, NULL, NULL), 1);
}

/* Whatever was refused has left nothing behind. */
static void end(void)
{
    const lb_board *board = NULL;
    lb_counters counters;

    run_idle(client);
    CHECK_EQ(lb_board_info(client, "b", NULL, &board, NULL), 0);
    CHECK_EQ(board->players, 1);
    CHECK_EQ(lb_client_counters(client, &counters, sizeof counters), 0);
    lb_client_free(client);
    model_world_close();
}

static int add(const void *opts)
{
    const lb_player *row = NULL;
    int r = lb_score_add(client, "b", "p", 0, opts, &row, NULL);

    CHECK_EQ(row != NULL, r >= 0);
    return r;
}

static int get(const void *opts)
{
    return lb_player_get(client, "b", "p", opts, NULL, NULL);
}

static int page(const void *opts)
{
    row_list list = {.n = 0};
    int r = lb_board_get(client, "b", opts, row_list_add, &list, NULL);

    CHECK_EQ(list.n, r >= 0);
    row_list_clear(&list);
    return r;
}

static int subscribe(const void *opts)
{
    lb_changes *changes = NULL;
    int r = lb_changes_subscribe(client, "b", opts, mirror_apply, &(mirror){0}, &changes, NULL);

    CHECK_EQ(changes != NULL, r >= 0);
    lb_changes_cancel(changes);
    return r;
}

static int make(const void *opts)
{
    lb_client *other = NULL;
    int r = lbi_client_new_with(opts, model_store_new, &other, NULL);

    CHECK_EQ(other != NULL, r >= 0);
    lb_client_free(other);
    return r;
}

static const struct {
    int (*call)(const void *opts);
    size_t size;
} structs[] = {
    {make, sizeof(lb_options)},
    {add, sizeof(lb_write_options)},
    {get, sizeof(lb_read_options)},
    {page, sizeof(lb_range)},
    {subscribe, sizeof(lb_changes_options)},
};
#define N(array) (sizeof(array) / sizeof((array)[0]))

/* A struct of the given size: from an older or a newer header. */
static void *sized(size_t size)
{
    static union {
        unsigned char bytes[512];
        max_align_t align;
    } u;

    memset(&u, 0, sizeof u);
    memcpy(u.bytes, &size, sizeof size);
    return u.bytes;
}

TEST(init_sets_size_and_zero)
{
    unsigned char bytes[64];
    size_t size;

    memset(bytes, 0xee, sizeof bytes);
    lb_init_sized(bytes, 40);
    memcpy(&size, bytes, sizeof size);
    CHECK_EQ(size, 40);
    for (size_t i = sizeof size; i < sizeof bytes; i++)
        CHECK_EQ(bytes[i], i < 40 ? 0 : 0xee);
    lb_init_sized(NULL, 40);
    lb_init_sized(bytes, 0);
    CHECK_EQ(bytes[0], 40);
}

TEST(null_is_all_defaults)
{
    begin();
    for (size_t i = 0; i < N(structs); i++)
        CHECK_OK(structs[i].call(NULL));
    end();
}

TEST(a_struct_that_was_not_prepared_is_refused)
{
    begin();
    for (size_t i = 0; i < N(structs); i++) {
        CHECK_EQ(structs[i].call(sized(0)), LB_E_INVAL);
        CHECK_EQ(structs[i].call(sized(sizeof(size_t) - 1)), LB_E_INVAL);
    }
    end();
}

/* What an older header did not have is zero; what lies behind the struct is not looked at. */
TEST(an_older_struct_is_taken)
{
    begin();
    for (size_t i = 0; i < N(structs); i++) {
        for (size_t size = sizeof(size_t); size < structs[i].size; size += 8) {
            unsigned char *opts = sized(size);

            memset(opts + size, 0xff, structs[i].size - size);
            CHECK_OK(structs[i].call(opts));
        }
    }
    end();
}

TEST(a_newer_struct_is_taken_if_it_asks_for_nothing_new)
{
    begin();
    for (size_t i = 0; i < N(structs); i++) {
        for (size_t more = 1; more <= 64; more++)
            CHECK_OK(structs[i].call(sized(structs[i].size + more)));
    }
    end();
}

TEST(a_newer_struct_that_asks_for_something_is_refused)
{
    begin();
    for (size_t i = 0; i < N(structs); i++) {
        for (size_t more = 1; more <= 64; more++) {
            unsigned char *opts = sized(structs[i].size + more);

            opts[structs[i].size + more - 1] = 1;
            CHECK_EQ(structs[i].call(opts), LB_E_UNSUPPORTED);
        }
    }
    end();
}

/* ---- flags and numbers ---------------------------------------------------------------------- */

TEST(flags_that_are_not_there)
{
    lb_write_options w;
    lb_read_options r;
    lb_range range;
    lb_changes_options ch;

    begin();
    for (unsigned bit = 0; bit < 32; bit++) {
        uint32_t flag = UINT32_C(1) << bit;

        lb_write_options_init(&w);
        lb_read_options_init(&r);
        lb_range_init(&range);
        lb_changes_options_init(&ch);
        w.flags = r.flags = range.flags = ch.flags = flag;
        CHECK_EQ(add(&w) == LB_E_INVAL, flag != LB_WRITE_CREATE);
        CHECK_EQ(get(&r) == LB_E_INVAL, flag != LB_READ_PLACE);
        CHECK_EQ(page(&range) == LB_E_INVAL,
                 flag != LB_READ_NO_PLACE && flag != LB_READ_STATE && flag != LB_READ_DURABLE);
        CHECK_EQ(subscribe(&ch) == LB_E_INVAL, flag != LB_CHANGES_NO_ROWS);
        if (flag != LB_BOARD_ASCENDING)
            CHECK_EQ(lb_board_create(client, "new", flag, NULL, NULL, NULL), LB_E_INVAL);
        if (flag != LB_WRITE_CREATE)
            CHECK_EQ(lb_player_put(client, "b", "q", NULL, &w, NULL, NULL), LB_E_INVAL);
        CHECK_EQ(lb_player_remove(client, "b", "p", &w, NULL), LB_E_INVAL);
        CHECK_EQ(lb_board_delete(client, "b", &w, NULL), LB_E_INVAL);
    }
    end();
}

TEST(timeouts_that_are_too_long)
{
    lb_write_options w;
    lb_read_options r;
    lb_range range;
    lb_changes_options ch;

    begin();
    for (uint32_t over = 0; over < 2; over++) {
        lb_write_options_init(&w);
        lb_read_options_init(&r);
        lb_range_init(&range);
        lb_changes_options_init(&ch);
        w.timeout_ms = r.timeout_ms = range.timeout_ms = ch.min_interval_ms = 3600000 + over;
        ch.top = 1;
        CHECK_EQ(add(&w) == LB_E_INVAL, over);
        CHECK_EQ(get(&r) == LB_E_INVAL, over);
        CHECK_EQ(page(&range) == LB_E_INVAL, over);
        CHECK_EQ(subscribe(&ch) == LB_E_INVAL, over);
    }
    end();
}

TEST(ranges)
{
    static const struct {
        uint32_t limit, offset;
        const char *after;
        int code;
    } cases[] = {
        {1000, 0, NULL, 0},
        {1001, 0, NULL, LB_E_INVAL},
        {UINT32_MAX, 0, NULL, LB_E_INVAL},
        {1, 10000, NULL, 0},
        {1, 10001, NULL, LB_E_INVAL},
        {1, 1, "5.5.p", LB_E_INVAL},
        {1, 0, "", LB_E_INVAL},
        {1, 0, "p", LB_E_INVAL},
        {1, 0, "5.5.p", 0},
        {1, 0, "5.5.p/", LB_E_INVAL},
    };

    begin();
    for (size_t i = 0; i < N(cases); i++) {
        row_list list = {.n = 0};
        lb_range range;

        lb_range_init(&range);
        range.limit = cases[i].limit;
        range.offset = cases[i].offset;
        range.after = cases[i].after;
        CHECK_EQ(lb_board_get(client, "b", &range, row_list_add, &list, NULL), cases[i].code);
        row_list_clear(&list);
    }
    end();
}

TEST(subscriptions_that_are_refused)
{
    lb_changes *changes = NULL;
    lb_changes_options o;

    begin();
    lb_changes_options_init(&o);
    o.top = LB_LIMIT_MAX + 1;
    CHECK_EQ(subscribe(&o), LB_E_INVAL);
    o.top = LB_LIMIT_MAX;
    CHECK_EQ(subscribe(&o), 0);
    CHECK_EQ(lb_changes_subscribe(client, NULL, &o, mirror_apply, NULL, &changes, NULL),
             LB_E_INVAL);
    CHECK_EQ(lb_changes_subscribe(client, "a/b", NULL, mirror_apply, NULL, &changes, NULL),
             LB_E_INVAL);
    CHECK_EQ(lb_changes_subscribe(client, "b", NULL, NULL, NULL, &changes, NULL), LB_E_INVAL);
    CHECK_EQ(lb_changes_subscribe(NULL, "b", NULL, mirror_apply, NULL, &changes, NULL), LB_E_INVAL);
    CHECK(changes == NULL);
    CHECK(lb_changes_cancel(NULL) == NULL);
    end();
}

/* ---- ids, names, keys, callbacks ------------------------------------------------------------ */

/* Every call with this board and this player: INVAL, a sentence, and nothing started. */
static void check_ids(const char *board, const char *player)
{
    const char *const ids[] = {"p", player};
    row_list list = {.n = 0};
    lb_error error = {.code = 0};
    outcome o = {.count = 0};
    lb_op *op = NULL;

    CHECK_EQ(lb_player_get(client, board, player, NULL, NULL, &error), LB_E_INVAL);
    CHECK(error.code == LB_E_INVAL && error.msg[0]);
    CHECK_EQ(lb_player_get_many(client, board, ids, 2, NULL, row_list_add, &list, NULL),
             LB_E_INVAL);
    CHECK_EQ(lb_player_remove(client, board, player, NULL, NULL), LB_E_INVAL);
    CHECK_EQ(lb_player_around(client, board, player, 1, NULL, row_list_add, &list, NULL),
             LB_E_INVAL);
    CHECK_EQ(lb_score_add(client, board, player, 1, NULL, NULL, NULL), LB_E_INVAL);
    CHECK_EQ(lb_score_set(client, board, player, 1, NULL, NULL, NULL), LB_E_INVAL);
    CHECK_EQ(lb_score_set_start(client, board, player, 1, NULL, outcome_done, &o, &op, NULL),
             LB_E_INVAL);
    if (player)
        CHECK_EQ(lb_player_put(client, board, player, NULL, NULL, NULL, NULL), LB_E_INVAL);
    run_idle(client);
    CHECK(list.n == 0 && o.count == 0 && op == NULL);
}

TEST(ids_that_are_refused)
{
    begin();
    check_ids("b", NULL);
    check_ids("b", "");
    check_ids("b", "a b");
    check_ids(NULL, "p");
    check_ids("", "p");
    check_ids("..", "p");
    CHECK_EQ(lb_board_create(client, "", 0, NULL, NULL, NULL), LB_E_INVAL);
    CHECK_EQ(lb_board_create(client, "a/b", 0, NULL, NULL, NULL), LB_E_INVAL);
    CHECK_EQ(lb_board_delete(client, NULL, NULL, NULL), LB_E_INVAL);
    CHECK_EQ(lb_board_info(client, NULL, NULL, NULL, NULL), LB_E_INVAL);
    CHECK_EQ(lb_board_get(client, NULL, NULL, row_list_add, NULL, NULL), LB_E_INVAL);
    CHECK_EQ(lb_score_add(NULL, "b", "p", 1, NULL, NULL, NULL), LB_E_INVAL);
    end();
}

TEST(names_that_are_refused)
{
    begin();
    CHECK_EQ(lb_player_put(client, "b", "p", "", NULL, NULL, NULL), LB_E_INVAL);
    CHECK_EQ(lb_player_put(client, "b", "p", "a\nb", NULL, NULL, NULL), LB_E_INVAL);
    CHECK_EQ(lb_player_put(client, "b", "p", "\xff", NULL, NULL, NULL), LB_E_INVAL);
    end();
}

TEST(keys_that_are_refused)
{
    lb_write_options w;

    begin();
    lb_write_options_init(&w);
    w.idempotency_key = "";
    CHECK_EQ(add(&w), LB_E_INVAL);
    w.idempotency_key = "a.b";
    CHECK_EQ(add(&w), LB_E_INVAL);
    w.idempotency_key = "fine";
    CHECK_EQ(add(&w), 0);
    CHECK_EQ(lb_player_put(client, "b", "p", NULL, &w, NULL, NULL), LB_E_INVAL);
    CHECK_EQ(lb_player_remove(client, "b", "p", &w, NULL), LB_E_INVAL);
    CHECK_EQ(lb_board_create(client, "b2", 0, &w, NULL, NULL), LB_E_INVAL);
    CHECK_EQ(lb_board_delete(client, "b", &w, NULL), LB_E_INVAL);
    end();
}

TEST(amounts_and_counts_that_are_refused)
{
    static const char *many[LB_LIMIT_MAX + 1];
    row_list list = {.n = 0};

    begin();
    for (size_t i = 0; i <= LB_LIMIT_MAX; i++)
        many[i] = "nobody";
    CHECK_EQ(lb_score_add(client, "b", "p", LB_SCORE_MAX + 1, NULL, NULL, NULL), LB_E_INVAL);
    CHECK_EQ(lb_score_add(client, "b", "p", INT64_MIN, NULL, NULL, NULL), LB_E_INVAL);
    CHECK_EQ(lb_score_set(client, "b", "p", INT64_MAX, NULL, NULL, NULL), LB_E_INVAL);
    CHECK_EQ(lb_player_around(client, "b", "p", LB_LIMIT_MAX + 1, NULL, row_list_add, &list, NULL),
             LB_E_INVAL);
    CHECK_EQ(
        lb_player_get_many(client, "b", many, LB_LIMIT_MAX + 1, NULL, row_list_add, &list, NULL),
        LB_E_INVAL);
    CHECK_EQ(lb_player_get_many(client, "b", many, SIZE_MAX, NULL, row_list_add, &list, NULL),
             LB_E_INVAL);
    CHECK_EQ(lb_player_get_many(client, "b", NULL, 1, NULL, row_list_add, &list, NULL), LB_E_INVAL);
    CHECK_EQ(list.n, 0);
    end();
}

TEST(row_callbacks_must_be_there)
{
    static const char *const ids[] = {"p"};

    begin();
    CHECK_EQ(lb_board_get(client, "b", NULL, NULL, NULL, NULL), LB_E_INVAL);
    CHECK_EQ(lb_board_list(client, NULL, NULL, NULL, NULL), LB_E_INVAL);
    CHECK_EQ(lb_player_get_many(client, "b", ids, 1, NULL, NULL, NULL, NULL), LB_E_INVAL);
    CHECK_EQ(lb_player_around(client, "b", "p", 1, NULL, NULL, NULL, NULL), LB_E_INVAL);
    end();
}

/* What is refused does not count as pending. */
TEST(refusals_do_not_use_up_the_limit)
{
    lb_write_options w;

    begin();
    lb_write_options_init(&w);
    w.flags = 1u << 20;
    for (int i = 0; i < 70000; i++)
        CHECK_EQ(add(&w), LB_E_INVAL);
    CHECK_EQ(add(NULL), 0);
    end();
}
