"""Sections on the live system: known faults, probe, baseline, limits."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, model_validator

from rollback_gate.profile.base import Name, Seconds, Section, Share


class Hang(Section):
    """A known fault of old code: after `after` documents of a process, further ones hang (FACTS: Queue).

    `limit_s`: when the worker gives up such a document and takes the next.
    """

    after: int = Field(default=1, ge=1, le=1000)
    limit_s: float = Field(default=300, gt=0, le=86_400)


class Known(Section):
    """Faults of the service that predate the change: a rollback brings them back with the old code."""

    hang: Hang | None = None


class Trace(Section):
    """Where a probe leaves data: `field` of `collection` holds its document id or its job id.

    `job_field`: holds the job's id beside a document's; an unremembered trace counts as the gate's only if both
    match.
    """

    collection: Name
    field: str
    job_field: str = ""


class Probe(Section):
    """A document that the gate sends as the worker's own producers do, and where it leaves traces, which are removed.

    `task`: its message. `{document_id}`, `{job_id}` and `{now}` are filled in at every depth; both ids begin with
    `rollback-probe-`, a document's is like `rollback-probe-20261127T092409Z-7d5a-1.jpg`.
    """

    task: dict[str, Any]
    traces: tuple[Trace, ...] = Field(min_length=1)


class Completeness(Section):
    """What is normal, as shares of 1. A snapshot or unmarked documents from before the change move the band.

    The order must be critical < low <= expected <= high, and `changed` above or below the band.

    `expected`, `low`, `high`: the mean and the band in which it must lie; `critical`: below it is NO-GO; `changed`:
    the change's own level, within `changed_tolerance`: NO-GO with a sign of the change; left out, the change does not
    alter the score. `mixture_share`: of documents
    at both levels. `ambiguous`: scores that old and new code both give. `minimum_sample`: documents; below it no mean
    is judged.
    """

    expected: Share
    low: Share
    high: Share
    critical: Share
    changed: Share | None = None
    changed_tolerance: Share = 0.06
    mixture_share: Share = 0.2
    ambiguous: tuple[Share, ...] = ()
    minimum_sample: int = Field(default=10, ge=2, le=1000)
    confidence: float = Field(default=0.95, gt=0.5, lt=1)

    @model_validator(mode="after")
    def _band_holds_what_is_expected(self) -> Self:
        if not self.critical < self.low <= self.expected <= self.high:
            raise ValueError("must be ordered: critical < low <= expected <= high")
        if self.changed is not None and self.low <= self.changed <= self.high:
            raise ValueError("changed must lie outside the band: what lies in it tells nothing; or leave it out")
        return self

    def is_changed(self, score: float) -> bool:
        """True if it is at the level of the change."""
        return self.changed is not None and abs(score - self.changed) <= self.changed_tolerance


class Limits(Section):
    """Limits; names that end in `_s` are seconds.

    `start_s`: from a container's start to its line `consuming`. `build_s`: one image. `health_s`: a health check's
    first result. `soak_s`: replicas must stay as they are. `probe_s`: from sending a probe to its saved document.
    `sample_wait_s`: for the team's own documents before a probe is sent. `trace_wait_s`: for probes still in work at
    the end. `answer_s`: one answer of queue or database. `clock_skew_s`: between worker and engine. `before_s`: the
    checks before a rollback, 0 for none. `verify_s`: all of verify. `stabilise_s`: before rollback.production
    verifies. `history_s`: of the record's picture, 0 for none. `baseline_s`: how far back normal is measured.
    `errors`: error lines of a replica; above it NO-GO. `free_disk_mb`: where a run keeps its files. `dropped_lines`:
    that a restore may drop besides the change's own; above it asks.
    """

    start_s: Seconds = 120
    build_s: Seconds = 1800
    health_s: Seconds = 120
    soak_s: float = Field(default=60, ge=1, le=86_400)
    probe_s: Seconds = 400
    sample_wait_s: Seconds = 20
    trace_wait_s: Seconds = 5
    answer_s: Seconds = 5
    clock_skew_s: Seconds = 5
    before_s: Seconds = 30
    verify_s: Seconds = 3600
    stabilise_s: Seconds = 300
    history_s: Seconds = 7200
    baseline_s: float = Field(default=604_800, ge=1, le=31_536_000)
    errors: int = Field(default=5, ge=0)
    free_disk_mb: int = Field(default=200, ge=0)
    dropped_lines: int = Field(default=50, ge=0)
