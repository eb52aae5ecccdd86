/* Answers out of any bytes, and everything that reads them. */
#include "base/str.h"
#include "reql/datum.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_DEPTH = 32 };

static void check_text(const char *text)
{
    size_t len = strlen(text), n;
    uint32_t c;

    for (; len > 0; text += n, len -= n) {
        n = lbi_utf8_next(text, len, &c);
        if (n == 0)
            abort();
    }
}

static void walk(const lbi_json *value, lbi_buf *buf, unsigned depth)
{
    int64_t number = 0;
    double real;
    bool flag;

    if (depth > MAX_DEPTH)
        abort();
    if (lbi_json_text(value))
        check_text(lbi_json_text(value));
    if (lbi_json_int(value, &number) && (number < LB_SCORE_MIN || number > LB_SCORE_MAX))
        abort();
    (void)lbi_json_double(value, &real);
    (void)lbi_json_bool(value, &flag);
    (void)lbi_reql_time(value, &number);
    lbi_buf_clear(buf);
    (void)lbi_reql_binary(value, buf);
    for (const lbi_json *item = lbi_json_first(value); item; item = lbi_json_next(item)) {
        if (lbi_json_key(item))
            check_text(lbi_json_key(item));
        walk(item, buf, depth + 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lbi_reql_answer answer;
    lb_error error = {.msg = ""};
    lbi_buf buf;
    int r = lbi_reql_answer_parse((const char *)data, size, 65536, MAX_DEPTH, &answer, &error);

    if (r < 0) {
        if (error.msg[0] == '\0')
            abort();
        return 0;
    }
    lbi_buf_init(&buf, 65536);
    walk(answer.root, &buf, 1);
    (void)lbi_reql_answer_error(&answer, &error);
    lbi_buf_done(&buf);
    lbi_reql_answer_done(&answer);
    return 0;
}
