"""An installation without a checkout: suite and profiles come along, lab and tests do not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.builders import ROOT


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An environment with our wheel, and our dependencies from this one: nothing is fetched."""
    folder = tmp_path_factory.mktemp("installed")
    source = folder / "source"  # of its own: other processes build too, and all would build in one folder
    for name in ("rollback_gate", "profiles", "tests/gate"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    wheels = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(folder),
        str(source),
    ]
    subprocess.run(wheels, check=True, capture_output=True, timeout=120)
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv/bin/python"
    (wheel,) = folder.glob("*.whl")
    pip = [str(python), "-m", "pip", "install", "-q", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(pip, check=True, capture_output=True, timeout=120)
    here = next(Path(path) for path in sys.path if path.endswith("site-packages"))
    site = next((folder / "venv/lib").glob("python3*")) / "site-packages"
    (site / "dependencies.pth").write_text(f"{here}\n")
    yield folder / "venv"


def called(installed: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "DOCKER_HOST": "tcp://127.0.0.1:1", "HOME": "/nonexistent", **environ}
    command = [str(installed / "bin/rollback-gate"), *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd="/", timeout=120)


def test_it_brings_suite_and_profiles(installed: Path) -> None:
    share = installed / "share/rollback-gate"
    assert {path.name for path in (share / "tests/gate").iterdir()} >= {"gate.ini", "test_processing.py", "__init__.py"}
    assert (share / "profiles/phase1.toml").read_text() == (ROOT / "profiles/phase1.toml").read_text()


def test_its_commands_are_those_of_an_operator(installed: Path) -> None:
    shown = called(installed, "--help").stdout
    assert "Usage: rollback-gate COMMAND" in shown
    assert "rollback.undo" in shown
    assert "lab.up" not in shown
    assert called(installed, "lab.up").returncode == 1


def test_it_judges_with_the_suite_that_it_brought(installed: Path, tmp_path: Path) -> None:
    """No engine answers here: the checks run to their end, and the record says so."""
    places = {"ROLLBACK_GATE_STATE_DIRECTORY": str(tmp_path), "ROLLBACK_GATE_DATABASE_PASSWORD": "x"}
    done = called(installed, "verify", **places)
    assert done.returncode == 20, done.stdout + done.stderr
    (page,) = (tmp_path / "reports").glob("*/report.html")
    assert "could not be" in page.read_text()
    assert "test_document_comes_out_of_every_replica" in (page.parent / "junit.xml").read_text()
