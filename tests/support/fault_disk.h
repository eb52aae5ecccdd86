/* A disk that fails when it is told to: an SQLite VFS around the one of the system. */
#ifndef FAULT_DISK_H
#define FAULT_DISK_H

#include <stdbool.h>

enum { FAULT_DISK_WRITE = 1, FAULT_DISK_SYNC = 2, FAULT_DISK_TRUNCATE = 4, FAULT_DISK_READ = 8 };

typedef struct fault_disk {
    unsigned calls; /* FAULT_DISK_...: which calls */
    bool log;       /* on the write-ahead log, not on the database itself */
    int error;      /* EIO, ENOSPC */
    unsigned skip;  /* so many succeed before */
    unsigned times; /* so many fail, then the disk is well again */
} fault_disk;

/* From now on SQLite in this process goes through it. Before the first use of SQLite. */
void fault_disk_install(void);

/* Begins to fail as told; NULL: not any more. */
void fault_disk_set(const fault_disk *fault);

/* How many calls have failed since the last fault_disk_set(). */
unsigned fault_disk_fired(void);

#endif
