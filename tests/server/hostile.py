#!/usr/bin/env python3
"""Clients that behave badly: others are served meanwhile, and the memory of leaderboard-server stays bounded."""

import contextlib
import random
import re
import socket

from harness import Listener, Server, add, check, connect, fill, get, read_all, request, run, same, until

# More than any of these tests may add. The address sanitizer keeps and surrounds what is freed.
GROWTH = 48 << 20
GROWTH_SANITIZED = 400 << 20


@contextlib.contextmanager
def bounded(server):
    """What happens inside must not cost more memory than it may, and afterwards all is as before."""
    add(server, "demo", "witness")
    listener = Listener(server, "/boards/demo/")
    before = server.memory()
    yield
    most = GROWTH_SANITIZED if server.sanitized() else GROWTH
    check(server.memory() - before < most, "memory has grown by", server.memory() - before)
    served(server, listener)
    listener.close()


def served(server, listener):
    score = add(server, "demo", "witness")["score"]
    listener.wait_score("witness", score)
    same(get(server, "/boards/demo/players/witness/")["score"], score)
    same(request(server, "GET", "/healthz")[0], 200)


def test_half_sent():
    """Two hundred heads and bodies that stop in the middle keep nobody else waiting, and are ended."""
    server = Server("--create", "--quiet", "--idle-timeout", "2")
    post = b"POST /boards/demo/players/x/score-add/ HTTP/1.1\r\nHost: test\r\n"
    begun = [b"G", post[:-3], post + b"Content-Length: 60000\r\n\r\nabc",
             post + b"Transfer-Encoding: chunked\r\n\r\nff\r\n"]
    with bounded(server):
        clients = [connect(server) for _ in range(200)]
        for i, client in enumerate(clients):
            client.sendall(begun[i % len(begun)])
        for _ in range(20):
            add(server, "demo", "other")
        for client in clients:
            read_all(client)
    same(get(server, "/boards/demo/players/other/")["score"], 20)
    same(request(server, "GET", "/boards/demo/players/x/")[0], 404)


def test_heads_that_do_not_fit():
    """Targets beyond what a connection has memory for leave nothing behind: the sanitizer would tell at the end."""
    server = Server("--create", "--quiet", "--idle-timeout", "2")
    targets = ["/boards/demo/?" + "&".join("p=1" for _ in range(1000)), "/boards/" + "x" * 15500]
    with bounded(server):
        for i in range(300):
            client = connect(server)
            client.sendall(f"GET {targets[i % 2]} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
            client.close()
    server.stop()


def test_never_read():
    """Streams and piles of large replies that nobody takes."""
    server = Server("--create", "--quiet", "--limit", "200")
    fill("demo", 200)
    with bounded(server):
        clients = [Listener(server, "/boards/demo/", receive_buffer=4096) for _ in range(50)]
        for _ in range(50):
            client = connect(server, receive_buffer=4096)
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                for _ in range(20):
                    client.send(b"GET /boards/demo/?limit=1000 HTTP/1.1\r\nHost: test\r\n\r\n" * 50)
            clients.append(client)
        other = Listener(server, "/boards/demo/")
        for i in range(1, 31):
            add(server, "demo", "p000")
            other.wait_score("p000", i)
    for client in [*clients, other]:
        client.close()
    until(lambda: server.metrics()["leaderboard_streams"] == 0, "the streams are gone")


def test_random_bytes():
    server = Server("--create", "--quiet", "--idle-timeout", "2")
    dice = random.Random(7)
    with bounded(server):
        for i in range(300):
            client = connect(server)
            noise = bytes(dice.choices(b"GETPOST /HTTP1.:?%&=\r\n\r\n\0\xff boards", k=dice.randrange(1, 3000)))
            if i % 2:
                noise = b"GET /boards/demo/" + noise
            with contextlib.suppress(ConnectionError):
                client.sendall(noise)
                client.shutdown(socket.SHUT_WR)
            got = read_all(client)
            for status in re.findall(rb"HTTP/1\.1 (\d+) ", got):
                check(int(status) in (200, 400, 404, 405, 413, 414, 431, 501, 505), status, noise)
            client.close()


def test_heads_too_large():
    server = Server("--create", "--quiet")
    with bounded(server):
        for piece in [b"X-Flood: " + b"y" * 1000 + b"\r\n", b"A: b\r\n", b"x" * 4096]:
            client = connect(server)
            sent = 0
            with contextlib.suppress(ConnectionError):
                client.sendall(b"GET /boards/demo/ HTTP/1.1\r\nHost: test\r\n")
                while sent < 4 << 20:
                    client.sendall(piece)
                    sent += len(piece)
            check(sent < 4 << 20, "it takes heads without end")
            client.close()
        client = connect(server)
        with contextlib.suppress(ConnectionError):
            client.sendall(b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        got = read_all(client)
        check(got.startswith(b"HTTP/1.1 414 "), got[:100])


def test_bodies_too_large():
    """Two megabytes are refused, without end the connection is."""
    server = Server("--create", "--quiet")
    with bounded(server):
        for _ in range(20):
            same(request(server, "POST", "/boards/demo/players/x/score-add/", b"x" * 2000000)[0], 413)
        for head, piece in [(b"Content-Length: 99999999999", b"x" * 65536),
                            (b"Transfer-Encoding: chunked", b"10000\r\n" + b"x" * 65536 + b"\r\n")]:
            client = connect(server)
            sent = 0
            with contextlib.suppress(ConnectionError):
                client.sendall(b"POST /boards/demo/players/x/score-add/ HTTP/1.1\r\nHost: test\r\n" + head)
                client.sendall(b"\r\n\r\n")
                while sent < 64 << 20:
                    client.sendall(piece)
                    sent += len(piece)
            check(sent < 64 << 20, "it takes bodies without end")
            client.close()


def test_pipelined_without_end():
    """Who sends requests and never takes a reply is not read further."""
    server = Server("--create", "--quiet")
    with bounded(server):
        clients = [connect(server, receive_buffer=4096) for _ in range(20)]
        for client in clients:
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                # More than the system keeps for both sides of a connection.
                for _ in range(15000):
                    client.send(b"GET /boards/demo/ HTTP/1.1\r\nHost: test\r\n\r\n" * 100)
                raise AssertionError("it reads without end")
    for client in clients:
        client.close()


if __name__ == "__main__":
    run("server/hostile", dict(globals()))
