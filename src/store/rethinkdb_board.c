/*
 * Boards are created and deleted: the jobs of a lane.
 *
 * A deletion marks the board, removes its rows in steps, then the board. From the mark on it is
 * gone for everybody; whoever deletes or creates it again goes on with what was left.
 */
#include "store/rethinkdb.h"

#include "base/str.h"
#include "os/clock.h"
#include "store/rethinkdb_term.h"

#include <string.h>

enum { REMOVE_STEP = 512, PAUSE_FIRST_US = 50000, PAUSE_MOST_US = 1000000 };

/* ---- The queries ---------------------------------------------------------------------------- */

static void end_write(lbi_term *t, const char *durability)
{
    lbi_term_opts(t);
    lbi_term_key(t, "durability");
    lbi_term_text(t, durability);
    lbi_term_key(t, "return_changes");
    lbi_term_bool(t, false);
    lbi_term_end(t);
}

static void put_mark(lbi_term *t, const char *board)
{
    lbi_term_call(t, LBI_T_REPLACE);
    lbi_rdb_term_board(t, board);
    lbi_term_literal(
        t, "[69,[[2,[1]],[65,[[17,[" V(1) ",null]],null,[35,[" V(1) ",{\"deleting\":true}]]]]]]");
    lbi_term_opts(t);
    lbi_term_key(t, "return_changes");
    lbi_term_text(t, "always");
    lbi_term_key(t, "durability");
    lbi_term_text(t, "hard");
    lbi_term_end(t);
}

/* Soft: whoever goes on with it after a crash finds the mark. Only while the board is marked: another
 * client may have finished, and a third one made a board of this name anew, whose players are not
 * ours to remove. */
static void put_remove(lbi_term *t, const char *board)
{
    lbi_term_call(t, LBI_T_FUNCALL);
    lbi_term_func(t, 1, 1);
    lbi_term_call(t, LBI_T_BRANCH);
    lbi_term_literal(t, OR_ELSE(FIELD(1, "deleting"), "false"));
    lbi_term_call(t, LBI_T_DELETE);
    lbi_term_call(t, LBI_T_LIMIT);
    lbi_rdb_term_rows(t, board, false);
    lbi_term_int(t, REMOVE_STEP);
    lbi_term_end(t);
    end_write(t, "soft");
    lbi_term_literal(t, "{\"deleted\":0}");
    lbi_term_end(t);
    lbi_term_end(t);
    lbi_rdb_term_board(t, board);
    lbi_term_end(t);
}

static void put_drop(lbi_term *t, const char *board)
{
    lbi_term_call(t, LBI_T_REPLACE);
    lbi_rdb_term_board(t, board);
    lbi_term_literal(t, "[69,[[2,[1]],[65,[[17,[" V(1) ",null]],null," OR_ELSE(
                            FIELD(1, "deleting"), "false") ",null," V(1) "]]]]");
    end_write(t, "hard");
}

/* ---- The steps ------------------------------------------------------------------------------ */

static void end_job(lbi_rdb_lane *lane)
{
    lbi_request *job = lane->job;

    lane->job = NULL;
    lane->known = false;
    lbi_rdb_finish(lane->store, job);
    lbi_rdb_lane_rest(lane);
}

static void go_on(lbi_rdb_lane *lane, lbi_rdb_step step)
{
    lane->query = NULL;
    lane->step = step;
    lbi_rdb_list(lane);
}

static void created(lbi_rdb_lane *lane, const lbi_json *value)
{
    const lbi_json *change = lbi_json_first(lbi_json_get(value, "changes"));
    bool was_there = lbi_json_is_object(lbi_json_get(change, "old_val"));
    bool ascending = lane->job->flags & LBI_ASCENDING;
    lbi_rdb_board found;

    lbi_rdb_board_read(lbi_json_get(change, "new_val"), &found);
    if (found.exists && found.deleting) {
        go_on(lane, LBI_RDB_REMOVE);
        return;
    }
    if (!found.exists)
        (void)lbi_request_fail(lane->job, LB_E_UNKNOWN, "the server's answer makes no sense");
    else if (found.ascending != ascending)
        (void)lbi_request_fail(lane->job, LB_E_CONFLICT, "board '%s' is there already, but %s",
                               lane->job->board, ascending ? "descending" : "ascending");
    else
        lbi_rdb_answer_board(lane->job, &found, !was_there, was_there ? -1 : 0, 1);
    end_job(lane);
}

static void marked(lbi_rdb_lane *lane, const lbi_json *value)
{
    const lbi_json *change = lbi_json_first(lbi_json_get(value, "changes"));
    const lbi_json *board = lbi_json_get(change, "new_val");

    if (lbi_json_is_object(board)) {
        go_on(lane, LBI_RDB_REMOVE);
        return;
    }
    if (lbi_json_is_null(board))
        lbi_rdb_refuse_board(lane->job);
    else
        (void)lbi_request_fail(lane->job, LB_E_UNKNOWN, "the server's answer makes no sense");
    end_job(lane);
}

static void removed(lbi_rdb_lane *lane, const lbi_json *value)
{
    int64_t n;

    if (!lbi_json_int(lbi_json_get(value, "deleted"), &n)) {
        (void)lbi_request_fail(lane->job, LB_E_PROTO, "the server's answer makes no sense");
        end_job(lane);
        return;
    }
    go_on(lane, n < REMOVE_STEP ? LBI_RDB_DROP : LBI_RDB_REMOVE);
}

static void dropped(lbi_rdb_lane *lane)
{
    if (lane->job->verb == LBI_BOARD_CREATE) {
        go_on(lane, LBI_RDB_CREATE);
        return;
    }
    lane->job->code = 1;
    end_job(lane);
}

static void accept(lbi_rdb_lane *lane, const lbi_json *value)
{
    const char *error = lbi_json_text(lbi_json_get(value, "first_error"));

    lane->pause = (lbi_rdb_pause){0};
    lane->store->schema.losses = 0;
    lane->store->config.counters->transactions++;
    if (error) {
        (void)lbi_request_fail(lane->job, LB_E_QUERY, "%.220s", error);
        end_job(lane);
        return;
    }
    switch (lane->step) {
    case LBI_RDB_CREATE:
        created(lane, value);
        break;
    case LBI_RDB_MARK:
        marked(lane, value);
        break;
    case LBI_RDB_REMOVE:
        removed(lane, value);
        break;
    default:
        dropped(lane);
        break;
    }
}

void lbi_rdb_board_late(lbi_rdb_lane *lane)
{
    lbi_request *job = lane->job;

    lane->job = NULL;
    lane->known = false;
    if (lane->step > LBI_RDB_MARK && job->verb == LBI_BOARD_DELETE) {
        (void)lbi_request_fail(job, LB_E_UNKNOWN,
                               "timed out: board '%s' is gone for everybody, but not all of its "
                               "rows may be removed: the same call goes on with it",
                               job->board);
        lbi_rdb_finish(lane->store, job);
    } else {
        bool removes = lane->step > LBI_RDB_MARK && !*lane->why;

        lbi_rdb_fail_late(lane->store, job,
                          removes ? "a board of this name is still being removed: the same call "
                                    "goes on with it"
                                  : lane->why);
    }
    lbi_rdb_lane_rest(lane);
}

/* Removing may be repeated whatever became of it; nobody can say of a creation what it did. */
static void refuse(lbi_rdb_lane *lane, const lbi_reql_reply *reply)
{
    lbi_request *job = lane->job;
    bool doubtful = lbi_rdb_is_doubtful(reply);
    bool refused = reply->answer && reply->code == LB_E_IO;

    if (lbi_rdb_is_absent(reply)) {
        lane->job = NULL;
        lbi_rdb_refresh(lane->store, job, true);
        lbi_rdb_schema_lost(lane->store);
        lbi_rdb_lane_rest(lane);
    } else if (refused || (doubtful && lane->step >= LBI_RDB_REMOVE)) {
        lbi_copy(lane->why, sizeof lane->why, reply->message);
        lbi_rdb_pause_more(&lane->pause, PAUSE_FIRST_US, PAUSE_MOST_US);
        go_on(lane, lane->step);
    } else if (reply->code == LB_E_TIMEOUT && !doubtful) {
        lbi_rdb_board_late(lane);
    } else {
        (void)lbi_request_fail(job, doubtful ? LB_E_UNKNOWN : reply->code, "%.220s",
                               reply->message);
        end_job(lane);
    }
}

static int on_reply(const lbi_reql_reply *reply, void *user)
{
    lbi_rdb_lane *lane = user;

    if (lane->store->freeing)
        return 0;
    if (reply->code == 0)
        accept(lane, lbi_json_first(reply->answer->values));
    else
        refuse(lane, reply);
    return 0;
}

void lbi_rdb_board_send(lbi_rdb_lane *lane)
{
    lbi_term *t = &lane->store->term;
    const char *board = lane->job->board;

    lbi_term_query(t);
    switch (lane->step) {
    case LBI_RDB_CREATE:
        lbi_rdb_term_create(t, board, lane->job->flags & LBI_ASCENDING);
        break;
    case LBI_RDB_MARK:
        put_mark(t, board);
        break;
    case LBI_RDB_REMOVE:
        put_remove(t, board);
        break;
    default:
        put_drop(t, board);
        break;
    }
    lbi_rdb_lane_send(lane->store, lane->job->deadline_us, on_reply, lane, &lane->query);
}

void lbi_rdb_board_begin(lbi_rdb_lane *lane, lbi_request *request)
{
    lane->job = request;
    lane->step = request->verb == LBI_BOARD_CREATE ? LBI_RDB_CREATE : LBI_RDB_MARK;
    lbi_rdb_board_send(lane);
}
