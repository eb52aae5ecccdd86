/* Ids, names and cursors, against rules that are written here once more in the plainest way. */
#include "leaderboard.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char id_characters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~-";

static bool is_id(const char *text, size_t max)
{
    size_t len = strlen(text);

    return len >= 1 && len <= max && strspn(text, id_characters) == len && strcmp(text, ".") != 0 &&
           strcmp(text, "..") != 0;
}

static void check_result(int r, bool allowed, const lb_error *error)
{
    if ((r == 0) != allowed)
        abort();
    if (r < 0 && (r != LB_E_INVAL || error->msg[0] == '\0'))
        abort();
}

/* A name that is taken has no byte of a control character, however it is encoded. */
static void check_name(const char *text)
{
    size_t len = strlen(text), points = 0;
    lb_error error;

    if (lb_name_check(text, &error) < 0) {
        check_result(LB_E_INVAL, false, &error);
        return;
    }
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c < 0x20 || c == 0x7f || c == 0xc0 || c == 0xc1 || c > 0xf4)
            abort();
        if (c == 0xc2 && (unsigned char)text[i + 1] < 0xa0)
            abort();
        points += (c & 0xc0) != 0x80;
    }
    if (points < 1 || points > 64 || len > LB_NAME_MAX)
        abort();
}

/* A cursor that is taken is one that the library gives. */
static void check_cursor(const char *text)
{
    lbi_place place;
    char again[LB_CURSOR_SIZE];
    lb_player player = {.name = ""};

    if (lbi_place_parse(text, &place, NULL) < 0)
        return;
    player.id = place.player;
    player.score = place.score;
    player.reached_us = place.reached_us;
    if (lb_player_cursor(&player, again, sizeof again) < 0)
        abort();
    if (strlen(again) > strlen(text) || !is_id(place.player, LB_PLAYER_MAX))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    lb_error error = {.code = 0};

    if (!text)
        abort();
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    check_result(lb_board_id_check(text, &error), is_id(text, LB_BOARD_MAX), &error);
    check_result(lb_player_id_check(text, &error), is_id(text, LB_PLAYER_MAX), &error);
    check_name(text);
    check_cursor(text);
    free(text);
    return 0;
}
