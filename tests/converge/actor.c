/*
 * The life of a process of a run. It writes what it has to write, reports "done", and waits for
 * commands: to settle, which means to find that every subscriber holds what the store does, and to
 * quit. Writers have subscribers too; a watcher has nothing to write; a shell knows nothing of
 * the library; an operator breaks the server and mends it.
 */
#include "actor.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

enum { REREAD_US = 1000000 };

void report(const char *line)
{
    printf("%s\n", line);
    (void)fflush(stdout);
}

/* ---- Death ---------------------------------------------------------------------------------- */

static void die(int signal)
{
    (void)signal;
    (void)kill(getpid(), SIGKILL);
}

/* By kill -9, at whatever it is doing then. */
static void plan_death(unsigned us)
{
    struct itimerval timer = {.it_value = {.tv_sec = us / 1000000, .tv_usec = us % 1000000}};

    if (us == 0)
        return;
    (void)signal(SIGALRM, die);
    (void)setitimer(ITIMER_REAL, &timer, NULL);
}

/* ---- The loop ------------------------------------------------------------------------------- */

static bool command_is_there(int timeout_ms)
{
    struct pollfd control = {.fd = 0, .events = POLLIN};

    return poll(&control, 1, timeout_ms) > 0;
}

/* The next command; the end of the driver is the end. */
static char next_command(void)
{
    char c;
    ssize_t n = read(0, &c, 1);

    if (n != 1)
        _exit(3);
    return c;
}

static void process(actor *a)
{
    int r = 1;

    for (int i = 0; i < 1000 && r > 0; i++)
        r = lb_client_process(a->client);
    if (r < 0)
        wrong("%s: process() failed: %s", a->part.name, lb_strerror(r));
}

static int ms_until(uint64_t until)
{
    uint64_t now = now_us();

    return until <= now ? 0 : (int)((until - now + 999) / 1000);
}

/* As a program with a loop of its own does it: sleeps until there is something to do for the
 * client, or a command, or the time is over. */
static void doze(actor *a, uint64_t until)
{
    struct pollfd fds[2] = {{.fd = lb_client_fd(a->client), .events = POLLIN},
                            {.fd = 0, .events = POLLIN}};
    uint64_t deadline;

    if (lb_client_deadline(a->client, &deadline) < 0)
        wrong("%s: no deadline", a->part.name);
    if (deadline < until)
        until = deadline;
    if (poll(fds, 2, ms_until(until)) < 0 && errno != EINTR)
        wrong("poll: %s", strerror(errno));
}

/* ---- Settling ------------------------------------------------------------------------------- */

static sub *find_disagreeing(actor *a, const truth *t)
{
    for (size_t i = 0; i < a->n_subs; i++) {
        if (!sub_agrees(a->subs[i], t))
            return a->subs[i];
    }
    return NULL;
}

/* Nobody writes any more: each subscriber comes to hold what the store does. Where a server goes on
 * for a moment with what a killed process has asked for, what it holds is read again. */
static void settle(actor *a)
{
    uint64_t until = now_us() + a->plan->limits.wait_ms * UINT64_C(1000);
    uint64_t again = now_us() + REREAD_US;
    truth t;
    sub *s;

    a->churns = false;
    store->truth_read(&t);
    for (;;) {
        process(a);
        s = find_disagreeing(a, &t);
        if (!s)
            break;
        if (now_us() >= until)
            sub_explain(s, &t);
        if (now_us() >= again) {
            truth_free(&t);
            store->truth_read(&t);
            again = now_us() + REREAD_US;
        }
        doze(a, again < until ? again : until);
    }
    truth_free(&t);
    report(REPORT_HOLDS);
}

/* ---- Processes that use the library --------------------------------------------------------- */

static void on_notice(const lb_notice *notice, void *user)
{
    actor *a = user;

    if (notice->code == LB_E_CORRUPT)
        wrong("%s: notice: %s", a->part.name, notice->message);
}

static void open_client(actor *a)
{
    lb_options options;
    lb_error error;

    lb_options_init(&options);
    options.database = store->url(a->part.kind);
    options.change_log = a->plan->change_log;
    options.timeout_ms = 20000;
    options.notice = on_notice;
    options.notice_user = a;
    if (lb_client_new(&options, &a->client, &error) < 0)
        wrong("%s: no client: %s", a->part.name, error.msg);
    if (!store->exists())
        count(COUNT_NO_FILE);
    for (unsigned i = 0; i < a->part.subs; i++)
        sub_open(a);
}

/* One turn while there is something to write, or, for a watcher, until there is a command. */
static void turn(actor *a)
{
    const run_part *p = &a->part;

    if (rng_chance(&a->random, p->stall_percent)) {
        count(COUNT_STALL);
        (void)command_is_there(1 + (int)rng_below(&a->random, 40));
    }
    if (p->cut_percent && rng_chance(&a->part.cuts, p->cut_percent)) {
        count(COUNT_CUT);
        store->cut();
    }
    if (a->ops_left)
        write_next(a, false);
    if (p->kind == WRITER && a->n_done == 1)
        plan_death(p->die_us); /* not before there is a file */
    process(a);
    if (p->kind == WATCHER)
        doze(a, LB_NEVER);
    else if (rng_chance(&a->random, p->pause_percent))
        doze(a, now_us() + rng_below(&a->random, 3000));
}

static void close_client(actor *a)
{
    lb_counters counters;

    if (lb_client_counters(a->client, &counters, sizeof counters) == 0) {
        count_more(COUNT_GAPS, counters.gaps);
        count_more(COUNT_RETRIES, counters.retries);
    }
    lb_client_free(a->client);
    for (size_t i = 0; i < a->n_subs; i++) {
        sub_count(a->subs[i]);
        sub_free(a->subs[i]);
    }
}

/* Until the command to settle, everything is as it is in a program: afterwards nothing is written. */
static void write_all(actor *a)
{
    if (a->part.asleep) {
        count(COUNT_ASLEEP);
        process(a);
        return;
    }
    while (a->part.kind == WATCHER ? !command_is_there(0) : a->ops_left > 0)
        turn(a);
    while (a->pending) {
        process(a);
        if (a->pending)
            doze(a, LB_NEVER);
    }
    a->churns = false; /* which could write */
}

static void obey(actor *a)
{
    for (;;) {
        char c;

        while (!a->part.asleep && !command_is_there(0)) {
            process(a);
            doze(a, LB_NEVER);
        }
        c = next_command();
        if (c == SAY_QUIT)
            return;
        a->part.asleep = false;
        settle(a);
    }
}

static int library_main(const run_plan *plan, const run_part *p)
{
    actor a = {.plan = plan, .part = *p, .random = p->random, .ops_left = p->ops};

    a.churns = p->churns;
    make_deaf(p->deaf, p->no_watches);
    open_client(&a);
    process(&a);
    report(REPORT_UP);
    if (p->kind == WATCHER)
        report(REPORT_DONE);
    write_all(&a);
    if (p->kind != WATCHER)
        report(REPORT_DONE);
    obey(&a);
    close_client(&a);
    return 0;
}

/* ---- Shells --------------------------------------------------------------------------------- */

static void shell_pause(const run_part *p, rng *random)
{
    if (rng_chance(random, 4 * p->pause_percent))
        (void)poll(NULL, 0, (int)rng_below(random, 4));
}

/* Each ends with as much as it was to do, or when the driver has no more patience: where nobody
 * makes a database there is nothing to do. */
static int shell_main(const run_plan *plan, run_part *p)
{
    void *db = NULL;

    report(REPORT_UP);
    while (!db && !command_is_there(1))
        db = store->open();
    for (unsigned i = 0; db && i < p->ops; i++) {
        shell_next(db, plan, &p->random);
        shell_pause(p, &p->random);
    }
    if (db)
        store->close(db);
    report(REPORT_DONE);
    while (next_command() != SAY_QUIT)
        report(REPORT_HOLDS); /* what there is */
    return 0;
}

/* ---- Operators ------------------------------------------------------------------------------ */

static int operator_main(const run_plan *plan, run_part *p)
{
    report(REPORT_UP);
    for (unsigned i = 0; i < p->ops; i++) {
        (void)poll(NULL, 0, (int)rng_below(&p->random, 150));
        store->operate(plan, &p->random);
    }
    report(REPORT_DONE);
    while (next_command() != SAY_QUIT)
        report(REPORT_HOLDS);
    return 0;
}

int part_main(const run_plan *plan, unsigned index, unsigned life)
{
    run_part p = plan_part(plan, index, life);

    history_open(p.name);
    if (p.kind != WRITER)
        plan_death(p.die_us);
    switch (p.kind) {
    case SHELL:
        return shell_main(plan, &p);
    case OPERATOR:
        return operator_main(plan, &p);
    default:
        return library_main(plan, &p);
    }
}
