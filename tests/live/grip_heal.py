#!/usr/bin/env python3
"""leaderboard-server behind a real Pushpin: each of database, proxy, relay and server is killed and started again, as
whoever keeps programs running does, and live streams go on by themselves. And: the server's own relay, ES256.
"""

import base64
import contextlib
import http.client
import os
import pathlib
import select
import shutil
import subprocess
import sys
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "server"))

from grip import PREFIX, Pushpin, Relay, free_ports  # noqa: E402
from harness import (DEADLINE, Listener, RethinkDB, Server, Skip, add, check, get, request, run,  # noqa: E402
                     run_server, same, sql, until)

ROUNDS = int(os.environ.get("ROUNDS", "1"))
BOARD, SEEDED = "demo", "default"
SERVICE = "fastly:0123456789abcdef"


class EventSource:
    """One listener who connects again whenever its stream ends or is refused, and says what it had last."""

    def __init__(self, proxy):
        self.proxy = proxy
        self.id = ""
        self.scores = {}
        self.connects = 0
        self.connect()

    def connect(self):
        self.connects += 1
        fields = f"Last-Event-ID: {self.id}\r\n" if self.id else ""
        self.listener = None
        with contextlib.suppress(ConnectionRefusedError):
            self.listener = Listener(self.proxy, f"/boards/{BOARD}/", fields=fields)
            self.listener.socket.settimeout(1)

    def turn(self):
        if not self.listener or self.listener.ended or self.listener.status not in (None, 200):
            if self.listener:
                self.listener.close()
            select.select([], [], [], 0.1)  # the reconnection time
            self.connect()
            return
        with contextlib.suppress(TimeoutError):
            self.listener.read()
        for event in self.listener.waiting:
            self.id = event["id"]
            self.show({row["id"]: row["score"] for row in event["board"]["players"]})
        self.listener.waiting.clear()

    def show(self, scores):
        for player, score in scores.items():
            check(score >= self.scores.get(player, 0), "it saw", player, "fall from", self.scores, "to", scores)
        self.scores = scores

    def wait_score(self, player, score):
        end = time.monotonic() + DEADLINE
        while self.scores.get(player) != score:
            check(time.monotonic() < end, player, "is never shown with", score, "but with", self.scores)
            self.turn()


class World:
    def __init__(self, database):
        self.database = database
        self.port, control, self.origin = free_ports(3)
        self.url = f"http://127.0.0.1:{control}/?key=changeme"
        self.start_server()
        self.score = self.added = 0
        self.add()
        self.proxy = Pushpin(self.origin, self.port, control, BOARD)
        self.relay = Relay("relay", database, self.url)
        self.listener = EventSource(self.proxy)
        self.listener.wait_score("ann", self.score)

    def start_server(self):
        self.server = Server("--create", "--quiet", "--port", str(self.origin), "--grip-timeout", "3600",
                             database=self.database, env={"GRIP_URL": self.url, "GRIP_PREFIX": PREFIX})

    def add(self):
        """Repeated until it is applied, once."""
        self.added += 1
        until(self.is_added, "an add is applied")
        self.score += 1

    def is_added(self):
        with contextlib.suppress(OSError, http.client.HTTPException):
            status, _, body = request(self.server, "POST", f"/boards/{BOARD}/players/ann/score-add/",
                                      Idempotency_Key=f"add-{self.added}")
            check(status in (200, 503, 504), "an add was answered with", status, body)
            return status == 200
        return False

    def lives(self, after):
        """An add reaches the listener; and the next, which comes by way of the relay or not before the link's time."""
        for _ in range(2):
            self.add()
            self.listener.wait_score("ann", self.score)
        until(self.relay.is_active, f"the relay is active after {after}")

    def kill_proxy(self):
        self.proxy.crash()
        self.proxy.start()

    def kill_relay(self):
        self.relay.crash()
        self.relay.start()

    def kill_server(self):
        self.server.process.kill()
        self.server.process.wait()
        self.start_server()

    def try_all(self, *more):
        self.lives("nothing")
        for _ in range(ROUNDS):
            for kill in [self.kill_proxy, self.kill_relay, self.kill_server, *more]:
                connects = self.listener.connects
                kill()
                self.lives(kill.__name__)
                if kill == self.kill_proxy:
                    check(self.listener.connects > connects, "the listener's stream did not end")
                elif kill == self.kill_relay:
                    same(self.listener.connects, connects, "connects without a relay")


def test_sqlite():
    World("sqlite:leaderboard.db").try_all()


def test_rethinkdb():
    with contextlib.closing(RethinkDB(".")) as database:
        world = World(database.url)

        def kill_database():
            database.kill()
            database.start()

        world.try_all(kill_database, kill_database)
        for kill in (kill_database, world.kill_server, world.kill_relay, world.kill_proxy):
            kill()
        world.lives("all at once")


# ---- The server's own relay --------------------------------------------------------------------------------------

def served():
    """A server with a relay, and Pushpin before it."""
    port, control, origin = free_ports(3)
    server = Server("--seed", "--quiet", "--relay", "--port", str(origin),
                    env={"GRIP_URL": f"http://127.0.0.1:{control}/?key=changeme", "GRIP_PREFIX": PREFIX})
    return server, Pushpin(origin, port, control, SEEDED)


def listen(server, proxy, *, held):
    """A listener, after a look at who keeps the stream."""
    counters = ("leaderboard_holds_total", "leaderboard_streams_total")
    before = server.metrics()
    listener = Listener(proxy, f"/boards/{SEEDED}/")
    check(listener.next(), "the stream has ended; status", listener.status)
    after = server.metrics()
    same([after[name] - before[name] for name in counters], [held, not held], "holds and streams")
    return listener


def test_own_relay():
    """One program does it all; what was added last is published before it ends, and another server takes over."""
    server, proxy = served()
    until(lambda: server.metrics()["leaderboard_relay_active"] == 1, "the relay is active")
    listener = listen(server, proxy, held=True)
    add(server, "default", "rene", 5)
    listener.wait_score("rene", 5)
    sql("UPDATE players SET score = 7 WHERE id = 'stan'")
    listener.wait_score("stan", 7)
    label = f'{{proxy="http://127.0.0.1:{proxy.control}"}}'
    metrics = server.metrics()
    check(metrics[f"leaderboard_push_published_total{label}"] >= 2, metrics)
    same(metrics[f"leaderboard_push_lost_total{label}"], 0)

    standby = Server("--quiet", "--relay", env={"GRIP_URL": f"http://127.0.0.1:{proxy.control}/?key=changeme",
                                                "GRIP_PREFIX": PREFIX})
    same(standby.metrics()["leaderboard_relay_active"], 0, "a second active relay")
    add(server, "default", "rene", 3)
    server.stop()
    until(lambda: standby.metrics()["leaderboard_relay_active"] == 1, "the other one takes over")
    # Published, since nobody answers what the proxy asks.
    listener.wait_score("rene", 8)
    listener.close()


def test_relay_needs_a_proxy():
    for option in ("--relay", "--proxy-required"):
        status, _, said = run_server("--port", "0", option)
        same(status, 2, option)
        check("grip_url" in said.lower(), said)


def test_a_route_that_changes_the_path():
    """Without a relay: what is new comes only by the next link, which has to lead through the route."""
    port, control, origin = free_ports(3)
    server = Server("--seed", "--quiet", "--port", str(origin), "--base-path", "/api", "--grip-timeout", "2",
                    env={"GRIP_URL": f"http://127.0.0.1:{control}/?key=changeme", "GRIP_PREFIX": PREFIX})
    proxy = Pushpin(origin, port, control, SEEDED)
    with open("routes", "a", encoding="ascii") as routes:
        routes.write(f"*,path_beg=/api,path_rem=4 127.0.0.1:{origin}\n")
    proxy.restart()
    until(proxy.ready, "Pushpin answers again")
    listener = Listener(proxy, f"/api/boards/{SEEDED}/")
    check(listener.next(), "the stream has ended; status", listener.status)
    add(server, SEEDED, "rene", 5)
    listener.wait_score("rene", 5)
    listener.close()
    status, fields, _ = request(proxy, "GET", f"/api/boards/{SEEDED}/?limit=1")
    same((status, fields["Link"].split("?")[0]), (200, f"</api/boards/{SEEDED}/"))


# ---- ES256 -------------------------------------------------------------------------------------------------------

def make_key(name):
    if not shutil.which("openssl"):
        raise Skip("no openssl on PATH")
    commands = [f"openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out {name}.key",
                f"openssl pkey -in {name}.key -pubout -out {name}.pub"]
    for command in commands:
        subprocess.run(command, shell=True, check=True, stderr=subprocess.DEVNULL)
    return pathlib.Path(f"{name}.pub").read_text()


def signed(verify_key, *options, env=None):
    """Pushpin that signs with ec.key, and a server that checks with another file's public key."""
    port, control, origin = free_ports(3)
    given = {"verify-iss": SERVICE, **({"verify-key": verify_key} if verify_key else {})}
    url = f"http://127.0.0.1:{control}/?key=changeme&" + urllib.parse.urlencode(given, quote_via=urllib.parse.quote)
    server = Server("--seed", "--quiet", "--port", str(origin), *options,
                    env={"GRIP_URL": url, "GRIP_PREFIX": PREFIX, **(env or {})})
    return server, Pushpin(origin, port, control, SEEDED, SERVICE, f"file:{pathlib.Path.cwd()}/ec.key")


def test_es256():
    server, proxy = signed(make_key("ec"))
    listener = listen(server, proxy, held=True)
    same(server.metrics()["leaderboard_bad_signatures_total"], 0)
    listener.close()


def test_es256_key_of_the_environment():
    """As Fastly's guides have it."""
    key = base64.b64encode(make_key("ec").encode()).decode()
    server, proxy = signed(None, env={"GRIP_VERIFY_KEY": f"base64:{key}"})
    listen(server, proxy, held=True).close()
    same(server.metrics()["leaderboard_bad_signatures_total"], 0)


def test_es256_another_key():
    make_key("ec")
    server, proxy = signed(make_key("other"))
    listener = listen(server, proxy, held=False)
    check(server.metrics()["leaderboard_bad_signatures_total"] >= 1)
    add(server, "default", "rene", 2)
    listener.wait_score("rene", 2)
    listener.close()


def test_es256_proxy_required():
    key = make_key("ec")
    server, proxy = signed(key, "--proxy-required")
    same(request(proxy, "GET", "/boards/default/")[0], 200, "a page")
    same(request(server, "GET", "/boards/default/", Accept="text/event-stream")[0], 501, "a direct stream")
    listen(server, proxy, held=True).close()


def test_es256_another_key_proxy_required():
    make_key("ec")
    server, proxy = signed(make_key("other"), "--proxy-required")
    same(request(proxy, "GET", "/boards/default/", Accept="text/event-stream")[0], 501)
    same(len(get(proxy, "/boards/default/")["players"]), 5, "rows of a page")


if __name__ == "__main__":
    run("live/grip_heal", dict(globals()))
