"""A durable list of the probes sent for a deployment, and of how they were found stored; one line per event.

The queue may redeliver a probe after its verify has ended (FACTS: message timeout). The next command needs its
id to remove its traces, and must know that it was found stored before it was removed. This list alone is no proof:
a replica's own log must show that it finished the probe.
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
    """One probe. `known`: how it was found stored; empty if it was not, or not as expected.

    More than one entry if the queue has redelivered it to another process.
    """

    document_id: str
    job_id: str
    sent_at: Instant
    known: tuple[Known, ...] = ()

    def as_known_by(self, processes: Collection[tuple[str, Instant]]) -> Known | None:
        """The entry of one of these processes (container id, start), else the first entry; None for no entry."""
        own = [one for one in self.known if (one.container_id, one.started_at) in processes]
        return next(iter([*own, *self.known]), None)


def is_probe_id(value: object) -> bool:
    """True for the id of a probe's document or job; nothing else is ever removed."""
    return isinstance(value, str) and value.startswith(PROBE_PREFIX)


@dataclass(frozen=True)
class ProbeMemory:
    """`file` is in the deployment's private state folder. `also`: possible files of other users, only read."""

    file: Path
    also: tuple[Path, ...] = ()

    def sent(self, document_ids: Iterable[str], job_id: str, at: Instant) -> None:
        """Persists probes before they are published, so that none is lost. Raises OSError."""
        self._append({"sent": name, "job": job_id, "at": str(at)} for name in document_ids)

    def stored(self, document_id: str, known: Known) -> None:
        """Persists how a probe was stored, before it is removed. Raises OSError."""
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
        """Probes of the last seven days, in file order. A line truncated by a crash is skipped. Raises OSError."""
        found: dict[str, Remembered] = {}
        for file in (*self.also, self.file):
            for row in _rows(file):
                _note(found, row)
        return tuple(one for one in found.values() if now.seconds_since(one.sent_at) < KEPT_S)

    def _append(self, rows: Iterable[Mapping[str, Any]]) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            # A line truncated by a crash must not be joined with the next one.
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
    """Keeps the first entry of each process: a later one may be caused by another process."""
    try:
        if "sent" in row and is_probe_id(row["sent"]) and is_probe_id(row["job"]):
            found[row["sent"]] = Remembered(row["sent"], row["job"], Instant.parse(str(row["at"])))
        elif row.get("stored") in found:
            known = Known(float(row["score"]), str(row["container"]), Instant.parse(str(row["started_at"])))
            before = found[row["stored"]].known
            is_first = (known.container_id, known.started_at) not in {(k.container_id, k.started_at) for k in before}
            found[row["stored"]] = replace(found[row["stored"]], known=(*before, *([known] if is_first else [])))
    except (KeyError, TypeError, ValueError, OverflowError):
        return  # not written by this version: ignored
