#include "capture.h"

#include "fault.h"
#include "test.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Makes room for one more. The test's own memory: no allocation failure is spent on it. */
static void *grow(void *old, size_t n, size_t size)
{
    void *ret;

    if ((n & (n - 1)) != 0)
        return old; /* arrays double */
    fault_suspend();
    ret = realloc(old, (n ? 2 * n : 1) * size);
    fault_resume();
    CHECK(ret != NULL);
    return ret;
}

static void set_text(char *dst, size_t size, const char *src)
{
    CHECK(src && strlen(src) < size);
    memcpy(dst, src, strlen(src) + 1);
}
#define SET(array, src) set_text((array), sizeof(array), (src))

row_copy copy_row(const lb_player *player)
{
    row_copy ret = {.score = player->score, .reached_us = player->reached_us};

    ret.position = player->position;
    ret.rank = player->rank;
    SET(ret.board, player->board);
    SET(ret.id, player->id);
    SET(ret.name, player->name);
    return ret;
}

board_copy copy_board(const lb_board *board)
{
    board_copy ret = {.ascending = board->ascending, .created_us = board->created_us};

    ret.players = board->players;
    SET(ret.id, board->id);
    return ret;
}

/* ---- lists ---------------------------------------------------------------------------------- */

int row_list_add(const lb_player *player, void *user)
{
    row_list *list = user;

    list->rows = grow(list->rows, list->n, sizeof *list->rows);
    list->rows[list->n++] = copy_row(player);
    return list->n == list->stop_at ? list->stop_with : 0;
}

int board_list_add(const lb_board *board, void *user)
{
    board_list *list = user;

    list->boards = grow(list->boards, list->n, sizeof *list->boards);
    list->boards[list->n++] = copy_board(board);
    return 0;
}

void row_list_clear(row_list *list)
{
    free(list->rows);
    *list = (row_list){.n = 0};
}

void board_list_clear(board_list *list)
{
    free(list->boards);
    *list = (board_list){.n = 0};
}

static _Thread_local char line[8192];

static void append(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void append(const char *format, ...)
{
    size_t used = strlen(line);
    va_list args;

    va_start(args, format);
    vsnprintf(line + used, sizeof line - used, format, args);
    va_end(args);
}

const char *row_list_text(const row_list *list)
{
    line[0] = '\0';
    for (size_t i = 0; i < list->n; i++)
        append("%s%s:%lld", i ? " " : "", list->rows[i].id, (long long)list->rows[i].score);
    return line;
}

const char *row_list_places(const row_list *list)
{
    line[0] = '\0';
    for (size_t i = 0; i < list->n; i++)
        append("%s%ju/%ju/%s", i ? " " : "", (uintmax_t)list->rows[i].position,
               (uintmax_t)list->rows[i].rank, list->rows[i].id);
    return line;
}

const char *board_list_text(const board_list *list)
{
    line[0] = '\0';
    for (size_t i = 0; i < list->n; i++)
        append("%s%s", i ? " " : "", list->boards[i].id);
    return line;
}

/* ---- operations ----------------------------------------------------------------------------- */

void outcome_done(const lb_result *result, void *user)
{
    outcome *o = user;

    o->count++;
    if (o->sequence)
        o->order = ++*o->sequence;
    o->code = result->code;
    CHECK(result->message != NULL);
    CHECK_EQ(result->message[0] != '\0', result->code < 0);
    SET(o->message, result->message);
    o->has_player = result->player != NULL;
    o->has_board = result->board != NULL;
    if (result->player)
        o->player = copy_row(result->player);
    if (result->board)
        o->board = copy_board(result->board);
}

/* ---- loops ---------------------------------------------------------------------------------- */

void run_idle(lb_client *client)
{
    int r;

    while ((r = lb_client_process(client)) == 1)
        ;
    CHECK_EQ(r, 0);
}

static uint64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* As an outer loop does it: all descriptors, the nearest deadline. */
static void sleep_all(lb_client *const *clients, size_t n)
{
    struct pollfd set[8];
    uint64_t nearest = LB_NEVER, now;
    int timeout = -1;

    CHECK(n <= 8);
    for (size_t i = 0; i < n; i++) {
        uint64_t deadline = 0;

        CHECK_EQ(lb_client_deadline(clients[i], &deadline), 0);
        nearest = deadline < nearest ? deadline : nearest;
        set[i] = (struct pollfd){.fd = lb_client_fd(clients[i]), .events = POLLIN};
    }
    now = now_us();
    if (nearest != LB_NEVER)
        timeout = nearest > now ? (int)((nearest - now + 999) / 1000) : 0;
    poll(set, n, timeout);
}

void run_until(lb_client *const *clients, size_t n, bool (*is_true)(void *user), void *user)
{
    while (!is_true(user)) {
        int busy = 0;

        for (size_t i = 0; i < n; i++)
            busy |= lb_client_process(clients[i]);
        CHECK_OK(busy);
        if (!busy && !is_true(user))
            sleep_all(clients, n);
    }
}

static bool has_ended(void *user)
{
    const outcome *o = user;

    return o->count > 0;
}

int run_outcome(lb_client *client, const outcome *o)
{
    run_until(&client, 1, has_ended, (outcome *)(uintptr_t)o);
    CHECK_EQ(o->count, 1);
    return o->code;
}

/* ---- mirrors -------------------------------------------------------------------------------- */

static int compare_rows(const row_copy *a, const char *board, const char *id)
{
    int r = strcmp(a->board, board);

    return r ? r : strcmp(a->id, id);
}

/* Where the row is or belongs. */
static size_t find_place(const mirror *m, const char *board, const char *id, bool *ret_held)
{
    size_t low = 0, high = m->n;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (compare_rows(&m->rows[middle], board, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_held = low < m->n && compare_rows(&m->rows[low], board, id) == 0;
    return low;
}

static void put(mirror *m, const lb_player *player)
{
    bool held;
    size_t i = find_place(m, player->board, player->id, &held);

    if (!held) {
        m->rows = grow(m->rows, m->n, sizeof *m->rows);
        memmove(&m->rows[i + 1], &m->rows[i], (m->n - i) * sizeof *m->rows);
        m->n++;
    }
    m->rows[i] = copy_row(player);
}

static void forget(mirror *m, const char *board, const char *id)
{
    bool held;
    size_t i = find_place(m, board, id, &held);

    if (!held)
        return;
    m->n--;
    memmove(&m->rows[i], &m->rows[i + 1], (m->n - i) * sizeof *m->rows);
}

static void forget_board(mirror *m, const char *board)
{
    size_t kept = 0;

    for (size_t i = 0; i < m->n; i++) {
        if (board && strcmp(m->rows[i].board, board) != 0)
            m->rows[kept++] = m->rows[i];
    }
    m->n = kept;
}

static void apply_change(mirror *m, const lb_change *change)
{
    const lb_player *row = change->new_row ? change->new_row : change->old_row;

    m->changes++;
    CHECK(row && row->id && row->id[0]);
    SET(m->last_id, row->id);
    if (change->new_row) {
        CHECK_STR(change->new_row->board, change->board);
        put(m, change->new_row);
        return;
    }
    m->removals++;
    forget(m, change->board, row->id);
}

static void apply_top(mirror *m, const lb_change *change)
{
    m->tops++;
    m->repeated += strcmp(m->state, change->state) == 0;
    SET(m->state, change->state);
    forget_board(m, NULL);
    for (size_t i = 0; i < change->n_rows; i++) {
        CHECK_EQ(change->rows[i]->position, i + 1);
        put(m, change->rows[i]);
    }
}

int mirror_apply(const lb_change *change, void *user)
{
    mirror *m = user;
    bool begins = change->type == LB_CHANGE_RESET || change->type == LB_CHANGE_GONE ||
                  change->type == LB_CHANGE_TOP;

    m->broke_order |= m->events == 0 && !begins;
    m->events++;
    m->is_gone = change->type == LB_CHANGE_GONE;
    switch (change->type) {
    case LB_CHANGE_RESET:
        m->resets++;
        m->is_ready = false;
        forget_board(m, NULL);
        break;
    case LB_CHANGE_ROW:
        m->rows_given++;
        m->broke_order |= m->is_ready || !change->new_row;
        put(m, change->new_row);
        break;
    case LB_CHANGE_READY:
        m->readies++;
        m->is_ready = true;
        break;
    case LB_CHANGE_CHANGE:
        apply_change(m, change);
        break;
    case LB_CHANGE_GONE:
        m->gones++;
        m->state[0] = '\0';
        SET(m->last_gone, change->board);
        forget_board(m, change->board);
        break;
    case LB_CHANGE_TOP:
        apply_top(m, change);
        break;
    default:
        FAIL("a change of type %d", change->type);
    }
    return m->events == m->cancel_at;
}

void mirror_clear(mirror *m)
{
    free(m->rows);
    *m = (mirror){.n = 0};
}

bool mirror_equals(const mirror *m, const row_list *list)
{
    if (m->n != list->n)
        return false;
    for (size_t k = 0; k < list->n; k++) {
        const row_copy *row = &list->rows[k];
        bool held;
        size_t i = find_place(m, row->board, row->id, &held);

        if (!held || m->rows[i].score != row->score || m->rows[i].reached_us != row->reached_us ||
            strcmp(m->rows[i].name, row->name) != 0)
            return false;
    }
    return true;
}

int read_all(lb_client *client, const char *board, row_list *list)
{
    char cursor[LB_CURSOR_SIZE];
    lb_range range;
    size_t before;
    int r;

    lb_range_init(&range);
    range.limit = 7;
    range.flags = LB_READ_NO_PLACE;
    do {
        before = list->n;
        r = lb_board_get(client, board, &range, row_list_add, list, NULL);
        if (r < 0 || list->n == before)
            break;
        lb_player last = {.id = list->rows[list->n - 1].id};

        last.score = list->rows[list->n - 1].score;
        last.reached_us = list->rows[list->n - 1].reached_us;
        CHECK_EQ(lb_player_cursor(&last, cursor, sizeof cursor), 0);
        range.after = cursor;
    } while (list->n - before == range.limit);
    return r;
}
