/*
 * The schema: database, tables `players` and `boards`, index `rank`.
 *
 * Requests wait until it has been seen. What is missing is made by a request that may create, in
 * steps that each do nothing where it is there. A read never makes anything, but for an index that
 * was dropped: it holds nothing of its own, and who may not make it only does without what needs it.
 * An index `rank` of another program is left to whoever made it, and what needs ours is refused. That
 * is looked at when the schema is, which is at the beginning and after errors, not with each read.
 *
 * Two who create a table at once get two tables of one name, and nobody can use either. So who
 * creates has a lock: a database `<name>_leaderboard_lock`, since databases are what the server
 * creates one after another. Who does not get it waits for what the other makes; when nothing comes
 * of it for STALE_US the other has died, and the lock is dropped. One that has tables is no lock of
 * ours, and is never dropped. Who may not create databases does without.
 */
#include "store/rethinkdb.h"

#include "base/list.h"
#include "base/str.h"
#include "os/clock.h"
#include "store/rethinkdb_term.h"

#include <stdio.h>
#include <string.h>

#define NO_LOCK "it has tables"
#define MAKE_INDEX "[75,[" PLAYERS ",\"rank\"," RANK_FUNCTION "]]"

enum { PAUSE_FIRST_US = 50000, PAUSE_MOST_US = 1000000, LOSSES_MOST = 8, STALE_US = 3000000 };

/* ---- What the server says ------------------------------------------------------------------- */

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static bool is_missing(const char *text)
{
    return (begins(text, "Database `") || begins(text, "Table `")) &&
           strstr(text, "does not exist");
}

static bool is_missing_index(const char *text)
{
    return begins(text, "Index `rank` was not found");
}

bool lbi_rdb_is_absent(const lbi_reql_reply *reply)
{
    return reply->answer && reply->code == LB_E_IO &&
           (is_missing(reply->message) || is_missing_index(reply->message));
}

void lbi_rdb_schema_lost(lbi_rdb *store)
{
    if (store->schema.state != LBI_RDB_READY)
        return;
    store->schema.state = LBI_RDB_UNKNOWN;
    if (++store->schema.losses > 1)
        lbi_rdb_pause_more(&store->schema.pause, PAUSE_FIRST_US, PAUSE_MOST_US);
}

/* ---- Common --------------------------------------------------------------------------------- */

static lbi_request *pop(lbi_rdb *store)
{
    lbi_request *request = store->fresh;

    DL_DELETE(store->fresh, request);
    return request;
}

static void fail_all(lbi_rdb *store, int code, const char *message)
{
    while (store->fresh)
        lbi_rdb_fail(store, pop(store), code, message);
}

static bool may_create(const lbi_request *request)
{
    return (request->flags & LBI_CREATE) || request->verb == LBI_BOARD_CREATE;
}

static uint64_t last_deadline(const lbi_rdb *store)
{
    const lbi_request *request;
    uint64_t ret = 0;

    DL_FOREACH (store->fresh, request) {
        if (request->deadline_us > ret)
            ret = request->deadline_us;
    }
    return ret;
}

static void send(lbi_rdb *store, const char *database, lbi_reql_fn fn)
{
    lbi_rdb_schema *schema = &store->schema;
    lbi_term *t = &store->term;
    lbi_reql_call call = {.deadline_us = last_deadline(store), .fn = fn, .user = store};
    lb_error error = {.code = lbi_term_query_end(t, database)};

    call.text = lbi_buf_bytes(&t->buf);
    call.len = t->buf.len;
    if (error.code == 0)
        error.code = lbi_reql_submit(store->conn, &call, &schema->query, &error);
    if (error.code == 0)
        return;
    schema->state = LBI_RDB_UNKNOWN;
    fail_all(store, error.code, error.msg[0] ? error.msg : lb_strerror(error.code));
}

/* Nothing of the players was touched: it may be tried again, but for what will not go away. */
static void refuse(lbi_rdb *store, const lbi_reql_reply *reply)
{
    lbi_rdb_schema *schema = &store->schema;

    const char *late = "timed out: "; /* who reports it says so, too */

    schema->state = LBI_RDB_UNKNOWN;
    switch (reply->code) {
    case LB_E_IO:
    case LB_E_UNKNOWN:
    case LB_E_TIMEOUT:
        lbi_copy(schema->why, sizeof schema->why,
                 reply->message + (begins(reply->message, late) ? strlen(late) : 0));
        lbi_rdb_pause_more(&schema->pause, PAUSE_FIRST_US, PAUSE_MOST_US);
        break;
    default:
        fail_all(store, reply->code, reply->message);
        break;
    }
}

/* ---- Creating ------------------------------------------------------------------------------- */

typedef struct lock_name {
    char text[LBI_RDB_NAME + 20];
} lock_name;

static lock_name name_of_lock(const lbi_rdb *store)
{
    lock_name name;

    (void)snprintf(name.text, sizeof name.text, "%s_leaderboard_lock", store->url.database);
    return name;
}

static void put_name(lbi_term *t, int id, const lock_name *name)
{
    lbi_term_call(t, id);
    lbi_term_text(t, name->text);
    lbi_term_end(t);
}

static void put_unlock(lbi_term *t, const lock_name *name)
{
    lbi_term_call(t, LBI_T_BRANCH);
    lbi_term_call(t, LBI_T_IS_EMPTY);
    lbi_term_call(t, LBI_T_TABLE_LIST);
    put_name(t, LBI_T_DB, name);
    lbi_term_end(t);
    lbi_term_end(t);
    put_name(t, LBI_T_DB_DROP, name);
    lbi_term_call(t, LBI_T_ERROR);
    lbi_term_text(t, NO_LOCK);
    lbi_term_end(t);
    lbi_term_end(t);
}

/* The steps of creating. */
enum { LOCK, DATABASE, BOARDS_TABLE, PLAYERS_TABLE, INDEX, READY, UNLOCK, STEPS };

static void put_step(lbi_term *t, const lbi_rdb *store)
{
    lock_name lock = name_of_lock(store);

    switch (store->schema.step) {
    case LOCK:
        put_name(t, LBI_T_DB_CREATE, &lock);
        break;
    case DATABASE:
        lbi_term_call(t, LBI_T_DB_CREATE);
        lbi_term_text(t, store->url.database);
        lbi_term_end(t);
        break;
    case BOARDS_TABLE:
        lbi_term_literal(t, "[60,[\"boards\"],{\"primary_key\":\"id\"}]");
        break;
    case PLAYERS_TABLE:
        lbi_term_literal(t, "[60,[\"players\"],{\"primary_key\":\"key\"}]");
        break;
    case INDEX:
        lbi_term_literal(t, MAKE_INDEX);
        break;
    case READY:
        lbi_term_literal(t, "[2,[[177,[" BOARDS "],{\"wait_for\":\"ready_for_writes\"}],"
                            "[177,[" PLAYERS "],{\"wait_for\":\"ready_for_writes\"}],"
                            "[140,[" PLAYERS ",\"rank\"]]]]");
        break;
    default:
        put_unlock(t, &lock);
        break;
    }
}

static int on_created(const lbi_reql_reply *reply, void *user);

static void create_next(lbi_rdb *store)
{
    store->schema.state = LBI_RDB_CREATING;
    lbi_term_query(&store->term);
    put_step(&store->term, store);
    send(store, store->url.database, on_created);
}

static bool is_there(const lbi_reql_reply *reply)
{
    return reply->answer && reply->code == LB_E_IO && strstr(reply->message, "already exists");
}

/* Somebody else is at it. */
static void wait_for_other(const lbi_rdb *store, lbi_rdb_schema *schema)
{
    uint64_t now_us = lbi_clock_us();
    lock_name lock = name_of_lock(store);

    if (schema->stale_us == 0)
        schema->stale_us = now_us + STALE_US;
    schema->state = LBI_RDB_UNKNOWN;
    (void)snprintf(schema->why, sizeof schema->why,
                   "another client is making the database; if none is, drop the database '%s'",
                   lock.text);
    lbi_rdb_pause_more(&schema->pause, PAUSE_FIRST_US, PAUSE_FIRST_US * 4);
}

/* A database that somebody uses has the name of the lock. */
static void refuse_lock(lbi_rdb *store)
{
    char message[sizeof((lb_error *)0)->msg];
    lock_name lock = name_of_lock(store);

    (void)snprintf(message, sizeof message,
                   "the database '%.170s' has tables: its name is needed for a moment", lock.text);
    store->schema.state = LBI_RDB_UNKNOWN;
    store->schema.stealing = false;
    fail_all(store, LB_E_CONFLICT, message);
}

/* The lock: it is ours, or another's, or there is none for this user. */
static bool has_lock(const lbi_rdb *store, lbi_rdb_schema *schema, const lbi_reql_reply *reply)
{
    if (!is_there(reply) || schema->locked) {
        schema->locked = reply->code == 0 || schema->locked;
        return true;
    }
    if (schema->stale_us && lbi_clock_us() >= schema->stale_us) {
        schema->stale_us = 0;
        schema->stealing = true;
        return true;
    }
    wait_for_other(store, schema);
    return false;
}

/* What may fail without harm. */
static bool is_harmless(const lbi_rdb_schema *schema, const lbi_reql_reply *reply)
{
    bool lock = schema->step == LOCK || schema->step == UNLOCK;

    return reply->code == 0 || is_there(reply) || (lock && reply->code == LB_E_AUTH) ||
           (schema->step == UNLOCK && reply->answer);
}

static int on_created(const lbi_reql_reply *reply, void *user)
{
    lbi_rdb *store = user;
    lbi_rdb_schema *schema = &store->schema;

    schema->query = NULL;
    if (store->freeing)
        return 0;
    if (!is_harmless(schema, reply)) {
        refuse(store, reply);
        return 0;
    }
    if (schema->step == LOCK && !has_lock(store, schema, reply))
        return 0;
    if (schema->step == UNLOCK && schema->stealing && strstr(reply->message, NO_LOCK)) {
        refuse_lock(store);
        return 0;
    }
    if (schema->step == UNLOCK)
        schema->locked = false;
    schema->stealing &= schema->step == LOCK;
    schema->step = schema->stealing ? (unsigned)UNLOCK : schema->step + 1;
    if (schema->step < STEPS)
        create_next(store);
    else
        schema->state = LBI_RDB_UNKNOWN; /* to be seen as everybody sees it */
    return 0;
}

/* ---- An index that was dropped -------------------------------------------------------------- */

static bool needs_index(const lbi_request *request)
{
    switch (request->verb) {
    case LBI_BOARD_INFO:
    case LBI_BOARD_GET:
    case LBI_PLAYER_AROUND:
        return true;
    default:
        return !lbi_verb_writes(request->verb) && (request->flags & LBI_PLACE);
    }
}

static bool is_index_needed(const lbi_rdb *store)
{
    const lbi_request *request;

    DL_FOREACH (store->fresh, request) {
        if (needs_index(request) || may_create(request))
            return true;
    }
    return false;
}

/* Who asks how the database is wants to know that, too. */
static bool minds_foreign(const lbi_request *request)
{
    return needs_index(request) || request->verb == LBI_DATABASE_INFO;
}

bool lbi_rdb_schema_doubts(lbi_rdb *store, const lbi_request *request)
{
    if (!store->schema.foreign || !minds_foreign(request))
        return false;
    store->schema.state = LBI_RDB_UNKNOWN;
    return true;
}

/* By an index of another program players would come in its order. Who does without goes on. */
static void refuse_foreign(lbi_rdb *store)
{
    lbi_request *request, *next;

    DL_FOREACH_SAFE (store->fresh, request, next) {
        if (!minds_foreign(request))
            continue;
        DL_DELETE(store->fresh, request);
        (void)lbi_request_fail(request, LB_E_CONFLICT,
                               "the index 'rank' of table 'players' in database '%s' is of another "
                               "program: drop it, by r.table('players').indexDrop('rank'), and the "
                               "next read of a board makes ours",
                               store->url.database);
        lbi_rdb_finish(store, request);
    }
}

static void be_ready(lbi_rdb *store)
{
    if (store->schema.foreign)
        refuse_foreign(store);
    store->schema.stale_us = 0;
    store->schema.state = LBI_RDB_READY;
    lbi_rdb_feeds_wake(store->feeds);
}

/* Those that need it hear that; the others go on. */
static void refuse_index(lbi_rdb *store, const lbi_reql_reply *reply)
{
    lbi_request *request, *next;

    DL_FOREACH_SAFE (store->fresh, request, next) {
        if (!needs_index(request))
            continue;
        DL_DELETE(store->fresh, request);
        (void)lbi_request_fail(request, reply->code,
                               "the database has lost its index 'rank': the next read of a board "
                               "by a user with config permission makes it again (%.100s)",
                               reply->message);
        lbi_rdb_finish(store, request);
    }
    store->schema.losses = 0;
    be_ready(store);
}

static int on_mended(const lbi_reql_reply *reply, void *user)
{
    lbi_rdb *store = user;

    store->schema.query = NULL;
    if (store->freeing)
        return 0;
    if (reply->code == 0 || is_there(reply))
        store->schema.state = LBI_RDB_UNKNOWN; /* to be seen as everybody sees it */
    else if (reply->code == LB_E_AUTH && reply->answer)
        refuse_index(store, reply);
    else
        refuse(store, reply);
    return 0;
}

/* Whoever reads meanwhile waits until it is built; who writes does not. */
static void mend_index(lbi_rdb *store)
{
    store->schema.state = LBI_RDB_CREATING;
    lbi_term_query(&store->term);
    lbi_term_literal(&store->term, MAKE_INDEX);
    send(store, store->url.database, on_mended);
}

/* ---- Looking -------------------------------------------------------------------------------- */

#define IF_THERE(table, then) "[65,[[93,[" V(1) ",\"" table "\"]]," then ",null]]"
#define INFO_OF(table) IF_THERE(table, "[79,[[15,[\"" table "\"]]]]")
#define STATUS "[39,[[139,[" PLAYERS "]],{\"index\":\"rank\"}]]"
#define RANK_STATUS IF_THERE("players", "[33,[" STATUS ",\"multi\",\"geo\",\"query\"]]")
#define OUR_FUNCTION "[170,[[79,[" RANK_FUNCTION "]],\"source_code\"]]"
#define WHAT_IS                                                                                    \
    "{\"boards\":" INFO_OF("boards") ",\"players\":" INFO_OF("players") ",\"index\":" RANK_STATUS  \
                                                                        ",\"ours\":" OUR_FUNCTION  \
                                                                        "}"

/* What is there: null, or of both tables null or what info() says; of the index its status, in an
 * array, and what our function is for the server. */
static void put_probe(lbi_term *t, const char *database)
{
    lbi_term_call(t, LBI_T_BRANCH);
    lbi_term_call(t, LBI_T_CONTAINS);
    lbi_term_call0(t, LBI_T_DB_LIST);
    lbi_term_text(t, database);
    lbi_term_end(t);
    lbi_term_literal(t, "[64,[[69,[[2,[1]]," WHAT_IS "]],[62,[]]]]");
    lbi_term_null(t);
    lbi_term_end(t);
}

static bool has_key(const lbi_json *table, const char *key)
{
    const char *text = lbi_json_text(lbi_json_get(table, "primary_key"));

    return text && strcmp(text, key) == 0;
}

static bool has_index(const lbi_json *table)
{
    const lbi_json *index = lbi_json_first(lbi_json_get(table, "indexes"));

    for (; index; index = lbi_json_next(index)) {
        const char *name = lbi_json_text(index);

        if (name && strcmp(name, "rank") == 0)
            return true;
    }
    return false;
}

static bool is_set(const lbi_json *object, const char *key)
{
    bool flag;

    return lbi_json_bool(lbi_json_get(object, key), &flag) && flag;
}

/* As the server prints our function, it prints the one that the index was made with. A server that
 * prints either otherwise is believed. */
static bool is_ours(const lbi_json *index, const char *function)
{
    static const char before[] = "{ return ", after[] = "; })";
    const char *query = lbi_json_text(lbi_json_get(index, "query"));
    const char *body = function ? strstr(function, "r.branch(") : NULL;
    const char *start = query ? strstr(query, before) : NULL;
    size_t len = body ? strlen(body) : 0;

    if (is_set(index, "multi") || is_set(index, "geo"))
        return false;
    if (!body || !start)
        return true;
    start += sizeof before - 1;
    return strncmp(start, body, len) == 0 && strcmp(start + len, after) == 0;
}

static void refuse_shape(lbi_rdb *store, const char *table)
{
    char message[252];
    lbi_request request; /* for its message only */

    (void)lbi_request_fail(&request, LB_E_CONFLICT,
                           "the database '%s' holds a table '%s' of another program (its primary "
                           "key is not ours): name another database; lbctl import-boards takes the "
                           "rows of this one",
                           store->url.database, table);
    lbi_copy(message, sizeof message, request.error.msg);
    store->schema.state = LBI_RDB_UNKNOWN;
    fail_all(store, LB_E_CONFLICT, message);
}

/* Those before the first that may create hear that there is nothing. */
static void refuse_absent(lbi_rdb *store, const char *what)
{
    while (store->fresh && !may_create(store->fresh)) {
        lbi_request *request = pop(store);

        (void)lbi_request_fail(request, LB_E_NOTFOUND,
                               "there is no %s '%s' on the server yet: the first board or score "
                               "that is created makes it",
                               what, store->url.database);
        lbi_rdb_finish(store, request);
    }
    if (!store->fresh) {
        store->schema.state = LBI_RDB_UNKNOWN;
        return;
    }
    store->schema.step = 0;
    create_next(store);
}

/* How far somebody has come: while it changes he is alive. */
static void note_progress(lbi_rdb_schema *schema, const lbi_json *value)
{
    const lbi_json *players = lbi_json_get(value, "players");
    unsigned progress = (unsigned)lbi_json_is_object(value) +
                        (unsigned)lbi_json_is_object(lbi_json_get(value, "boards")) +
                        (unsigned)lbi_json_is_object(players) + (unsigned)has_index(players);

    if (progress != schema->progress && schema->stale_us)
        schema->stale_us = lbi_clock_us() + STALE_US;
    schema->progress = progress;
}

static bool is_table(const lbi_json *value)
{
    return !value || lbi_json_is_null(value) || lbi_json_is_object(value);
}

static bool is_probed(const lbi_json *value)
{
    return lbi_json_is_object(value) && is_table(lbi_json_get(value, "players")) &&
           is_table(lbi_json_get(value, "boards"));
}

static void accept_probe(lbi_rdb *store, const lbi_json *value)
{
    lbi_rdb_schema *schema = &store->schema;
    const lbi_json *players = lbi_json_get(value, "players");
    const lbi_json *boards = lbi_json_get(value, "boards");

    note_progress(schema, value);
    schema->pause = (lbi_rdb_pause){0};
    schema->why[0] = '\0';
    if (lbi_json_is_null(value)) {
        refuse_absent(store, "database");
    } else if (!is_probed(value)) {
        schema->state = LBI_RDB_UNKNOWN;
        fail_all(store, LB_E_PROTO, "the server's answer makes no sense");
    } else if (lbi_json_is_object(players) && !has_key(players, "key")) {
        refuse_shape(store, "players");
    } else if (lbi_json_is_object(boards) && !has_key(boards, "id")) {
        refuse_shape(store, "boards");
    } else if (!lbi_json_is_object(players) || !lbi_json_is_object(boards)) {
        refuse_absent(store, "leaderboard in database");
    } else {
        schema->foreign =
            has_index(players) && !is_ours(lbi_json_first(lbi_json_get(value, "index")),
                                           lbi_json_text(lbi_json_get(value, "ours")));
        if (!has_index(players) && is_index_needed(store))
            mend_index(store);
        else
            be_ready(store);
    }
}

static int on_probed(const lbi_reql_reply *reply, void *user)
{
    lbi_rdb *store = user;

    store->schema.query = NULL;
    if (store->freeing)
        return 0;
    if (reply->code < 0)
        refuse(store, reply);
    else
        accept_probe(store, lbi_json_first(reply->answer->values));
    return 0;
}

static void probe(lbi_rdb *store)
{
    store->schema.state = LBI_RDB_PROBING;
    lbi_term_query(&store->term);
    put_probe(&store->term, store->url.database);
    send(store, store->url.database, on_probed);
}

int lbi_rdb_schema_step(lbi_rdb *store, uint64_t now_us)
{
    lbi_rdb_schema *schema = &store->schema;

    if (schema->state != LBI_RDB_UNKNOWN || !store->fresh || now_us < schema->pause.at_us)
        return 0;
    if (schema->losses > LOSSES_MOST) {
        schema->losses = 0;
        fail_all(store, LB_E_IO,
                 "the tables are there and then are not: is somebody dropping "
                 "them?");
        return 1;
    }
    probe(store);
    return 1;
}
