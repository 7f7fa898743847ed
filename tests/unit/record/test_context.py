"""Before and after, and the commands by hand: true to the readings, and safe to paste."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import replace
from typing import Any

import pytest

from rollback_gate.change.import_graph import KeptModules
from rollback_gate.change.reading import CodeReading
from rollback_gate.evidence.readings import Bucket, ReplicaReading, Series
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.record import by_hand
from rollback_gate.record.context import context
from tests.unit.builders import documents, phase1, readings, replica, replica_reading

BOUNDARY = Instant.parse("2026-11-23T12:00:00Z")


def compared(**changes: Any) -> dict[str, tuple[str, str]]:
    rows = context(readings(**changes), phase1(), None)["compared"]
    return {row["what"]: (row["before"], row["after"]) for row in rows}


def at(minutes: float, count: int, mean: float) -> Bucket:
    return Bucket(BOUNDARY.plus(minutes * 60), count, count, mean, 0.0)


def with_boundary() -> dict[str, object]:
    return {"replicas": tuple(replica_reading(n, boundary=BOUNDARY) for n in (1, 2))}


def test_what_was_before_the_boundary_is_before() -> None:
    """Weighted by the documents; an interval that ends at the boundary belongs to before, one that begins there does not."""
    history = Series((at(-20, 3, 0.6), at(-10, 1, 0.2), at(0, 50, 0.2778)), 600)
    before, after = compared(history=history, documents=documents(0.2778, 0.2778), **with_boundary())["Completeness"]
    assert before == "mean 50.0% of 4 documents"
    assert after.startswith("mean 27.8% of 2 documents")


@pytest.mark.parametrize(
    ("history", "says"),
    [
        (None, "not measured"),
        (Unmeasured("completeness", "MongoDB is gone"), "MongoDB is gone"),
        (Series((), 600), "no document with a score"),
    ],
)
def test_what_was_not_measured_says_so(history: Series | Unmeasured | None, says: str) -> None:
    assert says in compared(history=history, **with_boundary())["Completeness"][0]


def test_without_readings_there_is_nothing_to_explain() -> None:
    assert context(Unmeasured("the deployment", "no engine"), phase1(), None) == {
        "compared": [],
        "pictures": {},
        "by_hand": [],
        "normal": None,
        "is_ambiguous": False,
    }


def rows_of(*replicas: ReplicaReading) -> list[str]:
    return [row["command"] for row in by_hand.commands(readings(replicas=replicas), phase1())]


def test_a_hostile_name_stays_one_word(tmp_path: object) -> None:
    """Whatever a container is called: the shell reads it as one argument."""
    name = "w; touch /tmp/owned `id` $(id) 'x"
    found = rows_of(replica_reading(1, before=replica(name=name), boundary=BOUNDARY))
    mine = [command for command in found if "touch" in command]
    assert mine
    for command in mine:
        assert name in shlex.split(command.partition(" 2>&1")[0])
    for command in found:
        assert subprocess.run(["sh", "-n", "-c", command], capture_output=True, check=False).returncode == 0


def test_after_a_partial_rollback_nobody_is_told_that_modules_are_gone() -> None:
    one = replica_reading(1, boundary=BOUNDARY)
    assert isinstance(one.code, CodeReading)
    partial = replace(one, code=replace(one.code, kept=KeptModules((), ())))
    assert any(" ls -d " in command for command in rows_of(one))
    assert not any(" ls -d " in command for command in rows_of(partial))


def test_a_count_of_some_replicas_says_so() -> None:
    gone = Unmeasured("the log", "the engine did not answer")
    half = compared(replicas=(replica_reading(1, boundary=BOUNDARY), replica_reading(2, boundary=BOUNDARY, log=gone)))
    none = compared(replicas=(replica_reading(1, boundary=BOUNDARY, log=gone),))
    for what in ("Errors in the log", "Lines that only the change prints", "Processing time"):
        assert "without 1 of 2 replicas" in half[what][1]
        assert none[what][1] == "not measured"
        assert "without" not in compared(**with_boundary())[what][1]


def test_the_worker_after_is_as_it_was_at_the_end() -> None:
    reading = replica_reading(1, boundary=BOUNDARY, after=replica(restart_count=3))
    assert "3 restarts" in compared(replicas=(reading,))["Worker"][1]
