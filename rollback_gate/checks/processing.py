"""Check 3: processing works (runbook, Verify, Check 3: Processing Works)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from rollback_gate.checks import new_behaviour, processed, unproven
from rollback_gate.checks.processed import SUBJECT
from rollback_gate.evidence.log_lines import MOST_DOCUMENTS, LogSummary
from rollback_gate.evidence.proof import PROBE_PREFIX, Proof
from rollback_gate.evidence.readings import ProbesReading, QueueReading, Readings, ReplicaReading
from rollback_gate.instant import Instant
from rollback_gate.model import Claim, Evidence, Unmeasured, failed, inconclusive, passed
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.schema import Profile

_TRIES = 5  # attempts per task before the worker gives it up


def document_from_every_replica(readings: Readings, profile: Profile) -> Claim:
    """Each replica has finished a document, organic or probe, since its boundary and in time, and it was saved."""
    if isinstance(readings.stored, Unmeasured):
        return inconclusive(SUBJECT, readings.stored)
    limit_s = profile.limits.probe_s
    found = _by_slot(processed.proofs_of(readings, profile), limit_s)
    by_queue = {} if found.keys() >= _slots(readings) else _by_the_queues_word(readings, found.keys())
    lacking = [r for r in readings.consuming if r.slot not in found and r.slot not in by_queue]
    details = [*(_in_words(proof, readings) for proof in found.values()), *by_queue.values()]
    if readings.consuming and not lacking:
        proven = _all_proven(readings, found, by_queue, details)
        return _unless_rejected(proven, readings, found.values(), profile)
    claim = unproven.why(readings, lacking, profile)
    return replace(claim, details=(*claim.details, *details))


def _slots(readings: Readings) -> set[str]:
    return {replica.slot for replica in readings.consuming}


def _by_slot(found: Iterable[Proof], limit_s: float) -> dict[str, Proof]:
    """The first proof of each replica that was within the limit."""
    first: dict[str, Proof] = {}
    for proof in found:
        if proof.seconds <= limit_s:
            first.setdefault(proof.slot, proof)
    return first


def _all_proven(readings: Readings, found: dict[str, Proof], by_queue: dict[str, str], details: list[str]) -> Claim:
    probes = sum(proof.is_probe for proof in found.values())
    organic = len(found) - probes
    kinds = [
        f"{organic} sent by its own producers" if organic else "",
        f"{probes} test documents" if probes else "",
        f"{len(by_queue)} by the queue's own count" if by_queue else "",
    ]
    count = len(readings.consuming)
    says = f"{'the worker has' if count == 1 else f'each of {count} workers has'} finished a document since its start"
    return passed(SUBJECT, f"{says}: {', '.join(filter(None, kinds))}", Evidence.DOCUMENT, *details)


def _unless_rejected(claim: Claim, readings: Readings, found: Iterable[Proof], profile: Profile) -> Claim:
    """Probes do not show that organic tasks are accepted: a producer may still send the change's format."""
    logs = [r.log for r in readings.consuming if isinstance(r.log, LogSummary)]
    count = sum(log.rejected for log in logs)
    taken = (name for log in logs for name in (*log.finished, *log.unfinished))
    organic = [name for name in taken if not name.startswith(PROBE_PREFIX)]
    if not count or organic or not all(proof.is_probe for proof in found):
        return claim
    note = f"every task but the gate's own was rejected as invalid ({count} times)"
    if count > _TRIES * profile.limits.errors:
        return inconclusive(SUBJECT, f"{note}: do the producers send what old code understands?", *claim.details)
    return replace(claim, note=note)


def _in_words(proof: Proof, readings: Readings) -> str:
    boundary = next(r.boundary for r in readings.consuming if r.slot == proof.slot)
    after = f", {proof.at.seconds_since(boundary):.0f} s after its boundary" if boundary else ""
    removed = "" if proof.is_stored else "; a test document of an earlier verify, removed since"
    return f"{proof.slot}: {proof.document_id} in {proof.seconds:.1f} s, {proof.score:.1%}{after}{removed}"


def _by_the_queues_word(readings: Readings, proven: Iterable[str]) -> dict[str, str]:
    """For replicas whose log does not show documents (hidden by level or driver): proof by the queue's count."""
    silent = {r.slot: r.finished_in_queue or 0 for r in readings.consuming if _is_silent(r)}
    counted = sum(r.finished_in_queue or 0 for r in readings.consuming)
    probes = readings.probes
    done = sum(p.finished for p in probes.probes) if isinstance(probes, ProbesReading) else 0
    if not done or counted < done or not set(proven).isdisjoint(silent):
        return {}  # nothing was stored, or another consumer has finished some of them
    return {
        slot: f"{slot}: {count} finished, by the queue's own count only: its log does not show documents"
        for slot, count in silent.items()
        if count
    }


def _is_silent(replica: ReplicaReading) -> bool:
    log = replica.log
    return replica.in_queue is True and not (isinstance(log, LogSummary) and log.could_show_documents)


# --- the other claims


def metrics(readings: Readings, profile: Profile) -> Claim:
    """Each finished probe was saved with its quality metrics; without probes, the finished documents were."""
    probes = readings.probes
    if isinstance(probes, Unmeasured):
        return inconclusive("metrics", probes)
    saved, without = [p for p in probes.probes if p.document is not None], processed.without_metrics(probes)
    if odd := [f"{p.document_id}: {p.document.odd_score}" for p in saved if p.document and p.document.odd_score]:
        return inconclusive("metrics", f"{len(odd)} of {len(saved)} scores are no finite number", *odd)
    if without:
        return processed.blame(
            readings,
            f"{len(without)} of {len(saved)} test documents were saved without metrics",
            processed.evidence_of(without),
        )
    if saved:
        return passed("metrics", f"all {len(saved)} test documents were saved with their metrics", Evidence.DOCUMENT)
    count = len(processed.proofs_of(readings, profile))
    if count:
        return passed(
            "metrics", f"no test document was needed; {count} finished documents have their metrics", Evidence.DOCUMENT
        )
    return inconclusive("metrics", "no document was saved, so none could show its metrics")


def in_work(readings: Readings, profile: Profile) -> Claim:
    """No document is in work for longer than the limit, except for the known hang of old code."""
    limit_s, hang = profile.limits.probe_s, profile.known.hang
    hanging = [row for row in processed.in_work(readings) if row[2] >= limit_s]
    if not hanging:
        return _none_hangs(readings)
    details = [f"{slot}: {document}, for {seconds:.0f} s" for slot, document, seconds in hanging]
    if not readings.upstream.answers:
        first = readings.upstream.fix_first
        says = f"{_documents(len(hanging))} in work for longer than {limit_s:.0f} s; {first}"
        return replace(inconclusive(SUBJECT, says, *details), note=first)
    if failing := [r.label for r in readings.consuming if isinstance(r.log, LogSummary) and r.log.errors]:
        says = f"{_documents(len(hanging))} in work for longer than {limit_s:.0f} s, beside error lines of its own"
        return inconclusive(SUBJECT, f"{says} in {', '.join(failing)}", *details)
    proven = {
        slot: sum(p.slot == slot for p in processed.proofs_of(readings, profile))
        for slot in {row[0] for row in hanging}
    }
    too_long = f"{_documents(len(hanging))} in work for longer than {limit_s:.0f} s"
    if bad := sorted(slot for slot, finished in proven.items() if hang is None or finished < hang.after):
        without = "" if hang is None else ", without one that was finished before"
        return inconclusive(SUBJECT, f"{too_long}, in {', '.join(bad)}{without}", *details)
    says = f"each worker finished one document; {len(hanging)} hang, as before the change"
    return replace(passed(SUBJECT, f"{says} (known.hang in the profile)", Evidence.LOG, *details), note=says)


def _none_hangs(readings: Readings) -> Claim:
    after = readings.queue_after
    if isinstance(after, Unmeasured):
        return inconclusive("queue", after)
    if processed.is_paused(readings):
        return inconclusive("queue", processed.PAUSED)
    for replica in readings.consuming:
        if isinstance(replica.log, Unmeasured):
            return inconclusive(replica.label, replica.log)
    if _stands_still(readings, after):
        says = f"{after.depth} tasks wait, none was in work at either look, and none was finished in between"
        says += ": verify again"
        return inconclusive("queue", says)
    now = f"{after.depth} tasks wait in the queue, {len(processed.in_work(readings))} documents are in work"
    claim = passed(SUBJECT, f"none hangs ({now})", Evidence.PROCESS)
    return replace(claim, note=doubt) if (doubt := processed.unproven_queue(readings)) else claim


def _stands_still(readings: Readings, after: QueueReading) -> bool:
    """True if tasks wait at both readings and none is in work: an earlier proof does not show that it works now."""
    before = readings.queue_before
    if isinstance(before, Unmeasured) or not before.depth or after.depth < before.depth:
        return False
    known = [look.in_flight for look in (before, after) if not isinstance(look.in_flight, Unmeasured)]
    in_hand = any(known) or any(True for _ in processed.in_work(readings))
    are_there = isinstance(after.consumers, Unmeasured) or len(after.consumers) >= len(readings.consuming)
    return not in_hand and after.finished_since(before) <= 0 and are_there


def no_strangers(readings: Readings, profile: Profile) -> Claim:
    """Only replicas of this deployment read the queue: any other consumer's code would write documents too.

    A queue that cannot list its consumers leaves only documents to tell of a stranger, once it has finished one. That
    is enough where the profile says why there is no list; the record shows it beside the verdict.
    """
    strangers, unlisted = readings.strangers, _unlisted(readings, profile)
    if isinstance(strangers, Unmeasured) and not unlisted:
        return inconclusive("queue", strangers)
    names = () if isinstance(strangers, Unmeasured) else strangers
    skew_s = profile.limits.clock_skew_s
    says = f"{len(names)} other consumers of the queue: {', '.join(names)}"
    if listeners := _listeners(readings, profile):
        says = f"other channels of the topic have consumers, who get a copy of each task: {listeners}"
        says += " (queue.other_channels names those that have nothing to do with the change)"
    elif not names:
        foreign = _of_nobody(readings, skew_s) if profile.database and not profile.database.has_other_writers else []
        if not foreign:
            return _only_ours(unlisted)
        first = ", ".join(foreign[:3])
        says = f"{_saved(len(foreign))} since the boundary that no replica's log shows as finished: {first}"
        says += "; another consumer may have, which the queue does not list while it is busy"
    if new_behaviour.fresh_documents(readings, profile).outcome == "failed":
        return failed("queue", f"{says}, and fresh documents carry the new code's mark", Evidence.DOCUMENT)
    return inconclusive("queue", f"{says}; find out what they run")


def _unlisted(readings: Readings, profile: Profile) -> str:
    """Why a queue that answers lists no consumers, by the profile; "" if it lists them, or did not answer."""
    looks = (readings.queue_before, readings.queue_after)
    answered = all(isinstance(look, QueueReading) and isinstance(look.consumers, Unmeasured) for look in looks)
    return profile.queue.consumers_unlisted if answered and profile.queue else ""


def _only_ours(unlisted: str) -> Claim:
    if not unlisted:
        says = "no consumer of the queue is listed that is none of this deployment's replicas"
        return passed("queue", says, Evidence.PROCESS)
    note = f"who else reads the queue is not known: {unlisted}"
    says = "no document since the boundary came from elsewhere"
    return replace(passed("queue", says, Evidence.DOCUMENT, note), note=note)


def _listeners(readings: Readings, profile: Profile) -> str:
    """Channels with consumers, at either reading, that the profile does not list."""
    looks = [look for look in (readings.queue_before, readings.queue_after) if isinstance(look, QueueReading)]
    found = {channel for look in looks for channel in look.other_channels}
    expected = profile.queue.known_channels if profile.queue else ()
    return ", ".join(sorted(found - set(expected)))


def _of_nobody(readings: Readings, skew_s: float) -> list[str]:
    """Documents saved since the boundary that no replica has finished; empty if the logs could not show it.

    Excludes documents saved after the logs were read, and those in work: a document is saved before its last line.
    """
    documents = () if isinstance(readings.documents, Unmeasured) else readings.documents.documents
    finished: set[str] = set()
    read_at: list[Instant] = []
    for replica in readings.consuming:
        log, now = replica.log, replica.before
        is_whole = isinstance(now, Replica) and replica.boundary == now.started_at
        if not isinstance(log, LogSummary) or not log.could_show_documents or not is_whole:
            return []
        if len(log.finished) >= MOST_DOCUMENTS:
            return []  # older ones are forgotten
        finished |= {*log.finished, *log.unfinished}
        read_at += [log.read_at] if log.read_at else []
    seen_until = min(read_at, default=None)
    if seen_until is None:
        return []
    return [
        d.id for d in documents if d.id not in finished and d.created_at and d.created_at < seen_until.plus(-skew_s)
    ]


def _saved(count: int) -> str:
    return "1 document was saved" if count == 1 else f"{count} documents were saved"


def traces(readings: Readings) -> Claim:
    """Cost and traces of the probes. Reported, but never a failure of the service: the gate caused them."""
    probes = readings.probes
    subject = "test documents"
    if isinstance(probes, Unmeasured):
        return inconclusive(subject, probes)
    swept = f"{probes.swept} traces of earlier ones were removed" if probes.swept else ""
    took = [p.seconds for p in probes.probes if p.seconds is not None]
    cost = (
        f"{len(probes.probes)} were sent, and took {sum(took):.0f} s of the workers' time"
        if probes.probes
        else ("none was sent")
    )
    says = "; ".join(filter(None, (cost, swept)))
    if probes.leftovers:
        left = passed(subject, f"{says}; some traces are left", Evidence.DOCUMENT, *probes.leftovers)
        return replace(left, note="traces of test documents are left in the database")
    if probes.may_return:
        note = f"{_test_documents(len(probes.may_return))} in the queue"
        says += (
            f"; {note}: it may deliver them again, which occupies a worker, and the next verify, rollback or "
            "probes.sweep removes what they leave"
        )
        return replace(passed(subject, says, Evidence.DOCUMENT, *probes.may_return), note=note)
    return passed(subject, f"{says}; every trace was removed", Evidence.DOCUMENT)


def _documents(count: int) -> str:
    return "1 document is" if count == 1 else f"{count} documents are"


def _test_documents(count: int) -> str:
    return "1 test document remains" if count == 1 else f"{count} test documents remain"
