#!/usr/bin/env python3
"""Live boards through a real Pushpin: how long from an add to the event, beside what Pushpin itself takes from a
publication to the event, and how many changed boards a second a relay publishes.

usage: bench_grip [ADDS [BOARDS]]
"""

import contextlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "server"))

from grip import PREFIX, Pushpin, Relay, free_ports  # noqa: E402
from harness import LBCTL, Listener, RethinkDB, Server, Skip, until  # noqa: E402

ADDS = int(sys.argv[1]) if len(sys.argv) > 1 else 50
BOARDS = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
ROUNDS, PLAYERS = 4, 5
INTERVAL_S = 0.13  # longer than the relay waits between two states of a board: the next one is not held back for that


def percentile(samples, p):
    return sorted(samples)[int(p * (len(samples) - 1))]


def say(what, samples, beside=None):
    p50, p99 = percentile(samples, 0.5), percentile(samples, 0.99)
    ratio = f"   {p50 / percentile(beside, 0.5):5.2f} x   {p99 / percentile(beside, 0.99):5.2f} x" if beside else ""
    print(f"{what:34} {p50 * 1000:8.2f} {p99 * 1000:8.2f}{ratio}", flush=True)


# ---- Latency -----------------------------------------------------------------------------------------------------

class Scene:
    """A board with one listener behind Pushpin; its server has the relay, or a program beside it."""

    def __init__(self, database, own_relay):
        port, control, origin = free_ports(3)
        url = f"http://127.0.0.1:{control}/?key=changeme"
        self.server = Server("--create", "--quiet", "--port", str(origin), *(["--relay"] if own_relay else []),
                             database=database, env={"GRIP_URL": url, "GRIP_PREFIX": PREFIX})
        self.connection = http.client.HTTPConnection("127.0.0.1", origin)
        self.score = 0
        self.add("live")
        self.add("straight")
        self.proxy = Pushpin(origin, port, control, "live")
        if not own_relay:
            relay = Relay("relay", database, url)
            until(relay.is_active, "the relay is active")
        self.listener = self.listen("live")

    def listen(self, board):
        listener = Listener(self.proxy, f"/boards/{board}/")
        self.last = listener.next()
        # A second after the first subscription of a channel Pushpin asks for what is new.
        time.sleep(1.5)
        return listener

    def add(self, board):
        self.connection.request("POST", f"/boards/{board}/players/ann/score-add/")
        self.score = json.loads(self.connection.getresponse().read())["score"]

    def adds(self):
        """How long until the adds' replies, and until their events."""
        replies, samples = [], []
        for _ in range(ADDS):
            time.sleep(INTERVAL_S)
            begun = time.monotonic()
            self.add("live")
            replies.append(time.monotonic() - begun)
            self.listener.wait_score("ann", self.score)
            samples.append(time.monotonic() - begun)
        return replies, samples

    def publications(self):
        """Straight to Pushpin's control port, states like those of a relay."""
        listener, samples, last = self.listen("straight"), [], self.last["id"]
        for i in range(ADDS):
            rows = {"players": [{"id": "ann", "name": "ann", "score": 1000 + i, "position": 1, "rank": 1}]}
            event = f"event: update\nid: {i:032x}\ndata: {json.dumps(rows)}\n\n"
            body = json.dumps({"items": [{"channel": PREFIX + "straight", "id": f"{i:032x}", "prev-id": last,
                                          "formats": {"http-stream": {"content": event}}}]}).encode()
            time.sleep(INTERVAL_S)
            begun = time.monotonic()
            # As few calls as a client in C would make.
            with contextlib.closing(socket.create_connection(("127.0.0.1", self.proxy.control))) as control:
                control.sendall(b"POST /publish/ HTTP/1.1\r\nHost: bench\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                listener.wait_score("ann", 1000 + i)
                samples.append(time.monotonic() - begun)
            last = f"{i:032x}"
        return samples


def latency(name, database):
    scene = Scene(database, own_relay=False)
    straight = scene.publications()
    say("a publication straight to Pushpin", straight)
    replies, samples = scene.adds()
    say(f"add to reply, {name}", replies)
    say("add to event", samples, straight)
    end()
    enter(f"{name[0]}own")
    scene = Scene(database, own_relay=True)
    say("  with the server's own relay", scene.adds()[1], straight)
    end()


# ---- Boards per second -------------------------------------------------------------------------------------------

def write_boards(path, score):
    with open(path, "w") as file:
        for i in range(BOARDS):
            for k in range(PLAYERS if score == 0 else 1):
                file.write(json.dumps({"board": f"b{i}", "id": f"p{k}", "score": score + k}) + "\n")


def load(database, score):
    write_boards("boards.jsonl", score)
    subprocess.run([LBCTL, "--database", database, "import-boards", "boards.jsonl"], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def throughput(name, database):
    """All boards change while the relay stands still; then it has to make up for that."""
    port, control, origin = free_ports(3)
    server = Server("--create", "--quiet", "--relay", "--port", str(origin), database=database,
                    env={"GRIP_URL": f"http://127.0.0.1:{control}/?key=changeme", "GRIP_PREFIX": PREFIX})
    load(database, 0)
    Pushpin(origin, port, control, "b0")
    published = f'leaderboard_push_published_total{{proxy="http://127.0.0.1:{control}"}}'

    def quiet():
        before = server.metrics()[published]
        time.sleep(1)
        return server.metrics()[published] == before >= BOARDS

    until(quiet, "the relay has published what was there")
    took = cpu = 0
    for i in range(ROUNDS):
        before = server.metrics()
        server.signal(signal.SIGSTOP)
        load(database, 100 * (i + 1))
        server.signal(signal.SIGCONT)
        begun = time.monotonic()
        until(lambda: server.metrics()[published] >= before[published] + BOARDS, "all boards are published")
        took += time.monotonic() - begun
        after = server.metrics()
        cpu += after["process_cpu_seconds_total"] - before["process_cpu_seconds_total"]
        if after["leaderboard_relay_activations_total"] != before["leaderboard_relay_activations_total"]:
            print("    it lost its lease meanwhile: hints were published, not boards")
    print(f"{name:34} {BOARDS * ROUNDS / took:8.0f} boards/s, {cpu / took * 100:3.0f} % of a processor, "
          f"{cpu / (BOARDS * ROUNDS) * 1e6:.0f} us each", flush=True)
    end()


# ------------------------------------------------------------------------------------------------------------------

def enter(name):
    os.mkdir(name)
    os.chdir(name)


def end():
    """Of all that was started, the newest first; and the directory that it was in."""
    for program in reversed(Server.all):
        program.kill()
    Server.all.clear()
    os.chdir("..")


def measure(name, database):
    """The database is a function: it gives the address of one, empty, in the current directory."""
    for what in (latency, throughput):
        enter(f"{name[0]}{what.__name__[0]}")
        with contextlib.ExitStack() as stack:
            what(name, database(stack))


def sqlite(stack):
    return f"sqlite:{pathlib.Path.cwd()}/leaderboard.db"


def rethinkdb(stack):
    return stack.enter_context(contextlib.closing(RethinkDB("."))).url


def main():
    base = tempfile.mkdtemp()
    os.chdir(base)
    print(f"{ADDS} events each, {BOARDS} boards; all on this machine\n\n{'':34} {'p50 ms':>8} {'p99 ms':>8}"
          "   beside Pushpin", flush=True)
    try:
        measure("SQLite", sqlite)
        measure("RethinkDB", rethinkdb)
    except Skip as why:
        print(f"Without: {why}")
    finally:
        for program in reversed(Server.all):
            program.kill()
        os.chdir("/")
        shutil.rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    main()
