/*
 * The ReQL driver and the RethinkDB store beside the Go and the JavaScript driver, on one real
 * server and in one run: CPU time of the client and operations a second; adds beside the best
 * batch that can be written by hand; the top of a large board beside the server's own time and
 * beside the query of the article that this library began with; writes while boards are watched.
 * Durability is hard everywhere. Prints medians and ratios.
 *
 *     bench_reql [SECONDS [PLAYERS [BOARDS]]]     of each measurement; on the board; watched
 *
 * PEERS = the directory with reql_go, reql.js and node_modules, as tools/dev bench makes it; what
 * is not there is left out.
 */
#include "bench.h"
#include "leaderboard.h"
#include "reql_drive.h"
#include "reql_load.h"
#include "reql_server.h"
#include "test.h"

#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS = 3, IN_FLIGHT = 64, BATCH = 64, BATCHES = 8, WATCHED_PLAYERS = 1000, FILL = 10000 };

static double seconds = 0.8;
static unsigned players = 100000, most_boards = 4000;

static struct reql_server server;
static pid_t owner; /* of the server */
static char self[PATH_MAX];

/* ---- What the test support says ------------------------------------------------------------- */

_Noreturn void test_fail(const char *file, int line, const char *fmt, ...)
{
    char text[512];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    bench_die("%s:%d: %s", file, line, text);
}

_Noreturn void test_skip(const char *fmt, ...)
{
    va_list args;

    (void)printf("not measured: ");
    va_start(args, fmt);
    (void)vprintf(fmt, args);
    va_end(args);
    (void)putchar('\n');
    exit(0);
}

void test_check_eq(const char *file, int line, const char *exprs, intmax_t a, intmax_t b)
{
    if (a != b)
        bench_die("%s:%d: not so: %s", file, line, exprs);
}

void test_check_ok(const char *file, int line, const char *expr, int code)
{
    if (code < 0)
        bench_die("%s:%d: %s: %s", file, line, expr, lb_strerror(code));
}

/* ---- The server and its data ---------------------------------------------------------------- */

static lb_client *open_client(const char *database)
{
    char url[128];
    lb_client *client = NULL;
    lb_options options;
    lb_error error;

    (void)snprintf(url, sizeof url, "rethinkdb://127.0.0.1:%u/%s", server.port, database);
    lb_options_init(&options);
    options.database = url;
    options.timeout_ms = 60000;
    if (lb_client_new(&options, &client, &error) < 0)
        bench_die("%s", error.msg);
    return client;
}

/* The server makes its rows by itself. */
static void fill(const char *database, unsigned n)
{
    struct drive d;
    char query[1024];

    drive_open_at(&d, "127.0.0.1", server.port, NULL);
    for (unsigned from = 0; from < n; from += FILL) {
        unsigned to = from + FILL < n ? from + FILL : n;
        const char *id = "[24,[\"player\",[51,[[24,[10000000,[10,[1]]]],\"string\"]]]]";

        (void)snprintf(
            query, sizeof query,
            "[1,[56,[[15,[\"players\"]],[38,[[173,[%u,%u]],[69,[[2,[1]],"
            "{\"key\":[2,[\"b\",%s]],\"board\":\"b\",\"id\":%s,\"name\":%s,"
            "\"score\":[28,[[26,[[10,[1]],7919]],1000003]],\"at\":[24,[1000000,[10,[1]]]]"
            "}]]]]],{\"durability\":\"soft\"}],{\"db\":[14,[\"%s\"]]}]",
            from, to, id, id, id, database);
        (void)drive_ok(&d, query);
    }
    drive_close(&d);
}

/* The rows and their index are in memory, so that it is not the disk that is read. */
static void enlarge_cache(void)
{
    struct drive d;

    drive_open_at(&d, "127.0.0.1", server.port, NULL);
    (void)drive_ok(&d, "[1,[53,[[15,[[14,[\"rethinkdb\"]],\"server_config\"]],"
                       "{\"cache_size_mb\":1024}]]]");
    drive_close(&d);
}

static void make_database(const char *database, unsigned n)
{
    lb_client *client = open_client(database);
    lb_error error;

    if (lb_board_create(client, "b", 0, NULL, NULL, &error) < 0)
        bench_die("%s", error.msg);
    lb_client_free(client);
    fill(database, n);
}

/* ---- Loads, each in a process of its own ---------------------------------------------------- */

typedef struct work {
    const char *operation, *database;
    unsigned in_flight, rows, players;
} work;

typedef struct result {
    double cpu_us, rate; /* of an operation; operations a second */
} result;

enum { DRIVER, API, GO, JS, DRIVERS };

static const char *const names[DRIVERS] = {"our driver", "our store", "Go driver", "JavaScript"};

/* How to start it: "" = it is not there. */
static const char *commands[DRIVERS];

/* Returns false if nothing was done in the time. */
static bool try_run(int driver, const work *w, double time, result *ret)
{
    char command[3 * PATH_MAX], line[128] = "";
    double operations = 0, cpu, wall;
    FILE *output;

    (void)snprintf(command, sizeof command, "exec %s %u %s %u %s %u %u %g", commands[driver],
                   server.port, w->database, w->players, w->operation, w->in_flight, w->rows, time);
    output = popen(command, "r");
    if (!output)
        bench_die("cannot run %s", command);
    if (!fgets(line, sizeof line, output))
        line[0] = '\0';
    if (pclose(output) != 0 || sscanf(line, "%lf %lf %lf", &operations, &cpu, &wall) != 3)
        bench_die("failed: %s", command);
    *ret = (result){.cpu_us = cpu / operations, .rate = operations / wall * 1e6};
    return operations > 0;
}

static result run(int driver, const work *w)
{
    double time = w->rows ? 2 * seconds : seconds; /* a batch takes long */
    result ret;

    while (!try_run(driver, w, time, &ret)) {
        time *= 2;
        if (time > 60)
            bench_die("the server does nothing");
    }
    return ret;
}

static result median(const result *results)
{
    double cpu[ROUNDS], rate[ROUNDS];

    for (int i = 0; i < ROUNDS; i++) {
        cpu[i] = results[i].cpu_us;
        rate[i] = results[i].rate;
    }
    return (result){.cpu_us = bench_percentile(cpu, ROUNDS, 0.5),
                    .rate = bench_percentile(rate, ROUNDS, 0.5)};
}

/* Round after round, so that all have their share of what else the machine does. */
static void measure(const work *w, result ret[DRIVERS])
{
    result results[DRIVERS][ROUNDS] = {0};

    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < DRIVERS; i++) {
            if (*commands[i])
                results[i][round] = run(i, w);
        }
    }
    for (int i = 0; i < DRIVERS; i++)
        ret[i] = median(results[i]);
}

/* An insert of many rows counts as that many. */
static void print_table(const char *what, work w, double rates[DRIVERS])
{
    unsigned rows = w.rows ? w.rows : 1, in_flight = w.in_flight;
    result one[DRIVERS], many[DRIVERS];

    w.in_flight = 1;
    measure(&w, one);
    w.in_flight = in_flight;
    measure(&w, many);
    printf("\n%-26s one at a time          %u in flight\n", what, in_flight);
    for (int i = 0; i < DRIVERS; i++) {
        if (!*commands[i]) {
            printf("  %-20snot there\n", names[i]);
            continue;
        }
        printf("  %-16s%7.1f us CPU %7.0f/s    %7.1f us CPU %7.0f/s", names[i],
               one[i].cpu_us / rows, one[i].rate * rows, many[i].cpu_us / rows,
               many[i].rate * rows);
        if (i > DRIVER)
            printf("   driver: %.1fx, %.1fx the CPU", one[i].cpu_us / one[DRIVER].cpu_us,
                   many[i].cpu_us / many[DRIVER].cpu_us);
        printf("\n");
        if (rates)
            rates[i] = many[i].rate * rows;
    }
}

/* ---- Adds beside the best batch by hand ----------------------------------------------------- */

static void find_best_batch(work *ret)
{
    static const unsigned rows[] = {64, 128, 256}, in_flight[] = {4, 8};
    double best = 0;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t k = 0; k < sizeof in_flight / sizeof in_flight[0]; k++) {
            work w = {"batch", "bench", in_flight[k], rows[i], players};
            double rate = run(DRIVER, &w).rate * rows[i];

            if (rate > best)
                *ret = w;
            if (rate > best)
                best = rate;
        }
    }
}

/* Of the other drivers: updates of single rows, which is what they offer who adds. */
static void compare_adds(const double updates[DRIVERS])
{
    result by_hand[ROUNDS], ours[ROUNDS];
    double hand, api;
    work best;

    find_best_batch(&best);
    for (int i = 0; i < ROUNDS; i++) {
        by_hand[i] = run(DRIVER, &best);
        ours[i] = run(API, &best);
    }
    hand = median(by_hand).rate * best.rows;
    api = median(ours).rate * best.rows;
    printf("\nadds, %u in flight\n", best.rows * best.in_flight);
    printf("  best batch by hand  %7.0f/s    %u inserts of %u rows in flight\n", hand,
           best.in_flight, best.rows);
    printf("  our store           %7.0f/s    %.0f %% of it, %.1f us CPU an add\n", api,
           api / hand * 100, median(ours).cpu_us / best.rows);
    for (int i = GO; i < DRIVERS; i++) {
        if (updates[i] > 0)
            printf("  %-20s%7.0f/s    row updates, %u in flight: our store is %.1f times as fast\n",
                   names[i], updates[i], IN_FLIGHT, api / updates[i]);
    }
}

/* ---- The top of a large board --------------------------------------------------------------- */

#define RANGE                                                                                      \
    "[182,[[15,[\"players\"]],[2,[\"b\",[180,[]]]],[2,[\"b\",[181,[]]]]],{\"index\":\"rank\"}]"
#define BY_INDEX "[71,[[41,[" RANGE "],{\"index\":\"rank\"}],5]]"
#define BY_ARTICLE "[71,[[39,[[41,[[15,[\"players\"]],[74,[\"score\"]]]],{\"board\":\"b\"}]],5]]"

typedef struct timing {
    double taken_us, server_us;
} timing;

static int add_profile(const lbi_reql_reply *reply, void *user)
{
    const lbi_json *task = reply->answer ? lbi_json_first(reply->answer->profile) : NULL;
    double *server_us = user, ms, n;

    for (; task; task = lbi_json_next(task)) {
        if (lbi_json_double(lbi_json_get(task, "duration(ms)"), &ms))
            *server_us += ms * 1e3;
        if (lbi_json_double(lbi_json_get(task, "mean_duration(ms)"), &ms) &&
            lbi_json_double(lbi_json_get(task, "n_samples"), &n))
            *server_us += ms * n * 1e3;
    }
    return 0;
}

static timing time_query(struct drive *d, const char *term, bool profile)
{
    timing ret = {0};
    struct outcome o = {.also = add_profile, .also_user = &ret.server_us};
    char query[512];
    double begun = bench_now_us();

    (void)snprintf(query, sizeof query, "[1,%s,{\"db\":[14,[\"bench\"]]%s}]", term,
                   profile ? ",\"profile\":true" : "");
    (void)drive_submit(d, query, 60000, &o);
    drive_until(d, &o.done);
    if (o.code < 0)
        bench_die("%s", o.message);
    ret.taken_us = bench_now_us() - begun;
    return ret;
}

static int ignore_row(const lb_player *player, void *user)
{
    (void)player;
    ++*(int *)user;
    return 0;
}

static double time_top(lb_client *client)
{
    double begun = bench_now_us();
    lb_range range;
    lb_error error;
    int rows = 0;

    lb_range_init(&range);
    range.limit = 5;
    if (lb_board_get(client, "b", &range, ignore_row, &rows, &error) < 0)
        bench_die("%s", error.msg);
    if (rows != 5)
        bench_die("a top of %d rows", rows);
    return bench_now_us() - begun;
}

static void compare_tops(void)
{
    enum { SAMPLES = 1000, WARM = 100 };
    static double ours[SAMPLES], plain[SAMPLES], servers[SAMPLES], nothing[SAMPLES];
    lb_client *client = open_client("bench");
    timing article[2];
    struct drive d;
    double own, top;

    drive_open_at(&d, "127.0.0.1", server.port, NULL);
    for (int i = -WARM; i < SAMPLES; i++) {
        int at = i < 0 ? 0 : i;

        nothing[at] = time_query(&d, "1", false).taken_us;
        plain[at] = time_query(&d, BY_INDEX, false).taken_us;
        servers[at] = time_query(&d, BY_INDEX, true).server_us;
        ours[at] = time_top(client);
    }
    for (int i = 0; i < 2; i++)
        article[i] = time_query(&d, BY_ARTICLE, true);
    own = bench_percentile(servers, SAMPLES, 0.5);
    top = bench_percentile(ours, SAMPLES, 0.5);
    printf("\ntop 5 of %u players\n", players);
    printf("  the server's own time   %9.3f ms    by its profile\n", own / 1e3);
    printf("  our store               %9.3f ms    %+.3f ms\n", top / 1e3, (top - own) / 1e3);
    printf("  our driver, rows only   %9.3f ms    a query for the number 1 takes %.3f ms\n",
           bench_percentile(plain, SAMPLES, 0.5) / 1e3,
           bench_percentile(nothing, SAMPLES, 0.5) / 1e3);
    printf("  the article's query     %9.3f ms    %.0f times as long; the server's own %.0f ms\n",
           article[1].taken_us / 1e3, article[1].taken_us / top, article[1].server_us / 1e3);
    drive_close(&d);
    lb_client_free(client);
}

/* ---- Writes while boards are watched -------------------------------------------------------- */

static struct shared {
    atomic_bool stop;
    atomic_uint ready;
    atomic_uint_fast64_t changes;
} * shared;

static int on_change(const lb_change *change, void *user)
{
    (void)user;
    if (change->type == LB_CHANGE_READY)
        shared->ready++;
    if (change->type == LB_CHANGE_CHANGE)
        shared->changes++;
    return 0;
}

/* The board that is written, and others on which nothing happens. Without the rows that are there
 * already, as the top of a board is watched. */
static void watch(unsigned boards)
{
    lb_client *client = open_client("watched");
    lb_changes_options options;
    lb_error error;

    lb_changes_options_init(&options);
    options.flags = LB_CHANGES_NO_ROWS;
    for (unsigned i = 0; i < boards; i++) {
        char board[16] = "b";

        if (i > 0)
            (void)snprintf(board, sizeof board, "w%u", i);
        if (lb_changes_subscribe(client, board, &options, on_change, NULL, NULL, &error) < 0)
            bench_die("%s", error.msg);
    }
    while (!shared->stop) {
        while (lb_client_process(client) > 0)
            continue;
        (void)lb_client_wait(client, 50000);
    }
    lb_client_free(client);
}

static void on_made(const lb_result *made, void *user)
{
    if (made->code < 0)
        bench_die("%s", made->message);
    ++*(unsigned *)user;
}

static void make_boards(void)
{
    lb_client *client = open_client("watched");
    unsigned made = 1;
    lb_error error;

    for (unsigned i = 1; i < most_boards; i++) {
        char board[16];

        (void)snprintf(board, sizeof board, "w%u", i);
        if (lb_board_create_start(client, board, 0, NULL, on_made, &made, NULL, &error) < 0)
            bench_die("%s", error.msg);
    }
    while (made < most_boards) {
        if (lb_client_process(client) == 0)
            (void)lb_client_wait(client, LB_NEVER);
    }
    lb_client_free(client);
}

static pid_t start_watching(unsigned boards)
{
    pid_t pid;

    memset(shared, 0, sizeof *shared);
    pid = fork();
    if (pid < 0)
        bench_die("cannot make a process");
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        watch(boards);
        _exit(0);
    }
    while (shared->ready < boards) {
        if (waitpid(pid, NULL, WNOHANG) == pid)
            bench_die("the watcher has failed");
        (void)usleep(1000);
    }
    return pid;
}

static void stop_watching(pid_t pid)
{
    int status = 0;

    shared->stop = true;
    if (waitpid(pid, &status, 0) < 0 || status != 0)
        bench_die("the watcher has failed");
}

static void compare_watched(void)
{
    const unsigned boards[] = {0, 1, 64, most_boards};
    const work update = {"update", "watched", IN_FLIGHT, 0, WATCHED_PLAYERS};
    result of_driver[4][ROUNDS], of_store[4][ROUNDS];

    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        bench_die("no memory");
    make_database("watched", WATCHED_PLAYERS);
    make_boards();
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < 4; i++) {
            pid_t pid = boards[i] ? start_watching(boards[i]) : 0;

            of_driver[i][round] = run(DRIVER, &update);
            of_store[i][round] = run(API, &update);
            if (pid && shared->changes == 0)
                bench_die("nothing was heard of the changes");
            if (pid)
                stop_watching(pid);
        }
    }
    printf("\nwrites a second, %u in flight, by boards watched in another process\n", IN_FLIGHT);
    for (int i = 0; i < 4; i++) {
        double driver = median(of_driver[i]).rate, store = median(of_store[i]).rate;

        printf("  %5u watched   row updates %6.0f/s (%3.0f %%)   adds through our store %6.0f/s "
               "(%3.0f %%)\n",
               boards[i], driver, driver / median(of_driver[0]).rate * 100, store,
               store / median(of_store[0]).rate * 100);
    }
}

/* ---- All of it ------------------------------------------------------------------------------ */

static const char *command_if(bool there, const char *format, const char *a)
{
    char command[2 * PATH_MAX + 64];

    (void)snprintf(command, sizeof command, format, a, a);
    return there ? strdup(command) : "";
}

static bool is_there(const char *directory, const char *name)
{
    char path[PATH_MAX];

    return snprintf(path, sizeof path, "%s/%s", directory, name) < PATH_MAX &&
           access(path, R_OK) == 0;
}

static void find_drivers(void)
{
    const char *peers = getenv("PEERS");
    bool node = system("command -v node >/dev/null 2>&1") == 0;
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

    if (n < 0)
        bench_die("cannot find this program");
    commands[DRIVER] = command_if(true, "%s load driver", self);
    commands[API] = command_if(true, "%s load api", self);
    commands[GO] = command_if(peers && is_there(peers, "reql_go"), "%s/reql_go", peers);
    commands[JS] = command_if(peers && node && is_there(peers, "node_modules/rethinkdb"),
                              "node %s/reql.js", peers);
}

static void end_server(void)
{
    if (getpid() == owner)
        reql_server_stop(&server, SIGKILL);
}

int main(int argc, char **argv)
{
    double updates[DRIVERS] = {0};

    if (argc > 1 && strcmp(argv[1], "load") == 0)
        return load_main(argc - 2, argv + 2);
    if (argc > 1)
        seconds = atof(argv[1]);
    if (argc > 2)
        players = (unsigned)atoi(argv[2]);
    if (argc > 3)
        most_boards = (unsigned)atoi(argv[3]);
    if (seconds <= 0 || players < 10 || players > 100000 || most_boards < 65)
        bench_die("usage: bench_reql [SECONDS [PLAYERS [BOARDS]]]: at most 100,000 players, which "
                  "is all that the article's query can sort, and more than 64 boards");
    (void)setvbuf(stdout, NULL, _IOLBF, BUFSIZ); /* children must not inherit any of it */
    find_drivers();
    bench_enter_tmpdir();
    reql_server_start(&server);
    owner = getpid();
    (void)atexit(end_server);
    enlarge_cache();
    make_database("bench", players);
    print_table("update of a row", (work){"update", "bench", IN_FLIGHT, 0, players}, updates);
    print_table("add, 64 in an insert", (work){"batch", "bench", BATCHES, BATCH, players}, NULL);
    print_table("top 10 by the index", (work){"top", "bench", IN_FLIGHT, 0, players}, NULL);
    compare_adds(updates);
    compare_tops();
    compare_watched();
    return 0;
}
