"""Tasks as Invoke calls them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from invoke.config import Config
from invoke.context import Context
from invoke.exceptions import Exit

from rollback_gate.tasks.collection import collection
from rollback_gate.tasks.options import task_with
from rollback_gate.workflow.call import _home
from tests.unit.builders import ROOT


def called(options: dict[str, Any], dry: bool, **given: Any) -> dict[str, Any]:
    """What the task's function gets."""
    seen: list[Any] = []
    context = Context(Config(overrides={"run": {"dry": dry}, "root": "/srv", "launcher": "invoke"}))

    @task_with(options)
    def some(given: Any) -> None:
        """A task."""
        seen.append(given)

    some(context, **given)
    return dict(vars(seen[0]))


def test_invokes_own_dry_option_is_a_dry_run() -> None:
    """`invoke --dry rollback` would roll back: Invoke only keeps its own commands from running."""
    options = {"dry_run": (False, "touch nothing")}
    assert called(options, dry=True, dry_run=False)["dry_run"] is True
    assert called(options, dry=False, dry_run=False)["dry_run"] is False


def test_every_command_in_a_message_exists() -> None:
    """Whatever our texts tell people to type is a task."""
    tasks = collection(ROOT).task_names
    names = {*tasks, *(alias for aliases in tasks.values() for alias in aliases)}
    texts = [path.read_text() for path in (ROOT / "rollback_gate").rglob("*.py")]
    texts += [path.read_text() for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]]
    found = {word.rstrip(".") for text in texts for word in re.findall(r"\binvoke ([a-z]+\.[a-z.]+)", text)}
    assert {"rollback.resume", "record.chain"} <= found
    assert found - names == set()


@pytest.mark.parametrize("closed", [">&-", "<&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_output_is_no_traceback(closed: str, tmp_path: Path) -> None:
    environ = {**os.environ, "ROLLBACK_GATE_REPORTS": str(tmp_path), "DOCKER_HOST": "tcp://127.0.0.1:1"}
    command = f"{sys.executable} -m invoke --search-root {ROOT} record.list {closed}"
    done = subprocess.run(["sh", "-c", command], env=environ, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr


def test_a_user_whom_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container: without a home, and without a name."""
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 54_321)
    assert _home() == ()


def test_a_task_without_a_dry_run_does_nothing_then() -> None:
    assert called({"why": ("", "a reason")}, dry=False, why="x")["why"] == "x"
    with pytest.raises(Exit, match="no dry run: nothing was done") as caught:
        called({"why": ("", "a reason")}, dry=True, why="x")
    assert caught.value.code == 2
