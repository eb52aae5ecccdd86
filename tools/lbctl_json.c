#include "lbctl_json.h"

#include "lbctl.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>

static cJSON *not_null(cJSON *item)
{
    if (!item)
        lbctl_no_memory();
    return item;
}

lbctl_json *lbctl_json_new(void)
{
    return not_null(cJSON_CreateObject());
}

void lbctl_json_bool(lbctl_json *object, const char *key, bool value)
{
    not_null(cJSON_AddBoolToObject(object, key, value));
}

void lbctl_json_string(lbctl_json *object, const char *key, const char *value)
{
    not_null(cJSON_AddStringToObject(object, key, value));
}

/* As text: cJSON prints large integers as doubles, inexact at the end of their range. */
void lbctl_json_number(lbctl_json *object, const char *key, int64_t value)
{
    char text[24];

    (void)snprintf(text, sizeof text, "%" PRId64, value);
    not_null(cJSON_AddRawToObject(object, key, text));
}

lbctl_json *lbctl_json_object(lbctl_json *object, const char *key)
{
    return not_null(cJSON_AddObjectToObject(object, key));
}

lbctl_json *lbctl_json_list(lbctl_json *object, const char *key)
{
    return not_null(cJSON_AddArrayToObject(object, key));
}

lbctl_json *lbctl_json_item(lbctl_json *list)
{
    cJSON *item = not_null(cJSON_CreateObject());

    if (!cJSON_AddItemToArray(list, item))
        lbctl_no_memory();
    return item;
}

void lbctl_json_player(lbctl_json *object, const lb_player *player)
{
    lbctl_json_string(object, "id", player->id);
    lbctl_json_string(object, "name", player->name);
    lbctl_json_number(object, "score", player->score);
    if (player->position) {
        lbctl_json_number(object, "position", (int64_t)player->position);
        lbctl_json_number(object, "rank", (int64_t)player->rank);
    }
}

void lbctl_json_reached(lbctl_json *object, const lb_player *player)
{
    lbctl_json_number(object, "reached_us", player->reached_us);
}

void lbctl_json_board(lbctl_json *object, const lb_board *board)
{
    lbctl_json_string(object, "id", board->id);
    lbctl_json_bool(object, "ascending", board->ascending != 0);
    if (board->players >= 0)
        lbctl_json_number(object, "players", board->players);
    lbctl_json_number(object, "created_us", board->created_us);
}

char *lbctl_json_end(lbctl_json *object)
{
    char *text = cJSON_PrintUnformatted(object);

    cJSON_Delete(object);
    if (!text)
        lbctl_no_memory();
    return text;
}
