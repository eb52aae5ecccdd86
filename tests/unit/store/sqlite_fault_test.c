/* A disk that fails in the middle of a commit, of a checkpoint, of closing: what was answered as
 * done is there, what was answered as not done is not, and the client goes on. */
#include "fault_disk.h"
#include "store_rig.h"
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PLAYERS = 16 };

/* What the answers said. */
typedef struct ledger {
    int done[PLAYERS];
    int unknown[PLAYERS];
    int failures;
    int last; /* code */
} ledger;

static void player_id(int i, char id[16])
{
    (void)snprintf(id, 16, "p%d", i);
}

static void check_failure(const lbi_request *request)
{
    int code = request->code;

    if (code != LB_E_IO && code != LB_E_FULL && code != LB_E_UNKNOWN)
        FAIL("%d '%s'", code, request->error.msg);
    if (!strstr(request->error.msg, "test.db"))
        FAIL("'%s' does not name the database", request->error.msg);
    if (code == LB_E_UNKNOWN)
        CHECK(strstr(request->error.msg, "nothing was changed") == NULL);
}

static void add(store_rig *rig, ledger *book, int i)
{
    lbi_request *request = rig_request(LBI_SCORE_ADD, "demo", "");
    const lbi_request *answer;

    player_id(i, request->player);
    request->flags = LBI_CREATE;
    request->amount = 1;
    answer = rig_ask(rig, request);
    book->last = answer->code;
    if (answer->code == 1) {
        book->done[i]++;
        return;
    }
    book->failures++;
    check_failure(answer);
    book->unknown[i] += answer->code == LB_E_UNKNOWN;
}

/* With a disk that is well, by a client that has seen nothing of it. */
static void check_rows(const ledger *book)
{
    store_rig rig;

    rig_open(&rig);
    for (int i = 0; i < PLAYERS; i++) {
        const lb_player *row;
        int64_t score;
        char id[16];

        player_id(i, id);
        row = rig_get(&rig, "demo", id);
        score = row ? row->score : 0;
        if (score < book->done[i] || score > book->done[i] + book->unknown[i])
            FAIL("%s has %d: %d done, %d unknown", id, (int)score, book->done[i], book->unknown[i]);
    }
    rig_close(&rig);
    CHECK_STR(rig_text("PRAGMA integrity_check"), "ok");
}

static void remove_files(void)
{
    (void)unlink(RIG_FILE);
    (void)unlink(RIG_FILE "-wal");
    (void)unlink(RIG_FILE "-shm");
}

static void make_demo(ledger *book)
{
    store_rig rig;

    remove_files();
    rig_open(&rig);
    for (int i = 0; i < PLAYERS; i++)
        add(&rig, book, i);
    CHECK_EQ(book->failures, 0);
    rig_close(&rig);
}

/* The adds of a run: one at a time, and the last after the disk is well again. */
static void add_all(store_rig *rig, ledger *book)
{
    for (int i = 0; i < 2 * PLAYERS; i++)
        add(rig, book, i % PLAYERS);
}

static const unsigned calls[] = {FAULT_DISK_WRITE, FAULT_DISK_SYNC, FAULT_DISK_TRUNCATE,
                                 FAULT_DISK_READ};
static const int errors[] = {EIO, ENOSPC};
static const int durabilities[] = {LB_DURABILITY_NORMAL, LB_DURABILITY_FULL};

enum { N_CALLS = sizeof calls / sizeof calls[0] };

/* ---- Commits -------------------------------------------------------------------------------- */

/* One run: every call of the kind fails `times` times from the one after `skip` on. Returns whether
 * one did. */
static bool run_commits(const fault_disk *fault, int durability)
{
    ledger book = {.failures = 0};
    feed_mirror mirror;
    store_rig rig;
    bool fired;

    make_demo(&book);
    rig_open_with(&rig, "sqlite:" RIG_FILE, durability, 1000);
    mirror_open(&mirror, &rig, "demo");
    mirror_settle(&mirror);
    fault_disk_set(fault);
    add_all(&rig, &book);
    fired = fault_disk_fired() > 0;
    fault_disk_set(NULL);
    add(&rig, &book, 0);
    CHECK_EQ(book.last, 1);
    mirror_settle(&mirror);
    mirror_close(&mirror);
    rig_close(&rig);
    check_rows(&book);
    return fired;
}

static int run_all_commits(unsigned which, unsigned times)
{
    int runs = 0;

    for (unsigned i = 0; i < 2 * sizeof durabilities / sizeof durabilities[0]; i++) {
        fault_disk fault = {
            .calls = calls[which], .log = true, .error = errors[i % 2], .times = times};

        while (run_commits(&fault, durabilities[i / 2])) {
            fault.skip += fault.skip / 4 + 1;
            runs++;
        }
    }
    return runs;
}

TEST(a_write_to_the_log_fails, .timeout_s = 120)
{
    fault_disk_install();
    CHECK(run_all_commits(0, 1) > 8);
    CHECK(run_all_commits(0, 5) > 8);
}

TEST(a_sync_of_the_log_fails, .timeout_s = 120)
{
    fault_disk_install();
    CHECK(run_all_commits(1, 1) > 8);
    CHECK(run_all_commits(1, 5) > 8);
}

TEST(a_read_of_the_log_fails, .timeout_s = 120)
{
    fault_disk_install();
    (void)run_all_commits(3, 1);
    (void)run_all_commits(3, 5);
}

/* Adds that travel together: each is answered, and truly. */
TEST(a_group_fails, .timeout_s = 120)
{
    fault_disk_install();
    for (unsigned i = 0; i < 2 * sizeof durabilities / sizeof durabilities[0]; i++) {
        fault_disk fault = {.calls = FAULT_DISK_WRITE | FAULT_DISK_SYNC,
                            .log = true,
                            .error = errors[i % 2],
                            .times = 1};

        for (fault.skip = 0; fault.skip < 12; fault.skip++) {
            lbi_request *group[PLAYERS];
            bool done[PLAYERS] = {false};
            ledger book = {.failures = 0};
            store_rig rig;

            make_demo(&book);
            rig_open_with(&rig, "sqlite:" RIG_FILE, durabilities[i / 2], 1000);
            CHECK(rig_get(&rig, "demo", "p0") != NULL);
            fault_disk_set(&fault);
            for (int k = 0; k < PLAYERS; k++) {
                group[k] = rig_request(LBI_SCORE_ADD, "demo", "");
                player_id(k, group[k]->player);
                group[k]->amount = 1;
                group[k]->owner = &done[k];
                rig.store->ops->submit(rig.store, group[k]);
            }
            for (int k = 0; k < PLAYERS; k++) {
                while (!done[k])
                    rig_turn(&rig, true);
                if (group[k]->code < 0)
                    check_failure(group[k]);
                book.done[k] += group[k]->code == 1;
                book.unknown[k] += group[k]->code == LB_E_UNKNOWN;
                lbi_arena_clear(&group[k]->arena);
                free(group[k]);
            }
            fault_disk_set(NULL);
            rig_close(&rig);
            check_rows(&book);
        }
    }
}

/* ---- The end of the process ----------------------------------------------------------------- */

/* Ends without closing anything at the first failure: whoever opens the file next finds a log that
 * nobody has tidied up. */
static void run_and_die(const fault_disk *fault, int durability, ledger *book)
{
    store_rig rig;

    rig_open_with(&rig, "sqlite:" RIG_FILE, durability, 1000);
    CHECK(rig_get(&rig, "demo", "p0") != NULL);
    fault_disk_set(fault);
    for (int i = 0; i < 2 * PLAYERS && book->failures == 0; i++)
        add(&rig, book, i % PLAYERS);
    _exit(0);
}

TEST(the_process_ends_at_the_failure, .timeout_s = 120)
{
    ledger *book =
        mmap(NULL, sizeof *book, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int failures = 0;

    CHECK(book != MAP_FAILED);
    fault_disk_install();
    for (unsigned i = 0; i < 2 * sizeof durabilities / sizeof durabilities[0]; i++) {
        fault_disk fault = {.calls = FAULT_DISK_WRITE | FAULT_DISK_SYNC,
                            .log = true,
                            .error = errors[i % 2],
                            .times = 1000};

        for (fault.skip = 0; fault.skip < 16; fault.skip++) {
            int status;
            pid_t child;

            *book = (ledger){.failures = 0};
            make_demo(book);
            child = fork();
            if (child == 0)
                run_and_die(&fault, durabilities[i / 2], book);
            CHECK_EQ(waitpid(child, &status, 0), child);
            CHECK_EQ(status, 0);
            failures += book->failures;
            check_rows(book);
        }
    }
    CHECK(failures > 32);
    CHECK_EQ(munmap(book, sizeof *book), 0);
}

/* ---- Checkpoints ---------------------------------------------------------------------------- */

/* Enough for the log to be moved while others write, and once more when the client closes. */
static unsigned run_checkpoints(const fault_disk *fault, int durability, int *notices)
{
    enum { ADDS = 1500 };
    ledger book = {.failures = 0};
    unsigned fired;
    store_rig rig;

    make_demo(&book);
    rig_open_with(&rig, "sqlite:" RIG_FILE, durability, 1000);
    CHECK(rig_get(&rig, "demo", "p0") != NULL);
    fault_disk_set(fault);
    for (int i = 0; i < ADDS; i++)
        add(&rig, &book, i % PLAYERS);
    *notices += rig.notices[LB_NOTICE_CHECKPOINT];
    rig_close(&rig);
    fired = fault_disk_fired();
    fault_disk_set(NULL);
    check_rows(&book);
    return fired;
}

/* A commit is in the log, so it does not matter to it that the log is not moved. */
TEST(a_checkpoint_fails, .timeout_s = 240)
{
    static const unsigned skips[] = {0, 3, 40};
    int notices = 0;

    fault_disk_install();
    for (unsigned which = 0; which < N_CALLS; which++) {
        for (unsigned i = 0; i < sizeof skips / sizeof skips[0]; i++) {
            fault_disk fault = {.calls = calls[which],
                                .error = errors[i % 2],
                                .skip = skips[i],
                                .times = 1 + i * 1000};

            (void)run_checkpoints(&fault, LB_DURABILITY_NORMAL, &notices);
        }
    }
    CHECK(notices > 0);
}

/* SQLite does not say why a commit failed, and goes on saying why something else did before. */
TEST(the_reason_of_a_checkpoint_is_not_that_of_a_commit)
{
    fault_disk full = {.calls = FAULT_DISK_SYNC, .error = ENOSPC, .times = 1};
    fault_disk broken = {.calls = FAULT_DISK_SYNC, .log = true, .error = EIO, .times = 1};
    ledger book = {.failures = 0};
    store_rig rig;

    fault_disk_install();
    make_demo(&book);
    rig_open_with(&rig, "sqlite:" RIG_FILE, LB_DURABILITY_FULL, 1000);
    CHECK(rig_get(&rig, "demo", "p0") != NULL);
    fault_disk_set(&full);
    while (rig.notices[LB_NOTICE_CHECKPOINT] == 0)
        add(&rig, &book, 0);
    CHECK_EQ(book.failures, 0);
    fault_disk_set(&broken);
    add(&rig, &book, 0);
    CHECK_EQ(book.last, LB_E_UNKNOWN);
    add(&rig, &book, 0);
    CHECK_EQ(book.last, 1);
    rig_close(&rig);
    check_rows(&book);
}

/* Not in the log, and the log itself is to be synced first. */
TEST(the_sync_before_a_checkpoint_fails, .timeout_s = 120)
{
    int notices = 0;

    fault_disk_install();
    for (unsigned skip = 0; skip < 4; skip++) {
        fault_disk fault = {
            .calls = FAULT_DISK_SYNC, .log = true, .error = EIO, .skip = skip, .times = 2};

        CHECK(run_checkpoints(&fault, LB_DURABILITY_NORMAL, &notices) > 0);
    }
}
