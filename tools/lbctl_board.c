#include "lbctl_print.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

int lbctl_board_create(struct lbctl *ctl)
{
    uint32_t flags = ctl->option[OPT_ASCENDING] ? LB_BOARD_ASCENDING : 0;
    const lb_board *board;
    lb_error error;
    int r;

    r = lb_board_create(ctl->client, ctl->operand[BOARD], flags, NULL, &board, &error);
    if (r < 0)
        return lbctl_fail(ctl, &error);
    return lbctl_print_created(ctl, board, r > 0);
}

struct boards {
    struct lbctl_rows rows;
    char last[LB_BOARD_MAX + 1];
    uint32_t n;
};

static int on_board(const lb_board *board, void *user)
{
    struct boards *boards = user;

    lbctl_boards_add(&boards->rows, board);
    (void)snprintf(boards->last, sizeof boards->last, "%s", board->id);
    boards->n++;
    return 0;
}

int lbctl_board_list(struct lbctl *ctl)
{
    struct boards boards = {0};
    lb_range range;
    lb_error error;

    lb_range_init(&range);
    lbctl_boards_start(&boards.rows, ctl);
    do {
        char after[LB_BOARD_MAX + 1];

        if (boards.n > 0)
            range.after = strcpy(after, boards.last);
        boards.n = 0;
        if (lb_board_list(ctl->client, &range, on_board, &boards, &error) < 0) {
            lbctl_rows_drop(&boards.rows);
            return lbctl_fail(ctl, &error);
        }
    } while (boards.n == LB_LIMIT_MAX);
    return lbctl_rows_print(&boards.rows);
}

int lbctl_board_info(struct lbctl *ctl)
{
    const lb_board *board;
    lb_error error;

    if (lb_board_info(ctl->client, ctl->operand[BOARD], NULL, &board, &error) < 0)
        return lbctl_fail(ctl, &error);
    return lbctl_print_board(ctl, board);
}

int lbctl_board_delete(struct lbctl *ctl)
{
    lb_error error;

    if (lb_board_delete(ctl->client, ctl->operand[BOARD], NULL, &error) < 0)
        return lbctl_fail(ctl, &error);
    return lbctl_print_removed(ctl);
}

struct page {
    struct lbctl_rows rows;
    char cursor[LB_CURSOR_SIZE]; /* of the last row */
    uint32_t n;
};

static int on_player(const lb_player *player, void *user)
{
    struct page *page = user;

    lbctl_players_add(&page->rows, player);
    page->n++;
    return lb_player_cursor(player, page->cursor, sizeof page->cursor);
}

static int count_player(const lb_player *player, void *user)
{
    (void)player;
    ++*(int *)user;
    return 0;
}

/* Somebody who reads a full page on a terminal wants to know whether there is more. */
static void hint_at_more(const struct lbctl *ctl, const struct page *page)
{
    lb_range range;
    int more = 0;

    if (page->n < ctl->limit || !isatty(STDOUT_FILENO))
        return;
    lb_range_init(&range);
    range.flags = LB_READ_NO_PLACE;
    range.limit = 1;
    range.after = page->cursor;
    if (lb_board_get(ctl->client, ctl->operand[BOARD], &range, count_player, &more, NULL) < 0)
        return;
    if (more)
        fprintf(stderr,
                "There are more rows: --limit N shows more of them, --offset N skips some, "
                "--after %s goes on here\n",
                page->cursor);
}

int lbctl_board_get(struct lbctl *ctl)
{
    struct page page = {0};
    lb_range range;
    lb_error error;
    int status;

    lb_range_init(&range);
    range.limit = ctl->limit;
    range.offset = ctl->offset;
    range.after = ctl->option[OPT_AFTER];
    lbctl_players_start(&page.rows, ctl);
    if (lb_board_get(ctl->client, ctl->operand[BOARD], &range, on_player, &page, &error) < 0) {
        lbctl_rows_drop(&page.rows);
        return lbctl_fail(ctl, &error);
    }
    status = lbctl_rows_print(&page.rows);
    hint_at_more(ctl, &page);
    return status;
}
