/* Publications and relays at a real Pushpin: an origin that answers with holds, listeners at the
 * proxy, and everything that is between. */
#include "leaderboard-push.h"

#include "fake_http.h"
#include "pushpin_server.h"
#include "test.h"

#include "base/json_out.h"
#include "base/sse.h"
#include "os/clock.h"
#include "push/grip_hold.h"
#include "push/grip_url.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LISTENERS = 5, HEARD_MAX = 1 << 20 };

#define PREFIX "leaderboard-"
#define PROBE "probe"

typedef struct listener {
    int fd;
    char *heard;
    size_t len;
    bool ended;
} listener;

typedef struct rig {
    struct pushpin_server proxy;
    fake_http origin;
    lbi_grip_config config; /* what the origin knows of the proxy */
    lbi_grip_trust trust;   /* of the last request */
    size_t n_next;          /* requests of the next link */
    const char *message;    /* instead of the board, with the id "message" */
    char answer[8192];
    lb_client *reader, *writer, *client;
    lb_push *push;
    lb_relay *relay;
    listener listeners[LISTENERS];
    size_t n_results;
    bool probing;
} rig;

/* ---- The origin ----------------------------------------------------------------------------- */

/* A board as it is now. */
typedef struct top {
    lbi_buf json;
    char state[LB_STATE_SIZE];
    bool done;
} top;

static int on_row(const lb_player *player, void *user)
{
    top *t = user;

    lbi_put_player(&t->json, player);
    return 0;
}

static void on_read(const lb_result *result, void *user)
{
    top *t = user;

    CHECK_OK(result->code);
    lbi_put_list_end(&t->json);
    snprintf(t->state, sizeof t->state, "%s", result->state);
    t->done = true;
}

static void read_top(lb_client *client, top *t)
{
    lb_range range;

    memset(t, 0, sizeof *t);
    lbi_buf_init(&t->json, LBI_JSON_MAX);
    lbi_put_list_begin(&t->json, "players");
    lb_range_init(&range);
    range.flags = LB_READ_STATE;
    CHECK_OK(lb_board_get_start(client, "b", &range, on_row, on_read, t, NULL, NULL));
    while (!t->done) {
        CHECK_OK(lb_client_wait(client, LB_NEVER));
        CHECK_OK(lb_client_process(client));
    }
}

static void put_hold(lbi_buf *out, bool probe, const char *state)
{
    lbi_grip_hold hold = {.channel = probe ? PROBE : PREFIX "b",
                          .prev_id = state,
                          .next = probe ? "/probe?grip=next" : "/b?grip=next",
                          .timeout_s = 120,
                          .keep_alive_s = 20};
    lbi_grip_fields fields;

    CHECK_OK(lbi_grip_hold_fields(&hold, &fields));
    for (size_t i = 0; i < fields.n; i++) {
        (void)lbi_buf_add_text(out, fields.field[i].name);
        (void)lbi_buf_add_text(out, ": ");
        (void)lbi_buf_add_text(out, fields.field[i].value);
        (void)lbi_buf_add_text(out, "\r\n");
    }
}

/* Every stream begins with the board; the next link gives it where the listener has another. */
static fake_answer on_request(const fake_request *request, void *user)
{
    bool probe = strncmp(request->head, "GET /probe", 10) == 0;
    const char *last = fake_http_field(request, "Grip-Last");
    char length[60], id[LBI_GRIP_ID_MAX + 1] = "";
    rig *r = user;
    lbi_buf out, event;
    top t;

    if (last)
        CHECK(lbi_grip_last(last, probe ? PROBE : PREFIX "b", id));
    r->n_next += strstr(request->head, "grip=next") != NULL;
    r->trust = lbi_grip_check(&r->config, fake_http_field(request, "Grip-Sig"),
                              lbi_clock_wall_us() / 1000000);
    read_top(r->reader, &t);
    lbi_buf_init(&event, LBI_JSON_MAX);
    lbi_buf_init(&out, sizeof r->answer);
    if (r->message)
        snprintf(t.state, sizeof t.state, "message");
    if (r->message && strcmp(id, t.state) != 0)
        CHECK_OK(lbi_buf_add_text(&event, r->message));
    else if (strcmp(id, t.state) != 0)
        lbi_sse_put_update(&event, lbi_buf_bytes(&t.json), t.json.len, t.state);
    CHECK_OK(event.code);
    (void)lbi_buf_add_text(&out, "HTTP/1.1 200 OK\r\nConnection: close\r\n"
                                 "Content-Type: text/event-stream\r\n");
    put_hold(&out, probe, t.state);
    snprintf(length, sizeof length, "Content-Length: %zu\r\n\r\n", event.len);
    (void)lbi_buf_add_text(&out, length);
    CHECK_OK(lbi_buf_add(&out, lbi_buf_bytes(&event), event.len));
    memcpy(r->answer, lbi_buf_bytes(&out), out.len);
    lbi_buf_done(&t.json);
    lbi_buf_done(&event);
    lbi_buf_done(&out);
    return (fake_answer){.bytes = r->answer, .size = out.len};
}

/* ---- Listeners ------------------------------------------------------------------------------ */

static void listen_at(rig *r, int i, const char *path)
{
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_port = htons(r->proxy.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char request[200];
    int n = snprintf(request, sizeof request,
                     "GET %s HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\n\r\n", path);
    listener *l = &r->listeners[i];

    l->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    l->heard = calloc(1, HEARD_MAX + 1);
    CHECK(l->fd >= 0 && l->heard);
    CHECK_EQ(connect(l->fd, (struct sockaddr *)&in, sizeof in), 0);
    CHECK(send(l->fd, request, (size_t)n, MSG_NOSIGNAL) == n);
}

static void hear(listener *l)
{
    ssize_t n = recv(l->fd, l->heard + l->len, HEARD_MAX - l->len, MSG_DONTWAIT);

    l->ended |= n == 0;
    CHECK(l->len < HEARD_MAX);
    if (n > 0)
        l->len += (size_t)n;
}

static void leave(listener *l)
{
    if (l->heard)
        close(l->fd);
    free(l->heard);
    memset(l, 0, sizeof *l);
}

/* Do all hear this as the last state? */
static bool all_hear(const rig *r, const char *text)
{
    for (int i = 0; i < LISTENERS; i++) {
        const listener *l = &r->listeners[i];
        const char *last = NULL;

        if (!l->heard)
            continue;
        for (const char *at = l->heard; (at = strstr(at, "event: update")); at++)
            last = at;
        if (!last || !strstr(last, text))
            return false;
    }
    return true;
}

/* ---- Everything ----------------------------------------------------------------------------- */

static void turn(rig *r)
{
    struct pollfd fds[3 + LISTENERS] = {{.fd = lb_push_fd(r->push), .events = POLLIN},
                                        {.fd = lb_client_fd(r->client), .events = POLLIN},
                                        {.fd = fake_http_fd(&r->origin), .events = POLLIN}};
    uint64_t push_due, client_due, due, now = lbi_clock_us();

    for (int i = 0; i < LISTENERS; i++)
        fds[3 + i] = (struct pollfd){.fd = r->listeners[i].heard ? r->listeners[i].fd : -1,
                                     .events = POLLIN};
    CHECK_OK(lb_push_deadline(r->push, &push_due));
    CHECK_OK(lb_client_deadline(r->client, &client_due));
    due = push_due < client_due ? push_due : client_due;
    if (due > now + 1000000)
        due = now + 1000000; /* a probe has an end */
    CHECK(poll(fds, 3 + LISTENERS, due <= now ? 0 : (int)((due - now) / 1000 + 1)) >= 0);
    for (int i = 0; i < LISTENERS; i++) {
        if (r->listeners[i].heard && fds[3 + i].revents)
            hear(&r->listeners[i]);
        if (r->listeners[i].ended && !r->probing)
            FAIL("the proxy has ended a stream: %s", r->listeners[i].heard);
    }
    fake_http_process(&r->origin);
    CHECK_OK(lb_client_process(r->client));
    CHECK_OK(lb_push_process(r->push));
}

#define UNTIL(r, condition)                                                                        \
    while (!(condition))                                                                           \
    turn(r)

/* One way of a listener through everything; false: some part had not started and lost it. */
static bool probe(rig *r)
{
    lb_push_message hint = {.struct_size = sizeof hint, .channel = PROBE, .flags = LB_PUSH_HINT};
    uint64_t end_us = lbi_clock_us() + 3000000;

    leave(&r->listeners[0]);
    listen_at(r, 0, "/probe");
    UNTIL(r, all_hear(r, "data") || r->listeners[0].ended || lbi_clock_us() > end_us);
    CHECK_OK(lb_push_publish(r->push, &hint, NULL, NULL, NULL));
    UNTIL(r, r->n_next > 0 || r->listeners[0].ended || lbi_clock_us() > end_us);
    return r->n_next > 0;
}

/* A proxy is several programs: that each has begun does not say that they have found each other. */
static void wait_ready(rig *r)
{
    r->probing = true;
    while (!probe(r))
        ;
    leave(&r->listeners[0]);
    r->probing = false;
    r->n_next = 0;
}

static void set_up(rig *r, const char *sig_iss, const char *sig_key, const char *verify)
{
    lb_options o;
    lb_push_options p;
    char url[1000];

    unsetenv("http_proxy");
    unsetenv("all_proxy");
    memset(r, 0, sizeof *r);
    fake_http_start(&r->origin);
    r->origin.handler = on_request;
    r->origin.handler_user = r;
    r->proxy = (struct pushpin_server){
        .sig_iss = sig_iss, .sig_key = sig_key, .origin_port = r->origin.port};
    pushpin_server_start(&r->proxy);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/?%s", r->proxy.control, verify);
    CHECK_OK(lbi_grip_url_parse(url, &r->config, NULL));
    lb_options_init(&o);
    o.database = "sqlite:test.db";
    CHECK_OK(lb_client_new(&o, &r->reader, NULL));
    CHECK_OK(lb_client_new(&o, &r->writer, NULL));
    CHECK_OK(lb_client_new(&o, &r->client, NULL));
    CHECK_OK(lb_board_create(r->writer, "b", 0, NULL, NULL, NULL));
    lb_push_options_init(&p);
    p.grip_url = url;
    CHECK_OK(lb_push_new(&p, &r->push, NULL));
    wait_ready(r);
}

static void tear_down(rig *r)
{
    for (int i = 0; i < LISTENERS; i++)
        leave(&r->listeners[i]);
    lb_relay_free(r->relay);
    lb_push_free(r->push);
    lb_client_free(r->client);
    lb_client_free(r->writer);
    lb_client_free(r->reader);
    lbi_grip_config_done(&r->config);
    pushpin_server_stop(&r->proxy);
    fake_http_stop(&r->origin);
}

static void on_done(const lb_push_result *result, void *user)
{
    size_t *n = user;

    CHECK_EQ(result->code, 0);
    CHECK_EQ(result->status, 200);
    ++*n;
}

static void add(rig *r, const char *player, int64_t amount)
{
    lb_write_options o;

    lb_write_options_init(&o);
    o.flags = LB_WRITE_CREATE;
    CHECK_OK(lb_score_add(r->writer, "b", player, amount, &o, NULL, NULL));
}

/* A message to whoever listens, and what the origin knew of the requests that came before. */
static void publish_to_listeners(rig *r)
{
    lb_push_message m;
    top t;

    for (int i = 0; i < 2; i++)
        listen_at(r, i, "/b");
    UNTIL(r, all_hear(r, "{\"players\":[]}"));
    /* Some time after the first listener of a channel it asks again; then it is settled. */
    UNTIL(r, r->n_next >= 1);
    lb_push_message_init(&m);
    m.channel = PREFIX "b";
    m.content = "event: update\ndata: \xc3\xa9\"\\\n\n";
    m.content_size = strlen(m.content);
    read_top(r->reader,
             &t); /* what listeners have: without its id they would only be told to ask */
    lbi_buf_done(&t.json);
    m.id = "message";
    m.prev_id = t.state;
    r->message = m.content;
    CHECK_OK(lb_push_publish(r->push, &m, on_done, &r->n_results, NULL));
    UNTIL(r, all_hear(r, m.content) && r->n_results == 1);
}

TEST(hs256)
{
    rig r;

    set_up(&r, "pushpin", "changeme", "iss=pushpin&key=changeme&verify-iss=pushpin");
    publish_to_listeners(&r);
    CHECK_EQ(r.trust, LBI_GRIP_SIGNED);
    tear_down(&r);
}

TEST(hs256_with_another_key)
{
    rig r;

    set_up(&r, "pushpin", "other", "key=changeme");
    publish_to_listeners(&r);
    CHECK_EQ(r.trust, LBI_GRIP_DIRECT);
    tear_down(&r);
}

/* For a URL: every byte as %xx. */
static void encode(char *out, size_t size, const char *text)
{
    for (; *text && size > 4; text++) {
        int n = snprintf(out, size, "%%%02X", (unsigned char)*text);

        out += n;
        size -= (size_t)n;
    }
}

static void read_file(const char *name, char *text, size_t size)
{
    FILE *file = fopen(name, "r");

    CHECK(file != NULL);
    text[fread(text, 1, size - 1, file)] = '\0';
    fclose(file);
}

/* As Fastly's proxies do it. */
TEST(es256)
{
    char pem[1000], encoded[3000] = "", verify[4000], key[300], dir[200];
    rig r;

    if (system("openssl ecparam -name prime256v1 -genkey -noout 2>openssl.log | "
               "openssl pkcs8 -topk8 -nocrypt -out ec.pem 2>>openssl.log && "
               "openssl ec -in ec.pem -pubout -out ec.pub 2>>openssl.log") != 0)
        SKIP("openssl makes no key");
    read_file("ec.pub", pem, sizeof pem);
    encode(encoded, sizeof encoded, pem);
    snprintf(verify, sizeof verify, "verify-iss=fastly:S&verify-key=%s", encoded);
    CHECK(getcwd(dir, sizeof dir) != NULL);
    snprintf(key, sizeof key, "file:%s/ec.pem", dir);
    set_up(&r, "fastly:S", key, verify);
    publish_to_listeners(&r);
    CHECK_EQ(r.trust, LBI_GRIP_SIGNED);
    tear_down(&r);
}

static void start_relay(rig *r)
{
    lb_relay_options o;

    lb_relay_options_init(&o);
    o.prefix = PREFIX;
    CHECK_OK(lb_relay_new(r->client, r->push, &o, &r->relay, NULL));
}

TEST(a_relay, .timeout_s = 120)
{
    char text[40];
    rig r;

    set_up(&r, "pushpin", "changeme", "key=changeme");
    for (int i = 0; i < LISTENERS; i++)
        listen_at(&r, i, "/b");
    start_relay(&r);
    UNTIL(&r, all_hear(&r, "{\"players\":[]}"));
    for (int i = 1; i <= 30; i++) {
        add(&r, "ann", 1);
        snprintf(text, sizeof text, "\"score\":%d,", i);
        if (i % 10 == 0)
            UNTIL(&r, all_hear(&r, text));
    }
    tear_down(&r);
}

/* Whoever comes while the board changes has the last state, too. */
TEST(listeners_that_join, .timeout_s = 120)
{
    rig r;

    set_up(&r, "pushpin", "changeme", "key=changeme");
    start_relay(&r);
    for (int i = 0; i < LISTENERS; i++) {
        listen_at(&r, i, "/b");
        for (int n = 0; n < 10; n++) {
            add(&r, "ann", 1);
            turn(&r);
        }
    }
    UNTIL(&r, all_hear(&r, "\"score\":50,"));
    tear_down(&r);
}

/* The proxy drops an id that it has had within a minute: A, B, A has to arrive all the same, and
 * what follows as well. */
TEST(a_state_that_returns, .timeout_s = 120)
{
    rig r;

    set_up(&r, "pushpin", "changeme", "key=changeme");
    for (int i = 0; i < LISTENERS; i++)
        listen_at(&r, i, "/b");
    start_relay(&r);
    UNTIL(&r, all_hear(&r, "{\"players\":[]}"));
    add(&r, "ann", 1);
    UNTIL(&r, all_hear(&r, "ann"));
    for (int i = 0; i < 3; i++) {
        add(&r, "bob", 7 + i);
        UNTIL(&r, all_hear(&r, "bob"));
        CHECK_OK(lb_player_remove(r.writer, "b", "bob", NULL, NULL));
        UNTIL(&r, all_hear(&r, "[{\"id\":\"ann\",\"name\":\"ann\",\"score\":1,\"position\":1,"
                               "\"rank\":1}]"));
    }
    tear_down(&r);
}
