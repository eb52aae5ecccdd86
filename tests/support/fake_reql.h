/* A RethinkDB that does what a real one will not do: a thread with a script, on loopback.
 *
 *     static void script(struct fake *f)
 *     {
 *         struct fake_query q;
 *         fake_accept(f);
 *         fake_shake(f, NULL);
 *         CHECK(fake_read(f, &q));
 *         fake_answer(f, q.token, "{\"t\":1,\"r\":[1]}");
 *         fake_wait_end(f);
 *     }
 *
 * A CHECK that does not hold in the script fails the test. */
#ifndef FAKE_REQL_H
#define FAKE_REQL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fake {
    uint16_t port;
    int listener, fd; /* -1 = none */
    pthread_t thread;
    void (*script)(struct fake *f);
    void *user;
    size_t chunk; /* bytes that are sent at a time; 0 = all */
};

/* What to do otherwise than a real server. */
struct fake_shake {
    const char *hello; /* instead of the first message, with its NUL written as \0 */
    size_t hello_len;
    uint64_t iterations; /* 0 = 1 */
    bool wrong_nonce, short_nonce, wrong_signature, no_success;
    const char *challenge; /* instead of the whole second message */
    const char *refusal;   /* instead of the signature */
    unsigned delay_ms;     /* before the signature */
    bool silent_after_hello;
};

struct fake_query {
    int64_t token;
    uint32_t len;
    char text[4096]; /* with NUL; cut if longer */
};

void fake_start(struct fake *f, void (*script)(struct fake *f), void *user);

/* Waits for the end of the script. */
void fake_join(struct fake *f);

/* The same for a script that accepts for ever: its fake_try_accept() fails. */
void fake_stop(struct fake *f);

/* For the script. */
bool fake_try_accept(struct fake *f);
void fake_accept(struct fake *f);
void fake_close(struct fake *f);
void fake_reset(struct fake *f);    /* RST instead of FIN */
void fake_wait_end(struct fake *f); /* reads until the client goes */
void fake_shake(struct fake *f, const struct fake_shake *how);
bool fake_read(struct fake *f, struct fake_query *ret); /* false: the client has gone */
void fake_expect(struct fake *f, const char *text, int64_t *ret_token);
void fake_answer(struct fake *f, int64_t token, const char *json);
void fake_send(struct fake *f, const void *bytes, size_t n);
void fake_header(struct fake *f, int64_t token, uint32_t len);

#endif
