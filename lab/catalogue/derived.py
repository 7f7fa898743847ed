"""What a live lab shows rarely, or never: recorded readings of a healthy rollback in which one thing is another one.

Each has the assertion that must say so; the mutation run asks them beside the recorded entries.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from lab.catalogue.entry import CODE, COMPLETENESS, INCONCLUSIVE, NO_GO, PROCESSING, RUNNING, Entry
from rollback_gate.deployment.replica import Replica
from rollback_gate.evidence.import_graph import KeptModules
from rollback_gate.evidence.log_lines import LogSummary, Sighting
from rollback_gate.evidence.readings import (
    Baseline,
    CodeReading,
    DocumentsReading,
    McpReading,
    ProbeReading,
    ProbesReading,
    QueueReading,
    Readings,
    ReplicaReading,
    Upstream,
)
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured

T = TypeVar("T")
Change = Callable[[Readings], Readings]
GONE = Unmeasured("this", "planted: it did not answer")
BY_RUN, BY_HAND = "quick-bind", "time-zone-bind"


@dataclass(frozen=True)
class Derived:
    """`base`: which recorded entry it is made of."""

    entry: Entry
    base: str
    change: Change


def having(value: T, **changes: Any) -> T:
    """The same value, of which this is another one."""
    return replace(value, **changes)  # type: ignore[type-var]


def first(**changes: Any) -> Change:
    """The first replica's reading is another one."""

    def change(readings: Readings) -> Readings:
        return having(readings, replicas=(having(readings.replicas[0], **changes), *readings.replicas[1:]))

    return change


def _of_first(change: Callable[[ReplicaReading], ReplicaReading]) -> Change:
    return lambda readings: having(readings, replicas=(change(readings.replicas[0]), *readings.replicas[1:]))


def state(side: str, **changes: Any) -> Change:
    """The first replica's container is in another state, `before` or `after`."""

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
    """Of its restored file, at the beginning and at the end."""

    def change(reading: ReplicaReading) -> ReplicaReading:
        assert isinstance(reading.code, CodeReading)
        one = having(reading.code.files[0], **changes)
        both = having(reading.code, files=(one, *reading.code.files[1:]))
        return having(reading, code=both, code_after=both)

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


def dependent(**changes: Any) -> Change:
    return lambda readings: having(readings, dependents=(having(readings.dependents[0], **changes),))


def coordinator(side: str, **changes: Any) -> Change:
    def change(readings: Readings) -> Readings:
        rows = getattr(readings.dependents[0], side)
        return dependent(**{side: (having(rows[0], **changes),)})(readings)

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


def saved_earlier(readings: Readings) -> Readings:
    """Long enough before the logs were read for them to show it."""
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


def _logged_over(score: float) -> Change:
    """The first replica has finished the second one's document too, before it, and with this score."""

    def change(readings: Readings) -> Readings:
        mine, others = (replica.log for replica in readings.replicas[:2])
        assert isinstance(mine, LogSummary)
        assert isinstance(others, LogSummary)
        scores = dict.fromkeys(others.finished, score)
        return log(finished={**others.finished, **mine.finished}, finished_at={**others.finished_at, **mine.finished_at},
                   scores={**scores, **mine.scores})(readings)  # fmt: skip

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
    """Nobody is seen to have it."""
    return having(probe, document=None, seconds=None, replica=None, completed_at=None, seen_at=None)


def in_work(probe: ProbeReading) -> ProbeReading:
    return having(unsaved(probe), replica="replica-1", stuck_in=(("replica-1", 1.0),))


_NONE: dict[str, Any] = {"finished": {}, "finished_at": {}, "scores": {}, "completions": {}, "documents_finished": 0}


def idle(**changes: Any) -> Change:
    """The first replica has finished nothing since its boundary."""
    return log(**{**_NONE, "unfinished": {}, **changes})


def all_idle(readings: Readings) -> Readings:
    """Nor has any other one."""
    rows = []
    for one in readings.replicas:
        assert isinstance(one.log, LogSummary)
        rows.append(having(one, log=having(one.log, **_NONE, unfinished={})))
    return having(readings, replicas=tuple(rows))


def of_its_document(change: Callable[[LogSummary, str], LogSummary]) -> Change:
    """Of the one that the first replica has finished."""

    def apply(reading: ReplicaReading) -> ReplicaReading:
        assert isinstance(reading.log, LogSummary)
        return having(reading, log=change(reading.log, next(iter(reading.log.finished))))

    return _of_first(apply)


def hanging(seconds: float, **changes: Any) -> Change:
    """The first replica has had a document for so long."""

    def apply(reading: ReplicaReading) -> ReplicaReading:
        assert isinstance(reading.log, LogSummary)
        assert reading.log.read_at is not None
        since = reading.log.read_at.plus(-seconds)
        return having(reading, log=having(reading.log, **{"unfinished": {"letter.jpg": since}, **changes}))

    return _of_first(apply)


def saved_again(readings: Readings) -> Readings:
    """Every document is in work again, and is stored with another time."""
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


def started_later(reading: ReplicaReading) -> ReplicaReading:
    """By itself, after the run's own start, and once only."""
    assert isinstance(reading.before, Replica)
    assert reading.before.started_at is not None
    later = having(reading.before, started_at=reading.before.started_at.plus(5), restart_count=1)
    return having(reading, before=later, after=later)


def restarted_by_hand(reading: ReplicaReading) -> ReplicaReading:
    """Between the first look and the last one."""
    assert isinstance(reading.after, Replica)
    assert reading.after.started_at is not None
    return having(reading, after=having(reading.after, started_at=reading.after.started_at.plus(5)))


def file_touched(seconds: float, which: str) -> Change:
    """So long after the start of the process."""

    def change(readings: Readings) -> Readings:
        now = readings.replicas[0].before
        assert isinstance(now, Replica)
        assert now.started_at is not None
        return file(**{which: now.started_at.plus(seconds)})(readings)

    return change


def coordinator_older(readings: Readings) -> Readings:
    """Than the last touch of the restored file, not than its content."""
    rows = readings.dependents[0].before
    assert isinstance(rows, tuple)
    assert rows[0].started_at is not None
    return file(changed_at=rows[0].started_at.plus(1))(readings)


def _rows(readings: Readings) -> tuple[Replica, ...]:
    rows = readings.dependents[0].after
    assert isinstance(rows, tuple)
    return rows


def no_times(readings: Readings) -> Readings:
    """No container can say when its files were written."""
    without = []
    for one in readings.replicas:
        assert isinstance(one.code, CodeReading)
        files = tuple(having(f, modified_at=None, changed_at=None) for f in one.code.files)
        code = having(one.code, files=files)
        without.append(having(one, code=code, code_after=code))
    return having(readings, replicas=tuple(without))


def _entries() -> tuple[Derived, ...]:
    rows: list[tuple[str, str, str, str, str, Change]] = [
        # name, verdict, check, words, base, what is another one
        ("partial-kept-unread", INCONCLUSIVE, CODE, GONE.reason, BY_RUN, code(kept=GONE)),
        ("partial-imports", NO_GO, CODE, "imports modules of the change", BY_RUN, kept(imported=("worker.py:1 imports errors",))),
        ("partial-names", INCONCLUSIVE, CODE, "names modules of the change", BY_RUN, kept(named=("worker.py:1 names errors",))),
        ("no-process", INCONCLUSIVE, CODE, "no process is running whose start", BY_RUN, state("before", started_at=None)),
        ("older-than-the-run", NO_GO, CODE, "older than the run", BY_RUN,
         _of_first(lambda r: having(r, by_run=r.by_run and having(r.by_run, started_at=r.by_run.started_at.plus(60))))),
        ("touched-after-the-start", INCONCLUSIVE, CODE, "was touched at", BY_RUN, file_touched(3, "changed_at")),
        ("no-file-times", INCONCLUSIVE, CODE, "cannot tell when its files were changed", BY_HAND, file(modified_at=None, changed_at=None)),
        ("code-read-once", INCONCLUSIVE, CODE, "not read a second time", BY_RUN, first(code_after=None)),
        ("code-unread-at-the-end", INCONCLUSIVE, CODE, GONE.reason, BY_RUN, first(code_after=GONE)),
        ("too-many-documents", INCONCLUSIVE, CODE, "more than were read", BY_RUN, documents(truncated=True)),
        ("no-document-at-all", INCONCLUSIVE, CODE, "none could show the mark", BY_RUN,
         chain(documents(documents=()), first(code=GONE))),
        ("dependent-crashes-slowly", NO_GO, RUNNING, "restarted by itself since the rollback", BY_RUN,
         lambda r: chain(coordinator("before", restart_count=4), coordinator("after", restart_count=4))(r)),
        ("dependent-came", INCONCLUSIVE, RUNNING, "came while the checks ran", BY_RUN,
         lambda r: dependent(after=(*_rows(r), having(_rows(r)[0], id="f" * 64, name="another")))(r)),
        ("no-file-times-for-a-dependent", INCONCLUSIVE, RUNNING, "its start cannot be compared", BY_RUN, no_times),
        ("as-low-as-before", INCONCLUSIVE, COMPLETENESS, "as low as before the change", BY_RUN,
         chain(scores(*[0.15] * 10), measured(baseline=Baseline("s", "t", 0.15, 0.01, 40)))),
        ("scattered-as-before", INCONCLUSIVE, COMPLETENESS, "scattered around it", BY_RUN,
         chain(scores(*[0.2] * 5, *[1.0] * 5), measured(baseline=Baseline("s", "t", 0.6, 0.01, 40)))),
        ("as-before-unproven", INCONCLUSIVE, COMPLETENESS, "check 1 does not prove the old code", BY_RUN,
         chain(scores(*[0.6] * 10), measured(baseline=Baseline("s", "t", 0.6, 0.01, 40)), documents(truncated=True))),
        ("nothing-exists", INCONCLUSIVE, RUNNING, "exists here", BY_RUN,
         chain(first(before=None, after=None), measured(project_exists=False), dependent(before=(), after=()))),
        ("a-link", NO_GO, CODE, "is a symbolic link", BY_RUN, file(is_link=True)),
        ("content-unclear", INCONCLUSIVE, CODE, "neither old nor new code", BY_HAND,
         chain(measured(source_digests=GONE), file(old=()))),
        ("fewer-than-expected", NO_GO, RUNNING, "2 of 3 replicas run", BY_RUN, measured(expected_replicas=3)),
        ("containers-unread-at-the-end", INCONCLUSIVE, RUNNING, GONE.reason, BY_RUN, measured(ids_after=GONE)),
        ("state-unread", INCONCLUSIVE, RUNNING, GONE.reason, BY_RUN, first(before=GONE)),
        ("one-too-many-and-down", INCONCLUSIVE, RUNNING, "beside as many running replicas", BY_RUN,
         chain(measured(expected_replicas=1), state("before", status="exited"), state("after", status="exited"))),
        ("exited", NO_GO, RUNNING, "worker-1, ", BY_RUN, chain(state("before", status="exited"), state("after", status="exited"))),
        ("health-silent", INCONCLUSIVE, RUNNING, "has not spoken", BY_RUN, state("after", health="starting")),
        ("gone-at-first", NO_GO, RUNNING, "does not exist, so nothing could be watched", BY_RUN, first(before=None, after=None)),
        ("ended-meanwhile", NO_GO, RUNNING, "was running and is now exited", BY_RUN, state("after", status="exited")),
        ("restarted-by-itself", NO_GO, RUNNING, "restarted by itself since the rollback", BY_RUN, _of_first(started_later)),
        ("errors-at-the-start", NO_GO, RUNNING, "had errors at its start", BY_RUN, log(startup_errors=("ImportError: x",))),
        ("unreadable-lines", INCONCLUSIVE, RUNNING, "its errors cannot be counted", BY_RUN, log(unreadable_lines=3)),
        ("tag-unread", INCONCLUSIVE, RUNNING, GONE.reason, BY_RUN, first(image_of_tag=GONE)),
        ("other-image-than-the-run", NO_GO, RUNNING, "is not the container configuration", BY_RUN, run(image_id="sha256:other")),
        ("image-gone", INCONCLUSIVE, RUNNING, "any more to compare with", BY_HAND, first(image_of_tag=None)),
        ("other-image-than-the-tag", NO_GO, RUNNING, "does not run the image that", BY_HAND, first(image_of_tag="sha256:other")),
        ("dependent-missing", NO_GO, RUNNING, "has no container", BY_RUN, dependent(before=(), after=())),
        ("dependent-removed", INCONCLUSIVE, RUNNING, "was removed while the checks ran", BY_RUN, dependent(after=())),
        ("dependent-restarted", NO_GO, RUNNING, "restarted while the checks ran", BY_RUN, coordinator("after", restart_count=9)),
        ("dependent-restarted-by-hand", INCONCLUSIVE, RUNNING, "was restarted by someone", BY_RUN, coordinator("after", started_at=None)),
        ("dependent-older-than-a-touch", INCONCLUSIVE, RUNNING, "older than the last touch", BY_RUN, coordinator_older),
        ("dependent-image-unread", INCONCLUSIVE, RUNNING, GONE.reason, BY_RUN,
         lambda r: dependent(images=dict.fromkeys(r.dependents[0].images, GONE))(r)),
        ("dependent-other-image", INCONCLUSIVE, RUNNING, "recreate it to be sure", BY_RUN,
         lambda r: dependent(images=dict.fromkeys(r.dependents[0].images, "sha256:other"))(r)),
        ("state-unread-at-the-end", INCONCLUSIVE, RUNNING, GONE.reason, BY_RUN, first(after=GONE)),
        ("dependent-unread-at-the-end", INCONCLUSIVE, RUNNING, GONE.reason, BY_RUN, dependent(after=GONE)),
        ("no-probe-sent", INCONCLUSIVE, PROCESSING, "planted: not sent", BY_RUN,
         chain(idle(), probes(lambda p: p, probes=(), not_sent="planted: not sent"))),
        ("probe-in-work", INCONCLUSIVE, PROCESSING, "has not had its time", BY_RUN, chain(hanging(1, **_NONE), probes(in_work))),
        ("a-replica-without-a-probe", INCONCLUSIVE, PROCESSING, "none reached replica-1", BY_RUN,
         chain(idle(), probes(lambda p: having(p, replica="replica-2")))),
        ("a-slow-probe", NO_GO, PROCESSING, "took longer than", BY_RUN,
         of_its_document(lambda log, name: having(log, finished={name: 500.0}))),
        ("hangs-without-one-finished", NO_GO, PROCESSING, "without one that was finished before", BY_RUN, hanging(500, **_NONE)),
        ("stored-unread", INCONCLUSIVE, PROCESSING, GONE.reason, BY_RUN, measured(stored=GONE)),
        ("hangs-while-mcp-is-silent", INCONCLUSIVE, PROCESSING, "fix the MCP server first", BY_RUN,
         chain(hanging(500), measured(mcp=McpReading(Upstream.SILENT, "no answer")))),
        ("hangs-beside-its-own-errors", INCONCLUSIVE, PROCESSING, "beside error lines of its own", BY_RUN,
         hanging(500, errors=1, error_samples=("ERROR:worker:one",))),
        ("swept-before-it-counted", INCONCLUSIVE, PROCESSING, "is not stored any more", BY_RUN,
         hanging(500, **_NONE | {"finished": {"rollback-probe-earlier-1.jpg": 1.0},
                                 "finished_at": {"rollback-probe-earlier-1.jpg": Instant(0)}})),
        ("restarted-by-hand", INCONCLUSIVE, RUNNING, "restarted by someone while the checks ran", BY_RUN,
         _of_first(restarted_by_hand)),
        ("watched-too-shortly", INCONCLUSIVE, RUNNING, "was watched", BY_RUN, measured(ended_early="planted")),
        ("early-end", INCONCLUSIVE, PROCESSING, "not waited for: planted", BY_RUN, chain(idle(), measured(ended_early="planted"))),
        ("probes-unread", INCONCLUSIVE, PROCESSING, GONE.reason, BY_RUN, chain(idle(), measured(probes=GONE))),
        ("probes-unread-metrics", INCONCLUSIVE, PROCESSING, f"metrics: {GONE}", BY_RUN, measured(probes=GONE)),
        ("log-unread-nothing-hangs", INCONCLUSIVE, PROCESSING, GONE.reason, BY_RUN, first(log=GONE)),
        ("nothing-hangs-queue-unread", INCONCLUSIVE, PROCESSING, GONE.reason, BY_RUN, measured(queue_after=GONE)),
        ("upstream-in-the-log", INCONCLUSIVE, PROCESSING, "the workers' logs show it in trouble", BY_RUN,
         hanging(500, **_NONE, upstream=(Sighting("refused", "", 3, Instant(0), "WARNING: Connection failed"),))),
        ("not-picked-up-queue-silent", INCONCLUSIVE, PROCESSING, "could not be asked why", BY_RUN,
         chain(all_idle, probes(unsaved), measured(queue_before=GONE))),
        ("not-picked-up-others-take", INCONCLUSIVE, PROCESSING, "other consumers take from the queue", BY_RUN,
         chain(all_idle, probes(unsaved), measured(strangers=("a stranger",)))),
        ("not-picked-up-it-moves", INCONCLUSIVE, PROCESSING, "behind a backlog", BY_RUN,
         chain(all_idle, probes(unsaved), scores(*[0.2778] * 10), queue("queue_before", depth=50), queue("queue_after", depth=20))),
        ("some-picked-up", INCONCLUSIVE, PROCESSING, "they may wait behind them", BY_RUN,
         chain(idle(), probes(unsaved, only_first=True), documents(documents=()), queue("queue_after", finished=0))),
        ("none-saved", INCONCLUSIVE, PROCESSING, "none could show its metrics", BY_RUN, chain(all_idle, probes(lambda p: p, probes=()))),
        ("backlog-without-an-end", NO_GO, PROCESSING, "nothing else is finished either", BY_RUN,
         chain(all_idle, probes(unsaved), documents(documents=()), queue("queue_before", depth=9, finished=0),
               queue("queue_after", depth=99, finished=0))),
        ("strangers-unread", INCONCLUSIVE, PROCESSING, GONE.reason, BY_RUN, measured(strangers=GONE)),
        ("written-by-nobody", INCONCLUSIVE, PROCESSING, "that no replica's log shows as finished", BY_RUN,
         chain(scores(*[0.2778] * 10), saved_earlier)),
        ("mcp-silent", INCONCLUSIVE, PROCESSING, "fix the MCP server first", BY_RUN,
         chain(of_its_document(lambda log, name: having(log, finished={name: 500.0})),
               measured(mcp=McpReading(Upstream.SILENT, "no answer")))),
        ("came-up-meanwhile", INCONCLUSIVE, RUNNING, "all of them at the end", BY_RUN, state("before", status="exited")),
        ("runs-now", INCONCLUSIVE, RUNNING, "and runs now: verify again", BY_RUN, state("before", status="exited")),
        ("dependent-came-up", INCONCLUSIVE, RUNNING, "had no container at first", BY_RUN, dependent(before=())),
        ("dependent-runs-now", INCONCLUSIVE, RUNNING, "coordinator was exited with status 0 at first", BY_RUN, coordinator("before", status="exited")),
        ("not-listed-and-idle", INCONCLUSIVE, RUNNING, "does not say that it is busy", BY_RUN, first(in_queue=False)),
        ("critical-mean", NO_GO, COMPLETENESS, "of 10 documents (15.0% to 15.0%): below 20%", BY_RUN, scores(*[0.15] * 10)),
        ("nothing-read-of-one", INCONCLUSIVE, RUNNING, GONE.reason, BY_RUN,
         chain(first(before=GONE, after=GONE), measured(ids_after=GONE))),
        ("few-unproven", INCONCLUSIVE, COMPLETENESS, "does not tell old from new code; and", BY_RUN, documents(truncated=True)),
        ("few-logged-otherwise", INCONCLUSIVE, COMPLETENESS, "with 61.1%", BY_RUN, _logged_over(0.6111)),
        ("few-none-from-one", INCONCLUSIVE, COMPLETENESS, "none from replica-1", BY_RUN, idle()),
        ("few-as-low-as-before", INCONCLUSIVE, COMPLETENESS, "as low as before the change", BY_RUN,
         chain(scores(0.15, 0.15), measured(baseline=Baseline("s", "t", 0.15, 0.01, 40)))),
        ("few-critical", NO_GO, COMPLETENESS, "no mean: 15.0%, below 20%", BY_RUN, scores(0.15, 0.15)),
        ("few-changed-with-signs", NO_GO, COMPLETENESS, "the changed behaviour's level", BY_RUN,
         chain(scores(0.61, 0.61), code(still_there=("enrichment_service/errors",)))),
        ("saved-again", INCONCLUSIVE, COMPLETENESS, "cannot be compared", BY_RUN, saved_again),
        ("clock-unread", INCONCLUSIVE, COMPLETENESS, f"clock: {GONE}", BY_RUN, measured(stored=GONE)),
        ("scores-outside", INCONCLUSIVE, COMPLETENESS, "1 of 10 are not between 0 and 1", BY_RUN, scores(*[0.2778] * 9, 27.8)),
        ("scores-outside-no-mean", INCONCLUSIVE, COMPLETENESS, "no mean can be trusted", BY_RUN, scores(*[0.2778] * 9, 27.8)),
        ("no-scores", INCONCLUSIVE, COMPLETENESS, "scores: no document was finished", BY_RUN, documents(documents=())),
        ("high-with-signs", NO_GO, COMPLETENESS, "there are signs of the new code", BY_RUN,
         chain(scores(*[0.45] * 10), code(still_there=("enrichment_service/errors",)))),
        ("restarted-by-hand-not-connected", INCONCLUSIVE, RUNNING, "had not connected to the queue again", BY_RUN,
         chain(state("after", started_at=None), first(in_queue=False))),
        ("gone-meanwhile", INCONCLUSIVE, RUNNING, "was removed while the checks ran", BY_RUN, first(after=None)),
    ]  # fmt: skip
    return tuple(
        Derived(Entry(name, "derived", words, verdict, check, words), base, change)
        for name, verdict, check, words, base, change in rows
    )


DERIVED = _entries()
