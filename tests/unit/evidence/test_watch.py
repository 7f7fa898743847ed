"""What ends the waiting time of a verify: another process, and nothing that only the manager of a Swarm knows."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from rollback_gate.evidence.watch import Watch
from rollback_gate.platform.replica import Replica
from tests.unit.builders import STARTED, phase1, replica, upstream

PROFILE = phase1("limits.soak_s=10")
AS_ITS_NODE_SHOWS_IT = replica(node="rgl2", name="p_worker.1.abc")
AS_THE_STACK_HAS_IT = replace(
    AS_ITS_NODE_SHOWS_IT, number="1", config_hash="other", failed_at=(STARTED.plus(-60),), configs=(("/a", "b"),)
)


def watched(first: Replica, now: Replica | None) -> float:
    """How long it was watched, in seconds, if that is its state from the beginning on."""
    at = [0.0]
    processing: Any = SimpleNamespace(
        follow=dict,
        lacking=list,
        wants_probes=lambda _: 0,
        awaits_proof=lambda _: False,
        is_in_work=lambda: False,
    )
    engines = SimpleNamespace(of=lambda _: SimpleNamespace(inspect=lambda _: now))

    def sleep(seconds: float) -> None:
        at[0] += seconds

    watch = Watch(
        PROFILE,
        SimpleNamespace(engines=engines),  # type: ignore[arg-type]
        SimpleNamespace(found=(first,)),  # type: ignore[arg-type]
        processing,
        lambda _: None,
        lambda: at[0],
        sleep,
        lambda: False,
        lambda: "",
    )
    watch.until_decided(upstream("answers", ""), 0.0)  # type: ignore[arg-type]
    return at[0]


def test_what_failed_before_in_the_slot_does_not_end_the_watch() -> None:
    """The engine of its node does not know of it: no soak, and no test document, was the result."""
    assert watched(AS_THE_STACK_HAS_IT, AS_ITS_NODE_SHOWS_IT) >= 10


@pytest.mark.parametrize(
    "now",
    [
        None,
        replace(AS_ITS_NODE_SHOWS_IT, started_at=STARTED.plus(5)),
        replace(AS_ITS_NODE_SHOWS_IT, status="exited"),
        replace(AS_ITS_NODE_SHOWS_IT, restart_count=1, started_at=STARTED.plus(1)),
    ],
)
def test_another_process_ends_it(now: Replica | None) -> None:
    assert watched(AS_THE_STACK_HAS_IT, now) < 10
