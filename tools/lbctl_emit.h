/* Lines of JSON, one object each: what changes and export print. Written by hand, since millions
 * of them are. */
#ifndef LBCTL_EMIT_H
#define LBCTL_EMIT_H

#include <leaderboard.h>

#include <stdio.h>

/* A string with its quotes. The text is valid UTF-8, as everything is that the library gives. */
void lbctl_emit_text(FILE *out, const char *text);
/* {"id","name","score","reached_us"}, without a line break. */
void lbctl_emit_player(FILE *out, const lb_player *player);

#endif
