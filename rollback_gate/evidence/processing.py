"""Proof that each replica processes documents: waits for organic ones, and sends probes as the last resort.

Soak and waiting run in parallel. Probes are sent once, together, one for each replica without proof: the second
document of a process can hang (FACTS), and every probe takes a production worker's time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from rollback_gate.errors import Unreachable
from rollback_gate.evidence import logs
from rollback_gate.evidence.boundary import of_log
from rollback_gate.evidence.documents import Documents
from rollback_gate.evidence.log_lines import LogReader, LogSummary
from rollback_gate.evidence.probe import Probes, lines_about, progress
from rollback_gate.evidence.probe_memory import ProbeMemory, Remembered
from rollback_gate.evidence.proof import Process, Proof, proofs
from rollback_gate.evidence.queue import Queue
from rollback_gate.evidence.readings import (
    MOST_CONFIRMED,
    DocumentReading,
    DocumentsReading,
    Known,
    ProbeReading,
    ProbesReading,
    QueueReading,
)
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.platform.engines import Engines, times_at
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.schema import Profile

_TELL_EVERY_S = 15
_POLLED_S = 5.0
_BACKLOG_WAITS = 3  # times sample_wait_s, for tasks that wait in the queue


@dataclass
class Processing:
    """The processing of one verify. `replicas`: the running ones, by slot; `boundaries`: theirs, by slot."""

    profile: Profile
    engines: Engines
    documents: Documents | Unmeasured
    queue: Queue
    record_id: str
    memory: ProbeMemory
    replicas: Mapping[str, Replica]
    boundaries: Mapping[str, Instant]
    tell: Callable[[str], None]
    clock: Callable[[], float]
    keep_marked_since: Instant | None = None  # as Documents.remove_traces has it
    only_own: bool = False  # keep the traces of earlier probes
    _followers: dict[str, logs.Follower] = field(default_factory=dict)
    _summaries: dict[str, LogSummary | Unmeasured] = field(default_factory=dict)
    _recalled: tuple[Remembered, ...] | Unmeasured | None = None
    _not_sent: str = ""
    _swept: int = 0
    _told: float = 0
    probes: Probes | None = None

    # --- readings

    @property
    def summaries(self) -> Mapping[str, LogSummary | Unmeasured]:
        """The logs as last read, by slot."""
        return self._summaries

    def follow(self) -> dict[str, LogSummary | Unmeasured]:
        """Reads each replica's log up to now: all of it at first, then only new lines."""
        now = times_at(self.engines, self.replicas.values())
        with ThreadPoolExecutor(max_workers=8) as pool:
            read = pool.map(lambda slot: self._follow(slot, now[self.replicas[slot].node]), self.replicas)
            self._summaries |= zip(self.replicas, read, strict=True)
        return dict(self._summaries)

    def _follow(self, slot: str, now: Instant | Unmeasured) -> LogSummary | Unmeasured:
        reader = LogReader(self.profile.logs, of_log(self.replicas[slot], self.boundaries[slot]))
        follower = self._followers.setdefault(slot, logs.Follower(self.engines, self.replicas[slot], reader))
        summary = follower.read(now)
        if isinstance(summary, Unmeasured):
            del self._followers[slot]  # partly read: start again from its beginning
        return summary

    def stored(self) -> dict[str, DocumentReading] | Unmeasured:
        """The documents that the logs show as finished, as they are stored now."""
        if isinstance(self.documents, Unmeasured):
            return self.documents
        readable = [log for log in self._summaries.values() if isinstance(log, LogSummary)]
        ids = {name for log in readable for name in list(log.finished)[-MOST_CONFIRMED:]}
        try:
            return self.documents.by_id(ids) if ids else {}
        except Unreachable as error:
            return Unmeasured("whether finished documents are stored", f"{error.message}; {error.remedy}")

    def remembered(self) -> dict[str, Known]:
        """Probes that were found stored with a score, and were then removed."""
        if isinstance(self._recalled, Unmeasured) or self._recalled is None:
            return {}
        processes = {(r.id, r.started_at) for r in self.replicas.values() if r.started_at}
        found = {one.document_id: one.as_known_by(processes) for one in self._recalled}
        return {name: known for name, known in found.items() if known is not None}

    def proofs(self) -> tuple[Proof, ...]:
        limit_s = self.profile.limits.probe_s
        processes = {slot: Process(r.id, r.started_at) for slot, r in self.replicas.items() if r.started_at}
        skew_s = self.profile.limits.clock_skew_s
        found = proofs(self._summaries, processes, self.stored(), self.remembered(), skew_s)
        return tuple(proof for proof in found if proof.seconds <= limit_s)

    def lacking(self) -> list[str]:
        """Slots of running replicas without proof of a finished document since their boundary."""
        proven = {proof.slot for proof in self.proofs()}
        return [slot for slot in self.replicas if slot not in proven]

    # --- actions

    def sweep(self) -> None:
        """Removes traces of earlier probes. Never raises: a failure shows again at the end."""
        try:
            self._swept += self.forget()
        except OSError as error:
            self._recalled = Unmeasured("earlier probes", str(error))
        except Unreachable:
            return

    def forget(self) -> int:
        """Removes the traces of all probes, or with `only_own` of this verify's; returns the number of traces.

        Probes that these processes finished are persisted first, so that a later verify needs no other probe.
        Raises Unreachable, OSError.
        """
        self._recalled = recalled = self.memory.recall(self.engines.now())
        if isinstance(self.documents, Unmeasured):
            return 0
        if known := self._known(self.documents, {one.document_id for one in recalled}):
            for document_id, one in known.items():
                self.memory.stored(document_id, one)
            self._recalled = recalled = self.memory.recall(self.engines.now())
        if self.only_own:
            own = self.probes.job_id if self.probes else None
            recalled = tuple(one for one in recalled if one.job_id == own)
        ids, now = [name for one in recalled for name in (one.document_id, one.job_id)], self.engines.now()
        removed = self.documents.remove_traces(ids, self.keep_marked_since)
        return removed if self.only_own else removed + self.documents.remove_lost_traces(now, self.keep_marked_since)

    def _known(self, documents: Documents, ids: set[str]) -> dict[str, Known]:
        """Those of these probes that a process has finished and that are stored, by id. Raises Unreachable."""
        readable = {slot: log for slot, log in self._summaries.items() if isinstance(log, LogSummary)}
        finished = [(slot, name) for slot, log in readable.items() for name in log.finished.keys() & ids]
        stored = documents.by_id({name for _, name in finished}) if finished else {}
        skew_s = self.profile.limits.clock_skew_s
        found = (
            (name, known_as(stored[name], self.replicas[slot], readable[slot].finished_at[name], skew_s))
            for slot, name in finished
            if name in stored
        )
        return {name: one for name, one in found if one is not None}

    def send(self, count: int) -> None:
        """Sends `count` probes together, once. If that fails, the reason is kept."""
        if isinstance(self.documents, Unmeasured):
            self._not_sent = str(self.documents)
            return
        self._told, self._not_sent = self.clock(), ""  # an earlier reason no longer applies
        self.probes = Probes(
            self.profile, self.engines, self.documents, self.queue, self.record_id, self.memory, self.clock
        )
        try:
            # A database that refuses writes would make the worker hang: this removal of nothing shows that first.
            self.documents.remove_traces([self.probes.job_id], None)
            self.probes.send(count)
        except Unreachable as error:
            self._not_sent = f"{error.message}; {error.remedy}"

    def leave_out(self, why: str) -> None:
        """Keeps the reason why no probe is sent."""
        self._not_sent = self._not_sent or why

    def look(self) -> tuple[ProbeReading, ...]:
        """The current state of the probes. Raises Unreachable."""
        return self.probes.look(self._summaries) if self.probes else ()

    def wants_probes(self, elapsed_s: float) -> int:
        """The number of probes to send now: once, one for each replica without proof and without a document in work.

        A document in work may become the proof, and a probe would only wait behind queued tasks.
        """
        wait_s = self.profile.limits.sample_wait_s
        if not self.profile.asks("processing"):
            self.leave_out("the profile does not ask whether documents are processed")
            return 0
        if self.probes is not None or elapsed_s < wait_s:
            return 0
        if self.profile.probe is None:  # known at once, and said only now: until then a document may come by itself
            self.leave_out("the profile has no section [probe], so no test document is sent")
            return 0
        idle = [slot for slot in self.lacking() if not self._in_work(slot)]
        waiting = self.queue.read() if idle else None
        if isinstance(waiting, Unmeasured):
            self.leave_out(f"no test document was sent into a queue that cannot be read: {waiting.reason}")
            return 0
        if isinstance(waiting, QueueReading) and waiting.paused:
            self.leave_out("no test document was sent into a queue that delivers nothing; unpause it first")
            return 0
        if isinstance(waiting, QueueReading) and waiting.depth and elapsed_s < _BACKLOG_WAITS * wait_s:
            return 0
        return len(idle)

    def awaits_proof(self, elapsed_s: float) -> bool:
        """True if a replica without proof can still get it. Raises Unreachable.

        Limited to the time of a probe that is sent at the last moment: with documents that fail one after the other,
        one that is still in time is always in work.
        """
        limits, lacking = self.profile.limits, set(self.lacking())
        if not lacking or elapsed_s >= _BACKLOG_WAITS * limits.sample_wait_s + limits.probe_s + _POLLED_S:
            return False
        if any(self._in_work(slot) for slot in lacking):
            return True
        if self.probes is None:
            return not self._not_sent
        rows = self.look()
        if self.clock() - self._told > _TELL_EVERY_S:
            self._told = self.clock()
            self.tell(progress(self.profile, self.queue, rows))
        return not all(self.probes.is_decided(p) or self._is_hopeless(p, lacking) for p in rows)

    def _in_work(self, slot: str) -> list[str]:
        """Documents in work that the replica may still finish in time, and that no other replica has finished."""
        log = self._summaries.get(slot)
        if not isinstance(log, LogSummary) or log.read_at is None:
            return []
        readable = [one for one in self._summaries.values() if isinstance(one, LogSummary)]
        return [
            name
            for name, at in log.unfinished.items()
            if log.read_at.seconds_since(at) < self.profile.limits.probe_s
            and not any(name in one.finished for one in readable)
        ]

    def _is_hopeless(self, probe: ProbeReading, lacking: set[str]) -> bool:
        """True if only replicas with proof hold it: old code hangs on a further document, and no second one is sent."""
        holders = {slot for slot, _ in probe.stuck_in}
        return self.profile.known.hang is not None and bool(holders) and not holders & lacking

    def is_in_work(self) -> bool:
        """True if a probe is still in work or not finished. Raises Unreachable."""
        return any(not probe.finished or probe.stuck_in for probe in self.look())

    # --- results

    def concluded(self, queue_after: QueueReading | Unmeasured) -> ProbesReading | Unmeasured:
        """Returns the result of the probes, and removes all their traces. Never raises."""
        try:
            seen = self._with_lines(self.look())
            leftovers = self._forgotten(seen)
        except Unreachable as error:
            return Unmeasured("test documents", error.message)
        may_return = self._may_return(seen, queue_after)
        return ProbesReading(seen, self.profile.limits.probe_s, self._swept, leftovers, self._not_sent, may_return)

    def _forgotten(self, seen: tuple[ProbeReading, ...]) -> tuple[str, ...]:
        """Persists the probes' scores, then removes their traces; returns the traces that remain, in words."""
        try:
            self.forget()
        except OSError as error:
            return (f"traces of test documents were not removed, as they could not be remembered: {error}",)
        except Unreachable as error:
            return (f"traces of test documents could not be removed: {error.message}",)
        marked = [probe.document_id for probe in seen if probe.document and probe.document.marked]
        return tuple(
            f"{name} carries the mark of the change: kept, as evidence" for name in marked if self.keep_marked_since
        )

    def _may_return(self, seen: tuple[ProbeReading, ...], queue_after: QueueReading | Unmeasured) -> tuple[str, ...]:
        """Probes that the queue may redeliver: not finished before its timeout, while the queue has messages."""
        timeout_s = self.profile.queue.message_timeout_s if self.profile.queue else 0
        late = [p.document_id for p in seen if p.stuck_in or p.seconds is None or p.seconds >= timeout_s]
        logs_now = [log for log in self._summaries.values() if isinstance(log, LogSummary)]
        recalled = () if isinstance(self._recalled, Unmeasured) or self._recalled is None else self._recalled
        earlier = [one.document_id for one in recalled if one.document_id not in {p.document_id for p in seen}]
        late += [name for name in earlier if any(name in log.unfinished for log in logs_now)]
        if isinstance(queue_after, QueueReading) and not queue_after.may_deliver:
            late = [name for name in late if any(name in log.unfinished for log in logs_now)]
        return tuple(late)

    def _with_lines(self, seen: tuple[ProbeReading, ...]) -> tuple[ProbeReading, ...]:
        """Adds to each failed probe what its replica logged since it was sent."""

        def completed(probe: ProbeReading) -> ProbeReading:
            ended_well = probe.document is not None and probe.document.score is not None and not probe.stuck_in
            where = probe.stuck_in[0][0] if probe.stuck_in else probe.replica
            if ended_well or where is None:
                return probe
            return replace(probe, log_lines=lines_about(self.engines, probe, self.replicas[where]))

        return tuple(completed(probe) for probe in seen)


def known_as(document: DocumentReading, replica: Replica, finished_at: Instant, skew_s: float) -> Known | None:
    """What a later verify of the same process can use of it; None if anything is not as expected."""
    if document.score is None or document.created_at is None or document.marked or replica.started_at is None:
        return None
    is_timely = abs(document.created_at.seconds_since(finished_at)) <= skew_s
    return Known(document.score, replica.id, replica.started_at) if is_timely and 0 <= document.score <= 1 else None


def since_of(
    documents: Documents | Unmeasured, since: Instant | None, until: Instant | None
) -> DocumentsReading | Unmeasured:
    """Documents created since the boundary and, if it is known, not later than `until`. Never raises."""
    if isinstance(documents, Unmeasured):
        return documents
    if since is None:
        return Unmeasured("documents since the boundary", "no replica has ever been started, so there is no boundary")
    return documents.since(since, until)
