#include "reql/feed.h"

#include "base/error.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

struct lbi_reql_feed {
    lbi_reql_conn *conn;
    lbi_reql_feed_fn fn;
    void *user;
    lbi_reql_query *query; /* NULL = not open */
    unsigned starts;       /* which start it is: a callback may stop and start again */
    bool opened;           /* OPEN was told */
    unsigned delivering;   /* calls of fn that have not returned */
    bool doomed;           /* freed inside one of them */
};

int lbi_reql_feed_new(lbi_reql_conn *conn, lbi_reql_feed_fn fn, void *user, lbi_reql_feed **ret,
                      lb_error *reterr)
{
    lbi_reql_feed *feed = calloc(1, sizeof *feed);

    if (!feed)
        return lbi_fail_nomem(reterr);
    *feed = (lbi_reql_feed){.conn = conn, .fn = fn, .user = user};
    *ret = feed;
    return 0;
}

void lbi_reql_feed_stop(lbi_reql_feed *feed)
{
    if (feed->query)
        lbi_reql_stop(feed->query);
    feed->query = NULL;
    feed->starts++;
}

void lbi_reql_feed_free(lbi_reql_feed *feed)
{
    if (!feed)
        return;
    lbi_reql_feed_stop(feed);
    feed->doomed = true;
    if (feed->delivering == 0)
        free(feed);
}

bool lbi_reql_feed_is_open(const lbi_reql_feed *feed)
{
    return feed->query;
}

/* ---- Elements ------------------------------------------------------------------------------- */

static const lbi_json *value_of(const lbi_json *element, const char *key)
{
    const lbi_json *value = lbi_json_get(element, key);

    return lbi_json_is_null(value) ? NULL : value;
}

/* "Changefeed cache over array size limit, skipped 55 elements." */
static uint64_t skipped_in(const char *text)
{
    static const char word[] = "skipped ";
    const char *number = strstr(text, word);
    uint64_t n = 0;

    if (!number)
        return 0;
    number += sizeof word - 1;
    return lbi_parse_u64(number, strspn(number, "0123456789"), UINT64_MAX, &n) ? n : 0;
}

static lbi_reql_item_kind kind_of_state(const char *state)
{
    return strcmp(state, "ready") == 0 ? LBI_REQL_FEED_READY : LBI_REQL_FEED_INITIALIZING;
}

/* An element without the other of old_val and new_val is an initial one, or one that goes. */
static lbi_reql_item_kind kind_of_values(const lbi_json *element)
{
    if (!lbi_json_get(element, "old_val"))
        return LBI_REQL_FEED_INITIAL;
    return lbi_json_get(element, "new_val") ? LBI_REQL_FEED_CHANGE : LBI_REQL_FEED_UNINITIAL;
}

static lbi_reql_item read_element(const lbi_json *element)
{
    const char *state = lbi_json_text(lbi_json_get(element, "state"));
    const char *error = lbi_json_text(lbi_json_get(element, "error"));
    bool has_values = lbi_json_get(element, "old_val") || lbi_json_get(element, "new_val");
    lbi_reql_item item = {.element = element, .message = ""};

    item.old_val = value_of(element, "old_val");
    item.new_val = value_of(element, "new_val");
    if (has_values) {
        item.kind = kind_of_values(element);
    } else if (state) {
        item.kind = kind_of_state(state);
    } else {
        /* An element of a kind that is not known tells that something was missed, too. */
        item.kind = LBI_REQL_FEED_GAP;
        item.message = error ? error : "an element of a kind that this driver does not know";
        item.skipped = error ? skipped_in(error) : 0;
    }
    return item;
}

/* ---- Telling -------------------------------------------------------------------------------- */

/* Returns false if the callback has stopped the feed. */
static bool tell(lbi_reql_feed *feed, const lbi_reql_item *item)
{
    unsigned starts = feed->starts;

    feed->fn(item, feed->user);
    return feed->starts == starts;
}

static bool tell_open(lbi_reql_feed *feed, const lbi_reql_answer *answer)
{
    lbi_reql_item item = {.kind = LBI_REQL_FEED_OPEN, .notes = answer->notes, .message = ""};

    if (feed->opened)
        return true;
    feed->opened = true;
    lbi_reql_set_deadline(feed->query, LB_NEVER);
    return tell(feed, &item);
}

static bool tell_batch(lbi_reql_feed *feed, const lbi_reql_answer *answer)
{
    lbi_reql_item end = {.kind = LBI_REQL_FEED_BATCH, .message = ""};
    const lbi_json *element = lbi_json_first(answer->values);

    if (!element)
        return true;
    for (; element; element = lbi_json_next(element)) {
        lbi_reql_item item = read_element(element);

        if (!tell(feed, &item))
            return false;
    }
    return tell(feed, &end);
}

static bool may_retry(const lbi_reql_reply *reply)
{
    switch (reply->code) {
    case LB_E_AUTH:
    case LB_E_QUERY:
    case LB_E_NOTFOUND:
    case LB_E_CLOSED:
    case LB_E_TLS:
        return false;
    case LB_E_PROTO:
        return reply->sent; /* a broken connection, not a server of another kind */
    default:
        return true;
    }
}

static void tell_end(lbi_reql_feed *feed, const lbi_reql_reply *reply)
{
    lbi_reql_item item = {
        .kind = LBI_REQL_FEED_ENDED,
        .code = reply->code,
        .message = reply->message,
        .retry = may_retry(reply),
    };

    if (item.code == 0) { /* not by itself, but for a limit in the query */
        item.code = LB_E_IO;
        item.message = "the server ended the feed";
    }
    feed->query = NULL;
    feed->starts++;
    (void)tell(feed, &item);
}

static int receive(lbi_reql_feed *feed, const lbi_reql_reply *reply)
{
    if (reply->code == 0 && (!tell_open(feed, reply->answer) || !tell_batch(feed, reply->answer)))
        return 1; /* stopped: the query is gone already */
    if (reply->last)
        tell_end(feed, reply);
    return 0;
}

static int on_reply(const lbi_reql_reply *reply, void *user)
{
    lbi_reql_feed *feed = user;
    int r;

    feed->delivering++;
    r = receive(feed, reply);
    feed->delivering--;
    if (feed->doomed && feed->delivering == 0)
        free(feed);
    return r;
}

int lbi_reql_feed_start(lbi_reql_feed *feed, const char *text, size_t len, uint64_t deadline_us,
                        lb_error *reterr)
{
    lbi_reql_call call = {
        .text = text,
        .len = len,
        .deadline_us = deadline_us,
        .feed = true,
        .fn = on_reply,
        .user = feed,
    };

    if (feed->query)
        return lbi_fail(reterr, LB_E_STATE, "the feed is open");
    feed->opened = false;
    feed->starts++;
    return lbi_reql_submit(feed->conn, &call, &feed->query, reterr);
}
