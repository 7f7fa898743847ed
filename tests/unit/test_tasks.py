"""Tasks as Invoke calls them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from invoke.config import Config
from invoke.context import Context
from invoke.exceptions import Exit

from rollback_gate.tasks.collection import collection
from rollback_gate.tasks.options import task_with
from tests.unit.builders import ROOT


def called(options: dict[str, Any], dry: bool, **given: Any) -> dict[str, Any]:
    """What the task's function gets."""
    seen: list[Any] = []
    context = Context(Config(overrides={"run": {"dry": dry}, "root": str(Path("/srv"))}))

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


def test_a_task_without_a_dry_run_does_nothing_then() -> None:
    assert called({"why": ("", "a reason")}, dry=False, why="x")["why"] == "x"
    with pytest.raises(Exit, match="no dry run: nothing was done") as caught:
        called({"why": ("", "a reason")}, dry=True, why="x")
    assert caught.value.code == 2
