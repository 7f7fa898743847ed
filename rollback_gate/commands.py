"""Running external commands. The runner is an argument everywhere, so that tests can refuse what they did not expect."""

from __future__ import annotations

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
            done = subprocess.run(
                argv, cwd=cwd, env=self._environment, timeout=timeout_s, check=False,
                stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise CommandFailed(argv, f"did not end within {timeout_s:.0f} s", _text(error.stderr)) from error
        except OSError as error:
            raise CommandFailed(argv, f"could not be started ({error.strerror})", "") from error
        if done.returncode:
            raise CommandFailed(argv, f"exited with status {done.returncode}", done.stdout + done.stderr)
        return Completed(argv, done.stdout, done.stderr)


def _text(output: bytes | str | None) -> str:
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""
