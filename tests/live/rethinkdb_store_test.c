/* The RethinkDB store on a real server: schema, documents, a server that is killed. */
#include "capture.h"
#include "os/clock.h"
#include "rethinkdb_live.h"
#include "test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static lb_client *open_client(const char *url)
{
    lb_client *client = NULL;
    lb_options opts;
    lb_error error;

    lb_options_init(&opts);
    opts.database = url;
    opts.timeout_ms = 20000;
    if (lb_client_new(&opts, &client, &error) < 0)
        FAIL("no client: %s", error.msg);
    return client;
}

static const lb_write_options *create(const char *key)
{
    static lb_write_options opts;

    lb_write_options_init(&opts);
    opts.flags = LB_WRITE_CREATE;
    opts.idempotency_key = key;
    return &opts;
}

static void add(lb_client *client, const char *board, const char *player, int64_t amount)
{
    lb_error error;

    if (lb_score_add(client, board, player, amount, create(NULL), NULL, &error) < 0)
        FAIL("%s", error.msg);
}

static int64_t score_of(lb_client *client, const char *board, const char *player)
{
    const lb_player *row = NULL;
    lb_error error;

    if (lb_player_get(client, board, player, NULL, &row, &error) < 0)
        FAIL("%s", error.msg);
    return row->score;
}

static void drop_index(void)
{
    (void)rethinkdb_live_query(rethinkdb_live_port(), "[76,[[15,[\"players\"]],\"rank\"]]");
}

/* ---- Schema --------------------------------------------------------------------------------- */

TEST(another_shape_is_refused, .timeout_s = 60)
{
    unsigned port = rethinkdb_live_port();
    lb_client *client = open_client(rethinkdb_live_url());
    lb_error error;

    (void)rethinkdb_live_query(port, "[57,[\"%s\"]]", rethinkdb_live_database());
    (void)rethinkdb_live_query(port, "[60,[\"players\"]]");
    CHECK_EQ(lb_board_list(client, NULL, board_list_add, NULL, &error), LB_E_CONFLICT);
    CHECK(strstr(error.msg, "lbctl import") != NULL);
    CHECK_EQ(lb_score_add(client, "b", "p", 1, create(NULL), NULL, &error), LB_E_CONFLICT);
    CHECK_STR(rethinkdb_live_query(port, "[43,[[62,[]]]]"), "1"); /* nothing was made */
    lb_client_free(client);
}

TEST(documents_are_as_designed, .timeout_s = 60)
{
    unsigned port = rethinkdb_live_port();
    lb_client *client = open_client(rethinkdb_live_url());

    add(client, "b", "p", 5);
    CHECK_EQ(lb_board_create(client, "up", LB_BOARD_ASCENDING, NULL, NULL, NULL), 1);
    add(client, "up", "q", 6);
    CHECK_EQ(lb_score_add(client, "b", "k", 1, create("key"), NULL, NULL), 1);
#define PLAYER(board, id) "[16,[[15,[\"players\"]],[2,[\"" board "\",\"" id "\"]]]]"
    CHECK_STR(rethinkdb_live_query(
                  port, "[51,[[17,[[34,[" PLAYER(
                            "b", "p") ",\"at\"]],"
                                      "{\"key\":[2,[\"b\",\"p\"]],\"board\":\"b\",\"id\":\"p\","
                                      "\"name\":\"p\",\"score\":5}]],\"string\"]]"),
              "true");
    CHECK_STR(rethinkdb_live_query(
                  port, "[51,[[17,[[34,[" PLAYER(
                            "up", "q") ",\"at\"]],"
                                       "{\"key\":[2,[\"up\",\"q\"]],\"board\":\"up\",\"id\":\"q\","
                                       "\"name\":\"q\",\"score\":6,\"asc\":true}]],\"string\"]]"),
              "true");
    CHECK_EQ(strlen(rethinkdb_live_query(port, "[170,[" PLAYER("b", "p") ",\"at\"]]")), 16);
    CHECK_STR(rethinkdb_live_query(port, "[43,[[170,[" PLAYER("b", "k") ",\"keys\"]]]]"), "1");
    lb_client_free(client);
}

enum { PROCESSES = 6, ADDS = 40 };

/* All at once, on a database that does not exist. */
TEST(many_processes_create_it_at_once, .timeout_s = 120)
{
    const char *url = rethinkdb_live_url();
    lb_client *client;

    for (int i = 0; i < PROCESSES; i++) {
        if (fork() != 0)
            continue;
        client = open_client(url);
        for (int k = 0; k < ADDS; k++)
            add(client, "b", k % 2 ? "p" : "q", 1);
        lb_client_free(client);
        exit(0);
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status = 1;

        CHECK(wait(&status) > 0);
        CHECK_EQ(status, 0);
    }
    client = open_client(url);
    CHECK_EQ(score_of(client, "b", "p"), PROCESSES * ADDS / 2);
    CHECK_EQ(score_of(client, "b", "q"), PROCESSES * ADDS / 2);
    lb_client_free(client);
}

/* Who made it has died with the lock. */
TEST(a_lock_that_was_left_behind, .timeout_s = 60)
{
    lb_client *client = open_client(rethinkdb_live_url());

    (void)rethinkdb_live_query(rethinkdb_live_port(), "[57,[\"%s_leaderboard_lock\"]]",
                               rethinkdb_live_database());
    add(client, "b", "p", 5);
    CHECK_EQ(score_of(client, "b", "p"), 5);
    CHECK_STR(rethinkdb_live_query(rethinkdb_live_port(),
                                   "[51,[[93,[[59,[]],\"%s_leaderboard_lock\"]],\"string\"]]",
                                   rethinkdb_live_database()),
              "false");
    lb_client_free(client);
}

/* What has tables is somebody's. */
TEST(a_database_with_the_name_of_the_lock, .timeout_s = 60)
{
    lb_client *client = open_client(rethinkdb_live_url());
    unsigned port = rethinkdb_live_port();
    const char *name = rethinkdb_live_database();
    lb_error error;

    (void)rethinkdb_live_query(port, "[57,[\"%s_leaderboard_lock\"]]", name);
    (void)rethinkdb_live_query(port, "[60,[[14,[\"%s_leaderboard_lock\"]],\"theirs\"]]", name);
    CHECK_EQ(lb_score_add(client, "b", "p", 1, create(NULL), NULL, &error), LB_E_CONFLICT);
    CHECK(strstr(error.msg, "has tables") != NULL);
    CHECK_STR(rethinkdb_live_query(port, "[43,[[62,[[14,[\"%s_leaderboard_lock\"]]]]]]", name),
              "1");
    lb_client_free(client);
}

TEST(a_dropped_database_is_made_again, .timeout_s = 60)
{
    lb_client *client = open_client(rethinkdb_live_url());
    row_list rows = {.n = 0};

    add(client, "b", "p", 5);
    (void)rethinkdb_live_query(rethinkdb_live_port(), "[58,[\"%s\"]]", rethinkdb_live_database());
    CHECK_EQ(lb_player_get(client, "b", "p", NULL, NULL, NULL), LB_E_NOTFOUND);
    CHECK_EQ(lb_score_add(client, "b", "p", 1, NULL, NULL, NULL), LB_E_NOTFOUND);
    add(client, "b", "p", 7);
    CHECK_EQ(score_of(client, "b", "p"), 7);
    drop_index();
    add(client, "b", "p", 1); /* which needs no index, and does not look */
    CHECK_EQ(lb_board_get(client, "b", NULL, row_list_add, &rows, NULL), 0); /* restores it */
    CHECK_STR(row_list_text(&rows), "p:8");
    row_list_clear(&rows);
    lb_client_free(client);
}

/* ---- An index of another program ------------------------------------------------------------ */

#define RANK_OF_ROW                                                                                \
    "[69,[[2,[1]],[2,[[45,[[170,[[10,[1]],\"key\"]],0]],[170,[[10,[1]],\"score\"]],0]]]]"

static void make_index(const char *options)
{
    unsigned port = rethinkdb_live_port();

    drop_index();
    (void)rethinkdb_live_query(port, "[75,[[15,[\"players\"]],\"rank\"," RANK_OF_ROW "],%s]",
                               options);
    (void)rethinkdb_live_query(port, "[170,[[45,[[140,[[15,[\"players\"]]]],0]],\"index\"]]");
}

/* It would give the players in its own order. Ours is known by whoever comes later. */
TEST(an_index_of_another_program, .timeout_s = 120)
{
    static const char *const options[] = {"{}", "{\"multi\":true}", "{\"geo\":true}"};
    lb_client *client = open_client(rethinkdb_live_url()), *late;
    row_list rows = {.n = 0};
    lb_error error;

    add(client, "b", "p", 1);
    add(client, "b", "q", 2);
    for (size_t i = 0; i < 3; i++) {
        make_index(options[i]);
        late = open_client(rethinkdb_live_url());
        CHECK_EQ(lb_board_get(late, "b", NULL, row_list_add, &rows, &error), LB_E_CONFLICT);
        CHECK(strstr(error.msg, "indexDrop('rank')") != NULL);
        add(late, "b", "p", 1);
        CHECK_EQ(score_of(late, "b", "p"), 2 + (int64_t)i);
        drop_index();
        CHECK_EQ(lb_board_get(late, "b", NULL, row_list_add, &rows, NULL), 0); /* restores it */
        CHECK_EQ(rows.n, 2);
        row_list_clear(&rows);
        lb_client_free(late);
    }
    late = open_client(rethinkdb_live_url());
    CHECK_EQ(lb_board_get(late, "b", NULL, row_list_add, &rows, NULL), 0);
    CHECK_STR(row_list_text(&rows), "p:4 q:2");
    row_list_clear(&rows);
    lb_client_free(late);
    lb_client_free(client);
}

/* ---- What others write ---------------------------------------------------------------------- */

static void put_row(const char *id, const char *score)
{
    (void)rethinkdb_live_query(
        rethinkdb_live_port(),
        "[56,[[15,[\"players\"]],{\"key\":[2,[\"b\",%s]],\"score\":%s}],{\"conflict\":\"replace\"}]",
        id, score);
}

static const char *places(lb_client *client, uint32_t offset, uint32_t limit, const char *after)
{
    static char text[300];
    row_list rows = {.n = 0};
    lb_range range;

    lb_range_init(&range);
    range.offset = offset;
    range.limit = limit;
    range.after = after;
    CHECK_EQ(lb_board_get(client, "b", &range, row_list_add, &rows, NULL), 0);
    snprintf(text, sizeof text, "%s", row_list_places(&rows));
    row_list_clear(&rows);
    return text;
}

/* Pages are full, and follow one another. */
TEST(rows_of_no_player_take_no_place, .timeout_s = 60)
{
    static const char *const strangers[] = {
        "\"\"",
        "\"..\"",
        "\".\"",
        "\"a b\"",
        "\"p0\\u000a\"",
        "\"p0\\u0000\"",
        "\"\\u00e9\"",
        "7",
        "null",
        "[2,[]]",
        "{}",
        "\"p/q\"",
        "\"01234567890123456789012345678901234567890123456789012345678901234\""};
    lb_client *client = open_client(rethinkdb_live_url());
    row_list rows = {.n = 0};
    char id[8];

    for (int i = 0; i < 6; i++) {
        snprintf(id, sizeof id, "p%d", i);
        add(client, "b", id, 60 - 10 * i);
    }
    add(client, "b", "...", 5);
    add(client, "b", "..~", 4);
    add(client, "b", ".-", 3);
    for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++)
        put_row(strangers[i], i % 2 ? "55" : "100");
    CHECK_STR(places(client, 0, 2, NULL), "1/1/p0 2/2/p1");
    CHECK_STR(places(client, 2, 2, NULL), "3/3/p2 4/4/p3");
    CHECK_STR(places(client, 0, 20, NULL),
              "1/1/p0 2/2/p1 3/3/p2 4/4/p3 5/5/p4 6/6/p5 7/7/... 8/8/..~ 9/9/.-");
    CHECK_EQ(lb_player_around(client, "b", "p1", 3, NULL, row_list_add, &rows, NULL), 0);
    CHECK_STR(row_list_text(&rows), "p0:60 p1:50 p2:40");
    row_list_clear(&rows);
    lb_client_free(client);
}

TEST(a_document_that_somebody_has_spoilt, .timeout_s = 60)
{
    lb_client *client = open_client(rethinkdb_live_url());
    lb_error error;

    add(client, "b", "p", 1);
    add(client, "b", "q", 1);
    (void)rethinkdb_live_query(rethinkdb_live_port(),
                               "[53,[[16,[[15,[\"players\"]],[2,[\"b\",\"p\"]]]],{\"keys\":7}]]");
    CHECK_EQ(lb_score_add(client, "b", "p", 1, create("key"), NULL, &error), LB_E_QUERY);
    CHECK(strstr(error.msg, "player 'p' on board 'b'") && strstr(error.msg, "'keys'"));
    CHECK_EQ(lb_score_add(client, "b", "q", 1, create("key"), NULL, &error), 1);
    add(client, "b", "p", 1);
    CHECK_EQ(score_of(client, "b", "p"), 2);
    lb_client_free(client);
}

static const char *board_field(const char *field)
{
    return rethinkdb_live_query(
        rethinkdb_live_port(),
        "[51,[[92,[[170,[[16,[[15,[\"boards\"]],\"b\"]],\"%s\"]],\"none\"]],\"string\"]]", field);
}

/* Between its mark and its first removal somebody else has finished, and made the board anew: the
 * new players stay. */
TEST(a_deletion_does_not_touch_a_board_that_was_made_since, .timeout_s = 60)
{
    lb_client *slow = open_client(rethinkdb_live_url()), *other = open_client(rethinkdb_live_url());
    uint64_t end = lbi_clock_us() + 30000000;
    outcome o = {0};

    add(slow, "b", "old", 1);
    CHECK_EQ(lb_board_delete_start(slow, "b", NULL, outcome_done, &o, NULL, NULL), 0);
    do { /* it has yet to hear of the mark, or at most to remove rows, when it is stopped here */
        CHECK(lb_client_process(slow) >= 0);
        if (lbi_clock_us() > end)
            FAIL("the board is not marked");
    } while (strcmp(board_field("deleting"), "true") != 0);
    CHECK_EQ(lb_board_delete(other, "b", NULL, NULL), 1);
    add(other, "b", "new", 2);
    CHECK_EQ(o.count, 0);
    CHECK_EQ(run_outcome(slow, &o), 1);
    CHECK_EQ(score_of(other, "b", "new"), 2);
    CHECK_EQ(lb_player_get(other, "b", "old", NULL, NULL, NULL), LB_E_NOTFOUND);
    lb_client_free(slow);
    lb_client_free(other);
}

TEST(who_may_not_enter, .timeout_s = 60)
{
    char url[200];
    lb_client *client;
    lb_error error;
    int r;

    snprintf(url, sizeof url, "rethinkdb://joe:secret@127.0.0.1:%u/x", rethinkdb_live_port());
    client = open_client(url);
    r = lb_board_list(client, NULL, board_list_add, NULL, &error);
    CHECK_EQ(r, LB_E_AUTH);
    CHECK(!strstr(error.msg, "secret"));
    lb_client_free(client);
}

TEST(nobody_answers, .timeout_s = 60)
{
    lb_client *client = open_client("rethinkdb://127.0.0.1:1/x");
    lb_write_options opts = *create(NULL);
    lb_error error;

    opts.timeout_ms = 300;
    CHECK_EQ(lb_score_add(client, "b", "p", 1, &opts, NULL, &error), LB_E_TIMEOUT);
    CHECK(strstr(error.msg, "127.0.0.1:1") != NULL);
    lb_client_free(client);
}

/* ---- A server that is killed ---------------------------------------------------------------- */

enum { WRITERS = 8, AHEAD = 6, MOST = 4000 };

/* Adds to its own player and to one that all share, some at a time. */
struct writer {
    lb_client *client;
    int id;
    bool keyed;
    int started, ended, pending;
    int64_t own_done, own_unknown, all_done, all_unknown, failed;
    int last_error;
    char last_message[256];
};

struct add {
    struct writer *writer;
    int64_t amount;
    bool shared;
};

static void on_add(const lb_result *result, void *user)
{
    struct add *a = user;
    struct writer *w = a->writer;

    w->pending--;
    w->ended++;
    if (result->code >= 0)
        *(a->shared ? &w->all_done : &w->own_done) += a->amount;
    else if (result->code == LB_E_UNKNOWN)
        *(a->shared ? &w->all_unknown : &w->own_unknown) += a->amount;
    else
        w->failed++;
    if (result->code < 0) {
        w->last_error = result->code;
        snprintf(w->last_message, sizeof w->last_message, "%s", result->message);
    }
    free(a);
}

static void start_adds(struct writer *w)
{
    while (w->pending < AHEAD && w->started < MOST) {
        struct add *a = malloc(sizeof *a);
        char player[16], key[40];

        CHECK(a != NULL);
        *a = (struct add){.writer = w, .amount = 1 + w->started % 3, .shared = w->started % 2};
        snprintf(player, sizeof player, "own%d", w->id);
        snprintf(key, sizeof key, "k-%d-%d", w->id, w->started);
        CHECK_EQ(lb_score_add_start(w->client, "b", a->shared ? "all" : player, a->amount,
                                    create(w->keyed ? key : NULL), on_add, a, NULL, NULL),
                 0);
        w->started++;
        w->pending++;
    }
}

static void turn_all(struct writer *writers, lb_client *watcher)
{
    int busy = lb_client_process(watcher);

    for (int i = 0; i < WRITERS; i++) {
        if (writers[i].pending < AHEAD)
            start_adds(&writers[i]);
        busy |= lb_client_process(writers[i].client);
    }
    if (!busy)
        usleep(200);
}

static int least_ended(const struct writer *writers)
{
    int least = MOST;

    for (int i = 0; i < WRITERS; i++) {
        if (writers[i].ended < least)
            least = writers[i].ended;
    }
    return least;
}

static void run_writers(struct writer *writers, lb_client *watcher, int until)
{
    uint64_t end = lbi_clock_us() + 60000000;

    while (least_ended(writers) < until) {
        turn_all(writers, watcher);
        if (lbi_clock_us() > end)
            FAIL("stuck at %d of %d: %s", least_ended(writers), until, writers[0].last_message);
    }
}

struct goal {
    mirror m;
    row_list rows;
};

static bool is_reached(void *user)
{
    const struct goal *goal = user;

    return goal->m.is_ready && mirror_equals(&goal->m, &goal->rows);
}

static void crash(bool keyed)
{
    static struct writer writers[WRITERS];
    struct reql_server s = {0};
    struct goal goal = {.m = {.n = 0}};
    int64_t all_done = 0, all_unknown = 0, failed = 0, unknown = 0;
    uint64_t begun;
    lb_client *watcher;
    char url[64];

    reql_server_start(&s);
    snprintf(url, sizeof url, "rethinkdb://127.0.0.1:%u/crash", s.port);
    watcher = open_client(url);
    CHECK_EQ(lb_changes_subscribe(watcher, "b", NULL, mirror_apply, &goal.m, NULL, NULL), 0);
    for (int i = 0; i < WRITERS; i++)
        writers[i] = (struct writer){.client = open_client(url), .id = i, .keyed = keyed};
    for (int round = 1; round <= 3; round++) {
        run_writers(writers, watcher, round * 300);
        reql_server_stop(&s, SIGKILL);
        begun = lbi_clock_us();
        for (int i = 0; i < 300; i++)
            turn_all(writers, watcher);
        reql_server_restart(&s);
        run_writers(writers, watcher, least_ended(writers) + 20);
        fprintf(stderr, "carried on %d ms after the kill\n",
                (int)((lbi_clock_us() - begun) / 1000));
    }
    run_writers(writers, watcher, MOST);
    for (int i = 0; i < WRITERS; i++) {
        const struct writer *w = &writers[i];
        char player[16];
        int64_t score;

        snprintf(player, sizeof player, "own%d", i);
        score = score_of(watcher, "b", player);
        CHECK(score >= w->own_done && score <= w->own_done + w->own_unknown);
        all_done += w->all_done;
        all_unknown += w->all_unknown;
        unknown += w->own_unknown;
        failed += w->failed;
        if (w->failed)
            fprintf(stderr, "a failure: %s\n", w->last_message);
    }
    fprintf(stderr, "shared player: done %lld, unknown %lld, score %lld\n", (long long)all_done,
            (long long)all_unknown, (long long)score_of(watcher, "b", "all"));
    CHECK(score_of(watcher, "b", "all") >= all_done);
    CHECK(score_of(watcher, "b", "all") <= all_done + all_unknown);
    CHECK_EQ(failed, 0);
    /* So many write to the shared player that its last 16 keys do not reach back far enough for
     * each: that is told, and nothing is applied twice. */
    if (keyed)
        CHECK_EQ(unknown, 0);
    CHECK_EQ(read_all(watcher, "b", &goal.rows), 0);
    CHECK_EQ(goal.rows.n, WRITERS + 1);
    run_until(&watcher, 1, is_reached, &goal);
    CHECK(!goal.m.broke_order);
    for (int i = 0; i < WRITERS; i++)
        lb_client_free(writers[i].client);
    lb_client_free(watcher);
    mirror_clear(&goal.m);
    row_list_clear(&goal.rows);
    reql_server_stop(&s, SIGKILL);
}

TEST(killed_under_eight_writers, .timeout_s = 240)
{
    crash(false);
}

TEST(killed_under_eight_writers_with_keys, .timeout_s = 240)
{
    crash(true);
}
