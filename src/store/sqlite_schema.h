/* The tables, and the triggers that keep them right whoever writes. */
#ifndef LBI_STORE_SQLITE_SCHEMA_H
#define LBI_STORE_SQLITE_SCHEMA_H

#include "store/sqlite_db.h"

#define LBI_SCHEMA_VERSION 1
#define LBI_APPLICATION_ID 0x4c424431 /* "LBD1" */

/* Makes an opened database ready for use: checks what is there, or, with create, makes what is
 * not. Also switches to write-ahead logging and sets the durability.
 * Returns 0, LB_E_BUSY (nothing done, open it again), LB_E_NOTFOUND (an empty file and not
 * create), LB_E_UNSUPPORTED (of a newer version), LB_E_CONFLICT (somebody else's tables). */
int lbi_schema_prepare(lbi_db *db, bool create, int durability);

#endif
