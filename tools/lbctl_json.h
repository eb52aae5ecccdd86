/* JSON documents. Running out of memory ends the program. */
#ifndef LBCTL_JSON_H
#define LBCTL_JSON_H

#include <leaderboard.h>

#include <stdbool.h>

typedef struct cJSON lbctl_json;

lbctl_json *lbctl_json_new(void);
void lbctl_json_bool(lbctl_json *object, const char *key, bool value);
void lbctl_json_number(lbctl_json *object, const char *key, int64_t value);
void lbctl_json_string(lbctl_json *object, const char *key, const char *value);
/* Adds an empty object or list to the object; borrowed from it. */
lbctl_json *lbctl_json_object(lbctl_json *object, const char *key);
lbctl_json *lbctl_json_list(lbctl_json *object, const char *key);
/* Adds an empty object to the list; borrowed from it. */
lbctl_json *lbctl_json_item(lbctl_json *list);
/* Puts the members of a player or a board into the object. */
void lbctl_json_player(lbctl_json *object, const lb_player *player);
void lbctl_json_reached(lbctl_json *object, const lb_player *player);
void lbctl_json_board(lbctl_json *object, const lb_board *board);
/* Ends the object and returns its text, without line breaks; free() it. */
char *lbctl_json_end(lbctl_json *object);

#endif
