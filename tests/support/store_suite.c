/* The store suite: its frame, boards and players. */
#include "store_suite.h"

#include "client/client.h"
#include "test.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- the frame ------------------------------------------------------------------------------ */

lb_client *suite_client(const suite_case *c)
{
    lb_client *client = NULL;
    lb_options opts;
    lb_error error;

    lb_options_init(&opts);
    opts.database = c->store->database;
    opts.timeout_ms = 60000; /* only a hang takes so long */
    opts.change_log = c->change_log;
    if (lbi_client_new_with(&opts, c->store->make, &client, &error) < 0)
        FAIL("no client: %s", error.msg);
    return client;
}

void suite_run(const suite_store *store, void (*run)(suite_case *c))
{
    suite_case c = {.store = store};

    if (store->begin)
        store->begin();
    c.client = suite_client(&c);
    run(&c);
    lb_client_free(c.client);
    if (store->end)
        store->end();
}

const lb_write_options *suite_options(uint32_t flags, const char *key)
{
    static _Thread_local lb_write_options opts;

    lb_write_options_init(&opts);
    opts.flags = flags;
    opts.idempotency_key = key;
    return &opts;
}

void suite_board(suite_case *c, const char *board, uint32_t flags)
{
    CHECK_EQ(lb_board_create(c->client, board, flags, NULL, NULL, NULL), 1);
}

row_copy suite_set(suite_case *c, const char *board, const char *player, int64_t score)
{
    const lb_player *row = NULL;
    lb_error error;

    if (lb_score_set(c->client, board, player, score, CREATE, &row, &error) < 0)
        FAIL("set %s/%s: %s", board, player, error.msg);
    CHECK(row != NULL);
    return copy_row(row);
}

row_copy suite_get(suite_case *c, const char *board, const char *player)
{
    const lb_player *row = NULL;

    CHECK_EQ(lb_player_get(c->client, board, player, NULL, &row, NULL), 0);
    CHECK(row != NULL);
    return copy_row(row);
}

const char *suite_page(suite_case *c, const char *board)
{
    row_list list = {.n = 0};
    const char *text;
    lb_range range;

    lb_range_init(&range);
    range.limit = LB_LIMIT_MAX;
    CHECK_EQ(lb_board_get(c->client, board, &range, row_list_add, &list, NULL), 0);
    text = row_list_text(&list);
    row_list_clear(&list);
    return text;
}

/* ---- nothing there -------------------------------------------------------------------------- */

static void check_no_file(const suite_case *c)
{
    CHECK(!c->store->file || access(c->store->file, F_OK) != 0);
}

static int note_store(const char *name, const char *value, void *user)
{
    char *store = user;

    if (strcmp(name, "store") == 0)
        (void)snprintf(store, 32, "%s", value);
    return 0;
}

void suite_the_database_says_what_it_is(suite_case *c)
{
    char store[32] = "";

    suite_board(c, "b", 0);
    CHECK_EQ(lb_database_info(c->client, NULL, note_store, store, NULL), 0);
    CHECK(store[0] != '\0');
    CHECK_EQ(lb_database_info(c->client, NULL, NULL, NULL, NULL), LB_E_INVAL);
}

void suite_reads_create_nothing(suite_case *c)
{
    static const char *const ids[] = {"p"};
    row_list rows = {.n = 0};
    board_list boards = {.n = 0};
    const lb_board *board = NULL;
    const lb_player *player = NULL;
    lb_error error = {.code = 0};
    lb_client *client = c->client;

    CHECK_EQ(lb_board_info(client, "b", NULL, &board, &error), LB_E_NOTFOUND);
    CHECK_EQ(error.code, LB_E_NOTFOUND);
    CHECK(error.msg[0] != '\0');
    CHECK_EQ(lb_board_get(client, "b", NULL, row_list_add, &rows, NULL), LB_E_NOTFOUND);
    CHECK_EQ(lb_board_list(client, NULL, board_list_add, &boards, NULL), LB_E_NOTFOUND);
    CHECK_EQ(lb_player_get(client, "b", "p", NULL, &player, NULL), LB_E_NOTFOUND);
    CHECK_EQ(lb_player_get_many(client, "b", ids, 1, NULL, row_list_add, &rows, NULL),
             LB_E_NOTFOUND);
    CHECK_EQ(lb_player_around(client, "b", "p", 3, NULL, row_list_add, &rows, NULL), LB_E_NOTFOUND);
    CHECK(!board && !player && rows.n == 0 && boards.n == 0);
    check_no_file(c);
}

void suite_writes_without_create_create_nothing(suite_case *c)
{
    lb_client *client = c->client;

    for (int i = 0; i < 2; i++) {
        CHECK_EQ(lb_score_add(client, "b", "p", 1, NULL, NULL, NULL), LB_E_NOTFOUND);
        CHECK_EQ(lb_score_set(client, "b", "p", 1, NULL, NULL, NULL), LB_E_NOTFOUND);
        CHECK_EQ(lb_player_put(client, "b", "p", "n", NULL, NULL, NULL), LB_E_NOTFOUND);
        CHECK_EQ(lb_player_remove(client, "b", "p", NULL, NULL), LB_E_NOTFOUND);
        CHECK_EQ(lb_board_delete(client, "b", NULL, NULL), LB_E_NOTFOUND);
        if (i == 0) {
            check_no_file(c);
            suite_board(c, "other", 0);
        }
    }
    CHECK_EQ(lb_board_info(client, "b", NULL, NULL, NULL), LB_E_NOTFOUND);
    CHECK_EQ(lb_score_add(client, "other", "p", 1, NULL, NULL, NULL), LB_E_NOTFOUND);
    CHECK_EQ(lb_score_set(client, "other", "p", 1, NULL, NULL, NULL), LB_E_NOTFOUND);
    CHECK_STR(suite_page(c, "other"), "");
}

/* ---- boards --------------------------------------------------------------------------------- */

void suite_boards_are_created(suite_case *c)
{
    const lb_board *board = NULL;
    int64_t created;

    CHECK_EQ(lb_board_create(c->client, "down", 0, NULL, &board, NULL), 1);
    CHECK_STR(board->id, "down");
    CHECK_EQ(board->ascending, 0);
    created = board->created_us;
    CHECK(created > INT64_C(1500000000000000));
    CHECK_EQ(lb_board_create(c->client, "up", LB_BOARD_ASCENDING, NULL, &board, NULL), 1);
    CHECK_EQ(board->ascending, 1);
    /* Again: the same direction is no change, the other one is refused. */
    CHECK_EQ(lb_board_create(c->client, "down", 0, NULL, &board, NULL), 0);
    CHECK_EQ(board->created_us, created);
    CHECK_EQ(lb_board_create(c->client, "up", LB_BOARD_ASCENDING, NULL, NULL, NULL), 0);
    CHECK_EQ(lb_board_create(c->client, "down", LB_BOARD_ASCENDING, NULL, NULL, NULL),
             LB_E_CONFLICT);
    CHECK_EQ(lb_board_create(c->client, "up", 0, NULL, NULL, NULL), LB_E_CONFLICT);
    CHECK_EQ(lb_board_info(c->client, "up", NULL, &board, NULL), 0);
    CHECK_EQ(board->ascending, 1);
}

void suite_boards_get_generated_ids(suite_case *c)
{
    const lb_board *board = NULL;
    char first[LB_BOARD_MAX + 1];

    CHECK_EQ(lb_board_create(c->client, NULL, 0, NULL, &board, NULL), 1);
    CHECK_EQ(strlen(board->id), 36);
    CHECK_EQ(board->id[14], '4');
    strcpy(first, board->id);
    CHECK_EQ(lb_board_create(c->client, NULL, 0, NULL, &board, NULL), 1);
    CHECK(strcmp(board->id, first) != 0);
    CHECK_EQ(lb_board_info(c->client, first, NULL, NULL, NULL), 0);
}

static const char *list_text(suite_case *c, uint32_t limit, uint32_t offset, const char *after)
{
    board_list list = {.n = 0};
    const char *text;
    lb_range range;

    lb_range_init(&range);
    range.limit = limit;
    range.offset = offset;
    range.after = after;
    CHECK_EQ(lb_board_list(c->client, &range, board_list_add, &list, NULL), 0);
    for (size_t i = 0; i < list.n; i++)
        CHECK_EQ(list.boards[i].players, -1);
    text = board_list_text(&list);
    board_list_clear(&list);
    return text;
}

void suite_boards_are_listed(suite_case *c)
{
    static const char *const ids[] = {"b", "a", "~", "B", "-", "b1", "Z.z", "0"};
    board_list list = {.n = 0};

    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
        suite_board(c, ids[i], i % 2 ? LB_BOARD_ASCENDING : 0);
    CHECK_STR(list_text(c, 0, 0, NULL), "- 0 B Z.z a b b1 ~");
    CHECK_STR(list_text(c, 3, 0, NULL), "- 0 B");
    CHECK_STR(list_text(c, 3, 6, NULL), "b1 ~");
    CHECK_STR(list_text(c, 3, 8, NULL), "");
    CHECK_STR(list_text(c, 2, 0, "B"), "Z.z a");
    CHECK_STR(list_text(c, 2, 0, "aa"), "b b1"); /* it need not exist */
    CHECK_STR(list_text(c, 2, 0, "~"), "");
    CHECK_EQ(lb_board_list(c->client, NULL, board_list_add, &list, NULL), 0);
    CHECK_EQ(list.n, 8);
    CHECK_EQ(list.boards[0].ascending, 0);
    CHECK_EQ(list.boards[1].ascending, 1); /* "0" */
    board_list_clear(&list);
}

void suite_boards_are_counted(suite_case *c)
{
    const lb_board *board = NULL;

    suite_board(c, "b", 0);
    for (int i = 0; i < 5; i++) {
        char id[16];

        CHECK_EQ(lb_board_info(c->client, "b", NULL, &board, NULL), 0);
        CHECK_STR(board->id, "b");
        CHECK_EQ(board->players, i);
        snprintf(id, sizeof id, "p%d", i);
        suite_set(c, "b", id, 1);
        suite_set(c, "b", id, 2);
    }
    CHECK_EQ(lb_player_remove(c->client, "b", "p0", NULL, NULL), 1);
    CHECK_EQ(lb_board_info(c->client, "b", NULL, &board, NULL), 0);
    CHECK_EQ(board->players, 4);
}

void suite_boards_are_deleted(suite_case *c)
{
    suite_set(c, "b", "p", 1);
    suite_set(c, "b2", "p", 2);
    CHECK_EQ(lb_board_delete(c->client, "b", NULL, NULL), 1);
    CHECK_EQ(lb_board_delete(c->client, "b", NULL, NULL), LB_E_NOTFOUND);
    CHECK_EQ(lb_board_info(c->client, "b", NULL, NULL, NULL), LB_E_NOTFOUND);
    CHECK_EQ(lb_player_get(c->client, "b", "p", NULL, NULL, NULL), LB_E_NOTFOUND);
    CHECK_EQ(lb_score_add(c->client, "b", "p", 1, NULL, NULL, NULL), LB_E_NOTFOUND);
    CHECK_STR(list_text(c, 0, 0, NULL), "b2");
    CHECK_STR(suite_page(c, "b2"), "p:2");
    /* Again, the other way round, and without the old rows. */
    suite_board(c, "b", LB_BOARD_ASCENDING);
    CHECK_STR(suite_page(c, "b"), "");
    suite_set(c, "b", "q", 3);
    CHECK_STR(suite_page(c, "b"), "q:3");
}

enum { LARGE = 3000 };

/* LARGE rows, started together. */
static void fill(suite_case *c, const char *board)
{
    static outcome last;

    last = (outcome){.count = 0};
    for (int i = 0; i < LARGE; i++) {
        char id[16];

        snprintf(id, sizeof id, "p%d", i);
        CHECK_EQ(lb_score_set_start(c->client, board, id, i, CREATE,
                                    i == LARGE - 1 ? outcome_done : NULL, &last, NULL, NULL),
                 0);
    }
    CHECK_EQ(run_outcome(c->client, &last), 1);
    run_idle(c->client);
}

void suite_large_boards_are_deleted_in_steps(suite_case *c)
{
    const lb_board *board = NULL;

    fill(c, "b");
    fill(c, "b2");
    CHECK_EQ(lb_board_info(c->client, "b", NULL, &board, NULL), 0);
    CHECK_EQ(board->players, LARGE);
    CHECK_EQ(lb_board_delete(c->client, "b", NULL, NULL), 1);
    CHECK_EQ(lb_board_info(c->client, "b", NULL, NULL, NULL), LB_E_NOTFOUND);
    CHECK_EQ(lb_board_info(c->client, "b2", NULL, &board, NULL), 0);
    CHECK_EQ(board->players, LARGE);
    suite_board(c, "b", 0);
    CHECK_EQ(lb_board_info(c->client, "b", NULL, &board, NULL), 0);
    CHECK_EQ(board->players, 0);
}

/* Whatever is asked while a large board goes, nobody sees a part of it: an add that creates is
 * refused or finds a new, empty board; a read finds all of it or nothing. */
void suite_deleted_boards_are_gone_at_once(suite_case *c)
{
    outcome deleted = {.count = 0};
    int refused = 0, created = 0;

    fill(c, "b");
    CHECK_EQ(lb_board_delete_start(c->client, "b", NULL, outcome_done, &deleted, NULL, NULL), 0);
    while (!deleted.count) {
        const lb_board *board = NULL;
        int r = lb_board_info(c->client, "b", NULL, &board, NULL);

        if (r == 0)
            CHECK(board->players == LARGE || board->players == created);
        else
            CHECK_EQ(r, LB_E_NOTFOUND);
        r = lb_score_add(c->client, "b", "new", 1, CREATE, NULL, NULL);
        if (r == 1)
            created = 1; /* before the deletion or after it */
        else
            CHECK_EQ(r, LB_E_CONFLICT);
        refused += r < 0;
        CHECK_OK(lb_client_process(c->client));
    }
    CHECK_EQ(deleted.code, 1);
    (void)refused;
    while (lb_board_delete(c->client, "b", NULL, NULL) == 1)
        ;
    CHECK_EQ(lb_score_add(c->client, "b", "new", 5, CREATE, NULL, NULL), 1);
    CHECK_STR(suite_page(c, "b"), "new:5");
}

/* ---- players -------------------------------------------------------------------------------- */

void suite_players_are_put(suite_case *c)
{
    const lb_player *row = NULL;
    row_copy first;

    CHECK_EQ(lb_player_put(c->client, "b", "p", NULL, CREATE, &row, NULL), 1);
    first = copy_row(row);
    CHECK_STR(first.board, "b");
    CHECK_STR(first.id, "p");
    CHECK_STR(first.name, "p");
    CHECK_EQ(first.score, 0);
    CHECK_EQ(first.position, 0);
    CHECK_EQ(first.rank, 0);
    CHECK(first.reached_us > INT64_C(1500000000000000));
    /* An existing board needs no flag. */
    CHECK_EQ(lb_player_put(c->client, "b", "q", "Q", NULL, &row, NULL), 1);
    CHECK_STR(row->name, "Q");
    /* No name: it keeps its own. The same name: no change. Another one: renamed, nothing else. */
    suite_set(c, "b", "q", 7);
    CHECK_EQ(lb_player_put(c->client, "b", "q", NULL, NULL, &row, NULL), 0);
    CHECK_STR(row->name, "Q");
    CHECK_EQ(row->score, 7);
    first = copy_row(row);
    CHECK_EQ(lb_player_put(c->client, "b", "q", "Q", NULL, &row, NULL), 0);
    CHECK_EQ(lb_player_put(c->client, "b", "q", "R", NULL, &row, NULL), 1);
    CHECK_STR(row->name, "R");
    CHECK_EQ(row->score, 7);
    CHECK_EQ(row->reached_us, first.reached_us);
    CHECK_STR(suite_get(c, "b", "q").name, "R");
    CHECK_STR(suite_page(c, "b"), "q:7 p:0");
}

void suite_players_get_generated_ids(suite_case *c)
{
    const lb_player *row = NULL;
    char id[LB_PLAYER_MAX + 1];

    CHECK_EQ(lb_player_put(c->client, "b", NULL, NULL, CREATE, &row, NULL), 1);
    CHECK_EQ(strlen(row->id), 36);
    CHECK_STR(row->name, row->id);
    strcpy(id, row->id);
    CHECK_EQ(lb_player_put(c->client, "b", NULL, "Nobody", NULL, &row, NULL), 1);
    CHECK(strcmp(row->id, id) != 0);
    CHECK_STR(row->name, "Nobody");
    CHECK_EQ(suite_get(c, "b", id).score, 0);
}

void suite_names_of_all_kinds(suite_case *c)
{
    static const char *const names[] = {
        " ",
        "'; DROP TABLE players; --",
        "\"",
        "%s%n",
        "\\",
        "\xc3\xa9",
        "\xf0\x9f\x8f\x86",
        "null",
        "0",
        "1e3",
        "\xef\xbb\xbfx",
        "a\xcc\x81",
        "<b>&amp;",
    };
    char longest[LB_NAME_MAX + 1] = "";

    suite_board(c, "b", 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        CHECK_EQ(lb_player_put(c->client, "b", "p", names[i], NULL, NULL, NULL), 1);
        CHECK_STR(suite_get(c, "b", "p").name, names[i]);
    }
    for (int i = 0; i < 64; i++)
        strcat(longest, "\xf4\x8f\xbf\xbf");
    CHECK_EQ(lb_player_put(c->client, "b", "p", longest, NULL, NULL, NULL), 1);
    CHECK_STR(suite_get(c, "b", "p").name, longest);
    /* A name in use elsewhere is no obstacle, and one in another form is another name. */
    CHECK_EQ(lb_player_put(c->client, "b", "q", longest, NULL, NULL, NULL), 1);
    CHECK_EQ(lb_player_put(c->client, "b", "p", "\xc3\xa1", NULL, NULL, NULL), 1);
    CHECK_EQ(lb_player_put(c->client, "b", "p", "a\xcc\x81", NULL, NULL, NULL), 1);
}

void suite_players_are_removed(suite_case *c)
{
    suite_set(c, "b", "p", 1);
    suite_set(c, "b", "q", 2);
    CHECK_EQ(lb_player_remove(c->client, "b", "p", NULL, NULL), 1);
    CHECK_EQ(lb_player_remove(c->client, "b", "p", NULL, NULL), LB_E_NOTFOUND);
    CHECK_EQ(lb_player_remove(c->client, "nowhere", "p", NULL, NULL), LB_E_NOTFOUND);
    CHECK_EQ(lb_player_get(c->client, "b", "p", NULL, NULL, NULL), LB_E_NOTFOUND);
    CHECK_EQ(lb_score_add(c->client, "b", "p", 1, NULL, NULL, NULL), LB_E_NOTFOUND);
    CHECK_STR(suite_page(c, "b"), "q:2");
    /* Back again: from nothing. */
    CHECK_EQ(lb_score_add(c->client, "b", "p", 1, CREATE, NULL, NULL), 1);
    CHECK_EQ(suite_get(c, "b", "p").score, 1);
}

void suite_ids_are_case_sensitive(suite_case *c)
{
    suite_set(c, "b", "p", 1);
    suite_set(c, "b", "P", 2);
    suite_set(c, "B", "p", 3);
    CHECK_STR(suite_page(c, "b"), "P:2 p:1");
    CHECK_STR(suite_page(c, "B"), "p:3");
}

void suite_a_player_may_be_on_many_boards(suite_case *c)
{
    CHECK_EQ(lb_player_put(c->client, "b1", "p", "One", CREATE, NULL, NULL), 1);
    CHECK_EQ(lb_player_put(c->client, "b2", "p", "Two", CREATE, NULL, NULL), 1);
    suite_set(c, "b1", "p", 1);
    suite_set(c, "b2", "p", 2);
    CHECK_STR(suite_get(c, "b1", "p").name, "One");
    CHECK_EQ(suite_get(c, "b1", "p").score, 1);
    CHECK_STR(suite_get(c, "b2", "p").name, "Two");
    CHECK_EQ(lb_player_remove(c->client, "b1", "p", NULL, NULL), 1);
    CHECK_EQ(suite_get(c, "b2", "p").score, 2);
}

void suite_players_by_many_ids(suite_case *c)
{
    static const char *const ids[] = {"d", "nobody", "a", "c", "A"};
    static const char *many[LB_LIMIT_MAX];
    row_list list = {.n = 0};

    suite_set(c, "b", "a", 1);
    suite_set(c, "b", "b", 2);
    suite_set(c, "b", "c", 3);
    suite_set(c, "b", "d", 4);
    suite_set(c, "b2", "A", 5);
    CHECK_EQ(lb_player_get_many(c->client, "b", ids, 5, NULL, row_list_add, &list, NULL), 0);
    CHECK_STR(row_list_text(&list), "d:4 a:1 c:3");
    row_list_clear(&list);
    CHECK_EQ(lb_player_get_many(c->client, "b", ids, 0, NULL, row_list_add, &list, NULL), 0);
    CHECK_EQ(list.n, 0);
    for (size_t i = 0; i < LB_LIMIT_MAX; i++)
        many[i] = i == 0 ? "a" : i == LB_LIMIT_MAX - 1 ? "b" : "nobody";
    CHECK_EQ(
        lb_player_get_many(c->client, "b", many, LB_LIMIT_MAX, NULL, row_list_add, &list, NULL), 0);
    CHECK_STR(row_list_text(&list), "a:1 b:2");
    row_list_clear(&list);
}

void suite_players_with_their_place(suite_case *c)
{
    static const char *const ids[] = {"d", "a", "nobody", "c"};
    row_list list = {.n = 0};
    const lb_player *row = NULL;
    lb_read_options place;

    lb_read_options_init(&place);
    place.flags = LB_READ_PLACE;
    suite_set(c, "b", "a", 9);
    suite_set(c, "b", "b", 5);
    suite_set(c, "b", "c", 5);
    suite_set(c, "b", "d", 1);
    CHECK_EQ(lb_player_get_many(c->client, "b", ids, 4, &place, row_list_add, &list, NULL), 0);
    CHECK_STR(row_list_places(&list), "4/4/d 1/1/a 3/2/c");
    row_list_clear(&list);
    CHECK_EQ(lb_player_get_many(c->client, "b", ids, 2, NULL, row_list_add, &list, NULL), 0);
    CHECK_STR(row_list_places(&list), "0/0/d 0/0/a");
    row_list_clear(&list);
    CHECK_EQ(lb_player_get(c->client, "b", "c", &place, &row, NULL), 0);
    CHECK_EQ(row->position, 3);
    CHECK_EQ(row->rank, 2);
    CHECK_EQ(lb_player_get(c->client, "b", "c", NULL, &row, NULL), 0);
    CHECK_EQ(row->position, 0);
    CHECK_EQ(row->rank, 0);
}

/* ---- Leases --------------------------------------------------------------------------------- */

static int take(suite_case *c, const char *lease, const char *holder, uint32_t ttl_ms)
{
    lb_error error;
    int r = lb_lease_take(c->client, lease, holder, ttl_ms, CREATE, &error);

    if (r < 0)
        FAIL("%s", error.msg);
    return r;
}

void suite_leases_have_one_holder(suite_case *c)
{
    CHECK_EQ(take(c, "relay", "one", 3600000), 1);
    CHECK_EQ(take(c, "relay", "two", 3600000), 0);
    CHECK_EQ(take(c, "relay", "one", 3600000), 1);
    CHECK_EQ(take(c, "other", "two", 3600000), 1);
    CHECK_EQ(take(c, "relay", "two", 0), 0);
    CHECK_EQ(take(c, "relay", "two", 1000), 0);
    CHECK_EQ(take(c, "relay", "one", 0), 1);
    CHECK_EQ(take(c, "relay", "one", 0), 0);
    CHECK_EQ(take(c, "relay", "two", 3600000), 1);
    CHECK_EQ(take(c, "relay", "one", 3600000), 0);
    CHECK_EQ(lb_lease_take(c->client, "no lease", "one", 1, CREATE, NULL), LB_E_INVAL);
    CHECK_EQ(lb_lease_take(c->client, "relay", "", 1, CREATE, NULL), LB_E_INVAL);
    CHECK_EQ(lb_lease_take(c->client, "relay", "one", 3600001, CREATE, NULL), LB_E_INVAL);
    CHECK_EQ(lb_lease_take(c->client, "relay", "one", 1, suite_options(0, "key"), NULL),
             LB_E_INVAL);
}

void suite_leases_run_out(suite_case *c)
{
    CHECK_EQ(take(c, "relay", "one", 300), 1);
    CHECK_EQ(take(c, "relay", "two", 300), 0);
    while (take(c, "relay", "two", 3600000) == 0)
        continue; /* the test has a deadline */
    CHECK_EQ(take(c, "relay", "one", 300), 0);
}

static bool has_a_row(void *user)
{
    const mirror *m = user;

    return m->n == 1;
}

void suite_leases_are_no_boards(suite_case *c)
{
    mirror all = {.n = 0};
    lb_changes *changes;

    CHECK_EQ(take(c, "relay", "one", 3600000), 1);
    CHECK_EQ(lb_changes_subscribe(c->client, NULL, NULL, mirror_apply, &all, &changes, NULL), 0);
    run_idle(c->client);
    CHECK_EQ(take(c, "relay", "one", 3600000), 1);
    CHECK_EQ(take(c, "relay", "one", 0), 1);
    suite_set(c, "b", "p", 1);
    run_until(&c->client, 1, has_a_row, &all);
    CHECK_STR(all.last_gone, "");
    CHECK_STR(list_text(c, 0, 0, NULL), "b");
    CHECK_EQ(lb_board_info(c->client, "relay", NULL, NULL, NULL), LB_E_NOTFOUND);
    lb_changes_cancel(changes);
    mirror_clear(&all);
}
