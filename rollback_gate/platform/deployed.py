"""A deployment as its platform shows it: services, and the replicas of each, found by Compose's labels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from rollback_gate.platform.engine import Engine
from rollback_gate.platform.replica import ONEOFF_LABEL, PROJECT_LABEL, SERVICE_LABEL, Replica
from rollback_gate.profile.schema import Profile


@dataclass(frozen=True)
class Deployed:
    """Containers of a profile's deployment. Every method queries the engine again and may raise Unreachable."""

    profile: Profile
    engine: Engine

    def replicas(self, service: str) -> tuple[Replica, ...]:
        """Replicas of one service, running or not, sorted by name."""
        found = self.engine.labelled(f"containers of {service}", *self._project(), f"{SERVICE_LABEL}={service}")
        return tuple(sorted(found, key=lambda replica: replica.name))

    def consumers(self) -> tuple[Replica, ...]:
        """Replicas of the service that consumes the queue."""
        return self.replicas(self.profile.consumer)

    def by_service(self) -> dict[str, tuple[Replica, ...]]:
        """Replicas of every service that carries the change, in the profile's order."""
        return {service: self.replicas(service) for service in self.profile.services}

    def carriers(self) -> tuple[Replica, ...]:
        """The same as one list."""
        return tuple(replica for rows in self.by_service().values() for replica in rows)

    def unlisted(self, everyone: Iterable[Replica]) -> tuple[Replica, ...]:
        """Containers of services that the profile neither lists nor waives, and running ones of `docker compose run`.

        The latter have service "" here: they are not replicas of the service they were started from.
        """
        known = {*self.profile.services, *self.profile.waived}
        others = tuple(one for one in everyone if (one.service or one.name) not in known)
        return (*others, *(one for one in self._one_offs() if one.name not in known))

    def _one_offs(self) -> tuple[Replica, ...]:
        project = self.profile.deployment.project
        labels = (f"{PROJECT_LABEL}={project}", f"{ONEOFF_LABEL}=True")
        found = self.engine.labelled(f"one-off containers of project {project}", *labels)
        return tuple(replace(one, service="") for one in found if one.is_running)

    def everyone(self) -> tuple[Replica, ...]:
        """Containers of the whole project, of any service, except those of `docker compose run`."""
        project = self.profile.deployment.project
        return tuple(self.engine.labelled(f"containers of project {project}", *self._project()))

    def _project(self) -> tuple[str, str]:
        return f"{PROJECT_LABEL}={self.profile.deployment.project}", f"{ONEOFF_LABEL}=False"
