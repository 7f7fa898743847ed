"""Sections on the live system: queue, database, MCP server, probe, baseline, limits."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Self

from pydantic import Field, model_validator

from rollback_gate.profile.base import Address, Name, Seconds, Section, Share


class Hang(Section):
    """A known fault of old code: after `after` documents of a process, further ones hang (FACTS: Queue).

    `limit_s`: when the worker gives up such a document and takes the next.
    """

    after: int = Field(default=1, ge=1, le=1000)
    limit_s: float = Field(default=300, gt=0, le=86_400)


class Known(Section):
    """Faults of the service that predate the change: a rollback brings them back with the old code."""

    hang: Hang | None = None


class Queue(Section):
    """`message_timeout_s`: when the queue redelivers an unfinished message.

    `other_channels`: of the same topic, whose consumers are unrelated to the change.
    """

    address: Address
    topic: Name
    channel: Name
    message_timeout_s: float = Field(default=60, gt=0, le=86_400)
    other_channels: tuple[str, ...] = ()


class Database(Section):
    address: Address
    name: Name
    user: str
    auth_source: Name = "admin"
    password_env: Name = "ROLLBACK_GATE_DATABASE_PASSWORD"
    password_file: Path | None = None
    collection: Name
    created_at: str = "created_at"
    score: str
    new_mark: str
    has_other_writers: bool = False


class Ask(Section):
    """One call of a tool that the worker uses (JSON-RPC 2.0). Any answer passes but an error like `trouble`."""

    method: str = Field(min_length=1)
    params: dict[str, Any] = Field(default_factory=dict)
    answer_s: float = Field(default=8, gt=0, le=600)
    trouble: re.Pattern[str] | None = None


class Mcp(Section):
    """`ask` None: only a WebSocket handshake is tried, which proves little."""

    address: Address
    ask: Ask | None = None


class Trace(Section):
    """Where a probe leaves data: `field` of `collection` holds its document id or its job id.

    `job_field`: holds the job's id beside a document's; an unremembered trace counts as the gate's only if both match.
    """

    collection: Name
    field: str
    job_field: str = ""


class Probe(Section):
    task: dict[str, Any]
    traces: tuple[Trace, ...] = Field(min_length=1)


class Completeness(Section):
    expected: Share
    low: Share
    high: Share
    critical: Share
    changed: Share
    changed_tolerance: Share = 0.06
    mixture_share: Share = 0.2
    ambiguous: tuple[Share, ...] = ()
    minimum_sample: int = Field(default=10, ge=2, le=1000)
    confidence: float = Field(default=0.95, gt=0.5, lt=1)

    @model_validator(mode="after")
    def _band_holds_what_is_expected(self) -> Self:
        if not self.critical < self.low <= self.expected <= self.high < self.changed:
            raise ValueError("must be ordered: critical < low <= expected <= high < changed")
        return self


class Limits(Section):
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
