"""Which replica has finished which document since its boundary: proof of processing. Pure.

Read in the replica's own log, and confirmed by the database: the document is stored there with a score. A probe of an
earlier verify is not there any more; that one found it stored, kept its score, and removed it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rollback_gate.evidence.log_lines import LogSummary
from rollback_gate.evidence.readings import DocumentReading
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured

PROBE_PREFIX = "rollback-probe-"


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


def proofs(
    logs: Mapping[str, LogSummary | Unmeasured],
    stored: Mapping[str, DocumentReading] | Unmeasured,
    remembered: Mapping[str, float],
) -> tuple[Proof, ...]:
    """In the order of the logs. A document without a score is no proof; nor is one that nobody found stored."""
    found = []
    known = {} if isinstance(stored, Unmeasured) else stored
    readable = {slot: log for slot, log in logs.items() if isinstance(log, LogSummary)}
    for slot, log in readable.items():
        for document_id, seconds in log.finished.items():
            document = known.get(document_id)
            score = document.score if document else log.scores.get(document_id) if document_id in remembered else None
            if score is not None:
                at = log.finished_at[document_id]
                found.append(Proof(slot, document_id, at, seconds, score, document is not None))
    return tuple(found)
