/* What an origin answers so that the proxy in front of it holds the connection and subscribes it
 * to a channel, and what the proxy asks when a listener may have missed something.
 *
 * A listener has everything up to prev_id. When the next publication is chained to another id, or
 * after timeout_s without any, the proxy requests the next link, with Grip-Last instead of the
 * listener's own fields: the answer is another hold, with what is new or with nothing. */
#ifndef LBI_PUSH_GRIP_HOLD_H
#define LBI_PUSH_GRIP_HOLD_H

#include "leaderboard.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    LBI_GRIP_CHANNEL_MAX = 128,
    LBI_GRIP_ID_MAX = 64,
    LBI_GRIP_PREFIX_MAX = LBI_GRIP_CHANNEL_MAX - LB_BOARD_MAX
};

/* Characters that neither a header field nor Grip-Channel has a meaning for: [A-Za-z0-9._~:=-], in
 * a channel also / and @. Return 0 or LB_E_INVAL. */
int lbi_grip_channel_check(const char *channel, lb_error *reterr);
int lbi_grip_id_check(const char *id, lb_error *reterr);
int lbi_grip_prefix_check(const char *prefix, lb_error *reterr); /* of channels; may be empty */

/* The channel of a board. The prefix is one that was checked. */
void lbi_grip_channel(const char *prefix, const char *board, char ret[LBI_GRIP_CHANNEL_MAX + 1]);

typedef struct lbi_grip_hold {
    const char *channel;
    const char *prev_id;   /* of what the body holds */
    const char *next;      /* path and query of the next link */
    unsigned timeout_s;    /* without traffic until the next link is requested */
    unsigned keep_alive_s; /* between two comments on a silent stream; 0 = none */
} lbi_grip_hold;

typedef struct lbi_grip_field {
    const char *name;
    char value[512];
} lbi_grip_field;

typedef struct lbi_grip_fields {
    lbi_grip_field field[4];
    size_t n;
} lbi_grip_fields;

/* The fields of a held event stream, for an answer 200 with an event stream as its body: never for
 * HEAD, for an error, or where lbi_grip_check() says LBI_GRIP_DIRECT.
 * Returns 0, LB_E_INVAL (channel, id or link are none). */
int lbi_grip_hold_fields(const lbi_grip_hold *hold, lbi_grip_fields *ret);

/* The id that a Grip-Last field (several lines joined by commas) tells for the channel. False:
 * it tells none. */
bool lbi_grip_last(const char *field, const char *channel, char ret[LBI_GRIP_ID_MAX + 1]);

#endif
