#include "lbctl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>

/* Long enough for every sentence of the library and a hint. */
#define LINE_SIZE 1024

void lbctl_complain(const char *format, ...)
{
    char line[LINE_SIZE];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    for (char *c = line; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    }
    fprintf(stderr, "lbctl: %s\n", line);
}

void lbctl_no_memory(void)
{
    lbctl_complain("out of memory");
    exit(LBCTL_FAILED);
}

void *lbctl_alloc(size_t size)
{
    void *memory = calloc(1, size);

    if (!memory)
        lbctl_no_memory();
    return memory;
}

bool lbctl_flush(int *status)
{
    bool failed = ferror(stdout) != 0; /* a moment ago: errno is still about that */

    if (fflush(stdout) == 0 && !failed)
        return true;
    if (errno != EPIPE) {
        lbctl_complain("cannot write to standard output: %s", strerror(errno));
        *status = LBCTL_FAILED;
    }
    __fpurge(stdout);
    clearerr(stdout);
    return false;
}

static void print_program(FILE *out, const struct lbctl *ctl)
{
    /* The URL is not repeated: it may hold a password. */
    fputs(ctl->option[OPT_DATABASE] ? "lbctl --database URL" : "lbctl", out);
}

static void print_ids(FILE *out, const struct lbctl *ctl, int last)
{
    const char *dashes = "";

    for (int i = BOARD; i <= last; i++) {
        if (ctl->operand[i] && ctl->operand[i][0] == '-')
            dashes = "-- ";
    }
    fputs(dashes, out);
    for (int i = BOARD; i <= last && ctl->operand[i]; i++)
        fprintf(out, "%s%s", i > BOARD ? " " : "", ctl->operand[i]);
}

/* What to do about "not found", or "". */
static void hint(char *buf, size_t size, const struct lbctl *ctl)
{
    const char *text = ctl->command ? ctl->command->missing : NULL;
    FILE *out = text ? fmemopen(buf, size, "w") : NULL;

    *buf = '\0';
    if (!out)
        return;
    fputs("; ", out);
    for (; *text; text++) {
        if (*text != '%')
            fputc(*text, out);
        else if (*++text == 'l')
            print_program(out, ctl);
        else
            print_ids(out, ctl, *text == 'p' ? PLAYER : BOARD);
    }
    fclose(out);
}

int lbctl_fail(const struct lbctl *ctl, const lb_error *error)
{
    char what_to_do[LINE_SIZE / 2];

    switch (error->code) {
    case LB_E_INVAL:
        lbctl_complain("%s", error->msg);
        return LBCTL_USAGE;
    case LB_E_NOTFOUND:
        hint(what_to_do, sizeof what_to_do, ctl);
        lbctl_complain("%s%s", error->msg, what_to_do);
        return LBCTL_NOTFOUND;
    case LB_E_UNKNOWN:
        lbctl_complain("%s%s", error->msg,
                       ctl->command->options & LBCTL_BIT(OPT_KEY)
                           ? "; a write with --key may be repeated without harm"
                           : "");
        return LBCTL_UNKNOWN;
    default:
        lbctl_complain("%s", error->msg);
        return LBCTL_FAILED;
    }
}
