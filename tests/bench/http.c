/*
 * The example server over loopback: requests per second beside a bare libmicrohttpd that answers a
 * constant, how long from an add to the event, and what very many listeners cost.
 * Usage: bench_http [SECONDS [LISTENERS]]
 */
#include "bench.h"
#include "http_load.h"
#include "leaderboard.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PLAYERS = 1000, ADDS = 100, UPDATES = 20, DESCRIPTORS_KEPT = 200 };

static const unsigned connections[] = {1, 64, 1000};

struct program {
    pid_t pid;
    unsigned port;
};

struct figures {
    double per_second, p50_ms, p99_ms, cpu_us;
};

/* ---- Programs ------------------------------------------------------------------------------- */

static unsigned read_port(int fd)
{
    char line[256] = "", *at;
    size_t size = 0;

    while (size < sizeof line - 1 && !strchr(line, '\n')) {
        ssize_t n = read(fd, line + size, sizeof line - 1 - size);

        if (n <= 0)
            bench_die("a server has not started: %s", line);
        size += (size_t)n;
        line[size] = '\0';
    }
    at = strstr(line, "http://127.0.0.1:");
    if (!at)
        bench_die("a server says: %s", line);
    return (unsigned)strtoul(at + strlen("http://127.0.0.1:"), NULL, 10);
}

static struct program start(char *const argv[])
{
    struct program program;
    int out[2];

    if (pipe(out) < 0)
        bench_die("pipe: %s", strerror(errno));
    program.pid = fork();
    if (program.pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)dup2(out[1], STDERR_FILENO);
        (void)execv(argv[0], argv);
        _exit(127);
    }
    close(out[1]);
    program.port = read_port(out[0]);
    return program; /* the pipe stays open, what else it says is lost */
}

static void stop(struct program program)
{
    (void)kill(program.pid, SIGKILL);
    (void)waitpid(program.pid, NULL, 0);
}

/* Nanoseconds on a processor, of all threads. */
static double cpu_us(struct program program)
{
    char command[128];
    double us = 0;
    FILE *file;

    (void)snprintf(command, sizeof command,
                   "cat /proc/%d/task/*/schedstat | awk '{s += $1} END {print s / 1000}'",
                   (int)program.pid);
    file = popen(command, "r");
    if (!file || fscanf(file, "%lf", &us) != 1)
        bench_die("no schedstat");
    pclose(file);
    return us;
}

static double resident_kb(struct program program)
{
    char path[64];
    unsigned long pages = 0;
    FILE *file;

    (void)snprintf(path, sizeof path, "/proc/%d/statm", (int)program.pid);
    file = fopen(path, "r");
    if (!file || fscanf(file, "%*u %lu", &pages) != 1)
        bench_die("no statm");
    (void)fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1024;
}

/* ---- Requests per second -------------------------------------------------------------------- */

static double milliseconds(const char *text)
{
    char *unit;
    double value = strtod(text, &unit);

    if (strncmp(unit, "us", 2) == 0)
        return value / 1000;
    return strncmp(unit, "ms", 2) == 0 ? value : value * 1000;
}

static double number_behind(const char *text, const char *what)
{
    const char *at = strstr(text, what);

    if (!at)
        bench_die("wrk says: %s", text);
    return strtod(at + strlen(what), NULL);
}

/* Of wrk's own account. */
static struct figures measure(struct program program, unsigned n, int seconds, const char *script,
                              const char *path)
{
    char command[256], text[4096];
    double before = cpu_us(program), requests;
    struct figures figures;
    const char *at;
    FILE *wrk;

    (void)snprintf(command, sizeof command,
                   "wrk -t1 -c%u -d%ds --timeout 10s --latency %s http://127.0.0.1:%u%s 2>&1", n,
                   seconds, script, program.port, path);
    wrk = popen(command, "r");
    text[wrk ? fread(text, 1, sizeof text - 1, wrk) : 0] = '\0';
    if (!wrk || pclose(wrk) != 0 || strstr(text, "Non-2xx") || strstr(text, "Socket errors"))
        bench_die("%s: %s", command, text);
    figures.cpu_us = cpu_us(program) - before;
    figures.per_second = number_behind(text, "Requests/sec:");
    at = strstr(text, "requests in");
    while (at && at > text && at[-1] != '\n')
        at--;
    requests = at ? strtod(at, NULL) : 0;
    figures.cpu_us /= requests > 0 ? requests : 1;
    at = strstr(text, "50%");
    figures.p50_ms = at ? milliseconds(at + 3) : 0;
    at = strstr(text, "99%");
    figures.p99_ms = at ? milliseconds(at + 3) : 0;
    return figures;
}

static void write_script(void)
{
    FILE *file = fopen("add.lua", "w");

    if (!file)
        bench_die("add.lua: %s", strerror(errno));
    (void)fprintf(file,
                  "request = function()\n"
                  "  local player = math.random(0, %d)\n"
                  "  return wrk.format('POST', '/boards/bench/players/p' .. player .. "
                  "'/score-add/')\n"
                  "end\n",
                  PLAYERS - 1);
    (void)fclose(file);
}

static void print_figures(const char *what, unsigned n, struct figures f,
                          const struct figures *peer)
{
    printf("%-10s %5u %10.0f %8.2f %8.2f %10.1f", what, n, f.per_second, f.p50_ms, f.p99_ms,
           f.cpu_us);
    if (peer)
        printf("   %5.2f x of the rate, %5.2f x of the CPU", f.per_second / peer->per_second,
               f.cpu_us / peer->cpu_us);
    printf("\n");
}

static bool have_wrk(void)
{
    return system("command -v wrk >/dev/null") == 0;
}

static void requests(struct program server, struct program peer, int seconds)
{
    if (!have_wrk()) {
        printf("Requests per second need wrk, which is not here (package wrk).\n");
        return;
    }
    write_script();
    printf("%-10s %5s %10s %8s %8s %10s   beside the constant\n", "", "conns", "requests/s",
           "p50 ms", "p99 ms", "CPU us");
    for (size_t i = 0; i < sizeof connections / sizeof connections[0]; i++) {
        unsigned n = connections[i];
        struct figures constant = measure(peer, n, seconds, "", "/");

        print_figures("constant", n, constant, NULL);
        print_figures("board", n, measure(server, n, seconds, "", "/boards/bench/"), &constant);
        print_figures("score-add", n,
                      measure(server, n, seconds, "-s add.lua", "/boards/bench/players/p0/"),
                      &constant);
    }
}

/* ---- Events --------------------------------------------------------------------------------- */

/* Longer than a stream waits between two events: the next one is not held back for that. */
static void pause_between(void)
{
    struct timespec pause = {.tv_nsec = 130000000};

    (void)nanosleep(&pause, NULL);
}

static void latency(struct program server)
{
    struct crowd *crowd = crowd_new(server.port, "live", 1);
    int fd = http_connect(server.port);
    double samples[ADDS], p50;

    for (int i = 0; i < ADDS; i++) {
        double begun, shown;
        long long score;

        pause_between();
        begun = bench_now_us();
        score = http_add(fd, "live", "ann");
        crowd_wait(crowd, score, &shown);
        samples[i] = shown - begun;
    }
    p50 = bench_percentile(samples, ADDS, 0.5);
    printf("\nadd to event, one listener: p50 %.2f ms, p99 %.2f ms (%d adds)\n", p50 / 1000,
           bench_percentile(samples, ADDS, 0.99) / 1000, ADDS);
    close(fd);
    crowd_free(crowd);
}

static double *allocate(size_t n)
{
    double *samples = calloc(n, sizeof *samples);

    if (!samples)
        bench_die("out of memory");
    return samples;
}

static void listeners(struct program server, size_t n, int seconds)
{
    double before = resident_kb(server), begun = bench_now_us(), joined, cpu, last[UPDATES];
    struct crowd *crowd = crowd_new(server.port, "live", n);
    double *samples = allocate(n), *all = allocate(n * UPDATES);
    int fd = http_connect(server.port);

    joined = bench_now_us() - begun;
    printf("%zu listeners of one board: %.1f KiB each, joined in %.2f s\n", n,
           (resident_kb(server) - before) / (double)n, joined / 1e6);
    cpu = cpu_us(server);
    for (int i = 0; i < UPDATES; i++) {
        long long score;

        pause_between();
        begun = bench_now_us();
        score = http_add(fd, "live", "ann");
        crowd_wait(crowd, score, samples);
        last[i] = samples[n - 1] - begun;
        for (size_t k = 0; k < n; k++)
            all[(size_t)i * n + k] = samples[k] - begun;
    }
    cpu = (cpu_us(server) - cpu) / UPDATES;
    printf(
        "one update: to a listener p50 %.1f ms, p99 %.1f ms; to all of them p50 %.1f ms, at most "
        "%.1f ms; %.1f us of CPU per listener (%d updates)\n",
        bench_percentile(all, n * UPDATES, 0.5) / 1000,
        bench_percentile(all, n * UPDATES, 0.99) / 1000,
        bench_percentile(last, UPDATES, 0.5) / 1000, bench_percentile(last, UPDATES, 1) / 1000,
        cpu / (double)n, UPDATES);
    printf("afterwards: %.1f KiB each\n", (resident_kb(server) - before) / (double)n);
    if (have_wrk())
        print_figures("meanwhile", 64, measure(server, 64, seconds, "", "/boards/bench/"), NULL);
    free(samples);
    free(all);
    close(fd);
    crowd_free(crowd);
}

/* --------------------------------------------------------------------------------------------- */

/* As many listeners as there are descriptors for, here and in the server. */
static size_t descriptors_for(size_t n)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        bench_die("ulimit: %s", strerror(errno));
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max < n + DESCRIPTORS_KEPT) {
        n = (size_t)limit.rlim_max - DESCRIPTORS_KEPT;
        printf("ulimit -Hn is %llu: %zu listeners\n", (unsigned long long)limit.rlim_max, n);
    }
    return n;
}

static void fill(void)
{
    static const char *const live[] = {"ann", "bob", "cy", "dora", "eve"};
    lb_write_options create;
    lb_client *client;
    lb_error error;
    int r = lb_client_new(NULL, &client, &error);

    if (r < 0)
        bench_die("%s", error.msg);
    lb_write_options_init(&create);
    create.flags = LB_WRITE_CREATE;
    for (int i = 0; r >= 0 && i < PLAYERS; i++) {
        char player[16];

        (void)snprintf(player, sizeof player, "p%d", i);
        r = lb_score_add(client, "bench", player, i, &create, NULL, &error);
    }
    /* A full page of five, of which ann is the first. */
    for (size_t i = 0; r >= 0 && i < sizeof live / sizeof live[0]; i++)
        r = lb_score_add(client, "live", live[i], 100 - (int64_t)i, &create, NULL, &error);
    if (r < 0)
        bench_die("%s", error.msg);
    lb_client_free(client);
}

int main(int argc, char **argv)
{
    char *path = getenv("LEADERBOARD_SERVER"), room[32];
    char *server_argv[] = {path ? path : SERVER, "--port", "0", "--quiet",
                           "--max-connections",  room,     NULL};
    char *peer_argv[] = {PEER, "400", NULL};
    int seconds = argc > 1 ? atoi(argv[1]) : 3;
    size_t n = argc > 2 ? (size_t)atoi(argv[2]) : 10000;
    struct program server, peer;

    bench_enter_tmpdir();
    (void)unsetenv("DATABASE_URL");
    n = descriptors_for(n);
    (void)snprintf(room, sizeof room, "%zu", n + 80 > 1020 ? n + 80 : 1020);
    fill();
    server = start(server_argv);
    peer = start(peer_argv);
    printf("%d players, %d s each, everything on this machine\n", PLAYERS, seconds);
    requests(server, peer, seconds);
    stop(peer);
    latency(server);
    /* What the requests have left behind is none of the listeners' memory. */
    stop(server);
    server = start(server_argv);
    listeners(server, n, seconds);
    stop(server);
    return 0;
}
