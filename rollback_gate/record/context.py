"""Context for readers of a record: before and after, pictures, and how to take each reading by hand. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

from rollback_gate.checks.completeness import normal_of, shared_with_the_change
from rollback_gate.evidence import boundary
from rollback_gate.evidence.log_lines import LogSummary
from rollback_gate.evidence.readings import DocumentsReading, Readings, Series
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.profile.live import Completeness
from rollback_gate.profile.schema import Profile
from rollback_gate.record import by_hand, picture

_NO_LOG = "not measured"
_NOBODY_ASKED = "not assessed before the rollback"


def context(
    readings: Readings | Unmeasured,
    profile: Profile,
    why: Mapping[str, Any] | None,
    before: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """`why`: the assessment; `before`: the checks before the rollback. Without readings, all parts are empty."""
    if isinstance(readings, Unmeasured):
        return {"compared": [], "pictures": {}, "by_hand": [], "normal": None, "is_ambiguous": False}
    normal = normal_of(profile.completeness, readings.baseline) if profile.completeness else None
    return {
        "normal": [normal.low, normal.high] if normal else None,
        "is_ambiguous": normal is not None and _is_ambiguous(readings, normal),
        "compared": _compared(readings, why, before),
        "pictures": _pictures(readings, normal) if normal else {},
        "by_hand": by_hand.commands(readings, profile),
    }


def _is_ambiguous(readings: Readings, normal: Completeness) -> bool:
    """True if every score is one that both old and new code are known to give."""
    if isinstance(readings.documents, Unmeasured):
        return False
    scores = [document.score for document in readings.documents.documents if document.score is not None]
    return bool(scores) and shared_with_the_change(scores, normal) == len(scores)


def _compared(
    readings: Readings, why: Mapping[str, Any] | None, before: Mapping[str, Any] | None
) -> list[dict[str, str]]:
    since = boundary.of_documents(replica.boundary for replica in readings.consuming)
    numbers = why["numbers"] if why else None
    rows = (
        ("Completeness", _score_before(readings.history, since), _score_after(readings.documents)),
        ("Processing time", _times_before(numbers), _times_after(readings)),
        ("Errors in the log", _errors_before(numbers), _errors_after(readings)),
        ("Lines that only the change prints", _check_before(before, "new_behaviour"), _new_after(readings)),
        ("Worker", _worker_before(numbers), _worker_after(readings)),
    )
    return [{"what": what, "before": was, "after": now} for what, was, now in rows]


def _check_before(before: Mapping[str, Any] | None, check: str) -> str:
    if before is None:
        return "the checks were not asked before the rollback"
    was = before["checks"][check]
    return f"its check {was['outcome']}: {was['held']} of {was['asked']} assertions held"


def _score_before(history: Series | Unmeasured | None, since: Instant | None) -> str:
    if history is None or since is None:
        return "not measured"
    if isinstance(history, Unmeasured):
        return f"not measured: {history}"
    rows = [b for b in history.buckets if b.scored and b.start.seconds_since(since) < -history.bucket_s / 2]
    count = sum(b.scored for b in rows)
    if not count:
        return "no document with a score in the hours before"
    return f"mean {sum(b.mean * b.scored for b in rows) / count:.1%} of {_documents(count)}"


def _score_after(documents: DocumentsReading | Unmeasured) -> str:
    if isinstance(documents, Unmeasured):
        return f"not measured: {documents}"
    scores = [d.score for d in documents.documents if d.score is not None]
    if not scores:
        return "no document with a score yet"
    probes = sum(d.is_probe for d in documents.documents)
    return f"mean {statistics.fmean(scores):.1%} of {_documents(len(scores))}, {probes} of them probes"


def _times_before(numbers: Mapping[str, Any] | None) -> str:
    if numbers is None:
        return _NOBODY_ASKED
    return _times([row["seconds"] for row in numbers["documents"]["last"] if row["finished"]])


def _times_after(readings: Readings) -> str:
    logs = _logs(readings)
    return f"{_times([s for log in logs for s in log.finished.values()])}{_unread(readings)}" if logs else _NO_LOG


def _times(seconds: list[float]) -> str:
    if not seconds:
        return "no document was finished"
    says = f"median {statistics.median(seconds):.1f} s, longest {max(seconds):.1f} s"
    return f"{says}, of the last {_documents(len(seconds))}"


def _errors_before(numbers: Mapping[str, Any] | None) -> str:
    if numbers is None:
        return _NOBODY_ASKED
    rows = [f"{row['last_hour']} of {row['name']}" for row in numbers["errors"] if row["last_hour"]]
    return f"in the last hour: {', '.join(rows)}" if rows else "none in the last hour"


def _errors_after(readings: Readings) -> str:
    logs = _logs(readings)
    if not logs:
        return _NO_LOG
    count = sum(log.errors for log in logs)
    samples = [line for log in logs for line in log.error_samples][:2]
    return f"{count} since the boundary{_unread(readings)}{': ' if samples else ''}{' | '.join(samples)}"


def _new_after(readings: Readings) -> str:
    logs = _logs(readings)
    return f"{sum(s.count for log in logs for s in log.new)} since the boundary{_unread(readings)}" if logs else _NO_LOG


def _worker_before(numbers: Mapping[str, Any] | None) -> str:
    if numbers is None:
        return _NOBODY_ASKED
    rows = [f"{w['condition']}, {w['restarts']} restarts" for w in numbers["workers"]]
    return "; ".join(rows) or "no container"


def _worker_after(readings: Readings) -> str:
    seen = [replica.after for replica in readings.consuming]
    words = [
        str(r) if isinstance(r, Unmeasured) else f"{r.condition}, {r.restarts} restarts" if r else "missing"
        for r in seen
    ]
    return "; ".join(words) or "no container"


def _logs(readings: Readings) -> list[LogSummary]:
    return [replica.log for replica in readings.consuming if isinstance(replica.log, LogSummary)]


def _unread(readings: Readings) -> str:
    """Marks a count that does not cover all replicas."""
    of_all = len(readings.consuming)
    unread = of_all - len(_logs(readings))
    return f", without {unread} of {of_all} replicas, whose log could not be read" if unread else ""


def _documents(count: int) -> str:
    return "1 document" if count == 1 else f"{count} documents"


def _pictures(readings: Readings, normal: Completeness) -> dict[str, str]:
    since = boundary.of_documents(replica.boundary for replica in readings.consuming)
    drawn = {}
    if isinstance(readings.history, Series) and since is not None:
        drawn["over_time"] = picture.around_the_boundary(readings.history, since, normal.low, normal.high)
    if isinstance(readings.documents, DocumentsReading):
        scores = [d.score for d in readings.documents.documents if d.score is not None and 0 <= d.score <= 1]
        drawn["distribution"] = picture.distribution(scores, normal.low, normal.high)
    return {name: svg for name, svg in drawn.items() if svg}
