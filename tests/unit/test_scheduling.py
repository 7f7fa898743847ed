"""Tests that share a lab run in one process: two would remove each other's containers."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.conftest import LAB_BY_PARAMETER, LAB_PER_TEST, shares_a_lab

E2E = Path(__file__).resolve().parents[1] / "e2e"


def module_fixtures(path: Path) -> list[set[str]]:
    """The keywords of each fixture of a module's scope."""
    tree = ast.parse(path.read_text())
    calls = [d for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) for d in f.decorator_list]
    keywords = [{k.arg or "": k.value for k in call.keywords} for call in calls if isinstance(call, ast.Call)]
    module = [k for k in keywords if isinstance(k.get("scope"), ast.Constant) and ast.unparse(k["scope"]) == "'module'"]
    return [set(k) for k in module]


@pytest.mark.parametrize("path", sorted(E2E.glob("test_*.py")), ids=lambda path: path.stem)
def test_a_lab_of_a_module_is_not_given_to_two_processes(path: Path) -> None:
    fixtures = module_fixtures(path)
    if path.stem in LAB_PER_TEST:
        assert not fixtures
    elif path.stem in LAB_BY_PARAMETER:
        assert all("params" in keywords for keywords in fixtures)
    else:
        ids = [f"tests/e2e/{path.name}::test_{n}" for n in ("one", "other[bind]", "other[build]")]
        assert {shares_a_lab(nodeid) for nodeid in ids} == {path.stem}


def test_other_tests_are_shared_one_by_one() -> None:
    assert shares_a_lab("tests/unit/test_x.py::test_one") != shares_a_lab("tests/unit/test_x.py::test_other")
    by_parameter = "tests/e2e/test_main_job.py::test_{}[{}]"
    assert shares_a_lab(by_parameter.format("a", "bind")) == shares_a_lab(by_parameter.format("b", "bind"))
    assert shares_a_lab(by_parameter.format("a", "bind")) != shares_a_lab(by_parameter.format("a", "build"))
