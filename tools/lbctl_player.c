#include "lbctl_print.h"

/* How often a write with an idempotency key is tried while its outcome is unknown. */
#define TRIES 4

int lbctl_player_put(struct lbctl *ctl)
{
    const lb_player *player;
    lb_write_options options;
    lb_error error;
    int r;

    lb_write_options_init(&options);
    options.flags = ctl->option[OPT_CREATE] ? LB_WRITE_CREATE : 0;
    r = lb_player_put(ctl->client, ctl->operand[BOARD], ctl->operand[PLAYER], ctl->option[OPT_NAME],
                      &options, &player, &error);
    if (r < 0)
        return lbctl_fail(ctl, &error);
    return lbctl_print_written(ctl, player, r > 0);
}

int lbctl_player_get(struct lbctl *ctl)
{
    const lb_player *player;
    lb_read_options options;
    lb_error error;

    lb_read_options_init(&options);
    options.flags = ctl->option[OPT_RANK] ? LB_READ_PLACE : 0;
    if (lb_player_get(ctl->client, ctl->operand[BOARD], ctl->operand[PLAYER], &options, &player,
                      &error) < 0)
        return lbctl_fail(ctl, &error);
    return lbctl_print_player(ctl, player);
}

int lbctl_player_remove(struct lbctl *ctl)
{
    lb_error error;

    if (lb_player_remove(ctl->client, ctl->operand[BOARD], ctl->operand[PLAYER], NULL, &error) < 0)
        return lbctl_fail(ctl, &error);
    return lbctl_print_removed(ctl);
}

static int on_player(const lb_player *player, void *user)
{
    lbctl_players_add(user, player);
    return 0;
}

int lbctl_player_around(struct lbctl *ctl)
{
    struct lbctl_rows rows;
    lb_error error;

    lbctl_players_start(&rows, ctl);
    if (lb_player_around(ctl->client, ctl->operand[BOARD], ctl->operand[PLAYER], ctl->limit, NULL,
                         on_player, &rows, &error) < 0) {
        lbctl_rows_drop(&rows);
        return lbctl_fail(ctl, &error);
    }
    return lbctl_rows_print(&rows);
}

/* lb_score_add() or lb_score_set() */
typedef int (*score_fn)(lb_client *client, const char *board, const char *player, int64_t number,
                        const lb_write_options *options, const lb_player **ret, lb_error *reterr);

/* Says that this try has not reached the database, whatever became of the one before. */
static bool is_lost(int code)
{
    return code == LB_E_TIMEOUT || code == LB_E_IO || code == LB_E_BUSY || code == LB_E_TLS;
}

/* With a key, a write whose outcome is unknown is repeated while there is time. When no repeat gets
 * through the outcome is that of the first try: still unknown. */
static int write_score(struct lbctl *ctl, score_fn fn, int64_t number, uint32_t flags)
{
    uint64_t end = lbctl_now_us() / 1000 + ctl->timeout_ms, now;
    const lb_player *player;
    lb_write_options options;
    lb_error error, unknown = {.code = 0};
    int r, tries = 0;

    lb_write_options_init(&options);
    options.flags = flags;
    options.idempotency_key = ctl->option[OPT_KEY];
    options.timeout_ms = ctl->timeout_ms;
    do {
        r = fn(ctl->client, ctl->operand[BOARD], ctl->operand[PLAYER], number, &options, &player,
               &error);
        if (r == LB_E_UNKNOWN)
            unknown = error;
        now = lbctl_now_us() / 1000;
        if (now < end)
            options.timeout_ms = (uint32_t)(end - now);
    } while (r == LB_E_UNKNOWN && options.idempotency_key && ++tries < TRIES && now < end);
    if (r >= 0)
        return lbctl_print_written(ctl, player, r > 0);
    return lbctl_fail(ctl, unknown.code && is_lost(r) ? &unknown : &error);
}

int lbctl_score_add(struct lbctl *ctl)
{
    uint32_t flags = ctl->option[OPT_EXISTING] ? 0 : LB_WRITE_CREATE;
    int64_t amount = 1;
    lb_error error;

    if (ctl->operand[NUMBER] && lb_score_parse(ctl->operand[NUMBER], &amount, &error) < 0)
        return lbctl_fail(ctl, &error);
    return write_score(ctl, lb_score_add, amount, flags);
}

int lbctl_score_set(struct lbctl *ctl)
{
    uint32_t flags = 0;
    int64_t score;
    lb_error error;

    if (ctl->option[OPT_CREATE])
        flags |= LB_WRITE_CREATE;
    if (ctl->option[OPT_BEST])
        flags |= LB_WRITE_BEST;
    if (lb_score_parse(ctl->operand[NUMBER], &score, &error) < 0)
        return lbctl_fail(ctl, &error);
    return write_score(ctl, lb_score_set, score, flags);
}
