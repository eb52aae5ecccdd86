/* Hears that a file was written to (Linux: inotify). Only a hint, and it may not be there. */
#ifndef LBI_OS_WATCH_H
#define LBI_OS_WATCH_H

#include "os/poller.h"

#include <stdbool.h>

typedef struct lbi_watch {
    lbi_poll poll; /* poll.fd; valid while is_open */
    bool is_open;
    int file; /* inotify's number of the file, < 0 = none */
    bool heard;
} lbi_watch; /* all zero = closed */

/* Watches the file at `path`, if that is possible and not so already. Cheap to repeat: a file
 * that was missing or has been replaced is found. */
void lbi_watch_open(lbi_watch *watch, lbi_poller *poller, const char *path);
void lbi_watch_close(lbi_watch *watch, lbi_poller *poller);

/* Was something written since the last call? */
bool lbi_watch_heard(lbi_watch *watch);

#endif
