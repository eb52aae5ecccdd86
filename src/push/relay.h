/* The relay: has the tops of all boards that change published. */
#ifndef LBI_PUSH_RELAY_H
#define LBI_PUSH_RELAY_H

#include "base/heap.h"
#include "base/str.h"
#include "push/grip_hold.h"
#include "push/push.h"

typedef struct lbi_relay_job lbi_relay_job;

/* A board that is known. It rests, waits for its turn (its timer is set) or is read. */
typedef struct lbi_relay_board lbi_relay_board;

struct lb_relay {
    lb_relay *prev, *next;
    lb_client *client;
    lb_push *push;
    char prefix[LBI_GRIP_PREFIX_MAX + 1];
    uint32_t flags, limit;
    uint64_t interval_us;
    size_t max_boards, n_boards;
    lb_changes *changes;
    lbi_relay_board *boards;  /* by id */
    lbi_relay_board *resting; /* the one that is forgotten first in front */
    lbi_heap due;
    lbi_relay_job *jobs; /* operations that the client has */
    size_t n_reads, n_due;
    bool read_failing; /* that was said already */

    /* Boards are listed when some may have changed that are not known. */
    bool listing, list_again;
    uint64_t list_us; /* not before; LB_NEVER = it need not be done */
    char list_after[LB_BOARD_MAX + 1];
    uint64_t recover_us; /* when proxies are to be told of the boards that there is no room for */
    uint64_t recovered_us;

    /* lease.c */
    char lease[LB_BOARD_MAX + 1], holder[LBI_UUID_LEN + 1];
    bool leasing;
    bool lease_failing, standing_by; /* that was said already */
    uint64_t lease_next_us;          /* when to ask for it again */
    uint64_t lease_until_us;         /* ours until then */
    bool active;
    uint64_t active_us; /* since */
    int64_t active_wall_us;

    bool stopping, giving_up, stopped;
    uint64_t stop_us; /* at the latest */
    int stop_code;
    lb_relay_stopped_fn stopped_fn;
    void *stopped_user;
    lb_relay_counters counters;
};

/* An operation that the client has: it outlives the relay, whose client tells its end later. */
struct lbi_relay_job {
    lbi_relay_job *prev, *next;
    lb_relay *relay;        /* NULL: freed meanwhile */
    lbi_relay_board *board; /* of a read */
    lb_op *op;
    lbi_buf json;      /* of a read: the rows */
    int64_t newest_us; /* the latest reached_us of the rows */
    uint64_t begin_us;
    size_t n_boards; /* of a list */
    bool gives_up;   /* the lease */
    bool due;        /* a read that began after somebody has begun to wait for it */
};

lbi_relay_job *lbi_relay_job_new(lb_relay *relay);

/* The operation has ended. Returns its relay, NULL if that has been freed. */
lb_relay *lbi_relay_job_end(lbi_relay_job *job);

/* ---- relay.c ---- */

/* It becomes the active one: listeners are told to look, at everything. / It stands by again. */
void lbi_relay_activate(lb_relay *relay, uint64_t now_us);
void lbi_relay_deactivate(lb_relay *relay);

/* Says so, once. */
void lbi_relay_stand_by(lb_relay *relay);

/* ---- lease.c ---- */

int lbi_lease_init(lb_relay *relay, lb_error *reterr);
int lbi_lease_process(lb_relay *relay, uint64_t now_us);

/* After a pause another one may be active: asked before anything is published. */
bool lbi_lease_is_over(lb_relay *relay, uint64_t now_us);
uint64_t lbi_lease_deadline(const lb_relay *relay);

/* Gives it up; relay->leasing until that is done. */
void lbi_lease_give_up(lb_relay *relay);

#endif
