#include "rethinkdb_live.h"

#include "reql_drive.h"
#include "test.h"

#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct reql_server server;
static char directory[] = "/tmp/rethinkdb_live_XXXXXX";
static pid_t owner;

static bool only_lists(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-l") == 0)
            return true;
    }
    return false;
}

/* glibc gives constructors what main() gets. */
__attribute__((constructor)) static void begin(int argc, char **argv)
{
    char before[PATH_MAX];

    if (only_lists(argc, argv) || system("command -v rethinkdb >/dev/null 2>&1") != 0)
        return;
    if (!getcwd(before, sizeof before) || !mkdtemp(directory) || chdir(directory) != 0)
        return;
    owner = getpid();
    reql_server_start(&server);
    if (chdir(before) != 0)
        abort();
}

__attribute__((destructor)) static void end(void)
{
    char command[sizeof directory + 16];

    if (owner != getpid())
        return;
    reql_server_stop(&server, SIGKILL);
    snprintf(command, sizeof command, "rm -rf %s", directory);
    if (system(command) != 0)
        perror(directory);
}

unsigned rethinkdb_live_port(void)
{
    if (!server.pid)
        SKIP("no rethinkdb on PATH");
    return server.port;
}

const char *rethinkdb_live_url(void)
{
    static char url[100];

    snprintf(url, sizeof url, "rethinkdb://127.0.0.1:%u/%s", rethinkdb_live_port(),
             rethinkdb_live_database());
    return url;
}

const char *rethinkdb_live_database(void)
{
    static char name[32];

    if (!name[0])
        snprintf(name, sizeof name, "test_%d", (int)getpid());
    return name;
}

const char *rethinkdb_live_query(unsigned port, const char *format, ...)
{
    static char value[200];
    char term[4096], query[4200];
    struct drive d;
    struct outcome o;
    va_list args;

    va_start(args, format);
    vsnprintf(term, sizeof term, format, args);
    va_end(args);
    snprintf(query, sizeof query, "[1,%s,{\"db\":[14,[\"%s\"]]}]", term, rethinkdb_live_database());
    drive_open_at(&d, "127.0.0.1", (uint16_t)port, NULL);
    o = drive_ok(&d, query);
    drive_close(&d);
    if (o.text[0])
        snprintf(value, sizeof value, "%s", o.text);
    else
        snprintf(value, sizeof value, "%" PRId64, o.number);
    return value;
}
