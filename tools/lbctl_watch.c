#include "lbctl_follow.h"
#include "lbctl_json.h"

#include <stdio.h>
#include <stdlib.h>

struct watch {
    struct lbctl_follow follow;
    const struct lbctl *ctl;
};

static void print_top(const lb_change *change)
{
    lbctl_json *object = lbctl_json_new(), *players = lbctl_json_list(object, "players");
    char *text;

    for (size_t i = 0; i < change->n_rows; i++)
        lbctl_json_player(lbctl_json_item(players), change->rows[i]);
    text = lbctl_json_end(object);
    lbctl_follow_print_begin();
    printf("event: update\nid: %s\ndata: %s\n\n", change->state, text);
    lbctl_follow_print_end();
    free(text);
}

static int on_change(const lb_change *change, void *user)
{
    struct watch *watch = user;

    switch (change->type) {
    case LB_CHANGE_TOP:
        print_top(change);
        return 0;
    case LB_CHANGE_GONE:
        lbctl_complain("board '%s' was deleted", watch->ctl->operand[BOARD]);
        return lbctl_follow_end(&watch->follow, LBCTL_NOTFOUND);
    default:
        return 0;
    }
}

int lbctl_watch(struct lbctl *ctl)
{
    struct watch watch = {.follow = {.client = ctl->client}, .ctl = ctl};
    lb_changes_options options;
    const lb_board *board;
    lb_error error;

    /* A subscription waits for a board that is not there; somebody at a shell wants to know. */
    if (lb_board_info(ctl->client, ctl->operand[BOARD], NULL, &board, &error) < 0)
        return lbctl_fail(ctl, &error);
    lb_changes_options_init(&options);
    options.top = ctl->limit;
    if (lb_changes_subscribe(ctl->client, ctl->operand[BOARD], &options, on_change, &watch, NULL,
                             &error) < 0)
        return lbctl_fail(ctl, &error);
    lbctl_follow(&watch.follow);
    return watch.follow.status;
}
