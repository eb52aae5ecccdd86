/* The operator of a RethinkDB server: breaks something, waits a moment, and mends it. */
#include "actor.h"
#include "backend_rethinkdb.h"
#include "store/rethinkdb_term.h"

#include <poll.h>
#include <signal.h>
#include <string.h>

enum { MEND_US = 40000000 };

static void pause_ms(unsigned ms)
{
    (void)poll(NULL, 0, (int)ms);
}

/* Until it is done. What is not there needs no mending. */
static void mend(struct drive *d, const char *term)
{
    uint64_t until = now_us() + MEND_US;
    struct outcome o;

    while (rdb_query(d, &o, "%s", term) < 0 && !strstr(o.message, "does not exist") &&
           !strstr(o.message, "already exists")) {
        if (now_us() > until)
            wrong("the operator cannot mend it: %s", o.message);
        pause_ms(50);
    }
}

static void wait_ready(struct drive *d)
{
    mend(d, "[177,[" BOARDS "]]");
    mend(d, "[177,[" PLAYERS "]]");
}

/* ---- Troubles ------------------------------------------------------------------------------- */

static void kill_server(struct drive *d, const run_plan *plan, rng *random)
{
    server_place *server = shared_server();
    bool is_long = rng_chance(random, 15) && plan_has(plan, TROUBLE_LONG_DOWN);
    unsigned short_ms = rng_below(random, 300), long_ms = 2000 + rng_below(random, 3000);

    count_more(COUNT_LONG_DOWN, is_long);
    (void)kill(server->pid, SIGKILL);
    server->pid = 0;
    pause_ms(is_long ? long_ms : short_ms);
    report(REPORT_RESTART);
    while (!server->pid)
        pause_ms(5);
    wait_ready(d);
}

static void hold_server(struct drive *d, const run_plan *plan, rng *random)
{
    int pid = shared_server()->pid;

    (void)d;
    (void)plan;
    (void)kill(pid, SIGSTOP);
    pause_ms(20 + rng_below(random, 500));
    (void)kill(pid, SIGCONT);
}

static void reshard(struct drive *d, const run_plan *plan, rng *random)
{
    const char *table = rng_chance(random, 70) ? PLAYERS : BOARDS;

    (void)plan;
    (void)rdb_query(d, NULL, "[176,[%s],{\"shards\":2,\"replicas\":1}]", table);
    pause_ms(rng_below(random, 200));
    wait_ready(d);
    (void)rdb_query(d, NULL, "[176,[%s],{\"shards\":1,\"replicas\":1}]", table);
    wait_ready(d);
}

static void revoke_permission(struct drive *d, const run_plan *plan, rng *random)
{
    (void)plan;
    (void)rdb_query(d, NULL, "[188,[[14,[\"%s\"]],\"watcher\",{\"read\":false}]]", rdb_name());
    pause_ms(rng_below(random, 300));
    while (rdb_query(d, NULL, "[188,[[14,[\"%s\"]],\"watcher\",{\"read\":true}]]", rdb_name()) ==
           LB_E_UNKNOWN)
        pause_ms(5);
}

static void drop_index(struct drive *d, const run_plan *plan, rng *random)
{
    (void)plan;
    if (rdb_query(d, NULL, "[76,[" PLAYERS ",\"rank\"]]") < 0)
        return;
    pause_ms(rng_below(random, 200));
    mend(d, "[75,[" PLAYERS ",\"rank\"," RANK_FUNCTION "]]");
    mend(d, "[140,[" PLAYERS ",\"rank\"]]");
}

/* This one too. */
static void kill_queries(struct drive *d, const run_plan *plan, rng *random)
{
    (void)plan;
    (void)random;
    (void)rdb_query(d, NULL,
                    "[54,[[39,[[15,[[14,[\"rethinkdb\"]],\"jobs\"]],[69,[[2,[1]],"
                    "[17,[" FIELD(1, "type") ",\"query\"]]]]]]]]");
}

/* More than the server keeps for a watcher, where that is little. */
static void flood(struct drive *d, const run_plan *plan, rng *random)
{
    unsigned n = 10 + rng_below(random, 40);

    report(REPORT_STOP);
    for (unsigned i = 0; i < n; i++)
        shell_next(d, plan, random);
    report(REPORT_GO);
}

/* ---- Which ---------------------------------------------------------------------------------- */

typedef struct trouble {
    int kind, count;
    void (*fn)(struct drive *d, const run_plan *plan, rng *random);
} trouble;

static const trouble troubles[] = {
    {TROUBLE_SERVER_KILLS, COUNT_KILL_SERVER, kill_server},
    {TROUBLE_SERVER_HOLDS, COUNT_HOLD_SERVER, hold_server},
    {TROUBLE_RESHARD, COUNT_RESHARD, reshard},
    {TROUBLE_PERMISSION, COUNT_REVOKE, revoke_permission},
    {TROUBLE_INDEX, COUNT_DROP_INDEX, drop_index},
    {TROUBLE_QUERY_KILLS, COUNT_KILL_QUERIES, kill_queries},
    {TROUBLE_FLOODS, COUNT_FLOOD, flood},
};

void rdb_operate(const run_plan *plan, rng *random)
{
    const trouble *t = &troubles[rng_below(random, sizeof troubles / sizeof troubles[0])];
    struct drive *d;

    if (!plan_has(plan, t->kind))
        return;
    history_add("%s", trouble_names[t->kind]);
    count(t->count);
    d = rdb_open();
    t->fn(d, plan, random);
    rdb_close(d);
    history_add("%s: mended", trouble_names[t->kind]);
}
