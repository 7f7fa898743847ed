"""Proof of processing: which replica has finished which document since its boundary. Pure.

The replica's own log shows it, and the database confirms it: the document is stored with a score. A probe of an
earlier verify is no longer stored; that verify found it stored, kept its score, and removed it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rollback_gate.evidence.log_lines import LogSummary
from rollback_gate.evidence.readings import DocumentReading, Known
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured

PROBE_PREFIX = "rollback-probe-"
PROBE_EXAMPLE = f"{PROBE_PREFIX}20261127T092409Z-7d5a-1.jpg"  # what the name of a test document looks like
_ROUNDED = 0.0006  # a log rounds to a tenth of a percent


@dataclass(frozen=True)
class Proof:
    """One document that a replica finished. `score`: share 0..1. `is_stored` False: a probe that was removed since."""

    slot: str
    document_id: str
    at: Instant
    seconds: float
    score: float
    is_stored: bool

    @property
    def is_probe(self) -> bool:
        return self.document_id.startswith(PROBE_PREFIX)


@dataclass(frozen=True)
class Process:
    """The process of a container that wrote a log."""

    container_id: str
    started_at: Instant


def proofs(
    logs: Mapping[str, LogSummary | Unmeasured],
    processes: Mapping[str, Process],
    stored: Mapping[str, DocumentReading] | Unmeasured,
    remembered: Mapping[str, Known],
    skew_s: float,
) -> tuple[Proof, ...]:
    """Proofs in the order of the logs. `skew_s`: allowed difference between the worker's and the engine's clock.

    A document is no proof if it has no score, carries the change's mark, was stored before this replica picked it up,
    or was never found stored. Nor is a removed probe that another process has finished.
    """
    found = []
    known = {} if isinstance(stored, Unmeasured) else stored
    readable = {slot: log for slot, log in logs.items() if isinstance(log, LogSummary)}
    for slot, log in readable.items():
        for document_id, seconds in log.finished.items():
            document, at = known.get(document_id), log.finished_at[document_id]
            if document is not None:
                score = _score_of(document, at.plus(-seconds - skew_s))
            else:
                score = _score_by_log(log, document_id, remembered.get(document_id), processes.get(slot))
            if score is not None:
                found.append(Proof(slot, document_id, at, seconds, score, document is not None))
    return tuple(found)


def _score_of(document: DocumentReading, earliest: Instant) -> float | None:
    """The stored score; None if the document was saved before its pick-up (`earliest`), or carries the mark."""
    is_fresh = document.created_at is not None and document.created_at >= earliest
    return document.score if is_fresh and not document.marked else None


def _score_by_log(log: LogSummary, document_id: str, known: Known | None, process: Process | None) -> float | None:
    """The logged score, if the same process finished the probe then and the score kept agrees; else None."""
    score = log.scores.get(document_id)
    if score is None or known is None or process is None:
        return None
    is_same = process == Process(known.container_id, known.started_at) and abs(score - known.score) <= _ROUNDED
    return score if is_same else None
