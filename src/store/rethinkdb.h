/* What the parts of the RethinkDB store share; see rethinkdb.c for how they work together. */
#ifndef LBI_STORE_RETHINKDB_H
#define LBI_STORE_RETHINKDB_H

#include "base/json.h"
#include "base/map.h"
#include "reql/conn.h"
#include "reql/term.h"
#include "store/rethinkdb_url.h"
#include "store/store.h"

typedef struct lbi_rdb lbi_rdb;

/* ---- Time and chance ------------------------------------------------------------------------ */

/* When to try again. at_us 0: now. */
typedef struct lbi_rdb_pause {
    uint64_t at_us;
    uint32_t step_us;
    int code; /* what it is for, where that is told */
} lbi_rdb_pause;

/* The next try is twice as far off as the last, at most `most_us`, less a random part. */
void lbi_rdb_pause_more(lbi_rdb_pause *pause, uint32_t first_us, uint32_t most_us);

/* ---- Rows and boards (rethinkdb_row.c) ------------------------------------------------------ */

/* A row as the server gives it. */
typedef struct lbi_rdb_row {
    char board[LB_BOARD_MAX + 1];
    char id[LB_PLAYER_MAX + 1];
    char name[LB_NAME_MAX + 1];
    int64_t score, reached_us;
} lbi_rdb_row;

/* Returns 1, 0 = there is none, < 0 = there is one, but it is no row of ours: its score is no
 * exact integer in range (LB_E_RANGE, board and id are set), or its key is not [board, player]. The
 * key says whose it is: what its fields `board` and `id` say is for other readers. */
int lbi_rdb_row_read(const lbi_json *value, lbi_rdb_row *ret);

/* Counts a row that is none of ours, and tells what is wrong with it if `tells`. */
void lbi_rdb_row_report(const lbi_store_config *config, const lbi_json *value, bool tells);
lb_player lbi_rdb_row_player(const lbi_rdb_row *row);

typedef struct lbi_rdb_board {
    char id[LB_BOARD_MAX + 1];
    bool exists, ascending, deleting;
    int64_t created_us;
} lbi_rdb_board;

/* NULL, null and what is no board: does not exist. */
void lbi_rdb_board_read(const lbi_json *value, lbi_rdb_board *ret);

/* Set the answer of a request; out of memory fails it. */
void lbi_rdb_answer_board(lbi_request *request, const lbi_rdb_board *board, int code,
                          int64_t players, size_t room);
void lbi_rdb_answer_row(lbi_request *request, const lbi_rdb_row *row, int code);
void lbi_rdb_refuse_board(lbi_request *request);
void lbi_rdb_refuse_player(lbi_request *request);

/* ---- Batches of writes (rethinkdb_batch.c) -------------------------------------------------- */

enum {
    LBI_RDB_REQUESTS = 512, /* in one batch */
    LBI_RDB_PLAYERS = 128,  /* in one batch: what the server takes in one piece */
    LBI_RDB_SLOTS = 256
};

/* The writes to one player in a batch, as a list of places in it. */
typedef struct lbi_rdb_group {
    uint16_t first, last;
    bool removes, answered;
} lbi_rdb_group;

typedef struct lbi_rdb_batch {
    size_t n, n_groups;
    int64_t floor_us;              /* it is not written before, by the server's clock */
    int64_t place;                 /* of the first request: behind those that are on their way */
    bool creates;                  /* each player that is missing is created; or none is */
    bool single;                   /* no player has more than one request */
    bool mixed;                    /* others than LBI_SCORE_ADD */
    bool keyed;                    /* some have an idempotency key */
    uint16_t slots[LBI_RDB_SLOTS]; /* by hash of the player: a group, counted from 1 */

    /* The rest need not be empty in a new one. */
    lbi_rdb_group groups[LBI_RDB_PLAYERS];
    uint16_t follows[LBI_RDB_REQUESTS]; /* the next of the same player, 0 = none */
    lbi_request *requests[LBI_RDB_REQUESTS];
} lbi_rdb_batch;

/* Makes it one without requests. */
void lbi_rdb_batch_clear(lbi_rdb_batch *batch);

/* Puts a request at the end, if it fits there. Returns false if it has to wait for the next. */
bool lbi_rdb_batch_take(lbi_rdb_batch *batch, lbi_request *request);

/* The requests of a player, or NULL. */
lbi_rdb_group *lbi_rdb_batch_find(lbi_rdb_batch *batch, const char *player);

/* Does this request create a player that is missing? */
bool lbi_rdb_creates(const lbi_request *request);

/* The query. `board` is there, and is what is written here, or nothing is written. */
void lbi_rdb_batch_term(const lbi_rdb_batch *batch, const lbi_rdb_board *board, int64_t floor_us,
                        lbi_term *t);

/* Answers all requests from what the server says it has done. *ret_base is the time of the first
 * place. Returns 0, or LB_E_PROTO: no sense in it. */
int lbi_rdb_batch_answer(lbi_rdb_batch *batch, const lbi_rdb_board *board, const lbi_json *value,
                         int64_t *ret_base);

/* ---- Writes of a board (rethinkdb_lane.c, rethinkdb_board.c) -------------------------------- */

typedef enum lbi_rdb_step {
    LBI_RDB_IDLE,
    LBI_RDB_LOOK,   /* is the board there? perhaps it is made */
    LBI_RDB_CREATE, /* of `job` */
    LBI_RDB_MARK,
    LBI_RDB_REMOVE,
    LBI_RDB_DROP,
} lbi_rdb_step;

enum { LBI_RDB_FLIGHTS = 4 };

struct lbi_rdb_lane;

/* A batch on its way. */
typedef struct lbi_rdb_flight {
    struct lbi_rdb_lane *lane;
    lbi_rdb_batch *batch; /* NULL = none */
    lbi_reql_query *query;
} lbi_rdb_flight;

/* All writes to one board, in their order. */
typedef struct lbi_rdb_lane {
    lbi_rdb *store;
    char name[LB_BOARD_MAX + 1];
    lbi_rdb_board board;
    bool known; /* `board` is what was there not long ago */
    lbi_request *queue;
    lbi_rdb_flight flights[LBI_RDB_FLIGHTS];
    unsigned n_flights;
    int64_t place; /* the next one, while there are any */
    lbi_rdb_step step;
    bool making;           /* LBI_RDB_LOOK: the board is made if it is missing */
    lbi_reql_query *query; /* of the step */
    lbi_request *job;      /* a board's creation or deletion that is on its way */
    lbi_rdb_pause pause;
    char why[128]; /* the refusal that the pause is for */
    bool listed;   /* in lbi_rdb.busy: has something to do */
    struct lbi_rdb_lane *prev, *next;
    UT_hash_handle hh;
} lbi_rdb_lane;

/* Sends what is next. Returns 1 if it did something. */
int lbi_rdb_lane_step(lbi_rdb_lane *lane, uint64_t now_us);

/* The job goes on: its step is lane->step. Sends the query. */
void lbi_rdb_board_send(lbi_rdb_lane *lane);
void lbi_rdb_board_begin(lbi_rdb_lane *lane, lbi_request *request);

/* The job ends by its deadline. A deletion that has marked its board is not said to be undone. */
void lbi_rdb_board_late(lbi_rdb_lane *lane);

/* boards.get(id), created if missing: the query that LOOK and CREATE send. */
void lbi_rdb_term_create(lbi_term *t, const char *board, bool ascending);

/* Sends the query in store->term; if that fails fn hears of it at once. */
void lbi_rdb_lane_send(lbi_rdb *store, uint64_t deadline_us, lbi_reql_fn fn, void *user,
                       lbi_reql_query **ret);

/* May the server have done what it was sent, or some of it? */
bool lbi_rdb_is_doubtful(const lbi_reql_reply *reply);

/* The lane has nothing on its way any more. */
void lbi_rdb_lane_rest(lbi_rdb_lane *lane);

/* The request, which waits or is on its way here, is to end. Returns true if it was not applied
 * and is forgotten; false if it may have been. */
bool lbi_rdb_lane_withdraw(lbi_rdb_lane *lane, lbi_request *request);
void lbi_rdb_lane_expire(lbi_rdb_lane *lane, uint64_t now_us);
void lbi_rdb_lane_free(lbi_rdb_lane *lane);

/* ---- Reads (rethinkdb_read.c) --------------------------------------------------------------- */

typedef struct lbi_rdb_read {
    lbi_rdb *store;
    lbi_request *request;
    lbi_reql_query *query;
    bool ascending;
    bool plain;          /* LBI_DATABASE_INFO: without what only an administrator may see */
    bool picks;          /* the server leaves out rows of no player */
    size_t n_strange;    /* rows of no player, in a page that comes as a stream */
    lbi_rdb_board board; /* of a page that comes as a stream */
    uint32_t *order;     /* the answer's rows in board order, in its arena */
    struct lbi_rdb_read *prev, *next;
} lbi_rdb_read;

void lbi_rdb_read_start(lbi_rdb *store, lbi_request *request);
void lbi_rdb_read_stop(lbi_rdb_read *read);

/* The owner waits no longer. Returns false if it takes a lease and the server may have seen it. */
bool lbi_rdb_read_withdraw(lbi_rdb_read *read);

/* Sends the query in store->term. Each of the others ends the read, or asks it again. */
void lbi_rdb_read_send(lbi_rdb_read *read, lbi_reql_fn fn);
void lbi_rdb_read_finish(lbi_rdb_read *read);
void lbi_rdb_read_fail(lbi_rdb_read *read, int code, const char *message);
void lbi_rdb_read_refuse(lbi_rdb_read *read, const lbi_reql_reply *reply);

/* Asks for the places of the rows in the answer, then finishes (rethinkdb_places.c). */
void lbi_rdb_places_ask(lbi_rdb_read *read);

/* From the place of the first row follow those of the others, if they follow it. */
void lbi_rdb_places_follow(lbi_request *request);

/* LBI_DATABASE_INFO (rethinkdb_info.c). */
void lbi_rdb_info_send(lbi_rdb_read *read);

/* ---- rethinkdb_lease.c ---- */

void lbi_rdb_lease_send(lbi_rdb_read *read);

/* ---- Schema (rethinkdb_schema.c) ------------------------------------------------------------ */

typedef enum lbi_rdb_schema_state {
    LBI_RDB_UNKNOWN,
    LBI_RDB_PROBING,
    LBI_RDB_CREATING,
    LBI_RDB_READY,
} lbi_rdb_schema_state;

typedef struct lbi_rdb_schema {
    lbi_rdb_schema_state state;
    unsigned step; /* of creating */
    bool locked, stealing;
    uint64_t stale_us; /* then who creates is taken for dead; 0 = nobody is waited for */
    unsigned progress; /* how much there was */
    unsigned losses;   /* times in a row that it was not what it seemed */
    bool foreign;      /* the index is another program's: not for those that need it */
    lbi_reql_query *query;
    lbi_rdb_pause pause;
    char why[192];
} lbi_rdb_schema;

/* Does what is next for the requests in store->fresh. */
int lbi_rdb_schema_step(lbi_rdb *store, uint64_t now_us);

/* Is this the server's way of saying that database, table or index are not there? */
bool lbi_rdb_is_absent(const lbi_reql_reply *reply);

/* It was said: look again. */
void lbi_rdb_schema_lost(lbi_rdb *store);

/* The request needs what was not as it should be: look again. */
bool lbi_rdb_schema_doubts(lbi_rdb *store, const lbi_request *request);

/* ---- Feeds (rethinkdb_feed.c) --------------------------------------------------------------- */

struct lbi_rdb_feeds;

int lbi_rdb_feeds_new(lbi_rdb *store, const lbi_reql_options *options, struct lbi_rdb_feeds **ret,
                      lb_error *reterr);
void lbi_rdb_feeds_free(struct lbi_rdb_feeds *feeds);
int lbi_rdb_feeds_process(lbi_store *base, uint64_t now_us);
uint64_t lbi_rdb_feeds_deadline(const struct lbi_rdb_feeds *feeds);
int lbi_rdb_feed_open(lbi_store *base, const char *board, bool rows, lbi_feed_fn fn, void *user,
                      lbi_feed **ret, lb_error *reterr);
void lbi_rdb_feed_close(lbi_feed *feed);

/* The database is there since now: look at once. */
void lbi_rdb_feeds_wake(struct lbi_rdb_feeds *feeds);

/* ---- The store ------------------------------------------------------------------------------ */

struct lbi_rdb {
    lbi_store base; /* first: a lbi_store * is a lbi_rdb * */
    lbi_store_config config;
    lbi_rdb_url url;
    lbi_reql_conn *conn;
    lbi_term term; /* the query that is being written */

    lbi_rdb_schema schema;
    lbi_request *fresh; /* wait for the schema */
    lbi_rdb_lane *lanes;
    lbi_rdb_lane *busy; /* those that have something to do */
    lbi_rdb_read *reads;
    lbi_request *finished; /* their done() is due */
    uint64_t expiry_us;    /* no deadline is earlier */
    int64_t floor_us;      /* the next score is not reached before */
    lbi_rdb_batch *spare;  /* one that has landed, for the next; or NULL */
    bool freeing;
    bool told_strange; /* of a row that is none of ours, by a page */

    struct lbi_rdb_feeds *feeds;
};

/* Where a request is, in its store_data. */
typedef enum lbi_rdb_where {
    LBI_RDB_FRESH,
    LBI_RDB_IN_LANE,
    LBI_RDB_IN_READ,
    LBI_RDB_FINISHED
} lbi_rdb_where;

void lbi_rdb_put(lbi_request *request, lbi_rdb_where where);

/* The answer is set: done() will be called. */
void lbi_rdb_finish(lbi_rdb *store, lbi_request *request);
void lbi_rdb_fail(lbi_rdb *store, lbi_request *request, int code, const char *message);

/* A write that is sent again when nobody knows what became of it, with a key or of a lease: was it
 * sent before? Its reached_us, which its question does not need, says so, and about when. */
bool lbi_rdb_was_sent(const lbi_request *request);

/* Not applied by its deadline: says why, as far as that is known. */
void lbi_rdb_fail_late(lbi_rdb *store, lbi_request *request, const char *why);

/* Back to where requests wait for the schema, before or behind the others. */
void lbi_rdb_refresh(lbi_rdb *store, lbi_request *request, bool first);

/* The lane has something to do. */
void lbi_rdb_list(lbi_rdb_lane *lane);

#endif
