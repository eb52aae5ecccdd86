/*
 * The embedded store at a million players, beside raw SQLite on the same table and index without
 * the change log, and beside Redis. Prints medians and ratios.
 *
 *     bench_embedded [PLAYERS [SECONDS]]      LBCTL = the program whose cold start is measured
 */
#include "bench.h"
#include "leaderboard.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS = 3, GROUP = 256, ID_SIZE = 32 };

static int players = 1000000;
static double seconds = 2;
static uint64_t seed = 88172645463325252U;

static void check(int r, const lb_error *error)
{
    if (r < 0)
        bench_die("%s", error->msg);
}

static void sql(sqlite3 *db, const char *text)
{
    char *message = NULL;

    if (sqlite3_exec(db, text, NULL, NULL, &message) != SQLITE_OK)
        bench_die("%s: %s", text, message);
}

static sqlite3 *open_raw(const char *path)
{
    sqlite3 *db;

    if (sqlite3_open(path, &db) != SQLITE_OK)
        bench_die("cannot open %s", path);
    sql(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=5000;"
            "PRAGMA wal_autocheckpoint=50000; PRAGMA cache_size=-16000");
    return db;
}

static void random_id(char id[ID_SIZE])
{
    (void)snprintf(id, ID_SIZE, "player%07d", (int)(bench_random(&seed) % (unsigned)players));
}

/* ---- the two databases ---- */

static lb_client *open_client(void)
{
    lb_client *client;
    lb_error error;

    check(lb_client_new(NULL, &client, &error), &error);
    return client;
}

/* The library makes its file, raw SQL fills it, a copy of it loses its triggers and its log. */
static void make_databases(void)
{
    lb_client *client = open_client();
    char text[512];
    lb_error error;
    sqlite3 *db;
    double start = bench_now_us();

    check(lb_board_create(client, "b", 0, NULL, NULL, &error), &error);
    lb_client_free(client);
    db = open_raw("leaderboard.db");
    (void)snprintf(text, sizeof text,
                   "INSERT INTO players(board,id,name,score,reached_us)"
                   " WITH n(i) AS (VALUES(0) UNION ALL SELECT i+1 FROM n WHERE i<%d)"
                   " SELECT 'b', printf('player%%07d',i), printf('player%%07d',i),"
                   " abs(random())%%1000000, 1000000+i FROM n;"
                   " DELETE FROM changes WHERE seq<(SELECT max(seq) FROM changes)",
                   players - 1);
    sql(db, text);
    sql(db, "PRAGMA wal_checkpoint(TRUNCATE); VACUUM; PRAGMA wal_checkpoint(TRUNCATE)");
    (void)sqlite3_close(db);
    bench_shell("cp leaderboard.db raw.db");
    if (sqlite3_open("raw.db", &db) != SQLITE_OK)
        bench_die("cannot open raw.db");
    sql(db, "PRAGMA journal_mode=DELETE; PRAGMA page_size=4096; VACUUM"); /* SQLite's default */
    (void)sqlite3_close(db);
    db = open_raw("raw.db");
    sql(db, "PRAGMA writable_schema=1; DELETE FROM sqlite_schema WHERE type='trigger';"
            "PRAGMA writable_schema=0");
    (void)sqlite3_close(db);
    printf("filled %d players in %.1f s\n", players, (bench_now_us() - start) / 1e6);
}

/* ---- adds ---- */

typedef struct raw {
    sqlite3 *db;
    sqlite3_stmt *begin, *add, *commit;
    int64_t us;
} raw;

static sqlite3_stmt *prepare(sqlite3 *db, const char *text)
{
    sqlite3_stmt *stmt;

    if (sqlite3_prepare_v3(db, text, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL) != SQLITE_OK)
        bench_die("%s: %s", text, sqlite3_errmsg(db));
    return stmt;
}

static raw open_adds(void)
{
    sqlite3 *db = open_raw("raw.db");

    return (raw){
        .db = db,
        .begin = prepare(db, "BEGIN IMMEDIATE"),
        .commit = prepare(db, "COMMIT"),
        .add = prepare(db, "UPDATE players SET score=score+1, reached_us=?2"
                           " WHERE board='b' AND id=?1 RETURNING name,score,reached_us"),
        .us = 2000000000,
    };
}

static void step(sqlite3_stmt *stmt)
{
    int r;

    while ((r = sqlite3_step(stmt)) == SQLITE_ROW)
        ;
    if (r != SQLITE_DONE || sqlite3_reset(stmt) != SQLITE_OK)
        bench_die("%s", sqlite3_errmsg(sqlite3_db_handle(stmt)));
}

/* Adds a second by raw SQLite, `group` adds in a transaction, a checkpoint every `frames`. */
static double raw_adds(raw *r, int group, int frames, double *longest_us)
{
    double start, end, before, now;
    long n = 0;

    /* Both begin with an empty log. */
    sql(r->db, "PRAGMA wal_checkpoint(TRUNCATE)");
    (void)sqlite3_wal_autocheckpoint(r->db, frames);
    start = now = bench_now_us();
    end = start + seconds * 1e6;
    while (now < end) {
        before = now;
        step(r->begin);
        for (int i = 0; i < group; i++, n++) {
            char id[ID_SIZE];

            random_id(id);
            (void)sqlite3_bind_text(r->add, 1, id, -1, SQLITE_STATIC);
            (void)sqlite3_bind_int64(r->add, 2, r->us++);
            step(r->add);
        }
        step(r->commit);
        now = bench_now_us();
        if (now - before > *longest_us)
            *longest_us = now - before;
    }
    return (double)n / (now - start) * 1e6;
}

static double lib_single(lb_client *client)
{
    double start = bench_now_us(), end = start + seconds * 1e6;
    long n = 0;

    for (; bench_now_us() < end; n++) {
        char id[ID_SIZE];
        lb_error error;

        random_id(id);
        check(lb_score_add(client, "b", id, 1, NULL, NULL, &error), &error);
    }
    return (double)n / (bench_now_us() - start) * 1e6;
}

typedef struct load {
    lb_client *client;
    double end;
    long done, pending;
    double longest_us, *samples;
    size_t n_samples, max_samples;
} load;

static void on_added(const lb_result *result, void *user);

static void start_add(load *l)
{
    char id[ID_SIZE];
    lb_error error;

    random_id(id);
    check(lb_score_add_start(l->client, "b", id, 1, NULL, on_added, l, NULL, &error), &error);
    l->pending++;
}

static void on_added(const lb_result *result, void *user)
{
    load *l = user;

    if (result->code < 0)
        bench_die("%s", result->message);
    l->pending--;
    l->done++;
    if (bench_now_us() < l->end)
        start_add(l);
}

/* GROUP adds always pending, as in a server under load. Every process() is timed. */
static double lib_grouped(lb_client *client, load *l)
{
    double start = bench_now_us();

    l->client = client;
    l->end = start + seconds * 1e6;
    l->done = 0;
    for (int i = 0; i < GROUP; i++)
        start_add(l);
    while (l->pending > 0) {
        double before = bench_now_us(), took;
        int r = lb_client_process(client);

        took = bench_now_us() - before;
        if (took > l->longest_us)
            l->longest_us = took;
        if (l->n_samples < l->max_samples)
            l->samples[l->n_samples++] = took;
        if (r == 0)
            (void)lb_client_wait(client, LB_NEVER);
    }
    return (double)l->done / (bench_now_us() - start) * 1e6;
}

/* RATE adds a second, one at a time: what a service under ordinary load sees. */
static void steady(lb_client *client)
{
    enum { RATE = 2000 };
    load l = {.client = client};
    double start = bench_now_us(), end = start + 3 * seconds * 1e6, next = start;

    while (bench_now_us() < end || l.pending > 0) {
        double before = bench_now_us(), took;
        int r;

        if (before >= next && before < end) {
            start_add(&l);
            next += 1e6 / RATE;
        }
        r = lb_client_process(client);
        took = bench_now_us() - before;
        if (took > l.longest_us)
            l.longest_us = took;
        if (r == 0 && next > bench_now_us())
            (void)lb_client_wait(client, (uint64_t)(next - bench_now_us()));
    }
    printf("process() at %d adds/s                        longest %.1f ms\n", RATE,
           l.longest_us / 1e3);
}

/* The peers: SQLite with its log left to grow to 50,000 pages, the fastest there is and stalls for
 * it, and SQLite as it comes. */
enum { FAR_APART = 50000, AS_IT_COMES = 1000 };

typedef struct peer {
    int frames;
    double single[ROUNDS], grouped[ROUNDS], longest_us;
} peer;

static void print_peer(const char *name, peer *p, double single, double grouped)
{
    double one = bench_percentile(p->single, ROUNDS, 0.5);
    double many = bench_percentile(p->grouped, ROUNDS, 0.5);

    printf("%-34s %8.0f/s %8.0f/s   longest %5.1f ms   library at %3.0f %% and %3.0f %%\n", name,
           one, many, p->longest_us / 1e3, single / one * 100, grouped / many * 100);
}

static void compare_adds(void)
{
    peer far = {.frames = FAR_APART}, plain = {.frames = AS_IT_COMES};
    double one[ROUNDS], many[ROUNDS], single, grouped;
    load l = {.max_samples = 1000000};
    raw r = open_adds();
    lb_client *client = open_client();

    l.samples = malloc(l.max_samples * sizeof *l.samples);
    for (int i = 0; i < ROUNDS; i++) {
        far.single[i] = raw_adds(&r, 1, far.frames, &far.longest_us);
        one[i] = lib_single(client);
        plain.single[i] = raw_adds(&r, 1, plain.frames, &plain.longest_us);
        far.grouped[i] = raw_adds(&r, GROUP, far.frames, &far.longest_us);
        many[i] = lib_grouped(client, &l);
        plain.grouped[i] = raw_adds(&r, GROUP, plain.frames, &plain.longest_us);
    }
    single = bench_percentile(one, ROUNDS, 0.5);
    grouped = bench_percentile(many, ROUNDS, 0.5);
    printf("adds                               one at a time  %d at once\n", GROUP);
    printf("%-34s %8.0f/s %8.0f/s   longest %5.1f ms\n", "library", single, grouped,
           l.longest_us / 1e3);
    print_peer("raw SQLite, log of 50,000 pages", &far, single, grouped);
    print_peer("raw SQLite as it comes", &plain, single, grouped);
    printf("process() under that load  p50 %.2f ms  p99 %.2f ms  longest %.1f ms\n",
           bench_percentile(l.samples, l.n_samples, 0.5) / 1e3,
           bench_percentile(l.samples, l.n_samples, 0.99) / 1e3, l.longest_us / 1e3);
    free(l.samples);
    steady(client);
    lb_client_free(client);
    (void)sqlite3_finalize(r.begin);
    (void)sqlite3_finalize(r.add);
    (void)sqlite3_finalize(r.commit);
    (void)sqlite3_close(r.db);
}

/* ---- reads ---- */

static int ignore_row(const lb_player *player, void *user)
{
    (void)player;
    (void)user;
    return 0;
}

static void read_top(lb_client *client)
{
    lb_error error;
    lb_range range;

    lb_range_init(&range);
    range.limit = 10;
    check(lb_board_get(client, "b", &range, ignore_row, NULL, &error), &error);
}

static void read_player(lb_client *client)
{
    char id[ID_SIZE];
    lb_error error;

    random_id(id);
    check(lb_player_get(client, "b", id, NULL, NULL, &error), &error);
}

static void read_rank(lb_client *client)
{
    lb_read_options place;
    char id[ID_SIZE];
    lb_error error;

    lb_read_options_init(&place);
    place.flags = LB_READ_PLACE;
    random_id(id);
    check(lb_player_get(client, "b", id, &place, NULL, &error), &error);
}

static void time_read(const char *what, void (*read)(lb_client *), size_t n)
{
    lb_client *client = open_client();
    double *samples = malloc(n * sizeof *samples);

    for (size_t i = 0; i < n; i++) {
        double before = bench_now_us();

        read(client);
        samples[i] = bench_now_us() - before;
    }
    printf("%-22sp50 %.1f us  p99 %.1f us\n", what, bench_percentile(samples, n, 0.5),
           bench_percentile(samples, n, 0.99));
    free(samples);
    lb_client_free(client);
}

/* ---- tops ---- */

static int count_top(const lb_change *change, void *user)
{
    *(int *)user += change->type == LB_CHANGE_TOP;
    return 0;
}

static void wait_for_tops(lb_client *client, const int *tops, int n)
{
    while (*tops < n) {
        if (lb_client_process(client) == 0)
            (void)lb_client_wait(client, LB_NEVER);
    }
}

/* One client follows the tops of many boards, as a server does: what a turn costs in which nothing
 * is due, and how long it takes from an add to the top that shows it. */
static void time_tops(void)
{
    enum { BOARDS = 5000, TURNS = 20000, ADDS = 500 };
    lb_client *client = open_client();
    lb_changes_options options;
    lb_write_options create;
    double start, turn;
    char board[32];
    lb_error error;
    int tops = 0;

    lb_write_options_init(&create);
    create.flags = LB_WRITE_CREATE;
    lb_changes_options_init(&options);
    options.top = 5;
    options.min_interval_ms = 1;
    for (int i = 0; i < BOARDS; i++) {
        (void)snprintf(board, sizeof board, "top%d", i);
        check(lb_score_add_start(client, board, "p", 1, &create, NULL, NULL, NULL, &error), &error);
        check(lb_changes_subscribe(client, board, &options, count_top, &tops, NULL, &error),
              &error);
    }
    wait_for_tops(client, &tops, BOARDS);
    while (lb_client_process(client) > 0)
        continue;
    start = bench_now_us();
    for (int i = 0; i < TURNS; i++)
        (void)lb_client_process(client);
    turn = (bench_now_us() - start) / TURNS;
    start = bench_now_us();
    for (int i = 0; i < ADDS; i++) {
        (void)snprintf(board, sizeof board, "top%d", i);
        tops = 0;
        check(lb_score_add(client, board, "p", 1, NULL, NULL, &error), &error);
        wait_for_tops(client, &tops, 1);
    }
    printf("%d tops followed    idle process() %.1f us  add to top %.0f us\n", BOARDS, turn,
           (bench_now_us() - start) / ADDS);
    lb_client_free(client);
}

/* ---- cold start ---- */

static void time_lbctl(const char *what, bool fresh)
{
    enum { RUNS = 60 };
    const char *lbctl = getenv("LBCTL");
    double samples[RUNS];

    if (!lbctl) {
        printf("%-22sLBCTL is not set\n", what);
        return;
    }
    for (int i = 0; i < RUNS; i++) {
        double before;

        if (fresh)
            bench_shell("rm -f cold.db cold.db-wal cold.db-shm");
        before = bench_now_us();
        if (fork() == 0) {
            if (!freopen("/dev/null", "w", stdout))
                _exit(1);
            (void)execl(lbctl, "lbctl", "--database", "sqlite:cold.db", "score-add", "demo",
                        "alice", (char *)NULL);
            _exit(1);
        }
        {
            int status;

            if (wait(&status) < 0 || status != 0)
                bench_die("%s failed", lbctl);
        }
        samples[i] = bench_now_us() - before;
    }
    printf("%-22sp50 %.1f ms  p90 %.1f ms\n", what, bench_percentile(samples, RUNS, 0.5) / 1e3,
           bench_percentile(samples, RUNS, 0.9) / 1e3);
}

/* ---- Redis ---- */

static void run_redis(void)
{
    if (system("command -v redis-server >/dev/null") != 0) {
        printf("Redis                 not installed\n");
        return;
    }
    bench_shell("redis-server --port 0 --unixsocket redis.sock --save '' --daemonize yes"
                " --pidfile redis.pid --dir . >/dev/null;"
                " until redis-cli -s redis.sock ping >/dev/null 2>&1; do :; done");
    bench_shell("redis-cli -s redis.sock eval \"for i=0,%d do redis.call('zadd','b',i%%1000,"
                "string.format('player:%%012d',i)) end\" 0 >/dev/null",
                players - 1);
    for (int clients = 1; clients <= 50; clients += 49) {
        printf("Redis ZINCRBY, %2d client%s, nothing on disk: ", clients, clients > 1 ? "s" : " ");
        (void)fflush(stdout);
        bench_shell("redis-benchmark -s redis.sock -c %d -n 100000 -r %d -q"
                    " ZINCRBY b 1 player:__rand_int__ | tr '\\r' '\\n' | grep 'per second' |"
                    " sed 's/.*: *\\([0-9.]*\\) requests.*/\\1\\/s/'",
                    clients, players);
    }
    bench_shell("redis-cli -s redis.sock shutdown nosave >/dev/null 2>&1 || true");
}

int main(int argc, char **argv)
{
    if (argc > 1)
        players = atoi(argv[1]);
    if (argc > 2)
        seconds = atof(argv[2]);
    if (players < 1 || seconds <= 0)
        bench_die("usage: bench_embedded [PLAYERS [SECONDS]]");
    (void)setvbuf(stdout, NULL, _IOLBF, BUFSIZ); /* children must not inherit any of it */
    bench_enter_tmpdir();
    make_databases();
    compare_adds();
    time_read("top 10", read_top, 20000);
    time_read("one player", read_player, 20000);
    time_read("one player with rank", read_rank, 50);
    time_tops();
    time_lbctl("lbctl add, warm file", false);
    time_lbctl("lbctl add, fresh file", true);
    run_redis();
    return 0;
}
