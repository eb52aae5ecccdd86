/* Tries writing, and hearing of what is written, on a board that is made for it and removed. */
#ifndef LBCTL_PROBE_H
#define LBCTL_PROBE_H

#include "lbctl.h"

struct lbctl_probe {
    bool wrote, heard;
    int64_t commit_us; /* median time that a write takes, if it wrote */
    int64_t change_us; /* median time from there until another client hears of it, if it heard */
    lb_error error;    /* of the first step that failed; code 0: none */
    const char *step;  /* which one: "write", ... */
    char left[LB_BOARD_MAX + 1]; /* the board, if it could not be removed */
};

/* Signals that would end the program wait until the board is removed. */
void lbctl_probe_run(struct lbctl *ctl, struct lbctl_probe *ret);

#endif
