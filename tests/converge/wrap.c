/* inotify as it is where its limits are reached: linked with --wrap. */
#include "actor.h"

#include <errno.h>
#include <sys/inotify.h>

int __real_inotify_init1(int flags);
int __real_inotify_add_watch(int fd, const char *path, uint32_t mask);
int __wrap_inotify_init1(int flags);
int __wrap_inotify_add_watch(int fd, const char *path, uint32_t mask);

static bool no_instances, no_watches;

void make_deaf(bool instances, bool watches)
{
    no_instances = instances;
    no_watches = watches;
    count_more(COUNT_NO_INOTIFY, instances);
    count_more(COUNT_NO_WATCH, watches);
}

int __wrap_inotify_init1(int flags)
{
    if (!no_instances)
        return __real_inotify_init1(flags);
    errno = EMFILE;
    return -1;
}

int __wrap_inotify_add_watch(int fd, const char *path, uint32_t mask)
{
    if (!no_watches)
        return __real_inotify_add_watch(fd, path, mask);
    errno = ENOSPC;
    return -1;
}
