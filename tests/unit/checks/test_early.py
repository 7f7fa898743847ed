from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rollback_gate.change.reading import Bytecode
from rollback_gate.checks import early
from rollback_gate.evidence.readings import ReplicaReading
from tests.unit.builders import (
    STARTED,
    coordinator,
    documents,
    file_reading,
    log,
    new_line,
    phase1,
    readings,
    replica,
    replica_reading,
)

OLDER = replica(id="e" * 64, name="coordinator", service="enrichment-coordinator", started_at=STARTED.plus(-60))


LATE = file_reading(
    modified_at=STARTED.plus(9),
    changed_at=STARTED.plus(9),
    size=1,
    bytecode=(Bytecode(2, STARTED.plus(1), STARTED.plus(-1)),),
)


def with_code(**changes: Any) -> Any:
    reading = replica_reading(2)
    return (replica_reading(1), replace(reading, code=replace(reading.code, **changes)))


def by_hand(replicas: tuple[ReplicaReading, ...]) -> tuple[ReplicaReading, ...]:
    """No run has started them."""
    return tuple(replace(one, by_run=None) for one in replicas)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"replicas": with_code(files=(file_reading(new=("get_tool_timeout",)),))}, "files that are not the old code"),
        ({"replicas": with_code(still_there=("enrichment_service/errors",))}, "still has modules of the change"),
        (
            {"replicas": by_hand(with_code(files=(LATE,)))},
            "older than",
        ),
        ({"replicas": (replica_reading(1), replica_reading(2, log=log(new=(new_line(),))))}, "since the boundary"),
        ({"documents": documents(0.3, marked=True)}, "carry the new code's mark"),
        ({"others": (coordinator(before=OLDER),)}, "older than the run"),
    ],
)
def test_what_no_waiting_can_change_ends_the_checks(changes: dict[str, Any], words: str) -> None:
    """Digest, process age, log line, mark: in any replica of any service."""
    assert words in early.decided(readings(**changes), phase1())


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"replicas": (replica_reading(1), replica_reading(2, before=replica(status="restarting", restarting=True)))},
        {"others": (coordinator(before=replica(status="exited")),)},
    ],
)
def test_what_may_come_up_or_be_healed_gets_its_second_look(changes: dict[str, Any]) -> None:
    assert early.decided(readings(**changes), phase1()) == ""
