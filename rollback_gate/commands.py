"""Running external commands. The runner is an argument everywhere: tests refuse what they did not expect."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rollback_gate.errors import CommandFailed


@dataclass(frozen=True)
class Completed:
    """A command that exited with status 0."""

    argv: tuple[str, ...]
    stdout: str
    stderr: str


class Runner(Protocol):
    def __call__(self, argv: tuple[str, ...], *, cwd: Path | None = None, timeout_s: float = 60) -> Completed:
        """Raises CommandFailed for any status but 0, for a command that is missing or too slow."""


class SubprocessRunner:
    """The real one. `environment` replaces the inherited one."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)

    def __call__(self, argv: tuple[str, ...], *, cwd: Path | None = None, timeout_s: float = 60) -> Completed:
        try:
            process = subprocess.Popen(
                argv, cwd=cwd, env=self._environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, text=True, errors="replace", start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise CommandFailed(argv, f"could not be started ({error.strerror})", "") from error
        with process:
            try:
                stdout, stderr = process.communicate(timeout=timeout_s)
            except BaseException as error:
                # With its children: a Compose plugin would go on building after its caller had given up.
                os.killpg(process.pid, signal.SIGKILL)
                if isinstance(error, subprocess.TimeoutExpired):
                    raise CommandFailed(argv, f"did not end within {timeout_s:.0f} s", "") from error
                raise
        if process.returncode:
            raise CommandFailed(argv, f"exited with status {process.returncode}", stdout + stderr)
        return Completed(argv, stdout, stderr)
