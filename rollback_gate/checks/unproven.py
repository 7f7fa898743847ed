"""Why a replica has no proof of a finished document: a failure of the worker, or another cause. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rollback_gate.checks import processed
from rollback_gate.checks.processed import SUBJECT
from rollback_gate.evidence.log_lines import LogSummary
from rollback_gate.evidence.readings import (
    MOST_CONFIRMED,
    ProbeReading,
    ProbesReading,
    QueueReading,
    Readings,
    ReplicaReading,
)
from rollback_gate.model import Claim, Unmeasured, inconclusive
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.schema import Profile

_NEAR_S = 2.0  # between saving a document and the line that it is finished


@dataclass(frozen=True)
class _Lack:
    """Replicas without proof, and the evidence for the reason."""

    readings: Readings
    profile: Profile
    probes: ProbesReading
    replicas: list[ReplicaReading]

    @property
    def limit_s(self) -> float:
        return self.profile.limits.probe_s

    @property
    def slots(self) -> set[str]:
        return {replica.slot for replica in self.replicas}

    @property
    def names(self) -> str:
        return ", ".join(replica.label for replica in self.replicas)

    def held(self, slots: set[str]) -> list[ProbeReading]:
        return [p for p in self.probes.probes if {slot for slot, _ in p.stuck_in} & slots]


def why(readings: Readings, replicas: list[ReplicaReading], profile: Profile) -> Claim:
    names = ", ".join(replica.label for replica in replicas)
    if readings.ended_early and readings.upstream.answers:
        return inconclusive(SUBJECT, f"{names} finished none by then; not waited for: {readings.ended_early}")
    if processed.is_paused(readings):
        return inconclusive(SUBJECT, f"{names} finished none since the boundary: {processed.PAUSED}")
    if isinstance(readings.probes, Unmeasured):
        return inconclusive(SUBJECT, f"{names} finished none since the boundary, and {readings.probes}")
    lack = _Lack(readings, profile, readings.probes, replicas)
    for why in (
        _never_saved,
        _too_long,
        _not_sent,
        _rejected,
        _went_elsewhere,
        _changed_meanwhile,
        _not_picked_up,
        _no_proof,
    ):
        if claim := why(lack):
            return claim
    hint = "old and new code alike can hang on the second document of a process"
    says = f"{names} finished none yet; what they have in work has not had its time: verify again"
    return inconclusive(SUBJECT, says, hint, *processed.evidence_of(lack.held(lack.slots)))


def _too_long(lack: _Lack) -> Claim | None:
    """A document in work beyond the limit, or finished too late, in a replica that has finished none in time."""
    limit_s, readings = lack.limit_s, lack.readings
    stuck = {
        slot
        for slot, _, seconds in processed.in_work_of_nobody_else(readings)
        if slot in lack.slots and seconds >= limit_s
    }
    if stuck:
        says = f"{', '.join(sorted(stuck))} picked up a document and has not finished it within {limit_s:.0f} s"
        if gone := _finished_and_gone(lack, stuck):
            says += f"; {', '.join(gone)}, which it finished before, by its log, is not stored any more"
            return inconclusive(
                SUBJECT, f"{says}: verify again once documents have come in", *processed.evidence_of(lack.held(stuck))
            )
        return processed.blame(
            readings, f"{says}, nor any other one since its start", processed.evidence_of(lack.held(stuck))
        )
    slow = [
        proof
        for proof in processed.proofs_of(readings, lack.profile)
        if proof.slot in lack.slots and proof.seconds > limit_s
    ]
    if slow:
        says = f"{len(slow)} documents took longer than {limit_s:.0f} s, the first one {slow[0].seconds:.0f} s"
        return processed.blame(readings, says, [])
    return None


def _finished_and_gone(lack: _Lack, slots: set[str]) -> list[str]:
    """One document of each of these replicas that was removed before it could count; empty if any replica has none."""
    logs = {r.slot: r.log for r in lack.replicas if r.slot in slots and isinstance(r.log, LogSummary)}
    if isinstance(lack.readings.stored, Unmeasured):
        return []
    stored = lack.readings.stored
    there = {*stored, *(probe.document_id for probe in lack.probes.probes)}
    gone = [
        next((name for name in list(log.finished)[-MOST_CONFIRMED:] if name not in there), "") for log in logs.values()
    ]
    return gone if len(logs) == len(slots) and all(gone) else []


def _never_saved(lack: _Lack) -> Claim | None:
    lost = [p for p in lack.probes.probes if p.seconds is not None and not p.finished]
    if others := _saved_meanwhile(lack, lost):
        says = f"{len(lost)} test documents were finished, as the log says, and none is stored under its id"
        says += f"; at that moment {', '.join(others)} was saved: is it stored under another id than the log's?"
        return inconclusive(SUBJECT, says, *processed.evidence_of(lost))
    if lost:
        says = f"{len(lost)} test documents were finished, as the log says, and never saved"
        return processed.blame(lack.readings, says, processed.evidence_of(lost))
    return None


def _saved_meanwhile(lack: _Lack, lost: list[ProbeReading]) -> list[str]:
    """For each of these, a document of another id that was saved when it was finished; [] unless there is one for each.

    A worker that saves what it is asked to is then looked at by the wrong field.
    """
    if isinstance(lack.readings.documents, Unmeasured):
        return []
    logs = [r.log for r in lack.readings.consuming if isinstance(r.log, LogSummary)]
    known = {name for log in logs for name in (*log.finished, *log.unfinished)} | {p.document_id for p in lost}
    left = [row for row in lack.readings.documents.documents if row.id not in known and row.created_at]
    found = []
    for probe in lost:
        at = probe.completed_at
        near = next((d for d in left if at and d.created_at and abs(d.created_at.seconds_since(at)) <= _NEAR_S), None)
        if near is None:
            return []
        left.remove(near)
        found.append(near.id)
    return found


def _not_sent(lack: _Lack) -> Claim | None:
    if not lack.probes.not_sent:
        return None
    claim = inconclusive(SUBJECT, f"{lack.names} finished none since the boundary; {lack.probes.not_sent}")
    return claim if lack.readings.upstream.answers else replace(claim, note=lack.readings.upstream.fix_first)


def _rejected(lack: _Lack) -> Claim | None:
    logs = [replica.log for replica in lack.replicas if isinstance(replica.log, LogSummary)]
    count = sum(log.rejected for log in logs)
    if not count or any(log.picked_up for log in logs) or _any_finished(lack.probes):
        return None
    return inconclusive(
        SUBJECT,
        f"every task was rejected as invalid ({count} times): nothing that came could show "
        "whether documents are processed",
    )


def _went_elsewhere(lack: _Lack) -> Claim | None:
    """The queue gave the probes to other replicas; no second one is sent."""
    probes = lack.probes.probes
    if not probes or any(p.replica is None or p.replica in lack.slots for p in probes):
        return None
    others = ", ".join(sorted({p.replica for p in probes if p.replica}))
    says = f"the queue gave the test documents to {others}; none reached {lack.names}"
    return inconclusive(SUBJECT, f"{says}. Verify again once documents have come in", *processed.evidence_of(probes))


def _changed_meanwhile(lack: _Lack) -> Claim | None:
    """A replica was removed or restarted by hand: the loss of its documents in work is not its failure."""
    changed = [replica.label for replica in lack.replicas if _was_changed(replica)]
    if not changed:
        return None
    says = f"{', '.join(changed)}: removed or restarted while the checks ran, before a document was finished"
    return inconclusive(SUBJECT, f"{says}: verify again")


def _was_changed(replica: ReplicaReading) -> bool:
    """True if it was removed or restarted by hand; a crash increases the restart count."""
    before, after = replica.before, replica.after
    if not isinstance(before, Replica) or isinstance(after, Unmeasured):
        return False
    return after is None or (after.started_at != before.started_at and after.restart_count <= before.restart_count)


def _not_picked_up(lack: _Lack) -> Claim | None:
    """A probe that was not seen picked up. It is a failure only if nothing else is finished either."""
    readings, probes = lack.readings, lack.probes
    lost = [p for p in probes.probes if p.replica is None and not p.finished]
    if not lost:
        return None
    says = f"{len(lost)} of {len(probes.probes)} test documents were not seen picked up within {lack.limit_s:.0f} s"
    before, after = readings.queue_before, readings.queue_after
    if isinstance(before, Unmeasured) or isinstance(after, Unmeasured):
        return inconclusive(SUBJECT, f"{says}, and the queue could not be asked why")
    if before.unproven:  # it has a task now: ours
        return inconclusive(SUBJECT, f"{says}; before they were sent, {before.unproven}: is queue.key right?")
    if readings.strangers:
        return inconclusive(SUBJECT, f"{says}; other consumers take from the queue, or may: {readings.strangers}")
    in_work = "" if isinstance(after.in_flight, Unmeasured) else f", {after.in_flight} are in work"
    depth = f"{after.depth} tasks wait{in_work}"
    if _moves(readings, before, after, probes):
        return inconclusive(
            SUBJECT,
            f"{says}, while other tasks are finished ({depth}): they may wait behind a backlog; verify again later",
        )
    if _any_finished(probes) or processed.in_work(readings):
        return inconclusive(
            SUBJECT,
            f"{says}, while others are in work or were finished ({depth}): they may wait "
            "behind them; verify again later",
        )
    return processed.blame(readings, f"{says} and nothing else is finished either ({depth})", [])


def _no_proof(lack: _Lack) -> Claim | None:
    """Finished by the log and stored, but not in a form that old code in this process could have saved."""
    stored = {} if isinstance(lack.readings.stored, Unmeasured) else lack.readings.stored
    logs = [replica.log for replica in lack.replicas if isinstance(replica.log, LogSummary)]
    names = [name for log in logs for name in log.finished if name in stored]
    if not names:
        return None
    says = f"{lack.names} finished {names[-1]}, which proves nothing as it is stored"
    return inconclusive(
        SUBJECT, f"{says}: without a score or a time, older than its pick-up, or with the mark of the change"
    )


def _any_finished(probes: ProbesReading) -> bool:
    return any(probe.finished for probe in probes.probes)


def _moves(readings: Readings, before: QueueReading, after: QueueReading, probes: ProbesReading) -> bool:
    """True if there is a sign that other tasks are finished. A count that fell (new connections) is no such sign."""
    since = min((p.sent_at for p in probes.probes), default=None)
    documents = () if isinstance(readings.documents, Unmeasured) else readings.documents.organic
    saved = since is not None and any(d.created_at and d.created_at > since for d in documents)
    shrank = after.depth < before.depth + len(probes.probes) and before.depth > 0
    own = sum(p.finished for p in probes.probes)
    return saved or shrank or after.finished_since(before) > own
