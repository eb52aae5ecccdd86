#include "os/watch.h"

#include <stddef.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

/* The file is not watched any more: deleted, or its file system unmounted. */
static bool has_ended(const char *events, size_t size)
{
    struct inotify_event event;

    for (size_t i = 0; i + sizeof event <= size; i += sizeof event + event.len) {
        memcpy(&event, events + i, sizeof event);
        if (event.mask & (IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF))
            return true;
    }
    return false;
}

/* However many events there are, they say one thing. */
static void drain(void *user)
{
    lbi_watch *watch = user;
    char events[4096];
    ssize_t n;

    while ((n = read(watch->poll.fd, events, sizeof events)) > 0) {
        watch->heard = true;
        if (has_ended(events, (size_t)n))
            watch->file = -1;
    }
}

static bool open_queue(lbi_watch *watch, lbi_poller *poller)
{
    *watch = (lbi_watch){.poll = {.fn = drain, .user = watch}, .file = -1};
    watch->poll.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (watch->poll.fd < 0)
        return false;
    if (lbi_poller_add(poller, &watch->poll, NULL) < 0) {
        (void)close(watch->poll.fd);
        return false;
    }
    watch->is_open = true;
    return true;
}

void lbi_watch_open(lbi_watch *watch, lbi_poller *poller, const char *path)
{
    if (!watch->is_open && !open_queue(watch, poller))
        return;
    if (watch->file < 0)
        watch->file =
            inotify_add_watch(watch->poll.fd, path, IN_MODIFY | IN_DELETE_SELF | IN_MOVE_SELF);
}

void lbi_watch_close(lbi_watch *watch, lbi_poller *poller)
{
    if (!watch->is_open)
        return;
    lbi_poller_remove(poller, &watch->poll);
    (void)close(watch->poll.fd);
    *watch = (lbi_watch){0};
}

bool lbi_watch_heard(lbi_watch *watch)
{
    bool heard = watch->heard;

    watch->heard = false;
    return heard;
}
