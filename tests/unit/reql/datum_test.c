#include "reql/datum.h"

#include "../../vectors/reql/recorded.h"
#include "test.h"

#include <string.h>

/* The strings are not used here. */
static const char *const unused[] = {shake_admin_said, shake_admin_heard};

static lbi_reql_answer parse(const char *body, size_t len)
{
    lbi_reql_answer answer;
    lb_error error = {.msg = ""};

    CHECK(unused[0]);
    if (lbi_reql_answer_parse(body, len, 1 << 20, 64, &answer, &error) < 0)
        FAIL("%s: %s", body, error.msg);
    return answer;
}

static lbi_reql_answer recorded(const char *name)
{
    for (size_t i = 0; i < sizeof recorded_answers / sizeof *recorded_answers; i++) {
        if (strcmp(recorded_answers[i].name, name) == 0)
            return parse(recorded_answers[i].body, recorded_answers[i].len);
    }
    FAIL("%s was not recorded", name);
}

TEST(recorded_types)
{
    static const struct {
        const char *name;
        int type, code;
        int64_t error;
    } rows[] = {
        {"atom", LBI_REQL_ATOM, 0, 0},
        {"atom_array", LBI_REQL_ATOM, 0, 0},
        {"sequence", LBI_REQL_SEQUENCE, 0, 0},
        {"empty_sequence", LBI_REQL_SEQUENCE, 0, 0},
        {"insert", LBI_REQL_ATOM, 0, 0},
        {"conflict", LBI_REQL_ATOM, 0, 0},
        {"client_error", LBI_REQL_CLIENT_ERROR, LB_E_QUERY, 0},
        {"compile_error", LBI_REQL_COMPILE_ERROR, LB_E_QUERY, 0},
        {"query_logic", LBI_REQL_RUNTIME_ERROR, LB_E_QUERY, LBI_REQL_QUERY_LOGIC},
        {"non_existence", LBI_REQL_RUNTIME_ERROR, LB_E_NOTFOUND, LBI_REQL_NON_EXISTENCE},
        {"op_failed", LBI_REQL_RUNTIME_ERROR, LB_E_IO, LBI_REQL_OP_FAILED},
        {"user_error", LBI_REQL_RUNTIME_ERROR, LB_E_QUERY, LBI_REQL_USER_ERROR},
        {"resource_limit", LBI_REQL_RUNTIME_ERROR, LB_E_LIMIT, LBI_REQL_RESOURCE_LIMIT},
        {"server_info", LBI_REQL_SERVER_INFO, 0, 0},
        {"noreply_wait", LBI_REQL_WAIT_COMPLETE, 0, 0},
        {"stop_unknown", LBI_REQL_CLIENT_ERROR, LB_E_QUERY, 0},
        {"feed_open", LBI_REQL_PARTIAL, 0, 0},
        {"feed_point", LBI_REQL_PARTIAL, 0, 0},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        lbi_reql_answer a = recorded(rows[i].name);
        lb_error error = {.msg = ""};

        CHECK_EQ(a.type, rows[i].type);
        CHECK_EQ(a.error, rows[i].error);
        CHECK_EQ(lbi_reql_answer_error(&a, &error), rows[i].code);
        CHECK_EQ(error.msg[0] != '\0', rows[i].code < 0);
        lbi_reql_answer_done(&a);
    }
}

TEST(recorded_values)
{
    lbi_reql_answer a = recorded("update");
    const lbi_json *row = lbi_json_first(a.values);
    int64_t number = 0;

    CHECK(lbi_json_int(lbi_json_get(row, "replaced"), &number));
    CHECK_EQ(number, 1);
    row = lbi_json_first(lbi_json_get(row, "changes"));
    CHECK(lbi_json_int(lbi_json_get(lbi_json_get(row, "new_val"), "score"), &number));
    CHECK_EQ(number, 10);
    lbi_reql_answer_done(&a);

    a = recorded("large_number"); /* 2^54-2 */
    CHECK(!lbi_json_int(lbi_json_first(a.values), &number));
    lbi_reql_answer_done(&a);
    a = recorded("nul_text");
    CHECK_STR(lbi_json_text(lbi_json_first(a.values)), "a\xef\xbf\xbd"
                                                       "b");
    lbi_reql_answer_done(&a);
    a = recorded("profile");
    CHECK(lbi_json_is_array(a.profile));
    lbi_reql_answer_done(&a);
    a = recorded("query_logic");
    CHECK(lbi_json_is_array(a.backtrace));
    lbi_reql_answer_done(&a);
    a = recorded("get_missing");
    CHECK(lbi_json_is_null(lbi_json_first(a.values)));
    lbi_reql_answer_done(&a);
    a = recorded("feed_open");
    CHECK_EQ(a.notes, LBI_REQL_SEQUENCE_FEED | LBI_REQL_HAS_STATES);
    lbi_reql_answer_done(&a);
    a = recorded("feed_point");
    CHECK_EQ(a.notes, LBI_REQL_ATOM_FEED);
    lbi_reql_answer_done(&a);
}

TEST(times)
{
    lbi_reql_answer a = recorded("time");
    lbi_json *root = NULL;
    int64_t us = 5;
    static const char *const bad[] = {
        "1700000000.123",
        "{\"$reql_type$\":\"TIME\"}",
        "{\"$reql_type$\":\"TIME\",\"epoch_time\":\"1\"}",
        "{\"$reql_type$\":\"TIME\",\"epoch_time\":1e30}",
        "{\"$reql_type$\":\"TIME\",\"epoch_time\":1e999}",
        "{\"$reql_type$\":\"BINARY\",\"epoch_time\":1}",
        "{\"epoch_time\":1}",
    };

    CHECK(lbi_reql_time(lbi_json_first(a.values), &us));
    CHECK_EQ(us, INT64_C(1700000000123000));
    lbi_reql_answer_done(&a);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_OK(lbi_json_parse(bad[i], strlen(bad[i]), 1000, 8, &root, NULL));
        us = 5;
        CHECK(!lbi_reql_time(root, &us));
        CHECK_EQ(us, 5);
        lbi_json_free(root);
    }
    CHECK(!lbi_reql_time(NULL, &us));
}

TEST(binaries)
{
    lbi_reql_answer a = recorded("binary");
    lbi_buf buf;

    lbi_buf_init(&buf, 200);
    CHECK_OK(lbi_reql_binary(lbi_json_first(a.values), &buf));
    CHECK_EQ(buf.len, 5);
    CHECK_MEM(lbi_buf_bytes(&buf), "hello", 5);
    lbi_reql_answer_done(&a);

    a = recorded("binary_long"); /* broken into lines by the server */
    CHECK(strchr(lbi_json_text(lbi_json_get(lbi_json_first(a.values), "data")), '\r'));
    lbi_buf_clear(&buf);
    CHECK_OK(lbi_reql_binary(lbi_json_first(a.values), &buf));
    CHECK_EQ(buf.len, 80);
    CHECK_MEM(lbi_buf_bytes(&buf), "01234567890123456789", 20);
    CHECK_EQ(lbi_reql_binary(lbi_json_first(a.values), &buf), 0);
    CHECK_EQ(lbi_reql_binary(lbi_json_first(a.values), &buf), LB_E_LIMIT);
    lbi_reql_answer_done(&a);
    CHECK_EQ(lbi_reql_binary(NULL, &buf), LB_E_INVAL);
    lbi_buf_done(&buf);
}

TEST(permission_of_a_changefeed)
{
    static const char text[] =
        "{\"t\":18,\"e\":1000000,\"r\":[\"Unexpected exception: User `ann` does "
        "not have the required `read` permission\"],\"b\":[]}";
    static const char other[] = "{\"t\":18,\"e\":1000000,\"r\":[\"Unexpected exception: x\"]}";
    lbi_reql_answer a = parse(text, sizeof text - 1);

    CHECK_EQ(lbi_reql_answer_error(&a, NULL), LB_E_AUTH);
    lbi_reql_answer_done(&a);
    a = parse(other, sizeof other - 1);
    CHECK_EQ(lbi_reql_answer_error(&a, NULL), LB_E_QUERY);
    lbi_reql_answer_done(&a);
}

TEST(every_prefix_is_refused)
{
    for (size_t i = 0; i < sizeof recorded_answers / sizeof *recorded_answers; i++) {
        const struct recorded *r = &recorded_answers[i];

        for (size_t n = 0; n < r->len; n++) {
            lbi_reql_answer a;

            CHECK_EQ(lbi_reql_answer_parse(r->body, n, 1 << 20, 64, &a, NULL), LB_E_PROTO);
        }
    }
}

/* Said while a cluster chooses another primary replica. */
TEST(servers_of_a_table_that_are_away)
{
    static const char failed[] =
        "{\"t\":18,\"e\":1000000,\"r\":[\"Unexpected exception: The attempt to read or modify the "
        "table's configuration failed because none of the servers were accessible.\"],\"b\":[]}";
    static const char perhaps[] =
        "{\"t\":18,\"e\":1000000,\"r\":[\"Unexpected exception: The attempt to modify the table's "
        "configuration failed because we lost contact with the servers\"],\"b\":[]}";
    lbi_reql_answer a = parse(failed, sizeof failed - 1);

    CHECK_EQ(lbi_reql_answer_error(&a, NULL), LB_E_IO);
    lbi_reql_answer_done(&a);
    a = parse(perhaps, sizeof perhaps - 1);
    CHECK_EQ(lbi_reql_answer_error(&a, NULL), LB_E_UNKNOWN);
    lbi_reql_answer_done(&a);
}
