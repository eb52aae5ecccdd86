/* The test store: the model behind the asynchronous interface of a store, with everything that a
 * slow, distant or dying store does, on demand, seeded and so repeatable.
 *
 * Stores made in the same thread between model_world_open() and model_world_close() share one
 * model, as processes share a database. */
#ifndef MODEL_STORE_H
#define MODEL_STORE_H

#include "model.h"

typedef struct model_faults {
    uint64_t seed;
    unsigned delay;      /* turns of process() before sending and before the answer, at most */
    bool reorder;        /* requests that do not depend on each other overtake */
    unsigned disconnect; /* the connection is lost one turn in so many; 0 = never */
    unsigned feed_reset; /* a feed starts again one event in so many; 0 = never */
    unsigned feed_twice; /* a change is given twice, likewise */
    unsigned feed_stray; /* a player that never was is removed, likewise */
    size_t delete_step;  /* rows that a step of a deletion removes; 0 = all */
    bool stall;          /* nothing is sent or answered; time still runs out */
    bool hold;           /* nothing is answered: what was sent is not known to be applied */
} model_faults;

/* How often each happened. */
typedef struct model_counts {
    unsigned disconnects, unknown_applied, unknown_lost, failed, overtaken;
    unsigned feed_resets, feed_twices, feed_strays;
} model_counts;

void model_world_open(const model_faults *faults);
void model_world_close(void);

/* Of this thread's world; faults may be changed at any time. */
model_faults *model_world_faults(void);
const model_counts *model_world_counts(void);
model *model_world_model(void);

/* The connections of all stores are lost at their next turn. */
void model_world_disconnect(void);

/* An lbi_store_new_fn. */
int model_store_new(const lbi_store_config *config, lbi_store **ret, lb_error *reterr);

/* A client of this thread's world; opts may be NULL. Must succeed. */
lb_client *model_client(const lb_options *opts);

/* A small generator of random numbers: 0..n-1. */
uint64_t model_random(uint64_t *state, uint64_t n);

#endif
