/* Drives a ReQL connection in a test: a poller, a connection, and queries whose outcome is kept. */
#ifndef REQL_DRIVE_H
#define REQL_DRIVE_H

#include "os/poller.h"
#include "reql/conn.h"

struct drive {
    lbi_poller *poller;
    lbi_reql_conn *conn;
    unsigned events[3]; /* by kind */
    int event_code;
    char event_text[300];
};

/* What became of a query. */
struct outcome {
    unsigned calls, batches;
    bool done;
    int code;
    bool sent;
    int type;
    int64_t error;     /* of the server */
    unsigned n_values; /* of all batches */
    int64_t number;    /* the first value of the last batch, where it is one */
    char text[200];    /* the same for text */
    char message[300];
    int stop_after; /* batches; 0 = never */
    lbi_reql_fn also;
    void *also_user;
};

void drive_open(struct drive *d, const lbi_reql_options *options);
void drive_open_at(struct drive *d, const char *host, uint16_t port, const lbi_reql_options *more);
void drive_close(struct drive *d);

/* Runs the loop until *flag, or fails the test after a long time. */
void drive_until(struct drive *d, const bool *flag);
void drive_until_event(struct drive *d, int kind, unsigned count);

/* Runs the loop for as long. */
void drive_for(struct drive *d, unsigned ms);

uint64_t in_ms(unsigned ms);

lbi_reql_query *drive_submit(struct drive *d, const char *text, unsigned timeout_ms,
                             struct outcome *o);

/* Submits and waits. */
void drive_query(struct drive *d, const char *text, struct outcome *o);

/* The same, and it must succeed. */
struct outcome drive_ok(struct drive *d, const char *text);

int outcome_fn(const lbi_reql_reply *reply, void *user);

#endif
