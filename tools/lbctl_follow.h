/* Commands that run until they are interrupted. */
#ifndef LBCTL_FOLLOW_H
#define LBCTL_FOLLOW_H

#include "lbctl.h"

/* The beginning of what a change callback of such a command is given. */
struct lbctl_follow {
    lb_client *client;
    bool ended;
    int status; /* an lbctl_status */
};

/* Processes changes until somebody calls lbctl_follow_end(), a signal comes or nobody reads
 * standard output any more. What callbacks print is written out after each step. */
void lbctl_follow(struct lbctl_follow *follow);

/* Returns what ends a subscription. */
int lbctl_follow_end(struct lbctl_follow *follow, int status);

/* Between the two a signal ends the program at once: printing may wait for a reader for ever. */
void lbctl_follow_print_begin(void);
void lbctl_follow_print_end(void);

#endif
