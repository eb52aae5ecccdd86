#include "push/grip_hold.h"

#include "test.h"

#include <string.h>

static const lbi_grip_hold usual = {.channel = "leaderboard-demo",
                                    .prev_id = "0123456789abcdef0123456789abcdef",
                                    .next = "/boards/demo/?grip=next",
                                    .timeout_s = 120,
                                    .keep_alive_s = 20};

TEST(the_fields)
{
    lbi_grip_fields fields;

    CHECK_OK(lbi_grip_hold_fields(&usual, &fields));
    CHECK_EQ(fields.n, 4);
    CHECK_STR(fields.field[0].name, "Grip-Hold");
    CHECK_STR(fields.field[0].value, "stream");
    CHECK_STR(fields.field[1].name, "Grip-Channel");
    CHECK_STR(fields.field[1].value, "leaderboard-demo; prev-id=0123456789abcdef0123456789abcdef");
    CHECK_STR(fields.field[2].name, "Grip-Link");
    CHECK_STR(fields.field[2].value, "</boards/demo/?grip=next>; rel=next; timeout=120");
    CHECK_STR(fields.field[3].name, "Grip-Keep-Alive");
    CHECK_STR(fields.field[3].value, "OgoK; format=base64; timeout=20");
}

TEST(without_keep_alive)
{
    lbi_grip_hold hold = usual;
    lbi_grip_fields fields;

    hold.keep_alive_s = 0;
    CHECK_OK(lbi_grip_hold_fields(&hold, &fields));
    CHECK_EQ(fields.n, 3);
}

TEST(what_would_say_something_else)
{
    static const char *const channels[] = {"", "a;b", "a,b", "a b", "a\nb", "\xc3\xa9", "a\"b"};
    static const char *const links[] = {"", "x", "/a>b", "/a;b", "/a,b", "/a b", "/a\nb", "/\xc3"};
    char text[1000];
    lbi_grip_fields fields;
    lbi_grip_hold hold;

    for (size_t i = 0; i < sizeof channels / sizeof *channels; i++) {
        hold = usual;
        hold.channel = channels[i];
        CHECK_EQ(lbi_grip_hold_fields(&hold, &fields), LB_E_INVAL);
        hold = usual;
        hold.prev_id = channels[i];
        CHECK_EQ(lbi_grip_hold_fields(&hold, &fields), LB_E_INVAL);
    }
    hold = usual;
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        hold.next = links[i];
        CHECK_EQ(lbi_grip_hold_fields(&hold, &fields), LB_E_INVAL);
    }
    memset(text, '/', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    hold.next = text;
    CHECK_EQ(lbi_grip_hold_fields(&hold, &fields), LB_E_INVAL);
}

TEST(names)
{
    char text[200];

    memset(text, 'c', sizeof text);
    text[LBI_GRIP_CHANNEL_MAX] = '\0';
    CHECK_OK(lbi_grip_channel_check(text, NULL));
    text[LBI_GRIP_CHANNEL_MAX] = 'c';
    text[LBI_GRIP_CHANNEL_MAX + 1] = '\0';
    CHECK_EQ(lbi_grip_channel_check(text, NULL), LB_E_INVAL);
    text[LBI_GRIP_PREFIX_MAX] = '\0';
    CHECK_OK(lbi_grip_prefix_check(text, NULL));
    CHECK_OK(lbi_grip_prefix_check("", NULL));
    CHECK_EQ(lbi_grip_prefix_check("a b", NULL), LB_E_INVAL);
    CHECK_EQ(lbi_grip_channel_check(NULL, NULL), LB_E_INVAL);
    CHECK_EQ(lbi_grip_id_check("a/b", NULL), LB_E_INVAL);
    CHECK_OK(lbi_grip_channel_check("/a@b", NULL));
    lbi_grip_channel("leaderboard-", "demo", text);
    CHECK_STR(text, "leaderboard-demo");
}

static const char *last(const char *field, const char *channel)
{
    static char id[LBI_GRIP_ID_MAX + 1];

    return lbi_grip_last(field, channel, id) ? id : "(none)";
}

TEST(grip_last)
{
    char text[200] = "ch; last-id=";

    CHECK_STR(last("ch; last-id=X", "ch"), "X");
    CHECK_STR(last("ch;last-id=X", "ch"), "X");
    CHECK_STR(last(" ch ; last-id=X ", "ch"), "X");
    CHECK_STR(last("a; last-id=1, ch; last-id=X, b; last-id=2", "ch"), "X");
    CHECK_STR(last("ch; filter=f; last-id=X; more", "ch"), "X");
    CHECK_STR(last("ch; last-id=X, ch; last-id=Y", "ch"), "X");
    CHECK_STR(last("ch; last-id=0123456789abcdef0123456789abcdef", "ch"),
              "0123456789abcdef0123456789abcdef");
    CHECK_STR(last("", "ch"), "(none)");
    CHECK_STR(last(",,", "ch"), "(none)");
    CHECK_STR(last("ch", "ch"), "(none)");
    CHECK_STR(last("ch;", "ch"), "(none)");
    CHECK_STR(last("ch; last-id=", "ch"), "(none)");
    CHECK_STR(last("ch; last-id=<x>", "ch"), "(none)");
    CHECK_STR(last("chx; last-id=X", "ch"), "(none)");
    CHECK_STR(last("c; last-id=X", "ch"), "(none)");
    CHECK_STR(last("x, ch; last-id=X", "x"), "(none)");
    CHECK_STR(last("x; a, ch; last-id=X", "x"), "(none)");
    memset(text + strlen(text), 'i', LBI_GRIP_ID_MAX + 1);
    CHECK_STR(last(text, "ch"), "(none)");
    text[strlen(text) - 1] = '\0';
    CHECK_EQ(strlen(last(text, "ch")), LBI_GRIP_ID_MAX);
}
