#include "asks.h"

#include "test.h"

#include <string.h>

lb_client *open_client_at(const char *url, uint32_t timeout_ms)
{
    lb_client *client = NULL;
    lb_options opts;

    lb_options_init(&opts);
    opts.database = url;
    opts.timeout_ms = timeout_ms;
    CHECK_OK(lb_client_new(&opts, &client, NULL));
    return client;
}

lb_client *open_client(struct canned *server,
                       bool (*answer)(struct canned *server, struct fake *link,
                                      const struct canned_query *q),
                       uint32_t timeout_ms)
{
    server->answer = answer;
    canned_start(server);
    return open_client_at(server->url, timeout_ms);
}

void close_client(struct canned *server, lb_client *client)
{
    lb_client_free(client);
    canned_stop(server);
}

const lb_write_options *create(const char *key)
{
    static lb_write_options opts;

    lb_write_options_init(&opts);
    opts.flags = LB_WRITE_CREATE;
    opts.idempotency_key = key;
    return &opts;
}

static int no_row(const lb_player *player, void *user)
{
    (void)player;
    (void)user;
    return 0;
}

static int no_board(const lb_board *board, void *user)
{
    (void)board;
    (void)user;
    return 0;
}

static int no_fact(const char *name, const char *value, void *user)
{
    (void)name;
    (void)value;
    (void)user;
    return 0;
}

static int page(lb_client *client, uint32_t offset, const char *after, lb_error *error)
{
    lb_range range;

    lb_range_init(&range);
    range.offset = offset;
    range.after = after;
    return lb_board_get(client, "b", &range, no_row, NULL, error);
}

static int ask_write(lb_client *client, enum ask what, lb_error *error)
{
    static lb_write_options best;

    switch (what) {
    case ADD:
        return lb_score_add(client, "b", "p", 1, NULL, NULL, error);
    case ADD_NEW:
        return lb_score_add(client, "b", "new", 1, create(NULL), NULL, error);
    case ADD_KEYED:
        return lb_score_add(client, "b", "p", 1, create("key"), NULL, error);
    case SET_BEST:
        lb_write_options_init(&best);
        best.flags = LB_WRITE_BEST;
        return lb_score_set(client, "b", "p", 9, &best, NULL, error);
    case PUT:
        return lb_player_put(client, "b", "p", "Name", NULL, NULL, error);
    case REMOVE:
        return lb_player_remove(client, "b", "p", NULL, error);
    case CREATE:
        return lb_board_create(client, "b2", 0, NULL, NULL, error);
    default:
        return lb_board_delete(client, "b", NULL, error);
    }
}

int ask(lb_client *client, enum ask what, lb_error *error)
{
    static const char *const ids[] = {"p", "q", "nobody"};
    lb_read_options places;

    lb_read_options_init(&places);
    places.flags = LB_READ_PLACE;
    *error = (lb_error){.msg = ""};
    switch (what) {
    case GET:
        return lb_player_get(client, "b", "p", &places, NULL, error);
    case GET_MANY:
        return lb_player_get_many(client, "b", ids, 3, &places, no_row, NULL, error);
    case PAGE:
        return page(client, 0, NULL, error);
    case PAGE_BEHIND:
        return page(client, 1, NULL, error);
    case PAGE_AFTER:
        return page(client, 0, "5.100.p", error);
    case AROUND:
        return lb_player_around(client, "b", "q", 3, NULL, no_row, NULL, error);
    case INFO:
        return lb_board_info(client, "b", NULL, NULL, error);
    case LIST:
        return lb_board_list(client, NULL, no_board, NULL, error);
    case FACTS:
        return lb_database_info(client, NULL, no_fact, NULL, error);
    default:
        return ask_write(client, what, error);
    }
}

bool is_write(enum ask what)
{
    return what <= DELETE;
}

void check_code(enum ask what, int code, int expected, const lb_error *error)
{
    if (code != expected)
        FAIL("question %d: %s, not %s: %s", (int)what, code < 0 ? lb_error_name(code) : "success",
             expected < 0 ? lb_error_name(expected) : "success", error->msg);
}

void check_says(const lb_error *error, const char *words)
{
    if (!strstr(error->msg, words))
        FAIL("'%s' is not in '%s'", words, error->msg);
}
