"""When test documents are sent, and when there is nothing left to wait for."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rollback_gate.errors import Unreachable
from rollback_gate.evidence.log_lines import LogSummary
from rollback_gate.evidence.probe import Probes
from rollback_gate.evidence.probe_memory import ProbeMemory
from rollback_gate.evidence.processing import Processing, known_as
from rollback_gate.evidence.readings import DocumentReading, Known, ProbeReading, QueueReading
from rollback_gate.model import Unmeasured
from tests.unit.builders import STARTED, document, log, phase1, probe, replica

PROFILE = phase1("limits.sample_wait_s=20", "limits.probe_s=400")
NONE: dict[str, Any] = {"finished": {}, "finished_at": {}, "scores": {}, "completions": {}, "documents_finished": 0}
IDLE = log(**NONE)


def with_document(seconds: float) -> LogSummary:
    """In work for so long."""
    assert IDLE.read_at
    return replace(IDLE, unfinished={"letter.jpg": IDLE.read_at.plus(-seconds)})


@dataclass
class Holding:
    """A queue in one state; nothing is ever sent into it."""

    state: QueueReading | Unmeasured

    def read(self) -> QueueReading | Unmeasured:
        return self.state

    def send(self, tasks: object) -> None:
        raise AssertionError(tasks)


@dataclass
class Sent:
    """Probes that were sent, and what became of them."""

    rows: tuple[ProbeReading, ...] = ()
    were_sent: bool = True

    def look(self, _: object) -> tuple[ProbeReading, ...]:
        return self.rows

    def is_decided(self, one: ProbeReading) -> bool:
        return one.finished


def processing(
    *logs: LogSummary | Unmeasured, monkeypatch: pytest.MonkeyPatch, depth: int = 0, sent: Sent | None = None
) -> Processing:
    names = [f"replica-{n}" for n in range(1, len(logs) + 1)]
    stored = {"rollback-probe-x-1.jpg": document("rollback-probe-x-1.jpg")}
    made = Processing(
        PROFILE,
        None,  # type: ignore[arg-type]
        Unmeasured("x", "x"),
        Holding(QueueReading(depth, 0, (), 0)),
        "id",
        ProbeMemory(Path("/nowhere")),
        {name: replica() for name in names},
        dict.fromkeys(names, STARTED),
        lambda _: None,
        lambda: 0.0,
    )
    made._summaries.update(zip(names, logs, strict=True))
    made.probes = sent  # type: ignore[assignment]

    def confirmed() -> dict[str, DocumentReading]:
        return stored

    monkeypatch.setattr(made, "stored", confirmed)
    return made


@pytest.mark.parametrize(
    ("logs", "depth", "elapsed_s", "count"),
    [
        ((IDLE, IDLE), 0, 19, 0),
        ((IDLE, IDLE), 0, 20, 2),
        ((log(), IDLE), 0, 20, 1),
        ((log(), log()), 0, 20, 0),
        ((with_document(5), IDLE), 0, 20, 1),
        ((with_document(5), with_document(500)), 0, 20, 1),
        ((IDLE, IDLE), 7, 20, 0),
        ((IDLE, IDLE), 7, 60, 2),
        ((Unmeasured("the log", "driver none"), log()), 0, 20, 1),
    ],
)
def test_as_many_are_sent_as_replicas_have_neither_proof_nor_a_document(
    logs: Any, depth: int, elapsed_s: float, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the wait for organic ones; behind tasks that wait in the queue later; never a second round."""
    made = processing(*logs, monkeypatch=monkeypatch, depth=depth)
    assert made.wants_probes(elapsed_s) == count
    assert processing(*logs, monkeypatch=monkeypatch, depth=depth, sent=Sent()).wants_probes(elapsed_s) == 0


@pytest.mark.parametrize(
    ("logs", "sent", "waits"),
    [
        ((log(), log()), None, False),
        ((log(), IDLE), None, True),
        ((log(), with_document(60)), None, True),
        ((log(), with_document(401)), None, True),
        ((log(), IDLE), Sent((replace(probe(2), document=None, seconds=None, replica=None),)), True),
        ((log(), IDLE), Sent((probe(2),)), False),
        ((log(), IDLE), Sent((replace(probe(2), document=None, seconds=None, stuck_in=(("replica-1", 3.0),)),)), False),
        ((log(), IDLE), Sent((replace(probe(2), document=None, seconds=None, stuck_in=(("replica-2", 3.0),)),)), True),
        ((log(), IDLE), Sent(were_sent=False), False),
    ],
)
def test_what_is_waited_for(logs: Any, sent: Sent | None, waits: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proof that can still come. A probe that a replica with its proof hangs on proves nothing any more."""
    assert processing(*logs, monkeypatch=monkeypatch, sent=sent).awaits_proof(0) is waits


def test_nothing_is_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Documents that fail one after the other are always young."""
    made = processing(log(), with_document(5), monkeypatch=monkeypatch)
    limits = PROFILE.limits
    assert made.awaits_proof(limits.probe_s)
    assert not made.awaits_proof(3 * limits.sample_wait_s + limits.probe_s + 5)


def test_into_a_paused_queue_nothing_is_sent_and_nothing_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    made = processing(IDLE, IDLE, monkeypatch=monkeypatch)
    made.queue = Holding(QueueReading(0, 0, (), 0, paused=True))
    assert made.awaits_proof(20)
    assert made.wants_probes(20) == 0
    assert not made.awaits_proof(20)


def test_what_stood_in_the_way_before_is_not_said_of_what_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody has unpaused the queue while the checks ran."""
    made = processing(IDLE, IDLE, monkeypatch=monkeypatch)
    made.leave_out("the queue is paused")
    made.documents = SimpleNamespace(remove_traces=lambda *_: 0)
    monkeypatch.setattr(Probes, "send", lambda *_: None)
    made.send(2)
    assert made._not_sent == ""


def test_a_document_that_another_replica_has_finished_is_not_in_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue gave it to somebody else meanwhile."""
    elsewhere = replace(IDLE, unfinished={"rollback-probe-x-1.jpg": STARTED.plus(2)}, read_at=STARTED.plus(9))
    made = processing(log(), elsewhere, monkeypatch=monkeypatch)
    assert made.wants_probes(20) == 1


@pytest.mark.parametrize(
    ("changes", "is_known"),
    [
        ({}, True),
        ({"created_at": STARTED.plus(60)}, False),
        ({"created_at": None}, False),
        ({"marked": True}, False),
        ({"score": None}, False),
        ({"score": 27.8}, False),
    ],
)
def test_what_is_remembered_of_a_removed_probe(changes: dict[str, Any], is_known: bool) -> None:
    """Stored by the completion that the log shows, with a score, unmarked; of this process."""
    found = known_as(document("rollback-probe-x-1.jpg", **changes), replica(), STARTED.plus(5), 5)
    assert found == (Known(0.2778, replica().id, STARTED) if is_known else None)
    assert known_as(document(), replica(started_at=None), STARTED.plus(5), 5) is None


def test_without_a_probe_a_document_may_still_come_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    made = processing(IDLE, IDLE, monkeypatch=monkeypatch)
    made.profile = PROFILE.model_copy(update={"probe": None})
    assert made.wants_probes(0) == 0
    assert made.awaits_proof(0)
    assert made.wants_probes(20) == 0
    assert not made.awaits_proof(20)


def test_nothing_is_sent_for_a_check_that_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor into a queue that cannot be read, nor without a probe to send."""
    for change, words in (
        ({"not_asked": {"processing": "we must not send"}}, "does not ask"),
        ({"probe": None}, "no section [probe]"),
    ):
        made = processing(IDLE, IDLE, monkeypatch=monkeypatch)
        made.profile = PROFILE.model_copy(update=change)
        assert made.wants_probes(20) == 0
        assert words in made._not_sent
        assert not made.awaits_proof(20)
    unread = processing(IDLE, IDLE, monkeypatch=monkeypatch)
    unread.queue = Holding(Unmeasured("the queue", "it is down"))
    assert unread.wants_probes(20) == 0
    assert "it is down" in unread._not_sent


def test_what_may_have_been_sent_is_followed_and_not_waited_for(tmp_path: Path) -> None:
    """A time-out does not tell whether the queue has taken it: its traces must be found, also by a later command."""

    class Broken(Holding):
        def send(self, tasks: object) -> None:
            raise Unreachable(f"no answer in time to {tasks}", "")

    memory = ProbeMemory(tmp_path / "probes")
    engine: Any = SimpleNamespace(now=lambda: STARTED)
    stored: Any = SimpleNamespace(by_id=lambda _: {})
    times = itertools.count()
    sent = Probes(PROFILE, engine, stored, Broken(QueueReading(0, 0, (), 0)), "id", memory, lambda: next(times))
    with pytest.raises(Unreachable):
        sent.send(1)
    assert sent.were_sent
    (one,) = sent.look({})
    assert sent.is_decided(one)
    assert [row.document_id for row in memory.recall(STARTED)] == [one.document_id]
