/* Rows in the order of their ids, each id once. */
#ifndef LBCTL_SORT_H
#define LBCTL_SORT_H

#include <leaderboard.h>

/*
 * They are kept in memory, each in one piece of text beside a pointer: a million players with names
 * of ten letters take about 70 MB. That is the price of an order that the store does not give.
 */
struct lbctl_sort {
    struct lbctl_sort_block *blocks; /* the newest first */
    struct lbctl_sort_row **rows;
    size_t n, room;
};

/* Running out of memory ends the program. Of an id that comes again the later row counts. */
void lbctl_sort_add(struct lbctl_sort *sort, const lb_player *player);
/* Calls fn for each row in order, until it returns other than 0, and forgets all. */
void lbctl_sort_end(struct lbctl_sort *sort, lb_player_fn fn, void *user);
/* Forgets all. */
void lbctl_sort_clear(struct lbctl_sort *sort);

#endif
