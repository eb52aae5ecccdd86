#include "plan.h"

#include <stdio.h>

const char *const trouble_names[N_TROUBLES] = {
#define TROUBLE_NAME(name, text) text,
    TROUBLE_MAP(TROUBLE_NAME)
#undef TROUBLE_NAME
};

static unsigned at_most(unsigned value, unsigned limit)
{
    return value < limit ? value : limit;
}

bool plan_has(const run_plan *plan, int trouble)
{
    return !(plan->limits.without & (1U << trouble));
}

/* Everything is drawn, in the same order, whatever the limits: so that a limit changes only what
 * it limits. */
run_plan plan_make(uint64_t seed, const run_limits *limits)
{
    static const uint32_t logs[] = {1, 2, 3, 5, 17, 0, 0, 0};
    rng r = rng_make(seed, 1000, 0);
    run_plan p = {.seed = seed, .limits = *limits};

    p.writers = at_most(1 + rng_below(&r, 3), limits->writers);
    p.shells = at_most(rng_below(&r, 3), limits->shells);
    p.watchers = at_most(1 + rng_below(&r, 2), limits->watchers);
    p.tails = at_most(1 + rng_below(&r, 3), limits->tails);
    p.change_log = logs[rng_below(&r, sizeof logs / sizeof logs[0])];
    p.in_memory = rng_chance(&r, 50);
    p.watchers_first = rng_chance(&r, 60);
    p.no_file = rng_chance(&r, 8);
    if (!plan_has(&p, TROUBLE_SHORT_LOG))
        p.change_log = 0;
    if (!plan_has(&p, TROUBLE_OUTSIDE))
        p.shells = 0;
    p.operators = rng_chance(&r, 60) && (~limits->without & OPERATOR_TROUBLES) != 0;
    return p;
}

unsigned plan_parts(const run_plan *plan)
{
    return plan->writers + plan->shells + plan->watchers + plan->operators;
}

static void draw_deaths(const run_plan *plan, run_part *p, unsigned life)
{
    bool dies = rng_chance(&p->random, p->kind == WATCHER ? 25 : 15);
    unsigned us = 200 + rng_below(&p->random, 40000);

    if (dies && life < 3 && plan_has(plan, TROUBLE_KILLS) &&
        (p->kind != WATCHER || plan_has(plan, TROUBLE_WATCHER_KILLS)))
        p->die_us = us;
}

/* What befalls connections, drawn apart: where there are none the rest is the same. */
static void draw_cuts(const run_plan *plan, run_part *p, unsigned index, unsigned life)
{
    rng r = rng_make(plan->seed, 3000 + index, life);

    if (plan_has(plan, TROUBLE_CUTS) && rng_chance(&r, 40))
        p->cut_percent = 1 + rng_below(&r, 8);
    p->cuts = r;
}

static run_part plan_operator(const run_plan *plan, unsigned life)
{
    run_part p = {.kind = OPERATOR, .name = "operator", .random = rng_make(plan->seed, 2500, life)};

    p.ops = 1 + rng_below(&p.random, 3);
    return p;
}

static void draw_listening(const run_plan *plan, run_part *p)
{
    rng *r = &p->random;
    bool stalls = rng_chance(r, 40), asleep = rng_chance(r, 12);

    p->deaf = rng_chance(r, 6) && plan_has(plan, TROUBLE_DEAF);
    p->no_watches = rng_chance(r, 3) && plan_has(plan, TROUBLE_DEAF);
    p->churns = rng_chance(r, 50) && plan_has(plan, TROUBLE_CHURN);
    p->subs = p->kind == WRITER ? rng_below(r, 5) : 4 + rng_below(r, 6);
    p->subs = at_most(p->subs, plan->limits.subs);
    if (p->kind != WATCHER || !plan_has(plan, TROUBLE_STALLS))
        return;
    p->stall_percent = stalls ? 5 + rng_below(r, 40) : 0;
    p->asleep = asleep;
}

run_part plan_part(const run_plan *plan, unsigned index, unsigned life)
{
    unsigned watchers = plan->writers + plan->shells, others = watchers + plan->watchers;
    run_part p = {.random = rng_make(plan->seed, index, life)};
    unsigned ops = 5 + rng_below(&p.random, 40), pause = rng_below(&p.random, 12);

    if (index >= others)
        return plan_operator(plan, life);
    if (index < plan->writers) {
        p.kind = WRITER;
        (void)snprintf(p.name, sizeof p.name, "writer%u", index + 1);
    } else if (index < watchers) {
        p.kind = SHELL;
        (void)snprintf(p.name, sizeof p.name, "shell%u", index - plan->writers + 1);
    } else {
        p.kind = WATCHER;
        (void)snprintf(p.name, sizeof p.name, "watcher%u", index - watchers + 1);
        ops = 0;
    }
    p.ops = at_most(ops, plan->limits.ops);
    p.pause_percent = plan_has(plan, TROUBLE_PAUSES) ? pause : 0;
    draw_deaths(plan, &p, life);
    if (p.kind != SHELL) {
        draw_listening(plan, &p);
        draw_cuts(plan, &p, index, life);
    }
    return p;
}
