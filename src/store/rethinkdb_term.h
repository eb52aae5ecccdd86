/* Pieces of queries that never change, as text for lbi_term_literal(); see reql/term.h for the
 * numbers. V(n) is the variable n of an enclosing function. */
#ifndef LBI_STORE_RETHINKDB_TERM_H
#define LBI_STORE_RETHINKDB_TERM_H

#include "reql/term.h"

#include <inttypes.h>

#define V(n) "[10,[" #n "]]"
#define FIELD(n, name) "[170,[[10,[" #n "]],\"" name "\"]]"
#define OR_ELSE(x, otherwise) "[92,[" x "," otherwise "]]"
#define BOARDS "[15,[\"boards\"]]"
#define PLAYERS "[15,[\"players\"]]"

/* Microseconds since 1970, as exact as the server's clock: milliseconds. */
#define NOW "[26,[[185,[[26,[[102,[[103,[]]]],1000]]]],1000]]"

/* Is the number within the range of scores? Has the row a score that is one? Values of all kinds have
 * one order, in which only numbers are between two numbers. */
#define IN_RANGE(x) "[20,[-9007199254740991," x ",9007199254740991]]"
#define IS_GOOD(n)                                                                                 \
    "[67,[" IN_RANGE(OR_ELSE(FIELD(n, "score"), "null")) ",[17,[[183,[" FIELD(                     \
        n, "score") "]]," FIELD(n, "score") "]]]]"

/* Is the board there, in this state? The variable is its document or null. */
#define IS_ALIVE(n) "[67,[[18,[" V(n) ",null]],[23,[" OR_ELSE(FIELD(n, "deleting"), "false") "]]]]"
#define IS_ASCENDING(n) "[17,[" OR_ELSE(FIELD(n, "asc"), "false") ",true]]"

/* Is the id in its key one that a player can have? Of rows of the index, where it is text. */
#define ID_PATTERN "^([A-Za-z0-9_~-]|[.][A-Za-z0-9_~-]|[.][.][A-Za-z0-9._~-])[A-Za-z0-9._~-]*$"
#define IS_PLAYER(n)                                                                               \
    "[67,[[18,[[97,[[45,[" FIELD(n, "key") ",1]],\"" ID_PATTERN                                    \
                                           "\"]],null]],[20,[[43,[[45,[" FIELD(                    \
                                               n, "key") ",1]]]],64]]]]"

/* What a row is for a reader. */
#define ROW_FIELDS "\"key\",\"name\",\"score\",\"at\""

/* Is the key one of a player, [board, player]? */
#define IS_KEY(n)                                                                                  \
    "[67,[[17,[[43,[" FIELD(n, "key") "]],2]],[17,[[52,[[45,[" FIELD(                              \
        n, "key") ",1]]]],\"STRING\"]]]]"

/* The function of the index `rank`; null keeps a row out of it. 0 is added or subtracted from: there is no -0 in the index. */
#define RANK_FUNCTION                                                                              \
    "[69,[[2,[1]],[65,[[67,[" IS_GOOD(1) "," IS_KEY(1) "]],[2,[[45,[" FIELD(                       \
        1, "key") ",0]],"                                                                          \
                  "[65,[[17,[" OR_ELSE(FIELD(1, "asc"),                                            \
                                       "false") ",true]],"                                         \
                                                "[24,[0," FIELD(1, "score") "]],[25,[0," FIELD(    \
                                                    1, "score") "]]]]," OR_ELSE(FIELD(1, "at"),    \
                                                                                "0") "]],null]]]]"

/* boards.get(id) */
void lbi_rdb_term_board(lbi_term *t, const char *board);

/* [board, ...] for the primary key or the index: an open array that lbi_term_end() ends. */
void lbi_rdb_term_key(lbi_term *t, const char *board);

/* players.between([board, minval], [board, maxval]), of the index if `rank`. */
void lbi_rdb_term_rows(lbi_term *t, const char *board, bool rank);

/* The key of a score in the index. */
int64_t lbi_rdb_rank_key(bool ascending, int64_t score);

#endif
