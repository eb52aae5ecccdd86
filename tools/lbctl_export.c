#include "lbctl_emit.h"
#include "lbctl_outfile.h"
#include "lbctl_print.h"
#include "lbctl_progress.h"
#include "lbctl_sort.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * A subscription gives each row as it is when its turn comes. What changes meanwhile is left out: a
 * player that is there all the while has its row once in any case.
 *
 * The lines are by id, so that two exports can be compared. SQLite gives the rows so, and they are
 * written as they come; after a gap they come again from the first one, and those up to the last
 * that was written are passed over. A server gives them in no order, and cannot give them in any
 * and follow them too: they are kept until all are there, and after a gap forgotten. Pages of
 * lb_board_get() would need no memory, but whoever moves in the board's order while they are read
 * would be in two of them or in none.
 */
struct export
{
    struct lbctl *ctl;
    const char *path; /* NULL = standard output */
    struct lbctl_outfile file;
    FILE *out;
    lb_error error;  /* code 0: none */
    int write_error; /* an errno */
    bool by_id, ready, ended;
    int resets;
    char last[LB_PLAYER_MAX + 1];
    struct lbctl_sort sort; /* unless by_id */
    int64_t players, expected;
    int64_t created_us;
    bool ascending;
    uint64_t heard_us; /* when something last came */
    struct lbctl_progress progress;
};

static int fail(struct export *export, int code, const char *message)
{
    export->error.code = code;
    (void)snprintf(export->error.msg, sizeof export->error.msg, "%s", message);
    return export->ended = true;
}

/* errno is about the stream's failure only until the next call. */
static int check_stream(struct export *export)
{
    if (!ferror(export->out))
        return 0;
    export->write_error = errno;
    return export->ended = true;
}

static int write_row(const lb_player *row, void *user)
{
    struct export *export = user;

    lbctl_emit_player(export->out, row);
    putc_unlocked('\n', export->out);
    export->players++;
    return check_stream(export);
}

static int take_row(struct export *export, const lb_player *row)
{
    if (!export->by_id) {
        lbctl_sort_add(&export->sort, row);
        return 0;
    }
    if (strcmp(row->id, export->last) <= 0) {
        if (export->resets > 1)
            return 0;
        return fail(export, LB_E_PROTO, "the rows do not come in order: this is a bug");
    }
    (void)snprintf(export->last, sizeof export->last, "%s", row->id);
    return write_row(row, export);
}

static int on_change(const lb_change *change, void *user)
{
    struct export *export = user;

    export->heard_us = lbctl_now_us();
    switch (change->type) {
    case LB_CHANGE_RESET:
        export->resets++;
        lbctl_sort_clear(&export->sort);
        return 0;
    case LB_CHANGE_ROW:
        return take_row(export, change->new_row);
    case LB_CHANGE_READY:
        export->ready = export->ended = true;
        return 1;
    case LB_CHANGE_GONE:
        return fail(export, LB_E_NOTFOUND, "the board was deleted meanwhile");
    default:
        return 0;
    }
}

/* What may pass by itself is waited for until the timeout: a server may come back, a disk not. */
static bool is_passing(const struct export *export, int code)
{
    return code == 0 || code == LB_E_BUSY || code == LB_E_NOMEM || code == LB_E_TIMEOUT ||
           (code == LB_E_IO && !export->by_id);
}

static void wait_for_rows(struct export *export)
{
    struct lbctl *ctl = export->ctl;
    uint64_t end = export->heard_us + (uint64_t)ctl->timeout_ms * 1000, now = lbctl_now_us();

    if (!is_passing(export, ctl->trouble.code))
        fail(export, ctl->trouble.code, ctl->trouble.msg);
    else if (now >= end)
        fail(export, LB_E_TIMEOUT,
             ctl->trouble.code ? ctl->trouble.msg : "timed out, no more rows came");
    else
        lb_client_wait(ctl->client, end - now);
}

static void show_progress(struct export *export)
{
    int64_t rows = export->by_id ? export->players : (int64_t) export->sort.n;

    lbctl_progress_show(&export->progress, rows, export->expected, rows);
}

static void read_rows(struct export *export)
{
    lb_client *client = export->ctl->client;

    export->heard_us = lbctl_now_us();
    if (lb_changes_subscribe(client, export->ctl->operand[BOARD], NULL, on_change, export, NULL,
                             &export->error) < 0)
        return;
    while (!export->ended) {
        int r = lb_client_process(client);

        show_progress(export);
        if (r < 0)
            fail(export, r, lb_strerror(r));
        else if (r == 0 && !export->ended)
            wait_for_rows(export);
    }
}

static int note_store(const char *name, const char *value, void *user)
{
    struct export *export = user;

    if (strcmp(name, "store") == 0)
        export->by_id = strcmp(value, "sqlite") == 0;
    return 0;
}

static int look(struct export *export, lb_error *error)
{
    const lb_board *board;
    int r = lb_board_info(export->ctl->client, export->ctl->operand[BOARD], NULL, &board, error);

    if (r < 0)
        return r;
    export->expected = board->players;
    export->created_us = board->created_us;
    export->ascending = board->ascending != 0;
    return 0;
}

/* Deleted and made anew meanwhile, it may have another direction than the header says. */
static void check_same_board(struct export *export)
{
    int64_t created_us = export->created_us;

    if (look(export, &export->error) == 0 && export->created_us != created_us)
        fail(export, LB_E_CONFLICT,
             "the board was deleted and created anew meanwhile: do it again");
}

static void write_board(struct export *export)
{
    fputs("{\"format\":\"leaderboard\",\"version\":1,\"board\":", export->out);
    lbctl_emit_text(export->out, export->ctl->operand[BOARD]);
    fprintf(export->out, ",\"ascending\":%s}\n", export->ascending ? "true" : "false");
    read_rows(export);
    if (export->ready)
        check_same_board(export);
    if (export->ready && export->error.code == 0)
        lbctl_sort_end(&export->sort, write_row, export);
    lbctl_sort_clear(&export->sort);
    if (export->ready && export->error.code == 0)
        fprintf(export->out, "{\"end\":true,\"players\":%" PRId64 "}\n", export->players);
    lbctl_progress_end(&export->progress);
}

static int print_summary(const struct export *export)
{
    lbctl_json *object;
    char *text;

    if (!export->ctl->option[OPT_JSON]) {
        printf("exported %" PRId64 " players of %s to %s\n", export->players,
               export->ctl->operand[BOARD], export->path);
        return LBCTL_DONE;
    }
    object = lbctl_json_new();
    lbctl_json_string(object, "board", export->ctl->operand[BOARD]);
    lbctl_json_number(object, "players", export->players);
    lbctl_json_string(object, "file", export->path);
    text = lbctl_json_end(object);
    puts(text);
    free(text);
    return LBCTL_DONE;
}

static int write_file(struct export *export)
{
    if (!lbctl_outfile_open(&export->file, export->path))
        return LBCTL_FAILED;
    export->out = export->file.out;
    write_board(export);
    if (export->error.code < 0) {
        lbctl_outfile_drop(&export->file);
        return lbctl_fail(export->ctl, &export->error);
    }
    if (export->write_error)
        lbctl_complain("cannot write %s: %s", export->path, strerror(export->write_error));
    if (export->write_error) {
        lbctl_outfile_drop(&export->file);
        return LBCTL_FAILED;
    }
    return lbctl_outfile_commit(&export->file) ? print_summary(export) : LBCTL_FAILED;
}

static int write_stdout(struct export *export)
{
    int status = LBCTL_DONE;

    export->out = stdout;
    write_board(export);
    /* What lbctl_flush() has to say is about the first failure. */
    if (export->write_error)
        errno = export->write_error;
    if (!lbctl_flush(&status) || export->error.code == 0)
        return status;
    return lbctl_fail(export->ctl, &export->error);
}

int lbctl_export(struct lbctl *ctl)
{
    const char *name = ctl->operand[FILE_NAME];
    struct export export = {.ctl = ctl, .path = name && strcmp(name, "-") != 0 ? name : NULL};

    if (look(&export, &export.error) < 0 ||
        lb_database_info(ctl->client, NULL, note_store, &export, &export.error) < 0)
        return lbctl_fail(ctl, &export.error);
    lbctl_progress_start(&export.progress, "exporting");
    if (!export.path && isatty(STDOUT_FILENO))
        export.progress.on = false;
    return export.path ? write_file(&export) : write_stdout(&export);
}
