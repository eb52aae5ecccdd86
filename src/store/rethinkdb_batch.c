/*
 * A batch: writes to players of one board that travel as one query.
 *
 * The requests for one player are a list that a function folds over the player's document, on the
 * server and within the document's own atomic write. The server gives the document as it was
 * before; the same fold over it, here, gives the answer of every request, as if they had come one
 * after another. What comes out at the end must be what the server has written.
 *
 * In a batch that creates, each player's first request creates it if it is missing. What it is
 * then is known here (fold over nothing), but for the time: so the batch is one insert, whose
 * conflict function folds. In one that does not, it is getAll().replace(), which leaves alone who
 * is missing.
 *
 * A score that is reached by the request at place p has the time base + p. The base is the
 * server's clock, but not before what was reached through this client before.
 *
 * In the query: 1 the board, 2 the base, 3 what was written, 4 the name of the key, 5 the document,
 * 6 the one to insert, 7 the requests by player, 8 the document so far, 9 a request, 10 its score,
 * 11 the document after it, 12 a key that was used, 13 the board after all that.
 */
#include "store/rethinkdb.h"

#include "base/str.h"
#include "store/rethinkdb_term.h"

#include <stdio.h>
#include <string.h>

enum { KEYS = 16 }; /* that a player keeps */

/* ---- The fold, here ------------------------------------------------------------------------- */

/* When a score was reached. */
typedef struct moment {
    bool later; /* after the base, which is not known yet */
    int64_t us;
} moment;

/* A key that was used, and the answer. */
typedef struct used {
    char key[LB_KEY_MAX + 1];
    int64_t verb, amount, flags, code, score;
    moment at, when; /* the score was reached; the key was used */
    char name[LB_NAME_MAX + 1];
} used;

/* A player as it is so far. */
typedef struct state {
    bool exists, ascending;
    lbi_rdb_row row;
    moment at;
    size_t n_keys;
    used keys[KEYS];
} state;

static int64_t key_flags(const lbi_request *request)
{
    return request->flags & LBI_BEST;
}

static used *find_key(state *s, const char *key)
{
    for (size_t i = 0; i < s->n_keys; i++) {
        if (strcmp(s->keys[i].key, key) == 0)
            return &s->keys[i];
    }
    return NULL;
}

static void keep_key(state *s, const lbi_request *request, int code, moment now)
{
    used *place;

    if (s->n_keys == KEYS)
        memmove(s->keys, s->keys + 1, --s->n_keys * sizeof *s->keys);
    place = &s->keys[s->n_keys++];
    *place = (used){.verb = (int64_t)request->verb,
                    .amount = request->amount,
                    .flags = key_flags(request),
                    .code = code,
                    .score = s->row.score,
                    .at = s->at,
                    .when = now};
    lbi_copy(place->key, sizeof place->key, request->key);
    lbi_copy(place->name, sizeof place->name, s->row.name);
}

static void create(state *s, const lbi_request *request)
{
    lbi_copy(s->row.board, sizeof s->row.board, request->board);
    lbi_copy(s->row.id, sizeof s->row.id, request->player);
    lbi_copy(s->row.name, sizeof s->row.name, *request->name ? request->name : request->player);
    s->row.score = request->verb == LBI_PLAYER_PUT ? 0 : request->amount;
    s->exists = true;
    s->n_keys = 0;
}

/* Whose answer is the row as it is now. */
static void answer(lbi_request *request, const state *s, int code)
{
    lbi_rdb_row row = s->row;

    row.reached_us = s->at.us;
    lbi_rdb_answer_row(request, &row, code);
}

static void answer_used(lbi_request *request, const state *s, const used *key)
{
    lbi_rdb_row row = s->row;

    if (key->verb != (int64_t)request->verb || key->amount != request->amount ||
        key->flags != key_flags(request)) {
        (void)lbi_request_fail(request, LB_E_CONFLICT,
                               "idempotency key '%s' was used for another request: take a new one",
                               request->key);
        return;
    }
    row.score = key->score;
    row.reached_us = key->at.us;
    lbi_copy(row.name, sizeof row.name, key->name[0] ? key->name : row.id);
    lbi_rdb_answer_row(request, &row, (int)key->code);
}

/* A request that is repeated, since nobody knows what became of it: so many others have used keys
 * since then that its own may be forgotten. */
static bool is_forgotten(const state *s, const lbi_request *request)
{
    return *request->key && request->reached_us && s->n_keys == KEYS &&
           s->keys[0].when.us > request->reached_us;
}

static int64_t new_score(const state *s, const lbi_request *request)
{
    int64_t amount = request->amount, now = s->row.score;

    if (request->verb == LBI_SCORE_ADD)
        return now + amount; /* far from the ends of int64_t */
    if (request->flags & LBI_BEST)
        return s->ascending == (amount < now) ? amount : now;
    return amount;
}

static void fold_score(state *s, lbi_request *request, moment now)
{
    const used *key = *request->key ? find_key(s, request->key) : NULL;
    int64_t score = new_score(s, request);
    int code = score != s->row.score;

    if (key) {
        answer_used(request, s, key);
        return;
    }
    if (is_forgotten(s, request)) {
        (void)lbi_request_fail(request, LB_E_UNKNOWN,
                               "it may have been applied: too many others have used idempotency "
                               "keys for player '%s' since then",
                               request->player);
        return;
    }
    if (score < LB_SCORE_MIN || score > LB_SCORE_MAX) {
        (void)lbi_request_fail(request, LB_E_RANGE,
                               "%" PRId64 " added to %" PRId64
                               " is outside -9007199254740991..9007199254740991",
                               request->amount, s->row.score);
        return;
    }
    if (code)
        s->at = now;
    s->row.score = score;
    answer(request, s, code);
    if (*request->key)
        keep_key(s, request, code, now);
}

static void fold_put(state *s, lbi_request *request)
{
    int code = *request->name && strcmp(request->name, s->row.name) != 0;

    if (code)
        lbi_copy(s->row.name, sizeof s->row.name, request->name);
    answer(request, s, code);
}

static moment restored_at(const lbi_request *request, moment now)
{
    if (request->reached_us)
        return (moment){.us = request->reached_us};
    return now;
}

static void fold_restore(state *s, lbi_request *request, moment now)
{
    const char *name = *request->name ? request->name : request->player;
    moment at = restored_at(request, now);
    int code =
        strcmp(name, s->row.name) != 0 || s->row.score != request->amount || s->at.us != at.us;

    lbi_copy(s->row.name, sizeof s->row.name, name);
    s->row.score = request->amount;
    s->at = at;
    answer(request, s, code);
}

static void fold_new(state *s, lbi_request *request, moment now)
{
    create(s, request);
    s->at = request->verb == LBI_PLAYER_RESTORE ? restored_at(request, now) : now;
    answer(request, s, 1);
    if (*request->key)
        keep_key(s, request, 1, now);
}

static void fold(state *s, lbi_request *request, moment now)
{
    lbi_request_clear_answer(request);
    if (!s->exists && lbi_rdb_creates(request)) {
        fold_new(s, request, now);
    } else if (!s->exists) {
        lbi_rdb_refuse_player(request);
    } else if (request->verb == LBI_PLAYER_PUT) {
        fold_put(s, request);
    } else if (request->verb == LBI_PLAYER_RESTORE) {
        fold_restore(s, request, now);
    } else if (request->verb == LBI_PLAYER_REMOVE) {
        s->exists = false;
        request->code = 1;
    } else {
        fold_score(s, request, now);
    }
}

/* The requests of a group, in their order. */
static void fold_group(const lbi_rdb_batch *batch, const lbi_rdb_group *group, state *s, bool later,
                       int64_t base)
{
    uint16_t place = group->first;

    do {
        fold(s, batch->requests[place],
             (moment){.later = later, .us = base + batch->place + place});
        place = batch->follows[place];
    } while (place);
}

/* ---- The query: documents ------------------------------------------------------------------- */

static void put_moment(lbi_term *t, moment at)
{
    if (!at.later) {
        lbi_term_int(t, at.us);
        return;
    }
    lbi_term_call(t, LBI_T_ADD);
    lbi_term_var(t, 2);
    lbi_term_int(t, at.us);
    lbi_term_end(t);
}

static void put_used(lbi_term *t, const used *key)
{
    const struct {
        const char *name;
        int64_t value;
    } numbers[] = {{"v", key->verb},
                   {"a", key->amount},
                   {"f", key->flags},
                   {"c", key->code},
                   {"s", key->score}};

    lbi_term_object(t);
    lbi_term_key(t, "k");
    lbi_term_text(t, key->key);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        lbi_term_key(t, numbers[i].name);
        lbi_term_int(t, numbers[i].value);
    }
    lbi_term_key(t, "t");
    put_moment(t, key->at);
    lbi_term_key(t, "w");
    put_moment(t, key->when);
    lbi_term_key(t, "n");
    lbi_term_text(t, key->name);
    lbi_term_end(t);
}

static void put_document(lbi_term *t, const state *s)
{
    lbi_term_object(t);
    lbi_term_key(t, "key");
    lbi_term_array(t);
    lbi_term_text(t, s->row.board);
    lbi_term_text(t, s->row.id);
    lbi_term_end(t);
    lbi_term_key(t, "board");
    lbi_term_text(t, s->row.board);
    lbi_term_key(t, "id");
    lbi_term_text(t, s->row.id);
    lbi_term_key(t, "name");
    lbi_term_text(t, s->row.name);
    lbi_term_key(t, "score");
    lbi_term_int(t, s->row.score);
    lbi_term_key(t, "at");
    put_moment(t, s->at);
    if (s->ascending) {
        lbi_term_key(t, "asc");
        lbi_term_bool(t, true);
    }
    if (s->n_keys) {
        lbi_term_key(t, "keys");
        lbi_term_array(t);
        for (size_t i = 0; i < s->n_keys; i++)
            put_used(t, &s->keys[i]);
        lbi_term_end(t);
    }
    lbi_term_end(t);
}

/* What each player is if it is missing. The answers that come of it are thrown away. */
static void put_documents(const lbi_rdb_batch *batch, bool ascending, state *s, lbi_term *t)
{
    lbi_term_array(t);
    for (size_t i = 0; i < batch->n_groups; i++) {
        s->exists = false;
        s->ascending = ascending;
        fold_group(batch, &batch->groups[i], s, true, 0);
        put_document(t, s);
    }
    lbi_term_end(t);
}

/* ---- The query: the fold, on the server ----------------------------------------------------- */

/* How a request is done: a member `m` of what the server gets. */
enum mode { NOTHING, ADD, SET, MOST, LEAST, NAME, RESTORE, REMOVE };

static enum mode mode_of(const lbi_request *request, bool ascending)
{
    switch (request->verb) {
    case LBI_PLAYER_PUT:
        return *request->name ? NAME : NOTHING;
    case LBI_PLAYER_RESTORE:
        return RESTORE;
    case LBI_PLAYER_REMOVE:
        return REMOVE;
    case LBI_SCORE_ADD:
        return ADD;
    default:
        return !(request->flags & LBI_BEST) ? SET : ascending ? LEAST : MOST;
    }
}

static void put_number(lbi_term *t, const char *key, int64_t value)
{
    lbi_term_key(t, key);
    lbi_term_int(t, value);
}

static void put_request(const lbi_rdb_batch *batch, bool ascending, uint16_t place, lbi_term *t)
{
    const lbi_request *request = batch->requests[place];
    enum mode mode = mode_of(request, ascending);

    lbi_term_object(t);
    put_number(t, "a", request->amount);
    put_number(t, "p", batch->place + place);
    if (batch->mixed)
        put_number(t, "m", mode);
    if (mode == NAME || mode == RESTORE) {
        lbi_term_key(t, "n");
        lbi_term_text(t, *request->name ? request->name : request->player);
        put_number(t, "t", request->reached_us);
    }
    if (batch->keyed) {
        lbi_term_key(t, "i");
        lbi_term_text(t, request->key);
        put_number(t, "v", (int64_t)request->verb);
        put_number(t, "f", key_flags(request));
        put_number(t, "r", request->reached_us);
    }
    lbi_term_end(t);
}

static void put_requests(const lbi_rdb_batch *batch, bool ascending, lbi_term *t)
{
    lbi_term_object(t);
    for (size_t i = 0; i < batch->n_groups; i++) {
        uint16_t place = batch->groups[i].first;

        lbi_term_key(t, batch->requests[place]->player);
        if (!batch->single)
            lbi_term_array(t);
        do {
            put_request(batch, ascending, place, t);
            place = batch->follows[place];
        } while (place);
        if (!batch->single)
            lbi_term_end(t);
    }
    lbi_term_end(t);
}

#define SCORE_NOW FIELD(8, "score")
#define AMOUNT FIELD(9, "a")
#define REACHED "[24,[" V(2) "," FIELD(9, "p") "]]"
#define IS_MODE(m) "[17,[" FIELD(9, "m") "," #m "]]"
#define KEYS_NOW OR_ELSE(FIELD(8, "keys"), "[2,[]]")
#define SAME "[17,[" V(10) "," SCORE_NOW "]]"

#define ADDED "[24,[" SCORE_NOW "," AMOUNT "]]"
#define ANY_SCORE                                                                                  \
    "[65,[" IS_MODE(1) "," ADDED "," IS_MODE(2) "," AMOUNT "," IS_MODE(3) ",[148,[[2,[" SCORE_NOW  \
                                                                          "," AMOUNT "]]]],"       \
                                                                          "[147,[[2,[" SCORE_NOW   \
                                                                          "," AMOUNT "]]]]]]"

/* 10 = the score; 8 as it is then. */
#define AFTER "[65,[" SAME "," V(8) ",[35,[" V(8) ",{\"score\":" V(10) ",\"at\":" REACHED "}]]]]"

/* The same with the key kept: 11 = the document after it. */
#define NO_KEY "[17,[" FIELD(9, "i") ",\"\"]]"
#define RECORD                                                                                     \
    "{\"k\":" FIELD(9, "i") ",\"v\":" FIELD(9, "v") ",\"a\":" AMOUNT ",\"f\":" FIELD(              \
        9, "f") ",\"c\":[65,[" SAME                                                                \
                ",0,1]],\"s\":" FIELD(11, "score") ",\"w\":" REACHED ",\"t\":" OR_ELSE(            \
                    FIELD(11, "at"), "0") ",\"n\":" OR_ELSE(FIELD(11, "name"), "\"\"") "}"
#define AFTER_KEYED                                                                                \
    "[64,[[69,[[2,[11]],[65,[" NO_KEY "," V(11) ",[35,[" V(11) ",{\"keys\":[30,[[29,[" KEYS_NOW    \
                                                               "," RECORD "]],-16]]}]]]]]]," AFTER \
                                                               "]]"
#define WAS_USED                                                                                   \
    "[67,[[23,[" NO_KEY "]],[93,[" KEYS_NOW                                                        \
    ",[69,[[2,[12]],[17,[" FIELD(12, "k") "," FIELD(9, "i") "]]]]]]]]"

#define IS_FORGOTTEN                                                                               \
    "[67,[[18,[" FIELD(9, "r") ",0]],[17,[[43,[" KEYS_NOW "]],16]],[21,[[170,[[45,[" KEYS_NOW      \
                               ",0]],\"w\"]]," FIELD(9, "r") "]]]]"

#define IF_IN_RANGE(score, then)                                                                   \
    "[64,[[69,[[2,[10]],[65,[" IN_RANGE(V(10)) "," then "," V(8) "]]]]," score "]]"
#define PLAIN(score) IF_IN_RANGE(score, AFTER)
#define KEYED(score)                                                                               \
    "[65,[[66,[" WAS_USED "," IS_FORGOTTEN "]]," V(8) "," IF_IN_RANGE(score, AFTER_KEYED) "]]"
#define MIXED(else)                                                                                   \
    "[65,[" IS_MODE(0) "," V(8) "," IS_MODE(7) ",null," IS_MODE(5) ",[35,[" V(8) ",{\"name\":" FIELD( \
        9,                                                                                            \
        "n") "}]]," IS_MODE(6) ",[35,[" V(8) ",{\"name\":" FIELD(9,                                   \
                                                                 "n") ",\"score\":" AMOUNT            \
                                                                      ",\"at\":"                      \
                                                                      "[65,[[17,[" FIELD(             \
                                                                          9,                          \
                                                                          "t") ",0]]," REACHED        \
                                                                               "," FIELD(             \
                                                                                   9,                 \
                                                                                   "t") "]]}]]," else "]]"
#define STEP(body) "[69,[[2,[8,9]]," body "]]"

static void put_step(const lbi_rdb_batch *batch, lbi_term *t)
{
    if (batch->mixed && batch->keyed)
        lbi_term_literal(t, STEP(MIXED(KEYED(ANY_SCORE))));
    else if (batch->mixed)
        lbi_term_literal(t, STEP(MIXED(PLAIN(ANY_SCORE))));
    else if (batch->keyed)
        lbi_term_literal(t, STEP(KEYED(ADDED)));
    else
        lbi_term_literal(t, STEP(PLAIN(ADDED)));
}

/* The document in 5 after all requests of its player. */
static void put_fold(const lbi_rdb_batch *batch, lbi_term *t)
{
#define OWN "[170,[" V(7) ",[45,[" FIELD(5, "key") ",1]]]]"
    if (batch->single) {
        lbi_term_call(t, LBI_T_FUNCALL);
        put_step(batch, t);
        lbi_term_var(t, 5);
        lbi_term_literal(t, OWN);
    } else {
        lbi_term_call(t, LBI_T_FOLD);
        lbi_term_literal(t, OWN);
        lbi_term_var(t, 5);
        put_step(batch, t);
    }
    lbi_term_end(t);
}

/* A document with a bad score is none: it is replaced, or left alone. */
static void put_function(const lbi_rdb_batch *batch, lbi_term *t)
{
    lbi_term_func(t, batch->creates ? 3 : 1, batch->creates ? 4 : 5);
    lbi_term_call(t, LBI_T_BRANCH);
    lbi_term_literal(t, IS_GOOD(5));
    put_fold(batch, t);
    lbi_term_var(t, batch->creates ? 6 : 5);
    lbi_term_end(t);
    lbi_term_end(t);
}

/* ---- The query: all of it ------------------------------------------------------------------- */

static void put_insert(const lbi_rdb_batch *batch, const lbi_rdb_board *board, lbi_term *t)
{
    state s;

    lbi_term_call(t, LBI_T_INSERT);
    lbi_term_literal(t, PLAYERS);
    put_documents(batch, board->ascending, &s, t);
    lbi_term_opts(t);
    lbi_term_key(t, "conflict");
    put_function(batch, t);
}

static void put_replace(const lbi_rdb_batch *batch, const lbi_rdb_board *board, lbi_term *t)
{
    lbi_term_call(t, LBI_T_REPLACE);
    lbi_term_call(t, LBI_T_GET_ALL);
    lbi_term_literal(t, PLAYERS);
    for (size_t i = 0; i < batch->n_groups; i++) {
        lbi_rdb_term_key(t, board->id);
        lbi_term_text(t, batch->requests[batch->groups[i].first]->player);
        lbi_term_end(t);
    }
    lbi_term_end(t);
    put_function(batch, t);
    lbi_term_opts(t);
}

static void put_write(const lbi_rdb_batch *batch, const lbi_rdb_board *board, lbi_term *t)
{
    lbi_term_call(t, LBI_T_FUNCALL);
    lbi_term_func(t, 1, 7);
    if (batch->creates)
        put_insert(batch, board, t);
    else
        put_replace(batch, board, t);
    lbi_term_key(t, "return_changes");
    lbi_term_text(t, "always");
    lbi_term_key(t, "durability");
    lbi_term_text(t, "hard");
    lbi_term_end(t);
    lbi_term_end(t);
    put_requests(batch, board->ascending, t);
    lbi_term_end(t);
}

/* What is read of the answer: a document is half names and values that are known here. */
#define CHANGES(keys)                                                                              \
    "{\"changes\":{\"error\":true,\"new_val\":[2,[\"key\",\"score\",\"at\"]],"                     \
    "\"old_val\":[2,[\"key\",\"score\",\"at\",\"name\"" keys "]]}}"

/* The board is looked at before, so that nothing is written to one that goes, and after, so that
 * what was written while it went can be removed again. */
void lbi_rdb_batch_term(const lbi_rdb_batch *batch, const lbi_rdb_board *board, int64_t floor_us,
                        lbi_term *t)
{
    lbi_term_call(t, LBI_T_FUNCALL);
    lbi_term_func(t, 2, 1);
    lbi_term_call(t, LBI_T_BRANCH);
    if (board->ascending)
        lbi_term_literal(t, "[67,[" IS_ALIVE(1) "," IS_ASCENDING(1) "]]");
    else
        lbi_term_literal(t, "[67,[" IS_ALIVE(1) ",[23,[" IS_ASCENDING(1) "]]]]");
    lbi_term_call(t, LBI_T_FUNCALL);
    lbi_term_func(t, 1, 3);
    lbi_term_object(t);
    lbi_term_key(t, "base");
    lbi_term_var(t, 2);
    lbi_term_key(t, "wrote");
    if (batch->keyed)
        lbi_term_literal(t, "[33,[" V(3) ",\"first_error\"," CHANGES(",\"keys\"") "]]");
    else
        lbi_term_literal(t, "[33,[" V(3) ",\"first_error\"," CHANGES("") "]]");
    lbi_term_key(t, "gone");
    lbi_term_call(t, LBI_T_FUNCALL);
    lbi_term_literal(t, "[69,[[2,[13]],[23,[" IS_ALIVE(13) "]]]]");
    lbi_rdb_term_board(t, board->id);
    lbi_term_end(t);
    lbi_term_end(t);
    lbi_term_end(t);
    put_write(batch, board, t);
    lbi_term_end(t);
    lbi_term_literal(t, "{\"stale\":" V(1) "}");
    lbi_term_end(t);
    lbi_term_end(t);
    lbi_rdb_term_board(t, board->id);
    lbi_term_call(t, LBI_T_MAX);
    lbi_term_array(t);
    lbi_term_literal(t, NOW);
    lbi_term_int(t, floor_us);
    lbi_term_end(t);
    lbi_term_end(t);
    lbi_term_end(t);
}

/* ---- Answers -------------------------------------------------------------------------------- */

static int64_t number_of(const lbi_json *value, const char *key)
{
    int64_t number = 0;

    (void)lbi_json_int(lbi_json_get(value, key), &number);
    return number;
}

static void read_used(const lbi_json *value, used *ret)
{
    const char *key = lbi_json_text(lbi_json_get(value, "k"));
    const char *name = lbi_json_text(lbi_json_get(value, "n"));

    *ret = (used){.verb = number_of(value, "v"),
                  .amount = number_of(value, "a"),
                  .flags = number_of(value, "f"),
                  .code = number_of(value, "c"),
                  .score = number_of(value, "s"),
                  .at = {.us = number_of(value, "t")},
                  .when = {.us = number_of(value, "w")}};
    lbi_copy(ret->key, sizeof ret->key, key ? key : "");
    lbi_copy(ret->name, sizeof ret->name, name ? name : "");
}

/* The document as it was before. */
static void read_state(const lbi_json *value, bool ascending, state *ret)
{
    const lbi_json *key = lbi_json_first(lbi_json_get(value, "keys"));

    ret->exists = lbi_rdb_row_read(value, &ret->row) == 1;
    ret->ascending = ascending;
    ret->at = (moment){.us = ret->row.reached_us};
    ret->n_keys = 0;
    for (; key && ret->n_keys < KEYS; key = lbi_json_next(key))
        read_used(key, &ret->keys[ret->n_keys++]);
}

static void fail_group(const lbi_rdb_batch *batch, lbi_rdb_group *group, int code,
                       const char *message)
{
    uint16_t place = group->first;

    group->answered = true;
    do {
        lbi_request_clear_answer(batch->requests[place]);
        (void)lbi_request_fail(batch->requests[place], code, "%s", message);
        place = batch->follows[place];
    } while (place);
}

/* The server could not make sense of the document, which somebody else has written, too. */
static void refuse_group(const lbi_rdb_batch *batch, lbi_rdb_group *group, const char *error)
{
    const lbi_request *first = batch->requests[group->first];
    char message[sizeof((lb_error *)0)->msg];

    (void)snprintf(message, sizeof message, "player '%s' on board '%s'%s: %s", first->player,
                   first->board, batch->keyed ? ": is its field 'keys' ours?" : "", error);
    fail_group(batch, group, LB_E_QUERY, message);
}

static bool agrees(const state *s, const lbi_json *new_val)
{
    lbi_rdb_row row;
    int r = lbi_rdb_row_read(new_val, &row);

    if (r <= 0 || !s->exists)
        return r <= 0 && !s->exists;
    return row.score == s->row.score && row.reached_us == s->at.us;
}

static void answer_group(const lbi_rdb_batch *batch, lbi_rdb_group *group, const lbi_json *change,
                         state *s, int64_t base)
{
    const char *error = lbi_json_text(lbi_json_get(change, "error"));

    if (error) {
        refuse_group(batch, group, error);
        return;
    }
    group->answered = true;
    fold_group(batch, group, s, false, base);
    if (change && !agrees(s, lbi_json_get(change, "new_val")))
        fail_group(batch, group, LB_E_UNKNOWN,
                   "the server has written something else than it was asked to");
}

/* Whose change is it? */
static lbi_rdb_group *group_of(lbi_rdb_batch *batch, const lbi_json *change)
{
    lbi_rdb_row row;
    int r = lbi_rdb_row_read(lbi_json_get(change, "new_val"), &row);

    if (r == 0)
        r = lbi_rdb_row_read(lbi_json_get(change, "old_val"), &row);
    if ((r != 1 && r != LB_E_RANGE) || strcmp(row.board, batch->requests[0]->board) != 0)
        return NULL;
    return lbi_rdb_batch_find(batch, row.id);
}

/* Those of whom nothing was said: they are missing, or the write of them failed. `strange`: there was
 * something else that was said. */
static void answer_rest(lbi_rdb_batch *batch, const lbi_json *wrote, bool strange, state *s,
                        int64_t base)
{
    const char *error = lbi_json_text(lbi_json_get(wrote, "first_error"));

    for (size_t i = 0; i < batch->n_groups; i++) {
        lbi_rdb_group *group = &batch->groups[i];

        if (group->answered)
            continue;
        s->exists = false;
        if (error)
            refuse_group(batch, group, error);
        else if (batch->creates || strange)
            fail_group(batch, group, LB_E_UNKNOWN, "the server does not say what it has done");
        else
            answer_group(batch, group, NULL, s, base);
    }
}

int lbi_rdb_batch_answer(lbi_rdb_batch *batch, const lbi_rdb_board *board, const lbi_json *value,
                         int64_t *ret_base)
{
    const lbi_json *wrote = lbi_json_get(value, "wrote");
    const lbi_json *change = lbi_json_first(lbi_json_get(wrote, "changes"));
    bool strange = false;
    state s;

    if (!lbi_json_int(lbi_json_get(value, "base"), ret_base) || !lbi_json_is_object(wrote))
        return LB_E_PROTO;
    for (; change; change = lbi_json_next(change)) {
        lbi_rdb_group *group = group_of(batch, change);

        strange |= !group;
        if (!group || group->answered)
            continue;
        read_state(lbi_json_get(change, "old_val"), board->ascending, &s);
        answer_group(batch, group, change, &s, *ret_base);
    }
    answer_rest(batch, wrote, strange, &s, *ret_base);
    return 0;
}
