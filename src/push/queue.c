#include "push/queue.h"

#include "base/error.h"
#include "base/list.h"
#include "base/map.h"
#include "base/str.h"
#include "push/grip_hold.h"

#include <stdlib.h>
#include <string.h>

/* Of each kind, so that neither waits for the other. */
enum { ITEMS_AT_ONCE = 250 };

/* What is known of a channel at this proxy. */
typedef struct lbi_slot {
    UT_hash_handle hh;
    struct lbi_slot *prev, *next; /* among the idle ones */
    lbi_entry *waiting;           /* the newest state */
    const void *owner;            /* of the state that came last */
    unsigned busy;                /* entries that point here */
    char last_id[LBI_GRIP_ID_MAX + 1];
    char channel[];
} lbi_slot;

/* ---- Publications --------------------------------------------------------------------------- */

static int check_message(const lb_push_message *m, lb_error *reterr)
{
    uint32_t kind = m->flags & (LB_PUSH_HINT | LB_PUSH_CLOSE);
    int r = lbi_grip_channel_check(m->channel, reterr);

    if (r == 0 && m->id)
        r = lbi_grip_id_check(m->id, reterr);
    if (r == 0 && m->prev_id)
        r = lbi_grip_id_check(m->prev_id, reterr);
    if (r < 0)
        return r;
    if (m->flags & ~(uint32_t)(LB_PUSH_LATEST | LB_PUSH_HINT | LB_PUSH_CLOSE))
        return lbi_fail(reterr, LB_E_INVAL, "flags are none of LB_PUSH_...");
    if (kind == (LB_PUSH_HINT | LB_PUSH_CLOSE))
        return lbi_fail(reterr, LB_E_INVAL, "a publication is either a hint or a close");
    if (kind && (m->content || m->id || m->prev_id))
        return lbi_fail(reterr, LB_E_INVAL, "a hint and a close have neither content nor ids");
    if (!kind && (!m->content || m->content_size == 0))
        return lbi_fail(reterr, LB_E_INVAL, "the content must not be empty");
    if (!kind && (m->flags & LB_PUSH_LATEST) && (!m->id || m->prev_id))
        return lbi_fail(reterr, LB_E_INVAL, "LB_PUSH_LATEST needs an id and no prev_id");
    return 0;
}

static lbi_grip_action action_of(const lb_push_message *m)
{
    if (m->flags & LB_PUSH_HINT)
        return LBI_GRIP_HINT;
    return m->flags & LB_PUSH_CLOSE ? LBI_GRIP_CLOSE : LBI_GRIP_CONTENT;
}

static const char *keep_text(char **at, const char *text, size_t len)
{
    char *kept = *at;

    memcpy(kept, text, len);
    kept[len] = '\0';
    *at += len + 1;
    return kept;
}

static int keep(const lb_push_message *m, const lbi_buf *formats, lbi_publication **ret,
                lb_error *reterr)
{
    const char *id = m->id ? m->id : "", *prev_id = m->prev_id ? m->prev_id : "";
    size_t size = strlen(m->channel) + strlen(id) + strlen(prev_id) + formats->len + 4;
    lbi_publication *p = malloc(sizeof *p + size);
    char *at;

    if (!p)
        return lbi_fail_nomem(reterr);
    *p = (lbi_publication){
        .refs = 1,
        .latest = (m->flags & LB_PUSH_LATEST) != 0,
        .action = action_of(m),
        .formats_len = formats->len,
        .size = sizeof *p + size,
    };
    at = p->text;
    p->channel = keep_text(&at, m->channel, strlen(m->channel));
    p->id = keep_text(&at, id, strlen(id));
    p->prev_id = keep_text(&at, prev_id, strlen(prev_id));
    p->formats = keep_text(&at, lbi_buf_bytes(formats), formats->len);
    *ret = p;
    return 0;
}

int lbi_publication_new(const lb_push_message *message, lbi_publication **ret, lb_error *reterr)
{
    lbi_buf formats;
    int r = check_message(message, reterr);

    if (r < 0)
        return r;
    lbi_buf_init(&formats, LB_PUSH_CONTENT_MAX + 64);
    r = lbi_grip_formats_put(&formats, action_of(message), message->content, message->content_size);
    if (r == 0)
        r = keep(message, &formats, ret, reterr);
    else if (r == LB_E_LIMIT)
        r = lbi_fail(reterr, r, "the content has more than %d bytes as JSON", LB_PUSH_CONTENT_MAX);
    else if (r == LB_E_INVAL)
        r = lbi_fail(reterr, r, "the content is no UTF-8");
    else
        r = lbi_fail_nomem(reterr);
    lbi_buf_done(&formats);
    return r;
}

void lbi_publication_unref(lbi_publication *publication)
{
    if (publication && --publication->refs == 0)
        free(publication);
}

/* ---- Channels ------------------------------------------------------------------------------- */

static void free_slot(lbi_queue *queue, lbi_slot *slot)
{
    HASH_DEL(queue->slots, slot);
    queue->n_slots--;
    free(slot);
}

static void release_slot(lbi_queue *queue, lbi_slot *slot)
{
    if (--slot->busy == 0)
        DL_APPEND(queue->idle, slot);
}

static void use_slot(lbi_queue *queue, lbi_slot *slot)
{
    if (slot->busy++ == 0)
        DL_DELETE(queue->idle, slot);
}

static lbi_slot *new_slot(lbi_queue *queue, const char *channel)
{
    size_t len = strlen(channel);
    lbi_slot *slot = calloc(1, sizeof *slot + len + 1);

    if (!slot)
        return NULL;
    lbi_copy(slot->channel, len + 1, channel);
    HASH_ADD_KEYPTR(hh, queue->slots, slot->channel, len, slot);
    if (lbi_map_failed(slot)) {
        free(slot);
        return NULL;
    }
    DL_APPEND(queue->idle, slot);
    queue->n_slots++;
    return slot;
}

/* ---- Entries -------------------------------------------------------------------------------- */

static void free_entry(lbi_entry *entry)
{
    lbi_publication_unref(entry->publication);
    free(entry);
}

static void count(lbi_queue *queue, const lbi_entry *entry)
{
    size_t size = sizeof *entry + entry->publication->size;

    queue->counters.waiting++;
    queue->n_due += entry->due;
    if (entry->publication->latest)
        queue->state_bytes += size;
    else
        queue->message_bytes += size;
}

static void uncount(lbi_queue *queue, const lbi_entry *entry)
{
    size_t size = sizeof *entry + entry->publication->size;

    queue->counters.waiting--;
    queue->n_due -= entry->due;
    if (entry->publication->latest)
        queue->state_bytes -= size;
    else
        queue->message_bytes -= size;
}

/* The end of an entry that is in no list any more. */
static void finish(lbi_queue *queue, lbi_entry *entry, int code, int status)
{
    if (entry->slot)
        release_slot(queue, entry->slot);
    entry->slot = NULL;
    uncount(queue, entry);
    entry->result = (lb_push_result){.proxy = queue->proxy, .code = code, .status = status};
    if (entry->publication->done)
        DL_APPEND(queue->results, entry);
    else
        free_entry(entry);
}

static void supersede(lbi_queue *queue, lbi_entry *entry)
{
    queue->counters.superseded++;
    finish(queue, entry, LB_E_CANCELED, 0);
}

/* What waits for an entry waits for the newer one of its channel. */
static void inherit(lbi_queue *queue, lbi_entry *newer, const lbi_entry *old)
{
    if (old->due && !newer->due) {
        newer->due = true;
        queue->n_due++;
    }
}

void lbi_queue_init(lbi_queue *queue, int proxy, size_t max_channels, size_t max_messages,
                    size_t max_bytes)
{
    *queue = (lbi_queue){.proxy = proxy,
                         .max_channels = max_channels,
                         .max_messages = max_messages,
                         .max_bytes = max_bytes};
}

static void cancel_list(lbi_queue *queue, lbi_entry **list, int code)
{
    lbi_entry *entry;

    while ((entry = *list)) {
        DL_DELETE(*list, entry);
        if (entry->slot)
            entry->slot->waiting = NULL;
        finish(queue, entry, code, 0);
    }
}

void lbi_queue_cancel(lbi_queue *queue, int code)
{
    cancel_list(queue, &queue->flight, code);
    cancel_list(queue, &queue->messages, code);
    cancel_list(queue, &queue->states, code);
    queue->n_messages = 0;
}

void lbi_queue_done(lbi_queue *queue)
{
    lbi_entry *entry;
    lbi_slot *slot, *tmp;

    lbi_queue_cancel(queue, LB_E_CLOSED);
    while ((entry = queue->results)) {
        DL_DELETE(queue->results, entry);
        free_entry(entry);
    }
    HASH_ITER (hh, queue->slots, slot, tmp)
        free_slot(queue, slot);
    lbi_seen_done(&queue->seen);
}

/* ---- Putting in ----------------------------------------------------------------------------- */

void lbi_queue_forget(lbi_queue *queue, const void *owner)
{
    lbi_slot *slot, *tmp;
    lbi_entry *entry, *next;

    DL_FOREACH (queue->flight, entry)
        entry->stale |= entry->slot && (!owner || entry->publication->owner == owner);
    DL_FOREACH_SAFE (queue->states, entry, next) {
        if (owner && entry->publication->owner != owner)
            continue;
        DL_DELETE(queue->states, entry);
        entry->slot->waiting = NULL;
        supersede(queue, entry);
    }
    HASH_ITER (hh, queue->slots, slot, tmp) {
        if (owner && slot->owner != owner)
            continue;
        slot->last_id[0] = '\0';
        if (slot->busy == 0) {
            DL_DELETE(queue->idle, slot);
            free_slot(queue, slot);
        }
    }
}

/* There is no room: no state waits any more, listeners have to ask. */
static void overflow(lbi_queue *queue)
{
    lbi_queue_forget(queue, NULL);
    queue->recover = true;
    queue->counters.overflows++;
}

/* The channel of a state; makes room for it. NULL: out of memory. */
static lbi_slot *slot_for(lbi_queue *queue, const char *channel)
{
    lbi_slot *slot;

    HASH_FIND(hh, queue->slots, channel, strlen(channel), slot);
    if (slot)
        return slot;
    if (queue->n_slots >= queue->max_channels && !queue->idle)
        overflow(queue);
    if (queue->n_slots >= queue->max_channels && (slot = queue->idle)) {
        DL_DELETE(queue->idle, slot);
        free_slot(queue, slot);
    }
    return new_slot(queue, channel);
}

/* What is replaced may have arrived: nobody knows then what listeners have. */
static void doubt(lbi_queue *queue, lbi_entry *entry, uint64_t now_us)
{
    if (!entry->uncertain)
        return;
    entry->slot->last_id[0] = '\0';
    if (!entry->hint)
        lbi_seen_add(&queue->seen, entry->slot->channel, entry->publication->id, now_us);
}

static int put_state(lbi_queue *queue, lbi_entry *entry, uint64_t now_us)
{
    lbi_slot *slot;
    lbi_entry *old;

    if (queue->states && queue->state_bytes + entry->publication->size > queue->max_bytes)
        overflow(queue);
    slot = slot_for(queue, entry->publication->channel);
    if (!slot)
        return LB_E_NOMEM;
    entry->slot = slot;
    slot->owner = entry->publication->owner;
    use_slot(queue, slot);
    count(queue, entry);
    old = slot->waiting;
    slot->waiting = entry;
    if (!old) {
        DL_APPEND(queue->states, entry);
        return 0;
    }
    DL_REPLACE_ELEM(queue->states, old, entry);
    doubt(queue, old, now_us);
    inherit(queue, entry, old);
    supersede(queue, old);
    return 0;
}

static void put_message(lbi_queue *queue, lbi_entry *entry)
{
    lbi_entry *oldest;

    DL_APPEND(queue->messages, entry);
    queue->n_messages++;
    count(queue, entry);
    while ((queue->n_messages > queue->max_messages || queue->message_bytes > queue->max_bytes) &&
           (oldest = queue->messages) != entry) {
        DL_DELETE(queue->messages, oldest);
        queue->n_messages--;
        queue->counters.lost++;
        finish(queue, oldest, LB_E_LIMIT, 0);
    }
}

int lbi_queue_put(lbi_queue *queue, lbi_publication *publication, uint64_t now_us)
{
    lbi_entry *entry = calloc(1, sizeof *entry);

    if (!entry)
        return LB_E_NOMEM;
    entry->publication = publication;
    entry->due = publication->due;
    if (publication->latest && put_state(queue, entry, now_us) < 0) {
        free(entry);
        return LB_E_NOMEM;
    }
    publication->refs++;
    if (!publication->latest)
        put_message(queue, entry);
    return 0;
}

bool lbi_queue_waits(const lbi_queue *queue)
{
    return queue->states || queue->messages;
}

bool lbi_queue_is_stale(const lbi_queue *queue)
{
    const lbi_entry *entry;

    DL_FOREACH (queue->flight, entry) {
        if (entry->stale)
            return true;
    }
    return false;
}

static void mark_list(lbi_queue *queue, lbi_entry *list)
{
    lbi_entry *entry;

    DL_FOREACH (list, entry) {
        queue->n_due += !entry->due;
        entry->due = true;
    }
}

void lbi_queue_mark(lbi_queue *queue)
{
    mark_list(queue, queue->flight);
    mark_list(queue, queue->states);
    mark_list(queue, queue->messages);
}

/* ---- Sending -------------------------------------------------------------------------------- */

static int add_hint(lbi_buf *body, lbi_entry *entry)
{
    static const char formats[] = "{\"http-stream\":{\"action\":\"hint\"}}";
    lbi_grip_item item = {.channel = entry->publication->channel,
                          .id = "",
                          .prev_id = "",
                          .formats = formats,
                          .formats_len = sizeof formats - 1};

    entry->hint = true;
    return lbi_grip_body_add(body, &item);
}

/* Returns 1 = added, 0 = does not fit, LB_E_NOMEM. */
static int add_entry(lbi_queue *queue, lbi_buf *body, lbi_entry *entry, uint64_t now_us)
{
    const lbi_publication *p = entry->publication;
    const lbi_slot *slot = entry->slot;
    lbi_grip_item item = {.channel = p->channel,
                          .id = p->id,
                          .prev_id = slot ? slot->last_id : p->prev_id,
                          .formats = p->formats,
                          .formats_len = p->formats_len};

    if (!slot || p->action != LBI_GRIP_CONTENT) {
        item.prev_id = p->prev_id;
        return lbi_grip_body_add(body, &item);
    }
    /* What is repeated is sent as before. */
    if (!entry->uncertain)
        entry->hint = !*slot->last_id || lbi_seen_has(&queue->seen, p->channel, p->id, now_us);
    return entry->hint ? add_hint(body, entry) : lbi_grip_body_add(body, &item);
}

/* Is it what the listeners have already? */
static bool is_sent(const lbi_entry *entry)
{
    return entry->slot && *entry->publication->id &&
           strcmp(entry->publication->id, entry->slot->last_id) == 0;
}

static int fill_from(lbi_queue *queue, lbi_entry **list, lbi_buf *body, uint64_t now_us)
{
    lbi_entry *entry;

    for (int n = 0; n < ITEMS_AT_ONCE && (entry = *list); n++) {
        int r = is_sent(entry) ? 0 : add_entry(queue, body, entry, now_us);

        if (r < 0)
            return r;
        if (r == 0 && !is_sent(entry))
            return 0;
        DL_DELETE(*list, entry);
        if (entry->slot)
            entry->slot->waiting = NULL;
        else
            queue->n_messages--;
        if (r == 0)
            finish(queue, entry, 0, 0);
        else
            DL_APPEND(queue->flight, entry);
    }
    return 0;
}

int lbi_queue_fill(lbi_queue *queue, lbi_buf *body, uint64_t now_us)
{
    int r = fill_from(queue, &queue->states, body, now_us);

    if (r == 0)
        r = fill_from(queue, &queue->messages, body, now_us);
    if (r == 0 && queue->flight)
        r = lbi_grip_body_end(body);
    if (r < 0)
        lbi_queue_again(queue, false, now_us);
    return r < 0 ? r : queue->flight != NULL;
}

void lbi_queue_sent(lbi_queue *queue, int status, uint64_t now_us)
{
    lbi_entry *entry;

    while ((entry = queue->flight)) {
        const lbi_publication *p = entry->publication;

        DL_DELETE(queue->flight, entry);
        queue->counters.published++;
        queue->counters.hints += entry->hint;
        if (entry->slot && !entry->stale)
            lbi_copy(entry->slot->last_id, sizeof entry->slot->last_id, p->id);
        if (entry->slot && *p->id && !entry->hint)
            lbi_seen_add(&queue->seen, p->channel, p->id, now_us);
        finish(queue, entry, 0, status);
    }
}

static void again(lbi_queue *queue, lbi_entry *entry, bool uncertain, uint64_t now_us)
{
    lbi_slot *slot = entry->slot;

    entry->uncertain |= uncertain;
    if (!slot) {
        DL_PREPEND(queue->messages, entry);
        queue->n_messages++;
    } else if (entry->stale || slot->waiting) {
        doubt(queue, entry, now_us);
        if (slot->waiting)
            inherit(queue, slot->waiting, entry);
        supersede(queue, entry);
    } else {
        DL_PREPEND(queue->states, entry);
        slot->waiting = entry;
    }
}

void lbi_queue_again(lbi_queue *queue, bool uncertain, uint64_t now_us)
{
    lbi_entry *entry;

    /* The last one first, so that they are in order again. */
    while (queue->flight) {
        entry = queue->flight->prev;
        DL_DELETE(queue->flight, entry);
        again(queue, entry, uncertain, now_us);
    }
}

void lbi_queue_refused(lbi_queue *queue, int status)
{
    lbi_entry *entry;

    while ((entry = queue->flight)) {
        DL_DELETE(queue->flight, entry);
        queue->counters.refused++;
        if (entry->slot)
            entry->slot->last_id[0] = '\0';
        queue->missed |= entry->slot && !entry->slot->waiting && !entry->stale;
        finish(queue, entry, LB_E_QUERY, status);
    }
}

int lbi_queue_deliver(lbi_queue *queue)
{
    lbi_entry *entry;
    int done = 0;

    while ((entry = queue->results)) {
        DL_DELETE(queue->results, entry);
        entry->publication->done(&entry->result, entry->publication->user);
        free_entry(entry);
        done = 1;
    }
    return done;
}
