/* Out of memory anywhere: said so or got over, nothing broken, and the next try works. There are
 * thousands of allocations in SQLite: every 13th here, each with ALLOC_STEP=1. */
#include "fault.h"
#include "store_rig.h"
#include "test.h"

#include "os/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static bool is_done;
static char message[256]; /* of the last request */

static void on_done(lbi_request *request)
{
    (void)request;
    is_done = true;
}

static void on_notice(const lb_notice *notice, void *user)
{
    (void)notice;
    (void)user;
}

typedef struct small_world {
    lbi_poller *poller;
    lbi_store *store;
    lb_counters counters;
} small_world;

static int world_open(small_world *world)
{
    lbi_store_config config = {.url = "sqlite:" RIG_FILE,
                               .change_log = 100,
                               .counters = &world->counters,
                               .notice = on_notice};
    int r;

    fault_suspend();
    CHECK_OK(lbi_poller_new(&world->poller, NULL));
    fault_resume();
    config.poller = world->poller;
    r = lbi_sqlite_new(&config, &world->store, NULL);
    if (r < 0)
        lbi_poller_free(world->poller);
    return r;
}

static void world_close(small_world *world)
{
    world->store->ops->free(world->store);
    lbi_poller_free(world->poller);
}

/* Returns the code of a request that is done with these faults. */
static int world_ask(small_world *world, const lbi_request *question)
{
    lbi_request request = *question;

    is_done = false;
    request.done = on_done;
    request.limit = 10;
    request.deadline_us = lbi_clock_us() + 20000000;
    world->store->ops->submit(world->store, &request);
    while (!is_done)
        (void)world->store->ops->process(world->store, lbi_clock_us());
    (void)snprintf(message, sizeof message, "%s", request.error.msg);
    lbi_arena_clear(&request.arena);
    return request.code;
}

static const lbi_request questions[] = {
    {.verb = LBI_BOARD_CREATE, .board = "new"},
    {.verb = LBI_SCORE_ADD, .board = "b2", .player = "x", .amount = 1, .flags = LBI_CREATE},
    {.verb = LBI_SCORE_ADD, .board = "demo", .player = "alice", .amount = 1, .key = "k"},
    {.verb = LBI_PLAYER_PUT, .board = "demo", .player = "bob", .name = "Bob"},
    {.verb = LBI_PLAYER_GET, .board = "demo", .player = "alice", .flags = LBI_PLACE},
    {.verb = LBI_PLAYER_AROUND, .board = "demo", .player = "alice"},
    {.verb = LBI_BOARD_GET, .board = "demo", .offset = 1, .flags = LBI_PLACE},
    {.verb = LBI_BOARD_INFO, .board = "demo"},
    {.verb = LBI_BOARD_LIST},
    {.verb = LBI_PLAYER_REMOVE, .board = "demo", .player = "alice"},
    {.verb = LBI_BOARD_DELETE, .board = "demo"},
};

static const lbi_request warm_up = {.verb = LBI_BOARD_LIST};

static void remove_files(void)
{
    (void)unlink(RIG_FILE);
    (void)unlink(RIG_FILE "-wal");
    (void)unlink(RIG_FILE "-shm");
}

/* A file with two players, copied from one that is made once. */
static void prepare(void)
{
    static char template[256 * 1024];
    static size_t size;
    store_rig rig;
    FILE *file;

    fault_suspend();
    if (!size) {
        rig_open(&rig);
        CHECK_EQ(rig_add(&rig, "demo", "alice", 1), 1);
        CHECK_EQ(rig_add(&rig, "demo", "zoe", 1), 1);
        rig_close(&rig);
        file = fopen(RIG_FILE, "rb");
        CHECK(file != NULL);
        size = fread(template, 1, sizeof template, file);
        CHECK_EQ(fclose(file), 0);
    }
    remove_files();
    file = fopen(RIG_FILE, "wb");
    CHECK(file != NULL);
    CHECK_EQ(fwrite(template, 1, size, file), size);
    CHECK_EQ(fclose(file), 0);
    fault_resume();
}

TEST(every_request, .timeout_s = 300)
{
    fault_include_sqlite();
    for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
        FOR_SOME_ALLOC_FAILURES(n, 13)
        {
            small_world world = {0};
            int code;

            prepare();
            fault_suspend();
            CHECK_OK(world_open(&world));
            CHECK_OK(world_ask(&world, &warm_up)); /* opening has its own test */
            fault_resume();
            code = world_ask(&world, &questions[i]);
            if (code < 0) {
                if (code != LB_E_NOMEM || !fault_fired())
                    FAIL("question %zu, allocation %zu: code %d %s", i, n, code, message);
                fault_suspend();
                code = world_ask(&world, &questions[i]); /* nothing was applied: now it works */
                if (code < 0)
                    FAIL("question %zu, allocation %zu, again: code %d", i, n, code);
                fault_resume();
            }
            world_close(&world);
            fault_suspend();
            CHECK_STR(rig_text("PRAGMA integrity_check"), "ok");
            fault_resume();
        }
    }
}

TEST(the_first_opening, .timeout_s = 300)
{
    fault_include_sqlite();
    FOR_SOME_ALLOC_FAILURES(n, 13)
    {
        small_world world = {0};
        int code;

        fault_suspend();
        remove_files();
        fault_resume();
        if (world_open(&world) < 0)
            continue;
        code = world_ask(&world, &questions[1]);
        if (code < 0) {
            if (code != LB_E_NOMEM)
                FAIL("allocation %zu: code %d %s", n, code, message);
            fault_suspend();
            CHECK_EQ(world_ask(&world, &questions[1]), 1);
            fault_resume();
        }
        world_close(&world);
    }
}

typedef struct heard_of {
    int rows, readies;
} heard_of;

static void on_change(const lb_change *change, void *user)
{
    heard_of *heard = user;

    if (change->type == LB_CHANGE_RESET)
        heard->rows = heard->readies = 0;
    heard->rows += change->type == LB_CHANGE_ROW || change->type == LB_CHANGE_CHANGE;
    heard->readies += change->type == LB_CHANGE_READY;
}

static void work_feeds(small_world *world)
{
    const lbi_store_ops *ops = world->store->ops;
    uint64_t now_us = lbi_clock_us(), deadline_us;

    (void)ops->process(world->store, now_us);
    if (ops->process_feeds(world->store, now_us))
        return;
    deadline_us = ops->feeds_deadline(world->store);
    if (ops->deadline(world->store) < deadline_us)
        deadline_us = ops->deadline(world->store);
    if (deadline_us > now_us)
        (void)lbi_poller_wait(world->poller, deadline_us - now_us);
    (void)lbi_poller_dispatch(world->poller);
}

/* Two feeds: what happens to the one that is there, and what to the one that comes. */
TEST(a_follower, .timeout_s = 300)
{
    fault_include_sqlite();
    FOR_SOME_ALLOC_FAILURES(n, 13)
    {
        small_world world = {0};
        heard_of first = {0}, second = {0};
        const lbi_store_ops *ops;
        lbi_feed *one = NULL, *two = NULL;

        prepare();
        fault_suspend();
        CHECK_OK(world_open(&world));
        ops = world.store->ops;
        CHECK_OK(ops->feed_open(world.store, "demo", true, on_change, &first, &one, NULL));
        while (!first.readies)
            work_feeds(&world);
        fault_resume();
        if (ops->feed_open(world.store, NULL, true, on_change, &second, &two, NULL) == 0) {
            while (!second.readies)
                work_feeds(&world);
            CHECK(second.rows == 2);
        }
        if (world_ask(&world, &questions[2]) == 1) {
            while (first.rows < 3 || !first.readies)
                work_feeds(&world);
        }
        ops->feed_close(one);
        if (two)
            ops->feed_close(two);
        world_close(&world);
    }
}
