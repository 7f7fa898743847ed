"""The launcher: what it makes sure of before a command runs."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.unit.builders import ROOT


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A copy of the tool whose environment is complete, and whose docker command has no engine to talk to."""
    shutil.copy(ROOT / "bootstrap", tmp_path)
    (tmp_path / "requirements").mkdir()
    for name in ("requirements/operator.txt", "pyproject.toml"):
        (tmp_path / name).write_text(f"# {name}\n")
    script = {
        ".venv/bin/python": 'echo "ran as $ROLLBACK_GATE_LAUNCHER: $*"',
        "bin/docker": "exit 1",
        "bin/mmdebstrap": "",
    }
    for path, body in script.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / path).chmod(0o755)
    stamped = "# requirements/operator.txt\n# pyproject.toml\n" + f"{tmp_path}\n"
    (tmp_path / ".venv/.installed").write_text(f"dev {hashlib.sha256(stamped.encode()).hexdigest()}\n")
    return tmp_path


def called(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{root}/bin:{os.environ['PATH']}", "DOCKER_HOST": "tcp://127.0.0.1:1"}
    command = [str(root / "bootstrap"), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("task", ["gate", "record.show", "actions", "ticket.attach", "--list", "verify", "rollback"])
def test_a_command_that_starts_no_lab_asks_for_no_engine(installed: Path, task: str) -> None:
    """The gate runs on CI machines that have none; a rollback says by itself whom it cannot reach, and starts nobody."""
    ended = called(installed, "invoke", task)
    ran = f"ran as {installed}/bootstrap invoke: -P -m rollback_gate {task}\n"
    assert (ended.returncode, ended.stdout) == (0, ran), ended.stderr


def test_the_tests_that_need_no_engine_run_without_one(installed: Path) -> None:
    """The program says then that there is none, and fails."""
    (installed / "bin/docker-compose").write_text("#!/bin/sh\n")
    ended = called(installed, "test")
    assert (ended.returncode, "-m rollback_gate test" in ended.stdout) == (0, True), ended.stderr
    assert "what needs none runs, then this fails" in ended.stderr


@pytest.mark.parametrize("words", ["rollback --reason demo verify", "verify --set x=test", "record.show lab.up"])
def test_a_word_that_is_no_command_starts_no_lab(installed: Path, words: str) -> None:
    """On a production machine: neither an engine nor packages of the lab."""
    ended = called(installed, *words.split())
    assert ended.stdout.endswith(f"-m rollback_gate {words}\n"), ended.stderr
    assert "apt-get" not in ended.stderr


def test_a_demo_without_an_engine_is_offered(installed: Path) -> None:
    """Never made in its place: a recorded verdict is none of anything that runs."""
    ended = called(installed, "demo")
    assert ended.returncode == 50
    assert f"or see it without an engine: {installed}/bootstrap demo --recorded" in ended.stderr
    assert called(installed, "demo", "--recorded").stdout.endswith("-m rollback_gate demo --recorded\n")


@pytest.mark.parametrize("task", ["verify", "rollback", "record.show", "no-such-task", "--help"])
def test_invoke_may_be_left_out(installed: Path, task: str) -> None:
    """`exec: verify: not found` helped nobody; what is no command is told by the program."""
    ended = called(installed, task)
    assert ended.stdout == f"ran as {installed}/bootstrap: -P -m rollback_gate {task}\n", ended.stderr


def test_a_program_of_the_environment_is_itself(installed: Path) -> None:
    (installed / ".venv/bin/ruff").write_text('#!/bin/sh\necho "ruff $*"\n')
    (installed / ".venv/bin/ruff").chmod(0o755)
    assert called(installed, "ruff", "check").stdout == "ruff check\n"


def test_a_link_on_the_path_is_called_by_its_name(installed: Path) -> None:
    """Printed commands are what the operator typed: a path only where the name alone would not do."""
    (installed / "bin/gate").symlink_to(installed / "bootstrap")
    environment = {"PATH": f"{installed}/bin:{os.environ['PATH']}"}
    for typed, expected in (("gate", "gate"), (str(installed / "bin/gate"), "gate")):
        ended = subprocess.run(
            [typed, "verify"], env=environment, capture_output=True, text=True, check=False, timeout=60
        )
        assert ended.stdout == f"ran as {expected}: -P -m rollback_gate verify\n", ended.stderr
    elsewhere = {"PATH": os.environ["PATH"]}
    typed = str(installed / "bin/gate")
    ended = subprocess.run([typed, "verify"], env=elsewhere, capture_output=True, text=True, check=False, timeout=60)
    assert ended.stdout == f"ran as {typed}: -P -m rollback_gate verify\n", ended.stderr


@pytest.mark.parametrize("task", ["demo", "selftest", "lab.up"])
def test_what_starts_a_lab_needs_an_engine(installed: Path, task: str) -> None:
    ended = called(installed, "invoke", task)
    assert ended.returncode == 50
    assert "no Docker Engine answers at tcp://127.0.0.1:1" in ended.stderr


def test_a_folder_that_was_moved_or_copied_makes_its_environment_anew(installed: Path, tmp_path: Path) -> None:
    """Its programs name the interpreter of where it came from: they would run that one's code."""
    copy = tmp_path.with_name(f"{tmp_path.name}-copy")
    shutil.copytree(installed, copy)
    (copy / "bin/python3.11").write_text('#!/bin/sh\n[ "$1" = -c ] && exit 0\necho "made anew: $*" >&2\nexit 1\n')
    (copy / "bin/python3.11").chmod(0o755)
    (copy / "bin/grep").write_text('#!/bin/sh\n[ "$1" = -qE ] && exit 1\nexec /usr/bin/grep "$@"\n')
    (copy / "bin/grep").chmod(0o755)
    ended = called(copy, "invoke", "gate")
    assert ended.returncode == 50
    assert "Python cannot make a virtual environment" in ended.stderr
    assert not (copy / ".venv").exists()
    assert called(installed, "invoke", "gate").returncode == 0


def test_an_environment_that_is_active_is_not_what_makes_itself_anew(installed: Path) -> None:
    """Its own interpreter comes first in PATH, and goes before it is asked."""
    (installed / ".venv/.place").write_text("/elsewhere\n")
    (installed / ".venv/.installed").write_text("dev of-another-place\n")
    (installed / ".venv/bin/python3.11").write_text("#!/bin/sh\nexit 0\n")
    (installed / ".venv/bin/python3.11").chmod(0o755)
    (installed / "bin/python3.11").write_text(
        f'#!/bin/sh\n[ "$1" = -c ] && exit 0\necho "$*" >> {installed}/asked\nexit 1\n'
    )
    (installed / "bin/python3.11").chmod(0o755)
    (installed / "bin/grep").write_text('#!/bin/sh\n[ "$1" = -qE ] && exit 1\nexec /usr/bin/grep "$@"\n')
    (installed / "bin/grep").chmod(0o755)
    environment = {"PATH": f"{installed}/.venv/bin:{installed}/bin:{os.environ['PATH']}"}
    command = [str(installed / "bootstrap"), "invoke", "gate"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 50
    assert (installed / "asked").read_text() == f"-m venv {installed}/.venv\n"
