/* One real RethinkDB for all tests of a program, and a database of its own for each of them. The
 * server starts before main() and ends with the program. */
#ifndef RETHINKDB_LIVE_H
#define RETHINKDB_LIVE_H

#include "reql_server.h"

/* The URL of a database that does not exist yet, static; skips the test without rethinkdb. */
const char *rethinkdb_live_url(void);

/* The port of the server. */
unsigned rethinkdb_live_port(void);

/* The name of that database. */
const char *rethinkdb_live_database(void);

/* Somebody else's query, with that database as the default one: a term in JSON, formatted. Returns
 * the first value as far as it is text or a number ("" otherwise), static. Must succeed. */
const char *rethinkdb_live_query(unsigned port, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
