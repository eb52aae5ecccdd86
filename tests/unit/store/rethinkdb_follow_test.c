/* Subscriptions on RethinkDB against a server that does to its changefeeds what a real one does only
 * now and then: ends, aborts, overflows, falls silent, sends what nobody knows. Whatever happens, a
 * subscriber ends up with what is there. */
#include "asks.h"
#include "capture.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FEED(elements) "{\"t\":3,\"r\":[" elements "],\"n\":[1,5]}"
#define CHANGE(was, is) "{\"old_val\":" was ",\"new_val\":" is "}"
#define ROW(id, score) "{\"key\":[\"b\",\"" id "\"],\"name\":\"x\",\"score\":" score ",\"at\":300}"

/* ---- A client that follows ------------------------------------------------------------------ */

struct notices {
    unsigned n[5]; /* by kind */
    char last[300];
};

static void on_notice(const lb_notice *notice, void *user)
{
    struct notices *notices = user;

    notices->n[notice->kind]++;
    snprintf(notices->last, sizeof notices->last, "%s", notice->message);
    CHECK(!strstr(notice->message, "s3cret"));
}

struct world {
    struct canned server;
    struct notices notices;
    lb_client *client;
    mirror m;
};

static void open_world(struct world *w, const char *options)
{
    char url[128];
    lb_options opts;

    canned_start(&w->server);
    snprintf(url, sizeof url, "%s%s", w->server.url, options);
    lb_options_init(&opts);
    opts.database = url;
    opts.notice = on_notice;
    opts.notice_user = &w->notices;
    CHECK_OK(lb_client_new(&opts, &w->client, NULL));
}

static void follow(struct world *w, const char *board, uint32_t flags, uint32_t top)
{
    lb_changes_options opts;

    lb_changes_options_init(&opts);
    opts.flags = flags;
    opts.top = top;
    opts.min_interval_ms = 1;
    CHECK_OK(lb_changes_subscribe(w->client, board, &opts, mirror_apply, &w->m, NULL, NULL));
}

static void close_world(struct world *w)
{
    lb_client_free(w->client);
    canned_stop(&w->server);
    CHECK(!w->m.broke_order);
    mirror_clear(&w->m);
}

static uint64_t gaps_of(struct world *w)
{
    lb_counters counters;

    CHECK_OK(lb_client_counters(w->client, &counters, sizeof counters));
    return counters.gaps;
}

static bool is_ready(void *user)
{
    const struct world *w = user;

    return w->m.is_ready;
}

static bool is_ready_again(void *user)
{
    const struct world *w = user;

    return w->m.is_ready && w->m.resets > 1;
}

static bool is_gone(void *user)
{
    const struct world *w = user;

    return w->m.is_gone;
}

static void check_rows(const mirror *m, const char *text)
{
    char is[200] = "";

    for (size_t i = 0; i < m->n; i++)
        snprintf(is + strlen(is), sizeof is - strlen(is), "%s%s:%lld", i ? " " : "", m->rows[i].id,
                 (long long)m->rows[i].score);
    CHECK_STR(is, text);
}

TEST(the_server_is_like_a_real_one)
{
    struct world w = {0};

    open_world(&w, "");
    follow(&w, "b", 0, 0);
    run_until(&w.client, 1, is_ready, &w);
    check_rows(&w.m, "p:5 q:4");
    CHECK_EQ(w.m.resets, 1);
    CHECK_EQ(gaps_of(&w), 0);
    close_world(&w);
}

static bool has_top(void *user)
{
    const struct world *w = user;

    return w->m.tops > 0;
}

TEST(every_kind_of_subscription)
{
    struct world all = {0}, none = {0}, top = {0}, gone = {0};

    open_world(&all, "");
    follow(&all, NULL, 0, 0);
    run_until(&all.client, 1, is_ready, &all);
    check_rows(&all.m, "p:5 q:4");
    close_world(&all);
    open_world(&none, "");
    follow(&none, "b", LB_CHANGES_NO_ROWS, 0);
    run_until(&none.client, 1, is_ready, &none);
    check_rows(&none.m, "");
    close_world(&none);
    open_world(&top, "");
    follow(&top, "b", 0, 5);
    run_until(&top.client, 1, has_top, &top);
    check_rows(&top.m, "p:5 q:4");
    close_world(&top);
    open_world(&gone, "");
    follow(&gone, "other", 0, 0);
    run_until(&gone.client, 1, is_gone, &gone);
    close_world(&gone);
}

/* ---- Feeds that end ------------------------------------------------------------------------- */

/* The first feed of its kind, when it is well, gets this; all others are as usual. */
struct blow {
    enum canned_kind of;
    const char *answer; /* NULL: the connection is reset */
};

static bool strike(struct canned *server, struct fake *link, const struct canned_query *q)
{
    const struct blow *blow = server->user;

    if (q->kind != CANNED_CONTINUE || q->of != blow->of || q->n != 2 ||
        server->counts[blow->of] != 1)
        return false;
    if (blow->answer)
        fake_answer(link, q->token, blow->answer);
    else
        fake_reset(link);
    return true;
}

#define OVERFLOW "{\"error\":\"Changefeed cache over array size limit, skipped 55 elements.\"}"
#define ABORTED(code, text) "{\"t\":18,\"e\":" #code ",\"r\":[\"" text "\"],\"b\":[]}"

static const char *const ends[] = {
    NULL,
    "{\"t\":2,\"r\":[],\"n\":[]}",
    ABORTED(4100000, "Changefeed aborted (unavailable)."),
    ABORTED(4200000, "Query terminated by the `rethinkdb.jobs` table."),
    ABORTED(6000000, "User `x` does not have the required `read` permission."),
    ABORTED(1000000, "Unexpected exception."),
    ABORTED(2000000, "Array over size limit."),
    "{\"t\":16,\"r\":[\"Token 1 not in stream cache.\"],\"b\":[]}",
    "{\"t\":42,\"r\":[{}]}",
    "{\"t\":1,\"r\":[]}",
    "nonsense",
    FEED(OVERFLOW),
    FEED(CHANGE(CANNED_P, ROW("p", "6")) "," OVERFLOW),
    FEED("{\"shiny\":1}"),
    FEED("7"),
    FEED("{}"),
};

static void check_end(enum canned_kind of, const char *board, const char *answer)
{
    struct blow blow = {of, answer};
    struct world w = {.server = {.answer = strike, .user = &blow}};

    open_world(&w, "");
    follow(&w, board, 0, 0);
    run_until(&w.client, 1, is_ready_again, &w);
    check_rows(&w.m, "p:5 q:4");
    CHECK(gaps_of(&w) > 0);
    CHECK(w.notices.n[LB_NOTICE_GAP] > 0);
    close_world(&w);
}

TEST(a_feed_of_rows_ends)
{
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        check_end(CANNED_ROWS, "b", ends[i]);
        check_end(CANNED_ROWS, NULL, ends[i]);
    }
}

/* Of the boards: rows of one that stays need not begin again. */
static bool has_listed_again(void *user)
{
    const struct world *w = user;

    return w->server.counts[CANNED_BOARDS] > 1 && w->m.is_ready;
}

TEST(the_feed_of_boards_ends)
{
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct blow blow = {CANNED_BOARDS, ends[i]};
        struct world w = {.server = {.answer = strike, .user = &blow}};

        open_world(&w, "");
        follow(&w, "b", 0, 0);
        run_until(&w.client, 1, has_listed_again, &w);
        check_rows(&w.m, "p:5 q:4");
        CHECK(gaps_of(&w) > 0);
        close_world(&w);
    }
}

/* ---- What feeds tell ------------------------------------------------------------------------ */

/* What a feed begins with, and what comes next. */
struct tale {
    enum canned_kind of;
    const char *first, *second, *third; /* NULL: as usual */
};

static bool tell(struct canned *server, struct fake *link, const struct canned_query *q)
{
    const struct tale *tale = server->user;
    const char *answer = NULL;

    if (q->kind == tale->of)
        answer = tale->first;
    else if (q->kind == CANNED_CONTINUE && q->of == tale->of && q->n < 3)
        answer = q->n == 1 ? tale->second : tale->third;
    if (answer)
        fake_answer(link, q->token, answer);
    return answer;
}

static void check_tale(const struct tale *tale, const char *board, bool (*until)(void *user),
                       const char *rows)
{
    struct world w = {.server = {.answer = tell, .user = tale}};

    open_world(&w, "");
    follow(&w, board, 0, 0);
    run_until(&w.client, 1, until, &w);
    check_rows(&w.m, rows);
    CHECK_EQ(w.server.counts[CANNED_ROWS], until == is_gone ? 0 : 1);
    close_world(&w);
}

#define READY "{\"state\":\"ready\"}"

TEST(changes_before_ready)
{
    static const struct tale tale = {
        CANNED_ROWS,
        FEED("{\"state\":\"initializing\"},{\"new_val\":" CANNED_P
             "}," CHANGE(CANNED_P, ROW("p", "7")) "," CHANGE("null", ROW("r", "1"))),
        FEED("{\"new_val\":" CANNED_Q
             "}," CHANGE(ROW("r", "1"), "null") ",{\"old_val\":" ROW("r", "1") "}," READY),
        NULL};

    check_tale(&tale, "b", is_ready, "p:7 q:4");
    check_tale(&tale, NULL, is_ready, "p:7 q:4");
}

TEST(what_the_future_adds)
{
    static const struct tale tale = {
        CANNED_ROWS,
        "{\"t\":3,\"r\":[{\"state\":\"dreaming\",\"x\":1},{\"type\":\"shiny\",\"new_val\":" CANNED_P
        ",\"offset\":7}],\"n\":[1,5,99,\"x\"],\"q\":{}}",
        FEED("{\"type\":\"odd\",\"old_val\":null,\"new_val\":" CANNED_Q "}," READY), NULL};

    check_tale(&tale, "b", is_ready, "p:5 q:4");
}

TEST(rows_that_are_none)
{
    static const struct tale tale = {
        CANNED_ROWS,
        FEED("{\"new_val\":null},{\"new_val\":7},{\"new_val\":\"x\"},{\"new_val\":[]},"
             "{\"new_val\":{}},{\"new_val\":{\"key\":7,\"score\":1}},"
             "{\"new_val\":{\"key\":[\"b\"],\"score\":1}},{\"new_val\":{\"key\":[1,2]}},"
             "{\"new_val\":{\"key\":[\"b\",\"a b\"],\"score\":1}}"),
        FEED(
            "{\"new_val\":" ROW("f", "1.5") "},{\"new_val\":" ROW("h", "1e300") "},{\"new_val\":" ROW(
                "t", "\"5\"") "},{\"new_val\":" ROW("n",
                                                    "null") "},{\"new_val\":" CANNED_P
                                                            "},{\"new_val\":" CANNED_Q
                                                            "}," CHANGE(CANNED_Q,
                                                                        ROW("q", "1.5")) "," READY),
        NULL};

    check_tale(&tale, "b", is_ready, "p:5");
    check_tale(&tale, NULL, is_ready, "p:5");
}

TEST(rows_of_another_board)
{
    static const struct tale tale = {
        CANNED_ROWS,
        FEED("{\"new_val\":{\"key\":[\"c\",\"p\"],\"score\":1}},{\"new_val\":" CANNED_P "}"), NULL,
        NULL};

    check_tale(&tale, "b", is_ready, "p:5");
    check_tale(&tale, NULL, is_ready, "p:5");
}

TEST(bad_rows_are_reported)
{
    static const struct tale tale = {CANNED_ROWS, FEED("{\"new_val\":" ROW("f", "1.5") "}"), NULL,
                                     NULL};
    struct world w = {.server = {.answer = tell, .user = &tale}};

    open_world(&w, "");
    follow(&w, "b", 0, 0);
    run_until(&w.client, 1, is_ready, &w);
    CHECK_EQ(w.notices.n[LB_NOTICE_BAD_ROW], 1);
    CHECK(strstr(w.notices.last, "'f'"));
    close_world(&w);
}

#define KEY(key) "{\"key\":" key ",\"name\":\"x\",\"score\":1,\"at\":1}"
#define LONG "0123456789012345678901234567890123456789"

/* What is wrong with which row: printable, and not too much of it. */
TEST(rows_of_no_player_are_reported)
{
    static const struct {
        const char *row, *says;
    } cases[] = {
        {KEY("[\"b\",\"a b\"]"), "'a b' on board 'b' is no player id: left out"},
        {KEY("[\"b\",\"\"]"), "'' on board 'b' is no player id: left out"},
        {KEY("[\"b\",\"..\"]"), "'..' on board 'b' is no player id: left out"},
        {KEY("[\"b\",\"\\u0007'\\\\\\u00e9\"]"),
         "'\\x07\\x27\\x5c\\xc3\\xa9' on board 'b' is no player id: left out"},
        {KEY("[\"b\",\"" LONG LONG "\"]"), "'" LONG "...' on board 'b' is no player id: left out"},
        {KEY("[\"b\",7]"), "a row on board 'b' has a key that is not [board, player]: left out"},
        {KEY("[\"b\"]"), "a row on board 'b' has a key that is not [board, player]: left out"},
        {KEY("[\"b\",\"p\",\"q\"]"),
         "a row on board 'b' has a key that is not [board, player]: left out"},
        {KEY("\"b\""), "a row has a key that is not [board, player]: left out"},
        {KEY("[7,\"p\"]"), "a row has a key that is not [board, player]: left out"},
        {KEY("[\"b/\\n\",\"p\"]"), "a row is on board 'b/\\x0a', which is no board id: left out"},
        {"{\"name\":\"x\"}", "a row has a key that is not [board, player]: left out"},
        {ROW("f", "\"x\""), "player 'f' on board 'b' has a score that is no whole number within "
                            "-9007199254740991..9007199254740991: left out"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[600];
        struct tale tale = {CANNED_ROWS, text, NULL, NULL};
        struct world w = {.server = {.answer = tell, .user = &tale}};
        lb_counters counters;

        snprintf(text, sizeof text, FEED("{\"new_val\":%s}"), cases[i].row);
        open_world(&w, "");
        follow(&w, "b", 0, 0);
        run_until(&w.client, 1, is_ready, &w);
        CHECK_STR(w.notices.last, cases[i].says);
        CHECK_OK(lb_client_counters(w.client, &counters, sizeof counters));
        CHECK_EQ(counters.bad_rows, 1);
        CHECK_EQ(w.m.n, 0);
        close_world(&w);
    }
}

TEST(boards_that_are_none)
{
    static const struct tale tale = {
        CANNED_BOARDS,
        FEED(
            "{\"new_val\":7},{\"new_val\":{\"id\":7}},{\"new_val\":{\"id\":\"\"}},{\"new_val\":"
            "{\"id\":\"b/b\"}},{\"new_val\":{\"id\":\"0123456789012345678901234567890123456789b\"}},"
            "{\"new_val\":{\"created\":\"x\",\"id\":\"b\"}}"),
        NULL, NULL};

    check_tale(&tale, "b", is_ready, "p:5 q:4");
}

/* ---- Boards that are gone ------------------------------------------------------------------- */

enum { MANY = 5000 }; /* more than are remembered */

/* The feed of boards waits: what it tells next is the test's. The feed of all rows begins with `rows`. */
struct boards {
    const char *rows;
    struct fake *link;
    int64_t token;
    atomic_bool waits;
};

static bool hold_boards(struct canned *server, struct fake *link, const struct canned_query *q)
{
    struct boards *boards = (struct boards *)(uintptr_t)server->user;

    if (q->kind == CANNED_ROWS && boards->rows) {
        fake_answer(link, q->token, boards->rows);
        return true;
    }
    if (q->kind != CANNED_CONTINUE || q->of != CANNED_BOARDS || q->n != 2)
        return false;
    boards->link = link;
    boards->token = q->token;
    boards->waits = true;
    return true;
}

/* `format` for each number, with commas between, within a batch of a feed. */
static char *feed_of_many(const char *format, const char *last)
{
    size_t size = MANY * (strlen(format) + 16) + strlen(last) + 64;
    char *text = malloc(size), *at = text;

    CHECK(text != NULL);
    at += snprintf(at, size, "{\"t\":3,\"r\":[");
    for (int i = 0; i < MANY; i++) {
        at += snprintf(at, size - (size_t)(at - text), format, i);
        *at++ = ',';
    }
    snprintf(at, size - (size_t)(at - text), "%s],\"n\":[1,5]}", last);
    return text;
}

static bool waits_and_is_ready(void *user)
{
    struct world *w = user;
    const struct boards *boards = w->server.user;

    return boards->waits && w->m.is_ready;
}

static bool is_empty_or_reset(void *user)
{
    const struct world *w = user;

    return w->m.n == 0 || w->m.resets > 1;
}

#define NEW_BOARD(id) "{\"old_val\":null,\"new_val\":{\"created\":1,\"id\":\"" id "\"}}"
#define OLD_BOARD(id) "{\"new_val\":null,\"old_val\":{\"created\":1,\"id\":\"" id "\"}}"

static void check_boards(struct world *w, char *text, int resets)
{
    struct boards *boards = (struct boards *)(uintptr_t)w->server.user;

    open_world(w, "");
    follow(w, NULL, 0, 0);
    run_until(&w->client, 1, waits_and_is_ready, w);
    fake_answer(boards->link, boards->token, text);
    run_until(&w->client, 1, is_empty_or_reset, w);
    CHECK_EQ(w->m.resets, resets);
    close_world(w);
    free(text);
}

/* One that comes again so late is like one that was never there; one that comes soon is not. */
TEST(boards_that_are_gone_are_not_remembered_for_ever)
{
    struct boards late_boards = {.rows = NULL}, soon_boards = {.rows = NULL};
    struct world late = {.server = {.answer = hold_boards, .user = &late_boards}};
    struct world soon = {.server = {.answer = hold_boards, .user = &soon_boards}};

    check_boards(
        &late,
        feed_of_many(NEW_BOARD("x%1$d") "," OLD_BOARD("x%1$d"), NEW_BOARD("x0") "," OLD_BOARD("b")),
        1);
    check_boards(&soon, feed_of_many(NEW_BOARD("x%1$d") "," OLD_BOARD("x%1$d"), NEW_BOARD("x4999")),
                 2);
}

/* Rows that came before their boards are told when these come, however many have come since. */
TEST(rows_of_many_boards_that_are_not_there)
{
    struct boards boards = {.rows =
                                feed_of_many("{\"new_val\":{\"key\":[\"x%d\",\"p\"],\"score\":1}}",
                                             "{\"new_val\":" CANNED_P "}," READY)};
    struct world w = {.server = {.answer = hold_boards, .user = &boards}};

    check_boards(&w, strdup(FEED(NEW_BOARD("x0"))), 2);
    free((char *)(uintptr_t)boards.rows);
}

/* An id that is too long is not another one, cut. */
TEST(a_board_with_a_long_id)
{
    static const struct tale tale = {
        CANNED_BOARDS,
        FEED("{\"new_val\":{\"created\":1,\"id\":\"0123456789012345678901234567890123456789b\"}}"),
        NULL, NULL};

    check_tale(&tale, "0123456789012345678901234567890123456789", is_gone, "");
}

TEST(a_board_goes)
{
    static const struct tale tales[] = {
        {CANNED_BOARDS, NULL, NULL, FEED("{\"old_val\":" CANNED_BOARD ",\"new_val\":null}")},
        {CANNED_BOARDS, NULL, NULL,
         FEED("{\"old_val\":" CANNED_BOARD ",\"new_val\":{\"id\":\"b\",\"deleting\":true}}")},
        {CANNED_BOARDS, NULL, NULL, FEED("{\"old_val\":" CANNED_BOARD "}")},
        {CANNED_BOARDS, FEED("{\"new_val\":{\"id\":\"b\",\"deleting\":7}}"), NULL, NULL}};

    for (size_t i = 0; i < sizeof tales / sizeof *tales; i++) {
        struct world w = {.server = {.answer = tell, .user = &tales[i]}};

        open_world(&w, "");
        follow(&w, "b", 0, 0);
        run_until(&w.client, 1, is_gone, &w);
        check_rows(&w.m, "");
        close_world(&w);
    }
}

TEST(there_is_no_database)
{
    static const struct tale tale = {CANNED_BOARDS,
                                     ABORTED(4100000, "Database `lb` does not exist."), NULL, NULL};

    check_tale(&tale, "b", is_gone, "");
}

/* ---- Silence and storms --------------------------------------------------------------------- */

/* The first connection falls silent once it has told everything. */
static bool fall_silent(struct canned *server, struct fake *link, const struct canned_query *q)
{
    (void)link;
    return (q->kind == CANNED_PING || q->kind == CANNED_STOP) && server->connections == 1;
}

TEST(silence_is_noticed)
{
    struct world w = {.server = {.answer = fall_silent}};

    open_world(&w, "?silence_ms=300");
    follow(&w, "b", 0, 0);
    run_until(&w.client, 1, is_ready_again, &w);
    check_rows(&w.m, "p:5 q:4");
    CHECK_EQ(w.notices.n[LB_NOTICE_GAP], 1);
    close_world(&w);
}

/* A server that is never well: every feed overflows as soon as it is ready. */
static bool overflow(struct canned *server, struct fake *link, const struct canned_query *q)
{
    (void)server;
    if (q->kind == CANNED_LIST) /* gives the test its time */
        return true;
    if (q->kind != CANNED_CONTINUE || q->of != CANNED_ROWS || q->n != 2)
        return false;
    fake_answer(link, q->token, FEED(OVERFLOW));
    return true;
}

TEST(a_storm_of_overflows)
{
    struct world w = {.server = {.answer = overflow}};
    outcome o = {0};
    lb_range range;

    open_world(&w, "");
    follow(&w, "b", 0, 0);
    run_until(&w.client, 1, is_ready_again, &w);
    lb_range_init(&range);
    range.timeout_ms = 400;
    CHECK_OK(lb_board_list_start(w.client, &range, board_list_add, outcome_done, &o, NULL, NULL));
    CHECK_EQ(run_outcome(w.client, &o), LB_E_TIMEOUT);
    CHECK(w.server.counts[CANNED_ROWS] < 50); /* it does not spin */
    close_world(&w);
}

/* It goes on telling, whatever it was asked. */
static bool never_stop(struct canned *server, struct fake *link, const struct canned_query *q)
{
    (void)server;
    if (q->kind != CANNED_STOP)
        return false;
    for (unsigned i = 0; i < 5; i++)
        fake_answer(link, q->token, FEED(CHANGE(CANNED_P, ROW("p", "9"))));
    return true;
}

TEST(a_feed_that_does_not_stop)
{
    struct world w = {.server = {.answer = never_stop}};
    lb_changes *changes = NULL;

    open_world(&w, "");
    for (int i = 0; i < 3; i++) {
        mirror_clear(&w.m);
        w.m = (mirror){0};
        CHECK_OK(lb_changes_subscribe(w.client, "b", NULL, mirror_apply, &w.m, &changes, NULL));
        run_until(&w.client, 1, is_ready, &w);
        check_rows(&w.m, "p:5 q:4");
        lb_changes_cancel(changes);
    }
    close_world(&w);
}

/* ---- Getting in ----------------------------------------------------------------------------- */

static bool has_notice(void *user)
{
    const struct world *w = user;

    return w->notices.n[LB_NOTICE_RETRY] > 0;
}

TEST(a_wrong_password)
{
    static const struct fake_shake refuse = {
        .refusal = "{\"error\":\"Wrong password\",\"error_code\":12,\"success\":false}"};
    struct world w = {.server = {.shake = &refuse}};
    char url[100];
    lb_options opts;

    canned_start(&w.server);
    snprintf(url, sizeof url, "rethinkdb://ann:s3cret@127.0.0.1:%u/lb",
             (unsigned)w.server.door.port);
    lb_options_init(&opts);
    opts.database = url;
    opts.notice = on_notice;
    opts.notice_user = &w.notices;
    CHECK_OK(lb_client_new(&opts, &w.client, NULL));
    follow(&w, "b", 0, 0);
    run_until(&w.client, 1, has_notice, &w);
    CHECK(strstr(w.notices.last, "wrong user or password"));
    CHECK_EQ(w.m.events, 0);
    close_world(&w);
}

static bool three_go(struct canned *server, struct fake *link, unsigned n)
{
    (void)server;
    if (n > 3)
        return false;
    fake_reset(link);
    return true;
}

TEST(it_comes_back)
{
    struct world w = {.server = {.welcome = three_go}};

    open_world(&w, "");
    follow(&w, "b", 0, 0);
    run_until(&w.client, 1, is_ready, &w);
    check_rows(&w.m, "p:5 q:4");
    CHECK_EQ(w.server.connections, 4);
    close_world(&w);
}
