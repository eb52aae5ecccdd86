/*
 * The convergence campaign: whoever subscribes ends up with the store's state, whatever happens on
 * the way.
 *
 *     converge [--store sqlite|rethinkdb] [--from SEED] [--runs N] [--seconds S] [--keep-going]
 *              [LIMIT...]
 *     converge --from SEED --runs 1             repeats a run
 *
 * A run is a fresh database, some processes that write through the library, some that write as
 * others do, some that only watch, and perhaps one that breaks the server and mends it; what they
 * do is drawn from a seed. Then nobody
 * writes any more, and each subscriber in each process must come to hold what the store holds.
 * Processes race with each other, so a seed repeats what is done, not in which order.
 *
 * When a run fails, smaller ones of the same seed are tried, and the smallest that fails too is
 * shown with its history. Limits (--ops, --writers, --shells, --watchers, --tails, --subs, --wait
 * milliseconds, --without KIND) make every run smaller.
 */
#include "actor.h"
#include "run.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SMALLER_TRIES = 6, SMALLER_WAIT_MS = 3000, SMALLER_MS = 90000, ALL_SKIPPED = 77 };

typedef struct campaign {
    uint64_t from, runs;
    uint64_t seconds; /* 0 = as long as it takes */
    bool keep_going;
    run_limits limits;
    const char *base;
    int shared_fd;
} campaign;

const backend *store = &backend_sqlite;
static const char *title = "converge";

bool store_choose(const char *name)
{
    if (strcmp(name, backend_rethinkdb.name) == 0) {
        store = &backend_rethinkdb;
        title = "converge_rethinkdb";
        return true;
    }
    store = &backend_sqlite;
    return strcmp(name, backend_sqlite.name) == 0;
}

/* ---- A smaller run that fails too ----------------------------------------------------------- */

static bool fails(const campaign *c, uint64_t seed, const run_limits *l, unsigned tries)
{
    static verdict v;

    for (unsigned i = 0; i < tries; i++) {
        run_plan p = plan_make(seed, l);

        if (!run_once(&p, c->base, c->shared_fd, false, &v))
            return true;
    }
    return false;
}

/* The next thing to leave out. Returns false at the end of the list. */
static bool reduce(const run_plan *p, unsigned step, run_limits *l)
{
    unsigned *numbers[] = {&l->ops, &l->writers, &l->shells, &l->watchers, &l->subs, &l->tails};
    unsigned now[] = {p->limits.ops < 45 ? p->limits.ops : 45,   p->writers, p->shells, p->watchers,
                      p->limits.subs < 10 ? p->limits.subs : 10, p->tails};
    enum { N = sizeof numbers / sizeof numbers[0] };

    if (step < N)
        *numbers[step] = now[step] / 2;
    else if (step < N + N_TROUBLES)
        l->without |= 1U << (step - N);
    else
        return false;
    if (l->writers == 0) /* somebody has to make the database */
        l->writers = 1;
    return true;
}

static bool same_limits(const run_limits *a, const run_limits *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static run_limits make_smaller(const campaign *c, uint64_t seed)
{
    uint64_t until = now_us() + SMALLER_MS * UINT64_C(1000);
    run_limits best = c->limits;
    unsigned step = 0;

    if (best.wait_ms > SMALLER_WAIT_MS)
        best.wait_ms = SMALLER_WAIT_MS;
    while (now_us() < until) {
        run_plan p = plan_make(seed, &best);
        run_limits smaller = best;

        if (!reduce(&p, step, &smaller))
            break;
        if (same_limits(&smaller, &best) || !fails(c, seed, &smaller, SMALLER_TRIES)) {
            step++;
            continue;
        }
        best = smaller; /* the same again: half of it, once more */
    }
    return best;
}

static void print_limits(const run_limits *l)
{
    printf("--ops %u --writers %u --shells %u --watchers %u --tails %u --subs %u --wait %u", l->ops,
           l->writers, l->shells, l->watchers, l->tails, l->subs, l->wait_ms);
    for (unsigned i = 0; i < N_TROUBLES; i++) {
        if (l->without & ~store->lacks & (1U << i))
            printf(" --without %s", trouble_names[i]);
    }
    printf("\n");
}

static void print_indented(const char *text)
{
    while (*text) {
        size_t n = strcspn(text, "\n");

        if (n)
            printf("    | %.*s\n", (int)n, text);
        text += n + (text[n] == '\n');
    }
}

static void explain(const campaign *c, uint64_t seed, const verdict *v)
{
    static verdict smaller;
    run_limits l;

    printf("FAIL %s: seed %" PRIu64 "\n", title, seed);
    print_indented(v->text);
    (void)fflush(stdout);
    if (c->keep_going)
        return;
    l = make_smaller(c, seed);
    printf("    | The smallest run that was found to fail too: --store %s --from %" PRIu64
           " --runs 1 ",
           store->name, seed);
    print_limits(&l);
    for (unsigned i = 0; i < 4 * SMALLER_TRIES; i++) {
        run_plan p = plan_make(seed, &l);

        if (run_once(&p, c->base, c->shared_fd, true, &smaller))
            continue;
        print_indented(smaller.text);
        return;
    }
    printf("    | It did not fail again.\n");
}

/* ---- The campaign --------------------------------------------------------------------------- */

static int run_campaign(const campaign *c)
{
    static verdict v;
    uint64_t begun = now_us(), n = 0, bad = 0;

    for (; n < c->runs && (!c->seconds || now_us() - begun < c->seconds * 1000000); n++) {
        run_plan p = plan_make(c->from + n, &c->limits);

        if (run_once(&p, c->base, c->shared_fd, false, &v))
            continue;
        bad++;
        explain(c, c->from + n, &v);
        if (!c->keep_going)
            break;
    }
    if (!bad)
        printf("ok %s (%" PRIu64 " runs, seeds %" PRIu64 " to %" PRIu64 ", %.1f s)\n", title, n,
               c->from, c->from + n - (n > 0), (double)(now_us() - begun) / 1e6);
    else
        printf("%" PRIu64 " of %" PRIu64 " runs failed\n", bad, n + !c->keep_going);
    if (!bad || c->keep_going) /* else they are those of the smaller runs too */
        print_counts();
    return bad != 0;
}

/* ---- Arguments ------------------------------------------------------------------------------ */

static uint64_t number(const char *text)
{
    char *end = NULL;
    unsigned long long n;

    errno = 0;
    n = text ? strtoull(text, &end, 10) : 0;
    if (!text || end == text || *end || errno) {
        (void)fprintf(stderr, "converge: not a number: %s\n", text ? text : "nothing");
        exit(2);
    }
    return n;
}

static unsigned trouble(const char *text)
{
    for (unsigned i = 0; i < N_TROUBLES; i++) {
        if (text && strcmp(text, trouble_names[i]) == 0)
            return 1U << i;
    }
    (void)fprintf(stderr, "converge: --without one of:");
    for (unsigned i = 0; i < N_TROUBLES; i++)
        (void)fprintf(stderr, " %s", trouble_names[i]);
    (void)fprintf(stderr, "\n");
    exit(2);
}

static unsigned *limit_named(run_limits *l, const char *name)
{
    const struct {
        const char *name;
        unsigned *value;
    } names[] = {{"--ops", &l->ops},           {"--writers", &l->writers}, {"--shells", &l->shells},
                 {"--watchers", &l->watchers}, {"--tails", &l->tails},     {"--subs", &l->subs},
                 {"--wait", &l->wait_ms}};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i].name) == 0)
            return names[i].value;
    }
    (void)fprintf(stderr, "converge: unknown argument %s\n", name);
    exit(2);
}

static void choose(const char *name)
{
    if (name && store_choose(name))
        return;
    (void)fprintf(stderr, "converge: --store sqlite, or rethinkdb\n");
    exit(2);
}

static void parse(campaign *c, char **argv)
{
    for (; *argv; argv++) {
        if (strcmp(*argv, "--keep-going") == 0)
            c->keep_going = true;
        else if (strcmp(*argv, "--store") == 0)
            choose(*++argv);
        else if (strcmp(*argv, "--from") == 0)
            c->from = number(*++argv);
        else if (strcmp(*argv, "--runs") == 0)
            c->runs = number(*++argv);
        else if (strcmp(*argv, "--seconds") == 0)
            c->seconds = number(*++argv);
        else if (strcmp(*argv, "--without") == 0)
            c->limits.without |= trouble(*++argv);
        else {
            unsigned *limit = limit_named(&c->limits, *argv);

            *limit = (unsigned)number(*++argv);
        }
    }
}

/* converge part STORE SEED and the numbers of become() in run.c. */
static int be_part(char **argv)
{
    run_limits l;
    unsigned n[11];
    run_plan p;

    for (size_t i = 0; i < sizeof n / sizeof n[0]; i++)
        n[i] = (unsigned)number(argv[2 + i]);
    memset(&l, 0, sizeof l);
    l.ops = n[3];
    l.writers = n[4];
    l.shells = n[5];
    l.watchers = n[6];
    l.tails = n[7];
    l.subs = n[8];
    l.without = n[9];
    l.wait_ms = n[10];
    shared_join((int)n[2]);
    choose(argv[0]);
    p = plan_make(number(argv[1]), &l);
    return part_main(&p, n[0], n[1]);
}

int main(int argc, char **argv)
{
    const char *missing;
    int status;
    campaign c = {.from = 1, .runs = 100, .limits = NO_LIMITS, .base = getenv("TMPDIR")};

    if (argc > 14 && strcmp(argv[1], "part") == 0)
        return be_part(argv + 2);
    if (!c.base || *c.base != '/')
        c.base = "/tmp";
    (void)setvbuf(stdout, NULL, _IOLBF, BUFSIZ); /* processes must not inherit any of it */
    parse(&c, argv + 1);
    c.limits.without |= store->lacks;
    c.shared_fd = shared_make();
    missing = store->begin();
    if (missing) {
        printf("SKIP %s: %s\n", title, missing);
        return ALL_SKIPPED;
    }
    status = run_campaign(&c);
    store->end();
    return status;
}
