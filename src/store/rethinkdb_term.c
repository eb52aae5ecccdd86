#include "store/rethinkdb_term.h"

void lbi_rdb_term_board(lbi_term *t, const char *board)
{
    lbi_term_call(t, LBI_T_GET);
    lbi_term_literal(t, BOARDS);
    lbi_term_text(t, board);
    lbi_term_end(t);
}

void lbi_rdb_term_key(lbi_term *t, const char *board)
{
    lbi_term_array(t);
    lbi_term_text(t, board);
}

void lbi_rdb_term_rows(lbi_term *t, const char *board, bool rank)
{
    lbi_term_call(t, LBI_T_BETWEEN);
    lbi_term_literal(t, PLAYERS);
    lbi_rdb_term_key(t, board);
    lbi_term_call0(t, LBI_T_MINVAL);
    lbi_term_end(t);
    lbi_rdb_term_key(t, board);
    lbi_term_call0(t, LBI_T_MAXVAL);
    lbi_term_end(t);
    if (rank) {
        lbi_term_opts(t);
        lbi_term_key(t, "index");
        lbi_term_text(t, "rank");
    }
    lbi_term_end(t);
}

int64_t lbi_rdb_rank_key(bool ascending, int64_t score)
{
    return ascending ? score : -score;
}
