#!/usr/bin/env python3
"""Starting and stopping leaderboard-server, its health, and its first board."""

import contextlib
import http.client
import json
import os
import random
import signal
import socket
import sqlite3
import struct
import subprocess
import threading

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


def post_while_locked(server, pending=1):
    client = connect(server)
    client.sendall(b"POST /boards/default/players/ts/score-add/ HTTP/1.1\r\nHost: test\r\n\r\n")
    until(lambda: server.metrics()["leaderboard_http_requests_pending"] == pending, "the request is pending")
    return client


def test_stop_with_many_streams():
    """Two hundred streams, writers that never pause, and one more in the middle of a request: it ends, and what was
    acknowledged is stored."""
    server = Server("--seed", "--quiet")
    listeners = [Listener(server, "/boards/default/") for _ in range(200)]
    for listener in listeners:
        check(listener.next())
    half = connect(server)
    half.sendall(b"POST /boards/default/players/ts/score-add/ HTTP/1.1\r\nHost: test\r\nContent-Length: 8\r\n\r\namo")
    acknowledged = [0] * 8
    writers = [threading.Thread(target=write_until_refused, args=(server, acknowledged, i)) for i in range(8)]
    for writer in writers:
        writer.start()
    until(lambda: sum(acknowledged) > 100, "the writers write")
    server.signal()
    server.ended()
    for writer in writers:
        writer.join(DEADLINE)
    for listener in listeners:
        while listener.next():
            pass
        check(listener.chunks.done, "a stream did not end as a reply ends")
    [(stored,)] = sql("SELECT score FROM players WHERE id = 'ts'")
    check(sum(acknowledged) <= stored <= sum(acknowledged) + 8, acknowledged, "acknowledged, and stored are", stored)


def write_until_refused(server, acknowledged, i):
    with contextlib.suppress(OSError, http.client.HTTPException):
        while True:
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=DEADLINE)) as client:
                for _ in range(20):
                    client.request("POST", "/boards/default/players/ts/score-add/")
                    reply = client.getresponse()
                    reply.read()
                    if reply.status != 200:
                        return
                    acknowledged[i] += 1


def test_stop_without_database():
    """The database does not come back: the server ends all the same, and says of the write that it may be lost."""
    server = Server("--seed", "--quiet")
    listener = Listener(server, "/boards/default/")
    check(listener.next())
    with locked():
        client = post_while_locked(server)
        server.signal()
        reply = read_all(client)
        server.ended()
    check(reply.startswith(b"HTTP/1.1 504 "), reply)
    while listener.next():
        pass
    check(listener.chunks.done, "the stream did not end as a reply ends")


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
    same(request(server, "GET", "/healthz")[::2], (503, b"not_found: there is no database yet\n"))
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


def test_health_tells_no_secrets():
    """Anybody may ask: where the database is and why it fails is for the log."""
    os.mkdir("secret")
    with open("secret/place.db", "wb") as file:
        file.write(b"no database\n" * 1000)
    server = Server("--create", database="sqlite:secret/place.db")
    for target in ["/healthz", "/boards/x/"]:
        status, _, body = request(server, "GET", target)
        check(status in (500, 503) and b"secret" not in body and b"place" not in body, target, status, body)
        until(lambda: request(server, "GET", target) and
              any(f" GET {target} {status} corrupt: " in line and "place.db" in line for line in server.said),
              f"the log says why {target} fails")
    same(request(server, "GET", "/healthz")[2].split(b":")[0], b"corrupt")


def test_failures_in_the_log():
    """Once a second for each kind, the others are counted, and nothing a client sends ends a line."""
    with open("leaderboard.db", "wb") as file:
        file.write(b"no database\n" * 1000)
    server = Server("--create")
    n = 300
    for _ in range(n):
        with contextlib.closing(connect(server)) as client:
            client.sendall(b"GET /boards/x/?\x1b[31m\"\\ HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
            check(read_all(client).startswith(b"HTTP/1.1 50"))
    server.stop()
    told = [line for line in server.said if " GET " in line]
    left_out = [int(line.split(" ")[1]) for line in server.said if " more requests failed with " in line]
    same(len(told) + sum(left_out), n, "requests that the log tells of")
    check(len(left_out) >= 1 and max(left_out) >= 2, server.said)
    for line in told:
        check(line.startswith("leaderboard-server: GET /boards/x/?\\x1b[31m\\x22\\x5c 50"), line)
        check(line.isascii() and line.isprintable(), line)


def test_health_while_writes_wait():
    """A database that somebody has locked answers, though a write waits."""
    server = Server("--seed")
    check(healthy(server))
    with locked():
        writers = [post_while_locked(server, i) for i in range(1, 11)]
        check(healthy(server))
        same(server.metrics()["leaderboard_http_requests_pending"], 10)
    for writer in writers:
        check(writer.recv(65536).startswith(b"HTTP/1.1 200 "))
        writer.close()


def test_probes_are_read_only():
    server = Server("--seed")
    for target in ["/healthz", "/metrics", "/metrics?x=1", "http://test/healthz"]:
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "FROB"]:
            status, fields, body = request(server, method, target)
            same((status, fields["Allow"]), (405, "GET, HEAD"), f"{method} {target}")
            same(json.loads(body)["error"]["code"], "method_not_allowed")
        for method in ["GET", "HEAD"]:
            same(request(server, method, target)[0], 200, f"{method} {target}")
    same(request(server, "GET", "/healthzz")[0], 404)


def test_who_waits_and_leaves():
    """A client that cuts its connection while its request waits is noticed. What it asked for may be done all the same.
    One that only says that it sends no more may still wait for the reply, and gets it."""
    server = Server("--seed")
    with locked():
        clients = [post_while_locked(server, i) for i in range(1, 6)]
        for client in clients[:4]:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
        clients[4].shutdown(socket.SHUT_WR)
        until(lambda: server.metrics()["leaderboard_http_requests_pending"] == 1, "one request is pending")
        until(lambda: server.metrics()["leaderboard_connections"] == 2, "its connection, and ours")
    check(clients[4].recv(65536).startswith(b"HTTP/1.1 200 "))
    clients[4].close()
    [(stored,)] = sql("SELECT score FROM players WHERE id = 'ts'")
    check(1 <= stored <= 5, stored)


def test_lengths():
    """A reply without a body says no wrong length of it."""
    server = Server("--seed")
    _, fields, body = request(server, "GET", "/boards/default/")
    for method, wanted, more in [("HEAD", 200, {}), ("GET", 304, {"If_None_Match": fields["ETag"]}),
                                 ("HEAD", 304, {"If_None_Match": fields["ETag"]})]:
        status, replied, nothing = request(server, method, "/boards/default/", **more)
        same((status, nothing), (wanted, b""), method)
        check(replied["Content-Length"] in (None, str(len(body))), method, status, replied["Content-Length"])
    for version in ["1.0", "1.1"]:
        with contextlib.closing(connect(server)) as client:
            client.sendall(f"HEAD /boards/default/ HTTP/{version}\r\nHost: test\r\nAccept: text/event-stream\r\n"
                           "Connection: close\r\n\r\n".encode())
            head, _, rest = read_all(client).partition(b"\r\n\r\n")
        check(b" 200 " in head and b"text/event-stream" in head and b"Content-Length" not in head, head)
        check(b"Connection: close" in head, head)
        same(rest, b"")


def test_blanks_behind_a_value():
    """They are no part of it."""
    server = Server("--create", env={"LB_WRITE_KEY": "sesame"})
    for key in [b"Bearer sesame", b"Bearer sesame \t "]:
        with contextlib.closing(connect(server)) as client:
            client.sendall(b"POST /boards/demo/players/a/score-add/ HTTP/1.1\r\nHost: test\r\nAuthorization: " + key +
                           b"\r\nIdempotency-Key: k1 \r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            check(read_all(client).startswith(b"HTTP/1.1 200 "), key)
    same(get(server, "/boards/demo/")["players"][0]["score"], 1)


def test_nothing_follows_chunks():
    """libmicrohttpd takes bare line feeds between them: what comes next must not be taken for a request."""
    server = Server("--create")
    post = b"POST /boards/demo/players/a/score-add/ HTTP/1.1\r\nHost: test\r\n"
    with contextlib.closing(connect(server)) as client:
        client.sendall(post + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + post + b"Content-Length: 0\r\n\r\n")
        head = read_all(client)
    check(head.count(b"HTTP/1.1 200 ") == 1 and b"Connection: close" in head, head)
    same(get(server, "/boards/demo/")["players"][0]["score"], 1)


def test_targets_come_as_they_are():
    server = Server("--seed")
    for method, target, status in [("GET", "/boards/%64efault/?limit=%31", 200), ("OPTIONS", "*", None),
                                   ("GET", "http://test/boards/default/?limit=1", None)]:
        with contextlib.closing(connect(server)) as client:
            client.sendall(f"{method} {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n".encode())
            got = read_all(client)
        check(status is None or got.startswith(f"HTTP/1.1 {status} ".encode()), target, got[:100])
        check(got.startswith(b"HTTP/1.1 "), target)
    server.stop()
    with open("access.log") as log:
        same([line.split(" ")[3] for line in log],
             ["/boards/%64efault/?limit=%31", "*", "http://test/boards/default/?limit=1"])


WRONG_ORIGINS = ["", " ", "example.org", "http://", "https://example.org/", "https://example.org/path",
                 "https://a.example,https://b.example", "https://*.example.org", "* https://example.org", "*,*",
                 "https://Example.org", "https://user@example.org", "https://example.org:", "https://example.org:x",
                 "https://example.org:443", "http://example.org:80", "null", "https://a.example b.example"]


def test_options_that_are_wrong():
    """One sentence, status 2, and nothing has been made."""
    for name in ["DATABASE_URL", "LB_WRITE_KEY", "PORT", "GRIP_URL", "GRIP_PREFIX"]:
        refused([], f"{name} is set, but empty", {name: ""})
    for port in ["abc", "65536", "-1", "1.5", " 80"]:
        refused([], "PORT takes a number from 0 to 65535", {"PORT": port})
    for url in ["http://", "localhost:5561", "ftp://localhost/", "http://localhost:5561/"]:
        refused(["--seed"], "grip", {"GRIP_URL": url})
    for url in ["mysql:x", "rethinkdb://", "sqlite:", "sqlite::memory:"]:
        refused(["--seed"], "", {"DATABASE_URL": url})
    for option in ["--relay", "--proxy-required"]:
        refused([option], f"{option} needs GRIP_URL")
    for option in ["--write-key=", "--database=", "--listen="]:
        refused([option], "is empty")
    for origins in WRONG_ORIGINS:
        refused(["--cors", origins], "--cors")
    for option in ["--idle-timeout=0", "--read-timeout=0", "--limit=0", "--max-connections=1", "--max-per-address=x"]:
        refused([option], option.partition("=")[0] + " takes a number from ")
    same(os.listdir(), [])


def refused(options, sentence, env=None):
    status, out, said = run_server(*options, env={"PORT": "0"} | (env or {}))
    same((status, out), (2, ""), f"{options} {env}")
    check(said.startswith("leaderboard-server: ") and said.count("\n") == 1 and sentence.lower() in said.lower(),
          options, env, said)


def test_options_that_are_right():
    origins = ["https://example.org", "http://localhost:8080", "http://[::1]:8080", "http://[::1]",
               "capacitor://localhost", "https://xn--bcher-kva.example"]
    server = Server("--seed", "--cors", "  ".join(origins), env={"LB_WRITE_KEY": "sesame"})
    for origin in origins:
        same(request(server, "GET", "/boards/default/", Origin=origin)[1]["Access-Control-Allow-Origin"], origin)
    same(request(server, "GET", "/boards/default/", Origin="http://localhost")[1]["Access-Control-Allow-Origin"], None)
    add_target = "/boards/default/players/ts/score-add/"
    same(request(server, "POST", add_target)[0], 401)
    same(request(server, "POST", add_target, Authorization="Bearer sesame")[0], 200)
    server = Server("--seed", "--cors", "*")
    check(request(server, "GET", "/boards/default/", Origin="https://any.example")[1]["Access-Control-Allow-Origin"])


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
