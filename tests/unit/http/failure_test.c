/* What goes wrong on the server's side: the client learns that it did, the host learns why. */
#include "http_rig.h"
#include "model_store.h"
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char json[] = "content-type: application/json";
static const char stream[] = "accept: text/event-stream";
static const char add[] = "POST /boards/b/players/p/score-add/";

/* What the host was told last. */
struct told {
    int count, status, code;
    char method[32], target[300], msg[260];
};

static void on_failure(void *user, const char *method, const char *target, int status,
                       const lb_error *error)
{
    struct told *told = user;

    told->count++;
    told->status = status;
    told->code = error->code;
    (void)snprintf(told->method, sizeof told->method, "%s", method);
    CHECK((size_t)snprintf(told->target, sizeof told->target, "%s", target) <= 256);
    (void)snprintf(told->msg, sizeof told->msg, "%s", error->msg);
}

static lb_http_options options(struct told *told)
{
    lb_http_options o;

    lb_http_options_init(&o);
    o.failure = on_failure;
    o.failure_user = told;
    *told = (struct told){.count = 0};
    return o;
}

/* The answer names neither the file nor anything else that the store said. */
static void check_failure(const answer *a, const struct told *told, int status, const char *code,
                          const char *text)
{
    char begin[64];

    (void)snprintf(begin, sizeof begin, "{\"error\":{\"code\":\"%s\",\"message\":\"", code);
    if (a->status != status || !a->body || strncmp(a->body, begin, strlen(begin)) != 0)
        FAIL("%d %s", a->status, a->body ? a->body : "");
    CHECK(!strstr(a->body, "http.db") && !strstr(a->body, "SQLite"));
    CHECK_EQ(told->count, 1);
    CHECK_EQ(told->status, status);
    CHECK(told->code < 0);
    CHECK(strstr(told->msg, text) != NULL);
}

/* ---- a file that is another program's ------------------------------------------------------- */

/* Gives the database the mark of another program, or spoils it. */
static void overwrite(off_t at, const char *bytes, size_t size)
{
    int fd = open("http.db", O_RDWR | O_CREAT, 0600);

    CHECK(fd >= 0);
    CHECK_EQ(pwrite(fd, bytes, size, at), (ssize_t)size);
    CHECK_EQ(close(fd), 0);
}

static void make_database(void)
{
    http_rig rig;
    answer a = {.count = 0};

    http_open_sqlite(&rig, NULL);
    CHECK_EQ(http_ask(&rig, &a, "PUT /boards/b/", NULL, NULL), 201);
    CHECK_EQ(http_ask(&rig, &a, "PUT /boards/b/players/p/", NULL, NULL), 200);
    answer_clear(&a);
    http_close(&rig);
}

static void check_all_fail(const char *code, int lb_code, const char *text)
{
    static const char *const lines[] = {
        "GET /boards/",
        "GET /boards/b/",
        "GET /boards/b/players/p/",
        "POST /boards/",
        "PUT /boards/b/",
        "DELETE /boards/b/",
        "POST /boards/b/players/",
        "PUT /boards/b/players/p/",
        "DELETE /boards/b/players/p/",
        "POST /boards/b/players/p/score-add/",
    };
    struct told told;
    lb_http_options o = options(&told);
    answer a = {.count = 0};
    http_rig rig;

    http_open_sqlite(&rig, &o);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        told.count = 0;
        (void)http_ask(&rig, &a, lines[i], NULL, NULL);
        check_failure(&a, &told, 500, code, text);
        CHECK_EQ(told.code, lb_code);
        CHECK_EQ(strncmp(lines[i], told.method, strlen(told.method)), 0);
        CHECK_STR(told.target, strchr(lines[i], ' ') + 1);
    }
    told.count = 0;
    (void)http_ask(&rig, &a, "GET /boards/b/?x=y", stream, NULL);
    check_failure(&a, &told, 500, code, text);
    CHECK_STR(told.target, "/boards/b/?x=y");
    answer_clear(&a);
    http_close(&rig);
}

TEST(database_of_another_program)
{
    make_database();
    overwrite(68, "mine", 4); /* PRAGMA application_id */
    check_all_fail("internal", LB_E_CONFLICT, "http.db");
}

TEST(database_of_a_newer_version)
{
    make_database();
    overwrite(60, "\x7f\xff\xff\xff", 4); /* PRAGMA user_version */
    check_all_fail("internal", LB_E_UNSUPPORTED, "http.db");
}

TEST(no_database)
{
    overwrite(0, "This is a letter to somebody, and longer than a header of SQLite is.", 68);
    check_all_fail("internal", LB_E_CORRUPT, "http.db");
}

/* ---- requests that are to blame themselves -------------------------------------------------- */

TEST(the_host_is_not_told_of_bad_requests)
{
    static const struct {
        const char *line, *body;
        int status;
        const char *text;
    } cases[] = {
        {"PUT /boards/b/", "{\"ascending\":true}", 409, "board 'b' is there already"},
        {"GET /boards/b/players/q/", NULL, 404, "there is no such"},
        {"POST /boards/b/players/p/score-add/", "{\"amount\":9007199254740991}", 200, ""},
        {"POST /boards/b/players/p/score-add/", "{\"amount\":1}", 409, "9007199254740991"},
        {"POST /boards/b/players/", "{\"id\":\"p\",\"name\":\"Q\"}", 409, "another name"},
        {"GET /boards/b/?limit=0", NULL, 400, "limit"},
        {"PATCH /", NULL, 404, ""},
    };
    struct told told;
    lb_http_options o = options(&told);
    answer a = {.count = 0};
    http_rig rig;

    make_database();
    http_open_sqlite(&rig, &o);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int status = http_ask(&rig, &a, cases[i].line, cases[i].body ? json : NULL, cases[i].body);

        if (status != cases[i].status || !strstr(a.body, cases[i].text))
            FAIL("%s: %d %s", cases[i].line, status, a.body);
    }
    CHECK_EQ(http_ask(&rig, &a, "POST /boards/b/players/p/score-add/", "idempotency-key: k", NULL),
             409);
    CHECK_EQ(http_ask(&rig, &a, "POST /boards/b/players/", json, "{\"id\":\"q\"}"), 201);
    CHECK_EQ(http_ask(&rig, &a, "POST /boards/b/players/q/score-add/", "idempotency-key: k", NULL),
             200);
    CHECK_EQ(http_ask(&rig, &a, "POST /boards/b/players/q/score-add/",
                      "content-type: application/json\nidempotency-key: k", "{\"amount\":2}"),
             409);
    CHECK(strstr(a.body, "\"code\":\"conflict\"") && strstr(a.body, "idempotency key 'k'"));
    CHECK_EQ(told.count, 0);
    answer_clear(&a);
    http_close(&rig);
}

/* ---- a store that is away ------------------------------------------------------------------- */

static void open_model(http_rig *rig, lb_http_options *o)
{
    lb_write_options w;

    model_world_open(&(model_faults){.seed = 1});
    http_open_model(rig, o);
    lb_write_options_init(&w);
    w.flags = LB_WRITE_CREATE;
    CHECK_OK(lb_score_set(rig->client, "b", "p", 1, &w, NULL, NULL));
}

TEST(a_store_that_does_not_answer)
{
    struct told told;
    lb_http_options o = options(&told);
    answer a = {.count = 0};
    char line[400] = "GET /boards/b/?x=";
    http_rig rig;

    o.timeout_ms = 20;
    open_model(&rig, &o);
    model_world_faults()->stall = true;
    (void)http_ask(&rig, &a, add, NULL, NULL);
    check_failure(&a, &told, 504, "timeout", "");
    CHECK_EQ(told.code, LB_E_TIMEOUT);
    CHECK_STR(answer_field(&a, "Retry-After"), "1");
    CHECK_STR(told.method, "POST");
    memset(line + strlen(line), 'x', 350);
    told.count = 0;
    (void)http_ask(&rig, &a, line, NULL, NULL);
    check_failure(&a, &told, 504, "timeout", "");
    CHECK_EQ(strlen(told.target), 256);
    CHECK_EQ(strncmp(told.target, line + 4, 256), 0);
    model_world_faults()->stall = false;
    answer_clear(&a);
    http_close(&rig);
    model_world_close();
}

/* What may have been applied is not to be repeated just so. */
TEST(an_outcome_that_is_not_known)
{
    struct told told;
    lb_http_options o = options(&told);
    answer a = {.count = 0};
    http_rig rig;

    open_model(&rig, &o);
    model_world_faults()->hold = true;
    CHECK_EQ(http_start(&rig, &a, add, NULL, NULL, 0, NULL), 0);
    for (int i = 0; i < 20; i++)
        (void)http_turn(&rig, false);
    model_world_disconnect();
    model_world_faults()->hold = false;
    while (a.count == 0)
        (void)http_turn(&rig, true);
    check_failure(&a, &told, 504, "unknown", "");
    CHECK_EQ(told.code, LB_E_UNKNOWN);
    CHECK_STR(answer_field(&a, "Retry-After"), "");
    answer_clear(&a);
    http_close(&rig);
    model_world_close();
}

TEST(nobody_need_be_told)
{
    lb_http_options o;
    answer a = {.count = 0};
    http_rig rig;

    lb_http_options_init(&o);
    o.timeout_ms = 20;
    open_model(&rig, &o);
    model_world_faults()->stall = true;
    CHECK_EQ(http_ask(&rig, &a, "GET /boards/b/", NULL, NULL), 504);
    answer_clear(&a);
    http_close(&rig);
    model_world_close();
}

static bool was_told(void *user)
{
    const struct told *told = user;

    return told->count > 0;
}

/* A listener stays when the board cannot be read, and hears the last state when it can. */
TEST(streams_outlive_a_store_that_is_away)
{
    struct told told;
    lb_http_options o = options(&told);
    listener l = {.chunk = 0};
    lb_client *other;
    char want[100];
    http_rig rig;

    o.timeout_ms = 500;
    o.min_interval_ms = 1;
    open_model(&rig, &o);
    other = model_client(NULL);
    listen_open(&l, &rig, "/boards/b/", NULL);
    listen_read(&l);
    CHECK_OK(lb_score_add(other, "b", "p", 1, NULL, NULL, NULL));
    model_world_faults()->stall = true;
    http_until(&rig, was_told, &told);
    CHECK_EQ(told.status, 0);
    CHECK_STR(told.method, "GET");
    CHECK_STR(told.target, "/boards/b/");
    CHECK_EQ(told.code, LB_E_TIMEOUT);
    model_world_faults()->stall = false;
    (void)snprintf(want, sizeof want,
                   "{\"players\":[{\"id\":\"p\",\"name\":\"p\",\"score\":2,\"position\":1,"
                   "\"rank\":1}]}");
    listen_until(&rig, &l, want);
    CHECK_EQ(told.count, 1);
    CHECK(!l.closed);
    listen_close(&l);
    http_close(&rig);
    lb_client_free(other);
    model_world_close();
}

/* ---- the end -------------------------------------------------------------------------------- */

TEST(what_is_cut_off_by_the_end)
{
    struct told told;
    lb_http_options o = options(&told);
    answer a[3] = {{.count = 0}};
    http_rig rig;

    open_model(&rig, &o);
    model_world_faults()->stall = true;
    CHECK_EQ(http_start(&rig, &a[0], "GET /boards/b/", NULL, NULL, 0, NULL), 0);
    CHECK_EQ(http_start(&rig, &a[1], "GET /boards/b/", stream, NULL, 0, NULL), 0);
    CHECK_EQ(http_start(&rig, &a[2], "GET /boards/b/", stream, NULL, 0, NULL), 0);
    http_close(&rig);
    CHECK_EQ(told.count, 3);
    CHECK_EQ(told.code, LB_E_CLOSED);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(a[i].status, 503);
        answer_clear(&a[i]);
    }
    model_world_close();
}
