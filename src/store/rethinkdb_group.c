/* A batch is filled: the requests of one player are a group, in their order. */
#include "store/rethinkdb.h"

#include <stddef.h>
#include <string.h>

bool lbi_rdb_creates(const lbi_request *request)
{
    switch (request->verb) {
    case LBI_PLAYER_PUT:
    case LBI_PLAYER_RESTORE:
        return true;
    case LBI_PLAYER_REMOVE:
        return false;
    default:
        return request->flags & LBI_CREATE;
    }
}

/* The slot of a player: taken by its group, or free. */
static uint16_t *find_slot(lbi_rdb_batch *batch, const char *player)
{
    uint32_t hash = UINT32_C(2166136261);

    for (const char *p = player; *p; p++)
        hash = (hash ^ (unsigned char)*p) * UINT32_C(16777619);
    for (;; hash++) {
        uint16_t *slot = &batch->slots[hash % LBI_RDB_SLOTS];

        if (*slot == 0 ||
            strcmp(batch->requests[batch->groups[*slot - 1].first]->player, player) == 0)
            return slot;
    }
}

lbi_rdb_group *lbi_rdb_batch_find(lbi_rdb_batch *batch, const char *player)
{
    uint16_t *slot = find_slot(batch, player);

    return *slot ? &batch->groups[*slot - 1] : NULL;
}

/* A player that is removed gets nothing more in this batch: the fold never creates. */
static bool fits(const lbi_rdb_batch *batch, const lbi_rdb_group *group, const lbi_request *request)
{
    if (!group)
        return batch->n_groups < LBI_RDB_PLAYERS &&
               (batch->n == 0 || batch->creates == lbi_rdb_creates(request));
    if (group->removes || request->verb == LBI_PLAYER_REMOVE)
        return false;
    return batch->creates || !lbi_rdb_creates(request);
}

static void add_to_group(lbi_rdb_batch *batch, uint16_t *slot, uint16_t place)
{
    lbi_rdb_group *group;

    if (*slot) {
        group = &batch->groups[*slot - 1];
        batch->follows[group->last] = place;
        batch->single = false;
    } else {
        group = &batch->groups[batch->n_groups++];
        *group = (lbi_rdb_group){.first = place};
        *slot = (uint16_t)batch->n_groups;
    }
    group->last = place;
    group->removes = batch->requests[place]->verb == LBI_PLAYER_REMOVE;
}

void lbi_rdb_batch_clear(lbi_rdb_batch *batch)
{
    memset(batch, 0, offsetof(lbi_rdb_batch, groups));
}

bool lbi_rdb_batch_take(lbi_rdb_batch *batch, lbi_request *request)
{
    uint16_t place = (uint16_t)batch->n, *slot;

    if (batch->n == LBI_RDB_REQUESTS)
        return false;
    slot = find_slot(batch, request->player);
    if (!fits(batch, *slot ? &batch->groups[*slot - 1] : NULL, request))
        return false;
    if (batch->n == 0) {
        batch->creates = lbi_rdb_creates(request);
        batch->single = true;
    }
    batch->requests[batch->n++] = request;
    batch->follows[place] = 0;
    batch->mixed |= request->verb != LBI_SCORE_ADD;
    batch->keyed |= request->key[0] != '\0';
    add_to_group(batch, slot, place);
    return true;
}
