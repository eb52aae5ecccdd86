/* What the three loops have in common: a subscription that prints, and an add in the background. */
#ifndef EXAMPLE_COMMON_H
#define EXAMPLE_COMMON_H

#include <leaderboard.h>

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum { ADDS = 3 };

static int added;
static int64_t last_score;
static bool finished; /* the top has shown the last score */

static int on_change(const lb_change *change, void *user)
{
    (void)user;
    if (change->type != LB_CHANGE_TOP)
        return 0;
    for (size_t i = 0; i < change->n_rows; i++)
        printf("%" PRIu64 ". %s %" PRId64 "\n", change->rows[i]->rank, change->rows[i]->name,
               change->rows[i]->score);
    printf("--\n");
    finished = added == ADDS && change->rows[0]->score == last_score;
    return 0;
}

static void on_added(const lb_result *result, void *user)
{
    (void)user;
    if (result->code < 0) {
        fprintf(stderr, "%s\n", result->message);
        exit(1);
    }
    added++;
    last_score = result->player->score;
}

static void check(int r, const lb_error *error)
{
    if (r < 0) {
        fprintf(stderr, "%s\n", error->msg);
        exit(1);
    }
}

/* Starts three adds that are committed together, and watches the board. */
static lb_client *start(void)
{
    lb_changes_options top;
    lb_write_options create;
    lb_client *client;
    lb_error error;

    lb_write_options_init(&create);
    create.flags = LB_WRITE_CREATE;
    lb_changes_options_init(&top);
    top.top = 5;
    check(lb_client_new(NULL, &client, &error), &error);
    check(lb_changes_subscribe(client, "loop", &top, on_change, NULL, NULL, &error), &error);
    for (int i = 0; i < ADDS; i++)
        check(lb_score_add_start(client, "loop", "alice", 1, &create, on_added, NULL, NULL, &error),
              &error);
    return client;
}

#endif
