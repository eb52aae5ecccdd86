#!/usr/bin/env python3
"""Starting and stopping leaderboard-server, its health, and its first board."""

import contextlib
import os
import random
import signal
import socket
import sqlite3
import subprocess

from harness import (DEADLINE, SERVER, Listener, Server, add, check, connect, get, lbctl, read_all, request, run,
                     run_server, same, sql, until)

SEEDED = ["brandi", "brodie", "rene", "stan", "ts"]


def players():
    return sorted(row[0] for row in sql("SELECT id FROM players WHERE board = 'default'"))


def healthy(server):
    return request(server, "GET", "/healthz")[0] == 200


def test_stop():
    """Everything that is open ends properly: streams, connections without a request, half a request."""
    server = Server("--seed")
    listener = Listener(server, "/boards/default/")
    check(listener.next())
    idle, half = connect(server), connect(server)
    half.sendall(b"POST /boards/default/players/ts/score-add/ HTTP/1.1\r\nHost: te")
    until(lambda: server.metrics()["leaderboard_connections"] == 4, "all connections")
    server.stop()
    same(listener.next(), None)
    check(listener.chunks.done, "the stream did not end as a reply ends")
    same(read_all(idle), b"")
    same(read_all(half), b"")
    with contextlib.suppress(ConnectionRefusedError):
        connect(server)
        raise AssertionError("it still listens")


@contextlib.contextmanager
def locked():
    """Somebody else has the database locked."""
    with contextlib.closing(sqlite3.connect("leaderboard.db", timeout=DEADLINE, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        yield
        db.execute("COMMIT")


def post_while_locked(server):
    client = connect(server)
    client.sendall(b"POST /boards/default/players/ts/score-add/ HTTP/1.1\r\nHost: test\r\n\r\n")
    until(lambda: server.metrics()["leaderboard_http_requests_pending"] == 1, "the request is pending")
    return client


def test_stop_finishes_what_is_pending():
    server = Server("--seed")
    with locked():
        client = post_while_locked(server)
        server.signal()
        # It has stopped listening, so it knows; and it waits.
        until(lambda: not accepts(server), "it stops listening")
        same(server.process.poll(), None)
    reply = read_all(client)
    check(reply.startswith(b"HTTP/1.1 200 ") and b'"score":1' in reply, reply)
    check(b"Connection: close" in reply, reply)
    server.ended()


def accepts(server):
    with contextlib.closing(socket.socket()) as client:
        return client.connect_ex(("127.0.0.1", server.port)) == 0


def test_second_signal():
    server = Server("--seed")
    with locked():
        post_while_locked(server)
        server.signal()
        until(lambda: not accepts(server), "it stops listening")
        server.signal(signal.SIGINT)
        server.ended(-signal.SIGINT)


def test_port_taken():
    server = Server("--seed")
    status, _, said = run_server("--port", str(server.port), "--seed", "--database", "sqlite:other.db")
    same(status, 1)
    check(f"port {server.port} of 127.0.0.1 is taken" in said and "--port" in said, said)
    check(not os.path.exists("other.db"), "it has made a database")


def test_listen():
    for address, host in [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("localhost", "localhost")]:
        server = Server("--create", "--listen", address)
        with contextlib.closing(socket.create_connection((host, server.port), DEADLINE)) as client:
            client.sendall(b"GET /boards/ HTTP/1.0\r\n\r\n")
            check(b"HTTP/1." in read_all(client))
        server.stop()


def test_health():
    """No database, one that was taken away, one that is none: 503 each, and well again by itself."""
    server = Server("--create")
    check(not healthy(server), "there is no database yet")
    add(server, "demo", "alice")
    check(healthy(server))

    os.mkdir("away")
    files = [name for name in os.listdir() if name.startswith("leaderboard.db")]
    for name in files:
        os.rename(name, f"away/{name}")
    until(lambda: not healthy(server), "a database that is gone is noticed")
    status, _, body = request(server, "GET", "/healthz")
    check(status == 503 and len(body) > 10, body)
    for name in os.listdir("away"):
        os.rename(f"away/{name}", name)
    until(lambda: healthy(server), "the database is back")
    same(get(server, "/boards/demo/")["players"][0]["score"], 1)
    add(server, "demo", "alice")
    server.stop()

    os.rename("leaderboard.db", "good.db")
    with open("leaderboard.db", "wb") as file:
        file.write(b"no database\n" * 1000)
    server = Server("--create")
    check(not healthy(server), "that is no database")
    os.rename("good.db", "leaderboard.db")
    until(lambda: healthy(server), "the database is back")
    same(get(server, "/boards/demo/")["players"][0]["score"], 2)


def test_seed_once():
    server = Server("--seed")
    same(players(), SEEDED)
    add(server, "default", "rene", 3)
    server.stop()
    lbctl("player-remove", "default", "stan")
    Server("--seed").stop()
    same(players(), [name for name in SEEDED if name != "stan"], "players of a board that exists")
    same(sql("SELECT score FROM players WHERE id = 'rene'"), [(3,)])


def test_seed_leaves_others_alone():
    lbctl("board-create", "default")
    lbctl("player-put", "default", "ann")
    Server("--seed").stop()
    same(players(), ["ann"])


def test_seed_goes_on_after_a_crash():
    lbctl("board-create", "default")
    lbctl("player-put", "default", "ts", "--name", "TS")
    lbctl("player-put", "default", "brodie", "--name", "Brodie")
    Server("--seed").stop()
    same(players(), SEEDED)

    dice = random.Random(1)
    for _ in range(20):
        for name in os.listdir():
            if name.startswith("leaderboard.db"):
                os.remove(name)
        victim = subprocess.Popen([SERVER, "--port", "0", "--seed"], stderr=subprocess.DEVNULL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            victim.wait(dice.uniform(0, 0.03))  # any moment will do
        victim.kill()
        victim.wait()
        Server("--seed").stop()
        same(players(), SEEDED)


def test_two_seed_at_once():
    first, second = (subprocess.Popen([SERVER, "--port", "0", "--seed"], stderr=subprocess.PIPE) for _ in range(2))
    for server in (first, second):
        check(b"listening" in server.stderr.readline())
        server.terminate()
        same(server.wait(DEADLINE), 0)
        server.stderr.close()
    same(players(), SEEDED)


def test_limits():
    server = Server("--seed", "--max-connections", "5", "--idle-timeout", "1")
    clients = [connect(server) for _ in range(5)]
    clients[0].sendall(b"GET /boards/default/ HT")
    # There is no room for this one, until those are ended because nothing moves on them.
    same(len(get(server, "/boards/default/")["players"]), 5)
    for client in clients:
        read_all(client)
    server.stop()

    server = Server("--seed", "--max-per-address", "3")
    clients = [Listener(server, "/boards/default/") for _ in range(3)]
    for client in clients:
        check(client.next())
    same(read_all(connect(server)), b"", "what a fourth connection is told")
    clients[0].close()
    until(lambda: answers(server), "there is room again")


def answers(server):
    with contextlib.suppress(ConnectionError):
        return healthy(server)
    return False


def test_idle_timeout_spares_streams():
    server = Server("--seed", "--idle-timeout", "1")
    listener = Listener(server, "/boards/default/")
    check(listener.next())
    same(read_all(connect(server)), b"")  # takes as long as the timeout
    same(read_all(connect(server)), b"")
    add(server, "default", "ts", 9)
    listener.wait_score("ts", 9)


if __name__ == "__main__":
    run("server/operate", dict(globals()))
