"""The platform is done with the services, and was asked everywhere."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rollback_gate.checks import undisturbed, worker_running
from rollback_gate.model import Outcome, Unmeasured
from rollback_gate.platform.stands import Stands
from tests.unit.builders import STARTED, phase1, readings, replica, replica_reading

QUIET = Stands(
    updates={"enrichment-worker": ""},
    lacking={"enrichment-worker": ()},
    unasked={"enrichment-worker": ()},
    apart_s={"one": 0.2, "two": -0.1},
)
NOT_ASKED = Unmeasured("node two", "no answer")


def at_rest(stands: Any) -> Any:
    return undisturbed.at_rest(readings(stands=stands), phase1())


def test_a_quiet_swarm_passes() -> None:
    claim = at_rest(QUIET)
    assert claim.passed
    assert claim.says == "no update is under way, 2 nodes were asked, and their clocks agree within 0.2 s"


@pytest.mark.parametrize(
    ("stands", "says"),
    [
        (replace(QUIET, updates={"enrichment-worker": "its update is paused"}), "its update is paused"),
        (replace(QUIET, unasked={"enrichment-worker": (NOT_ASKED,)}), "which may run enrichment-worker"),
        (replace(QUIET, apart_s={"one": -90.0}), "90 s off the manager's"),
        (replace(QUIET, remembers=1), "task history limit is 1"),
        (replace(QUIET, apart_s={"one": Unmeasured("the clock of node one", "no answer")}), "the clock of node one"),
        (Unmeasured("the state of the Swarm", "no answer"), "no answer"),
        (None, "was not asked"),
    ],
)
def test_what_is_under_way_or_out_of_reach_is_never_go(stands: Any, says: str) -> None:
    claim = at_rest(stands)
    assert claim.outcome is Outcome.INCONCLUSIVE
    assert says in claim.says


@pytest.mark.parametrize("remembers", [5, -1, None])
def test_a_manager_that_remembers_former_tasks_passes(remembers: int | None) -> None:
    """-1: all of them."""
    assert at_rest(replace(QUIET, remembers=remembers)).passed


def test_a_container_that_outlived_its_task_is_not_counted_and_told() -> None:
    stray = replica_reading(3, before=replica(id="3" * 64, name="p_worker.3.x", node="two", unwanted="has ended"))
    found = readings(replicas=(replica_reading(1), replica_reading(2), stray), stands=QUIET)
    claim = worker_running.expected_number(found)
    assert claim.outcome is Outcome.INCONCLUSIVE
    assert "p_worker.3 on node two runs beside them, and has ended" in claim.says
    ids = {"p-enrichment-worker-1": "1" * 64, "p_worker.3.x": "3" * 64}
    missing = readings(
        replicas=(replica_reading(1), replace(stray, slot="replica-2", after=stray.before)),
        worker_ids=ids,
        stands=QUIET,
    )
    assert worker_running.expected_number(missing).outcome is Outcome.FAILED


def test_what_the_manager_says_of_a_missing_task_stands_in_the_claim() -> None:
    stands = replace(QUIET, lacking={"enrichment-worker": ("task x waits for a node that fits",)})
    found = readings(
        replicas=(replica_reading(1), replica_reading(2, before=None, after=None)), worker_ids={}, stands=stands
    )
    claim = worker_running.expected_number(found)
    assert claim.outcome is Outcome.FAILED
    assert claim.says.endswith("1 of 2 replicas run; task x waits for a node that fits")


@pytest.mark.parametrize(
    ("changes", "outcome", "says"),
    [
        ({}, Outcome.PASSED, "the same configuration"),
        (
            {"configured": {"enrichment-worker": "other", "enrichment-coordinator": "abc"}},
            Outcome.INCONCLUSIVE,
            "has not reached them all",
        ),
        (
            {"rewritten": {"enrichment-worker": ("image",)}},
            Outcome.INCONCLUSIVE,
            "another image by the next deployment",
        ),
        (
            {"rewritten": {"enrichment-worker": Unmeasured("the files", "no Compose")}},
            Outcome.INCONCLUSIVE,
            "no Compose",
        ),
    ],
)
def test_tasks_service_and_file_must_have_one_definition(changes: Any, outcome: Outcome, says: str) -> None:
    claim = worker_running.configurations(readings(stands=QUIET, **changes))
    assert claim.outcome is outcome
    assert says in claim.says


@pytest.mark.parametrize(("failures", "outcome"), [(1, Outcome.INCONCLUSIVE), (2, Outcome.FAILED)])
def test_a_slot_that_fails_again_and_again_has_failed_though_its_next_task_runs(
    failures: int, outcome: Outcome
) -> None:
    """A new task was made between two failures; once may have been its start."""
    failed_at = (STARTED.plus(-60),) * failures
    made = replica(node="two", status="created", started_at=None, failed_at=failed_at)
    found = replica_reading(1, before=made, after=replica(node="two", failed_at=failed_at))
    assert worker_running.state(readings(replicas=(found, replica_reading(2)), stands=QUIET), found).outcome is outcome
