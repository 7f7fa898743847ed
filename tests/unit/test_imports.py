"""Imports run one way (DESIGN: the shape of the code)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.unit.builders import ROOT

PACKAGE = ROOT / "rollback_gate"
WORDS = {"instant", "model", "errors", "redaction"}
PURE = WORDS | {
    "profile.schema", "profile.layers", "deployment.replica", "deployment.strategy", "evidence.readings", "evidence.proof",
    "evidence.error_lines", "evidence.log_filter", "evidence.log_stream", "evidence.log_lines", "evidence.code", "evidence.boundary", "evidence.import_graph",
    "rollback.interruption", "rollback.content", "rollback.goal", "rollback.plan", "checks.settling", "checks.early", "checks.processed", "checks.unproven", "checks.new_behaviour", "checks.worker_running", "checks.processing", "checks.completeness",
    "checks.manifest", "checks.verdict", "confidence", "evidence.log_history",
    "triggers.symptoms", "triggers.rule", "triggers.startup", "triggers.documents", "triggers.completeness",
    "triggers.errors", "triggers.trend", "triggers.decide", "record.picture", "record.next_steps", "record.by_hand", "record.context",
    "record.markup", "record.seal", "tickets.summary",
}  # fmt: skip
# Pure code may use these, although they hold effects too: each is a value or a parser beside its query.
MIXED = {"deployment.compose", "commands"}
EFFECTS_LIBRARIES = {"docker", "pymongo", "requests", "subprocess", "testinfra", "invoke", "pytest", "time", "socket"}
TOP = {"session", "call", "overview", "pytest_plugin", "suite", "request", "chain"}


WORKFLOW = {
    "workflow.actions",
    "workflow.records",
    "workflow.tickets",
    "workflow.assess",
    "workflow.assessments",
    "workflow.why",
    "workflow.before",
    "workflow.failure",
    "workflow.gate",
    "workflow.prepare",
    "workflow.probes",
    "workflow.production",
    "workflow.rollback",
    "workflow.unlock",
    "workflow.verify",
}


TASKS = {f"tasks.{path.stem}" for path in (PACKAGE / "tasks").glob("*.py")}


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
    assert modules().keys() >= PURE | MIXED | TOP | WORKFLOW


@pytest.mark.parametrize("name", sorted(PURE))
def test_pure_code_has_no_effects(name: str) -> None:
    """It imports no library with effects, and of ours only pure code."""
    found = imports(modules()[name])
    assert not {n.partition(".")[0] for n in found} & EFFECTS_LIBRARIES
    assert own(found) <= PURE | MIXED


@pytest.mark.parametrize("name", sorted(WORDS))
def test_the_words_import_only_words(name: str) -> None:
    assert own(imports(modules()[name])) <= WORDS


@pytest.mark.parametrize("name", sorted(set(modules()) - TOP - WORKFLOW - TASKS))
def test_nobody_imports_upwards(name: str) -> None:
    """Only the edge (the tasks, the plugin and what they call) knows the workflow."""
    assert not own(imports(modules()[name])) & (TOP | WORKFLOW)


def test_checks_do_not_know_the_actor() -> None:
    """The judge believes the live system, never what the rollback says it did."""
    for name in PURE:
        if name.startswith("checks."):
            assert not any(n.startswith("rollback_gate.rollback") for n in imports(modules()[name]))


def test_invoke_list_imports_nothing_heavy() -> None:
    """Heavy imports happen where they are used: `invoke --list` must answer at once."""
    for path in (ROOT / "tasks.py", ROOT / "lab" / "tasks.py", *(PACKAGE / "tasks").glob("*.py")):
        tree = ast.parse(path.read_text())
        top = [n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
        names = {alias.name for n in top if isinstance(n, ast.Import) for alias in n.names}
        names |= {str(n.module) for n in top if isinstance(n, ast.ImportFrom)}
        heavy = {n for n in names if n.startswith(("rollback_gate", "docker", "pymongo", "lab.")) and n != "lab.tasks"}
        assert {n for n in heavy if not n.startswith("rollback_gate.tasks")} == set(), path
