/* A file that is damaged, moved, or reached by another name while it is in use. */
#include "store_rig.h"
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGE = 1024, PLAYERS = 3000 };

typedef struct damage {
    off_t offset;
    char page[PAGE]; /* as it was */
    char player[LB_PLAYER_MAX + 1];
} damage;

static void fill_board(void)
{
    char sql[256];

    (void)snprintf(sql, sizeof sql,
                   "WITH RECURSIVE t(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM t WHERE i < %d) "
                   "INSERT INTO players(board, id, score, reached_us) "
                   "SELECT 'big', 'p' || i, i, i FROM t",
                   PLAYERS);
    CHECK_STR(rig_sql("INSERT INTO boards(id) VALUES('big')"), "");
    CHECK_STR(rig_sql(sql), "");
}

static void write_page(off_t offset, const char page[PAGE])
{
    int fd = open(RIG_FILE, O_WRONLY);

    CHECK(fd >= 0);
    CHECK_EQ(pwrite(fd, page, PAGE, offset), PAGE);
    CHECK_EQ(close(fd), 0);
}

static void read_page(damage *d)
{
    int fd = open(RIG_FILE, O_RDONLY);

    CHECK(fd >= 0);
    CHECK_EQ(pread(fd, d->page, PAGE, d->offset), PAGE);
    CHECK_EQ(close(fd), 0);
}

/* The first player in the page: its board and its id stand side by side. */
static void find_player(damage *d)
{
    const char *at = memmem(d->page, PAGE, "bigp", 4);
    size_t n = 1;

    CHECK(at != NULL);
    at += 3;
    while (at[n] >= '0' && at[n] <= '9')
        n++;
    memcpy(d->player, at, n);
    d->player[n] = '\0';
}

/* Overwrites a page in the middle of the players. */
static void damage_page(damage *d)
{
    static const char zeros[PAGE];

    *d = (damage){0};
    CHECK_EQ(rig_number("PRAGMA wal_checkpoint(TRUNCATE)"), 0);
    CHECK_EQ(rig_number("PRAGMA page_size"), PAGE);
    d->offset = (off_t)(PAGE * (rig_number("SELECT pageno FROM dbstat WHERE name = 'players' AND "
                                           "pagetype = 'leaf' ORDER BY path LIMIT 1 OFFSET 40") -
                                1));
    read_page(d);
    find_player(d);
    write_page(d->offset, zeros);
}

static void make_big(void)
{
    store_rig rig;

    rig_open(&rig);
    CHECK_EQ(rig_add(&rig, "demo", "alice", 10), 1);
    rig_close(&rig);
    if (strstr(rig_sql("SELECT 1 FROM dbstat"), "no such table"))
        SKIP("this SQLite has no dbstat");
    fill_board();
}

static int n_done;

static void count_done(lbi_request *request)
{
    (void)request;
    n_done++;
}

TEST(a_damaged_page_harms_its_own_rows_only)
{
    enum { N = 8, BAD = 3 };
    lbi_request *requests[N];
    store_rig rig;
    damage d;

    make_big();
    damage_page(&d);
    rig_open(&rig);
    for (int i = 0; i < N; i++) {
        requests[i] =
            rig_request(LBI_SCORE_ADD, i == BAD ? "big" : "demo", i == BAD ? d.player : "alice");
        requests[i]->amount = 1;
        requests[i]->done = count_done;
        rig.store->ops->submit(rig.store, requests[i]);
    }
    while (n_done < N)
        rig_turn(&rig, true);
    for (int i = 0; i < N; i++) {
        CHECK_EQ(requests[i]->code, i == BAD ? LB_E_CORRUPT : 1);
        lbi_arena_clear(&requests[i]->arena);
        free(requests[i]);
    }
    CHECK_EQ(rig_get(&rig, "demo", "alice")->score, 10 + N - 1);
    rig_close(&rig);
}

TEST(a_follower_of_a_damaged_board_tries_ever_less_often)
{
    feed_mirror mirror;
    store_rig rig;
    damage d;

    make_big();
    damage_page(&d);
    rig_open(&rig);
    mirror_open(&mirror, &rig, "big");
    while (rig.counters.retries < 5)
        rig_turn(&rig, true);
    CHECK_EQ(rig.notices[LB_NOTICE_RETRY], 1);
    CHECK(mirror.resets <= 6); /* one a try */
    CHECK_EQ(mirror.readies, 0);
    write_page(d.offset, d.page);
    mirror_settle(&mirror);
    CHECK_EQ(mirror.n, PLAYERS);
    mirror_close(&mirror);
    rig_close(&rig);
}

/* Whoever moves the file takes with it what was acknowledged. */
TEST(a_file_that_is_renamed_keeps_what_was_written)
{
    feed_mirror mirror;
    store_rig rig;

    rig_open(&rig);
    mirror_open(&mirror, &rig, "demo");
    CHECK_EQ(rig_add(&rig, "demo", "alice", 10), 1);
    mirror_settle(&mirror);
    CHECK_EQ(rename(RIG_FILE, "moved.db"), 0);
    while (rig_get(&rig, "demo", "alice"))
        rig_turn(&rig, false);
    CHECK_EQ(rig_add(&rig, "demo", "bob", 1), 1);
    mirror_settle(&mirror);
    CHECK_EQ(mirror.n, 1);
    mirror_close(&mirror);
    rig_close(&rig);
    CHECK_EQ(rename(RIG_FILE, "second.db"), 0);
    CHECK_EQ(rename("moved.db", RIG_FILE), 0);
    CHECK_EQ(rig_number("SELECT score FROM players WHERE id = 'alice'"), 10);
}

TEST(a_link_is_as_good_as_the_file)
{
    feed_mirror mirror;
    store_rig rig;

    CHECK_EQ(mkdir("elsewhere", 0755), 0);
    CHECK_EQ(symlink("elsewhere/real.db", "link.db"), 0);
    rig_open_with(&rig, "sqlite:link.db", 0, 0);
    CHECK_EQ(rig_add(&rig, "demo", "alice", 10), 1);
    CHECK_EQ(access("elsewhere/real.db-wal", F_OK), 0);
    CHECK_EQ(symlink("elsewhere/real.db", RIG_FILE), 0); /* what the others of the rig open */
    mirror_open(&mirror, &rig, "demo");
    mirror_settle(&mirror);
    CHECK_STR(rig_sql("UPDATE players SET score = 77"), "");
    mirror_settle(&mirror);
    CHECK_EQ(mirror.rows[0].score, 77);
    mirror_close(&mirror);
    rig_close(&rig);
}
