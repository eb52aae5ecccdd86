/* The link: from a list of hosts to bytes in and out. Connecting, TLS, handshake, reading,
 * writing, finding a silent peer, coming back. */
#include "base/error.h"
#include "base/str.h"
#include "os/clock.h"
#include "os/random.h"
#include "os/tcp.h"
#include "reql/conn_internal.h"

#include <stdio.h>
#include <string.h>

enum { CHUNK = 64 * 1024, READ_AT_ONCE = 256 * 1024, SHAKE_CHUNK = 4096 };

/* ADDRESSES_US: how long a name's addresses are used without asking again.
 * STEADY_US: a link that lived shorter does not end a back-off. */
#define ADDRESSES_US UINT64_C(60000000)
#define STEADY_US UINT64_C(1000000)

static uint64_t ms(uint32_t n)
{
    return n * UINT64_C(1000);
}

static void tell(lbi_reql_conn *conn, int kind, int code, const char *message)
{
    lbi_reql_event event = {.kind = kind, .code = code, .host = conn->where, .message = message};

    if (conn->o.event)
        conn->o.event(&event, conn->o.event_user);
}

/* ---- Coming back ---------------------------------------------------------------------------- */

/* Between 0 and most, so that many clients do not come back all at once. */
static uint64_t jitter(uint64_t most)
{
    uint64_t number = 0;

    if (lbi_random(&number, sizeof number) < 0)
        return most;
    return number % (most + 1);
}

static uint64_t backoff(const lbi_reql_conn *conn)
{
    unsigned doublings = conn->rounds > 11 ? 10 : conn->rounds - 1;
    uint64_t pause = ms(conn->o.backoff_min_ms) << doublings;

    if (pause > ms(conn->o.backoff_max_ms))
        pause = ms(conn->o.backoff_max_ms);
    return pause / 2 + jitter(pause / 2);
}

static void next_place(lbi_reql_conn *conn)
{
    conn->address = 0;
    conn->place = (conn->place + 1) % conn->o.n_hosts;
}

/* Waiting does not mend these; whoever waits for the connection should hear of them now. */
static bool is_hard(int code)
{
    return code == LB_E_AUTH || code == LB_E_TLS || code == LB_E_PROTO || code == LB_E_INVAL;
}

/* Users belong to the cluster: what one server says of a password, all others would say. */
static void keep_refusal(lbi_reql_conn *conn)
{
    if (conn->error.code == LB_E_AUTH)
        conn->refused = conn->error;
}

static void end_round(lbi_reql_conn *conn)
{
    bool hard = conn->round_hard || conn->refused.code;

    if (conn->refused.code)
        conn->error = conn->refused;
    conn->refused.code = 0;
    conn->tried = 0;
    conn->round_hard = true;
    conn->rounds++;
    conn->retry_us = conn->now_us + backoff(conn);
    if (!hard)
        return;
    lbi_reql_give_up_waiting(conn);
    lbi_reql_drain(conn, conn->error.code, conn->error.msg);
}

/* conn->error says why. Always 1: something was done. */
static int attempt_failed(lbi_reql_conn *conn)
{
    lbi_reql_link_close(conn);
    conn->round_hard = conn->round_hard && is_hard(conn->error.code);
    keep_refusal(conn);
    tell(conn, LBI_REQL_FAILED, conn->error.code, conn->error.msg);
    if (++conn->address < conn->places[conn->place].n_addresses)
        return 1; /* the next address of the same host, at once */
    next_place(conn);
    if (++conn->tried >= conn->o.n_hosts)
        end_round(conn);
    return 1;
}

static void schedule_return(lbi_reql_conn *conn)
{
    next_place(conn);
    if (conn->now_us - conn->up_us >= STEADY_US) {
        conn->rounds = 0;
        conn->retry_us = conn->now_us + jitter(ms(conn->o.backoff_min_ms) / 2);
    } else {
        conn->rounds++;
        conn->retry_us = conn->now_us + backoff(conn);
    }
}

void lbi_reql_link_close(lbi_reql_conn *conn)
{
    if (conn->polled)
        lbi_poller_remove(conn->poller, &conn->poll);
    conn->polled = false;
    if (conn->link == LBI_LINK_SHAKING)
        lbi_reql_handshake_done(&conn->handshake);
    if (conn->link == LBI_LINK_UP)
        lbi_reql_wire_done(&conn->wire);
    lbi_stream_close(conn->stream);
    conn->stream = NULL;
    lbi_resolver_free(conn->resolver);
    conn->resolver = NULL;
    conn->link = LBI_LINK_DOWN;
    lbi_buf_clear(&conn->out);
    conn->failed = 0;
    conn->ready = false;
    conn->blocked = false;
}

int lbi_reql_link_bury(lbi_reql_conn *conn)
{
    int code = conn->failed;

    if (conn->link != LBI_LINK_UP)
        return 0;
    if (code == 0 && conn->out.code < 0)
        code = conn->failed = lbi_fail(&conn->error, conn->out.code,
                                       "the connection to %s was cut: out of memory", conn->where);
    if (code == 0 || (conn->wire.code == 0 && lbi_reql_wire_ready(&conn->wire)))
        return 0;
    lbi_reql_give_back(conn);
    lbi_reql_link_close(conn);
    schedule_return(conn);
    tell(conn, LBI_REQL_LOST, code, conn->error.msg);
    lbi_reql_drain(conn, code, conn->error.msg);
    return 1;
}

/* ---- Connecting ----------------------------------------------------------------------------- */

static int cannot_connect(lbi_reql_conn *conn, const lb_error *why)
{
    (void)lbi_fail(&conn->error, why->code, "cannot connect to %s: %.180s", conn->where, why->msg);
    return attempt_failed(conn);
}

static void on_ready(void *user);

static int open_stream(lbi_reql_conn *conn, const lbi_reql_place *place, lb_error *why)
{
    int r = lbi_tcp_connect(&place->addresses[conn->address], &conn->stream, why);

    if (r == 0 && conn->tls) {
        lbi_stream *below = conn->stream;

        conn->stream = NULL;
        r = lbi_tls_wrap(conn->tls, place->name, below, &conn->stream, why);
    }
    if (r < 0)
        return r;
    conn->poll = (lbi_poll){.fd = lbi_stream_fd(conn->stream), .fn = on_ready, .user = conn};
    conn->poll.write = true;
    r = lbi_poller_add(conn->poller, &conn->poll, why);
    conn->polled = r == 0;
    return r;
}

static int open_address(lbi_reql_conn *conn)
{
    lb_error why;

    if (open_stream(conn, &conn->places[conn->place], &why) < 0)
        return cannot_connect(conn, &why);
    conn->link = LBI_LINK_OPENING;
    conn->link_deadline_us = conn->now_us + ms(conn->o.connect_ms);
    return 1;
}

static void keep_addresses(lbi_reql_conn *conn, const lbi_address *found, size_t n)
{
    lbi_reql_place *place = &conn->places[conn->place];

    memcpy(place->addresses, found, n * sizeof *found);
    place->n_addresses = n;
    place->resolved_us = conn->now_us;
}

/* Old addresses are better than none. */
static int resolving_failed(lbi_reql_conn *conn, const lb_error *why)
{
    lbi_reql_place *place = &conn->places[conn->place];

    if (place->n_addresses == 0) {
        conn->error = *why;
        return attempt_failed(conn);
    }
    place->resolved_us = conn->now_us;
    return open_address(conn);
}

static int carry_on_resolving(lbi_reql_conn *conn)
{
    lbi_address found[LBI_ADDRESSES_MAX];
    lb_error why;
    bool last = conn->now_us >= conn->link_deadline_us;
    int n = lbi_resolver_process(conn->resolver, last, found, LBI_ADDRESSES_MAX, &why);

    if (n == 0)
        return 0;
    if (n == LB_E_TIMEOUT)
        n = lbi_fail(&why, LB_E_IO,
                     "the host name '%.100s' cannot be resolved: no name server answers within "
                     "%u ms",
                     conn->places[conn->place].name, conn->o.connect_ms);
    lbi_resolver_free(conn->resolver);
    conn->resolver = NULL;
    if (n < 0)
        return resolving_failed(conn, &why);
    keep_addresses(conn, found, (size_t)n);
    return open_address(conn);
}

static int resolve(lbi_reql_conn *conn, const lbi_reql_place *place)
{
    lbi_address found[LBI_ADDRESSES_MAX];
    size_t n = lbi_resolve_now(place->name, place->port, found, LBI_ADDRESSES_MAX);
    lb_error why;

    if (n > 0) {
        keep_addresses(conn, found, n);
        return open_address(conn);
    }
    if (lbi_resolver_new(place->name, place->port, conn->o.name_servers, conn->poller,
                         &conn->resolver, &why) < 0)
        return resolving_failed(conn, &why);
    conn->link = LBI_LINK_RESOLVING;
    conn->link_deadline_us = conn->now_us + ms(conn->o.connect_ms);
    return 1;
}

static int begin(lbi_reql_conn *conn)
{
    const lbi_reql_place *place = &conn->places[conn->place];
    bool fresh = place->n_addresses > 0 && conn->now_us - place->resolved_us < ADDRESSES_US;

    if (!conn->waiting || conn->now_us < conn->retry_us)
        return 0;
    (void)snprintf(conn->where, sizeof conn->where, strchr(place->name, ':') ? "[%s]:%u" : "%s:%u",
                   place->name, place->port);
    return conn->address > 0 || fresh ? open_address(conn) : resolve(conn, place);
}

static int opening_too_long(lbi_reql_conn *conn)
{
    (void)lbi_fail(&conn->error, LB_E_IO, "no answer from %s within %u ms (%s)%s", conn->where,
                   conn->o.connect_ms, lbi_stream_doing(conn->stream),
                   conn->tls ? ": if it is not a TLS port, leave out tls=1" : "");
    return attempt_failed(conn);
}

static int start_handshake(lbi_reql_conn *conn)
{
    uint8_t nonce[LBI_SCRAM_NONCE];
    lb_error why;

    lbi_buf_clear(&conn->out);
    lbi_reql_handshake_init(&conn->handshake, conn->o.user, conn->o.password, &conn->salted);
    conn->link = LBI_LINK_SHAKING;
    conn->link_deadline_us = conn->now_us + ms(conn->o.handshake_ms);
    conn->ready = true;
    if (lbi_random(nonce, sizeof nonce) < 0) {
        (void)lbi_fail(&why, LB_E_IO, "the system gives no random bytes");
        return cannot_connect(conn, &why);
    }
    if (lbi_reql_handshake_start(&conn->handshake, nonce, &conn->out, &why) < 0)
        return cannot_connect(conn, &why);
    return 1;
}

static int carry_on_opening(lbi_reql_conn *conn)
{
    lb_error why;
    int r = LBI_STREAM_AGAIN;

    if (conn->ready)
        r = lbi_stream_open(conn->stream, &why);
    conn->ready = false;
    if (r < 0)
        return cannot_connect(conn, &why);
    if (r == 0)
        return start_handshake(conn);
    return conn->now_us >= conn->link_deadline_us ? opening_too_long(conn) : 0;
}

/* ---- The handshake -------------------------------------------------------------------------- */

static int shaking_too_long(lbi_reql_conn *conn)
{
    (void)lbi_fail(&conn->error, LB_E_IO,
                   "%s took the connection but did not answer within %u ms%s", conn->where,
                   conn->o.handshake_ms,
                   conn->tls ? "" : ": if it is a TLS port, connect with tls=1");
    return attempt_failed(conn);
}

static int shaken(lbi_reql_conn *conn, const char *rest, size_t n)
{
    lbi_copy(conn->server_version, sizeof conn->server_version, conn->handshake.server_version);
    lbi_reql_handshake_done(&conn->handshake);
    conn->link = LBI_LINK_UP;
    conn->error = conn->refused = (lb_error){.msg = ""};
    conn->written = 0;
    conn->tried = 0;
    conn->round_hard = true;
    conn->up_us = conn->heard_us = conn->now_us;
    conn->ready = true;
    conn->connects++;
    lbi_reql_wire_init(&conn->wire, conn->o.max_answer);
    (void)lbi_reql_wire_feed(&conn->wire, rest, n); /* sticks */
    tell(conn, LBI_REQL_CONNECTED, 0, "");
    return 1;
}

static int handshake_failed(lbi_reql_conn *conn, const lb_error *why)
{
    (void)lbi_fail(&conn->error, why->code, "%s: %.200s", conn->where, why->msg);
    return attempt_failed(conn);
}

/* A TLS port that is spoken to in plain says nothing, or goes. */
static int ended_in_handshake(lbi_reql_conn *conn)
{
    bool silent = conn->handshake.stage == LBI_REQL_HELLO && conn->handshake.in.len == 0;
    lb_error why;

    (void)lbi_fail(
        &why, LB_E_IO, "the connection was closed in the handshake%s",
        silent && !conn->tls ? ", without a word: if it is a TLS port, connect with tls=1" : "");
    return handshake_failed(conn, &why);
}

/* Returns 1 if the state has changed. */
static int read_handshake(lbi_reql_conn *conn)
{
    char chunk[SHAKE_CHUNK];
    lb_error why;
    size_t n = 0, used = 0;
    int r = lbi_stream_read(conn->stream, chunk, sizeof chunk, &n, &why);

    if (r == LBI_STREAM_AGAIN) {
        conn->ready = false;
        return 0;
    }
    if (r == LBI_STREAM_END)
        return ended_in_handshake(conn);
    if (r == 0)
        r = lbi_reql_handshake_feed(&conn->handshake, chunk, n, &used, &why);
    if (r < 0)
        return handshake_failed(conn, &why);
    if (conn->handshake.stage == LBI_REQL_READY)
        return shaken(conn, chunk + used, n - used);
    return 1;
}

static int carry_on_shaking(lbi_reql_conn *conn)
{
    lb_error why;
    int r = lbi_reql_handshake_work(&conn->handshake, &conn->out, &why);

    if (r < 0)
        return handshake_failed(conn, &why);
    if (r > 0)
        return 1;
    lbi_reql_link_flush(conn);
    if (conn->failed < 0)
        return attempt_failed(conn);
    if (conn->ready && read_handshake(conn))
        return 1;
    return conn->now_us >= conn->link_deadline_us ? shaking_too_long(conn) : 0;
}

/* ---- Bytes ---------------------------------------------------------------------------------- */

static void fail_link(lbi_reql_conn *conn, int code, const char *why)
{
    if (conn->failed == 0)
        conn->failed =
            lbi_fail(&conn->error, code, "the connection to %s was lost: %.160s", conn->where, why);
    conn->ready = false;
    /* Or the poller would call for ever. */
    if (conn->polled)
        lbi_poller_remove(conn->poller, &conn->poll);
    conn->polled = false;
}

/* Returns true if there may be more to read. */
static bool read_chunk(lbi_reql_conn *conn, size_t *total)
{
    char *room = lbi_reql_wire_room(&conn->wire, CHUNK);
    lb_error why = {.msg = "the server closed it"};
    size_t n = 0;
    int r;

    if (!room) {
        fail_link(conn, conn->wire.code, "out of memory");
        return false;
    }
    r = lbi_stream_read(conn->stream, room, CHUNK, &n, &why);
    if (r == LBI_STREAM_AGAIN)
        return false;
    if (r != 0) {
        fail_link(conn, r == LBI_STREAM_END ? LB_E_IO : r, why.msg);
        return false;
    }
    lbi_reql_wire_came(&conn->wire, n);
    conn->heard = true;
    *total += n;
    return n == CHUNK || conn->tls; /* a short read has emptied a socket, but not a TLS record */
}

/* No more than what one turn works off: the rest stays in the socket and slows the peer down. */
static void fill(lbi_reql_conn *conn)
{
    size_t total = 0;

    if (conn->failed != 0)
        return;
    if (conn->wire.in.len > READ_AT_ONCE && lbi_reql_wire_ready(&conn->wire))
        return;
    while (read_chunk(conn, &total)) {
        if (total >= READ_AT_ONCE)
            return; /* conn->ready stays */
    }
    conn->ready = false;
}

static void on_ready(void *user)
{
    lbi_reql_conn *conn = user;

    conn->ready = true;
    conn->blocked = false;
    if (conn->link == LBI_LINK_UP)
        fill(conn);
}

void lbi_reql_link_flush(lbi_reql_conn *conn)
{
    if (conn->link != LBI_LINK_UP && conn->link != LBI_LINK_SHAKING)
        return;
    while (conn->out.len > 0 && !conn->blocked && conn->failed == 0) {
        lb_error why;
        size_t n = 0;
        int r = lbi_stream_write(conn->stream, lbi_buf_bytes(&conn->out), conn->out.len, &n, &why);

        conn->blocked = r == LBI_STREAM_AGAIN;
        if (r < 0)
            fail_link(conn, r, why.msg);
        if (r == 0) {
            lbi_buf_consume(&conn->out, n);
            conn->written += n;
        }
    }
}

void lbi_reql_link_set_interest(lbi_reql_conn *conn)
{
    lb_error why;
    bool write;

    if (!conn->polled)
        return;
    write = (conn->out.len > 0 && conn->blocked) ||
            (conn->link == LBI_LINK_OPENING && (lbi_stream_wants(conn->stream) & LBI_STREAM_WRITE));
    if (write == conn->poll.write)
        return;
    conn->poll.write = write;
    if (lbi_poller_update(conn->poller, &conn->poll, &why) < 0)
        fail_link(conn, why.code, why.msg);
}

/* ---- A silent peer -------------------------------------------------------------------------- */

static uint64_t ping_at(const lbi_reql_conn *conn)
{
    return conn->heard_us + ms(conn->o.silence_ms) / 2;
}

/* Half the time for the peer to say something by itself, half for the answer to our ping. */
static uint64_t lost_at(const lbi_reql_conn *conn)
{
    uint64_t by_ping = conn->ping_us + ms(conn->o.silence_ms) / 2;
    uint64_t by_silence = conn->heard_us + ms(conn->o.silence_ms);

    return by_ping > by_silence ? by_ping : by_silence;
}

static void look_again(lbi_reql_conn *conn)
{
    if (conn->heard)
        conn->heard_us = conn->now_us;
    conn->heard = false;
}

int lbi_reql_link_watch(lbi_reql_conn *conn)
{
    char why[80];

    look_again(conn);
    if (conn->link != LBI_LINK_UP || conn->failed != 0 || conn->now_us < ping_at(conn))
        return 0;
    if (!conn->ping) {
        if (lbi_reql_send_ping(conn) < 0)
            fail_link(conn, LB_E_NOMEM, "out of memory");
        return 1;
    }
    if (conn->now_us < lost_at(conn))
        return 0;
    fill(conn); /* it may be us who slept, with the answer in the socket */
    look_again(conn);
    if (conn->failed != 0 || conn->now_us < lost_at(conn))
        return 1;
    (void)snprintf(why, sizeof why, "nothing was heard from it for %u ms", conn->o.silence_ms);
    fail_link(conn, LB_E_IO, why);
    return 1;
}

/* ---- All together --------------------------------------------------------------------------- */

int lbi_reql_link_process(lbi_reql_conn *conn)
{
    switch (conn->link) {
    case LBI_LINK_DOWN:
        return begin(conn);
    case LBI_LINK_RESOLVING:
        return carry_on_resolving(conn);
    case LBI_LINK_OPENING:
        return carry_on_opening(conn);
    case LBI_LINK_SHAKING:
        return carry_on_shaking(conn);
    case LBI_LINK_UP:
        if (conn->ready)
            fill(conn);
        return 0;
    }
    return 0;
}

static void explain_attempt(const lbi_reql_conn *conn, lb_error *ret)
{
    switch (conn->link) {
    case LBI_LINK_DOWN:
        (void)lbi_fail(ret, 0, "there is no connection");
        break;
    case LBI_LINK_RESOLVING:
        (void)lbi_fail(ret, 0, "no name server has answered for %.120s", conn->where);
        break;
    case LBI_LINK_OPENING:
        (void)lbi_fail(ret, 0, "no answer from %.120s (%s)", conn->where,
                       lbi_stream_doing(conn->stream));
        break;
    case LBI_LINK_SHAKING:
        (void)lbi_fail(ret, 0, "%.120s took the connection but did not answer%s", conn->where,
                       conn->tls ? "" : ", if it is a TLS port, connect with tls=1");
        break;
    case LBI_LINK_UP:
        (void)lbi_fail(ret, 0, "%.120s had not answered the %zu queries before it", conn->where,
                       conn->in_flight);
        break;
    }
}

/* What the attempt before this one failed of says more than that this one takes its time. */
void lbi_reql_conn_explain(const lbi_reql_conn *conn, lb_error *ret)
{
    lb_error now;

    if (conn->error.code == 0) {
        explain_attempt(conn, ret);
        return;
    }
    *ret = conn->error;
    if (conn->link == LBI_LINK_DOWN)
        return;
    explain_attempt(conn, &now);
    (void)lbi_fail(ret, ret->code, "%.140s; now %.100s", conn->error.msg, now.msg);
}

uint64_t lbi_reql_link_deadline(const lbi_reql_conn *conn)
{
    bool flushable = conn->out.len > 0 && !conn->blocked;

    switch (conn->link) {
    case LBI_LINK_DOWN:
        return conn->waiting ? conn->retry_us : LB_NEVER;
    case LBI_LINK_RESOLVING:
        return lbi_earlier(lbi_resolver_deadline(conn->resolver), conn->link_deadline_us);
    case LBI_LINK_OPENING:
        return conn->ready ? 0 : conn->link_deadline_us;
    case LBI_LINK_SHAKING:
        if (conn->ready || flushable || conn->handshake.stage == LBI_REQL_SALTING)
            return 0;
        return conn->link_deadline_us;
    case LBI_LINK_UP:
        if (conn->ready || flushable || conn->failed != 0 || conn->heard ||
            lbi_reql_wire_ready(&conn->wire))
            return 0;
        return conn->ping ? lost_at(conn) : ping_at(conn);
    }
    return LB_NEVER;
}
