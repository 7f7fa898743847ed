"""A goal, and what preflight found of it: what a plan is made from. Pure."""

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


@dataclass(frozen=True)
class Situation:
    """A goal, and what preflight found: `restore`, `remove`, `put_back`, `tags` hold only what still has to be done.

    `found`: the replicas of every service. `consuming`: ids of those that consume now. `stale`: those that would go on
    running something else than the goal if they were left alone. `own_images`: names that this run builds or gives
    back; of any other image no new container is made. `images`: what those names' containers run now.
    `needs_build`: no image with the goal's code is at hand; then all replicas are stale.
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

    @property
    def worker(self) -> str:
        return self.profile.consumer

    def wanted(self, service: str) -> dict[str, int]:
        """How many of it there are to be: as many as there are now, and no fewer than are normal."""
        return {service: max(self._whole(service), self.profile.services[service].replicas)}

    def _whole(self, service: str) -> int:
        rows = self.found[service]
        return len(rows) - len(left_by_an_interrupted_recreate(rows))

    @property
    def replicas(self) -> tuple[Replica, ...]:
        """Those of the service that consumes."""
        return self.found[self.worker]

    @property
    def everyone(self) -> tuple[Replica, ...]:
        """The replicas of all services."""
        return tuple(replica for rows in self.found.values() for replica in rows)

    def stale_of(self, service: str) -> tuple[Replica, ...]:
        return tuple(replica for replica in self.found[service] if replica in self.stale)

    def is_replaced(self, service: str) -> bool:
        """Its containers are made anew: of any other one a restart is enough, and safe."""
        return any(replica.image_name in self.own_images for replica in self.found[service])

    def missing(self, service: str) -> int:
        """How many containers of it there are too few."""
        return max(0, self.profile.services[service].replicas - self._whole(service))

    def is_due(self, service: str) -> bool:
        return bool(self.stale_of(service)) or self.missing(service) > 0

    @property
    def others(self) -> tuple[str, ...]:
        """The services that do not consume."""
        return tuple(service for service in self.found if service != self.worker)

    @property
    def ill_services(self) -> tuple[str, ...]:
        """Those that a health check calls unhealthy before anything is done."""
        return tuple(sorted({replica.service for replica in self.everyone if replica.is_ill}))

    @property
    def keeps_volumes(self) -> bool:
        """New containers are made, and have anonymous volumes to keep: only a recreate of all carries those over."""
        mounts = (mount for replica in self.replicas for mount in replica.mounts)
        return self.strategy is not Strategy.BIND and any(mount.is_anonymous for mount in mounts)

    @property
    def in_turn(self) -> bool:
        """One replica after the other, while another one consumes and new ones can be expected to come up."""
        several = len(self.replicas) > 1 and not self.how.all_at_once and not self.keeps_volumes
        return several and bool(self.consuming) and self.goal.consumes


@dataclass(frozen=True)
class Keeping:
    """Images that must not be lost. `repository`: of an image name, where its images are kept. `run_id`: their tag.

    `before`: what the names meant when the run began (empty for a new run: what they mean now). `own`: ids that the
    run itself has made or chosen, which need no keeping.
    """

    repository: Callable[[str], str]
    run_id: str
    before: Mapping[str, str] = field(default_factory=dict)
    own: tuple[str, ...] = ()

    def tags(self, now: Mapping[str, str]) -> dict[str, str]:
        """Image id by the name under which it is kept; what came after the run began has one of its own."""
        before = self.before or now
        kept = {f"{self.repository(name)}:{self.run_id}": image_id for name, image_id in before.items()}
        later = {
            f"{self.repository(name)}:{self.run_id}-later": image_id
            for name, image_id in now.items()
            if image_id not in (*before.values(), *self.own)
        }
        return {**kept, **later}
