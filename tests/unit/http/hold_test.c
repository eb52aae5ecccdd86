/* Event streams behind a proxy: which requests are its, what it is told to hold, and what its
 * listeners hear of. Tokens were made with Python's hmac and cryptography, or are made here, from
 * the text of RFC 2104 and RFC 7515. */
#include "fault.h"
#include "http_rig.h"
#include "model_store.h"
#include "test.h"

#include "os/digest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define URL "http://localhost:5561/?key=changeme"
#define ACCEPT "accept: text/event-stream\n"

/* {"exp":4102444800,"iss":"pushpin"} and "changeme". */
#define TOKEN                                                                                      \
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJleHAiOjQxMDI0NDQ4MDAsImlzcyI6InB1c2hwaW4ifQ."         \
    "GNQVheSZ98Kg4YCU-918Zc1QMoetIRy5D7xbGpLWKzE"
#define SIGNED "grip-sig: " TOKEN "\n"

/* A key of P-256 whose private half was thrown away, and what it has signed: for fastly:SERVICE,
 * for fastly:OTHER, and expired. */
#define ES256_URL                                                                                  \
    "https://api.fastly.com/service/S?key=token&verify-iss=fastly:SERVICE&verify-key="             \
    "%7B%22kty%22:%22EC%22,%22crv%22:%22P-256%22,"                                                 \
    "%22x%22:%22JFpZbOVrm5I0oiwVT_rN9eN-dODa737f_u1jFWcCWd0%22,"                                   \
    "%22y%22:%22EIj-lIX643rIgaDutZbcSiXpmZHEeUCFp1ZM6LIJ4hA%22%7D"
#define ES256 "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9."
#define ES256_SERVICE                                                                              \
    ES256 "eyJleHAiOjQxMDI0NDQ4MDAsImlzcyI6ImZhc3RseTpTRVJWSUNFIn0."                               \
          "3EBHVPbZCsjd63x7kAaXf798TCsjZc371ETYW8kqw0zSVDXvnpnwpIGVTrKhrXa32Wdy1s8-jCqB1pvFZDPTdQ"
#define ES256_OTHER                                                                                \
    ES256 "eyJleHAiOjQxMDI0NDQ4MDAsImlzcyI6ImZhc3RseTpPVEhFUiJ9."                                  \
          "7QB3fW7MHzamxqLLWyds_Kxd_ZjUG3wsYv19BsM_qLdrtaHqnVqIhbvmvl0CpCff__HYNYApbO9-F01x5uUQQg"
#define ES256_EXPIRED                                                                              \
    ES256 "eyJleHAiOjE3MDAwMDAwMDAsImlzcyI6ImZhc3RseTpTRVJWSUNFIn0."                               \
          "7etI4MghCOxoGtnSh5crQb8zUs29UhcT0KT4EVzoHcrUl8j-XAm1xTrMwejpu3QbCauU7NLf2K0NEkmaBcvPTg"

/* ---- tokens --------------------------------------------------------------------------------- */

static void put_base64url(char *text, const void *data, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const uint8_t *bytes = data;
    uint32_t bits = 0;
    int n_bits = 0;

    text += strlen(text);
    for (size_t i = 0; i < size; i++) {
        bits = bits << 8 | bytes[i];
        for (n_bits += 8; n_bits >= 6; n_bits -= 6)
            *text++ = digits[bits >> (n_bits - 6) & 63];
    }
    if (n_bits > 0)
        *text++ = digits[bits << (6 - n_bits) & 63];
    *text = '\0';
}

static void hmac(const char *key, const char *text, uint8_t ret[LBI_SHA256_SIZE])
{
    uint8_t inner[64 + 1000] = {0}, outer[64 + LBI_SHA256_SIZE] = {0};
    size_t len = strlen(text);

    CHECK(strlen(key) <= 64 && len <= 1000);
    memcpy(inner, key, strlen(key));
    memcpy(outer, key, strlen(key));
    for (int i = 0; i < 64; i++) {
        inner[i] ^= 0x36;
        outer[i] ^= 0x5c;
    }
    memcpy(inner + 64, text, len);
    CHECK_OK(lbi_sha256(inner, 64 + len, outer + 64));
    CHECK_OK(lbi_sha256(outer, sizeof outer, ret));
}

/* A "grip-sig" line with these parts, signed with HMAC whatever alg says. */
static const char *sign(const char *alg, const char *claims, const char *key)
{
    static char line[2000];
    char token[1000] = "", header[64];
    uint8_t mac[LBI_SHA256_SIZE];

    (void)snprintf(header, sizeof header, "{\"typ\":\"JWT\",\"alg\":\"%s\"}", alg);
    put_base64url(token, header, strlen(header));
    strcat(token, ".");
    put_base64url(token, claims, strlen(claims));
    hmac(key, token, mac);
    strcat(token, ".");
    put_base64url(token, mac, sizeof mac);
    (void)snprintf(line, sizeof line, "grip-sig: %s\n", token);
    return line;
}

/* Claims that expire in so many seconds. */
static const char *expires(int seconds)
{
    static char claims[64];

    (void)snprintf(claims, sizeof claims, "{\"exp\":%lld,\"iss\":\"pushpin\"}",
                   (long long)time(NULL) + seconds);
    return claims;
}

/* ---- the handler ---------------------------------------------------------------------------- */

static lb_http_options proxied(const char *grip_url)
{
    lb_http_options o;

    lb_http_options_init(&o);
    o.grip_url = grip_url;
    o.grip_prefix = "leaderboard-";
    return o;
}

static void set_score(http_rig *rig, const char *player, int64_t score)
{
    lb_write_options w;

    lb_write_options_init(&w);
    w.flags = LB_WRITE_CREATE;
    CHECK_OK(lb_score_set(rig->client, "b", player, score, &w, NULL, NULL));
}

static void open_rig(http_rig *rig, const char *grip_url)
{
    lb_http_options o = proxied(grip_url);

    http_open_sqlite(rig, &o);
    set_score(rig, "p", 1);
}

static lb_http_counters counters(const http_rig *rig)
{
    lb_http_counters c;

    CHECK_EQ(lb_http_counters_get(rig->http, &c, sizeof c), 0);
    return c;
}

/* Asks with "grip-sig: ..." and further lines (or NULL). Returns the status. */
static int ask(http_rig *rig, answer *a, const char *line, const char *sig, const char *more)
{
    char fields[8192];

    CHECK((size_t)snprintf(fields, sizeof fields, "%s%s", sig ? sig : "", more ? more : "") <
          sizeof fields);
    return http_ask(rig, a, line, fields, NULL);
}

static bool is_hold(const answer *a)
{
    return strcmp(answer_field(a, "Grip-Hold"), "stream") == 0;
}

/* Not one of the fields that a proxy acts upon. */
static void check_no_grip(const answer *a)
{
    CHECK(!strstr(a->fields, "Grip-") && !strstr(a->fields, "grip-"));
}

/* The id of board b's state, as a plain page tells it. */
static const char *state_of(http_rig *rig)
{
    static char state[LB_STATE_SIZE];
    answer a = {.count = 0};

    CHECK_EQ(ask(rig, &a, "GET /boards/b/", NULL, NULL), 200);
    (void)snprintf(state, sizeof state, "%s", answer_field(&a, "ETag") + 1);
    CHECK_EQ(strlen(state), LB_STATE_SIZE - 1);
    answer_clear(&a);
    return state;
}

/* What a direct listener gets first. */
static const char *direct_bytes(http_rig *rig, const char *more)
{
    static char text[4096];
    answer a = {.count = 0};
    int n;

    CHECK_EQ(ask(rig, &a, "GET /boards/b/", ACCEPT, more), 200);
    check_no_grip(&a);
    CHECK(a.stream != NULL);
    n = lb_http_stream_read(a.stream, text, sizeof text - 1);
    CHECK(n > 0);
    text[n] = '\0';
    answer_clear(&a);
    return text;
}

static void check_hold_fields(const answer *a, const char *state)
{
    char channel[100];

    CHECK(is_hold(a) && a->stream == NULL);
    (void)snprintf(channel, sizeof channel, "leaderboard-b; prev-id=%s", state);
    CHECK_STR(answer_field(a, "Grip-Channel"), channel);
    CHECK_STR(answer_field(a, "Grip-Link"), "</boards/b/?grip=next>; rel=next; timeout=60");
    CHECK_STR(answer_field(a, "Grip-Keep-Alive"), "OgoK; format=base64; timeout=15");
    CHECK_STR(answer_field(a, "Content-Type"), "text/event-stream");
    CHECK_STR(answer_field(a, "Cache-Control"), "no-cache");
    CHECK_STR(answer_field(a, "X-Accel-Buffering"), "no");
}

/* ---- holds ---------------------------------------------------------------------------------- */

TEST(begins_as_a_direct_stream)
{
    answer a = {.count = 0};
    http_rig rig;

    open_rig(&rig, URL);
    CHECK_EQ(ask(&rig, &a, "GET /boards/b/", ACCEPT, SIGNED), 200);
    check_hold_fields(&a, state_of(&rig));
    CHECK_STR(a.body, direct_bytes(&rig, NULL));
    CHECK(strncmp(a.body, "retry: 2000\n\nid: ", 17) == 0);
    CHECK_EQ(counters(&rig).holds, 1);
    CHECK_EQ(counters(&rig).streams, 1);
    CHECK_EQ(counters(&rig).bad_sigs, 0);
    answer_clear(&a);
    http_close(&rig);
}

TEST(last_event_id)
{
    answer a = {.count = 0};
    char last[400];
    http_rig rig;

    open_rig(&rig, URL);
    (void)snprintf(last, sizeof last, SIGNED "last-event-id: %s\n", state_of(&rig));
    CHECK_EQ(ask(&rig, &a, "GET /boards/b/", ACCEPT, last), 200);
    check_hold_fields(&a, state_of(&rig));
    CHECK_STR(a.body, "retry: 2000\n\n");
    set_score(&rig, "p", 2);
    CHECK_EQ(ask(&rig, &a, "GET /boards/b/", ACCEPT, last), 200);
    check_hold_fields(&a, state_of(&rig));
    CHECK_STR(a.body, direct_bytes(&rig, NULL));
    answer_clear(&a);
    http_close(&rig);
}

TEST(next_link)
{
    static const char *const fields[] = {
        "leaderboard-b; last-id=%s",
        "other; last-id=1, leaderboard-b; last-id=%s",
        "leaderboard-b;last-id=%s, leaderboard-b2; last-id=1",
    };
    static const char *const others[] = {
        "leaderboard-b; last-id=00000000000000000000000000000000",
        "leaderboard-c; last-id=%s",
        "b; last-id=%s",
        "leaderboard-b; prev-id=%s",
        "leaderboard-b",
        "%s",
        "",
    };
    answer a = {.count = 0};
    char format[400], last[800];
    const char *event;
    http_rig rig;

    open_rig(&rig, URL);
    event = direct_bytes(&rig, NULL) + strlen("retry: 2000\n\n");
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        (void)snprintf(format, sizeof format, SIGNED "accept: */*\ngrip-last: %s\n", fields[i]);
        (void)snprintf(last, sizeof last, format, state_of(&rig));
        CHECK_EQ(ask(&rig, &a, "GET /boards/b/?grip=next", NULL, last), 200);
        check_hold_fields(&a, state_of(&rig));
        CHECK(a.body == NULL && a.body_size == 0);
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        (void)snprintf(format, sizeof format, SIGNED "grip-last: %s\n", others[i]);
        (void)snprintf(last, sizeof last, format, state_of(&rig));
        CHECK_EQ(ask(&rig, &a, "GET /boards/b?x=1&grip=next", NULL, last), 200);
        check_hold_fields(&a, state_of(&rig));
        CHECK_STR(a.body, event);
    }
    /* Nothing that a browser says of itself is the proxy's word. */
    (void)snprintf(last, sizeof last, SIGNED "last-event-id: %s\n", state_of(&rig));
    CHECK_EQ(ask(&rig, &a, "GET /boards/b/?grip=next", NULL, last), 200);
    CHECK_STR(a.body, event);
    (void)snprintf(last, sizeof last, SIGNED "grip-last: leaderboard-b; last-id=%s\n",
                   state_of(&rig));
    CHECK_EQ(ask(&rig, &a, "GET /boards/b/", ACCEPT, last), 200);
    CHECK_STR(a.body, direct_bytes(&rig, NULL));
    CHECK_EQ(counters(&rig).holds, 1);
    CHECK_EQ(counters(&rig).hold_checks, 11);
    answer_clear(&a);
    http_close(&rig);
}

TEST(a_long_list_of_channels_is_none)
{
    char last[6000];
    answer a = {.count = 0};
    http_rig rig;
    int n;

    open_rig(&rig, URL);
    n = snprintf(last, sizeof last, SIGNED "grip-last: leaderboard-b; last-id=%s", state_of(&rig));
    while (n < 5000)
        n += snprintf(last + n, sizeof last - (size_t)n, ", c%d; last-id=1", n);
    CHECK_EQ(ask(&rig, &a, "GET /boards/b/?grip=next", NULL, last), 200);
    CHECK(is_hold(&a) && strstr(a.body, "event: update"));
    answer_clear(&a);
    http_close(&rig);
}

/* A board that comes back to where it was is what it was: a listener that has missed what was
 * between has missed nothing. */
TEST(back_again)
{
    static const char *const names[] = {"A", "B", "A"};
    char states[3][LB_STATE_SIZE], last[400];
    answer a = {.count = 0};
    http_rig rig;

    open_rig(&rig, URL);
    for (int i = 0; i < 3; i++) {
        CHECK_OK(lb_player_put(rig.client, "b", "p", names[i], NULL, NULL, NULL));
        (void)snprintf(states[i], sizeof states[i], "%s", state_of(&rig));
        for (int j = 0; j <= i; j++) {
            bool same = strcmp(names[i], names[j]) == 0;

            (void)snprintf(last, sizeof last, SIGNED "grip-last: leaderboard-b; last-id=%s\n",
                           states[j]);
            CHECK_EQ(ask(&rig, &a, "GET /boards/b/?grip=next", NULL, last), 200);
            check_hold_fields(&a, states[i]);
            CHECK_EQ(a.body == NULL, same);
        }
    }
    CHECK_STR(states[0], states[2]);
    CHECK(strcmp(states[0], states[1]) != 0);
    answer_clear(&a);
    http_close(&rig);
}

/* Direct listeners hear of a change later than a proxy may ask for it. */
TEST(newer_than_what_streams_have)
{
    lb_http_options o = proxied(URL);
    listener l = {.chunk = 0};
    answer a = {.count = 0};
    http_rig rig;

    o.min_interval_ms = 3600000;
    http_open_sqlite(&rig, &o);
    set_score(&rig, "p", 1);
    listen_open(&l, &rig, "/boards/b/", NULL);
    listen_read(&l);
    http_idle(&rig);
    set_score(&rig, "p", 2);
    set_score(&rig, "p", 3);
    CHECK_EQ(ask(&rig, &a, "GET /boards/b/", ACCEPT, SIGNED), 200);
    check_hold_fields(&a, state_of(&rig));
    CHECK(strstr(a.body, "\"score\":3,"));
    CHECK_EQ(counters(&rig).followers_now, 1);
    listen_close(&l);
    answer_clear(&a);
    http_close(&rig);
}

TEST(times_in_whole_seconds)
{
    lb_http_options o = proxied(URL);
    answer a = {.count = 0};
    http_rig rig;

    o.grip_timeout_ms = 1;
    o.keep_alive_ms = 2001;
    o.retry_ms = 7;
    o.grip_prefix = NULL;
    http_open_sqlite(&rig, &o);
    set_score(&rig, "p", 1);
    CHECK_EQ(ask(&rig, &a, "GET /boards/b/", ACCEPT, SIGNED), 200);
    CHECK_STR(answer_field(&a, "Grip-Link"), "</boards/b/?grip=next>; rel=next; timeout=1");
    CHECK_STR(answer_field(&a, "Grip-Keep-Alive"), "OgoK; format=base64; timeout=3");
    CHECK(strncmp(answer_field(&a, "Grip-Channel"), "b; prev-id=", 11) == 0);
    CHECK(strncmp(a.body, "retry: 7\n\n", 10) == 0);
    answer_clear(&a);
    http_close(&rig);
}

/* The proxy takes "/api/v1" away before it asks; what clients and it are told has it. */
TEST(a_path_prefix)
{
    lb_http_options o = proxied(URL);
    answer a = {.count = 0};
    http_rig rig;

    o.path_prefix = "/api/v1";
    o.flags = LB_HTTP_CREATE;
    http_open_sqlite(&rig, &o);
    set_score(&rig, "p", 1);
    set_score(&rig, "q", 1);
    CHECK_EQ(ask(&rig, &a, "GET /boards/b/", ACCEPT, SIGNED), 200);
    CHECK_STR(answer_field(&a, "Grip-Link"), "</api/v1/boards/b/?grip=next>; rel=next; timeout=60");
    answer_clear(&a);
    CHECK_EQ(ask(&rig, &a, "GET /boards/b/?limit=1", "", ""), 200);
    CHECK(strncmp(answer_field(&a, "Link"), "</api/v1/boards/b/?limit=1&after=", 33) == 0);
    answer_clear(&a);
    CHECK_EQ(ask(&rig, &a, "POST /boards/", "", ""), 201);
    CHECK(strncmp(answer_field(&a, "Location"), "/api/v1/boards/", 15) == 0);
    answer_clear(&a);
    http_close(&rig);
}

/* As GRIP_VERIFY_KEY: for the proxies whose URL has no verify-key. */
TEST(a_verify_key_beside_the_url)
{
    lb_http_options o = proxied("http://localhost:5561/?key=of-the-api");
    answer a = {.count = 0};
    http_rig rig;

    o.grip_verify_key = "changeme";
    http_open_sqlite(&rig, &o);
    set_score(&rig, "p", 1);
    CHECK_EQ(ask(&rig, &a, "GET /boards/b/", ACCEPT, SIGNED), 200);
    check_hold_fields(&a, state_of(&rig));
    answer_clear(&a);
    http_close(&rig);
}

TEST(pages_of_other_origins)
{
    lb_http_options o = proxied(URL);
    answer a = {.count = 0};
    http_rig rig;

    o.cors_origins = "http://game.example";
    http_open_sqlite(&rig, &o);
    set_score(&rig, "p", 1);
    CHECK_EQ(ask(&rig, &a, "GET /boards/b/", ACCEPT, SIGNED "origin: http://game.example\n"), 200);
    CHECK(is_hold(&a));
    CHECK_STR(answer_field(&a, "Access-Control-Allow-Origin"), "http://game.example");
    CHECK(*answer_field(&a, "Grip-Keep-Alive"));
    answer_clear(&a);
    http_close(&rig);
}

/* ---- never a hold --------------------------------------------------------------------------- */

TEST(no_hold)
{
    static const struct {
        const char *line, *fields;
        int status;
    } cases[] = {
        {"GET /boards/b/", SIGNED, 200},
        {"GET /boards/b/", SIGNED "accept: application/json\n", 200},
        {"GET /boards/b/players/", SIGNED, 200},
        {"GET /boards/b/players/?grip=next", SIGNED, 200},
        {"GET /boards/b/players/p/", SIGNED, 200},
        {"GET /boards/", SIGNED, 200},
        {"HEAD /boards/b/", SIGNED ACCEPT, 200},
        {"HEAD /boards/b/?grip=next", SIGNED, 200},
        {"OPTIONS /boards/b/", SIGNED ACCEPT, 204},
        {"GET /boards/none/", SIGNED ACCEPT, 404},
        {"GET /elsewhere/", SIGNED ACCEPT, 404},
        {"POST /boards/b/?grip=next", SIGNED ACCEPT, 405},
        {"GET /boards/b/", SIGNED "accept: text/html\n", 406},
        {"GET /boards/b/players/", SIGNED ACCEPT, 406},
        {"GET /boards/b/?limit=4", SIGNED ACCEPT, 400},
        {"GET /boards/b/?offset=1", SIGNED ACCEPT, 400},
        {"GET /boards/b/?grip=next&limit=4", SIGNED, 400},
        {"GET /boards/b/?grip=next&after=x", SIGNED, 400},
        {"GET /boards/b/?grip=next&grip=next", SIGNED, 400},
        {"GET /boards/b/?grip=nxt", SIGNED, 400},
        {"POST /boards/b/players/p/score-add/", SIGNED ACCEPT, 200},
        {"PUT /boards/b/players/q/", SIGNED ACCEPT, 200},
    };
    answer a = {.count = 0};
    http_rig rig;

    open_rig(&rig, URL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int status = http_ask(&rig, &a, cases[i].line, cases[i].fields, NULL);

        if (status != cases[i].status)
            FAIL("%s: %d", cases[i].line, status);
        check_no_grip(&a);
        CHECK(a.stream == NULL);
    }
    CHECK_EQ(counters(&rig).holds + counters(&rig).hold_checks, 0);
    CHECK_EQ(ask(&rig, &a, "GET /boards/b/?limit=5", ACCEPT, SIGNED), 200);
    CHECK(is_hold(&a));
    answer_clear(&a);
    http_close(&rig);
}

/* A listener's stream ends, and when it comes again there is no board. */
TEST(board_deleted)
{
    answer a = {.count = 0};
    http_rig rig;

    open_rig(&rig, URL);
    CHECK_EQ(ask(&rig, &a, "DELETE /boards/b/", NULL, NULL), 204);
    CHECK_EQ(ask(&rig, &a, "GET /boards/b/?grip=next", NULL, SIGNED), 204);
    check_no_grip(&a);
    CHECK(a.body == NULL);
    CHECK_EQ(ask(&rig, &a, "GET /boards/b/", ACCEPT, SIGNED), 404);
    check_no_grip(&a);
    answer_clear(&a);
    http_close(&rig);
}

TEST(store_away)
{
    lb_http_options o = proxied(URL);
    answer a = {.count = 0};
    http_rig rig;

    o.timeout_ms = 20;
    model_world_open(&(model_faults){.seed = 1});
    http_open_model(&rig, &o);
    set_score(&rig, "p", 1);
    model_world_faults()->stall = true;
    CHECK_EQ(ask(&rig, &a, "GET /boards/b/", ACCEPT, SIGNED), 504);
    check_no_grip(&a);
    CHECK_EQ(ask(&rig, &a, "GET /boards/b/?grip=next", NULL, SIGNED), 504);
    check_no_grip(&a);
    model_world_faults()->stall = false;
    answer_clear(&a);
    http_close(&rig);
    model_world_close();
}

/* ---- signatures ----------------------------------------------------------------------------- */

/* Is a request with this Grip-Sig line the proxy's? Everything that must follow is checked. */
static bool is_trusted(http_rig *rig, const char *sig)
{
    uint64_t bad = counters(rig).bad_sigs;
    answer a = {.count = 0};
    bool ret;

    CHECK_EQ(ask(rig, &a, "GET /boards/b/", ACCEPT, sig), 200);
    ret = is_hold(&a);
    CHECK_EQ(a.stream == NULL, ret);
    if (!ret)
        check_no_grip(&a);
    CHECK_EQ(ask(rig, &a, "GET /boards/b/?grip=next", NULL, sig), ret ? 200 : 403);
    CHECK_EQ(is_hold(&a), ret);
    if (!ret)
        CHECK(strstr(a.body, "\"code\":\"unsigned\""));
    CHECK_EQ(counters(rig).bad_sigs, bad + (ret || !sig ? 0 : 2));
    answer_clear(&a);
    return ret;
}

TEST(signatures)
{
    char cut[300];
    http_rig rig;

    open_rig(&rig, URL);
    CHECK(is_trusted(&rig, SIGNED));
    CHECK(is_trusted(&rig, SIGNED)); /* one token serves many requests */
    CHECK(is_trusted(&rig, sign("HS256", expires(60), "changeme")));
    CHECK(!is_trusted(&rig, NULL));
    CHECK(!is_trusted(&rig, "grip-sig: \n"));
    CHECK(!is_trusted(&rig, "grip-sig: ..\n"));
    CHECK(!is_trusted(&rig, sign("HS256", expires(-1), "changeme")));
    CHECK(!is_trusted(&rig, sign("HS256", "{\"iss\":\"pushpin\"}", "changeme")));
    CHECK(!is_trusted(&rig, sign("HS256", expires(60), "changeyou")));
    CHECK(!is_trusted(&rig, sign("HS256", expires(60), "")));
    CHECK(!is_trusted(&rig, sign("none", expires(60), "changeme")));
    CHECK(!is_trusted(&rig, sign("ES256", expires(60), "changeme")));
    CHECK(!is_trusted(&rig, sign("HS512", expires(60), "changeme")));
    CHECK(!is_trusted(&rig, "grip-sig: " ES256_SERVICE "\n"));
    CHECK(!is_trusted(&rig, "grip-sig: " TOKEN ", " TOKEN "\n"));
    /* alg none, and no signature */
    (void)snprintf(cut, sizeof cut, "%s", sign("none", expires(60), "changeme"));
    (void)snprintf(strrchr(cut, '.') + 1, 2, "\n");
    CHECK(!is_trusted(&rig, cut));
    (void)snprintf(cut, sizeof cut, SIGNED);
    cut[strlen(cut) - 5] ^= 1;
    CHECK(!is_trusted(&rig, cut));
    http_close(&rig);
}

/* A token is tried with the key of each of the proxies, each in its own way. */
TEST(two_proxies)
{
    http_rig rig;

    open_rig(&rig, URL "&verify-iss=pushpin " ES256_URL);
    CHECK(is_trusted(&rig, SIGNED));
    CHECK(is_trusted(&rig, "grip-sig: " ES256_SERVICE "\n"));
    CHECK(!is_trusted(&rig, "grip-sig: " ES256_OTHER "\n"));
    CHECK(!is_trusted(&rig, "grip-sig: " ES256_EXPIRED "\n"));
    CHECK(!is_trusted(&rig, sign("HS256", "{\"exp\":4102444800,\"iss\":\"x\"}", "changeme")));
    /* The public key is no secret: nothing signed with it is the proxy's. */
    CHECK(!is_trusted(&rig, sign("HS256", "{\"exp\":4102444800,\"iss\":\"fastly:SERVICE\"}",
                                 "JFpZbOVrm5I0oiwVT_rN9eN-dODa737f_u1jFWcCWd0")));
    http_close(&rig);
}

TEST(verify_key_instead_of_key)
{
    http_rig rig;

    open_rig(&rig, "http://localhost:5561/?iss=i&key=publish&verify-key=base64:Y2hhbmdlbWU=");
    CHECK(is_trusted(&rig, SIGNED));
    CHECK(!is_trusted(&rig, sign("HS256", expires(60), "publish")));
    http_close(&rig);
}

/* Whoever is not the proxy may say what he likes. */
TEST(fields_of_clients)
{
    char fields[400];
    const char *plain;
    http_rig rig;

    open_rig(&rig, URL);
    plain = direct_bytes(&rig, NULL);
    CHECK(strstr(plain, "event: update"));
    (void)snprintf(fields, sizeof fields,
                   "grip-last: leaderboard-b; last-id=%s\ngrip-hold: stream\n"
                   "grip-channel: c\ngrip-feature: x\n",
                   state_of(&rig));
    CHECK_STR(direct_bytes(&rig, fields), plain);
    http_close(&rig);
}

TEST(proxy_required)
{
    lb_http_options o = proxied(URL);
    answer a = {.count = 0};
    http_rig rig;

    o.flags = LB_HTTP_PROXY_REQUIRED;
    http_open_sqlite(&rig, &o);
    set_score(&rig, "p", 1);
    CHECK_EQ(ask(&rig, &a, "GET /boards/b/", ACCEPT, NULL), 501);
    CHECK(strstr(a.body, "\"code\":\"proxy_required\""));
    check_no_grip(&a);
    CHECK_EQ(ask(&rig, &a, "GET /boards/b/", ACCEPT, "grip-sig: bad\n"), 501);
    CHECK_EQ(ask(&rig, &a, "HEAD /boards/b/", ACCEPT, NULL), 501);
    CHECK_EQ(ask(&rig, &a, "GET /boards/b/", NULL, NULL), 200);
    CHECK_EQ(ask(&rig, &a, "GET /boards/b/", ACCEPT, SIGNED), 200);
    CHECK(is_hold(&a));
    CHECK_EQ(counters(&rig).replies[5], 3);
    CHECK_EQ(counters(&rig).bad_sigs, 1);
    answer_clear(&a);
    http_close(&rig);
}

TEST(without_proxies)
{
    answer a = {.count = 0};
    http_rig rig;

    open_rig(&rig, NULL);
    CHECK(strstr(direct_bytes(&rig, SIGNED), "event: update"));
    CHECK_EQ(ask(&rig, &a, "GET /boards/b/?grip=next", NULL, SIGNED), 200);
    CHECK_STR(answer_field(&a, "Content-Type"), "application/json");
    check_no_grip(&a);
    CHECK_EQ(counters(&rig).bad_sigs, 0);
    answer_clear(&a);
    http_close(&rig);
}

/* ---- options -------------------------------------------------------------------------------- */

static void refuse(lb_client *client, const lb_http_options *o, const char *word)
{
    lb_error error = {.msg = ""};
    lb_http *http = NULL;

    CHECK_EQ(lb_http_new(client, o, &http, &error), LB_E_INVAL);
    CHECK(http == NULL);
    if (!strstr(error.msg, word) || strstr(error.msg, "hush"))
        FAIL("%s", error.msg);
}

TEST(bad_options)
{
    static const char *const urls[][2] = {
        {"", "empty"},
        {"ftp://localhost/?key=hush", "http"},
        {"http://localhost:5561/", "verify-key"},
        {URL " http://other:5561/", "http://other:5561"},
        {"https://api.fastly.com/service/S?key=hush", "verify-key"},
        {"http://localhost:5561/?key=base64:hush!", "base64"},
    };
    static const char *const paths[] = {"api",  "/",   "/api/", "//api",
                                        "/a b", "/a>", "/a%20", "/\n"};
    lb_client *client = NULL;
    lb_http_options o;

    CHECK_EQ(lb_client_new(NULL, &client, NULL), 0);
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        o = proxied(urls[i][0]);
        refuse(client, &o, urls[i][1]);
    }
    o = proxied(URL);
    o.grip_prefix = "a b";
    refuse(client, &o, "prefix");
    o = proxied(URL);
    o.grip_timeout_ms = 3600001;
    refuse(client, &o, "times");
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        o = proxied(URL);
        o.path_prefix = paths[i];
        refuse(client, &o, "path_prefix");
    }
    o = proxied(URL);
    o.grip_verify_key = "base64:hush!";
    refuse(client, &o, "base64");
    o = proxied(NULL);
    o.flags = LB_HTTP_PROXY_REQUIRED;
    refuse(client, &o, "grip_url");
    o.flags = 8;
    refuse(client, &o, "flags");
    lb_client_free(client);
}

/* ---- without memory ------------------------------------------------------------------------- */

TEST(new_out_of_memory)
{
    lb_http_options o = proxied(URL " " ES256_URL);
    lb_client *client = NULL;

    CHECK_EQ(lb_client_new(NULL, &client, NULL), 0);
    FOR_EACH_ALLOC_FAILURE (i) {
        lb_http *http = NULL;
        int r = lb_http_new(client, &o, &http, NULL);

        CHECK_EQ(r, fault_fired() ? LB_E_NOMEM : 0);
        CHECK_EQ(http != NULL, r == 0);
        (void)lb_http_free(http);
    }
    lb_client_free(client);
}

/* A hold is whole or it is none. A proxy that could not be recognised is anybody. */
static void fail_hold(const char *line, const char *fields)
{
    FOR_EACH_ALLOC_FAILURE (i) {
        lb_http_options o = proxied(URL);
        answer a = {.count = 0};
        http_rig rig;
        int r;

        fault_suspend();
        model_world_open(&(model_faults){.seed = 1});
        http_open_model(&rig, &o);
        set_score(&rig, "p", 1);
        fault_resume();
        r = http_start(&rig, &a, line, fields, NULL, 0, NULL);
        CHECK(r == 0 || (r == LB_E_NOMEM && fault_fired()));
        while (r == 0 && a.count == 0)
            (void)http_turn(&rig, true);
        fault_suspend();
        http_idle(&rig);
        CHECK_EQ(a.count, r == 0);
        if (r == 0 && is_hold(&a)) {
            CHECK_EQ(a.status, 200);
            check_hold_fields(&a, state_of(&rig));
            CHECK(a.body && strstr(a.body, "event: update\ndata: {\"players\":[{\"id\":\"p\""));
        } else if (r == 0) {
            CHECK(fault_fired());
            check_no_grip(&a);
            CHECK(a.stream || a.status == 503 || a.status == 403 || a.status == 504);
        }
        answer_clear(&a);
        http_close(&rig);
        model_world_close();
        fault_resume();
    }
}

TEST(holds_out_of_memory, .timeout_s = 120)
{
    fail_hold("GET /boards/b/", ACCEPT SIGNED "last-event-id: x\n");
    fail_hold("GET /boards/b/?grip=next", SIGNED "grip-last: leaderboard-b; last-id=x\n");
}
