"""leaderboard.cgi under a real web server: lighttpd, in the current directory, on a port of its own. The program is
named by LEADERBOARD_SERVER, as the harness has it."""

import contextlib
import os
import pathlib
import shutil
import subprocess

from grip import free_ports
from harness import DEADLINE, SERVER, Server, Skip, check, connect, die_with_us, until


class Lighttpd:
    def __init__(self, **variables):
        program = shutil.which("lighttpd") or shutil.which("lighttpd", path="/usr/sbin")
        if not program:
            raise Skip("no lighttpd")
        self.port = free_ports(1)[0]
        self.said = []
        self.write_files(variables)
        self.log = open("lighttpd.log", "ab")
        self.process = subprocess.Popen([program, "-D", "-f", "lighttpd.conf"], stdin=subprocess.DEVNULL,
                                        stdout=self.log, stderr=self.log, preexec_fn=die_with_us)
        Server.all.append(self)
        until(self.accepts, "lighttpd takes connections")

    def write_files(self, variables):
        here = pathlib.Path.cwd()
        pathlib.Path("www").mkdir()
        pathlib.Path("www/leaderboard.cgi").symlink_to(SERVER)
        variables = {"DATABASE_URL": f"sqlite:{here}/leaderboard.db",
                     "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", ""), **variables}
        lines = "".join(f'  "{name}" => "{value}",\n' for name, value in variables.items() if value)
        pathlib.Path("lighttpd.conf").write_text(
            'server.modules = ("mod_cgi", "mod_rewrite", "mod_setenv")\n'
            f'server.document-root = "{here}/www"\n'
            f'server.port = {self.port}\n'
            'server.bind = "127.0.0.1"\n'
            f'server.breakagelog = "{here}/cgi.log"\n'
            'server.follow-symlink = "enable"\n'
            f'setenv.set-environment = (\n{lines})\n'
            'url.rewrite-once = ("^/boards(/|\\?|$)" => "/leaderboard.cgi")\n'
            'cgi.assign = (".cgi" => "")\n')

    def accepts(self):
        check(self.process.poll() is None, "lighttpd has ended:", pathlib.Path("lighttpd.log").read_text()[-500:])
        with contextlib.suppress(ConnectionRefusedError):
            connect(self).close()
            return True
        return False

    def errors(self):
        """What the program has printed to its standard error."""
        return pathlib.Path("cgi.log").read_text() if pathlib.Path("cgi.log").exists() else ""

    def stop(self):
        self.process.terminate()
        self.process.wait(DEADLINE)
        self.log.close()
        self.said = self.errors().splitlines()
        check("Sanitizer" not in self.errors(), "a sanitizer complains")

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log.close()
