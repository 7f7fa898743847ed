"""The wait of a production rollback: to its end, unless something is seen that would be a NO-GO."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from rollback_gate.checks import settling
from rollback_gate.errors import Unreachable
from rollback_gate.evidence.readings import Readings
from rollback_gate.workflow.order import Order
from rollback_gate.workflow.production import glances_of, watch
from rollback_gate.workflow.rollback import rollback
from tests.unit.builders import log, phase1, readings, replica_reading
from tests.unit.rollback.world import World


class Seen:
    """Glances that were taken before; an error is raised."""

    def __init__(self, *rows: Readings | Unreachable) -> None:
        self.rows: Iterator[Readings | Unreachable] = iter(rows)

    def take(self, _: float) -> Readings:
        row = next(self.rows)
        if isinstance(row, Unreachable):
            raise row
        return row


def watched(*rows: Readings | Unreachable, limit_s: float = 10) -> list[str]:
    told: list[str] = []
    now = [0.0]
    glances: Any = Seen(*rows)
    watch(glances, phase1(), limit_s, told.append, lambda: now[0], lambda s: now.__setitem__(0, now[0] + s))
    return told


def test_to_the_end_where_nothing_is_wrong() -> None:
    """Every five seconds a look; a line when it changes, and at the end."""
    assert [line.partition(" s left")[0].strip() for line in watched(readings(), readings(), readings())] == ["10", "0"]


def test_a_look_that_fails_is_told_and_ends_nothing() -> None:
    """The engine may be away for a moment: the wait goes on."""
    told = watched(readings(), Unreachable("the engine did not answer"), readings())
    assert told[1].endswith("the engine did not answer")
    assert len(told) == 3


def test_what_would_be_a_no_go_ends_it() -> None:
    """Waiting on would only cost time."""
    bad = replace(replica_reading(1), log=log(errors=99))
    told = watched(readings(), readings(replicas=(bad, replica_reading(2))))
    assert told[-1].endswith("99 error lines since the boundary, more than 5: no need to wait on")


def test_every_service_is_looked_at(tmp_path: Path) -> None:
    """One that is left out is one whose replicas are missing: the wait would end at once, each time."""
    world = World.deployed(tmp_path / "w", "bind")
    rollback(world.call(), Order(), world.opening)
    with world.opening(world.call(), "look") as session:
        taken = glances_of(session).take(0.0)
        assert {replica.service for replica in taken.replicas} == set(session.profile.services)
        assert settling.trouble(taken, session.profile) is None


def test_a_long_wait_is_not_silent() -> None:
    """Nothing changes for forty seconds: a line every fifteen, all the same."""
    told = watched(*[readings()] * 9, limit_s=40)
    assert [line.partition(" s left")[0].strip() for line in told] == ["40", "25", "10", "0"]
