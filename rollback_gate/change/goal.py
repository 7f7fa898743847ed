"""What must hold when a run has ended. Pure.

A plan is made from a goal and what preflight sees: so a run that was killed is not replayed but planned anew for the
same goal, and does what is still to be done. An undo is a run's goal turned round.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from rollback_gate.change.content import Source
from rollback_gate.instant import Instant
from rollback_gate.profile.deployment import Only
from rollback_gate.profile.schema import Profile


class Direction(enum.StrEnum):
    ROLLBACK = "rollback"
    UNDO = "undo"


class ModeName(enum.StrEnum):
    QUICK = "quick"
    PARTIAL = "partial"
    FULL = "full"
    REBUILD = "rebuild"


@dataclass(frozen=True)
class Mode:
    """Which of the runbook's rollbacks."""

    name: ModeName = ModeName.QUICK
    with_documentation: bool = False

    def removes(self, profile: Profile) -> tuple[str, ...]:
        """Partial keeps the new modules (runbook, Partial Rollback); full removes more (Full Rollback)."""
        if self.name is ModeName.PARTIAL:
            return ()
        if self.name is not ModeName.FULL:
            return profile.removed()
        return profile.removed(Only.FULL, *([Only.DOCUMENTATION] if self.with_documentation else []))


@dataclass(frozen=True)
class How:
    """How a goal is reached: all replicas at once even while one consumes; a build without cache, with fresh bases."""

    all_at_once: bool = False
    no_cache: bool = False
    pull: bool = False
    accept_configuration: bool = False

    def with_also(self, other: How) -> How:
        """What either asks for."""
        return How(
            self.all_at_once or other.all_at_once,
            self.no_cache or other.no_cache,
            self.pull or other.pull,
            self.accept_configuration or other.accept_configuration,
        )


@dataclass(frozen=True)
class Goal:
    """`sources`: what the restored files hold in the end. `remove`: paths that are gone then, with their bytecode.

    `put_back`: paths that are out of the quarantine then. `images`: what each image name means then (of services whose
    code is in an image that is not built now). `rebuild`: the image has to be built whatever is found; `built`: what
    this made, by image name. `consumes`: whether the worker can be expected to come up. `since`: when the run that is
    resumed began; what is older may have in memory what the run has changed since.
    """

    direction: Direction
    mode: Mode
    sources: tuple[Source, ...]
    remove: tuple[str, ...] = ()
    put_back: tuple[str, ...] = ()
    images: Mapping[str, str] = field(default_factory=dict)
    built: Mapping[str, str] = field(default_factory=dict)
    consumes: bool = True
    since: Instant | None = None

    @property
    def rebuild(self) -> bool:
        return self.mode.name is ModeName.REBUILD and self.direction is Direction.ROLLBACK
