"""What belongs to a replica's reading, and what says nothing of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from rollback_gate.evidence.collect import Collector, is_behind_a_mount
from rollback_gate.evidence.listed import is_young
from rollback_gate.model import Unmeasured
from rollback_gate.platform.replica import Mount
from rollback_gate.profile.systems import RabbitmqQueue
from tests.unit.builders import STARTED, phase1, replica


@pytest.mark.parametrize(
    ("mounts", "is_behind"),
    [
        ((), False),
        ((Mount("volume", "", "/data", "data"),), False),
        ((Mount("bind", "/srv/p/enrichment_service", "/app/enrichment_service"),), True),
        ((Mount("bind", "/srv/p", "/app"),), True),
    ],
)
def test_code_behind_a_mount(mounts: tuple[Mount, ...], is_behind: bool) -> None:
    """Only of that, a run that restored files proves that an older process has read others."""
    assert is_behind_a_mount(phase1(), replica(mounts=mounts)) is is_behind


@pytest.mark.parametrize(("node", "off_s", "moved_s"), [("", 3600, 0), ("two", 0, 0), ("two", -3600, -3600)])
def test_a_restore_is_dated_by_the_clock_that_dates_the_process(node: str, off_s: float, moved_s: float) -> None:
    """The manager's says when the run restored the files, the node's when its process started."""
    there = SimpleNamespace(now=lambda: STARTED.plus(off_s))
    collector: Any = SimpleNamespace(
        judged=SimpleNamespace(reverted_at=STARTED), engines=SimpleNamespace(of=lambda _: there), _time=STARTED
    )
    assert Collector._reverted_at(collector, replica(node=node)) == STARTED.plus(moved_s)


@pytest.mark.parametrize(("age_s", "lists_within_s", "young"), [(5, 10, True), (25, 10, False), (5, 0, False)])
def test_only_a_young_process_may_not_be_listed_yet(age_s: float, lists_within_s: float, young: bool) -> None:
    """One that has run for long and is not listed has lost its connection, and is not waited for."""
    assert is_young(replica(), STARTED.plus(age_s), lists_within_s) is young
    assert not is_young(replica(status="exited"), STARTED.plus(age_s), lists_within_s)
    assert not is_young(replica(), Unmeasured("the engine's time", "lost"), lists_within_s)


def test_which_queues_list_late() -> None:
    table = {"kind": "rabbitmq", "address": "a:1", "queue": "q", "user": "u"}
    assert RabbitmqQueue.model_validate(table).lists_within_s == 10
    queue = phase1().queue
    assert queue is not None
    assert queue.lists_within_s == 0
