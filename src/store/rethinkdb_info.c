/* What the database says of itself. Who is no administrator is told less. */
#include "store/rethinkdb.h"
#include "store/rethinkdb_term.h"

#include <stdio.h>
#include <string.h>

#define SYSTEM(table) "[15,[[14,[\"rethinkdb\"]],\"" table "\"]]"
#define TEXTS(table, field)                                                                        \
    "[51,[[38,[[71,[" SYSTEM(table) ",100]],[69,[[2,[1]]," FIELD(1, field) "]]]],\"array\"]]"
#define SERVERS TEXTS("server_status", "name")
#define ISSUES TEXTS("current_issues", "description")
#define INDEX "[45,[[139,[" PLAYERS ",\"rank\"]],0]]"
#define TABLES "[2,[[175,[" BOARDS "]],[175,[" PLAYERS "]]]]"

enum { WARNINGS = 4 };

static size_t count(const lbi_json *values)
{
    size_t n = 0;

    for (const lbi_json *v = lbi_json_first(values); v; v = lbi_json_next(v))
        n++;
    return n;
}

/* Appends a name, unless it is there already or there is no room for it. */
static void list(char *text, size_t size, const char *name)
{
    size_t used = strlen(text), len = strlen(name);

    if (used + len + 3 > size || strstr(text, name))
        return;
    (void)snprintf(text + used, size - used, "%s%s", used ? ", " : "", name);
}

/* ---- Servers -------------------------------------------------------------------------------- */

static bool add_servers(lbi_request *request, const lbi_json *servers)
{
    char text[400] = "";

    if (!servers)
        return lbi_request_add_fact(request, "servers", "this user may not see them");
    for (const lbi_json *v = lbi_json_first(servers); v; v = lbi_json_next(v)) {
        const char *name = lbi_json_text(v);

        if (name)
            list(text, sizeof text, name);
    }
    return lbi_request_add_fact(request, "servers", "%zu up: %s", count(servers), text);
}

/* What the server itself complains of. */
static bool add_issues(lbi_request *request, const lbi_json *issues)
{
    const lbi_json *v = lbi_json_first(issues);
    bool ok = true;

    for (unsigned n = 0; v && ok && n < WARNINGS; v = lbi_json_next(v), n++) {
        const char *text = lbi_json_text(v);

        ok = lbi_request_add_fact(request, "warning", "the server says: %s", text ? text : "?");
    }
    return ok;
}

/* ---- Tables --------------------------------------------------------------------------------- */

struct tables {
    bool reads, writes, all;
    size_t shards, replicas; /* of the table of players */
    char absent[400];        /* servers that do not have their replica ready, and why */
};

static void read_replicas(const lbi_json *replicas, struct tables *ret)
{
    for (const lbi_json *v = lbi_json_first(replicas); v; v = lbi_json_next(v)) {
        const char *server = lbi_json_text(lbi_json_get(v, "server"));
        const char *state = lbi_json_text(lbi_json_get(v, "state"));
        char text[100];

        if (!server || !state || strcmp(state, "ready") == 0)
            continue;
        (void)snprintf(text, sizeof text, "%s (%s)", server, state);
        list(ret->absent, sizeof ret->absent, text);
    }
}

static bool is_true(const lbi_json *value)
{
    bool flag;

    return lbi_json_bool(value, &flag) && flag;
}

static void read_table(const lbi_json *table, struct tables *ret)
{
    const lbi_json *status = lbi_json_get(table, "status"), *shards = lbi_json_get(table, "shards");

    ret->reads &= is_true(lbi_json_get(status, "ready_for_reads"));
    ret->writes &= is_true(lbi_json_get(status, "ready_for_writes"));
    ret->all &= is_true(lbi_json_get(status, "all_replicas_ready"));
    ret->shards = count(shards);
    ret->replicas = count(lbi_json_get(lbi_json_first(shards), "replicas"));
    for (const lbi_json *v = lbi_json_first(shards); v; v = lbi_json_next(v))
        read_replicas(lbi_json_get(v, "replicas"), ret);
}

static bool add_tables(lbi_request *request, const lbi_json *value)
{
    struct tables t = {.reads = true, .writes = true, .all = true};

    for (const lbi_json *v = lbi_json_first(value); v; v = lbi_json_next(v))
        read_table(v, &t);
    return lbi_request_add_fact(request, "tables", "%s for reads, %s for writes",
                                t.reads ? "ready" : "not ready",
                                t.writes ? "ready" : "not ready") &&
           lbi_request_add_fact(request, "shards", "%zu", t.shards) &&
           lbi_request_add_fact(request, "replicas", "%zu", t.replicas) &&
           (t.all ||
            lbi_request_add_fact(request, "warning", "not all replicas are ready: %s", t.absent));
}

static bool add_index(lbi_request *request, const lbi_json *index)
{
    bool ready = is_true(lbi_json_get(index, "ready"));
    double progress;

    if (ready || !lbi_json_double(lbi_json_get(index, "progress"), &progress))
        return lbi_request_add_fact(request, "index rank", ready ? "ready" : "being built");
    return lbi_request_add_fact(request, "index rank", "being built, %d %%", (int)(progress * 100));
}

/* ---- The answer ----------------------------------------------------------------------------- */

static bool add_facts(lbi_rdb_read *read, const lbi_json *value)
{
    lbi_request *request = read->request;
    lbi_reql_state state;

    lbi_reql_conn_state(read->store->conn, &state);
    return lbi_request_add_fact(request, "store", "rethinkdb") &&
           lbi_request_add_fact(request, "version", "%s", state.server_version) &&
           lbi_request_add_fact(request, "connected to", "%s", state.host) &&
           lbi_request_add_fact(request, "database", "%s", read->store->url.database) &&
           lbi_request_add_fact(request, "schema", "1") &&
           add_index(request, lbi_json_get(value, "index")) &&
           add_tables(request, lbi_json_get(value, "tables")) &&
           add_servers(request, lbi_json_get(value, "servers")) &&
           add_issues(request, lbi_json_get(value, "issues"));
}

static int on_info(const lbi_reql_reply *reply, void *user)
{
    lbi_rdb_read *read = user;

    if (read->store->freeing)
        return 0;
    read->query = NULL;
    lbi_request_clear_answer(read->request);
    if (reply->code == LB_E_AUTH && reply->answer && !read->plain) {
        read->plain = true;
        lbi_rdb_info_send(read);
    } else if (reply->code < 0) {
        lbi_rdb_read_refuse(read, reply);
    } else if (!lbi_json_is_object(lbi_json_first(reply->answer->values))) {
        lbi_rdb_read_fail(read, LB_E_PROTO, "the server's answer makes no sense");
    } else if (add_facts(read, lbi_json_first(reply->answer->values))) {
        lbi_rdb_read_finish(read);
    } else {
        lbi_rdb_read_fail(read, LB_E_NOMEM, lb_strerror(LB_E_NOMEM));
    }
    return 0;
}

void lbi_rdb_info_send(lbi_rdb_read *read)
{
    lbi_term *t = &read->store->term;

    lbi_term_query(t);
    if (read->plain)
        lbi_term_literal(t, "{\"index\":" INDEX ",\"tables\":" TABLES "}");
    else
        lbi_term_literal(t, "{\"index\":" INDEX ",\"tables\":" TABLES ",\"servers\":" SERVERS
                            ",\"issues\":" ISSUES "}");
    lbi_rdb_read_send(read, on_info);
}
