#include "reql_load.h"

#include "bench.h"
#include "os/clock.h"
#include "reql/conn.h"
#include "reql/term.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { TOP = 10, PATIENCE_MS = 20000 };

typedef struct load {
    unsigned port, players, in_flight, rows;
    const char *database, *operation;
    double seconds;
    uint64_t random, pending, done;
    void (*start)(struct load *l);
    int (*turn)(struct load *l, uint64_t timeout_us); /* < 0: it has failed */

    lbi_poller *poller;
    lbi_reql_conn *conn;
    lbi_term term;
    uint64_t rows_came;

    lb_client *client;
    bool adds_by_one; /* `rows` of them count as one insert */
    lb_error error;
} load;

static void random_player(load *l, char id[32])
{
    (void)snprintf(id, 32, "player%u",
                   10000000 + (unsigned)(bench_random(&l->random) % l->players));
}

/* ---- By the driver -------------------------------------------------------------------------- */

/* Counts what the server says it has done, so that work that was not done is not counted. */
static int64_t number(const lbi_json *value, const char *key)
{
    int64_t ret = 0;

    (void)lbi_json_int(lbi_json_get(value, key), &ret);
    return ret;
}

static int on_reply(const lbi_reql_reply *reply, void *user)
{
    load *l = user;
    const lbi_json *value;
    int64_t changed;

    if (reply->code < 0)
        bench_die("%s", reply->message);
    value = lbi_json_first(reply->answer->values);
    if (strcmp(l->operation, "top") == 0) {
        for (; value; value = lbi_json_next(value))
            l->rows_came++;
    } else {
        changed = number(value, "replaced") + number(value, "inserted");
        if (changed != (l->rows ? (int64_t)l->rows : 1))
            bench_die("%" PRId64 " rows were changed", changed);
    }
    if (!reply->last)
        return 0;
    l->pending--;
    l->done++;
    return 0;
}

static void put_key(load *l, lbi_term *t, bool as_term)
{
    char id[32];

    random_player(l, id);
    if (as_term)
        lbi_term_array(t);
    lbi_term_text(t, "b");
    lbi_term_text(t, id);
    if (as_term)
        lbi_term_end(t);
}

/* players.get([b, id]).update(row => {score: row.score + 1}) */
static void put_update(load *l, lbi_term *t)
{
    lbi_term_call(t, LBI_T_UPDATE);
    lbi_term_call(t, LBI_T_GET);
    lbi_term_table(t, "players");
    put_key(l, t, true);
    lbi_term_end(t);
    lbi_term_func(t, 1, 1);
    lbi_term_object(t);
    lbi_term_key(t, "score");
    lbi_term_call(t, LBI_T_ADD);
    lbi_term_field(t, 1, "score");
    lbi_term_int(t, 1);
    lbi_term_end(t);
    lbi_term_end(t);
    lbi_term_end(t);
    lbi_term_opts(t);
    lbi_term_key(t, "durability");
    lbi_term_text(t, "hard");
    lbi_term_end(t);
}

static void put_document(load *l, lbi_term *t)
{
    char id[32];

    random_player(l, id);
    lbi_term_object(t);
    lbi_term_key(t, "key");
    lbi_term_array(t);
    lbi_term_text(t, "b");
    lbi_term_text(t, id);
    lbi_term_end(t);
    lbi_term_key(t, "board");
    lbi_term_text(t, "b");
    lbi_term_key(t, "id");
    lbi_term_text(t, id);
    lbi_term_key(t, "name");
    lbi_term_text(t, id);
    lbi_term_key(t, "score");
    lbi_term_int(t, 1);
    lbi_term_key(t, "at");
    lbi_term_int(t, 1000000);
    lbi_term_end(t);
}

/* players.insert(rows, {conflict: (id, old, new) => old.merge({score: old.score + new.score, at:
 * new.at}), return_changes: "always"}) */
static void put_batch(load *l, lbi_term *t)
{
    lbi_term_call(t, LBI_T_INSERT);
    lbi_term_table(t, "players");
    lbi_term_array(t);
    for (unsigned i = 0; i < l->rows; i++)
        put_document(l, t);
    lbi_term_end(t);
    lbi_term_opts(t);
    lbi_term_key(t, "conflict");
    lbi_term_literal(t, "[69,[[2,[1,2,3]],[35,[[10,[2]],{"
                        "\"score\":[24,[[170,[[10,[2]],\"score\"]],[170,[[10,[3]],\"score\"]]]],"
                        "\"at\":[170,[[10,[3]],\"at\"]]}]]]]");
    lbi_term_key(t, "durability");
    lbi_term_text(t, "hard");
    lbi_term_key(t, "return_changes");
    lbi_term_text(t, "always");
    lbi_term_end(t);
}

static void put_bound(lbi_term *t, int id)
{
    lbi_term_array(t);
    lbi_term_text(t, "b");
    lbi_term_call0(t, id);
    lbi_term_end(t);
}

/* players.between([b, minval], [b, maxval], {index}).orderBy({index}).limit(10) */
static void put_top(load *l, lbi_term *t)
{
    (void)l;
    lbi_term_call(t, LBI_T_LIMIT);
    lbi_term_call(t, LBI_T_ORDER_BY);
    lbi_term_call(t, LBI_T_BETWEEN);
    lbi_term_table(t, "players");
    put_bound(t, LBI_T_MINVAL);
    put_bound(t, LBI_T_MAXVAL);
    lbi_term_opts(t);
    lbi_term_key(t, "index");
    lbi_term_text(t, "rank");
    lbi_term_end(t);
    lbi_term_opts(t);
    lbi_term_key(t, "index");
    lbi_term_text(t, "rank");
    lbi_term_end(t);
    lbi_term_int(t, TOP);
    lbi_term_end(t);
}

static void submit(load *l, void (*put)(load *l, lbi_term *t))
{
    lbi_reql_call call = {
        .deadline_us = lbi_clock_us() + PATIENCE_MS * UINT64_C(1000), .fn = on_reply, .user = l};

    lbi_term_query(&l->term);
    put(l, &l->term);
    if (lbi_term_query_end(&l->term, l->database) < 0)
        bench_die("a query cannot be written");
    call.text = lbi_buf_bytes(&l->term.buf);
    call.len = l->term.buf.len;
    if (lbi_reql_submit(l->conn, &call, NULL, &l->error) < 0)
        bench_die("%s", l->error.msg);
    l->pending++;
}

static void driver_update(load *l)
{
    submit(l, put_update);
}

static void driver_batch(load *l)
{
    submit(l, put_batch);
}

static void driver_top(load *l)
{
    submit(l, put_top);
}

static int driver_turn(load *l, uint64_t timeout_us)
{
    uint64_t now = lbi_clock_us(), deadline;

    if (lbi_reql_conn_process(l->conn, now) || lbi_poller_dispatch(l->poller))
        return 1;
    deadline = lbi_reql_conn_deadline(l->conn);
    if (deadline > now && timeout_us > 0)
        lbi_poller_sleep(l->poller, deadline - now < timeout_us ? deadline - now : timeout_us);
    return 0;
}

static void use_driver(load *l)
{
    lbi_reql_host host = {.name = "127.0.0.1", .port = (uint16_t)l->port};
    lbi_reql_options options = {.hosts = &host, .n_hosts = 1};

    lbi_term_init(&l->term, 1 << 22);
    if (lbi_poller_new(&l->poller, &l->error) < 0 ||
        lbi_reql_conn_new(&options, l->poller, &l->conn, &l->error) < 0)
        bench_die("%s", l->error.msg);
    l->turn = driver_turn;
    l->start = driver_update;
    if (strcmp(l->operation, "batch") == 0)
        l->start = driver_batch;
    if (strcmp(l->operation, "top") == 0)
        l->start = driver_top;
}

/* ---- Through the API ------------------------------------------------------------------------ */

static void on_result(const lb_result *result, void *user)
{
    load *l = user;

    if (result->code < 0)
        bench_die("%s", result->message);
    l->pending--;
    l->done++;
}

static int on_row(const lb_player *player, void *user)
{
    load *l = user;

    (void)player;
    l->rows_came++;
    return 0;
}

static void api_add(load *l)
{
    char id[32];

    random_player(l, id);
    if (lb_score_add_start(l->client, "b", id, 1, NULL, on_result, l, NULL, &l->error) < 0)
        bench_die("%s", l->error.msg);
    l->pending++;
}

static void api_add_now(load *l)
{
    char id[32];

    random_player(l, id);
    if (lb_score_add(l->client, "b", id, 1, NULL, NULL, &l->error) < 0)
        bench_die("%s", l->error.msg);
    l->done++;
}

static void api_top(load *l)
{
    lb_range range;

    lb_range_init(&range);
    range.limit = TOP;
    if (lb_board_get_start(l->client, "b", &range, on_row, on_result, l, NULL, &l->error) < 0)
        bench_die("%s", l->error.msg);
    l->pending++;
}

static void api_top_now(load *l)
{
    lb_range range;

    lb_range_init(&range);
    range.limit = TOP;
    if (lb_board_get(l->client, "b", &range, on_row, l, &l->error) < 0)
        bench_die("%s", l->error.msg);
    l->done++;
}

static int api_turn(load *l, uint64_t timeout_us)
{
    int r = l->pending ? lb_client_process(l->client) : 0;

    if (r == 0 && l->pending && timeout_us > 0)
        r = lb_client_wait(l->client, timeout_us);
    return r;
}

/* There are no batches to ask for: adds that are in flight at the same time become some. */
static void use_api(load *l)
{
    bool top = strcmp(l->operation, "top") == 0;
    char url[128];
    lb_options options;

    lb_options_init(&options);
    (void)snprintf(url, sizeof url, "rethinkdb://127.0.0.1:%u/%s", l->port, l->database);
    options.database = url;
    options.timeout_ms = PATIENCE_MS;
    if (lb_client_new(&options, &l->client, &l->error) < 0)
        bench_die("%s", l->error.msg);
    l->turn = api_turn;
    l->adds_by_one = strcmp(l->operation, "batch") == 0;
    if (l->adds_by_one)
        l->in_flight *= l->rows;
    if (l->in_flight == 1)
        l->start = top ? api_top_now : api_add_now;
    else
        l->start = top ? api_top : api_add;
}

/* ---- Time ----------------------------------------------------------------------------------- */

static void run_until(load *l, double end)
{
    double now;

    while ((now = bench_now_us()) < end) {
        /* A call that does not return before it is done leaves nothing pending. */
        for (unsigned i = 0; l->pending < l->in_flight && i < l->in_flight; i++)
            l->start(l);
        if (l->turn(l, (uint64_t)(end - now)) < 0)
            bench_die("it cannot go on");
    }
}

static double cpu_us(void)
{
    struct rusage u;

    (void)getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

int load_main(int argc, char **argv)
{
    load l = {.random = 88172645463325252U};
    double begun, cpu;
    uint64_t done;

    if (argc != 8)
        bench_die("load DRIVER PORT DATABASE PLAYERS OPERATION IN_FLIGHT ROWS SECONDS");
    l.port = (unsigned)atoi(argv[1]);
    l.database = argv[2];
    l.players = (unsigned)atoi(argv[3]);
    l.operation = argv[4];
    l.in_flight = (unsigned)atoi(argv[5]);
    l.rows = (unsigned)atoi(argv[6]);
    l.seconds = atof(argv[7]);
    if (strcmp(argv[0], "api") == 0)
        use_api(&l);
    else
        use_driver(&l);
    run_until(&l, bench_now_us() + LOAD_WARM_UP_US);
    done = l.done;
    l.rows_came = 0;
    cpu = cpu_us();
    begun = bench_now_us();
    run_until(&l, begun + l.seconds * 1e6);
    done = l.done - done;
    if (strcmp(l.operation, "top") == 0 && l.rows_came < done * (TOP - 1))
        bench_die("tops came with too few rows");
    if (l.adds_by_one)
        done /= l.rows;
    printf("%" PRIu64 " %.0f %.0f\n", done, cpu_us() - cpu, bench_now_us() - begun);
    return 0;
}
