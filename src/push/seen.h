/* Which publications a proxy has had in the last minute: it drops those it gets again, so that
 * they have to be told another way. Answers may be wrong in one direction only: "had", and for
 * up to two minutes. */
#ifndef LBI_PUSH_SEEN_H
#define LBI_PUSH_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of one minute: open addressing, 0 = free. */
typedef struct lbi_seen_table {
    uint64_t *hashes;
    size_t n, size;
} lbi_seen_table;

typedef struct lbi_seen {
    lbi_seen_table now, before;
    uint64_t turn_us; /* when `now` becomes `before` */
    bool full;        /* something could not be kept: everything counts as had */
} lbi_seen;           /* all zero = nothing */

void lbi_seen_done(lbi_seen *seen);
void lbi_seen_add(lbi_seen *seen, const char *channel, const char *id, uint64_t now_us);
bool lbi_seen_has(lbi_seen *seen, const char *channel, const char *id, uint64_t now_us);

#endif
