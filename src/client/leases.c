/* Leases travel as a request whose board is the lease and whose player is the holder. */
#include "base/error.h"
#include "base/str.h"
#include "client/client.h"

static int make_lease(lb_client *client, const char *lease, const char *holder, uint32_t ttl_ms,
                      const lb_write_options *opts, lb_op **ret, lb_error *reterr)
{
    int r = lbi_op_new(client, LBI_LEASE_TAKE, lease ? lease : "", ret, reterr);

    if (r < 0)
        return r;
    if (ttl_ms > LBI_LEASE_MAX_MS)
        return lbi_op_drop(*ret,
                           lbi_fail(reterr, LB_E_INVAL, "ttl_ms is 0 to %d", LBI_LEASE_MAX_MS));
    if (opts && opts->idempotency_key)
        return lbi_op_drop(*ret, lbi_fail(reterr, LB_E_INVAL, "a lease takes no idempotency key"));
    (*ret)->request.amount = ttl_ms;
    r = lbi_op_set_player(*ret, holder, false, reterr);
    return r < 0 ? r : lbi_op_write_options(*ret, opts, LB_WRITE_CREATE, reterr);
}

int lb_lease_take(lb_client *client, const char *lease, const char *holder, uint32_t ttl_ms,
                  const lb_write_options *opts, lb_error *reterr)
{
    lb_op *op;
    int r = make_lease(client, lease, holder, ttl_ms, opts, &op, reterr);

    return r < 0 ? r : lbi_op_run(op, NULL, NULL, reterr);
}

int lb_lease_take_start(lb_client *client, const char *lease, const char *holder, uint32_t ttl_ms,
                        const lb_write_options *opts, lb_done_fn done, void *user, lb_op **ret,
                        lb_error *reterr)
{
    lb_op *op;
    int r = make_lease(client, lease, holder, ttl_ms, opts, &op, reterr);

    return r < 0 ? r : lbi_op_start(op, done, user, ret);
}
