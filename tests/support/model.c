#include "model.h"

#include "fault.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- arrays --------------------------------------------------------------------------------- */

void *model_realloc(void *old, size_t size)
{
    void *ret;

    fault_suspend();
    ret = realloc(old, size);
    fault_resume();
    if (!ret)
        abort();
    return ret;
}

/* Makes room for one more at place i and returns the array. Arrays double. */
static void *insert(void *array, size_t *n, size_t size, size_t i)
{
    char *p = array;

    if ((*n & (*n - 1)) == 0)
        p = model_realloc(array, (*n ? 2 * *n : 1) * size);
    memmove(p + (i + 1) * size, p + i * size, (*n - i) * size);
    ++*n;
    return p;
}

static void erase(void *array, size_t *n, size_t size, size_t i)
{
    char *p = array;

    --*n;
    memmove(p + i * size, p + (i + 1) * size, (*n - i) * size);
}

void model_clear(model *m)
{
    for (size_t i = 0; i < m->n_boards; i++)
        free(m->boards[i].rows);
    free(m->boards);
    free(m->keys);
    free(m->leases);
    free(m->log);
    *m = (model){.exists = false};
}

static void set_text(char *dst, size_t size, const char *src)
{
    if (strlen(src) >= size)
        abort();
    memcpy(dst, src, strlen(src) + 1);
}
#define SET(array, src) set_text((array), sizeof(array), (src))

static void log_entry(model *m, model_event type, const char *board, const char *player,
                      const model_row *old_row)
{
    model_entry entry = {.type = type, .has_old = old_row != NULL};

    SET(entry.board, board);
    SET(entry.player, player);
    if (old_row)
        entry.old_row = *old_row;
    m->log = insert(m->log, &m->n_log, sizeof *m->log, m->n_log);
    m->log[m->n_log - 1] = entry;
}

/* ---- boards and rows ------------------------------------------------------------------------ */

model_board *model_find_board(const model *m, const char *board)
{
    for (size_t i = 0; i < m->n_boards; i++) {
        if (strcmp(m->boards[i].id, board) == 0)
            return &m->boards[i];
    }
    return NULL;
}

model_row *model_find_row(const model_board *board, const char *player)
{
    for (size_t i = 0; board && i < board->n_rows; i++) {
        if (strcmp(board->rows[i].id, player) == 0)
            return &board->rows[i];
    }
    return NULL;
}

static model_board *add_board(model *m, const char *id, bool ascending, int64_t now_us)
{
    size_t i = 0;

    while (i < m->n_boards && strcmp(m->boards[i].id, id) < 0)
        i++;
    m->boards = insert(m->boards, &m->n_boards, sizeof *m->boards, i);
    m->boards[i] = (model_board){.ascending = ascending, .created_us = now_us};
    SET(m->boards[i].id, id);
    m->exists = true;
    log_entry(m, MODEL_CREATED, id, "", NULL);
    return &m->boards[i];
}

int model_compare(const model_row *a, const model_row *b, bool ascending)
{
    if (a->score > b->score)
        return ascending ? 1 : -1;
    if (a->score < b->score)
        return ascending ? -1 : 1;
    if (a->reached_us != b->reached_us)
        return a->reached_us > b->reached_us ? 1 : -1;
    return strcmp(a->id, b->id);
}

static void remove_row(model_board *board, const char *player)
{
    const model_row *row = model_find_row(board, player);

    if (row)
        erase(board->rows, &board->n_rows, sizeof *row, (size_t)(row - board->rows));
}

static void put_row(model_board *board, const model_row *row)
{
    model_row copy = *row; /* it may be in the array */
    size_t i = 0;

    remove_row(board, copy.id);
    while (i < board->n_rows && model_compare(&board->rows[i], &copy, board->ascending) < 0)
        i++;
    board->rows = insert(board->rows, &board->n_rows, sizeof copy, i);
    board->rows[i] = copy;
}

bool model_learn(model *m, const char *board, const char *player, int64_t reached_us)
{
    model_board *b = model_find_board(m, board);
    const model_row *row = model_find_row(b, player);
    model_row copy;

    if (!row)
        return false;
    copy = *row;
    copy.reached_us = reached_us;
    put_row(b, &copy);
    if (m->last_us < reached_us)
        m->last_us = reached_us;
    return true;
}

/* ---- answers -------------------------------------------------------------------------------- */

static int fail(lbi_request *q, int code)
{
    return lbi_request_fail(q, code, "model: %s", lb_strerror(code));
}

static int answer_row(lbi_request *q, const model_board *board, const model_row *row, bool place,
                      size_t room)
{
    lb_player player = {.board = q->board, .id = row->id, .name = row->name};

    player.score = row->score;
    player.reached_us = row->reached_us;
    if (place) {
        player.position = (uint64_t)(row - board->rows) + 1;
        player.rank = 1;
        for (size_t i = 0; i < board->n_rows; i++) {
            if (board->ascending ? board->rows[i].score < row->score
                                 : board->rows[i].score > row->score)
                player.rank++;
        }
    }
    return lbi_request_add_row(q, &player, room) ? 0 : fail(q, LB_E_NOMEM);
}

static int answer_rows(lbi_request *q, const model_board *board, size_t from, size_t n)
{
    for (size_t i = from; i < from + n; i++) {
        if (answer_row(q, board, &board->rows[i], (q->flags & LBI_PLACE) != 0, n) < 0)
            return q->code;
    }
    return q->code = 0;
}

static int answer_board(lbi_request *q, const model_board *board, bool count, size_t room)
{
    lb_board b = {.id = board->id, .ascending = board->ascending, .players = -1};

    b.created_us = board->created_us;
    if (count)
        b.players = (int64_t)board->n_rows;
    return lbi_request_add_board(q, &b, room) ? 0 : fail(q, LB_E_NOMEM);
}

/* ---- reads ---------------------------------------------------------------------------------- */

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static int list_boards(const model *m, lbi_request *q)
{
    size_t skip = q->offset;

    if (!m->exists)
        return fail(q, LB_E_NOTFOUND);
    for (size_t i = 0; i < m->n_boards && q->n_boards < q->limit; i++) {
        const model_board *board = &m->boards[i];

        if (board->deleting || strcmp(board->id, q->board) <= 0)
            continue;
        if (skip) {
            skip--;
            continue;
        }
        if (answer_board(q, board, false, q->limit) < 0)
            return q->code;
    }
    return q->code = 0;
}

static int get_page(lbi_request *q, const model_board *board)
{
    size_t from = 0;

    if (q->has_after) {
        model_row after = {.score = q->after.score, .reached_us = q->after.reached_us};

        SET(after.id, q->after.player);
        while (from < board->n_rows &&
               model_compare(&board->rows[from], &after, board->ascending) <= 0)
            from++;
    }
    from = smaller(from + q->offset, board->n_rows);
    return answer_rows(q, board, from, smaller(q->limit, board->n_rows - from));
}

static int get_around(lbi_request *q, const model_board *board)
{
    const model_row *row = model_find_row(board, q->player);
    size_t n = smaller(q->limit, board->n_rows), at, above;

    if (!row)
        return fail(q, LB_E_NOTFOUND);
    at = (size_t)(row - board->rows);
    above = (q->limit - 1) / 2;
    at = at > above ? at - above : 0;
    if (at + n > board->n_rows)
        at = board->n_rows - n;
    return answer_rows(q, board, at, n);
}

static int get_many(lbi_request *q, const model_board *board)
{
    for (size_t i = 0; i < q->n_players; i++) {
        const model_row *row = model_find_row(board, q->players[i]);

        if (row && answer_row(q, board, row, (q->flags & LBI_PLACE) != 0, q->n_players) < 0)
            return q->code;
    }
    return q->code = 0;
}

static int get_player(lbi_request *q, const model_board *board)
{
    const model_row *row = model_find_row(board, q->player);

    if (!row)
        return fail(q, LB_E_NOTFOUND);
    return q->code = answer_row(q, board, row, (q->flags & LBI_PLACE) != 0, 1);
}

static int apply_read(model *m, lbi_request *q)
{
    const model_board *board = model_find_board(m, q->board);

    if (q->verb == LBI_BOARD_LIST)
        return list_boards(m, q);
    if (q->verb == LBI_DATABASE_INFO)
        return q->code = lbi_request_add_fact(q, "store", "model") ? 0 : fail(q, LB_E_NOMEM);
    if (!board || board->deleting)
        return fail(q, LB_E_NOTFOUND);
    switch (q->verb) {
    case LBI_BOARD_INFO:
        return q->code = answer_board(q, board, true, 1);
    case LBI_BOARD_GET:
        return get_page(q, board);
    case LBI_PLAYER_AROUND:
        return get_around(q, board);
    case LBI_PLAYER_GET_MANY:
        return get_many(q, board);
    default:
        return get_player(q, board);
    }
}

/* ---- writes --------------------------------------------------------------------------------- */

static int create_board(model *m, lbi_request *q, int64_t now_us)
{
    bool ascending = (q->flags & LBI_ASCENDING) != 0;
    const model_board *board = model_find_board(m, q->board);
    model_board fresh = {.ascending = ascending, .created_us = now_us};

    if (board && (board->deleting || board->ascending != ascending))
        return fail(q, LB_E_CONFLICT);
    if (board)
        return q->code = answer_board(q, board, true, 1);
    SET(fresh.id, q->board);
    if (answer_board(q, &fresh, true, 1) < 0)
        return q->code;
    add_board(m, q->board, ascending, now_us);
    return q->code = 1;
}

/* What the row becomes. Returns 0 or LB_E_RANGE. */
static int change_row(const lbi_request *q, bool ascending, bool is_new, model_row *row)
{
    int64_t score = q->amount;

    if (q->verb == LBI_PLAYER_PUT) {
        if (q->name[0])
            SET(row->name, q->name);
        return 0;
    }
    if (q->verb == LBI_SCORE_ADD)
        score += row->score; /* both are within 2^53: no overflow */
    if (score < LB_SCORE_MIN || score > LB_SCORE_MAX)
        return LB_E_RANGE;
    if ((q->flags & LBI_BEST) && !is_new && (ascending ? score >= row->score : score <= row->score))
        return 0;
    row->score = score;
    return 0;
}

static int write_row(model *m, lbi_request *q, int64_t now_us, model_row *ret)
{
    model_board *board = model_find_board(m, q->board);
    const model_row *there = model_find_row(board, q->player);
    model_row row = {.score = 0}, old;

    if (board && board->deleting)
        return fail(q, LB_E_CONFLICT);
    if (!(q->flags & LBI_CREATE) && (!board || (!there && q->verb != LBI_PLAYER_PUT)))
        return fail(q, LB_E_NOTFOUND);
    SET(row.id, q->player);
    SET(row.name, q->player);
    if (there)
        row = *there;
    old = row;
    if (change_row(q, board && board->ascending, !there, &row) < 0)
        return fail(q, LB_E_RANGE);
    if (!there || row.score != old.score)
        row.reached_us = now_us > m->last_us ? now_us : m->last_us + 1;
    if (answer_row(q, NULL, &row, false, 1) < 0)
        return q->code;
    *ret = row;
    if (there && memcmp(&row, &old, sizeof row) == 0)
        return q->code = 0;
    if (row.reached_us > m->last_us)
        m->last_us = row.reached_us;
    if (!board)
        board = add_board(m, q->board, false, now_us);
    put_row(board, &row);
    log_entry(m, MODEL_CHANGED, q->board, q->player, there ? &old : NULL);
    return q->code = 1;
}

static bool same_use(const model_key *key, const lbi_request *q)
{
    return key->verb == q->verb && key->amount == q->amount &&
           key->best == ((q->flags & LBI_BEST) != 0);
}

/* A key belongs to its player: two players may use the same. */
static model_key *find_key(const model *m, const lbi_request *q)
{
    for (size_t i = 0; i < m->n_keys; i++) {
        model_key *key = &m->keys[i];

        if (strcmp(key->key, q->key) == 0 && strcmp(key->board, q->board) == 0 &&
            strcmp(key->player, q->player) == 0)
            return key;
    }
    return NULL;
}

static int repeat_answer(lbi_request *q, const model_key *key)
{
    if (!same_use(key, q))
        return fail(q, LB_E_CONFLICT);
    if (answer_row(q, NULL, &key->row, false, 1) < 0)
        return q->code;
    return q->code = key->code;
}

static int write_once(model *m, lbi_request *q, int64_t now_us)
{
    model_key *key = q->key[0] ? find_key(m, q) : NULL;
    model_row row;

    if (key)
        return repeat_answer(q, key);
    if (write_row(m, q, now_us, &row) < 0 || !q->key[0])
        return q->code;
    m->keys = insert(m->keys, &m->n_keys, sizeof *key, m->n_keys);
    key = &m->keys[m->n_keys - 1];
    *key = (model_key){.verb = q->verb, .amount = q->amount, .code = q->code, .row = row};
    key->best = (q->flags & LBI_BEST) != 0;
    SET(key->key, q->key);
    SET(key->board, q->board);
    SET(key->player, q->player);
    return q->code;
}

static int remove_player(model *m, lbi_request *q)
{
    model_board *board = model_find_board(m, q->board);
    const model_row *row = model_find_row(board, q->player);
    model_row old;

    if (!row || board->deleting)
        return fail(q, LB_E_NOTFOUND);
    old = *row;
    remove_row(board, q->player);
    log_entry(m, MODEL_CHANGED, q->board, q->player, &old);
    return q->code = 1;
}

int model_delete_begin(model *m, lbi_request *q)
{
    model_board *board = model_find_board(m, q->board);

    if (!board)
        return fail(q, LB_E_NOTFOUND);
    if (!board->deleting)
        log_entry(m, MODEL_GONE, q->board, "", NULL);
    board->deleting = true;
    return q->code = 1;
}

/* With its last row a board loses what was answered to keys, too. */
bool model_delete_step(model *m, const char *id, size_t n)
{
    model_board *board = model_find_board(m, id);

    if (!board || !board->deleting)
        return true;
    board->n_rows -= smaller(n, board->n_rows);
    if (board->n_rows)
        return false;
    free(board->rows);
    for (size_t i = m->n_keys; i-- > 0;) {
        if (strcmp(m->keys[i].board, id) == 0)
            erase(m->keys, &m->n_keys, sizeof *m->keys, i);
    }
    erase(m->boards, &m->n_boards, sizeof *board, (size_t)(board - m->boards));
    return true;
}

static model_lease *find_lease(const model *m, const char *name)
{
    for (size_t i = 0; i < m->n_leases; i++) {
        if (strcmp(m->leases[i].name, name) == 0)
            return &m->leases[i];
    }
    return NULL;
}

static int take_lease(model *m, lbi_request *q, int64_t now_us)
{
    model_lease *lease = find_lease(m, q->board);
    bool mine = lease && strcmp(lease->holder, q->player) == 0;

    if (q->amount == 0) {
        if (mine)
            erase(m->leases, &m->n_leases, sizeof *lease, (size_t)(lease - m->leases));
        return q->code = mine;
    }
    if (lease && !mine && lease->until_us > now_us)
        return q->code = 0;
    if (!lease) {
        m->leases = insert(m->leases, &m->n_leases, sizeof *lease, m->n_leases);
        lease = &m->leases[m->n_leases - 1];
        *lease = (model_lease){.until_us = 0};
        SET(lease->name, q->board);
    }
    SET(lease->holder, q->player);
    lease->until_us = now_us + q->amount * 1000;
    return q->code = 1;
}

int model_apply(model *m, lbi_request *q, int64_t now_us)
{
    switch (q->verb) {
    case LBI_BOARD_CREATE:
        return create_board(m, q, now_us);
    case LBI_BOARD_DELETE:
        if (model_delete_begin(m, q) == 1)
            (void)model_delete_step(m, q->board, SIZE_MAX);
        return q->code;
    case LBI_PLAYER_REMOVE:
        return remove_player(m, q);
    case LBI_PLAYER_PUT:
    case LBI_SCORE_ADD:
    case LBI_SCORE_SET:
        return write_once(m, q, now_us);
    case LBI_LEASE_TAKE:
        return take_lease(m, q, now_us);
    default:
        return apply_read(m, q);
    }
}
