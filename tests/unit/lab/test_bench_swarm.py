"""How long no worker ran, from when each did."""

from __future__ import annotations

import pytest

from lab.bench_swarm import gap
from rollback_gate.instant import Instant

Ran = tuple[float, float | None]


@pytest.mark.parametrize(
    ("ran", "seconds"),
    [
        ([(0, None)], 0),
        ([(0, 5), (7.5, None)], 2.5),
        ([(0, 5), (4, None)], 0),
        ([(0, 5), (1, 8), (6, 7), (9, None)], 1),
        ([(9, None), (0, 5), (6, 8)], 1),
        ([(0, 5), (6, 8), (11, None)], 3),
    ],
)
def test_the_longest_time_without_any(ran: list[Ran], seconds: float) -> None:
    rows = [(_at(start), None if end is None else _at(end)) for start, end in ran]
    assert gap(rows) == pytest.approx(seconds)


def _at(second: float) -> Instant:
    return Instant(int(second * 10**9))
