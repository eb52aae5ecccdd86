#include "base/str.h"
#include "client/client.h"

static int make_score(lb_client *client, lbi_verb verb, const char *board, const char *player,
                      int64_t amount, const lb_write_options *opts, lb_op **ret, lb_error *reterr)
{
    uint32_t flags = LB_WRITE_CREATE | (verb == LBI_SCORE_SET ? (uint32_t)LB_WRITE_BEST : 0);
    int r = lbi_op_new(client, verb, board ? board : "", ret, reterr);

    if (r < 0)
        return r;
    r = lbi_score_check(amount, reterr);
    if (r < 0)
        return lbi_op_drop(*ret, r);
    (*ret)->request.amount = amount;
    r = lbi_op_set_player(*ret, player, false, reterr);
    return r < 0 ? r : lbi_op_write_options(*ret, opts, flags, reterr);
}

int lb_score_add(lb_client *client, const char *board, const char *player, int64_t amount,
                 const lb_write_options *opts, const lb_player **ret, lb_error *reterr)
{
    lb_op *op;
    int r = make_score(client, LBI_SCORE_ADD, board, player, amount, opts, &op, reterr);

    return r < 0 ? r : lbi_op_run(op, ret, NULL, reterr);
}

int lb_score_add_start(lb_client *client, const char *board, const char *player, int64_t amount,
                       const lb_write_options *opts, lb_done_fn done, void *user, lb_op **ret,
                       lb_error *reterr)
{
    lb_op *op;
    int r = make_score(client, LBI_SCORE_ADD, board, player, amount, opts, &op, reterr);

    return r < 0 ? r : lbi_op_start(op, done, user, ret);
}

int lb_score_set(lb_client *client, const char *board, const char *player, int64_t score,
                 const lb_write_options *opts, const lb_player **ret, lb_error *reterr)
{
    lb_op *op;
    int r = make_score(client, LBI_SCORE_SET, board, player, score, opts, &op, reterr);

    return r < 0 ? r : lbi_op_run(op, ret, NULL, reterr);
}

int lb_score_set_start(lb_client *client, const char *board, const char *player, int64_t score,
                       const lb_write_options *opts, lb_done_fn done, void *user, lb_op **ret,
                       lb_error *reterr)
{
    lb_op *op;
    int r = make_score(client, LBI_SCORE_SET, board, player, score, opts, &op, reterr);

    return r < 0 ? r : lbi_op_start(op, done, user, ret);
}
