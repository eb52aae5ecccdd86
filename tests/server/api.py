#!/usr/bin/env python3
"""leaderboard-server answers requests as libleaderboard's handler does, over HTTP/1.1 and 1.0."""

import contextlib
import json
import re
import socket

from harness import (Listener, Server, add, check, connect, get, lbctl, read_all, request, run, run_server, same, until)

DEMO = "/boards/demo/"


def test_article():
    """The two endpoints of the article, as its curl commands use them."""
    server = Server("--seed")
    board = get(server, "/boards/default/", Accept="*/*")
    same([row["name"] for row in board["players"]], ["TS", "Brodie", "Brandi", "Rene", "Stan"])
    listener = Listener(server, "/boards/default/")
    same(listener.next()["board"], board, "the first event")
    same(listener.status, 200)
    check(listener.fields["content-type"].startswith("text/event-stream"), listener.fields)

    status, fields, body = request(server, "POST", "/boards/default/players/rene/score-add/")
    same(status, 200)
    check(fields["Content-Type"].startswith("application/json"), fields)
    same(json.loads(body)["score"], 1)
    event = listener.next()
    same(event["event"], "update")
    same(event["board"]["players"][0],
         {"id": "rene", "name": "Rene", "score": 1, "position": 1, "rank": 1}, "the leader")
    same(event["board"], get(server, "/boards/default/"), "the event and the board")


def test_no_accept():
    server = Server("--seed")
    with contextlib.closing(connect(server)) as client:
        client.sendall(b"GET /boards/default/ HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        head, _, body = read_all(client).partition(b"\r\n\r\n")
    check(head.startswith(b"HTTP/1.1 200 "), head)
    same(len(json.loads(body)["players"]), 5)


def test_errors():
    server = Server("--seed")
    for method, target, want in [
            ("GET", "/boards/none/", 404), ("GET", "/elsewhere", 404), ("GET", "/boards/default/players/none/", 404),
            ("POST", "/boards/none/players/x/score-add/", 404), ("POST", "/boards/default/players/x/score-add/", 404),
            ("PATCH", "/boards/default/", 405), ("GET", "/boards/default/?limit=0", 400)]:
        status, fields, body = request(server, method, target)
        same(status, want, f"{method} {target}")
        check(fields["Content-Type"].startswith("application/json"), fields)
        check(json.loads(body), "no body")
        same("Allow" in fields, want == 405, "Allow")


def test_head():
    server = Server("--seed")
    for target in ["/boards/default/", "/boards/none/", "/metrics", "/healthz"]:
        status, fields, body = request(server, "GET", target)
        head_status, head_fields, nothing = request(server, "HEAD", target)
        same((head_status, nothing), (status, b""), target)
        if target != "/metrics":
            same(head_fields["Content-Length"], str(len(body)), f"length of {target}")


def test_create():
    server = Server("--create")
    same(add(server, "demo", "alice", 7)["score"], 7)
    same(get(server, DEMO)["players"][0]["id"], "alice")
    same(add(server, "demo", "alice", -3)["score"], 4)


def test_boards_and_players():
    """Made, listed, renamed and removed; some of these replies have no body."""
    server = Server()
    status, fields, _ = request(server, "POST", "/boards/", '{"id":"demo"}', Content_Type="application/json")
    same((status, fields["Location"]), (201, DEMO))
    same(request(server, "PUT", DEMO + "players/ann/", '{"name":"Ann"}', Content_Type="application/json")[0] // 100, 2)
    same(get(server, DEMO + "players/ann/")["name"], "Ann")
    same(len(get(server, "/boards/")["boards"]), 1)
    same(request(server, "DELETE", DEMO + "players/ann/")[0] // 100, 2)
    same(get(server, DEMO), {"players": []})
    same(request(server, "DELETE", DEMO)[0] // 100, 2)
    same(request(server, "GET", DEMO)[0], 404)


def test_not_modified():
    server = Server("--seed")
    tag = request(server, "GET", "/boards/default/")[1]["ETag"]
    status, fields, body = request(server, "GET", "/boards/default/", If_None_Match=tag)
    same((status, fields["ETag"], body), (304, tag, b""))
    add(server, "default", "ts")
    same(request(server, "GET", "/boards/default/", If_None_Match=tag)[0], 200)


def test_read_only():
    lbctl("score-add", "demo", "alice")
    server = Server("--read-only")
    same(request(server, "POST", DEMO + "players/alice/score-add/")[0], 403)
    same(get(server, DEMO)["players"][0]["score"], 1)


def test_write_key():
    server = Server("--create", env={"LB_WRITE_KEY": "sesame"})
    target = DEMO + "players/alice/score-add/"
    same(request(server, "POST", target)[0], 401)
    same(request(server, "POST", target, Authorization="Bearer sesam")[0], 401)
    same(request(server, "POST", target, Authorization="Bearer sesame")[0], 200)
    same(get(server, DEMO)["players"][0]["score"], 1)


def test_cors():
    server = Server("--seed", "--cors", "https://one.example https://two.example")
    _, fields, _ = request(server, "GET", "/boards/default/", Origin="https://two.example")
    same(fields["Access-Control-Allow-Origin"], "https://two.example")
    _, fields, _ = request(server, "GET", "/boards/default/", Origin="https://three.example")
    same(fields["Access-Control-Allow-Origin"], None)


def test_lines_of_one_name():
    """What stands in several lines of one name counts as if it stood in one."""
    server = Server("--seed")
    with contextlib.closing(connect(server)) as client:
        client.sendall(b"GET /boards/default/ HTTP/1.1\r\nHost: test\r\nAccept: text/html;q=0.1\r\n"
                       b"X: y\r\naccept: text/event-stream\r\n\r\n")
        got = b""
        while b"event: update" not in got:
            piece = client.recv(65536)
            check(piece, "no stream:", got)
            got += piece


def test_grip_url():
    """With proxies in front, who comes without one is served all the same; a bad URL is refused at the start."""
    server = Server("--seed", env={"GRIP_URL": "http://localhost:5561?key=changeme"})
    listener = Listener(server, "/boards/default/")
    check(listener.next())
    check("grip-hold" not in listener.fields, listener.fields)
    add(server, "default", "stan", 3)
    listener.wait_score("stan", 3)
    status, _, said = run_server("--port", "0", env={"GRIP_URL": "nonsense"})
    check(status == 1 and said.startswith("leaderboard-server: "), status, said)


def test_http_1_0():
    server = Server("--seed")
    with contextlib.closing(connect(server)) as client:
        client.sendall(b"GET /boards/default/ HTTP/1.0\r\n\r\n")
        head, _, body = read_all(client).partition(b"\r\n\r\n")
    check(b" 200 " in head.split(b"\r\n")[0], head)
    same(len(json.loads(body)["players"]), 5)

    listener = Listener(server, "/boards/default/", version="1.0")
    same(len(listener.next()["board"]["players"]), 5)
    check(listener.chunks is None, "chunks are not for HTTP/1.0")
    add(server, "default", "stan", 3)
    listener.wait_score("stan", 3)


def test_bodies():
    server = Server("--create")
    target = DEMO + "players/alice/score-add/"
    same(json.loads(request(server, "POST", target, "amount=5",
                            Content_Type="application/x-www-form-urlencoded")[2])["score"], 5)
    padded = '{"amount":1' + " " * 60000 + "}"
    same(json.loads(request(server, "POST", target, padded, Content_Type="application/json")[2])["score"], 6)
    same(request(server, "POST", target, "x" * 65537, Content_Type="application/json")[0], 413)
    same(request(server, "POST", target, "x" * 2000000, Content_Type="application/json")[0], 413)
    same(get(server, DEMO)["players"][0]["score"], 6)


def test_chunked_body():
    server = Server("--create")
    with contextlib.closing(connect(server)) as client:
        client.sendall(b"POST /boards/demo/players/alice/score-add/ HTTP/1.1\r\nHost: test\r\nConnection: close\r\n"
                       b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
                       b'8\r\n{"amount\r\n4\r\n":42\r\n1\r\n}\r\n0\r\n\r\n')
        head, _, body = read_all(client).partition(b"\r\n\r\n")
    check(b" 200 " in head.split(b"\r\n")[0], head)
    same(json.loads(body)["score"], 42)


def test_pipelined():
    """Fifty requests in one piece are answered one by one, in order."""
    server = Server("--create")
    one = (b"POST /boards/demo/players/alice/score-add/ HTTP/1.1\r\nHost: test\r\n"
           b"Content-Type: application/json\r\nContent-Length: 12\r\n\r\n" b'{"amount":1}')
    last = b"GET /boards/demo/ HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
    with contextlib.closing(connect(server)) as client:
        client.sendall(one * 49 + last)
        got = read_all(client)
    scores = [int(score) for score in re.findall(rb'"score":(\d+)', got)]
    same(scores, list(range(1, 50)) + [49])


def test_idempotency_key():
    server = Server("--create")
    target = DEMO + "players/alice/score-add/"
    first = request(server, "POST", target, Idempotency_Key="k1")
    again = request(server, "POST", target, Idempotency_Key="k1")
    same((again[0], again[2]), (first[0], first[2]))
    same(get(server, DEMO)["players"][0]["score"], 1)


def test_keep_alive():
    """One connection for many requests; half of it closed is no reason to withhold the reply."""
    server = Server("--create")
    with contextlib.closing(connect(server)) as client:
        client.sendall(b"GET /boards/demo/ HTTP/1.1\r\nHost: test\r\n\r\n")
        check(client.recv(65536).startswith(b"HTTP/1.1 404 "))
        client.sendall(b"POST /boards/demo/players/alice/score-add/ HTTP/1.1\r\nHost: test\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        check(read_all(client).startswith(b"HTTP/1.1 200 "))


def test_access_log():
    server = Server("--create")
    with contextlib.closing(connect(server)) as client:
        client.sendall(b"GET /boards/\x1b[31m\"/ HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        read_all(client)
    add(server, "demo", "alice")
    server.stop()
    with open("access.log", "rb") as log:
        lines = log.read().decode("ascii").splitlines()
    for line in lines:
        check(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z 127\.0\.0\.1 \S+ \S+ \d+ \d+ \d+\.\d", line), line)
    check(any(r" GET /boards/\x1b[31m\x22/ 4" in line for line in lines), lines)
    check(any(" POST /boards/demo/players/alice/score-add/ 200 " in line for line in lines), lines)


def test_quiet():
    server = Server("--create", "--quiet")
    add(server, "demo", "alice")
    server.stop()
    with open("access.log", "rb") as log:
        same(log.read(), b"")


def test_metrics():
    server = Server("--create")
    before = server.metrics()
    add(server, "demo", "alice")
    request(server, "GET", "/boards/none/")
    after = server.metrics()
    for name, more in [("leaderboard_http_requests_total", 2), ('leaderboard_http_replies_total{status="2xx"}', 1),
                       ('leaderboard_http_replies_total{status="4xx"}', 1)]:
        same(after[name] - before[name], more, name)
    check(after["leaderboard_store_operations_total"] > before["leaderboard_store_operations_total"])
    check(after["process_resident_memory_bytes"] > 1000000)
    check(after["process_cpu_seconds_total"] > 0)
    until(lambda: server.metrics()["leaderboard_connections"] == 1, "one connection, that of the question")
    body = request(server, "GET", "/metrics")[2].decode()
    for line in body.splitlines():
        check(re.fullmatch(r"# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{status=\"\dxx\"\})? [0-9.e+]+", line), line)


def test_options():
    for options, text in [(["--port", "70000"], "--port takes a number from 0 to 65535"), (["--frob"], "frob"),
                          (["extra"], '"extra" is no option'), (["--max-connections", "0"], "--max-connections")]:
        status, _, said = run_server(*options)
        same(status, 2, options)
        check(text in said, said)
    status, _, said = run_server(env={"PORT": "http"})
    check(status == 2 and "PORT takes a number" in said, said)
    status, out, _ = run_server("--help")
    check(status == 0 and "--write-key" in out, out)
    status, _, said = run_server("--port", "0", "--database", "mysql:x")
    check(status == 1 and said.startswith("leaderboard-server: "), said)
    status, _, said = run_server("--port", "0", "--listen", "192.0.2.1")
    check(status == 1 and "no address of this machine" in said, said)
    status, _, said = run_server("--port", "0", "--max-connections", "1000", descriptors=500)
    check(status == 1 and "ulimit -Hn" in said, said)


if __name__ == "__main__":
    run("server/api", dict(globals()))
