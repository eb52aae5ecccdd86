/*
 * Following a board from another process: how long from a commit to the callback, and what many
 * subscribers cost those who write. Usage: bench_follow [SECONDS [SUBSCRIBERS]]
 */
#include "bench.h"
#include "leaderboard.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PLAYERS = 200, WRITERS = 8, LOADERS = 2, SAMPLES_MAX = 100000, ROUNDS = 3 };

static double seconds = 3;
static int many = 1000;

/* What processes tell each other. */
static struct shared {
    atomic_bool stop, written_all;
    atomic_int ready;
    atomic_uint_fast64_t adds;
    /* Of each timed write. */
    double begun_us[SAMPLES_MAX], committed_us[SAMPLES_MAX], heard_us[SAMPLES_MAX];
    /* Of the following process. */
    double settle_ms;
    long rss_before_kb, rss_ready_kb, rss_peak_kb;
    uint64_t changes, gaps, calls;
    int on_true_board;
} * shared;

static void check(int code, const lb_error *error)
{
    if (code < 0)
        bench_die("%s", error->msg);
}

static lb_client *open_client(void)
{
    lb_client *client = NULL;
    lb_options options;
    lb_error error;

    lb_options_init(&options);
    options.database = "sqlite:follow.db";
    options.timeout_ms = 60000;
    check(lb_client_new(&options, &client, &error), &error);
    return client;
}

static void write_score(lb_client *client, const char *board, unsigned player, int64_t score)
{
    lb_write_options options;
    lb_error error;
    char id[24];

    lb_write_options_init(&options);
    options.flags = LB_WRITE_CREATE;
    (void)snprintf(id, sizeof id, "p%u", player);
    check(lb_score_set(client, board, id, score, &options, NULL, &error), &error);
}

static void add_score(lb_client *client, uint64_t *random)
{
    lb_error error;
    char id[24];

    (void)snprintf(id, sizeof id, "p%u", (unsigned)(bench_random(random) % PLAYERS));
    check(lb_score_add(client, "b", id, 1, NULL, NULL, &error), &error);
}

static void make_database(void)
{
    lb_client *client = open_client();

    bench_shell("rm -f follow.db*");
    for (unsigned i = 0; i < PLAYERS; i++) {
        write_score(client, "b", i, 1);
        write_score(client, "timed", i, 0);
    }
    lb_client_free(client);
}

/* Runs fn in a process of its own, which ends with it. */
static pid_t run(void (*fn)(int), int n)
{
    pid_t pid = fork();

    if (pid < 0)
        bench_die("cannot make a process");
    if (pid == 0) {
        fn(n);
        (void)fflush(stdout);
        _exit(0);
    }
    return pid;
}

static void wait_for(pid_t pid)
{
    int status = 0;

    if (waitpid(pid, &status, 0) < 0 || status != 0)
        bench_die("a process has failed");
}

static void pause_us(double us)
{
    struct timespec t = {.tv_sec = (time_t)(us / 1e6), .tv_nsec = (long)(us * 1e3) % 1000000000};

    (void)nanosleep(&t, NULL);
}

/* ---- From a commit to the callback ---------------------------------------------------------- */

static int on_timed(const lb_change *change, void *user)
{
    double now = bench_now_us();
    int *left = user;

    if (change->type == LB_CHANGE_READY)
        shared->ready = 1;
    if (change->type != LB_CHANGE_CHANGE || !change->new_row || change->new_row->score == 0)
        return 0;
    shared->heard_us[change->new_row->score] = now;
    --*left;
    return 0;
}

static void follow_timed(int n)
{
    lb_client *client = open_client();
    lb_error error;
    int left = n;

    check(lb_changes_subscribe(client, "timed", NULL, on_timed, &left, NULL, &error), &error);
    while (left > 0) {
        while (lb_client_process(client) > 0)
            continue;
        if (left > 0)
            (void)lb_client_wait(client, LB_NEVER);
    }
    lb_client_free(client);
}

/* Scores are numbers of writes, from 1 on; each player is written again after many others. */
static void write_timed(int n)
{
    lb_client *client = open_client();
    uint64_t random = 7;

    while (!shared->ready)
        pause_us(1000);
    for (int i = 1; i <= n; i++) {
        pause_us(2000 + (double)(bench_random(&random) % 4000));
        shared->begun_us[i] = bench_now_us();
        write_score(client, "timed", (unsigned)i % PLAYERS, i);
        shared->committed_us[i] = bench_now_us();
    }
    lb_client_free(client);
}

static void load(int n)
{
    lb_client *client = open_client();
    uint64_t random = 1000003u * (uint64_t)(n + 1);

    while (!shared->stop) {
        add_score(client, &random);
        shared->adds++;
    }
    lb_client_free(client);
}

static void print_latency(const char *what, int n, double taken_s)
{
    static double from_call[SAMPLES_MAX], from_commit[SAMPLES_MAX];

    for (int i = 0; i < n; i++) {
        from_call[i] = shared->heard_us[i + 1] - shared->begun_us[i + 1];
        from_commit[i] = shared->heard_us[i + 1] - shared->committed_us[i + 1];
    }
    printf("%-22sfrom the commit's return p50 %.0f us  p99 %.0f us;  from the call p50 %.0f us  "
           "p99 %.0f us  longest %.1f ms;  others' adds %.0f/s\n",
           what, bench_percentile(from_commit, (size_t)n, 0.5),
           bench_percentile(from_commit, (size_t)n, 0.99),
           bench_percentile(from_call, (size_t)n, 0.5),
           bench_percentile(from_call, (size_t)n, 0.99),
           bench_percentile(from_call, (size_t)n, 1) / 1e3, (double)shared->adds / taken_s);
}

static void time_commits(const char *what, int loaders)
{
    int n = (int)(seconds * 250) < SAMPLES_MAX - 1 ? (int)(seconds * 250) : SAMPLES_MAX - 1;
    pid_t follower, writer, others[LOADERS];
    double begun;

    make_database();
    memset(shared, 0, sizeof *shared);
    begun = bench_now_us();
    follower = run(follow_timed, n);
    for (int i = 0; i < loaders; i++)
        others[i] = run(load, i);
    writer = run(write_timed, n);
    wait_for(writer);
    wait_for(follower);
    shared->stop = true;
    for (int i = 0; i < loaders; i++)
        wait_for(others[i]);
    print_latency(what, n, (bench_now_us() - begun) / 1e6);
}

/* ---- Many subscribers ----------------------------------------------------------------------- */

/* As small as a mirror of this board can be: what it takes is not the library's. */
typedef struct subscriber {
    int64_t scores[PLAYERS];
    bool ready;
} subscriber;

static int on_change(const lb_change *change, void *user)
{
    const lb_player *row = change->new_row ? change->new_row : change->old_row;
    subscriber *s = user;

    shared->calls++;
    if (change->type == LB_CHANGE_RESET)
        *s = (subscriber){.ready = false};
    if (change->type == LB_CHANGE_READY) {
        s->ready = true;
        shared->ready++;
    }
    if (row)
        s->scores[atoi(row->id + 1)] = change->new_row ? row->score : 0;
    return 0;
}

static int read_true(const lb_player *player, void *user)
{
    subscriber *s = user;

    s->scores[atoi(player->id + 1)] = player->score;
    return 0;
}

static void read_board(lb_client *client, subscriber *s)
{
    lb_range range;
    lb_error error;

    lb_range_init(&range);
    range.limit = LB_LIMIT_MAX;
    range.flags = LB_READ_NO_PLACE;
    check(lb_board_get(client, "b", &range, read_true, s, &error), &error);
}

static long memory_kb(const char *field)
{
    FILE *f = fopen("/proc/self/status", "re");
    char line[128];
    long kb = 0;

    while (f && fgets(line, sizeof line, f)) {
        if (strncmp(line, field, strlen(field)) == 0)
            kb = atol(line + strlen(field));
    }
    if (f)
        (void)fclose(f);
    return kb;
}

static int count_equal(const subscriber *subscribers, int n, const subscriber *truth)
{
    int equal = 0;

    for (int i = 0; i < n; i++)
        equal += memcmp(subscribers[i].scores, truth->scores, sizeof truth->scores) == 0;
    return equal;
}

/* After the last write: until each subscriber holds the board. */
static void settle(lb_client *client, const subscriber *subscribers, int n)
{
    double begun = bench_now_us();
    subscriber truth = {.ready = true};

    read_board(client, &truth);
    for (;;) {
        while (lb_client_process(client) > 0)
            continue;
        shared->on_true_board = count_equal(subscribers, n, &truth);
        if (shared->on_true_board == n || bench_now_us() - begun > 20e6)
            break;
        (void)lb_client_wait(client, 100000);
    }
    shared->settle_ms = (bench_now_us() - begun) / 1e3;
}

static void follow_many(int n)
{
    subscriber *subscribers = calloc((size_t)n, sizeof *subscribers);
    lb_client *client = open_client();
    subscriber warm = {.ready = false};
    lb_counters counters;
    lb_error error;

    memset(subscribers, 1, (size_t)n * sizeof *subscribers); /* is there from the beginning */
    read_board(client, &warm);
    shared->rss_before_kb = memory_kb("VmRSS:");
    for (int i = 0; i < n; i++)
        check(lb_changes_subscribe(client, "b", NULL, on_change, &subscribers[i], NULL, &error),
              &error);
    while (!shared->written_all) {
        for (int i = 0; i < 100 && lb_client_process(client) > 0; i++)
            continue;
        if (shared->ready >= n && !shared->rss_ready_kb)
            shared->rss_ready_kb = memory_kb("VmRSS:");
        (void)lb_client_wait(client, 50000);
    }
    settle(client, subscribers, n);
    shared->rss_peak_kb = memory_kb("VmHWM:");
    (void)lb_client_counters(client, &counters, sizeof counters);
    shared->changes = counters.changes;
    shared->gaps = counters.gaps;
    lb_client_free(client);
    free(subscribers);
}

/* Returns the writers' adds a second while so many subscribers follow in one process. */
static double write_with(int subscribers)
{
    pid_t follower = 0, writers[WRITERS];
    double begun, taken;
    uint64_t adds;

    make_database();
    memset(shared, 0, sizeof *shared);
    if (subscribers)
        follower = run(follow_many, subscribers);
    while (shared->ready < subscribers)
        pause_us(1000);
    for (int i = 0; i < WRITERS; i++)
        writers[i] = run(load, i);
    pause_us(200000); /* all are at work */
    adds = shared->adds;
    begun = bench_now_us();
    pause_us(seconds * 1e6);
    adds = shared->adds - adds;
    taken = (bench_now_us() - begun) / 1e6;
    shared->stop = true;
    for (int i = 0; i < WRITERS; i++)
        wait_for(writers[i]);
    shared->written_all = true;
    if (subscribers)
        wait_for(follower);
    return (double)adds / taken;
}

static void print_follower(int n)
{
    printf("  %4d subscriber%s     %d on the true board %.0f ms after the last write; %" PRIu64
           " log entries, %" PRIu64 " callbacks, %" PRIu64 " gaps\n"
           "                      memory: %ld KiB before, %ld when ready, %ld at most%s\n",
           n, n > 1 ? "s" : " ", shared->on_true_board, shared->settle_ms, shared->changes,
           shared->calls, shared->gaps, shared->rss_before_kb, shared->rss_ready_kb,
           shared->rss_peak_kb, n > 1 ? "" : "\n");
    if (n > 1)
        printf("                      which is %.0f B a subscriber when ready\n",
               (double)(shared->rss_ready_kb - shared->rss_before_kb) * 1024 / n);
    if (shared->on_true_board != n)
        bench_die("%d of %d subscribers do not hold the board", n - shared->on_true_board, n);
}

/* One after another, several times: the machine does not stay the same. */
static void compare_writers(void)
{
    int subscribers[] = {0, 1, many};
    double adds[3][ROUNDS];

    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < 3; i++) {
            adds[i][round] = write_with(subscribers[i]);
            if (subscribers[i] && round == ROUNDS - 1)
                print_follower(subscribers[i]);
        }
    }
    for (int i = 0; i < 3; i++)
        printf("%d writers, %4d subscriber%s  %8.0f adds/s\n", WRITERS, subscribers[i],
               subscribers[i] == 1 ? " " : "s", bench_percentile(adds[i], ROUNDS, 0.5));
}

int main(int argc, char **argv)
{
    if (argc > 1)
        seconds = atof(argv[1]);
    if (argc > 2)
        many = atoi(argv[2]);
    if (seconds <= 0 || many < 2)
        bench_die("usage: bench_follow [SECONDS [SUBSCRIBERS]]");
    (void)setvbuf(stdout, NULL, _IOLBF, BUFSIZ); /* children must not inherit any of it */
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        bench_die("no shared memory");
    bench_enter_tmpdir();
    time_commits("commit to callback", 0);
    time_commits("  the same under load", LOADERS);
    compare_writers();
    return 0;
}
