#include "fake_rethinkdb.h"

#include "test.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { TEXT_MAX = 1024 * 1024, STREAMS = 64 };

/* A changefeed that is open. */
struct stream {
    int64_t token;
    enum canned_kind kind;
    unsigned continues;
    bool held; /* a CONTINUE of it waits for an answer */
};

struct canned_link {
    struct canned *server;
    struct fake fake;
    pthread_t thread;
    atomic_bool over;
    unsigned number;
    struct stream streams[STREAMS];
    struct canned_link *next;
};

/* ---- Questions ------------------------------------------------------------------------------ */

static enum canned_kind kind_of_replace(const char *text)
{
    if (strstr(text, "\"holder\""))
        return CANNED_LEASE;
    if (strstr(text, "\"created\""))
        return CANNED_MAKE;
    return strstr(text, "{\"deleting\":true}") ? CANNED_MARK : CANNED_DROP;
}

static enum canned_kind kind_of_call(const char *text)
{
    if (strstr(text, "\"base\""))
        return CANNED_BATCH;
    if (strstr(text, "{\"deleted\":0}"))
        return CANNED_REMOVE;
    return strstr(text, "[54,") ? CANNED_SWEEP : CANNED_READ;
}

static enum canned_kind kind_of_term(int term, const char *text)
{
    switch (term) {
    case 65:
        return strstr(text, "_leaderboard_lock") ? CANNED_SCHEMA : CANNED_PROBE;
    case 57:
    case 58:
    case 60:
    case 75:
        return CANNED_SCHEMA;
    case 2:
        return strstr(text, "[177,") ? CANNED_SCHEMA : CANNED_PLACES;
    case 16:
        return CANNED_LOOK;
    case 55:
        return kind_of_replace(text);
    case 64:
        return kind_of_call(text);
    case 44:
        return CANNED_PAGE;
    case 51:
        return CANNED_LIST;
    case 152:
        return strstr(text, "\"players\"") ? CANNED_ROWS : CANNED_BOARDS;
    default:
        return CANNED_OTHER;
    }
}

static enum canned_kind kind_of(const char *text)
{
    int term = 0;

    if (strncmp(text, "[2", 2) == 0)
        return CANNED_CONTINUE;
    if (strncmp(text, "[3", 2) == 0)
        return CANNED_STOP;
    if (strncmp(text, "[5", 2) == 0)
        return CANNED_PING;
    if (strncmp(text, "[1,{", 4) == 0)
        return CANNED_INFO;
    (void)sscanf(text, "[1,[%d,", &term);
    return kind_of_term(term, text);
}

/* ---- Answers -------------------------------------------------------------------------------- */

void canned_value(struct fake *link, const struct canned_query *q, const char *value)
{
    lbi_buf buf;

    lbi_buf_init(&buf, TEXT_MAX);
    lbi_buf_add_text(&buf, "{\"t\":1,\"r\":[");
    lbi_buf_add_text(&buf, value);
    lbi_buf_add(&buf, "]}", 3); /* with its NUL */
    CHECK_EQ(buf.code, 0);
    fake_answer(link, q->token, lbi_buf_bytes(&buf));
    lbi_buf_done(&buf);
}

void canned_error(struct fake *link, const struct canned_query *q, int code, const char *text)
{
    char json[600];

    snprintf(json, sizeof json, "{\"t\":18,\"e\":%d,\"r\":[\"%s\"],\"b\":[]}", code, text);
    fake_answer(link, q->token, json);
}

/* ---- Batches -------------------------------------------------------------------------------- */

/* A player while requests are folded over it. */
struct player {
    bool exists;
    int64_t score, at;
    const char *name;
};

static int64_t number(const lbi_json *value, const char *key, int64_t otherwise)
{
    (void)lbi_json_int(lbi_json_get(value, key), &otherwise);
    return otherwise;
}

static bool is_request(const lbi_json *value)
{
    return lbi_json_get(value, "a") && lbi_json_get(value, "p");
}

/* One request, or several in an array. */
static const lbi_json *first_request(const lbi_json *value)
{
    const lbi_json *list;

    if (is_request(value))
        return value;
    list = lbi_json_next(lbi_json_first(value));
    return is_request(lbi_json_first(list)) ? lbi_json_first(list) : NULL;
}

/* The object of requests by player, wherever it is. */
static const lbi_json *find_requests(const lbi_json *value)
{
    const lbi_json *found = NULL;

    if (lbi_json_is_object(value) && first_request(lbi_json_first(value)))
        return value;
    if (!lbi_json_is_object(value) && !lbi_json_is_array(value))
        return NULL;
    for (const lbi_json *v = lbi_json_first(value); v && !found; v = lbi_json_next(v))
        found = find_requests(v);
    return found;
}

static int64_t score_after(const struct player *player, const lbi_json *request)
{
    int64_t amount = number(request, "a", 0), now = player->score;

    switch (number(request, "m", 1)) {
    case 1:
        return now + amount;
    case 2:
    case 6:
        return amount;
    case 3:
        return amount > now ? amount : now;
    case 4:
        return amount < now ? amount : now;
    default:
        return now;
    }
}

static void apply(struct player *player, const lbi_json *request, bool creates)
{
    int64_t mode = number(request, "m", 1), now = CANNED_BASE + number(request, "p", 0);
    const char *name = lbi_json_text(lbi_json_get(request, "n"));
    int64_t score = score_after(player, request);

    if (!player->exists && !creates)
        return;
    if (!player->exists) {
        score = mode == 0 || mode == 5 ? 0 : number(request, "a", 0);
        player->exists = true;
        player->at = now;
    } else if (score != player->score || mode == 6) {
        player->at = now;
    }
    if (mode == 6)
        player->at = number(request, "t", 0) ? number(request, "t", 0) : now;
    if (mode == 7)
        player->exists = false;
    player->score = score;
    player->name = name ? name : player->name;
}

static struct player player_of(const char *id)
{
    if (strcmp(id, "p") == 0)
        return (struct player){.exists = true, .score = 5, .at = 100, .name = id};
    if (strcmp(id, "q") == 0)
        return (struct player){.exists = true, .score = 4, .at = 200, .name = id};
    return (struct player){.name = id};
}

static void put_player(lbi_buf *buf, const char *key, const char *board, const char *id,
                       const struct player *player)
{
    char text[600];

    if (player->exists)
        snprintf(text, sizeof text,
                 "\"%s\":{\"at\":%" PRId64 ",\"board\":\"%s\",\"id\":\"%s\",\"key\":[\"%s\",\"%s\"]"
                 ",\"name\":\"%s\",\"score\":%" PRId64 "}",
                 key, player->at, board, id, board, id, player->name, player->score);
    else
        snprintf(text, sizeof text, "\"%s\":null", key);
    lbi_buf_add_text(buf, text);
}

/* Returns whether anything is said of the player. */
static bool put_change(lbi_buf *buf, const char *board, const lbi_json *member, bool creates,
                       bool first)
{
    const char *id = lbi_json_key(member);
    struct player was = player_of(id), is = was;

    for (const lbi_json *v = first_request(member); v;
         v = is_request(member) ? NULL : lbi_json_next(v))
        apply(&is, v, creates);
    if (!was.exists && !is.exists)
        return false;
    lbi_buf_add_text(buf, first ? "{" : ",{");
    put_player(buf, "new_val", board, id, &is);
    lbi_buf_add_text(buf, ",");
    put_player(buf, "old_val", board, id, &was);
    lbi_buf_add_text(buf, "}");
    return true;
}

/* The board's id is that of the first boards.get() in the text. */
static void board_of(const char *text, char *ret, size_t size)
{
    static const char before[] = "[16,[[15,[\"boards\"]],\"";
    const char *at = strstr(text, before);

    CHECK(at);
    at += sizeof before - 1;
    snprintf(ret, size, "%.*s", (int)strcspn(at, "\""), at);
}

static void answer_batch(struct fake *link, const struct canned_query *q)
{
    const lbi_json *requests = find_requests(q->root);
    bool creates = strstr(q->text, "\"conflict\"");
    unsigned n = 0;
    char text[300], board[64];
    lbi_buf buf;

    CHECK(requests);
    board_of(q->text, board, sizeof board);
    lbi_buf_init(&buf, TEXT_MAX);
    snprintf(text, sizeof text, "{\"base\":%" PRId64 ",\"gone\":false,\"wrote\":{\"changes\":[",
             CANNED_BASE);
    lbi_buf_add_text(&buf, text);
    for (const lbi_json *v = lbi_json_first(requests); v; v = lbi_json_next(v))
        n += put_change(&buf, board, v, creates, n == 0);
    lbi_buf_add(&buf, "]}}", 4);
    CHECK_EQ(buf.code, 0);
    canned_value(link, q, lbi_buf_bytes(&buf));
    lbi_buf_done(&buf);
}

/* ---- Reads ---------------------------------------------------------------------------------- */

static void answer_read(struct fake *link, const struct canned_query *q)
{
    bool p = strstr(q->text, "[\"b\",\"p\"]"), both = p && strstr(q->text, "[\"b\",\"q\"]");

    if (!strstr(q->text, "\"b\""))
        canned_value(link, q, "[null,null]");
    else if (strstr(q->text, "\"below\""))
        canned_value(link, q,
                     p ? "[" CANNED_BOARD ",{\"above\":[],\"below\":[" CANNED_P "," CANNED_Q "]}]"
                       : "[" CANNED_BOARD ",{\"above\":[" CANNED_P "],\"below\":[" CANNED_Q "]}]");
    else if (strstr(q->text, "[78,"))
        canned_value(link, q,
                     both ? "[" CANNED_BOARD ",[" CANNED_Q "," CANNED_P "]]"
                     : p  ? "[" CANNED_BOARD ",[" CANNED_P "]]"
                     : strstr(q->text, "[\"b\",\"q\"]") ? "[" CANNED_BOARD ",[" CANNED_Q "]]"
                                                        : "[" CANNED_BOARD ",[]]");
    else if (strstr(q->text, "[41,"))
        canned_value(link, q, "[" CANNED_BOARD ",[" CANNED_Q "]]");
    else
        canned_value(link, q, "[" CANNED_BOARD ",2]");
}

static void answer_page(struct fake *link, const struct canned_query *q)
{
    bool skips = strstr(q->text, "[70,"); /* the best one */

    if (!strstr(q->text, "\"b\""))
        fake_answer(link, q->token, "{\"t\":2,\"r\":[],\"n\":[]}");
    else if (skips)
        fake_answer(link, q->token, "{\"t\":2,\"r\":[" CANNED_BOARD "," CANNED_Q "],\"n\":[]}");
    else
        fake_answer(link, q->token,
                    "{\"t\":2,\"r\":[" CANNED_BOARD "," CANNED_P "," CANNED_Q "],\"n\":[]}");
}

static void answer_places(struct fake *link, const struct canned_query *q)
{
    const lbi_json *term = lbi_json_next(lbi_json_first(q->root));
    const lbi_json *asked = lbi_json_first(lbi_json_next(lbi_json_first(term)));
    char text[8192] = "[";
    int64_t before = 0;

    /* As if each row stood right behind the one before. */
    for (; asked; asked = lbi_json_next(asked), before = 1)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s[%" PRId64 ",0,0]",
                 before ? "," : "", before);
    strcat(text, "]");
    canned_value(link, q, text);
}

/* The holder's is the first id behind the field's name. */
static void answer_lease(struct fake *link, const struct canned_query *q)
{
    static const char before[] = "\"holder\":\"";
    const char *at = strstr(q->text, before);
    char text[300];

    CHECK(at);
    at += sizeof before - 1;
    snprintf(text, sizeof text,
             "{\"changes\":[{\"new_val\":{\"holder\":\"%.*s\"},\"old_val\":null}],\"inserted\":1}",
             (int)strcspn(at, "\""), at);
    canned_value(link, q, text);
}

#define INFO(name, key, indexes)                                                                   \
    "\"" name "\":{\"db\":{\"id\":\"1\",\"name\":\"lb\",\"type\":\"DB\"},"                         \
    "\"doc_count_estimates\":[0],\"id\":\"2\",\"indexes\":[" indexes "],\"name\":\"" name "\","    \
    "\"primary_key\":\"" key "\",\"type\":\"TABLE\"}"

static const char database[] = "{" INFO("boards", "id", "") "," INFO(
    "players", "key", "\"rank\"") ",\"index\":[" CANNED_RANK "],\"ours\":\"" CANNED_OURS "\"}";

static const char facts[] = "{\"index\":{\"index\":\"rank\",\"ready\":true},"
                            "\"info\":{\"doc_count_estimates\":[1,1]},\"servers\":[\"one\"],"
                            "\"tables\":[{\"status\":{\"all_replicas_ready\":true}}]}";

/* ---- Boards --------------------------------------------------------------------------------- */

static void answer_make(struct fake *link, const struct canned_query *q)
{
    char board[64], text[300];

    board_of(q->text, board, sizeof board);
    if (strcmp(board, "b") == 0)
        snprintf(text, sizeof text,
                 "{\"changes\":[{\"new_val\":" CANNED_BOARD ",\"old_val\":" CANNED_BOARD "}]}");
    else
        snprintf(
            text, sizeof text,
            "{\"changes\":[{\"new_val\":{\"created\":2000,\"id\":\"%s\"%s},\"old_val\":null}]}",
            board, strstr(q->text, "\"asc\":true") ? ",\"asc\":true" : "");
    canned_value(link, q, text);
}

static void answer_mark(struct fake *link, const struct canned_query *q)
{
    char board[64];

    board_of(q->text, board, sizeof board);
    canned_value(link, q,
                 strcmp(board, "b") == 0
                     ? "{\"changes\":[{\"new_val\":{\"created\":1000,\"deleting\":true,"
                       "\"id\":\"b\"},\"old_val\":" CANNED_BOARD "}]}"
                     : "{\"changes\":[{\"new_val\":null,\"old_val\":null}]}");
}

static void answer_look(struct fake *link, const struct canned_query *q)
{
    char board[64];

    board_of(q->text, board, sizeof board);
    canned_value(link, q, strcmp(board, "b") == 0 ? CANNED_BOARD : "null");
}

/* ---- Changefeeds ---------------------------------------------------------------------------- */

static struct stream *find_stream(struct canned_link *link, int64_t token)
{
    for (size_t i = 0; i < STREAMS; i++) {
        if (link->streams[i].token == token)
            return &link->streams[i];
    }
    return NULL;
}

static void open_stream(struct canned_link *link, const struct canned_query *q)
{
    struct stream *stream = find_stream(link, 0);

    CHECK(stream);
    *stream = (struct stream){.token = q->token, .kind = q->kind};
}

static const char *first_of(const struct canned_query *q)
{
    if (q->kind == CANNED_BOARDS)
        return "{\"t\":3,\"r\":[{\"state\":\"initializing\"},{\"new_val\":" CANNED_BOARD
               "}],\"n\":[1,5]}";
    if (strstr(q->text, "\"include_initial\":true"))
        return "{\"t\":3,\"r\":[{\"state\":\"initializing\"},{\"new_val\":" CANNED_P
               "},{\"new_val\":" CANNED_Q "}],\"n\":[1,5]}";
    return "{\"t\":3,\"r\":[],\"n\":[1,5]}";
}

static void answer_continue(struct canned_link *link, const struct canned_query *q)
{
    struct stream *stream = find_stream(link, q->token);

    if (!stream)
        fake_answer(&link->fake, q->token,
                    "{\"t\":16,\"r\":[\"Token not in stream cache.\"],\"b\":[]}");
    else if (q->n == 1)
        fake_answer(&link->fake, q->token, "{\"t\":3,\"r\":[{\"state\":\"ready\"}],\"n\":[1,5]}");
    else
        stream->held = true;
}

static void answer_stop(struct canned_link *link, const struct canned_query *q)
{
    struct stream *stream = find_stream(link, q->token);
    bool held = stream && stream->held;

    if (held)
        fake_answer(&link->fake, q->token, "{\"t\":2,\"r\":[],\"n\":[]}");
    fake_answer(&link->fake, q->token,
                stream ? "{\"t\":2,\"r\":[],\"n\":[]}"
                       : "{\"t\":16,\"r\":[\"Token not in stream cache.\"],\"b\":[]}");
    if (stream)
        *stream = (struct stream){0};
}

/* ---- A connection --------------------------------------------------------------------------- */

static void answer(struct canned_link *link, const struct canned_query *q)
{
    struct fake *fake = &link->fake;

    switch (q->kind) {
    case CANNED_PROBE:
        canned_value(fake, q, database);
        break;
    case CANNED_LOOK:
        answer_look(fake, q);
        break;
    case CANNED_MAKE:
        answer_make(fake, q);
        break;
    case CANNED_MARK:
        answer_mark(fake, q);
        break;
    case CANNED_LEASE:
        answer_lease(fake, q);
        break;
    case CANNED_REMOVE:
        canned_value(fake, q, "{\"deleted\":2,\"errors\":0}");
        break;
    case CANNED_BATCH:
        answer_batch(fake, q);
        break;
    case CANNED_PAGE:
        answer_page(fake, q);
        break;
    case CANNED_READ:
        answer_read(fake, q);
        break;
    case CANNED_PLACES:
        answer_places(fake, q);
        break;
    case CANNED_LIST:
        canned_value(fake, q, "[" CANNED_BOARD "]");
        break;
    case CANNED_INFO:
        canned_value(fake, q, facts);
        break;
    case CANNED_BOARDS:
    case CANNED_ROWS:
        fake_answer(fake, q->token, first_of(q));
        break;
    case CANNED_CONTINUE:
        answer_continue(link, q);
        break;
    case CANNED_STOP:
        answer_stop(link, q);
        break;
    case CANNED_PING:
        fake_answer(fake, q->token, "{\"t\":5,\"r\":[{\"id\":\"1\",\"name\":\"one\"}]}");
        break;
    default:
        canned_value(fake, q, "{\"deleted\":1,\"errors\":0}");
        break;
    }
}

static void take(struct canned_link *link, struct canned_query *q)
{
    struct canned *server = link->server;
    lbi_json *root = NULL;
    struct stream *stream;

    if (lbi_json_parse(q->text, strlen(q->text), TEXT_MAX, 256, &root, NULL) < 0)
        FAIL("the store sends what is no JSON: %.200s", q->text);
    q->root = root;
    q->kind = kind_of(q->text);
    q->of = CANNED_OTHER;
    q->n = ++server->counts[q->kind];
    stream = find_stream(link, q->token);
    if (q->kind == CANNED_CONTINUE && stream) {
        q->n = ++stream->continues;
        q->of = stream->kind;
    }
    if (q->kind == CANNED_BOARDS || q->kind == CANNED_ROWS)
        open_stream(link, q);
    if (!server->answer || !server->answer(server, &link->fake, q))
        answer(link, q);
    lbi_json_free(root);
}

static bool receive(struct fake *f, void *bytes, size_t n)
{
    return f->fd >= 0 && recv(f->fd, bytes, n, MSG_WAITALL) == (ssize_t)n;
}

static bool read_query(struct fake *f, struct canned_query *ret, char *text)
{
    unsigned char header[12];
    uint64_t token = 0;
    uint32_t len = 0;

    if (!receive(f, header, sizeof header))
        return false;
    for (unsigned i = 8; i-- > 0;)
        token = token << 8 | header[i];
    for (unsigned i = 12; i-- > 8;)
        len = len << 8 | header[i];
    CHECK(len < TEXT_MAX);
    *ret = (struct canned_query){.token = (int64_t)token, .text = text};
    text[len] = '\0';
    return receive(f, text, len);
}

static void *serve(void *user)
{
    struct canned_link *link = user;
    struct canned *server = link->server;
    struct canned_query q;
    char *text = malloc(TEXT_MAX);

    CHECK(text);
    if (!server->welcome || !server->welcome(server, &link->fake, link->number)) {
        fake_shake(&link->fake, server->shake);
        while (read_query(&link->fake, &q, text))
            take(link, &q);
    }
    fake_close(&link->fake);
    free(text);
    link->over = true;
    return NULL;
}

/* ---- The server ----------------------------------------------------------------------------- */

static void join(struct canned *server, bool all)
{
    struct canned_link **at = &server->links, *link;

    while ((link = *at) != NULL) {
        if (!all && !link->over) {
            at = &link->next;
            continue;
        }
        *at = link->next;
        CHECK_EQ(pthread_join(link->thread, NULL), 0);
        free(link);
    }
}

static void accept_all(struct fake *door)
{
    struct canned *server = door->user;

    while (fake_try_accept(door)) {
        struct canned_link *link = calloc(1, sizeof *link);

        CHECK(link);
        join(server, false);
        link->server = server;
        link->fake = (struct fake){.listener = -1, .fd = door->fd, .port = door->port};
        link->number = ++server->connections;
        link->next = server->links;
        server->links = link;
        door->fd = -1;
        CHECK_EQ(pthread_create(&link->thread, NULL, serve, link), 0);
    }
}

void canned_start(struct canned *server)
{
    fake_start(&server->door, accept_all, server);
    snprintf(server->url, sizeof server->url, "rethinkdb://127.0.0.1:%u/lb",
             (unsigned)server->door.port);
}

void canned_stop(struct canned *server)
{
    fake_stop(&server->door);
    join(server, true);
}
