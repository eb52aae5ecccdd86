/* What doctor has found. */
#ifndef LBCTL_DOCTOR_H
#define LBCTL_DOCTOR_H

#include "lbctl_probe.h"

#include <limits.h>

#define LBCTL_FINDINGS_MAX 16

struct lbctl_finding {
    bool problem; /* or a warning */
    char text[400];
};

/* What the database says of itself. */
struct lbctl_fact {
    char name[32], value[512];
};

#define LBCTL_FACTS_MAX 16

struct lbctl_doctor {
    struct lbctl *ctl;
    char url[512]; /* without a password */
    const char *source;
    char path[PATH_MAX]; /* "" = the URL names no file */
    bool file_exists, counted, counted_all;
    int64_t size, wal_size; /* -1 = there is none */
    int64_t boards, players;
    bool missing; /* the database */
    lb_error missing_error;
    struct lbctl_probe probe;
    struct lbctl_fact facts[LBCTL_FACTS_MAX];
    size_t n_facts;
    struct lbctl_finding findings[LBCTL_FINDINGS_MAX];
    size_t n;
    bool sick;
};

/* lbctl_doctor_print.c */
void lbctl_doctor_print(const struct lbctl_doctor *d);
void lbctl_doctor_print_json(const struct lbctl_doctor *d);

#endif
