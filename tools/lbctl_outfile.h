/* A file that appears when it is complete. */
#ifndef LBCTL_OUTFILE_H
#define LBCTL_OUTFILE_H

#include <stdbool.h>
#include <stdio.h>

struct lbctl_outfile {
    FILE *out;
    char *path; /* what appears */
    char *temp; /* what is written; NULL = path is no regular file and is written itself */
};

/* False after saying why. Until the end a signal that ends the program removes what was written. */
bool lbctl_outfile_open(struct lbctl_outfile *file, const char *path);
/* Puts it where it belongs, on the disk; false after saying why. Frees everything. */
bool lbctl_outfile_commit(struct lbctl_outfile *file);
/* Removes what was written. Frees everything. */
void lbctl_outfile_drop(struct lbctl_outfile *file);

#endif
