/* A real Pushpin, started in the test's directory, with ports of its own. */
#ifndef PUSHPIN_SERVER_H
#define PUSHPIN_SERVER_H

#include <stdint.h>
#include <sys/types.h>

struct pushpin_server {
    /* Yours, before the start: */
    const char *sig_iss, *sig_key;
    uint16_t origin_port;
    /* Its own: */
    pid_t pid;
    uint16_t port;    /* for listeners */
    uint16_t control; /* for publications */
};

/* Skips the test where there is no pushpin; returns when it answers. */
void pushpin_server_start(struct pushpin_server *s);
void pushpin_server_stop(struct pushpin_server *s);

#endif
