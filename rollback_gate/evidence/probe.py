"""Probes: sent through the queue as the worker's producers do, then found in logs and database."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from rollback_gate.errors import Unreachable
from rollback_gate.evidence import logs
from rollback_gate.evidence.documents import Documents
from rollback_gate.evidence.log_lines import LogSummary
from rollback_gate.evidence.probe_memory import ProbeMemory
from rollback_gate.evidence.proof import PROBE_PREFIX
from rollback_gate.evidence.queue import Queue
from rollback_gate.evidence.readings import DocumentReading, ProbeReading
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.platform.engines import Engines
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.schema import Profile

Summaries = Mapping[str, LogSummary | Unmeasured]


def task(template: Mapping[str, Any], document_id: str, job_id: str, now: str) -> dict[str, Any]:
    """The profile's task with its placeholders filled in."""
    return filled(template, {"{document_id}": document_id, "{job_id}": job_id, "{now}": now})


def filled(template: Mapping[str, Any], blanks: Mapping[str, str]) -> dict[str, Any]:
    """A copy in which each placeholder is replaced, at every depth."""

    def fill(value: Any) -> Any:
        if isinstance(value, str):
            for blank, text in blanks.items():
                value = value.replace(blank, text)
            return value
        if isinstance(value, Mapping):
            return {key: fill(item) for key, item in value.items()}
        return [fill(item) for item in value] if isinstance(value, list) else value

    made: dict[str, Any] = fill(template)
    return made


@dataclass
class Probes:
    """The probes of one verify. Each is persisted before it is sent, so that its traces can always be removed."""

    profile: Profile
    engines: Engines
    documents: Documents
    queue: Queue
    record_id: str
    memory: ProbeMemory
    clock: Callable[[], float] = time.monotonic
    _sent: dict[str, Instant] = field(default_factory=dict)
    _deadlines: dict[str, float] = field(default_factory=dict)
    _seen_at: dict[str, Instant] = field(default_factory=dict)

    @property
    def job_id(self) -> str:
        return f"{PROBE_PREFIX}job-{self.record_id}"

    @property
    def were_sent(self) -> bool:
        return bool(self._sent)

    def send(self, count: int) -> None:
        """Sends `count` probes together. Raises Unreachable, also if they cannot be persisted; then none is sent."""
        probe = self.profile.probe
        if probe is None:
            raise Unreachable("the profile has no section [probe]", "it says what a test document looks like")
        now = self.engines.now()
        ids = [f"{PROBE_PREFIX}{self.record_id}-{len(self._sent) + n + 1}.jpg" for n in range(count)]
        try:
            self.memory.sent(ids, self.job_id, now)
        except OSError as error:
            raise Unreachable(
                f"no test document was sent, as it could not be remembered: {error}",
                "make ROLLBACK_GATE_STATE_DIRECTORY writable for this user",
            ) from error
        self._sent |= dict.fromkeys(ids, now)  # first: one that fails may have been sent all the same
        self._deadlines |= dict.fromkeys(ids, self.clock())
        self.queue.send([task(probe.task, i, self.job_id, str(now)) for i in ids])
        self._deadlines |= dict.fromkeys(ids, self.clock() + self.profile.limits.probe_s)

    def look(self, summaries: Summaries) -> tuple[ProbeReading, ...]:
        """The current state of every probe, by these logs and the database. Raises Unreachable."""
        if not self._sent:
            return ()
        stored = self.documents.by_id(self._sent)
        now = self.engines.now()
        for document_id in stored:
            self._seen_at.setdefault(document_id, now)
        found = (attribute(i, at, stored.get(i), summaries, now) for i, at in self._sent.items())
        return tuple(replace(probe, seen_at=self._seen_at.get(probe.document_id)) for probe in found)

    def is_decided(self, probe: ProbeReading) -> bool:
        """True if it is finished or timed out. Time counts from sending, and from pick-up once a replica has it.

        The worker saves a document shortly before it logs the completion.
        """
        if probe.finished:
            return probe.seconds is not None or probe.seen_at is None or self._has_had_its_moment(probe)
        if probe.stuck_in:
            return max(seconds for _, seconds in probe.stuck_in) >= self.profile.limits.probe_s
        return self.clock() > self._deadlines[probe.document_id]

    def _has_had_its_moment(self, probe: ProbeReading) -> bool:
        return probe.seen_at is not None and self.engines.now().seconds_since(probe.seen_at) > 2


def attribute(
    document_id: str, sent_at: Instant, document: DocumentReading | None, summaries: Summaries, now: Instant
) -> ProbeReading:
    """Which replica's log shows this document complete, and which others have it in work (redelivery). Pure."""
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


def progress(profile: Profile, queue: Queue, readings: Iterable[ProbeReading]) -> str:
    """A progress line for the operator."""
    rows = list(readings)
    done = sum(probe.finished for probe in rows)
    picked = sum(probe.replica is not None and not probe.finished for probe in rows)
    depth = queue.read()
    waiting = "" if isinstance(depth, Unmeasured) else f", {depth.depth} tasks wait in the queue"
    limit = profile.limits.probe_s
    return f"test documents: {done} of {len(rows)} done, {picked} in work{waiting}; each may take {limit:.0f} s"


def lines_about(engines: Engines, probe: ProbeReading, replica: Replica, most: int = 20) -> tuple[str, ...]:
    """The replica's last log lines since the probe was sent: the evidence for a failed probe."""
    try:
        return tuple(logs.recent(engines.of(replica), replica, probe.sent_at))[-most:]
    except Unreachable as error:
        return (f"(the log could not be read: {error.message})",)
