"""The fuzzer's truth, by hand: which verdict is due for which world."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lab.catalogue.entry import GO, INCONCLUSIVE, NO_GO
from lab.fuzz.truth import Container, Line, World, due

ONE, TWO = Container("1", True, True, 100, False), Container("2", True, True, 101, False)
OTHER = Container("3", False, True, 102, False)
LONG_BEFORE = 10 - 10**9  # what Python keeps of times are whole seconds
GOOD = World((ONE, TWO, OTHER), ((10, "new"), (50, "old")), has_modules=False, moved=50, written=50, size=1)


def test_a_clean_rollback_is_go() -> None:
    assert due(GOOD) == (GO, [])


@pytest.mark.parametrize(
    "changes",
    [
        {"contents": ((10, "new"), (50, "old"), (200, "new"))},
        {"has_modules": True},
        {"containers": (ONE, replace(TWO, started=20), OTHER), "compiled": ((25, 2, LONG_BEFORE),)},
        {"containers": (ONE, TWO, replace(OTHER, started=20)), "orphans": ((25, 9, LONG_BEFORE),)},
        {"containers": (ONE, replace(TWO, is_up=False), OTHER)},
        {"behind": "new"},
        {"marked": (150,)},
        {"lines": (Line("1", 150, 0),)},
        {"lines": (Line("1", 150, 3), Line("1", 151, 3))},
    ],
)
def test_what_is_measured_wrong_is_no_go(changes: dict[str, Any]) -> None:
    world = replace(GOOD, **changes)
    assert due(world)[0] == NO_GO
    assert due(replace(world, paused=True, left_out=True))[0] == NO_GO, "whatever else cannot be told"


@pytest.mark.parametrize(
    "changes",
    [
        {"containers": (ONE, replace(TWO, started=20), OTHER)},
        {"containers": (ONE, replace(TWO, started=20), OTHER), "compiled": ((15, 2, LONG_BEFORE),)},
        {
            "containers": (ONE, replace(TWO, started=20), OTHER),
            "compiled": ((25, 2, LONG_BEFORE), (26, 1, LONG_BEFORE)),
        },
        {"containers": (ONE, replace(TWO, started=20), OTHER), "orphans": ((25, 9, 22),)},
        {"written": 150},
        {"moved": 150},
        {"written": 102},
        {"lines": (Line("3", 150, 9),)},
        {"containers": (ONE, TWO, replace(OTHER, has_setting=True))},
        {"named_in_file": True},
        {"unclear": True},
        {"paused": True},
        {"left_out": True},
        {"behind": "other"},
    ],
)
def test_what_nobody_can_tell_is_inconclusive(changes: dict[str, Any]) -> None:
    assert due(replace(GOOD, **changes))[0] == INCONCLUSIVE


@pytest.mark.parametrize(
    "changes",
    [
        {"marked": (100,)},
        {"lines": (Line("1", 99, 0), Line("1", 98, 9), Line("1", 150, 5), Line("4", 150, 9))},
        {"named_in_file": True, "containers": tuple(replace(one, has_setting=True) for one in GOOD.containers)},
        {"contents": ((10, "new"), (50, "old"), (60, "new"), (70, "old"))},
    ],
)
def test_what_was_before_the_processes_began_does_not_count(changes: dict[str, Any]) -> None:
    assert due(replace(GOOD, **changes))[0] == GO
