"""A queue that lists a consumer only some seconds after it has connected."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from rollback_gate.evidence.queue import read_when_listed
from rollback_gate.evidence.readings import Consumer, QueueReading
from rollback_gate.model import Unmeasured


@dataclass
class Clock:
    """Seconds that pass only while somebody sleeps."""

    now: float = 0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Listing:
    """Lists its consumer at `at_s` of the clock."""

    clock: Clock
    at_s: float
    reads: list[float] = field(default_factory=list)

    def read(self) -> QueueReading | Unmeasured:
        self.reads.append(self.clock())
        listed = self.clock() >= self.at_s
        return QueueReading(
            depth=0, in_flight=0, finished=0, consumers=(Consumer("worker", "172.18.0.5:4711"),) if listed else ()
        )

    def send(self, tasks: object) -> None:
        raise AssertionError(tasks)


def is_listed(reading: QueueReading | Unmeasured) -> bool:
    return isinstance(reading, QueueReading) and reading.consumers != ()


@pytest.mark.parametrize(
    ("at_s", "limit_s", "listed", "until_s"),
    [(0, 10, True, 0), (4, 10, True, 4), (30, 10, False, 10), (4, 0, False, 0)],
    ids=["at once", "some seconds later", "never in time", "a kind that lists at once"],
)
def test_it_is_read_until_the_consumer_is_listed(at_s: float, limit_s: float, listed: bool, until_s: float) -> None:
    clock = Clock()
    queue = Listing(clock, at_s)
    assert is_listed(read_when_listed(queue, limit_s, is_listed, clock, clock.sleep)) is listed
    assert queue.reads[-1] == pytest.approx(until_s)
