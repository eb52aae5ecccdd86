#!/usr/bin/env python3
"""Event streams of leaderboard-server: whoever changes a board, its listeners see it, and who goes is noticed."""

import shutil
import socket
import struct
import subprocess

from harness import DEADLINE, Listener, Server, Skip, add, check, connect, fill, get, lbctl, request, run, same, until


def test_every_writer():
    """Adds over HTTP, by lbctl and by the sqlite3 shell reach the same stream."""
    if not shutil.which("sqlite3"):
        raise Skip("no sqlite3 here")
    server = Server("--create")
    add(server, "demo", "alice", 1)
    listener = Listener(server, "/boards/demo/")
    listener.wait_score("alice", 1)
    lbctl("score-add", "demo", "alice", "10")
    listener.wait_score("alice", 11)
    subprocess.run(["sqlite3", "-cmd", ".timeout 10000", "leaderboard.db",
                    "UPDATE players SET score = score + 100 WHERE board = 'demo' AND id = 'alice'"],
                   check=True, timeout=DEADLINE, capture_output=True)
    listener.wait_score("alice", 111)
    add(server, "demo", "alice", 1000)
    event = listener.wait_score("alice", 1111)
    same(event["board"], get(server, "/boards/demo/"))
    check(event["id"], "an event without an id")
    check(listener.events.retry, "no reconnection time")


def test_board_made_later_and_deleted():
    server = Server("--create")
    idle = connect(server)
    same(request(server, "GET", "/boards/demo/", Accept="text/event-stream")[0], 404)
    add(server, "demo", "alice")
    listener = Listener(server, "/boards/demo/")
    old = Listener(server, "/boards/demo/", version="1.0")
    check(listener.next() and old.next())
    lbctl("board-delete", "demo")
    while listener.next():
        pass
    check(listener.chunks.done, "the stream did not end as a reply ends")
    same([old.next(), old.ended], [None, True])
    for client in (listener, old):
        client.close()
    until(lambda: server.metrics()["leaderboard_connections"] == 2, "the connections are gone", 10)
    idle.close()


def test_last_event_id():
    """Who has seen the latest state gets the next one first; who has missed one gets the latest."""
    server = Server("--create")
    add(server, "demo", "alice", 1)
    seen = Listener(server, "/boards/demo/").wait_score("alice", 1)
    again = Listener(server, "/boards/demo/", fields=f"Last-Event-ID: {seen['id']}\r\n")
    # The stream is there before the change.
    until(lambda: server.metrics()["leaderboard_streams_total"] == 2, "two streams")
    add(server, "demo", "alice", 1)
    same(again.next()["board"]["players"][0]["score"], 2)
    missed = Listener(server, "/boards/demo/", fields=f"Last-Event-ID: {seen['id']}\r\n")
    same(missed.next()["board"]["players"][0]["score"], 2)


def test_gone_is_noticed():
    """Whether they close or reset, without a change on the board, and long before a keep-alive would find it out."""
    server = Server("--seed")
    idle = connect(server)  # so that no connection is let go just because none is older
    listeners = [Listener(server, "/boards/default/", version=["1.0", "1.1"][i % 2]) for i in range(50)]
    for listener in listeners:
        check(listener.next())
    same(server.metrics()["leaderboard_streams"], 50)
    for i, listener in enumerate(listeners[:49]):
        if i % 4 < 2:
            listener.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        listener.close()
    until(lambda: server.metrics()["leaderboard_streams"] == 1, "one stream left", 10)
    until(lambda: server.metrics()["leaderboard_connections"] == 3, "its connection, the idle one and ours", 10)
    add(server, "default", "ts", 5)
    listeners[49].wait_score("ts", 5)
    idle.close()


def test_slow_listener_gets_the_newest():
    """Who reads nothing for a long time is given the last state, not all those before it."""
    server = Server("--create", "--quiet", "--limit", "500")
    fill("demo", 500)
    slow = Listener(server, "/boards/demo/", receive_buffer=4096)
    fast = Listener(server, "/boards/demo/")
    for i in range(1, 21):
        add(server, "demo", "p000")
        fast.wait_score("p000", i)
    shown = [slow.next()["board"]["players"][0]["score"]]
    while shown[-1] != 20:
        shown.append(slow.next()["board"]["players"][0]["score"])
    check(len(shown) < 10, "a slow listener was given", shown)
    check(server.metrics()["leaderboard_events_skipped_total"] > 10)


def test_limit():
    server = Server("--create")
    for i in range(7):
        add(server, "demo", f"p{i}", i)
    same(len(Listener(server, "/boards/demo/").next()["board"]["players"]), 5)
    status, _, _ = request(server, "GET", "/boards/demo/?limit=7", Accept="text/event-stream")
    same(status, 400, "a limit that is not the stream's")


if __name__ == "__main__":
    run("server/streams", dict(globals()))
