"""The next change, and the next team: what is particular to the first one stands in its profile."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.builders import ROOT

NAMES = re.compile(r"phase.?1|\bocr|\bmcp|mongo|\bnsq|enrichment|adaptive timeout|error classification", re.IGNORECASE)
# Kinds of systems have names: here they are declared, chosen and asked.
KINDS = {"profile/systems.py", "evidence/queue.py", "evidence/documents.py"}
# The lab's own commands, and the demonstration on it.
OF_THE_LAB = {"tasks/development.py", "tasks/groups.py"}
ASIDE = re.compile(r"runbook|\(tree: |phase1\.toml")
PACKAGE = ROOT / "rollback_gate"
SOURCES = [path for path in PACKAGE.rglob("*") if path.suffix in {".py", ".j2", ".css"}]
GATE = [*(ROOT / "tests" / "gate").glob("*.py"), ROOT / "conftest.py", ROOT / "tasks.py"]


def named(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if NAMES.search(line) and not ASIDE.search(line)]


@pytest.mark.parametrize("path", [*SOURCES, *GATE], ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_names_the_first_change(path: Path) -> None:
    """Adapters, and references to the runbook, aside."""
    inside = str(path.relative_to(PACKAGE)) if path.is_relative_to(PACKAGE) else ""
    if inside in KINDS | OF_THE_LAB or inside.startswith("evidence/adapters/"):
        return
    assert named(path) == []


def test_the_test_would_notice() -> None:
    assert named(ROOT / "lab" / "reference.py")
    assert named(PACKAGE / "evidence" / "adapters" / "queue_nsq.py")


@pytest.mark.parametrize("path", sorted((PACKAGE / "evidence" / "adapters").glob("*.py")), ids=lambda path: path.name)
def test_an_adapter_is_small(path: Path) -> None:
    """What one kind needs, and no more: a team can read it before it trusts it."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 150
