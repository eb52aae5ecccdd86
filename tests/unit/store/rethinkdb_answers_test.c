/* The RethinkDB store's requests against a server that answers what a real one would not: every class
 * of error, answers of the wrong shape. */
#include "asks.h"
#include "capture.h"
#include "test.h"

#include "reql/datum.h"

#include <stdio.h>
#include <string.h>

/* ---- Errors of the server ------------------------------------------------------------------- */

struct wrong {
    const char *answer; /* all of it; %s is not replaced */
    int write, read;    /* what comes of it */
    const char *says;
};

static bool answer_wrong(struct canned *server, struct fake *link, const struct canned_query *q)
{
    const struct wrong *wrong = server->user;

    if (q->kind != CANNED_BATCH && q->kind != CANNED_READ)
        return false;
    fake_answer(link, q->token, wrong->answer);
    return true;
}

#define RUNTIME(code, text) "{\"t\":18,\"e\":" #code ",\"r\":[\"" text "\"],\"b\":[0,\"x\"]}"

TEST(errors_of_the_server)
{
    static const struct wrong wrongs[] = {
        {RUNTIME(1000000, "Unexpected exception: boo."), LB_E_QUERY, LB_E_QUERY, "exception: boo"},
        {RUNTIME(1000000, "Unexpected exception: User `x` has no `read` permission."), LB_E_AUTH,
         LB_E_AUTH, "User `x`"},
        {RUNTIME(2000000, "Array over size limit `100000`."), LB_E_LIMIT, LB_E_LIMIT, "Array over"},
        {RUNTIME(3000000, "Expected type NUMBER."), LB_E_QUERY, LB_E_QUERY, "type NUMBER"},
        {RUNTIME(3100000, "No attribute `x`."), LB_E_NOTFOUND, LB_E_NOTFOUND, "No attribute"},
        {RUNTIME(4200000, "Lost contact."), LB_E_UNKNOWN, LB_E_TIMEOUT, "Lost contact"},
        {RUNTIME(5000000, "mine"), LB_E_QUERY, LB_E_QUERY, "mine"},
        {RUNTIME(6000000, "User `x` does not have the required `write` permission."), LB_E_AUTH,
         LB_E_AUTH, "`write` permission"},
        {RUNTIME(7000000, "of the future"), LB_E_QUERY, LB_E_QUERY, "of the future"},
        {"{\"t\":16,\"r\":[\"client\"],\"b\":[]}", LB_E_QUERY, LB_E_QUERY, "client"},
        {"{\"t\":17,\"r\":[\"compile\"],\"b\":[]}", LB_E_QUERY, LB_E_QUERY, "compile"},
        {"{\"t\":18,\"r\":[],\"b\":[]}", LB_E_QUERY, LB_E_QUERY, "no reason given"},
        /* What nobody understands may have been applied. */
        {"{\"t\":42,\"r\":[1]}", LB_E_UNKNOWN, LB_E_PROTO, "type 42"},
        {"{\"t\":1}", LB_E_UNKNOWN, LB_E_PROTO, "no type or no values"},
        {"[]", LB_E_UNKNOWN, LB_E_PROTO, "no type or no values"},
        {"{\"t\":1,\"r\":[", LB_E_UNKNOWN, LB_E_PROTO, "cannot be read"},
        {"", LB_E_UNKNOWN, LB_E_PROTO, "cannot be read"},
    };

    for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++) {
        struct canned server = {.user = &wrongs[i]};
        lb_client *client = open_client(&server, answer_wrong, 300);
        lb_error error;

        check_code(ADD, ask(client, ADD, &error), wrongs[i].write, &error);
        check_says(&error, wrongs[i].says);
        check_code(GET, ask(client, GET, &error), wrongs[i].read, &error);
        check_says(&error, wrongs[i].says);
        CHECK_EQ(server.counts[CANNED_BATCH], 1);
        close_client(&server, client);
    }
}

struct refusal {
    enum canned_kind kind;
    unsigned times;
    const char *text;
};

static bool refuse_for_now(struct canned *server, struct fake *link, const struct canned_query *q)
{
    const struct refusal *refusal = server->user;

    if (q->kind != refusal->kind || q->n > refusal->times)
        return false;
    canned_error(link, q, LBI_REQL_OP_FAILED, refusal->text);
    return true;
}

#define NO_PRIMARY "Cannot perform write: primary replica for shard not available"

/* Not done, says the server: it is tried again until it works, or until the deadline. */
TEST(refused_for_now)
{
    static const struct refusal refusals[] = {
        {CANNED_PROBE, 2, "No primary."},
        {CANNED_LOOK, 2, "No primary."},
        {CANNED_BATCH, 2, NO_PRIMARY},
        {CANNED_READ, 2, "Cannot perform read: no primary."},
        {CANNED_MAKE, 2, NO_PRIMARY},
        {CANNED_MARK, 2, NO_PRIMARY},
        {CANNED_REMOVE, 2, NO_PRIMARY},
        {CANNED_DROP, 2, NO_PRIMARY},
        {CANNED_BATCH, 2, "Cannot perform read: no primary."}};
    static const enum ask asks[] = {ADD, ADD, ADD, GET, CREATE, DELETE, DELETE, DELETE, ADD};

    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        struct canned server = {.user = &refusals[i]};
        lb_client *client = open_client(&server, refuse_for_now, 20000);
        lb_error error;

        check_code(asks[i], ask(client, asks[i], &error), is_write(asks[i]), &error);
        CHECK_EQ(server.counts[refusals[i].kind], 3);
        close_client(&server, client);
    }
}

TEST(refused_until_it_is_late)
{
    static const struct refusal refusal = {CANNED_BATCH, 1000, NO_PRIMARY};
    struct canned server = {.user = &refusal};
    lb_client *client = open_client(&server, refuse_for_now, 300);
    lb_error error;

    check_code(ADD, ask(client, ADD, &error), LB_E_TIMEOUT, &error);
    check_says(&error, "not applied: " NO_PRIMARY);
    CHECK(server.counts[CANNED_BATCH] > 1);
    close_client(&server, client);
}

static bool cannot_read(struct canned *server, struct fake *link, const struct canned_query *q)
{
    if (q->kind != CANNED_BATCH)
        return false;
    fake_answer(link, q->token, server->user);
    return true;
}

/* The query reads the board before and after it writes. Where it failed tells which read it was. */
TEST(a_batch_that_cannot_read_may_have_written)
{
#define NO_READ "{\"t\":18,\"e\":4100000,\"r\":[\"Cannot perform read: no primary.\"]"
    static const char *const late[] = {NO_READ "}", NO_READ ",\"b\":[0,1,1,0,1,\"gone\"]}"};

    for (size_t i = 0; i < sizeof late / sizeof *late; i++) {
        struct canned server = {.user = late[i]};
        lb_client *client = open_client(&server, cannot_read, 20000);
        lb_error error;

        check_code(ADD, ask(client, ADD, &error), LB_E_UNKNOWN, &error);
        check_says(&error, "Cannot perform read");
        CHECK_EQ(server.counts[CANNED_BATCH], 1);
        close_client(&server, client);
    }
}

/* Of several shards one may have done its part, and the table may have had one when we looked: only
 * a refusal of the whole table says that nothing was done. */
TEST(a_refusal_of_several_players)
{
#define NO_SHARD(range) "Cannot perform write: primary replica for shard " range " not available"
    static const struct {
        struct refusal refusal;
        int code;
    } cases[] = {
        {{CANNED_BATCH, 1, NO_SHARD("[\\\"\\\", \\\"S\\\")")}, LB_E_UNKNOWN},
        {{CANNED_BATCH, 1, "The primary replica is currently changing."}, LB_E_UNKNOWN},
        {{CANNED_BATCH, 1, NO_SHARD("[\\\"\\\", +inf)")}, 1},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct canned server = {.user = &cases[i].refusal};
        lb_client *client = open_client(&server, refuse_for_now, 20000);
        outcome both = {0};

        CHECK_OK(lb_score_add_start(client, "b", "p", 1, NULL, outcome_done, &both, NULL, NULL));
        CHECK_OK(lb_score_add_start(client, "b", "q", 1, NULL, outcome_done, &both, NULL, NULL));
        while (both.count < 2)
            CHECK_OK(lb_client_process(client));
        CHECK_EQ(both.code, cases[i].code);
        CHECK_EQ(server.counts[CANNED_BATCH], both.code < 0 ? 1 : 2);
        close_client(&server, client);
    }
}

static bool drop_it(struct canned *server, struct fake *link, const struct canned_query *q)
{
    (void)server;
    if (q->kind != CANNED_BATCH && q->kind != CANNED_READ)
        return false;
    canned_error(link, q, LBI_REQL_OP_FAILED, "Table `lb.players` does not exist.");
    return true;
}

/* Tables that are there when looked for, and are not when used. */
TEST(tables_that_come_and_go)
{
    struct canned server = {0};
    lb_client *client = open_client(&server, drop_it, 20000);
    lb_error error;

    check_code(ADD, ask(client, ADD, &error), LB_E_IO, &error);
    check_says(&error, "dropping");
    check_code(GET, ask(client, GET, &error), LB_E_IO, &error);
    close_client(&server, client);
}

/* ---- Answers of the wrong shape ------------------------------------------------------------- */

struct shape {
    enum canned_kind kind;
    enum ask what;
    int code;
    const char *value;
};

static bool answer_shape(struct canned *server, struct fake *link, const struct canned_query *q)
{
    const struct shape *shape = server->user;

    if (q->kind != shape->kind)
        return false;
    canned_value(link, q, shape->value);
    return true;
}

static void check_shapes(const struct shape *shapes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct canned server = {.user = &shapes[i]};
        lb_client *client = open_client(&server, answer_shape, 300);
        lb_error error;
        int code = ask(client, shapes[i].what, &error);

        if (code != shapes[i].code)
            FAIL("%s: %d (%s), not %d", shapes[i].value, code, error.msg, shapes[i].code);
        close_client(&server, client);
    }
}

#define CHECK_SHAPES(shapes) check_shapes(shapes, sizeof(shapes) / sizeof *(shapes))

#define ROW(id, score, at)                                                                         \
    "{\"key\":[\"b\",\"" id "\"],\"name\":\"" id "\",\"score\":" score ",\"at\":" at "}"
#define OLD ROW("p", "5", "100")
#define NEW ROW("p", "6", "900")
#define CHANGE(was, is) "{\"old_val\":" was ",\"new_val\":" is "}"
#define WROTE(changes) "{\"base\":900,\"gone\":false,\"wrote\":{\"changes\":[" changes "]}}"

TEST(shapes_of_a_batch)
{
    static const struct shape shapes[] = {
        {CANNED_BATCH, ADD, 1, WROTE(CHANGE(OLD, NEW))},
        {CANNED_BATCH, ADD, LB_E_UNKNOWN, "null"},
        {CANNED_BATCH, ADD, LB_E_UNKNOWN, "[]"},
        {CANNED_BATCH, ADD, LB_E_UNKNOWN, "7"},
        {CANNED_BATCH, ADD, LB_E_UNKNOWN, "{}"},
        {CANNED_BATCH, ADD, LB_E_UNKNOWN, ""},
        {CANNED_BATCH, ADD, LB_E_UNKNOWN, "{\"base\":900,\"wrote\":[]}"},
        {CANNED_BATCH, ADD, LB_E_UNKNOWN, "{\"base\":\"x\",\"wrote\":{\"changes\":[]}}"},
        {CANNED_BATCH, ADD, LB_E_UNKNOWN, "{\"base\":1.5,\"wrote\":{\"changes\":[]}}"},
        {CANNED_BATCH, ADD, LB_E_UNKNOWN, "{\"base\":1e300,\"wrote\":{\"changes\":[]}}"},
        /* Nobody, and somebody else. */
        {CANNED_BATCH, ADD, LB_E_NOTFOUND, WROTE("")},
        {CANNED_BATCH, ADD, LB_E_UNKNOWN,
         WROTE(CHANGE(ROW("x", "5", "100"), ROW("x", "6", "900")))},
        {CANNED_BATCH, ADD, LB_E_UNKNOWN,
         WROTE(
             "{\"old_val\":{\"key\":[\"c\",\"p\"],\"score\":5},\"new_val\":{\"key\":[\"c\",\"p\"],"
             "\"score\":6,\"at\":900}}")},
        {CANNED_BATCH, ADD, LB_E_UNKNOWN, WROTE("7")},
        {CANNED_BATCH, ADD, LB_E_UNKNOWN, WROTE("{\"old_val\":7,\"new_val\":\"x\"}")},
        /* More than what was asked for. */
        {CANNED_BATCH, ADD, 1,
         WROTE(CHANGE(ROW("x", "1", "1"), ROW("x", "2", "2")) "," CHANGE(OLD, NEW) "," CHANGE(
             ROW("p", "9", "9"), ROW("p", "10", "900")))},
        /* Scores that are none, and another than what comes out. */
        {CANNED_BATCH, ADD, LB_E_UNKNOWN, WROTE(CHANGE(OLD, ROW("p", "6.5", "900")))},
        {CANNED_BATCH, ADD, LB_E_UNKNOWN, WROTE(CHANGE(OLD, ROW("p", "\"6\"", "900")))},
        {CANNED_BATCH, ADD, LB_E_UNKNOWN, WROTE(CHANGE(OLD, ROW("p", "1e18", "900")))},
        {CANNED_BATCH, ADD, LB_E_UNKNOWN, WROTE(CHANGE(OLD, ROW("p", "7", "900")))},
        {CANNED_BATCH, ADD, LB_E_UNKNOWN, WROTE(CHANGE(OLD, ROW("p", "6", "901")))},
        {CANNED_BATCH, ADD, LB_E_UNKNOWN, WROTE(CHANGE(OLD, "null"))},
        {CANNED_BATCH, ADD, LB_E_UNKNOWN, WROTE(CHANGE("null", NEW))},
        {CANNED_BATCH, ADD, LB_E_NOTFOUND,
         WROTE(CHANGE(ROW("p", "\"x\"", "1"), ROW("p", "\"x\"", "1")))},
        /* Of one that is made if it is missing. */
        {CANNED_BATCH, ADD_NEW, 1, WROTE(CHANGE("null", ROW("new", "1", "900")))},
        {CANNED_BATCH, ADD_NEW, LB_E_UNKNOWN, WROTE("")},
        {CANNED_BATCH, ADD_NEW, LB_E_UNKNOWN, WROTE(CHANGE("null", "null"))},
        /* Of one that is removed. */
        {CANNED_BATCH, REMOVE, 1, WROTE(CHANGE(OLD, "null"))},
        {CANNED_BATCH, REMOVE, LB_E_UNKNOWN, WROTE(CHANGE(OLD, OLD))},
        /* A row that failed. */
        {CANNED_BATCH, ADD, LB_E_QUERY,
         WROTE("{\"error\":\"boo\",\"old_val\":" OLD ",\"new_val\":" OLD "}")},
        {CANNED_BATCH, ADD, LB_E_QUERY,
         "{\"base\":900,\"gone\":false,\"wrote\":{\"first_error\":\"boo\"}}"},
    };

    CHECK_SHAPES(shapes);
}

/* The board is another one than it was a moment ago, for ever: nothing is written. */
static const struct shape stale = {CANNED_BATCH, ADD, LB_E_TIMEOUT, "{\"stale\":null}"};

TEST(a_board_that_is_never_the_same)
{
    struct canned server = {.user = &stale};
    lb_client *client = open_client(&server, answer_shape, 300);
    lb_error error;
    int code = ask(client, ADD, &error);

    CHECK(code == LB_E_TIMEOUT || code == LB_E_UNKNOWN); /* the last may be on its way */
    CHECK(server.counts[CANNED_LOOK] > 1);
    close_client(&server, client);
}

TEST(shapes_of_boards)
{
    static const struct shape shapes[] = {
        {CANNED_PROBE, ADD, LB_E_PROTO, "7"},
        {CANNED_PROBE, GET, LB_E_PROTO, ""},
        {CANNED_PROBE, ADD_NEW, LB_E_PROTO, "[]"},
        {CANNED_PROBE, GET, LB_E_NOTFOUND, "null"},
        {CANNED_PROBE, GET, LB_E_NOTFOUND, "{\"boards\":null,\"players\":null}"},
        {CANNED_PROBE, GET, LB_E_PROTO, "{\"boards\":7,\"players\":[]}"},
        {CANNED_PROBE, GET, LB_E_CONFLICT, "{\"boards\":{},\"players\":{\"primary_key\":\"id\"}}"},
        {CANNED_PROBE, GET, LB_E_CONFLICT, "{\"players\":{\"primary_key\":[\"key\"]}}"},
        {CANNED_LOOK, ADD, LB_E_NOTFOUND, "null"},
        {CANNED_LOOK, ADD, LB_E_PROTO, "7"},
        {CANNED_LOOK, ADD, LB_E_PROTO, ""},
        {CANNED_LOOK, ADD, LB_E_PROTO, "{\"id\":7}"},
        {CANNED_MAKE, ADD_NEW, LB_E_PROTO, "null"},
        {CANNED_MAKE, ADD_NEW, LB_E_PROTO, "{\"changes\":[]}"},
        {CANNED_MAKE, CREATE, LB_E_UNKNOWN, ""},
        {CANNED_MAKE, CREATE, LB_E_UNKNOWN, "{\"changes\":[{\"new_val\":7}]}"},
        {CANNED_MAKE, CREATE, LB_E_CONFLICT,
         "{\"changes\":[{\"new_val\":{\"id\":\"b2\",\"asc\":true},\"old_val\":{}}]}"},
        {CANNED_MAKE, CREATE, LB_E_QUERY, "{\"errors\":1,\"first_error\":\"boo\",\"changes\":[]}"},
        {CANNED_MARK, DELETE, LB_E_UNKNOWN, "7"},
        {CANNED_MARK, DELETE, LB_E_UNKNOWN, "{\"changes\":[]}"},
        {CANNED_MARK, DELETE, LB_E_UNKNOWN, "{\"changes\":[{\"new_val\":7}]}"},
        {CANNED_MARK, DELETE, LB_E_QUERY, "{\"errors\":1,\"first_error\":\"boo\",\"changes\":[]}"},
        {CANNED_MARK, DELETE, LB_E_NOTFOUND,
         "{\"changes\":[{\"new_val\":null,\"old_val\":null}],\"skipped\":1}"},
        {CANNED_REMOVE, DELETE, LB_E_PROTO, "7"}, /* and the board stays, marked */
        {CANNED_REMOVE, DELETE, LB_E_PROTO, "{\"deleted\":\"x\"}"},
        {CANNED_REMOVE, DELETE, LB_E_QUERY, "{\"deleted\":0,\"errors\":1,\"first_error\":\"boo\"}"},
        {CANNED_DROP, DELETE, LB_E_QUERY, "{\"deleted\":0,\"errors\":1,\"first_error\":\"boo\"}"},
        {CANNED_LIST, LIST, LB_E_PROTO, "7"},
        {CANNED_LIST, LIST, 0, "[7,{\"id\":\"\"},{\"id\":\"a b\"},{}]"},
    };

    CHECK_SHAPES(shapes);
}

#define READ(data) "[" CANNED_BOARD "," data "]"

TEST(shapes_of_reads)
{
    static const struct shape shapes[] = {
        {CANNED_READ, GET, LB_E_PROTO, "7"},
        {CANNED_READ, GET, LB_E_PROTO, ""},
        {CANNED_READ, GET, LB_E_PROTO, "[]"},
        {CANNED_READ, GET, LB_E_PROTO, "[7,8]"},
        {CANNED_READ, GET, LB_E_NOTFOUND, "[null,null]"},
        {CANNED_READ, GET, LB_E_NOTFOUND, READ("[]")},
        {CANNED_READ, GET, LB_E_PROTO, READ("null")},
        {CANNED_READ, GET, LB_E_PROTO, READ("{}")},
        {CANNED_READ, GET, LB_E_PROTO, READ("[" CANNED_Q "]")},
        {CANNED_READ, GET, LB_E_PROTO, READ("[" CANNED_P "," CANNED_P "]")},
        {CANNED_READ, GET, LB_E_PROTO, READ("[{\"key\":[\"c\",\"p\"],\"score\":1}]")},
        {CANNED_READ, GET, LB_E_NOTFOUND, READ("[" ROW("p", "1.5", "1") "]")},
        {CANNED_READ, GET, LB_E_NOTFOUND, READ("[" ROW("p", "null", "1") "]")},
        {CANNED_READ, GET_MANY, LB_E_PROTO, READ("7")},
        {CANNED_READ, GET_MANY, 0, READ("[7,null,[],{\"key\":7},{\"key\":[]}," CANNED_P "]")},
        {CANNED_READ, GET_MANY, 0, READ("[" CANNED_P "," CANNED_P "," ROW("z", "1", "1") "]")},
        {CANNED_READ, AROUND, LB_E_NOTFOUND, READ("null")},
        {CANNED_READ, AROUND, LB_E_PROTO, READ("7")},
        {CANNED_READ, AROUND, LB_E_PROTO, READ("{\"above\":[],\"below\":[]}")},
        {CANNED_READ, AROUND, LB_E_PROTO, READ("{\"below\":7}")},
        {CANNED_READ, AROUND, LB_E_PROTO, READ("{\"above\":[],\"below\":[" CANNED_P "]}")},
        {CANNED_READ, INFO, LB_E_PROTO, READ("\"2\"")},
        {CANNED_READ, INFO, LB_E_PROTO, READ("1.5")},
        {CANNED_READ, INFO, LB_E_PROTO, READ("-1")},
        {CANNED_PLACES, GET, LB_E_PROTO, "7"},
        {CANNED_PLACES, GET, LB_E_PROTO, "[]"},
        {CANNED_PLACES, GET, LB_E_PROTO, "[[1,2]]"},
        {CANNED_PLACES, GET, LB_E_PROTO, "[[1,2,-3]]"},
        {CANNED_PLACES, GET, LB_E_PROTO, "[[1,2,\"x\"]]"},
        {CANNED_PLACES, GET_MANY, LB_E_PROTO,
         "[[9007199254740991,9007199254740991,0],[9007199254740991,9007199254740991,0]]"},
        {CANNED_PLACES, GET_MANY, LB_E_PROTO, "[[1,2,3]]"},
        {CANNED_INFO, FACTS, LB_E_PROTO, "7"},
        {CANNED_INFO, FACTS, LB_E_PROTO, ""},
    };

    CHECK_SHAPES(shapes);
}

/* A page is a stream: documents, of which the first is the board. */
static bool answer_stream(struct canned *server, struct fake *link, const struct canned_query *q)
{
    const struct shape *shape = server->user;
    bool more = q->kind == CANNED_CONTINUE;

    if (q->kind != CANNED_PAGE && !more)
        return false;
    fake_answer(link, q->token, shape->value);
    return true;
}

#define STREAM(values) "{\"t\":2,\"r\":[" values "],\"n\":[]}"

TEST(shapes_of_pages)
{
    static const struct shape shapes[] = {
        {CANNED_PAGE, PAGE, 0, STREAM(CANNED_BOARD "," CANNED_P)},
        {CANNED_PAGE, PAGE, 0, STREAM(CANNED_BOARD)},
        {CANNED_PAGE, PAGE, LB_E_NOTFOUND, STREAM("")},
        {CANNED_PAGE, PAGE, LB_E_NOTFOUND, "{\"t\":1,\"r\":[]}"},
        {CANNED_PAGE, PAGE, LB_E_PROTO, STREAM("7")},
        {CANNED_PAGE, PAGE, LB_E_PROTO, STREAM(CANNED_BOARD ",7")},
        {CANNED_PAGE, PAGE, LB_E_PROTO, STREAM(CANNED_P "," CANNED_BOARD ",null")},
        {CANNED_PAGE, PAGE, 0, STREAM(CANNED_BOARD ",{\"key\":7},{\"key\":[\"c\",\"p\"]}")},
        {CANNED_PAGE, PAGE, LB_E_PROTO,
         STREAM(CANNED_BOARD "," CANNED_P "," CANNED_P "," CANNED_P "," CANNED_P "," CANNED_P
                             "," CANNED_P)},
        /* One that never ends. */
        {CANNED_PAGE, PAGE, LB_E_PROTO, "{\"t\":3,\"r\":[" CANNED_BOARD "," CANNED_P "]}"},
        {CANNED_PAGE, PAGE, LB_E_TIMEOUT, "{\"t\":3,\"r\":[]}"},
    };

    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct canned server = {.user = &shapes[i]};
        lb_client *client = open_client(&server, answer_stream, 300);
        lb_error error;
        int code = ask(client, PAGE, &error);

        if (code != shapes[i].code)
            FAIL("%s: %d (%s), not %d", shapes[i].value, code, error.msg, shapes[i].code);
        close_client(&server, client);
    }
}

/* ---- An index of another program ------------------------------------------------------------ */

#define PROBED(index, ours)                                                                        \
    "{\"boards\":{\"primary_key\":\"id\"},\"players\":{\"primary_key\":\"key\","                   \
    "\"indexes\":[\"rank\"]},\"index\":[" index "],\"ours\":\"" ours "\"}"
#define QUERY(text) "{\"geo\":false,\"multi\":false,\"query\":\"" text "\"}"

/* Theirs until the second time that it is looked at. */
static bool probed(struct canned *server, struct fake *link, const struct canned_query *q)
{
    if (q->kind != CANNED_PROBE || q->n > 2)
        return false;
    canned_value(link, q, server->user);
    return true;
}

TEST(an_index_of_another_program)
{
    static const char *const probes[] = {
        PROBED(QUERY("indexCreate('rank', function(var1) { return r.branch(x, z); })"),
               CANNED_OURS),
        PROBED(QUERY("indexCreate('rank', function(var1) { return r.branch(x, y).add(1); })"),
               CANNED_OURS),
        PROBED(QUERY("indexCreate('rank', function(var1) { return -r.branch(x, y); })"),
               CANNED_OURS),
        PROBED("{\"multi\":true,\"query\":\"\"}", CANNED_OURS),
        PROBED("{\"geo\":true}", ""),
    };

    for (size_t i = 0; i < sizeof probes / sizeof *probes; i++) {
        struct canned server = {.user = probes[i]};
        lb_client *client = open_client(&server, probed, 20000);
        lb_error error;

        check_code(ADD, ask(client, ADD, &error), 1, &error); /* needs no index */
        check_code(PAGE, ask(client, PAGE, &error), LB_E_CONFLICT, &error);
        check_says(&error, "indexDrop('rank')");
        check_says(&error, "'lb'");
        CHECK_EQ(server.counts[CANNED_PAGE], 0);
        check_code(ADD, ask(client, ADD, &error), 1, &error);
        CHECK_EQ(server.counts[CANNED_PROBE], 2);
        check_code(PAGE, ask(client, PAGE, &error), 0, &error); /* it was dropped, and made anew */
        check_code(PAGE, ask(client, PAGE, &error), 0, &error);
        CHECK_EQ(server.counts[CANNED_PROBE], 3);
        close_client(&server, client);
    }
}

TEST(who_hears_of_another_index)
{
    static const char *const probe = PROBED("{\"multi\":true}", "");
    static const enum ask hear[] = {GET,        GET_MANY, PAGE, PAGE_BEHIND,
                                    PAGE_AFTER, AROUND,   INFO, FACTS};

    for (size_t i = 0; i < sizeof hear / sizeof *hear; i++) {
        struct canned server = {.user = probe};
        lb_client *client = open_client(&server, probed, 20000);
        lb_error error;

        check_code(hear[i], ask(client, hear[i], &error), LB_E_CONFLICT, &error);
        close_client(&server, client);
    }
}

/* One that does not say what an index was made with, or says it in another way. */
TEST(an_index_that_nobody_can_compare)
{
    static const char *const probes[] = {
        PROBED("", CANNED_OURS),
        PROBED("{}", CANNED_OURS),
        PROBED("{\"query\":7}", CANNED_OURS),
        PROBED(QUERY("(index rank)"), CANNED_OURS),
        PROBED(CANNED_RANK, ""),
        PROBED(CANNED_RANK, "(function)"),
        PROBED(CANNED_RANK, CANNED_OURS),
    };

    for (size_t i = 0; i < sizeof probes / sizeof *probes; i++) {
        struct canned server = {.user = probes[i]};
        lb_client *client = open_client(&server, probed, 20000);
        lb_error error;

        check_code(PAGE, ask(client, PAGE, &error), 0, &error);
        close_client(&server, client);
    }
}

/* ---- Rows of no player ---------------------------------------------------------------------- */

struct strangers {
    unsigned n;
    char last[300];
};

static void on_stranger(const lb_notice *notice, void *user)
{
    struct strangers *strangers = user;

    CHECK_EQ(notice->kind, LB_NOTICE_BAD_ROW);
    strangers->n++;
    snprintf(strangers->last, sizeof strangers->last, "%s", notice->message);
}

static bool picks(const struct canned_query *q)
{
    return strstr(q->text, "[97,") != NULL;
}

/* Rows for two, of which the first is none of a player. */
static bool page_for_two(struct canned *server, struct fake *link, const struct canned_query *q)
{
    (void)server;
    if (q->kind != CANNED_PAGE || picks(q))
        return false;
    fake_answer(link, q->token, STREAM(CANNED_BOARD "," ROW("a b", "9", "1") "," CANNED_P));
    return true;
}

/* It is told of once, and takes no place. */
TEST(a_page_is_full_without_rows_of_no_player)
{
    struct canned server = {.answer = page_for_two};
    struct strangers strangers = {0};
    lb_client *client = NULL;
    row_list list = {0};
    lb_counters counters;
    lb_options opts;
    lb_range range;

    canned_start(&server);
    lb_options_init(&opts);
    opts.database = server.url;
    opts.notice = on_stranger;
    opts.notice_user = &strangers;
    CHECK_OK(lb_client_new(&opts, &client, NULL));
    lb_range_init(&range);
    for (unsigned i = 1; i <= 2; i++) {
        range.limit = 2;
        CHECK_OK(lb_board_get(client, "b", &range, row_list_add, &list, NULL));
        CHECK_STR(row_list_places(&list), "1/1/p 2/2/q");
        row_list_clear(&list);
        CHECK_EQ(server.counts[CANNED_PAGE], 2 * i); /* read on */
    }
    range.limit = 3; /* there are no more: what was left out is no reason to read on */
    CHECK_OK(lb_board_get(client, "b", &range, row_list_add, &list, NULL));
    CHECK_STR(row_list_places(&list), "1/1/p");
    row_list_clear(&list);
    CHECK_EQ(server.counts[CANNED_PAGE], 5);
    CHECK_EQ(strangers.n, 1);
    CHECK_STR(strangers.last, "'a b' on board 'b' is no player id: left out");
    CHECK_OK(lb_client_counters(client, &counters, sizeof counters));
    CHECK_EQ(counters.bad_rows, 3);
    close_client(&server, client);
}

static bool must_pick(struct canned *server, struct fake *link, const struct canned_query *q)
{
    (void)server;
    (void)link;
    if (q->kind == CANNED_PAGE || q->kind == CANNED_READ)
        CHECK(picks(q));
    return false;
}

/* Where one could stand before the rows that are asked for, the server leaves it out. */
TEST(rows_of_no_player_take_no_place_before_others)
{
    static const enum ask asks[] = {PAGE_BEHIND, PAGE_AFTER, AROUND};
    struct canned server = {0};
    lb_client *client = open_client(&server, must_pick, 20000);
    lb_error error;

    for (size_t i = 0; i < sizeof asks / sizeof *asks; i++)
        check_code(asks[i], ask(client, asks[i], &error), 0, &error);
    close_client(&server, client);
}

/* ---- A document that somebody else has spoilt ----------------------------------------------- */

TEST(a_row_that_fails_is_named)
{
    static const struct shape shape = {
        CANNED_BATCH, ADD_KEYED, LB_E_QUERY,
        WROTE("{\"error\":\"Cannot convert NUMBER to SEQUENCE\",\"old_val\":" OLD
              ",\"new_val\":" OLD "}")};
    struct canned server = {.user = &shape};
    lb_client *client = open_client(&server, answer_shape, 20000);
    lb_error error;

    check_code(ADD, ask(client, ADD, &error), LB_E_QUERY, &error);
    CHECK_STR(error.msg, "player 'p' on board 'b': Cannot convert NUMBER to SEQUENCE");
    check_code(ADD_KEYED, ask(client, ADD_KEYED, &error), LB_E_QUERY, &error);
    check_says(&error, "player 'p' on board 'b'");
    check_says(&error, "field 'keys'");
    check_says(&error, "Cannot convert");
    close_client(&server, client);
}
