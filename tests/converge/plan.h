/* What a run consists of: drawn from its seed, so that the seed is all there is to repeat it. */
#ifndef CONVERGE_PLAN_H
#define CONVERGE_PLAN_H

#include "shared.h"

/* Kinds of trouble that a run can be told to leave out. */
#define TROUBLE_MAP(X)                                                                             \
    X(KILLS, "kills")                                                                              \
    X(WATCHER_KILLS, "watcher-kills")                                                              \
    X(STALLS, "stalls")                                                                            \
    X(DEAF, "deaf")                                                                                \
    X(SHORT_LOG, "short-log")                                                                      \
    X(CHECKPOINTS, "checkpoints")                                                                  \
    X(VACUUM, "vacuum")                                                                            \
    X(CHURN, "churn")                                                                              \
    X(OUTSIDE, "outside")                                                                          \
    X(BOARDS, "boards")                                                                            \
    X(BIG, "big")                                                                                  \
    X(KEYS, "keys")                                                                                \
    X(PAUSES, "pauses")                                                                            \
    X(BAD_ROWS, "bad-rows")                                                                        \
    X(CUTS, "cuts")                                                                                \
    X(SERVER_KILLS, "server-kills")                                                                \
    X(LONG_DOWN, "long-down")                                                                      \
    X(SERVER_HOLDS, "server-holds")                                                                \
    X(RESHARD, "reshard")                                                                          \
    X(PERMISSION, "permission")                                                                    \
    X(INDEX, "index")                                                                              \
    X(QUERY_KILLS, "query-kills")                                                                  \
    X(FLOODS, "floods")

enum {
#define TROUBLE_ENUM(name, text) TROUBLE_##name,
    TROUBLE_MAP(TROUBLE_ENUM)
#undef TROUBLE_ENUM
        N_TROUBLES
};

/* What is an operator's doing. */
enum {
    OPERATOR_TROUBLES = 1U << TROUBLE_SERVER_KILLS | 1U << TROUBLE_SERVER_HOLDS |
                        1U << TROUBLE_RESHARD | 1U << TROUBLE_PERMISSION | 1U << TROUBLE_INDEX |
                        1U << TROUBLE_QUERY_KILLS | 1U << TROUBLE_FLOODS,
};

extern const char *const trouble_names[N_TROUBLES];

/* At most so much of each; what the seed says otherwise. To make a failing run smaller. */
typedef struct run_limits {
    unsigned ops, writers, shells, watchers, tails, subs;
    unsigned without; /* bits: 1 << TROUBLE_... */
    unsigned wait_ms; /* until a subscriber must hold the store's state */
} run_limits;

#define NO_LIMITS                                                                                  \
    (run_limits)                                                                                   \
    {                                                                                              \
        .ops = 1000, .writers = 9, .shells = 9, .watchers = 9, .tails = 9, .subs = 99,             \
        .wait_ms = 20000                                                                           \
    }

typedef struct run_plan {
    uint64_t seed;
    run_limits limits;
    unsigned writers, shells, watchers;
    unsigned operators;  /* 0 or 1 */
    unsigned tails;      /* single statements at the end, each waited for */
    uint32_t change_log; /* 0 = the default */
    bool in_memory;      /* the directory is on a tmpfs */
    bool watchers_first; /* they have subscribed before the first write */
    bool no_file;        /* to begin with: found by the poll, which takes its time */
} run_plan;

/* An operator breaks the server and mends it. */
typedef enum part_kind { WRITER, SHELL, WATCHER, OPERATOR } part_kind;

/* What one process does. */
typedef struct run_part {
    part_kind kind;
    char name[24];
    rng random;
    unsigned ops;
    unsigned pause_percent; /* of the turns: lets up to 3 ms pass */
    unsigned subs;          /* to begin with */
    unsigned stall_percent;
    bool asleep; /* does nothing from its first turn to the end of all writes */
    bool churns;
    bool deaf;            /* no inotify instance */
    bool no_watches;      /* no inotify watch */
    unsigned die_us;      /* killed so long after its start; 0 = not */
    unsigned cut_percent; /* of the turns: its connections are cut */
    rng cuts;
} run_part;

run_plan plan_make(uint64_t seed, const run_limits *limits);
unsigned plan_parts(const run_plan *plan);

/* `life` counts up when a process is restarted. */
run_part plan_part(const run_plan *plan, unsigned index, unsigned life);

bool plan_has(const run_plan *plan, int trouble);

#endif
