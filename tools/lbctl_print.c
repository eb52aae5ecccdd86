#include "lbctl_print.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COLUMNS_MAX 8

static const char *const page_titles[] = {">POSITION", ">RANK", "PLAYER", ">SCORE", "NAME", NULL};
static const char *const player_titles[] = {"PLAYER", ">SCORE", "REACHED", "NAME", NULL};
static const char *const placed_titles[] = {">POSITION", ">RANK", "PLAYER", ">SCORE",
                                            "REACHED",   "NAME",  NULL};
static const char *const written_titles[] = {"PLAYER", ">SCORE", "CHANGED", "NAME", NULL};
static const char *const boards_titles[] = {"BOARD", "ORDER", "CREATED", NULL};
static const char *const board_titles[] = {"BOARD", "ORDER", "CREATED", ">PLAYERS", NULL};
static const char *const created_titles[] = {"BOARD", "ORDER", "CREATED", "CHANGED", NULL};

static void start_table(struct lbctl_rows *rows, const char *const *titles)
{
    *rows = (struct lbctl_rows){.titles = titles};
    rows->cells = open_memstream(&rows->text, &rows->size);
    if (!rows->cells)
        lbctl_no_memory();
}

static void start_json(struct lbctl_rows *rows, const char *key)
{
    *rows = (struct lbctl_rows){.object = lbctl_json_new()};
    if (key)
        rows->array = lbctl_json_list(rows->object, key);
}

static void cell(struct lbctl_rows *rows, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void cell(struct lbctl_rows *rows, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vfprintf(rows->cells, format, args);
    va_end(args);
    fputc('\0', rows->cells);
}

static void time_cell(struct lbctl_rows *rows, int64_t us)
{
    time_t seconds = (time_t)(us / 1000000);
    char text[32];
    struct tm tm;

    if (us < 0 || !gmtime_r(&seconds, &tm) ||
        !strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm))
        cell(rows, "%" PRId64 " us", us);
    else
        cell(rows, "%s.%06dZ", text, (int)(us % 1000000));
}

static void board_cells(struct lbctl_rows *rows, const lb_board *board)
{
    cell(rows, "%s", board->id);
    cell(rows, "%s", board->ascending ? "ascending" : "descending");
    time_cell(rows, board->created_us);
}

/* In code points, which is near enough. */
static int width(const char *text)
{
    int n = 0;

    for (; *text; text++)
        n += (*text & 0xc0) != 0x80;
    return n;
}

struct column {
    const char *title;
    int width;
    bool right, last;
};

static void print_cell(const char *text, const struct column *column)
{
    int pad = column->width - width(text);

    if (column->right)
        printf("%*s%s", pad, "", text);
    else
        printf("%s%*s", text, column->last ? 0 : pad, "");
    fputs(column->last ? "\n" : "  ", stdout);
}

static void print_table(const struct lbctl_rows *rows)
{
    struct column columns[COLUMNS_MAX];
    size_t n = 0, i = 0;

    for (; rows->titles[n]; n++) {
        bool right = rows->titles[n][0] == '>';
        const char *title = rows->titles[n] + right;

        columns[n] = (struct column){title, width(title), right, !rows->titles[n + 1]};
    }
    for (size_t at = 0; at < rows->size; at += strlen(rows->text + at) + 1, i++) {
        int w = width(rows->text + at);

        if (w > columns[i % n].width)
            columns[i % n].width = w;
    }
    for (i = 0; i < n; i++)
        print_cell(columns[i].title, &columns[i]);
    for (size_t at = 0; at < rows->size && !ferror(stdout); at += strlen(rows->text + at) + 1, i++)
        print_cell(rows->text + at, &columns[i % n]);
}

int lbctl_rows_print(struct lbctl_rows *rows)
{
    int status = LBCTL_DONE;

    if (rows->object) {
        rows->text = lbctl_json_end(rows->object);
        puts(rows->text);
    } else {
        if (fclose(rows->cells) != 0)
            lbctl_no_memory();
        print_table(rows);
    }
    lbctl_flush(&status);
    free(rows->text);
    return status;
}

void lbctl_rows_drop(struct lbctl_rows *rows)
{
    if (rows->object) {
        free(lbctl_json_end(rows->object));
        return;
    }
    fclose(rows->cells);
    free(rows->text);
}

void lbctl_players_start(struct lbctl_rows *rows, const struct lbctl *ctl)
{
    if (ctl->option[OPT_JSON])
        start_json(rows, "players");
    else
        start_table(rows, page_titles);
}

void lbctl_players_add(struct lbctl_rows *rows, const lb_player *player)
{
    if (rows->array) {
        lbctl_json_player(lbctl_json_item(rows->array), player);
        return;
    }
    cell(rows, "%" PRIu64, player->position);
    cell(rows, "%" PRIu64, player->rank);
    cell(rows, "%s", player->id);
    cell(rows, "%" PRId64, player->score);
    cell(rows, "%s", player->name);
}

void lbctl_boards_start(struct lbctl_rows *rows, const struct lbctl *ctl)
{
    if (ctl->option[OPT_JSON])
        start_json(rows, "boards");
    else
        start_table(rows, boards_titles);
}

void lbctl_boards_add(struct lbctl_rows *rows, const lb_board *board)
{
    if (rows->array)
        lbctl_json_board(lbctl_json_item(rows->array), board);
    else
        board_cells(rows, board);
}

int lbctl_print_player(const struct lbctl *ctl, const lb_player *player)
{
    struct lbctl_rows rows;

    if (ctl->option[OPT_JSON]) {
        start_json(&rows, NULL);
        lbctl_json_player(rows.object, player);
        lbctl_json_reached(rows.object, player);
    } else {
        start_table(&rows, player->position ? placed_titles : player_titles);
        if (player->position) {
            cell(&rows, "%" PRIu64, player->position);
            cell(&rows, "%" PRIu64, player->rank);
        }
        cell(&rows, "%s", player->id);
        cell(&rows, "%" PRId64, player->score);
        time_cell(&rows, player->reached_us);
        cell(&rows, "%s", player->name);
    }
    return lbctl_rows_print(&rows);
}

int lbctl_print_board(const struct lbctl *ctl, const lb_board *board)
{
    struct lbctl_rows rows;

    if (ctl->option[OPT_JSON]) {
        start_json(&rows, NULL);
        lbctl_json_board(rows.object, board);
    } else {
        start_table(&rows, board_titles);
        board_cells(&rows, board);
        cell(&rows, "%" PRId64, board->players);
    }
    return lbctl_rows_print(&rows);
}

int lbctl_print_written(const struct lbctl *ctl, const lb_player *player, bool changed)
{
    struct lbctl_rows rows;

    if (ctl->option[OPT_JSON]) {
        start_json(&rows, NULL);
        lbctl_json_player(rows.object, player);
        lbctl_json_reached(rows.object, player);
        lbctl_json_bool(rows.object, "changed", changed);
    } else {
        start_table(&rows, written_titles);
        cell(&rows, "%s", player->id);
        cell(&rows, "%" PRId64, player->score);
        cell(&rows, "%s", changed ? "yes" : "no");
        cell(&rows, "%s", player->name);
    }
    return lbctl_rows_print(&rows);
}

int lbctl_print_created(const struct lbctl *ctl, const lb_board *board, bool changed)
{
    struct lbctl_rows rows;

    if (ctl->option[OPT_JSON]) {
        start_json(&rows, NULL);
        lbctl_json_board(rows.object, board);
        lbctl_json_bool(rows.object, "changed", changed);
    } else {
        start_table(&rows, created_titles);
        board_cells(&rows, board);
        cell(&rows, "%s", changed ? "yes" : "no");
    }
    return lbctl_rows_print(&rows);
}

int lbctl_print_removed(const struct lbctl *ctl)
{
    const char *board = ctl->operand[BOARD], *player = ctl->operand[PLAYER];
    struct lbctl_rows rows;

    if (!ctl->option[OPT_JSON]) {
        printf("removed %s%s%s\n", player ? player : board, player ? " from " : "",
               player ? board : "");
        return LBCTL_DONE; /* main() writes it out */
    }
    start_json(&rows, NULL);
    lbctl_json_bool(rows.object, "removed", true);
    lbctl_json_string(rows.object, "board", board);
    if (player)
        lbctl_json_string(rows.object, "player", player);
    return lbctl_rows_print(&rows);
}
