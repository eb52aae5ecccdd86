#include "push/sender.h"

#include "base/error.h"
#include "base/list.h"
#include "base/str.h"
#include "os/clock.h"
#include "os/digest.h"
#include "os/random.h"
#include "push/grip_token.h"
#include "push/grip_url.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_MIN_US UINT64_C(100000)
#define RETRY_MAX_US UINT64_C(10000000)
#define RECOVER_EVERY_US UINT64_C(5000000)

enum { DEFAULT_TIMEOUT_MS = 10000, CONNECT_TIMEOUT_MS = 5000, DEFAULT_COUNT = 10000 };
enum { DEFAULT_BYTES = 64 * 1024 * 1024 };
enum { ANSWER_KEPT = 160, ANSWER_MAX = 65536, RETRY_AFTER_MAX_S = 60 };

/* A connection of curl's. */
typedef struct sock {
    struct sock *prev, *next;
    lbi_poll poll;
    lbi_sender *sender;
} sock;

/* What goes to one proxy. */
typedef struct lane {
    lbi_sender *sender;
    const lbi_grip_proxy *proxy;
    lbi_queue queue;
    CURL *easy;
    struct curl_slist *fields;
    lbi_buf body;
    bool busy;              /* a request is under way */
    bool recovering;        /* it is the one that says that listeners missed something */
    bool failing, refusing; /* that was said already */
    bool refused;           /* what was published last */
    uint64_t retry_us, delay_us;
    uint64_t recover_us; /* not again before */
    char answer[ANSWER_KEPT + 1];
    size_t answer_len, answer_total;
    char error[CURL_ERROR_SIZE];
} lane;

struct lbi_sender {
    lbi_grip_config config;
    lbi_poller *poller;
    lb_notice_fn notice;
    void *notice_user;
    CURLM *multi;
    bool has_curl;
    sock *socks;
    uint64_t timer_us; /* curl's */
    size_t n;
    lane lanes[LBI_GRIP_PROXIES];
};

/* ---- Notices -------------------------------------------------------------------------------- */

static void tell(lbi_sender *sender, int kind, int code, const lb_error *text)
{
    lb_notice notice = {.kind = kind, .code = code, .message = text->msg};

    if (sender->notice)
        sender->notice(&notice, sender->notice_user);
}

/* ---- curl's sockets and timer --------------------------------------------------------------- */

static void on_ready(void *user)
{
    sock *s = user;
    lbi_sender *sender = s->sender;
    int running;

    /* It finds out by itself what the socket is ready for. s may be gone afterwards. */
    (void)curl_multi_socket_action(sender->multi, s->poll.fd, 0, &running);
}

static void free_sock(sock *s)
{
    lbi_poller_remove(s->sender->poller, &s->poll);
    DL_DELETE(s->sender->socks, s);
    free(s);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *socket_user)
{
    lbi_sender *sender = user;
    sock *s = socket_user;
    bool fresh = !s;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (s)
            free_sock(s);
        (void)curl_multi_assign(sender->multi, fd, NULL);
        return 0;
    }
    if (fresh && !(s = calloc(1, sizeof *s)))
        return -1;
    s->sender = sender;
    s->poll.fd = fd;
    s->poll.fn = on_ready;
    s->poll.user = s;
    s->poll.write = (what & CURL_POLL_OUT) != 0;
    s->poll.no_read = !(what & CURL_POLL_IN);
    if (!fresh)
        return lbi_poller_update(sender->poller, &s->poll, NULL) < 0 ? -1 : 0;
    if (lbi_poller_add(sender->poller, &s->poll, NULL) < 0) {
        free(s);
        return -1;
    }
    DL_APPEND(sender->socks, s);
    (void)curl_multi_assign(sender->multi, fd, s);
    return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *user)
{
    lbi_sender *sender = user;

    (void)multi;
    sender->timer_us = timeout_ms < 0 ? LB_NEVER : lbi_clock_us() + (uint64_t)timeout_ms * 1000;
    return 0;
}

/* ---- One request ---------------------------------------------------------------------------- */

static size_t on_answer(char *data, size_t size, size_t n, void *user)
{
    lane *l = user;
    size_t room = ANSWER_KEPT - l->answer_len, len = size * n;

    for (size_t i = 0; i < len && i < room; i++) {
        unsigned char c = (unsigned char)data[i];

        l->answer[l->answer_len++] = c < ' ' || c >= 0x7f ? ' ' : (char)c;
    }
    l->answer[l->answer_len] = '\0';
    l->answer_total += len;
    /* Nobody needs more; its status has been heard. */
    return l->answer_total > ANSWER_MAX ? 0 : len;
}

static int set_up(lane *l, uint32_t timeout_ms)
{
    uint32_t connect_ms = timeout_ms < CONNECT_TIMEOUT_MS ? timeout_ms : CONNECT_TIMEOUT_MS;
    CURL *e = l->easy = curl_easy_init();
    CURLcode r;

    if (!e)
        return LB_E_NOMEM;
    r = curl_easy_setopt(e, CURLOPT_PRIVATE, l);
    r |= curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    r |= curl_easy_setopt(e, CURLOPT_ERRORBUFFER, l->error);
    r |= curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_answer);
    r |= curl_easy_setopt(e, CURLOPT_WRITEDATA, l);
    r |= curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    r |= curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)connect_ms);
    r |= curl_easy_setopt(e, CURLOPT_USERAGENT, "libleaderboard");
    r |= curl_easy_setopt(e, CURLOPT_POST, 1L);
#if LIBCURL_VERSION_NUM >= 0x075500
    r |= curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    r |= curl_easy_setopt(e, CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS);
#endif
    if (l->proxy->user) {
        r |= curl_easy_setopt(e, CURLOPT_USERNAME, l->proxy->user);
        r |= curl_easy_setopt(e, CURLOPT_PASSWORD, l->proxy->password ? l->proxy->password : "");
    }
    return r == CURLE_OK ? 0 : LB_E_NOMEM;
}

static int add_field(lane *l, const char *line)
{
    struct curl_slist *fields = curl_slist_append(l->fields, line);

    if (!fields)
        return LB_E_NOMEM;
    l->fields = fields;
    return 0;
}

/* Who we are: a token signed anew for each request, or the key as it is. */
static int add_authorization(lane *l)
{
    const lbi_grip_proxy *proxy = l->proxy;
    int64_t now_s = lbi_clock_wall_us() / 1000000;
    lbi_buf line;
    int r;

    if (!proxy->iss && !proxy->bearer)
        return 0;
    lbi_buf_init(&line, LBI_GRIP_URL_MAX + 256);
    (void)lbi_buf_add_text(&line, proxy->fastly && !proxy->iss ? "Fastly-Key: "
                                                               : "Authorization: Bearer ");
    if (proxy->iss)
        (void)lbi_grip_token_make(&line, &proxy->key, proxy->iss, now_s);
    else
        (void)lbi_buf_add_text(&line, proxy->bearer);
    r = lbi_buf_add_char(&line, '\0');
    if (r == 0)
        r = add_field(l, lbi_buf_bytes(&line));
    lbi_wipe(line.data, line.len);
    lbi_buf_done(&line);
    return r;
}

static int start(lane *l)
{
    const char *url = l->recovering ? l->proxy->recover_url : l->proxy->publish_url;
    CURL *e = l->easy;
    int r = add_field(l, "Content-Type: application/json");
    CURLcode code;

    /* A second round trip is no gain: what is refused is small or an exception. */
    if (r == 0)
        r = add_field(l, "Expect:");
    if (r == 0)
        r = add_authorization(l);
    if (r < 0)
        return r;
    code = curl_easy_setopt(e, CURLOPT_URL, url);
    code |= curl_easy_setopt(e, CURLOPT_HTTPHEADER, l->fields);
    code |= curl_easy_setopt(e, CURLOPT_POSTFIELDS, lbi_buf_bytes(&l->body));
    code |= curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)l->body.len);
    l->answer_len = l->answer_total = 0;
    l->answer[0] = l->error[0] = '\0';
    if (code != CURLE_OK || curl_multi_add_handle(l->sender->multi, e) != CURLM_OK)
        return LB_E_NOMEM;
    l->busy = true;
    l->queue.counters.requests++;
    return 0;
}

static void end_request(lane *l)
{
    curl_slist_free_all(l->fields);
    l->fields = NULL;
    lbi_buf_done(&l->body);
    l->busy = l->recovering = false;
}

/* ---- Its end -------------------------------------------------------------------------------- */

/* Between half of the delay and all of it, so that many senders do not come at the same time. */
static uint64_t jittered(uint64_t delay_us)
{
    uint32_t random = 0;

    (void)lbi_random(&random, sizeof random);
    return delay_us / 2 + random % (delay_us / 2 + 1);
}

static void retry_later(lane *l, uint64_t wait_us, uint64_t now_us)
{
    l->delay_us = l->delay_us ? l->delay_us * 2 : RETRY_MIN_US;
    if (l->delay_us > RETRY_MAX_US)
        l->delay_us = RETRY_MAX_US;
    l->retry_us = now_us + (wait_us ? wait_us : jittered(l->delay_us));
    l->queue.counters.retries++;
}

/* "http://h:5561 answered 500: text" or what curl says. */
static void describe(const lane *l, CURLcode code, long status, lb_error *ret)
{
    const char *why = l->error[0] ? l->error : curl_easy_strerror(code);

    if (status == 0)
        (void)lbi_fail(ret, LB_E_IO, "the proxy %.80s cannot be reached: %.120s", l->proxy->name,
                       why);
    else if (status < 400)
        (void)lbi_fail(ret, LB_E_PROTO,
                       "the proxy %.80s answered %ld: redirections are not followed",
                       l->proxy->name, status);
    else
        (void)lbi_fail(ret, LB_E_QUERY, "the proxy %.80s answered %ld: %s", l->proxy->name, status,
                       l->answer);
}

static void end_recover(lane *l, uint64_t now_us)
{
    l->queue.recover = false;
    l->recover_us = now_us + RECOVER_EVERY_US;
}

static void succeed(lane *l, int status, uint64_t now_us)
{
    lb_error text;

    if (l->failing || l->refusing) {
        (void)lbi_fail(&text, 0, "the proxy %.80s takes publications again", l->proxy->name);
        tell(l->sender, LB_NOTICE_PUSH_BACK, 0, &text);
    }
    l->failing = l->refusing = false;
    l->delay_us = l->retry_us = 0;
    if (l->recovering)
        end_recover(l, now_us);
    /* Nobody sends again what was refused: whoever listens has to ask. */
    else if (l->queue.missed)
        l->queue.recover = true;
    l->queue.missed = l->refused = false;
    lbi_queue_sent(&l->queue, status, now_us);
}

static bool never_sent(CURLcode code)
{
    return code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
           code == CURLE_COULDNT_RESOLVE_PROXY || code == CURLE_SSL_CONNECT_ERROR ||
           code == CURLE_PEER_FAILED_VERIFICATION;
}

static void fail(lane *l, CURLcode code, long status, uint64_t now_us)
{
    curl_off_t wait_s = 0;
    lb_error text;

    if (!l->failing) { /* once a streak: the retries are counted */
        describe(l, code, status, &text);
        tell(l->sender, LB_NOTICE_PUSH_RETRY, LB_E_IO, &text);
    }
    l->failing = true;
#if LIBCURL_VERSION_NUM >= 0x074200
    (void)curl_easy_getinfo(l->easy, CURLINFO_RETRY_AFTER, &wait_s);
#endif
    if (wait_s > RETRY_AFTER_MAX_S)
        wait_s = RETRY_AFTER_MAX_S;
    retry_later(l, wait_s > 0 ? (uint64_t)wait_s * 1000000 : 0, now_us);
    lbi_queue_again(&l->queue, status != 429 && !(status == 0 && never_sent(code)), now_us);
}

static void refuse(lane *l, long status, uint64_t now_us)
{
    lb_error text;

    if (!l->refusing) {
        describe(l, CURLE_OK, status, &text);
        tell(l->sender, LB_NOTICE_PUSH_REFUSED, LB_E_QUERY, &text);
    }
    l->refusing = true;
    l->delay_us = l->retry_us = 0;
    /* A proxy that knows no such request: its listeners ask by themselves after a while. */
    if (l->recovering)
        end_recover(l, now_us);
    else
        l->refused = true;
    lbi_queue_refused(&l->queue, (int)status);
}

static void finish_request(lane *l, CURLcode code, uint64_t now_us)
{
    long status = 0;

    (void)curl_easy_getinfo(l->easy, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_multi_remove_handle(l->sender->multi, l->easy);
    /* With its status a proxy has decided, whatever becomes of the rest of its answer. */
    if (status >= 200 && status < 300)
        succeed(l, (int)status, now_us);
    else if (status < 200 || status == 408 || status == 429 || status >= 500)
        fail(l, code, status < 200 ? 0 : status, now_us);
    else
        refuse(l, status, now_us);
    end_request(l);
}

static int collect(lbi_sender *sender, uint64_t now_us)
{
    CURLMsg *message;
    int left, done = 0;

    while ((message = curl_multi_info_read(sender->multi, &left))) {
        lane *l = NULL;

        if (message->msg != CURLMSG_DONE)
            continue;
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&l);
        finish_request(l, message->data.result, now_us);
        done = 1;
    }
    return done;
}

/* ---- Sending -------------------------------------------------------------------------------- */

/* When its next request is to be sent. */
static uint64_t lane_due(const lane *l)
{
    uint64_t due = LB_NEVER;

    if (l->busy)
        return LB_NEVER;
    if (lbi_queue_waits(&l->queue))
        due = 0;
    else if (l->queue.recover)
        due = l->recover_us;
    return due < l->retry_us ? l->retry_us : due;
}

static int process_lane(lane *l, uint64_t now_us)
{
    int r = 1;

    if (lane_due(l) > now_us)
        return 0;
    lbi_buf_init(&l->body, LBI_GRIP_BODY_MAX);
    l->recovering = l->queue.recover && l->recover_us <= now_us;
    if (!l->recovering)
        r = lbi_queue_fill(&l->queue, &l->body, now_us);
    if (r > 0)
        r = start(l);
    if (r < 0) { /* out of memory: as if the proxy had failed */
        lbi_queue_again(&l->queue, false, now_us);
        retry_later(l, 0, now_us);
    }
    if (!l->busy)
        end_request(l);
    return 1;
}

int lbi_sender_process(lbi_sender *sender, uint64_t now_us)
{
    int running, done = 0;

    if (sender->timer_us <= now_us) {
        sender->timer_us = LB_NEVER; /* before it says what the next one is */
        (void)curl_multi_socket_action(sender->multi, CURL_SOCKET_TIMEOUT, 0, &running);
        done = 1;
    }
    done |= collect(sender, now_us);
    for (size_t i = 0; i < sender->n; i++)
        done |= process_lane(&sender->lanes[i], now_us);
    for (size_t i = 0; i < sender->n; i++)
        done |= lbi_queue_deliver(&sender->lanes[i].queue);
    return done;
}

uint64_t lbi_sender_deadline(const lbi_sender *sender)
{
    uint64_t ret = sender->timer_us;

    for (size_t i = 0; i < sender->n; i++) {
        const lane *l = &sender->lanes[i];

        if (l->queue.results)
            return 0;
        if (lane_due(l) < ret)
            ret = lane_due(l);
    }
    return ret;
}

static void tell_overflow(lane *l)
{
    lb_error text;

    (void)lbi_fail(&text, LB_E_LIMIT,
                   "more than %zu channels or %zu bytes wait for the proxy %.80s: it is told to "
                   "have its listeners ask again instead",
                   l->queue.max_channels, l->queue.max_bytes, l->proxy->name);
    tell(l->sender, LB_NOTICE_PUSH_OVERFLOW, LB_E_LIMIT, &text);
}

int lbi_sender_publish(lbi_sender *sender, lbi_publication *publication)
{
    uint64_t now_us = lbi_clock_us();
    int r = 0;

    for (size_t i = 0; i < sender->n; i++) {
        lane *l = &sender->lanes[i];
        bool recover = l->queue.recover;

        if (lbi_queue_put(&l->queue, publication, now_us) < 0)
            r = LB_E_NOMEM;
        if (l->queue.recover && !recover)
            tell_overflow(l);
    }
    return r;
}

/* What may not have been read yet will not be. */
static void abort_request(lane *l)
{
    (void)curl_multi_remove_handle(l->sender->multi, l->easy);
    lbi_queue_again(&l->queue, true, lbi_clock_us());
    end_request(l);
}

void lbi_sender_forget(lbi_sender *sender, const void *owner)
{
    for (size_t i = 0; i < sender->n; i++) {
        lane *l = &sender->lanes[i];

        lbi_queue_forget(&l->queue, owner);
        if (l->busy && lbi_queue_is_stale(&l->queue))
            abort_request(l);
    }
}

void lbi_sender_recover(lbi_sender *sender)
{
    for (size_t i = 0; i < sender->n; i++)
        sender->lanes[i].queue.recover = true;
}

void lbi_sender_mark(lbi_sender *sender)
{
    for (size_t i = 0; i < sender->n; i++)
        lbi_queue_mark(&sender->lanes[i].queue);
}

static bool lacks(const lane *l)
{
    return l->queue.n_due > 0 || l->queue.recover;
}

bool lbi_sender_is_drained(const lbi_sender *sender)
{
    bool one_fails = false, one_works = false;

    for (size_t i = 0; i < sender->n; i++) {
        const lane *l = &sender->lanes[i];

        if (lacks(l) && !l->failing)
            return false;
        one_fails |= lacks(l);
        one_works |= !l->failing;
    }
    return !one_fails || one_works;
}

int lbi_sender_outcome(const lbi_sender *sender)
{
    int r = 0;

    for (size_t i = 0; i < sender->n; i++) {
        if (lacks(&sender->lanes[i]))
            return LB_E_TIMEOUT;
        if (sender->lanes[i].refused)
            r = LB_E_QUERY;
    }
    return r;
}

size_t lbi_sender_proxies(const lbi_sender *sender)
{
    return sender->n;
}

const lb_push_counters *lbi_sender_counters(const lbi_sender *sender, size_t proxy)
{
    return &sender->lanes[proxy].queue.counters;
}

/* ---- Its life ------------------------------------------------------------------------------- */

static int init_lanes(lbi_sender *sender, const lb_push_options *o)
{
    for (size_t i = 0; i < sender->config.n; i++) {
        lane *l = &sender->lanes[i];

        l->sender = sender;
        l->proxy = &sender->config.proxies[i];
        lbi_queue_init(&l->queue, (int)i, o->max_channels ? o->max_channels : DEFAULT_COUNT,
                       o->max_messages ? o->max_messages : DEFAULT_COUNT,
                       o->max_bytes ? o->max_bytes : DEFAULT_BYTES);
        l->queue.counters.proxy = l->proxy->name;
        sender->n++;
        if (set_up(l, o->timeout_ms ? o->timeout_ms : DEFAULT_TIMEOUT_MS) < 0)
            return LB_E_NOMEM;
    }
    return 0;
}

static int init(lbi_sender *sender, const lb_push_options *o, lb_error *reterr)
{
    int r = lbi_grip_url_parse(o->grip_url, &sender->config, reterr);

    if (r < 0)
        return r;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return lbi_fail(reterr, LB_E_IO, "libcurl cannot be used");
    sender->has_curl = true;
    sender->multi = curl_multi_init();
    if (!sender->multi || init_lanes(sender, o) < 0)
        return lbi_fail_nomem(reterr);
    (void)curl_multi_setopt(sender->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    (void)curl_multi_setopt(sender->multi, CURLMOPT_SOCKETDATA, sender);
    (void)curl_multi_setopt(sender->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    (void)curl_multi_setopt(sender->multi, CURLMOPT_TIMERDATA, sender);
    return 0;
}

int lbi_sender_new(const lb_push_options *opts, lbi_poller *poller, lbi_sender **ret,
                   lb_error *reterr)
{
    lbi_sender *sender = calloc(1, sizeof *sender);
    int r;

    if (!sender)
        return lbi_fail_nomem(reterr);
    sender->poller = poller;
    sender->timer_us = LB_NEVER;
    sender->notice = opts->notice;
    sender->notice_user = opts->notice_user;
    r = init(sender, opts, reterr);
    if (r < 0) {
        lbi_sender_free(sender);
        return r;
    }
    *ret = sender;
    return 0;
}

static void free_lane(lane *l)
{
    if (l->busy)
        (void)curl_multi_remove_handle(l->sender->multi, l->easy);
    end_request(l);
    curl_easy_cleanup(l->easy);
    lbi_queue_cancel(&l->queue, LB_E_CLOSED);
    (void)lbi_queue_deliver(&l->queue);
    lbi_queue_done(&l->queue);
}

void lbi_sender_free(lbi_sender *sender)
{
    for (size_t i = 0; i < sender->n; i++)
        free_lane(&sender->lanes[i]);
    if (sender->multi)
        (void)curl_multi_cleanup(sender->multi);
    while (sender->socks)
        free_sock(sender->socks);
    if (sender->has_curl)
        curl_global_cleanup();
    lbi_grip_config_done(&sender->config);
    free(sender);
}
