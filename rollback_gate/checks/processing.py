"""Check 3: processing works (runbook, Verify, Check 3: Processing Works)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from rollback_gate.checks import new_behaviour
from rollback_gate.evidence.log_lines import LogSummary
from rollback_gate.evidence.proof import Proof, proofs
from rollback_gate.evidence.readings import ProbeReading, ProbesReading, QueueReading, Readings, ReplicaReading
from rollback_gate.model import Claim, Evidence, Unmeasured, failed, inconclusive, passed
from rollback_gate.profile.schema import Profile

SUBJECT = "documents"


def document_from_every_replica(readings: Readings, profile: Profile) -> Claim:
    """Since its boundary each replica has finished a document, organic or probe, within the limit, and it was saved."""
    if isinstance(readings.stored, Unmeasured):
        return inconclusive(SUBJECT, readings.stored)
    limit_s = profile.limits.probe_s
    found = _by_slot(proofs_of(readings), limit_s)
    by_queue = {} if found.keys() >= _slots(readings) else _by_the_queues_word(readings, found.keys())
    lacking = [r for r in readings.replicas if r.slot not in found and r.slot not in by_queue]
    details = [*(_in_words(proof, readings) for proof in found.values()), *by_queue.values()]
    if not lacking:
        return _all_proven(readings, found, by_queue, details)
    claim = _why_lacking(readings, lacking, limit_s)
    return replace(claim, details=(*claim.details, *details))


def proofs_of(readings: Readings) -> tuple[Proof, ...]:
    """Every document that a replica has finished since its boundary, and that was found stored."""
    return proofs({r.slot: r.log for r in readings.replicas}, readings.stored, readings.remembered)


def _slots(readings: Readings) -> set[str]:
    return {replica.slot for replica in readings.replicas}


def _by_slot(found: Iterable[Proof], limit_s: float) -> dict[str, Proof]:
    """The first of each replica that was in time."""
    first: dict[str, Proof] = {}
    for proof in found:
        if proof.seconds <= limit_s:
            first.setdefault(proof.slot, proof)
    return first


def _all_proven(
    readings: Readings, found: dict[str, Proof], by_queue: dict[str, str], details: list[str]
) -> Claim:  # fmt: skip
    if not found and not by_queue:
        return inconclusive(SUBJECT, "no replica was expected, so none could finish a document")
    probes = sum(proof.is_probe for proof in found.values())
    organic = len(found) - probes
    kinds = [f"{organic} sent by its own producers" if organic else "", f"{probes} test documents" if probes else "",
             f"{len(by_queue)} by the queue's own count" if by_queue else ""]  # fmt: skip
    count = len(readings.replicas)
    says = f"{'the worker has' if count == 1 else f'each of {count} workers has'} finished a document since its start"
    return passed(SUBJECT, f"{says}: {', '.join(filter(None, kinds))}", Evidence.DOCUMENT, *details)


def _in_words(proof: Proof, readings: Readings) -> str:
    boundary = next(r.boundary for r in readings.replicas if r.slot == proof.slot)
    after = f", {proof.at.seconds_since(boundary):.0f} s after its boundary" if boundary else ""
    removed = "" if proof.is_stored else "; a test document of an earlier verify, removed since"
    return f"{proof.slot}: {proof.document_id} in {proof.seconds:.1f} s, {proof.score:.1%}{after}{removed}"


def _by_the_queues_word(readings: Readings, proven: Iterable[str]) -> dict[str, str]:
    """Where its log cannot show which document it finished (level or driver hides that), the queue's count can."""
    silent = {r.slot: r.finished_in_queue or 0 for r in readings.replicas if _is_silent(r)}
    counted = sum(r.finished_in_queue or 0 for r in readings.replicas)
    probes = readings.probes
    done = sum(p.finished for p in probes.probes) if isinstance(probes, ProbesReading) else 0
    if not done or counted < done or not set(proven).isdisjoint(silent):
        return {}  # nothing was stored, or somebody else has finished some of them
    return {slot: f"{slot}: {count} finished, by the queue's own count only: its log does not show documents"
            for slot, count in silent.items() if count}  # fmt: skip


def _is_silent(replica: ReplicaReading) -> bool:
    log = replica.log
    return replica.in_queue is True and not (isinstance(log, LogSummary) and log.could_show_documents)


# --- why a replica has not


@dataclass(frozen=True)
class _Lack:
    """Replicas without proof, and what there is to say why."""

    readings: Readings
    probes: ProbesReading
    replicas: list[ReplicaReading]
    limit_s: float

    @property
    def slots(self) -> set[str]:
        return {replica.slot for replica in self.replicas}

    @property
    def names(self) -> str:
        return ", ".join(replica.label for replica in self.replicas)

    def held(self, slots: set[str]) -> list[ProbeReading]:
        return [p for p in self.probes.probes if {slot for slot, _ in p.stuck_in} & slots]


def _why_lacking(readings: Readings, replicas: list[ReplicaReading], limit_s: float) -> Claim:
    names = ", ".join(replica.label for replica in replicas)
    if readings.ended_early and readings.mcp.answers:
        return inconclusive(SUBJECT, f"{names} finished none by then; not waited for: {readings.ended_early}")
    if isinstance(readings.probes, Unmeasured):
        return inconclusive(SUBJECT, f"{names} finished none since the boundary, and {readings.probes}")
    lack = _Lack(readings, readings.probes, replicas, limit_s)
    for why in (_too_long, _never_saved, _not_sent, _rejected, _went_elsewhere, _not_picked_up):
        if claim := why(lack):
            return claim
    hint = "old and new code alike can hang on the second document of a process"
    says = f"{names} finished none yet; what they have in work has not had its time: verify again"
    return inconclusive(SUBJECT, says, hint, *_evidence(lack.held(lack.slots)))


def _too_long(lack: _Lack) -> Claim | None:
    """In work beyond the limit, or finished too late, in a replica that has never finished one in time."""
    limit_s, readings = lack.limit_s, lack.readings
    stuck = {slot for slot, _, seconds in _in_work(readings) if slot in lack.slots and seconds >= limit_s}
    if stuck:
        says = f"{', '.join(sorted(stuck))} picked up a document and has not finished it within {limit_s:.0f} s"
        return blame(readings, f"{says}, nor any other one since its start", _evidence(lack.held(stuck)))
    slow = [proof for proof in proofs_of(readings) if proof.slot in lack.slots and proof.seconds > limit_s]
    if slow:
        says = f"{len(slow)} documents took longer than {limit_s:.0f} s, the first one {slow[0].seconds:.0f} s"
        return blame(readings, says, [])
    return None


def _never_saved(lack: _Lack) -> Claim | None:
    lost = [p for p in lack.probes.probes if p.seconds is not None and not p.finished]
    if lost:
        says = f"{len(lost)} test documents were finished, as the log says, and never saved"
        return blame(lack.readings, says, _evidence(lost))
    without = _without_metrics(lack.probes)
    if without:
        return blame(lack.readings, f"{len(without)} test documents were saved without metrics", _evidence(without))
    return None


def _not_sent(lack: _Lack) -> Claim | None:
    if not lack.probes.not_sent:
        return None
    claim = inconclusive(SUBJECT, f"{lack.names} finished none since the boundary; {lack.probes.not_sent}")
    return claim if lack.readings.mcp.answers else replace(claim, note=fix_first(lack.readings))


def _rejected(lack: _Lack) -> Claim | None:
    logs = [replica.log for replica in lack.replicas if isinstance(replica.log, LogSummary)]
    count = sum(log.rejected for log in logs)
    if not count or any(log.picked_up for log in logs) or _any_finished(lack.probes):
        return None
    return inconclusive(SUBJECT, f"every task was rejected as invalid ({count} times): nothing that came could show "
                        "whether documents are processed")  # fmt: skip


def _went_elsewhere(lack: _Lack) -> Claim | None:
    """The queue decides who gets a probe; no second one is sent."""
    probes = lack.probes.probes
    if not probes or any(p.replica is None or p.replica in lack.slots for p in probes):
        return None
    others = ", ".join(sorted({p.replica for p in probes if p.replica}))
    says = f"the queue gave the test documents to {others}; none reached {lack.names}"
    return inconclusive(SUBJECT, f"{says}. Verify again once documents have come in", *_evidence(probes))


def _not_picked_up(lack: _Lack) -> Claim | None:
    """Nobody is seen to have picked it up: only where nothing else is finished either is that a failure."""
    readings, probes = lack.readings, lack.probes
    lost = [p for p in probes.probes if p.replica is None and not p.finished]
    if not lost:
        return None
    says = f"{len(lost)} of {len(probes.probes)} test documents were not seen picked up within {lack.limit_s:.0f} s"
    before, after = readings.queue_before, readings.queue_after
    if isinstance(before, Unmeasured) or isinstance(after, Unmeasured):
        return inconclusive(SUBJECT, f"{says}, and the queue could not be asked why")
    if readings.strangers:
        return inconclusive(SUBJECT, f"{says}; other consumers take from the queue, or may: {readings.strangers}")
    depth = f"{after.depth} tasks wait, {after.in_flight} are in work"
    if _moves(readings, before, after, probes):
        return inconclusive(SUBJECT, f"{says}, while other tasks are finished ({depth}): they may wait behind a "
                            "backlog; verify again later")  # fmt: skip
    if _any_finished(probes) or _in_work(readings):
        return inconclusive(SUBJECT, f"{says}, while others are in work or were finished ({depth}): they may wait "
                            "behind them; verify again later")  # fmt: skip
    return blame(readings, f"{says} and nothing else is finished either ({depth})", [])


def _without_metrics(probes: ProbesReading) -> list[ProbeReading]:
    return [p for p in probes.probes if p.document is not None and p.document.score is None]


def _any_finished(probes: ProbesReading) -> bool:
    return any(probe.finished for probe in probes.probes)


def _in_work(readings: Readings) -> list[tuple[str, str, float]]:
    """Slot, document, and seconds since its pick-up, of what was picked up since the boundary and is not finished."""
    return list(_open(readings))


def _open(readings: Readings) -> Iterator[tuple[str, str, float]]:
    for replica in readings.replicas:
        if isinstance(replica.log, LogSummary) and replica.log.read_at:
            for document, at in replica.log.unfinished.items():
                yield replica.slot, document, replica.log.read_at.seconds_since(at)


def _moves(readings: Readings, before: QueueReading, after: QueueReading, probes: ProbesReading) -> bool:
    """Any sign that other tasks are finished. A count that fell belongs to new connections: that is none."""
    since = min((p.sent_at for p in probes.probes), default=None)
    documents = () if isinstance(readings.documents, Unmeasured) else readings.documents.organic
    saved = since is not None and any(d.created_at and d.created_at > since for d in documents)
    shrank = after.depth < before.depth + len(probes.probes) and before.depth > 0
    own = sum(p.finished for p in probes.probes)
    return saved or shrank or after.finished > before.finished + own


# --- the other claims


def metrics(readings: Readings) -> Claim:
    """Each test document that came out was saved with its quality metrics; without any, the proofs were."""
    probes = readings.probes
    if isinstance(probes, Unmeasured):
        return inconclusive("metrics", probes)
    saved, without = [p for p in probes.probes if p.document is not None], _without_metrics(probes)
    if without:
        return blame(readings, f"{len(without)} of {len(saved)} test documents were saved without metrics",
                     _evidence(without))  # fmt: skip
    if saved:
        return passed("metrics", f"all {len(saved)} test documents were saved with their metrics", Evidence.DOCUMENT)
    count = len(proofs_of(readings))
    if count:
        return passed("metrics", f"no test document was needed; {count} finished documents have their metrics",
                      Evidence.DOCUMENT)  # fmt: skip
    return inconclusive("metrics", "no document was saved, so none could show its metrics")


def in_work(readings: Readings, profile: Profile) -> Claim:
    """Nothing hangs: no document is in work for longer than the limit, beyond what old code is known for."""
    limit_s, hang = profile.limits.probe_s, profile.known.hang
    hanging = [row for row in _in_work(readings) if row[2] >= limit_s]
    if not hanging:
        return _none_hangs(readings)
    details = [f"{slot}: {document}, for {seconds:.0f} s" for slot, document, seconds in hanging]
    proven = {slot: sum(p.slot == slot for p in proofs_of(readings)) for slot in {row[0] for row in hanging}}
    too_long = f"{_documents(len(hanging))} in work for longer than {limit_s:.0f} s"
    if hang is None:
        return inconclusive(SUBJECT, too_long, *details)
    if unproven := sorted(slot for slot, finished in proven.items() if finished < hang.after):
        says = f"{too_long}, in {', '.join(unproven)} without one that was finished before"
        return inconclusive(SUBJECT, says, *details)
    says = f"each worker finished one document; {len(hanging)} hang, as before the change"
    return replace(passed(SUBJECT, f"{says} (known.hang in the profile)", Evidence.LOG, *details), note=says)


def _none_hangs(readings: Readings) -> Claim:
    after = readings.queue_after
    if isinstance(after, Unmeasured):
        return inconclusive("queue", after)
    for replica in readings.replicas:
        if isinstance(replica.log, Unmeasured):
            return inconclusive(replica.label, replica.log)
    now = f"{after.depth} tasks wait in the queue, {len(_in_work(readings))} documents are in work"
    return passed(SUBJECT, f"none hangs ({now})", Evidence.PROCESS)


def no_strangers(readings: Readings, profile: Profile) -> Claim:
    """Only our replicas consume the channel: a stranger's code would write documents too."""
    strangers = readings.strangers
    if isinstance(strangers, Unmeasured):
        return inconclusive("queue", strangers)
    if not strangers:
        return passed("queue", "nobody but the replicas of this deployment consumes the channel", Evidence.PROCESS)
    says = f"{len(strangers)} other consumers of the channel: {', '.join(strangers)}"
    if new_behaviour.fresh_documents(readings, profile).outcome == "failed":
        return failed("queue", f"{says}, and fresh documents carry the new code's mark", Evidence.DOCUMENT)
    return inconclusive("queue", f"{says}; find out what they run")


def traces(readings: Readings) -> Claim:
    """What the gate's own documents cost and left. Named, never held against the service: the gate caused it."""
    probes = readings.probes
    subject = "test documents"
    if isinstance(probes, Unmeasured):
        return inconclusive(subject, probes)
    swept = f"{probes.swept} traces of earlier ones were removed" if probes.swept else ""
    took = [p.seconds for p in probes.probes if p.seconds is not None]
    cost = f"{len(probes.probes)} were sent, and took {sum(took):.0f} s of the workers' time" if probes.probes else (
        "none was sent"
    )  # fmt: skip
    says = "; ".join(filter(None, (cost, swept)))
    if probes.leftovers:
        left = passed(subject, f"{says}; some traces are left", Evidence.DOCUMENT, *probes.leftovers)
        return replace(left, note="traces of test documents are left in the database")
    if probes.may_return:
        note = f"{_test_documents(len(probes.may_return))} in the queue"
        says += (f"; {note}: it may deliver them again, which occupies a worker, and the next verify, rollback or "
                 "probes.sweep removes what they leave")  # fmt: skip
        return replace(passed(subject, says, Evidence.DOCUMENT, *probes.may_return), note=note)
    return passed(subject, f"{says}; every trace was removed", Evidence.DOCUMENT)


def blame(readings: Readings, says: str, details: Iterable[str]) -> Claim:
    """A failure of the worker, unless the MCP server that it needs does not serve it.

    By its own answer, or by lines that old code never prints while it answers. Time-outs while it answers are the
    worker's own.
    """
    if not readings.mcp.answers:
        first = fix_first(readings)
        return replace(inconclusive(SUBJECT, f"{says}; {first}", *details), note=first)
    lines = [sighting for r in readings.replicas if isinstance(r.log, LogSummary) for sighting in r.log.upstream]
    if lines:
        seen = "; ".join(f"{line.count} × {line.name}" for line in lines)
        first = f"fix the MCP server first: the workers' logs show it in trouble ({seen})"
        samples = (line.sample for line in lines)
        return replace(inconclusive(SUBJECT, f"{says}; {first}", *samples, *details), note=first)
    return failed(SUBJECT, says, Evidence.DOCUMENT, *details)


def fix_first(readings: Readings) -> str:
    """What a person does before anything else, where the upstream does not serve the worker."""
    return f"fix the MCP server first: {readings.mcp.says}"


def _evidence(probes: Iterable[ProbeReading]) -> list[str]:
    return [line for p in probes for line in (f"{p.document_id} on {p.replica or 'no replica'}:", *p.log_lines[-8:])]


def _documents(count: int) -> str:
    return "1 document is" if count == 1 else f"{count} documents are"


def _test_documents(count: int) -> str:
    return "1 test document remains" if count == 1 else f"{count} test documents remain"
