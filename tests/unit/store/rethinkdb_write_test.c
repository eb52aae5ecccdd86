/* The RethinkDB store's requests against a server that does what a real one will not do on demand:
 * connections cut at a chosen moment, silence, hosts that refuse. */
#include "asks.h"
#include "capture.h"
#include "test.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

TEST(the_server_is_like_a_real_one)
{
    struct canned server = {0};
    lb_client *client = open_client(&server, NULL, 20000);
    const lb_player *row = NULL;
    const lb_board *board = NULL;
    row_list list = {0};
    lb_error error;

    for (enum ask what = ADD; what < ASKS; what++)
        check_code(what, ask(client, what, &error), is_write(what) ? 1 : 0, &error);
    CHECK_EQ(lb_score_add(client, "b", "p", 2, NULL, &row, NULL), 1);
    CHECK_EQ(row->score, 7);
    CHECK_EQ(row->reached_us, CANNED_BASE);
    CHECK_EQ(lb_score_add(client, "b", "nobody", 2, NULL, NULL, NULL), LB_E_NOTFOUND);
    CHECK_OK(lb_board_get(client, "b", NULL, row_list_add, &list, NULL));
    CHECK_STR(row_list_text(&list), "p:5 q:4");
    row_list_clear(&list);
    CHECK_OK(lb_player_around(client, "b", "q", 3, NULL, row_list_add, &list, NULL));
    CHECK_STR(row_list_places(&list), "1/1/p 2/2/q");
    row_list_clear(&list);
    CHECK_OK(lb_board_info(client, "b", NULL, &board, NULL));
    CHECK_EQ(board->players, 2);
    CHECK_EQ(lb_board_info(client, "none", NULL, NULL, NULL), LB_E_NOTFOUND);
    CHECK_EQ(server.counts[CANNED_OTHER], 0);
    CHECK_EQ(server.connections, 1);
    close_client(&server, client);
}

/* ---- Connections that are cut --------------------------------------------------------------- */

static bool reset_first_batch(struct canned *server, struct fake *link,
                              const struct canned_query *q)
{
    (void)server;
    if (q->kind != CANNED_BATCH || q->n > 1)
        return false;
    fake_reset(link);
    return true;
}

TEST(cut_after_a_write_was_sent)
{
    struct canned server = {0};
    lb_client *client = open_client(&server, reset_first_batch, 20000);
    const lb_player *row = NULL;
    lb_error error;

    CHECK_EQ(ask(client, ADD, &error), LB_E_UNKNOWN);
    check_says(&error, "may have been applied");
    CHECK_EQ(server.counts[CANNED_BATCH], 1); /* and never again */
    CHECK_EQ(lb_score_add(client, "b", "p", 1, NULL, &row, NULL), 1);
    CHECK_EQ(row->score, 6);
    CHECK_EQ(server.counts[CANNED_BATCH], 2);
    close_client(&server, client);
}

TEST(cut_after_a_write_with_a_key_was_sent)
{
    struct canned server = {0};
    lb_client *client = open_client(&server, reset_first_batch, 20000);
    lb_error error;

    check_code(ADD_KEYED, ask(client, ADD_KEYED, &error), 1, &error);
    CHECK_EQ(server.counts[CANNED_BATCH], 2);
    close_client(&server, client);
}

/* It was applied, then others added: the document says what the answer was. */
#define USED                                                                                       \
    "{\"at\":300,\"board\":\"b\",\"id\":\"p\",\"key\":[\"b\",\"p\"],\"keys\":[{\"a\":1,\"c\":1,"   \
    "\"f\":0,\"k\":\"key\",\"n\":\"p\",\"s\":6,\"t\":250,\"v\":12,\"w\":250}],\"name\":\"p\","     \
    "\"score\":16}"

static bool reset_then_tell(struct canned *server, struct fake *link, const struct canned_query *q)
{
    if (reset_first_batch(server, link, q))
        return true;
    if (q->kind != CANNED_BATCH)
        return false;
    canned_value(link, q,
                 "{\"base\":400,\"board\":" CANNED_BOARD
                 ",\"wrote\":{\"changes\":[{\"new_val\":" USED ",\"old_val\":" USED
                 "}],\"unchanged\":1}}");
    return true;
}

TEST(a_write_with_a_key_is_not_applied_twice)
{
    struct canned server = {0};
    lb_client *client = open_client(&server, reset_then_tell, 20000);
    const lb_player *row = NULL;

    CHECK_EQ(lb_score_add(client, "b", "p", 1, create("key"), &row, NULL), 1);
    CHECK_EQ(row->score, 6);
    CHECK_EQ(row->reached_us, 250);
    close_client(&server, client);
}

static atomic_bool has_closed;

static bool close_when_told(struct canned *server, struct fake *link, const struct canned_query *q)
{
    if (q->kind != CANNED_INFO || q->n > 1)
        return false;
    (void)server;
    canned_value(link, q, "{}");
    fake_close(link);
    has_closed = true;
    return true;
}

/* A connection that rests and is closed by the server: nothing is sent on it. */
TEST(closed_while_it_rested)
{
    struct canned server = {0};
    lb_client *client = open_client(&server, close_when_told, 20000);
    lb_error error;

    CHECK_EQ(ask(client, ADD, &error), 1);
    (void)ask(client, FACTS, &error);
    while (!has_closed)
        sched_yield();
    check_code(ADD, ask(client, ADD, &error), 1, &error);
    CHECK_EQ(server.counts[CANNED_BATCH], 2);
    CHECK_EQ(server.connections, 2);
    close_client(&server, client);
}

static bool only_the_first(struct canned *server, struct fake *link, unsigned n)
{
    (void)server;
    if (n == 1)
        return false;
    fake_reset(link);
    return true;
}

TEST(a_write_that_was_not_sent_is_not_applied)
{
    struct canned server = {.welcome = only_the_first};
    lb_client *client = open_client(&server, close_when_told, 400);
    lb_error error;

    CHECK_EQ(ask(client, ADD, &error), 1);
    (void)ask(client, FACTS, &error);
    while (!has_closed)
        sched_yield();
    for (enum ask what = ADD; what < ASKS; what += 4) {
        check_code(what, ask(client, what, &error), LB_E_TIMEOUT, &error);
        CHECK((strstr(error.msg, "not applied") != NULL) == is_write(what));
        check_says(&error, "127.0.0.1");
    }
    CHECK_EQ(server.counts[CANNED_BATCH], 1);
    close_client(&server, client);
}

static bool reset_once(struct canned *server, struct fake *link, const struct canned_query *q)
{
    const enum canned_kind *kind = server->user;

    if (q->kind != *kind || q->n > 1)
        return false;
    fake_reset(link);
    return true;
}

/* Whatever else is cut once is asked again. */
TEST(cut_anywhere_else)
{
    static const struct {
        enum canned_kind kind;
        enum ask what;
    } cuts[] = {{CANNED_PROBE, ADD},     {CANNED_PROBE, GET},   {CANNED_LOOK, ADD},
                {CANNED_MAKE, ADD_NEW},  {CANNED_PAGE, PAGE},   {CANNED_READ, GET},
                {CANNED_PLACES, GET},    {CANNED_LIST, LIST},   {CANNED_INFO, FACTS},
                {CANNED_REMOVE, DELETE}, {CANNED_DROP, DELETE}, {CANNED_PLACES, AROUND}};

    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        struct canned server = {.user = &cuts[i].kind};
        lb_client *client = open_client(&server, reset_once, 20000);
        lb_error error;

        check_code(cuts[i].what, ask(client, cuts[i].what, &error), is_write(cuts[i].what), &error);
        CHECK_EQ(server.counts[cuts[i].kind], 2);
        close_client(&server, client);
    }
}

TEST(nobody_knows_whether_a_board_was_made)
{
    static const struct {
        enum canned_kind kind;
        enum ask what;
    } cuts[] = {{CANNED_MAKE, CREATE}, {CANNED_MARK, DELETE}};

    for (size_t i = 0; i < 2; i++) {
        struct canned server = {.user = &cuts[i].kind};
        lb_client *client = open_client(&server, reset_once, 20000);
        lb_error error;

        check_code(cuts[i].what, ask(client, cuts[i].what, &error), LB_E_UNKNOWN, &error);
        CHECK_EQ(server.counts[cuts[i].kind], 1);
        check_code(cuts[i].what, ask(client, cuts[i].what, &error), 1, &error);
        close_client(&server, client);
    }
}

/* ---- Silence -------------------------------------------------------------------------------- */

static bool silent_from(struct canned *server, struct fake *link, const struct canned_query *q)
{
    const enum canned_kind *kind = server->user;

    (void)link;
    return q->kind == *kind;
}

static int after_silence(enum canned_kind kind)
{
    switch (kind) {
    case CANNED_BATCH:
    case CANNED_MAKE:
    case CANNED_MARK:
    case CANNED_REMOVE: /* the board is gone by then */
    case CANNED_DROP:
        return LB_E_UNKNOWN;
    default:
        return LB_E_TIMEOUT;
    }
}

/* Everything ends by its deadline, and says what is known. */
TEST(silence)
{
    static const struct {
        enum canned_kind kind;
        enum ask what;
    } at[] = {{CANNED_PROBE, ADD},     {CANNED_PROBE, PAGE},   {CANNED_LOOK, ADD},
              {CANNED_BATCH, ADD},     {CANNED_BATCH, REMOVE}, {CANNED_BATCH, ADD_KEYED},
              {CANNED_MAKE, CREATE},   {CANNED_MARK, DELETE},  {CANNED_REMOVE, DELETE},
              {CANNED_DROP, DELETE},   {CANNED_PAGE, PAGE},    {CANNED_READ, GET},
              {CANNED_READ, GET_MANY}, {CANNED_READ, AROUND},  {CANNED_READ, INFO},
              {CANNED_PLACES, AROUND}, {CANNED_LIST, LIST},    {CANNED_INFO, FACTS}};

    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        struct canned server = {.user = &at[i].kind};
        lb_client *client = open_client(&server, silent_from, 100);
        lb_error error;

        check_code(at[i].what, ask(client, at[i].what, &error), after_silence(at[i].kind), &error);
        close_client(&server, client);
    }
}

/* The rest of a batch goes on without those who did not wait. */
static bool answer_late(struct canned *server, struct fake *link, const struct canned_query *q)
{
    atomic_bool *may = (atomic_bool *)(uintptr_t)server->user;

    (void)link;
    while (q->kind == CANNED_BATCH && q->n == 1 && !*may)
        sched_yield();
    return false;
}

TEST(only_who_waits_no_longer_is_told_that)
{
    atomic_bool may = false;
    struct canned server = {.user = &may};
    lb_client *client = open_client(&server, answer_late, 20000);
    outcome impatient = {0}, patient = {0};
    lb_write_options soon;

    lb_write_options_init(&soon);
    soon.timeout_ms = 50;
    CHECK_OK(lb_score_add_start(client, "b", "p", 1, &soon, outcome_done, &impatient, NULL, NULL));
    CHECK_OK(lb_score_add_start(client, "b", "p", 1, NULL, outcome_done, &patient, NULL, NULL));
    CHECK_OK(lb_score_add_start(client, "b", "q", 1, NULL, outcome_done, &patient, NULL, NULL));
    CHECK_EQ(run_outcome(client, &impatient), LB_E_UNKNOWN);
    CHECK_EQ(patient.count, 0);
    may = true;
    while (patient.count < 2)
        CHECK_OK(lb_client_process(client));
    CHECK_EQ(patient.code, 1);
    CHECK_EQ(server.counts[CANNED_BATCH], 1);
    close_client(&server, client);
}

/* ---- Answers for nobody --------------------------------------------------------------------- */

static bool answer_others_too(struct canned *server, struct fake *link,
                              const struct canned_query *q)
{
    (void)server;
    fake_answer(link, q->token + 1, "{\"t\":1,\"r\":[1]}");
    fake_answer(link, 0, "{\"t\":3,\"r\":[{}]}");
    fake_answer(link, -1, "{\"t\":18,\"e\":1,\"r\":[\"x\"]}");
    fake_answer(link, q->token ^ INT64_C(0x7000000000000000), "nonsense");
    return false;
}

TEST(answers_that_nobody_asked_for)
{
    struct canned server = {0};
    lb_client *client = open_client(&server, answer_others_too, 20000);
    lb_error error;

    for (enum ask what = ADD; what < ASKS; what++)
        check_code(what, ask(client, what, &error), is_write(what), &error);
    CHECK_EQ(server.connections, 1);
    close_client(&server, client);
}

/* ---- Ending early --------------------------------------------------------------------------- */

/* The deletion has begun, and there is no server any more to go on with. */
static bool mark_and_go(struct canned *server, struct fake *link, const struct canned_query *q)
{
    (void)server;
    if (q->kind != CANNED_REMOVE)
        return false;
    fake_reset(link);
    return true;
}

TEST(a_deletion_ends_without_a_server)
{
    struct canned server = {.welcome = only_the_first};
    lb_client *client = open_client(&server, mark_and_go, 300);
    lb_error error;

    check_code(DELETE, ask(client, DELETE, &error), LB_E_UNKNOWN, &error);
    check_says(&error, "is gone for everybody");
    check_code(DELETE, ask(client, DELETE, &error), LB_E_TIMEOUT, &error);
    check_says(&error, "not applied");
    close_client(&server, client);
}

/* Until the server has counted so many; it wakes nobody who sleeps. */
static void run_while_below(lb_client *client, const atomic_uint *count, unsigned n)
{
    while (*count < n) {
        CHECK_OK(lb_client_process(client));
        sched_yield();
    }
}

TEST(a_deletion_that_has_begun_is_not_cancelled)
{
    struct canned server = {.welcome = only_the_first};
    lb_client *client = open_client(&server, mark_and_go, 1000);
    outcome o = {0};
    lb_op *op = NULL;

    CHECK_OK(lb_board_delete_start(client, "b", NULL, outcome_done, &o, &op, NULL));
    run_while_below(client, &server.connections, 3); /* it waits for one that lasts */
    CHECK_OK(lb_op_cancel(op));
    CHECK_EQ(run_outcome(client, &o), LB_E_UNKNOWN);
    close_client(&server, client);
}

/* What was left of the last board of this name is being removed: nothing is made yet. */
static bool make_among_remains(struct canned *server, struct fake *link,
                               const struct canned_query *q)
{
    (void)server;
    if (q->kind != CANNED_MAKE)
        return q->kind == CANNED_REMOVE;
    canned_value(link, q,
                 "{\"changes\":[{\"new_val\":{\"id\":\"b2\",\"deleting\":true},\"old_val\":{}}]}");
    return true;
}

TEST(a_creation_that_waits_for_a_deletion_is_not_applied)
{
    struct canned server = {0};
    lb_client *client = open_client(&server, make_among_remains, 300);
    lb_error error;

    check_code(CREATE, ask(client, CREATE, &error), LB_E_TIMEOUT, &error);
    check_says(&error, "not applied");
    CHECK_EQ(server.counts[CANNED_REMOVE], 1);
    close_client(&server, client);
}

/* ---- Leases --------------------------------------------------------------------------------- */

static int take(lb_client *client, const char *holder, lb_error *error)
{
    return lb_lease_take(client, "relay", holder, 1000, NULL, error);
}

static bool unchanged(struct canned *server, struct fake *link, const struct canned_query *q)
{
    if (q->kind != CANNED_LEASE)
        return false;
    canned_value(link, q, server->user);
    return true;
}

TEST(a_lease)
{
#define HELD(now, before)                                                                          \
    "{\"changes\":[{\"new_val\":" now ",\"old_val\":" before "}],\"unchanged\":1}"
#define BY(holder) "{\"holder\":\"" holder "\"}"
    static const struct {
        const char *answer;
        int taken, given_up;
    } cases[] = {
        {HELD(BY("me"), BY("me")), 1, 1}, /* for the second time in a millisecond */
        {HELD(BY("you"), BY("you")), 0, 0}, {HELD("null", BY("me")), 0, 1},
        {HELD("null", "null"), 0, 0},       {"7", LB_E_UNKNOWN, LB_E_UNKNOWN},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct canned server = {.user = cases[i].answer};
        lb_client *client = open_client(&server, unchanged, 20000);

        CHECK_EQ(take(client, "me", NULL), cases[i].taken);
        CHECK_EQ(lb_lease_take(client, "relay", "me", 0, NULL, NULL), cases[i].given_up);
        close_client(&server, client);
    }
}

static const enum canned_kind lease = CANNED_LEASE;

/* It is asked for again, and whoever has it has it. */
TEST(a_lease_whose_answer_is_lost)
{
    struct canned server = {.user = &lease};
    lb_client *client = open_client(&server, reset_once, 20000);

    CHECK_EQ(take(client, "me", NULL), 1);
    CHECK_EQ(server.counts[CANNED_LEASE], 2);
    close_client(&server, client);
}

/* It may have been taken: nobody says that it was not. */
TEST(a_lease_without_an_answer)
{
    struct canned silent = {.user = &lease}, gone = {.user = &lease, .welcome = only_the_first};
    lb_client *client = open_client(&silent, silent_from, 300);
    outcome o = {0};
    lb_op *op = NULL;
    lb_error error;

    CHECK_EQ(take(client, "me", &error), LB_E_UNKNOWN);
    CHECK_OK(lb_lease_take_start(client, "relay", "me", 1000, NULL, outcome_done, &o, &op, NULL));
    run_while_below(client, &silent.counts[CANNED_LEASE], 2);
    CHECK_OK(lb_op_cancel(op));
    CHECK_EQ(run_outcome(client, &o), LB_E_UNKNOWN);
    close_client(&silent, client);
    client = open_client(&gone, reset_once, 300);
    CHECK_EQ(take(client, "me", &error), LB_E_UNKNOWN);
    check_says(&error, "may have been applied");
    CHECK_EQ(take(client, "me", &error), LB_E_TIMEOUT);
    check_says(&error, "not applied");
    close_client(&gone, client);
}

/* The one that asked whether the board is there has gone; the next would have it made. */
static bool no_board_late(struct canned *server, struct fake *link, const struct canned_query *q)
{
    atomic_bool *may = (atomic_bool *)(uintptr_t)server->user;

    while (q->kind == CANNED_LOOK && !*may)
        sched_yield();
    if (q->kind != CANNED_LOOK)
        return false;
    canned_value(link, q, "null");
    return true;
}

TEST(who_looked_for_the_board_goes)
{
    atomic_bool may = false;
    struct canned server = {.user = &may};
    lb_client *client = open_client(&server, no_board_late, 20000);
    outcome first = {0}, second = {0};
    lb_op *op = NULL;

    CHECK_OK(lb_score_add_start(client, "b", "p", 1, NULL, outcome_done, &first, &op, NULL));
    CHECK_OK(
        lb_score_add_start(client, "b", "p", 1, create(NULL), outcome_done, &second, NULL, NULL));
    run_while_below(client, &server.counts[CANNED_LOOK], 1);
    CHECK_OK(lb_op_cancel(op));
    CHECK_EQ(run_outcome(client, &first), LB_E_CANCELED);
    may = true;
    CHECK_EQ(run_outcome(client, &second), 1);
    close_client(&server, client);
}

/* ---- Getting in ----------------------------------------------------------------------------- */

TEST(a_wrong_password)
{
    static const struct fake_shake refuse = {
        .refusal = "{\"error\":\"Wrong password\",\"error_code\":12,\"success\":false}"};
    struct canned server = {.shake = &refuse};
    char url[100];
    lb_client *client;
    lb_error error;

    canned_start(&server);
    snprintf(url, sizeof url, "rethinkdb://ann:s3cr%%65t@127.0.0.1:%u/lb",
             (unsigned)server.door.port);
    client = open_client_at(url, 20000);
    for (enum ask what = ADD; what <= GET; what += GET) {
        check_code(what, ask(client, what, &error), LB_E_AUTH, &error);
        CHECK(!strstr(error.msg, "s3cr"));
        check_says(&error, "wrong user or password");
    }
    close_client(&server, client);
}

TEST(a_server_that_does_not_know_the_password)
{
    static const struct fake_shake lie = {.wrong_signature = true};
    struct canned server = {.shake = &lie};
    lb_client *client = open_client(&server, NULL, 20000);
    lb_error error;

    check_code(ADD, ask(client, ADD, &error), LB_E_AUTH, &error);
    CHECK_EQ(server.counts[CANNED_PROBE], 0);
    close_client(&server, client);
}

static bool close_at_once(struct canned *server, struct fake *link, unsigned n)
{
    (void)server;
    (void)n;
    fake_close(link);
    return true;
}

static bool never_answer(struct canned *server, struct fake *link, unsigned n)
{
    (void)server;
    (void)n;
    fake_wait_end(link);
    return true;
}

/* The port of a server that has gone. */
static unsigned closed_port(void)
{
    struct canned server = {0};

    canned_start(&server);
    canned_stop(&server);
    return server.door.port;
}

TEST(the_other_host)
{
    struct canned closes = {.welcome = close_at_once}, hangs = {.welcome = never_answer};
    struct canned works = {0};
    unsigned ports[3];
    char url[100];
    lb_error error;

    canned_start(&closes);
    canned_start(&hangs);
    canned_start(&works);
    ports[0] = closed_port();
    ports[1] = closes.door.port;
    ports[2] = hangs.door.port;
    for (size_t i = 0; i < 3; i++) {
        lb_client *client;

        snprintf(url, sizeof url, "rethinkdb://127.0.0.1:%u,127.0.0.1:%u/lb", ports[i],
                 (unsigned)works.door.port);
        client = open_client_at(url, 20000);
        check_code(ADD, ask(client, ADD, &error), 1, &error);
        lb_client_free(client);
    }
    CHECK_EQ(works.connections, 3);
    canned_stop(&closes);
    canned_stop(&hangs);
    canned_stop(&works);
}
