/* One line of a file that is imported. */
#ifndef LBCTL_LINE_H
#define LBCTL_LINE_H

#include <leaderboard.h>

#include <stdbool.h>

enum lbctl_line_kind { LBCTL_LINE_BLANK, LBCTL_LINE_HEADER, LBCTL_LINE_PLAYER, LBCTL_LINE_END };

struct lbctl_line {
    enum lbctl_line_kind kind;
    bool ascending;             /* HEADER */
    int64_t players;            /* END: how many there are */
    char id[LB_PLAYER_MAX + 1]; /* PLAYER, as what follows */
    char name[LB_NAME_MAX + 1]; /* "" if there is none */
    int64_t score;
    int64_t reached_us; /* 0 if there is none */
};

/* Reads text[0..len). False if it is none of them: why says what is wrong, for "line 7 WHY". */
bool lbctl_line_parse(const char *text, size_t len, struct lbctl_line *ret, char why[320]);

#endif
