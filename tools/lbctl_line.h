/* One line of a file that is imported. */
#ifndef LBCTL_LINE_H
#define LBCTL_LINE_H

#include <leaderboard.h>

#include <stdbool.h>

enum lbctl_line_kind {
    LBCTL_LINE_BLANK,
    LBCTL_LINE_HEADER,
    LBCTL_LINE_PLAYER,
    LBCTL_LINE_END,
    LBCTL_LINE_BOARD, /* of lbctl_row_parse() only */
};

struct lbctl_line {
    enum lbctl_line_kind kind;
    bool ascending;               /* HEADER */
    int64_t players;              /* END: how many there are */
    char board[LB_BOARD_MAX + 1]; /* BOARD; PLAYER: "" if there is none */
    char id[LB_PLAYER_MAX + 1];   /* PLAYER, as what follows */
    char name[LB_NAME_MAX + 1];   /* "" if there is none */
    int64_t score;
    int64_t reached_us; /* 0 if there is none */
};

/* Reads text[0..len). False if it is none of them: why says what is wrong, for "line 7 WHY". */
bool lbctl_line_parse(const char *text, size_t len, struct lbctl_line *ret, char why[320]);

/* Reads a row of a table that holds the players of many boards, or the boards: {id, board, name,
 * score}, or {id} of a board. An empty name and null are none. */
bool lbctl_row_parse(const char *text, size_t len, struct lbctl_line *ret, char why[320]);

#endif
