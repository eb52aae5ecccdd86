/* A name server that does what a real one will not do: a thread on loopback, over UDP and TCP.
 *
 *     struct fake_dns s = {.addresses = 1};
 *     fake_dns_start(&s);
 *     ... something asks s.address ...
 *     fake_dns_stop(&s);
 *
 * A CHECK that does not hold in the thread fails the test. */
#ifndef FAKE_DNS_H
#define FAKE_DNS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

enum { FAKE_DNS_NXDOMAIN = 3 };

/* Everything is 0 for a server that knows the name, but no address of it. */
struct fake_dns {
    unsigned addresses; /* of each kind that it tells: 127.0.0.1, ... and 2001:db8::1, ... */
    bool no_ipv6;       /* of that kind none */
    atomic_uint code;   /* instead of addresses; may be changed while it runs */
    bool silent, silent_ipv6;
    bool garbage, empty; /* what comes is no answer, or no byte at all */
    bool loop;           /* the name stands for itself */
    bool forged;         /* each answer is to another question */
    unsigned flood;      /* forged ones before each */
    bool cut;            /* the answer is too long for UDP */
    bool hang_up;        /* at each question over TCP; it is not answered */

    char address[32];
    atomic_uint asked; /* questions that it is done with */
    int fd, listener;
    pthread_t thread;
};

void fake_dns_start(struct fake_dns *s);
void fake_dns_stop(struct fake_dns *s);

#endif
