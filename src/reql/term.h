/* Queries, written straight into a buffer: no tree is built, nothing is allocated per node.
 *
 *     lbi_term t;
 *     lbi_term_init(&t, 1 << 20);
 *     lbi_term_query(&t);
 *     lbi_term_call(&t, LBI_T_UPDATE);
 *       lbi_term_call(&t, LBI_T_GET);  lbi_term_table(&t, "players");  lbi_term_text(&t, id);
 *       lbi_term_end(&t);
 *       lbi_term_func(&t, 1, 1);        one parameter, number 1
 *         lbi_term_object(&t);  lbi_term_key(&t, "score");
 *           lbi_term_call(&t, LBI_T_ADD);  lbi_term_field(&t, 1, "score");  lbi_term_int(&t, 5);
 *           lbi_term_end(&t);
 *         lbi_term_end(&t);
 *       lbi_term_end(&t);
 *     lbi_term_opts(&t);  lbi_term_key(&t, "return_changes");  lbi_term_bool(&t, true);
 *     lbi_term_end(&t);
 *     r = lbi_term_query_end(&t, "leaderboard");
 *
 * Commas and brackets come by themselves. A failure sticks and lbi_term_query_end() reports it:
 * LB_E_INVAL (text that is not UTF-8, calls that do not fit together), LB_E_RANGE (a number that
 * the server cannot hold exactly), LB_E_LIMIT, LB_E_NOMEM. */
#ifndef LBI_REQL_TERM_H
#define LBI_REQL_TERM_H

#include "base/buf.h"
#include "leaderboard.h"

#include <stdbool.h>

/* ql2.proto. DATUM (1) is left out on purpose: the server rewrites what is inside it. */
enum {
    LBI_T_MAKE_ARRAY = 2,
    LBI_T_VAR = 10,
    LBI_T_ERROR = 12,
    LBI_T_DB = 14,
    LBI_T_TABLE = 15,
    LBI_T_GET = 16,
    LBI_T_EQ = 17,
    LBI_T_NE = 18,
    LBI_T_LT = 19,
    LBI_T_LE = 20,
    LBI_T_GT = 21,
    LBI_T_GE = 22,
    LBI_T_NOT = 23,
    LBI_T_ADD = 24,
    LBI_T_SUB = 25,
    LBI_T_MUL = 26,
    LBI_T_DIV = 27,
    LBI_T_MOD = 28,
    LBI_T_APPEND = 29,
    LBI_T_SLICE = 30,
    LBI_T_HAS_FIELDS = 32,
    LBI_T_PLUCK = 33,
    LBI_T_WITHOUT = 34,
    LBI_T_MERGE = 35,
    LBI_T_REDUCE = 37,
    LBI_T_MAP = 38,
    LBI_T_FILTER = 39,
    LBI_T_CONCAT_MAP = 40,
    LBI_T_ORDER_BY = 41,
    LBI_T_DISTINCT = 42,
    LBI_T_COUNT = 43,
    LBI_T_UNION = 44,
    LBI_T_NTH = 45,
    LBI_T_COERCE_TO = 51,
    LBI_T_TYPE_OF = 52,
    LBI_T_UPDATE = 53,
    LBI_T_DELETE = 54,
    LBI_T_REPLACE = 55,
    LBI_T_INSERT = 56,
    LBI_T_DB_CREATE = 57,
    LBI_T_DB_DROP = 58,
    LBI_T_DB_LIST = 59,
    LBI_T_TABLE_CREATE = 60,
    LBI_T_TABLE_DROP = 61,
    LBI_T_TABLE_LIST = 62,
    LBI_T_FUNCALL = 64,
    LBI_T_BRANCH = 65,
    LBI_T_OR = 66,
    LBI_T_AND = 67,
    LBI_T_FOR_EACH = 68,
    LBI_T_FUNC = 69,
    LBI_T_SKIP = 70,
    LBI_T_LIMIT = 71,
    LBI_T_ASC = 73,
    LBI_T_DESC = 74,
    LBI_T_INDEX_CREATE = 75,
    LBI_T_INDEX_DROP = 76,
    LBI_T_INDEX_LIST = 77,
    LBI_T_GET_ALL = 78,
    LBI_T_INFO = 79,
    LBI_T_PREPEND = 80,
    LBI_T_IS_EMPTY = 86,
    LBI_T_OFFSETS_OF = 87,
    LBI_T_DEFAULT = 92,
    LBI_T_CONTAINS = 93,
    LBI_T_KEYS = 94,
    LBI_T_JSON = 98,
    LBI_T_EPOCH_TIME = 101,
    LBI_T_TO_EPOCH_TIME = 102,
    LBI_T_NOW = 103,
    LBI_T_LITERAL = 137,
    LBI_T_SYNC = 138,
    LBI_T_INDEX_STATUS = 139,
    LBI_T_INDEX_WAIT = 140,
    LBI_T_OBJECT = 143,
    LBI_T_SUM = 145,
    LBI_T_MIN = 147,
    LBI_T_MAX = 148,
    LBI_T_CHANGES = 152,
    LBI_T_ARGS = 154,
    LBI_T_BINARY = 155,
    LBI_T_BRACKET = 170,
    LBI_T_RANGE = 173,
    LBI_T_CONFIG = 174,
    LBI_T_STATUS = 175,
    LBI_T_RECONFIGURE = 176,
    LBI_T_WAIT = 177,
    LBI_T_MINVAL = 180,
    LBI_T_MAXVAL = 181,
    LBI_T_BETWEEN = 182,
    LBI_T_FLOOR = 183,
    LBI_T_ROUND = 185,
    LBI_T_FOLD = 187,
    LBI_T_GRANT = 188,
};

enum { LBI_REQL_NESTING = 64 };

typedef struct lbi_term {
    lbi_buf buf;
    unsigned depth;
    struct {
        unsigned char kind;
        bool some; /* an element was written: the next needs a comma */
    } open[LBI_REQL_NESTING];
} lbi_term;

/* The text may grow up to max bytes. A term is used again and again: its memory is kept. */
void lbi_term_init(lbi_term *t, size_t max);
void lbi_term_done(lbi_term *t);

/* Begins a START query, dropping what was there. */
void lbi_term_query(lbi_term *t);

/* Ends it. db is the default database, NULL = none. Returns 0 or what went wrong first; the text
 * is then t->buf. */
int lbi_term_query_end(lbi_term *t, const char *db);

/* The same with further global options: between the two, write lbi_term_key() and values. */
void lbi_term_globals(lbi_term *t, const char *db);
int lbi_term_globals_end(lbi_term *t);

/* A term: its arguments follow, then, if it has any, lbi_term_opts() and its options as key and
 * value, then lbi_term_end(). */
void lbi_term_call(lbi_term *t, int id);
void lbi_term_opts(lbi_term *t);

/* An array of the data (MAKE_ARRAY), an object; elements or keys and values follow. */
void lbi_term_array(lbi_term *t);
void lbi_term_object(lbi_term *t);
void lbi_term_key(lbi_term *t, const char *key);

/* A function of n parameters, numbered from `first` on; its body follows, one term. The numbers
 * must differ from those of the functions around it. */
void lbi_term_func(lbi_term *t, unsigned n, unsigned first);

/* Ends the innermost call, array, object or function. */
void lbi_term_end(lbi_term *t);

/* Values. */
void lbi_term_text(lbi_term *t, const char *text);
void lbi_term_text_n(lbi_term *t, const char *text, size_t len);
void lbi_term_int(lbi_term *t, int64_t value); /* within +-(2^53-1) */
void lbi_term_double(lbi_term *t, double value);
void lbi_term_bool(lbi_term *t, bool value);
void lbi_term_null(lbi_term *t);
void lbi_term_var(lbi_term *t, unsigned number);

/* Shorthands: a table of the default database, a term without arguments, var(number)["field"]. */
void lbi_term_table(lbi_term *t, const char *name);
void lbi_term_call0(lbi_term *t, int id);
void lbi_term_field(lbi_term *t, unsigned number, const char *field);

/* A term that was written by hand, for what never changes in a hot query. Trusted. */
void lbi_term_raw(lbi_term *t, const char *text, size_t len);
#define lbi_term_literal(t, text) lbi_term_raw((t), "" text "", sizeof(text) - 1)

#endif
