/* The store suite: thousands of random operations on the store and on the model side by side.
 * Every answer must be the same; of reached_us only that it goes up. SUITE_SEED in the environment
 * repeats a run. */
#include "store_suite.h"

#include "model_store.h"
#include "test.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPERATIONS = 10000, BATCH = 24 };

/* One operation and its answer. */
struct op {
    lbi_request question; /* for the model */
    const char *ids[4];
    char cursor[LB_CURSOR_SIZE];
    outcome o;
    row_list rows;
    board_list boards;
};

struct run {
    suite_case *c;
    model model;
    uint64_t seed, random;
    int done;
    int64_t last_us[4]; /* the latest time that the store gave, by board */
    struct op ops[BATCH];
};

static const char *const boards[] = {"b0", "b1", "B1", "b.2"};
static const char *const players[] = {"p0", "p1", "p2",  "p3", "p4",  "p5",      "p6",
                                      "P6", "~",  "0-0", "A",  "a.b", "p6-long", "_"};
static const char *const names[] = {"", "Ann", "Bob", "\xc3\xa9", "\xf0\x9f\x8f\x86"};

static uint64_t pick(struct run *run, uint64_t n)
{
    return model_random(&run->random, n);
}
#define PICK(run, array) ((array)[pick((run), sizeof(array) / sizeof((array)[0]))])

/* ---- questions ------------------------------------------------------------------------------ */

static int64_t pick_amount(struct run *run)
{
    static const int64_t ends[] = {LB_SCORE_MAX, LB_SCORE_MIN, LB_SCORE_MAX - 1, 0};

    return pick(run, 12) ? (int64_t)pick(run, 9) - 4 : PICK(run, ends);
}

static lbi_verb pick_verb(struct run *run, bool writes, bool may_delete)
{
    static const lbi_verb reads[] = {LBI_BOARD_LIST,      LBI_BOARD_INFO, LBI_BOARD_GET,
                                     LBI_PLAYER_GET_MANY, LBI_PLAYER_GET, LBI_PLAYER_AROUND,
                                     LBI_BOARD_GET};
    static const lbi_verb scores[] = {LBI_SCORE_ADD, LBI_SCORE_ADD, LBI_SCORE_SET};
    uint64_t r = pick(run, 100);

    if (!writes)
        return PICK(run, reads);
    if (r < 2 && may_delete)
        return LBI_BOARD_DELETE;
    if (r < 6)
        return LBI_BOARD_CREATE;
    if (r < 14)
        return LBI_PLAYER_PUT;
    return r < 22 ? LBI_PLAYER_REMOVE : PICK(run, scores);
}

/* A key always stands for the same add, so that using it again is a repeat. */
static void pick_key(struct run *run, lbi_request *q)
{
    uint64_t n = pick(run, 40);

    snprintf(q->key, sizeof q->key, "key-%d", (int)n);
    strcpy(q->board, boards[n % 4]);
    strcpy(q->player, players[n % 13]);
    q->verb = LBI_SCORE_ADD;
    q->amount = (int64_t)n % 5 - 2;
    q->flags = LBI_CREATE;
}

static void pick_after(struct run *run, struct op *op)
{
    const model_board *board = model_find_board(&run->model, op->question.board);
    lb_player player = {.id = PICK(run, players)};

    player.score = (int64_t)pick(run, 9) - 4;
    player.reached_us = run->model.last_us - (int64_t)pick(run, 1000);
    if (player.reached_us < 0)
        player.reached_us = 0;
    if (board && board->n_rows && pick(run, 4)) {
        const model_row *row = &board->rows[pick(run, board->n_rows)];

        player = (lb_player){.id = row->id, .score = row->score, .reached_us = row->reached_us};
    }
    CHECK_EQ(lb_player_cursor(&player, op->cursor, sizeof op->cursor), 0);
    CHECK_EQ(lbi_place_parse(op->cursor, &op->question.after, NULL), 0);
    op->question.has_after = true;
}

static void pick_read(struct run *run, struct op *op)
{
    lbi_request *q = &op->question;

    if (pick(run, 2))
        q->flags |= LBI_PLACE;
    q->limit = (uint32_t)pick(run, 9) + 1;
    if (q->verb == LBI_PLAYER_AROUND)
        q->flags |= LBI_PLACE;
    if (q->verb == LBI_BOARD_LIST && pick(run, 2))
        q->board[0] = '\0';
    if (q->verb == LBI_BOARD_GET && pick(run, 3) == 0)
        pick_after(run, op);
    else if (q->verb == LBI_BOARD_GET || (q->verb == LBI_BOARD_LIST && !q->board[0]))
        q->offset = (uint32_t)pick(run, 7);
    q->n_players = q->verb == LBI_PLAYER_GET_MANY ? pick(run, 5) : 0;
    for (size_t i = 0; i < q->n_players; i++)
        op->ids[i] = PICK(run, players);
    q->players = op->ids;
}

static void pick_op(struct run *run, struct op *op, bool writes, bool may_delete)
{
    lbi_request *q = &op->question;

    *op = (struct op){.question = {.verb = pick_verb(run, writes, may_delete)}};
    strcpy(q->board, PICK(run, boards));
    strcpy(q->player, PICK(run, players));
    if (!writes) {
        pick_read(run, op);
        return;
    }
    if (q->verb == LBI_BOARD_CREATE)
        q->flags = LBI_CREATE | (q->board[1] == '1' ? LBI_ASCENDING : 0U);
    if (q->verb == LBI_PLAYER_PUT)
        strcpy(q->name, PICK(run, names));
    if (q->verb == LBI_PLAYER_PUT || q->verb == LBI_SCORE_ADD || q->verb == LBI_SCORE_SET)
        q->flags = pick(run, 3) ? LBI_CREATE : 0;
    if (q->verb == LBI_SCORE_ADD || q->verb == LBI_SCORE_SET)
        q->amount = pick_amount(run);
    if (q->verb == LBI_SCORE_SET && pick(run, 2))
        q->flags |= LBI_BEST;
    if (q->verb == LBI_SCORE_ADD && pick(run, 20) == 0)
        pick_key(run, q);
}

/* ---- to the store --------------------------------------------------------------------------- */

static int on_row(const lb_player *player, void *user)
{
    return row_list_add(player, &((struct op *)user)->rows);
}

static int on_board(const lb_board *board, void *user)
{
    return board_list_add(board, &((struct op *)user)->boards);
}

static void on_done(const lb_result *result, void *user)
{
    outcome_done(result, &((struct op *)user)->o);
}

static int start_write(lb_client *client, struct op *op)
{
    const lbi_request *q = &op->question;
    uint32_t flags = (q->flags & LBI_CREATE ? (uint32_t)LB_WRITE_CREATE : 0) |
                     (q->flags & LBI_BEST ? (uint32_t)LB_WRITE_BEST : 0);
    const lb_write_options *o = suite_options(flags, q->key[0] ? q->key : NULL);

    switch (q->verb) {
    case LBI_BOARD_CREATE:
        return lb_board_create_start(client, q->board,
                                     q->flags & LBI_ASCENDING ? LB_BOARD_ASCENDING : 0, NULL,
                                     on_done, op, NULL, NULL);
    case LBI_BOARD_DELETE:
        return lb_board_delete_start(client, q->board, NULL, on_done, op, NULL, NULL);
    case LBI_PLAYER_PUT:
        return lb_player_put_start(client, q->board, q->player, q->name[0] ? q->name : NULL, o,
                                   on_done, op, NULL, NULL);
    case LBI_PLAYER_REMOVE:
        return lb_player_remove_start(client, q->board, q->player, NULL, on_done, op, NULL, NULL);
    case LBI_SCORE_ADD:
        return lb_score_add_start(client, q->board, q->player, q->amount, o, on_done, op, NULL,
                                  NULL);
    default:
        return lb_score_set_start(client, q->board, q->player, q->amount, o, on_done, op, NULL,
                                  NULL);
    }
}

static int start_read(lb_client *client, struct op *op)
{
    const lbi_request *q = &op->question;
    lb_read_options o;
    lb_range range;

    lb_read_options_init(&o);
    lb_range_init(&range);
    o.flags = q->flags & LBI_PLACE ? (uint32_t)LB_READ_PLACE : 0;
    range.flags = q->flags & LBI_PLACE ? 0 : (uint32_t)LB_READ_NO_PLACE;
    range.limit = q->limit;
    range.offset = q->offset;
    switch (q->verb) {
    case LBI_BOARD_LIST:
        range.flags = 0;
        range.after = q->board[0] ? q->board : NULL;
        return lb_board_list_start(client, &range, on_board, on_done, op, NULL, NULL);
    case LBI_BOARD_INFO:
        return lb_board_info_start(client, q->board, NULL, on_done, op, NULL, NULL);
    case LBI_BOARD_GET:
        range.after = q->has_after ? op->cursor : NULL;
        return lb_board_get_start(client, q->board, &range, on_row, on_done, op, NULL, NULL);
    case LBI_PLAYER_GET_MANY:
        return lb_player_get_many_start(client, q->board, op->ids, q->n_players, &o, on_row,
                                        on_done, op, NULL, NULL);
    case LBI_PLAYER_AROUND:
        return lb_player_around_start(client, q->board, q->player, q->limit, NULL, on_row, on_done,
                                      op, NULL, NULL);
    default:
        return lb_player_get_start(client, q->board, q->player, &o, on_done, op, NULL, NULL);
    }
}

static void start_op(struct run *run, struct op *op)
{
    lb_client *client = run->c->client;

    CHECK_EQ(lbi_verb_writes(op->question.verb) ? start_write(client, op) : start_read(client, op),
             0);
}

/* ---- comparing ------------------------------------------------------------------------------ */

_Noreturn static void differ(const struct run *run, const struct op *op, const char *what,
                             intmax_t store, intmax_t reference)
{
    const lbi_request *q = &op->question;

    FAIL("seed %ju, operation %d (verb %d flags %x %s/%s amount %jd limit %u offset %u after '%s' "
         "name '%s' key '%s'): %s is %jd, by the model %jd",
         (uintmax_t)run->seed, run->done, (int)q->verb, q->flags, q->board, q->player,
         (intmax_t)q->amount, q->limit, q->offset, op->cursor, q->name, q->key, what, store,
         reference);
}

static void compare_row(const struct run *run, const struct op *op, const row_copy *row,
                        const lb_player *reference, bool with_time)
{
    if (strcmp(row->id, reference->id) != 0 || strcmp(row->name, reference->name) != 0 ||
        strcmp(row->board, op->question.board) != 0)
        differ(run, op, row->id, 1, 0);
    if (row->score != reference->score)
        differ(run, op, "score", row->score, reference->score);
    if (row->position != reference->position)
        differ(run, op, "position", (intmax_t)row->position, (intmax_t)reference->position);
    if (row->rank != reference->rank)
        differ(run, op, "rank", (intmax_t)row->rank, (intmax_t)reference->rank);
    if (with_time && row->reached_us != reference->reached_us)
        differ(run, op, "reached_us", row->reached_us, reference->reached_us);
}

/* A new time is not before any other on its board; the model takes it over. */
static void learn_time(struct run *run, const struct op *op)
{
    int64_t us = op->o.player.reached_us, *last = run->last_us;

    for (size_t i = 0; strcmp(boards[i], op->question.board) != 0; i++)
        last++;
    if (us < *last || (run->c->store->strict_time && us == *last))
        differ(run, op, "a new reached_us", us, *last);
    *last = us;
    CHECK(model_learn(&run->model, op->question.board, op->question.player, us));
    for (size_t i = 0; op->question.key[0] && i < run->model.n_keys; i++) {
        if (strcmp(run->model.keys[i].key, op->question.key) == 0)
            run->model.keys[i].row.reached_us = us;
    }
}

static void compare_write(struct run *run, const struct op *op, const lbi_request *q,
                          int64_t before)
{
    if (op->o.has_player != (q->n_rows == 1))
        differ(run, op, "the number of rows", op->o.has_player, (intmax_t)q->n_rows);
    if (!op->o.has_player)
        return;
    if (q->rows[0].reached_us > before) {
        compare_row(run, op, &op->o.player, &q->rows[0], false);
        learn_time(run, op);
    } else {
        compare_row(run, op, &op->o.player, &q->rows[0], true);
    }
}

static void compare_read(const struct run *run, const struct op *op, const lbi_request *q)
{
    bool single = q->verb == LBI_PLAYER_GET;
    size_t n = single ? op->o.has_player : op->rows.n;

    if (n != q->n_rows)
        differ(run, op, "the number of rows", (intmax_t)n, (intmax_t)q->n_rows);
    for (size_t i = 0; i < n; i++)
        compare_row(run, op, single ? &op->o.player : &op->rows.rows[i], &q->rows[i], true);
    if (q->verb == LBI_BOARD_LIST && op->boards.n != q->n_boards)
        differ(run, op, "the number of boards", (intmax_t)op->boards.n, (intmax_t)q->n_boards);
    for (size_t i = 0; i < op->boards.n; i++) {
        if (strcmp(op->boards.boards[i].id, q->boards[i].id) != 0 ||
            op->boards.boards[i].ascending != q->boards[i].ascending)
            differ(run, op, op->boards.boards[i].id, (intmax_t)i, -1);
    }
    if (q->verb == LBI_BOARD_INFO && q->code == 0 && op->o.board.players != q->boards[0].players)
        differ(run, op, "players", op->o.board.players, q->boards[0].players);
}

static void forget_keys(struct run *run, const lbi_request *q)
{
    for (size_t i = 0; i < run->model.n_keys; i++) {
        model_key *key = &run->model.keys[i];

        if (strcmp(key->board, q->board) == 0 && strcmp(key->player, q->player) == 0)
            key->key[0] = '\0';
    }
}

static void compare(struct run *run, struct op *op)
{
    lbi_request q = op->question;
    int64_t before = run->model.last_us;

    run->done++;
    (void)model_apply(&run->model, &q, before);
    if (q.verb == LBI_PLAYER_REMOVE && q.code == 1 && run->c->store->keys_in_rows)
        forget_keys(run, &q);
    if (op->o.count != 1)
        differ(run, op, "the number of completions", op->o.count, 1);
    if (op->o.code != q.code)
        differ(run, op, op->o.message[0] ? op->o.message : "the code", op->o.code, q.code);
    if (q.code >= 0 && lbi_verb_writes(q.verb))
        compare_write(run, op, &q, before);
    else if (q.code >= 0)
        compare_read(run, op, &q);
    lbi_arena_clear(&q.arena);
    row_list_clear(&op->rows);
    board_list_clear(&op->boards);
}

/* Starts n, waits for all, compares in the order in which they were started. A deletion comes last:
 * it takes several steps, and who writes meanwhile is told so. */
static void run_batch(struct run *run, size_t n, bool writes)
{
    for (size_t i = 0; i < n; i++) {
        pick_op(run, &run->ops[i], writes, i == n - 1);
        start_op(run, &run->ops[i]);
    }
    for (size_t i = 0; i < n; i++)
        (void)run_outcome(run->c->client, &run->ops[i].o);
    for (size_t i = 0; i < n; i++)
        compare(run, &run->ops[i]);
}

/* ---- subscribers ---------------------------------------------------------------------------- */

struct check {
    const mirror *m;
    row_list rows;
};

static bool holds(void *user)
{
    const struct check *check = user;

    return mirror_equals(check->m, &check->rows);
}

static void check_mirror(struct run *run, const mirror *m, const char *board)
{
    struct check check = {.m = m};

    for (size_t b = 0; b < run->model.n_boards; b++) {
        const model_board *from = &run->model.boards[b];

        if (board && strcmp(board, from->id) != 0)
            continue;
        for (size_t i = 0; i < from->n_rows; i++) {
            const model_row *row = &from->rows[i];
            lb_player player = {.board = from->id, .id = row->id, .name = row->name};

            player.score = row->score;
            player.reached_us = row->reached_us;
            (void)row_list_add(&player, &check.rows);
        }
    }
    run_until(&run->c->client, 1, holds, &check);
    row_list_clear(&check.rows);
    CHECK(!m->broke_order);
}

static void run_random(suite_case *c, bool batches)
{
    static struct run run;
    const char *seed = getenv("SUITE_SEED");
    mirror one = {.n = 0}, all = {.n = 0};

    run = (struct run){.c = c, .seed = seed ? strtoull(seed, NULL, 10) : 20260101};
    run.random = run.seed;
    CHECK_EQ(lb_changes_subscribe(c->client, "b0", NULL, mirror_apply, &one, NULL, NULL), 0);
    CHECK_EQ(lb_changes_subscribe(c->client, NULL, NULL, mirror_apply, &all, NULL, NULL), 0);
    while (run.done < OPERATIONS) {
        run_batch(&run, batches ? pick(&run, BATCH) + 1 : 1, true);
        run_batch(&run, batches ? pick(&run, 4) : 1, false);
    }
    check_mirror(&run, &one, "b0");
    check_mirror(&run, &all, NULL);
    mirror_clear(&one);
    mirror_clear(&all);
    model_clear(&run.model);
}

void suite_random_operations_one_by_one(suite_case *c)
{
    run_random(c, false);
}

void suite_random_operations_in_batches(suite_case *c)
{
    run_random(c, true);
}
