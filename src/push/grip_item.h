/* Publications as a proxy's control port takes them: {"items":[item,...]}. */
#ifndef LBI_PUSH_GRIP_ITEM_H
#define LBI_PUSH_GRIP_ITEM_H

#include "base/buf.h"

/* Bytes of a request's body: a proxy refuses more than 1,000,000. */
enum { LBI_GRIP_BODY_MAX = 950000 };

typedef enum lbi_grip_action {
    LBI_GRIP_CONTENT, /* for every listener's stream */
    LBI_GRIP_HINT,    /* every listener's next link is requested */
    LBI_GRIP_CLOSE    /* every listener's stream ends */
} lbi_grip_action;

/* What to do on the streams, as JSON: the same for every proxy, so it is made once.
 * Returns 0 or what sticks to the buffer; LB_E_INVAL: content is no UTF-8. */
int lbi_grip_formats_put(lbi_buf *buf, lbi_grip_action action, const char *content, size_t len);

typedef struct lbi_grip_item {
    const char *channel;
    const char *id, *prev_id; /* or "" */
    const char *formats;      /* of lbi_grip_formats_put() */
    size_t formats_len;
} lbi_grip_item;

/* A body in the making; buf was made with LBI_GRIP_BODY_MAX.
 * lbi_grip_body_add() returns 1 = added, 0 = does not fit, the body is as before, LB_E_NOMEM;
 * lbi_grip_body_end() 0 or LB_E_NOMEM. An item that was added leaves room for the end. */
int lbi_grip_body_add(lbi_buf *buf, const lbi_grip_item *item);
int lbi_grip_body_end(lbi_buf *buf);

#endif
