"""A real sshd with keys of its own, and an `ssh` for the PATH that uses them and nothing of the user's."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.images import LabError, run

SSHD, _SSH = "/usr/sbin/sshd", "/usr/bin/ssh"
_START_S = 10.0
_SERVER = """Port {port}
ListenAddress {address}
HostKey {folder}/host
AuthorizedKeysFile {folder}/client.pub
PidFile {folder}/pid
StrictModes no
UsePAM no
PasswordAuthentication no
LogLevel VERBOSE
"""
_CLIENT = """Host *
  IdentityFile {folder}/client
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known
  GlobalKnownHostsFile /dev/null
"""


@dataclass(frozen=True)
class Server:
    """`bin`: a folder with the `ssh` that is let in; to be first on the PATH."""

    folder: Path
    address: str
    port: int

    @property
    def bin(self) -> Path:
        return self.folder / "bin"

    @property
    def connections(self) -> int:
        """How many were let in so far."""
        return (self.folder / "log").read_text().count("Accepted publickey")

    def forget_host(self) -> None:
        (self.folder / "known").write_text("")

    def environment(self, environ: dict[str, str]) -> dict[str, str]:
        return {**environ, "PATH": f"{self.bin}{os.pathsep}{environ['PATH']}"}


@contextmanager
def serving(
    folder: Path, address: str = "127.0.0.1", port: int = 0, more: str = "", inside: Sequence[str] = ()
) -> Iterator[Server]:
    """`more`: lines of its configuration. `inside`: a command that runs it elsewhere. Raises LabError."""
    server = Server(folder, address, port or _free_port(address))
    _write(server, more)
    command = [*inside, SSHD, "-D", "-f", str(folder / "sshd_config"), "-E", str(folder / "log")]
    try:
        Path("/run/sshd").mkdir(exist_ok=True)  # its empty folder for separated privileges
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    except OSError as error:
        raise LabError(f"{SSHD} cannot be started: {error.strerror}; install openssh-server") from error
    try:
        _wait(server, process)
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _write(server: Server, more: str) -> None:
    folder = server.folder
    server.bin.mkdir(parents=True)
    for name in ("host", "client"):
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)])
    (folder / "sshd_config").write_text(_SERVER.format(folder=folder, address=server.address, port=server.port) + more)
    (folder / "ssh_config").write_text(_CLIENT.format(folder=folder))
    host = server.address if server.port == 22 else f"[{server.address}]:{server.port}"
    (folder / "known").write_text(f"{host} {(folder / 'host.pub').read_text()}")
    program = server.bin / "ssh"
    program.write_text(f'#!/bin/sh\nexec {_SSH} -F {folder}/ssh_config "$@"\n')
    program.chmod(0o755)


def _wait(server: Server, process: subprocess.Popen[bytes]) -> None:
    log, deadline = server.folder / "log", time.monotonic() + _START_S
    while not (log.exists() and "Server listening" in log.read_text()):
        if process.poll() is not None or time.monotonic() > deadline:
            raise LabError(f"sshd does not listen: {log.read_text() if log.exists() else 'it has no log'}")
        time.sleep(0.05)


def _free_port(address: str) -> int:
    with socket.create_server((address, 0)) as listener:
        return int(listener.getsockname()[1])
