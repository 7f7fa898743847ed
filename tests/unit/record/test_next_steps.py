from __future__ import annotations

from typing import Any

import pytest

from rollback_gate.record import next_steps

FILES = "test_new_behaviour::test_restored_files_are_the_old_code[replica-1]"
MARK = "test_new_behaviour::test_fresh_documents_carry_no_mark"


def record(verdict: str = "NO-GO", code: str = "passed", test: str = FILES, **changes: Any) -> dict[str, Any]:
    findings = [{"check": "new_behaviour", "outcome": code}, {"check": "processing", "outcome": "failed"}]
    tests = {test: {"claim": {"outcome": code}}}
    return {"verdict": verdict, "findings": findings, "tests": tests, **changes}


@pytest.mark.parametrize(
    ("code", "run", "words"),
    [
        ("failed", {"id": "x"}, "The rollback did not take effect"),
        ("failed", None, "The change is still there"),
        ("passed", None, "The old code runs, but the service does not work as it did"),
        ("inconclusive", None, "whether the old code runs could not be measured"),
    ],
)
def test_a_no_go_says_which_of_the_two_it_has_shown(code: str, run: Any, words: str) -> None:
    """Whether the change is still there, or the service does not work; where no run of ours was, nothing of one."""
    assert words in next_steps.what_failed(record(code=code, run=run))


def test_where_the_change_is_still_there_the_first_step_reverts_it() -> None:
    assert "`invoke rollback verify`" in next_steps.of_record(record(code="failed"))[0]
    partial = next_steps.of_record(record(code="failed", run={"mode": "partial"}))
    assert "`invoke rollback.partial verify`" in partial[0], "the new modules stay"
    others = (
        record(code="passed"),
        record("INCONCLUSIVE", code="failed"),
        record(code="failed", unended_run="x"),
        record(code="failed", test=MARK),  # a rollback would find nothing to do
    )
    for other in others:
        assert not any("`invoke rollback verify`" in step for step in next_steps.of_record(other))


def test_commands_are_as_the_operator_calls_them() -> None:
    assert "`gate rollback verify`" in next_steps.of_record(record(code="failed", launcher="gate"))[0]


@pytest.mark.parametrize("verdict", ["GO", "NO-GO", "INCONCLUSIVE"])
def test_a_run_that_did_not_complete_comes_first(verdict: str) -> None:
    first = next_steps.of_record(record(verdict, unended_run="20261125T200000Z-abcd"))[0]
    assert "20261125T200000Z-abcd" in first
    assert "rollback.resume" in first


def test_a_failed_run_says_its_own_next_step_first() -> None:
    steps = next_steps.of_record(record("INCONCLUSIVE", state_of_service=[], next_step="start the engine"))
    assert steps[0] == "start the engine"
