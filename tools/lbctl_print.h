/* Answers on standard output: a table, or with --json one line. */
#ifndef LBCTL_PRINT_H
#define LBCTL_PRINT_H

#include "lbctl.h"
#include "lbctl_json.h"

#include <stdio.h>

/* Rows that are collected, then printed or dropped. */
struct lbctl_rows {
    lbctl_json *object, *array; /* with --json */
    const char *const
        *titles; /* without: of the columns; one that begins with '>' is flush right */
    FILE *cells; /* each ended by a NUL */
    char *text;
    size_t size;
};

void lbctl_players_start(struct lbctl_rows *rows, const struct lbctl *ctl);
void lbctl_players_add(struct lbctl_rows *rows, const lb_player *player);
void lbctl_boards_start(struct lbctl_rows *rows, const struct lbctl *ctl);
void lbctl_boards_add(struct lbctl_rows *rows, const lb_board *board);
/* Returns the lbctl_status: whether it could be printed. */
int lbctl_rows_print(struct lbctl_rows *rows);
void lbctl_rows_drop(struct lbctl_rows *rows);

/* These return it, too. */
int lbctl_print_player(const struct lbctl *ctl, const lb_player *player);
int lbctl_print_board(const struct lbctl *ctl, const lb_board *board);
/* After a write. */
int lbctl_print_written(const struct lbctl *ctl, const lb_player *player, bool changed);
int lbctl_print_created(const struct lbctl *ctl, const lb_board *board, bool changed);
int lbctl_print_removed(const struct lbctl *ctl);

#endif
