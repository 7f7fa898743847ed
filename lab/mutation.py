"""`invoke mutate`: removes each assertion of a check in turn; an entry of the catalogue must then come out wrong.

Judged on recorded readings (tests/readings), so a mutant takes 1 s. An assertion is an `if` of a rule whose body
concludes that something failed or is inconclusive, or names what is wrong. Parts of a condition are not removed one
by one.
"""

from __future__ import annotations

import ast
import copy
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from lab.recorded import SILENT, Recorded, all_of_them
from rollback_gate import checks

_CONCLUDES = {"failed", "inconclusive", "blame"}
# The rules of each check, and what they share; what becomes of all claims is asked by tests of the verdict.
MODULES = sorted(
    path.stem for path in Path(checks.__file__).parent.glob("*.py") if path.stem not in ("__init__", "verdict")
)


@dataclass(frozen=True)
class Mutant:
    """`line`: of the removed assertion. `killed_by`: the first entry that comes out wrong without it, or "".

    `by_breaking`: only because a test of the gate then raises and concludes nothing, which is never GO either.
    """

    module: str
    line: int
    text: str
    killed_by: str
    by_breaking: bool


def run() -> list[Mutant]:
    """Every mutant of every check. Raises AssertionError if an entry comes out wrong without any mutation."""
    recorded = all_of_them()
    wrong = [f"{one.name}: {why}" for one in recorded if (why := one.why_not())]
    assert recorded and not wrong, f"without any mutation: {wrong or 'there are no readings'}"
    return [mutant for module in MODULES for mutant in _of_module(module, recorded)]


def _of_module(check: str, recorded: list[Recorded]) -> Iterator[Mutant]:
    module = importlib.import_module(f"rollback_gate.checks.{check}")
    recorded = sorted(recorded, key=lambda one: one.entry.check != check)  # those that notice soonest
    source = Path(str(module.__file__)).read_text()
    tree = ast.parse(source)
    lines = source.splitlines()
    for number in range(len(_assertions(tree))):
        mutated = copy.deepcopy(tree)
        gone = _assertions(mutated)[number]
        gone.test = ast.copy_location(ast.Constant(value=False), gone.test)
        try:
            _load(module, mutated)
            reasons = ((one.name, why) for one in recorded if (why := one.why_not()))
            killed_by, why = next(reasons, ("", ""))
        finally:
            _load(module, tree)
        yield Mutant(check, gone.lineno, lines[gone.lineno - 1].strip(), killed_by, SILENT in why)


def _assertions(tree: ast.AST) -> list[ast.If]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.If) and _concludes(node.body)]


def _concludes(body: list[ast.stmt]) -> bool:
    """True if the last statement returns what a failing assertion returns."""
    last = body[-1]
    if not isinstance(last, ast.Return) or last.value is None:
        return False
    if isinstance(last.value, ast.List) and last.value.elts:  # what is wrong, in words
        return True
    calls = [node.func for node in ast.walk(last.value) if isinstance(node, ast.Call)]
    return any(isinstance(func, ast.Name) and func.id in _CONCLUDES for func in calls)


def _load(module: ModuleType, tree: ast.Module) -> None:
    """Load into the existing module, which other modules hold by name."""
    exec(compile(tree, str(module.__file__), "exec"), module.__dict__)


def report(mutants: list[Mutant]) -> str:
    alive = [mutant for mutant in mutants if not mutant.killed_by]
    broken = sum(mutant.by_breaking for mutant in mutants)
    noticed = f"{len(mutants) - len(alive)} noticed ({broken} of them because a test then concludes nothing)"
    lines = [f"{len(mutants)} assertions taken away in turn, {noticed}, {len(alive)} not"]
    lines += [f"  not noticed: checks/{m.module}.py:{m.line}: {m.text}" for m in alive]
    return "\n".join(lines)
