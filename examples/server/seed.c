/* --seed: a board to begin with. */
#include "server.h"

#include <string.h>

static const char board[] = "default";

static const struct {
    const char *id, *name;
} players[] = {
    {"ts", "TS"}, {"brodie", "Brodie"}, {"brandi", "Brandi"}, {"rene", "Rene"}, {"stan", "Stan"},
};

enum { PLAYERS = sizeof players / sizeof players[0] };

struct found {
    unsigned players; /* bits: those that are there as they were put */
    bool other;       /* something else is there, too */
};

static int look(const lb_player *player, void *user)
{
    struct found *found = user;

    for (unsigned i = 0; i < PLAYERS; i++) {
        if (strcmp(player->id, players[i].id) == 0 && player->score == 0) {
            found->players |= 1U << i;
            return 0;
        }
    }
    found->other = true;
    return 0;
}

/* The players are put one after another. So a board that holds nothing but the first few of them,
 * untouched, is one that a crash has left half done; any other is somebody's. */
bool seed_board(lb_client *client)
{
    struct found found = {0, false};
    lb_range range;
    lb_error error;
    int r;

    lb_range_init(&range);
    range.limit = PLAYERS + 1;
    r = lb_board_get(client, board, &range, look, &found, &error);
    if (r == LB_E_NOTFOUND)
        r = lb_board_create(client, board, 0, NULL, NULL, &error);
    if (found.other || (found.players & (found.players + 1)) != 0)
        return true;
    for (unsigned i = 0; r >= 0 && i < PLAYERS; i++) {
        if (!(found.players & 1U << i))
            r = lb_player_put(client, board, players[i].id, players[i].name, NULL, NULL, &error);
    }
    if (r < 0)
        complain("--seed: %s", error.msg);
    return r >= 0;
}
