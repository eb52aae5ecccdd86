#include "lbctl_json.h"
#include "lbctl_line.h"
#include "lbctl_progress.h"
#include "lbctl_reader.h"

#include "lbctl.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Writes in flight: enough for the library to commit many at once, few enough to fit in memory. */
#define FLIGHT 1024

struct import;

/* A write in flight. */
struct write {
    struct import *import;
    struct write *next_free;
    uint64_t line;
    bool is_board;
};

struct import {
    struct lbctl *ctl;
    bool many;         /* rows of many boards, each of which says which; or lines of one board */
    const char *board; /* NULL if many */
    struct lbctl_reader reader;
    struct lbctl_progress progress;
    bool has_header, has_end, ascending, created;
    bool checked;                      /* the second pass */
    int64_t players, boards;           /* lines of them in this pass */
    int64_t total, changed, unchanged; /* of all passes */
    struct write writes[FLIGHT], *free_writes;
    unsigned in_flight;
    lb_error failure; /* the first; code 0: none */
    uint64_t failed_line;
};

/* ---- Reading -------------------------------------------------------------------------------- */

static bool bad_file(const struct import *import, const char *why)
{
    lbctl_complain("%s %s; nothing was written", import->reader.name, why);
    return false;
}

static bool bad_line(const struct import *import, const char *why)
{
    lbctl_complain("%s, line %" PRIu64 " %s; %s", import->reader.name, import->reader.line, why,
                   import->checked ? "it has changed while it was read" : "nothing was written");
    return false;
}

/* Is the line one that may stand here? */
static bool place_line(struct import *import, const struct lbctl_line *line)
{
    char why[96];

    if (line->kind == LBCTL_LINE_BLANK)
        return true;
    if (import->has_end)
        return bad_line(import, "stands behind the end");
    switch (line->kind) {
    case LBCTL_LINE_BOARD:
        import->boards++;
        return true;
    case LBCTL_LINE_HEADER:
        if (import->has_header || import->players > 0)
            return bad_line(import, "begins another board: import one file after the other");
        import->has_header = true;
        import->ascending = line->ascending;
        return true;
    case LBCTL_LINE_END:
        import->has_end = true;
        (void)snprintf(why, sizeof why, "ends %" PRId64 " players, but there are %" PRId64,
                       line->players, import->players);
        return line->players == import->players || bad_line(import, why);
    default:
        import->players++;
        (void)snprintf(why, sizeof why, "is of board '%s': import-boards puts each row on its own",
                       line->board);
        return import->many || !*line->board || strcmp(line->board, import->board) == 0 ||
               bad_line(import, why);
    }
}

/* Returns 1, its line, 0 at the end, or -1 after saying why. */
static int next_line(struct import *import, struct lbctl_line *ret)
{
    struct lbctl_reader *reader = &import->reader;
    char buf[320];
    const char *text, *why = NULL;
    size_t len;
    bool ok;
    int r;

    if (import->many)
        r = lbctl_reader_object(reader, &text, &len, &why);
    else
        r = lbctl_reader_next(reader, &text, &len);
    if (r == LBCTL_READER_LONG)
        (void)snprintf(buf, sizeof buf, "is longer than %d bytes", LBCTL_LINE_MAX);
    why = r == LBCTL_READER_BAD ? why : buf;
    if (r == 0 || r == -1)
        return r;
    if (r < 0) {
        (void)bad_line(import, why);
        return -1;
    }
    ok =
        import->many ? lbctl_row_parse(text, len, ret, buf) : lbctl_line_parse(text, len, ret, buf);
    return ok || bad_line(import, buf) ? 1 : -1;
}

/* Calls fn, if there is one, for each player and board. False after saying why. */
static bool each_line(struct import *import, bool (*fn)(struct import *, const struct lbctl_line *))
{
    struct lbctl_line line;
    int r;

    import->players = import->boards = 0;
    import->has_header = import->has_end = false;
    while ((r = next_line(import, &line)) > 0) {
        bool is_row = line.kind == LBCTL_LINE_PLAYER || line.kind == LBCTL_LINE_BOARD;

        if (!place_line(import, &line))
            return false;
        if (fn && is_row && !fn(import, &line))
            return false;
        lbctl_progress_show(&import->progress, import->reader.at, import->reader.size,
                            import->players);
    }
    return r == 0;
}

static bool check_file(struct import *import)
{
    bool ok;

    lbctl_progress_start(&import->progress, "checking ");
    ok = each_line(import, NULL);
    lbctl_progress_end(&import->progress);
    if (!ok)
        return false;
    if (import->has_header && !import->has_end)
        return bad_file(import, "is cut short: the line {\"end\":true,...} is missing. Export the "
                                "board again");
    if (import->has_header && !import->ascending && import->ctl->option[OPT_ASCENDING])
        return bad_file(import, "is of a descending board: leave out --ascending");
    if (!import->has_header && import->players + import->boards == 0)
        return bad_file(import, "has no players in it");
    import->total = import->players;
    import->checked = true;
    return lbctl_reader_rewind(&import->reader);
}

/* ---- Writing -------------------------------------------------------------------------------- */

/* Plain lines say nothing about the direction: it is that of the board, if there is one. */
static int find_direction(struct import *import, uint32_t *ret, lb_error *error)
{
    const lb_board *board;
    int r;

    *ret = import->ascending || import->ctl->option[OPT_ASCENDING] ? LB_BOARD_ASCENDING : 0;
    if (import->has_header || *ret)
        return 0;
    r = lb_board_info(import->ctl->client, import->board, NULL, &board, error);
    if (r == 0 && board->ascending)
        *ret = LB_BOARD_ASCENDING;
    return r == LB_E_NOTFOUND ? 0 : r;
}

static int create_board(struct import *import)
{
    uint32_t flags;
    lb_error error;
    int r = find_direction(import, &flags, &error);

    if (r == 0)
        r = lb_board_create(import->ctl->client, import->board, flags, NULL, NULL, &error);
    import->created = r > 0;
    return r < 0 ? lbctl_fail(import->ctl, &error) : LBCTL_DONE;
}

static void note_failure(struct import *import, uint64_t line, int code, const char *message)
{
    if (import->failure.code)
        return;
    import->failed_line = line;
    import->failure.code = code;
    (void)snprintf(import->failure.msg, sizeof import->failure.msg, "%s", message);
}

static void on_done(const lb_result *result, void *user)
{
    struct write *write = user;
    struct import *import = write->import;

    import->in_flight--;
    write->next_free = import->free_writes;
    import->free_writes = write;
    if (result->code < 0)
        note_failure(import, write->line, result->code, result->message);
    else if (!write->is_board)
        ++*(result->code ? &import->changed : &import->unchanged);
}

/* Until no more than so many writes are in flight. Each ends, by its timeout if need be. */
static void drive(struct import *import, unsigned most)
{
    lb_client *client = import->ctl->client;

    while (import->in_flight > most) {
        int r = lb_client_process(client);

        if (r == 0 && import->in_flight > most)
            lb_client_wait(client, LB_NEVER);
    }
}

static int start_write(struct import *import, const struct lbctl_line *line, struct write *write,
                       lb_error *error)
{
    lb_client *client = import->ctl->client;
    lb_write_options options;

    if (write->is_board)
        return lb_board_create_start(client, line->board, 0, NULL, on_done, write, NULL, error);
    lb_write_options_init(&options);
    options.flags = import->many ? LB_WRITE_CREATE : 0;
    return lb_player_restore_start(client, import->many ? line->board : import->board, line->id,
                                   *line->name ? line->name : NULL, line->score, line->reached_us,
                                   &options, on_done, write, NULL, error);
}

static bool write_line(struct import *import, const struct lbctl_line *line)
{
    struct write *write;
    lb_error error;

    /* Half of them at once: the library sees long queues and makes large groups. */
    if (!import->free_writes)
        drive(import, FLIGHT / 2);
    write = import->free_writes;
    if (import->failure.code)
        return false;
    write->is_board = line->kind == LBCTL_LINE_BOARD;
    if (start_write(import, line, write, &error) < 0) {
        note_failure(import, import->reader.line, error.code, error.msg);
        return false;
    }
    import->free_writes = write->next_free;
    write->line = import->reader.line;
    import->in_flight++;
    return true;
}

static int report_failure(const struct import *import)
{
    lbctl_complain("%s, line %" PRIu64 ": %s; %" PRId64 " of %" PRId64
                   " players are written, do it again for the rest",
                   import->reader.name, import->failed_line, import->failure.msg,
                   import->changed + import->unchanged, import->total);
    switch (import->failure.code) {
    case LB_E_NOTFOUND:
        return LBCTL_NOTFOUND;
    case LB_E_UNKNOWN:
        return LBCTL_UNKNOWN;
    default:
        return LBCTL_FAILED;
    }
}

static int write_players(struct import *import)
{
    bool ok;

    for (size_t i = 0; i < FLIGHT; i++) {
        import->writes[i] = (struct write){.import = import, .next_free = import->free_writes};
        import->free_writes = &import->writes[i];
    }
    lbctl_progress_start(&import->progress, "importing");
    ok = each_line(import, write_line);
    drive(import, 0);
    lbctl_progress_end(&import->progress);
    if (import->failure.code)
        return report_failure(import);
    if (ok && import->players == import->total)
        return LBCTL_DONE;
    if (ok)
        lbctl_complain("%s has changed while it was read", import->reader.name);
    return LBCTL_FAILED;
}

static void print_json(const struct import *import)
{
    lbctl_json *object = lbctl_json_new();
    char *text;

    if (!import->many)
        lbctl_json_string(object, "board", import->board);
    lbctl_json_number(object, "players", import->total);
    lbctl_json_number(object, "changed", import->changed);
    lbctl_json_number(object, "unchanged", import->unchanged);
    if (!import->many)
        lbctl_json_bool(object, "created", import->created);
    text = lbctl_json_end(object);
    puts(text);
    free(text);
}

static void print_summary(const struct import *import)
{
    if (import->ctl->option[OPT_JSON])
        print_json(import);
    else
        printf("imported %" PRId64 " players to %s: %" PRId64 " changed, %" PRId64 " unchanged\n",
               import->total, import->many ? "their boards" : import->board, import->changed,
               import->unchanged);
}

static int run(struct import *import)
{
    int status = LBCTL_DONE;

    if (!check_file(import))
        return LBCTL_FAILED;
    if (!import->many)
        status = create_board(import);
    if (status == LBCTL_DONE)
        status = write_players(import);
    if (status == LBCTL_DONE)
        print_summary(import);
    return status;
}

static int import_file(struct lbctl *ctl, const char *board, const char *file)
{
    struct import *import = lbctl_alloc(sizeof *import);
    int status = LBCTL_FAILED;

    import->ctl = ctl;
    import->many = !board;
    import->board = board;
    if (lbctl_reader_open(&import->reader, file)) {
        status = run(import);
        lbctl_reader_close(&import->reader);
    }
    free(import);
    return status;
}

int lbctl_import(struct lbctl *ctl)
{
    lb_error error;

    /* Before a long file is read. */
    if (lb_board_id_check(ctl->operand[BOARD], &error) < 0)
        return lbctl_fail(ctl, &error);
    return import_file(ctl, ctl->operand[BOARD], ctl->operand[FILE_NAME]);
}

int lbctl_import_boards(struct lbctl *ctl)
{
    return import_file(ctl, NULL, ctl->operand[0]);
}
