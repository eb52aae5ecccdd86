#!/usr/bin/env python3
"""leaderboard-server on a RethinkDB that is killed and started again while listeners listen and writers write."""

import contextlib
import pathlib
import random
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "server"))

import swarm  # noqa: E402
from grip import free_ports  # noqa: E402
from harness import (DEADLINE, SERVER, RethinkDB, Server, add, check, connect, die_with_us, get,  # noqa: E402
                     request, run, same, until)

LISTENERS = 200
KILLS = 3
SEEDED = ["brandi", "brodie", "rene", "stan", "ts"]


def healthy(server):
    return request(server, "GET", "/healthz")[0] == 200


def test_killed_and_started_again():
    with contextlib.closing(RethinkDB(".")) as database:
        server = Server("--create", "--quiet", database=database.url)
        for player in swarm.players():
            add(server, swarm.BOARD, player, 1)
        audience = swarm.Audience(server, LISTENERS)
        writers = [swarm.HttpWriter(server, seed) for seed in range(8)]
        writers[0].added = dict.fromkeys(swarm.players(), 1)  # what is there
        for writer in writers:
            writer.start()
        for _ in range(KILLS):
            for _ in range(50):
                audience.mingle(0.02)
            database.kill()
            until(lambda: not healthy(server), "the loss is noticed")
            for _ in range(20):
                audience.mingle(0.02)
            database.start()
        until(lambda: healthy(server), "the server is well again")
        before = sum(sum(writer.added.values()) for writer in writers)
        until(lambda: sum(sum(writer.added.values()) for writer in writers) > before, "adds are applied again")
        for writer in writers:
            writer.stopped.set()
        swarm.settled(audience, writers)
        server.stop()


def test_frozen():
    """A database that takes connections and does not answer: the health check does not wait for ever."""
    with contextlib.closing(RethinkDB(".")) as database:
        server = Server("--create", "--quiet", database=database.url)
        add(server, "demo", "alice")
        until(lambda: healthy(server), "it answers")
        database.process.send_signal(signal.SIGSTOP)
        check(not healthy(server), "it does not answer")
        database.process.send_signal(signal.SIGCONT)
        until(lambda: healthy(server), "it answers again")
        server.stop()


def test_not_there():
    """A server whose database cannot be reached answers all the same, and says what is wrong."""
    server = Server("--quiet", database=f"rethinkdb://127.0.0.1:{free_ports(1)[0]}/swarm")
    status, _, body = request(server, "GET", "/healthz")
    check(status == 503 and len(body) > 10, status, body)
    client = connect(server)
    client.sendall(b"GET /boards/x/ HTTP/1.1\r\nHost: test\r\n\r\n")
    check(client.recv(65536).startswith(b"HTTP/1.1 50"))


def seeded(database):
    server = Server("--seed", database=database.url)
    rows = get(server, "/boards/default/")["players"]
    server.stop()
    return sorted(row["id"] for row in rows)


def test_seed():
    """Two who make the same database at once; one that was killed in the middle, with another that goes on."""
    with contextlib.closing(RethinkDB(".")) as database:
        database.begin("two")
        commands = [subprocess.Popen([SERVER, "--port", "0", "--seed", "--database", database.url],
                                     stderr=subprocess.PIPE, preexec_fn=die_with_us) for _ in range(2)]
        for command in commands:
            said = command.stderr.readline()
            check(b"listening" in said, said)
            command.terminate()
            same(command.wait(DEADLINE), 0)
            command.stderr.close()
        same(seeded(database), SEEDED)
        dice = random.Random(1)
        for i in range(5):
            database.begin(f"killed_{i}")
            victim = subprocess.Popen([SERVER, "--port", "0", "--seed", "--database", database.url],
                                      stderr=subprocess.DEVNULL, preexec_fn=die_with_us)
            with contextlib.suppress(subprocess.TimeoutExpired):
                victim.wait(dice.uniform(0, 1.5))  # any moment will do
            victim.kill()
            victim.wait()
            same(seeded(database), SEEDED)


if __name__ == "__main__":
    run("live/server_rethinkdb", dict(globals()))
