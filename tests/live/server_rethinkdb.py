#!/usr/bin/env python3
"""leaderboard-server on a RethinkDB that is killed and started again while listeners listen and writers write."""

import contextlib
import pathlib
import shutil
import signal
import socket
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "server"))

import swarm  # noqa: E402
from harness import Server, Skip, add, check, connect, die_with_us, request, run, until  # noqa: E402

LISTENERS = 200
KILLS = 3


def free_ports():
    with contextlib.closing(socket.socket()) as one, contextlib.closing(socket.socket()) as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        return one.getsockname()[1], two.getsockname()[1]


class Database:
    """A RethinkDB in the current directory."""

    def __init__(self):
        if not shutil.which("rethinkdb"):
            raise Skip("no rethinkdb on PATH")
        self.ports = free_ports()
        self.log = open("rethinkdb.log", "ab")
        self.process = None
        self.start()

    def url(self):
        return f"rethinkdb://127.0.0.1:{self.ports[0]}/swarm"

    def start(self):
        driver, cluster = self.ports
        self.process = subprocess.Popen(
            ["rethinkdb", "--directory", "data", "--no-http-admin", "--no-update-check", "--bind", "127.0.0.1",
             "--cache-size", "128", "--driver-port", str(driver), "--cluster-port", str(cluster)],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, preexec_fn=die_with_us)
        until(self.accepts, "RethinkDB takes connections")

    def accepts(self):
        check(self.process.poll() is None, "RethinkDB has ended", pathlib.Path("rethinkdb.log").read_text()[-500:])
        with contextlib.closing(socket.socket()) as client:
            return client.connect_ex(("127.0.0.1", self.ports[0])) == 0

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        self.kill()
        self.log.close()


def healthy(server):
    return request(server, "GET", "/healthz")[0] == 200


def test_killed_and_started_again():
    with contextlib.closing(Database()) as database:
        server = Server("--create", "--quiet", database=database.url())
        for player in swarm.players():
            add(server, swarm.BOARD, player, 1)
        audience = swarm.Audience(server, LISTENERS)
        writers = [swarm.HttpWriter(server, seed) for seed in range(8)]
        for writer in writers:
            writer.start()
        # Each writer begins with what is there.
        writers[0].added = dict.fromkeys(swarm.players(), 1)
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
    with contextlib.closing(Database()) as database:
        server = Server("--create", "--quiet", database=database.url())
        add(server, "demo", "alice")
        check(healthy(server))
        database.process.send_signal(signal.SIGSTOP)
        check(not healthy(server), "it does not answer")
        database.process.send_signal(signal.SIGCONT)
        until(lambda: healthy(server), "it answers again")
        server.stop()


def test_not_there():
    """A server whose database cannot be reached answers all the same, and says what is wrong."""
    server = Server("--quiet", database=f"rethinkdb://127.0.0.1:{free_ports()[0]}/swarm")
    status, _, body = request(server, "GET", "/healthz")
    check(status == 503 and len(body) > 10, status, body)
    client = connect(server)
    client.sendall(b"GET /boards/x/ HTTP/1.1\r\nHost: test\r\n\r\n")
    check(client.recv(65536).startswith(b"HTTP/1.1 50"))


if __name__ == "__main__":
    run("live/server_rethinkdb", dict(globals()))
