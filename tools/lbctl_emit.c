#include "lbctl_emit.h"

#include <inttypes.h>
#include <string.h>

void lbctl_emit_text(FILE *out, const char *text)
{
    putc_unlocked('"', out);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (c < 0x20) {
            fprintf(out, "\\u%04x", c);
            continue;
        }
        if (c == '"' || c == '\\')
            putc_unlocked('\\', out);
        putc_unlocked(c, out);
    }
    putc_unlocked('"', out);
}

void lbctl_emit_player(FILE *out, const lb_player *player)
{
    fputs("{\"id\":", out);
    lbctl_emit_text(out, player->id);
    fputs(",\"name\":", out);
    lbctl_emit_text(out, player->name);
    fprintf(out, ",\"score\":%" PRId64, player->score);
    if (player->reached_us > 0) /* another program may have set none */
        fprintf(out, ",\"reached_us\":%" PRId64, player->reached_us);
    putc_unlocked('}', out);
}
