#include "lbctl_emit.h"
#include "lbctl_follow.h"

#include <stdbool.h>
#include <stdio.h>

static const char *const type_names[] = {
    [LB_CHANGE_RESET] = "reset",   [LB_CHANGE_ROW] = "row",   [LB_CHANGE_READY] = "ready",
    [LB_CHANGE_CHANGE] = "change", [LB_CHANGE_GONE] = "gone",
};

/* Of an old row perhaps no more is known than its id. */
static void print_row(const char *key, const lb_player *row, bool is_old)
{
    printf(",\"%s\":", key);
    if (!row) {
        fputs("null", stdout);
    } else if (is_old && row->reached_us == 0) {
        fputs("{\"id\":", stdout);
        lbctl_emit_text(stdout, row->id);
        fputs("}", stdout);
    } else {
        lbctl_emit_player(stdout, row);
    }
}

static int on_change(const lb_change *change, void *user)
{
    (void)user;
    lbctl_follow_print_begin();
    printf("{\"type\":\"%s\",\"board\":", type_names[change->type]);
    if (change->board)
        lbctl_emit_text(stdout, change->board);
    else
        fputs("null", stdout);
    print_row("old", change->old_row, true);
    print_row("new", change->new_row, false);
    fputs("}\n", stdout);
    lbctl_follow_print_end();
    return 0;
}

static int ignore_board(const lb_board *board, void *user)
{
    (void)board;
    (void)user;
    return 0;
}

/* A subscription waits for what is not there; somebody at a shell wants to know. */
static int look(struct lbctl *ctl, lb_error *error)
{
    lb_range one;
    const lb_board *board;

    if (ctl->operand[BOARD])
        return lb_board_info(ctl->client, ctl->operand[BOARD], NULL, &board, error);
    lb_range_init(&one);
    one.limit = 1;
    return lb_board_list(ctl->client, &one, ignore_board, NULL, error);
}

int lbctl_changes(struct lbctl *ctl)
{
    struct lbctl_follow follow = {.client = ctl->client};
    lb_changes_options options;
    lb_error error;

    if (look(ctl, &error) < 0)
        return lbctl_fail(ctl, &error);
    lb_changes_options_init(&options);
    options.flags = ctl->option[OPT_NO_ROWS] ? LB_CHANGES_NO_ROWS : 0;
    if (lb_changes_subscribe(ctl->client, ctl->operand[BOARD], &options, on_change, &follow, NULL,
                             &error) < 0)
        return lbctl_fail(ctl, &error);
    lbctl_follow(&follow);
    return follow.status;
}
