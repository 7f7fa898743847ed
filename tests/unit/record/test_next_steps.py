from __future__ import annotations

from typing import Any

import pytest

from rollback_gate.record import next_steps


def record(verdict: str = "NO-GO", code: str = "passed", **changes: Any) -> dict[str, Any]:
    findings = [{"check": "new_behaviour", "outcome": code}, {"check": "processing", "outcome": "failed"}]
    return {"verdict": verdict, "findings": findings, **changes}


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("failed", "has not taken effect"),
        ("passed", "took effect, and the service does not work"),
        ("inconclusive", "whether the rollback took effect could not be told"),
    ],
)
def test_a_no_go_says_which_of_the_two_it_has_shown(code: str, words: str) -> None:
    """Whether the rollback did not take effect, or the service does not work."""
    assert words in next_steps.of_record(record(code=code))[0]


@pytest.mark.parametrize("verdict", ["GO", "NO-GO", "INCONCLUSIVE"])
def test_a_run_that_did_not_complete_comes_first(verdict: str) -> None:
    first = next_steps.of_record(record(verdict, unended_run="20261125T200000Z-abcd"))[0]
    assert "20261125T200000Z-abcd" in first
    assert "rollback.resume" in first


def test_a_failed_run_says_its_own_next_step_first() -> None:
    steps = next_steps.of_record(record("INCONCLUSIVE", state_of_service=[], next_step="start the engine"))
    assert steps[0] == "start the engine"
