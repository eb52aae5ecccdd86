/* Lines of files that lbctl imports. What is taken must be what another JSON reader sees, and be
 * allowed by the library. */
#include "../../tools/lbctl_line.h"

#include <cjson/cJSON.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
    if (!condition)
        abort();
}

static void check_string(const cJSON *object, const char *key, const char *value)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

    must(item ? cJSON_IsString(item) && strcmp(item->valuestring, value) == 0 : *value == '\0');
}

/* Doubles hold every allowed number exactly. */
static void check_number(const cJSON *object, const char *key, int64_t value)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

    must(item ? cJSON_IsNumber(item) && item->valuedouble == (double)value : value == 0);
}

static void check_player(const cJSON *object, const struct lbctl_line *line)
{
    must(lb_player_id_check(line->id, NULL) == 0);
    must(*line->name == '\0' || lb_name_check(line->name, NULL) == 0);
    must(line->score >= LB_SCORE_MIN && line->score <= LB_SCORE_MAX);
    must(line->reached_us >= 0 && line->reached_us <= LB_SCORE_MAX);
    check_string(object, "id", line->id);
    check_string(object, "name", line->name);
    check_number(object, "score", line->score);
    check_number(object, "reached_us", line->reached_us);
}

static void check_line(const cJSON *object, const struct lbctl_line *line)
{
    switch (line->kind) {
    case LBCTL_LINE_HEADER:
        check_string(object, "format", "leaderboard");
        must(cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, "ascending")) ==
             line->ascending);
        break;
    case LBCTL_LINE_END:
        must(cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, "end")));
        must(line->players >= 0);
        check_number(object, "players", line->players);
        break;
    default:
        check_player(object, line);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lbctl_line line;
    char why[320] = "";
    const char *end;
    cJSON *object;

    if (!lbctl_line_parse((const char *)data, size, &line, why)) {
        must(*why != '\0');
        return 0;
    }
    if (line.kind == LBCTL_LINE_BLANK)
        return 0;
    /* It refuses an escaped NUL, which is allowed in what is passed over. */
    if (memmem(data, size, "\\u0000", 6))
        return 0;
    object = cJSON_ParseWithLengthOpts((const char *)data, size, &end, 0);
    /* It refuses half a surrogate pair, too, and numbers of more than 63 digits. */
    must(object || size > 63 || memmem(data, size, "\\u", 2));
    if (object)
        check_line(object, &line);
    cJSON_Delete(object);
    return 0;
}
