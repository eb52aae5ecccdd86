#include "base/error.h"
#include "base/options.h"
#include "base/str.h"
#include "client/client.h"

static int make_facts(lb_client *client, const lb_read_options *opts, lb_info_fn fn, lb_op **ret,
                      lb_error *reterr)
{
    int r = lbi_op_new(client, LBI_DATABASE_INFO, NULL, ret, reterr);

    if (r < 0)
        return r;
    if (!fn)
        return lbi_op_drop(*ret, lbi_fail(reterr, LB_E_INVAL, "fn must not be NULL"));
    (*ret)->info_fn = fn;
    return lbi_op_read_options(*ret, opts, reterr);
}

int lb_database_info(lb_client *client, const lb_read_options *opts, lb_info_fn fn, void *user,
                     lb_error *reterr)
{
    lb_op *op;
    int r = make_facts(client, opts, fn, &op, reterr);

    if (r < 0)
        return r;
    op->user = user;
    return lbi_op_run(op, NULL, NULL, reterr);
}

int lb_database_info_start(lb_client *client, const lb_read_options *opts, lb_info_fn fn,
                           lb_done_fn done, void *user, lb_op **ret, lb_error *reterr)
{
    lb_op *op;
    int r = make_facts(client, opts, fn, &op, reterr);

    return r < 0 ? r : lbi_op_start(op, done, user, ret);
}

static int make_create(lb_client *client, const char *board, uint32_t flags,
                       const lb_write_options *opts, lb_op **ret, lb_error *reterr)
{
    int r = lbi_op_new(client, LBI_BOARD_CREATE, board, ret, reterr);

    if (r < 0)
        return r;
    if (flags & ~(uint32_t)LB_BOARD_ASCENDING)
        return lbi_op_drop(*ret, lbi_fail(reterr, LB_E_INVAL, "flags are none of LB_BOARD_..."));
    if (flags & LB_BOARD_ASCENDING)
        (*ret)->request.flags |= LBI_ASCENDING;
    if (!board) {
        r = lbi_generate_id((*ret)->request.board, reterr);
        if (r < 0)
            return lbi_op_drop(*ret, r);
    }
    (*ret)->request.flags |= LBI_CREATE;
    return lbi_op_write_options(*ret, opts, LB_WRITE_CREATE, reterr);
}

int lb_board_create(lb_client *client, const char *board, uint32_t flags,
                    const lb_write_options *opts, const lb_board **ret, lb_error *reterr)
{
    lb_op *op;
    int r = make_create(client, board, flags, opts, &op, reterr);

    return r < 0 ? r : lbi_op_run(op, NULL, ret, reterr);
}

int lb_board_create_start(lb_client *client, const char *board, uint32_t flags,
                          const lb_write_options *opts, lb_done_fn done, void *user, lb_op **ret,
                          lb_error *reterr)
{
    lb_op *op;
    int r = make_create(client, board, flags, opts, &op, reterr);

    return r < 0 ? r : lbi_op_start(op, done, user, ret);
}

/* An operation that must name its board. */
static int make_named(lb_client *client, lbi_verb verb, const char *board, lb_op **ret,
                      lb_error *reterr)
{
    return lbi_op_new(client, verb, board ? board : "", ret, reterr);
}

static int make_delete(lb_client *client, const char *board, const lb_write_options *opts,
                       lb_op **ret, lb_error *reterr)
{
    int r = make_named(client, LBI_BOARD_DELETE, board, ret, reterr);

    return r < 0 ? r : lbi_op_write_options(*ret, opts, 0, reterr);
}

int lb_board_delete(lb_client *client, const char *board, const lb_write_options *opts,
                    lb_error *reterr)
{
    lb_op *op;
    int r = make_delete(client, board, opts, &op, reterr);

    return r < 0 ? r : lbi_op_run(op, NULL, NULL, reterr);
}

int lb_board_delete_start(lb_client *client, const char *board, const lb_write_options *opts,
                          lb_done_fn done, void *user, lb_op **ret, lb_error *reterr)
{
    lb_op *op;
    int r = make_delete(client, board, opts, &op, reterr);

    return r < 0 ? r : lbi_op_start(op, done, user, ret);
}

static int make_info(lb_client *client, const char *board, const lb_read_options *opts, lb_op **ret,
                     lb_error *reterr)
{
    int r = make_named(client, LBI_BOARD_INFO, board, ret, reterr);

    return r < 0 ? r : lbi_op_read_options(*ret, opts, reterr);
}

int lb_board_info(lb_client *client, const char *board, const lb_read_options *opts,
                  const lb_board **ret, lb_error *reterr)
{
    lb_op *op;
    int r = make_info(client, board, opts, &op, reterr);

    return r < 0 ? r : lbi_op_run(op, NULL, ret, reterr);
}

int lb_board_info_start(lb_client *client, const char *board, const lb_read_options *opts,
                        lb_done_fn done, void *user, lb_op **ret, lb_error *reterr)
{
    lb_op *op;
    int r = make_info(client, board, opts, &op, reterr);

    return r < 0 ? r : lbi_op_start(op, done, user, ret);
}

/* The part of a range that lists of boards and of players share. */
static int check_range(const lb_range *range, uint32_t allowed, lb_error *reterr)
{
    if (range->limit > LB_LIMIT_MAX)
        return lbi_fail(reterr, LB_E_INVAL, "limit is 1 to %d", LB_LIMIT_MAX);
    if (range->offset > LB_OFFSET_MAX)
        return lbi_fail(reterr, LB_E_INVAL, "offset is 0 to %d: read deeper pages with after",
                        LB_OFFSET_MAX);
    if (range->after && range->offset)
        return lbi_fail(reterr, LB_E_INVAL, "after and offset do not go together");
    if (range->flags & ~allowed)
        return lbi_fail(reterr, LB_E_INVAL, "lb_range has a flag that this call does not take");
    return 0;
}

static int make_page(lb_client *client, const char *board, const lb_range *range, lb_player_fn fn,
                     lb_op **ret, lb_error *reterr)
{
    lb_range o;
    lbi_request *request;
    int r = make_named(client, LBI_BOARD_GET, board, ret, reterr);

    if (r < 0)
        return r;
    request = &(*ret)->request;
    (*ret)->player_fn = fn;
    r = lbi_options_copy(&o, sizeof o, range, "lb_range", reterr);
    if (r == 0)
        r = check_range(&o, LB_READ_NO_PLACE | LB_READ_STATE | LB_READ_DURABLE, reterr);
    if (r == 0 && !fn)
        r = lbi_fail(reterr, LB_E_INVAL, "fn must not be NULL");
    if (r == 0 && o.after) {
        request->has_after = true;
        r = lbi_place_parse(o.after, &request->after, reterr);
    }
    if (r < 0)
        return lbi_op_drop(*ret, r);
    request->limit = o.limit ? o.limit : LB_LIMIT_DEFAULT;
    request->offset = o.offset;
    if (!(o.flags & LB_READ_NO_PLACE))
        request->flags |= LBI_PLACE;
    if (o.flags & LB_READ_DURABLE)
        request->flags |= LBI_DURABLE;
    (*ret)->wants_state = o.flags & LB_READ_STATE;
    return lbi_op_set_timeout(*ret, o.timeout_ms, reterr);
}

int lb_board_get(lb_client *client, const char *board, const lb_range *range, lb_player_fn fn,
                 void *user, lb_error *reterr)
{
    lb_op *op;
    int r = make_page(client, board, range, fn, &op, reterr);

    if (r < 0)
        return r;
    op->user = user;
    return lbi_op_run(op, NULL, NULL, reterr);
}

int lb_board_get_start(lb_client *client, const char *board, const lb_range *range, lb_player_fn fn,
                       lb_done_fn done, void *user, lb_op **ret, lb_error *reterr)
{
    lb_op *op;
    int r = make_page(client, board, range, fn, &op, reterr);

    return r < 0 ? r : lbi_op_start(op, done, user, ret);
}

static int make_list(lb_client *client, const lb_range *range, lb_board_fn fn, lb_op **ret,
                     lb_error *reterr)
{
    lb_range o;
    int r = lbi_op_new(client, LBI_BOARD_LIST, NULL, ret, reterr);

    if (r < 0)
        return r;
    (*ret)->board_fn = fn;
    r = lbi_options_copy(&o, sizeof o, range, "lb_range", reterr);
    if (r == 0)
        r = check_range(&o, LB_READ_NO_PLACE, reterr);
    if (r == 0 && !fn)
        r = lbi_fail(reterr, LB_E_INVAL, "fn must not be NULL");
    if (r == 0 && o.after)
        r = lb_board_id_check(o.after, reterr);
    if (r < 0)
        return lbi_op_drop(*ret, r);
    if (o.after)
        lbi_copy((*ret)->request.board, sizeof(*ret)->request.board, o.after);
    (*ret)->request.limit = o.limit ? o.limit : LB_LIMIT_MAX;
    (*ret)->request.offset = o.offset;
    return lbi_op_set_timeout(*ret, o.timeout_ms, reterr);
}

int lb_board_list(lb_client *client, const lb_range *range, lb_board_fn fn, void *user,
                  lb_error *reterr)
{
    lb_op *op;
    int r = make_list(client, range, fn, &op, reterr);

    if (r < 0)
        return r;
    op->user = user;
    return lbi_op_run(op, NULL, NULL, reterr);
}

int lb_board_list_start(lb_client *client, const lb_range *range, lb_board_fn fn, lb_done_fn done,
                        void *user, lb_op **ret, lb_error *reterr)
{
    lb_op *op;
    int r = make_list(client, range, fn, &op, reterr);

    return r < 0 ? r : lbi_op_start(op, done, user, ret);
}
