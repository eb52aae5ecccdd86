#include "store_rig.h"

#include "base/str.h"
#include "os/clock.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATIENCE_US = 20 * 1000 * 1000 };

/* ---- The store ------------------------------------------------------------------------------ */

static void on_notice(const lb_notice *notice, void *user)
{
    store_rig *rig = user;

    rig->notices[notice->kind]++;
    lbi_copy(rig->last_notice, sizeof rig->last_notice, notice->message);
}

void rig_open_with(store_rig *rig, const char *url, int durability, uint32_t change_log)
{
    lbi_store_config config = {.url = url,
                               .durability = durability,
                               .change_log = change_log,
                               .counters = &rig->counters,
                               .notice = on_notice,
                               .notice_user = rig};

    *rig = (store_rig){0};
    CHECK_OK(lbi_poller_new(&rig->poller, NULL));
    config.poller = rig->poller;
    CHECK_OK(lbi_sqlite_new(&config, &rig->store, NULL));
}

void rig_open(store_rig *rig)
{
    rig_open_with(rig, "sqlite:" RIG_FILE, LB_DURABILITY_NORMAL, 65536);
}

static lbi_request *answered;

static void forget_answer(void)
{
    if (!answered)
        return;
    lbi_arena_clear(&answered->arena);
    free(answered);
    answered = NULL;
}

void rig_close(store_rig *rig)
{
    forget_answer();
    rig->store->ops->free(rig->store);
    lbi_poller_free(rig->poller);
}

static void on_done(lbi_request *request)
{
    *(bool *)request->owner = true;
}

lbi_request *rig_request(lbi_verb verb, const char *board, const char *player)
{
    lbi_request *request = calloc(1, sizeof *request);

    CHECK(request != NULL);
    request->verb = verb;
    request->limit = 10;
    request->done = on_done;
    request->deadline_us = lbi_clock_us() + PATIENCE_US;
    lbi_copy(request->board, sizeof request->board, board);
    lbi_copy(request->player, sizeof request->player, player);
    return request;
}

void rig_turn(store_rig *rig, bool sleeps)
{
    const lbi_store_ops *ops = rig->store->ops;
    int did = ops->process(rig->store, lbi_clock_us());
    uint64_t deadline_us, now_us;

    did |= ops->process_feeds(rig->store, lbi_clock_us());
    deadline_us = ops->feeds_deadline(rig->store);
    if (ops->deadline(rig->store) < deadline_us)
        deadline_us = ops->deadline(rig->store);
    now_us = lbi_clock_us();
    if (!did && sleeps && deadline_us > now_us)
        CHECK_OK(lbi_poller_wait(rig->poller,
                                 deadline_us - now_us < 100000 ? deadline_us - now_us : 100000));
    (void)lbi_poller_dispatch(rig->poller);
}

const lbi_request *rig_ask(store_rig *rig, lbi_request *request)
{
    bool done = false;

    forget_answer();
    request->owner = &done;
    rig->store->ops->submit(rig->store, request);
    while (!done)
        rig_turn(rig, true);
    answered = request;
    return request;
}

/* ---- Short forms ---------------------------------------------------------------------------- */

int rig_board(store_rig *rig, const char *board, unsigned flags)
{
    lbi_request *request = rig_request(LBI_BOARD_CREATE, board, "");

    request->flags = flags;
    return rig_ask(rig, request)->code;
}

int rig_delete(store_rig *rig, const char *board)
{
    return rig_ask(rig, rig_request(LBI_BOARD_DELETE, board, ""))->code;
}

int rig_add_existing(store_rig *rig, const char *board, const char *player, int64_t amount)
{
    lbi_request *request = rig_request(LBI_SCORE_ADD, board, player);

    request->amount = amount;
    return rig_ask(rig, request)->code;
}

int rig_add(store_rig *rig, const char *board, const char *player, int64_t amount)
{
    lbi_request *request = rig_request(LBI_SCORE_ADD, board, player);

    request->amount = amount;
    request->flags = LBI_CREATE;
    return rig_ask(rig, request)->code;
}

const lb_player *rig_get(store_rig *rig, const char *board, const char *player)
{
    const lbi_request *request = rig_ask(rig, rig_request(LBI_PLAYER_GET, board, player));

    return request->n_rows ? request->rows : NULL;
}

/* ---- The others ----------------------------------------------------------------------------- */

static sqlite3 *open_bare(void)
{
    sqlite3 *handle = NULL;

    CHECK_EQ(sqlite3_open(RIG_FILE, &handle), SQLITE_OK);
    CHECK_EQ(sqlite3_busy_timeout(handle, 10000), SQLITE_OK);
    return handle;
}

const char *rig_sql(const char *sql)
{
    static char message[512];
    sqlite3 *handle = open_bare();
    char *error = NULL;

    (void)sqlite3_exec(handle, sql, NULL, NULL, &error);
    lbi_copy(message, sizeof message, error ? error : "");
    sqlite3_free(error);
    CHECK_EQ(sqlite3_close(handle), SQLITE_OK);
    return message;
}

const char *rig_text(const char *sql)
{
    static char value[1024];
    sqlite3 *handle = open_bare();
    sqlite3_stmt *statement = NULL;

    value[0] = '\0';
    if (sqlite3_prepare_v2(handle, sql, -1, &statement, NULL) != SQLITE_OK)
        FAIL("%s: %s", sql, sqlite3_errmsg(handle));
    if (sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_text(statement, 0))
        lbi_copy(value, sizeof value, (const char *)sqlite3_column_text(statement, 0));
    (void)sqlite3_finalize(statement);
    CHECK_EQ(sqlite3_close(handle), SQLITE_OK);
    return value;
}

int64_t rig_number(const char *sql)
{
    return strtoll(rig_text(sql), NULL, 10);
}

/* ---- Mirrors -------------------------------------------------------------------------------- */

static void forget(feed_mirror *mirror, const char *board)
{
    size_t kept = 0;

    for (size_t i = 0; i < mirror->n; i++) {
        if (board && strcmp(mirror->rows[i].board, board) != 0)
            mirror->rows[kept++] = mirror->rows[i];
    }
    mirror->n = kept;
}

static mirror_row copy_row(const lb_player *player)
{
    mirror_row row = {.score = player->score, .reached_us = player->reached_us};

    lbi_copy(row.board, sizeof row.board, player->board);
    lbi_copy(row.id, sizeof row.id, player->id);
    lbi_copy(row.name, sizeof row.name, player->name);
    return row;
}

static void take_out(feed_mirror *mirror, const lb_player *player)
{
    for (size_t i = 0; i < mirror->n; i++) {
        if (strcmp(mirror->rows[i].board, player->board) == 0 &&
            strcmp(mirror->rows[i].id, player->id) == 0)
            mirror->rows[i--] = mirror->rows[--mirror->n];
    }
}

static void put_in(feed_mirror *mirror, const lb_player *player)
{
    take_out(mirror, player);
    mirror->rows = realloc(mirror->rows, (mirror->n + 1) * sizeof *mirror->rows);
    CHECK(mirror->rows != NULL);
    mirror->rows[mirror->n++] = copy_row(player);
}

static void take_change(feed_mirror *mirror, const lb_change *change)
{
    mirror->changes++;
    CHECK(change->new_row || change->old_row);
    mirror->last_old = change->old_row ? copy_row(change->old_row) : (mirror_row){.id = ""};
    if (change->new_row)
        put_in(mirror, change->new_row);
    else
        take_out(mirror, change->old_row);
}

static void on_change(const lb_change *change, void *user)
{
    static const char letters[] = "?RoYCG";
    feed_mirror *mirror = user;
    size_t len = strlen(mirror->log);

    if (len + 1 < sizeof mirror->log)
        mirror->log[len] = letters[change->type];
    switch (change->type) {
    case LB_CHANGE_RESET:
        mirror->resets++;
        mirror->ready = false;
        forget(mirror, change->board);
        break;
    case LB_CHANGE_ROW:
        put_in(mirror, change->new_row);
        break;
    case LB_CHANGE_READY:
        mirror->readies++;
        mirror->ready = true;
        break;
    case LB_CHANGE_CHANGE:
        take_change(mirror, change);
        break;
    case LB_CHANGE_GONE:
        mirror->gones++;
        forget(mirror, change->board);
        break;
    default:
        FAIL("a change of type %d", change->type);
    }
}

void mirror_open(feed_mirror *mirror, store_rig *rig, const char *board)
{
    *mirror = (feed_mirror){.rig = rig};
    lbi_copy(mirror->board, sizeof mirror->board, board ? board : "");
    CHECK_OK(rig->store->ops->feed_open(rig->store, board, true, on_change, mirror, &mirror->feed,
                                        NULL));
}

void mirror_close(feed_mirror *mirror)
{
    mirror->rig->store->ops->feed_close(mirror->feed);
    free(mirror->rows);
}

static int compare_rows(const void *a, const void *b)
{
    const mirror_row *x = a, *y = b;
    int r = strcmp(x->board, y->board);

    return r ? r : strcmp(x->id, y->id);
}

static void print_row(char *text, const char *board, const char *id, const char *name,
                      int64_t score, int64_t reached_us)
{
    (void)sprintf(text, "%s/%s '%s' %lld %lld", board, id, name, (long long)score,
                  (long long)reached_us);
}

static bool has_row(const mirror_row *row, sqlite3_stmt *statement)
{
    char mine[2048], theirs[2048];

    print_row(mine, row->board, row->id, row->name, row->score, row->reached_us);
    print_row(theirs, (const char *)sqlite3_column_text(statement, 0),
              (const char *)sqlite3_column_text(statement, 1),
              (const char *)sqlite3_column_text(statement, 2), sqlite3_column_int64(statement, 3),
              sqlite3_column_int64(statement, 4));
    return strcmp(mine, theirs) == 0;
}

static bool agrees_with(const feed_mirror *mirror, sqlite3 *handle)
{
    static const char sql[] = "SELECT board, p.id, name, score, reached_us FROM players p "
                              "JOIN boards b ON b.id = p.board AND b.deleting = 0 "
                              "WHERE ?1 = '' OR board = ?1 ORDER BY board, p.id";
    sqlite3_stmt *statement = NULL;
    size_t n = 0;
    bool same = true;

    if (sqlite3_prepare_v2(handle, sql, -1, &statement, NULL) != SQLITE_OK)
        return mirror->n == 0; /* no tables yet */
    (void)sqlite3_bind_text(statement, 1, mirror->board, -1, SQLITE_STATIC);
    while (same && sqlite3_step(statement) == SQLITE_ROW) {
        same = n < mirror->n && has_row(&mirror->rows[n], statement);
        n++;
    }
    (void)sqlite3_finalize(statement);
    return same && n == mirror->n;
}

bool mirror_agrees(const feed_mirror *mirror)
{
    sqlite3 *handle = NULL;
    bool same;

    if (mirror->n)
        qsort(mirror->rows, mirror->n, sizeof *mirror->rows, compare_rows);
    if (sqlite3_open_v2(RIG_FILE, &handle, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK)
        same = agrees_with(mirror, handle);
    else
        same = mirror->n == 0;
    (void)sqlite3_close(handle);
    return same;
}

static bool has_settled(const feed_mirror *mirror)
{
    return (mirror->ready || mirror->gones > 0) && mirror_agrees(mirror);
}

void mirror_settle(feed_mirror *mirror)
{
    uint64_t until_us = lbi_clock_us() + PATIENCE_US;

    while (!has_settled(mirror)) {
        if (lbi_clock_us() > until_us)
            FAIL("the mirror holds %zu rows and does not agree, it heard %s", mirror->n,
                 mirror->log);
        rig_turn(mirror->rig, true);
    }
}
