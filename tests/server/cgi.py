#!/usr/bin/env python3
"""leaderboard.cgi answers requests as libleaderboard's handler does, under lighttpd and by itself."""

import base64
import concurrent.futures
import contextlib
import hashlib
import hmac
import json
import os
import pathlib
import subprocess
import time

from harness import DEADLINE, SERVER, Listener, add, check, connect, get, lbctl, read_all, request, run, same
from lighttpd import Lighttpd

GRIP = {"GRIP_URL": "http://localhost:5561/?key=changeme&verify-iss=pushpin", "GRIP_PREFIX": "leaderboard-"}


def fill():
    lbctl("board-create", "demo")
    for score, player in enumerate(["ann", "bob", "cy"], 1):
        lbctl("player-put", "demo", player)
        lbctl("score-add", "demo", player, str(score))


def token(key=b"changeme", **claims):
    """A JSON Web Token, HS256."""
    claims = {"iss": "pushpin", "exp": int(time.time()) + 60, **claims}
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
             for part in ({"typ": "JWT", "alg": "HS256"}, claims)]
    mac = hmac.new(key, b".".join(parts), hashlib.sha256).digest()
    return b".".join([*parts, base64.urlsafe_b64encode(mac).rstrip(b"=")]).decode()


def run_alone(**variables):
    """The program without a web server: the fields and the body that it prints."""
    path = pathlib.Path.cwd() / "leaderboard.db"
    done = subprocess.run([SERVER], stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE,
                          env={"DATABASE_URL": f"sqlite:{path}", "REQUEST_METHOD": "GET",
                               "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", ""), **variables})
    head, _, body = done.stdout.decode().partition("\r\n\r\n")
    fields = dict(line.split(": ", 1) for line in head.split("\r\n"))
    return done.returncode, fields, body, done.stderr.decode()


def test_requests():
    server = Lighttpd()
    same(get(server, "/boards/"), {"boards": []})
    status, fields, _ = request(server, "POST", "/boards/", '{"id":"demo"}', Content_Type="application/json")
    same((status, fields["Location"]), (201, "/boards/demo/"))
    status, fields, body = request(server, "PUT", "/boards/demo/players/ann/", "name=Ann+B",
                                   Content_Type="application/x-www-form-urlencoded")
    same((status, json.loads(body)["name"]), (200, "Ann B"))
    same(add(server, "demo", "ann", 7)["score"], 7)
    board = get(server, "/boards/demo/")
    same(board, {"players": [{"id": "ann", "name": "Ann B", "score": 7, "position": 1, "rank": 1}]})
    same(get(server, "/boards/demo/?limit=1&offset=1"), {"players": []})
    same(get(server, "/boards/demo/players/a%6En/?rank=1")["rank"], 1)
    status, fields, body = request(server, "GET", "/boards/demo")
    same(request(server, "GET", "/boards/demo", If_None_Match=fields["ETag"])[0], 304)
    status, head_fields, head_body = request(server, "HEAD", "/boards/demo")
    same((status, head_body, head_fields["ETag"]), (200, b"", fields["ETag"]))
    same(request(server, "DELETE", "/boards/demo/players/ann/")[::2], (204, b""))
    same(server.errors(), "", "standard error")


def test_errors():
    server = Lighttpd(LB_WRITE_KEY="key")
    fill()
    for method, target, want in [
            ("GET", "/boards/none/", 404), ("GET", "/boards/demo/players/x/y/z/", 404), ("PATCH", "/boards/demo/", 405),
            ("GET", "/boards/demo/?limit=0", 400), ("GET", "/boards/%zz/", 400), ("GET", "/boards/a%00b/", 400),
            ("PUT", "/boards/x/", 401)]:
        status, fields, body = request(server, method, target)
        same(status, want, f"{method} {target}")
        if b"error" in body:
            check(fields["Content-Type"].startswith("application/json"), fields)
    key = {"Authorization": "Bearer key"}
    same(request(server, "PUT", "/boards/x/", **key)[0], 201)
    for size, want in [(65536, 400), (65537, 413), (1000000, 413)]:
        same(request(server, "PUT", "/boards/x/", b"x" * size, Content_Type="application/json", **key)[0], want, size)


def test_body_in_chunks():
    server = Lighttpd()
    fill()
    with contextlib.closing(connect(server)) as client:
        client.sendall(b"POST /boards/demo/players/ann/score-add/ HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
                       b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
                       b"5\r\n{\"amo\r\n8\r\nunt\":41}\r\n0\r\n\r\n")
        head, _, body = read_all(client).partition(b"\r\n\r\n")
    check(b" 200 " in head, head)
    check(b'"score":42' in body, body)


def test_many_at_once():
    server = Lighttpd()
    fill()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: add(server, "demo", "ann", i), range(40)))
    same(get(server, "/boards/demo/players/ann/")["score"], 1 + sum(range(40)))


def test_direct_stream():
    """One event, and the time after which a browser comes again."""
    server = Lighttpd(**GRIP)
    fill()
    close = "Connection: close\r\n"
    listener = Listener(server, "/boards/demo/", fields=close)
    event = listener.next()
    same(listener.status, 200)
    check(listener.fields["content-type"].startswith("text/event-stream"), listener.fields)
    same(event["board"], get(server, "/boards/demo/"))
    same(listener.next(), None, "the end")
    same(listener.events.retry, 2000)
    again = Listener(server, "/boards/demo/", fields=f"{close}Last-Event-ID: {event['id']}\r\n")
    same(again.next(), None, "nothing new")
    same(again.events.retry, 2000)
    add(server, "demo", "ann", 10)
    again = Listener(server, "/boards/demo/", fields=f"{close}Last-Event-ID: {event['id']}\r\n")
    same(again.next()["board"]["players"][0]["id"], "ann", "something new")


def test_proxied_stream():
    server = Lighttpd(**GRIP)
    fill()
    status, fields, body = request(server, "GET", "/boards/demo/", Accept="text/event-stream", Grip_Sig=token())
    same((status, fields["Grip-Hold"]), (200, "stream"))
    channel, _, state = fields["Grip-Channel"].partition("; prev-id=")
    same(channel, "leaderboard-demo")
    check(f"id: {state}\n" in body.decode(), body)
    same(fields["Grip-Link"], "</boards/demo/?grip=next>; rel=next; timeout=60")
    status, fields, body = request(server, "GET", "/boards/demo/?grip=next", Accept="*/*", Grip_Sig=token(),
                                   Grip_Last=f"leaderboard-demo; last-id={state}")
    same((status, fields["Grip-Hold"], body), (200, "stream", b""))
    for wrong in [token(key=b"other"), token(exp=int(time.time()) - 1), token(iss="other"), "x"]:
        listener = Listener(server, "/boards/demo/", fields=f"Grip-Sig: {wrong}\r\n")
        check(listener.next(), "no event")
        check(not any(name.startswith("grip-") for name in listener.fields), listener.fields)
        same(request(server, "GET", "/boards/demo/?grip=next", Grip_Sig=wrong)[0], 403)


def test_not_set_up():
    for variables, word in [({"DATABASE_URL": ""}, "DATABASE_URL"), ({"DATABASE_URL": "nothing:"}, "database URL"),
                            ({"GRIP_URL": "http://localhost/"}, "verify-key")]:
        code, fields, body, said = run_alone(REQUEST_URI="/boards/", **variables)
        same((code, fields["Status"].split()[0]), (1, "500"))
        check(word in said and word not in body, said, body)


def test_variables():
    """The target is told in one of two ways."""
    fill()
    want = run_alone(REQUEST_URI="/boards/demo/?limit=2")
    same(want[0], 0)
    same(len(json.loads(want[2])["players"]), 2)
    same(run_alone(SCRIPT_NAME="/x.cgi", PATH_INFO="/boards/demo/", QUERY_STRING="limit=2"), want)
    same(run_alone(PATH_INFO="/boards/demo/", QUERY_STRING="", HTTP_ACCEPT="")[:3],
         run_alone(REQUEST_URI="/boards/demo/")[:3])
    same(run_alone()[1]["Status"].split()[0], "404")
    same(run_alone(PATH_INFO="/" + "x" * 10000)[1]["Status"].split()[0], "414")
    same(run_alone(REQUEST_METHOD="PUT", REQUEST_URI="/boards/b/", CONTENT_LENGTH="10",
                   CONTENT_TYPE="application/json")[1]["Status"].split()[0], "201")  # nothing came


if __name__ == "__main__":
    run("server/cgi", dict(globals()))
