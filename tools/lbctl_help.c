#include "lbctl.h"

#include <stdio.h>
#include <string.h>

const struct lbctl_option lbctl_options[OPT_N] = {
    [OPT_DATABASE] = {"database", "URL",
                      "the database, sqlite:PATH or rethinkdb://[USER:PASSWORD@]HOST[:PORT]/NAME.\n"
                      "Default: DATABASE_URL from the environment, if that is unset or empty\n"
                      "sqlite:leaderboard.db"},
    [OPT_JSON] = {"json", NULL, "print one JSON document on one line instead of a table"},
    [OPT_TIMEOUT] = {"timeout", "SECONDS",
                     "give up after that long: more than 0, at most 3600, fractions allowed.\n"
                     "Default 5"},
    [OPT_HELP] = {"help", NULL, "print this and do nothing; after a command: about the command"},
    [OPT_VERSION] = {"version", NULL, "print the version and do nothing"},
    [OPT_ASCENDING] = {"ascending", NULL, "the lowest score is first. Default: the highest"},
    [OPT_LIMIT] = {"limit", "N", "how many rows, 1 to 1000. Default 5"},
    [OPT_OFFSET] = {"offset", "N", "skip so many rows, 0 to 10000. Default 0"},
    [OPT_AFTER] = {"after", "CURSOR",
                   "begin behind the row of that cursor, also deeper than --offset goes"},
    [OPT_NAME] = {"name", "NAME",
                  "the name to show: UTF-8, 1 to 64 characters, none of them a control\n"
                  "character. Default: a new player is named by its id, others keep theirs"},
    [OPT_CREATE] = {"create", NULL, "create what is missing: database, board and player"},
    [OPT_RANK] = {"rank", NULL,
                  "find position and rank, too; takes time proportional to the position"},
    [OPT_COUNT] = {"count", "N", "how many rows in all, 1 to 1000. Default 5"},
    [OPT_EXISTING] = {"existing", NULL, "create nothing: what is missing is an error"},
    [OPT_BEST] = {"best", NULL, "only if the score is better than the one that is there"},
    [OPT_KEY] = {"key", "KEY",
                 "idempotency key, 1 to 64 of A-Z a-z 0-9 _ -: a repeat with it within 24\n"
                 "hours prints the first answer and changes nothing. With a key a write\n"
                 "whose outcome is unknown is repeated at once"},
    [OPT_NO_ROWS] = {"no-rows", NULL, "changes only, without the rows that are there already"},
    [OPT_GRIP_URL] = {"grip-url", "URL",
                      "where the proxies take publications, several separated by spaces.\n"
                      "Default: GRIP_URL from the environment"},
    [OPT_PREFIX] = {"prefix", "TEXT",
                    "what the channels begin with, before the board. Default: GRIP_PREFIX\n"
                    "from the environment"},
    [OPT_INTERVAL] = {"interval", "MS",
                      "at least so many milliseconds between two states of a board. Default\n"
                      "100"},
};

static const char exit_statuses[] =
    "\n"
    "Exit status:\n"
    "  0  done; also when the reader of the output has gone\n"
    "  1  failed\n"
    "  2  wrong usage or a bad argument\n"
    "  3  the database, the board or the player does not exist\n"
    "  4  outcome unknown: a write may or may not have been applied\n"
    "Errors are one line on standard error.\n";

/* Text of several lines, each of them indented. */
static void print_indented(const char *text, int indent)
{
    while (*text) {
        int len = (int)strcspn(text, "\n");

        printf("%*s%.*s\n", indent, "", len, text);
        text += len;
        text += *text == '\n';
    }
}

static void print_options(const char *title, unsigned bits)
{
    if (!bits)
        return;
    printf("\n%s:\n", title);
    for (int i = 0; i < OPT_N; i++) {
        const struct lbctl_option *option = &lbctl_options[i];

        if (!(bits & LBCTL_BIT(i)))
            continue;
        printf("  --%s%s%s\n", option->name, option->value ? " " : "",
               option->value ? option->value : "");
        print_indented(option->help, 6);
    }
}

static FILE *open_text(char *text, size_t size)
{
    FILE *out = fmemopen(text, size, "w");

    if (!out)
        lbctl_no_memory();
    return out;
}

const char *lbctl_synopsis(const struct lbctl_command *command)
{
    static char text[160];
    FILE *out = open_text(text, sizeof text);

    fprintf(out, "lbctl %s%s%s", command->name, *command->operands ? " " : "", command->operands);
    for (int i = 0; i < OPT_N; i++) {
        const struct lbctl_option *option = &lbctl_options[i];

        if (command->options & LBCTL_BIT(i))
            fprintf(out, " [--%s%s%s]", option->name, option->value ? " " : "",
                    option->value ? option->value : "");
    }
    fclose(out);
    return text;
}

static void help_command(const struct lbctl_command *command)
{
    printf("usage: %s\n\n%s.\n", lbctl_synopsis(command), command->summary);
    print_indented(command->about, 0);
    print_options("Options", command->options);
    print_options("Options of every command", LBCTL_GLOBAL & ~LBCTL_BIT(OPT_VERSION));
    printf("\nWith --json one object on one line, times in microseconds since 1970:\n");
    print_indented(command->json, 2);
    printf("\nExamples:\n");
    print_indented(command->examples, 2);
    fputs(exit_statuses, stdout);
}

static void help_program(void)
{
    puts("usage: lbctl [--database URL] [--json] [--timeout SECONDS] COMMAND ...\n\n"
         "Realtime leaderboards at a shell: boards of players in the order of their scores.\n\n"
         "Commands; `lbctl COMMAND --help` tells more:");
    for (const struct lbctl_command *c = lbctl_commands; c->name; c++)
        printf("  %-14s %s\n", c->name, c->summary);
    print_options("Options, before or after the command", LBCTL_GLOBAL);
    puts("\n"
         "A lone -- ends the options: what follows may begin with a dash. Negative numbers do\n"
         "not need it.\n\n"
         "Ids are made of A-Z a-z 0-9 . _ ~ -, a board's of 1 to 40 of them, a player's of 1 to\n"
         "64. Scores and amounts are whole numbers from -9007199254740991 to 9007199254740991.\n\n"
         "Examples:\n"
         "  lbctl score-add demo alice 10\n"
         "  lbctl board-get demo --limit 10\n"
         "  lbctl watch demo\n"
         "  lbctl --database sqlite:/var/lib/game/scores.db --json board-list\n"
         "  lbctl --database rethinkdb://db.example.com/game doctor");
    fputs(exit_statuses, stdout);
}

void lbctl_help(const struct lbctl_command *command)
{
    if (command)
        help_command(command);
    else
        help_program();
}

static size_t smallest(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;

    return ab < c ? ab : c;
}

/* How many letters to add, to drop or to replace (Levenshtein). */
static size_t distance(const char *a, const char *b)
{
    size_t row[32], len = strlen(b);

    for (size_t j = 0; j <= len; j++)
        row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0];

        row[0] = i + 1;
        for (size_t j = 0; j < len; j++) {
            size_t above = row[j + 1];

            row[j + 1] = smallest(above + 1, row[j] + 1, diagonal + (a[i] != b[j]));
            diagonal = above;
        }
    }
    return row[len];
}

const char *lbctl_nearest(const char *name)
{
    size_t len = strlen(name), best = 5;
    const char *nearest = NULL;

    if (len < 2 || len > 30)
        return NULL;
    for (const struct lbctl_command *c = lbctl_commands; c->name; c++) {
        size_t d = distance(name, c->name);

        if (d < best && d <= (len + 1) / 2) {
            best = d;
            nearest = c->name;
        }
    }
    return nearest;
}
