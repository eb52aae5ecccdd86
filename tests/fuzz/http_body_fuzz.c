/* Bodies of requests. The first byte says of which type. What is taken must be what another JSON
 * reader sees. */
#include "http/request.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const unsigned all = LBI_ID | LBI_NAME | LBI_AMOUNT | LBI_ASCENDING;

static void must(bool condition)
{
    if (!condition)
        abort();
}

static void check_params(const lbi_params *p)
{
    must((p->given & ~all) == 0);
    must(p->amount >= LB_SCORE_MIN && p->amount <= LB_SCORE_MAX);
    must(strnlen(p->id, sizeof p->id) < sizeof p->id);
    must(strnlen(p->name, sizeof p->name) < sizeof p->name);
}

static void check_json(const lbi_params *p, const char *body, size_t size)
{
    cJSON *object = cJSON_ParseWithLength(body, size);
    const cJSON *amount = cJSON_GetObjectItemCaseSensitive(object, "amount");
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(object, "name");
    int given = 0;

    must(cJSON_IsObject(object));
    for (unsigned flag = LBI_ID; flag <= LBI_ASCENDING; flag *= 2)
        given += (p->given & flag) != 0;
    must(cJSON_GetArraySize(object) == given);
    must((amount != NULL) == ((p->given & LBI_AMOUNT) != 0));
    must(!amount || (cJSON_IsNumber(amount) && amount->valuedouble == (double)p->amount));
    must(!name || (cJSON_IsString(name) && strcmp(name->valuestring, p->name) == 0));
    cJSON_Delete(object);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const types[] = {"application/json", "application/x-www-form-urlencoded"};
    lbi_params p = {.given = 0};
    lb_error error = {.msg = ""};
    const char *body = (const char *)data + 1;
    bool form = size > 0 && data[0] == 'F';
    int r;

    if (size == 0)
        return 0;
    r = lbi_body_parse(&p, all, types[form], body, size - 1, &error);
    if (r < 0) {
        must(r == LB_E_INVAL && error.msg[0]);
        return 0;
    }
    check_params(&p);
    if (!form && size > 1)
        check_json(&p, body, size - 1);
    return 0;
}
