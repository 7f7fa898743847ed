"""Check 3: processing works (runbook, Verify, Check 3: Processing Works)."""

from __future__ import annotations

from collections.abc import Iterable

from rollback_gate.checks import new_behaviour
from rollback_gate.evidence.log_lines import LogSummary
from rollback_gate.evidence.readings import ProbeReading, ProbesReading, QueueReading, Readings, ReplicaReading
from rollback_gate.model import Claim, Evidence, Unmeasured, failed, inconclusive, passed


def probe_on_every_replica(readings: Readings) -> Claim:
    """A probe went through the queue and came out of each replica, saved, within the time limit."""
    probes = readings.probes
    if isinstance(probes, Unmeasured):
        return inconclusive("probes", probes)
    if not probes.probes:
        return inconclusive("probes", "none was sent")
    open_ = [p for p in probes.probes if not p.finished]
    stuck = _stuck_slots(probes)
    if stuck:
        evidence = _evidence(p for p in probes.probes if {slot for slot, _ in p.stuck_in} & stuck)
        says = f"picked up by {', '.join(sorted(stuck))} and not finished within {probes.limit_s:.0f} s"
        return _blame(readings, says, evidence)
    lost = [p for p in open_ if p.seconds is not None]
    if lost:
        return _blame(readings, f"{len(lost)} were finished, as the log says, and never saved", _evidence(lost))
    if any(p.stuck_in for p in open_):
        says = (f"{len(open_)} of {len(probes.probes)} are still in work, in replicas that finished others or have not "
                "had their time: verify again")  # fmt: skip
        hint = "old and new code alike can hang on the second document of a process"
        return inconclusive("probes", says, hint, *_evidence(open_))
    if open_:
        return _not_reached(readings, open_, probes)
    return _coverage(readings, probes)


def _stuck_slots(probes: ProbesReading) -> set[str]:
    """Replicas that had a probe for the whole time limit and have never finished one.

    A finished one that the queue delivers again, or a second one that hangs, is not the same thing (FACTS: Queue).
    """
    finished = {p.replica for p in probes.probes if p.seconds is not None}
    hanging = {slot for p in probes.probes for slot, seconds in p.stuck_in if seconds >= probes.limit_s}
    return {slot for slot in hanging if slot not in finished}


def _coverage(readings: Readings, probes: ProbesReading) -> Claim:
    by_replica = {p.replica for p in probes.probes if p.seconds is not None}
    by_queue = {r.slot for r in readings.replicas if r.slot not in by_replica and _finished_by_the_queues_word(r)}
    if by_queue and sum(r.finished_in_queue or 0 for r in readings.replicas) < len(probes.probes):
        by_queue = set()  # somebody else has finished some of them
    by_replica |= by_queue
    missing = [r.label for r in readings.replicas if r.slot not in by_replica]
    times = [f"{p.document_id} on {p.replica or 'an unknown replica'}: "
             + (f"{p.seconds:.1f} s" if p.seconds is not None else "saved") for p in probes.probes]  # fmt: skip
    if missing:
        return inconclusive(
            "probes", f"{len(probes.probes)} probes were finished, none seen in {', '.join(missing)}", *times
        )
    slow = [p for p in probes.probes if p.seconds is not None and p.seconds > probes.limit_s]
    if slow:
        return _blame(readings, f"{len(slow)} took longer than {probes.limit_s:.0f} s", times)
    says = f"{len(probes.probes)} went in through the queue and came out, on every replica"
    if by_queue:
        says += f"; on {', '.join(sorted(by_queue))} by the queue's own count only, its log does not show documents"
    return passed("probes", says, Evidence.DOCUMENT, *times)


def _finished_by_the_queues_word(replica: ReplicaReading) -> bool:
    """Where its log cannot show which document it finished (level or driver hides that), the queue's count can."""
    log = replica.log
    could_show = isinstance(log, LogSummary) and bool(log.consuming_at or log.finished or log.unfinished)
    return not could_show and replica.in_queue is True and bool(replica.finished_in_queue)


def _not_reached(readings: Readings, lost: list[ProbeReading], probes: ProbesReading) -> Claim:
    """Nobody is seen to have picked the probe up: only where nothing else is finished either is that a failure."""
    says = f"{len(lost)} of {len(probes.probes)} were not seen picked up within {probes.limit_s:.0f} s"
    before, after = readings.queue_before, readings.queue_after
    if isinstance(before, Unmeasured) or isinstance(after, Unmeasured):
        return inconclusive("probes", f"{says}, and the queue could not be asked why")
    if readings.strangers:
        return inconclusive("probes", f"{says}; other consumers take from the queue, or may: {readings.strangers}")
    depth = f"{after.depth} tasks wait, {after.in_flight} are in work"
    if _moves(readings, before, after, probes):
        return inconclusive("probes", f"{says}, while other tasks are finished ({depth}): they may wait behind a "
                            "backlog; verify again later")  # fmt: skip
    if any(p.finished for p in probes.probes):
        return inconclusive("probes", f"{says}, others were finished ({depth}): one may be in a replica that does not "
                            "begin it; verify again")  # fmt: skip
    return _blame(readings, f"{says} and nothing else is finished either ({depth})", [])


def _moves(readings: Readings, before: QueueReading, after: QueueReading, probes: ProbesReading) -> bool:
    """Any sign that other tasks are finished. A count that fell belongs to new connections: that is none."""
    since = min((p.sent_at for p in probes.probes), default=None)
    documents = () if isinstance(readings.documents, Unmeasured) else readings.documents.organic
    saved = since is not None and any(d.created_at and d.created_at > since for d in documents)
    shrank = after.depth < before.depth + len(probes.probes) and before.depth > 0
    own = sum(p.finished for p in probes.probes)
    return saved or shrank or after.finished > before.finished + own


def metrics(readings: Readings) -> Claim:
    """Each finished probe was saved with its quality metrics."""
    probes = readings.probes
    if isinstance(probes, Unmeasured):
        return inconclusive("probes", probes)
    saved = [p for p in probes.probes if p.document is not None]
    without = [p for p in saved if p.document is not None and p.document.score is None]
    if without:
        return _blame(readings, f"{len(without)} of {len(saved)} were saved without metrics", _evidence(without))
    if not saved:
        return inconclusive("probes", "none was saved, so none could show its metrics")
    return passed("probes", f"all {len(saved)} were saved with their metrics", Evidence.DOCUMENT)


def no_strangers(readings: Readings) -> Claim:
    """Only our replicas consume the channel: a stranger's code would write documents too."""
    strangers = readings.strangers
    if isinstance(strangers, Unmeasured):
        return inconclusive("queue", strangers)
    if not strangers:
        return passed("queue", "nobody but the replicas of this deployment consumes the channel", Evidence.PROCESS)
    says = f"{len(strangers)} other consumers of the channel: {', '.join(strangers)}"
    if new_behaviour.fresh_documents(readings).outcome == "failed":
        return failed("queue", f"{says}, and fresh documents carry the new code's mark", Evidence.DOCUMENT)
    return inconclusive("queue", f"{says}; find out what they run")


def organic_documents(readings: Readings) -> Claim:
    """The worker's own documents since the boundary. None, with an empty queue, is information and no more."""
    documents = readings.documents
    if isinstance(documents, Unmeasured):
        return inconclusive("documents", documents)
    count = len(documents.organic)
    if count:
        return passed("documents", f"{count} organic documents were saved since the boundary", Evidence.DOCUMENT)
    before, after = readings.queue_before, readings.queue_after
    if isinstance(before, Unmeasured) or isinstance(after, Unmeasured):
        return inconclusive("queue", before if isinstance(before, Unmeasured) else after)  # type: ignore[arg-type]
    finished_probe = isinstance(readings.probes, ProbesReading) and any(p.finished for p in readings.probes.probes)
    if before.depth and after.depth and not finished_probe:
        return _blame(readings, f"no document is finished although {after.depth} tasks wait in the queue", [])
    says = f"no organic documents since the boundary; {after.depth} tasks wait in the queue (information only)"
    return passed("documents", says, Evidence.PROCESS)


def leaves_no_trace(readings: Readings) -> Claim:
    """Every trace of the probes was removed."""
    probes = readings.probes
    if isinstance(probes, Unmeasured):
        return inconclusive("probes", probes)
    swept = f"; {probes.swept} left by earlier ones were swept" if probes.swept else ""
    if probes.leftovers:
        return inconclusive("probes", f"not every trace could be removed{swept}", *probes.leftovers)
    return passed("probes", f"every trace was removed{swept}", Evidence.DOCUMENT)


def _blame(readings: Readings, says: str, details: Iterable[str]) -> Claim:
    """A failure of the worker, unless the MCP server that it needs does not answer."""
    if not readings.mcp.answers:
        return inconclusive(
            "probes", f"{says}; the MCP server does not answer, fix it first: {readings.mcp.says}", *details
        )
    return failed("probes", says, Evidence.DOCUMENT, *details)


def _evidence(probes: Iterable[ProbeReading]) -> list[str]:
    return [line for p in probes for line in (f"{p.document_id} on {p.replica or 'no replica'}:", *p.log_lines[-8:])]
