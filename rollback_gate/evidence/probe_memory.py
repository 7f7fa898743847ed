"""Which probes were sent for a deployment, and what was found of them: one durable line for each event.

The queue may deliver a probe again after its verify has ended (FACTS: nsqd's message timeout). Whoever comes next must
know its id to remove what it leaves, and that it was found stored before it was removed. This memory never proves
anything by itself: a replica's own log has to show that it finished that probe.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rollback_gate.evidence.proof import PROBE_PREFIX
from rollback_gate.evidence.readings import Known
from rollback_gate.instant import Instant
from rollback_gate.regular import content_of

FILE = "probes.jsonl"
KEPT_S = 7 * 86_400


@dataclass(frozen=True)
class Remembered:
    """One probe. `known`: how it was found stored; empty where it was not, or not as it should be.

    More than once where the queue has delivered it again, to another process.
    """

    document_id: str
    job_id: str
    sent_at: Instant
    known: tuple[Known, ...] = ()

    def as_known_by(self, processes: Collection[tuple[str, Instant]]) -> Known | None:
        """How one of these processes (container id, start) left it; else how it was found first."""
        own = [one for one in self.known if (one.container_id, one.started_at) in processes]
        return next(iter([*own, *self.known]), None)


def is_probe_id(value: object) -> bool:
    """Of a document or a job of the gate's own: nothing else is ever removed."""
    return isinstance(value, str) and value.startswith(PROBE_PREFIX)


@dataclass(frozen=True)
class ProbeMemory:
    """`file` lies in the deployment's private state folder; `also`: where other users' memories can be, to read."""

    file: Path
    also: tuple[Path, ...] = ()

    def sent(self, document_ids: Iterable[str], job_id: str, at: Instant) -> None:
        """Before they are published, so that none can be forgotten. Raises OSError."""
        self._append({"sent": name, "job": job_id, "at": str(at)} for name in document_ids)

    def stored(self, document_id: str, known: Known) -> None:
        """Before it is removed. Raises OSError."""
        self._append(
            [
                {
                    "stored": document_id,
                    "score": known.score,
                    "container": known.container_id,
                    "started_at": str(known.started_at),
                }
            ]
        )

    def recall(self, now: Instant) -> tuple[Remembered, ...]:
        """Those of the last seven days, oldest first. A line that was cut by a crash is passed over. Raises OSError."""
        found: dict[str, Remembered] = {}
        for file in (*self.also, self.file):
            for row in _rows(file):
                _note(found, row)
        return tuple(one for one in found.values() if now.seconds_since(one.sent_at) < KEPT_S)

    def _append(self, rows: Iterable[Mapping[str, Any]]) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            # A line that a crash cut short must not swallow the next one.
            data = b"".join(f"\n{json.dumps(row, sort_keys=True)}".encode() for row in rows)
            if os.write(descriptor, data) != len(data):
                raise OSError(f"{self.file} could not be written whole: is the disk full?")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _rows(file: Path) -> list[dict[str, Any]]:
    if not file.is_file():
        return []
    rows = []
    for line in content_of(file).decode(errors="replace").splitlines():
        try:
            row = json.loads(line) if line else None
        except ValueError:
            continue
        if isinstance(row, dict):
            rows.append(row)
    return rows


def _note(found: dict[str, Remembered], row: Mapping[str, Any]) -> None:
    """Of each process, how it was found first: what comes later may be another process's doing."""
    try:
        if "sent" in row and is_probe_id(row["sent"]) and is_probe_id(row["job"]):
            found[row["sent"]] = Remembered(row["sent"], row["job"], Instant.parse(str(row["at"])))
        elif row.get("stored") in found:
            known = Known(float(row["score"]), str(row["container"]), Instant.parse(str(row["started_at"])))
            before = found[row["stored"]].known
            is_first = (known.container_id, known.started_at) not in {(k.container_id, k.started_at) for k in before}
            found[row["stored"]] = replace(found[row["stored"]], known=(*before, *([known] if is_first else [])))
    except (KeyError, TypeError, ValueError, OverflowError):
        return  # written by another version, or by somebody else: nothing of it is believed
