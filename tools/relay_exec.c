/* `lbctl relay` becomes another program: it alone needs curl. */
#include "lbctl.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PROGRAM "lbctl-relay"

/* The program beside this one, "" if it cannot be told where this one is. */
static void find_beside(char *path, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", path, size - 1);
    char *slash;

    path[n > 0 ? n : 0] = '\0';
    slash = strrchr(path, '/');
    if (!slash || (size_t)(slash - path) + sizeof PROGRAM + 1 > size)
        path[0] = '\0';
    else
        memcpy(slash + 1, PROGRAM, sizeof PROGRAM);
}

static void add(char **argv, int *n, const char *name, const char *value)
{
    if (!value)
        return;
    argv[(*n)++] = (char *)(uintptr_t)name;
    argv[(*n)++] = (char *)(uintptr_t)value;
}

int lbctl_relay(struct lbctl *ctl)
{
    char *argv[16] = {(char *)(uintptr_t)PROGRAM};
    char path[PATH_MAX];
    int n = 1;

    add(argv, &n, "--database", ctl->option[OPT_DATABASE]);
    add(argv, &n, "--grip-url", ctl->option[OPT_GRIP_URL]);
    add(argv, &n, "--prefix", ctl->option[OPT_PREFIX]);
    add(argv, &n, "--interval", ctl->option[OPT_INTERVAL]);
    add(argv, &n, "--limit", ctl->option[OPT_LIMIT]);
    find_beside(path, sizeof path);
    if (path[0])
        (void)execv(path, argv);
    (void)execvp(PROGRAM, argv);
    if (errno == ENOENT)
        lbctl_complain("relay needs the program " PROGRAM
                       ", which is not installed here: it comes with libleaderboard-push");
    else
        lbctl_complain("cannot run " PROGRAM ": %s", strerror(errno));
    return LBCTL_FAILED;
}
