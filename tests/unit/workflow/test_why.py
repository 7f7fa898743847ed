"""The last assessment is a rollback's reason, and speaks up where it says something else."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from rollback_gate.errors import Refused
from rollback_gate.model import Decision
from rollback_gate.redaction import Redactor
from rollback_gate.rollback.store import Store
from rollback_gate.workflow import assessments, why
from rollback_gate.workflow.call import Call, local_now
from rollback_gate.workflow.order import Order
from rollback_gate.workflow.terminal import Terminal
from tests.unit.builders import ROOT, phase1

PROFILE = phase1()
CLEAN = Redactor([])


def kept(folder: Path, decision: Decision, age_s: float = 10) -> Store:
    said = {"decision": decision.value, "in_words": decision.in_words("the MCP server"), "reason": "16.7% is too low"}
    table = {"format": 2, "at": str(local_now().plus(-age_s)), **said}
    folder.mkdir(parents=True, exist_ok=True)
    assessments.keep(folder, table, CLEAN)
    return Store(folder, local_now)


def settled(store: Store, order: Order) -> Order:
    call = Call.make(ROOT, "", (), {}, Terminal(io.StringIO(), CLEAN))
    return why.settled(call, PROFILE, [store], order)


def test_its_reason_is_taken_where_none_is_given(tmp_path: Path) -> None:
    """And the operator's own goes before it; the assessment is kept with the run either way."""
    store = kept(tmp_path, Decision.ROLL_BACK)
    assert settled(store, Order()).reason == "16.7% is too low"
    made = settled(store, Order(reason="mine"))
    assert made.reason == "mine"
    assert made.assessment is not None


@pytest.mark.parametrize("decision", [d for d in Decision if d is not Decision.ROLL_BACK])
def test_anything_else_needs_a_yes_or_the_name(tmp_path: Path, decision: Decision) -> None:
    """Where nobody can answer: refused, with or without a reason."""
    store = kept(tmp_path, decision)
    for order in (Order(), Order(reason="mine")):
        with pytest.raises(Refused, match="nothing was touched"):
            settled(store, order)
    made = settled(store, Order(reason="mine", despite_assessment=True))
    assert (made.reason, made.despite_assessment) == ("mine", True)
    assert settled(store, Order(despite_assessment=True)).reason == ""  # it is no reason for a rollback


def test_an_old_one_is_none(tmp_path: Path) -> None:
    """Older than triggers.valid_s, from the future, unreadable, or of another format."""
    for age_s in (PROFILE.triggers.valid_s + 5, -60):
        assert settled(kept(tmp_path, Decision.KEEP, age_s), Order()).assessment is None
    (tmp_path / assessments.NAME).write_text("{")
    assert settled(Store(tmp_path, local_now), Order()).assessment is None


def test_one_from_before_the_last_run_is_none(tmp_path: Path) -> None:
    """What it was about has been rolled back since; the change may have been deployed again."""
    store = kept(tmp_path, Decision.KEEP, 10)
    store.begin("20261124T000000Z-aaaa").journal.write("run.begin", reason="", operator="me", overrides=[])
    assert settled(store, Order()).assessment is None
