#!/usr/bin/env python3
"""Two hundred listeners of leaderboard-server, eight writers, a change log that is lost: all agree in the end."""

import contextlib
import os
import signal
import sqlite3

import swarm
from harness import DEADLINE, Server, lbctl, run, sql, until

LISTENERS = int(os.environ.get("LISTENERS", "200"))
ADDS = int(os.environ.get("ADDS", "150"))


class SqlWriter(swarm.Writer):
    """Knows nothing of the library."""

    def add(self, player, amount, i):
        with contextlib.closing(sqlite3.connect("leaderboard.db", timeout=DEADLINE)) as db, db:
            db.execute("UPDATE players SET score = score + ? WHERE board = ? AND id = ?", (amount, swarm.BOARD, player))


def lose_changes(server, n):
    """All players get another name, and the log of it is gone before the server, which stands still, can read it."""
    with contextlib.closing(sqlite3.connect("leaderboard.db", timeout=DEADLINE, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")  # so the server has no lock now
        server.signal(signal.SIGSTOP)
        try:
            db.execute("UPDATE players SET name = id || ?", (f" {n}",))
            db.execute("DELETE FROM changes WHERE seq < (SELECT max(seq) FROM changes)")
            db.execute("COMMIT")
        finally:
            server.signal(signal.SIGCONT)


def test_converge():
    server = Server("--create", "--quiet", "--change-log", "64")
    lbctl("board-create", swarm.BOARD)
    for player in swarm.players():
        sql("INSERT INTO players (board, id) VALUES (?, ?)", swarm.BOARD, player)
    audience = swarm.Audience(server, LISTENERS)
    writers = [swarm.HttpWriter(server, seed, ADDS) for seed in range(4)]
    writers += [SqlWriter(seed, ADDS) for seed in range(4, 8)]
    for writer in writers:
        writer.start()
    turn = 0
    while any(writer.is_alive() for writer in writers):
        audience.mingle(0.02)
        turn += 1
        if turn % 20 == 0:
            lose_changes(server, turn)
    swarm.settled(audience, writers)
    # Without this the test has not tested what it says.
    until(lambda: server.metrics()["leaderboard_store_gaps_total"] > 0, "changes were missed")
    until(lambda: server.metrics()["leaderboard_streams"] == 0, "the streams are gone")


if __name__ == "__main__":
    run("server/converge", dict(globals()))
