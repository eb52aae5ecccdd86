/* The RethinkDB store on a cluster of three: servers that are killed and return, tables that are
 * resharded, while clients add and watch. CLUSTER_ROUNDS in the environment repeats it
 * (tests/soak/rethinkdb). */
#include "os/clock.h"
#include "party.h"
#include "reql_cluster.h"
#include "test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { ADDERS = 6, WATCHERS = 3, AHEAD = 24 };

static int rounds(void)
{
    const char *text = getenv("CLUSTER_ROUNDS");

    return text ? atoi(text) : 1;
}

/* A cluster, clients that add to it, each in its own way, and clients that watch. */
typedef struct stage {
    struct reql_cluster cluster;
    party party;
    adder adders[ADDERS];
    watcher watchers[WATCHERS];
    uint64_t stop_us;
    bool stopped;
} stage;

/* All three hosts, this one first. */
static const char *url_from(const stage *s, size_t first)
{
    static char url[120];
    const struct reql_server *servers = s->cluster.servers;

    snprintf(url, sizeof url,
             "rethinkdb://127.0.0.1:%u,127.0.0.1:%u,127.0.0.1:%u/board?silence_ms=4000",
             servers[first].port, servers[(first + 1) % CLUSTER_SERVERS].port,
             servers[(first + 2) % CLUSTER_SERVERS].port);
    return url;
}

static void make_tables(stage *s)
{
    static const char *const tables[] = {"boards", "players"};
    watcher maker;

    watcher_open(&maker, url_from(s, 0), NULL);
    CHECK_OK(lb_board_create(maker.client, "b", 0, NULL, NULL, NULL));
    watcher_close(&maker);
    for (size_t i = 0; i < 2; i++) {
        (void)reql_cluster_query(&s->cluster, 0,
                                 "[176,[[15,[\"%s\"]]],{\"shards\":1,\"replicas\":3}]", tables[i]);
        reql_cluster_wait(&s->cluster, 0, tables[i]);
    }
}

static bool are_ready(void *user)
{
    const stage *s = user;

    for (int i = 0; i < WATCHERS; i++) {
        if (!s->watchers[i].m.is_ready)
            return false;
    }
    return true;
}

static void make_players(adder *a)
{
    for (unsigned i = 0; i < a->n_players; i++)
        CHECK_OK(lb_player_put(a->w.client, "b", a->accounts[i].player, NULL, NULL, NULL, NULL));
    a->existing = true;
}

/* Half of the adders have keys; some add to players that are there. */
static void open_stage(stage *s)
{
    reql_cluster_start(&s->cluster);
    make_tables(s);
    for (unsigned i = 0; i < ADDERS; i++) {
        adder_open(&s->adders[i], url_from(s, i % CLUSTER_SERVERS), NULL, i, PLAYERS_MOST, i % 2);
        if (i / 2 == 1)
            make_players(&s->adders[i]);
        party_join(&s->party, s->adders[i].w.client);
    }
    for (unsigned i = 0; i < WATCHERS; i++) {
        watcher_open(&s->watchers[i], url_from(s, i), NULL);
        watcher_follow(&s->watchers[i], "b");
        party_join(&s->party, s->watchers[i].client);
    }
    party_run(&s->party, are_ready, s, 30, "watchers to be ready");
}

/* ---- Adding meanwhile ----------------------------------------------------------------------- */

static void fill(stage *s)
{
    for (int i = 0; i < ADDERS; i++)
        adder_fill(&s->adders[i], AHEAD);
}

static bool is_time(void *user)
{
    stage *s = user;

    fill(s);
    return lbi_clock_us() >= s->stop_us;
}

static void add_for(stage *s, unsigned ms)
{
    s->stop_us = lbi_clock_us() + ms * UINT64_C(1000);
    party_run(&s->party, is_time, s, 60, "time to pass");
}

static bool all_go_on(void *user)
{
    stage *s = user;

    fill(s);
    for (int i = 0; i < ADDERS; i++) {
        if (!s->adders[i].after_us)
            return false;
    }
    return true;
}

/* Until each of them has added something that it started after now. */
static void expect_adds(stage *s, const char *after)
{
    uint64_t begin_us = lbi_clock_us();

    for (int i = 0; i < ADDERS; i++)
        adder_fence(&s->adders[i]);
    party_run(&s->party, all_go_on, s, 60, after);
    fprintf(stderr, "adds again after %s:", after);
    for (int i = 0; i < ADDERS; i++)
        fprintf(stderr, " %u", (unsigned)((s->adders[i].after_us - begin_us) / 1000));
    fprintf(stderr, " ms\n");
}

static bool all_ended(void *user)
{
    const stage *s = user;

    for (int i = 0; i < ADDERS; i++) {
        if (s->adders[i].pending)
            return false;
    }
    return true;
}

/* Everything that was answered is in the scores, and every watcher holds them. */
static void check_all(stage *s, const char *when)
{
    watcher *watchers[WATCHERS];
    row_list rows;

    party_run(&s->party, all_ended, s, 60, "all adds to end");
    for (int i = 0; i < WATCHERS; i++)
        watchers[i] = &s->watchers[i];
    party_converge(&s->party, watchers, WATCHERS, 60);
    rows = party_read(watchers[0]->client);
    fprintf(stderr, "%s:", when);
    for (int i = 0; i < ADDERS; i++) {
        const adder *a = &s->adders[i];
        int64_t came = adder_check(a, &rows);

        fprintf(stderr, " %u done, %u in doubt (%lld came), %u late%s;", a->done, a->doubtful,
                (long long)came, a->late, a->keyed ? ", with keys" : "");
        if (a->keyed)
            CHECK_EQ(came, 0);
    }
    fprintf(stderr, "\n");
    row_list_clear(&rows);
}

/* In doubt is what was under way when a replica was lost, not what was started later: the server
 * refuses that, and it waits. */
static void check_doubts(stage *s)
{
    for (int i = 0; i < ADDERS; i++) {
        if (s->adders[i].doubtful > 3 * AHEAD)
            FAIL("%u adds of adder %d are in doubt, the last: %s", s->adders[i].doubtful, i,
                 s->adders[i].message);
        s->adders[i].doubtful = 0;
    }
}

static uint64_t cpu_us(void)
{
    struct rusage usage;

    CHECK_EQ(getrusage(RUSAGE_SELF, &usage), 0);
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* Clients that have nothing to do do nothing. */
static void check_rest(stage *s, unsigned ms)
{
    uint64_t cpu = cpu_us();

    s->party.turns = 0;
    party_run_for(&s->party, ms);
    fprintf(stderr, "at rest: %llu turns and %llu us of CPU in %u ms\n",
            (unsigned long long)s->party.turns, (unsigned long long)(cpu_us() - cpu), ms);
    CHECK(s->party.turns < 500);
}

static void close_stage(stage *s)
{
    for (int i = 0; i < ADDERS; i++)
        adder_close(&s->adders[i]);
    for (int i = 0; i < WATCHERS; i++)
        watcher_close(&s->watchers[i]);
    reql_cluster_stop(&s->cluster);
}

/* ---- Tests ---------------------------------------------------------------------------------- */

/* Of a table with one shard no more than that may be in doubt. */
static void kill_primary(stage *s, const char *table, bool one_shard)
{
    size_t primary = reql_cluster_primary(&s->cluster, 0, table);
    size_t other = (primary + 1) % CLUSTER_SERVERS;

    add_for(s, 500);
    reql_server_stop(&s->cluster.servers[primary], SIGKILL);
    expect_adds(s, "the primary is killed");
    add_for(s, 500);
    check_all(s, "without it");
    if (one_shard)
        check_doubts(s);
    check_rest(s, 1000);
    add_for(s, 200);
    reql_cluster_return(&s->cluster, primary);
    expect_adds(s, "it has returned");
    for (int i = 0; i < 8; i++)
        add_for(s, 250); /* the server hands its tables over to it meanwhile */
    reql_cluster_wait(&s->cluster, other, "players");
    reql_cluster_wait(&s->cluster, other, "boards");
    expect_adds(s, "all replicas are ready");
    check_all(s, "with it");
    if (one_shard)
        check_doubts(s);
}

TEST(a_primary_is_killed, .timeout_s = 600)
{
    static stage s;

    open_stage(&s);
    for (int i = 0; i < rounds() * 2; i++)
        kill_primary(&s, i % 2 ? "boards" : "players", true);
    close_stage(&s);
}

/* It says nothing any more, but nobody is told: the other servers take a while, and so do those who
 * are connected to it. */
TEST(a_primary_is_frozen, .timeout_s = 600)
{
    static stage s;
    struct reql_server *primary;

    if (!getenv("CLUSTER_ROUNDS"))
        SKIP("half a minute: tests/soak/rethinkdb runs it");
    open_stage(&s);
    primary = &s.cluster.servers[reql_cluster_primary(&s.cluster, 0, "players")];
    add_for(&s, 300);
    reql_server_pause(primary);
    expect_adds(&s, "the primary is frozen");
    check_all(&s, "without it");
    add_for(&s, 100);
    CHECK_EQ(kill(primary->pid, SIGCONT), 0);
    expect_adds(&s, "it goes on");
    add_for(&s, 2000);
    check_all(&s, "with it");
    close_stage(&s);
}

static void reshard(stage *s, unsigned shards)
{
    add_for(s, 300);
    (void)reql_cluster_query(&s->cluster, 0,
                             "[176,[[15,[\"players\"]]],{\"shards\":%u,\"replicas\":3}]", shards);
    expect_adds(s, "resharding");
    add_for(s, 1500);
    reql_cluster_wait(&s->cluster, 0, "players");
    expect_adds(s, "the shards are ready");
}

TEST(a_table_is_resharded, .timeout_s = 600)
{
    static stage s;

    open_stage(&s);
    for (int i = 0; i < rounds(); i++) {
        reshard(&s, 2);
        check_all(&s, "two shards");
        kill_primary(&s, "players", false);
        reshard(&s, 1);
        check_all(&s, "one shard");
    }
    for (int i = 0; i < WATCHERS; i++)
        CHECK(s.watchers[i].m.resets >= 2);
    check_rest(&s, 1000);
    close_stage(&s);
}
