/* A process of a run that uses the library: its client, its subscribers, its writes. */
#ifndef CONVERGE_ACTOR_H
#define CONVERGE_ACTOR_H

#include "backend.h"

enum { SUBS_MAX = 40, TRAIL_LINES = 30, TRAIL_WIDTH = 100, TOP_ROOM = 8 };

typedef struct actor actor;

typedef enum sub_kind { SUB_BOARD, SUB_ALL, SUB_HINTS, SUB_ALL_HINTS, SUB_TOP } sub_kind;

/* Where a subscription stands in what the header promises. */
typedef enum sub_state { NOTHING_YET, FILLING, READY, GONE } sub_state;

/* A subscriber that does what the header says. Never freed before the end, so that a call after
 * its cancellation is seen. */
typedef struct sub {
    actor *actor;
    sub_kind kind;
    char board[LB_BOARD_MAX + 1]; /* "" = all */
    uint32_t top;
    lb_changes *handle;
    bool ended;
    sub_state state;
    row_set rows; /* of a top: in the order in which it was given */
    char top_state[LB_STATE_SIZE];
    bool reread; /* what it should have read again could not be read */
    char trail[TRAIL_LINES][TRAIL_WIDTH];
    size_t n_trail;
} sub;

struct actor {
    const run_plan *plan;
    run_part part;
    rng random;
    lb_client *client;
    sub *subs[SUBS_MAX];
    size_t n_subs;
    bool churns;
    unsigned ops_left, n_done;
    unsigned pending; /* operations that were started and have not ended */
};

/* ---- subs.c --------------------------------------------------------------------------------- */

/* A random one. Nothing if there is no room for more. */
void sub_open(actor *a);
void sub_free(sub *s);

/* Does it hold what the store does? Reads again what it could not. */
bool sub_agrees(sub *s, const truth *t);

/* Ends the process with how it differs. */
_Noreturn void sub_wrong(sub *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
_Noreturn void sub_explain(sub *s, const truth *t);

/* How many there are of each kind, counted. */
void sub_count(const sub *s);

/* ---- tops.c --------------------------------------------------------------------------------- */

/* Checks a delivered top and keeps it. */
void top_take(sub *s, const lb_change *change);
bool top_agrees(const sub *s, const truth *t);

/* For all processes of a run: equal rows have equal state ids, others different ones. */
void tops_compare(void);

/* ---- writer.c ------------------------------------------------------------------------------- */

extern const char *const board_ids[];
enum { N_BOARDS = 3, N_PLAYERS = 8 };

/* The next write of this process; inside: in a callback. */
void write_next(actor *a, bool inside);

/* ---- actor.c, wrap.c ------------------------------------------------------------------------ */

/* The whole life of a process of a run. Standard input has commands, standard output reports. */
int part_main(const run_plan *plan, unsigned index, unsigned life);

/* Commands and reports, one line or byte each. */
enum { SAY_SETTLE = 's', SAY_QUIT = 'q' };
#define REPORT_UP "up"
#define REPORT_DONE "done"
#define REPORT_HOLDS "holds"

/* An operator asks the driver for these: the server is its child, and so are the watchers. */
#define REPORT_RESTART "restart"
#define REPORT_STOP "stop"
#define REPORT_GO "go"

void report(const char *line);

/* From now on the library gets no inotify instances, or no watches. */
void make_deaf(bool instances, bool watches);

#endif
