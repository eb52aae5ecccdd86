#include "party.h"

#include "os/clock.h"
#include "test.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Watchers ------------------------------------------------------------------------------- */

static void on_notice(const lb_notice *notice, void *user)
{
    watcher *w = user;

    if (w->notices[notice->kind]++ == 0)
        w->first_us[notice->kind] = lbi_clock_us();
    snprintf(w->notice, sizeof w->notice, "%s", notice->message);
}

void watcher_open(watcher *w, const char *url, const lb_options *opts)
{
    lb_options o;
    lb_error error;

    *w = (watcher){.client = NULL};
    lb_options_init(&o);
    if (opts)
        o = *opts;
    o.database = url;
    o.notice = on_notice;
    o.notice_user = w;
    if (o.timeout_ms == 0)
        o.timeout_ms = 20000;
    if (lb_client_new(&o, &w->client, &error) < 0)
        FAIL("no client: %s", error.msg);
}

void watcher_follow(watcher *w, const char *board)
{
    CHECK_OK(lb_changes_subscribe(w->client, board, NULL, mirror_apply, &w->m, NULL, NULL));
}

void watcher_forget_notices(watcher *w)
{
    memset(w->notices, 0, sizeof w->notices);
    memset(w->first_us, 0, sizeof w->first_us);
}

void watcher_close(watcher *w)
{
    lb_client_free(w->client);
    mirror_clear(&w->m);
}

/* ---- Adders --------------------------------------------------------------------------------- */

struct add {
    adder *adder;
    account *account;
    int64_t amount;
    uint64_t started_us;
    char key[32];
};

static void on_added(const lb_result *result, void *user);

static void start(struct add *add)
{
    adder *a = add->adder;
    lb_write_options opts;
    lb_error error;

    lb_write_options_init(&opts);
    opts.flags = a->existing ? 0 : LB_WRITE_CREATE;
    opts.idempotency_key = a->keyed ? add->key : NULL;
    add->started_us = lbi_clock_us();
    if (lb_score_add_start(a->w.client, "b", add->account->player, add->amount, &opts, on_added,
                           add, NULL, &error) < 0)
        FAIL("an add cannot be started: %s", error.msg);
    a->pending++;
}

static void count_done(const struct add *add)
{
    adder *a = add->adder;

    a->done++;
    add->account->done += add->amount;
    if (a->fence_us && !a->after_us && add->started_us >= a->fence_us)
        a->after_us = lbi_clock_us();
}

static void on_added(const lb_result *result, void *user)
{
    struct add *add = user;
    adder *a = add->adder;

    a->pending--;
    if (result->code == LB_E_CLOSED) {
        free(add);
        return;
    }
    if (result->code < 0) {
        snprintf(a->message, sizeof a->message, "%s", result->message);
        if (result->code != LB_E_UNKNOWN && result->code != LB_E_TIMEOUT)
            FAIL("adder %u: %s: %s", a->id, lb_error_name(result->code), result->message);
        a->doubtful += result->code == LB_E_UNKNOWN;
        a->late += result->code == LB_E_TIMEOUT;
    }
    if (result->code < 0 && a->keyed) {
        a->repeated++;
        start(add);
        return;
    }
    if (result->code >= 0)
        count_done(add);
    else if (result->code == LB_E_UNKNOWN)
        add->account->doubtful += add->amount;
    free(add);
}

void adder_open(adder *a, const char *url, const lb_options *opts, unsigned id, unsigned n_players,
                bool keyed)
{
    *a = (adder){.id = id, .n_players = n_players, .keyed = keyed};
    for (unsigned i = 0; i < n_players; i++)
        snprintf(a->accounts[i].player, sizeof a->accounts[i].player, "p%u-%u", id, i);
    watcher_open(&a->w, url, opts);
}

void adder_fill(adder *a, unsigned ahead)
{
    while (a->pending < ahead) {
        struct add *add = malloc(sizeof *add);

        CHECK(add != NULL);
        *add = (struct add){.adder = a,
                            .account = &a->accounts[a->started % a->n_players],
                            .amount = 1 + a->started % 5};
        snprintf(add->key, sizeof add->key, "k-%u-%u", a->id, a->started);
        a->started++;
        start(add);
    }
}

void adder_fence(adder *a)
{
    a->fence_us = lbi_clock_us();
    a->after_us = 0;
}

static int64_t score_in(const row_list *rows, const char *player)
{
    for (size_t i = 0; i < rows->n; i++) {
        if (strcmp(rows->rows[i].id, player) == 0)
            return rows->rows[i].score;
    }
    return 0;
}

int64_t adder_check(const adder *a, const row_list *rows)
{
    int64_t more = 0;

    CHECK_EQ(a->pending, 0);
    for (unsigned i = 0; i < a->n_players; i++) {
        const account *x = &a->accounts[i];
        int64_t score = score_in(rows, x->player);

        if (score < x->done || score > x->done + x->doubtful)
            FAIL("%s has %" PRId64 ": %" PRId64 " was done, %" PRId64
                 " is in doubt (%u late); the last message: %s",
                 x->player, score, x->done, x->doubtful, a->late, a->message);
        more += score - x->done;
    }
    return more;
}

void adder_close(adder *a)
{
    watcher_close(&a->w);
}

/* ---- The loop ------------------------------------------------------------------------------- */

void party_join(party *p, lb_client *client)
{
    CHECK(p->n < PARTY_MOST);
    p->clients[p->n++] = client;
}

/* Until one of them has something to do, or until then. */
static void sleep_until(party *p, uint64_t end_us)
{
    struct pollfd polls[PARTY_MOST];
    uint64_t now_us;

    for (size_t i = 0; i < p->n; i++) {
        uint64_t at_us = LB_NEVER;

        polls[i] = (struct pollfd){.fd = lb_client_fd(p->clients[i]), .events = POLLIN};
        CHECK_OK(lb_client_deadline(p->clients[i], &at_us));
        if (at_us < end_us)
            end_us = at_us;
    }
    now_us = lbi_clock_us();
    if (end_us > now_us)
        (void)poll(polls, p->n, (int)((end_us - now_us + 999) / 1000));
}

static void turn(party *p, uint64_t end_us)
{
    int busy = 0;

    p->turns++;
    for (size_t i = 0; i < p->n; i++) {
        int r = lb_client_process(p->clients[i]);

        CHECK_OK(r);
        busy |= r;
    }
    if (!busy)
        sleep_until(p, end_us);
}

void party_run(party *p, bool (*is_true)(void *user), void *user, unsigned most_s, const char *what)
{
    uint64_t end_us = lbi_clock_us() + most_s * UINT64_C(1000000);

    while (!is_true(user)) {
        if (lbi_clock_us() >= end_us)
            FAIL("waited %u s for: %s", most_s, what);
        turn(p, end_us);
    }
}

void party_run_for(party *p, unsigned ms)
{
    uint64_t end_us = lbi_clock_us() + ms * UINT64_C(1000);

    while (lbi_clock_us() < end_us)
        turn(p, end_us);
}

row_list party_read(lb_client *client)
{
    char cursor[LB_CURSOR_SIZE];
    row_list rows = {.n = 0};
    lb_range range;
    size_t before;
    lb_error error;

    lb_range_init(&range);
    range.limit = LB_LIMIT_MAX;
    range.flags = LB_READ_NO_PLACE;
    do {
        before = rows.n;
        if (lb_board_get(client, "b", &range, row_list_add, &rows, &error) < 0)
            FAIL("cannot read the board: %s", error.msg);
        if (rows.n > before) {
            const row_copy *last = &rows.rows[rows.n - 1];
            lb_player player = {.id = last->id, .score = last->score};

            player.reached_us = last->reached_us;
            CHECK_OK(lb_player_cursor(&player, cursor, sizeof cursor));
            range.after = cursor;
        }
    } while (rows.n - before == LB_LIMIT_MAX);
    return rows;
}

struct goal {
    watcher *const *watchers;
    size_t n;
    row_list rows;
};

static bool is_reached(void *user)
{
    const struct goal *goal = user;

    for (size_t i = 0; i < goal->n; i++) {
        const mirror *m = &goal->watchers[i]->m;

        if (!m->is_ready || !mirror_equals(m, &goal->rows))
            return false;
    }
    return true;
}

void party_converge(party *p, watcher *const *watchers, size_t n, unsigned most_s)
{
    struct goal goal = {.watchers = watchers, .n = n, .rows = party_read(watchers[0]->client)};

    party_run(p, is_reached, &goal, most_s, "every watcher to hold what is stored");
    for (size_t i = 0; i < n; i++)
        CHECK(!watchers[i]->m.broke_order);
    row_list_clear(&goal.rows);
}
