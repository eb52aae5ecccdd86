/* The RethinkDB store on a real server, through a network that fails in every way, and with an
 * administrator who takes away what it needs. FAULTS_ROUNDS in the environment repeats what is
 * random or sampled (tests/soak/rethinkdb). */
#include "os/clock.h"
#include "party.h"
#include "rethinkdb_live.h"
#include "tcp_proxy.h"
#include "test.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLAYERS "[15,[\"players\"]]"

static int rounds(void)
{
    const char *text = getenv("FAULTS_ROUNDS");

    return text ? atoi(text) : 1;
}

/* The URL of this test's database through a proxy, with options. */
static const char *url_through(const struct tcp_proxy *p, const char *options)
{
    static char url[120];

    snprintf(url, sizeof url, "rethinkdb://127.0.0.1:%u/%s%s", tcp_proxy_port(p),
             rethinkdb_live_database(), options);
    return url;
}

static struct tcp_proxy *new_proxy(void)
{
    return tcp_proxy_start((uint16_t)rethinkdb_live_port());
}

static unsigned ms_since(uint64_t begin_us, uint64_t end_us)
{
    return (unsigned)((end_us - begin_us) / 1000);
}

static void add(lb_client *client, const char *player, int64_t amount)
{
    lb_write_options opts;
    lb_error error;

    lb_write_options_init(&opts);
    opts.flags = LB_WRITE_CREATE;
    if (lb_score_add(client, "b", player, amount, &opts, NULL, &error) < 0)
        FAIL("%s", error.msg);
}

static bool is_ready(void *user)
{
    return ((const watcher *)user)->m.is_ready;
}

/* ---- A peer that is silent ------------------------------------------------------------------ */

/* One proxy with a client that adds, one that watches, and one that does nothing. */
typedef struct scene {
    struct tcp_proxy *proxy;
    party *party;
    adder adder;
    watcher follower, idle;
    uint64_t stalled_us;
} scene;

static void open_scene(scene *s, party *p, unsigned id, const char *options, uint32_t timeout_ms)
{
    lb_options opts;
    char url[120];

    lb_options_init(&opts);
    opts.timeout_ms = timeout_ms;
    *s = (scene){.proxy = new_proxy(), .party = p};
    snprintf(url, sizeof url, "%s", url_through(s->proxy, options));
    adder_open(&s->adder, url, &opts, id, 4, false);
    watcher_open(&s->follower, url, &opts);
    watcher_open(&s->idle, url, &opts);
    watcher_follow(&s->follower, "b");
    add(s->idle.client, "idle", 1);
    party_join(p, s->adder.w.client);
    party_join(p, s->follower.client);
    party_join(p, s->idle.client);
    adder_fill(&s->adder, 8);
    party_run(p, is_ready, &s->follower, 20, "the first rows");
}

static bool has_done(void *user)
{
    return ((const adder *)user)->done >= 8;
}

/* The adds reach the proxy, and no answer comes back. */
static void stall_scene(scene *s, int directions)
{
    party_run(s->party, has_done, &s->adder, 20, "the first adds");
    watcher_forget_notices(&s->adder.w);
    watcher_forget_notices(&s->follower);
    watcher_forget_notices(&s->idle);
    tcp_proxy_stall(s->proxy, directions);
    s->stalled_us = lbi_clock_us();
    adder_fill(&s->adder, 8);
}

static bool has_noticed(void *user)
{
    const scene *s = user;

    return s->adder.w.notices[LB_NOTICE_RETRY] && s->follower.notices[LB_NOTICE_GAP] &&
           s->idle.notices[LB_NOTICE_RETRY];
}

static void report_scene(const scene *s)
{
    fprintf(stderr, "noticed after %u ms with queries, %u ms by a watcher, %u ms idle\n",
            ms_since(s->stalled_us, s->adder.w.first_us[LB_NOTICE_RETRY]),
            ms_since(s->stalled_us, s->follower.first_us[LB_NOTICE_GAP]),
            ms_since(s->stalled_us, s->idle.first_us[LB_NOTICE_RETRY]));
}

static bool is_quiet(void *user)
{
    return ((const adder *)user)->pending == 0;
}

static void mend_scene(scene *s)
{
    tcp_proxy_stall(s->proxy, 0);
    s->party->turns = 0;
    adder_fill(&s->adder, 8);
    party_run(s->party, is_quiet, &s->adder, 40, "adds to end");
}

static bool was_reset(void *user)
{
    return ((const watcher *)user)->m.resets >= 2;
}

/* Nobody's rows are wrong, and what was noticed was told. */
static void check_scene(scene *s)
{
    watcher *follower = &s->follower;
    row_list rows;

    /* It may hold the right rows before: perhaps nothing was added meanwhile. */
    party_run(s->party, was_reset, follower, 40, "the follower to start again");
    party_converge(s->party, &follower, 1, 40);
    add(s->idle.client, "idle", 1);
    rows = party_read(s->idle.client);
    fprintf(stderr, "%u in doubt, %u late; %lld points came of the doubts\n", s->adder.doubtful,
            s->adder.late, (long long)adder_check(&s->adder, &rows));
    row_list_clear(&rows);
}

static void close_scene(scene *s)
{
    adder_close(&s->adder);
    watcher_close(&s->follower);
    watcher_close(&s->idle);
    tcp_proxy_stop(s->proxy);
}

enum { MODES = 3 };

static bool have_all_noticed(void *user)
{
    scene *scenes = user;

    for (int i = 0; i < MODES; i++) {
        if (!has_noticed(&scenes[i]))
            return false;
    }
    return true;
}

TEST(a_silent_peer, .timeout_s = 120)
{
    static const int modes[MODES] = {TCP_PROXY_UP, TCP_PROXY_DOWN, TCP_PROXY_BOTH};
    static scene scenes[MODES];
    party p = {.n = 0};

    for (unsigned i = 0; i < MODES; i++)
        open_scene(&scenes[i], &p, i, "?silence_ms=1500", 4000);
    for (int i = 0; i < MODES; i++)
        stall_scene(&scenes[i], modes[i]);
    party_run(&p, have_all_noticed, scenes, 20, "the silence to be noticed");
    for (int i = 0; i < MODES; i++) {
        report_scene(&scenes[i]);
        /* What was on its way is in doubt at once; what is started now is late, not in doubt. */
        CHECK(scenes[i].adder.doubtful > 0);
        CHECK_EQ(scenes[i].adder.late, 0);
        adder_fill(&scenes[i].adder, 8);
    }
    for (int i = 0; i < MODES; i++)
        party_run(&p, is_quiet, &scenes[i].adder, 20, "adds to be late");
    for (int i = 0; i < MODES; i++) {
        CHECK(scenes[i].adder.late >= 8);
        mend_scene(&scenes[i]);
    }
    for (int i = 0; i < MODES; i++)
        check_scene(&scenes[i]);
    for (int i = 0; i < MODES; i++)
        close_scene(&scenes[i]);
}

/* How long a server may be silent is between a tenth of a second and an hour. */
TEST(silence_in_the_url)
{
    static const char *const bad[] = {"", "0", "99", "3600001", "-1", "1s", "1000&silence_ms=1000"};
    static const char *const good[] = {"100", "3600000"};
    lb_client *client = NULL;
    lb_options opts;
    char url[80];

    lb_options_init(&opts);
    opts.database = url;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(url, sizeof url, "rethinkdb://localhost/b?silence_ms=%s", bad[i]);
        CHECK_EQ(lb_client_new(&opts, &client, NULL), LB_E_INVAL);
    }
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        snprintf(url, sizeof url, "rethinkdb://localhost/b?silence_ms=%s", good[i]);
        CHECK_EQ(lb_client_new(&opts, &client, NULL), 0);
        lb_client_free(client);
    }
}

/* ---- For long ------------------------------------------------------------------------------- */

/* Two at a time: one server is silent for as long as it takes to notice by default, another is gone
 * for 20 s. Nobody spins meanwhile. */
TEST(gone_for_long, .timeout_s = 180)
{
    static scene silent, gone;
    party p = {.n = 0};
    uint64_t turns;

    open_scene(&silent, &p, 0, "", 60000);
    open_scene(&gone, &p, 1, "", 60000);
    stall_scene(&silent, TCP_PROXY_BOTH);
    party_run(&p, has_done, &gone.adder, 20, "the first adds");
    tcp_proxy_refuse(gone.proxy, true);
    tcp_proxy_cut(gone.proxy, TCP_PROXY_RST);
    adder_fill(&gone.adder, 8);
    p.turns = 0;
    party_run_for(&p, 20000);
    turns = p.turns;
    fprintf(stderr, "%llu turns of six clients in 20 s\n", (unsigned long long)turns);
    CHECK(turns < 2000);
    CHECK_EQ(gone.adder.late, 0); /* they wait for the server */
    tcp_proxy_refuse(gone.proxy, false);
    party_run(&p, is_quiet, &gone.adder, 40, "adds after 20 s");
    check_scene(&gone);
    party_run(&p, has_noticed, &silent, 40, "the silence to be noticed");
    report_scene(&silent);
    mend_scene(&silent);
    check_scene(&silent);
    close_scene(&gone);
    close_scene(&silent);
}

/* ---- Cut at every byte ---------------------------------------------------------------------- */

enum { LANES = 24, PLAYERS_EACH = 4, ADDS = 24 };

/* One client whose connections are cut once. */
typedef struct victim {
    struct tcp_proxy *proxy;
    adder adder;
} victim;

static void open_victim(victim *v, party *p, unsigned id, unsigned at)
{
    int direction = id % 2 ? TCP_PROXY_UP : TCP_PROXY_DOWN;

    v->proxy = new_proxy();
    tcp_proxy_cut_after(v->proxy, direction, at, id / 2 % 2 ? TCP_PROXY_RST : TCP_PROXY_FIN);
    adder_open(&v->adder, url_through(v->proxy, ""), NULL, id, PLAYERS_EACH, id / 4 % 2);
    v->adder.existing = id / 8 % 2;
    if (v->adder.existing) {
        for (unsigned i = 0; i < PLAYERS_EACH; i++)
            add(p->clients[0], v->adder.accounts[i].player, 0);
    }
    party_join(p, v->adder.w.client);
    adder_fill(&v->adder, ADDS);
}

struct sums {
    uint64_t cuts, doubts, repeats;
    int64_t came;
};

static void check_victim(victim *v, const row_list *rows, struct sums *sums)
{
    int64_t came = adder_check(&v->adder, rows);

    CHECK_EQ(v->adder.late, 0);
    if (v->adder.keyed)
        CHECK_EQ(came, 0);
    sums->cuts += tcp_proxy_count(v->proxy).cut > 0;
    sums->doubts += v->adder.doubtful;
    sums->repeats += v->adder.repeated;
    sums->came += came;
    adder_close(&v->adder);
    tcp_proxy_stop(v->proxy);
}

/* Somewhere in each of these pieces of the conversation, which has about so many bytes in each
 * direction for each kind of client. */
static unsigned cut_place(unsigned id, unsigned n)
{
    static const unsigned lengths[8] = {1650, 2700, 4150, 6900, 1850, 2200, 4400, 3800};
    unsigned kind = id % 2 + id / 4 % 4 * 2, pieces = n / 16;
    unsigned piece = id / 16 % pieces;

    return (lengths[kind] * piece + (unsigned)rand() % lengths[kind]) / pieces;
}

static void cut_some(unsigned begin, unsigned n, watcher *follower, struct sums *sums)
{
    static victim victims[LANES];
    party p = {.n = 0};
    row_list rows;

    party_join(&p, follower->client);
    for (unsigned i = 0; i < LANES; i++)
        open_victim(&victims[i], &p, begin + i, cut_place(begin + i, n));
    for (unsigned i = 0; i < LANES; i++)
        party_run(&p, is_quiet, &victims[i].adder, 60, "all adds to end");
    party_converge(&p, &follower, 1, 20);
    rows = party_read(follower->client);
    for (unsigned i = 0; i < LANES; i++)
        check_victim(&victims[i], &rows, sums);
    row_list_clear(&rows);
}

TEST(cut_anywhere, .timeout_s = 900)
{
    unsigned n = LANES * 8 * (unsigned)rounds();
    struct sums sums = {0};
    watcher follower;

    watcher_open(&follower, rethinkdb_live_url(), NULL);
    add(follower.client, "first", 1);
    watcher_follow(&follower, "b");
    srand((unsigned)lbi_clock_us());
    for (unsigned i = 0; i < n; i += LANES)
        cut_some(i, n, &follower, &sums);
    fprintf(stderr, "%u clients, %llu cut, %llu adds in doubt (%lld points came), %llu repeated\n",
            n, (unsigned long long)sums.cuts, (unsigned long long)sums.doubts, (long long)sums.came,
            (unsigned long long)sums.repeats);
    CHECK(sums.cuts > n * 3 / 4);
    CHECK(sums.doubts > 0);
    watcher_close(&follower);
}

/* ---- A slow link, and a slow reader --------------------------------------------------------- */

enum { MANY = 1000 };

static void fill_board(lb_client *client, unsigned n)
{
    lb_write_options opts;
    char player[16];

    lb_write_options_init(&opts);
    opts.flags = LB_WRITE_CREATE;
    for (unsigned i = 0; i < n; i++) {
        snprintf(player, sizeof player, "row%u", i);
        CHECK_OK(
            lb_score_add_start(client, "b", player, (int64_t)i + 1, &opts, NULL, NULL, NULL, NULL));
    }
    add(client, "row0", 1);
}

TEST(a_slow_link, .timeout_s = 120)
{
    struct tcp_proxy *proxy = new_proxy();
    party p = {.n = 0};
    watcher direct, slow, *both[] = {&direct, &slow};
    row_list rows;
    adder a;

    watcher_open(&direct, rethinkdb_live_url(), NULL);
    fill_board(direct.client, MANY);
    watcher_open(&slow, url_through(proxy, ""), NULL);
    adder_open(&a, url_through(proxy, ""), NULL, 1, 4, false);
    party_join(&p, direct.client);
    party_join(&p, slow.client);
    party_join(&p, a.w.client);
    tcp_proxy_throttle(proxy, TCP_PROXY_BOTH, 100000);
    watcher_follow(&direct, "b");
    watcher_follow(&slow, "b");
    for (int i = 0; i < 5; i++) {
        adder_fill(&a, 40);
        party_run(&p, is_quiet, &a, 40, "adds on a slow link");
    }
    rows = party_read(slow.client);
    CHECK_EQ(rows.n, MANY + 4);
    CHECK_EQ(adder_check(&a, &rows), 0);
    CHECK_EQ(a.done, 200);
    party_converge(&p, both, 2, 40);
    CHECK_EQ(slow.m.resets, 1);
    row_list_clear(&rows);
    watcher_close(&direct);
    watcher_close(&slow);
    adder_close(&a);
    tcp_proxy_stop(proxy);
}

static size_t heap_bytes(void)
{
    return mallinfo2().uordblks;
}

enum { BURSTS = 20, BURST = 200 };

/* Bursts of changes by `writer`. Returns the most memory that this process used more than before. */
static size_t write_bursts(party *p, adder *writer, lb_client *lazy)
{
    size_t before, most = 0;

    adder_fill(writer, BURST);
    party_run(p, is_quiet, writer, 40, "the first burst");
    add(lazy, "lazy", 1);
    before = heap_bytes();
    for (int i = 0; i < BURSTS; i++) {
        size_t now;

        adder_fill(writer, BURST);
        party_run(p, is_quiet, writer, 40, "a burst");
        add(lazy, "lazy", 1); /* which does not deliver changes */
        now = heap_bytes();
        if (now > before + most)
            most = now - before;
    }
    return most;
}

/* One whose link stands still, and one whose program never looks: the server holds back what it can
 * for each of them, throws away the rest and says so. */
TEST(slow_readers, .timeout_s = 120)
{
    struct tcp_proxy *proxy = new_proxy();
    party everybody = {.n = 0}, writers = {.n = 0};
    watcher stalled, lazy, *both[] = {&stalled, &lazy};
    lb_options opts;
    lb_counters counters;
    adder writer;
    size_t most;

    lb_options_init(&opts);
    opts.change_log = 50;
    adder_open(&writer, rethinkdb_live_url(), NULL, 1, 8, false);
    watcher_open(&stalled, url_through(proxy, ""), &opts);
    watcher_open(&lazy, rethinkdb_live_url(), &opts);
    party_join(&writers, writer.w.client);
    party_join(&everybody, writer.w.client);
    party_join(&everybody, stalled.client);
    party_join(&everybody, lazy.client);
    add(writer.w.client, "first", 1);
    watcher_follow(&stalled, "b");
    watcher_follow(&lazy, "b");
    party_converge(&everybody, both, 2, 20);
    tcp_proxy_stall(proxy, TCP_PROXY_DOWN);
    most = write_bursts(&writers, &writer, lazy.client);
    fprintf(stderr, "%zu bytes more for %u changes that nobody took\n", most, writer.done);
    tcp_proxy_stall(proxy, 0);
    party_converge(&everybody, both, 2, 40);
    for (int i = 0; i < 2; i++) {
        CHECK(both[i]->m.resets >= 2);
        CHECK(both[i]->notices[LB_NOTICE_GAP] >= 1);
        CHECK_OK(lb_client_counters(both[i]->client, &counters, sizeof counters));
        CHECK(counters.gaps >= 1);
    }
    CHECK(most < 1000000);
    add(writer.w.client, "last", 1); /* and they go on */
    party_converge(&everybody, both, 2, 20);
    adder_close(&writer);
    watcher_close(&stalled);
    watcher_close(&lazy);
    tcp_proxy_stop(proxy);
}

/* ---- What an administrator does ------------------------------------------------------------- */

/* A user with a password who may read and write, but not configure. */
static const char *new_user(void)
{
    static char url[120];
    unsigned port = rethinkdb_live_port();
    const char *database = rethinkdb_live_database();

    (void)rethinkdb_live_query(port, "[56,[[15,[[14,[\"rethinkdb\"]],\"users\"]],"
                                     "{\"id\":\"joe\",\"password\":\"secret\"}],"
                                     "{\"conflict\":\"replace\"}]");
    (void)rethinkdb_live_query(port, "[188,[[14,[\"%s\"]],\"joe\",{\"read\":true,\"write\":true}]]",
                               database);
    snprintf(url, sizeof url, "rethinkdb://joe:secret@127.0.0.1:%u/%s", port, database);
    return url;
}

static void grant_read(const char *may)
{
    (void)rethinkdb_live_query(rethinkdb_live_port(), "[188,[" PLAYERS ",\"joe\",{\"read\":%s}]]",
                               may);
}

static bool has_lost(void *user)
{
    return ((const watcher *)user)->notices[LB_NOTICE_GAP] > 0;
}

TEST(a_permission_is_taken_and_given_back, .timeout_s = 60)
{
    watcher admin, joe, *one = &joe;
    party p = {.n = 0};
    lb_error error = {.msg = ""};

    watcher_open(&admin, rethinkdb_live_url(), NULL);
    add(admin.client, "p", 1);
    watcher_open(&joe, new_user(), NULL);
    party_join(&p, admin.client);
    party_join(&p, joe.client);
    watcher_follow(&joe, "b");
    add(joe.client, "q", 1);
    party_converge(&p, &one, 1, 20);
    for (int i = 0; i < 2; i++) {
        watcher_forget_notices(&joe);
        grant_read("false");
        add(admin.client, "p", 1); /* a feed ends with the next change */
        party_run(&p, has_lost, &joe, 20, "the watcher to lose its feed");
        CHECK_EQ(lb_player_get(joe.client, "b", "p", NULL, NULL, &error), LB_E_AUTH);
        CHECK(strstr(error.msg, "permission") != NULL);
        add(admin.client, "p", 1);
        grant_read("null");
        add(joe.client, "p", 1);
        party_converge(&p, &one, 1, 20);
        CHECK(joe.m.resets >= 2 + i);
    }
    CHECK_EQ(joe.m.gones, 0);
    watcher_close(&admin);
    watcher_close(&joe);
}

/* ---- An index that is dropped --------------------------------------------------------------- */

static void drop_index(void)
{
    (void)rethinkdb_live_query(rethinkdb_live_port(), "[76,[" PLAYERS ",\"rank\"]]");
}

/* A watcher of the first rows. */
static void follow_top(watcher *w)
{
    lb_changes_options opts;

    lb_changes_options_init(&opts);
    opts.top = 3;
    opts.min_interval_ms = 1;
    CHECK_OK(lb_changes_subscribe(w->client, "b", &opts, mirror_apply, &w->m, NULL, NULL));
}

static bool leads(void *user)
{
    const watcher *w = user;

    for (size_t i = 0; i < w->m.n; i++) {
        if (strcmp(w->m.rows[i].id, "leader") == 0)
            return true;
    }
    return false;
}

static bool leads_no_more(void *user)
{
    return !leads(user);
}

/* Every read that needs it finds it restored. */
static void check_reads(lb_client *client)
{
    const lb_player *player = NULL;
    const lb_board *board = NULL;
    lb_read_options place;
    row_list rows = {.n = 0};

    lb_read_options_init(&place);
    place.flags = LB_READ_PLACE;
    CHECK_EQ(lb_board_get(client, "b", NULL, row_list_add, &rows, NULL), 0);
    CHECK_STR(row_list_places(&rows), "1/1/z 2/2/y 3/3/x");
    row_list_clear(&rows);
    drop_index();
    CHECK_EQ(lb_board_info(client, "b", NULL, &board, NULL), 0);
    CHECK_EQ(board->players, 3);
    drop_index();
    CHECK_EQ(lb_player_get(client, "b", "x", &place, &player, NULL), 0);
    CHECK_EQ(player->position, 3);
    drop_index();
    CHECK_EQ(lb_player_around(client, "b", "y", 3, NULL, row_list_add, &rows, NULL), 0);
    CHECK_EQ(rows.n, 3);
    row_list_clear(&rows);
}

static void add_existing(lb_client *client, const char *player, int64_t amount)
{
    lb_error error;

    if (lb_score_add(client, "b", player, amount, NULL, NULL, &error) < 0)
        FAIL("%s", error.msg);
}

TEST(the_index_is_dropped, .timeout_s = 60)
{
    party p = {.n = 0};
    watcher w, top;

    watcher_open(&w, rethinkdb_live_url(), NULL);
    watcher_open(&top, rethinkdb_live_url(), NULL);
    party_join(&p, top.client);
    add(w.client, "x", 1);
    add(w.client, "y", 2);
    add(w.client, "z", 3);
    drop_index();
    check_reads(w.client);
    drop_index();
    add_existing(w.client, "x", 1); /* needs no index */
    follow_top(&top);
    add(w.client, "leader", 9);
    party_run(&p, leads, &top, 20, "the top");
    drop_index();
    add_existing(w.client, "leader", -20);
    add(w.client, "fourth", 1);
    party_run(&p, leads_no_more, &top, 20, "the top after the index was dropped");
    CHECK_EQ(top.m.gones, 0);
    CHECK(!top.m.broke_order);
    watcher_close(&w);
    watcher_close(&top);
}

static bool has_retried(void *user)
{
    return ((const watcher *)user)->notices[LB_NOTICE_RETRY] > 0;
}

/* By a user who may not make it again: what needs none goes on, what needs it says what to do. */
TEST(the_index_is_dropped_for_a_guest, .timeout_s = 60)
{
    const lb_player *player = NULL;
    row_list rows = {.n = 0};
    party p = {.n = 0};
    watcher admin, guest, top;
    lb_error error;

    watcher_open(&admin, rethinkdb_live_url(), NULL);
    add(admin.client, "x", 1);
    watcher_open(&guest, new_user(), NULL);
    watcher_open(&top, new_user(), NULL);
    party_join(&p, top.client);
    add(admin.client, "leader", 9);
    follow_top(&top);
    party_run(&p, leads, &top, 20, "the top");
    drop_index();
    for (int i = 0; i < 12; i++) {
        CHECK_EQ(lb_board_get(guest.client, "b", NULL, row_list_add, &rows, &error), LB_E_AUTH);
        CHECK(strstr(error.msg, "index 'rank'") != NULL);
        CHECK_EQ(lb_player_get(guest.client, "b", "x", NULL, &player, NULL), 0);
    }
    CHECK_EQ(rows.n, 0);
    add_existing(guest.client, "leader", -20);
    add(guest.client, "new", 1);
    add(guest.client, "newer", 1);
    party_run(&p, has_retried, &top, 20, "the top to try again");
    CHECK_EQ(lb_board_get(admin.client, "b", NULL, row_list_add, &rows, NULL), 0); /* restores it */
    CHECK_EQ(rows.n, 4);
    CHECK_EQ(lb_board_get(guest.client, "b", NULL, row_list_add, &rows, NULL), 0);
    party_run(&p, leads_no_more, &top, 20, "the top with the index");
    CHECK_EQ(top.m.gones, 0);
    row_list_clear(&rows);
    watcher_close(&admin);
    watcher_close(&guest);
    watcher_close(&top);
}
