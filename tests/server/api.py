#!/usr/bin/env python3
"""leaderboard-server answers requests as libleaderboard's handler does, over HTTP/1.1 and 1.0; on the store that
--store names."""

import concurrent.futures
import contextlib
import json
import re
import socket
import time

from harness import (Listener, Server, add, check, connect, get, lbctl, on_rethinkdb, read_all, request, run,
                     run_server, same, shell, until)

DEMO = "/boards/demo/"
JSON = {"Content_Type": "application/json"}


def ids(page):
    return [row["id"] for row in page["players"]]


def code(reply):
    """Of an error: its status and what programs look at."""
    status, _, body = reply
    return status, json.loads(body)["error"]["code"]


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


def test_accept():
    """By q-values, not by what comes first."""
    server = Server("--seed")
    for accept, want in [("text/event-stream;q=0.5, application/json", "application/json"),
                         ("application/json;q=0.5, text/event-stream;charset=utf-8", "text/event-stream"),
                         ("text/html,application/xhtml+xml,*/*;q=0.8", "application/json"),
                         ("text/event-stream;q=0, */*", "application/json"),
                         ("TEXT/Event-Stream", "text/event-stream"), ("", "application/json")]:
        with contextlib.closing(connect(server)) as client:
            client.sendall(f"GET /boards/default/ HTTP/1.1\r\nHost: test\r\nAccept: {accept}\r\n\r\n".encode())
            head = b""
            while b"\r\n\r\n" not in head:
                piece = client.recv(65536)
                check(piece, accept, "is answered with", head)
                head += piece
        check(head.startswith(b"HTTP/1.1 200 "), accept, head)
        check(f"content-type: {want}".encode() in head.partition(b"\r\n\r\n")[0].lower(), accept, head)
    same(code(request(server, "GET", "/boards/default/", Accept="text/html")), (406, "not_acceptable"))


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


def test_ids():
    """Whatever an id in a target is made of, it is a right one, or 400 with a code, and the store is not asked."""
    server = Server("--create")
    longest = f"/boards/{'b' * 40}/players/{'p' * 64}/"
    same(request(server, "POST", longest + "score-add/")[0], 200)
    same(get(server, longest)["score"], 1)
    same(add(server, "a.b_c~d-E9", "%61lice")["id"], "alice")
    for wrong in ["b" * 65, "b" * 5000, "a%20b", "%2F", "%00", "%ff", "%0d%0a", "a%", "%zz", "%252e", "a+b", "*", "$ne",
                  "%C3%A4", "'--", "%22"]:
        for method, target in [("GET", f"/boards/{wrong}/"), ("GET", f"/boards/demo/players/{wrong}/"),
                               ("POST", f"/boards/{wrong}/players/x/score-add/"),
                               ("POST", f"/boards/demo/players/{wrong}/score-add/"), ("PUT", f"/boards/{wrong}/"),
                               ("DELETE", f"/boards/demo/players/{wrong}/")]:
            same(code(request(server, method, target)), (400, "invalid"), f"{method} {target}")
    same(code(request(server, "PUT", f"/boards/{'b' * 41}/")), (400, "invalid"))
    same(len(get(server, "/boards/")["boards"]), 2)


def test_names():
    """A name comes back as it went in, on the page, alone and in an event."""
    server = Server("--seed")
    listener = Listener(server, "/boards/default/")
    for name in ["A & B &amp; <b>", "back\\", "\"quoted\" 'twice'", "</script>", "\N{OWL}",
                 "data: x", " a ", "null", "%s%n", "é"]:
        status, _, body = request(server, "PUT", "/boards/default/players/ts/", json.dumps({"name": name}), **JSON)
        same((status, json.loads(body)["name"]), (200, name))
        same(get(server, "/boards/default/players/ts/")["name"], name)
        check(name in [row["name"] for row in get(server, "/boards/default/")["players"]], "not on the page:", name)
        listener.wait_for(lambda board: name in [row["name"] for row in board["players"]], name)
    for name in ["", "x" * 65, "a\nb", "a\0b", "\x85", "\u2028"]:
        same(code(request(server, "PUT", "/boards/default/players/ts/", json.dumps({"name": name}), **JSON)),
             (400, "invalid"), repr(name))
    same(get(server, "/boards/default/players/ts/")["name"], "é")


def test_concurrent_adds():
    """Each is told the score that it has made, not somebody else's."""
    server = Server("--create", "--quiet")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        scores = list(pool.map(lambda _: add(server, "demo", "alice")["score"], range(80)))
    same(sorted(scores), list(range(1, 81)))


def test_adds_to_who_is_removed():
    """Applied or not there, and nothing else."""
    server = Server("--quiet")
    same(request(server, "PUT", DEMO)[0], 201)
    target = DEMO + "players/alice/"

    def change(i):
        if i % 4 == 0:
            return i, *request(server, "PUT", target)[::2]
        if i % 4 == 1:
            return i, *request(server, "DELETE", target)[::2]
        return i, *request(server, "POST", target + "score-add/")[::2]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for i, status, body in pool.map(change, range(200)):
            if status == 404:
                check(i % 4 > 0, "a player cannot be made")
                same(json.loads(body)["error"]["code"], "not_found")
            else:
                same(status, 204 if i % 4 == 1 else 200, body)


def test_ties():
    """Who has reached a score first stays ahead, and the same rank is shared. The id decides within one millisecond,
    which is what RethinkDB's clock has."""
    server = Server("--create")
    for player in ["zoe", "bob", "ann"]:
        add(server, "demo", player, 10)
        begun = time.time_ns() // 1000000
        until(lambda: time.time_ns() // 1000000 > begun + 1, "the clock moves on")
    add(server, "demo", "cy", 9)
    page = get(server, DEMO)
    same(ids(page), ["zoe", "bob", "ann", "cy"])
    same([(row["position"], row["rank"]) for row in page["players"]], [(1, 1), (2, 1), (3, 1), (4, 4)])
    add(server, "demo", "zoe", 0)
    add(server, "demo", "bob", -1)
    add(server, "demo", "bob", 1)
    same(ids(get(server, DEMO)), ["zoe", "ann", "bob", "cy"])
    same(Listener(server, DEMO).next()["board"], get(server, DEMO))
    same([get(server, f"{DEMO}players/{player}/?rank=1")["rank"] for player in ["bob", "cy"]], [1, 4])


def test_pages():
    """Other boards' players are none of a board's, and the links lead to all of its own, once."""
    server = Server("--create", "--quiet")
    same(request(server, "PUT", "/boards/laps/", '{"ascending":true}', **JSON)[0], 201)
    for i in range(12):
        add(server, "demo", f"p{i:02}", i // 2)
        add(server, "laps", f"q{i:02}", i)
    seen, target = [], DEMO + "?limit=5"
    while target:
        status, fields, body = request(server, "GET", target)
        same(status, 200)
        seen += json.loads(body)["players"]
        link = re.fullmatch(r'<(.*)>; rel="next"', fields["Link"] or "")
        target = link and link[1]
    same(sorted(row["id"] for row in seen), [f"p{i:02}" for i in range(12)])
    same([row["score"] for row in seen], sorted((i // 2 for i in range(12)), reverse=True))
    same(ids(get(server, "/boards/laps/?limit=3&offset=2")), ["q02", "q03", "q04"])
    same(ids(get(server, "/boards/laps/")), [f"q{i:02}" for i in range(5)], "five rows unless asked for more")
    same(len(get(server, "/boards/laps/players/?limit=1000")["players"]), 12)


def test_options_method():
    server = Server("--seed", "--cors", "https://one.example")
    for target, allow in [("/boards/", "GET, HEAD, POST, OPTIONS"),
                          ("/boards/default/", "GET, HEAD, PUT, DELETE, OPTIONS"),
                          ("/boards/default/players/ts/score-add/", "POST, OPTIONS")]:
        status, fields, body = request(server, "OPTIONS", target)
        same((status, fields["Allow"], body), (204, allow, b""))
    asked = {"Access_Control_Request_Method": "POST"}
    _, fields, _ = request(server, "OPTIONS", "/boards/default/", Origin="https://one.example", **asked)
    check("PUT" in fields["Access-Control-Allow-Methods"], fields)
    _, fields, _ = request(server, "OPTIONS", "/boards/default/", Origin="https://two.example", **asked)
    same(fields["Access-Control-Allow-Methods"], None)


def test_foreign_page():
    """A browser that is lured to another site changes nothing for it."""
    server = Server("--seed", "--cors", "https://one.example")
    target = "/boards/default/players/ts/score-add/"
    for told in [{"Origin": "https://two.example"}, {"Origin": "null"}, {"Sec_Fetch_Site": "cross-site"},
                 {"Origin": "https://two.example", "Sec_Fetch_Site": "same-site"}]:
        same(code(request(server, "POST", target, **told)), (403, "foreign_origin"), told)
    same(get(server, "/boards/default/players/ts/")["score"], 0)
    same(request(server, "POST", target, Origin="https://one.example")[0], 200)


def test_query_of_a_write():
    """What belongs in the body and stands in the query is not passed over."""
    server = Server("--seed")
    for method, target in [("POST", "players/ts/score-add/?amount=7"), ("PUT", "players/ts/?name=x"),
                           ("PUT", "?ascending=true"), ("POST", "players/?id=new")]:
        same(code(request(server, method, "/boards/default/" + target)), (400, "invalid"), target)
    same(request(server, "POST", "/boards/default/players/ts/score-add/?other=7")[0], 200)
    same(get(server, "/boards/default/players/ts/")["score"], 1)


def test_player_is_there():
    """Creating is no renaming."""
    server = Server("--seed")
    for name, want in [("New", 201), ("New", 200), ("Newer", 409)]:
        same(request(server, "POST", "/boards/default/players/", json.dumps({"id": "new", "name": name}), **JSON)[0], want)
    same(get(server, "/boards/default/players/new/")["name"], "New")


def test_whole_url():
    """As proxies ask for it, and servers must understand it."""
    server = Server("--seed")
    same(len(json.loads(request(server, "GET", "http://test.example/boards/default/")[2])["players"]), 5)
    same(request(server, "POST", "http://test.example/boards/default/players/ts/score-add/",
                 Origin="http://test.example")[0], 200)
    same(request(server, "OPTIONS", "*")[0], 204)


def test_range():
    """Beyond the numbers that every client has, nothing is changed."""
    server = Server("--create")
    most = 2 ** 53 - 1
    same(add(server, "demo", "alice", most)["score"], most)
    target = DEMO + "players/alice/score-add/"
    same(code(request(server, "POST", target)), (409, "range"))
    for amount in ["1.5", "1e3", '"7"', "9007199254740992", "-9007199254740992", "null", "01", "NaN", "1" * 400]:
        same(code(request(server, "POST", target, f'{{"amount":{amount}}}', **JSON)), (400, "invalid"), amount)
    same(get(server, DEMO + "players/alice/")["score"], most)


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
    add_two = '{"amount":2}'
    same(request(server, "PUT", DEMO + "players/bob/")[0], 200)
    same(request(server, "POST", DEMO + "players/bob/score-add/", add_two, **JSON)[0], 200)
    same(request(server, "DELETE", DEMO)[0] // 100, 2)
    for method, target in [("GET", DEMO), ("GET", DEMO + "players/bob/"), ("POST", DEMO + "players/bob/score-add/"),
                           ("DELETE", DEMO + "players/bob/"), ("DELETE", DEMO)]:
        same(code(request(server, method, target)), (404, "not_found"), f"{method} {target}")
    # No player outlives a board.
    same(request(server, "PUT", DEMO)[0], 201)
    same(get(server, DEMO), {"players": []})
    same(request(server, "GET", DEMO + "players/bob/")[0], 404)


def test_board_removed_by_the_shell():
    """Its players are not there without it. SQLite removes them; RethinkDB knows nothing of one table's rows belonging
    to another's, so whoever removes a board in this way, and not by lbctl or over HTTP, has to remove them, too."""
    server = Server("--create")
    add(server, "demo", "alice", 3)
    shell(sqlite="DELETE FROM boards WHERE id = 'demo'", rethinkdb='db.table("boards").get("demo").delete()')
    until(lambda: request(server, "GET", DEMO)[0] == 404, "the board is gone")
    for target in (DEMO + "players/alice/", DEMO + "players/alice/?rank=1", DEMO + "players/"):
        same(code(request(server, "GET", target)), (404, "not_found"), target)
    same(add(server, "demo", "alice", 5)["score"], 8 if on_rethinkdb() else 5)
    same(ids(get(server, DEMO)), ["alice"])


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
    check(status == 2 and said.startswith("leaderboard-server: "), status, said)


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
    check(status == 2 and said.startswith("leaderboard-server: "), said)
    status, _, said = run_server("--port", "0", "--listen", "192.0.2.1")
    check(status == 1 and "no address of this machine" in said, said)
    status, _, said = run_server("--port", "0", "--max-connections", "1000", descriptors=500)
    check(status == 1 and "ulimit -Hn" in said, said)


if __name__ == "__main__":
    run("server/api", dict(globals()))
