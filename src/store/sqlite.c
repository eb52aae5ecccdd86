/*
 * The embedded store: scheduling. What a request does is in sqlite_read.c and sqlite_write.c, how
 * feeds hear of it in sqlite_follow.c.
 *
 * Requests wait in one queue and run in its order. Writes that wait together become one
 * transaction (run_group); nothing sleeps between its BEGIN and its COMMIT, so that between two
 * calls of process() a request is either waiting or done. Three things go on in bounded steps
 * beside the queue: one long read (`job`, in a read transaction of its own connection), the
 * deletion of boards, and moving the write-ahead log into the database. process() does one piece
 * of one of them and gives each its turn.
 *
 * When somebody else has the lock, writes stay where they are until a back-off has passed. Reads
 * need no lock: they leave the queue and go ahead.
 */
#include "store/sqlite.h"

#include "base/error.h"
#include "base/list.h"
#include "base/str.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/random.h"
#include "store/sqlite_schema.h"

#include <stdlib.h>
#include <string.h>

enum {
    GROUP_MAX = 256,      /* requests in one transaction */
    GROUP_US = 4000,      /* no more are begun after this time */
    STEP_US = 4000,       /* of a read that counts */
    BUSY_FIRST_US = 300,  /* back-off while somebody has the lock */
    BUSY_MOST_US = 10000, /* */
    LOOK_US = 100000,     /* how often to see whether the file is the same */
    PATH_MAX_LEN = 480    /* SQLite stops at 512, with its own endings */
};

/* Where a request is, in its store_data. LARGE_...: a read that proved to be long. */
enum where { QUEUED, LARGE_QUEUED, AHEAD, LARGE_AHEAD, DELETING, JOB, FINISHED };

static void put(lbi_request *request, enum where where)
{
    request->store_data = (void *)(uintptr_t)where;
}

static enum where where_is(const lbi_request *request)
{
    return (enum where)(uintptr_t)request->store_data;
}

static bool is_large(const lbi_request *request)
{
    return where_is(request) == LARGE_QUEUED || where_is(request) == LARGE_AHEAD;
}

static lbi_sqlite *self(lbi_store *base)
{
    return (lbi_sqlite *)base;
}

void lbi_backoff_more(lbi_backoff *backoff, uint32_t first_us, uint32_t most_us)
{
    uint32_t chance = 0;

    backoff->step_us = backoff->step_us ? backoff->step_us * 2 : first_us;
    if (backoff->step_us > most_us)
        backoff->step_us = most_us;
    (void)lbi_random(&chance, sizeof chance); /* without it: no chance */
    backoff->at_us = lbi_clock_us() + backoff->step_us - chance % (backoff->step_us / 2);
}

void lbi_backoff_clear(lbi_backoff *backoff)
{
    *backoff = (lbi_backoff){0};
}

/* ---- Connections ---------------------------------------------------------------------------- */

/* A connection that is not ready for use is closed again: the next try begins anew, which takes
 * a tenth of a millisecond and leaves no state in between. */
int lbi_sqlite_open(lbi_sqlite *store, lbi_db *db, bool create)
{
    int r;

    if (db->handle)
        return 0;
    db->path = store->path;
    db->name = store->name;
    r = lbi_db_open(db, create);
    if (r >= 0)
        r = lbi_schema_prepare(db, create, store->config.durability);
    if (r < 0)
        lbi_db_close(db);
    return r;
}

static int open_writer(lbi_sqlite *store, bool create)
{
    bool was_open = store->writer.handle != NULL;
    int r = lbi_sqlite_open(store, &store->writer, create);

    if (r < 0 || was_open)
        return r;
    lbi_wal_open(store);
    store->trimmed_at = 0;
    return 0;
}

static void close_counter(lbi_sqlite *store)
{
    lbi_request *request = store->job.request;

    if (request) { /* it begins again */
        put(request, AHEAD);
        DL_PREPEND(store->ahead.first, request);
        store->job.request = NULL;
    }
    lbi_db_close(&store->counter);
}

void lbi_sqlite_reopen(lbi_sqlite *store)
{
    lbi_follow_reset(store);
    close_counter(store);
    /* Into the file that it belongs to, wherever that is now: its log goes with the next one. */
    if (store->writer.handle)
        (void)lbi_db_checkpoint(&store->writer, false);
    lbi_db_close(&store->writer);
}

static void look_at_file(lbi_sqlite *store, uint64_t now_us)
{
    if (!store->writer.handle || now_us < store->look_us)
        return;
    store->look_us = now_us + LOOK_US;
    if (lbi_db_moved(&store->writer))
        lbi_sqlite_reopen(store);
}

/* After these a connection may be of no more use, or of more use when it is made anew. */
static void close_if_broken(lbi_sqlite *store, lbi_db *db, int code)
{
    if (code == LB_E_IO || code == LB_E_CORRUPT || code == LB_E_READONLY || code == LB_E_UNKNOWN ||
        code == LB_E_CONFLICT)
        db == &store->writer ? lbi_db_close(db) : close_counter(store);
}

/* ---- Completion ----------------------------------------------------------------------------- */

static void finish(lbi_sqlite *store, lbi_request *request)
{
    put(request, FINISHED);
    DL_APPEND(store->finished, request);
}

static void fail_with(lbi_sqlite *store, lbi_request *request, int code, const char *message)
{
    lbi_request_clear_answer(request);
    (void)lbi_request_fail(request, code, "%s", message);
    finish(store, request);
}

/* LB_E_UNKNOWN is said of a commit only: whatever fails before it is not applied. */
static void fail(lbi_sqlite *store, lbi_request *request, const lb_error *error)
{
    fail_with(store, request, error->code == LB_E_UNKNOWN ? LB_E_IO : error->code, error->msg);
}

/* done() may submit, cancel, and even call process(): nothing is held across it. */
static int deliver(lbi_sqlite *store)
{
    lbi_request *request;

    if (!store->finished)
        return 0;
    while ((request = store->finished) != NULL) {
        DL_DELETE(store->finished, request);
        request->done(request);
    }
    return 1;
}

static void expire(lbi_sqlite *store, lbi_lane *lane, lbi_request *request)
{
    const char *not_applied = lbi_verb_writes(request->verb) ? ", not applied" : "";

    DL_DELETE(lane->first, request);
    lbi_request_clear_answer(request);
    if (where_is(request) == DELETING)
        (void)lbi_request_fail(request, LB_E_UNKNOWN,
                               "timed out: board '%s' is gone for everybody, but not all of its "
                               "rows are removed: the same call goes on with it",
                               request->board);
    else if (lane->busy.step_us)
        (void)lbi_request_fail(request, LB_E_TIMEOUT,
                               "timed out%s: the database '%.100s' is locked by another program",
                               not_applied, store->name);
    else
        (void)lbi_request_fail(request, LB_E_TIMEOUT, "timed out%s", not_applied);
    finish(store, request);
}

static void expire_lane(lbi_sqlite *store, lbi_lane *lane, uint64_t now_us)
{
    lbi_request *request, *next;

    DL_FOREACH_SAFE (lane->first, request, next) {
        if (request->deadline_us <= now_us)
            expire(store, lane, request);
        else if (request->deadline_us < store->expiry_us)
            store->expiry_us = request->deadline_us;
    }
}

static void end_job(lbi_sqlite *store)
{
    lbi_db_rollback(&store->counter);
    store->job.request = NULL;
}

static void expire_all(lbi_sqlite *store, uint64_t now_us)
{
    lbi_request *job = store->job.request;

    if (now_us < store->expiry_us)
        return;
    store->expiry_us = LB_NEVER;
    expire_lane(store, &store->queue, now_us);
    expire_lane(store, &store->ahead, now_us);
    expire_lane(store, &store->deletions, now_us);
    if (!job)
        return;
    if (job->deadline_us > now_us) {
        if (job->deadline_us < store->expiry_us)
            store->expiry_us = job->deadline_us;
        return;
    }
    end_job(store);
    lbi_request_clear_answer(job);
    (void)lbi_request_fail(job, LB_E_TIMEOUT, "timed out counting a large board");
    finish(store, job);
}

static bool is_locked(lbi_sqlite *store, lbi_lane *lane, int code)
{
    if (code != LB_E_BUSY)
        return false;
    store->config.counters->busy++;
    lbi_backoff_more(&lane->busy, BUSY_FIRST_US, BUSY_MOST_US);
    return true;
}

/* ---- Groups of requests --------------------------------------------------------------------- */

static lbi_request *pop(lbi_request **list)
{
    lbi_request *request = *list;

    DL_DELETE(*list, request);
    return request;
}

/* The members of a group go back to where they came from, in their order. */
static void put_back(lbi_sqlite *store, lbi_request **group)
{
    for (lbi_request *request = *group; request; request = request->next) {
        lbi_request_clear_answer(request);
        put(request, QUEUED);
        store->parted = store->parted && lbi_verb_writes(request->verb);
    }
    DL_CONCAT(*group, store->queue.first);
    store->queue.first = *group;
    *group = NULL;
}

/* The transaction is lost. What one request is to blame for fails that one alone, the others run
 * again without it; what concerns all writes fails them all. Reads run again. */
static void fail_group(lbi_sqlite *store, lbi_request **group, lbi_request *guilty)
{
    lb_error error = store->writer.error;
    bool one = guilty && (error.code == LB_E_NOMEM || error.code == LB_E_CONFLICT ||
                          error.code == LB_E_CORRUPT || error.code == LB_E_IO);
    lbi_request *request, *next;

    lbi_db_rollback(&store->writer);
    if (!is_locked(store, &store->queue, error.code)) {
        DL_FOREACH_SAFE (*group, request, next) {
            if (one ? request != guilty : request != guilty && !lbi_verb_writes(request->verb))
                continue;
            DL_DELETE(*group, request);
            fail(store, request, &error);
        }
        if (error.code == LB_E_FULL)
            lbi_wal_relieve(store);
        close_if_broken(store, &store->writer, error.code);
    }
    put_back(store, group);
}

/* After a commit whose way to the disk failed the rows may be there. */
static void fail_commit(lbi_sqlite *store, lbi_request **group)
{
    lbi_request *request, *next;

    if (store->writer.error.code == LB_E_UNKNOWN) {
        DL_FOREACH_SAFE (*group, request, next) {
            if (!lbi_verb_writes(request->verb))
                continue;
            DL_DELETE(*group, request);
            fail_with(store, request, LB_E_UNKNOWN, store->writer.error.msg);
        }
    }
    fail_group(store, group, NULL);
}

/* A request of the group has run: with r = 1 it goes on as a deletion. */
static void settle_group(lbi_sqlite *store, lbi_request **group)
{
    while (*group) {
        lbi_request *request = pop(group);

        if (where_is(request) == DELETING)
            DL_APPEND(store->deletions.first, request);
        else
            finish(store, request);
    }
}

/* The log is kept short by whoever writes, a bounded number of entries at a time, twice as many as
 * were added: so it stays bounded also when others add without trimming. */
static int trim(lbi_sqlite *store, lbi_write *write)
{
    uint32_t keep = store->config.change_log;
    int64_t every = keep / 16 < 1 ? 1 : keep / 16 > 256 ? 256 : keep / 16;

    if (write->last.seq - store->trimmed_at < every)
        return 0;
    store->trimmed_at = write->last.seq;
    return lbi_write_trim(write, keep);
}

static int begin_write(lbi_sqlite *store, lbi_write *write)
{
    int r = lbi_db_do(&store->writer, LBI_SQL_BEGIN_WRITE);

    return r < 0 ? r : lbi_write_begin(write, &store->writer);
}

static int commit(lbi_sqlite *store)
{
    int r = lbi_db_do(&store->writer, LBI_SQL_COMMIT);

    if (r < 0)
        return r;
    store->config.counters->transactions++;
    store->worked_us = lbi_clock_us();
    lbi_follow_wake(store);
    return 0;
}

/* All steps of a read at once: within a write transaction, where they see what it has written. */
static int read_at_once(lbi_sqlite *store, lbi_request *request)
{
    lbi_read read;
    int r;

    lbi_read_begin(&read, request, &store->writer);
    while ((r = lbi_read_step(&read)) > 0)
        continue;
    return r;
}

static bool joins(const lbi_request *request)
{
    return request && (lbi_verb_writes(request->verb) || !lbi_read_counts(request));
}

static int run_one(lbi_sqlite *store, lbi_write *write, lbi_request *request)
{
    int r;

    lbi_request_clear_answer(request);
    if (!lbi_verb_writes(request->verb))
        return read_at_once(store, request);
    r = lbi_write_run(write, request);
    if (r > 0)
        put(request, DELETING);
    return r < 0 ? r : 0;
}

/* Writes, and the quick reads between them, as one transaction. */
static void run_group(lbi_sqlite *store)
{
    uint64_t until_us = lbi_clock_us() + GROUP_US;
    lbi_request *group = NULL, *request = NULL;
    lbi_write write;
    int n = 0, r;

    r = begin_write(store, &write);
    if (r < 0) { /* the first one stands for all: each tries for itself */
        request = pop(&store->queue.first);
        DL_APPEND(group, request);
    }
    while (r >= 0 && n++ < GROUP_MAX && joins(store->queue.first) && lbi_clock_us() < until_us) {
        request = pop(&store->queue.first);
        DL_APPEND(group, request);
        r = run_one(store, &write, request);
    }
    if (r < 0) {
        fail_group(store, &group, request);
    } else if (trim(store, &write) < 0) {
        fail_group(store, &group, NULL);
    } else if (commit(store) < 0) {
        fail_commit(store, &group);
    } else {
        lbi_backoff_clear(&store->queue.busy);
        store->parted = false;
        settle_group(store, &group);
    }
}

/* ---- Reads ---------------------------------------------------------------------------------- */

/* A read is tried on the writer's connection, which is open already; it becomes the job when it
 * proves to be long. Returns 1 = is long. */
static int try_read(lbi_sqlite *store, lbi_request *request)
{
    uint64_t until_us = lbi_clock_us() + STEP_US;
    lbi_read read;
    int r = lbi_db_do(&store->writer, LBI_SQL_BEGIN);

    lbi_read_begin(&read, request, &store->writer);
    while (r >= 0 && (r = lbi_read_step(&read)) > 0 && !read.large && lbi_clock_us() < until_us)
        continue;
    lbi_db_rollback(&store->writer);
    return r;
}

static int start_job(lbi_sqlite *store, lbi_request *request)
{
    int r = lbi_sqlite_open(store, &store->counter, false);

    if (r >= 0)
        r = lbi_db_do(&store->counter, LBI_SQL_BEGIN);
    lbi_read_begin(&store->job, request, &store->counter);
    if (r >= 0)
        r = lbi_read_step(&store->job); /* the first one fixes the instant */
    return r;
}

/* The first of a lane, and not the job, has ended or failed. */
static void end_read(lbi_sqlite *store, lbi_lane *lane, lbi_db *db, int r)
{
    lbi_request *request;

    if (r < 0 && is_locked(store, lane, r))
        return;
    lbi_backoff_clear(&lane->busy);
    request = pop(&lane->first);
    if (r == 0) {
        finish(store, request);
        return;
    }
    fail(store, request, &db->error);
    close_if_broken(store, db, db->error.code);
}

static void run_read(lbi_sqlite *store, lbi_lane *lane)
{
    lbi_request *request = lane->first;
    int r;

    if (!is_large(request)) {
        r = try_read(store, request);
        if (r > 0)
            put(request, where_is(request) == AHEAD ? LARGE_AHEAD : LARGE_QUEUED);
        else
            end_read(store, lane, &store->writer, r);
        return;
    }
    r = start_job(store, request);
    if (r > 0) {
        (void)pop(&lane->first);
        put(request, JOB);
        lbi_backoff_clear(&lane->busy);
        return;
    }
    end_job(store);
    end_read(store, lane, &store->counter, r);
}

/* One long read at a time. */
static bool waits_for_job(const lbi_sqlite *store, const lbi_lane *lane)
{
    return store->job.request && is_large(lane->first);
}

/* Writes wait, so what is among them and only reads goes ahead of them. */
static void let_reads_ahead(lbi_sqlite *store)
{
    lbi_request *request, *next;

    if (store->parted || !store->writer.handle)
        return;
    store->parted = true;
    DL_FOREACH_SAFE (store->queue.first, request, next) {
        if (lbi_verb_writes(request->verb))
            continue;
        DL_DELETE(store->queue.first, request);
        put(request, is_large(request) ? LARGE_AHEAD : AHEAD);
        DL_APPEND(store->ahead.first, request);
    }
}

static int step_ahead(lbi_sqlite *store)
{
    lbi_lane *lane = &store->ahead;
    int r;

    if (!lane->first || lbi_clock_us() < lane->busy.at_us || waits_for_job(store, lane))
        return 0;
    r = open_writer(store, false);
    if (r < 0)
        end_read(store, lane, &store->writer, r);
    else
        run_read(store, lane);
    return 1;
}

static int step_job(lbi_sqlite *store)
{
    lbi_request *request = store->job.request;
    int r;

    if (!request)
        return 0;
    r = lbi_read_step(&store->job);
    if (r > 0)
        return 1;
    end_job(store);
    if (r == 0)
        finish(store, request);
    else
        fail(store, request, &store->counter.error);
    if (r < 0)
        close_if_broken(store, &store->counter, store->counter.error.code);
    return 1;
}

/* ---- The queue ------------------------------------------------------------------------------ */

static void run_head(lbi_sqlite *store)
{
    lbi_request *head = store->queue.first;
    bool writes = lbi_verb_writes(head->verb);
    int r = open_writer(store, (head->flags & LBI_CREATE) || head->verb == LBI_BOARD_CREATE);

    if (r >= 0 && writes && store->writer.readonly)
        r = lbi_db_fail(&store->writer, SQLITE_READONLY);
    if (r < 0) {
        end_read(store, &store->queue, &store->writer, r);
        return;
    }
    if (writes)
        run_group(store);
    else
        run_read(store, &store->queue);
}

static int step_queue(lbi_sqlite *store)
{
    uint64_t now_us = lbi_clock_us();

    if (!store->queue.first)
        return 0;
    if (now_us < store->queue.busy.at_us || lbi_wal_holds(store)) {
        let_reads_ahead(store);
        return 0;
    }
    look_at_file(store, now_us);
    if (!store->queue.first || waits_for_job(store, &store->queue))
        return 0; /* none overtakes */
    run_head(store);
    return 1;
}

/* ---- Deletion of boards --------------------------------------------------------------------- */

static int run_deletion(lbi_sqlite *store, lbi_request *request)
{
    lbi_write write;
    int more = 0, r = open_writer(store, false);

    if (r >= 0)
        r = begin_write(store, &write);
    if (r >= 0)
        more = r = lbi_write_deletion(&write, request);
    if (r >= 0)
        r = commit(store);
    return r < 0 ? r : more;
}

static int step_deletion(lbi_sqlite *store)
{
    lbi_request *request = store->deletions.first;
    int r;

    if (!request || lbi_clock_us() < store->deletions.busy.at_us)
        return 0;
    r = run_deletion(store, request);
    if (r < 0)
        lbi_db_rollback(&store->writer);
    if (r < 0 && is_locked(store, &store->deletions, r))
        return 1;
    lbi_backoff_clear(&store->deletions.busy);
    (void)pop(&store->deletions.first);
    if (r > 0) {
        DL_APPEND(store->deletions.first, request); /* each in its turn */
        return 1;
    }
    if (r == 0) {
        finish(store, request);
        return 1;
    }
    fail_with(store, request, r, store->writer.error.msg);
    close_if_broken(store, &store->writer, r);
    return 1;
}

/* ---- The interface -------------------------------------------------------------------------- */

static int store_process(lbi_store *base, uint64_t now_us)
{
    static int (*const steps[])(lbi_sqlite *) = {step_queue, step_ahead, step_job, step_deletion,
                                                 lbi_wal_step};
    enum { N = sizeof steps / sizeof steps[0] };
    lbi_sqlite *store = self(base);
    int did = 0;

    expire_all(store, now_us);
    for (unsigned i = 0; i < N && !did && !store->finished; i++)
        did = steps[store->turn++ % N](store);
    return deliver(store) || did;
}

static uint64_t store_deadline(const lbi_store *base)
{
    const lbi_sqlite *store = (const lbi_sqlite *)base;
    uint64_t ret = lbi_wal_time(store);

    if (store->finished || store->job.request)
        return 0;
    if (store->queue.first || store->ahead.first || store->deletions.first)
        ret = lbi_earlier(ret, store->expiry_us);
    if (store->queue.first && !lbi_wal_holds(store))
        ret = lbi_earlier(ret, store->queue.busy.at_us);
    if (store->ahead.first)
        ret = lbi_earlier(ret, store->ahead.busy.at_us);
    if (store->deletions.first)
        ret = lbi_earlier(ret, store->deletions.busy.at_us);
    return ret;
}

static uint64_t store_feeds_deadline(const lbi_store *base)
{
    return lbi_follow_deadline(&((const lbi_sqlite *)base)->follow);
}

static void store_submit(lbi_store *base, lbi_request *request)
{
    lbi_sqlite *store = self(base);

    if (!store->queue.first)
        store->parted = false;
    if (store->parted && !lbi_verb_writes(request->verb)) {
        put(request, AHEAD);
        DL_APPEND(store->ahead.first, request);
    } else {
        put(request, QUEUED);
        DL_APPEND(store->queue.first, request);
    }
    store->expiry_us = lbi_earlier(store->expiry_us, request->deadline_us);
}

static bool store_cancel(lbi_store *base, lbi_request *request)
{
    lbi_sqlite *store = self(base);

    switch (where_is(request)) {
    case QUEUED:
    case LARGE_QUEUED:
        DL_DELETE(store->queue.first, request);
        return true;
    case AHEAD:
    case LARGE_AHEAD:
        DL_DELETE(store->ahead.first, request);
        return true;
    case JOB:
        end_job(store);
        return true;
    case DELETING: /* the board is gone already */
    case FINISHED:
        return false;
    }
    return false;
}

static void store_free(lbi_store *base)
{
    lbi_sqlite *store = self(base);

    lbi_follow_free(store);
    lbi_db_close(&store->counter);
    lbi_wal_close(store);
    lbi_db_close(&store->writer);
    free(store->path);
    free(store->name);
    free(store);
}

static const lbi_store_ops sqlite_ops = {
    .free = store_free,
    .submit = store_submit,
    .cancel = store_cancel,
    .process = store_process,
    .process_feeds = lbi_follow_process,
    .deadline = store_deadline,
    .feeds_deadline = store_feeds_deadline,
    .feed_open = lbi_follow_open,
    .feed_close = lbi_follow_close,
};

static int check_path(const char *path, lb_error *reterr)
{
    if (!*path)
        return lbi_fail(reterr, LB_E_INVAL,
                        "the database URL names no file: write sqlite:leaderboard.db");
    if (strcmp(path, ":memory:") == 0)
        return lbi_fail(reterr, LB_E_INVAL,
                        "sqlite::memory: is not supported, other processes could not see it: name "
                        "a file, such as one below /dev/shm");
    return 0;
}

int lbi_sqlite_new(const lbi_store_config *config, lbi_store **ret, lb_error *reterr)
{
    const char *path = config->url + strlen("sqlite:");
    lbi_sqlite *store;
    int r = check_path(path, reterr);

    if (r < 0)
        return r;
    store = calloc(1, sizeof *store);
    if (!store)
        return lbi_fail_nomem(reterr);
    store->base.ops = &sqlite_ops;
    store->config = *config;
    store->config.url = NULL; /* only borrowed */
    store->expiry_us = LB_NEVER;
    store->name = strdup(path);
    store->path = lbi_file_absolute(path);
    if (!store->name || !store->path)
        r = lbi_fail_nomem(reterr);
    else if (strlen(store->path) > PATH_MAX_LEN)
        r = lbi_fail(reterr, LB_E_INVAL, "the path of the database has more than %d bytes",
                     PATH_MAX_LEN);
    if (r < 0) {
        store_free(&store->base);
        return r;
    }
    *ret = &store->base;
    return 0;
}
