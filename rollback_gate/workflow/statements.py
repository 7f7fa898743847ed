"""Statements of a profile on logs, queue and stored documents, each compared with what was found. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from rollback_gate.evidence import consumers
from rollback_gate.evidence.proof import PROBE_EXAMPLE
from rollback_gate.evidence.readings import DocumentReading, DocumentsReading, QueueReading
from rollback_gate.evidence.trial import Trial, Tried
from rollback_gate.model import Unmeasured
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.live import Completeness
from rollback_gate.profile.schema import Profile
from rollback_gate.profile.systems import Queue

_OF_EVERY_WORKER = ("logs.consuming", "logs.picked_up", "logs.completed")


@dataclass(frozen=True)
class Row:
    """One statement. `mark`: ok, warning (it may be right, and nothing shows it) or refused (it cannot be right)."""

    mark: str
    name: str
    says: str


def of_logs(profile: Profile, trial: Trial, unread: Iterable[Unmeasured]) -> Iterator[Row]:
    yield from (Row("warning", "logs", str(one)) for one in unread)
    yield from (_of_pattern(one, trial.lines, profile) for one in trial.tried)


def _of_pattern(one: Tried, lines: int, profile: Profile) -> Row:
    if one.count:
        mark = "warning" if one.key.startswith("logs.new ") else "ok"
        new = "; new code has run, or it is no sign of it" if mark == "warning" else ""
        return Row(mark, one.key, f"matches {one.count} of {lines} lines, the last: {one.example}{new}")
    is_expected = one.key in _OF_EVERY_WORKER and profile.asks("processing")
    says = f"matches none of {lines} lines"
    return (
        Row("warning", one.key, f"{says}, and a worker that works prints one")
        if is_expected
        else Row("ok", one.key, says)
    )


def of_test_documents(profile: Profile, trial: Trial) -> Iterator[Row]:
    """Whether a pattern would take the name of a test document: tried on its last line, with the name put into it."""
    if profile.probe is None:
        return
    for key, taken in trial.of_test_document(PROBE_EXAMPLE).items():
        if PROBE_EXAMPLE not in taken:
            found = f"takes {taken!r} of it" if taken else "does not take it"
            says = (
                f"a test document is called {PROBE_EXAMPLE}, and the pattern {found}: no test document could prove it"
            )
            yield Row("refused", key, says)


def of_queue(stated: Queue, reading: QueueReading | Unmeasured, replicas: tuple[Replica, ...]) -> Iterator[Row]:
    """Whether it is the right queue, and lists the replicas and nobody else."""
    if isinstance(reading, Unmeasured):
        yield Row("refused", "queue", str(reading))
        return
    waiting = f"{reading.depth} tasks wait"
    if reading.unproven:
        yield Row("warning", "queue", f"{waiting}; {reading.unproven}: is queue.key right?")
    else:
        yield Row("ok", "queue", waiting)
    strangers = consumers.strangers(reading, replicas, stated.connections)
    if isinstance(strangers, Unmeasured):
        if not stated.consumers_unlisted:
            yield Row("warning", "queue", f"{strangers}: never GO without queue.consumers_unlisted")
        return
    listed = sum(consumers.has(reading, replica) for replica in replicas)
    yield Row("ok" if listed else "warning", "queue", f"lists {listed} of {len(replicas)} replicas")
    yield from (Row("warning", "queue", f"{one} reads it too: never GO while it does") for one in strangers)


def of_documents(found: DocumentsReading | Unmeasured) -> Iterator[Row]:
    """Whether time, score and mark are where the profile says. Every document of the last days counts."""
    if isinstance(found, Unmeasured):
        yield Row("refused", "database", str(found))
        return
    rows = found.documents
    if not rows:
        yield Row("warning", "database", "no document of the last days: is created_at the right key?")
        return
    scored, marked = sum(one.score is not None for one in rows), sum(one.marked for one in rows)
    outside = sum(one.score is not None and not 0 <= one.score <= 1 for one in rows)
    yield Row("ok" if scored else "refused", "database.score", f"{scored} of {len(rows)} documents have a score")
    if outside:
        yield Row(
            "refused", "database.score", f"{outside} scores are not between 0 and 1: name a view that divides them"
        )
    yield Row("ok", "database.new_mark", f"{marked} of {len(rows)} documents carry the mark")
    if unclear := sum(one.could_be_marked for one in rows):
        yield Row("warning", "database.new_mark", f"in {unclear} of them it could not be searched for")
    if found.advice:
        yield Row("warning", "database", found.advice)


def of_finished(ids: Collection[str], stored: Collection[str]) -> Iterator[Row]:
    """Whether the log and the database call a document the same. `ids`: what the log calls finished documents."""
    if not ids:
        return
    says = f"{len(stored)} of the last {len(ids)} documents that the log calls finished are stored by that name"
    if stored:
        yield Row("ok", "database", says)
        return
    why = f"such as {next(iter(ids))}; a document proves nothing unless both call it the same"
    yield Row("warning", "database", f"{says}, {why}: look at the group `document` and at what the database calls it")


def of_level(wanted: Completeness, documents: Iterable[DocumentReading]) -> Iterator[Row]:
    """Whether stored scores are where the profile says, with the change's mark and without."""
    rows = [one for one in documents if one.score is not None and not one.could_be_marked]
    unmarked = [one.score for one in rows if one.score is not None and not one.marked]
    marked = [one.score for one in rows if one.score is not None and one.marked]
    if len(unmarked) >= wanted.minimum_sample:
        mean = statistics.fmean(unmarked)
        is_in = wanted.low <= mean <= wanted.high
        band = f"the band is {wanted.low:.1%} to {wanted.high:.1%}"
        says = f"{len(unmarked)} documents without the mark have {mean:.1%}, {band}"
        yield Row("ok" if is_in else "warning", "completeness", says)
    if wanted.changed is not None and len(marked) >= wanted.minimum_sample:
        mean = statistics.fmean(marked)
        is_near = abs(mean - wanted.changed) <= wanted.changed_tolerance
        says = f"{len(marked)} documents with the mark have {mean:.1%}, the profile says {wanted.changed:.1%}"
        yield Row("ok" if is_near else "warning", "completeness.changed", says)
