"""Which replica has finished which document since its boundary: proof of processing. Pure.

Read in the replica's own log, and confirmed by the database: the document is stored there with a score. A probe of an
earlier verify is not there any more; that one found it stored, kept its score, and removed it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rollback_gate.evidence.log_lines import LogSummary
from rollback_gate.evidence.readings import DocumentReading, Known
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured

PROBE_PREFIX = "rollback-probe-"
_ROUNDED = 0.0006  # a log gives a tenth of a percent


@dataclass(frozen=True)
class Proof:
    """One document that a replica finished. `score`: a share; `is_stored` False: a probe that was removed since."""

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
    """Whose log it is: a process of a container."""

    container_id: str
    started_at: Instant


def proofs(
    logs: Mapping[str, LogSummary | Unmeasured],
    processes: Mapping[str, Process],
    stored: Mapping[str, DocumentReading] | Unmeasured,
    remembered: Mapping[str, Known],
    skew_s: float,
) -> tuple[Proof, ...]:
    """In the order of the logs. `skew_s`: by how much the worker's clock may differ from the engine's.

    No proof is a document without a score, with the mark of the change, that is stored as it was before this replica
    picked it up, or that nobody found stored; and a removed one that another process has finished.
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
    """None for what was saved before the replica picked the document up, or carries the mark."""
    is_fresh = document.created_at is not None and document.created_at >= earliest
    return document.score if is_fresh and not document.marked else None


def _score_by_log(log: LogSummary, document_id: str, known: Known | None, process: Process | None) -> float | None:
    """Of the same process that finished it then, with the score that was found stored."""
    score = log.scores.get(document_id)
    if score is None or known is None or process is None:
        return None
    is_same = process == Process(known.container_id, known.started_at) and abs(score - known.score) <= _ROUNDED
    return score if is_same else None
