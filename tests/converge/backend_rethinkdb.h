/* What the two files of the RethinkDB backend share. */
#ifndef CONVERGE_BACKEND_RETHINKDB_H
#define CONVERGE_BACKEND_RETHINKDB_H

#include "backend.h"
#include "reql_drive.h"

/* A query of somebody else, formatted, on the run's database. Returns 0 or LB_E_...; o may be
 * NULL. */
int rdb_query(struct drive *d, struct outcome *o, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A drive on the server as its administrator; ends with rdb_close(). */
struct drive *rdb_open(void);
void rdb_close(struct drive *d);

/* The run's database. */
const char *rdb_name(void);

/* One trouble of an operator, from beginning to end. */
void rdb_operate(const run_plan *plan, rng *random);

#endif
