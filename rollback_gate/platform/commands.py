"""External commands. The runner is always an argument, so that tests can refuse unexpected commands."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rollback_gate.errors import CommandFailed, CommandTimedOut


@dataclass(frozen=True)
class Completed:
    """A command that exited with status 0. `raw`: its standard output as bytes, for file contents."""

    argv: tuple[str, ...]
    stdout: str
    stderr: str
    raw: bytes = b""


# Variables for child processes: where programs and their settings are, and how to reach the engine. No secret of ours,
# and nothing that would make git, docker or Compose work on another target than their arguments name.
ALLOWED = frozenset(
    {
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "LANG",
        "TZ",
        "TMPDIR",
        "TERM",
        "XDG_CONFIG_HOME",
        "XDG_RUNTIME_DIR",
        "SSH_AUTH_SOCK",
        "DOCKER_HOST",
        "DOCKER_CONFIG",
        "DOCKER_CERT_PATH",
        "DOCKER_TLS_VERIFY",
    }
)


def allowed(environ: Mapping[str, str], more: Iterable[str] = ()) -> dict[str, str]:
    """The environment of child processes; `more`: names of further variables, which a Compose file uses."""
    names = ALLOWED | set(more)
    return {name: value for name, value in environ.items() if name in names or name.startswith("LC_")}


class Runner(Protocol):
    def __call__(
        self, argv: tuple[str, ...], *, cwd: Path | None = None, timeout_s: float = 60, text: str = ""
    ) -> Completed:
        """`text`: its standard input. Raises CommandFailed for a nonzero exit status, a missing program or timeout."""


class SubprocessRunner:
    """Runs real commands. `environment` replaces the inherited one.

    `held`: a descriptor that the command keeps open too. With a lock's descriptor, the deployment stays locked while a
    command (a build, a recreate) outlives its killed caller. `run_as`: uid and gid.
    """

    def __init__(
        self, environment: Mapping[str, str], held: int | None = None, run_as: tuple[int, int] | None = None
    ) -> None:
        self._environment = dict(environment)
        self._as: dict[str, Any] = {"user": run_as[0], "group": run_as[1], "extra_groups": []} if run_as else {}
        self._held = () if held is None else (held,)

    def __call__(
        self, argv: tuple[str, ...], *, cwd: Path | None = None, timeout_s: float = 60, text: str = ""
    ) -> Completed:
        try:
            process = subprocess.Popen(
                argv,
                cwd=cwd,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                pass_fds=self._held,
                **self._as,
            )
        except OSError as error:
            raise CommandFailed(argv, f"could not be started ({error.strerror})", "") from error
        with process:
            try:
                raw, said = process.communicate(text.encode(), timeout=timeout_s)
            except BaseException as error:
                # Kill its children too: a Compose plugin would otherwise continue to build.
                os.killpg(process.pid, signal.SIGKILL)
                if isinstance(error, subprocess.TimeoutExpired):
                    raise CommandTimedOut(argv, f"did not end within {timeout_s:g} s", "") from error
                raise
        stdout, stderr = raw.decode(errors="replace"), said.decode(errors="replace")
        if process.returncode:
            says = f"exited with status {process.returncode}"
            raise CommandFailed(argv, says, stdout + stderr, exit_status=process.returncode)
        return Completed(argv, stdout, stderr, raw)
