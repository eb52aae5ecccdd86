/* lbctl, the command line of libleaderboard: an ordinary user of its public header. */
#ifndef LBCTL_H
#define LBCTL_H

#include <leaderboard.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum lbctl_status {
    LBCTL_DONE = 0,
    LBCTL_FAILED = 1,
    LBCTL_USAGE = 2,
    LBCTL_NOTFOUND = 3,
    LBCTL_UNKNOWN = 4,
};

enum lbctl_option_id {
    OPT_DATABASE,
    OPT_JSON,
    OPT_TIMEOUT,
    OPT_HELP,
    OPT_VERSION,
    OPT_ASCENDING,
    OPT_LIMIT,
    OPT_OFFSET,
    OPT_AFTER,
    OPT_NAME,
    OPT_CREATE,
    OPT_RANK,
    OPT_COUNT,
    OPT_EXISTING,
    OPT_BEST,
    OPT_KEY,
    OPT_NO_ROWS,
    OPT_GRIP_URL,
    OPT_PREFIX,
    OPT_INTERVAL,
    OPT_N
};

#define LBCTL_BIT(option) (1U << (option))
/* Options that every command takes. */
#define LBCTL_GLOBAL (LBCTL_BIT(OPT_ASCENDING) - 1)

/* Places of the operands. */
enum { BOARD, PLAYER, NUMBER, LBCTL_OPERANDS, FILE_NAME = PLAYER };

struct lbctl;

struct lbctl_command {
    const char *name;
    const char *operands; /* "BOARD [PLAYER]": how many there are, which may be left out */
    unsigned options;     /* bits, beside LBCTL_GLOBAL */
    const char *summary;  /* for the list of commands */
    const char *about;    /* what else there is to know */
    const char *json;     /* the members of what --json prints */
    const char *examples;
    const char *missing;           /* what to do about "not found", see lbctl_fail(); or NULL */
    bool follows;                  /* runs until it is interrupted */
    int (*run)(struct lbctl *ctl); /* returns an lbctl_status */
};

struct lbctl_option {
    const char *name;  /* without the dashes */
    const char *value; /* what to call its value, NULL if it takes none */
    const char *help;  /* lines */
};

/* One run of the program. */
struct lbctl {
    const struct lbctl_command *command; /* NULL: none was named */
    const char *operand[LBCTL_OPERANDS]; /* NULL: left out */
    const char *option[OPT_N];           /* the value, "" where none is taken, NULL: not given */
    uint32_t timeout_ms, limit, offset;  /* defaults filled in; --count is a limit, too */
    lb_client *client;
    lb_error trouble; /* the last that the library has met while following and goes on trying to
                         get over; code 0: none */
};

/* lbctl.c: the URL of the database, NULL: the library's default, and where it comes from */
const char *lbctl_database(const struct lbctl *ctl, const char **ret_source);
/* Microseconds of CLOCK_MONOTONIC. */
uint64_t lbctl_now_us(void);

/* lbctl_commands.c: ended by a name of NULL */
extern const struct lbctl_command lbctl_commands[];
const struct lbctl_command *lbctl_command_find(const char *name);

/* lbctl_args.c: reads and checks the command line; LBCTL_DONE or, after saying why, LBCTL_USAGE */
int lbctl_parse(struct lbctl *ctl, int argc, char **argv);

/* lbctl_help.c */
extern const struct lbctl_option lbctl_options[OPT_N];
void lbctl_help(const struct lbctl_command *command); /* NULL: about the program */
const char *lbctl_synopsis(const struct lbctl_command *command);
const char *lbctl_nearest(const char *name); /* the command that looks most like it, or NULL */

/* lbctl_error.c: one line on standard error; control characters become question marks */
void lbctl_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Says what went wrong and what to do about it; returns the lbctl_status. In command->missing
 * %l stands for "lbctl", with --database if it was given, %b for the board, %p for board and
 * player. */
int lbctl_fail(const struct lbctl *ctl, const lb_error *error);
_Noreturn void lbctl_no_memory(void);
/* Zeroed memory, never NULL; free() it. */
void *lbctl_alloc(size_t size);
/* Writes out what was printed to standard output. False if that is over: because the reader has
 * gone or, after saying so and setting *status, because it failed. */
bool lbctl_flush(int *status);

/* lbctl_board.c, lbctl_player.c and files of their own: the commands */
int lbctl_board_create(struct lbctl *ctl);
int lbctl_board_list(struct lbctl *ctl);
int lbctl_board_info(struct lbctl *ctl);
int lbctl_board_get(struct lbctl *ctl);
int lbctl_board_delete(struct lbctl *ctl);
int lbctl_player_put(struct lbctl *ctl);
int lbctl_player_get(struct lbctl *ctl);
int lbctl_player_around(struct lbctl *ctl);
int lbctl_player_remove(struct lbctl *ctl);
int lbctl_score_add(struct lbctl *ctl);
int lbctl_score_set(struct lbctl *ctl);
int lbctl_watch(struct lbctl *ctl);
int lbctl_changes(struct lbctl *ctl);
int lbctl_import(struct lbctl *ctl);
int lbctl_import_boards(struct lbctl *ctl);
int lbctl_export(struct lbctl *ctl);
int lbctl_doctor(struct lbctl *ctl);

/* relay_exec.c */
int lbctl_relay(struct lbctl *ctl);

#endif
