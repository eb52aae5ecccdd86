#!/usr/bin/env python3
"""Clients that come and go in every way: leaderboard-server keeps nothing of them. CHURN says how many."""

import contextlib
import os
import random
import socket
import struct

from harness import Server, add, check, connect, get, run, same, until

CHURN = int(os.environ.get("CHURN", "10000"))
BATCH = 100

STREAM = b"GET /boards/default/ HTTP/1.1\r\nHost: test\r\nAccept: text/event-stream\r\n\r\n"
PLAIN = b"GET /boards/default/ HTTP/1.1\r\nHost: test\r\n\r\n"
WRITE = b"POST /boards/default/players/ts/score-add/ HTTP/1.1\r\nHost: test\r\n\r\n"


def leave(client, dice):
    """Politely, or with a reset."""
    if dice.random() < 0.5:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def round_of(server, dice, n):
    """n clients send something, nothing, or half of it; read a little, or not; and go in any order."""
    clients = []
    for _ in range(n):
        client = connect(server)
        asked = dice.choice([STREAM, STREAM, PLAIN, WRITE, PLAIN + STREAM, b""])
        cut = dice.choice([len(asked), len(asked), dice.randrange(len(asked) + 1)])
        client.sendall(asked[:cut])
        if asked and cut == len(asked) and dice.random() < 0.5:
            client.recv(dice.choice([1, 100, 65536]))
        clients.append(client)
    dice.shuffle(clients)
    for client in clients:
        with contextlib.suppress(OSError):
            leave(client, dice)


def is_empty(server):
    metrics = server.metrics()
    return metrics["leaderboard_streams"] == 0 and metrics["leaderboard_connections"] == 1 and \
        metrics["leaderboard_http_requests_pending"] == 0


def test_churn():
    # libmicrohttpd does not notice the end of what comes together with half a request.
    server = Server("--seed", "--quiet", "--idle-timeout", "2")
    dice = random.Random(3)
    round_of(server, dice, BATCH)
    until(lambda: is_empty(server), "all have gone")
    before = server.memory()
    for _ in range(max(1, CHURN // BATCH)):
        round_of(server, dice, BATCH)
    add(server, "default", "ts")
    until(lambda: is_empty(server), "all have gone")
    same(len(get(server, "/boards/default/")["players"]), 5)
    most = 256 << 20 if server.sanitized() else 8 << 20
    check(server.memory() - before < most, "memory has grown by", server.memory() - before)
    server.stop()  # where the sanitizer looks for leaks


if __name__ == "__main__":
    run("server/churn", dict(globals()))
