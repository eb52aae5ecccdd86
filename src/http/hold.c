/* Event streams behind a GRIP proxy. The proxy keeps the connection and a relay tells it what is
 * new: here a stream is one reply, with the board as it is and with which state that is. When its
 * listener may lack something the proxy asks again, by the next link. */
#include "base/error.h"
#include "base/json_out.h"
#include "base/sse.h"
#include "base/str.h"
#include "http/call.h"
#include "os/clock.h"
#include "push/grip_hold.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_TIMEOUT_MS = 120000 };

static unsigned whole_seconds(uint32_t ms)
{
    return ms / 1000 + (ms % 1000 > 0);
}

/* Without a key any client could say that it is this proxy. */
static int check_keys(const lbi_grip_config *config, lb_error *reterr)
{
    for (size_t i = 0; i < config->n; i++) {
        if (config->proxies[i].verify_key.kind == LBI_GRIP_KEY_NONE)
            return lbi_fail(reterr, LB_E_INVAL,
                            "grip_url: %.200s has neither key nor verify-key, so its requests "
                            "cannot be told from those of others",
                            config->proxies[i].name);
    }
    return 0;
}

int lbi_holds_init(lb_http *http, const lb_http_options *o, lb_error *reterr)
{
    const char *prefix = o->grip_prefix ? o->grip_prefix : "";
    uint32_t timeout_ms = o->grip_timeout_ms ? o->grip_timeout_ms : DEFAULT_TIMEOUT_MS;
    int r = lbi_grip_prefix_check(prefix, reterr);

    if (r < 0 || !o->grip_url)
        return r;
    http->grip = calloc(1, sizeof *http->grip);
    if (!http->grip)
        return lbi_fail_nomem(reterr);
    lbi_copy(http->grip_prefix, sizeof http->grip_prefix, prefix);
    /* Pushpin takes up to twice what it is told. */
    http->grip_timeout_s = whole_seconds(timeout_ms / 2 + timeout_ms % 2);
    http->grip_keep_alive_s = whole_seconds((uint32_t)(http->keep_alive_us / 1000));
    r = lbi_grip_url_parse(o->grip_url, http->grip, reterr);
    if (r == 0 && o->grip_verify_key)
        r = lbi_grip_verify_with(http->grip, o->grip_verify_key, reterr);
    return r < 0 ? r : check_keys(http->grip, reterr);
}

void lbi_holds_done(lb_http *http)
{
    if (http->grip)
        lbi_grip_config_done(http->grip);
    free(http->grip);
}

bool lbi_hold_is_signed(lb_http *http, const char *sig)
{
    if (!http->grip || !sig)
        return false;
    if (lbi_grip_check(http->grip, sig, lbi_clock_wall_us() / 1000000) == LBI_GRIP_SIGNED)
        return true;
    http->counters.bad_sigs++;
    return false;
}

/* Has the listener this state already? */
static bool has_state(const lb_http_call *call, const char *channel, const char *state)
{
    char last[LBI_GRIP_ID_MAX + 1];

    if (call->hold == LBI_HOLD_FIRST)
        return call->last_event_id && strcmp(call->last_event_id, state) == 0;
    return call->grip_last && lbi_grip_last(call->grip_last, channel, last) &&
           strcmp(last, state) == 0;
}

/* Makes of the page in call->body what a stream begins with. */
static void put_body(lb_http_call *call, const char *channel, const char *state)
{
    const lbi_event *hello = call->http->hello;
    lbi_buf page = call->body;

    lbi_buf_init(&call->body, LBI_JSON_MAX);
    if (page.code < 0)
        (void)lbi_buf_fail(&call->body, page.code);
    if (call->hold == LBI_HOLD_FIRST)
        (void)lbi_buf_add(&call->body, hello->bytes, hello->size);
    if (!has_state(call, channel, state))
        lbi_sse_put_update(&call->body, lbi_buf_bytes(&page), page.len, state);
    lbi_buf_done(&page);
}

/* Returns false if out of memory: channel, state and link are well-formed. */
static bool put_fields(lb_http_call *call, const char *channel, const char *state)
{
    lbi_grip_fields *fields = lbi_arena_alloc(&call->arena, sizeof *fields);
    char next[LB_HTTP_PREFIX_MAX + LB_BOARD_MAX + 32];
    lbi_grip_hold hold = {.channel = channel,
                          .prev_id = state,
                          .next = next,
                          .timeout_s = call->http->grip_timeout_s,
                          .keep_alive_s = call->http->grip_keep_alive_s};

    /* The same for every listener: a proxy asks once for all that have the same state. */
    (void)snprintf(next, sizeof next, "%s/boards/%s/?grip=next", call->http->path_prefix,
                   call->target.board);
    if (!fields || lbi_grip_hold_fields(&hold, fields) < 0)
        return false;
    for (size_t i = 0; i < fields->n; i++)
        lbi_reply_field(call, fields->field[i].name, fields->field[i].value);
    return true;
}

void lbi_reply_hold(lb_http_call *call, const char *state)
{
    lb_http_counters *counters = &call->http->counters;
    char channel[LBI_GRIP_CHANNEL_MAX + 1];

    lbi_grip_channel(call->http->grip_prefix, call->target.board, channel);
    if (state)
        put_body(call, channel, state);
    if (!state || call->body.code < 0 || !put_fields(call, channel, state)) {
        lbi_reply_failure(call, LB_E_NOMEM, "");
        return;
    }
    if (call->hold == LBI_HOLD_FIRST)
        counters->holds++;
    else
        counters->hold_checks++;
    lbi_reply_events(call);
}
