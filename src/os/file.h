/* What lies at a path. */
#ifndef LBI_OS_FILE_H
#define LBI_OS_FILE_H

#include <stdbool.h>

typedef enum lbi_file_kind {
    LBI_FILE_REGULAR,
    LBI_FILE_MISSING,
    LBI_FILE_NO_DIRECTORY, /* a directory on the way is missing */
    LBI_FILE_DIRECTORY,
    LBI_FILE_DENIED,
    LBI_FILE_OTHER
} lbi_file_kind;

lbi_file_kind lbi_file_look(const char *path);

/* The path from the root on, so that a later chdir() does not change what it means. The caller
 * frees it. NULL if out of memory. A path whose start cannot be told stays as it is. */
char *lbi_file_absolute(const char *path);

/* Has the disk begin to write what the file holds, so that an fdatasync() that comes later finds
 * little to do. Waits for nothing and promises nothing. Closes a descriptor of the file, which ends
 * the locks that this process has on it. */
void lbi_file_write_back(const char *path);

#endif
