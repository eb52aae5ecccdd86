/* Writes by others: random statements of the store's own language. */
#include "actor.h"

#include <stdio.h>

static bool allowed(const statement *s, const run_plan *plan)
{
    return s->trouble < 0 || plan_has(plan, s->trouble);
}

static const statement *draw(const run_plan *plan, rng *random)
{
    unsigned sum = 0, at;
    size_t i = 0;

    for (size_t k = 0; k < store->n_statements; k++)
        sum += allowed(&store->statements[k], plan) ? store->statements[k].weight : 0;
    at = rng_below(random, sum);
    for (;; i++) {
        const statement *s = &store->statements[i];

        if (!allowed(s, plan))
            continue;
        if (at < s->weight)
            return s;
        at -= s->weight;
    }
}

static void fill_in(const char *text, rng *random, char *ret, size_t size)
{
    const char *board = board_ids[rng_below(random, N_BOARDS)];
    size_t n = 0;

    for (; *text && n + 16 < size; text++) {
        if (*text == '@')
            n += (size_t)snprintf(ret + n, size - n, "%s", board);
        else if (*text == '&')
            n += (size_t)snprintf(ret + n, size - n, "%s", board_ids[rng_below(random, N_BOARDS)]);
        else if (*text == '#')
            n += (size_t)snprintf(ret + n, size - n, "p%u", rng_below(random, N_PLAYERS));
        else if (*text == '$')
            n += (size_t)snprintf(ret + n, size - n, "%u", rng_below(random, 10));
        else
            ret[n++] = *text;
    }
    ret[n] = '\0';
}

void shell_next(void *connection, const run_plan *plan, rng *random)
{
    const statement *s = draw(plan, random);
    char text[2000];

    fill_in(s->text, random, text, sizeof text);
    history_add("%s", text);
    count(store->exec(connection, s, text) ? s->what : COUNT_REFUSED);
}
