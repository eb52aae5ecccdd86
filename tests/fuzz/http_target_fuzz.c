/* Targets of requests: what is taken has good ids and parameters, and is what its plain form is. */
#include "http/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
    if (!condition)
        abort();
}

/* The same in its plain form. */
static void write_plain(const lbi_target *t, char *buf, size_t size)
{
    const char *board = t->board, *player = t->player;
    int n = 0;

    switch (t->route) {
    case LBI_BOARDS:
        n = snprintf(buf, size, "/boards/");
        break;
    case LBI_BOARD:
        n = snprintf(buf, size, "/boards/%s/", board);
        break;
    case LBI_PLAYERS:
        n = snprintf(buf, size, "/boards/%s/players/", board);
        break;
    case LBI_PLAYER:
        n = snprintf(buf, size, "/boards/%s/players/%s/", board, player);
        break;
    case LBI_ADD:
        n = snprintf(buf, size, "/boards/%s/players/%s/score-add/", board, player);
        break;
    }
    must(n > 0 && (size_t)n < size);
}

static void check_target(const lbi_target *t)
{
    lbi_target again;
    char plain[256];

    must(t->route == LBI_BOARDS || lb_board_id_check(t->board, NULL) == 0);
    must(t->route < LBI_PLAYER || lb_player_id_check(t->player, NULL) == 0);
    write_plain(t, plain, sizeof plain);
    must(lbi_target_parse(plain, &again, NULL) == 0);
    must(again.route == t->route && strcmp(again.board, t->board) == 0 &&
         strcmp(again.player, t->player) == 0);
}

static void check_query(const char *query)
{
    lbi_params p = {.given = 0};
    lb_error error = {.msg = ""};
    unsigned all = LBI_LIMIT | LBI_OFFSET | LBI_AFTER | LBI_RANK;
    int r = lbi_params_parse(&p, all, false, query, strlen(query), &error);

    if (r < 0) {
        must(r == LB_E_INVAL && error.msg[0]);
        return;
    }
    must((p.given & ~all) == 0);
    must(!(p.given & LBI_LIMIT) || (p.limit >= 1 && p.limit <= LB_LIMIT_MAX));
    must(p.offset <= LB_OFFSET_MAX);
    must(strnlen(p.after, sizeof p.after) < sizeof p.after);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *target = malloc(size + 1);
    lb_error error = {.msg = ""};
    lbi_target t;
    int r;

    must(target != NULL);
    if (size)
        memcpy(target, data, size);
    target[size] = '\0';
    r = lbi_target_parse(target, &t, &error);
    must(r == 0 || ((r == LB_E_INVAL || r == LB_E_NOTFOUND) && error.msg[0]));
    if (r == 0) {
        check_target(&t);
        check_query(t.query);
    }
    free(target);
    return 0;
}
