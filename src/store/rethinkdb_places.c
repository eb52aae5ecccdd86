/*
 * Places: how many rows come before a row. The rows whose places are asked for are taken in board
 * order, and what lies between one and the next is counted once. Of a page only the first row's
 * place is counted.
 */
#include "store/rethinkdb.h"

#include "base/str.h"
#include "store/rethinkdb_term.h"

#include <stdlib.h>

/* More players than any server holds; a thousand such sums are still far from an overflow. */
#define COUNT_MOST (INT64_C(1) << 48)

typedef struct point {
    int64_t key, at;
    bool has_at, is_first;
} point;

static void put_point(lbi_term *t, const char *board, const point *p)
{
    lbi_rdb_term_key(t, board);
    if (p->is_first)
        lbi_term_call0(t, LBI_T_MINVAL);
    else
        lbi_term_int(t, p->key);
    if (p->has_at)
        lbi_term_int(t, p->at);
    lbi_term_end(t);
}

static void put_between(lbi_term *t, const char *board, const point *a, const point *b, bool closed)
{
    lbi_term_call(t, LBI_T_BETWEEN);
    lbi_term_literal(t, PLAYERS);
    put_point(t, board, a);
    put_point(t, board, b);
    lbi_term_opts(t);
    lbi_term_key(t, "index");
    lbi_term_text(t, "rank");
    if (closed) {
        lbi_term_key(t, "right_bound");
        lbi_term_text(t, "closed");
    }
    lbi_term_end(t);
}

static void put_count(lbi_term *t, const char *board, const point *a, const point *b)
{
    lbi_term_call(t, LBI_T_COUNT);
    put_between(t, board, a, b, false);
    lbi_term_end(t);
}

/* How many have the same score and time, and a key before this one. */
static void put_ties(lbi_term *t, const char *board, const point *p, const char *id)
{
    lbi_term_call(t, LBI_T_COUNT);
    lbi_term_call(t, LBI_T_FILTER);
    put_between(t, board, p, p, true);
    lbi_term_func(t, 1, 3);
    lbi_term_call(t, LBI_T_LT);
    lbi_term_field(t, 3, "key");
    lbi_rdb_term_key(t, board);
    lbi_term_text(t, id);
    lbi_term_end(t);
    lbi_term_end(t);
    lbi_term_end(t);
    lbi_term_end(t);
    lbi_term_end(t);
}

/* [better scores, the same score but earlier, ties], each counted from the row before. */
static void put_place(lbi_term *t, const char *board, bool ascending, const lb_player *row,
                      point *from)
{
    point score = {.key = lbi_rdb_rank_key(ascending, row->score)}, exact = score;

    exact.has_at = true;
    exact.at = row->reached_us;
    lbi_term_array(t);
    if (!from->is_first && from->key == score.key) {
        lbi_term_int(t, 0);
        put_count(t, board, from, &exact);
    } else {
        put_count(t, board, from, &score);
        put_count(t, board, &score, &exact);
    }
    put_ties(t, board, &exact, row->id);
    lbi_term_end(t);
    *from = exact;
}

static int compare_rows(const void *a, const void *b, void *user)
{
    const lbi_rdb_read *read = user;
    const lb_player *x = &read->request->rows[*(const uint32_t *)a];
    const lb_player *y = &read->request->rows[*(const uint32_t *)b];
    lbi_place p = {.score = x->score, .reached_us = x->reached_us};
    lbi_place q = {.score = y->score, .reached_us = y->reached_us};

    lbi_copy(p.player, sizeof p.player, x->id);
    lbi_copy(q.player, sizeof q.player, y->id);
    return lbi_place_compare(&p, &q, read->ascending);
}

static bool is_page(const lbi_request *request)
{
    return request->verb == LBI_BOARD_GET || request->verb == LBI_PLAYER_AROUND;
}

/* How many rows are counted up to. */
static size_t n_counted(const lbi_request *request)
{
    return is_page(request) ? 1 : request->n_rows;
}

/* Takes the counts of one row. False: they are none. */
static bool read_counts(const lbi_json *value, int64_t counts[3])
{
    const lbi_json *count = lbi_json_first(value);

    for (int i = 0; i < 3; i++, count = lbi_json_next(count)) {
        if (!count || !lbi_json_int(count, &counts[i]) || counts[i] < 0 || counts[i] > COUNT_MOST)
            return false;
    }
    return true;
}

void lbi_rdb_places_follow(lbi_request *request)
{
    for (size_t i = 1; i < request->n_rows; i++) {
        lb_player *row = &request->rows[i], *above = row - 1;

        row->position = above->position + 1;
        row->rank = above->score == row->score ? above->rank : row->position;
    }
}

static bool accept_places(lbi_rdb_read *read, const lbi_json *value)
{
    lbi_request *request = read->request;
    const lbi_json *place = lbi_json_first(value);
    int64_t before = 0, better = 0, counts[3];
    const uint32_t *order = read->order;

    for (size_t i = 0; i < n_counted(request); i++, place = lbi_json_next(place)) {
        lb_player *row = &request->rows[order[i]];
        bool same = i > 0 && request->rows[order[i - 1]].score == row->score;

        if (!place || !read_counts(place, counts))
            return false;
        if (!same)
            better = before + counts[0];
        before += counts[0] + counts[1];
        row->rank = (uint64_t)better + 1;
        row->position = (uint64_t)(before + counts[2]) + 1;
    }
    if (is_page(request)) {
        if (request->offset)
            request->rows[0].position = (uint64_t)request->offset + 1;
        if (request->rows[0].rank > request->rows[0].position)
            request->rows[0].rank = request->rows[0].position;
        lbi_rdb_places_follow(request);
    }
    return true;
}

static int on_places(const lbi_reql_reply *reply, void *user)
{
    lbi_rdb_read *read = user;

    if (read->store->freeing)
        return 0;
    read->query = NULL;
    if (reply->code < 0)
        lbi_rdb_read_refuse(read, reply);
    else if (accept_places(read, lbi_json_first(reply->answer->values)))
        lbi_rdb_read_finish(read);
    else
        lbi_rdb_read_fail(read, LB_E_PROTO, "the server's answer makes no sense");
    return 0;
}

void lbi_rdb_places_ask(lbi_rdb_read *read)
{
    lbi_request *request = read->request;
    size_t n = n_counted(request);
    point from = {.is_first = true};
    lbi_term *t = &read->store->term;

    read->order = lbi_arena_alloc(&request->arena, request->n_rows * sizeof *read->order);
    if (!read->order) {
        lbi_rdb_read_fail(read, LB_E_NOMEM, lb_strerror(LB_E_NOMEM));
        return;
    }
    for (size_t i = 0; i < request->n_rows; i++)
        read->order[i] = (uint32_t)i;
    if (!is_page(request))
        qsort_r(read->order, n, sizeof *read->order, compare_rows, read);
    lbi_term_query(t);
    lbi_term_array(t);
    for (size_t i = 0; i < n; i++)
        put_place(t, request->board, read->ascending, &request->rows[read->order[i]], &from);
    lbi_term_end(t);
    lbi_rdb_read_send(read, on_places);
}
