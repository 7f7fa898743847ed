"""Readings of the change since its deployment: frozen values, the only input of the triggers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from rollback_gate.change.content import Content
from rollback_gate.evidence.proof import PROBE_PREFIX
from rollback_gate.evidence.readings import ProbeReading, QueueReading, Series, UpstreamReading
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.platform.replica import Replica


@dataclass(frozen=True)
class ErrorCount:
    """Error lines of one type, without known noise. `hourly`: counts per triggers.hour_s, the newest first."""

    name: str
    expected: bool
    total: int
    last_hour: int
    hourly: tuple[int, ...]
    last_at: Instant
    sample: str


@dataclass(frozen=True)
class Attempt:
    """One document in one replica, from its pick-up. `seconds`: to its completion, else as far as known.

    `failed`: not complete, and another document was picked up after it, or an error was logged for it that the profile
    does not name. `error`: the last error line without the parts that differ by document, "" for none. `upstream`:
    number of lines in between that show trouble of the upstream. `after`: number of documents that the same process
    had finished before. `again`: it was finished before, and the queue has redelivered it.
    """

    document: str
    at: Instant
    seconds: float
    finished: bool
    failed: bool
    error: str = ""
    sample: str = ""
    upstream: int = 0
    after: int = 0
    again: bool = False

    @property
    def is_probe(self) -> bool:
        return self.document.startswith(PROBE_PREFIX)


@dataclass(frozen=True)
class LogHistory:
    """A replica's log since the deployment. `consuming_at`: the last such line. `attempts`: the last ones, in order.

    `import_error`: the last line of that kind, "" for none. `without_level`: lines whose level does not show.
    """

    since: Instant
    lines: int
    consuming_at: Instant | None
    errors: tuple[ErrorCount, ...]
    attempts: tuple[Attempt, ...]
    import_error: str = ""
    import_error_at: Instant | None = None
    without_level: int = 0


@dataclass(frozen=True)
class WorkerReading:
    """One replica now. `content`: one entry per restored file. `in_queue`: True if the queue lists it as a consumer."""

    replica: Replica
    log: LogHistory | Unmeasured
    content: tuple[Content, ...] | Unmeasured
    in_queue: bool | Unmeasured

    @property
    def consumes(self) -> bool | Unmeasured:
        """True if the queue lists it as a consumer or, if the queue is unmeasured, its log says so since its start."""
        if self.in_queue is True:
            return True
        if isinstance(self.log, Unmeasured):
            return self.log
        started, seen = self.replica.started_at, self.log.consuming_at
        has_said = started is not None and seen is not None and seen >= started
        if self.in_queue is False:
            doubt = "the queue does not know it, and it has logged that it consumes, or did so before its log begins"
            is_older = started is not None and started < self.log.since  # that line may be older than what was read
            return Unmeasured(f"whether {self.replica.name} consumes", doubt) if has_said or is_older else False
        if started is not None and started < self.log.since:
            return self.in_queue  # its start is older than what was read
        return has_said


@dataclass(frozen=True)
class Symptoms:
    """`deployed_by`: the source of `deployed_at`, in words. `probe`: None if none was asked for.

    `normal_s`: mean seconds per document in the newest snapshot of the old code; None if there is none.
    `project_exists`: the Compose project has a container, of any service.
    """

    now: Instant
    deployed_at: Instant
    deployed_by: str
    expected_replicas: int
    workers: tuple[WorkerReading, ...] | Unmeasured
    completeness: Series | Unmeasured
    queue: QueueReading | Unmeasured
    upstream: UpstreamReading
    probe: ProbeReading | Unmeasured | None = None
    normal_s: float | None = None
    project_exists: bool = True

    @property
    def elapsed_s(self) -> float:
        return self.now.seconds_since(self.deployed_at)

    @property
    def logs(self) -> tuple[LogHistory, ...]:
        """The logs that could be read."""
        found = () if isinstance(self.workers, Unmeasured) else self.workers
        return tuple(worker.log for worker in found if isinstance(worker.log, LogHistory))

    @property
    def unread(self) -> Unmeasured | None:
        """Why some log could not be read; None if all were read."""
        if isinstance(self.workers, Unmeasured):
            return self.workers
        if not self.workers:
            return Unmeasured("the worker's log", "the worker has no container")
        return next((worker.log for worker in self.workers if isinstance(worker.log, Unmeasured)), None)

    @property
    def errors(self) -> tuple[ErrorCount, ...]:
        """Errors by type over all replicas, most frequent in the last hour first."""
        by_name: dict[str, list[ErrorCount]] = {}
        for count in (count for log in self.logs for count in log.errors):
            by_name.setdefault(count.name, []).append(count)
        return tuple(sorted(map(_together, by_name.values()), key=lambda count: (-count.last_hour, -count.total)))

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """Attempts of all replicas, oldest first, without probes. A document completed in one replica has not failed.

        For an unfinished document, `seconds` is the longest of all its attempts.
        """
        found = (a for log in self.logs for a in log.attempts if not a.is_probe)
        rows = sorted(found, key=lambda attempt: attempt.at)
        finished = {attempt.document for attempt in rows if attempt.finished}
        latest = {attempt.document: attempt for attempt in rows if attempt.finished or attempt.document not in finished}
        took: dict[str, float] = {}
        for attempt in rows:
            took[attempt.document] = max(attempt.seconds, took.get(attempt.document, 0.0))
        known = (a if a.finished else replace(a, seconds=took[document]) for document, a in latest.items())
        return tuple(sorted(known, key=lambda attempt: attempt.at))


def _together(counts: Iterable[ErrorCount]) -> ErrorCount:
    rows = list(counts)
    newest = max(rows, key=lambda count: count.last_at)
    longest = max(len(row.hourly) for row in rows)
    hourly = tuple(sum(row.hourly[n] for row in rows if n < len(row.hourly)) for n in range(longest))
    total, last_hour = sum(row.total for row in rows), sum(row.last_hour for row in rows)
    return ErrorCount(newest.name, newest.expected, total, last_hour, hourly, newest.last_at, newest.sample)
