#include "push/seen.h"

#include <stdlib.h>
#include <string.h>

/* A little more than the minute for which a proxy remembers. */
#define TURN_US UINT64_C(65000000)

enum { FIRST_SIZE = 256, MAX_SIZE = 1 << 20 };

void lbi_seen_done(lbi_seen *seen)
{
    free(seen->now.hashes);
    free(seen->before.hashes);
    memset(seen, 0, sizeof *seen);
}

static uint64_t hash_text(uint64_t hash, const char *text)
{
    do {
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    } while (*text++);
    return hash;
}

/* FNV-1a. Who makes two collide gets a hint instead of a content, nothing worse. */
static uint64_t hash_of(const char *channel, const char *id)
{
    uint64_t hash = hash_text(hash_text(UINT64_C(0xcbf29ce484222325), channel), id);

    hash ^= hash >> 32;
    return hash ? hash : 1;
}

static uint64_t *place_of(const lbi_seen_table *table, uint64_t hash)
{
    size_t at = hash & (table->size - 1);

    while (table->hashes[at] && table->hashes[at] != hash)
        at = (at + 1) & (table->size - 1);
    return &table->hashes[at];
}

static bool has(const lbi_seen_table *table, uint64_t hash)
{
    return table->n > 0 && *place_of(table, hash) == hash;
}

static bool grow(lbi_seen_table *table)
{
    lbi_seen_table wider = {.n = table->n, .size = table->size ? table->size * 2 : FIRST_SIZE};

    if (wider.size > MAX_SIZE)
        return false;
    wider.hashes = calloc(wider.size, sizeof *wider.hashes);
    if (!wider.hashes)
        return false;
    for (size_t i = 0; i < table->size; i++) {
        if (table->hashes[i])
            *place_of(&wider, table->hashes[i]) = table->hashes[i];
    }
    free(table->hashes);
    *table = wider;
    return true;
}

static void turn(lbi_seen *seen, uint64_t now_us)
{
    if (now_us < seen->turn_us)
        return;
    free(seen->before.hashes);
    seen->before = seen->now;
    memset(&seen->now, 0, sizeof seen->now);
    /* After a pause the older half is out of date, too. */
    if (seen->turn_us == 0 || now_us - seen->turn_us >= TURN_US) {
        free(seen->before.hashes);
        memset(&seen->before, 0, sizeof seen->before);
    }
    seen->full = false;
    seen->turn_us = now_us + TURN_US;
}

void lbi_seen_add(lbi_seen *seen, const char *channel, const char *id, uint64_t now_us)
{
    uint64_t hash = hash_of(channel, id), *place;

    turn(seen, now_us);
    if (seen->now.n * 2 >= seen->now.size && !grow(&seen->now)) {
        seen->full = true;
        return;
    }
    place = place_of(&seen->now, hash);
    if (!*place)
        seen->now.n++;
    *place = hash;
}

bool lbi_seen_has(lbi_seen *seen, const char *channel, const char *id, uint64_t now_us)
{
    uint64_t hash = hash_of(channel, id);

    turn(seen, now_us);
    return seen->full || has(&seen->now, hash) || has(&seen->before, hash);
}
