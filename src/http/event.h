/* Bytes that many streams send, in one copy. */
#ifndef LBI_HTTP_EVENT_H
#define LBI_HTTP_EVENT_H

#include "base/buf.h"
#include "leaderboard.h"

typedef struct lbi_event {
    size_t refs, size;
    char state[LB_STATE_SIZE]; /* the id of the event, "" = it has none */
    char bytes[];
} lbi_event;

/* A copy of the contents of buf; NULL if that has failed, or out of memory. */
lbi_event *lbi_event_new(const lbi_buf *buf, const char *state);
lbi_event *lbi_event_ref(lbi_event *event);
lbi_event *lbi_event_unref(lbi_event *event); /* takes NULL, returns NULL */

/* lbi_sse_put_update(). */
lbi_event *lbi_event_update(const char *json, size_t size, const char *state);

#endif
