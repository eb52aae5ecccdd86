/* What differs from store to store: how a database is named, what others write into it, how its
 * truth is read, and what can befall it. */
#ifndef CONVERGE_BACKEND_H
#define CONVERGE_BACKEND_H

#include "plan.h"
#include "rows.h"

/* What others write. @ is a board, the same throughout, and & any; # any player; $ a digit. */
typedef struct statement {
    int what;    /* COUNT_... */
    int trouble; /* that has to be allowed, or -1 */
    unsigned weight;
    const char *text;
} statement;

/* Where nothing else is said: in a process of a run, in the directory of the run. */
typedef struct backend {
    const char *name;
    unsigned lacks; /* bits: what cannot befall it */
    /* A row keeps the direction that its board had when it was written, and a board that is made
     * again may have rows of both. */
    bool mixes_directions;
    const statement *statements;
    size_t n_statements;

    /* In the driver, before the first run and after the last. begin() returns NULL, or why the
     * store cannot be had here. */
    const char *(*begin)(void);
    void (*end)(void);

    const char *(*url)(part_kind kind);
    bool (*exists)(void);
    void (*forget)(void); /* removes the database */

    /* A connection as others have one; NULL: there is no database. exec() returns false if the
     * statement was refused, or may not have been done. */
    void *(*open)(void);
    bool (*exec)(void *connection, const statement *s, const char *text);
    void (*close)(void *connection);

    void (*truth_read)(truth *t);
    void (*check)(void); /* is everything as the library's own rules have it? */

    /* May an operation end so for what befalls the server? */
    bool (*excuses)(int code);

    /* The rest is NULL where there is no server. */
    void (*operate)(const run_plan *plan, rng *random); /* breaks it and mends it */
    void (*restart)(void);                              /* in the driver */
    void (*cut)(void);                                  /* all connections of this process */
} backend;

extern const backend backend_sqlite, backend_rethinkdb;

/* Of this process. */
extern const backend *store;

/* Returns false if there is none of that name. */
bool store_choose(const char *name);

/* ---- shell.c -------------------------------------------------------------------------------- */

/* Draws a statement and runs it. */
void shell_next(void *connection, const run_plan *plan, rng *random);

#endif
