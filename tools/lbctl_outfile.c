#include "lbctl_outfile.h"

#include "lbctl.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* For the signal handler. */
static char *volatile unfinished;

static void on_signal(int number)
{
    if (unfinished)
        unlink(unfinished);
    /* Its default is back already: what started us shall see what ended us. */
    raise(number);
}

static const int ending[] = {SIGINT, SIGTERM, SIGHUP};

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};

    for (size_t i = 0; i < sizeof(ending) / sizeof(ending[0]); i++)
        sigaction(ending[i], &action, NULL);
}

/* A signal between the making of a file and the noting of its name would leave the file behind. */
static int make_temp(char *path)
{
    sigset_t blocked, before;
    int fd;

    sigemptyset(&blocked);
    for (size_t i = 0; i < sizeof(ending) / sizeof(ending[0]); i++)
        sigaddset(&blocked, ending[i]);
    sigprocmask(SIG_BLOCK, &blocked, &before);
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0) {
        unfinished = path;
        catch_signals();
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    return fd;
}

static bool fail(const struct lbctl_outfile *file)
{
    lbctl_complain("cannot write %s: %s", file->path, strerror(errno));
    return false;
}

static int open_temp(struct lbctl_outfile *file)
{
    mode_t mask = umask(0);
    int fd;

    umask(mask);
    if (asprintf(&file->temp, "%s.tmp-XXXXXX", file->path) < 0)
        lbctl_no_memory();
    fd = make_temp(file->temp);
    if (fd < 0)
        return -1;
    /* mkostemp() lets nobody else read it; an ordinary file is what umask says. */
    (void)fchmod(fd, 0666 & ~mask);
    return fd;
}

static void finish(struct lbctl_outfile *file)
{
    unfinished = NULL;
    free(file->temp);
    free(file->path);
}

bool lbctl_outfile_open(struct lbctl_outfile *file, const char *path)
{
    struct stat st;
    bool exists = stat(path, &st) == 0;
    int fd;

    /* Where a symbolic link points to, so that the link stays. */
    *file = (struct lbctl_outfile){.path = exists ? realpath(path, NULL) : strdup(path)};
    if (!file->path)
        lbctl_no_memory();
    if (exists && !S_ISREG(st.st_mode))
        fd = open(path, O_WRONLY | O_CLOEXEC);
    else
        fd = open_temp(file);
    file->out = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (file->out)
        return true;
    fail(file);
    finish(file);
    return false;
}

/* A rename that survives a power cut. Not every file system can do that: it stays a wish. */
static void sync_directory(const char *path)
{
    char *copy = strdup(path);
    int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
    free(copy);
}

bool lbctl_outfile_commit(struct lbctl_outfile *file)
{
    bool ok = fflush(file->out) == 0;

    if (ok && file->temp)
        ok = fsync(fileno(file->out)) == 0 && rename(file->temp, file->path) == 0;
    if (!ok) {
        fail(file);
        lbctl_outfile_drop(file);
        return false;
    }
    fclose(file->out);
    if (file->temp)
        sync_directory(file->path);
    finish(file);
    return true;
}

void lbctl_outfile_drop(struct lbctl_outfile *file)
{
    if (file->temp)
        unlink(file->temp);
    fclose(file->out);
    finish(file);
}
