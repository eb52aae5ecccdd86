/* A SQLite store without a client, driven by hand, beside a bare connection that stands for
 * everybody else who writes to the file. */
#ifndef STORE_RIG_H
#define STORE_RIG_H

#include "store/store.h"

#include <sqlite3.h>

#define RIG_FILE "test.db"

typedef struct store_rig {
    lbi_poller *poller;
    lbi_store *store;
    lb_counters counters;
    int notices[4]; /* by kind */
    char last_notice[256];
} store_rig;

void rig_open(store_rig *rig);
void rig_open_with(store_rig *rig, const char *url, int durability, uint32_t change_log);
void rig_close(store_rig *rig);

/* A request, all defaults; it times out after 20 s. Freed by ask(). */
lbi_request *rig_request(lbi_verb verb, const char *board, const char *player);

/* Submits, and works until it is done. The answer stays until the next ask() or rig_close(). */
const lbi_request *rig_ask(store_rig *rig, lbi_request *request);

/* Short forms that give the code. */
int rig_board(store_rig *rig, const char *board, unsigned flags);
int rig_delete(store_rig *rig, const char *board);
int rig_add(store_rig *rig, const char *board, const char *player, int64_t amount); /* creates */
int rig_add_existing(store_rig *rig, const char *board, const char *player, int64_t amount);
const lb_player *rig_get(store_rig *rig, const char *board, const char *player); /* or NULL */

/* One turn: process, feeds, what the descriptors say; sleeps until something is due if `sleeps`. */
void rig_turn(store_rig *rig, bool sleeps);

/* SQL by a bare connection of its own. Returns "" or the error message, static. */
const char *rig_sql(const char *sql);
int64_t rig_number(const char *sql);
const char *rig_text(const char *sql); /* one value, static; "" for none */

/* What a feed has told, as its subscriber would hold it. */
typedef struct mirror_row {
    char board[LB_BOARD_MAX + 1], id[LB_PLAYER_MAX + 1], name[3 * LB_NAME_MAX + 1];
    int64_t score, reached_us;
} mirror_row;

typedef struct feed_mirror {
    store_rig *rig;
    lbi_feed *feed;
    char board[LB_BOARD_MAX + 1]; /* "" = all */
    mirror_row *rows;
    size_t n;
    int resets, readies, gones, changes;
    bool ready;
    char log[256];       /* the types, a letter each: R row=o Y C G, from the first on */
    mirror_row last_old; /* of the last change; id "" = there was none */
} feed_mirror;

void mirror_open(feed_mirror *mirror, store_rig *rig, const char *board);
void mirror_close(feed_mirror *mirror);

/* Works until the mirror holds what the file holds, or fails the test after 20 s. */
void mirror_settle(feed_mirror *mirror);

/* Does it? */
bool mirror_agrees(const feed_mirror *mirror);

#endif
