/* Feeds against a server that follows a script. */
#include "reql/feed.h"

#include "fake_reql.h"
#include "fault.h"
#include "reql_drive.h"
#include "test.h"

#include "base/str.h"

#include <string.h>

#define QUERY "[1,[152,[1]]]"

struct told {
    char kinds[64]; /* a letter each */
    uint64_t skipped;
    int code;
    bool retry, ended;
    char message[250];
    lbi_reql_feed *feed;
};

static void on_item(const lbi_reql_item *item, void *user)
{
    static const char letters[] = "OIUCsrGBE";
    struct told *t = user;
    size_t n = strlen(t->kinds);

    CHECK(!t->ended);
    CHECK(n < sizeof t->kinds - 1);
    t->kinds[n] = letters[item->kind];
    t->skipped += item->skipped;
    if (item->kind != LBI_REQL_FEED_ENDED)
        return;
    t->ended = true;
    t->code = item->code;
    t->retry = item->retry;
    lbi_copy(t->message, sizeof t->message, item->message);
}

/* Answers in turn; each but the first is asked for by a CONTINUE. "cut" ends the connection. */
static void answer_each(struct fake *f)
{
    const char *const *answers = f->user;
    int64_t token, again;

    fake_accept(f);
    fake_shake(f, NULL);
    fake_expect(f, QUERY, &token);
    for (size_t i = 0; answers[i]; i++) {
        if (i > 0) {
            fake_expect(f, "[2]", &again);
            CHECK_EQ(again, token);
        }
        if (strcmp(answers[i], "cut") == 0) {
            fake_reset(f);
            return;
        }
        fake_answer(f, token, answers[i]);
    }
    fake_wait_end(f);
}

static void play(const char *const *answers, struct told *t)
{
    struct fake f = {0};
    struct drive d;

    *t = (struct told){0};
    fake_start(&f, answer_each, (void *)(uintptr_t)answers);
    drive_open_at(&d, "127.0.0.1", f.port, NULL);
    CHECK_OK(lbi_reql_feed_new(d.conn, on_item, t, &t->feed, NULL));
    CHECK_OK(lbi_reql_feed_start(t->feed, QUERY, strlen(QUERY), in_ms(10000), NULL));
    CHECK_EQ(lbi_reql_feed_start(t->feed, QUERY, strlen(QUERY), LB_NEVER, NULL), LB_E_STATE);
    drive_until(&d, &t->ended);
    CHECK(!lbi_reql_feed_is_open(t->feed));
    lbi_reql_feed_free(t->feed);
    drive_close(&d);
    fake_join(&f);
}

TEST(elements)
{
    static const char *const answers[] = {
        "{\"t\":3,\"r\":[],\"n\":[1,5]}",
        "{\"t\":3,\"r\":[{\"state\":\"initializing\"},{\"new_val\":{\"id\":1}},{\"new_val\":null}]}",
        "{\"t\":3,\"r\":[]}",
        "{\"t\":3,\"r\":[{\"old_val\":{\"id\":1}},{\"state\":\"ready\"}]}",
        "{\"t\":3,\"r\":[{\"old_val\":null,\"new_val\":{\"id\":2}},"
        "{\"new_val\":null,\"old_val\":{\"id\":2},\"type\":\"remove\"}]}",
        "{\"t\":18,\"e\":4100000,\"r\":[\"Changefeed aborted (unavailable).\"],\"b\":[]}",
        NULL,
    };
    struct told t;

    play(answers, &t);
    CHECK_STR(t.kinds, "OsIIBUrBCCBE");
    CHECK_EQ(t.code, LB_E_IO);
    CHECK(t.retry);
    CHECK_STR(t.message, "Changefeed aborted (unavailable).");
}

TEST(gaps)
{
    static const char *const answers[] = {
        "{\"t\":3,\"r\":[]}",
        "{\"t\":3,\"r\":[{\"error\":\"Changefeed cache over array size limit, skipped 55 "
        "elements.\"},{\"old_val\":null,\"new_val\":{}}]}",
        "{\"t\":3,\"r\":[{\"error\":\"something new\"},{\"kind\":\"of the future\"},17]}",
        "cut",
        NULL,
    };
    struct told t;

    play(answers, &t);
    CHECK_STR(t.kinds, "OGCBGGGBE");
    CHECK_EQ(t.skipped, 55);
    CHECK_EQ(t.code, LB_E_IO);
    CHECK(t.retry);
}

TEST(ends)
{
    static const struct {
        const char *answers[3];
        int code;
        bool retry;
        const char *kinds;
    } rows[] = {
        {{"{\"t\":18,\"e\":6000000,\"r\":[\"x\"]}"}, LB_E_AUTH, false, "E"},
        {{"{\"t\":18,\"e\":1000000,\"r\":[\"User `a` does not have permission\"]}"},
         LB_E_AUTH,
         false,
         "E"},
        {{"{\"t\":18,\"e\":3000000,\"r\":[\"x\"]}"}, LB_E_QUERY, false, "E"},
        {{"{\"t\":18,\"e\":4200000,\"r\":[\"killed\"]}"}, LB_E_UNKNOWN, true, "E"},
        {{"{\"t\":18,\"e\":2000000,\"r\":[\"x\"]}"}, LB_E_LIMIT, true, "E"},
        {{"cut"}, LB_E_IO, true, "E"},
        {{"{\"t\":2,\"r\":[]}"}, LB_E_IO, true, "OE"},
        {{"{\"t\":3,\"r\":[]}", "{\"t\":2,\"r\":[{\"new_val\":1}]}"}, LB_E_IO, true, "OIBE"},
        {{"{\"t\":3,\"r\":[]}", "cut"}, LB_E_IO, true, "OE"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct told t;

        play(rows[i].answers, &t);
        CHECK_STR(t.kinds, rows[i].kinds);
        CHECK_EQ(t.code, rows[i].code);
        CHECK_EQ(t.retry, rows[i].retry);
    }
}

static void never_answer(struct fake *f)
{
    fake_accept(f);
    fake_shake(f, NULL);
    fake_expect(f, QUERY, NULL);
    fake_expect(f, "[3]", NULL);
    fake_wait_end(f);
}

TEST(start_has_a_deadline)
{
    struct fake f = {0};
    struct drive d;
    struct told t = {0};

    fake_start(&f, never_answer, NULL);
    drive_open_at(&d, "127.0.0.1", f.port, NULL);
    CHECK_OK(lbi_reql_feed_new(d.conn, on_item, &t, &t.feed, NULL));
    CHECK_OK(lbi_reql_feed_start(t.feed, QUERY, strlen(QUERY), in_ms(200), NULL));
    drive_until(&d, &t.ended);
    CHECK_EQ(t.code, LB_E_TIMEOUT);
    CHECK(t.retry);
    drive_for(&d, 20); /* the STOP leaves */
    lbi_reql_feed_free(t.feed);
    drive_close(&d);
    fake_join(&f);
}

/* The connection is closed under an open feed. */
static void wait_for_end(struct fake *f)
{
    int64_t token;

    fake_accept(f);
    fake_shake(f, NULL);
    fake_expect(f, QUERY, &token);
    fake_answer(f, token, "{\"t\":3,\"r\":[]}");
    fake_wait_end(f);
}

TEST(closed_under_it)
{
    struct fake f = {0};
    struct drive d;
    struct told t = {0};

    fake_start(&f, wait_for_end, NULL);
    drive_open_at(&d, "127.0.0.1", f.port, NULL);
    CHECK_OK(lbi_reql_feed_new(d.conn, on_item, &t, &t.feed, NULL));
    CHECK_OK(lbi_reql_feed_start(t.feed, QUERY, strlen(QUERY), LB_NEVER, NULL));
    while (t.kinds[0] == '\0')
        drive_for(&d, 1);
    drive_close(&d);
    CHECK_STR(t.kinds, "OE");
    CHECK_EQ(t.code, LB_E_CLOSED);
    CHECK(!t.retry);
    lbi_reql_feed_free(t.feed);
    lbi_reql_feed_free(NULL);
    fake_join(&f);
}
