"""Ways to change one thing in recorded readings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from rollback_gate.change.import_graph import KeptModules
from rollback_gate.change.reading import Bytecode, CodeReading
from rollback_gate.evidence.log_lines import LogSummary
from rollback_gate.evidence.readings import (
    DocumentsReading,
    ProbeReading,
    ProbesReading,
    QueueReading,
    Readings,
    ReplicaReading,
)
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.platform.replica import Replica

T = TypeVar("T")
Change = Callable[[Readings], Readings]
GONE = Unmeasured("this", "planted: it did not answer")
BY_RUN, BY_HAND = "quick-bind", "time-zone-bind"


NOTHING: dict[str, Any] = {"finished": {}, "finished_at": {}, "scores": {}, "completions": {}, "documents_finished": 0}
Row = tuple[str, str, str, str, str, Change]  # name, verdict, check, words, base, change


def having(value: T, **changes: Any) -> T:
    """A copy of the value with these fields changed."""
    return replace(value, **changes)  # type: ignore[type-var]


def first(**changes: Any) -> Change:
    """Change fields of the first replica's reading."""

    def change(readings: Readings) -> Readings:
        return having(readings, replicas=(having(readings.replicas[0], **changes), *readings.replicas[1:]))

    return change


def _of_first(change: Callable[[ReplicaReading], ReplicaReading]) -> Change:
    return lambda readings: having(readings, replicas=(change(readings.replicas[0]), *readings.replicas[1:]))


def state(side: str, **changes: Any) -> Change:
    """Change the first replica's container, as read `before` or `after` the checks."""

    def change(reading: ReplicaReading) -> ReplicaReading:
        now = getattr(reading, side)
        assert isinstance(now, Replica)
        return having(reading, **{side: having(now, **changes)})

    return _of_first(change)


def code(**changes: Any) -> Change:
    def change(reading: ReplicaReading) -> ReplicaReading:
        assert isinstance(reading.code, CodeReading)
        return having(reading, code=having(reading.code, **changes))

    return _of_first(change)


def file(**changes: Any) -> Change:
    """Change the first replica's restored file, as read at the beginning."""

    def change(reading: ReplicaReading) -> ReplicaReading:
        assert isinstance(reading.code, CodeReading)
        one = having(reading.code.files[0], **changes)
        both = having(reading.code, files=(one, *reading.code.files[1:]))
        return having(reading, code=both)

    return _of_first(change)


def log(**changes: Any) -> Change:
    def change(reading: ReplicaReading) -> ReplicaReading:
        assert isinstance(reading.log, LogSummary)
        return having(reading, log=having(reading.log, **changes))

    return _of_first(change)


def run(**changes: Any) -> Change:
    def change(reading: ReplicaReading) -> ReplicaReading:
        assert reading.by_run is not None
        return having(reading, by_run=having(reading.by_run, **changes))

    return _of_first(change)


def coordinator(side: str = "", **changes: Any) -> Change:
    """Change the other service's replica; `side`: its container, `before` or `after` the checks."""

    def change(readings: Readings) -> Readings:
        rows = []
        for one in readings.replicas:
            now = getattr(one, side) if side else one
            made = one if one.consumes else having(one, **{side: having(now, **changes)} if side else changes)
            rows.append(made)
        return having(readings, replicas=tuple(rows))

    return change


def probes(change: Callable[[ProbeReading], ProbeReading], only_first: bool = False, **of_all: Any) -> Change:
    def apply(readings: Readings) -> Readings:
        assert isinstance(readings.probes, ProbesReading)
        rows = [change(p) if n == 0 or not only_first else p for n, p in enumerate(readings.probes.probes)]
        return having(readings, probes=having(readings.probes, **{"probes": tuple(rows), **of_all}))

    return apply


def queue(side: str, **changes: Any) -> Change:
    def change(readings: Readings) -> Readings:
        now = getattr(readings, side)
        assert isinstance(now, QueueReading)
        return having(readings, **{side: having(now, **changes)})

    return change


def measured(**changes: Any) -> Change:
    return lambda readings: having(readings, **changes)


def documents(**changes: Any) -> Change:
    def change(readings: Readings) -> Readings:
        assert isinstance(readings.documents, DocumentsReading)
        return having(readings, documents=having(readings.documents, **changes))

    return change


def of_documents(**changes: Any) -> Change:
    """Change every document stored since the boundary."""

    def change(readings: Readings) -> Readings:
        assert not isinstance(readings.documents, Unmeasured)
        rows = tuple(having(row, **changes) for row in readings.documents.documents)
        return having(readings, documents=having(readings.documents, documents=rows))

    return change


def saved_earlier(readings: Readings) -> Readings:
    """Documents were saved 30 s earlier, long enough for the logs to show them when read."""
    assert isinstance(readings.documents, DocumentsReading)
    rows = readings.documents.documents
    earlier = tuple(having(row, created_at=row.created_at and row.created_at.plus(-30)) for row in rows)
    return having(readings, documents=having(readings.documents, documents=earlier))


def scores(*values: float | None) -> Change:
    def change(readings: Readings) -> Readings:
        assert isinstance(readings.documents, DocumentsReading)
        like = readings.documents.documents[0]
        rows = tuple(having(like, id=f"{n}.jpg", score=value, is_probe=False) for n, value in enumerate(values))
        return having(readings, documents=having(readings.documents, documents=rows))

    return change


def chain(*changes: Change) -> Change:
    def change(readings: Readings) -> Readings:
        for one in changes:
            readings = one(readings)
        return readings

    return change


def kept(imported: tuple[str, ...] = (), named: tuple[str, ...] = ()) -> Change:
    return code(kept=KeptModules(imported, named))


def unsaved(probe: ProbeReading) -> ProbeReading:
    """The probe was not stored and was seen at no replica."""
    return having(probe, document=None, seconds=None, replica=None, completed_at=None, seen_at=None)


def under_another_id(readings: Readings) -> Readings:
    """Probes that the log shows as finished, and that are stored at that moment as something else."""
    assert isinstance(readings.documents, DocumentsReading)
    assert isinstance(readings.probes, ProbesReading)
    like, first = readings.documents.documents[0], readings.probes.probes[0]
    ended = first.sent_at.plus(1)
    probe = having(first, document=None, seconds=1.0, completed_at=ended, seen_at=None, stuck_in=())
    stored = having(like, id="4711", created_at=ended, is_probe=False)
    documents = having(readings.documents, documents=(stored,))
    return having(readings, documents=documents, probes=having(readings.probes, probes=(probe,)))


def in_work(probe: ProbeReading) -> ProbeReading:
    return having(unsaved(probe), replica="replica-1", stuck_in=(("replica-1", 1.0),))


def idle(**changes: Any) -> Change:
    """The first replica has finished no document since its boundary."""
    return log(**{**NOTHING, "unfinished": {}, **changes})


def all_idle(readings: Readings) -> Readings:
    """No replica has finished a document since its boundary."""
    rows = []
    for one in readings.replicas:
        assert isinstance(one.log, LogSummary)
        rows.append(having(one, log=having(one.log, **NOTHING, unfinished={})))
    return having(readings, replicas=tuple(rows))


def of_its_document(change: Callable[[LogSummary, str], LogSummary]) -> Change:
    """Change the log for the document that the first replica finished."""

    def apply(reading: ReplicaReading) -> ReplicaReading:
        assert isinstance(reading.log, LogSummary)
        return having(reading, log=change(reading.log, next(iter(reading.log.finished))))

    return _of_first(apply)


def hanging(seconds: float, **changes: Any) -> Change:
    """The first replica has had a document in work for this many seconds."""

    def apply(reading: ReplicaReading) -> ReplicaReading:
        assert isinstance(reading.log, LogSummary)
        assert reading.log.read_at is not None
        since = reading.log.read_at.plus(-seconds)
        return having(reading, log=having(reading.log, **{"unfinished": {"letter.jpg": since}, **changes}))

    return _of_first(apply)


def saved_again(readings: Readings) -> Readings:
    """Every document is in work again and is stored with a time 600 s later."""
    assert not isinstance(readings.stored, Unmeasured)
    stored = {
        name: having(row, created_at=row.created_at and row.created_at.plus(600))
        for name, row in readings.stored.items()
    }
    rows = []
    for one in readings.replicas:
        assert isinstance(one.log, LogSummary)
        rows.append(having(one, log=having(one.log, unfinished=dict.fromkeys(one.log.finished, one.log.read_at))))
    return having(readings, stored=stored, replicas=tuple(rows))


def logged_over(score: float) -> Change:
    """The first replica has finished the second one's documents too, before its own, with this score."""

    def change(readings: Readings) -> Readings:
        mine, others = (replica.log for replica in readings.replicas[:2])
        assert isinstance(mine, LogSummary)
        assert isinstance(others, LogSummary)
        return log(
            finished={**others.finished, **mine.finished},
            finished_at={**others.finished_at, **mine.finished_at},
            scores={**dict.fromkeys(others.finished, score), **mine.scores},
        )(readings)

    return change


def started_later(reading: ReplicaReading) -> ReplicaReading:
    """The process restarted once, unattended, 5 s after the run started it."""
    assert isinstance(reading.before, Replica)
    assert reading.before.started_at is not None
    later = having(reading.before, started_at=reading.before.started_at.plus(5), restart_count=1)
    return having(reading, before=later, after=later)


def restarted_by_hand(reading: ReplicaReading) -> ReplicaReading:
    """The process was restarted by hand between the first and the last reading."""
    assert isinstance(reading.after, Replica)
    assert reading.after.started_at is not None
    return having(reading, after=having(reading.after, started_at=reading.after.started_at.plus(5)))


def file_touched(seconds: float, which: str) -> Change:
    """Set a time of the restored file (`which`) this many seconds after the process started."""

    def change(readings: Readings) -> Readings:
        now = readings.replicas[0].before
        assert isinstance(now, Replica)
        assert now.started_at is not None
        return file(**{which: now.started_at.plus(seconds)})(readings)

    return change


def compiled_after(seconds: float) -> Callable[[ReplicaReading], ReplicaReading]:
    """Python compiled a module that is now gone, this many seconds after the process started."""

    def change(one: ReplicaReading) -> ReplicaReading:
        assert isinstance(one.code, CodeReading)
        made = Bytecode(9, _start_of(one).plus(seconds), _start_of(one).plus(-60))
        rows = (("enrichment_service/config/timeouts.py", made),)
        return having(one, code=having(one.code, compiled_before_removal=rows))

    return change


def compiled_otherwise(seconds: float) -> Callable[[ReplicaReading], ReplicaReading]:
    """Python compiled other content of the restored file, this many seconds after the process started."""

    def change(one: ReplicaReading) -> ReplicaReading:
        assert isinstance(one.code, CodeReading)
        bytecode = (Bytecode(2, _start_of(one).plus(seconds), _start_of(one).plus(-60)),)
        first = having(one.code.files[0], size=1, bytecode=bytecode)
        return having(one, code=having(one.code, files=(first, *one.code.files[1:])))

    return change


def reverted_after(seconds: float) -> Callable[[ReplicaReading], ReplicaReading]:
    """A run began to restore files this many seconds after the process started."""
    return lambda one: having(one, reverted_at=_start_of(one).plus(seconds))


def _start_of(one: ReplicaReading) -> Instant:
    assert isinstance(one.before, Replica)
    assert one.before.started_at is not None
    return one.before.started_at


def coordinator_older(readings: Readings) -> Readings:
    """The coordinator is older than the restored file's last touch, not than its content."""
    (one,) = (r for r in readings.replicas if not r.consumes)
    assert isinstance(one.before, Replica)
    assert isinstance(one.code, CodeReading)
    assert one.before.started_at is not None
    touched = having(one.code.files[0], changed_at=one.before.started_at.plus(1))
    both = having(one.code, files=(touched, *one.code.files[1:]))
    return coordinator(code=both)(readings)


def no_times(readings: Readings) -> Readings:
    """No container can report when its files were written."""
    without = []
    for one in readings.replicas:
        assert isinstance(one.code, CodeReading)
        files = tuple(having(f, modified_at=None, changed_at=None) for f in one.code.files)
        code = having(one.code, files=files)
        without.append(having(one, code=code))
    return having(readings, replicas=tuple(without))


def expecting(number: int) -> Change:
    """Expect this many replicas of the service that consumes."""
    return lambda readings: having(readings, expected={**readings.expected, readings.replicas[0].service: number})


def missing(readings: Readings, consumes: bool = True) -> Readings:
    """A replica is there neither at first nor at the end."""
    gone = next(one for one in readings.replicas if one.consumes is consumes)
    assert isinstance(gone.before, Replica)
    ids = readings.ids_after[gone.service]
    assert not isinstance(ids, Unmeasured)
    left = {name: container_id for name, container_id in ids.items() if container_id != gone.before.id}
    rows = tuple(having(one, before=None, after=None) if one is gone else one for one in readings.replicas)
    return having(readings, replicas=rows, ids_after={**readings.ids_after, gone.service: left})


def other_missing(readings: Readings) -> Readings:
    """The replica of the other service is not there."""
    return missing(readings, consumes=False)


def ids_unread(readings: Readings) -> Readings:
    """The container ids could not be read at the end."""
    return having(readings, ids_after=dict.fromkeys(readings.expected, GONE))


def coordinator_log(**changes: Any) -> Change:
    """Change the log of the other service's replica."""

    def change(readings: Readings) -> Readings:
        (one,) = (r for r in readings.replicas if not r.consumes)
        assert isinstance(one.log, LogSummary)
        return coordinator(log=having(one.log, **changes))(readings)

    return change


def cut_off(reading: ReplicaReading) -> ReplicaReading:
    """The engine has discarded what the replica logged in its first 300 s."""
    assert isinstance(reading.log, LogSummary)
    assert reading.boundary is not None
    return having(reading, log=having(reading.log, consuming_at=None, begins_at=reading.boundary.plus(300)))


def sources_known(readings: Readings) -> Readings:
    """The newest backup holds what the first replica has."""
    (code,) = {one.code for one in readings.replicas[:1]}
    assert isinstance(code, CodeReading)
    return having(readings, source_digests={file.path: file.digest for file in code.files})


def carries_nothing(readings: Readings) -> Readings:
    """The other service's replica has none of the change's files."""
    (one,) = (r for r in readings.replicas if not r.consumes)
    assert isinstance(one.code, CodeReading)
    empty = having(one.code, files=tuple(having(f, exists=False) for f in one.code.files), still_there=())
    return coordinator(code=empty)(readings)


def other_crashed(readings: Readings) -> Readings:
    """The other service has crashed since the rollback started it, but not while the checks ran."""
    (one,) = (r for r in readings.replicas if not r.consumes)
    assert isinstance(one.before, Replica)
    assert one.before.started_at is not None
    later = having(one.before, started_at=one.before.started_at.plus(5), restart_count=4)
    return coordinator(before=later, after=later)(readings)


def idle_and_unlisted(readings: Readings) -> Readings:
    return chain(first(in_queue=False), log(unfinished={}))(readings)


def next_code(verb: str, **changes: Any) -> Change:
    """The first replica would run other code once `restarted` or `recreated` (`verb`)."""

    def change(reading: ReplicaReading) -> ReplicaReading:
        assert isinstance(reading.code, CodeReading)
        other = having(reading.code.files[0], digest="9" * 64, **changes)
        return having(reading, **{verb: having(reading.code, files=(other, *reading.code.files[1:]))})

    return _of_first(change)


def configured(now: str | Unmeasured) -> Change:
    """The configuration that Compose would give every service now."""
    return lambda readings: having(readings, configured=dict.fromkeys(readings.expected, now))


def folder_moved(readings: Readings) -> Readings:
    now = readings.replicas[0].before
    assert isinstance(now, Replica)
    assert now.started_at is not None
    return code(folders_changed_at=now.started_at.plus(9))(readings)
