#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool has_directory(const char *path)
{
    const char *slash = strrchr(path, '/');
    struct stat st;
    char *directory;
    bool ret;

    if (!slash || slash == path)
        return true;
    directory = strndup(path, (size_t)(slash - path));
    ret = !directory || stat(directory, &st) == 0 || errno != ENOENT;
    free(directory);
    return ret;
}

lbi_file_kind lbi_file_look(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0) {
        if (errno == ENOENT)
            return has_directory(path) ? LBI_FILE_MISSING : LBI_FILE_NO_DIRECTORY;
        if (errno == ENOTDIR)
            return LBI_FILE_NO_DIRECTORY;
        return errno == EACCES ? LBI_FILE_DENIED : LBI_FILE_OTHER;
    }
    if (S_ISDIR(st.st_mode))
        return LBI_FILE_DIRECTORY;
    if (!S_ISREG(st.st_mode))
        return LBI_FILE_OTHER;
    return access(path, R_OK) < 0 ? LBI_FILE_DENIED : LBI_FILE_REGULAR;
}

char *lbi_file_absolute(const char *path)
{
    char *directory = path[0] == '/' ? NULL : getcwd(NULL, 0);
    char *ret;
    size_t size;

    if (!directory)
        return strdup(path);
    size = strlen(directory) + strlen(path) + 2;
    ret = malloc(size);
    if (ret)
        (void)snprintf(ret, size, "%s/%s", directory, path);
    free(directory);
    return ret;
}

void lbi_file_write_back(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    (void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    (void)close(fd);
}
