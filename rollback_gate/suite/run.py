"""Runs the gate's suite in a process of its own: nothing in the caller's environment can deselect a check.

The request goes through a pipe and the result into a private folder: write access to the records' folder cannot change
what is judged. The caller publishes what it has checked.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rollback_gate.checks.verdict import Ran
from rollback_gate.platform.commands import allowed
from rollback_gate.profile.schema import Profile
from rollback_gate.record import build, html
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
OWN_NAME, READINGS_NAME, OWN_LOG = "own.json", "readings.pickle", "own.log"
_OWN_S = 600.0  # for all of the team's own checks together
# The engine must be the caller's: if that one did not answer, no other may be asked here.
_ALSO = ("DOCKER_CONTEXT", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")


def command(root: Path, folder: Path) -> tuple[str, ...]:
    """The command of the four checks. `folder`: the private one."""
    page = ("--self-contained-html", "--css", str(folder / _STYLE_NAME), "--html", str(folder / HTML_NAME))
    checks = root / "tests/gate"
    return (*_pytest(root, folder, checks, PLUGINS), *page, f"--junitxml={folder / JUNIT_NAME}", str(checks))


def command_of_own(root: Path, folder: Path, checks: Path) -> tuple[str, ...]:
    """The command of the team's own checks: a file that cannot be loaded keeps no other one from running."""
    apart = ("--import-mode=importlib", "--continue-on-collection-errors")
    base = _pytest(root, folder, checks, (PLUGINS[0], PLUGINS[-1]))
    return (*base, *apart, "--gate-own", str(folder / OWN_NAME), str(checks))


def _pytest(root: Path, folder: Path, checks: Path, plugins: Iterable[str]) -> tuple[str, ...]:
    """-I: it ignores PYTHON* variables."""
    return (
        sys.executable,
        "-I",
        "-m",
        "pytest",
        *(part for plugin in plugins for part in ("-p", plugin)),
        "-c",
        str(root / "tests/gate/gate.ini"),
        "--rootdir",
        str(checks),
        "--noconftest",
        "-q",
        "--capture=sys",
        "--tb=short",
        "--gate-result",
        str(folder / JSON_NAME),
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
    root: Path
    environ: Mapping[str, str]
    clock: Callable[[], float] = time.monotonic

    def judge(self, request: GateRequest, limit_s: float) -> Left:
        """Runs all checks, the team's own ones too. `limit_s`: 0 for none; own ones take no longer than _OWN_S.

        An interrupt of this process (Ctrl-C, a signal) propagates.
        """
        ends = self.clock() + limit_s
        trouble = self._ran(request.as_text(), limit_s)
        log = (self.folder / LOG_NAME).read_text(encoding="utf-8", errors="replace")
        if trouble:
            return Left(trouble, {}, "", "", log)
        try:
            page, junit = text_of(self.folder / HTML_NAME), text_of(self.folder / JUNIT_NAME)
            left = Left("", read_json(self.folder), page, junit, log)
        except (OSError, ValueError) as error:
            return Left(f"it has left no report ({error}); {LOG_NAME} may say why", {}, "", "", log)
        has_own = request.own is not None and request.heading.scope.own
        if not has_own or not (self.folder / READINGS_NAME).exists():
            return left
        return self._with_own(left, request, min(_OWN_S, ends - self.clock()) if limit_s else _OWN_S)

    def _with_own(self, left: Left, request: GateRequest, limit_s: float) -> Left:
        """With the team's own checks, in a process of theirs: whatever they do, the four have their verdict."""
        said = self.folder / OWN_LOG
        ran = {one.id: Ran("", True, None, one.trouble) for one in request.heading.scope.own if one.trouble}
        own = {test for one in request.heading.scope.own for test in one.ids(request.slots)}
        ran |= {test: one for test, one in self._own_ran(request, said, limit_s).items() if test in own}
        try:
            judged = build.with_own(left.judged, ran)
        except (ValueError, KeyError, TypeError, AttributeError):
            return left  # without them: each is required, and has not run
        was, now = (str(html.escape(html.title(record))) for record in (left.judged, judged))
        log = left.log + said.read_text(encoding="utf-8", errors="replace")
        return replace(left, judged=judged, page=left.page.replace(was, now), log=log)

    def _own_ran(self, request: GateRequest, said: Path, limit_s: float) -> dict[str, Ran]:
        """Results by test; none if they have not all ended within the limit."""
        assert request.own is not None
        with (
            said.open("wb") as log,
            subprocess.Popen(
                command_of_own(self.root, self.folder, request.own),
                env=self.environ,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            ) as process,
        ):
            try:
                with contextlib.suppress(BrokenPipeError):
                    assert process.stdin is not None
                    process.stdin.write(f"{request.as_text()}\n".encode())
                    process.stdin.flush()  # stays open: its end means that the caller is gone
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=max(limit_s, 0))
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        try:
            return build.ran_of(json.loads(text_of(self.folder / OWN_NAME)))
        except (OSError, ValueError, KeyError, TypeError):
            return {}

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
def started(root: Path, profile: Profile, environ: Mapping[str, str]) -> Iterator[Suite]:
    """Starts a suite that loads its modules; it is killed when the context ends. Raises OSError."""
    with tempfile.TemporaryDirectory(prefix="rollback-gate-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / _STYLE_NAME).write_text(css(), encoding="utf-8")
        environ = environment(environ, profile.variables)
        with (folder / LOG_NAME).open("wb") as log:
            process = subprocess.Popen(
                command(root, folder), env=environ, stdin=subprocess.PIPE, stdout=log, start_new_session=True
            )
        try:
            yield Suite(process, folder, root, environ)
        finally:
            _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kills the process and its children."""
    with contextlib.suppress(ProcessLookupError):  # it has already ended
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(BrokenPipeError), process:
        pass  # closes its standard input, and waits
