/* The store suite: subscriptions. */
#include "store_suite.h"

#include "os/clock.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

static lb_changes *subscribe(lb_client *client, const char *board, uint32_t flags, uint32_t top,
                             mirror *m)
{
    lb_changes *changes = NULL;
    lb_changes_options opts;
    int before = m->events;

    lb_changes_options_init(&opts);
    opts.flags = flags;
    opts.top = top;
    opts.min_interval_ms = 1;
    CHECK_EQ(lb_changes_subscribe(client, board, &opts, mirror_apply, m, &changes, NULL), 0);
    CHECK(changes != NULL);
    CHECK_EQ(m->events, before); /* never inside the call */
    return changes;
}

static bool is_ready(void *user)
{
    return ((const mirror *)user)->is_ready;
}

static bool is_gone(void *user)
{
    return ((const mirror *)user)->is_gone;
}

static bool has_top(void *user)
{
    const mirror *m = user;

    return m->tops > 0 && !m->is_gone;
}

/* A mirror and what it ought to hold. */
struct goal {
    const mirror *m;
    row_list rows;
    bool ready; /* must be so too */
};

static bool is_reached(void *user)
{
    const struct goal *goal = user;

    return (!goal->ready || goal->m->is_ready) && mirror_equals(goal->m, &goal->rows);
}

/* Until the mirror, of one client, holds what is on the board at most `limit` rows of. */
static void run_to_board(lb_client *const *clients, size_t n, mirror *m, const char *board,
                         uint32_t limit)
{
    struct goal goal = {.m = m};
    lb_range range;

    lb_range_init(&range);
    range.limit = limit;
    if (limit)
        CHECK_EQ(lb_board_get(clients[0], board, &range, row_list_add, &goal.rows, NULL), 0);
    else
        CHECK_EQ(read_all(clients[0], board, &goal.rows), 0);
    run_until(clients, n, is_reached, &goal);
    row_list_clear(&goal.rows);
}

static void converge(suite_case *c, mirror *m, const char *board)
{
    run_to_board(&c->client, 1, m, board, 0);
    CHECK(!m->broke_order);
}

/* ---- rows ----------------------------------------------------------------------------------- */

void suite_a_subscription_from_rows_to_changes(suite_case *c)
{
    mirror m = {.n = 0};
    lb_changes *changes;
    int heard;

    suite_set(c, "b", "p", 1);
    suite_set(c, "b", "q", 2);
    suite_set(c, "b", "r", 3);
    suite_set(c, "other", "x", 4);
    changes = subscribe(c->client, "b", 0, 0, &m);
    run_until(&c->client, 1, is_ready, &m);
    CHECK_EQ(m.resets, 1);
    CHECK_EQ(m.rows_given, 3);
    CHECK_EQ(m.n, 3);
    converge(c, &m, "b");
    heard = m.changes;
    suite_set(c, "b", "q", 9);
    CHECK_EQ(m.changes, heard); /* never inside a blocking call */
    converge(c, &m, "b");
    CHECK(m.changes > heard);
    CHECK_STR(m.last_id, "q");
    CHECK_EQ(lb_player_put(c->client, "b", "p", "Name", NULL, NULL, NULL), 1);
    converge(c, &m, "b");
    suite_set(c, "other", "y", 5);
    CHECK_EQ(lb_player_remove(c->client, "b", "r", NULL, NULL), 1);
    converge(c, &m, "b");
    CHECK_STR(m.last_id, "r");
    CHECK(m.removals >= 1);
    suite_set(c, "b", "new", 1);
    converge(c, &m, "b");
    CHECK_EQ(m.n, 3);
    CHECK_EQ(m.resets, 1);
    CHECK_EQ(m.gones, 0);
    CHECK(lb_changes_cancel(changes) == NULL);
    mirror_clear(&m);
}

void suite_a_subscription_to_an_empty_board(suite_case *c)
{
    mirror m = {.n = 0};

    suite_board(c, "b", 0);
    subscribe(c->client, "b", 0, 0, &m);
    run_until(&c->client, 1, is_ready, &m);
    CHECK_EQ(m.rows_given, 0);
    CHECK_EQ(m.gones, 0);
    suite_set(c, "b", "p", 1);
    converge(c, &m, "b");
    CHECK_EQ(m.n, 1);
    mirror_clear(&m);
}

/* Twice: with no database at all, and with one that has another board. */
void suite_a_subscription_to_no_board(suite_case *c)
{
    mirror early = {.n = 0}, late = {.n = 0};

    subscribe(c->client, "b", 0, 0, &early);
    run_until(&c->client, 1, is_gone, &early);
    CHECK_EQ(early.rows_given, 0);
    suite_set(c, "other", "p", 1);
    subscribe(c->client, "b", 0, 0, &late);
    run_until(&c->client, 1, is_gone, &late);
    suite_set(c, "b", "p", 1);
    converge(c, &early, "b");
    converge(c, &late, "b");
    CHECK_EQ(early.n, 1);
    CHECK(early.resets >= 1 && late.resets >= 1);
    mirror_clear(&early);
    mirror_clear(&late);
}

static bool has_changes(void *user)
{
    return ((const mirror *)user)->changes >= 2;
}

void suite_a_subscription_without_rows(suite_case *c)
{
    mirror m = {.n = 0};

    suite_set(c, "b", "p", 1);
    suite_set(c, "b", "q", 1);
    subscribe(c->client, "b", LB_CHANGES_NO_ROWS, 0, &m);
    run_until(&c->client, 1, is_ready, &m);
    CHECK_EQ(m.rows_given, 0);
    CHECK_EQ(m.resets, 1);
    m.changes = 0;
    suite_set(c, "b", "p", 2);
    CHECK_EQ(lb_player_remove(c->client, "b", "q", NULL, NULL), 1);
    run_until(&c->client, 1, has_changes, &m);
    CHECK_EQ(m.rows_given, 0);
    CHECK_EQ(m.n, 1);
    CHECK_STR(m.rows[0].id, "p");
    CHECK_EQ(m.rows[0].score, 2);
    CHECK_STR(m.last_id, "q");
    mirror_clear(&m);
}

/* The rows of these boards together. */
static void run_to_boards(suite_case *c, mirror *m, const char *const *boards, size_t n)
{
    struct goal goal = {.m = m};

    for (size_t i = 0; i < n; i++)
        CHECK_EQ(read_all(c->client, boards[i], &goal.rows), 0);
    run_until(&c->client, 1, is_reached, &goal);
    row_list_clear(&goal.rows);
}

void suite_a_subscription_to_all_boards(suite_case *c)
{
    static const char *const boards[] = {"b1", "b2", "b3", "b4"};
    mirror m = {.n = 0};

    suite_set(c, "b1", "p", 1);
    suite_set(c, "b2", "p", 2);
    suite_set(c, "b2", "q", 3);
    subscribe(c->client, NULL, 0, 0, &m);
    run_until(&c->client, 1, is_ready, &m);
    CHECK_EQ(m.resets, 1);
    CHECK_EQ(m.rows_given, 3);
    suite_board(c, "b3", LB_BOARD_ASCENDING);
    suite_set(c, "b3", "p", 4); /* a board that is new */
    suite_set(c, "b1", "p", 5);
    run_to_boards(c, &m, boards, 3);
    CHECK_EQ(m.n, 4);
    CHECK_EQ(lb_board_delete(c->client, "b2", NULL, NULL), 1);
    suite_set(c, "b4", "p", 6);
    CHECK_EQ(lb_player_remove(c->client, "b1", "p", NULL, NULL), 1);
    run_to_boards(c, &m, boards + 2, 2);
    CHECK_EQ(m.n, 2);
    CHECK_STR(m.last_gone, "b2");
    CHECK(!m.broke_order);
    mirror_clear(&m);
}

void suite_deletion_and_creation_are_heard(suite_case *c)
{
    mirror m = {.n = 0};

    suite_set(c, "b", "p", 1);
    suite_set(c, "b", "q", 2);
    subscribe(c->client, "b", 0, 0, &m);
    run_until(&c->client, 1, is_ready, &m);
    for (int i = 0; i < 3; i++) {
        int resets = m.resets;

        CHECK_EQ(lb_board_delete(c->client, "b", NULL, NULL), 1);
        run_until(&c->client, 1, is_gone, &m);
        CHECK_EQ(m.n, 0);
        CHECK_STR(m.last_gone, "b");
        suite_board(c, "b", i % 2 ? LB_BOARD_ASCENDING : 0);
        suite_set(c, "b", "r", i);
        converge(c, &m, "b");
        CHECK(m.resets > resets);
        CHECK_EQ(m.n, 1);
    }
    /* Deleted and created again before anybody looks: the old rows are gone all the same. */
    suite_set(c, "b", "old", 1);
    converge(c, &m, "b");
    CHECK_EQ(lb_board_delete(c->client, "b", NULL, NULL), 1);
    suite_set(c, "b", "new", 1);
    converge(c, &m, "b");
    CHECK_EQ(m.n, 1);
    CHECK_STR(m.rows[0].id, "new");
    mirror_clear(&m);
}

enum { SUBSCRIBERS = 20 };

void suite_many_subscribers(suite_case *c)
{
    static mirror m[SUBSCRIBERS];
    lb_changes *changes[SUBSCRIBERS];

    suite_board(c, "b", 0);
    for (int i = 0; i < 60; i++) {
        char id[16];

        if (i < SUBSCRIBERS)
            changes[i] = subscribe(c->client, "b", 0, i % 3 == 2 ? 4 : 0, &m[i]);
        snprintf(id, sizeof id, "p%d", i % 11);
        suite_set(c, "b", id, i);
        if (i % 5 == 0)
            CHECK_EQ(lb_player_remove(c->client, "b", id, NULL, NULL), 1);
        if (i % 7 == 0)
            run_idle(c->client);
        if (i == 40)
            changes[3] = lb_changes_cancel(changes[3]);
    }
    for (int i = 0; i < SUBSCRIBERS; i++) {
        if (i != 3)
            run_to_board(&c->client, 1, &m[i], "b", i % 3 == 2 ? 4 : 0);
        CHECK(!m[i].broke_order);
        CHECK_EQ(m[i].repeated, 0);
        mirror_clear(&m[i]);
    }
}

/* ---- inside callbacks ----------------------------------------------------------------------- */

struct canceller {
    lb_changes *cancel[3];
    mirror m;
};

static int cancel_all(const lb_change *change, void *user)
{
    struct canceller *me = user;

    (void)mirror_apply(change, &me->m);
    for (size_t i = 0; i < 3; i++)
        lb_changes_cancel(me->cancel[i]);
    return 0;
}

/* Each of three would cancel all three: the first that is called is the only one ever. */
void suite_cancel_inside_callbacks(suite_case *c)
{
    static struct canceller who[3];
    lb_changes *changes[3] = {NULL};
    mirror last = {.n = 0};
    int events = 0;

    suite_set(c, "b", "p", 1);
    for (size_t i = 0; i < 3; i++) {
        CHECK_EQ(lb_changes_subscribe(c->client, i == 2 ? NULL : "b", NULL, cancel_all, &who[i],
                                      &changes[i], NULL),
                 0);
    }
    for (size_t i = 0; i < 3; i++)
        memcpy(who[i].cancel, changes, sizeof changes);
    subscribe(c->client, "b", 0, 0, &last);
    run_until(&c->client, 1, is_ready, &last);
    suite_set(c, "b", "p", 2);
    converge(c, &last, "b");
    for (size_t i = 0; i < 3; i++) {
        events += who[i].m.events;
        mirror_clear(&who[i].m);
    }
    CHECK_EQ(events, 1);
    mirror_clear(&last);
}

void suite_a_callback_ends_its_subscription(suite_case *c)
{
    mirror rows = {.cancel_at = 3}, top = {.cancel_at = 1}, last = {.n = 0};

    for (int i = 0; i < 5; i++) {
        char id[16];

        snprintf(id, sizeof id, "p%d", i);
        suite_set(c, "b", id, i);
    }
    subscribe(c->client, "b", 0, 0, &rows);
    subscribe(c->client, "b", 0, 2, &top);
    subscribe(c->client, "b", 0, 0, &last);
    run_until(&c->client, 1, is_ready, &last);
    run_until(&c->client, 1, has_top, &top);
    suite_set(c, "b", "p4", 100);
    converge(c, &last, "b");
    CHECK_EQ(rows.events, 3);
    CHECK_EQ(top.events, 1);
    mirror_clear(&rows);
    mirror_clear(&top);
    mirror_clear(&last);
}

struct starter {
    lb_client *client;
    mirror m, inner;
    int calls;
};

static int start_more(const lb_change *change, void *user)
{
    struct starter *me = user;
    const lb_player *row = NULL;

    (void)mirror_apply(change, &me->m);
    if (change->type != LB_CHANGE_READY)
        return 0;
    me->calls++;
    CHECK_EQ(lb_client_process(me->client), LB_E_BUSY);
    CHECK_EQ(lb_score_add(me->client, "b", "p", 10, NULL, &row, NULL), 1);
    CHECK_EQ(row->score, 11);
    subscribe(me->client, "b", 0, 0, &me->inner);
    return 0;
}

void suite_subscribe_and_write_inside_callbacks(suite_case *c)
{
    struct starter me = {.client = c->client};

    suite_set(c, "b", "p", 1);
    CHECK_EQ(lb_changes_subscribe(c->client, "b", NULL, start_more, &me, NULL, NULL), 0);
    run_until(&c->client, 1, is_ready, &me.inner);
    CHECK_EQ(me.calls, 1);
    converge(c, &me.m, "b");
    converge(c, &me.inner, "b");
    CHECK_EQ(me.inner.rows[0].score, 11);
    mirror_clear(&me.m);
    mirror_clear(&me.inner);
}

/* ---- tops ----------------------------------------------------------------------------------- */

static void converge_top(suite_case *c, mirror *m, uint32_t n)
{
    run_to_board(&c->client, 1, m, "b", n);
    CHECK_EQ(m->repeated, 0);
    CHECK(m->resets == 0 && m->rows_given == 0 && m->readies == 0 && m->changes == 0);
}

void suite_tops_of_a_board(suite_case *c)
{
    mirror m = {.n = 0};
    char before[LB_STATE_SIZE];

    suite_set(c, "b", "p", 1);
    suite_set(c, "b", "q", 2);
    subscribe(c->client, "b", 0, 3, &m);
    run_until(&c->client, 1, has_top, &m);
    CHECK_EQ(m.n, 2);
    CHECK(strlen(m.state) > 0);
    suite_set(c, "b", "r", 3);
    converge_top(c, &m, 3);
    CHECK_EQ(m.n, 3);
    suite_set(c, "b", "s", 4);
    converge_top(c, &m, 3);
    CHECK_EQ(m.n, 3);
    memcpy(before, m.state, sizeof before);
    CHECK_EQ(lb_player_put(c->client, "b", "s", "Renamed", NULL, NULL, NULL), 1);
    converge_top(c, &m, 3);
    CHECK(strcmp(m.state, before) != 0);
    CHECK_EQ(lb_player_remove(c->client, "b", "s", NULL, NULL), 1);
    converge_top(c, &m, 3);
    mirror_clear(&m);
}

/* Not more than the interval allows, and the last one always. */
void suite_tops_are_coalesced(suite_case *c)
{
    mirror m = {.n = 0};
    lb_changes_options opts;
    uint64_t begun = lbi_clock_us(), passed;

    lb_changes_options_init(&opts);
    opts.top = 2;
    opts.min_interval_ms = 20;
    suite_board(c, "b", 0);
    CHECK_EQ(lb_changes_subscribe(c->client, "b", &opts, mirror_apply, &m, NULL, NULL), 0);
    for (int i = 1; i <= 300; i++) {
        suite_set(c, "b", "p", i);
        CHECK_OK(lb_client_process(c->client));
    }
    converge_top(c, &m, 2);
    passed = lbi_clock_us() - begun;
    CHECK_EQ(m.rows[0].score, 300);
    CHECK(m.tops >= 1);
    CHECK((uint64_t)(m.tops - 1) * 20000 <= passed);
    mirror_clear(&m);
}

/* A board that never rests does not keep its subscribers waiting. */
void suite_tops_come_while_changes_go_on(suite_case *c)
{
    mirror m = {.n = 0};
    int64_t score = 0;

    suite_board(c, "b", 0);
    subscribe(c->client, "b", 0, 2, &m);
    while (m.tops < 5) {
        suite_set(c, "b", "p", ++score);
        CHECK_OK(lb_client_process(c->client));
    }
    converge_top(c, &m, 2);
    CHECK_EQ(m.rows[0].score, score);
    mirror_clear(&m);
}

void suite_unchanged_tops_are_not_repeated(suite_case *c)
{
    mirror m = {.n = 0};
    int tops;

    suite_set(c, "b", "p", 10);
    suite_set(c, "b", "q", 9);
    subscribe(c->client, "b", 0, 2, &m);
    run_until(&c->client, 1, has_top, &m);
    converge_top(c, &m, 2);
    tops = m.tops;
    suite_set(c, "b", "low", 1); /* below the top */
    run_idle(c->client);
    suite_set(c, "b", "low", 2);
    suite_set(c, "b", "p", 10); /* no change */
    run_idle(c->client);
    CHECK_EQ(lb_player_remove(c->client, "b", "low", NULL, NULL), 1);
    run_idle(c->client);
    suite_set(c, "b", "q", 11); /* this one is seen */
    converge_top(c, &m, 2);
    CHECK_EQ(m.tops, tops + 1);
    mirror_clear(&m);
}

void suite_state_ids_agree(suite_case *c)
{
    mirror m[3] = {{.n = 0}};
    lb_client *both[2] = {c->client, suite_client(c)};

    if (!c->store->persistent)
        both[1] = lb_client_free(both[1]);
    suite_set(c, "b", "p", 10);
    suite_set(c, "b", "q", 9);
    subscribe(both[0], "b", 0, 2, &m[0]);
    subscribe(both[1] ? both[1] : both[0], "b", 0, 2, &m[1]);
    for (int i = 0; i < 5; i++) {
        suite_set(c, "b", i % 2 ? "p" : "q", 20 + i);
        run_to_board(both, both[1] ? 2 : 1, &m[0], "b", 2);
        run_to_board(both, both[1] ? 2 : 1, &m[1], "b", 2);
        CHECK_STR(m[0].state, m[1].state);
    }
    subscribe(c->client, "b", 0, 2, &m[2]); /* later, and the first is at once */
    run_until(&c->client, 1, has_top, &m[2]);
    CHECK_STR(m[2].state, m[0].state);
    lb_client_free(both[1]);
    for (int i = 0; i < 3; i++)
        mirror_clear(&m[i]);
}

void suite_a_top_of_no_board(suite_case *c)
{
    mirror m = {.n = 0};

    subscribe(c->client, "b", 0, 2, &m);
    run_until(&c->client, 1, is_gone, &m);
    CHECK_EQ(m.tops, 0);
    for (int i = 0; i < 2; i++) {
        suite_board(c, "b", 0);
        run_until(&c->client, 1, has_top, &m);
        CHECK_EQ(m.n, 0);
        CHECK(m.state[0] != '\0');
        suite_set(c, "b", "p", 1);
        converge_top(c, &m, 2);
        CHECK_EQ(m.n, 1);
        CHECK_EQ(lb_board_delete(c->client, "b", NULL, NULL), 1);
        run_until(&c->client, 1, is_gone, &m);
        CHECK_EQ(m.n, 0);
        m.tops = 0;
    }
    mirror_clear(&m);
}

/* ---- gaps and others ------------------------------------------------------------------------ */

/* So much is written while nobody listens that a short log cannot hold it. */
void suite_falling_behind_resets(suite_case *c)
{
    suite_case mine = *c;
    mirror m = {.n = 0};
    lb_counters counters;

    mine.change_log = 4;
    mine.client = suite_client(&mine);
    for (int i = 0; i < 30; i++) {
        char id[16];

        snprintf(id, sizeof id, "old%d", i);
        suite_set(&mine, "b", id, i);
    }
    subscribe(mine.client, "b", 0, 0, &m);
    run_until(&mine.client, 1, is_ready, &m);
    for (int i = 0; i < 2000; i++) {
        char id[16];

        snprintf(id, sizeof id, i < 30 ? "old%d" : "new%d", i % 50);
        if (i < 20)
            CHECK_EQ(lb_player_remove(mine.client, "b", id, NULL, NULL), 1);
        else
            suite_set(&mine, "b", id, i);
    }
    converge(&mine, &m, "b");
    CHECK_EQ(lb_client_counters(mine.client, &counters, sizeof counters), 0);
    CHECK(counters.gaps >= 1);
    CHECK(m.resets >= 2);
    lb_client_free(mine.client);
    mirror_clear(&m);
}

void suite_changes_by_another_client(suite_case *c)
{
    lb_client *clients[2] = {c->client, NULL};
    mirror m[3] = {{.n = 0}};

    if (!c->store->persistent)
        SKIP("this store does not outlive its client");
    clients[1] = suite_client(c);
    subscribe(clients[1], "b", 0, 0, &m[0]);
    subscribe(clients[1], NULL, 0, 0, &m[1]);
    subscribe(clients[1], "b", 0, 5, &m[2]);
    suite_board(c, "b", 0);
    for (int i = 0; i < 40; i++) {
        char id[16];

        snprintf(id, sizeof id, "p%d", i % 9);
        suite_set(c, "b", id, i);
        if (i % 4 == 0)
            CHECK_EQ(lb_player_remove(c->client, "b", id, NULL, NULL), 1);
        if (i == 20) {
            CHECK_EQ(lb_board_delete(c->client, "b", NULL, NULL), 1);
            suite_board(c, "b", LB_BOARD_ASCENDING);
        }
        if (i % 6 == 0)
            run_idle(clients[1]);
    }
    for (int i = 0; i < 3; i++)
        run_to_board(clients, 2, &m[i], "b", i == 2 ? 5 : 0);
    CHECK_EQ(m[2].repeated, 0);
    lb_client_free(clients[1]);
    for (int i = 0; i < 3; i++)
        mirror_clear(&m[i]);
}
