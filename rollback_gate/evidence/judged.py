"""What is judged: a run, or what is there as it was found. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rollback_gate.change.reading import Baseline
from rollback_gate.evidence.readings import Started
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured


@dataclass(frozen=True)
class Judged:
    """What is judged: the run (or none), the digests of its sources by path, what it started by container id.

    `partial`: the rollback keeps the new modules; what counts is that nobody uses them. `baseline`: what was normal.
    `invasive` False: a look at what misbehaves, before it is rolled back: nothing is sent, nobody is waited for.
    `reverted_at`: when the run began that restored files behind mounts, by the engine's clock, while they are in place.
    `deployed_at`: when the change came, where that is known: what was normal before it. `ill_before`: Readings has it.
    """

    run_id: str | None
    source_digests: dict[str, str] | Unmeasured
    started: Mapping[str, Started]
    since: Instant | None = None
    partial: bool = False
    baseline: Baseline | None = None
    invasive: bool = True
    deployed_at: Instant | None = None
    ill_before: Mapping[str, str] = field(default_factory=dict)
    reverted_at: Instant | None = None
