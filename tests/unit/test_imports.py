"""Imports run one way (DESIGN: the shape of the code)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.unit.builders import ROOT

PACKAGE = ROOT / "rollback_gate"
WORDS = {"instant", "model", "errors", "redaction", "confidence", "launcher", "progress"}
PURE = (WORDS - {"progress"}) | {
    "change.code",
    "change.content",
    "change.goal",
    "change.import_graph",
    "change.past",
    "change.reading",
    "change.strategy",
    "change.written",
    "checks.answering",
    "checks.completeness",
    "checks.consuming",
    "checks.cut",
    "checks.early",
    "checks.manifest",
    "checks.measured",
    "checks.new_behaviour",
    "checks.next_start",
    "checks.processed",
    "checks.processing",
    "checks.settling",
    "checks.sentences",
    "checks.start",
    "checks.staying",
    "checks.undisturbed",
    "checks.unproven",
    "checks.verdict",
    "checks.worker_running",
    "confidence",
    "draft.differences",
    "draft.imports",
    "draft.printed",
    "evidence.adapters.environment",
    "evidence.adapters.fields",
    "evidence.adapters.known",
    "draft.source",
    "draft.text",
    "evidence.answered",
    "evidence.boundary",
    "evidence.adapters.computed",
    "evidence.adapters.mongodb_queries",
    "evidence.adapters.mongodb_rows",
    "evidence.consumers",
    "evidence.dated",
    "evidence.error_lines",
    "evidence.judged",
    "evidence.log_filter",
    "evidence.log_history",
    "evidence.log_lines",
    "evidence.log_stream",
    "evidence.proof",
    "evidence.readings",
    "evidence.replicas",
    "evidence.symptoms",
    "evidence.trial",
    "evidence.unlisted",
    "platform.configured",
    "platform.replica",
    "platform.stands",
    "platform.swarm.nodes",
    "platform.swarm.service",
    "platform.swarm.stack",
    "platform.swarm.tasks",
    "platform.swarm.update",
    "profile.afterwards",
    "profile.answers",
    "profile.base",
    "profile.deployment",
    "profile.layers",
    "profile.live",
    "profile.logs",
    "profile.schema",
    "profile.systems",
    "profile.triggers",
    "record.by_hand",
    "record.context",
    "record.markup",
    "record.next_steps",
    "record.picture",
    "record.seal",
    "record.view",
    "rollback.interruption",
    "rollback.plan",
    "rollback.situation",
    "rollback.wanted",
    "tickets.summary",
    "triggers.completeness",
    "triggers.decide",
    "triggers.documents",
    "triggers.errors",
    "triggers.rule",
    "triggers.startup",
    "triggers.trend",
    "workflow.statements",
}
# Pure code may use these, although they hold effects too: each is a value or a parser beside its query.
MIXED = {"platform.compose", "platform.commands"}
EFFECTS_LIBRARIES = {"docker", "pymongo", "requests", "subprocess", "testinfra", "invoke", "pytest", "time", "socket"}
# Each room may know those before it. Judge (checks), triggers and actor (rollback) never import each other.
ORDER = [
    "words",
    "profile",
    "platform",
    "change",
    "evidence",
    "outside",
    "checks",
    "triggers",
    "rollback",
    "record",
    "tickets",
    "suite",
    "draft",
    "workflow",
    "tasks",
]
SIBLINGS = {"checks", "triggers", "rollback"}


def modules() -> dict[str, Path]:
    found = {".".join(p.relative_to(PACKAGE).with_suffix("").parts): p for p in PACKAGE.rglob("*.py")}
    return {name: path for name, path in found.items() if not name.endswith("__init__")}


def imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def own(names: set[str]) -> set[str]:
    known = modules()
    stripped = {name.removeprefix("rollback_gate.") for name in names if name.startswith("rollback_gate.")}
    return {name for name in stripped if name in known}


def test_the_list_of_pure_modules_is_true() -> None:
    """A pure module that was renamed is noticed."""
    assert modules().keys() >= PURE | MIXED


@pytest.mark.parametrize("name", sorted(PURE))
def test_pure_code_has_no_effects(name: str) -> None:
    """It imports no library with effects, and of ours only pure code."""
    found = imports(modules()[name])
    assert not {n.partition(".")[0] for n in found} & EFFECTS_LIBRARIES
    assert own(found) <= PURE | MIXED


def room_of(name: str) -> str:
    folder, _, rest = name.partition(".")
    if name == "__main__":
        return "tasks"
    return folder if rest else "words"


@pytest.mark.parametrize("name", sorted(modules()))
def test_imports_run_one_way(name: str) -> None:
    """From the tasks down to the words, between folders, without exceptions."""
    room = room_of(name)
    for other in own(imports(modules()[name])):
        target = room_of(other)
        assert ORDER.index(target) <= ORDER.index(room), f"{name} imports {other}"
        assert room == target or not {room, target} <= SIBLINGS, f"{name} imports {other}"


def test_invoke_list_imports_nothing_heavy() -> None:
    """Heavy imports happen where they are used: `invoke --list` must answer at once."""
    for path in (ROOT / "tasks.py", ROOT / "lab" / "tasks.py", *(PACKAGE / "tasks").glob("*.py")):
        tree = ast.parse(path.read_text())
        top = [n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
        names = {alias.name for n in top if isinstance(n, ast.Import) for alias in n.names}
        names |= {str(n.module) for n in top if isinstance(n, ast.ImportFrom)}
        heavy = {n for n in names if n.startswith(("rollback_gate", "docker", "pymongo", "lab.")) and n != "lab.tasks"}
        light = {f"rollback_gate.{word}" for word in WORDS}
        assert {n for n in heavy - light if not n.startswith("rollback_gate.tasks")} == set(), path
