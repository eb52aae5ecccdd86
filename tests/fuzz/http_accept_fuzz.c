/* Fields that are lists. The first byte says which. */
#include "http/request.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
    if (!condition)
        abort();
}

/* What says nothing changes nothing. */
static void check_accept(const char *field)
{
    int prefers = lbi_accept(field);
    char *longer = malloc(strlen(field) + 5);

    must(longer != NULL);
    must(prefers == LBI_ACCEPT_NOTHING || prefers == LBI_ACCEPT_JSON ||
         prefers == LBI_ACCEPT_STREAM);
    memcpy(longer, ",, ,", 4);
    memcpy(longer + 4, field, strlen(field) + 1);
    must(lbi_accept(longer) == prefers);
    free(longer);
}

static void check_tags(const char *field)
{
    bool any = strchr(field, '*') != NULL;

    must(!lbi_tag_matches(field, "\"0123\"") || any || strstr(field, "\"0123\""));
}

static void check_bearer(const char *field)
{
    const char *token = lbi_bearer(field);

    must(!token || (token > field && token <= field + strlen(field)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *field = malloc(size + 1);

    must(field != NULL);
    if (size)
        memcpy(field, data, size);
    field[size] = '\0';
    if (size > 0 && field[0] == 'T')
        check_tags(field + 1);
    else if (size > 0 && field[0] == 'B')
        check_bearer(field + 1);
    else if (size > 0)
        check_accept(field + 1);
    free(field);
    return 0;
}
