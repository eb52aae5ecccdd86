#include "reql_cluster.h"

#include "reql_drive.h"
#include "test.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DATABASE "board"
#define SYSTEM "[14,[\"rethinkdb\"]]"

/* A server works in a directory of its own. */
static void enter(size_t i)
{
    char name[8];

    snprintf(name, sizeof name, "s%zu", i);
    (void)mkdir(name, 0700);
    CHECK_EQ(chdir(name), 0);
}

static void leave(void)
{
    CHECK_EQ(chdir(".."), 0);
}

static void join(struct reql_cluster *c, size_t i, size_t other)
{
    struct reql_server *s = &c->servers[i];

    snprintf(c->join[i], sizeof c->join[i], "127.0.0.1:%u", c->servers[other].cluster_port);
    s->args[0] = "--join";
    s->args[1] = c->join[i];
}

/* No event tells it but the server's own tables. */
static void wait_for(const struct reql_cluster *c, size_t ask, const char *count)
{
    struct timespec pause = {.tv_nsec = 20000000};

    while (strcmp(reql_cluster_query(c, ask, "[43,[[15,[" SYSTEM ",\"server_status\"]]]]"), count))
        nanosleep(&pause, NULL);
}

void reql_cluster_start(struct reql_cluster *c)
{
    *c = (struct reql_cluster){.join = {""}};
    for (size_t i = 0; i < CLUSTER_SERVERS; i++) {
        if (i > 0)
            join(c, i, 0);
        enter(i);
        reql_server_start(&c->servers[i]);
        leave();
    }
    for (size_t i = 0; i < CLUSTER_SERVERS; i++)
        wait_for(c, i, "3");
}

void reql_cluster_return(struct reql_cluster *c, size_t i)
{
    join(c, i, (i + 1) % CLUSTER_SERVERS);
    enter(i);
    reql_server_restart(&c->servers[i]);
    leave();
}

void reql_cluster_stop(struct reql_cluster *c)
{
    for (size_t i = 0; i < CLUSTER_SERVERS; i++)
        reql_server_stop(&c->servers[i], SIGKILL);
}

const char *reql_cluster_query(const struct reql_cluster *c, size_t i, const char *format, ...)
{
    static char value[200];
    char term[2048], query[2200];
    struct drive d;
    struct outcome o;
    va_list args;

    va_start(args, format);
    vsnprintf(term, sizeof term, format, args);
    va_end(args);
    snprintf(query, sizeof query, "[1,%s,{\"db\":[14,[\"" DATABASE "\"]]}]", term);
    drive_open_at(&d, "127.0.0.1", c->servers[i].port, NULL);
    o = drive_ok(&d, query);
    drive_close(&d);
    if (o.text[0])
        snprintf(value, sizeof value, "%s", o.text);
    else
        snprintf(value, sizeof value, "%" PRId64, o.number);
    return value;
}

/* server_status.filter({name: table.status().shards[0].primary_replicas[0]})[0].network.reql_port */
size_t reql_cluster_primary(const struct reql_cluster *c, size_t ask, const char *table)
{
    unsigned long port = strtoul(
        reql_cluster_query(
            c, ask,
            "[170,[[170,[[170,[[39,[[15,[" SYSTEM ",\"server_status\"]],{\"name\":[170,[[170,["
            "[170,[[170,[[175,[[15,[\"%s\"]]]],\"shards\"]],0]],\"primary_replicas\"]],0]]}]],0]],"
            "\"network\"]],\"reql_port\"]]",
            table),
        NULL, 10);

    for (size_t i = 0; i < CLUSTER_SERVERS; i++) {
        if (c->servers[i].port == port)
            return i;
    }
    FAIL("no server has port %lu", port);
}

void reql_cluster_wait(const struct reql_cluster *c, size_t ask, const char *table)
{
    (void)reql_cluster_query(
        c, ask, "[177,[[15,[\"%s\"]]],{\"wait_for\":\"all_replicas_ready\",\"timeout\":60}]",
        table);
}
