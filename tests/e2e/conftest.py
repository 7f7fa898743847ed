"""Real engine, real MongoDB, real Compose. What is missing fails a test; nothing is skipped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.reference import COORDINATOR, WORKER, Lab, default_compose

ROOT = Path(__file__).resolve().parents[2]
COMPOSE_V1 = "/usr/bin/docker-compose"
QUICK = ("limits.soak_s=1", "completeness.minimum_sample=4")


@dataclass(frozen=True)
class Ended:
    """A command that ended, with all that it printed."""

    status: int
    output: str


@dataclass(frozen=True)
class Operator:
    """Someone with a shell: calls tasks from another directory than the project's, against one lab."""

    lab: Lab
    reports: Path

    def invoke(self, *arguments: str, **environ: str) -> Ended:
        base = {k: v for k, v in os.environ.items() if not k.startswith(("ROLLBACK_GATE", "PYTEST_"))}
        bin_folder = str(Path(sys.executable).parent)
        settings = {
            "PATH": f"{bin_folder}{os.pathsep}{base['PATH']}",
            "ROLLBACK_GATE_PROFILE": str(self.lab.profile),
            "ROLLBACK_GATE_REPORTS": str(self.reports),
            "ROLLBACK_GATE_STATE_DIRECTORY": str(self.reports.parent / "state"),
        }
        command = [sys.executable, "-m", "invoke", "--search-root", str(ROOT), *arguments]
        done = subprocess.run(
            command, env={**base, **settings, **environ}, cwd="/", stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False,
        )  # fmt: skip
        return Ended(done.returncode, done.stdout)

    def rollback(self, *arguments: str, **environ: str) -> Ended:
        return self.invoke("rollback", *_settings(), *arguments, **environ)

    def verify(self, *arguments: str, **environ: str) -> Ended:
        return self.invoke("verify", *_settings(), *arguments, **environ)

    def newest_record(self) -> dict[str, Any]:
        folder = max(self.reports.iterdir(), key=lambda path: path.name)
        record: dict[str, Any] = json.loads((folder / "report.json").read_text())
        return record | {"folder": folder}


def _settings() -> list[str]:
    return [part for setting in QUICK for part in ("--set", setting)]


@contextmanager
def running_lab(variant: str, release: str, project: str, folder: Path, compose: str = "") -> Iterator[Operator]:
    lab = Lab.up(variant, release, project, compose or default_compose())
    try:
        yield Operator(lab, folder / "reports")
    finally:
        lab.down()


def finding(record: dict[str, Any], check: str) -> dict[str, Any]:
    found: dict[str, Any] = next(f for f in record["findings"] if f["check"] == check)
    return found


def identities(lab: Lab, services: tuple[str, ...]) -> dict[str, tuple[str, str]]:
    """Container id and start by name."""
    found = [c for service in services for c in lab.containers(service)]
    return {str(c.name): (str(c.id), c.attrs["State"]["StartedAt"]) for c in found}


OTHERS = ("mongodb", "nsqd", "mcp-server")
OURS = (WORKER, COORDINATOR)


@pytest.fixture(scope="session")
def labs_directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Labs of the tests live apart from those that a person started."""
    folder = tmp_path_factory.mktemp("labs")
    before = os.environ.get("ROLLBACK_GATE_LAB_DIRECTORY")
    os.environ["ROLLBACK_GATE_LAB_DIRECTORY"] = str(folder)
    yield folder
    if before is None:
        del os.environ["ROLLBACK_GATE_LAB_DIRECTORY"]
    else:
        os.environ["ROLLBACK_GATE_LAB_DIRECTORY"] = before
