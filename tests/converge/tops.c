/* Subscribers to tops: order and places, and state ids across all processes of a run. */
#include "actor.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What a delivered top was: appended to a file of the run, which survives a killed process. */
typedef struct top_record {
    uint64_t rows;
    char state[LB_STATE_SIZE];
} top_record;

static uint64_t hash_bytes(uint64_t h, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;

    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * 1099511628211u;
    return h;
}

/* Of what the header says that a state id stands for. */
static uint64_t hash_rows(const row_set *set)
{
    uint64_t h = 14695981039346656037u;

    for (size_t i = 0; i < set->n; i++) {
        const row *r = &set->rows[i];

        h = hash_bytes(h, r->id, strlen(r->id) + 1);
        h = hash_bytes(h, r->name, strlen(r->name) + 1);
        h = hash_bytes(h, &r->score, sizeof r->score);
        h = hash_bytes(h, &r->reached_us, sizeof r->reached_us);
    }
    return h;
}

static void record(const sub *s)
{
    static int fd = -1;
    top_record r;

    memset(&r, 0, sizeof r); /* padding too */
    r.rows = hash_rows(&s->rows);
    memcpy(r.state, s->top_state, sizeof r.state);
    if (fd < 0)
        fd = open("tops", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (write(fd, &r, sizeof r) != sizeof r)
        wrong("cannot write down a top");
}

/* < 0: a comes first on a board that is not ascending, but for equal scores. */
static int compare(const row *a, const row *b, bool ascending)
{
    if (a->score != b->score)
        return (a->score > b->score) != ascending ? -1 : 1;
    if (a->reached_us != b->reached_us)
        return a->reached_us < b->reached_us ? -1 : 1;
    return strcmp(a->id, b->id);
}

static bool is_sorted(const row_set *set, bool ascending)
{
    for (size_t i = 1; i < set->n; i++) {
        if (compare(&set->rows[i - 1], &set->rows[i], ascending) >= 0)
            return false;
    }
    return true;
}

static void check_places(sub *s, const lb_change *change)
{
    uint64_t rank = 1;

    for (size_t i = 0; i < change->n_rows; i++) {
        const lb_player *p = change->rows[i];

        if (i && p->score != change->rows[i - 1]->score)
            rank = i + 1;
        if (p->position != i + 1 || p->rank != rank)
            sub_wrong(s, "row %zu of a top has position %" PRIu64 " and rank %" PRIu64, i + 1,
                      p->position, p->rank);
    }
}

static void check_gone(sub *s)
{
    if (s->state == GONE)
        sub_wrong(s, "GONE twice");
    s->state = GONE;
    s->top_state[0] = '\0';
    rows_forget_board(&s->rows, NULL);
}

void top_take(sub *s, const lb_change *change)
{
    if (!change->board || strcmp(change->board, s->board) != 0)
        sub_wrong(s, "told of another board");
    if (change->type == LB_CHANGE_GONE) {
        check_gone(s);
        return;
    }
    if (change->type != LB_CHANGE_TOP || !change->state || strlen(change->state) > 32)
        sub_wrong(s, "told something else than a top");
    if (change->n_rows > s->top)
        sub_wrong(s, "%zu rows", change->n_rows);
    if (strcmp(change->state, s->top_state) == 0)
        sub_wrong(s, "an unchanged top delivered twice");
    s->state = READY;
    (void)snprintf(s->top_state, sizeof s->top_state, "%s", change->state);
    s->rows.n = 0;
    for (size_t i = 0; i < change->n_rows; i++)
        *rows_append(&s->rows) = row_of(change->rows[i]);
    check_places(s, change);
    if (!store->mixes_directions && !is_sorted(&s->rows, false) && !is_sorted(&s->rows, true))
        sub_wrong(s, "a top out of order");
    record(s);
}

bool top_agrees(const sub *s, const truth *t)
{
    size_t i = 0;

    if (!truth_find(t, s->board))
        return s->state == GONE;
    if (s->state != READY)
        return false;
    for (size_t k = 0; k < t->tops.n && i < s->top; k++) {
        if (strcmp(t->tops.rows[k].board, s->board) != 0)
            continue;
        if (i == s->rows.n || !row_same(&s->rows.rows[i], &t->tops.rows[k]))
            return false;
        i++;
    }
    return i == s->rows.n;
}

/* ---- All processes -------------------------------------------------------------------------- */

static int by_rows(const void *a, const void *b)
{
    const top_record *x = a, *y = b;

    return x->rows != y->rows ? (x->rows > y->rows ? 1 : -1) : strcmp(x->state, y->state);
}

static int by_state(const void *a, const void *b)
{
    int c = strcmp(((const top_record *)a)->state, ((const top_record *)b)->state);

    return c ? c : by_rows(a, b);
}

static void check_pairs(const top_record *records, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        bool rows = records[i - 1].rows == records[i].rows;
        bool states = strcmp(records[i - 1].state, records[i].state) == 0;

        if (rows != states)
            wrong("tops with %s rows have %s state ids: %s and %s", rows ? "equal" : "different",
                  states ? "equal" : "different", records[i - 1].state, records[i].state);
    }
}

void tops_compare(void)
{
    int fd = open("tops", O_RDONLY | O_CLOEXEC);
    off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
    size_t n = (size_t)size / sizeof(top_record);
    top_record *records = malloc((size_t)size + 1);

    if (!records)
        wrong("out of memory");
    if (fd >= 0 && pread(fd, records, (size_t)size, 0) != size)
        wrong("cannot read the tops again");
    qsort(records, n, sizeof *records, by_rows);
    check_pairs(records, n);
    qsort(records, n, sizeof *records, by_state);
    check_pairs(records, n);
    count_more(COUNT_STATES, n);
    free(records);
    if (fd >= 0)
        (void)close(fd);
}
