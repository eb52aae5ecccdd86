#include "reql/term.h"

#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { IN_CALL, IN_OPTS, IN_OBJECT, IN_FUNC, IN_QUERY, IN_GLOBALS, BEFORE_VALUE };

enum { TERM_DATUM = 1 };

static const struct {
    const char *end;
    size_t len;
} endings[] = {
    [IN_CALL] = {"]]", 2}, [IN_OPTS] = {"}]", 2}, [IN_OBJECT] = {"}", 1},
    [IN_FUNC] = {"]]", 2}, [IN_QUERY] = {"]", 1}, [IN_GLOBALS] = {"}]", 2},
};

void lbi_term_init(lbi_term *t, size_t max)
{
    *t = (lbi_term){0};
    lbi_buf_init(&t->buf, max);
}

void lbi_term_done(lbi_term *t)
{
    lbi_buf_done(&t->buf);
}

static void fail(lbi_term *t)
{
    (void)lbi_buf_fail(&t->buf, LB_E_INVAL);
}

static int kind(const lbi_term *t)
{
    return t->depth ? t->open[t->depth - 1].kind : -1;
}

static void push(lbi_term *t, int what)
{
    if (t->depth == LBI_REQL_NESTING) {
        fail(t);
        return;
    }
    t->open[t->depth].kind = (unsigned char)what;
    t->open[t->depth].some = false;
    t->depth++;
}

static void pop(lbi_term *t)
{
    if (t->depth > 0)
        t->depth--;
}

/* A value is about to be written: is this a place for one? Returns whether it needs a comma. */
static bool begin_value(lbi_term *t)
{
    int where = kind(t);
    bool some;

    if (where == BEFORE_VALUE) {
        pop(t);
        return false;
    }
    if (where != IN_CALL && where != IN_FUNC && where != IN_QUERY) {
        fail(t);
        return false;
    }
    some = t->open[t->depth - 1].some;
    t->open[t->depth - 1].some = true;
    if (some && where != IN_CALL)
        fail(t); /* a function has one body, a query one term */
    return some;
}

static void before_value(lbi_term *t)
{
    if (begin_value(t))
        (void)lbi_buf_add_char(&t->buf, ',');
}

void lbi_term_raw(lbi_term *t, const char *text, size_t len)
{
    before_value(t);
    (void)lbi_buf_add(&t->buf, text, len);
}

/* The small pieces of a query are put together first: each addition to the buffer costs more. */
typedef struct piece {
    size_t len;
    char text[64];
} piece;

static void put(piece *p, const char *text)
{
    while (*text)
        p->text[p->len++] = *text++;
}

static void put_number(piece *p, unsigned number)
{
    char digits[10];
    size_t n = 0;

    do {
        digits[n++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    while (n > 0)
        p->text[p->len++] = digits[--n];
}

static piece begin_piece(lbi_term *t)
{
    piece p = {.len = 0};

    if (begin_value(t))
        put(&p, ",");
    return p;
}

static void add(lbi_term *t, const piece *p)
{
    (void)lbi_buf_add(&t->buf, p->text, p->len);
}

/* ---- Terms ---------------------------------------------------------------------------------- */

void lbi_term_query(lbi_term *t)
{
    lbi_buf_clear(&t->buf);
    t->depth = 0;
    (void)lbi_buf_add(&t->buf, "[1,", 3);
    push(t, IN_QUERY);
}

void lbi_term_globals(lbi_term *t, const char *db)
{
    if (kind(t) != IN_QUERY || !t->open[0].some)
        fail(t);
    (void)lbi_buf_add(&t->buf, ",{", 2);
    if (t->depth > 0)
        t->open[t->depth - 1].kind = IN_GLOBALS;
    if (t->depth > 0)
        t->open[t->depth - 1].some = false;
    if (!db)
        return;
    lbi_term_key(t, "db");
    lbi_term_call(t, LBI_T_DB);
    lbi_term_text(t, db);
    lbi_term_end(t);
}

int lbi_term_globals_end(lbi_term *t)
{
    if (kind(t) != IN_GLOBALS)
        fail(t);
    lbi_term_end(t);
    if (t->depth != 0)
        fail(t);
    return t->buf.code;
}

int lbi_term_query_end(lbi_term *t, const char *db)
{
    if (db) {
        lbi_term_globals(t, db);
        return lbi_term_globals_end(t);
    }
    if (kind(t) != IN_QUERY || !t->open[0].some)
        fail(t);
    lbi_term_end(t);
    return t->buf.code;
}

void lbi_term_call(lbi_term *t, int id)
{
    piece p = begin_piece(t);

    if (id <= TERM_DATUM)
        fail(t);
    put(&p, "[");
    put_number(&p, (unsigned)id);
    put(&p, ",[");
    add(t, &p);
    push(t, IN_CALL);
}

void lbi_term_opts(lbi_term *t)
{
    if (kind(t) != IN_CALL) {
        fail(t);
        return;
    }
    (void)lbi_buf_add(&t->buf, "],{", 3);
    t->open[t->depth - 1].kind = IN_OPTS;
    t->open[t->depth - 1].some = false;
}

void lbi_term_array(lbi_term *t)
{
    lbi_term_call(t, LBI_T_MAKE_ARRAY);
}

void lbi_term_object(lbi_term *t)
{
    before_value(t);
    (void)lbi_buf_add_char(&t->buf, '{');
    push(t, IN_OBJECT);
}

void lbi_term_key(lbi_term *t, const char *key)
{
    int where = kind(t);

    if (where != IN_OBJECT && where != IN_OPTS && where != IN_GLOBALS) {
        fail(t);
        return;
    }
    if (t->open[t->depth - 1].some)
        (void)lbi_buf_add_char(&t->buf, ',');
    t->open[t->depth - 1].some = true;
    (void)lbi_json_put_text(&t->buf, key, strlen(key));
    (void)lbi_buf_add_char(&t->buf, ':');
    push(t, BEFORE_VALUE);
}

void lbi_term_func(lbi_term *t, unsigned n, unsigned first)
{
    before_value(t);
    (void)lbi_buf_add(&t->buf, "[69,[[2,[", 9);
    for (unsigned i = 0; i < n; i++) {
        piece p = {.len = 0};

        if (i > 0)
            put(&p, ",");
        put_number(&p, first + i);
        add(t, &p);
    }
    (void)lbi_buf_add(&t->buf, "]],", 3);
    push(t, IN_FUNC);
}

void lbi_term_end(lbi_term *t)
{
    int where = kind(t);

    if (where < 0 || where == BEFORE_VALUE) {
        fail(t);
        return;
    }
    if (where == IN_FUNC && !t->open[t->depth - 1].some)
        fail(t);
    (void)lbi_buf_add(&t->buf, endings[where].end, endings[where].len);
    pop(t);
}

/* ---- Values --------------------------------------------------------------------------------- */

void lbi_term_text_n(lbi_term *t, const char *text, size_t len)
{
    before_value(t);
    (void)lbi_json_put_text(&t->buf, text, len);
}

void lbi_term_text(lbi_term *t, const char *text)
{
    lbi_term_text_n(t, text, strlen(text));
}

void lbi_term_int(lbi_term *t, int64_t value)
{
    before_value(t);
    if (value < LB_SCORE_MIN || value > LB_SCORE_MAX)
        (void)lbi_buf_fail(&t->buf, LB_E_RANGE);
    (void)lbi_json_put_int(&t->buf, value);
}

/* printf writes the locale's decimal point, of one byte or more. */
static size_t make_point(char *text)
{
    size_t n = 0;

    for (const char *p = text; *p; p++) {
        bool plain = strchr("0123456789+-e", *p);

        if (plain || n == 0 || text[n - 1] != '.')
            text[n++] = plain ? *p : '.';
    }
    return n;
}

void lbi_term_double(lbi_term *t, double value)
{
    char text[48];

    before_value(t);
    if (!isfinite(value)) {
        (void)lbi_buf_fail(&t->buf, LB_E_RANGE);
        return;
    }
    (void)snprintf(text, sizeof text, "%.17g", value);
    (void)lbi_buf_add(&t->buf, text, make_point(text));
}

void lbi_term_bool(lbi_term *t, bool value)
{
    lbi_term_raw(t, value ? "true" : "false", value ? 4 : 5);
}

void lbi_term_null(lbi_term *t)
{
    lbi_term_raw(t, "null", 4);
}

void lbi_term_var(lbi_term *t, unsigned number)
{
    piece p = begin_piece(t);

    put(&p, "[10,[");
    put_number(&p, number);
    put(&p, "]]");
    add(t, &p);
}

void lbi_term_table(lbi_term *t, const char *name)
{
    lbi_term_call(t, LBI_T_TABLE);
    lbi_term_text(t, name);
    lbi_term_end(t);
}

void lbi_term_call0(lbi_term *t, int id)
{
    lbi_term_call(t, id);
    lbi_term_end(t);
}

void lbi_term_field(lbi_term *t, unsigned number, const char *field)
{
    lbi_term_call(t, LBI_T_BRACKET);
    lbi_term_var(t, number);
    lbi_term_text(t, field);
    lbi_term_end(t);
}
