"""Evidence is saved first: a recreate removes the misbehaving container and its log."""

from __future__ import annotations

import contextlib
import hashlib
import json
import statistics
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from rollback_gate.errors import RollbackGateError, Unreadable
from rollback_gate.evidence import logs
from rollback_gate.evidence.documents import Documents
from rollback_gate.evidence.readings import DocumentsReading
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.platform.engine import answering
from rollback_gate.platform.engines import Engines
from rollback_gate.platform.replica import Replica, parse_inspect
from rollback_gate.redaction import Redactor
from rollback_gate.rollback import files
from rollback_gate.rollback.interruption import LastConsumed
from rollback_gate.rollback.situation import Situation
from rollback_gate.rollback.store import Run

SAVED_LOG_BYTES = 5 << 20
# On any of these, the rollback continues without that piece of evidence.
_WRONG = (RollbackGateError, OSError, ValueError, ArithmeticError, LookupError, TypeError, AttributeError)


@dataclass(frozen=True)
class Saved:
    """`not_consuming_since`: by container id, from its whole log."""

    says: str
    not_consuming_since: dict[str, Instant]


def save_all(
    container_ids: Sequence[str],
    situation: Situation,
    engines: Engines,
    run: Run,
    redactor: Redactor,
    documents: Documents | Unmeasured,
) -> Saved:
    """Failures are reported and stop nothing: a harmful worker must not keep running to save its log."""
    try:
        run.saved.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        return Saved(f"nothing could be saved: {error}", {})

    by_id = {replica.id: replica for replica in situation.everyone}

    def save(container_id: str) -> tuple[str, Instant | None]:
        try:
            return _container(by_id[container_id], situation, engines, run, redactor)
        except _WRONG as error:
            return f"{container_id[:12]} not saved: {error!r}", None

    with ThreadPoolExecutor(max_workers=4) as pool:
        rows = dict(zip(container_ids, pool.map(save, container_ids), strict=True))
    says = [text for text, _ in rows.values()] + [_said_completeness(situation, run, documents)]
    return Saved("; ".join(says), {key: at for key, (_, at) in rows.items() if at is not None})


def _container(
    found: Replica, situation: Situation, engines: Engines, run: Run, redactor: Redactor
) -> tuple[str, Instant]:
    """Save the log (its end, with digest and size of the whole) and the parts of `inspect` that hold no secrets.

    Once per process: a resumed run adds those started since.
    """
    engine = engines.of(found)
    with answering(f"container {found.short_id}"):
        attrs = engine.client.api.inspect_container(found.id)
    replica = parse_inspect(attrs)
    last = LastConsumed(situation.profile.logs, replica)
    sha, size, kept_size, kept = hashlib.sha256(), 0, 0, deque[bytes]()
    with contextlib.suppress(Unreadable):  # then there is no log to save
        for block in logs.blocks(engine, replica, None):
            last.feed_block(block)
            sha.update(block)
            size += len(block)
            kept.append(block)
            kept_size += len(block)
            while kept_size - len(kept[0]) > SAVED_LOG_BYTES:
                kept_size -= len(kept.popleft())
    saved = {key: attrs.get(key) for key in ("Id", "Name", "Created", "Image", "RestartCount", "State", "Mounts")}
    summary = {"log_sha256": sha.hexdigest(), "log_size_bytes": size, "inspect": saved}
    name = _free_name(run, replica)
    if name is None:
        return f"{replica.name}: saved before", last.since
    end = _end_of(b"".join(kept)).decode(errors="replace")
    files.write_text(run.saved / f"{name}.log", redactor.text(end))
    files.write_text(run.saved / f"{name}.json", redactor.text(json.dumps(summary, indent=1)))
    return f"{replica.name}: {size} bytes of log", last.since


def _end_of(log: bytes) -> bytes:
    """Whole lines only: half of a secret would not be recognized as one."""
    return log if len(log) <= SAVED_LOG_BYTES else log[-SAVED_LOG_BYTES:].partition(b"\n")[2]


def _free_name(run: Run, replica: Replica) -> str | None:
    """Container name, plus its start (ns) if an earlier process of that name was saved. None: already saved."""
    for name in (replica.name, f"{replica.name}.{replica.started_at.ns if replica.started_at else 0}"):
        path = run.saved / f"{name}.json"
        if not path.exists():
            return name
        was: dict[str, Any] = json.loads(path.read_text())["inspect"]
        started = parse_started(was)
        if (was["Id"], started) == (replica.id, replica.started_at):
            return None
    return None


def parse_started(inspect: dict[str, Any]) -> Instant | None:
    """Start of the process in a saved `inspect`; None for a container that never started."""
    text = inspect["State"].get("StartedAt", "")
    return Instant.parse(text) if text and not text.startswith("0001-") else None


def _said_completeness(situation: Situation, run: Run, documents: Documents | Unmeasured) -> str:
    try:
        return _completeness(situation, run, documents)
    except _WRONG as error:
        return f"completeness not saved: {error!r}"


def _completeness(situation: Situation, run: Run, documents: Documents | Unmeasured) -> str:
    """Save it for the documents written since the worker's oldest container was made: the change's own."""
    path = run.saved / "completeness.json"
    if path.exists():
        return "completeness: saved before"
    since = min((r.created_at for r in situation.replicas), default=None)
    if since is None:
        return "completeness not saved: the worker has no container that would tell since when"
    reading = documents if isinstance(documents, Unmeasured) else documents.since(since)
    if isinstance(reading, Unmeasured):
        return f"completeness not saved: {reading}"
    summary = summary_of(reading)
    files.write_text(path, json.dumps(summary, indent=1, allow_nan=False))
    mean = summary["mean"]
    return f"completeness of {summary['scored']} documents: " + ("none scored" if mean is None else f"{mean:.1%}")


def summary_of(reading: DocumentsReading) -> dict[str, Any]:
    """Count, mean and standard deviation (0..1; null if there are too few) of organic documents."""
    scores = [d.score for d in reading.organic if d.score is not None]
    return {
        "since": str(reading.since),
        "documents": len(reading.organic),
        "scored": len(scores),
        "mean": statistics.fmean(scores) if scores else None,
        "standard_deviation": statistics.stdev(scores) if len(scores) > 1 else None,
        "marked": sum(d.marked for d in reading.organic),
        "truncated": reading.truncated,
    }
