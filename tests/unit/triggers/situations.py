"""A deployment that is well, as symptoms, of which a test changes one thing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rollback_gate.change.content import Content
from rollback_gate.evidence.readings import Bucket, QueueReading, Series, UpstreamState
from rollback_gate.evidence.symptoms import Attempt, ErrorCount, LogHistory, Symptoms, WorkerReading
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from tests.unit.builders import replica, upstream

NOW = Instant.parse("2026-11-23T14:00:00Z")
HOUR = 3600.0
MCP_AWAY = upstream(UpstreamState.REFUSES, "no answer at localhost:3003")
MCP_SILENT = upstream(UpstreamState.SILENT, "localhost:3003 takes connections and does not answer a call")
GONE = Unmeasured("it", "nobody answered")


def attempts(count: int, seconds: float = 60, **changes: Any) -> tuple[Attempt, ...]:
    return tuple(
        replace(Attempt(f"letter-{n}.jpg", NOW.plus(-600 + n), seconds, finished=True, failed=False), **changes)
        for n in range(count)
    )


def failures(count: int, error: str = "ERROR:x:no metrics", **changes: Any) -> tuple[Attempt, ...]:
    return attempts(count, finished=False, failed=True, error=error, sample=error, **changes)


def errors(last_hour: int, expected: bool, name: str = "timeout") -> ErrorCount:
    return ErrorCount(name, expected, last_hour, last_hour, (last_hour,), NOW, f"ERROR:x:{name}")


def series(*means: float, documents: int = 12, deviation: float = 0.02, bucket_s: float = 600) -> Series:
    """The last bucket ends now."""
    first = NOW.plus(-bucket_s * len(means))
    return Series(
        tuple(Bucket(first.plus(n * bucket_s), documents, documents, mean, deviation) for n, mean in enumerate(means)),
        bucket_s,
    )


def history(**changes: Any) -> LogHistory:
    well = LogHistory(NOW.plus(-HOUR), 1000, NOW.plus(-HOUR + 5), (), attempts(10))
    return replace(well, **changes)


def worker(log: LogHistory | Unmeasured | None = None, **changes: Any) -> WorkerReading:
    one = replica(started_at=NOW.plus(-HOUR + 2), **{k: v for k, v in changes.items() if k != "in_queue"})
    return WorkerReading(one, log or history(), (Content.NEW,), changes.get("in_queue", True))


def well(elapsed_s: float = HOUR, log: LogHistory | Unmeasured | None = None, **changes: Any) -> Symptoms:
    """`log`: of one of the two replicas; the other one has a log without documents."""
    quiet = worker(history(attempts=()))
    good = Symptoms(
        now=NOW,
        deployed_at=NOW.plus(-elapsed_s),
        deployed_by="by a test",
        expected_replicas=2,
        workers=(worker(log), quiet),
        completeness=series(0.6, 0.61, 0.62, 0.62, 0.61, 0.62),
        queue=QueueReading(0, 0, (), 10),
        upstream=upstream(UpstreamState.ANSWERS, "it answers a call"),
    )
    return replace(good, **changes)
