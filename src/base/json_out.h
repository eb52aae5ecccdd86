/* What boards and players look like in answers and events. */
#ifndef LBI_BASE_JSON_OUT_H
#define LBI_BASE_JSON_OUT_H

#include "base/buf.h"
#include "leaderboard.h"

enum { LBI_JSON_MAX = 4 * 1024 * 1024 }; /* LB_LIMIT_MAX rows, every character escaped */

void lbi_put_player(lbi_buf *buf, const lb_player *player);
void lbi_put_board(lbi_buf *buf, const lb_board *board);

/* {"players":[ … ]} and {"boards":[ … ]}. */
void lbi_put_list_begin(lbi_buf *buf, const char *name);
void lbi_put_list_end(lbi_buf *buf);

/* {"error":{"code":…,"message":…}} */
void lbi_put_error(lbi_buf *buf, const char *code, const char *message);

#endif
