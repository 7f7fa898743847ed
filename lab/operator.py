"""Use of the product on a lab from a separate process, for the catalogue and the end-to-end tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.reference import Lab

ROOT = Path(__file__).resolve().parents[1]
QUICK = ("limits.soak_s=1", "completeness.minimum_sample=4")


@dataclass(frozen=True)
class Ended:
    """A finished command: its exit status and all its output."""

    status: int
    output: str


@dataclass(frozen=True)
class Operator:
    """An operator at a shell, who runs tasks against one lab from outside the project's directory.

    `environ`: what this shell has besides. `quick`: settings that save time, of `rollback`, `verify` and the catalogue.
    """

    lab: Lab
    reports: Path
    root: Path = ROOT
    environ: Mapping[str, str] = field(default_factory=dict)
    quick: tuple[str, ...] = QUICK

    def command(self, *arguments: str) -> list[str]:
        if self.root != ROOT:  # a copy of the project, whose tasks.py Invoke finds
            return [sys.executable, "-m", "invoke", "--search-root", str(self.root), *arguments]
        return [sys.executable, "-P", "-m", "rollback_gate", *arguments]

    def environment(self, **environ: str) -> dict[str, str]:
        base = {k: v for k, v in os.environ.items() if not k.startswith(("ROLLBACK_GATE", "PYTEST_"))}
        bin_folder = str(Path(sys.executable).parent)
        own = {
            "PATH": f"{bin_folder}{os.pathsep}{base['PATH']}",
            "ROLLBACK_GATE_LAUNCHER": "invoke",
            "ROLLBACK_GATE_PROFILE": str(self.lab.profile),
            "ROLLBACK_GATE_REPORTS": str(self.reports),
            "ROLLBACK_GATE_STATE_DIRECTORY": str(self.reports.parent / "state"),
            "ROLLBACK_GATE__LIMITS__BEFORE_S": "0",  # costs seconds at every rollback; tests that need it set it
        }
        return {**base, **own, **self.environ, **environ}

    def invoke(self, *arguments: str, answers: str = "", **environ: str) -> Ended:
        """Run one command to its end. `answers`: typed as input, which then ends."""
        return self.run(self.command(*arguments), answers, **environ)

    def run(self, command: list[str], answers: str = "", **environ: str) -> Ended:
        done = subprocess.run(
            command,
            env=self.environment(**environ),
            cwd="/",
            input=answers,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        return Ended(done.returncode, done.stdout)

    @contextmanager
    def started(self, *arguments: str, **environ: str) -> Iterator[subprocess.Popen[str]]:
        """A command that runs in the background, with an input that stays open."""
        process = subprocess.Popen(
            self.command(*arguments),
            env=self.environment(**environ),
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        with process:
            try:
                yield process
            finally:
                process.kill()

    def rollback(self, *arguments: str, **environ: str) -> Ended:
        return self.invoke("rollback", *settings(*self.quick), *arguments, **environ)

    def verify(self, *arguments: str, **environ: str) -> Ended:
        return self.invoke("verify", *settings(*self.quick), *arguments, **environ)

    def newest_record(self) -> dict[str, Any]:
        folder = max(self.reports.iterdir(), key=lambda path: path.name)
        record: dict[str, Any] = json.loads((folder / "report.json").read_text())
        return record | {"folder": folder}


def finding(record: dict[str, Any], check: str) -> dict[str, Any]:
    found: dict[str, Any] = next(f for f in record["findings"] if f["check"] == check)
    return found


def settings(*values: str) -> list[str]:
    return [part for value in values for part in ("--set", value)]
