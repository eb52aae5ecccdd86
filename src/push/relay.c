#include "push/relay.h"

#include "base/error.h"
#include "base/json_out.h"
#include "base/list.h"
#include "base/map.h"
#include "base/options.h"
#include "base/sse.h"
#include "os/clock.h"

#include <stdlib.h>
#include <string.h>

#define RETRY_US UINT64_C(1000000)
#define RECOVER_EVERY_US UINT64_C(5000000)
/* For the answer to the lease that is given up; without one it runs out. */
#define GIVE_UP_US UINT64_C(1000000)
/* For so long a proxy may have a state that another relay has published. */
#define FOREIGN_US UINT64_C(65000000)

/* What state says of a board that does not exist; no digest looks like it. */
#define GONE_STATE "-"

enum { READS_AT_ONCE = 32, DEFAULT_BOARDS = 10000, INTERVAL_MS = 100, MAX_MS = 3600000 };

struct lbi_relay_board {
    UT_hash_handle hh;
    lbi_relay_board *prev, *next; /* among the resting */
    lbi_timer timer;
    bool resting, reading;
    bool dirty;                /* it has changed since it was read */
    bool due;                  /* it had when the relay was told to stop */
    uint64_t next_us;          /* not before */
    char state[LB_STATE_SIZE]; /* what was published last, "" = not known */
    char id[LB_BOARD_MAX + 1];
};

/* ---- Operations ----------------------------------------------------------------------------- */

lbi_relay_job *lbi_relay_job_new(lb_relay *relay)
{
    lbi_relay_job *job = calloc(1, sizeof *job);

    if (!job)
        return NULL;
    job->relay = relay;
    lbi_buf_init(&job->json, LBI_JSON_MAX);
    DL_APPEND(relay->jobs, job);
    return job;
}

lb_relay *lbi_relay_job_end(lbi_relay_job *job)
{
    lb_relay *relay = job->relay;

    if (relay)
        DL_DELETE(relay->jobs, job);
    lbi_buf_done(&job->json);
    free(job);
    return relay;
}

/* ---- Boards --------------------------------------------------------------------------------- */

static void rest(lb_relay *relay, lbi_relay_board *board)
{
    lbi_heap_remove(&relay->due, &board->timer);
    if (!board->resting)
        DL_APPEND(relay->resting, board);
    board->resting = true;
}

static void wake(lb_relay *relay, lbi_relay_board *board)
{
    if (board->resting)
        DL_DELETE(relay->resting, board);
    board->resting = false;
}

static void schedule(lb_relay *relay, lbi_relay_board *board, uint64_t at_us)
{
    wake(relay, board);
    lbi_heap_set(&relay->due, &board->timer, at_us < board->next_us ? board->next_us : at_us);
}

static void forget_board(lb_relay *relay, lbi_relay_board *board)
{
    wake(relay, board);
    relay->n_due -= board->due;
    HASH_DEL(relay->boards, board);
    relay->n_boards--;
    free(board);
}

static lbi_relay_board *new_board(lb_relay *relay, const char *id)
{
    lbi_relay_board *board;

    if (relay->n_boards >= relay->max_boards && relay->resting)
        forget_board(relay, relay->resting);
    if (relay->n_boards >= relay->max_boards ||
        lbi_heap_reserve(&relay->due, relay->n_boards + 1) < 0)
        return NULL;
    board = calloc(1, sizeof *board);
    if (!board)
        return NULL;
    lbi_copy(board->id, sizeof board->id, id);
    board->timer.owner = board;
    HASH_ADD_STR(relay->boards, id, board);
    if (lbi_map_failed(board)) {
        free(board);
        return NULL;
    }
    relay->n_boards++;
    rest(relay, board);
    return board;
}

/* There is no room to remember which boards: listeners of all of them have to ask. */
static void recover_later(lb_relay *relay, uint64_t now_us)
{
    uint64_t at_us = relay->recovered_us + RECOVER_EVERY_US;

    if (relay->recover_us != LB_NEVER)
        return;
    relay->recover_us = at_us > now_us ? at_us : now_us;
    lbi_push_tell(relay->push, LB_NOTICE_PUSH_OVERFLOW, LB_E_LIMIT,
                  "more than %zu boards change: the relay tells listeners to ask again instead",
                  relay->max_boards);
}

/* It is read again before the relay ends. */
static void mark(lb_relay *relay, lbi_relay_board *board)
{
    relay->n_due += !board->due;
    board->due = board->dirty = true;
}

/* A board may have changed. */
static void touch(lb_relay *relay, const char *id, uint64_t now_us)
{
    lbi_relay_board *board;

    HASH_FIND_STR(relay->boards, id, board);
    if (!board)
        board = new_board(relay, id);
    if (!board) {
        recover_later(relay, now_us);
        return;
    }
    board->dirty = true;
    if (relay->stopping && relay->listing) /* it was not known before */
        mark(relay, board);
    if (board->reading)
        return;
    if (relay->active) {
        if (board->resting)
            schedule(relay, board, now_us);
    } else { /* the one that changed last is forgotten last */
        wake(relay, board);
        rest(relay, board);
    }
}

static void touch_all(lb_relay *relay, uint64_t now_us)
{
    lbi_relay_board *board, *tmp;

    HASH_ITER (hh, relay->boards, board, tmp) {
        board->dirty = true;
        if (relay->active && !board->reading)
            schedule(relay, board, now_us);
    }
}

/* ---- Publishing ----------------------------------------------------------------------------- */

static int publish(lb_relay *relay, const lbi_relay_board *board, const lb_push_message *message)
{
    lb_push_message m = *message;
    char channel[LBI_GRIP_CHANNEL_MAX + 1];
    lbi_publication *publication;
    int r;

    lbi_grip_channel(relay->prefix, board->id, channel);
    m.channel = channel;
    m.flags |= LB_PUSH_LATEST;
    r = lbi_publication_new(&m, &publication, NULL);
    if (r < 0)
        return r;
    publication->owner = relay;
    publication->due = board->due;
    r = lbi_sender_publish(relay->push->sender, publication);
    lbi_publication_unref(publication);
    if (r == 0)
        relay->counters.published++;
    return r;
}

static int publish_hint(lb_relay *relay, const lbi_relay_board *board)
{
    return publish(relay, board, &(lb_push_message){.flags = LB_PUSH_HINT});
}

static int publish_top(lb_relay *relay, const lbi_relay_board *board, const lbi_relay_job *job,
                       const char *state)
{
    lbi_buf event;
    int r;

    /* Rows that were all there before we were: perhaps a state that another relay has published
     * and the proxy would drop. */
    if (job->newest_us < relay->active_wall_us && lbi_clock_us() < relay->active_us + FOREIGN_US &&
        board->state[0])
        return publish_hint(relay, board);
    lbi_buf_init(&event, LBI_JSON_MAX);
    lbi_sse_put_update(&event, lbi_buf_bytes(&job->json), job->json.len, state);
    r = event.code;
    if (r == 0)
        r = publish(relay, board,
                    &(lb_push_message){
                        .content = lbi_buf_bytes(&event), .content_size = event.len, .id = state});
    lbi_buf_done(&event);
    if (r == LB_E_LIMIT) /* more than a proxy takes */
        r = publish_hint(relay, board);
    return r;
}

/* What was read goes out if it is new. Returns 0, or < 0: it has to be done again. */
static int take_top(lb_relay *relay, lbi_relay_board *board, const lbi_relay_job *job,
                    const lb_result *result)
{
    const char *state = result->code == LB_E_NOTFOUND ? GONE_STATE : result->state;
    int r;

    if (result->code < 0 && result->code != LB_E_NOTFOUND)
        return result->code;
    if (!state || job->json.code < 0)
        return LB_E_NOMEM;
    if (strcmp(state, board->state) == 0) {
        relay->counters.unchanged++;
        return 0;
    }
    if (result->code == LB_E_NOTFOUND)
        r = publish(relay, board, &(lb_push_message){.flags = LB_PUSH_CLOSE});
    else
        r = publish_top(relay, board, job, state);
    if (r == 0)
        lbi_copy(board->state, sizeof board->state, state);
    return r;
}

/* ---- Reading -------------------------------------------------------------------------------- */

static int on_row(const lb_player *player, void *user)
{
    lbi_relay_job *job = user;

    if (player->reached_us > job->newest_us)
        job->newest_us = player->reached_us;
    lbi_put_player(&job->json, player);
    return 0;
}

static void read_failed(lb_relay *relay, const lbi_relay_board *board, const char *why)
{
    if (!relay->read_failing)
        lbi_push_tell(relay->push, LB_NOTICE_RETRY, LB_E_IO,
                      "the relay cannot read the board %s and tries again: %.160s", board->id, why);
    relay->read_failing = true;
}

static void on_read(const lb_result *result, void *user)
{
    lbi_relay_job *job = user;
    lbi_relay_board *board = job->board;
    lb_relay *relay = job->relay;
    int r = 0;

    if (relay) {
        uint64_t now_us = lbi_clock_us();

        (void)lbi_lease_is_over(relay, now_us);
        lbi_put_list_end(&job->json);
        relay->n_reads--;
        board->reading = false;
        if (relay->active)
            r = take_top(relay, board, job, result);
        if (r < 0) {
            read_failed(relay, board, *result->message ? result->message : lb_strerror(r));
            board->dirty = true;
            board->next_us = now_us + RETRY_US;
        } else {
            relay->read_failing = false;
            relay->n_due -= board->due && job->due;
            board->due = board->due && !job->due;
        }
        if (relay->active && board->dirty)
            schedule(relay, board, now_us);
        else
            rest(relay, board);
    }
    (void)lbi_relay_job_end(job);
}

static void start_read(lb_relay *relay, lbi_relay_board *board, uint64_t now_us)
{
    lbi_relay_job *job = lbi_relay_job_new(relay);
    lb_range range;
    int r = LB_E_NOMEM;

    lb_range_init(&range);
    range.limit = relay->limit;
    range.flags = LB_READ_STATE | LB_READ_DURABLE;
    if (job) {
        job->board = board;
        job->due = board->due;
        lbi_put_list_begin(&job->json, "players");
        r = lb_board_get_start(relay->client, board->id, &range, on_row, on_read, job, &job->op,
                               NULL);
    }
    if (r < 0) {
        if (job)
            (void)lbi_relay_job_end(job);
        read_failed(relay, board, lb_strerror(r));
        board->next_us = now_us + RETRY_US;
        schedule(relay, board, now_us);
        return;
    }
    lbi_heap_remove(&relay->due, &board->timer);
    board->reading = true;
    board->dirty = false;
    board->next_us = now_us + relay->interval_us;
    relay->n_reads++;
    relay->counters.reads++;
}

static int start_reads(lb_relay *relay, uint64_t now_us)
{
    const lbi_timer *timer;
    int done = 0;

    while (relay->active && relay->n_reads < READS_AT_ONCE &&
           (timer = lbi_heap_first(&relay->due)) && timer->at_us <= now_us) {
        start_read(relay, timer->owner, now_us);
        done = 1;
    }
    return done;
}

/* ---- Listing -------------------------------------------------------------------------------- */

static int on_listed(const lb_board *board, void *user)
{
    lbi_relay_job *job = user;
    lb_relay *relay = job->relay;

    if (!relay)
        return 0;
    lbi_copy(relay->list_after, sizeof relay->list_after, board->id);
    job->n_boards++;
    touch(relay, board->id, lbi_clock_us());
    return 0;
}

static void list_from(lb_relay *relay, const char *after, uint64_t at_us)
{
    if (after != relay->list_after)
        lbi_copy(relay->list_after, sizeof relay->list_after, after);
    relay->list_us = at_us;
}

static void on_list_done(const lb_result *result, void *user)
{
    lbi_relay_job *job = user;
    size_t n = job->n_boards;
    lb_relay *relay = lbi_relay_job_end(job);
    uint64_t now_us = lbi_clock_us();

    if (!relay)
        return;
    relay->listing = false;
    if (relay->list_again || !relay->active)
        list_from(relay, "", relay->active ? now_us : LB_NEVER);
    else if (result->code < 0 && result->code != LB_E_NOTFOUND)
        list_from(relay, relay->list_after, now_us + RETRY_US);
    else if (n == LB_LIMIT_MAX && relay->n_boards < relay->max_boards)
        list_from(relay, relay->list_after, now_us);
    else if (n == LB_LIMIT_MAX)
        recover_later(relay, now_us);
    relay->list_again = false;
}

static int start_list(lb_relay *relay, uint64_t now_us)
{
    lbi_relay_job *job;
    lb_range range;
    int r = LB_E_NOMEM;

    if (relay->listing || relay->list_us > now_us)
        return 0;
    lb_range_init(&range);
    range.limit = LB_LIMIT_MAX;
    range.after = *relay->list_after ? relay->list_after : NULL;
    job = lbi_relay_job_new(relay);
    if (job)
        r = lb_board_list_start(relay->client, &range, on_listed, on_list_done, job, &job->op,
                                NULL);
    if (r < 0 && job)
        (void)lbi_relay_job_end(job);
    relay->listing = r == 0;
    relay->list_us = r < 0 ? now_us + RETRY_US : LB_NEVER;
    return 1;
}

/* Changes may have been missed, of any board. */
static void resync(lb_relay *relay, uint64_t now_us)
{
    touch_all(relay, now_us);
    if (relay->listing)
        relay->list_again = true;
    else if (relay->active)
        list_from(relay, "", now_us);
}

/* ---- Following ------------------------------------------------------------------------------ */

static int on_change(const lb_change *change, void *user)
{
    lb_relay *relay = user;
    uint64_t now_us = lbi_clock_us();

    if (change->type == LB_CHANGE_RESET) {
        relay->counters.resets++;
        resync(relay, now_us);
    } else if (change->board) {
        relay->counters.changes++;
        touch(relay, change->board, now_us);
    }
    return 0;
}

void lbi_relay_activate(lb_relay *relay, uint64_t now_us)
{
    lbi_relay_board *board, *tmp;

    relay->active = true;
    relay->active_us = now_us;
    relay->active_wall_us = lbi_clock_wall_us();
    relay->standing_by = false;
    relay->counters.activations++;
    lbi_sender_forget(relay->push->sender, relay);
    HASH_ITER (hh, relay->boards, board, tmp)
        board->state[0] = '\0';
    resync(relay, now_us);
    lbi_push_tell(relay->push, LB_NOTICE_RELAY, 0, "this relay is the active one now");
}

void lbi_relay_deactivate(lb_relay *relay)
{
    lbi_relay_board *board, *tmp;

    relay->active = false;
    relay->list_us = LB_NEVER;
    lbi_sender_forget(relay->push->sender, relay);
    HASH_ITER (hh, relay->boards, board, tmp) {
        if (!board->reading)
            rest(relay, board);
    }
    lbi_relay_stand_by(relay);
}

void lbi_relay_stand_by(lb_relay *relay)
{
    if (!relay->standing_by)
        lbi_push_tell(relay->push, LB_NOTICE_RELAY, 0,
                      "this relay stands by: another one is active");
    relay->standing_by = true;
}

/* ---- Stopping ------------------------------------------------------------------------------- */

/* Until the lease is given up changes are followed and published, or nobody would: proxies that work
 * do not wait for one that does not. What has to be published before is what had changed by now. */
int lb_relay_stop(lb_relay *relay, uint32_t timeout_ms, lb_relay_stopped_fn fn, void *user)
{
    lbi_relay_board *board, *tmp;
    uint64_t now_us = lbi_clock_us();

    if (!relay)
        return LB_E_INVAL;
    if (lbi_push_check(relay->push, NULL) < 0)
        return LB_E_FORKED;
    if (relay->stopping)
        return LB_E_STATE;
    relay->stopping = true;
    relay->stop_us = now_us + timeout_ms * UINT64_C(1000);
    relay->stopped_fn = fn;
    relay->stopped_user = user;
    if (relay->recover_us != LB_NEVER)
        relay->recover_us = now_us;
    HASH_ITER (hh, relay->boards, board, tmp) {
        if (!board->resting)
            mark(relay, board);
    }
    lbi_sender_mark(relay->push->sender);
    return 0;
}

static bool is_drained(const lb_relay *relay)
{
    return !relay->active || (relay->n_due == 0 && !relay->listing && relay->list_us == LB_NEVER &&
                              lbi_sender_is_drained(relay->push->sender));
}

/* From now on another relay may be active: nothing of ours may come after what it publishes. */
static void give_up(lb_relay *relay, uint64_t now_us)
{
    relay->stop_code = is_drained(relay) ? 0 : LB_E_TIMEOUT;
    if (relay->active && relay->stop_code == 0)
        relay->stop_code = lbi_sender_outcome(relay->push->sender);
    relay->stop_us = now_us + GIVE_UP_US;
    relay->changes = lb_changes_cancel(relay->changes);
    lbi_sender_forget(relay->push->sender, relay);
    lbi_lease_give_up(relay);
}

static int process_stop(lb_relay *relay, uint64_t now_us)
{
    bool late = relay->stop_us <= now_us;

    if (!relay->stopping || relay->stopped)
        return 0;
    if (!relay->giving_up) {
        if (!late && !is_drained(relay))
            return 0;
        give_up(relay, now_us);
        return 1;
    }
    if (!late && relay->leasing)
        return 0;
    relay->stopped = true;
    if (relay->stopped_fn)
        relay->stopped_fn(relay->stop_code, relay->stopped_user);
    return 1;
}

/* ---- Its life ------------------------------------------------------------------------------- */

int lbi_relay_process(lb_relay *relay, uint64_t now_us)
{
    int done = 0;

    if (relay->stopped)
        return 0;
    done |= lbi_lease_process(relay, now_us);
    if (relay->active && relay->recover_us <= now_us) {
        relay->recover_us = LB_NEVER;
        relay->recovered_us = now_us;
        lbi_sender_recover(relay->push->sender);
        done = 1;
    }
    if (relay->active)
        done |= start_list(relay, now_us);
    done |= start_reads(relay, now_us);
    return done | process_stop(relay, now_us);
}

uint64_t lbi_relay_deadline(const lb_relay *relay)
{
    const lbi_timer *first = lbi_heap_first(&relay->due);
    uint64_t ret = lbi_lease_deadline(relay);

    if (relay->stopped)
        return LB_NEVER;
    if (relay->active && first && relay->n_reads < READS_AT_ONCE)
        ret = lbi_earlier(ret, first->at_us);
    if (relay->active && !relay->listing)
        ret = lbi_earlier(ret, relay->list_us);
    if (relay->active)
        ret = lbi_earlier(ret, relay->recover_us);
    if (!relay->stopping)
        return ret;
    if (relay->giving_up ? !relay->leasing : is_drained(relay))
        return 0;
    return lbi_earlier(relay->stop_us, ret);
}

static int check_options(const lb_relay_options *o, lb_error *reterr)
{
    if (o->flags & ~(uint32_t)LB_RELAY_ALONE)
        return lbi_fail(reterr, LB_E_INVAL, "flags are none of LB_RELAY_...");
    if (o->limit > LB_LIMIT_MAX)
        return lbi_fail(reterr, LB_E_INVAL, "limit is at most %d", LB_LIMIT_MAX);
    if (o->min_interval_ms > MAX_MS)
        return lbi_fail(reterr, LB_E_INVAL, "min_interval_ms is at most %d", MAX_MS);
    return lbi_grip_prefix_check(o->prefix ? o->prefix : "", reterr);
}

static int init(lb_relay *relay, const lb_relay_options *o, lb_error *reterr)
{
    lb_changes_options options;
    int r;

    relay->flags = o->flags;
    relay->limit = o->limit ? o->limit : LB_LIMIT_DEFAULT;
    relay->interval_us = (o->min_interval_ms ? o->min_interval_ms : INTERVAL_MS) * UINT64_C(1000);
    relay->max_boards = o->max_boards ? o->max_boards : DEFAULT_BOARDS;
    relay->list_us = relay->recover_us = LB_NEVER;
    lbi_copy(relay->prefix, sizeof relay->prefix, o->prefix ? o->prefix : "");
    r = lbi_lease_init(relay, reterr);
    if (r < 0)
        return r;
    lb_changes_options_init(&options);
    options.flags = LB_CHANGES_NO_ROWS;
    return lb_changes_subscribe(relay->client, NULL, &options, on_change, relay, &relay->changes,
                                reterr);
}

int lb_relay_new(lb_client *client, lb_push *push, const lb_relay_options *opts, lb_relay **ret,
                 lb_error *reterr)
{
    lb_relay_options o;
    lb_relay *relay;
    int r = lbi_push_check(push, reterr);

    if (r == 0)
        r = lbi_options_copy(&o, sizeof o, opts, "lb_relay_options", reterr);
    if (r == 0)
        r = check_options(&o, reterr);
    if (r == 0 && (!ret || !client))
        r = lbi_fail(reterr, LB_E_INVAL, "client and ret must not be NULL");
    if (r < 0)
        return r;
    relay = calloc(1, sizeof *relay);
    if (!relay)
        return lbi_fail_nomem(reterr);
    relay->client = client;
    relay->push = push;
    r = init(relay, &o, reterr);
    if (r < 0) {
        free(relay);
        return r;
    }
    DL_APPEND(push->relays, relay);
    *ret = relay;
    return 0;
}

/* The client tells their ends later, when nobody is there any more. */
static void leave_jobs(lb_relay *relay)
{
    lbi_relay_job *job, *tmp;

    DL_FOREACH_SAFE (relay->jobs, job, tmp) {
        DL_DELETE(relay->jobs, job);
        job->relay = NULL;
        (void)lb_op_cancel(job->op);
    }
}

lb_relay *lb_relay_free(lb_relay *relay)
{
    lbi_relay_board *board, *tmp;

    if (!relay || lbi_push_check(relay->push, NULL) < 0 || relay->push->busy)
        return NULL;
    (void)lb_changes_cancel(relay->changes);
    lbi_sender_forget(relay->push->sender, relay);
    leave_jobs(relay);
    HASH_ITER (hh, relay->boards, board, tmp)
        forget_board(relay, board);
    lbi_heap_done(&relay->due);
    DL_DELETE(relay->push->relays, relay);
    free(relay);
    return NULL;
}

int lb_relay_counters_get(lb_relay *relay, lb_relay_counters *ret, size_t size)
{
    int r = relay ? lbi_push_check(relay->push, NULL) : LB_E_INVAL;

    if (r < 0)
        return r;
    relay->counters.boards = relay->n_boards;
    relay->counters.active = relay->active;
    return lbi_push_counters_copy(ret, size, &relay->counters, sizeof *ret);
}
