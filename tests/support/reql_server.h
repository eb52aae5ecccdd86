/* A real RethinkDB on loopback, in the test's own directory. */
#ifndef REQL_SERVER_H
#define REQL_SERVER_H

#include <stdint.h>
#include <sys/types.h>

struct reql_server {
    uint16_t port, cluster_port;
    pid_t pid;            /* 0 = not running */
    const char *args[12]; /* further ones, NULL at the end */
};

/* Skips the test where there is no rethinkdb on PATH. Picks free ports, starts it and waits until
 * it is ready. */
void reql_server_start(struct reql_server *s);

/* The same ports and data again. */
void reql_server_restart(struct reql_server *s);

/* Stops it in its tracks, SIGCONT lets it go on. It is stopped when this returns. */
void reql_server_pause(struct reql_server *s);

/* Ends it with a signal and waits until it is gone. */
void reql_server_stop(struct reql_server *s, int signal);

#endif
