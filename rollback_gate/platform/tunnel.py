"""An engine that is reached by ssh: one connection, through which all requests to it go.

The SDK's own way opens a connection for each request, and needs a second implementation of ssh.
"""

from __future__ import annotations

import contextlib
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from rollback_gate.errors import Unreachable
from rollback_gate.platform.commands import allowed
from rollback_gate.redaction import cut

SCHEME = "ssh://"
_PREFIX = "rollback-gate-ssh-"
REMEDY = (
    "its user must be allowed to use the engine's socket (group docker), and its sshd to forward it "
    "(AllowStreamLocalForwarding); another socket than /var/run/docker.sock is named in the address"
)
_SOCKET = "/var/run/docker.sock"
_SHORT = 60
_CONNECT_S, _READY_S, _ALIVE_S = 5, 15.0, 5
_TOO_LATE = f"ssh did not connect within {_READY_S:.0f} s"
_READY, _ERRORS, _LONGEST = b"rollback-gate-is-through", "errors", 4096
# Its input is a pipe of ours: when this process ends, however that be, the command there ends, and ssh with it.
_THERE = f"echo {_READY.decode()} && exec cat"
_OPTIONS = {
    "BatchMode": "yes",
    "ConnectTimeout": str(_CONNECT_S),
    "ControlMaster": "no",
    "ControlPath": "none",
    "ExitOnForwardFailure": "yes",
    "ServerAliveCountMax": "2",
    "ServerAliveInterval": str(_ALIVE_S),
}


@dataclass(frozen=True)
class Tunnel:
    """`address`: where the engine answers on this machine while the tunnel is open."""

    address: str
    _process: subprocess.Popen[bytes]
    _folder: Path

    @property
    def says(self) -> str:
        """What ssh has said besides; "" for nothing."""
        return _said(self._folder)

    def close(self) -> None:
        _ended(self._process)
        shutil.rmtree(self._folder, ignore_errors=True)


def opened(host: str, environ: Mapping[str, str]) -> Tunnel:
    """`host`: ssh://[user@]machine[:port][/path/of/its/socket]. Raises Unreachable with what ssh says."""
    parts = _parts(host)
    folder = _folder()
    with contextlib.ExitStack() as undo:
        undo.callback(shutil.rmtree, folder, ignore_errors=True)
        local = folder / "docker.sock"
        process = _started(_command(parts, local), folder, environ)
        undo.callback(_ended, process)
        if why := _why_not_ready(process, folder):
            remedy = f"try `ssh {_where(parts)} docker info`"
            raise Unreachable(f"no Docker Engine can be reached at {host}: {why}", remedy)
        undo.pop_all()
    return Tunnel(f"unix://{local}", process, folder)


def _parts(host: str) -> SplitResult:
    """Raises Unreachable for an address that is none."""
    try:
        parts = urlsplit(host)
        is_address = bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_address = False
    if not is_address:
        remedy = "write ssh://user@host:port, an IPv6 address in []"
        raise Unreachable(f"{host} is no address of an engine by ssh", remedy)
    return parts


def _folder() -> Path:
    """Of this user only; with a short name, as paths of sockets must be short. Raises Unreachable."""
    place = tempfile.gettempdir()
    try:
        made = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place if len(place) < _SHORT else "/tmp"))
    except OSError as error:
        says = f"no folder can be made for a connection by ssh: {error}"
        raise Unreachable(says, "make room, or set TMPDIR") from error
    return made


def _command(parts: SplitResult, local: Path) -> list[str]:
    options = [word for name, value in _OPTIONS.items() for word in ("-o", f"{name}={value}")]
    who = [*(["-l", parts.username] if parts.username else []), *(["-p", str(parts.port)] if parts.port else [])]
    there = parts.path if parts.path.strip("/") else _SOCKET
    return ["ssh", "-T", *options, *who, "-L", f"{local}:{there}", "--", _machine(parts), _THERE]


def _where(parts: SplitResult) -> str:
    port = f"-p {parts.port} " if parts.port else ""
    user = f"{parts.username}@" if parts.username else ""
    return f"{port}{user}{_machine(parts)}"


def _machine(parts: SplitResult) -> str:
    """As it is written: names in an ssh configuration are not the same in small letters."""
    host = parts.netloc.rpartition("@")[2]
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]


def _started(command: list[str], folder: Path, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Raises Unreachable if there is no ssh."""
    try:
        with (folder / _ERRORS).open("wb") as errors:
            return subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=allowed(environ),
                start_new_session=True,  # Ctrl-C is for the run, which still has questions to the engine
            )
    except OSError as error:
        says = f"ssh cannot be started: {error}"
        raise Unreachable(says, "install it (Debian: openssh-client), or make room in the temporary folder") from error


def _why_not_ready(process: subprocess.Popen[bytes], folder: Path) -> str:
    """Waits until the tunnel is open; "" then, else what ssh has said."""
    assert process.stdout
    deadline, said = time.monotonic() + _READY_S, b""
    while (left := deadline - time.monotonic()) > 0 and select.select([process.stdout], [], [], left)[0]:
        if not (more := process.stdout.read1()):  # type: ignore[attr-defined]
            return _why_ended(process, folder, left)
        said = (said + more)[-_LONGEST:]  # a shell may greet first
        if _READY in said:
            return ""
    return _TOO_LATE


def _why_ended(process: subprocess.Popen[bytes], folder: Path, seconds: float) -> str:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return _TOO_LATE
    return _said(folder) or f"ssh exited with status {process.returncode}"


def _said(folder: Path) -> str:
    try:
        return cut(" ".join((folder / _ERRORS).read_text(errors="replace").split()), 300)
    except OSError as error:
        return f"what it says cannot be read: {error}"


def _ended(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()
