#include "lbctl_progress.h"

#include "lbctl.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define BAR 24
#define EVERY_US 100000

void lbctl_progress_start(struct lbctl_progress *progress, const char *what)
{
    if (progress->shown)
        lbctl_progress_end(progress);
    progress->what = what;
    progress->on = isatty(STDERR_FILENO) != 0;
    progress->start_us = lbctl_now_us();
    progress->next_us = progress->start_us + EVERY_US;
}

static void print_bar(int64_t done, int64_t total)
{
    int full = done >= total ? BAR : (int)(done * BAR / total);
    int percent = done >= total ? 100 : (int)(done * 100 / total);

    fputs(" [", stderr);
    for (int i = 0; i < BAR; i++)
        fputc(i < full ? '#' : ' ', stderr);
    fprintf(stderr, "] %3d %%", percent);
}

void lbctl_progress_show(struct lbctl_progress *progress, int64_t done, int64_t total, int64_t rows)
{
    uint64_t now;

    if (!progress->on)
        return;
    now = lbctl_now_us();
    if (now < progress->next_us)
        return;
    progress->next_us = now + EVERY_US;
    progress->shown = true;
    fprintf(stderr, "\r%s", progress->what);
    if (total > 0)
        print_bar(done, total);
    fprintf(stderr, " %" PRId64 " rows, %.0f/s\033[K", rows,
            (double)rows * 1e6 / (double)(now - progress->start_us));
    fflush(stderr);
}

void lbctl_progress_end(struct lbctl_progress *progress)
{
    if (progress->shown)
        fputs("\r\033[K", stderr);
    progress->shown = false;
}
