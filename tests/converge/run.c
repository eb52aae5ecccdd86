#include "run.h"

#include "actor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PARTS_MAX = 12, LIVES_MAX = 5, PATIENCE_MS = 60000 };

/* What a process has said so far. */
typedef struct child {
    pid_t pid; /* 0 = none any more */
    int say, hear;
    unsigned life;
    bool up, done, over;
    unsigned settled; /* how often it has been found to hold the state */
    char text[8192];  /* what it has said and was not understood yet */
    size_t n;
} child;

typedef struct run {
    const run_plan *plan;
    int shared_fd;
    child children[PARTS_MAX];
    unsigned n;
    unsigned asked; /* how often they were told to settle */
    bool quitting;
    verdict *verdict;
} run;

static void fail(run *r, const char *format, ...)
{
    va_list args;

    if (*r->verdict->text)
        return; /* the first is what counts */
    va_start(args, format);
    (void)vsnprintf(r->verdict->text, sizeof r->verdict->text, format, args);
    va_end(args);
}

static bool failed(const run *r)
{
    return *r->verdict->text != '\0';
}

/* ---- Processes ------------------------------------------------------------------------------ */

static void become(const run *r, unsigned index, unsigned life, int in, int out)
{
    const run_limits *l = &r->plan->limits;
    unsigned numbers[] = {index,       life,       (unsigned)r->shared_fd,
                          l->ops,      l->writers, l->shells,
                          l->watchers, l->tails,   l->subs,
                          l->without,  l->wait_ms};
    enum { N = sizeof numbers / sizeof numbers[0] };
    char texts[N + 1][24], name[16], *argv[N + 5] = {"converge", "part", name};

    (void)snprintf(texts[N], sizeof texts[N], "%llu", (unsigned long long)r->plan->seed);
    (void)snprintf(name, sizeof name, "%s", store->name);
    argv[3] = texts[N];
    for (size_t i = 0; i < N; i++) {
        (void)snprintf(texts[i], sizeof texts[i], "%u", numbers[i]);
        argv[4 + i] = texts[i];
    }
    if (dup2(in, 0) < 0 || dup2(out, 1) < 0)
        _exit(4);
    (void)execv("/proc/self/exe", argv);
    _exit(4);
}

static void say(child *c, char command)
{
    if (!c->over && write(c->say, &command, 1) != 1 && errno != EPIPE)
        abort();
}

static void start_child(run *r, unsigned index, unsigned life)
{
    child *c = &r->children[index];
    int to[2], from[2];

    if (pipe2(to, O_CLOEXEC) < 0 || pipe2(from, O_CLOEXEC) < 0) {
        fail(r, "no pipe: %s", strerror(errno));
        return;
    }
    *c = (child){.life = life, .say = to[1], .hear = from[0]};
    c->pid = fork();
    if (c->pid == 0)
        become(r, index, life, to[0], from[1]);
    (void)close(to[0]);
    (void)close(from[1]);
    if (c->pid < 0)
        fail(r, "no process: %s", strerror(errno));
    for (unsigned i = 0; i < r->asked; i++)
        say(c, SAY_SETTLE);
    if (r->quitting)
        say(c, SAY_QUIT);
}

static void close_child(child *c)
{
    (void)close(c->say);
    (void)close(c->hear);
    c->over = true;
    c->pid = 0;
}

static void end_child(run *r, unsigned index)
{
    child *c = &r->children[index];
    run_part p = plan_part(r->plan, index, c->life);
    int status = 0;

    (void)waitpid(c->pid, &status, 0);
    close_child(c);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && p.die_us) {
        count(p.kind == WRITER  ? COUNT_KILL_WRITER
              : p.kind == SHELL ? COUNT_KILL_SHELL
                                : COUNT_KILL_WATCHER);
        if (p.kind == WATCHER && !failed(r))
            start_child(r, index, c->life + 1);
    } else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fail(r, "%.*s", (int)c->n, c->text);
        fail(r, "%s ended with status %#x", p.name, (unsigned)status);
    } else if (!r->quitting) {
        fail(r, "%s has ended by itself", p.name);
    }
}

/* All watchers that there are. */
static void signal_watchers(const run *r, int signal)
{
    unsigned first = r->plan->writers + r->plan->shells;

    for (unsigned i = first; i < first + r->plan->watchers; i++) {
        if (r->children[i].pid > 0)
            (void)kill(r->children[i].pid, signal);
    }
}

/* Takes whole lines that are understood; the rest is what is wrong, if anything is. */
static void understand(const run *r, child *c)
{
    char *end;

    while ((end = memchr(c->text, '\n', c->n)) != NULL) {
        size_t len = (size_t)(end - c->text);

        *end = '\0';
        if (strcmp(c->text, REPORT_UP) == 0) {
            c->up = true;
        } else if (strcmp(c->text, REPORT_DONE) == 0) {
            c->done = true;
        } else if (strcmp(c->text, REPORT_HOLDS) == 0) {
            c->settled++;
        } else if (strcmp(c->text, REPORT_RESTART) == 0) {
            store->restart();
        } else if (strcmp(c->text, REPORT_STOP) == 0) {
            signal_watchers(r, SIGSTOP);
        } else if (strcmp(c->text, REPORT_GO) == 0) {
            signal_watchers(r, SIGCONT);
        } else {
            *end = '\n';
            return;
        }
        c->n -= len + 1;
        memmove(c->text, end + 1, c->n);
    }
}

static void hear_child(run *r, unsigned index)
{
    child *c = &r->children[index];
    char ignored[512];
    bool full = c->n >= sizeof c->text - 1;
    ssize_t n = full ? read(c->hear, ignored, sizeof ignored)
                     : read(c->hear, c->text + c->n, sizeof c->text - 1 - c->n);

    if (n <= 0) {
        end_child(r, index);
        return;
    }
    c->n += full ? 0 : (size_t)n;
    understand(r, c);
}

/* ---- Waiting -------------------------------------------------------------------------------- */

typedef bool (*ready_fn)(const run *r, const child *c);

static bool is_up(const run *r, const child *c)
{
    (void)r;
    return c->up || c->over;
}

static bool is_done(const run *r, const child *c)
{
    (void)r;
    return c->done || c->over;
}

static bool is_settled(const run *r, const child *c)
{
    return c->settled >= r->asked || c->over;
}

static bool is_over(const run *r, const child *c)
{
    (void)r;
    return c->over;
}

/* Until it is true of the processes from `from` on. */
static void wait_for(run *r, unsigned from, ready_fn ready, const char *what)
{
    uint64_t until = now_us() + (r->plan->limits.wait_ms + PATIENCE_MS) * UINT64_C(1000);

    while (!failed(r)) {
        struct pollfd fds[PARTS_MAX];
        unsigned waiting = 0;

        for (unsigned i = 0; i < r->n; i++) {
            const child *c = &r->children[i];

            fds[i] = (struct pollfd){.fd = c->over ? -1 : c->hear, .events = POLLIN};
            waiting += i >= from && !ready(r, c);
        }
        if (!waiting)
            return;
        if (now_us() > until)
            fail(r, "waited in vain for the processes to be %s", what);
        (void)poll(fds, r->n, 1000);
        for (unsigned i = 0; i < r->n && !failed(r); i++) {
            if (fds[i].fd >= 0 && fds[i].revents)
                hear_child(r, i);
        }
    }
}

/* ---- A run ---------------------------------------------------------------------------------- */

static void start_all(run *r)
{
    unsigned first = r->plan->writers + r->plan->shells;

    r->n = plan_parts(r->plan);
    for (unsigned i = 0; i < first; i++)
        r->children[i].over = true;
    for (unsigned i = first; i < r->n; i++)
        start_child(r, i, 0);
    if (r->plan->watchers_first)
        wait_for(r, first, is_up, "up");
    for (unsigned i = 0; i < first && !failed(r); i++)
        start_child(r, i, 0);
}

static void settle_all(run *r)
{
    r->asked++;
    for (unsigned i = 0; i < r->n; i++)
        say(&r->children[i], SAY_SETTLE);
    wait_for(r, 0, is_settled, "settled");
}

static void quit_all(run *r)
{
    r->quitting = true;
    for (unsigned i = 0; i < r->n; i++)
        say(&r->children[i], SAY_QUIT);
    wait_for(r, 0, is_over, "over");
}

static void kill_all(run *r)
{
    for (unsigned i = 0; i < r->n; i++) {
        child *c = &r->children[i];

        if (c->over || c->pid <= 0)
            continue;
        (void)kill(c->pid, SIGKILL);
        (void)waitpid(c->pid, NULL, 0);
        close_child(c);
    }
}

/* The rest of the checks, and single statements while everybody is at rest, run in a process: it
 * ends with what is wrong as the others do. */
static void in_process(run *r, void (*fn)(const run_plan *, unsigned), unsigned n)
{
    unsigned index = r->n;
    child *c = &r->children[index];
    int from[2], status = 0;

    if (failed(r) || pipe2(from, O_CLOEXEC) < 0)
        return;
    *c = (child){.say = -1, .hear = from[0]};
    c->pid = fork();
    if (c->pid == 0) {
        (void)dup2(from[1], 1);
        fn(r->plan, n);
        (void)fflush(stdout);
        _exit(0);
    }
    (void)close(from[1]);
    for (;;) {
        ssize_t got = read(from[0], c->text + c->n, sizeof c->text - 1 - c->n);

        if (got <= 0)
            break;
        c->n += (size_t)got;
    }
    (void)waitpid(c->pid, &status, 0);
    (void)close(from[0]);
    c->over = true;
    if (c->n)
        fail(r, "%.*s", (int)c->n, c->text);
    if (status != 0)
        fail(r, "the driver's own process ended with status %#x", (unsigned)status);
}

static void write_tail(const run_plan *plan, unsigned n)
{
    rng random = rng_make(plan->seed, 2000, n);
    void *db = store->open();

    history_open("last");
    if (!db)
        wrong("there is no database");
    shell_next(db, plan, &random);
    store->close(db);
}

static void check_store(const run_plan *plan, unsigned n)
{
    (void)plan;
    (void)n;
    store->check();
    tops_compare();
}

static void make_database(const run_plan *plan, unsigned n)
{
    lb_client *client = NULL;
    lb_options options;
    lb_error error;

    (void)plan;
    (void)n;
    lb_options_init(&options);
    options.database = store->url(WRITER);
    options.timeout_ms = 20000;
    if (lb_client_new(&options, &client, &error) < 0 ||
        lb_board_create(client, board_ids[0], 0, NULL, NULL, &error) < 0)
        wrong("cannot make a database: %s", error.msg);
    lb_client_free(client);
}

static void play(run *r)
{
    if (!r->plan->no_file)
        in_process(r, make_database, 0);
    start_all(r);
    wait_for(r, 0, is_done, "done");
    settle_all(r);
    for (unsigned i = 0; i < r->plan->tails && !failed(r); i++) {
        in_process(r, write_tail, i);
        settle_all(r);
    }
    in_process(r, check_store, 0);
    quit_all(r);
    in_process(r, check_store, 0);
    kill_all(r);
}

/* ---- Its directory -------------------------------------------------------------------------- */

static void print_history(void)
{
    FILE *f = fopen("history", "re");
    char line[700];

    while (f && fgets(line, sizeof line, f))
        printf("    | %s", line);
    if (f)
        (void)fclose(f);
}

bool run_once(const run_plan *plan, const char *base, int shared_fd, bool history, verdict *ret)
{
    const char *memory = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : base;
    run r = {.plan = plan, .shared_fd = shared_fd, .verdict = ret};
    char dir[256];

    ret->text[0] = '\0';
    (void)snprintf(dir, sizeof dir, "%s/converge_XXXXXX", plan->in_memory ? memory : base);
    if (!mkdtemp(dir) || chdir(dir) < 0) {
        fail(&r, "cannot use %s: %s", dir, strerror(errno));
        return false;
    }
    if (plan->change_log)
        count(COUNT_TINY_LOG);
    (void)signal(SIGPIPE, SIG_IGN);
    play(&r);
    if (failed(&r) && history)
        print_history();
    if (failed(&r) && store->restart)
        store->restart(); /* whatever it was left in */
    store->forget();
    (void)unlink("history");
    (void)unlink("tops");
    (void)chdir("/");
    (void)rmdir(dir);
    return !failed(&r);
}
