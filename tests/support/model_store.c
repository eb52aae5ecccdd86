#include "model_store.h"

#include "base/error.h"
#include "base/list.h"
#include "client/client.h"
#include "os/clock.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

struct world {
    model model;
    model_faults faults;
    model_counts counts;
    uint64_t random;
    unsigned epoch; /* goes up when all connections are to be lost */
    unsigned stores;
};

static _Thread_local struct world *current;

/* A request on its way. */
struct item {
    lbi_request *request;
    unsigned turns; /* to wait before the next stage */
    bool sent;
    bool begun; /* a deletion that has been marked */
};

struct store {
    lbi_store base;
    lbi_store_config config;
    struct world *world;
    unsigned epoch;
    struct item *items; /* in the order of submission */
    size_t n_items;
    lbi_feed *feeds;
};

enum feed_state { STARTING, GIVING_ROWS, FOLLOWING };

struct lbi_feed {
    struct store *store;
    lbi_feed *prev, *next;
    char board[LB_BOARD_MAX + 1]; /* "" = all */
    bool rows;
    lbi_feed_fn fn;
    void *user;
    enum feed_state state;
    bool gone;
    size_t log_at;
    /* Snapshot: behind this row of this board. */
    char at_board[LB_BOARD_MAX + 1];
    char at_player[LB_PLAYER_MAX + 1];
    bool running, closed;
};

uint64_t model_random(uint64_t *state, uint64_t n)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return n ? (z ^ (z >> 31)) % n : 0;
}

/* True one time in n; n == 0: never. */
static bool chance(struct world *world, unsigned n)
{
    return n && model_random(&world->random, n) == 0;
}

/* ---- worlds --------------------------------------------------------------------------------- */

void model_world_open(const model_faults *faults)
{
    if (current)
        FAIL("a world is open already");
    current = model_realloc(NULL, sizeof *current);
    *current = (struct world){.faults = *faults, .random = faults->seed};
}

void model_world_close(void)
{
    CHECK_EQ(current->stores, 0);
    model_clear(&current->model);
    free(current);
    current = NULL;
}

model_faults *model_world_faults(void)
{
    return &current->faults;
}

const model_counts *model_world_counts(void)
{
    return &current->counts;
}

model *model_world_model(void)
{
    return &current->model;
}

void model_world_disconnect(void)
{
    current->epoch++;
}

/* ---- requests ------------------------------------------------------------------------------- */

static unsigned random_delay(struct store *store)
{
    return (unsigned)model_random(&store->world->random, store->world->faults.delay + UINT64_C(1));
}

static void store_submit(lbi_store *base, lbi_request *request)
{
    struct store *store = (struct store *)base;

    store->items = model_realloc(store->items, (store->n_items + 1) * sizeof *store->items);
    store->items[store->n_items++] =
        (struct item){.request = request, .turns = random_delay(store)};
}

static void take_out(struct store *store, size_t i)
{
    store->n_items--;
    memmove(&store->items[i], &store->items[i + 1], (store->n_items - i) * sizeof *store->items);
}

/* The last that happens to a request here. */
static void complete(struct store *store, size_t i)
{
    lbi_request *request = store->items[i].request;

    take_out(store, i);
    request->done(request);
}

static bool may_have_happened(const struct item *item)
{
    return item->sent && lbi_verb_writes(item->request->verb);
}

static bool store_cancel(lbi_store *base, lbi_request *request)
{
    struct store *store = (struct store *)base;

    for (size_t i = 0; i < store->n_items; i++) {
        if (store->items[i].request != request)
            continue;
        if (may_have_happened(&store->items[i]))
            return false;
        take_out(store, i);
        return true;
    }
    FAIL("a request is cancelled that the store does not have");
}

/* Its answer is lost: what was sent has been applied, or not. */
static void lose(struct store *store, size_t i, int code)
{
    struct world *world = store->world;
    const struct item *item = &store->items[i];
    lbi_request *request = item->request;

    if (may_have_happened(item)) {
        bool applied = item->begun || chance(world, 2);

        if (applied && !item->begun)
            (void)model_apply(&world->model, request, lbi_clock_wall_us());
        lbi_request_clear_answer(request);
        *(applied ? &world->counts.unknown_applied : &world->counts.unknown_lost) += 1;
        code = LB_E_UNKNOWN;
    }
    world->counts.failed++;
    (void)lbi_request_fail(request, code, "model: the answer was lost");
    complete(store, i);
}

static void restart(lbi_feed *feed);

static void disconnect(struct store *store)
{
    lbi_feed *feed;

    store->epoch = store->world->epoch;
    store->world->counts.disconnects++;
    for (size_t n = store->n_items; n > 0; n--)
        lose(store, 0, chance(store->world, 2) ? LB_E_IO : LB_E_TIMEOUT);
    DL_FOREACH (store->feeds, feed)
        restart(feed);
    if (store->feeds) {
        store->config.counters->gaps++;
        lbi_notice(&store->config, LB_NOTICE_GAP, 0, "model: the connection was lost");
    }
}

static bool expire(struct store *store, uint64_t now_us)
{
    for (size_t i = 0; i < store->n_items; i++) {
        if (store->items[i].request->deadline_us <= now_us) {
            lose(store, i, LB_E_TIMEOUT);
            return true;
        }
    }
    return false;
}

/* Does it matter which of the two is applied first? A read may come at any time. */
static bool depends(const struct item *b, const struct item *a)
{
    if (a->begun || !lbi_verb_writes(a->request->verb) || !lbi_verb_writes(b->request->verb))
        return false;
    return strcmp(a->request->board, b->request->board) == 0 ||
           (a->request->key[0] && strcmp(a->request->key, b->request->key) == 0);
}

/* Must b, submitted later, wait for a? Sent as soon as a is sent, answered after it. */
static bool waits(const struct store *store, const struct item *b, const struct item *a)
{
    if (!b->sent && a->sent)
        return false;
    return !store->world->faults.reorder || depends(b, a);
}

static bool may_go(const struct store *store, size_t i)
{
    const struct item *item = &store->items[i];

    if (item->turns || (item->sent && store->world->faults.hold))
        return false;
    for (size_t k = 0; k < i; k++) {
        if (waits(store, item, &store->items[k]))
            return false;
    }
    return true;
}

/* One whose turn it is; n_items if there is none. */
static size_t choose(struct store *store)
{
    size_t first = store->n_items, chosen = first;

    for (size_t i = 0, seen = 0; i < store->n_items; i++) {
        if (!may_go(store, i))
            continue;
        if (first == store->n_items)
            first = i;
        if (model_random(&store->world->random, ++seen) == 0)
            chosen = i;
    }
    if (chosen != first)
        store->world->counts.overtaken++;
    return chosen;
}

static void answer(struct store *store, size_t i)
{
    struct world *world = store->world;
    struct item *item = &store->items[i];
    lbi_request *request = item->request;

    if (request->verb == LBI_BOARD_DELETE && world->faults.delete_step) {
        if (!item->begun && model_delete_begin(&world->model, request) < 0) {
            complete(store, i);
            return;
        }
        item->begun = true;
        if (!model_delete_step(&world->model, request->board, world->faults.delete_step))
            return;
    } else {
        (void)model_apply(&world->model, request, lbi_clock_wall_us());
        if (request->code < 0)
            request->n_rows = request->n_boards = 0;
    }
    store->config.counters->transactions += lbi_verb_writes(request->verb);
    complete(store, i);
}

static void advance(struct store *store)
{
    size_t i;

    for (i = 0; i < store->n_items; i++)
        store->items[i].turns -= store->items[i].turns > 0;
    i = choose(store);
    if (i == store->n_items)
        return;
    if (!store->items[i].sent) {
        store->items[i].sent = true;
        store->items[i].turns = random_delay(store);
    }
    if (may_go(store, i))
        answer(store, i);
}

static bool is_held(const struct store *store)
{
    if (store->world->faults.stall)
        return true;
    for (size_t i = 0; i < store->n_items; i++) {
        if (!store->items[i].sent)
            return false;
    }
    return store->world->faults.hold;
}

static int store_process(lbi_store *base, uint64_t now_us)
{
    struct store *store = (struct store *)base;

    if (store->epoch != store->world->epoch ||
        (store->n_items && chance(store->world, store->world->faults.disconnect))) {
        disconnect(store);
        return 1;
    }
    if (store->n_items == 0)
        return 0;
    if (expire(store, now_us))
        return 1;
    if (is_held(store))
        return 0;
    advance(store);
    return 1;
}

/* ---- feeds ---------------------------------------------------------------------------------- */

static void restart(lbi_feed *feed)
{
    feed->state = STARTING;
    feed->gone = false;
}

static void give(lbi_feed *feed, int type, const char *board, const lb_player *old_row,
                 const lb_player *new_row)
{
    lb_change change = {.type = type, .board = board, .old_row = old_row, .new_row = new_row};

    feed->store->config.counters->changes += type == LB_CHANGE_CHANGE;
    feed->fn(&change, feed->user);
}

static const char *name_of(const lbi_feed *feed)
{
    return feed->board[0] ? feed->board : NULL;
}

static lb_player to_player(const char *board, const model_row *row)
{
    return (lb_player){.board = board,
                       .id = row->id,
                       .name = row->name,
                       .score = row->score,
                       .reached_us = row->reached_us};
}

static void start(lbi_feed *feed)
{
    const model *m = &feed->store->world->model;
    const model_board *board = model_find_board(m, feed->board);

    feed->log_at = m->n_log;
    feed->at_board[0] = feed->at_player[0] = '\0';
    feed->gone = feed->board[0] && (!board || board->deleting);
    if (feed->gone) {
        feed->state = FOLLOWING;
        give(feed, LB_CHANGE_GONE, feed->board, NULL, NULL);
        return;
    }
    feed->state = GIVING_ROWS;
    give(feed, LB_CHANGE_RESET, name_of(feed), NULL, NULL);
}

/* The row that follows the place of the snapshot, by board and player id. */
static const model_row *next_row(const lbi_feed *feed, const model_board **ret)
{
    const model *m = &feed->store->world->model;

    for (size_t b = 0; b < m->n_boards; b++) {
        const model_board *board = &m->boards[b];
        const char *behind = strcmp(board->id, feed->at_board) == 0 ? feed->at_player : "";
        const model_row *best = NULL;

        if (board->deleting || strcmp(board->id, feed->at_board) < 0 ||
            (feed->board[0] && strcmp(board->id, feed->board) != 0))
            continue;
        for (size_t i = 0; i < board->n_rows; i++) {
            const model_row *row = &board->rows[i];

            if (strcmp(row->id, behind) > 0 && (!best || strcmp(row->id, best->id) < 0))
                best = row;
        }
        *ret = board;
        if (best)
            return best;
    }
    return NULL;
}

static bool give_row(lbi_feed *feed)
{
    const model_board *board = NULL;
    const model_row *row = feed->rows ? next_row(feed, &board) : NULL;
    model_row copy;
    lb_player player;

    if (!row)
        return false;
    copy = *row;
    memcpy(feed->at_board, board->id, sizeof feed->at_board);
    memcpy(feed->at_player, copy.id, sizeof feed->at_player);
    player = to_player(feed->at_board, &copy);
    give(feed, LB_CHANGE_ROW, feed->at_board, NULL, &player);
    return true;
}

/* The row as it is now, whatever it was when the change was written down. */
static void give_change(lbi_feed *feed, const model_entry *entry)
{
    struct world *world = feed->store->world;
    const model_board *board = model_find_board(&world->model, entry->board);
    const model_row *row = model_find_row(board, entry->player);
    model_row old_row = entry->old_row, new_row = {.score = 0};
    lb_player was, is;

    if (!entry->has_old)
        memcpy(old_row.id, entry->player, sizeof old_row.id);
    if (row)
        new_row = *row;
    was = to_player(entry->board, &old_row);
    is = to_player(entry->board, &new_row);
    for (int times = chance(world, world->faults.feed_twice) ? 2 : 1; times; times--) {
        world->counts.feed_twices += times == 2;
        if (!feed->closed)
            give(feed, LB_CHANGE_CHANGE, entry->board, entry->has_old || !row ? &was : NULL,
                 row ? &is : NULL);
    }
}

static void follow(lbi_feed *feed)
{
    const model *m = &feed->store->world->model;
    model_entry entry = m->log[feed->log_at++];

    if (feed->board[0] && strcmp(feed->board, entry.board) != 0)
        return;
    if (entry.type == MODEL_CHANGED && !feed->gone) {
        give_change(feed, &entry);
    } else if (entry.type == MODEL_GONE && !feed->gone) {
        feed->gone = feed->board[0] != '\0';
        feed->state = feed->gone ? FOLLOWING : feed->state;
        give(feed, LB_CHANGE_GONE, entry.board, NULL, NULL);
    } else if (entry.type == MODEL_CREATED && feed->gone) {
        restart(feed);
    }
}

static void give_stray(lbi_feed *feed)
{
    const char *board = feed->board[0] ? feed->board : "~~stray";
    model_row nobody = {.id = "~~stray", .name = "~~stray"};
    lb_player player = to_player(board, &nobody);

    feed->store->world->counts.feed_strays++;
    give(feed, LB_CHANGE_CHANGE, board, &player, NULL);
}

static bool has_work(const lbi_feed *feed)
{
    return feed->state != FOLLOWING || feed->log_at < feed->store->world->model.n_log;
}

static bool is_behind(const lbi_feed *feed)
{
    return feed->store->world->model.n_log - feed->log_at > feed->store->config.change_log;
}

static void feed_step(lbi_feed *feed)
{
    struct world *world = feed->store->world;
    bool behind = feed->state != STARTING && is_behind(feed);

    if (behind || (feed->state != STARTING && chance(world, world->faults.feed_reset))) {
        world->counts.feed_resets++;
        feed->store->config.counters->gaps++;
        lbi_notice(&feed->store->config, LB_NOTICE_GAP, 0, "model: changes were missed");
        restart(feed);
    }
    if (feed->state == STARTING)
        start(feed);
    else if (!feed->gone && chance(world, world->faults.feed_stray))
        give_stray(feed);
    else if (feed->log_at < world->model.n_log && (feed->state == FOLLOWING || chance(world, 2)))
        follow(feed);
    else if (!give_row(feed) && feed->log_at < world->model.n_log)
        follow(feed);
    else if (!feed->closed && feed->state == GIVING_ROWS && feed->log_at == world->model.n_log &&
             !(feed->rows && next_row(feed, &(const model_board *){NULL}))) {
        feed->state = FOLLOWING;
        give(feed, LB_CHANGE_READY, name_of(feed), NULL, NULL);
    }
}

static int store_process_feeds(lbi_store *base, uint64_t now_us)
{
    struct store *store = (struct store *)base;
    lbi_feed *feed = store->feeds;

    (void)now_us;
    while (feed && !has_work(feed))
        feed = feed->next;
    if (!feed)
        return 0;
    DL_DELETE(store->feeds, feed); /* the others first, next time */
    DL_APPEND(store->feeds, feed);
    feed->running = true;
    feed_step(feed);
    feed->running = false;
    if (feed->closed)
        free(feed);
    return 1;
}

static int store_feed_open(lbi_store *base, const char *board, bool rows, lbi_feed_fn fn,
                           void *user, lbi_feed **ret, lb_error *reterr)
{
    struct store *store = (struct store *)base;
    lbi_feed *feed = calloc(1, sizeof *feed);

    if (!feed)
        return lbi_fail_nomem(reterr);
    feed->store = store;
    feed->rows = rows;
    feed->fn = fn;
    feed->user = user;
    if (board)
        memcpy(feed->board, board, strlen(board) + 1);
    DL_APPEND(store->feeds, feed);
    *ret = feed;
    return 0;
}

static void store_feed_close(lbi_feed *feed)
{
    DL_DELETE(feed->store->feeds, feed);
    feed->closed = true;
    if (!feed->running)
        free(feed);
}

/* ---- the store ------------------------------------------------------------------------------ */

static uint64_t store_deadline(const lbi_store *base)
{
    const struct store *store = (const struct store *)base;
    uint64_t ret = LB_NEVER;

    if (store->epoch != store->world->epoch || (store->n_items && !is_held(store)))
        return 0;
    for (size_t i = 0; i < store->n_items; i++) {
        if (store->items[i].request->deadline_us < ret)
            ret = store->items[i].request->deadline_us;
    }
    return ret;
}

static uint64_t store_feeds_deadline(const lbi_store *base)
{
    const struct store *store = (const struct store *)base;
    const lbi_feed *feed;

    DL_FOREACH (store->feeds, feed) {
        if (has_work(feed))
            return 0;
    }
    return LB_NEVER;
}

static void store_free(lbi_store *base)
{
    struct store *store = (struct store *)base;

    CHECK(!store->feeds);
    store->world->stores--;
    free(store->items);
    free(store);
}

int model_store_new(const lbi_store_config *config, lbi_store **ret, lb_error *reterr)
{
    static const lbi_store_ops ops = {
        .free = store_free,
        .submit = store_submit,
        .cancel = store_cancel,
        .process = store_process,
        .process_feeds = store_process_feeds,
        .deadline = store_deadline,
        .feeds_deadline = store_feeds_deadline,
        .feed_open = store_feed_open,
        .feed_close = store_feed_close,
    };
    struct store *store = calloc(1, sizeof *store);

    if (!store)
        return lbi_fail_nomem(reterr);
    store->base.ops = &ops;
    store->config = *config;
    store->config.url = NULL;
    store->world = current;
    store->epoch = current->epoch;
    store->world->stores++;
    *ret = &store->base;
    return 0;
}

lb_client *model_client(const lb_options *opts)
{
    lb_client *client = NULL;

    CHECK_EQ(lbi_client_new_with(opts, model_store_new, &client, NULL), 0);
    return client;
}
