/* What live tests under faults share: clients that add and keep account of what they were
 * answered, clients that watch, and a loop that runs them all. */
#ifndef PARTY_H
#define PARTY_H

#include "capture.h"

/* ---- Clients -------------------------------------------------------------------------------- */

enum { PARTY_MOST = 64, PLAYERS_MOST = 8 };

/* A client with what it noticed, and a subscriber. */
typedef struct watcher {
    lb_client *client;
    mirror m;
    int notices[8];
    uint64_t first_us[8]; /* when the first of a kind came since forget_notices() */
    char notice[256];     /* the last one */
} watcher;

/* opts may be NULL; database and notice are set here, an operation has 20 s unless it says so. */
void watcher_open(watcher *w, const char *url, const lb_options *opts);
void watcher_follow(watcher *w, const char *board);
void watcher_forget_notices(watcher *w);
void watcher_close(watcher *w);

/* What a player must have: what was answered as done, and perhaps what is in doubt. */
typedef struct account {
    char player[LB_PLAYER_MAX + 1];
    int64_t done, doubtful;
} account;

/* Adds to players of its own on the board "b". With keys it repeats what is in doubt, or late, with
 * the same key until that is done. */
typedef struct adder {
    watcher w;
    unsigned id, n_players;
    bool keyed, existing; /* existing: does not ask for players to be created */
    account accounts[PLAYERS_MOST];
    unsigned started, pending, done, doubtful, late, repeated;
    char message[256]; /* of the last one that was not done */
    uint64_t fence_us; /* see adder_fence() */
    uint64_t
        after_us; /* when the first one that was started after the fence was done; 0 = not yet */
} adder;

void adder_open(adder *a, const char *url, const lb_options *opts, unsigned id, unsigned n_players,
                bool keyed);

/* Starts adds until so many are under way. */
void adder_fill(adder *a, unsigned ahead);

/* Looks from now on for an add that is started now or later to be done. */
void adder_fence(adder *a);

/* Each score is what the account says, as read by anybody. Returns how many points came from what
 * was in doubt. */
int64_t adder_check(const adder *a, const row_list *rows);
void adder_close(adder *a);

/* ---- The loop ------------------------------------------------------------------------------- */

typedef struct party {
    lb_client *clients[PARTY_MOST];
    size_t n;
    uint64_t turns; /* of the loop */
} party;

void party_join(party *p, lb_client *client);

/* Runs all of them until it is true, at most `most_s` seconds: then the test fails, and says what it
 * waited for. */
void party_run(party *p, bool (*is_true)(void *user), void *user, unsigned most_s,
               const char *what);

/* Runs all of them for so long. */
void party_run_for(party *p, unsigned ms);

/* All rows of "b", in big pages: what the accounts are checked against. Clear it. */
row_list party_read(lb_client *client);

/* Runs all until each watcher of "b" holds what the first of them reads there now. */
void party_converge(party *p, watcher *const *watchers, size_t n, unsigned most_s);

#endif
