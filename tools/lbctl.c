#include "lbctl.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* A descriptor 0, 1 or 2 that the caller left closed must not become the database. */
static void hold_standard_descriptors(void)
{
    for (int fd = 0; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY) != fd)
            _exit(LBCTL_FAILED);
    }
}

const char *lbctl_database(const struct lbctl *ctl, const char **ret_source)
{
    const char *url = getenv("DATABASE_URL");

    if (ctl->option[OPT_DATABASE]) {
        *ret_source = "--database";
        return ctl->option[OPT_DATABASE];
    }
    *ret_source = url && *url ? "DATABASE_URL" : "default";
    return url && *url ? url : NULL;
}

uint64_t lbctl_now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* The other commands say for themselves what went wrong. */
static void on_notice(const lb_notice *notice, void *user)
{
    struct lbctl *ctl = user;

    if (ctl->command->follows)
        lbctl_complain("%s", notice->message);
    if (notice->kind != LB_NOTICE_RETRY)
        return;
    ctl->trouble.code = notice->code;
    (void)snprintf(ctl->trouble.msg, sizeof ctl->trouble.msg, "%s", notice->message);
}

static int run(struct lbctl *ctl)
{
    const char *source;
    lb_options options;
    lb_error error;
    int status;

    lb_options_init(&options);
    options.database = lbctl_database(ctl, &source);
    options.timeout_ms = ctl->timeout_ms;
    options.notice = on_notice;
    options.notice_user = ctl;
    if (lb_client_new(&options, &ctl->client, &error) < 0) {
        /* An unknown scheme is a bad argument, too. */
        status = lbctl_fail(ctl, &error);
        return error.code == LB_E_UNSUPPORTED ? LBCTL_USAGE : status;
    }
    status = ctl->command->run(ctl);
    lb_client_free(ctl->client);
    return status;
}

int main(int argc, char **argv)
{
    static char buffer[1 << 16];
    struct lbctl ctl = {0};
    int status;

    hold_standard_descriptors();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* beyond ulimit -f: an error of the write, which is told */
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    status = lbctl_parse(&ctl, argc, argv);
    if (status != LBCTL_DONE)
        return status;
    if (ctl.option[OPT_HELP])
        lbctl_help(ctl.command);
    else if (ctl.option[OPT_VERSION])
        printf("lbctl %s\n", lb_version());
    else
        status = run(&ctl);
    lbctl_flush(&status);
    if (fclose(stdout) != 0 && status == LBCTL_DONE)
        status = LBCTL_FAILED;
    return status;
}
