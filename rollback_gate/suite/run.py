"""Running the gate's suite in a process of its own: nothing of the caller's environment can deselect a check."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from rollback_gate.errors import RollbackGateError
from rollback_gate.record import seal
from rollback_gate.record.html import css
from rollback_gate.record.seal import Key
from rollback_gate.record.write import HTML_NAME, JUNIT_NAME, publish, publish_page
from rollback_gate.redaction import Redactor
from rollback_gate.suite.request import GateRequest

PLUGINS = (
    "no:cacheprovider",
    "pytest_metadata.plugin",
    "pytest_html.fixtures",
    "pytest_html.plugin",
    "rollback_gate.suite.pytest_plugin",
)
LOG_NAME = "pytest.log"
_PARTIAL = ".partial"


def command(request_file: Path, root: Path, folder: Path) -> tuple[str, ...]:
    """-I: the environment's PYTHON* variables do not reach it. Reports get their names only when they are whole."""
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
        "--gate-request",
        str(request_file),
        "--self-contained-html",
        "--css",
        str(folder / "record.css"),
        "--html",
        str(folder / f"{HTML_NAME}{_PARTIAL}"),
        f"--junitxml={folder / f'{JUNIT_NAME}{_PARTIAL}'}",
        str(root / "tests/gate"),
    )


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Without what could change which tests run; with only the plugins named here."""
    kept = {key: value for key, value in environ.items() if not key.startswith("PYTEST_")}
    return {**kept, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def run_suite(request: GateRequest, root: Path, environ: Mapping[str, str], limit_s: float) -> str:
    """Run all checks; "" when the suite ended by itself and left its record, else what happened instead.

    Whatever interrupts this process (Ctrl-C, a signal) ends the suite, and goes on.
    """
    folder, redactor = request.folder, request.redactor()
    request_file, style, log_file = folder / "request.json", folder / "record.css", folder / LOG_NAME
    request.write(request_file)
    style.write_text(css(), encoding="utf-8")
    try:
        with log_file.open("wb") as log:
            trouble = _run(command(request_file, root, folder), environment(environ), log.fileno(), limit_s)
        return trouble or _publish(request, redactor, seal.key_of(environ))
    finally:
        for path in (request_file, style, *folder.glob(f"*{_PARTIAL}")):
            path.unlink(missing_ok=True)
        if log_file.exists():
            publish(log_file, log_file, redactor)


def _run(argv: tuple[str, ...], environ: Mapping[str, str], log: int, limit_s: float) -> str:
    with subprocess.Popen(
        argv, env=dict(environ), stdin=subprocess.DEVNULL, stdout=log, start_new_session=True
    ) as process:
        try:
            status = process.wait(timeout=limit_s or None)
        except subprocess.TimeoutExpired:
            _kill(process.pid)
            return f"it was stopped after {limit_s:g} s, its time limit"
        except BaseException:
            _kill(process.pid)
            raise
    return "" if status >= 0 else f"it was killed by signal {-status}"


def _kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # it ended by itself at this moment
        os.killpg(group, signal.SIGKILL)


def _publish(request: GateRequest, redactor: Redactor, key: Key | None) -> str:
    """The pages that pytest wrote, cleaned and under their own names."""
    folder = request.folder
    try:
        publish(folder / f"{JUNIT_NAME}{_PARTIAL}", folder / JUNIT_NAME, redactor)
        publish_page(folder / f"{HTML_NAME}{_PARTIAL}", folder / HTML_NAME, redactor, key)
    except (OSError, ValueError, RollbackGateError) as error:
        return f"its report was not written ({error}); {folder / LOG_NAME} may say why"
    return ""
