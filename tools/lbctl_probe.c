#include "lbctl_probe.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define ROUNDS 9
#define PLAYER_ID "probe"

struct probe {
    struct lbctl *ctl;
    struct lbctl_probe *ret;
    char board[LB_BOARD_MAX + 1];
    lb_client *watcher; /* a client of its own: what it hears has gone through the file */
    bool ready;
    int64_t score;    /* the newest that it has heard of */
    lb_error trouble; /* what its library goes on trying to get over */
    int64_t commit_us[ROUNDS], change_us[ROUNDS];
};

static bool fail(struct probe *probe, const char *step, const lb_error *error)
{
    if (probe->ret->error.code == 0) {
        probe->ret->error = *error;
        probe->ret->step = step;
    }
    return false;
}

static int on_change(const lb_change *change, void *user)
{
    struct probe *probe = user;

    if (change->type == LB_CHANGE_READY)
        probe->ready = true;
    if (change->new_row)
        probe->score = change->new_row->score;
    return 0;
}

static void on_notice(const lb_notice *notice, void *user)
{
    struct probe *probe = user;

    if (notice->kind != LB_NOTICE_RETRY)
        return;
    probe->trouble.code = notice->code;
    (void)snprintf(probe->trouble.msg, sizeof probe->trouble.msg, "%s", notice->message);
}

/* Until the watcher is ready and has heard of that score. */
static bool wait_for(struct probe *probe, int64_t score)
{
    uint64_t now = lbctl_now_us(), end = now + (uint64_t)probe->ctl->timeout_ms * 1000;
    lb_error late = {LB_E_TIMEOUT, "timed out, a change did not arrive"};

    while (!probe->ready || probe->score < score) {
        if (now >= end)
            return fail(probe, "follow", probe->trouble.code ? &probe->trouble : &late);
        if (lb_client_process(probe->watcher) == 0)
            lb_client_wait(probe->watcher, end - now);
        now = lbctl_now_us();
    }
    return true;
}

static bool start_watcher(struct probe *probe)
{
    const char *source;
    lb_options options;
    lb_error error;

    lb_options_init(&options);
    options.database = lbctl_database(probe->ctl, &source);
    options.notice = on_notice;
    options.notice_user = probe;
    if (lb_client_new(&options, &probe->watcher, &error) < 0 ||
        lb_changes_subscribe(probe->watcher, probe->board, NULL, on_change, probe, NULL, &error) <
            0)
        return fail(probe, "follow", &error);
    return wait_for(probe, 0);
}

static bool write_score(struct probe *probe, int round, int64_t *ret_us)
{
    uint64_t start = lbctl_now_us();
    lb_write_options options;
    lb_error error;

    lb_write_options_init(&options);
    options.flags = round ? 0 : LB_WRITE_CREATE;
    if (lb_score_add(probe->ctl->client, probe->board, PLAYER_ID, 1, &options, NULL, &error) < 0)
        return fail(probe, "write", &error);
    *ret_us = (int64_t)(lbctl_now_us() - start);
    return true;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static int64_t median(int64_t *samples)
{
    qsort(samples, ROUNDS, sizeof *samples, compare);
    return samples[ROUNDS / 2];
}

static bool write_all(struct probe *probe)
{
    for (int i = 0; i < ROUNDS; i++) {
        if (!write_score(probe, i, &probe->commit_us[i]))
            return false;
    }
    probe->ret->wrote = true;
    probe->ret->commit_us = median(probe->commit_us);
    return true;
}

static void hear_all(struct probe *probe)
{
    int64_t ignored;

    if (!start_watcher(probe))
        return;
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t committed;

        if (!write_score(probe, ROUNDS, &ignored))
            return;
        committed = lbctl_now_us();
        if (!wait_for(probe, ROUNDS + i + 1))
            return;
        probe->change_us[i] = (int64_t)(lbctl_now_us() - committed);
    }
    probe->ret->heard = true;
    probe->ret->change_us = median(probe->change_us);
}

static void run(struct probe *probe)
{
    const lb_board *board;
    lb_error error;

    if (lb_board_create(probe->ctl->client, NULL, 0, NULL, &board, &error) < 0) {
        fail(probe, "write", &error);
        return;
    }
    (void)snprintf(probe->board, sizeof probe->board, "%s", board->id);
    if (write_all(probe))
        hear_all(probe);
    lb_client_free(probe->watcher);
    if (lb_board_delete(probe->ctl->client, probe->board, NULL, &error) < 0) {
        fail(probe, "delete", &error);
        (void)snprintf(probe->ret->left, sizeof probe->ret->left, "%s", probe->board);
    }
}

void lbctl_probe_run(struct lbctl *ctl, struct lbctl_probe *ret)
{
    struct probe probe = {.ctl = ctl, .ret = ret};
    sigset_t signals, before;

    *ret = (struct lbctl_probe){0};
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, &before);
    run(&probe);
    sigprocmask(SIG_SETMASK, &before, NULL);
}
