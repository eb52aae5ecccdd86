#include "reql_server.h"

#include "free_port.h"
#include "test.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void run(const struct reql_server *s)
{
    char driver[8], cluster[8];
    const char *argv[32] = {"rethinkdb",
                            "serve",
                            "-d",
                            "db",
                            "--no-http-admin",
                            "--bind",
                            "127.0.0.1",
                            "--no-update-check",
                            "--cache-size",
                            "128",
                            "--driver-port",
                            driver,
                            "--cluster-port",
                            cluster};
    size_t n = 14;
    int log = open("server.log", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    snprintf(driver, sizeof driver, "%u", s->port);
    snprintf(cluster, sizeof cluster, "%u", s->cluster_port);
    for (size_t i = 0; s->args[i]; i++)
        argv[n++] = s->args[i];
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves no server behind */
    dup2(log, 1);
    dup2(log, 2);
    execvp(argv[0], (char **)(uintptr_t)argv);
    _exit(127);
}

static int is_ready(void)
{
    char text[8192] = "";
    FILE *file = fopen("server.log", "r");

    if (file) {
        text[fread(text, 1, sizeof text - 1, file)] = '\0';
        fclose(file);
    }
    return strstr(text, "Server ready") != NULL;
}

/* Another program's start gives no event but its log. */
static void wait_ready(struct reql_server *s)
{
    struct timespec pause = {.tv_nsec = 10000000};

    while (!is_ready()) {
        if (waitpid(s->pid, NULL, WNOHANG) == s->pid) {
            s->pid = 0;
            if (system("cat server.log >&2"))
                FAIL("rethinkdb did not start, and has no log");
            FAIL("rethinkdb did not start");
        }
        nanosleep(&pause, NULL);
    }
}

void reql_server_restart(struct reql_server *s)
{
    unlink("server.log");
    s->pid = fork();
    CHECK(s->pid >= 0);
    if (s->pid == 0)
        run(s);
    wait_ready(s);
}

void reql_server_start(struct reql_server *s)
{
    if (system("command -v rethinkdb >/dev/null 2>&1 && "
               "rethinkdb create -d db --no-update-check >/dev/null 2>&1") != 0)
        SKIP("no rethinkdb on PATH");
    s->port = free_port();
    s->cluster_port = free_port();
    reql_server_restart(s);
}

void reql_server_pause(struct reql_server *s)
{
    int status;

    CHECK_OK(kill(s->pid, SIGSTOP));
    /* A thread of it may run on for a moment and answer. */
    CHECK_EQ(waitpid(s->pid, &status, WUNTRACED), s->pid);
    CHECK(WIFSTOPPED(status));
}

void reql_server_stop(struct reql_server *s, int signal)
{
    if (s->pid == 0)
        return;
    kill(s->pid, signal);
    waitpid(s->pid, NULL, 0);
    s->pid = 0;
}
