/* What the database says of itself. Who is no administrator is told less. */
#include "store/rethinkdb.h"
#include "store/rethinkdb_term.h"

#define STATUS "[15,[[14,[\"rethinkdb\"]],\"server_status\"]]"
#define TABLES "[2,[[175,[" BOARDS "]],[175,[" PLAYERS "]]]]"
#define NAMES "[51,[[38,[" STATUS ",[69,[[2,[1]]," FIELD(1, "name") "]]]],\"array\"]]"
#define INFO "[79,[" PLAYERS "]]"
#define INDEX "[45,[[139,[" PLAYERS ",\"rank\"]],0]]"

static size_t count(const lbi_json *values)
{
    size_t n = 0;

    for (const lbi_json *v = lbi_json_first(values); v; v = lbi_json_next(v))
        n++;
    return n;
}

static bool add_servers(lbi_request *request, const lbi_json *servers)
{
    bool ok = !servers || lbi_request_add_fact(request, "servers", "%zu", count(servers));

    for (const lbi_json *v = lbi_json_first(servers); v && ok; v = lbi_json_next(v)) {
        const char *name = lbi_json_text(v);

        if (name && request->n_facts + 4 < LBI_FACTS_MAX)
            ok = lbi_request_add_fact(request, "server", "%s", name);
    }
    return ok;
}

static bool add_tables(lbi_request *request, const lbi_json *tables)
{
    const lbi_json *table = lbi_json_first(tables);
    bool ready = true, flag;

    if (!table)
        return true;
    for (; table; table = lbi_json_next(table)) {
        const lbi_json *status = lbi_json_get(table, "status");

        ready &= lbi_json_bool(lbi_json_get(status, "all_replicas_ready"), &flag) && flag;
    }
    return lbi_request_add_fact(request, "tables", "%s",
                                ready ? "all replicas ready" : "not all replicas are ready");
}

static bool add_facts(lbi_rdb_read *read, const lbi_json *value)
{
    lbi_request *request = read->request;
    const lbi_json *info = lbi_json_get(value, "info"), *index = lbi_json_get(value, "index");
    bool ready = false;
    lbi_reql_state state;

    lbi_reql_conn_state(read->store->conn, &state);
    (void)lbi_json_bool(lbi_json_get(index, "ready"), &ready);
    return lbi_request_add_fact(request, "store", "rethinkdb") &&
           lbi_request_add_fact(request, "version", "%s", state.server_version) &&
           lbi_request_add_fact(request, "connected to", "%s", state.host) &&
           lbi_request_add_fact(request, "database", "%s", read->store->url.database) &&
           lbi_request_add_fact(request, "schema", "1") &&
           lbi_request_add_fact(request, "shards", "%zu",
                                count(lbi_json_get(info, "doc_count_estimates"))) &&
           lbi_request_add_fact(request, "index rank", "%s", ready ? "ready" : "being built") &&
           add_tables(request, lbi_json_get(value, "tables")) &&
           add_servers(request, lbi_json_get(value, "servers"));
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
        lbi_term_literal(t, "{\"info\":" INFO ",\"index\":" INDEX "}");
    else
        lbi_term_literal(t, "{\"info\":" INFO ",\"index\":" INDEX ",\"tables\":" TABLES
                            ",\"servers\":" NAMES "}");
    lbi_rdb_read_send(read, on_info);
}
