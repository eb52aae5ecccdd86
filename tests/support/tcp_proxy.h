/* A TCP proxy on loopback, between a client and a server of a test: everything that a network does
 * to a connection, when the test says so. It runs in a thread of its own.
 *
 *     struct tcp_proxy *p = tcp_proxy_start(server_port);
 *     ... connect to tcp_proxy_port(p) ...
 *     tcp_proxy_stall(p, TCP_PROXY_BOTH);
 *     tcp_proxy_stop(p);
 *
 * Each call takes effect before it returns, for all connections, those to come too. Without one it
 * passes everything on at once. It buffers little, so that a stalled or slow side holds back the
 * other one. */
#ifndef TCP_PROXY_H
#define TCP_PROXY_H

#include <stdbool.h>
#include <stdint.h>

/* Directions. */
enum { TCP_PROXY_UP = 1, TCP_PROXY_DOWN = 2, TCP_PROXY_BOTH = 3 }; /* UP: to the server */

/* How a connection is cut. */
enum tcp_proxy_cut {
    TCP_PROXY_FIN, /* closed: what was passed on is still read */
    TCP_PROXY_RST, /* reset: what was passed on and not read yet may be lost */
};

struct tcp_proxy;

/* Passes connections on to 127.0.0.1:target. Owns: end it with tcp_proxy_stop(). */
struct tcp_proxy *tcp_proxy_start(uint16_t target);

/* Cuts everything and frees it. */
void tcp_proxy_stop(struct tcp_proxy *p);

/* The port on 127.0.0.1 to connect to; the same one for its life. */
uint16_t tcp_proxy_port(const struct tcp_proxy *p);

/* Where connections that are made from now on go. */
void tcp_proxy_set_target(struct tcp_proxy *p, uint16_t target);

/* Reads nothing in these directions any more, nor notices that a side closes; connections are still
 * taken. 0: goes on. */
void tcp_proxy_stall(struct tcp_proxy *p, int directions);

/* At most so many bytes a second in these directions, all connections together. 0: no limit. */
void tcp_proxy_throttle(struct tcp_proxy *p, int directions, uint32_t bytes_per_second);

/* Cuts all connections. */
void tcp_proxy_cut(struct tcp_proxy *p, enum tcp_proxy_cut how);

/* Cuts all connections once exactly so many more bytes went in that direction, of all connections
 * together. 0: at once. Once only. */
void tcp_proxy_cut_after(struct tcp_proxy *p, int direction, uint64_t bytes,
                         enum tcp_proxy_cut how);

/* Refuses new connections, or takes them again. */
void tcp_proxy_refuse(struct tcp_proxy *p, bool refuse);

struct tcp_proxy_counts {
    uint64_t accepted, cut; /* connections */
    uint64_t up, down;      /* bytes passed on */
    unsigned open;          /* connections now */
};

struct tcp_proxy_counts tcp_proxy_count(struct tcp_proxy *p);

#endif
