#include "lbctl_line.h"

#include "lbctl_scan.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define WHY_SIZE 320
#define VERSION 1

/* The member of each number in names[]. */
enum {
    ID,
    NAME,
    SCORE,
    REACHED,
    FORMAT,
    VERSION_NUMBER,
    ASCENDING,
    END,
    PLAYERS,
    BOARD_ID,
    N_MEMBERS
};

static const char *const names[N_MEMBERS] = {
    [ID] = "id",
    [NAME] = "name",
    [SCORE] = "score",
    [REACHED] = "reached_us",
    [FORMAT] = "format",
    [VERSION_NUMBER] = "version",
    [ASCENDING] = "ascending",
    [END] = "end",
    [PLAYERS] = "players",
    [BOARD_ID] = "board",
};

struct parse {
    struct lbctl_token member[N_MEMBERS];
    char *why;
};

static bool wrong(struct parse *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool wrong(struct parse *p, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(p->why, WHY_SIZE, format, args);
    va_end(args);
    return false;
}

static const char *type_name(enum lbctl_json_type type)
{
    static const char *const type_names[] = {
        [LBCTL_JSON_STRING] = "a string", [LBCTL_JSON_NUMBER] = "a number",
        [LBCTL_JSON_BOOL] = "a boolean",  [LBCTL_JSON_NULL] = "null",
        [LBCTL_JSON_LIST] = "a list",     [LBCTL_JSON_OBJECT] = "an object",
    };

    return type_names[type];
}

static bool is_there(const struct parse *p, int id)
{
    return p->member[id].type != LBCTL_JSON_MISSING;
}

/* It is there, and of that type. */
static bool need(struct parse *p, int id, enum lbctl_json_type type)
{
    if (!is_there(p, id))
        return wrong(p, "lacks \"%s\"", names[id]);
    if (p->member[id].type != type)
        return wrong(p, "has %s for \"%s\", not %s", type_name(p->member[id].type), names[id],
                     type_name(type));
    return true;
}

/* The number as it is written decides: as a double it might have been rounded into the range. */
static bool take_number(struct parse *p, int id, int64_t min, int64_t *ret)
{
    char text[80]; /* a number that is cut off here is outside the range all the same */
    lb_error error;

    if (!need(p, id, LBCTL_JSON_NUMBER))
        return false;
    (void)snprintf(text, sizeof text, "%.*s",
                   p->member[id].len < sizeof text ? (int)p->member[id].len : (int)sizeof text,
                   p->member[id].text);
    if (lb_score_parse(text, ret, &error) < 0)
        return wrong(p, "has a bad \"%s\": %s", names[id], error.msg);
    if (*ret < min)
        return wrong(p, "has a bad \"%s\": %s is less than %" PRId64, names[id], text, min);
    return true;
}

static bool take_bool(struct parse *p, int id, bool *ret)
{
    if (!need(p, id, LBCTL_JSON_BOOL))
        return false;
    *ret = *p->member[id].text == 't';
    return true;
}

/* The buffer has room for more than is allowed, so that the check says what is wrong. */
static bool take_text(struct parse *p, int id, int (*check)(const char *, lb_error *), size_t max,
                      char *ret)
{
    char text[2048];
    lb_error error;

    if (!need(p, id, LBCTL_JSON_STRING))
        return false;
    if (!lbctl_token_string(&p->member[id], text, sizeof text))
        return wrong(p, "has a bad \"%s\": it is too long, has a NUL or half a character",
                     names[id]);
    if (check(text, &error) < 0)
        return wrong(p, "has a bad \"%s\": %s", names[id], error.msg);
    memcpy(ret, text, strnlen(text, max) + 1);
    return true;
}

/* A line need not say what board it is of, and may have a member of its own that is called so. */
static void note_board(const struct parse *p, char *ret)
{
    char text[LB_BOARD_MAX + 1];

    if (p->member[BOARD_ID].type == LBCTL_JSON_STRING &&
        lbctl_token_string(&p->member[BOARD_ID], text, sizeof text) &&
        lb_board_id_check(text, NULL) == 0)
        memcpy(ret, text, strlen(text) + 1);
}

static bool take_player(struct parse *p, struct lbctl_line *ret)
{
    note_board(p, ret->board);
    ret->kind = LBCTL_LINE_PLAYER;
    return take_text(p, ID, lb_player_id_check, LB_PLAYER_MAX, ret->id) &&
           take_number(p, SCORE, LB_SCORE_MIN, &ret->score) &&
           (!is_there(p, NAME) || take_text(p, NAME, lb_name_check, LB_NAME_MAX, ret->name)) &&
           (!is_there(p, REACHED) || take_number(p, REACHED, 1, &ret->reached_us));
}

static bool take_header(struct parse *p, struct lbctl_line *ret)
{
    char format[32];
    int64_t version;

    ret->kind = LBCTL_LINE_HEADER;
    if (!need(p, FORMAT, LBCTL_JSON_STRING))
        return false;
    if (!lbctl_token_string(&p->member[FORMAT], format, sizeof format) ||
        strcmp(format, "leaderboard") != 0)
        return wrong(p, "is of another format than \"leaderboard\"");
    if (!take_number(p, VERSION_NUMBER, 1, &version))
        return false;
    if (version > VERSION)
        return wrong(p, "is of version %" PRId64 ", this lbctl knows %d: take a newer one", version,
                     VERSION);
    return take_bool(p, ASCENDING, &ret->ascending);
}

static bool take_end(struct parse *p, struct lbctl_line *ret)
{
    bool end;

    ret->kind = LBCTL_LINE_END;
    if (!take_bool(p, END, &end))
        return false;
    return end ? take_number(p, PLAYERS, 0, &ret->players) : wrong(p, "has a false \"end\"");
}

static bool is_blank(const char *text, size_t len)
{
    while (len > 0 && memchr(" \t\r", text[len - 1], 3))
        len--;
    return len == 0;
}

bool lbctl_line_parse(const char *text, size_t len, struct lbctl_line *ret, char why[320])
{
    struct parse p = {.why = why};
    const char *problem;
    size_t at;

    *ret = (struct lbctl_line){.kind = LBCTL_LINE_BLANK};
    if (is_blank(text, len))
        return true;
    if (!lbctl_scan_object(text, len, names, N_MEMBERS, p.member, &problem, &at))
        return wrong(&p, "%s (byte %zu)", problem, at);
    /* A player may have members of its own that are called as those of the other lines. */
    if (!is_there(&p, ID) && is_there(&p, FORMAT))
        return take_header(&p, ret);
    if (!is_there(&p, ID) && is_there(&p, END))
        return take_end(&p, ret);
    return take_player(&p, ret);
}

/* The member is there, but says nothing. */
static bool is_void(const struct parse *p, int id)
{
    const struct lbctl_token *member = &p->member[id];

    return member->type == LBCTL_JSON_NULL ||
           (member->type == LBCTL_JSON_STRING && member->len == 0);
}

bool lbctl_row_parse(const char *text, size_t len, struct lbctl_line *ret, char why[320])
{
    struct parse p = {.why = why};
    const char *problem;
    size_t at;

    *ret = (struct lbctl_line){.kind = LBCTL_LINE_BOARD};
    if (!lbctl_scan_object(text, len, names, N_MEMBERS, p.member, &problem, &at))
        return wrong(&p, "%s (byte %zu)", problem, at);
    if (!is_there(&p, ID) && (is_there(&p, FORMAT) || is_there(&p, END)))
        return wrong(&p, "is of a file of lbctl export, which holds one board: take lbctl import");
    if (is_void(&p, NAME))
        p.member[NAME].type = LBCTL_JSON_MISSING;
    if (!is_there(&p, BOARD_ID) && !is_there(&p, SCORE))
        return take_text(&p, ID, lb_board_id_check, LB_BOARD_MAX, ret->board);
    return take_text(&p, BOARD_ID, lb_board_id_check, LB_BOARD_MAX, ret->board) &&
           take_player(&p, ret);
}
