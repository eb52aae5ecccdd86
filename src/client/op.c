/* The life of an operation: made, pending with the store, completed, delivered. */
#include "base/error.h"
#include "base/list.h"
#include "base/options.h"
#include "base/str.h"
#include "client/client.h"
#include "os/clock.h"
#include "os/random.h"

#include <stdlib.h>
#include <string.h>

enum { DELIVER_AT_ONCE = 256 };

static void on_done(lbi_request *request)
{
    lb_op *op = request->owner;
    lb_client *client = op->client;

    DL_DELETE(client->pending, op);
    DL_APPEND(client->completed, op);
    op->finished = true;
    client->counters.operations++;
}

void lbi_op_prepare(lb_op *op, lb_client *client, lbi_verb verb, const char *board)
{
    op->client = client;
    op->request.verb = verb;
    op->request.done = on_done;
    op->request.owner = op;
    op->request.deadline_us = lbi_clock_us() + client->timeout_ms * UINT64_C(1000);
    if (board)
        lbi_copy(op->request.board, sizeof op->request.board, board);
    client->n_ops++;
}

int lbi_op_new(lb_client *client, lbi_verb verb, const char *board, lb_op **ret, lb_error *reterr)
{
    int r = lbi_client_check(client, reterr);
    lb_op *op;

    if (r == 0 && board)
        r = lb_board_id_check(board, reterr);
    if (r < 0)
        return r;
    if (client->n_ops >= client->max_pending)
        return lbi_fail(reterr, LB_E_LIMIT,
                        "%zu operations are pending: run lb_client_process(), or raise max_pending",
                        client->n_ops);
    op = calloc(1, sizeof *op);
    if (!op)
        return lbi_fail_nomem(reterr);
    lbi_op_prepare(op, client, verb, board);
    *ret = op;
    return 0;
}

void lbi_op_free(lb_op *op)
{
    if (!op)
        return;
    lbi_arena_clear(&op->request.arena);
    free(op);
}

int lbi_op_drop(lb_op *op, int r)
{
    op->client->n_ops--;
    lbi_op_free(op);
    return r;
}

int lbi_op_set_timeout(lb_op *op, uint32_t timeout_ms, lb_error *reterr)
{
    if (timeout_ms > LBI_TIMEOUT_MAX_MS)
        return lbi_op_drop(
            op, lbi_fail(reterr, LB_E_INVAL, "timeout_ms is at most %d", LBI_TIMEOUT_MAX_MS));
    if (timeout_ms > 0)
        op->request.deadline_us = lbi_clock_us() + timeout_ms * UINT64_C(1000);
    return 0;
}

int lbi_op_write_options(lb_op *op, const lb_write_options *opts, uint32_t allowed,
                         lb_error *reterr)
{
    lb_write_options o;
    int r = lbi_options_copy(&o, sizeof o, opts, "lb_write_options", reterr);

    if (r == 0 && (o.flags & ~allowed))
        r = lbi_fail(reterr, LB_E_INVAL,
                     "lb_write_options has a flag that this call does not take");
    if (r == 0 && o.idempotency_key && op->request.verb != LBI_SCORE_ADD &&
        op->request.verb != LBI_SCORE_SET)
        r = lbi_fail(reterr, LB_E_INVAL, "only score changes take an idempotency key");
    if (r == 0 && o.idempotency_key)
        r = lbi_key_check(o.idempotency_key, reterr);
    if (r < 0)
        return lbi_op_drop(op, r);
    if (o.idempotency_key)
        lbi_copy(op->request.key, sizeof op->request.key, o.idempotency_key);
    op->request.flags |=
        (o.flags & LB_WRITE_CREATE ? LBI_CREATE : 0U) | (o.flags & LB_WRITE_BEST ? LBI_BEST : 0U);
    return lbi_op_set_timeout(op, o.timeout_ms, reterr);
}

int lbi_op_read_options(lb_op *op, const lb_read_options *opts, lb_error *reterr)
{
    lb_read_options o;
    int r = lbi_options_copy(&o, sizeof o, opts, "lb_read_options", reterr);

    if (r == 0 && (o.flags & ~(uint32_t)LB_READ_PLACE))
        r = lbi_fail(reterr, LB_E_INVAL, "lb_read_options has a flag that this call does not take");
    if (r < 0)
        return lbi_op_drop(op, r);
    if (o.flags & LB_READ_PLACE)
        op->request.flags |= LBI_PLACE;
    return lbi_op_set_timeout(op, o.timeout_ms, reterr);
}

int lbi_generate_id(char *id, lb_error *reterr)
{
    uint8_t random[16];

    if (lbi_random(random, sizeof random) < 0)
        return lbi_fail(reterr, LB_E_IO, "the system gives no random bytes");
    lbi_uuid4(random, id);
    return 0;
}

int lbi_op_set_player(lb_op *op, const char *player, bool generate, lb_error *reterr)
{
    int r;

    if (!player && generate)
        r = lbi_generate_id(op->request.player, reterr);
    else
        r = lb_player_id_check(player, reterr);
    if (r < 0)
        return lbi_op_drop(op, r);
    if (player)
        lbi_copy(op->request.player, sizeof op->request.player, player);
    return 0;
}

static void submit(lb_op *op)
{
    lb_client *client = op->client;

    DL_APPEND(client->pending, op);
    client->store->ops->submit(client->store, &op->request);
}

int lbi_op_start(lb_op *op, lb_done_fn done, void *user, lb_op **ret)
{
    op->done = done;
    op->user = user;
    submit(op);
    if (ret)
        *ret = op;
    return 0;
}

/* Runs the row callbacks. Returns the operation's result. */
static int deliver_rows(const lb_op *op)
{
    const lbi_request *request = &op->request;
    int r = request->code < 0 ? request->code : 0;

    for (size_t i = 0; op->player_fn && r == 0 && i < request->n_rows; i++)
        r = op->player_fn(&request->rows[i], op->user);
    for (size_t i = 0; op->board_fn && r == 0 && i < request->n_boards; i++)
        r = op->board_fn(&request->boards[i], op->user);
    for (size_t i = 0; op->info_fn && r == 0 && i < request->n_facts; i++)
        r = op->info_fn(request->facts[i].name, request->facts[i].value, op->user);
    return r == 0 ? request->code : r;
}

static const lb_player *single_row(const lb_op *op)
{
    const lbi_request *request = &op->request;

    return request->code >= 0 && !op->player_fn && request->n_rows ? &request->rows[0] : NULL;
}

static const lb_board *single_board(const lb_op *op)
{
    const lbi_request *request = &op->request;

    return request->code >= 0 && !op->board_fn && request->n_boards ? &request->boards[0] : NULL;
}

static void deliver(lb_op *op)
{
    lb_result result = {.message = ""};
    char state[LB_STATE_SIZE];

    op->client->n_ops--;
    if (op->take) {
        op->take(op);
        return;
    }
    result.code = deliver_rows(op);
    result.player = single_row(op);
    result.board = single_board(op);
    if (op->wants_state && result.code >= 0 && lbi_state_id(&op->request, state) == 0)
        result.state = state;
    if (op->request.code < 0)
        result.message = op->request.error.msg;
    if (op->done)
        op->done(&result, op->user);
    lbi_op_free(op);
}

/* The first completed operation that no blocking call is waiting for. */
static lb_op *next_completed(const lb_client *client)
{
    lb_op *op = client->completed;

    while (op && op->blocking)
        op = op->next;
    return op;
}

int lbi_client_deliver(lb_client *client)
{
    int done = 0;
    lb_op *op;

    while (done < DELIVER_AT_ONCE && !client->closing && (op = next_completed(client))) {
        DL_DELETE(client->completed, op);
        deliver(op);
        done++;
    }
    return done > 0;
}

static void finish(lb_op *op, int code, const char *message)
{
    (void)lbi_request_fail(&op->request, code, "%s", message);
    on_done(&op->request);
}

int lb_op_cancel(lb_op *op)
{
    lbi_store *store;
    int r;

    if (!op)
        return 0;
    r = lbi_client_check(op->client, NULL);
    if (r < 0)
        return r;
    store = op->client->store;
    if (!op->finished && store->ops->cancel(store, &op->request))
        finish(op, LB_E_CANCELED, "canceled, not applied");
    return 0;
}

void lbi_client_finish_ops(lb_client *client)
{
    lbi_store *store = client->store;
    lb_op *op;

    while ((op = client->pending)) {
        if (store->ops->cancel(store, &op->request))
            finish(op, LB_E_CLOSED, "the client was closed, not applied");
        else if (lbi_verb_writes(op->request.verb))
            finish(op, LB_E_UNKNOWN, "the client was closed before the answer came");
        else
            finish(op, LB_E_CLOSED, "the client was closed");
    }
    while ((op = client->completed)) {
        DL_DELETE(client->completed, op);
        deliver(op);
    }
}

/* Drives the store, and nothing else, until the operation has finished. */
static void wait_for(lb_op *op)
{
    lb_client *client = op->client;
    lbi_store *store = client->store;
    bool woken = false;

    while (!op->finished) {
        uint64_t now = lbi_clock_us(), deadline;

        if (store->ops->process(store, now))
            continue;
        if (lbi_poller_dispatch(client->poller))
            continue;
        deadline = store->ops->deadline(store);
        if (deadline > now)
            lbi_poller_sleep(client->poller, deadline == LB_NEVER ? LB_NEVER : deadline - now);
        woken |= lbi_poller_take_wakeup(client->poller);
    }
    /* A wakeup was meant for the loop, not for us. */
    woken |= lbi_poller_take_wakeup(client->poller);
    if (woken)
        lbi_poller_wakeup(client->poller);
}

int lbi_op_run(lb_op *op, const lb_player **ret_player, const lb_board **ret_board,
               lb_error *reterr)
{
    lb_client *client = op->client;
    int r;

    lbi_client_enter(client);
    op->blocking = true;
    submit(op);
    wait_for(op);
    DL_DELETE(client->completed, op);
    client->n_ops--;
    if (op->request.code < 0 && reterr)
        *reterr = op->request.error;
    r = deliver_rows(op);
    if (r < 0 && op->request.code >= 0)
        (void)lbi_fail(reterr, r, "stopped by the callback");
    lbi_op_free(client->last);
    client->last = op;
    if (!lbi_client_leave(client))
        return r; /* a row callback freed the client: nothing to lend out */
    if (ret_player && r >= 0)
        *ret_player = single_row(op);
    if (ret_board && r >= 0)
        *ret_board = single_board(op);
    return r;
}
