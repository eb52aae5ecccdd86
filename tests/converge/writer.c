/* Writes through the library. */
#include "actor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const board_ids[] = {"a", "b", "c"};

typedef struct write_op {
    int what; /* COUNT_... */
    char board[LB_BOARD_MAX + 1], player[LB_PLAYER_MAX + 1], name[NAME_ROOM];
    int64_t number, reached_us;
    uint32_t board_flags;
    lb_write_options options;
} write_op;

static int draw_what(const run_plan *plan, rng *r)
{
    static const int whats[] = {
        COUNT_ADD,  COUNT_ADD, COUNT_ADD,    COUNT_ADD,     COUNT_SET,          COUNT_SET,
        COUNT_BEST, COUNT_PUT, COUNT_REMOVE, COUNT_RESTORE, COUNT_BOARD_CREATE, COUNT_BOARD_DELETE};
    int what = whats[rng_below(r, sizeof whats / sizeof whats[0])];

    if (what == COUNT_BOARD_DELETE && (!plan_has(plan, TROUBLE_BOARDS) || rng_chance(r, 30)))
        return COUNT_ADD;
    return what;
}

static write_op draw(const run_plan *plan, rng *r, bool first)
{
    write_op w = {.what = draw_what(plan, r)};
    unsigned player = rng_below(r, N_PLAYERS);

    if (first) /* which makes the database */
        w.what = COUNT_ADD;
    lb_write_options_init(&w.options);
    (void)snprintf(w.board, sizeof w.board, "%s", board_ids[rng_below(r, N_BOARDS)]);
    (void)snprintf(w.player, sizeof w.player, "p%u", player);
    (void)snprintf(w.name, sizeof w.name, "n%u \xc3\xa9", rng_below(r, 100));
    w.number = (int64_t)rng_below(r, 20) - 5;
    w.reached_us = rng_chance(r, 30) ? 0 : 1000000 + (int64_t)rng_below(r, 5);
    w.board_flags = rng_chance(r, 40) ? LB_BOARD_ASCENDING : 0;
    if (first || rng_chance(r, 80))
        w.options.flags = LB_WRITE_CREATE;
    if (w.what == COUNT_BEST)
        w.options.flags |= LB_WRITE_BEST;
    return w;
}

static int run(lb_client *c, const write_op *w)
{
    const lb_write_options *o = &w->options;

    switch (w->what) {
    case COUNT_ADD:
        return lb_score_add(c, w->board, w->player, w->number, o, NULL, NULL);
    case COUNT_SET:
    case COUNT_BEST:
        return lb_score_set(c, w->board, w->player, w->number, o, NULL, NULL);
    case COUNT_PUT:
        return lb_player_put(c, w->board, w->player, w->name, o, NULL, NULL);
    case COUNT_REMOVE:
        return lb_player_remove(c, w->board, w->player, NULL, NULL);
    case COUNT_RESTORE:
        return lb_player_restore(c, w->board, w->player, w->name, w->number, w->reached_us, o, NULL,
                                 NULL);
    case COUNT_BOARD_CREATE:
        return lb_board_create(c, w->board, w->board_flags, NULL, NULL, NULL);
    default:
        return lb_board_delete(c, w->board, NULL, NULL);
    }
}

static int start(actor *a, const write_op *w, lb_done_fn done, lb_op **ret)
{
    lb_client *c = a->client;
    const lb_write_options *o = &w->options;

    switch (w->what) {
    case COUNT_ADD:
        return lb_score_add_start(c, w->board, w->player, w->number, o, done, a, ret, NULL);
    case COUNT_SET:
    case COUNT_BEST:
        return lb_score_set_start(c, w->board, w->player, w->number, o, done, a, ret, NULL);
    case COUNT_PUT:
        return lb_player_put_start(c, w->board, w->player, w->name, o, done, a, ret, NULL);
    case COUNT_REMOVE:
        return lb_player_remove_start(c, w->board, w->player, NULL, done, a, ret, NULL);
    case COUNT_RESTORE:
        return lb_player_restore_start(c, w->board, w->player, w->name, w->number, w->reached_us, o,
                                       done, a, ret, NULL);
    case COUNT_BOARD_CREATE:
        return lb_board_create_start(c, w->board, w->board_flags, NULL, done, a, ret, NULL);
    default:
        return lb_board_delete_start(c, w->board, NULL, done, a, ret, NULL);
    }
}

/* A write may be refused for what others have done meanwhile, and for nothing else. */
static void check(const actor *a, int code, const char *message)
{
    if (code >= 0 || code == LB_E_NOTFOUND || code == LB_E_CONFLICT || code == LB_E_RANGE ||
        code == LB_E_CANCELED || code == LB_E_TIMEOUT)
        return;
    if (store->excuses(code)) {
        count(code == LB_E_UNKNOWN ? COUNT_DOUBTS : COUNT_FAILURES);
        return;
    }
    wrong("%s: a write failed: %s (%s)", a->part.name, lb_strerror(code), message);
}

static void on_done(const lb_result *result, void *user)
{
    actor *a = user;

    if (a->pending == 0)
        wrong("%s: an operation has completed twice", a->part.name);
    a->pending--;
    check(a, result->code, result->message);
}

/* Does not wait: what is started together is committed together. */
static void start_one(actor *a, const write_op *w)
{
    lb_op *op = NULL;

    a->pending++;
    if (start(a, w, on_done, &op) < 0)
        wrong("%s: an operation does not start", a->part.name);
    count(COUNT_STARTED);
    if (!rng_chance(&a->random, 10))
        return;
    (void)lb_op_cancel(op);
    count(COUNT_CANCELLED);
}

/* As one would type it; the flags of a write: + creates what is missing. */
static void note(const write_op *w, bool inside)
{
    const char *more = w->options.flags & LB_WRITE_CREATE ? " +" : "";
    const char *where = inside ? " (inside a callback)" : "";

    switch (w->what) {
    case COUNT_ADD:
    case COUNT_SET:
    case COUNT_BEST:
        history_add("%s %s/%s %" PRId64 "%s%s",
                    w->what == COUNT_ADD   ? "add"
                    : w->what == COUNT_SET ? "set"
                                           : "set, if better,",
                    w->board, w->player, w->number, more, where);
        return;
    case COUNT_PUT:
        history_add("put %s/%s '%s'%s%s", w->board, w->player, w->name, more, where);
        return;
    case COUNT_REMOVE:
        history_add("remove %s/%s%s", w->board, w->player, where);
        return;
    case COUNT_RESTORE:
        history_add("restore %s/%s %" PRId64 "@%" PRId64 " '%s'%s%s", w->board, w->player,
                    w->number, w->reached_us, w->name, more, where);
        return;
    case COUNT_BOARD_CREATE:
        history_add("create board %s%s%s", w->board, w->board_flags ? " ascending" : "", where);
        return;
    default:
        history_add("delete board %s%s", w->board, where);
    }
}

void write_next(actor *a, bool inside)
{
    write_op w = draw(a->plan, &a->random, a->n_done++ == 0);

    a->ops_left--;
    count(w.what);
    note(&w, inside);
    if (!inside && rng_chance(&a->random, 30)) {
        start_one(a, &w);
        return;
    }
    check(a, run(a->client, &w), "");
}
