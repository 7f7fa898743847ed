"""What must hold at the end of a run. Pure.

A plan is made from a goal and the results of preflight. A run that was killed is therefore not replayed: resume makes
a new plan for the same goal, with the remaining steps. The goal of an undo is the reverse of the run's goal.
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
        """Paths to remove: none for partial (runbook, Partial Rollback), more for full (Full Rollback)."""
        if self.name is ModeName.PARTIAL:
            return ()
        if self.name is not ModeName.FULL:
            return profile.removed()
        return profile.removed(Only.FULL, *([Only.DOCUMENTATION] if self.with_documentation else []))


@dataclass(frozen=True)
class How:
    """Options of a run: replace all replicas at once even while one consumes, build without cache, pull base images."""

    all_at_once: bool = False
    no_cache: bool = False
    pull: bool = False
    accept_configuration: bool = False

    def with_also(self, other: How) -> How:
        """The options set in either."""
        return How(
            self.all_at_once or other.all_at_once,
            self.no_cache or other.no_cache,
            self.pull or other.pull,
            self.accept_configuration or other.accept_configuration,
        )


@dataclass(frozen=True)
class Goal:
    """`sources`: the final content of the restored files. `values`: of files with settings.

    `remove`: paths to remove, with their bytecode. `put_back`: paths to restore from the quarantine. `images`: the
    image id that each image name must point to (for services whose code is in an image that is not built now).
    `rebuild`: always build the image; `built`: the resulting ids, by image name. `consumes`: True if the worker can be
    expected to come up. `since`: when the resumed run began; a process older than that may have in memory what the run
    has changed.
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
    values: tuple[Source, ...] = ()

    @property
    def all_files(self) -> tuple[Source, ...]:
        """The final content of all files that the run writes, or would write if they were in the project directory."""
        return (*self.sources, *self.values)

    @property
    def rebuild(self) -> bool:
        return self.mode.name is ModeName.REBUILD and self.direction is Direction.ROLLBACK
