/* One kind of work against a RethinkDB server for some time: by our driver, or through the public
 * API. The other drivers' programs in peers/ take the same arguments and print the same line. */
#ifndef REQL_LOAD_H
#define REQL_LOAD_H

/* What precedes it, so that caches are warm and code is compiled, is not counted. */
#define LOAD_WARM_UP_US 300000

/* argv: DRIVER PORT DATABASE PLAYERS OPERATION IN_FLIGHT ROWS SECONDS. DRIVER is `driver` or `api`,
 * OPERATION `update`, `batch` (ROWS adds in one insert) or `top`. All is done on the board `b`.
 * Prints "OPERATIONS CPU_US WALL_US". */
int load_main(int argc, char **argv);

#endif
