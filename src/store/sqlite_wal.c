/*
 * The write-ahead log: when what was committed is moved into the database.
 *
 * A checkpoint that stands in nobody's way (PASSIVE) is enough while one process writes: the log
 * is begun anew once all of it was moved. With several writers there is always one more commit, so
 * above LIMIT frames we ask for a new beginning, which needs the write lock for a moment, and hold
 * our own writes back meanwhile: who else is above the limit does the same.
 */
#include "store/sqlite.h"

#include "os/clock.h"
#include "os/file.h"

enum {
    /* Most of the time of a checkpoint is waiting for the disk: here 15 ms for 1,000 frames, 20 ms
     * for 1,500, 45 ms for 4,000. Under full load fewer than CAP cost throughput, and more gain
     * none once the disk has begun early with the log. */
    IDLE = 500,        /* frames worth moving when nothing was written for PAUSE_US */
    STEP = 1000,       /* frames worth moving PAUSE_US after the last time */
    CAP = 1500,        /* frames worth moving at any time */
    WRITE_BACK = 250,  /* frames that the disk is asked to write before a checkpoint waits for it */
    LIMIT = 16000,     /* frames worth holding writes back for */
    PAUSE_US = 100000, /* */
    HOLD_FIRST_US = 500, /* between two tries to begin the log anew */
    HOLD_MOST_US = 4000, /* */
    HOLD_TRIES = 10      /* somebody may read an old state for hours */
};

static int count_frames(void *user, sqlite3 *handle, const char *name, int frames)
{
    lbi_wal *wal = user;

    if (frames < wal->frames) /* it was begun anew */
        wal->done = wal->on_way = 0;
    wal->frames = frames;
    if (frames - wal->on_way >= WRITE_BACK) {
        wal->on_way = frames;
        lbi_file_write_back(sqlite3_filename_wal(sqlite3_db_filename(handle, name)));
    }
    return SQLITE_OK;
}

void lbi_wal_open(lbi_sqlite *store)
{
    store->wal = (lbi_wal){0};
    (void)sqlite3_wal_hook(store->writer.handle, count_frames, &store->wal);
}

static bool is_busy(const lbi_sqlite *store)
{
    return store->queue.first || store->ahead.first || store->deletions.first || store->job.request;
}

uint64_t lbi_wal_time(const lbi_sqlite *store)
{
    const lbi_wal *wal = &store->wal;
    int frames = wal->frames - wal->done;

    if (!store->writer.handle)
        return LB_NEVER;
    if (wal->tries)
        return wal->hold.at_us;
    if (frames < IDLE)
        return LB_NEVER;
    if (frames >= CAP)
        return 0;
    if (frames >= STEP)
        return wal->last_us + PAUSE_US;
    return is_busy(store) ? LB_NEVER : store->worked_us + PAUSE_US;
}

bool lbi_wal_holds(const lbi_sqlite *store)
{
    return store->wal.tries > 0 && store->writer.handle;
}

static void complain(lbi_sqlite *store)
{
    const lb_error *error = &store->writer.error;
    int code = error->code == LB_E_UNKNOWN ? LB_E_IO : error->code; /* UNKNOWN is a commit's */

    if (code != LB_E_BUSY)
        lbi_notice(&store->config, LB_NOTICE_CHECKPOINT, code, "%s", error->msg);
}

/* What is left, because somebody still reads it, is worth a try when as much has come to it. */
static void move(lbi_sqlite *store)
{
    store->wal.done = store->wal.frames;
    store->wal.last_us = lbi_clock_us();
    if (lbi_db_checkpoint(&store->writer, false) < 0)
        complain(store);
}

static void begin_anew(lbi_sqlite *store)
{
    lbi_wal *wal = &store->wal;
    int r = lbi_db_checkpoint(&store->writer, true);

    if (r == LB_E_BUSY && ++wal->tries <= HOLD_TRIES) {
        lbi_backoff_more(&wal->hold, HOLD_FIRST_US, HOLD_MOST_US);
        return;
    }
    if (r >= 0)
        wal->frames = wal->done = wal->on_way = 0;
    else
        complain(store);
    wal->tries = 0;
    lbi_backoff_clear(&wal->hold);
}

int lbi_wal_step(lbi_sqlite *store)
{
    if (lbi_clock_us() < lbi_wal_time(store))
        return 0;
    if (!store->wal.tries)
        move(store);
    if (store->wal.frames >= LIMIT)
        begin_anew(store);
    return 1;
}

void lbi_wal_relieve(lbi_sqlite *store)
{
    if (store->writer.handle && lbi_clock_us() >= store->wal.last_us + PAUSE_US)
        move(store);
}

/* Whoever writes once and goes has never had the time. */
void lbi_wal_close(lbi_sqlite *store)
{
    if (store->writer.handle && store->wal.frames - store->wal.done >= CAP)
        move(store);
}
