/* What the processes of a run share: counts, random numbers, and a history. */
#ifndef CONVERGE_SHARED_H
#define CONVERGE_SHARED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- Counts --------------------------------------------------------------------------------- */

/* Everything that is done to a store or a subscriber: group, name, text. */
#define COUNT_MAP(X)                                                                               \
    X(LIBRARY, ADD, "add")                                                                         \
    X(LIBRARY, SET, "set")                                                                         \
    X(LIBRARY, BEST, "keep-best")                                                                  \
    X(LIBRARY, PUT, "put or rename")                                                               \
    X(LIBRARY, REMOVE, "remove")                                                                   \
    X(LIBRARY, RESTORE, "restore")                                                                 \
    X(LIBRARY, BOARD_CREATE, "board create")                                                       \
    X(LIBRARY, BOARD_DELETE, "board delete")                                                       \
    X(LIBRARY, STARTED, "started, not waited for")                                                 \
    X(LIBRARY, CANCELLED, "cancelled")                                                             \
    X(OUTSIDE, INSERT, "INSERT")                                                                   \
    X(OUTSIDE, UPDATE_SCORE, "UPDATE score")                                                       \
    X(OUTSIDE, UPDATE_TIME, "UPDATE reached_us")                                                   \
    X(OUTSIDE, UPDATE_NAME, "UPDATE name")                                                         \
    X(OUTSIDE, UPDATE_ID, "UPDATE id")                                                             \
    X(OUTSIDE, UPDATE_BOARD, "UPDATE board")                                                       \
    X(OUTSIDE, REPLACE, "INSERT OR REPLACE")                                                       \
    X(OUTSIDE, UPDATE_REPLACE, "UPDATE OR REPLACE key")                                            \
    X(OUTSIDE, UPSERT, "upsert")                                                                   \
    X(OUTSIDE, DELETE, "DELETE")                                                                   \
    X(OUTSIDE, DELETE_BOARDS, "DELETE FROM boards")                                                \
    X(OUTSIDE, MARK_BOARD, "deletion marked")                                                      \
    X(OUTSIDE, INSERT_BOARD, "INSERT INTO boards")                                                 \
    X(OUTSIDE, MANY_ROWS, "of many rows")                                                          \
    X(OUTSIDE, BIG_BOARD, "hundreds of rows")                                                      \
    X(OUTSIDE, TRANSACTION, "of several statements")                                               \
    X(OUTSIDE, ROLLBACK, "rolled back")                                                            \
    X(OUTSIDE, BAD_SCORE, "bad score")                                                             \
    X(OUTSIDE, REFUSED, "refused")                                                                 \
    X(FAULT, KILL_WRITER, "writer killed")                                                         \
    X(FAULT, KILL_SHELL, "outside writer killed")                                                  \
    X(FAULT, KILL_WATCHER, "watcher killed and restarted")                                         \
    X(FAULT, STALL, "watcher stalled")                                                             \
    X(FAULT, ASLEEP, "watcher asleep to the end")                                                  \
    X(FAULT, NO_INOTIFY, "process without inotify")                                                \
    X(FAULT, NO_WATCH, "process refused a file watch")                                             \
    X(FAULT, CHECKPOINT, "checkpoint")                                                             \
    X(FAULT, VACUUM, "VACUUM")                                                                     \
    X(FAULT, TINY_LOG, "run with a log of a few rows")                                             \
    X(FAULT, TRIM, "log cut short")                                                                \
    X(FAULT, NO_FILE, "subscribed before there is a database")                                     \
    X(FAULT, CUT, "connections cut")                                                               \
    X(FAULT, KILL_SERVER, "server killed and restarted")                                           \
    X(FAULT, LONG_DOWN, "server down for seconds")                                                 \
    X(FAULT, HOLD_SERVER, "server stopped for a while")                                            \
    X(FAULT, RESHARD, "table resharded and back")                                                  \
    X(FAULT, REVOKE, "permission revoked and given back")                                          \
    X(FAULT, DROP_INDEX, "index dropped and made again")                                           \
    X(FAULT, KILL_QUERIES, "queries killed")                                                       \
    X(FAULT, FLOOD, "watchers stopped in a flood of writes")                                       \
    X(CALLBACK, SUBSCRIBE, "subscribed inside")                                                    \
    X(CALLBACK, CANCEL, "another cancelled inside")                                                \
    X(CALLBACK, CANCEL_SELF, "itself cancelled inside")                                            \
    X(CALLBACK, STOP, "ended by its result")                                                       \
    X(CALLBACK, WRITE, "written inside")                                                           \
    X(HEARD, RESETS, "RESET")                                                                      \
    X(HEARD, ROWS, "ROW")                                                                          \
    X(HEARD, READIES, "READY")                                                                     \
    X(HEARD, CHANGES, "CHANGE")                                                                    \
    X(HEARD, GONES, "GONE")                                                                        \
    X(HEARD, TOPS, "TOP")                                                                          \
    X(HEARD, GAPS, "gap")                                                                          \
    X(HEARD, RETRIES, "retry")                                                                     \
    X(HEARD, DOUBTS, "outcome unknown")                                                            \
    X(HEARD, FAILURES, "write not applied")                                                        \
    X(CHECK, BOARDS, "subscribers to a board")                                                     \
    X(CHECK, ALL, "to all boards")                                                                 \
    X(CHECK, HINTS, "without rows")                                                                \
    X(CHECK, ALL_HINTS, "to all boards without rows")                                              \
    X(CHECK, TOPS_HELD, "to tops")                                                                 \
    X(CHECK, STATES, "state ids compared")

enum {
#define COUNT_ENUM(group, name, text) COUNT_##name,
    COUNT_MAP(COUNT_ENUM)
#undef COUNT_ENUM
        N_COUNTS
};

/* Counts live in memory that outlasts a killed process. shared_make() returns a descriptor that
 * shared_join() in another process turns into the same memory. */
int shared_make(void);
void shared_join(int fd);

/* Where the server is, if the store has one. */
typedef struct server_place {
    unsigned port;
    _Atomic int pid; /* 0 = it is down */
} server_place;

server_place *shared_server(void);
void count(int what);
void count_more(int what, uint64_t n);
void print_counts(void);

/* ---- Random numbers ------------------------------------------------------------------------- */

typedef struct rng {
    uint64_t state;
} rng;

rng rng_make(uint64_t seed, uint64_t a, uint64_t b);
uint64_t rng_next(rng *r);
uint32_t rng_below(rng *r, uint32_t n);
bool rng_chance(rng *r, uint32_t percent);

/* ---- History -------------------------------------------------------------------------------- */

/* Of the run in whose directory the process is: one line each, in the order in which things were
 * begun, whoever did them. Survives a killed process. */
void history_open(const char *who);
void history_add(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- The rest ------------------------------------------------------------------------------- */

uint64_t now_us(void);

/* Ends a process of a run with what is wrong, which becomes the verdict of the run. */
_Noreturn void wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
