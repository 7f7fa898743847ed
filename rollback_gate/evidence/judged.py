"""What is judged: a run, or the deployment as found. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rollback_gate.change.reading import Baseline
from rollback_gate.evidence.readings import Started
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured


@dataclass(frozen=True)
class Judged:
    """The run (or None), the digests of its sources by path, and what it started by container id.

    `partial`: the rollback keeps the new modules, which must not be used. `baseline`: what was normal.
    `invasive` False: a look before a rollback that sends nothing and waits for nothing.
    `reverted_at`: when the run began that restored files behind mounts, by the engine's clock; None if they are not in
    place. `deployed_at`: when the change was deployed, if known: the baseline ends there. `ill_before`, `kept_before`:
    see Readings.
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
    kept_before: Mapping[str, bool | None] = field(default_factory=dict)
