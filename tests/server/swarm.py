"""Many listeners of one board that join and leave while others write to it. Amounts are positive, so no listener may
ever see a score fall, not even across its connections; and in the end each shows what the store has."""

import contextlib
import http.client
import itertools
import json
import random
import select
import selectors
import threading
import time

from harness import DEADLINE, Listener, check, get, same

BOARD = "swarm"
PLAYERS = 20


class Seat:
    """A listener who comes again and again. Who is monotone never sees a score fall."""

    def __init__(self, monotone):
        self.monotone = monotone
        self.listener = None
        self.board = None
        self.id = ""
        self.scores = {}
        self.events = 0

    def show(self, event):
        self.board, self.id = event["board"], event["id"]
        self.events += 1
        for row in self.board["players"]:
            before = self.scores.get(row["id"], 0)
            check(row["score"] >= before or not self.monotone, "a listener saw", row["id"], "fall from", before, "to", row["score"])
            self.scores[row["id"]] = row["score"]


class Audience:
    def __init__(self, server, n, seed=1, board=BOARD, monotone=True):
        self.server, self.board = server, board
        self.seats = [Seat(monotone) for _ in range(n)]
        self.dice = random.Random(seed)
        self.selector = selectors.DefaultSelector()
        self.joined = 0

    def join(self, seat):
        fields = f"Last-Event-ID: {seat.id}\r\n" if seat.id and self.dice.random() < 0.5 else ""
        seat.listener = Listener(self.server, f"/boards/{self.board}/", fields=fields)
        seat.listener.socket.setblocking(False)
        self.selector.register(seat.listener.socket, selectors.EVENT_READ, seat)
        self.joined += 1

    def leave(self, seat):
        self.selector.unregister(seat.listener.socket)
        seat.listener.close()
        seat.listener = None

    def listen(self, seconds):
        for key, _ in self.selector.select(seconds):
            seat = key.data
            try:
                events = seat.listener.take(key.fileobj.recv(65536))
            except BlockingIOError:
                continue
            except ConnectionError:
                events, seat.listener.ended = [], True
            for event in events:
                seat.show(event)
            # The board is not to be had for the moment: the next turn asks again.
            if seat.listener.ended or seat.listener.status not in (None, 200):
                self.leave(seat)

    def mingle(self, seconds):
        """One turn: some come, some go, all listen."""
        for seat in self.dice.sample(self.seats, len(self.seats) // 20):
            if seat.listener is None:
                self.join(seat)
            elif self.dice.random() < 0.2:
                self.leave(seat)
        self.listen(seconds)

    def settle(self):
        """All show the board as it is in the store: first those who are there, then the others, who come when there is
        nothing more to be sent to anybody else."""
        want = get(self.server, f"/boards/{self.board}/")
        self.wait_for(want, lambda: [seat for seat in self.seats if seat.listener and seat.board != want])

        def absent_or_wrong():
            for seat in self.seats:
                if seat.listener is None:
                    self.join(seat)
            return [seat for seat in self.seats if seat.listener is None or seat.board != want]

        self.wait_for(want, absent_or_wrong)
        return want

    def wait_for(self, want, find):
        """Listens until no seat is found."""
        end = time.monotonic() + DEADLINE
        while seats := find():
            check(time.monotonic() < end, len(seats), "listeners do not show the board, the first shows",
                  seats[0].board, "and not", want)
            self.listen(0.05)

    def close(self):
        for seat in self.seats:
            if seat.listener:
                self.leave(seat)


class Writer(threading.Thread):
    """Adds n times, or until it is stopped; what it has added is in .added."""

    def __init__(self, seed, n=None):
        super().__init__(daemon=True)
        self.dice = random.Random(seed)
        self.n = n
        self.stopped = threading.Event()
        self.added = dict.fromkeys(players(), 0)
        self.trouble = None

    def run(self):
        try:
            for i in itertools.count() if self.n is None else range(self.n):
                if self.stopped.is_set():
                    return
                player, amount = self.dice.choice(players()), self.dice.randrange(1, 10)
                self.add(player, amount, i)
                self.added[player] += amount
        except Exception as error:
            self.trouble = error


class HttpWriter(Writer):
    """Repeats what was not answered, with the key that it had."""

    def __init__(self, server, seed, n=None):
        super().__init__(seed, n)
        self.server, self.seed = server, seed
        self.connection = None

    def add(self, player, amount, i):
        end = time.monotonic() + DEADLINE
        while True:
            status, body = self.post(player, amount, f"{self.seed}-{i}")
            if status == 200:
                return
            check(status in (None, 503, 504), "an add was answered with", status, body)
            check(time.monotonic() < end, "an add is never applied:", status, body)
            select.select([], [], [], 0.05)

    def post(self, player, amount, key):
        try:
            if not self.connection:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=DEADLINE)
            target, body = f"/boards/{BOARD}/players/{player}/score-add/", json.dumps({"amount": amount})
            self.connection.request("POST", target, body, {"Content-Type": "application/json", "Idempotency-Key": key})
            reply = self.connection.getresponse()
            return reply.status, reply.read()
        except (http.client.HTTPException, OSError) as error:
            self.connection = None
            return None, error


def players():
    return [f"p{i:02}" for i in range(PLAYERS)]


def settled(audience, writers):
    """To be called when the writers have ended: everybody agrees, and nothing was lost or applied twice."""
    for writer in writers:
        writer.join(DEADLINE)
        check(not writer.is_alive(), "a writer has not ended")
        if writer.trouble:
            raise writer.trouble
    with contextlib.closing(audience):
        audience.settle()
    check(audience.joined > len(audience.seats), "nobody has left and come again")
    stored = get(audience.server, f"/boards/{BOARD}/?limit={PLAYERS}")["players"]
    same({row["id"]: row["score"] for row in stored},
         {player: sum(writer.added[player] for writer in writers) for player in players()}, "the scores")
