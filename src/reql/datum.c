#include "reql/datum.h"

#include "base/error.h"
#include "os/digest.h"

#include <string.h>

static unsigned read_notes(const lbi_json *notes)
{
    unsigned bits = 0;

    for (const lbi_json *n = lbi_json_first(notes); n; n = lbi_json_next(n)) {
        int64_t number;

        if (lbi_json_int(n, &number) && number > 0 && number < 31)
            bits |= 1U << number;
    }
    return bits;
}

static int known_type(int64_t type)
{
    bool known = (type >= LBI_REQL_ATOM && type <= LBI_REQL_SERVER_INFO) ||
                 (type >= LBI_REQL_CLIENT_ERROR && type <= LBI_REQL_RUNTIME_ERROR);

    return known ? (int)type : 0;
}

int lbi_reql_answer_parse(const char *body, size_t len, size_t max_len, unsigned max_depth,
                          lbi_reql_answer *ret, lb_error *reterr)
{
    lbi_reql_answer answer = {0};
    lb_error why;
    int r = lbi_json_parse(body, len, max_len, max_depth, &answer.root, &why);

    if (r < 0)
        return lbi_fail(reterr, r == LB_E_INVAL ? LB_E_PROTO : r,
                        "the server's answer cannot be read: %.180s", why.msg);
    answer.values = lbi_json_get(answer.root, "r");
    if (!lbi_json_int(lbi_json_get(answer.root, "t"), &answer.raw_type) ||
        !lbi_json_is_array(answer.values)) {
        lbi_json_free(answer.root);
        return lbi_fail(reterr, LB_E_PROTO, "the server's answer has no type or no values");
    }
    answer.type = known_type(answer.raw_type);
    if (answer.type == LBI_REQL_RUNTIME_ERROR)
        (void)lbi_json_int(lbi_json_get(answer.root, "e"), &answer.error);
    answer.notes = read_notes(lbi_json_get(answer.root, "n"));
    answer.profile = lbi_json_get(answer.root, "p");
    answer.backtrace = lbi_json_get(answer.root, "b");
    *ret = answer;
    return 0;
}

void lbi_reql_answer_done(lbi_reql_answer *answer)
{
    lbi_json_free(answer->root);
    *answer = (lbi_reql_answer){0};
}

/* Some things that happen are reported as internal errors; only the text tells: changes() without
 * permission, and a table whose servers are away while another primary replica is chosen. */
static int internal_code(const char *text)
{
    if (strstr(text, "User `") && strstr(text, "permission"))
        return LB_E_AUTH;
    if (strstr(text, "none of the servers were accessible"))
        return LB_E_IO;
    if (strstr(text, "we lost contact with the servers"))
        return LB_E_UNKNOWN;
    return LB_E_QUERY;
}

static int runtime_code(int64_t error, const char *text)
{
    switch (error) {
    case LBI_REQL_INTERNAL:
        return internal_code(text);
    case LBI_REQL_RESOURCE_LIMIT:
        return LB_E_LIMIT;
    case LBI_REQL_NON_EXISTENCE:
        return LB_E_NOTFOUND;
    case LBI_REQL_OP_FAILED:
        return LB_E_IO;
    case LBI_REQL_OP_INDETERMINATE:
        return LB_E_UNKNOWN;
    case LBI_REQL_PERMISSION:
        return LB_E_AUTH;
    default:
        return LB_E_QUERY;
    }
}

int lbi_reql_answer_error(const lbi_reql_answer *answer, lb_error *reterr)
{
    const char *text = lbi_json_text(lbi_json_first(answer->values));

    if (!text)
        text = "no reason given";
    switch (answer->type) {
    case 0:
        return lbi_fail(reterr, LB_E_PROTO,
                        "the server gave an answer of type %lld, which this driver does not know: "
                        "update libleaderboard",
                        (long long)answer->raw_type);
    case LBI_REQL_CLIENT_ERROR:
    case LBI_REQL_COMPILE_ERROR:
        return lbi_fail(reterr, LB_E_QUERY, "%s", text);
    case LBI_REQL_RUNTIME_ERROR:
        return lbi_fail(reterr, runtime_code(answer->error, text), "%s", text);
    default:
        return 0;
    }
}

static bool is_pseudotype(const lbi_json *value, const char *name)
{
    const char *type = lbi_json_text(lbi_json_get(value, "$reql_type$"));

    return type && strcmp(type, name) == 0;
}

bool lbi_reql_time(const lbi_json *value, int64_t *ret_us)
{
    double seconds, ms;

    if (!is_pseudotype(value, "TIME") ||
        !lbi_json_double(lbi_json_get(value, "epoch_time"), &seconds))
        return false;
    ms = seconds * 1000;
    /* The years 1400 to 9999, as the server has it; the product below cannot overflow. */
    if (ms < -17987443200000.0 || ms > 253402300799999.0)
        return false;
    *ret_us = (int64_t)(ms < 0 ? ms - 0.5 : ms + 0.5) * 1000;
    return true;
}

int lbi_reql_binary(const lbi_json *value, lbi_buf *buf)
{
    const char *text = lbi_json_text(lbi_json_get(value, "data"));
    size_t len, n = 0;
    char *room;
    int r;

    if (!text || !is_pseudotype(value, "BINARY"))
        return LB_E_INVAL;
    len = strlen(text);
    room = lbi_buf_reserve(buf, len / 4 * 3 + 3);
    if (!room)
        return buf->code;
    r = lbi_base64_decode(text, len, room, len / 4 * 3 + 3, &n);
    if (r == 0)
        lbi_buf_commit(buf, n);
    return r;
}
