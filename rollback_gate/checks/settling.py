"""Ends a wait for stability early (runbook, Production, Step 3), but only on what would be a NO-GO."""

from __future__ import annotations

from collections.abc import Iterator

from rollback_gate.checks import consuming, new_behaviour, worker_running
from rollback_gate.evidence.log_lines import LogSummary
from rollback_gate.evidence.readings import DocumentsReading, Readings
from rollback_gate.model import Claim, Outcome
from rollback_gate.profile.schema import Profile


def trouble(readings: Readings, profile: Profile) -> Claim | None:
    """The first failed claim among those that a quick look can make; None if there is none."""
    return next((claim for claim in _claims(readings, profile) if claim.outcome is Outcome.FAILED), None)


def _claims(readings: Readings, profile: Profile) -> Iterator[Claim]:
    yield worker_running.expected_number(readings)
    for replica in readings.replicas:
        yield worker_running.stays_up(readings, replica)
    for replica in readings.replicas:
        yield consuming.few_errors(replica, profile)
        yield new_behaviour.log_lines(readings, replica, profile)
    yield new_behaviour.fresh_documents(readings, profile)


def in_words(readings: Readings) -> str:
    """A progress line for the operator."""
    logs = [r.log for r in readings.consuming if isinstance(r.log, LogSummary)]
    errors, finished = sum(log.errors for log in logs), sum(log.documents_finished for log in logs)
    documents = readings.documents
    scores = (
        [d.score for d in documents.documents if d.score is not None] if isinstance(documents, DocumentsReading) else []
    )
    mean = f"completeness {sum(scores) / len(scores):.1%} of {len(scores)}" if scores else "no document scored yet"
    return f"{finished} documents finished, {errors} error lines, {mean}"
