#!/usr/bin/env python3
"""Listeners behind a real Pushpin, writers, and a relay whose publications get lost on the way, are answered late or
not at all; relays are killed or stand still for a while, the proxy is restarted. No listener goes back in time, and in the end each shows what the
store has.

LISTENERS and ROUNDS make it larger and longer, SEED another one.
"""

import contextlib
import http.client
import http.server
import json
import os
import pathlib
import random
import signal
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "server"))

import swarm  # noqa: E402
from converge import SqlWriter  # noqa: E402
from grip import PREFIX, Pushpin, Relay, free_ports  # noqa: E402
from harness import DEADLINE, RethinkDB, Server, add, check, lbctl, request, run, same, until  # noqa: E402
from server_rethinkdb import healthy  # noqa: E402

LISTENERS = int(os.environ.get("LISTENERS", "200"))
ROUNDS = int(os.environ.get("ROUNDS", "2"))  # a relay is killed in each
SEED = int(os.environ.get("SEED", "1"))
LINK_TIMEOUT_S = 4
BACK_AND_FORTH = "back-and-forth"


# ---- The path from the relay to the proxy ------------------------------------------------------------------------

class Path(http.server.ThreadingHTTPServer):
    """Where the relay finds the proxy's control port; one publication in three fails in some way."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port, control, seed):
        super().__init__(("127.0.0.1", port), Request)
        self.control = control
        self.dice = random.Random(seed)
        self.first = ["passed", "late", "swallowed", "unanswered", "refused", "dropped"]
        self.mute = False  # from now on nothing passes
        self.deaf = False  # from now on it answers nothing but 503
        self.looking = threading.Lock()
        self.hints = 0  # on the board that goes back and forth
        self.newest, self.fallen = 0, []  # sums of scores of the other, which only rise
        self.fates = dict.fromkeys(["dropped", "swallowed", "unanswered", "refused", "late", "passed"], 0)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def fate(self):
        if self.mute:
            return "swallowed"
        if self.deaf:
            return "refused"
        if self.first:
            return self.first.pop()
        chance = self.dice.random()
        for fate, bound in [("dropped", 0.20), ("unanswered", 0.25), ("refused", 0.29), ("late", 0.33),
                            ("swallowed", 0.35)]:
            if chance < bound:
                return fate
        return "passed"

    def look(self, body):
        """Whoever publishes publishes what is newer than all before."""
        with self.looking:
            for item in json.loads(body)["items"] if body else []:
                what = item["formats"]["http-stream"]
                if item["channel"] == PREFIX + BACK_AND_FORTH:
                    self.hints += what.get("action") == "hint"
                elif "content" in what:
                    board = json.loads(what["content"].split("\ndata: ", 1)[1])
                    total = sum(row["score"] for row in board["players"])
                    if total < self.newest:
                        self.fallen.append((self.newest, total))
                    self.newest = total

    def handle_error(self, request, client_address):
        pass  # the relay was killed

    def close(self):
        self.shutdown()
        self.server_close()


class Request(http.server.BaseHTTPRequestHandler):
    def log_message(self, *arguments):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        fate = self.server.fate()
        self.server.fates[fate] += 1
        self.server.look(body)
        if fate == "dropped":
            return
        if fate == "refused":
            self.send_response(503)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if fate == "late":
            time.sleep(self.server.dice.uniform(0.05, 0.6))
        # Pushpin itself says "Published" of what it then drops, when it is too much for it.
        status = 200 if fate == "swallowed" else self.forward(body)
        if fate != "unanswered" and status:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

    def forward(self, body):
        with contextlib.suppress(OSError, http.client.HTTPException):
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.server.control, timeout=DEADLINE)) as to:
                to.request("POST", self.path, body, {"Content-Type": "application/json"})
                return to.getresponse().status
        return None


# ---- Writers -----------------------------------------------------------------------------------------------------

class CommandWriter(swarm.Writer):
    def add(self, player, amount, i):
        lbctl("score-add", swarm.BOARD, player, str(amount))


class BackAndForth(threading.Thread):
    """Gives one player one of three names: the very states of the board that were there before."""

    def __init__(self, server, seed):
        super().__init__(daemon=True)
        self.server, self.dice = server, random.Random(seed)
        self.stopped = threading.Event()
        self.name, self.changes = "ann", 0
        self.trouble = None

    def run(self):
        try:
            while not self.stopped.wait(self.dice.uniform(0, 0.5)):
                self.change()
        except Exception as error:
            self.trouble = error

    def change(self):
        target = self.dice.choice([name for name in ("Ann", "Anna", "Anne") if name != self.name])
        self.changes += 1
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            with contextlib.suppress(OSError, http.client.HTTPException):
                status, _, _ = request(self.server, "PUT", f"/boards/{BACK_AND_FORTH}/players/ann/",
                                       json.dumps({"name": target}), Content_Type="application/json")
                if status == 200:
                    self.name = target
                    return
                check(status in (503, 504), "a change of a name was answered with", status)
            self.stopped.wait(0.05)
        raise AssertionError("a change of a name is never applied")


class Audience(swarm.Audience):
    def join(self, seat):
        # Who is not let in comes again.
        with contextlib.suppress(ConnectionRefusedError):
            super().join(seat)


# ---- The world ---------------------------------------------------------------------------------------------------

class World:
    def __init__(self, database, seed):
        port, path_port, control, origin = free_ports(4)
        signing = f"http://127.0.0.1:{path_port}/?key=changeme"
        self.database = database
        self.server = Server("--create", "--quiet", "--port", str(origin), "--proxy-required", "--grip-timeout",
                             str(LINK_TIMEOUT_S), database=database, env={"GRIP_URL": signing, "GRIP_PREFIX": PREFIX})
        self.path = Path(path_port, control, seed)
        for player in swarm.players():
            add(self.server, swarm.BOARD, player, 1)
        add(self.server, BACK_AND_FORTH, "ann", 1)
        self.proxy = Pushpin(origin, port, control, swarm.BOARD)
        self.url = signing
        self.relays = []
        self.add_relay()
        self.add_relay()
        until(self.active, "a relay is active")
        self.audience = Audience(self.proxy, LISTENERS, seed)
        self.undecided = Audience(self.proxy, 20, seed + 1, BACK_AND_FORTH, monotone=False)

    def add_relay(self):
        self.relays.append(Relay(f"relay{len(self.relays)}", self.database, self.url))

    def active(self):
        return next((relay for relay in self.relays if relay.process.poll() is None and relay.is_active()), None)

    def mingle_until(self, condition, what):
        end = time.monotonic() + DEADLINE
        while not condition():
            check(time.monotonic() < end, "never:", what)
            self.audience.mingle(0.02)
            self.undecided.mingle(0)

    def publish(self, n):
        """Until so many more publications, or what became of them, are known."""
        enough = sum(self.path.fates.values()) + n
        self.mingle_until(lambda: sum(self.path.fates.values()) >= enough, f"{n} publications")

    def kill_relay(self):
        """The one that is active; another takes over, and a new one stands by."""
        self.active().crash()
        self.mingle_until(self.active, "another relay takes over")
        self.add_relay()

    def pause_relay(self):
        """The one that is active, for longer than its lease: it must not go on with what it had."""
        paused = self.active()
        refused = self.path.fates["refused"]
        self.path.deaf = True
        self.mingle_until(lambda: self.path.fates["refused"] > refused + 1, "something waits to be published")
        paused.process.send_signal(signal.SIGSTOP)
        self.path.deaf = False
        self.mingle_until(lambda: any(relay.process.poll() is None and relay.is_active()
                                      for relay in self.relays if relay is not paused), "another relay takes over")
        self.publish(3)
        paused.process.send_signal(signal.SIGCONT)
        self.mingle_until(lambda: not paused.is_active(), "it stands by")
        self.publish(5)

    def restart_proxy(self):
        """It has no memory of what it held."""
        self.proxy.restart()
        self.mingle_until(self.proxy.ready, "Pushpin answers again")

    def settle(self, writers, undecided):
        """Everybody agrees; and again after the last changes of all, of which the proxy hears nothing."""
        begun = time.monotonic()
        self.audience.settle()
        settled = time.monotonic() - begun
        self.path.mute = True
        writers[0].add(swarm.players()[0], 1000000, "last")
        writers[0].added[swarm.players()[0]] += 1000000
        undecided.change()
        begun = time.monotonic()
        swarm.settled(self.audience, writers)
        healed = time.monotonic() - begun
        with contextlib.closing(self.undecided):
            shown = self.undecided.settle()
        if undecided.trouble:
            raise undecided.trouble
        same(shown["players"][0]["name"], undecided.name, "what was set last")
        self.report(settled, healed)

    def report(self, settled, healed):
        # Without these the test has not tested what it says.
        check(all(self.path.fates.values()), "not everything has gone wrong:", self.path.fates)
        check(self.path.hints > 2, "states that return were not published as hints")
        same(self.path.fallen, [], "old states that were published after newer ones")
        metrics = self.server.metrics()
        same(metrics["leaderboard_streams_total"], 0, "streams that were not held")
        # Not each that joined: who leaves before the answer, or comes while the database is down, gets none.
        check(metrics["leaderboard_holds_total"] >= len(self.audience.seats), "too few holds:", metrics)
        print(f"    | settled in {settled:.1f} s, without a word in {healed:.1f} s; {self.audience.joined} joins, "
              f"{sum(seat.events for seat in self.audience.seats)} events, "
              f"{int(metrics['leaderboard_hold_checks_total'])} checks; publications: {self.path.fates}, hints {self.path.hints}", flush=True)
        self.path.close()


@contextlib.contextmanager
def at_work(writers, undecided):
    for writer in [*writers, undecided]:
        writer.start()
    # What was there at the beginning.
    writers[0].added = {player: added + 1 for player, added in writers[0].added.items()}
    try:
        yield
    finally:
        # Also after a failure: they know nothing of the directory's end.
        for writer in [*writers, undecided]:
            writer.stopped.set()
        for writer in [*writers, undecided]:
            writer.join(DEADLINE)


def test_sqlite():
    world = World("sqlite:leaderboard.db", SEED)
    undecided = BackAndForth(world.server, 9)
    writers = [swarm.HttpWriter(world.server, seed) for seed in range(4)]
    writers += [CommandWriter(seed) for seed in range(4, 6)] + [SqlWriter(seed) for seed in range(6, 8)]
    with at_work(writers, undecided):
        world.publish(20)
        world.pause_relay()
        for i in range(ROUNDS):
            world.kill_relay()
            world.publish(20)
            if i == 0:
                world.restart_proxy()
                world.publish(20)
    world.settle(writers, undecided)


def test_rethinkdb():
    with contextlib.closing(RethinkDB(".")) as database:
        world = World(database.url, SEED)
        undecided = BackAndForth(world.server, 9)
        writers = [swarm.HttpWriter(world.server, seed) for seed in range(8)]
        with at_work(writers, undecided):
            world.publish(15)
            for _ in range(max(1, ROUNDS - 1)):
                database.kill()
                world.mingle_until(lambda: not healthy(world.server), "the loss is noticed")
                database.start()
                world.mingle_until(lambda: healthy(world.server), "the server is well again")
                world.mingle_until(world.active, "a relay is active")
                world.kill_relay()
                world.publish(15)
        world.settle(writers, undecided)


if __name__ == "__main__":
    run("live/grip_converge", dict(globals()))
