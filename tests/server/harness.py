"""What the tests of leaderboard-server share: verdicts, a server in a directory of its own, HTTP by hand, a parser of
event streams that knows nothing of ours.

A test is a function test_NAME(); run() runs them in the order in which they are defined, or those whose names contain
one of the words on the command line. Each runs in an empty directory. It fails by an exception. Nothing sleeps to wait:
what has to happen is read from a socket, a pipe or asked for again until it has, with a long deadline.

The store is an SQLite file in that directory, or with --store rethinkdb a database of the test's name on a server that
all tests of the program share.
"""

import argparse
import contextlib
import ctypes
import http.client
import json
import os
import pathlib
import re
import resource
import select
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import traceback

DEADLINE = 60 * float(os.environ.get("TEST_TIMEOUT_SCALE", "1"))
SERVER = os.environ.get("LEADERBOARD_SERVER")
LBCTL = os.environ.get("LBCTL")


# ---- Verdicts ----------------------------------------------------------------------------------------------------

class Skip(Exception):
    pass


def check(condition, *details):
    if not condition:
        raise AssertionError(" ".join(str(detail) for detail in details) or "no")


def same(got, want, what=""):
    check(got == want, what, "is", repr(got), "and not", repr(want))


def run_one(name, test):
    before = os.getcwd()
    directory = tempfile.mkdtemp()
    os.chdir(directory)
    started = list(Server.all)
    try:
        store.begin(name.rpartition("/")[2])
        test()
        for server in Server.all:
            if server not in started and server.process.returncode is None:
                server.stop()
        print(f"ok {name}", flush=True)
        return True
    except Skip as why:
        print(f"SKIP {name}: {why}", flush=True)
        return None
    except Exception as error:
        lines = traceback.format_exc().splitlines()
        print(f"FAIL {name}: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
        for line in lines:
            print(f"    | {line}")
        for server in Server.all:
            for line in server.said[-40:]:
                print(f"    | server: {line}")
        sys.stdout.flush()
        return False
    finally:
        for server in Server.all:
            server.kill()
        Server.all.clear()
        os.chdir(before)
        shutil.rmtree(directory, ignore_errors=True)


def run(suite, tests):
    if not SERVER or not LBCTL:
        sys.exit("set LEADERBOARD_SERVER and LBCTL to the programs to test")
    for variable in ("DATABASE_URL", "PORT", "LB_WRITE_KEY", "GRIP_URL", "GRIP_PREFIX"):
        os.environ.pop(variable, None)
    global store
    parser = argparse.ArgumentParser()
    parser.add_argument("--store", choices=["sqlite", "rethinkdb"], default="sqlite")
    parser.add_argument("words", nargs="*")
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        if arguments.store == "rethinkdb":
            suite += "_rethinkdb"
            directory = tempfile.mkdtemp()
            stack.callback(shutil.rmtree, directory, ignore_errors=True)
            try:
                store = stack.enter_context(contextlib.closing(RethinkDB(directory)))
            except Skip as why:
                print(f"SKIP {suite}: {why}")
                sys.exit(77)
        results = [run_one(f"{suite}/{name[len('test_'):]}", test) for name, test in list(tests.items())
                   if name.startswith("test_") and
                   (not arguments.words or any(word in name for word in arguments.words))]
    if False in results:
        sys.exit(1)
    sys.exit(77 if results and all(result is None for result in results) else 0)


def until(condition, what, seconds=DEADLINE):
    """Asks again until the answer is true, and returns it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = condition()
        if answer:
            return answer
        select.select([], [], [], 0.01)
    raise AssertionError(f"never: {what}")


def die_with_us():
    """In a new process: a test that is ended leaves nothing behind."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


# ---- Stores ------------------------------------------------------------------------------------------------------

class Sqlite:
    """A file in the directory of each test."""

    name = "sqlite"
    url = "sqlite:leaderboard.db"

    def begin(self, test):
        pass

    def shell(self, statement):
        if not shutil.which("sqlite3"):
            raise Skip("no sqlite3 here")
        done = subprocess.run(["sqlite3", "-cmd", f".timeout {DEADLINE * 1000:.0f}", "leaderboard.db", statement],
                              timeout=DEADLINE, capture_output=True)
        check(done.returncode == 0, "sqlite3", statement, done.stderr.decode())


class RethinkDB:
    """A server in a directory of its own. It keeps its port when it is killed and started again."""

    name = "rethinkdb"

    def __init__(self, directory):
        if not shutil.which("rethinkdb"):
            raise Skip("no rethinkdb on PATH")
        self.directory = pathlib.Path(directory).absolute()
        self.log = self.directory / "rethinkdb.log"
        self.port = 0
        self.process = None
        self.begin("test")
        self.start()

    def begin(self, test):
        """From now on the database is that of the test."""
        self.database = test

    @property
    def url(self):
        return f"rethinkdb://127.0.0.1:{self.port}/{self.database}"

    def start(self):
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                ["rethinkdb", "--directory", self.directory / "data", "--no-http-admin", "--no-update-check", "--bind",
                 "127.0.0.1", "--cache-size", "128", "--driver-port", str(self.port), "--cluster-port", "0"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_us)
        until(self.is_ready, "RethinkDB is ready")
        self.port = int(re.search(r"client driver connections on port (\d+)", self.log.read_text())[1])

    def is_ready(self):
        said = self.log.read_text()
        check(self.process.poll() is None, "RethinkDB has ended:", said[-500:])
        return "Server ready" in said

    def kill(self):
        self.process.kill()
        self.process.wait()

    close = kill

    def shell(self, statement):
        """By RethinkDB's own JavaScript driver; the statement is of `db` and `r`."""
        done = subprocess.run(["node", pathlib.Path(__file__).parents[1] / "support" / "rethinkdb.js", str(self.port),
                               self.database, statement], timeout=DEADLINE, capture_output=True,
                              env=dict(os.environ, NODE_PATH=self.driver()))
        check(done.returncode == 0, statement, done.stderr.decode())

    @staticmethod
    def driver():
        """Where the driver is: in the build directory, where it is put the first time."""
        modules = pathlib.Path(LBCTL).absolute().parents[1] / "tests" / "js_http"
        if not (modules / "installed").exists():
            modules.mkdir(parents=True, exist_ok=True)
            try:
                subprocess.run(["npm", "install", "--prefix", modules, "--silent", "--no-fund", "--no-audit",
                                "--no-save", "rethinkdb@2.4.2"], timeout=DEADLINE, capture_output=True, check=True)
            except (OSError, subprocess.SubprocessError):
                raise Skip("npm cannot install RethinkDB's driver") from None
            (modules / "installed").touch()
        return modules / "node_modules"


store = Sqlite()


def on_rethinkdb():
    return store.name == "rethinkdb"


def shell(*, sqlite, rethinkdb):
    """A change by somebody who does not know of us, with the database's own means."""
    store.shell(rethinkdb if on_rethinkdb() else sqlite)


# ---- The server --------------------------------------------------------------------------------------------------

class Server:
    all = []

    def __init__(self, *options, database=None, env=None):
        self.log = open("access.log", "ab")
        self.said = []
        environment = dict(os.environ, DATABASE_URL=database or store.url, **(env or {}))
        # Freed memory is not kept for so long that memory seems to grow.
        environment["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=8"
        self.process = subprocess.Popen([SERVER, "--port", "0", *options], stdin=subprocess.DEVNULL,
                                        stdout=self.log, stderr=subprocess.PIPE, env=environment,
                                        preexec_fn=die_with_us)
        Server.all.append(self)
        self.listening = threading.Event()
        self.port = None
        self.reader = threading.Thread(target=self.read_errors, daemon=True)
        self.reader.start()
        check(self.listening.wait(DEADLINE), "the server does not start")
        check(self.port is not None, "the server has ended:", self.said)

    def read_errors(self):
        for line in self.process.stderr:
            text = line.decode(errors="replace").rstrip("\n")
            self.said.append(text)
            if " listening on http://" in text:
                self.port = int(text.rstrip("/").rsplit(":", 1)[1])
                self.listening.set()
        self.listening.set()

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def ended(self, status=0):
        """Waits for its end; a report of a sanitizer is a failure whatever the status."""
        got = self.process.wait(DEADLINE)
        self.reader.join(DEADLINE)
        check(not any("Sanitizer" in line for line in self.said), "a sanitizer complains")
        same(got, status, "exit status")
        self.log.close()

    def stop(self):
        self.signal()
        self.ended()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log.close()

    def memory(self):
        """Resident bytes."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmRSS")

    def sanitized(self):
        return "libasan" in pathlib.Path(f"/proc/{self.process.pid}/maps").read_text()

    def metrics(self):
        status, _, body = request(self, "GET", "/metrics")
        same(status, 200, "/metrics")
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1])
                for line in body.decode().splitlines() if not line.startswith("#")}


def run_server(*options, env=None, descriptors=None):
    """One that is to end by itself: its status and what it said. It may have so many descriptors."""
    few = (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))) if descriptors else None
    done = subprocess.run([SERVER, *options], capture_output=True, timeout=DEADLINE, preexec_fn=few,
                          env=dict(os.environ, **(env or {})))
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def lbctl(*arguments, text=""):
    """What it prints; the text is its standard input."""
    done = subprocess.run([LBCTL, *arguments], input=text.encode(), capture_output=True, timeout=DEADLINE,
                          env=dict(os.environ, DATABASE_URL=store.url))
    check(done.returncode == 0, "lbctl", arguments, done.stderr.decode())
    return done.stdout.decode()


def sql(statement, *values):
    """On SQLite: a change by somebody who does not know of us."""
    with contextlib.closing(sqlite3.connect("leaderboard.db", timeout=DEADLINE)) as db, db:
        return db.execute(statement, values).fetchall()


def fill(board, n):
    """A board with large events: players p000, p001 and so on."""
    lbctl("import", board, "-", text="".join(
        json.dumps({"id": f"p{i:03}", "name": "\N{OWL}" * 60, "score": 0}) + "\n" for i in range(n)))


# ---- Requests ----------------------------------------------------------------------------------------------------

def request(server, method, target, body=None, **fields):
    """Status, fields, body; field names are written with underscores."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=DEADLINE)) as connection:
        connection.request(method, target, body, {name.replace("_", "-"): value for name, value in fields.items()})
        reply = connection.getresponse()
        return reply.status, reply.headers, reply.read()


def get(server, target, **fields):
    status, _, body = request(server, "GET", target, **fields)
    same(status, 200, target)
    return json.loads(body)


def add(server, board, player, amount=1):
    status, _, body = request(server, "POST", f"/boards/{board}/players/{player}/score-add/", f'{{"amount":{amount}}}',
                              Content_Type="application/json")
    check(status == 200, "score-add", status, body)
    return json.loads(body)


def connect(server, receive_buffer=None):
    client = socket.socket()
    if receive_buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.settimeout(DEADLINE)
    client.connect(("127.0.0.1", server.port))
    return client


def read_all(client):
    """What comes until the other side ends the connection, by whatever means."""
    got = b""
    with contextlib.suppress(ConnectionError):
        while piece := client.recv(65536):
            got += piece
    return got


# ---- Event streams -----------------------------------------------------------------------------------------------

class Events:
    """Takes the bytes of a text/event-stream and gives its events, as "9.2.6 Interpreting an event stream" of the HTML
    standard has it. Stricter in one thing: bytes that are no UTF-8 are an error."""

    LINE_END = re.compile(b"\r\n|\r|\n")

    def __init__(self):
        self.rest = b""  # a line that has not ended
        self.begun = False  # there was a first line, which may begin with a byte order mark
        self.after_cr = False  # a line feed that comes now belongs to the line before
        self.id = ""
        self.retry = None
        self.comments = 0
        self.begin()

    def begin(self):
        self.type, self.data = "", ""

    def take(self, data):
        if self.after_cr and data:
            data = data.removeprefix(b"\n")
            self.after_cr = False
        if not data:
            return []
        self.after_cr = data.endswith(b"\r")
        *lines, self.rest = self.LINE_END.split(self.rest + data)
        events = [self.take_line(line) for line in lines]
        return [event for event in events if event]

    def take_line(self, line):
        if not self.begun:
            self.begun = True
            line = line.removeprefix(b"\xef\xbb\xbf")
        if not line:
            return self.dispatch()
        name, _, value = line.decode("utf-8").partition(":")
        value = value.removeprefix(" ")
        if name == "":
            self.comments += 1
        elif name == "event":
            self.type = value
        elif name == "data":
            self.data += value + "\n"
        elif name == "id" and "\0" not in value:
            self.id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self.retry = int(value)
        return None

    def dispatch(self):
        event = {"event": self.type or "message", "data": self.data.removesuffix("\n"), "id": self.id}
        has_data = bool(self.data)
        self.begin()
        return event if has_data else None


class Chunks:
    """Takes the body of a chunked reply and gives what was in the chunks; done after the last one."""

    def __init__(self):
        self.rest = b""
        self.done = False

    def take(self, data):
        self.rest += data
        out = b""
        while not self.done:
            line, found, after = self.rest.partition(b"\r\n")
            if not found:
                break
            size = int(line.split(b";")[0], 16)
            if len(after) < size + 2:
                break
            check(after[size:size + 2] == b"\r\n", "a chunk does not end")
            out += after[:size]
            self.rest = after[size + 2:]
            self.done = size == 0
        return out


class Listener:
    """An event stream of a board over a socket of its own."""

    def __init__(self, server, target, version="1.1", fields="", receive_buffer=None):
        self.socket = connect(server, receive_buffer)
        self.socket.sendall(f"GET {target} HTTP/{version}\r\nHost: test\r\nAccept: text/event-stream\r\n{fields}\r\n"
                            .encode())
        self.head = b""
        self.status = None
        self.fields = {}
        self.chunks = None
        self.events = Events()
        self.waiting = []
        self.ended = False

    def take(self, data):
        """Bytes from the socket, none at its end: the events that are complete with them."""
        if not data:
            self.ended = True
            return []
        if self.status is None:
            self.head += data
            head, found, data = self.head.partition(b"\r\n\r\n")
            if not found:
                return []
            self.take_head(head.decode())
        if self.chunks:
            data = self.chunks.take(data)
            self.ended = self.chunks.done
        return [event | {"board": json.loads(event["data"])} for event in self.events.take(data)]

    def take_head(self, head):
        first, *lines = head.split("\r\n")
        self.status = int(first.split(" ")[1])
        self.fields = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines)}
        if self.fields.get("transfer-encoding") == "chunked":
            self.chunks = Chunks()

    def read(self):
        with contextlib.suppress(ConnectionError):
            self.waiting += self.take(self.socket.recv(65536))
            return
        self.ended = True

    def next(self):
        """The next event, None at the end. Keep-alives are no reason to wait for ever."""
        end = time.monotonic() + DEADLINE
        while not self.waiting and not self.ended:
            check(time.monotonic() < end, "no event comes, only", self.events.comments, "comments")
            self.read()
        return self.waiting.pop(0) if self.waiting else None

    def wait_for(self, condition, what):
        """Reads until a board is shown for which the condition holds."""
        while event := self.next():
            if condition(event["board"]):
                return event
        raise AssertionError(f"the stream has ended without showing {what}")

    def wait_score(self, player, score):
        return self.wait_for(lambda board: any(row["id"] == player and row["score"] == score
                                               for row in board["players"]), f"{player} with {score}")

    def close(self):
        self.socket.close()
