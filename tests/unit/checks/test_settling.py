"""While the service settles, only what would be a NO-GO ends the wait."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rollback_gate.checks import settling
from rollback_gate.evidence.readings import Readings
from rollback_gate.model import Unmeasured
from tests.unit.builders import coordinator, documents, log, new_line, phase1, readings, replica, replica_reading

EXITED = replica(id="e" * 64, service="enrichment-coordinator", status="exited")
LATER = Unmeasured("this", "not now")


def glance(**changes: Any) -> Readings:
    """As healthy readings, without what a quick look cannot know."""
    rows = tuple(replace(replica_reading(n), code=LATER, in_queue=LATER, image_of_tag=LATER) for n in (1, 2))
    return readings(
        **{"replicas": rows, "others": (coordinator(code=LATER),), "probes": LATER, "documents": documents(), **changes}
    )


def test_healthy_goes_on() -> None:
    """A healthy worker gives the wait no reason to end early."""
    assert settling.trouble(glance(), phase1()) is None


def test_what_cannot_be_measured_ends_nothing() -> None:
    """Only verify may say INCONCLUSIVE; the wait goes on."""
    rows = tuple(replace(replica_reading(n), log=LATER, code=LATER) for n in (1, 2))
    assert settling.trouble(glance(replicas=rows, documents=LATER), phase1()) is None


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"replicas": (replace(replica_reading(1), log=log(new=(new_line(),))), replica_reading(2))},
            "logged error classification",
        ),
        ({"replicas": (replace(replica_reading(1), log=log(errors=99)), replica_reading(2))}, "99 error lines"),
        (
            {
                "replicas": (
                    replace(replica_reading(1), after=replica(id="1" * 64, restart_count=1)),
                    replica_reading(2),
                )
            },
            "restarted",
        ),
        ({"documents": documents(0.6, marked=True)}, "carry the new code's mark"),
        ({"others": (coordinator(before=EXITED, after=EXITED),)}, "0 of 1 replicas run"),
        ({"replicas": (replica_reading(1),), "worker_ids": {"p": "1" * 64}}, "1 of 2 replicas run"),
    ],
)
def test_a_no_go_ends_the_wait(changes: dict[str, object], says: str) -> None:
    """Each thing that verify would call a NO-GO ends the wait, and is named."""
    claim = settling.trouble(glance(**changes), phase1())
    assert claim
    assert says in claim.says


def test_the_operator_sees_numbers() -> None:
    """What is shown while waiting is what was measured."""
    assert (
        settling.in_words(glance(documents=documents(0.25, 0.31)))
        == "2 documents finished, 0 error lines, completeness 28.0% of 2"
    )
