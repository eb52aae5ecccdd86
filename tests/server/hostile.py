#!/usr/bin/env python3
"""Clients that behave badly: others are served meanwhile, and the memory of leaderboard-server stays bounded."""

import contextlib
import json
import random
import re
import socket
import threading

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


POST = b"POST /boards/demo/players/smuggled/score-add/ HTTP/1.1\r\n"
HIDDEN = POST + b"Host: test\r\n\r\n"

# Heads that two programs may read in two ways.
AMBIGUOUS = {
    "two lengths": POST + b"Host: test\r\nContent-Length: 0\r\nContent-Length: %d\r\n\r\n",
    "the same length twice": POST + b"Host: test\r\nContent-Length: %d\r\nContent-Length: %d\r\n\r\n",
    "a list of lengths": POST + b"Host: test\r\nContent-Length: %d, %d\r\n\r\n",
    "a signed length": POST + b"Host: test\r\nContent-Length: +%d\r\n\r\n",
    "length and coding": POST + b"Host: test\r\nContent-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding and length": POST + b"Host: test\r\nTransfer-Encoding: chunked\r\nContent-Length: %d\r\n\r\n0\r\n\r\n",
    "two codings": POST + b"Host: test\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
    "an unknown coding": POST + b"Host: test\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a coding behind another": POST + b"Host: test\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "a coding of HTTP/1.0": POST.replace(b"1.1", b"1.0") + b"Host: test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a blank before a colon": POST + b"Host: test\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "a tab before a colon": POST + b"Host: test\r\nContent-Length\t: %d\r\n\r\n",
    "a folded length": POST + b"Host: test\r\nContent-Length:\r\n %d\r\n\r\n",
    "a folded name": POST + b"Host: test\r\nContent-Length: %d\r\n x\r\n\r\n",
    "a folded field": POST + b"Host: test\r\nX-A: b\r\n\tc\r\n\r\n",
    "a field before the first": POST + b" Host: test\r\n\r\n",
    "a bare LF": POST + b"Host: test\nContent-Length: 0\r\n\r\n",
    "a bare LF behind the first line": POST.replace(b"\r", b"") + b"Host: test\r\n\r\n",
    "a bare LF at the end": POST + b"Host: test\r\n\n",
    "a bare CR": POST + b"Host: test\rContent-Length: 0\r\n\r\n",
    "a NUL": POST + b"Host: test\r\nX-A: b\0\r\n\r\n",
    "a name that is none": POST + b"Host: test\r\nX(A): b\r\n\r\n",
    "two hosts": POST + b"Host: test\r\nHost: other\r\n\r\n",
    "two blanks": POST.replace(b" /", b"  /") + b"Host: test\r\n\r\n",
}


def test_ambiguous():
    """They are refused and end their connection: what follows is no second request."""
    server = Server("--create")
    for name, head in AMBIGUOUS.items():
        head = head.replace(b"%d", str(len(HIDDEN)).encode())
        with contextlib.closing(connect(server)) as client:
            client.sendall(head + HIDDEN)
            got = read_all(client)
        # libmicrohttpd 0.9.75 sends the head of its own refusals twice.
        same(set(re.findall(rb"HTTP/1\.[01] (\d\d\d) ", got)), {b"400"}, name)
    same(request(server, "GET", "/boards/demo/players/smuggled/")[0], 404)
    # Nothing of this is ambiguous.
    with contextlib.closing(connect(server)) as client:
        client.sendall(POST + b"host:test\r\nX-Empty:\r\nX-Blanks: \t \r\nX-Utf8: \xc3\xa4\r\ncontent-length:  0\r\n" +
                       b"\r\n\r\n" + POST + b"Host: [::1]:80\r\nTransfer-Encoding: Chunked\r\n" +
                       b"Connection: close\r\n\r\n0\r\n\r\n")
        got = read_all(client)
    same(re.findall(rb"HTTP/1\.1 (\d\d\d) ", got), [b"200", b"200"])
    same(get(server, "/boards/demo/players/smuggled/")["score"], 2)


def test_ambiguous_is_said():
    server = Server("--create")
    with contextlib.closing(connect(server)) as client:
        client.sendall(AMBIGUOUS["length and coding"].replace(b"%d", b"5"))
        head, _, body = read_all(client).partition(b"\r\n\r\n")
    check(b"Content-Type: application/json" in head and b"Connection: close" in head, head)
    error = json.loads(body)["error"]
    check(error["code"] == "invalid" and "more than once" in error["message"], error)


def drip(client, ended):
    """A byte now and then, as long as the other side takes them."""
    with contextlib.suppress(ConnectionError):
        while not ended.wait(0.1):
            client.sendall(b"a")


def test_dripped():
    """Heads and bodies that always go on and never end are ended, also of a connection that was good before."""
    server = Server("--seed", "--read-timeout", "4", "--idle-timeout", "4")
    good = b"GET /boards/default/?limit=1 HTTP/1.1\r\nHost: test\r\n\r\n"
    begun = [b"", b"GET /boards/default/", b"GET /boards/default/ HTTP/1.1\r\nX-Slow: ",
             b"POST /boards/default/players/ts/score-add/ HTTP/1.1\r\nHost: test\r\nContent-Length: 60000\r\n\r\n",
             good + b"GET /boards/default/ HTTP/1.1\r\nX-Slow: ", good + b"G"]
    listener = Listener(server, "/boards/default/")
    check(listener.next())
    ended = threading.Event()
    clients = [connect(server) for _ in begun]
    drippers = [threading.Thread(target=drip, args=(client, ended), daemon=True) for client in clients]
    for client, piece, dripper in zip(clients, begun, drippers):
        client.sendall(piece)
        dripper.start()
    for client, piece in zip(clients, begun):
        got = read_all(client)
        check(got.startswith(b"HTTP/1.1 200 ") if piece.startswith(good) else got == b"", piece, got)
    ended.set()
    for client, dripper in zip(clients, drippers):
        dripper.join()
        client.close()
    add(server, "default", "ts", 3)
    listener.wait_score("ts", 3)


def test_streams_leave_room():
    """Streams can never be all of the connections: others are served, and a stream too many is told to come again."""
    server = Server("--seed", "--max-connections", "20")
    listeners = [Listener(server, "/boards/default/") for _ in range(18)]
    for listener in listeners:
        check(listener.next())
    for _ in range(40):
        with contextlib.closing(Listener(server, "/boards/default/")) as refused:
            same(refused.next(), None)
            same(refused.status, 503)
            same(refused.fields.get("retry-after"), "1")
            same(refused.fields.get("connection"), "close")
    same(request(server, "GET", "/healthz")[0], 200)
    same(server.metrics()["leaderboard_streams"], 18)
    add(server, "default", "ts", 5)
    listeners[0].wait_score("ts", 5)
    listeners.pop().close()
    until(lambda: Listener(server, "/boards/default/").next(), "there is room again")


def test_many_of_one_address():
    """Who can be reached from elsewhere gives one address a part only."""
    server = Server("--seed", "--listen", "0.0.0.0", "--max-connections", "30")
    clients = [Listener(server, "/boards/default/") for _ in range(3)]
    for client in clients:
        check(client.next())
    same(read_all(connect(server)), b"")
    server.kill()
    server = Server("--seed", "--listen", "0.0.0.0", "--max-connections", "30", "--max-per-address", "0")
    for _ in range(10):
        check(Listener(server, "/boards/default/").next())


if __name__ == "__main__":
    run("server/hostile", dict(globals()))
