"""A goal and what preflight found: the input of a plan. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rollback_gate.change.content import Source
from rollback_gate.change.goal import Goal, How
from rollback_gate.change.strategy import Strategy
from rollback_gate.platform.compose import Compose, ComposeService
from rollback_gate.platform.replica import Replica, left_by_an_interrupted_recreate
from rollback_gate.profile.schema import Profile
from rollback_gate.rollback.wanted import Wanted


@dataclass(frozen=True)
class Situation:
    """A goal, and what preflight found: `restore`, `values`, `remove`, `put_back`, `tags` hold only what still has to
    be done.

    `found`: the replicas of every service. `consuming`: ids of those that consume now. `stale`: those that would not
    run the goal's code, or not work, if left alone. `own_images`: names that this run builds or retags; no new
    container is made from any other image. `images`: by such a name, the id that its containers run now.
    `stack`: of a Swarm, what its services must be made from. `needs_build`: no image with the goal's code exists, or a
    rebuild was requested; all replicas are then stale.
    """

    profile: Profile
    directory: Path
    strategy: Strategy
    compose: Compose
    services: Mapping[str, ComposeService]
    found: Mapping[str, tuple[Replica, ...]]
    goal: Goal
    restore: tuple[Source, ...]
    remove: tuple[str, ...]
    put_back: tuple[str, ...]
    tags: Mapping[str, str]
    images: Mapping[str, str]
    own_images: frozenset[str]
    stale: tuple[Replica, ...]
    consuming: tuple[str, ...]
    needs_build: bool
    how: How = How()
    values: tuple[Source, ...] = ()
    stack: Mapping[str, Wanted] = field(default_factory=dict)

    @property
    def worker(self) -> str:
        return self.profile.consumer

    def wanted(self, service: str) -> dict[str, int]:
        """Number of replicas to run: as many as now, and no fewer than the profile states."""
        return {service: max(self._whole(service), self.profile.services[service].replicas)}

    def _whole(self, service: str) -> int:
        rows = self.found[service]
        return len(rows) - len(left_by_an_interrupted_recreate(rows))

    @property
    def replicas(self) -> tuple[Replica, ...]:
        """Replicas of the service that consumes."""
        return self.found[self.worker]

    @property
    def everyone(self) -> tuple[Replica, ...]:
        """The replicas of all services."""
        return tuple(replica for rows in self.found.values() for replica in rows)

    def stale_of(self, service: str) -> tuple[Replica, ...]:
        return tuple(replica for replica in self.found[service] if replica in self.stale)

    def is_replaced(self, service: str) -> bool:
        """True if its containers are recreated; for any other service a restart is enough, and safe."""
        is_made_anew = any(replica.image_name in self.own_images for replica in self.found[service])
        return is_made_anew or (bool(self.profile.values_of(service)) and bool(self.stale_of(service)))

    @property
    def to_write(self) -> tuple[Source, ...]:
        """All files that still have to be written: code, and files with settings."""
        return (*self.restore, *self.values)

    def normal(self, service: str) -> int:
        """How many replicas there should be: of a stack, as many as its service has; a rollback scales nothing."""
        found = self.stack[service].service.replicas if service in self.stack else None
        return self.profile.services[service].replicas if found is None else found

    def missing(self, service: str) -> int:
        """Number of missing containers; of a stack, Swarm itself sees to them."""
        return 0 if service in self.stack else max(0, self.profile.services[service].replicas - self._whole(service))

    def is_due(self, service: str) -> bool:
        is_otherwise = service in self.stack and not self.stack[service].is_reached
        return bool(self.stale_of(service)) or self.missing(service) > 0 or is_otherwise

    @property
    def others(self) -> tuple[str, ...]:
        """The services that do not consume."""
        return tuple(service for service in self.found if service != self.worker)

    @property
    def ill_services(self) -> tuple[str, ...]:
        """Services that are unhealthy by a health check before the run."""
        return tuple(sorted({replica.service for replica in self.everyone if replica.is_ill}))

    @property
    def keeps_volumes(self) -> bool:
        """True if recreated containers have anonymous volumes: only a recreate of all carries those over."""
        mounts = (mount for replica in self.replicas for mount in replica.mounts)
        is_replaced = self.strategy.makes_images or self.is_replaced(self.worker)
        return is_replaced and any(mount.is_anonymous for mount in mounts)

    @property
    def in_turn(self) -> bool:
        """True if replicas take turns: another one consumes, and new ones can be expected to come up."""
        several = len(self.replicas) > 1 and not self.how.all_at_once and not self.keeps_volumes
        return several and bool(self.consuming) and self.goal.consumes


@dataclass(frozen=True)
class Keeping:
    """Images that must not be lost. `repository`: by image name, where its images are kept. `run_id`: their tag.

    `before`: the names' image ids when the run began (empty for a new run: those of now). `own`: ids that the run
    itself made or chose; they need not be kept.
    """

    repository: Callable[[str], str]
    run_id: str
    before: Mapping[str, str] = field(default_factory=dict)
    own: tuple[str, ...] = ()

    def tags(self, now: Mapping[str, str]) -> dict[str, str]:
        """Image ids by the name that keeps them; an image newer than the run gets a name of its own."""
        before = self.before or now
        kept = {f"{self.repository(name)}:{self.run_id}": image_id for name, image_id in before.items()}
        later = {
            f"{self.repository(name)}:{self.run_id}-later": image_id
            for name, image_id in now.items()
            if image_id not in (*before.values(), *self.own)
        }
        return {**kept, **later}
