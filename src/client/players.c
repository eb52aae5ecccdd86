#include "base/error.h"
#include "base/str.h"
#include "client/client.h"

#include <string.h>

/* An operation on one player. */
static int make_player(lb_client *client, lbi_verb verb, const char *board, const char *player,
                       bool generate, lb_op **ret, lb_error *reterr)
{
    int r = lbi_op_new(client, verb, board ? board : "", ret, reterr);

    return r < 0 ? r : lbi_op_set_player(*ret, player, generate, reterr);
}

/* An operation that gives a player a name, or NULL. */
static int make_named(lb_client *client, lbi_verb verb, const char *board, const char *player,
                      const char *name, lb_op **ret, lb_error *reterr)
{
    int r = make_player(client, verb, board, player, verb == LBI_PLAYER_PUT, ret, reterr);

    if (r < 0 || !name)
        return r;
    r = lb_name_check(name, reterr);
    if (r < 0)
        return lbi_op_drop(*ret, r);
    lbi_copy((*ret)->request.name, sizeof(*ret)->request.name, name);
    return 0;
}

static int make_put(lb_client *client, const char *board, const char *player, const char *name,
                    const lb_write_options *opts, lb_op **ret, lb_error *reterr)
{
    int r = make_named(client, LBI_PLAYER_PUT, board, player, name, ret, reterr);

    return r < 0 ? r : lbi_op_write_options(*ret, opts, LB_WRITE_CREATE, reterr);
}

int lb_player_put(lb_client *client, const char *board, const char *player, const char *name,
                  const lb_write_options *opts, const lb_player **ret, lb_error *reterr)
{
    lb_op *op;
    int r = make_put(client, board, player, name, opts, &op, reterr);

    return r < 0 ? r : lbi_op_run(op, ret, NULL, reterr);
}

int lb_player_put_start(lb_client *client, const char *board, const char *player, const char *name,
                        const lb_write_options *opts, lb_done_fn done, void *user, lb_op **ret,
                        lb_error *reterr)
{
    lb_op *op;
    int r = make_put(client, board, player, name, opts, &op, reterr);

    return r < 0 ? r : lbi_op_start(op, done, user, ret);
}

static int make_restore(lb_client *client, const char *board, const char *player, const char *name,
                        int64_t score, int64_t reached_us, const lb_write_options *opts,
                        lb_op **ret, lb_error *reterr)
{
    int r = make_named(client, LBI_PLAYER_RESTORE, board, player, name, ret, reterr);

    if (r < 0)
        return r;
    r = lbi_score_check(score, reterr);
    if (r == 0 && (reached_us < 0 || reached_us > LB_SCORE_MAX))
        r = lbi_fail(reterr, LB_E_INVAL, "reached_us is within 0..9007199254740991");
    if (r < 0)
        return lbi_op_drop(*ret, r);
    (*ret)->request.amount = score;
    (*ret)->request.reached_us = reached_us;
    return lbi_op_write_options(*ret, opts, LB_WRITE_CREATE, reterr);
}

int lb_player_restore(lb_client *client, const char *board, const char *player, const char *name,
                      int64_t score, int64_t reached_us, const lb_write_options *opts,
                      const lb_player **ret, lb_error *reterr)
{
    lb_op *op;
    int r = make_restore(client, board, player, name, score, reached_us, opts, &op, reterr);

    return r < 0 ? r : lbi_op_run(op, ret, NULL, reterr);
}

int lb_player_restore_start(lb_client *client, const char *board, const char *player,
                            const char *name, int64_t score, int64_t reached_us,
                            const lb_write_options *opts, lb_done_fn done, void *user, lb_op **ret,
                            lb_error *reterr)
{
    lb_op *op;
    int r = make_restore(client, board, player, name, score, reached_us, opts, &op, reterr);

    return r < 0 ? r : lbi_op_start(op, done, user, ret);
}

static int make_get(lb_client *client, const char *board, const char *player,
                    const lb_read_options *opts, lb_op **ret, lb_error *reterr)
{
    int r = make_player(client, LBI_PLAYER_GET, board, player, false, ret, reterr);

    return r < 0 ? r : lbi_op_read_options(*ret, opts, reterr);
}

int lb_player_get(lb_client *client, const char *board, const char *player,
                  const lb_read_options *opts, const lb_player **ret, lb_error *reterr)
{
    lb_op *op;
    int r = make_get(client, board, player, opts, &op, reterr);

    return r < 0 ? r : lbi_op_run(op, ret, NULL, reterr);
}

int lb_player_get_start(lb_client *client, const char *board, const char *player,
                        const lb_read_options *opts, lb_done_fn done, void *user, lb_op **ret,
                        lb_error *reterr)
{
    lb_op *op;
    int r = make_get(client, board, player, opts, &op, reterr);

    return r < 0 ? r : lbi_op_start(op, done, user, ret);
}

static int copy_ids(lbi_request *request, const char *const *players, size_t n, lb_error *reterr)
{
    const char **copies = lbi_arena_alloc(&request->arena, n * sizeof *copies);

    if (!copies)
        return lbi_fail_nomem(reterr);
    for (size_t i = 0; i < n; i++) {
        int r = lb_player_id_check(players[i], reterr);

        if (r < 0)
            return r;
        copies[i] = lbi_arena_text(&request->arena, players[i], strlen(players[i]));
        if (!copies[i])
            return lbi_fail_nomem(reterr);
    }
    request->players = copies;
    request->n_players = n;
    return 0;
}

static int make_get_many(lb_client *client, const char *board, const char *const *players, size_t n,
                         const lb_read_options *opts, lb_player_fn fn, lb_op **ret,
                         lb_error *reterr)
{
    int r = lbi_op_new(client, LBI_PLAYER_GET_MANY, board ? board : "", ret, reterr);

    if (r < 0)
        return r;
    (*ret)->player_fn = fn;
    if (!fn || (n && !players))
        r = lbi_fail(reterr, LB_E_INVAL, "fn and players must not be NULL");
    else if (n > LB_LIMIT_MAX)
        r = lbi_fail(reterr, LB_E_INVAL, "at most %d players at once", LB_LIMIT_MAX);
    else
        r = copy_ids(&(*ret)->request, players, n, reterr);
    if (r < 0)
        return lbi_op_drop(*ret, r);
    return lbi_op_read_options(*ret, opts, reterr);
}

int lb_player_get_many(lb_client *client, const char *board, const char *const *players, size_t n,
                       const lb_read_options *opts, lb_player_fn fn, void *user, lb_error *reterr)
{
    lb_op *op;
    int r = make_get_many(client, board, players, n, opts, fn, &op, reterr);

    if (r < 0)
        return r;
    op->user = user;
    return lbi_op_run(op, NULL, NULL, reterr);
}

int lb_player_get_many_start(lb_client *client, const char *board, const char *const *players,
                             size_t n, const lb_read_options *opts, lb_player_fn fn,
                             lb_done_fn done, void *user, lb_op **ret, lb_error *reterr)
{
    lb_op *op;
    int r = make_get_many(client, board, players, n, opts, fn, &op, reterr);

    return r < 0 ? r : lbi_op_start(op, done, user, ret);
}

static int make_remove(lb_client *client, const char *board, const char *player,
                       const lb_write_options *opts, lb_op **ret, lb_error *reterr)
{
    int r = make_player(client, LBI_PLAYER_REMOVE, board, player, false, ret, reterr);

    return r < 0 ? r : lbi_op_write_options(*ret, opts, 0, reterr);
}

int lb_player_remove(lb_client *client, const char *board, const char *player,
                     const lb_write_options *opts, lb_error *reterr)
{
    lb_op *op;
    int r = make_remove(client, board, player, opts, &op, reterr);

    return r < 0 ? r : lbi_op_run(op, NULL, NULL, reterr);
}

int lb_player_remove_start(lb_client *client, const char *board, const char *player,
                           const lb_write_options *opts, lb_done_fn done, void *user, lb_op **ret,
                           lb_error *reterr)
{
    lb_op *op;
    int r = make_remove(client, board, player, opts, &op, reterr);

    return r < 0 ? r : lbi_op_start(op, done, user, ret);
}

static int make_around(lb_client *client, const char *board, const char *player, uint32_t count,
                       const lb_read_options *opts, lb_player_fn fn, lb_op **ret, lb_error *reterr)
{
    int r = make_player(client, LBI_PLAYER_AROUND, board, player, false, ret, reterr);

    if (r < 0)
        return r;
    if (!fn)
        r = lbi_fail(reterr, LB_E_INVAL, "fn must not be NULL");
    else if (count > LB_LIMIT_MAX)
        r = lbi_fail(reterr, LB_E_INVAL, "count is 1 to %d", LB_LIMIT_MAX);
    if (r < 0)
        return lbi_op_drop(*ret, r);
    (*ret)->player_fn = fn;
    (*ret)->request.limit = count ? count : LB_LIMIT_DEFAULT;
    (*ret)->request.flags |= LBI_PLACE;
    return lbi_op_read_options(*ret, opts, reterr);
}

int lb_player_around(lb_client *client, const char *board, const char *player, uint32_t count,
                     const lb_read_options *opts, lb_player_fn fn, void *user, lb_error *reterr)
{
    lb_op *op;
    int r = make_around(client, board, player, count, opts, fn, &op, reterr);

    if (r < 0)
        return r;
    op->user = user;
    return lbi_op_run(op, NULL, NULL, reterr);
}

int lb_player_around_start(lb_client *client, const char *board, const char *player, uint32_t count,
                           const lb_read_options *opts, lb_player_fn fn, lb_done_fn done,
                           void *user, lb_op **ret, lb_error *reterr)
{
    lb_op *op;
    int r = make_around(client, board, player, count, opts, fn, &op, reterr);

    return r < 0 ? r : lbi_op_start(op, done, user, ret);
}
