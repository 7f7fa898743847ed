"""Probe documents: sent through the queue as the worker's own producers would, watched, and removed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from rollback_gate.deployment.engine import Engine
from rollback_gate.deployment.replica import Replica
from rollback_gate.errors import Unreachable
from rollback_gate.evidence import logs, queue
from rollback_gate.evidence.documents import PROBE_PREFIX, Documents
from rollback_gate.evidence.log_lines import LogSummary, summarize
from rollback_gate.evidence.readings import DocumentReading, ProbeReading
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.profile.schema import Profile

POLL_S = 0.25
_TELL_EVERY_S = 15


def task(template: Mapping[str, Any], document_id: str, job_id: str, now: str) -> dict[str, Any]:
    """The profile's task with its blanks filled in."""

    def fill(value: Any) -> Any:
        if isinstance(value, str):
            blanks = {"{document_id}": document_id, "{job_id}": job_id, "{now}": now}
            for blank, text in blanks.items():
                value = value.replace(blank, text)
            return value
        if isinstance(value, Mapping):
            return {key: fill(item) for key, item in value.items()}
        return [fill(item) for item in value] if isinstance(value, list) else value

    filled: dict[str, Any] = fill(template)
    return filled


@dataclass
class Probes:
    """The probes of one verify. `replicas`: by slot, those that can pick one up."""

    profile: Profile
    engine: Engine
    documents: Documents
    record_id: str
    replicas: Mapping[str, Replica]
    tell: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _sent: dict[str, Instant] = field(default_factory=dict)
    _deadlines: dict[str, float] = field(default_factory=dict)
    _seen_at: dict[str, Instant] = field(default_factory=dict)

    def reach_every_replica(self) -> tuple[ProbeReading, ...]:
        """Send probes, a round at a time, until each replica has finished one or the bound is reached.

        Raises Unreachable when queue or database cannot be asked.
        """
        readings: tuple[ProbeReading, ...] = ()
        for _round in range(self.profile.limits.probes_per_replica):
            seen = {p.replica for p in readings if p.seconds is not None}
            if seen >= set(self.replicas) or not all(p.finished for p in readings):
                break
            self.send(len(self.replicas))
            readings = self.wait()
        return readings

    def fill_up(self, count: int) -> None:
        """So many more, for the sample: one for each replica at a time, so that none waits behind another one.

        Raises Unreachable.
        """
        readings = self.look()
        while count > 0 and all(p.finished for p in readings):
            self.send(min(count, len(self.replicas)))
            count -= len(self.replicas)
            readings = self.wait()

    def send(self, count: int) -> None:
        for _ in range(count):
            document_id = f"{PROBE_PREFIX}{self.record_id}-{len(self._sent) + 1}.jpg"
            now = self.engine.now()
            filled = task(self.profile.probe.task, document_id, f"{PROBE_PREFIX}job-{self.record_id}", str(now))
            queue.publish(self.profile, filled)
            self._sent[document_id] = now
            self._deadlines[document_id] = self.clock() + self.profile.limits.probe_s

    def wait(self) -> tuple[ProbeReading, ...]:
        """Until each has ended or is out of time. Raises Unreachable."""
        told = self.clock()
        while True:
            readings = self.look()
            if all(self._is_decided(probe) for probe in readings):
                return self._settled(readings)
            if self.clock() - told > _TELL_EVERY_S:
                told = self.clock()
                self.tell(self._progress(readings))
            self.sleep(POLL_S)

    def _is_decided(self, probe: ProbeReading) -> bool:
        """Finished, or out of time: from its sending while it waits, from its pick-up once a replica has it."""
        if probe.finished:
            return True
        if probe.stuck_in:
            return max(seconds for _, seconds in probe.stuck_in) >= self.profile.limits.probe_s
        return self.clock() > self._deadlines[probe.document_id]

    def _settled(self, readings: tuple[ProbeReading, ...]) -> tuple[ProbeReading, ...]:
        """The worker saves a document a moment before it logs that it is done: give that line its moment."""
        until = self.clock() + 2
        while self.clock() < until and any(p.finished and p.replica and p.seconds is None for p in readings):
            self.sleep(POLL_S)
            readings = self.look()
        return readings

    def look(self) -> tuple[ProbeReading, ...]:
        """What has become of every probe by now. Raises Unreachable."""
        if not self._sent:
            return ()
        since = min(self._sent.values())
        stored = self.documents.by_id(self._sent)
        summaries = {slot: self._log(replica, since) for slot, replica in self.replicas.items()}
        now = self.engine.now()
        for document_id in stored:
            self._seen_at.setdefault(document_id, now)
        found = (attribute(i, at, stored.get(i), summaries, now) for i, at in self._sent.items())
        return tuple(replace(probe, seen_at=self._seen_at.get(probe.document_id)) for probe in found)

    def _log(self, replica: Replica, since: Instant) -> LogSummary | Unmeasured:
        try:
            return summarize(logs.recent(self.engine, replica.id, since), self.profile.logs, since)
        except Unreachable as error:
            return Unmeasured(f"the log of {replica.name}", error.message)

    def _progress(self, readings: Iterable[ProbeReading]) -> str:
        rows = list(readings)
        done = sum(probe.finished for probe in rows)
        picked = sum(probe.replica is not None and not probe.finished for probe in rows)
        depth = queue.read(self.profile)
        waiting = "" if isinstance(depth, Unmeasured) else f", {depth.depth} tasks wait in the queue"
        limit = self.profile.limits.probe_s
        return f"probes: {done} of {len(rows)} done, {picked} in work{waiting}; each may take {limit:.0f} s"


def attribute(
    document_id: str,
    sent_at: Instant,
    document: DocumentReading | None,
    summaries: Mapping[str, LogSummary | Unmeasured],
    now: Instant,
) -> ProbeReading:
    """Which replica's log shows this document complete, and where else it hangs (the queue redelivers). Pure."""
    logs_by_slot = {slot: log for slot, log in summaries.items() if isinstance(log, LogSummary)}
    hanging = tuple(
        (slot, now.seconds_since(log.unfinished[document_id]))
        for slot, log in logs_by_slot.items()
        if document_id in log.unfinished
    )
    for slot, log in logs_by_slot.items():
        if document_id in log.finished:
            at = log.finished_at[document_id]
            return ProbeReading(document_id, sent_at, slot, log.finished[document_id], at, document, hanging)
    picked_up_by = hanging[0][0] if hanging else None
    return ProbeReading(document_id, sent_at, picked_up_by, None, None, document, hanging)


def lines_about(engine: Engine, probe: ProbeReading, replica: Replica, most: int = 20) -> tuple[str, ...]:
    """What the replica logged since it was sent this probe: the evidence for one that did not end well."""
    try:
        return tuple(logs.recent(engine, replica.id, probe.sent_at))[-most:]
    except Unreachable as error:
        return (f"(the log could not be read: {error.message})",)
