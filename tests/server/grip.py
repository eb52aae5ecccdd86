"""A real Pushpin and lbctl-relay in the current directory, for tests with listeners behind a GRIP proxy. The relay is
named by LBCTL_RELAY."""

import contextlib
import ctypes
import http.client
import os
import pathlib
import shutil
import signal
import socket
import subprocess

from harness import DEADLINE, Server, Skip, check, die_with_us, until

RELAY = os.environ.get("LBCTL_RELAY")
PREFIX = "leaderboard-"


def free_ports(n):
    """Different ones."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(contextlib.closing(socket.socket())) for _ in range(n)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


class Program:
    """One that stays, in the list of what is to be ended after the test."""

    def __init__(self, arguments, log, preexec=die_with_us, env=None):
        self.arguments, self.path, self.preexec = arguments, pathlib.Path(log).absolute(), preexec
        self.env = dict(os.environ, **(env or {}))
        self.start()
        Server.all.append(self)

    def start(self):
        with open(self.path, "ab") as log:
            self.process = subprocess.Popen(self.arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=self.env, preexec_fn=self.preexec)

    def text(self):
        return self.path.read_text(errors="replace")

    @property
    def said(self):
        return [line for line in self.text().splitlines() if not line.startswith("[INFO]")]

    def alive(self):
        check(self.process.poll() is None, self.arguments[0], "has ended:", self.text()[-500:])

    def crash(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.terminate()
        self.process.wait(DEADLINE)
        check("Sanitizer" not in self.text(), "a sanitizer complains")

    def kill(self):
        if self.process.poll() is None:
            self.crash()


class Relay(Program):
    def __init__(self, name, database, url, *options):
        super().__init__([RELAY, "--database", database, "--grip-url", url, "--prefix", PREFIX, *options],
                         f"{name}.log")

    def activations(self):
        return self.text().count("is the active one now")

    def is_active(self):
        """By what it has said last."""
        active, standby = (self.text().rfind(what) for what in ("is the active one now", "this relay stands by"))
        return active > standby


def answers(port, path, accept="*/*"):
    """The status, None if there is none within seconds: what Pushpin loses while it starts it never answers."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=3)) as connection:
            connection.request("GET", path, headers={"Accept": accept})
            return connection.getresponse().status
    return None


def ask_to_end_with_us():
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


class Pushpin(Program):
    """Debian's, which expects a zurl that runs as a service: this one starts its own."""

    def __init__(self, origin, port, control, board, sig_iss="pushpin", sig_key="changeme"):
        """The board is one that the origin has."""
        if not shutil.which("pushpin"):
            raise Skip("no pushpin on PATH")
        here = pathlib.Path.cwd()
        if len(str(here)) > 60:
            raise Skip("the path of the directory is too long for the sockets of pushpin")
        self.port, self.control, self.board = port, control, board
        pathlib.Path("run").mkdir()
        pathlib.Path("log").mkdir()
        # Nobody is behind /ready: the answer to it is the proxy's own.
        pathlib.Path("routes").write_text(f"* 127.0.0.1:{origin}\n*,path_beg=/ready 127.0.0.1:1\n")
        pathlib.Path("pushpin.conf").write_text(
            "[global]\n"
            "include={libdir}/internal.conf\n"
            f"rundir={here}/run\n"
            "[runner]\n"
            "services=condure,zurl,pushpin-proxy,pushpin-handler\n"
            f"http_port=127.0.0.1:{port}\n"
            f"logdir={here}/log\n"
            "[proxy]\n"
            f"routesfile={here}/routes\n"
            f"sig_iss={sig_iss}\n"
            f"sig_key={sig_key}\n"
            "zurl_out_specs=ipc://{rundir}/{ipc_prefix}zurl-in\n"
            "zurl_out_stream_specs=ipc://{rundir}/{ipc_prefix}zurl-in-stream\n"
            "zurl_in_specs=ipc://{rundir}/{ipc_prefix}zurl-out\n"
            "[handler]\n"
            "push_in_http_addr=127.0.0.1\n"
            f"push_in_http_port={control}\n"
            "message_rate=0\n"
            "message_wait=200\n"
            "id_cache_ttl=60\n")
        super().__init__(["pushpin", "--config=pushpin.conf", "-m"], "pushpin.log", ask_to_end_with_us)
        until(self.ready, "Pushpin answers")

    def ready(self):
        self.alive()
        # It answers before it can hold. 501: the origin does not know it for its proxy.
        return (answers(self.control, "/") == 200 and answers(self.port, "/ready") == 502 and
                answers(self.port, f"/boards/{self.board}/", "text/event-stream") in (200, 501))

    def restart(self):
        self.stop()
        self.start()

    def crash(self):
        """The whole of it ends when one of its programs does; it itself is not killed, since it would leave those
        behind."""
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for child in children:
            if "pushpin-handler" in pathlib.Path(f"/proc/{child}/cmdline").read_text():
                os.kill(int(child), signal.SIGKILL)
        self.process.wait(DEADLINE)

    def kill(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait()
