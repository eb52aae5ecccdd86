/* Subscriptions on a real RethinkDB: what others write, and everything that breaks a feed. */
#include "capture.h"
#include "os/clock.h"
#include "rethinkdb_live.h"
#include "test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PLAYERS "[15,[\"players\"]]"
#define PLAYER(id) "[16,[" PLAYERS ",[2,[\"b\",\"" id "\"]]]]"

struct watch {
    lb_client *client;
    mirror m;
    int notices[8];
    char notice[256];
};

static void on_notice(const lb_notice *notice, void *user)
{
    struct watch *w = user;

    w->notices[notice->kind]++;
    snprintf(w->notice, sizeof w->notice, "%s", notice->message);
}

static void open_watch(struct watch *w, const char *url)
{
    lb_options opts;
    lb_error error;

    *w = (struct watch){.client = NULL};
    lb_options_init(&opts);
    opts.database = url;
    opts.timeout_ms = 20000;
    opts.notice = on_notice;
    opts.notice_user = w;
    if (lb_client_new(&opts, &w->client, &error) < 0)
        FAIL("no client: %s", error.msg);
}

static void subscribe(struct watch *w, const char *board)
{
    CHECK_EQ(lb_changes_subscribe(w->client, board, NULL, mirror_apply, &w->m, NULL, NULL), 0);
}

static void close_watch(struct watch *w)
{
    lb_client_free(w->client);
    mirror_clear(&w->m);
}

static void set(lb_client *client, const char *board, const char *player, int64_t score)
{
    lb_write_options opts;
    lb_error error;

    lb_write_options_init(&opts);
    opts.flags = LB_WRITE_CREATE;
    if (lb_score_set(client, board, player, score, &opts, NULL, &error) < 0)
        FAIL("%s", error.msg);
}

/* Until the subscriber holds what is on the board, read anew each time. */
static void converge(struct watch *w, const char *board, size_t rows)
{
    uint64_t end = lbi_clock_us() + 30000000;

    for (;;) {
        row_list list = {.n = 0};
        int r = read_all(w->client, board, &list);
        bool same = r == 0 && w->m.is_ready && list.n == rows && mirror_equals(&w->m, &list);

        row_list_clear(&list);
        if (same)
            break;
        if (lbi_clock_us() > end)
            FAIL("holds %zu rows of %zu, ready %d, resets %d; notice: %s", w->m.n, rows,
                 w->m.is_ready, w->m.resets, w->notice);
        if (lb_client_process(w->client) == 0)
            (void)lb_client_wait(w->client, 20000);
    }
    CHECK(!w->m.broke_order);
}

static bool is_ready(void *user)
{
    return ((const struct watch *)user)->m.is_ready;
}

TEST(what_others_write_is_heard, .timeout_s = 60)
{
    unsigned port = rethinkdb_live_port();
    struct watch w;

    open_watch(&w, rethinkdb_live_url());
    set(w.client, "b", "p", 1);
    subscribe(&w, "b");
    run_until(&w.client, 1, is_ready, &w);
    (void)rethinkdb_live_query(port, "[53,[" PLAYER("p") ",{\"score\":42}]]");
    converge(&w, "b", 1);
    CHECK_EQ(w.m.rows[0].score, 42);
    (void)rethinkdb_live_query(port, "[53,[" PLAYER("p") ",{\"name\":\"Pim\"}]]");
    converge(&w, "b", 1);
    CHECK_STR(w.m.rows[0].name, "Pim");
    (void)rethinkdb_live_query(
        port, "[56,[" PLAYERS ",{\"key\":[2,[\"b\",\"out\"]],\"score\":7,\"extra\":{\"x\":1}}]]");
    converge(&w, "b", 2);
    (void)rethinkdb_live_query(port, "[54,[" PLAYER("p") "]]");
    converge(&w, "b", 1);
    CHECK_EQ(w.m.resets, 1);
    close_watch(&w);
}

/* A score that is none: the row is absent, and that is told. */
TEST(a_bad_score_takes_nothing_down, .timeout_s = 60)
{
    static const char *const bad[] = {"\"high\"",           "5.5",     "null",
                                      "9007199254740992.0", "[2,[1]]", "true"};
    unsigned port = rethinkdb_live_port();
    const lb_board *board = NULL;
    struct watch w;

    open_watch(&w, rethinkdb_live_url());
    set(w.client, "b", "p", 1);
    set(w.client, "b", "q", 2);
    subscribe(&w, "b");
    run_until(&w.client, 1, is_ready, &w);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        (void)rethinkdb_live_query(port, "[53,[" PLAYER("p") ",{\"score\":%s}]]", bad[i]);
        converge(&w, "b", 1);
        CHECK_EQ(lb_player_get(w.client, "b", "p", NULL, NULL, NULL), LB_E_NOTFOUND);
        CHECK_EQ(lb_score_add(w.client, "b", "p", 1, NULL, NULL, NULL), LB_E_NOTFOUND);
        CHECK_EQ(lb_board_info(w.client, "b", NULL, &board, NULL), 0);
        CHECK_EQ(board->players, 1);
    }
    CHECK(w.notices[LB_NOTICE_BAD_ROW] >= 1);
    CHECK(strstr(w.notice, "'p'") != NULL);
    set(w.client, "b", "p", 9); /* it is replaced */
    converge(&w, "b", 2);
    (void)rethinkdb_live_query(port, "[53,[" PLAYER("p") ",{\"score\":\"x\"}]]");
    subscribe(&w, "b"); /* one that finds it so */
    converge(&w, "b", 1);
    close_watch(&w);
}

/* What is no player of ours takes no place and is not counted. */
TEST(a_bad_key_takes_no_place, .timeout_s = 60)
{
    static const char *const bad[] = {"[2,[\"b\"]]", "[2,[\"b\",7]]", "[2,[\"b\",\"p\",\"x\"]]",
                                      "\"b\"", "[2,[\"b\",null]]"};
    unsigned port = rethinkdb_live_port();
    const lb_player *player = NULL;
    const lb_board *board = NULL;
    lb_read_options place;
    struct watch w;

    open_watch(&w, rethinkdb_live_url());
    set(w.client, "b", "p", 1);
    subscribe(&w, "b");
    run_until(&w.client, 1, is_ready, &w);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        (void)rethinkdb_live_query(port, "[56,[" PLAYERS ",{\"key\":%s,\"score\":99}]]", bad[i]);
    converge(&w, "b", 1);
    CHECK_EQ(lb_board_info(w.client, "b", NULL, &board, NULL), 0);
    CHECK_EQ(board->players, 1);
    lb_read_options_init(&place);
    place.flags = LB_READ_PLACE;
    CHECK_EQ(lb_player_get(w.client, "b", "p", &place, &player, NULL), 0);
    CHECK_EQ(player->position, 1);
    close_watch(&w);
}

TEST(tables_dropped_and_reconfigured, .timeout_s = 120)
{
    unsigned port = rethinkdb_live_port();
    struct watch w;

    open_watch(&w, rethinkdb_live_url());
    set(w.client, "b", "p", 1);
    subscribe(&w, "b");
    converge(&w, "b", 1);
    (void)rethinkdb_live_query(port, "[176,[" PLAYERS "],{\"shards\":2,\"replicas\":1}]");
    (void)rethinkdb_live_query(port, "[177,[" PLAYERS "]]");
    set(w.client, "b", "q", 2);
    converge(&w, "b", 2);
    (void)rethinkdb_live_query(port, "[58,[\"%s\"]]", rethinkdb_live_database());
    set(w.client, "b", "r", 3);
    converge(&w, "b", 1);
    close_watch(&w);
}

TEST(the_server_is_restarted, .timeout_s = 120)
{
    struct reql_server s = {0};
    lb_counters counters;
    struct watch w;
    char url[64];

    reql_server_start(&s);
    snprintf(url, sizeof url, "rethinkdb://127.0.0.1:%u/again", s.port);
    open_watch(&w, url);
    set(w.client, "b", "p", 1);
    subscribe(&w, "b");
    converge(&w, "b", 1);
    for (int i = 2; i < 4; i++) {
        reql_server_stop(&s, i % 2 ? SIGINT : SIGKILL);
        reql_server_restart(&s);
        set(w.client, "b", "p", i);
        converge(&w, "b", 1);
        CHECK(w.m.resets >= i);
    }
    CHECK_EQ(lb_client_counters(w.client, &counters, sizeof counters), 0);
    CHECK(counters.gaps >= 2);
    CHECK(w.notices[LB_NOTICE_GAP] >= 2);
    close_watch(&w);
    reql_server_stop(&s, SIGKILL);
}

enum { BOARDS = 100 };

struct tops {
    int heard[BOARDS];
};

static int on_top(const lb_change *change, void *user)
{
    struct tops *tops = user;

    if (change->type == LB_CHANGE_TOP && change->n_rows)
        tops->heard[atoi(change->board + 1)] = (int)change->rows[0]->score;
    return 0;
}

static bool has_all(void *user)
{
    const struct tops *tops = user;

    for (int i = 0; i < BOARDS; i++) {
        if (tops->heard[i] != i + 1000)
            return false;
    }
    return true;
}

/* More than are followed one by one. */
TEST(many_boards, .timeout_s = 120)
{
    static struct tops tops;
    lb_changes_options opts;
    struct watch w;
    char board[16];

    open_watch(&w, rethinkdb_live_url());
    lb_changes_options_init(&opts);
    opts.top = 3;
    opts.min_interval_ms = 1;
    for (int i = 0; i < BOARDS; i++) {
        snprintf(board, sizeof board, "b%d", i);
        if (i % 2)
            set(w.client, board, "p", i);
        CHECK_EQ(lb_changes_subscribe(w.client, board, &opts, on_top, &tops, NULL, NULL), 0);
    }
    for (int i = 0; i < BOARDS; i++) {
        snprintf(board, sizeof board, "b%d", i);
        set(w.client, board, "p", i + 1000);
    }
    run_until(&w.client, 1, has_all, &tops);
    close_watch(&w);
}

static int note_type(const lb_change *change, void *user)
{
    *(int *)user = change->type;
    return 0;
}

static bool is_told_ready(void *user)
{
    return *(const int *)user == LB_CHANGE_READY;
}

/* They share the feed of the table with one that is there. */
TEST(many_boards_that_are_not_there, .timeout_s = 60)
{
    enum { MISSING = 20 };
    lb_changes_options opts;
    int told[MISSING + 1] = {0};
    struct watch w;
    char board[16];

    open_watch(&w, rethinkdb_live_url());
    set(w.client, "there", "p", 1);
    lb_changes_options_init(&opts);
    opts.flags = LB_CHANGES_NO_ROWS;
    for (int i = 0; i < MISSING; i++) {
        snprintf(board, sizeof board, "b%d", i);
        CHECK_OK(lb_changes_subscribe(w.client, board, &opts, note_type, &told[i], NULL, NULL));
    }
    CHECK_OK(lb_changes_subscribe(w.client, "there", &opts, note_type, &told[MISSING], NULL, NULL));
    run_until(&w.client, 1, is_told_ready, &told[MISSING]);
    run_idle(w.client);
    for (int i = 0; i < MISSING; i++)
        CHECK_EQ(told[i], LB_CHANGE_GONE);
    set(w.client, "b7", "p", 1);
    run_until(&w.client, 1, is_told_ready, &told[7]);
    close_watch(&w);
}
