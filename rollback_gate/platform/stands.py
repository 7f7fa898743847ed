"""How the platform itself stands to services: what a Swarm does beside what its containers show. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rollback_gate.model import Unmeasured


@dataclass(frozen=True)
class Stands:
    """How a Swarm stands to services. `updates`: by service, what is still going on with it, "" for nothing.

    `lacking`: by service, what the manager says of tasks that have no container. `unasked`: by service, the nodes that
    may run it, and could not be asked. `apart_s`: by node, how many seconds its clock is ahead of the manager's.
    `remembers`: how many former tasks of a slot the manager keeps, negative for all; None where it does not say.
    """

    updates: Mapping[str, str]
    lacking: Mapping[str, tuple[str, ...]]
    unasked: Mapping[str, tuple[Unmeasured, ...]]
    apart_s: Mapping[str, float | Unmeasured]
    remembers: int | None = None
