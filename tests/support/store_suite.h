/* One suite for all stores, through the public API. A test file for a store says what the store
 * is and makes a test of every case:
 *
 *     const suite_store suite = {.make = lbi_sqlite_new, .database = "sqlite:test.db"};
 *     #define CASE(name) TEST(name, .timeout_s = 120) { suite_run(&suite, suite_##name); }
 *     SUITE_CASES(CASE)
 */
#ifndef STORE_SUITE_H
#define STORE_SUITE_H

#include "capture.h"
#include "store/store.h"

typedef struct suite_store {
    lbi_store_new_fn make;
    const char *database; /* NULL: the default */
    const char *file;     /* that the first write makes and a read does not, or NULL */
    bool persistent;      /* what one client wrote another one finds, also later */
    bool strict_time;     /* no two changes have the same reached_us */
    bool keys_in_rows;    /* who is removed loses what was answered to keys, too */
    void (*begin)(void);  /* before a case, or NULL */
    void (*end)(void);    /* after all clients have been freed, or NULL */
} suite_store;

/* Runs one case: c->client is fresh, on an empty database. */
typedef struct suite_case {
    const suite_store *store;
    lb_client *client;
    uint32_t change_log; /* of clients from suite_client() */
} suite_case;

void suite_run(const suite_store *store, void (*run)(suite_case *c));

/* Another client of the same database. */
lb_client *suite_client(const suite_case *c);

/* Short forms. Each must succeed. */
void suite_board(suite_case *c, const char *board, uint32_t flags);
row_copy suite_set(suite_case *c, const char *board, const char *player, int64_t score);
row_copy suite_get(suite_case *c, const char *board, const char *player);
const char *suite_page(suite_case *c, const char *board); /* the first 1,000 as "id:score ..." */

/* Write options with flags and a key, for one call. */
const lb_write_options *suite_options(uint32_t flags, const char *key);
#define CREATE suite_options(LB_WRITE_CREATE, NULL)

/* In store_suite.c: boards and rows. */
#define SUITE_CASES_ROWS(X)                                                                        \
    X(reads_create_nothing)                                                                        \
    X(the_database_says_what_it_is)                                                                \
    X(writes_without_create_create_nothing)                                                        \
    X(boards_are_created)                                                                          \
    X(boards_get_generated_ids)                                                                    \
    X(boards_are_listed)                                                                           \
    X(boards_are_counted)                                                                          \
    X(boards_are_deleted)                                                                          \
    X(large_boards_are_deleted_in_steps)                                                           \
    X(deleted_boards_are_gone_at_once)                                                             \
    X(players_are_put)                                                                             \
    X(players_get_generated_ids)                                                                   \
    X(names_of_all_kinds)                                                                          \
    X(players_are_removed)                                                                         \
    X(ids_are_case_sensitive)                                                                      \
    X(a_player_may_be_on_many_boards)                                                              \
    X(players_by_many_ids)                                                                         \
    X(players_with_their_place)                                                                    \
    X(leases_have_one_holder)                                                                      \
    X(leases_run_out)                                                                              \
    X(leases_are_no_boards)

/* In store_suite_scores.c: scores and order. */
#define SUITE_CASES_SCORES(X)                                                                      \
    X(scores_are_added)                                                                            \
    X(scores_are_set)                                                                              \
    X(best_scores_are_kept)                                                                        \
    X(scores_have_a_range)                                                                         \
    X(unchanged_scores_keep_their_time)                                                            \
    X(started_together_as_if_one_after_another)                                                    \
    X(one_refused_fails_alone)                                                                     \
    X(a_mixed_batch_in_order)                                                                      \
    X(many_started_together)                                                                       \
    X(keys_repeat_the_answer)                                                                      \
    X(keys_of_a_player_who_was_removed)                                                            \
    X(keys_within_a_batch)                                                                         \
    X(order_descending)                                                                            \
    X(order_ascending)                                                                             \
    X(order_of_ties_follows_time)                                                                  \
    X(position_and_rank)                                                                           \
    X(pages_by_limit_and_offset)                                                                   \
    X(pages_by_cursor)                                                                             \
    X(a_cursor_outlives_its_row)                                                                   \
    X(around_a_player)                                                                             \
    X(around_on_small_boards)                                                                      \
    X(a_row_callback_stops)                                                                        \
    X(another_client_sees_it)

/* In store_suite_changes.c: subscriptions. */
#define SUITE_CASES_CHANGES(X)                                                                     \
    X(a_subscription_from_rows_to_changes)                                                         \
    X(a_subscription_to_an_empty_board)                                                            \
    X(a_subscription_to_no_board)                                                                  \
    X(a_subscription_without_rows)                                                                 \
    X(a_subscription_to_all_boards)                                                                \
    X(deletion_and_creation_are_heard)                                                             \
    X(many_subscribers)                                                                            \
    X(cancel_inside_callbacks)                                                                     \
    X(a_callback_ends_its_subscription)                                                            \
    X(subscribe_and_write_inside_callbacks)                                                        \
    X(tops_of_a_board)                                                                             \
    X(tops_are_coalesced)                                                                          \
    X(tops_come_while_changes_go_on)                                                               \
    X(unchanged_tops_are_not_repeated)                                                             \
    X(state_ids_agree)                                                                             \
    X(a_top_of_no_board)                                                                           \
    X(falling_behind_resets)                                                                       \
    X(changes_by_another_client)

/* In store_suite_random.c: the store and the model side by side. */
#define SUITE_CASES_RANDOM(X)                                                                      \
    X(random_operations_one_by_one)                                                                \
    X(random_operations_in_batches)

#define SUITE_CASES(X)                                                                             \
    SUITE_CASES_ROWS(X) SUITE_CASES_SCORES(X) SUITE_CASES_CHANGES(X) SUITE_CASES_RANDOM(X)

#define SUITE_DECLARE(name) void suite_##name(suite_case *c);
SUITE_CASES(SUITE_DECLARE)
#undef SUITE_DECLARE

#endif
