"""Shared by the claims of check 3: proofs, documents in work, and whether the upstream caused a failure. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from rollback_gate.evidence.log_lines import LogSummary
from rollback_gate.evidence.proof import Process, Proof, proofs
from rollback_gate.evidence.readings import ProbeReading, ProbesReading, QueueReading, Readings
from rollback_gate.model import Claim, Evidence, Unmeasured, failed, inconclusive
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.schema import Profile

PAUSED = "the queue is paused, and delivers nothing: unpause the channel (or its topic), and verify again"
SUBJECT = "documents"


def is_paused(readings: Readings) -> bool:
    """True if the last reading of the queue shows it paused."""
    return isinstance(readings.queue_after, QueueReading) and readings.queue_after.paused


def proofs_of(readings: Readings, profile: Profile) -> tuple[Proof, ...]:
    """Proofs of all documents that a replica finished since its boundary, and that were found stored."""
    logs = {r.slot: r.log for r in readings.consuming}
    processes = {
        r.slot: Process(r.before.id, r.before.started_at)
        for r in readings.consuming
        if isinstance(r.before, Replica) and r.before.started_at
    }
    return proofs(logs, processes, readings.stored, readings.remembered, profile.limits.clock_skew_s)


def in_work(readings: Readings) -> list[tuple[str, str, float]]:
    """Documents in work: slot, document, and seconds since its first pick-up after the boundary.

    Excludes documents that another replica has finished, if this one has moved on.
    """
    return list(_open(readings))


def in_work_of_nobody_else(readings: Readings) -> list[tuple[str, str, float]]:
    """The same, for documents that no replica has finished."""
    finished = _finished(readings)
    return [row for row in _open(readings) if row[1] not in finished]


def _finished(readings: Readings) -> set[str]:
    return {name for r in readings.consuming if isinstance(r.log, LogSummary) for name in r.log.finished}


def _open(readings: Readings) -> Iterator[tuple[str, str, float]]:
    finished = _finished(readings)
    for replica in readings.consuming:
        if isinstance(replica.log, LogSummary) and replica.log.read_at:
            for document, at in replica.log.unfinished.items():
                is_newest = document == list(replica.log.unfinished)[-1]
                has_moved_on = not is_newest or any(done > at for done in replica.log.finished_at.values())
                if not (document in finished and has_moved_on):
                    yield replica.slot, document, replica.log.read_at.seconds_since(at)


def unproven_queue(readings: Readings) -> str:
    """Why nothing shows that the queue is the right one: at no look, and no test document came through it."""
    looks = [look for look in (readings.queue_before, readings.queue_after) if isinstance(look, QueueReading)]
    probes = () if isinstance(readings.probes, Unmeasured) else readings.probes.probes
    if any(probe.finished for probe in probes) or not all(look.unproven for look in looks):
        return ""
    return next((look.unproven for look in looks), "")


def blame(readings: Readings, says: str, details: Iterable[str]) -> Claim:
    """A failure of the worker; inconclusive if the upstream does not serve it.

    Its answer shows that, or log lines that old code never prints while it answers. Time-outs while it answers are the
    worker's failure.
    """
    if not readings.upstream.answers:
        first = readings.upstream.fix_first
        return replace(inconclusive(SUBJECT, f"{says}; {first}", *details), note=first)
    lines = [sighting for r in readings.consuming if isinstance(r.log, LogSummary) for sighting in r.log.upstream]
    if lines:
        seen = "; ".join(f"{line.count} × {line.name}" for line in lines)
        first = f"fix {readings.upstream.name} first: the workers' logs show it in trouble ({seen})"
        samples = (line.sample for line in lines)
        return replace(inconclusive(SUBJECT, f"{says}; {first}", *samples, *details), note=first)
    return failed(SUBJECT, says, Evidence.DOCUMENT, *details)


def evidence_of(probes: Iterable[ProbeReading]) -> list[str]:
    return [line for p in probes for line in (f"{p.document_id} on {p.replica or 'no replica'}:", *p.log_lines[-8:])]


def without_metrics(probes: ProbesReading) -> list[ProbeReading]:
    return [p for p in probes.probes if p.document is not None and p.document.score is None]
