#include "store/sqlite_db.h"

#include "base/error.h"
#include "os/file.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
    /* A larger write-ahead log is not moved into the database when the last connection closes:
     * that took 0.2 s for 50,000 frames. Whoever opens the database next finds it. */
    CLOSE_CHECKPOINT_MAX = 8 * 1024 * 1024
};

/* wal_autocheckpoint=0: the store decides when. cache_size is in KiB and grows as needed. */
static const char settings[] = "PRAGMA wal_autocheckpoint=0;"
                               "PRAGMA journal_size_limit=8388608;"
                               "PRAGMA foreign_keys=OFF;"
                               "PRAGMA trusted_schema=OFF;"
                               "PRAGMA cache_size=-32768;";

static const char *const texts[] = {
#define LBI_SQL_TEXT(name, text) [LBI_SQL_##name] = text,
    LBI_SQL_MAP(LBI_SQL_TEXT)
#undef LBI_SQL_TEXT
};

/* ---- Errors --------------------------------------------------------------------------------- */

static bool no_space(int error)
{
    return error == ENOSPC || error == EDQUOT;
}

static int io_code(int rc, int os_error)
{
    if (rc == SQLITE_IOERR_NOMEM)
        return LB_E_NOMEM;
    /* The write went through, only its way to the disk did not: it may be there after a crash. */
    if (rc == SQLITE_IOERR_FSYNC || rc == SQLITE_IOERR_DIR_FSYNC)
        return LB_E_UNKNOWN;
    return no_space(os_error) ? LB_E_FULL : LB_E_IO;
}

static int error_code(int rc, int os_error)
{
    switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL: /* lost a race in opening the write-ahead log too often */
        return LB_E_BUSY;
    case SQLITE_NOMEM:
        return LB_E_NOMEM;
    case SQLITE_FULL:
        return LB_E_FULL;
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return LB_E_READONLY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return LB_E_CORRUPT;
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_ERROR: /* no such table, no such column */
    case SQLITE_SCHEMA:
        return LB_E_CONFLICT;
    default:
        return io_code(rc, os_error);
    }
}

static const char *error_format(int code)
{
    switch (code) {
    case LB_E_NOMEM:
        return "out of memory";
    case LB_E_BUSY:
        return "the database '%.100s' is locked by another program";
    case LB_E_FULL:
        return "no space left on the disk of '%.100s': nothing was changed";
    case LB_E_READONLY:
        return "the database '%.100s' is read-only: check the permissions of the file and of its "
               "directory";
    case LB_E_CORRUPT:
        return "'%.100s' is not a database or is damaged: restore it from a copy (SQLite says: "
               "%.60s)";
    case LB_E_CONFLICT:
        return "the database '%.100s' refused it: %.100s";
    default:
        return "cannot read or write the database '%.100s': %.100s";
    }
}

static const char *error_detail(int code, int os_error, const char *message)
{
    return (code == LB_E_IO || code == LB_E_UNKNOWN) && os_error ? strerror(os_error) : message;
}

int lbi_db_fail(lbi_db *db, int rc)
{
    int extended = db->handle ? sqlite3_extended_errcode(db->handle) : rc;
    int os_error = db->handle ? sqlite3_system_errno(db->handle) : 0;
    const char *message = db->handle ? sqlite3_errmsg(db->handle) : sqlite3_errstr(rc);
    int code;

    if ((extended & 0xff) != (rc & 0xff))
        extended = rc;
    code = error_code(extended, os_error);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    return lbi_fail(&db->error, code, error_format(code), db->name,
                    error_detail(code, os_error, message));
#pragma GCC diagnostic pop
}

/* SQLite says only that it cannot open the file; people need to know why. */
static int fail_open(lbi_db *db, int rc, bool create)
{
    lb_error *error = &db->error;

    if ((rc & 0xff) != SQLITE_CANTOPEN)
        return lbi_db_fail(db, rc);
    switch (lbi_file_look(db->path)) {
    case LBI_FILE_NO_DIRECTORY:
        if (create)
            return lbi_fail(error, LB_E_IO,
                            "cannot create '%.100s': its directory does not exist, make it first",
                            db->name);
        /* fall through */
    case LBI_FILE_MISSING:
        if (!create)
            return lbi_fail(error, LB_E_NOTFOUND,
                            "there is no database at '%.100s' yet: the first board or score that "
                            "is created makes it",
                            db->name);
        return lbi_fail(error, LB_E_READONLY,
                        "cannot create '%.100s': check the permissions of its directory", db->name);
    case LBI_FILE_DIRECTORY:
        return lbi_fail(error, LB_E_IO, "'%.100s' is a directory: name a file in it", db->name);
    case LBI_FILE_DENIED:
        return lbi_fail(error, LB_E_IO,
                        "cannot open '%.100s': permission denied, check the file and its "
                        "directories",
                        db->name);
    case LBI_FILE_OTHER:
        return lbi_fail(error, LB_E_IO, "'%.100s' is not an ordinary file", db->name);
    case LBI_FILE_REGULAR:
        break;
    }
    return lbi_fail(error, LB_E_IO,
                    "cannot open '%.100s': %.60s; its directory must be writable too", db->name,
                    sqlite3_errstr(rc));
}

/* ---- Opening -------------------------------------------------------------------------------- */

/* SQLite keeps the locks of a process in globals of its own. A child that opens a file which its
 * parent had open at the fork takes no lock of its own, and what it commits is lost as soon as the
 * parent has gone. So, the only globals here: who has how many connections open. */
static _Atomic int open_count;
static _Atomic pid_t open_pid;

static int check_fork(lbi_db *db)
{
    if (open_count > 0 && open_pid != getpid())
        return lbi_fail(&db->error, LB_E_FORKED,
                        "a database was open when this process was forked, which SQLite does not "
                        "bear: fork before the first operation, or exec");
    return 0;
}

int lbi_db_open(lbi_db *db, bool create)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (create ? SQLITE_OPEN_CREATE : 0);
    int rc, r = check_fork(db);

    if (r == 0 && lbi_file_look(db->path) == LBI_FILE_OTHER)
        r = lbi_fail(&db->error, LB_E_IO, "'%.100s' is not an ordinary file", db->name);
    if (r < 0)
        return r;
    rc = sqlite3_open_v2(db->path, &db->handle, flags, NULL);
    if (db->handle) {
        open_pid = getpid();
        open_count++;
    }
    if (rc == SQLITE_OK) {
        (void)sqlite3_extended_result_codes(db->handle, 1);
        db->readonly = sqlite3_db_readonly(db->handle, "main") == 1;
        r = lbi_db_script(db, settings);
    } else {
        r = fail_open(db, rc, create);
    }
    if (r < 0)
        lbi_db_close(db);
    return r;
}

/* SQLITE_FCNTL_JOURNAL_POINTER names the write-ahead log while one is in use. */
static bool has_large_log(lbi_db *db)
{
    sqlite3_file *file = NULL;
    sqlite3_int64 size = 0;

    if (sqlite3_file_control(db->handle, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file) !=
            SQLITE_OK ||
        !file || !file->pMethods || file->pMethods->xFileSize(file, &size) != SQLITE_OK)
        return false;
    return size > CLOSE_CHECKPOINT_MAX;
}

void lbi_db_close(lbi_db *db)
{
    if (!db->handle)
        return;
    for (size_t i = 0; i < LBI_SQL_COUNT_OF; i++) {
        (void)sqlite3_finalize(db->statements[i]);
        db->statements[i] = NULL;
    }
    if (has_large_log(db))
        (void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    (void)sqlite3_close(db->handle);
    open_count--;
    db->handle = NULL;
}

bool lbi_db_moved(lbi_db *db)
{
    int moved = 0;

    return sqlite3_file_control(db->handle, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK &&
           moved;
}

/* ---- Statements ----------------------------------------------------------------------------- */

bool lbi_db_in_transaction(const lbi_db *db)
{
    return db->handle && !sqlite3_get_autocommit(db->handle);
}

static int get(lbi_db *db, lbi_sql sql, sqlite3_stmt **ret)
{
    sqlite3_stmt **slot = &db->statements[sql];
    int rc = SQLITE_OK;

    if (!*slot)
        rc = sqlite3_prepare_v3(db->handle, texts[sql], -1, SQLITE_PREPARE_PERSISTENT, slot, NULL);
    *ret = *slot;
    return rc == SQLITE_OK ? 0 : lbi_db_fail(db, rc);
}

/* Binding cannot fail: the texts are not copied, and the statement is always reset before. */
static void bind(sqlite3_stmt *statement, const lbi_arg *args, int n)
{
    for (int i = 0; i < n; i++) {
        if (args[i].text)
            (void)sqlite3_bind_text(statement, i + 1, args[i].text, -1, SQLITE_STATIC);
        else
            (void)sqlite3_bind_int64(statement, i + 1, args[i].number);
    }
}

int lbi_db_begin_args(lbi_db *db, lbi_sql sql, sqlite3_stmt **ret, const lbi_arg *args, int n)
{
    int r = get(db, sql, ret);

    if (r < 0)
        return r;
    bind(*ret, args, n);
    return 0;
}

int lbi_db_step(lbi_db *db, sqlite3_stmt *statement)
{
    int rc = sqlite3_step(statement);
    int r = 0;

    if (rc == SQLITE_ROW)
        return 1;
    if (rc != SQLITE_DONE)
        r = lbi_db_fail(db, rc);
    lbi_db_end(statement);
    return r;
}

void lbi_db_end(sqlite3_stmt *statement)
{
    (void)sqlite3_reset(statement); /* repeats the error of the step, if there was one */
}

int lbi_db_first_args(lbi_db *db, lbi_sql sql, sqlite3_stmt **ret, const lbi_arg *args, int n)
{
    int r = lbi_db_begin_args(db, sql, ret, args, n);

    return r < 0 ? r : lbi_db_step(db, *ret);
}

int lbi_db_run_args(lbi_db *db, lbi_sql sql, const lbi_arg *args, int n)
{
    sqlite3_stmt *statement;
    int r = lbi_db_first_args(db, sql, &statement, args, n);

    if (r > 0)
        lbi_db_end(statement);
    return r < 0 ? r : sqlite3_changes(db->handle);
}

int lbi_db_do(lbi_db *db, lbi_sql sql)
{
    return lbi_db_run_args(db, sql, NULL, 0);
}

int lbi_db_script(lbi_db *db, const char *sql)
{
    int rc = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);

    return rc == SQLITE_OK ? 0 : lbi_db_fail(db, rc);
}

int lbi_db_pragma(lbi_db *db, const char *sql, int64_t *ret)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(db->handle, sql, -1, &statement, NULL);

    *ret = 0;
    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        *ret = sqlite3_column_int64(statement, 0);
    rc = rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : lbi_db_fail(db, rc);
    (void)sqlite3_finalize(statement);
    return rc;
}

void lbi_db_rollback(lbi_db *db)
{
    lb_error kept = db->error;

    if (!lbi_db_in_transaction(db))
        return;
    /* The prepared one may still have to be made, which takes memory that may be what failed. */
    if (lbi_db_do(db, LBI_SQL_ROLLBACK) < 0 && lbi_db_in_transaction(db))
        lbi_db_close(db);
    db->error = kept;
}

void lbi_db_text(sqlite3_stmt *statement, int column, char *ret, size_t size)
{
    /* As a blob: asking for text may need memory for a NUL at its end. */
    const char *text = sqlite3_column_blob(statement, column);
    size_t len = text ? (size_t)sqlite3_column_bytes(statement, column) : 0;

    if (len > size - 1)
        len = size - 1;
    if (len)
        memcpy(ret, text, len);
    ret[len] = '\0';
}

int lbi_db_checkpoint(lbi_db *db, bool restart)
{
    int mode = restart ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE;
    int rc = sqlite3_wal_checkpoint_v2(db->handle, "main", mode, NULL, NULL);

    return rc == SQLITE_OK ? 0 : lbi_db_fail(db, rc);
}

const char *lbi_db_log_name(const lbi_db *db)
{
    return sqlite3_filename_wal(sqlite3_db_filename(db->handle, "main"));
}
