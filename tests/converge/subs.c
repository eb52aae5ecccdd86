/* Subscribers: they apply what they get as the header says, and check that they are told in the
 * order that it promises. */
#include "actor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kind_names[] = {"board", "all", "hints", "all hints", "top"};
static const char *const type_names[] = {"?", "RESET", "ROW", "READY", "CHANGE", "GONE", "TOP"};

static void print_trail(const sub *s)
{
    size_t from = s->n_trail > TRAIL_LINES ? s->n_trail - TRAIL_LINES : 0;

    printf("it was told, last (from the %zu. on):", from + 1);
    for (size_t i = from; i < s->n_trail; i++)
        printf("\n    %s", s->trail[i % TRAIL_LINES]);
}

void sub_wrong(sub *s, const char *format, ...)
{
    va_list args;

    printf("%s: subscriber (%s %s", s->actor->part.name, kind_names[s->kind],
           *s->board ? s->board : "*");
    if (s->top)
        printf(", n = %u", s->top);
    printf("): ");
    va_start(args, format);
    (void)vprintf(format, args);
    va_end(args);
    printf("\n");
    print_trail(s);
    wrong("%s", "");
}

/* ---- Reading again: subscribers without rows ------------------------------------------------ */

static bool can_be(int code)
{
    return store->excuses(code) || code == LB_E_NOTFOUND || code == LB_E_TIMEOUT ||
           code == LB_E_CONFLICT;
}

static void check_read(sub *s, int code)
{
    if (code < 0 && !can_be(code))
        sub_wrong(s, "reading again failed: %s", lb_strerror(code));
    if (code < 0 && code != LB_E_NOTFOUND)
        s->reread = true;
}

static int keep_row(const lb_player *player, void *user)
{
    sub *s = user;
    row r = row_of(player);

    rows_put(&s->rows, &r);
    return 0;
}

static void read_board(sub *s, const char *board)
{
    lb_range range;

    lb_range_init(&range);
    range.limit = LB_LIMIT_MAX; /* no board is larger here */
    check_read(s, lb_board_get(s->actor->client, board, &range, keep_row, s, NULL));
}

static void read_all(sub *s)
{
    s->reread = false;
    rows_forget_board(&s->rows, NULL);
    for (size_t i = 0; i < N_BOARDS; i++) {
        if (!*s->board || strcmp(s->board, board_ids[i]) == 0)
            read_board(s, board_ids[i]);
    }
}

static void read_row(sub *s, const char *board, const char *id)
{
    const lb_player *player = NULL;
    int code = lb_player_get(s->actor->client, board, id, NULL, &player, NULL);

    check_read(s, code);
    if (code == 0)
        (void)keep_row(player, s);
    else if (code == LB_E_NOTFOUND)
        rows_forget(&s->rows, board, id);
}

static void take_hint(sub *s, const lb_change *change)
{
    const lb_player *player = change->new_row ? change->new_row : change->old_row;

    if (change->type == LB_CHANGE_RESET)
        read_all(s);
    else if (change->type == LB_CHANGE_GONE)
        rows_forget_board(&s->rows, change->board);
    else if (change->type == LB_CHANGE_CHANGE)
        read_row(s, player->board, player->id);
}

/* ---- Applying ------------------------------------------------------------------------------- */

static void take(sub *s, const lb_change *change)
{
    switch (change->type) {
    case LB_CHANGE_RESET:
        rows_forget_board(&s->rows, NULL);
        break;
    case LB_CHANGE_GONE:
        rows_forget_board(&s->rows, change->board);
        break;
    case LB_CHANGE_ROW:
    case LB_CHANGE_CHANGE:
        if (change->new_row)
            (void)keep_row(change->new_row, s);
        else
            rows_forget(&s->rows, change->old_row->board, change->old_row->id);
        break;
    default:
        break;
    }
}

/* ---- The order of things -------------------------------------------------------------------- */

static bool is_for_all(const sub *s)
{
    return s->kind == SUB_ALL || s->kind == SUB_ALL_HINTS;
}

static void check_player(sub *s, const lb_change *change, const lb_player *player)
{
    if (!change->board || strcmp(player->board, change->board) != 0)
        sub_wrong(s, "a row of board %s in a change of another", player->board);
    if (*s->board && strcmp(player->board, s->board) != 0)
        sub_wrong(s, "a row of board %s", player->board);
    if (player->position || player->rank)
        sub_wrong(s, "a row with a place");
}

static void check_parts(sub *s, const lb_change *change)
{
    bool names_board = change->type != LB_CHANGE_RESET && change->type != LB_CHANGE_READY;

    if ((change->board != NULL) != (names_board || !is_for_all(s)))
        sub_wrong(s, "a change that names a board and should not, or the other way round");
    if (change->old_row)
        check_player(s, change, change->old_row);
    if (change->new_row)
        check_player(s, change, change->new_row);
    if (change->type == LB_CHANGE_CHANGE && !change->old_row && !change->new_row)
        sub_wrong(s, "a CHANGE of no row");
    if (change->old_row && change->new_row && strcmp(change->old_row->id, change->new_row->id) != 0)
        sub_wrong(s, "a CHANGE of two players");
}

static bool in_order(const sub *s, int type)
{
    bool holds = s->state == FILLING || s->state == READY;

    switch (type) {
    case LB_CHANGE_RESET:
        return true;
    case LB_CHANGE_ROW:
        return s->state == FILLING && (s->kind == SUB_BOARD || s->kind == SUB_ALL);
    case LB_CHANGE_READY:
        return s->state == FILLING;
    case LB_CHANGE_CHANGE:
        return holds;
    case LB_CHANGE_GONE:
        return holds || !is_for_all(s); /* of one board also again, or first of all */
    default:
        return false;
    }
}

static void step_state(sub *s, int type)
{
    if (!in_order(s, type))
        sub_wrong(s, "a %s that may not come here", type_names[type]);
    if (type == LB_CHANGE_RESET)
        s->state = FILLING;
    else if (type == LB_CHANGE_READY)
        s->state = READY;
    else if (type == LB_CHANGE_GONE && !is_for_all(s))
        s->state = GONE;
}

static void note(sub *s, const lb_change *change)
{
    const lb_player *player = change->new_row ? change->new_row : change->old_row;
    char *line = s->trail[s->n_trail++ % TRAIL_LINES];
    int type = change->type;
    row r;

    if (s->ended)
        sub_wrong(s, "told of a change after its end");
    if (type < LB_CHANGE_RESET || type > LB_CHANGE_TOP)
        sub_wrong(s, "a change of type %d", type);
    (void)snprintf(line, TRAIL_WIDTH, "%s %s", type_names[type],
                   change->board ? change->board : "*");
    if (player) {
        r = row_of(player);
        (void)snprintf(line, TRAIL_WIDTH, "%s%s %s", type_names[type],
                       change->new_row ? "" : ", removed", row_text(&r));
    } else if (type == LB_CHANGE_TOP) {
        (void)snprintf(line, TRAIL_WIDTH, "TOP %zu rows, state %s", change->n_rows, change->state);
    }
    count(COUNT_RESETS + type - LB_CHANGE_RESET);
}

/* ---- Inside callbacks ----------------------------------------------------------------------- */

static void cancel_another(sub *s)
{
    actor *a = s->actor;
    sub *other = a->subs[rng_below(&a->random, (uint32_t)a->n_subs)];

    if (other == s || other->ended)
        return;
    other->ended = true;
    other->handle = lb_changes_cancel(other->handle);
    count(COUNT_CANCEL);
}

static int end_itself(sub *s, bool by_result)
{
    s->ended = true;
    count(by_result ? COUNT_STOP : COUNT_CANCEL_SELF);
    if (!by_result)
        (void)lb_changes_cancel(s->handle);
    s->handle = NULL;
    return by_result;
}

static int disturb(sub *s)
{
    actor *a = s->actor;

    if (!a->churns || !rng_chance(&a->random, 8))
        return 0;
    switch (rng_below(&a->random, 5)) {
    case 0:
        sub_open(a);
        count(COUNT_SUBSCRIBE);
        return 0;
    case 1:
        cancel_another(s);
        return 0;
    case 2:
        return end_itself(s, false);
    case 3:
        return end_itself(s, true);
    default:
        if (a->ops_left) {
            write_next(a, true);
            count(COUNT_WRITE);
        }
        return 0;
    }
}

static int on_change(const lb_change *change, void *user)
{
    sub *s = user;

    note(s, change);
    if (s->kind == SUB_TOP) {
        top_take(s, change);
        return disturb(s);
    }
    check_parts(s, change);
    step_state(s, change->type);
    if (s->kind == SUB_HINTS || s->kind == SUB_ALL_HINTS)
        take_hint(s, change);
    else
        take(s, change);
    return disturb(s);
}

/* ---- Beginning and end ---------------------------------------------------------------------- */

static void draw_kind(sub *s, rng *r, lb_changes_options *options)
{
    static const sub_kind kinds[] = {SUB_BOARD,     SUB_BOARD, SUB_ALL, SUB_HINTS,
                                     SUB_ALL_HINTS, SUB_TOP,   SUB_TOP, SUB_TOP};
    static const uint32_t tops[] = {1, 2, 3, 5, 10, 100, LB_LIMIT_MAX};
    static const uint32_t pauses[] = {1, 1, 2, 5, 20, 20, 20, 0};
    const char *board = board_ids[rng_below(r, N_BOARDS)];

    s->kind = kinds[rng_below(r, sizeof kinds / sizeof kinds[0])];
    if (!is_for_all(s))
        (void)snprintf(s->board, sizeof s->board, "%s", board);
    if (s->kind == SUB_HINTS || s->kind == SUB_ALL_HINTS)
        options->flags = LB_CHANGES_NO_ROWS;
    if (s->kind != SUB_TOP)
        return;
    s->top = options->top = tops[rng_below(r, sizeof tops / sizeof tops[0])];
    options->min_interval_ms = pauses[rng_below(r, sizeof pauses / sizeof pauses[0])];
}

void sub_open(actor *a)
{
    lb_changes_options options;
    lb_error error;
    sub *s;

    if (a->n_subs == SUBS_MAX)
        return;
    s = calloc(1, sizeof *s);
    if (!s)
        wrong("out of memory");
    s->actor = a;
    lb_changes_options_init(&options);
    draw_kind(s, &a->random, &options);
    a->subs[a->n_subs++] = s;
    if (lb_changes_subscribe(a->client, *s->board ? s->board : NULL, &options, on_change, s,
                             &s->handle, &error) < 0)
        wrong("%s cannot subscribe: %s", a->part.name, error.msg);
}

void sub_free(sub *s)
{
    rows_free(&s->rows);
    free(s);
}

void sub_count(const sub *s)
{
    static const int kinds[] = {COUNT_BOARDS, COUNT_ALL, COUNT_HINTS, COUNT_ALL_HINTS,
                                COUNT_TOPS_HELD};

    if (!s->ended)
        count(kinds[s->kind]);
}

static bool is_mine(const sub *s, const row *r)
{
    return !*s->board || strcmp(s->board, r->board) == 0;
}

/* The first row in which they differ: what is held and what is stored, either may be NULL. */
static bool differ(const sub *s, const truth *t, const row **held, const row **stored)
{
    size_t i = 0;

    for (size_t k = 0; k < t->rows.n; k++) {
        if (!is_mine(s, &t->rows.rows[k]))
            continue;
        *held = i < s->rows.n ? &s->rows.rows[i++] : NULL;
        *stored = &t->rows.rows[k];
        if (!*held || !row_same(*held, *stored))
            return true;
    }
    *held = i < s->rows.n ? &s->rows.rows[i] : NULL;
    *stored = NULL;
    return *held != NULL;
}

bool sub_agrees(sub *s, const truth *t)
{
    const row *held, *stored;

    if (s->ended)
        return true;
    if (s->kind == SUB_TOP)
        return top_agrees(s, t);
    if (s->reread)
        read_all(s);
    if (*s->board && !truth_find(t, s->board))
        return s->state == GONE && s->rows.n == 0;
    return s->state == READY && !s->reread && !differ(s, t, &held, &stored);
}

void sub_explain(sub *s, const truth *t)
{
    static const char *const states[] = {"has heard nothing", "is not READY", "is READY",
                                         "was told GONE"};
    const row *held = NULL, *stored = NULL;

    if (s->kind == SUB_TOP)
        held = s->rows.n ? &s->rows.rows[0] : NULL;
    else
        (void)differ(s, t, &held, &stored);
    sub_wrong(s,
              "does not come to hold the store's state: %s, holds %zu rows, %s; first "
              "difference: holds %s, stored is %s; the board %s",
              states[s->state], s->rows.n, s->reread ? "should read again" : "has read all",
              row_text(held), row_text(stored),
              *s->board && !truth_find(t, s->board) ? "does not exist" : "exists");
}
