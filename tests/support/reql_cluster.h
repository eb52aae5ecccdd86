/* Three real RethinkDB servers on loopback, joined in one cluster, in the test's own directory. */
#ifndef REQL_CLUSTER_H
#define REQL_CLUSTER_H

#include "reql_server.h"

enum { CLUSTER_SERVERS = 3 };

struct reql_cluster {
    struct reql_server servers[CLUSTER_SERVERS];
    char join[CLUSTER_SERVERS][32];
};

/* Skips the test where there is no rethinkdb on PATH. All three see each other when this returns. */
void reql_cluster_start(struct reql_cluster *c);

/* Starts the one that was stopped; it finds the others again. */
void reql_cluster_return(struct reql_cluster *c, size_t i);

void reql_cluster_stop(struct reql_cluster *c);

/* Somebody's query at this server, in JSON, formatted; `db` in it is a default database. Returns the
 * first value as far as it is text or a number ("" otherwise), static. Must succeed. */
const char *reql_cluster_query(const struct reql_cluster *c, size_t i, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Which server has the primary replica of the first shard of this table of the database `board`. */
size_t reql_cluster_primary(const struct reql_cluster *c, size_t ask, const char *table);

/* Waits until this table is whole: all of its replicas are ready. */
void reql_cluster_wait(const struct reql_cluster *c, size_t ask, const char *table);

#endif
