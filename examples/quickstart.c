/* The smallest program: adds to a score and prints the top of the board. */
#include <leaderboard.h>

#include <inttypes.h>
#include <stdio.h>

static int print_row(const lb_player *player, void *user)
{
    (void)user;
    printf("%" PRIu64 ". %s %" PRId64 "\n", player->rank, player->name, player->score);
    return 0;
}

int main(void)
{
    lb_client *client;
    lb_write_options create;
    lb_error error;
    int r = lb_client_new(NULL, &client, &error); /* NULL: sqlite:leaderboard.db */

    if (r >= 0) {
        lb_write_options_init(&create);
        create.flags = LB_WRITE_CREATE;
        r = lb_score_add(client, "demo", "alice", 10, &create, NULL, &error);
        if (r >= 0)
            r = lb_board_get(client, "demo", NULL, print_row, NULL, &error);
        lb_client_free(client);
    }
    if (r < 0)
        fprintf(stderr, "%s\n", error.msg);
    return r < 0;
}
