#include "fault_disk.h"

#include <errno.h>
#include <sqlite3.h>
#include <string.h>

/* The system's file follows it in memory. */
typedef struct file {
    sqlite3_file base;
    bool log, database;
} file;

static sqlite3_vfs disk;
static sqlite3_vfs *system_disk;
static fault_disk now;
static unsigned seen, fired;
static int last_error; /* as errno: stays until it is set anew */

void fault_disk_set(const fault_disk *fault)
{
    now = fault ? *fault : (fault_disk){0};
    seen = fired = 0;
    last_error = 0;
}

unsigned fault_disk_fired(void)
{
    return fired;
}

static sqlite3_file *real(sqlite3_file *f)
{
    return (sqlite3_file *)((file *)f + 1);
}

static bool fails(sqlite3_file *f, unsigned call)
{
    const file *me = (file *)f;

    if (!(now.calls & call) || !(now.log ? me->log : me->database) || seen++ < now.skip ||
        fired >= now.times)
        return false;
    fired++;
    last_error = now.error;
    return true;
}

/* ---- What can fail -------------------------------------------------------------------------- */

static int disk_read(sqlite3_file *f, void *buf, int size, sqlite3_int64 offset)
{
    if (fails(f, FAULT_DISK_READ))
        return SQLITE_IOERR_READ;
    return real(f)->pMethods->xRead(real(f), buf, size, offset);
}

/* Half of it is there when the disk gives up. */
static int disk_write(sqlite3_file *f, const void *buf, int size, sqlite3_int64 offset)
{
    if (!fails(f, FAULT_DISK_WRITE))
        return real(f)->pMethods->xWrite(real(f), buf, size, offset);
    (void)real(f)->pMethods->xWrite(real(f), buf, size / 2, offset);
    return now.error == ENOSPC ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

static int disk_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    if (fails(f, FAULT_DISK_TRUNCATE))
        return SQLITE_IOERR_TRUNCATE;
    return real(f)->pMethods->xTruncate(real(f), size);
}

static int disk_sync(sqlite3_file *f, int flags)
{
    if (fails(f, FAULT_DISK_SYNC))
        return SQLITE_IOERR_FSYNC;
    return real(f)->pMethods->xSync(real(f), flags);
}

static int disk_error(sqlite3_vfs *vfs, int size, char *text)
{
    (void)vfs;
    return last_error ? last_error : system_disk->xGetLastError(system_disk, size, text);
}

/* ---- What is passed on ---------------------------------------------------------------------- */

static int disk_close(sqlite3_file *f)
{
    return real(f)->pMethods->xClose(real(f));
}

static int disk_size(sqlite3_file *f, sqlite3_int64 *ret)
{
    return real(f)->pMethods->xFileSize(real(f), ret);
}

static int disk_lock(sqlite3_file *f, int lock)
{
    return real(f)->pMethods->xLock(real(f), lock);
}

static int disk_unlock(sqlite3_file *f, int lock)
{
    return real(f)->pMethods->xUnlock(real(f), lock);
}

static int disk_check_lock(sqlite3_file *f, int *ret)
{
    return real(f)->pMethods->xCheckReservedLock(real(f), ret);
}

static int disk_control(sqlite3_file *f, int op, void *arg)
{
    return real(f)->pMethods->xFileControl(real(f), op, arg);
}

static int disk_sector(sqlite3_file *f)
{
    return real(f)->pMethods->xSectorSize(real(f));
}

static int disk_traits(sqlite3_file *f)
{
    return real(f)->pMethods->xDeviceCharacteristics(real(f));
}

static int disk_shm_map(sqlite3_file *f, int region, int size, int extend, void volatile **ret)
{
    return real(f)->pMethods->xShmMap(real(f), region, size, extend, ret);
}

static int disk_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
    return real(f)->pMethods->xShmLock(real(f), offset, n, flags);
}

static void disk_shm_barrier(sqlite3_file *f)
{
    real(f)->pMethods->xShmBarrier(real(f));
}

static int disk_shm_unmap(sqlite3_file *f, int delete)
{
    return real(f)->pMethods->xShmUnmap(real(f), delete);
}

/* Version 2: without memory-mapped reading. */
static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = disk_close,
    .xRead = disk_read,
    .xWrite = disk_write,
    .xTruncate = disk_truncate,
    .xSync = disk_sync,
    .xFileSize = disk_size,
    .xLock = disk_lock,
    .xUnlock = disk_unlock,
    .xCheckReservedLock = disk_check_lock,
    .xFileControl = disk_control,
    .xSectorSize = disk_sector,
    .xDeviceCharacteristics = disk_traits,
    .xShmMap = disk_shm_map,
    .xShmLock = disk_shm_lock,
    .xShmBarrier = disk_shm_barrier,
    .xShmUnmap = disk_shm_unmap,
};

static int disk_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *ret)
{
    file *me = (file *)f;
    int rc = system_disk->xOpen(system_disk, name, real(f), flags, ret);

    (void)vfs;
    me->log = flags & SQLITE_OPEN_WAL;
    me->database = flags & SQLITE_OPEN_MAIN_DB;
    me->base.pMethods = real(f)->pMethods ? &methods : NULL;
    return rc;
}

/* The other functions of the system's are those of the copy. */
void fault_disk_install(void)
{
    system_disk = sqlite3_vfs_find(NULL);
    disk = *system_disk;
    disk.zName = "fault_disk";
    disk.szOsFile = (int)sizeof(file) + system_disk->szOsFile;
    disk.xOpen = disk_open;
    disk.xGetLastError = disk_error;
    (void)sqlite3_vfs_register(&disk, 1);
}
