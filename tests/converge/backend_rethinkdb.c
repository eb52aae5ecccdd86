/* The RethinkDB store: one real server, a database for each run, and queries of others. */
#include "backend_rethinkdb.h"

#include "base/json.h"
#include "base/str.h"
#include "reql_server.h"
#include "store/rethinkdb_term.h"
#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static struct reql_server server;
static char server_dir[64];

/* ---- tests/support says what is wrong so ---------------------------------------------------- */

void test_fail(const char *file, int line, const char *fmt, ...)
{
    char text[900];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    wrong("%s:%d: %s", file, line, text);
}

void test_skip(const char *fmt, ...)
{
    wrong("%s", fmt);
}

void test_check_eq(const char *file, int line, const char *exprs, intmax_t a, intmax_t b)
{
    if (a != b)
        test_fail(file, line, "%s: %jd and %jd", exprs, a, b);
}

void test_check_ok(const char *file, int line, const char *expr, int code)
{
    if (code < 0)
        test_fail(file, line, "%s: %s", expr, lb_strerror(code));
}

/* ---- Queries of others ---------------------------------------------------------------------- */

/* The directory of the run is named like nothing else. */
const char *rdb_name(void)
{
    static char dir[256];
    const char *name;

    if (!getcwd(dir, sizeof dir))
        wrong("no directory");
    name = strrchr(dir, '/') + 1;
    return name;
}

struct drive *rdb_open(void)
{
    struct drive *d = calloc(1, sizeof *d);

    if (!d)
        wrong("out of memory");
    drive_open_at(d, "127.0.0.1", (uint16_t)shared_server()->port, NULL);
    return d;
}

void rdb_close(struct drive *d)
{
    drive_close(d);
    free(d);
}

static void ask(struct drive *d, struct outcome *o, const char *term, lbi_reql_fn fn, void *user)
{
    char query[4096];

    *o = (struct outcome){.also = fn, .also_user = user};
    (void)snprintf(query, sizeof query, "[1,%s,{\"db\":[14,[\"%s\"]]}]", term, rdb_name());
    (void)drive_submit(d, query, 20000, o);
    drive_until(d, &o->done);
}

int rdb_query(struct drive *d, struct outcome *o, const char *format, ...)
{
    struct outcome own;
    char term[3072];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(term, sizeof term, format, args);
    va_end(args);
    o = o ? o : &own;
    ask(d, o, term, NULL, NULL);
    return o->code;
}

static bool is_there(struct drive *d)
{
    struct outcome o;

    return rdb_query(d, &o, "[65,[[93,[[59,[]],\"%s\"]],1,0]]", rdb_name()) == 0 && o.number == 1;
}

static bool exists(void)
{
    struct drive *d = rdb_open();
    bool ret = is_there(d);

    rdb_close(d);
    return ret;
}

static void *open_others(void)
{
    struct drive *d = rdb_open();

    if (is_there(d))
        return d;
    rdb_close(d);
    return NULL;
}

static void close_others(void *connection)
{
    rdb_close(connection);
}

static void forget(void)
{
    struct drive *d = rdb_open();

    (void)rdb_query(d, NULL, "[58,[\"%s\"]]", rdb_name());
    rdb_close(d);
}

/* ---- What others write ---------------------------------------------------------------------- */

#define FUNC(n, body) "[69,[[2,[" #n "]]," body "]]"
#define BOARD "[16,[" BOARDS ",\"@\"]]"
#define ONE "[16,[" PLAYERS ",[2,[\"@\",\"#\"]]]]"
#define ALL "[182,[" PLAYERS ",[2,[\"@\",[180,[]]]],[2,[\"@\",[181,[]]]]]]"
#define ASC(board) "[92,[[170,[" board ",\"asc\"]],false]]"
#define ADDED(n) "{\"score\":[24,[" FIELD(n, "score") ",$]]}"
#define ROW "{\"key\":[2,[\"@\",\"#\"]],\"score\":$,\"asc\":" ASC(BOARD) "}"
#define ROW_OF(n, more)                                                                            \
    "{\"key\":[2,[" FIELD(n, "id") ",\"#\"]],\"asc\":" ASC(V(n)) ",\"score\":" more "}"
#define MAKE_BOARD "[56,[" BOARDS ",{\"id\":\"@\"}]]"
#define REPLACE "{\"conflict\":\"replace\"}"
#define SET(what, fields) "[53,[" what "," fields "]]"
/* The row under another key, the old one is deleted. */
#define MOVE(row, more)                                                                            \
    "[64,[" FUNC(1,                                                                                \
                 "[2,[[56,[" PLAYERS ",[35,[" V(1) "," more "]]]," REPLACE "],[54,[[16,[" PLAYERS  \
                                                   "," FIELD(1, "key") "]]]]]]") "," row "]]"
#define OLD_ID "[170,[" FIELD(1, "key") ",1]]"

static const statement statements[] = {
    {COUNT_INSERT, -1, 4, "[2,[" MAKE_BOARD ",[56,[" PLAYERS "," ROW "]]]]"},
    {COUNT_INSERT, -1, 1, "[56,[" PLAYERS ",[38,[" BOARDS "," FUNC(1, ROW_OF(1, "0")) "]]]]"},
    {COUNT_UPDATE_SCORE, -1, 6, SET(ONE, FUNC(1, ADDED(1)))},
    {COUNT_UPDATE_SCORE, -1, 2, SET(ONE, "{\"score\":$}")},
    {COUNT_UPDATE_TIME, -1, 2, SET(ONE, "{\"score\":$,\"at\":100000$}")},
    {COUNT_UPDATE_TIME, -1, 1, SET(ONE, "{\"at\":100000$}")},
    {COUNT_UPDATE_TIME, -1, 1, "[55,[" ONE "," FUNC(1, "[34,[" V(1) ",\"at\"]]") "]]"},
    {COUNT_UPDATE_NAME, -1, 2, SET(ONE, "{\"name\":\"out $\"}")},
    {COUNT_UPDATE_NAME, -1, 1, "[55,[" ONE "," FUNC(1, "[34,[" V(1) ",\"name\"]]") "]]"},
    {COUNT_UPDATE_NAME, -1, 1, SET(ONE, "{\"name\":$}")},
    {COUNT_UPDATE_ID, TROUBLE_KEYS, 5, MOVE(ONE, "{\"key\":[2,[\"@\",\"#\"]],\"id\":\"#\"}")},
    {COUNT_UPDATE_ID, TROUBLE_KEYS, 1, MOVE(ONE, "{\"key\":[2,[\"@\",[24,[" OLD_ID ",\"x\"]]]]}")},
    {COUNT_UPDATE_BOARD, TROUBLE_KEYS, 3,
     "[64,[" FUNC(2, MOVE(ONE, "{\"key\":[2,[" FIELD(2, "id") "," OLD_ID "]],\"asc\":" ASC(
                                   V(2)) "}")) ",[16,[" BOARDS ",\"&\"]]]]"},
    {COUNT_REPLACE, -1, 4, "[2,[" MAKE_BOARD ",[56,[" PLAYERS "," ROW "]," REPLACE "]]]"},
    {COUNT_REPLACE, -1, 1,
     "[56,[" PLAYERS ",[38,[" BOARDS "," FUNC(1, ROW_OF(1, "$")) "]]]," REPLACE "]"},
    {COUNT_UPSERT, -1, 2,
     "[56,[" PLAYERS "," ROW "],{\"conflict\":[69,[[2,[1,2,3]],[35,[" V(2) "," ADDED(2) "]]]]}]"},
    {COUNT_UPSERT, -1, 1, "[56,[" PLAYERS "," ROW "],{\"conflict\":\"update\"}]"},
    {COUNT_DELETE, -1, 4, "[54,[" ONE "]]"},
    {COUNT_DELETE, -1, 1, "[54,[" ALL "]]"},
    {COUNT_DELETE, TROUBLE_BOARDS, 1, "[54,[" PLAYERS "]]"},
    {COUNT_DELETE_BOARDS, TROUBLE_BOARDS, 3, "[2,[[54,[" ALL "]],[54,[" BOARD "]]]]"},
    {COUNT_DELETE_BOARDS, TROUBLE_BOARDS, 2, "[2,[[54,[" BOARD "]],[54,[" ALL "]]]]"},
    {COUNT_DELETE_BOARDS, TROUBLE_BOARDS, 1, "[54,[" BOARD "]]"},
    {COUNT_DELETE_BOARDS, TROUBLE_BOARDS, 1, "[2,[[54,[" PLAYERS "]],[54,[" BOARDS "]]]]"},
    {COUNT_DELETE_BOARDS, TROUBLE_BOARDS, 2,
     "[2,[[54,[" BOARD "]]," MAKE_BOARD ",[56,[" PLAYERS "," ROW "]," REPLACE "]]]"},
    {COUNT_MARK_BOARD, TROUBLE_BOARDS, 1, SET(BOARD, "{\"deleting\":true}")},
    {COUNT_MARK_BOARD, TROUBLE_BOARDS, 1,
     "[2,[" SET(BOARD, "{\"deleting\":true}") "," SET(BOARD, "{\"deleting\":false}") "]]"},
    {COUNT_INSERT_BOARD, -1, 4, MAKE_BOARD},
    {COUNT_INSERT_BOARD, -1, 1, "[56,[" BOARDS ",{\"id\":\"@\",\"asc\":true,\"created\":$}]]"},
    {COUNT_INSERT_BOARD, -1, 1, "[56,[" BOARDS ",{\"id\":\"@\",\"created\":$}]," REPLACE "]"},
    {COUNT_MANY_ROWS, -1, 2, SET(PLAYERS, FUNC(1, ADDED(1)))},
    {COUNT_MANY_ROWS, -1, 1,
     SET(PLAYERS, FUNC(1, "{\"score\":[25,[0," FIELD(1, "score") "]],\"name\":\"minus\"}"))},
    {COUNT_MANY_ROWS, -1, 1,
     "[64,[" FUNC(
         2, "[56,[" PLAYERS ",[38,[" ALL
            "," FUNC(1, "[35,[" V(1) ",{\"key\":[2,[" FIELD(2, "id") "," OLD_ID "]],\"asc\":" ASC(
                            V(2)) "}]]") "]]]," REPLACE "]") ",[16,[" BOARDS ",\"&\"]]]]"},
    {COUNT_BIG_BOARD, TROUBLE_BIG, 1,
     "[2,[" MAKE_BOARD ",[64,[" FUNC(
         2,
         "[56,[" PLAYERS ",[38,[[173,[[24,[250,[26,[$,17]]]]]]," FUNC(
             1, "{\"key\":[2,[\"@\",[24,[\"r\",[51,[" V(1) ",\"string\"]]]]]],\"asc\":" V(
                    2) ",\"score\":[28,[" V(1) ",7]]}") "]]]," REPLACE "]") "," ASC(BOARD) "]]]]"},
    {COUNT_TRANSACTION, -1, 3,
     "[2,[[56,[" PLAYERS "," ROW "]]," SET(ALL, FUNC(1, ADDED(1))) ",[54,[" ONE "]]]]"},
    {COUNT_BAD_SCORE, TROUBLE_BAD_ROWS, 1, SET(ONE, "{\"score\":\"high\"}")},
    {COUNT_BAD_SCORE, TROUBLE_BAD_ROWS, 1, SET(ONE, "{\"score\":$.5}")},
    {COUNT_BAD_SCORE, TROUBLE_BAD_ROWS, 1, SET(ONE, "{\"score\":9007199254740992}")},
    {COUNT_BAD_SCORE, TROUBLE_BAD_ROWS, 1, SET(ONE, "{\"score\":null}")},
    {COUNT_BAD_SCORE, TROUBLE_BAD_ROWS, 1, SET(ONE, "{\"score\":[2,[1]]}")},
    {COUNT_BAD_SCORE, TROUBLE_BAD_ROWS, 1,
     "[55,[" ONE "," FUNC(1, "[34,[" V(1) ",\"score\"]]") "]]"},
    {COUNT_BAD_SCORE, TROUBLE_BAD_ROWS, 1,
     "[56,[" PLAYERS ",{\"key\":[2,[\"@\",\"#\"]],\"score\":-1e300}]," REPLACE "]"},
    {COUNT_BAD_SCORE, TROUBLE_BAD_ROWS, 1, SET(ALL, "{\"score\":1e17}")},
    {COUNT_UPDATE_SCORE, TROUBLE_BAD_ROWS, 1, SET(ONE, "{\"score\":-9007199254740991}")},
    {COUNT_UPDATE_SCORE, TROUBLE_BAD_ROWS, 1, SET(ONE, "{\"score\":-0.0}")},
};

/* Of a write: how many rows could not be written. */
static int look_for_errors(const lbi_reql_reply *reply, void *user)
{
    int64_t *errors = user;

    if (reply->code == 0 && reply->answer)
        (void)lbi_json_int(lbi_json_get(lbi_json_first(reply->answer->values), "errors"), errors);
    return 0;
}

static bool exec(void *connection, const statement *s, const char *text)
{
    struct drive *d = connection;
    struct outcome o;
    int64_t errors = 0;

    (void)s;
    ask(d, &o, text, look_for_errors, &errors);
    if (o.type == LBI_REQL_CLIENT_ERROR || o.type == LBI_REQL_COMPILE_ERROR)
        wrong("no query: %s in %s", o.message, text);
    return o.code == 0 && errors == 0;
}

/* ---- The truth ------------------------------------------------------------------------------ */

typedef struct found {
    row row;
    bool ascending;
} found;

typedef struct findings {
    truth *truth;
    found *rows;
    size_t n, room;
} findings;

static bool key_of(const lbi_json *key, row *ret)
{
    const lbi_json *first = lbi_json_is_array(key) ? lbi_json_first(key) : NULL;
    const lbi_json *second = first ? lbi_json_next(first) : NULL;
    const char *board = lbi_json_text(first), *id = lbi_json_text(second);

    if (!board || !id || lbi_json_next(second) || lb_board_id_check(board, NULL) < 0 ||
        lb_player_id_check(id, NULL) < 0)
        return false;
    set_text(ret->board, sizeof ret->board, board);
    set_text(ret->id, sizeof ret->id, id);
    return true;
}

static void take_board(truth *t, const lbi_json *value)
{
    truth_board *board = &t->boards[t->n_boards];
    const char *id = lbi_json_text(lbi_json_get(value, "id"));
    bool deleting = false;

    (void)lbi_json_bool(lbi_json_get(value, "deleting"), &deleting);
    if (!id || deleting)
        return;
    if (++t->n_boards == sizeof t->boards / sizeof t->boards[0])
        wrong("there are more boards than were ever made");
    set_text(board->id, sizeof board->id, id);
    board->ascending = false;
    (void)lbi_json_bool(lbi_json_get(value, "asc"), &board->ascending);
}

static void take_row(findings *f, const lbi_json *value)
{
    const char *name = lbi_json_text(lbi_json_get(value, "name"));
    found r = {.ascending = false};

    if (!key_of(lbi_json_get(value, "key"), &r.row) || !truth_find(f->truth, r.row.board))
        return;
    if (!lbi_json_int(lbi_json_get(value, "score"), &r.row.score))
        wrong("the server's own arithmetic gives a score that is none");
    (void)lbi_json_int(lbi_json_get(value, "at"), &r.row.reached_us);
    (void)lbi_json_bool(lbi_json_get(value, "asc"), &r.ascending);
    set_text(r.row.name, sizeof r.row.name, name && *name ? name : r.row.id);
    if (f->n == f->room) {
        f->room = f->room ? 2 * f->room : 64;
        f->rows = realloc(f->rows, f->room * sizeof *f->rows);
        if (!f->rows)
            wrong("out of memory");
    }
    f->rows[f->n++] = r;
}

static int take_all(const lbi_reql_reply *reply, void *user)
{
    findings *f = user;
    const lbi_json *value, *all;

    if (reply->code < 0)
        return 0;
    all = lbi_json_first(reply->answer->values);
    for (value = lbi_json_first(lbi_json_get(all, "boards")); value; value = lbi_json_next(value))
        take_board(f->truth, value);
    for (value = lbi_json_first(lbi_json_get(all, "rows")); value; value = lbi_json_next(value))
        take_row(f, value);
    return 0;
}

static int by_key(const void *a, const void *b)
{
    const row *x = &((const found *)a)->row, *y = &((const found *)b)->row;
    int c = strcmp(x->board, y->board);

    return c ? c : strcmp(x->id, y->id);
}

/* A row says itself which way it counts: it was written when the board was of that kind. */
static int by_place(const void *a, const void *b)
{
    const found *x = a, *y = b;
    int64_t i = x->ascending ? x->row.score : -x->row.score;
    int64_t k = y->ascending ? y->row.score : -y->row.score;
    int c = strcmp(x->row.board, y->row.board);

    if (c == 0)
        c = (i > k) - (i < k);
    if (c == 0)
        c = (x->row.reached_us > y->row.reached_us) - (x->row.reached_us < y->row.reached_us);
    return c ? c : strcmp(x->row.id, y->row.id);
}

static void put_rows(const findings *f, int (*compare)(const void *, const void *), row_set *set)
{
    if (f->n)
        qsort(f->rows, f->n, sizeof *f->rows, compare);
    for (size_t i = 0; i < f->n; i++)
        *rows_append(set) = f->rows[i].row;
}

#define SCORE FIELD(1, "score")
/* What the server itself takes for a whole number in range; -0 becomes 0. */
#define TRUTH                                                                                      \
    "{\"boards\":[51,[[41,[" BOARDS ",\"id\"]],\"array\"]],\"rows\":[51,[[38,[[39,[" PLAYERS       \
    "," FUNC(1, "[67,[[17,[[52,[[92,[" SCORE ",null]]]],\"NUMBER\"]],[17,[[183,[" SCORE            \
                "]]," SCORE "]],[22,[" SCORE ",-9007199254740991]],[20,[" SCORE                    \
                ",9007199254740991]]]]") "]]," FUNC(1, "[35,[" V(1) ",{\"score\":[24,[0," SCORE    \
                                                                    "]]}]]") "]],\"array\"]]}"

/* Who was to make the tables was killed. */
static bool is_absent(const struct outcome *o)
{
    return o->code == LB_E_IO && strstr(o->message, "does not exist");
}

static void truth_read(truth *t)
{
    findings f = {.truth = t};
    struct drive *d = rdb_open();
    struct outcome o;

    do {
        *t = (truth){.n_boards = 0};
        f.n = 0;
        ask(d, &o, TRUTH, take_all, &f);
    } while (o.code == LB_E_IO && !is_absent(&o));
    rdb_close(d);
    if (o.code < 0 && !is_absent(&o))
        wrong("the database cannot be read: %s", o.message);
    put_rows(&f, by_key, &t->rows);
    put_rows(&f, by_place, &t->tops);
    free(f.rows);
}

/* ---- The index ------------------------------------------------------------------------------ */

typedef struct walk {
    const truth *truth;
    const char *board;
    size_t at; /* in truth->tops */
} walk;

static int follow_index(const lbi_reql_reply *reply, void *user)
{
    walk *w = user;
    const lbi_json *keys = reply->answer ? lbi_json_first(reply->answer->values) : NULL, *key;
    row r;

    for (key = lbi_json_first(keys); key; key = lbi_json_next(key)) {
        const row *next = w->at < w->truth->tops.n ? &w->truth->tops.rows[w->at] : NULL;

        if (!key_of(key, &r))
            continue;
        if (!next || strcmp(next->board, r.board) != 0 || strcmp(next->id, r.id) != 0)
            wrong("the index has %s/%s where %s should be", r.board, r.id, row_text(next));
        w->at++;
    }
    return 0;
}

/* An array of a sequence keeps the order of ties only where there is a limit. */
static void check(void)
{
    struct drive *d = rdb_open();
    walk w = {.at = 0};
    struct outcome o;
    char term[600];
    truth t;

    truth_read(&t);
    w.truth = &t;
    for (size_t i = 0; i < t.n_boards; i++) {
        w.board = t.boards[i].id;
        (void)snprintf(
            term, sizeof term,
            "[51,[[170,[[71,[[41,[[182,[" PLAYERS ",[2,[\"%s\",[180,[]]]],[2,[\"%s\",[181,[]]]]],"
            "{\"index\":\"rank\"}]],{\"index\":\"rank\"}],100000]],\"key\"]],\"array\"]]",
            w.board, w.board);
        ask(d, &o, term, follow_index, &w);
        if (o.code < 0)
            wrong("the index cannot be read: %s", o.message);
    }
    if (w.at != t.tops.n)
        wrong("the index lacks %s", row_text(&t.tops.rows[w.at]));
    truth_free(&t);
    rdb_close(d);
}

/* ---- The server ----------------------------------------------------------------------------- */

static void announce(void)
{
    shared_server()->port = server.port;
    shared_server()->pid = server.pid;
}

/* The server's own helpers outlive it for a moment and hold the lock that it holds. */
static void wait_unlocked(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    (void)flock(fd, LOCK_EX);
    (void)close(fd);
}

/* Nobody has killed it: its last words are what there is to find out why. */
static void tell_of_crash(void)
{
    char text[3000] = "";
    FILE *log;

    if (shared_server()->pid == 0 || waitpid(server.pid, NULL, WNOHANG) != server.pid)
        return;
    server.pid = 0;
    log = fopen("server.log", "re");
    if (log) {
        (void)fseek(log, -(long)sizeof text, SEEK_END); /* of a shorter one: all */
        text[fread(text, 1, sizeof text - 1, log)] = '\0';
        (void)fclose(log);
    }
    printf("The server has ended by itself:\n%s\n", text);
}

static void restart(void)
{
    char before[256];

    if (!getcwd(before, sizeof before) || chdir(server_dir) < 0)
        wrong("no directory");
    tell_of_crash();
    reql_server_stop(&server, SIGKILL);
    wait_unlocked("db");
    reql_server_restart(&server);
    if (chdir(before) < 0)
        wrong("no directory");
    announce();
}

/* Watchers are another user, whose permission can be revoked. */
static void make_user(void)
{
    struct drive *d = rdb_open();

    if (rdb_query(
            d, NULL,
            "[56,[[15,[[14,[\"rethinkdb\"]],\"users\"]],{\"id\":\"watcher\",\"password\":\"\"}],"
            "{\"conflict\":\"update\"}]") < 0 ||
        rdb_query(d, NULL, "[188,[\"watcher\",{\"read\":true}]]") < 0)
        wrong("no user for watchers");
    rdb_close(d);
}

static const char *begin(void)
{
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

    if (system("command -v rethinkdb >/dev/null 2>&1") != 0)
        return "no rethinkdb on PATH";
    (void)snprintf(server_dir, sizeof server_dir, "%s/converge_server_XXXXXX", base);
    if (!mkdtemp(server_dir) || chdir(server_dir) < 0)
        wrong("cannot use %s", server_dir);
    reql_server_start(&server);
    announce();
    make_user();
    return NULL;
}

static void end(void)
{
    char command[sizeof server_dir + 16];

    reql_server_stop(&server, SIGKILL);
    (void)snprintf(command, sizeof command, "rm -rf %s", server_dir);
    if (system(command) != 0)
        perror(server_dir);
}

static const char *url(part_kind kind)
{
    static char text[200];

    (void)snprintf(text, sizeof text, "rethinkdb://%s127.0.0.1:%u/%s",
                   kind == WATCHER ? "watcher@" : "", shared_server()->port, rdb_name());
    return text;
}

static bool excuses(int code)
{
    return code == LB_E_IO || code == LB_E_UNKNOWN || code == LB_E_AUTH;
}

/* As a network does it: neither side is asked. */
static void cut(void)
{
    DIR *dir = opendir("/proc/self/fd");
    const struct dirent *entry;

    while (dir && (entry = readdir(dir)) != NULL) {
        struct sockaddr_storage place = {.ss_family = AF_UNSPEC};
        socklen_t size = sizeof place;
        int fd = atoi(entry->d_name);

        if (getsockname(fd, (struct sockaddr *)&place, &size) == 0 && place.ss_family == AF_INET)
            (void)shutdown(fd, SHUT_RDWR);
    }
    if (dir)
        (void)closedir(dir);
}

enum { N_STATEMENTS = sizeof statements / sizeof statements[0] };

const backend backend_rethinkdb = {
    .name = "rethinkdb",
    .lacks = 1U << TROUBLE_DEAF | 1U << TROUBLE_CHECKPOINTS | 1U << TROUBLE_VACUUM,
    .mixes_directions = true,
    .statements = statements,
    .n_statements = N_STATEMENTS,
    .begin = begin,
    .end = end,
    .url = url,
    .exists = exists,
    .forget = forget,
    .open = open_others,
    .exec = exec,
    .close = close_others,
    .truth_read = truth_read,
    .check = check,
    .excuses = excuses,
    .operate = rdb_operate,
    .restart = restart,
    .cut = cut,
};
