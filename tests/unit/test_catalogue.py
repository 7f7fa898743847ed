"""The catalogue is whole, recorded, and leaves no assertion of a check untested."""

from __future__ import annotations

from collections import Counter

import pytest

from lab.catalogue import CATALOGUE
from lab.catalogue.derived import DERIVED
from lab.catalogue.entry import CODE, COMPLETENESS, GO, PROCESSING, RUNNING
from lab.mutation import run
from lab.recorded import all_of_them, claims_of
from rollback_gate.checks.manifest import CHECKS, Scope
from rollback_gate.checks.verdict import judge
from rollback_gate.model import Verdict

OF_KINDS = {"settings", "images", "what must stay"}
GROUPS = {
    "code",
    "services",
    "running",
    "processing",
    "completeness",
    "gate",
    "healthy",
    "built code",
    "swarm",
} | OF_KINDS


def test_every_entry_is_told_apart_and_expects_something() -> None:
    """One name each; a sabotage names the check that must say so, or what the gate must say."""
    names = Counter([*(entry.name for entry in CATALOGUE), *(one.entry.name for one in DERIVED)])
    assert max(names.values()) == 1
    assert {entry.group for entry in CATALOGUE} == GROUPS
    for entry in CATALOGUE:
        assert entry.variants
        assert entry.verdict == GO or entry.check or entry.words, entry.name


def test_every_kind_of_item_is_sabotaged_in_five_ways() -> None:
    """Files and removed paths are what most of the others are about."""
    counted = Counter(entry.group for entry in CATALOGUE if entry.verdict != GO)
    assert min(counted[group] for group in {*OF_KINDS, "code"}) >= 5


def test_every_check_goes_red_and_stays_green() -> None:
    """And each verdict occurs for each check."""
    seen = {(entry.check, entry.verdict) for entry in [*CATALOGUE, *(one.entry for one in DERIVED)]}
    assert {CODE, RUNNING, PROCESSING, COMPLETENESS} == set(CHECKS)
    assert {(check, verdict) for check in CHECKS for verdict in ("NO-GO", "INCONCLUSIVE")} <= seen
    assert sum(entry.verdict == GO for entry in CATALOGUE) >= 15


@pytest.mark.thorough
def test_no_assertion_can_be_taken_away_unnoticed() -> None:
    """The mutation run: every `if` of a check that concludes a failure, or that something cannot be told."""
    mutants = run()
    assert len(mutants) > 100
    assert [f"{m.module}:{m.line}: {m.text}" for m in mutants if not m.killed_by] == []


@pytest.mark.parametrize("name", ["quick-bind", "time-zone-bind"])
def test_no_test_of_the_gate_can_be_missing(name: str) -> None:
    """Of a healthy rollback, without any one of the tests, there is no GO."""
    healthy = next(one for one in all_of_them() if one.name == name)
    ran, scope = claims_of(healthy), Scope.of(healthy.profile)
    assert judge(healthy.slots, ran, scope).verdict is Verdict.GO
    for test in scope.ids(healthy.slots):
        left = {other: one for other, one in ran.items() if other != test}
        assert judge(healthy.slots, left, scope).verdict is Verdict.INCONCLUSIVE, test
