#!/usr/bin/env python3
"""leaderboard.cgi under lighttpd, behind a real Pushpin, with lbctl-relay beside it: a program that lives for one
request has live event streams."""

import concurrent.futures
import contextlib
import ctypes
import http.client
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import types

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "server"))

from harness import (DEADLINE, Listener, Server, Skip, add, check, die_with_us, get, lbctl, request,  # noqa: E402
                     run, same, until)
from lighttpd import Lighttpd, free_port  # noqa: E402

RELAY = os.environ.get("LBCTL_RELAY")
PREFIX = "leaderboard-"
LISTENERS = 20


class Program:
    """One that stays, in the list of what is to be ended after the test."""

    def __init__(self, arguments, log, preexec, env=None):
        self.said = []
        self.path = pathlib.Path(log)
        self.log = open(log, "ab")
        self.process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                        env=dict(os.environ, **(env or {})), preexec_fn=preexec)
        Server.all.append(self)

    def text(self):
        return self.path.read_text(errors="replace")

    def alive(self):
        check(self.process.poll() is None, self.process.args[0], "has ended:", self.text()[-500:])

    def stop(self):
        self.process.terminate()
        self.process.wait(DEADLINE)
        self.log.close()
        self.said = self.text().splitlines()
        check("Sanitizer" not in self.text(), "a sanitizer complains")

    def kill(self):
        # A Pushpin that is killed leaves its children behind: it is asked to end, always.
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait()
        self.log.close()


def answers(port, path, accept="*/*"):
    """The status, None if there is none within a second: what Pushpin loses while it starts it never answers."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=1)) as connection:
            connection.request("GET", path, headers={"Accept": accept})
            return connection.getresponse().status
    return None


def ask_to_end_with_us():
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


class Pushpin(Program):
    """Debian's, which expects a zurl that runs as a service: this one starts its own."""

    def __init__(self, origin, control, key="changeme"):
        if not shutil.which("pushpin"):
            raise Skip("no pushpin on PATH")
        here = pathlib.Path.cwd()
        if len(str(here)) > 60:
            raise Skip("the path of the directory is too long for the sockets of pushpin")
        self.port, self.control = free_port(), control
        pathlib.Path("run").mkdir()
        pathlib.Path("log").mkdir()
        # Nobody is behind /ready: the answer to it is the proxy's own.
        pathlib.Path("routes").write_text(f"* 127.0.0.1:{origin.port}\n*,path_beg=/ready 127.0.0.1:1\n")
        pathlib.Path("pushpin.conf").write_text(
            "[global]\n"
            "include={libdir}/internal.conf\n"
            f"rundir={here}/run\n"
            "[runner]\n"
            "services=condure,zurl,pushpin-proxy,pushpin-handler\n"
            f"http_port=127.0.0.1:{self.port}\n"
            f"logdir={here}/log\n"
            "[proxy]\n"
            f"routesfile={here}/routes\n"
            "sig_iss=pushpin\n"
            f"sig_key={key}\n"
            "zurl_out_specs=ipc://{rundir}/{ipc_prefix}zurl-in\n"
            "zurl_out_stream_specs=ipc://{rundir}/{ipc_prefix}zurl-in-stream\n"
            "zurl_in_specs=ipc://{rundir}/{ipc_prefix}zurl-out\n"
            "[handler]\n"
            "push_in_http_addr=127.0.0.1\n"
            f"push_in_http_port={control}\n"
            "message_rate=0\n"
            "message_wait=200\n"
            "id_cache_ttl=60\n")
        super().__init__(["pushpin", "--config=pushpin.conf", "-m"], "pushpin.log", ask_to_end_with_us)
        until(self.ready, "Pushpin answers")

    def ready(self):
        self.alive()
        # It answers before it can hold.
        return (answers(self.control, "/") == 200 and answers(self.port, "/ready") == 502 and
                answers(self.port, "/boards/ready/", "text/event-stream") == 200)


class World:
    """Web server, proxy and relay, and the board demo with the player ann."""

    def __init__(self, key="changeme", relay=True):
        control = free_port()
        url = f"http://127.0.0.1:{control}/?key=changeme"
        lbctl("board-create", "ready")
        lbctl("board-create", "demo")
        lbctl("player-put", "demo", "ann")
        self.origin = Lighttpd(GRIP_URL=url, GRIP_PREFIX=PREFIX)
        self.proxy = Pushpin(self.origin, control, key)
        if relay:
            database = f"sqlite:{pathlib.Path.cwd()}/leaderboard.db"
            self.relay = Program([RELAY, "--database", database, "--grip-url", url, "--prefix", PREFIX, "--interval",
                                  "10"], "relay.log", die_with_us)
            until(lambda: "is the active one" in self.relay.text(), "the relay is active")


    def recover(self):
        """Has the proxy ask by the next link; of a listener that is so new that it is not asked for yet, it asks
        within a second."""
        same(request(types.SimpleNamespace(port=self.proxy.control), "POST", "/recover/", "")[0], 200)


def rows(event):
    return {row["id"]: row["score"] for row in event["board"]["players"]}


def test_live():
    """The first state at once, then every change, whoever makes it; a stream that stays open."""
    world = World()
    listener = Listener(world.proxy, "/boards/demo/")
    first = listener.next()
    same((listener.status, rows(first)), (200, {"ann": 0}))
    check(listener.fields["content-type"].startswith("text/event-stream"), listener.fields)
    check(not any(name.startswith("grip-") for name in listener.fields), listener.fields)
    same(listener.events.retry, 2000)
    add(world.origin, "demo", "ann", 5)
    listener.wait_score("ann", 5)
    add(world.proxy, "demo", "ann", 1)
    listener.wait_score("ann", 6)
    lbctl("score-add", "demo", "ann", "3")
    last = listener.wait_score("ann", 9)
    # What the relay says is what a page says.
    status, fields, body = request(world.origin, "GET", "/boards/demo/")
    same(f'"{last["id"]}"', fields["ETag"], "the id")
    same(last["data"] + "\n", body.decode(), "the data")
    check(not listener.ended, "the stream has ended")
    listener.close()


def test_listeners_converge():
    """Listeners come while the board changes: each ends with the last state, and none goes back in time."""
    world = World()
    with concurrent.futures.ThreadPoolExecutor(LISTENERS + 1) as pool:
        writer = pool.submit(lambda: [add(world.origin, "demo", "ann") for _ in range(100)])

        def listen(i):
            until(lambda: get(world.origin, "/boards/demo/players/ann/")["score"] >= i * 4, "the writer writes")
            listener = Listener(world.proxy, "/boards/demo/")
            scores = []
            while not scores or scores[-1] < 100:
                event = listener.next()
                check(event, "the stream has ended after", scores)
                scores.append(rows(event)["ann"])
            listener.close()
            return scores

        for scores in pool.map(listen, range(LISTENERS)):
            same(scores, sorted(set(scores)), "scores of a listener")
        writer.result()


def test_without_a_relay():
    """The next link alone brings what was missed."""
    world = World(relay=False)
    listener = Listener(world.proxy, "/boards/demo/")
    same(rows(listener.next()), {"ann": 0})
    add(world.origin, "demo", "ann", 2)
    world.recover()
    listener.wait_score("ann", 2)
    listener.close()


def test_board_deleted():
    """The stream ends, and who comes again hears that there is no such board."""
    world = World()
    listener = Listener(world.proxy, "/boards/demo/")
    same(rows(listener.next()), {"ann": 0})
    lbctl("board-delete", "demo")
    same(listener.next(), None, "what comes after")
    check(listener.ended, "the stream goes on")
    same(request(world.proxy, "GET", "/boards/demo/", Accept="text/event-stream")[0], 404)


def test_board_deleted_without_a_relay():
    """The next link's answer ends it."""
    world = World(relay=False)
    listener = Listener(world.proxy, "/boards/demo/")
    same(rows(listener.next()), {"ann": 0})
    lbctl("board-delete", "demo")
    world.recover()
    same(listener.next(), None, "what comes after")
    check(listener.ended, "the stream goes on")


def test_another_key():
    """A proxy that signs otherwise is nobody: its listeners get what direct ones do."""
    world = World(key="other", relay=False)
    listener = Listener(world.proxy, "/boards/demo/", fields="Connection: close\r\n")
    same(rows(listener.next()), {"ann": 0})
    same(listener.next(), None, "the end")
    same(request(world.proxy, "GET", "/boards/demo/?grip=next")[0], 403)


if __name__ == "__main__":
    run("live/pushpin_cgi", dict(globals()))
