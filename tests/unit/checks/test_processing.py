from __future__ import annotations

from typing import Any

import pytest

from rollback_gate.checks import processing
from rollback_gate.evidence.readings import DocumentsReading, McpReading, ProbesReading, QueueReading
from rollback_gate.model import Outcome, Unmeasured
from tests.unit.builders import STARTED, document, documents, log, probe, readings, replica_reading

SILENT = McpReading(False, "no answer at localhost:3003")
DOWN = Unmeasured("the queue", "down")
HIDDEN = log(finished={}, unfinished={}, consuming_at=None)


def with_probes(*probes: Any, **changes: Any) -> Any:
    return readings(probes=ProbesReading(tuple(probes), 400, **changes))


def test_a_probe_from_every_replica_passes() -> None:
    assert processing.probe_on_every_replica(readings()).passed


def test_a_replica_that_no_probe_reached_is_inconclusive() -> None:
    """Nothing was measured on it; GO needs every replica."""
    claim = processing.probe_on_every_replica(with_probes(probe(1), probe(1)))
    assert claim.outcome is Outcome.INCONCLUSIVE
    assert "replica-2" in claim.says


def test_picked_up_and_never_finished_fails_unless_the_mcp_server_is_silent() -> None:
    """The worker's failure; or, when what it needs does not answer, not its own."""
    stuck = probe(
        2, document=None, seconds=None, stuck_in=(("replica-2", 401.0),), log_lines=("line of that document",)
    )
    claim = processing.probe_on_every_replica(with_probes(probe(1), stuck))
    assert claim.outcome is Outcome.FAILED
    assert "line of that document" in claim.details
    blamed = readings(probes=ProbesReading((probe(1), stuck), 400), mcp=SILENT)
    assert processing.probe_on_every_replica(blamed).outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("before", "after", "outcome"),
    [
        (QueueReading(50, 2, (), 10), QueueReading(30, 2, (), 30), Outcome.INCONCLUSIVE),
        (QueueReading(50, 0, (), 10), QueueReading(51, 0, (), 10), Outcome.FAILED),
        (DOWN, DOWN, Outcome.INCONCLUSIVE),
    ],
)
def test_a_probe_that_nobody_picked_up(before: Any, after: Any, outcome: Outcome) -> None:
    """Behind a backlog that moves it says nothing; in a queue that stands still nothing is consumed."""
    lost = probe(1, replica=None, document=None, seconds=None)
    nothing = DocumentsReading(STARTED, ())
    world = readings(probes=ProbesReading((lost,), 400), queue_before=before, queue_after=after, documents=nothing)
    assert processing.probe_on_every_replica(world).outcome is outcome


@pytest.mark.parametrize(
    "changes",
    [
        {"documents": documents(0.3)},
        {"queue_before": QueueReading(50, 0, (), 10), "queue_after": QueueReading(45, 0, (), 3)},
        {"strangers": ("x at 1.2.3.4:5",)},
    ],
)
def test_signs_that_the_queue_moves_or_that_others_take_from_it(changes: dict[str, Any]) -> None:
    """Documents saved meanwhile, a depth that falls (new connections count from 0), a stranger: not our failure."""
    lost = probe(1, replica=None, document=None, seconds=None)
    still = QueueReading(50, 0, (), 10)
    base = {"queue_before": still, "queue_after": still, "documents": DocumentsReading(STARTED, ())}
    world = readings(probes=ProbesReading((lost,), 400), **{**base, **changes})
    assert processing.probe_on_every_replica(world).outcome is Outcome.INCONCLUSIVE


def test_still_in_work_for_less_than_the_limit_is_inconclusive() -> None:
    """It waited in the queue most of the time: the worker has not had its 400 seconds."""
    late = probe(2, document=None, seconds=None, stuck_in=(("replica-2", 12.0),))
    claim = processing.probe_on_every_replica(with_probes(probe(1), late))
    assert claim.outcome is Outcome.INCONCLUSIVE
    assert "still in work" in claim.says


def test_a_replica_that_hangs_on_a_redelivered_probe_is_not_covered() -> None:
    """replica-1 picked it up and hangs, replica-2 saved it: replica-1 has finished nothing."""
    saved_elsewhere = probe(2, stuck_in=(("replica-1", 20.0),))
    assert processing.probe_on_every_replica(with_probes(saved_elsewhere)).outcome is Outcome.INCONCLUSIVE
    hanging = probe(2, stuck_in=(("replica-1", 400.0),))
    assert processing.probe_on_every_replica(with_probes(hanging)).outcome is Outcome.FAILED


def test_a_second_probe_that_hangs_in_a_replica_that_finished_one_is_inconclusive() -> None:
    """Old and new code alike can hang on a process's second document (FACTS: Queue)."""
    second = probe(1, document=None, seconds=None, stuck_in=(("replica-1", 500.0),))
    assert processing.probe_on_every_replica(with_probes(probe(1), probe(2), second)).outcome is Outcome.INCONCLUSIVE


def test_a_finished_probe_that_is_delivered_again_still_counts() -> None:
    """Its replica has finished it in time; that it is in work again is named among the traces, not held against it."""
    again = probe(1, stuck_in=(("replica-1", 600.0),))
    assert processing.probe_on_every_replica(with_probes(again, probe(2))).passed


def test_a_probe_that_was_delivered_and_never_begun_is_no_backlog() -> None:
    """The other probe's end is no sign of a backlog that moves."""
    lost = probe(2, replica=None, document=None, seconds=None)
    empty = DocumentsReading(STARTED, ())
    world = readings(
        probes=ProbesReading((probe(1), lost), 400), documents=empty, queue_after=QueueReading(0, 1, (), 1)
    )
    claim = processing.probe_on_every_replica(world)
    assert claim.outcome is Outcome.INCONCLUSIVE
    assert "backlog" not in claim.says


def test_too_slow_fails() -> None:
    """Finished, but beyond the runbook's 400 seconds by the engine's clock."""
    assert processing.probe_on_every_replica(with_probes(probe(1), probe(2, seconds=401))).outcome is Outcome.FAILED


def test_no_probe_at_all_is_inconclusive() -> None:
    assert processing.probe_on_every_replica(with_probes()).outcome is Outcome.INCONCLUSIVE
    assert processing.metrics(with_probes()).outcome is Outcome.INCONCLUSIVE


def test_saved_without_metrics_fails() -> None:
    assert processing.metrics(readings()).passed
    bare = probe(1, document=document("rollback-probe-1", None))
    assert processing.metrics(with_probes(bare)).outcome is Outcome.FAILED
    blamed = readings(probes=ProbesReading((bare,), 400), mcp=SILENT)
    assert processing.metrics(blamed).outcome is Outcome.INCONCLUSIVE


def test_unmeasured_probes_are_inconclusive() -> None:
    world = readings(probes=Unmeasured("probes", "MongoDB is down"))
    for rule in (processing.probe_on_every_replica, processing.metrics, processing.leaves_no_trace):
        assert rule(world).outcome is Outcome.INCONCLUSIVE


def test_strangers_on_the_channel() -> None:
    """Inconclusive; NO-GO when a fresh document carries the mark; unknown when the queue is down."""
    assert processing.no_strangers(readings()).passed
    assert processing.no_strangers(readings(strangers=("x at 1.2.3.4:5",))).outcome is Outcome.INCONCLUSIVE
    marked = readings(strangers=("x at 1.2.3.4:5",), documents=documents(0.3, marked=True))
    assert processing.no_strangers(marked).outcome is Outcome.FAILED
    assert processing.no_strangers(readings(strangers=DOWN)).outcome is Outcome.INCONCLUSIVE


def test_organic_documents() -> None:
    """None with an empty queue is information; none while tasks wait and nothing ends is a failure."""
    assert processing.organic_documents(readings()).passed
    empty = DocumentsReading(STARTED, ())
    assert processing.organic_documents(readings(documents=empty)).passed
    waiting = QueueReading(5, 0, (), 0)
    stuck = ProbesReading((probe(1, document=None),), 400)
    world = readings(documents=empty, queue_before=waiting, queue_after=waiting, probes=stuck)
    assert processing.organic_documents(world).outcome is Outcome.FAILED
    blind = readings(documents=empty, queue_after=DOWN)
    assert processing.organic_documents(blind).outcome is Outcome.INCONCLUSIVE
    assert processing.organic_documents(readings(documents=DOWN)).outcome is Outcome.INCONCLUSIVE


def test_traces() -> None:
    assert processing.leaves_no_trace(readings()).passed
    assert processing.leaves_no_trace(with_probes(probe(1), leftovers=("x",))).outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("log_of_it", "finished", "outcome"),
    [
        (Unmeasured("the log", "driver none"), 2, Outcome.PASSED),
        (HIDDEN, 2, Outcome.PASSED),
        (HIDDEN, 1, Outcome.INCONCLUSIVE),
        (HIDDEN, 0, Outcome.INCONCLUSIVE),
        (HIDDEN, None, Outcome.INCONCLUSIVE),
        (log(finished={}, unfinished={}), 2, Outcome.INCONCLUSIVE),
        (log(), 5, Outcome.INCONCLUSIVE),
    ],
)
def test_where_the_log_cannot_tell_the_queue_can(log_of_it: Any, finished: int | None, outcome: Outcome) -> None:
    """A log that could show documents, and shows another one or none, is believed; the counts must cover all probes."""
    hidden = replica_reading(2, log=log_of_it, finished_in_queue=finished)
    probes = ProbesReading((probe(1), probe(2, replica=None, seconds=None)), 400)
    seen = readings(replicas=(replica_reading(1), hidden), probes=probes)
    assert processing.probe_on_every_replica(seen).outcome is outcome
