/* Numbers: what is taken is in range, and written again it is the same text, but for "-0". */
#include "leaderboard.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_parsed(const char *text, int64_t score)
{
    char again[32];

    if (score < LB_SCORE_MIN || score > LB_SCORE_MAX)
        abort();
    (void)snprintf(again, sizeof again, "%" PRId64, score);
    if (strcmp(text, again) != 0 && strcmp(text, "-0") != 0)
        abort();
}

/* Refused as a number of the library: is it one of another kind? */
static void check_refused(const char *text, const lb_error *error)
{
    const char *digits = text + (*text == '-');
    size_t len = strlen(digits);

    if (error->code != LB_E_INVAL || error->msg[0] == '\0')
        abort();
    if (len > 0 && len < 16 && strspn(digits, "0123456789") == len &&
        (digits[0] != '0' || len == 1))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    lb_error error = {.code = 0};
    int64_t score;

    if (!text)
        abort();
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    if (lb_score_parse(text, &score, &error) == 0)
        check_parsed(text, score);
    else
        check_refused(text, &error);
    free(text);
    return 0;
}
