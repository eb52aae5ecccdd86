#include "push/grip_hold.h"

#include "base/error.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>

/* ":\n\n", a comment, as base64: a proxy's other notations have no way to say it exactly. */
#define KEEP_ALIVE "OgoK"

static size_t name_length(const char *text, const char *more)
{
    size_t n = 0;

    for (; *text; text++, n++) {
        bool alnum = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') ||
                     (*text >= '0' && *text <= '9');

        if (!alnum && !strchr("._~:=-", *text) && !strchr(more, *text))
            break;
    }
    return n;
}

static int check(const char *what, const char *text, const char *more, size_t max, lb_error *reterr)
{
    size_t n = name_length(text, more);

    if (text[n])
        return lbi_fail(reterr, LB_E_INVAL,
                        "a %s is made of A-Z a-z 0-9 . _ ~ : = -%s%s only, byte %zu is another",
                        what, *more ? " " : "", more, n + 1);
    if (n > max)
        return lbi_fail(reterr, LB_E_INVAL, "a %s has at most %zu bytes", what, max);
    return 0;
}

int lbi_grip_channel_check(const char *channel, lb_error *reterr)
{
    if (!channel || !*channel)
        return lbi_fail(reterr, LB_E_INVAL, "a channel must not be empty");
    return check("channel", channel, "/@", LBI_GRIP_CHANNEL_MAX, reterr);
}

int lbi_grip_id_check(const char *id, lb_error *reterr)
{
    if (!id || !*id)
        return lbi_fail(reterr, LB_E_INVAL, "the id of a publication must not be empty");
    return check("publication's id", id, "", LBI_GRIP_ID_MAX, reterr);
}

int lbi_grip_prefix_check(const char *prefix, lb_error *reterr)
{
    return check("channel prefix", prefix, "/@", LBI_GRIP_PREFIX_MAX, reterr);
}

void lbi_grip_channel(const char *prefix, const char *board, char ret[LBI_GRIP_CHANNEL_MAX + 1])
{
    (void)snprintf(ret, LBI_GRIP_CHANNEL_MAX + 1, "%s%s", prefix, board);
}

/* Visible ASCII without what would end the link. */
static bool is_link(const char *text)
{
    if (!text || *text != '/')
        return false;
    for (; *text; text++) {
        if (*text <= ' ' || *text >= 0x7f || strchr("<>\",;", *text))
            return false;
    }
    return true;
}

static bool add_field(lbi_grip_fields *fields, const char *name, int written)
{
    lbi_grip_field *field = &fields->field[fields->n++];

    field->name = name;
    return written > 0 && (size_t)written < sizeof field->value;
}

int lbi_grip_hold_fields(const lbi_grip_hold *hold, lbi_grip_fields *ret)
{
    const size_t size = sizeof ret->field[0].value;
    bool fits;

    if (lbi_grip_channel_check(hold->channel, NULL) < 0 ||
        lbi_grip_id_check(hold->prev_id, NULL) < 0 || !is_link(hold->next))
        return LB_E_INVAL;
    ret->n = 0;
    fits = add_field(ret, "Grip-Hold", snprintf(ret->field[0].value, size, "stream"));
    fits &= add_field(
        ret, "Grip-Channel",
        snprintf(ret->field[1].value, size, "%s; prev-id=%s", hold->channel, hold->prev_id));
    fits &= add_field(ret, "Grip-Link",
                      snprintf(ret->field[2].value, size, "<%s>; rel=next; timeout=%u", hold->next,
                               hold->timeout_s));
    if (hold->keep_alive_s > 0)
        fits &= add_field(ret, "Grip-Keep-Alive",
                          snprintf(ret->field[3].value, size,
                                   KEEP_ALIVE "; format=base64; timeout=%u", hold->keep_alive_s));
    return fits ? 0 : LB_E_INVAL;
}

/* ---- Grip-Last ------------------------------------------------------------------------------ */

static const char *skip_spaces(const char *text)
{
    while (*text == ' ' || *text == '\t')
        text++;
    return text;
}

/* One "name; last-id=X; ..." in text[0..len). */
static bool read_last(const char *text, size_t len, const char *channel,
                      char ret[LBI_GRIP_ID_MAX + 1])
{
    static const char option[] = "last-id=";
    const char *end = text + len;
    size_t n = strlen(channel);

    text = skip_spaces(text);
    if (text > end || (size_t)(end - text) < n || memcmp(text, channel, n) != 0)
        return false;
    text = skip_spaces(text + n);
    while (text < end && *text == ';') {
        text = skip_spaces(text + 1);
        if (strncmp(text, option, sizeof option - 1) == 0) {
            text += sizeof option - 1;
            n = name_length(text, "");
            if (n == 0 || n > LBI_GRIP_ID_MAX || !strchr(";, \t", text[n]))
                return false;
            (void)snprintf(ret, LBI_GRIP_ID_MAX + 1, "%.*s", (int)n, text);
            return true;
        }
        text += strcspn(text, ";,");
    }
    return false;
}

bool lbi_grip_last(const char *field, const char *channel, char ret[LBI_GRIP_ID_MAX + 1])
{
    while (*field) {
        size_t len = strcspn(field, ",");

        if (read_last(field, len, channel, ret))
            return true;
        field += len + (field[len] == ',');
    }
    return false;
}
