#!/usr/bin/env python3
"""Event streams of leaderboard-server: whoever changes a board, its listeners see it, and who goes is noticed; on the
store that --store names."""

import socket
import struct
import time

from harness import (Events, Listener, Server, Skip, add, check, connect, fill, lbctl, on_rethinkdb, request, run, same,
                     shell, until)


def test_every_writer():
    """Adds over HTTP, by lbctl and with the database's own means reach the same stream."""
    server = Server("--create")
    add(server, "demo", "alice", 1)
    listener = Listener(server, "/boards/demo/")
    listener.wait_score("alice", 1)
    lbctl("score-add", "demo", "alice", "10")
    listener.wait_score("alice", 11)
    shell(sqlite="UPDATE players SET score = score + 100 WHERE board = 'demo' AND id = 'alice'",
          rethinkdb='db.table("players").get(["demo", "alice"]).update({score: r.row("score").add(100)})')
    listener.wait_score("alice", 111)
    add(server, "demo", "alice", 1000)
    event = listener.wait_score("alice", 1111)
    _, fields, body = request(server, "GET", "/boards/demo/")
    same(event["data"] + "\n", body.decode(), "the data, and the page")
    same(f'"{event["id"]}"', fields["ETag"], "the id")
    same(listener.events.retry, 2000, "the reconnection time")


def test_nothing_older_than_a_page():
    """Who has read a page and then listens begins with nothing older, though others have listened before."""
    server = Server("--create", "--quiet")
    add(server, "demo", "alice")
    first = Listener(server, "/boards/demo/")
    check(first.next())
    for _ in range(30):
        score = add(server, "demo", "alice")["score"]
        listener = Listener(server, "/boards/demo/")
        same(listener.next()["board"]["players"][0]["score"], score, "the first event")
        listener.close()
    first.wait_score("alice", score)


def test_every_remover():
    """Who is removed, or falls out of the first rows, is on no list that comes after."""
    server = Server("--create")
    players = [f"p{i}" for i in range(9, 0, -1)]
    for player in players:
        add(server, "demo", player, int(player[1:]) * 10)
    listener = Listener(server, "/boards/demo/")
    removers = [lambda player: same(request(server, "DELETE", f"/boards/demo/players/{player}/")[0], 204),
                lambda player: lbctl("player-remove", "demo", player),
                lambda player: shell(sqlite=f"DELETE FROM players WHERE board = 'demo' AND id = '{player}'",
                                     rethinkdb=f'db.table("players").get(["demo", "{player}"]).delete()'),
                lambda player: add(server, "demo", player, -1000)]
    same([row["id"] for row in listener.next()["board"]["players"]], players[:5])
    for remove in removers:
        remove(players.pop(0))
        rows = listener.next()["board"]["players"]
        same([(row["id"], row["position"]) for row in rows], [(player, i) for i, player in enumerate(players[:5], 1)])


def test_below_the_top():
    """What does not change the first rows is no event."""
    server = Server("--create")
    for i in range(1, 8):
        add(server, "demo", f"p{i}", i * 100)
    listener = Listener(server, "/boards/demo/")
    before = listener.next()
    for i in range(1, 6):
        add(server, "demo", "p1")
        add(server, "demo", "p2", -1)
        add(server, "demo", "p7")
        event = listener.next()
        same(event["board"]["players"][0]["score"], 700 + i)
        check(event["id"] != before["id"], "an event twice")
        before = event


def test_at_most_ten_a_second():
    """However many adds there are, and the last state comes."""
    server = Server("--create", "--quiet")
    add(server, "demo", "alice")
    listener = Listener(server, "/boards/demo/")
    begun = time.monotonic()
    check(listener.next())
    for _ in range(200):
        add(server, "demo", "alice")
    events = 1
    while listener.next()["board"]["players"][0]["score"] != 201:
        events += 1
    # All of them were sent in this time, so a slow machine allows for more.
    check(events <= 10 * (time.monotonic() - begun) + 2, events, "events")


def test_keep_alive():
    """Something comes even if nothing happens, which is no matter of the store."""
    if on_rethinkdb():
        raise Skip("fifteen seconds that have nothing to do with the store")
    server = Server("--seed")
    listener = Listener(server, "/boards/default/")
    check(listener.next())
    while not listener.events.comments:
        check(not listener.ended, "the stream has ended")
        listener.read()
    same(listener.waiting, [], "events")


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


def test_last_event_id_of_a_page():
    """The tag of a page that was just answered is as good, and while others listen as well."""
    server = Server("--create", "--quiet")
    add(server, "demo", "alice")
    first = Listener(server, "/boards/demo/")
    check(first.next())
    for _ in range(10):
        score = add(server, "demo", "alice")["score"]
        tag = request(server, "GET", "/boards/demo/")[1]["ETag"].strip('"')
        streams = server.metrics()["leaderboard_streams_total"]
        listener = Listener(server, "/boards/demo/", fields=f"Last-Event-ID: {tag}\r\n")
        until(lambda: server.metrics()["leaderboard_streams_total"] > streams, "it listens")
        add(server, "demo", "alice")
        same(listener.next()["board"]["players"][0]["score"], score + 1, "the first event")
        listener.close()


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


# ---- The parser that the tests use -------------------------------------------------------------------------------

BOM = b"\xef\xbb\xbf"

# The standard's examples, and what else its text says: bytes, and (type, data, id) of the events.
STREAMS = [
    (b"data: This is the first message.\n\ndata: This is the second message, it\ndata: has two lines.\n\n"
     b"data: This is the third message.\n\n",
     [("message", "This is the first message.", ""), ("message", "This is the second message, it\nhas two lines.", ""),
      ("message", "This is the third message.", "")]),
    (b"event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\nevent: add\ndata: 113411\n\n",
     [("add", "73857293", ""), ("remove", "2153", ""), ("add", "113411", "")]),
    (b"data: YHOO\ndata: +2\ndata: 10\n\n", [("message", "YHOO\n+2\n10", "")]),
    (b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
     [("message", "first event", "1"), ("message", "second event", ""), ("message", " third event", "")]),
    (b"data\n\ndata\ndata\n\ndata:", [("message", "", ""), ("message", "\n", "")]),
    (b"data:test\n\ndata: test\n\n", [("message", "test", ""), ("message", "test", "")]),
    (BOM + b"data: x\n\n", [("message", "x", "")]),
    (BOM + b"\n" + BOM + b"data: x\ndata: y\n\n", [("message", "y", "")]),
    (b"\n" + BOM + b"data: x\n\n", []),
    (b"id: 7\n\ndata: a\n\nid: a\0b\ndata: b\n\n", [("message", "a", "7"), ("message", "b", "7")]),
    (b"event: x\n\ndata: a\n\n", [("message", "a", "")]),
    (b"Data: a\n data: b\ndata : c\nother\ndata: d: e\n\n", [("message", "d: e", "")]),
    ("data: \u2028\N{OWL}\x85\x0b\n\n".encode(), [("message", "\u2028\N{OWL}\x85\x0b", "")]),
    (b"data: a\n\n\n\n\ndata: never ended\n", [("message", "a", "")]),
]


def test_parser():
    """Whatever ends a line, and wherever the bytes are cut."""
    for stream, want in STREAMS:
        for line_end in (b"\n", b"\r", b"\r\n"):
            text = stream.replace(b"\n", line_end)
            cuts = [[text], [text[i:i + 1] for i in range(len(text))]]
            cuts += [[text[:i], text[i:]] for i in range(1, len(text))]
            for pieces in cuts:
                events = Events()
                got = [event for piece in pieces for event in events.take(piece)]
                same([(event["event"], event["data"], event["id"]) for event in got], want, pieces)


def test_parser_of_other_fields():
    for text, retry, comments in [(b"retry: 10\n", 10, 0), (b"retry: 1x\nretry: -1\nretry: 1.5\n", None, 0),
                                  ("retry: \u0661\n".encode(), None, 0), (b"retry: 5\r:a\r\n: b\n:\n", 5, 3)]:
        events = Events()
        same(events.take(text), [])
        same((events.retry, events.comments), (retry, comments), text)


if __name__ == "__main__":
    run("server/streams", dict(globals()))
