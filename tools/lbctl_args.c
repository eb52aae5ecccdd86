#include "lbctl.h"

#include <stdlib.h>
#include <string.h>

#define TIMEOUT_DEFAULT_MS 5000
#define TIMEOUT_MAX_S 3600

/* The option at the beginning of text, which lies behind the dashes and may go on with "=VALUE". */
static int find_option(const char *text)
{
    size_t len = strcspn(text, "=");

    for (int i = 0; i < OPT_N; i++) {
        if (strlen(lbctl_options[i].name) == len && memcmp(lbctl_options[i].name, text, len) == 0)
            return i;
    }
    return -1;
}

/* Takes argv[*at], and the word behind it if that is its value. */
static int take_option(struct lbctl *ctl, int argc, char **argv, int *at)
{
    const char *text = argv[*at] + 2, *value = strchr(text, '=');
    int id = find_option(text);

    if (id < 0) {
        lbctl_complain("unknown option %s; see: lbctl %s%s--help", argv[*at],
                       ctl->command ? ctl->command->name : "", ctl->command ? " " : "");
        return LBCTL_USAGE;
    }
    if (!lbctl_options[id].value) {
        if (value) {
            lbctl_complain("option --%s takes no value", lbctl_options[id].name);
            return LBCTL_USAGE;
        }
        ctl->option[id] = "";
        return LBCTL_DONE;
    }
    if (value)
        value++;
    else if (*at + 1 < argc)
        value = argv[++*at];
    if (!value) {
        lbctl_complain("option --%s needs a value: --%s %s", lbctl_options[id].name,
                       lbctl_options[id].name, lbctl_options[id].value);
        return LBCTL_USAGE;
    }
    ctl->option[id] = value;
    return LBCTL_DONE;
}

static int take_command(struct lbctl *ctl, const char *name)
{
    const char *nearest;

    ctl->command = lbctl_command_find(name);
    if (ctl->command)
        return LBCTL_DONE;
    nearest = lbctl_nearest(name);
    if (nearest)
        lbctl_complain("unknown command '%s', did you mean %s? See: lbctl --help", name, nearest);
    else
        lbctl_complain("unknown command '%s'; see: lbctl --help", name);
    return LBCTL_USAGE;
}

static int refuse_surplus(const struct lbctl *ctl, const char *word)
{
    lbctl_complain("surplus argument '%s'; usage: %s", word, lbctl_synopsis(ctl->command));
    return LBCTL_USAGE;
}

static int take_word(struct lbctl *ctl, const char *word, unsigned *n)
{
    if (!ctl->command)
        return take_command(ctl, word);
    if (*n == LBCTL_OPERANDS)
        return refuse_surplus(ctl, word);
    ctl->operand[(*n)++] = word;
    return LBCTL_DONE;
}

/* "-5" is a number; "-" alone is no option either. */
static bool is_short_option(const char *word)
{
    return word[0] == '-' && word[1] != '\0' && !(word[1] >= '0' && word[1] <= '9');
}

static int take_words(struct lbctl *ctl, int argc, char **argv)
{
    bool options_ended = false;
    unsigned n = 0;

    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        int status;

        if (options_ended || !is_short_option(word)) {
            status = take_word(ctl, word, &n);
        } else if (strcmp(word, "--") == 0) {
            options_ended = true;
            status = LBCTL_DONE;
        } else if (word[1] == '-') {
            status = take_option(ctl, argc, argv, &i);
        } else {
            lbctl_complain(
                "unknown option %s; see: lbctl --help (put -- before ids that begin with a dash)",
                word);
            status = LBCTL_USAGE;
        }
        if (status != LBCTL_DONE)
            return status;
    }
    return LBCTL_DONE;
}

/* Are there as many operands as the command wants, and only options that it takes? */
static int check_words(const struct lbctl *ctl)
{
    const struct lbctl_command *command = ctl->command;
    const char *name = command->operands;

    for (int i = 0; i < OPT_N; i++) {
        if (ctl->option[i] && !((command->options | LBCTL_GLOBAL) & LBCTL_BIT(i))) {
            lbctl_complain("%s takes no option --%s; usage: %s", command->name,
                           lbctl_options[i].name, lbctl_synopsis(command));
            return LBCTL_USAGE;
        }
    }
    for (int i = 0; i < LBCTL_OPERANDS; i++) {
        int len = (int)strcspn(name, " ");

        if (!ctl->operand[i] && len > 0 && name[0] != '[') {
            lbctl_complain("%.*s is missing; usage: %s", len, name, lbctl_synopsis(command));
            return LBCTL_USAGE;
        }
        if (ctl->operand[i] && len == 0)
            return refuse_surplus(ctl, ctl->operand[i]);
        name += len;
        name += *name == ' ';
    }
    return LBCTL_DONE;
}

static int read_count(const struct lbctl *ctl, int option, int64_t min, int64_t max, uint32_t *ret)
{
    const char *text = ctl->option[option];
    int64_t value;

    if (!text)
        return LBCTL_DONE;
    if (lb_score_parse(text, &value, NULL) < 0 || value < min || value > max) {
        lbctl_complain("--%s takes a whole number from %d to %d, not '%s'",
                       lbctl_options[option].name, (int)min, (int)max, text);
        return LBCTL_USAGE;
    }
    *ret = (uint32_t)value;
    return LBCTL_DONE;
}

static int read_timeout(struct lbctl *ctl)
{
    const char *text = ctl->option[OPT_TIMEOUT];
    double seconds;
    char *end;

    if (!text)
        return LBCTL_DONE;
    seconds = strtod(text, &end);
    /* strtod() also takes white space, signs, exponents and words. */
    if (end == text || text[strspn(text, "0123456789.")] != '\0' || *end != '\0' ||
        !(seconds > 0) || seconds > TIMEOUT_MAX_S) {
        lbctl_complain("--timeout takes seconds, more than 0 and at most %d, not '%s'",
                       TIMEOUT_MAX_S, text);
        return LBCTL_USAGE;
    }
    ctl->timeout_ms = (uint32_t)(seconds * 1000 + 0.5);
    if (ctl->timeout_ms == 0)
        ctl->timeout_ms = 1;
    return LBCTL_DONE;
}

static int read_numbers(struct lbctl *ctl)
{
    ctl->timeout_ms = TIMEOUT_DEFAULT_MS;
    ctl->limit = LB_LIMIT_DEFAULT;
    if (read_timeout(ctl) != LBCTL_DONE ||
        read_count(ctl, OPT_LIMIT, 1, LB_LIMIT_MAX, &ctl->limit) != LBCTL_DONE ||
        read_count(ctl, OPT_COUNT, 1, LB_LIMIT_MAX, &ctl->limit) != LBCTL_DONE ||
        read_count(ctl, OPT_OFFSET, 0, LB_OFFSET_MAX, &ctl->offset) != LBCTL_DONE)
        return LBCTL_USAGE;
    return LBCTL_DONE;
}

int lbctl_parse(struct lbctl *ctl, int argc, char **argv)
{
    int status = take_words(ctl, argc, argv);

    if (status != LBCTL_DONE || ctl->option[OPT_HELP] ||
        (!ctl->command && ctl->option[OPT_VERSION]))
        return status;
    if (!ctl->command) {
        lbctl_complain("no command is given; see: lbctl --help");
        return LBCTL_USAGE;
    }
    status = check_words(ctl);
    return status == LBCTL_DONE ? read_numbers(ctl) : status;
}
