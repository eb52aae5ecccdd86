/*
 * A lease is a document among the boards, so that taking one needs no further table: its id is that
 * of no board, and it looks like a board that is being deleted, which nobody shows.
 *
 * Taking it again is harmless, so that it is asked for like something that is read; but when it was
 * sent, and its time is up before an answer has come, nobody knows who has it (lbi_rdb_was_sent()).
 */
#include "store/rethinkdb.h"
#include "store/rethinkdb_term.h"

#include <stdio.h>
#include <string.h>

/* In the queries: 1 the document, or null. Times are in microseconds of the server. */
static void put_until(lbi_term *t, int64_t ttl_ms)
{
    lbi_term_call(t, LBI_T_ADD);
    lbi_term_literal(t, NOW);
    lbi_term_int(t, ttl_ms * 1000);
    lbi_term_end(t);
}

static void put_is_mine(lbi_term *t, const char *holder)
{
    lbi_term_call(t, LBI_T_EQ);
    lbi_term_literal(t, OR_ELSE(FIELD(1, "holder"), "null"));
    lbi_term_text(t, holder);
    lbi_term_end(t);
}

/* One of the far future was taken before the clock was set back. */
static void put_is_free(lbi_term *t, const char *holder)
{
    lbi_term_call(t, LBI_T_OR);
    lbi_term_literal(t, "[17,[" V(1) ",null]]");
    put_is_mine(t, holder);
    lbi_term_literal(t, "[20,[" OR_ELSE(FIELD(1, "until"), "0") "," NOW "]]");
    lbi_term_call(t, LBI_T_GT);
    lbi_term_literal(t, OR_ELSE(FIELD(1, "until"), "0"));
    put_until(t, LBI_LEASE_MAX_MS);
    lbi_term_end(t);
    lbi_term_end(t);
}

static void put_document(lbi_term *t, const lbi_request *request, const char *id)
{
    lbi_term_object(t);
    lbi_term_key(t, "id");
    lbi_term_text(t, id);
    lbi_term_key(t, "deleting");
    lbi_term_literal(t, "true");
    lbi_term_key(t, "holder");
    lbi_term_text(t, request->player);
    lbi_term_key(t, "until");
    put_until(t, request->amount);
    lbi_term_end(t);
}

static void put_take(lbi_term *t, const lbi_request *request)
{
    char id[LB_BOARD_MAX + 8];

    (void)snprintf(id, sizeof id, "lease:%s", request->board);
    lbi_term_call(t, LBI_T_REPLACE);
    lbi_rdb_term_board(t, id);
    lbi_term_func(t, 1, 1);
    lbi_term_call(t, LBI_T_BRANCH);
    if (request->amount) {
        put_is_free(t, request->player);
        put_document(t, request, id);
    } else {
        put_is_mine(t, request->player);
        lbi_term_null(t);
    }
    lbi_term_var(t, 1);
    lbi_term_end(t);
    lbi_term_end(t);
    lbi_term_opts(t);
    lbi_term_key(t, "durability");
    lbi_term_text(t, "hard");
    lbi_term_key(t, "return_changes");
    lbi_term_text(t, "always");
    lbi_term_end(t);
}

static bool is_holder(const lbi_json *document, const char *holder)
{
    const char *text = lbi_json_text(lbi_json_get(document, "holder"));

    return text && strcmp(text, holder) == 0;
}

/* Has the request got what it wanted? Not what has changed says so: to take a lease twice within a
 * millisecond changes nothing, nor does to give up what a first try has given up. */
static bool is_done(const lbi_request *request, const lbi_json *value)
{
    const lbi_json *change = lbi_json_first(lbi_json_get(value, "changes"));

    if (request->amount)
        return is_holder(lbi_json_get(change, "new_val"), request->player);
    return lbi_rdb_was_sent(request) || is_holder(lbi_json_get(change, "old_val"), request->player);
}

static int on_taken(const lbi_reql_reply *reply, void *user)
{
    lbi_rdb_read *read = user;
    const lbi_json *value;
    const char *why;

    if (read->store->freeing)
        return 0;
    read->query = NULL;
    if (reply->code < 0) {
        lbi_rdb_read_refuse(read, reply);
        return 0;
    }
    value = lbi_json_first(reply->answer->values);
    if (!lbi_json_is_array(lbi_json_get(value, "changes"))) {
        lbi_rdb_read_fail(read, LB_E_UNKNOWN, "the server's answer makes no sense");
        return 0;
    }
    why = lbi_json_text(lbi_json_get(value, "first_error"));
    if (why) {
        lbi_rdb_read_fail(read, LB_E_QUERY, why);
        return 0;
    }
    lbi_request_clear_answer(read->request);
    read->request->code = is_done(read->request, value);
    lbi_rdb_read_finish(read);
    return 0;
}

void lbi_rdb_lease_send(lbi_rdb_read *read)
{
    lbi_term *t = &read->store->term;

    lbi_term_query(t);
    put_take(t, read->request);
    lbi_rdb_read_send(read, on_taken);
}
