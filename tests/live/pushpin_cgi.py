#!/usr/bin/env python3
"""leaderboard.cgi under lighttpd, behind a real Pushpin, with lbctl-relay beside it: a program that lives for one
request has live event streams."""

import concurrent.futures
import pathlib
import sys
import types

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "server"))

from grip import PREFIX, Pushpin, Relay, free_ports  # noqa: E402
from harness import Listener, add, check, get, lbctl, request, run, same, until  # noqa: E402
from lighttpd import Lighttpd  # noqa: E402

LISTENERS = 20


class World:
    """Web server, proxy and relay, and the board demo with the player ann."""

    def __init__(self, key="changeme", relay=True):
        port, control = free_ports(2)
        url = f"http://127.0.0.1:{control}/?key=changeme"
        lbctl("board-create", "demo")
        lbctl("player-put", "demo", "ann")
        self.origin = Lighttpd(GRIP_URL=url, GRIP_PREFIX=PREFIX)
        self.proxy = Pushpin(self.origin.port, port, control, "demo", sig_key=key)
        if relay:
            database = f"sqlite:{pathlib.Path.cwd()}/leaderboard.db"
            self.relay = Relay("relay", database, url, "--interval", "10")
            until(self.relay.is_active, "the relay is active")

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
