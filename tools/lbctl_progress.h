/* How far long work has come, on standard error when that is a terminal. */
#ifndef LBCTL_PROGRESS_H
#define LBCTL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct lbctl_progress {
    const char *what;
    bool on, shown;
    uint64_t start_us, next_us;
};

/* Ends what was shown before and begins anew. */
void lbctl_progress_start(struct lbctl_progress *progress, const char *what);
/* So many of total (bytes or rows, 0 = not known) and so many rows; cheap to call often. */
void lbctl_progress_show(struct lbctl_progress *progress, int64_t done, int64_t total,
                         int64_t rows);
/* Makes room for what is printed next. */
void lbctl_progress_end(struct lbctl_progress *progress);

#endif
