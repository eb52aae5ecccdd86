/* Listeners of one event stream, thousands of them, and single requests. */
#ifndef HTTP_LOAD_H
#define HTTP_LOAD_H

#include <stddef.h>

struct crowd;

/* Connects n listeners to /boards/BOARD/ and waits until each has its first event. */
struct crowd *crowd_new(unsigned port, const char *board, size_t n);

/* Waits until every listener was shown the score: in samples, of n, when each was, in
 * bench_now_us(). */
void crowd_wait(struct crowd *crowd, long long score, double *samples);

void crowd_free(struct crowd *crowd);

/* A connection that is kept. */
int http_connect(unsigned port);

/* Adds 1 to the player and waits for the reply; returns the new score. */
long long http_add(int fd, const char *board, const char *player);

#endif
