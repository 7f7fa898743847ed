"""Runs the gate's suite in a process of its own: nothing in the caller's environment can deselect a check.

The request goes through a pipe and the result into a private folder: write access to the records' folder cannot change
what is judged. The caller publishes what it has checked.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rollback_gate.platform.commands import allowed
from rollback_gate.profile.schema import Profile
from rollback_gate.record.html import css
from rollback_gate.record.write import HTML_NAME, JSON_NAME, JUNIT_NAME, LOG_NAME, read_json
from rollback_gate.regular import text_of
from rollback_gate.suite.request import GateRequest

PLUGINS = (
    "no:cacheprovider",
    "pytest_metadata.plugin",
    "pytest_html.fixtures",
    "pytest_html.plugin",
    "rollback_gate.suite.pytest_plugin",
)
_STYLE_NAME = "record.css"
# The engine must be the caller's: if that one did not answer, no other may be asked here.
_ALSO = ("DOCKER_CONTEXT", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")


def command(root: Path, folder: Path, own: Path | None = None) -> tuple[str, ...]:
    """The command. -I: it ignores PYTHON* variables. `folder`: the private one. `own`: of the team's own checks.

    A file of theirs that cannot be loaded must not keep the others from running.
    """
    plugins = [part for plugin in PLUGINS for part in ("-p", plugin)]
    return (
        sys.executable,
        "-I",
        "-m",
        "pytest",
        *plugins,
        "-c",
        str(root / "tests/gate/gate.ini"),
        "--rootdir",
        str(root / "tests/gate"),
        "--noconftest",
        "-q",
        "--capture=sys",
        "--tb=short",
        "--gate-result",
        str(folder / JSON_NAME),
        "--self-contained-html",
        "--css",
        str(folder / _STYLE_NAME),
        "--html",
        str(folder / HTML_NAME),
        f"--junitxml={folder / JUNIT_NAME}",
        "--import-mode=importlib",
        "--continue-on-collection-errors",
        str(root / "tests/gate"),
        *([str(own)] if own and own.is_dir() else []),
    )


def environment(environ: Mapping[str, str], more: Iterable[str]) -> dict[str, str]:
    """The variables that children may have, and `more`: none can change which tests run, and no signing key."""
    return {**allowed(environ, (*_ALSO, *more)), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


@dataclass(frozen=True)
class Left:
    """What the process left. `trouble`: why it judged nothing, "" if it did.

    `judged`: its record, as a table; `page` and `junit`: what pytest wrote. `log`: its output, in either case.
    """

    trouble: str
    judged: Mapping[str, Any]
    page: str
    junit: str
    log: str


@dataclass(frozen=True)
class Suite:
    """A process that loads its modules, and then waits for its request."""

    process: subprocess.Popen[bytes]
    folder: Path

    def judge(self, request: GateRequest, limit_s: float) -> Left:
        """Runs all checks. `limit_s`: 0 for none. An interrupt of this process (Ctrl-C, a signal) propagates."""
        trouble = self._ran(request.as_text(), limit_s)
        log = (self.folder / LOG_NAME).read_text(encoding="utf-8", errors="replace")
        if trouble:
            return Left(trouble, {}, "", "", log)
        try:
            page, junit = text_of(self.folder / HTML_NAME), text_of(self.folder / JUNIT_NAME)
            return Left("", read_json(self.folder), page, junit, log)
        except (OSError, ValueError) as error:
            return Left(f"it has left no report ({error}); {LOG_NAME} may say why", {}, "", "", log)

    def _ran(self, text: str, limit_s: float) -> str:
        """The trouble, "" for none. Raises what interrupts it."""
        pipe = self.process.stdin
        with contextlib.suppress(BrokenPipeError):  # it is dead: its status shows how
            if pipe is not None:
                pipe.write(f"{text}\n".encode())
                pipe.flush()  # stays open: its end means that the caller is gone
        try:
            self.process.wait(timeout=limit_s or None)
        except subprocess.TimeoutExpired:
            return f"it was stopped after {limit_s:g} s, its time limit"
        status = self.process.returncode
        return "" if status >= 0 else f"it was killed by signal {-status}"


@contextlib.contextmanager
def started(root: Path, profile: Profile, environ: Mapping[str, str], own: Path | None = None) -> Iterator[Suite]:
    """Starts a suite that loads its modules; it is killed when the context ends. Raises OSError."""
    with tempfile.TemporaryDirectory(prefix="rollback-gate-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / _STYLE_NAME).write_text(css(), encoding="utf-8")
        environ = environment(environ, profile.variables)
        with (folder / LOG_NAME).open("wb") as log:
            process = subprocess.Popen(
                command(root, folder, own), env=environ, stdin=subprocess.PIPE, stdout=log, start_new_session=True
            )
        try:
            yield Suite(process, folder)
        finally:
            _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kills the process and its children."""
    with contextlib.suppress(ProcessLookupError):  # it has already ended
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(BrokenPipeError), process:
        pass  # closes its standard input, and waits
