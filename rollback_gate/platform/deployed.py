"""A deployment as its platform shows it: services, and the replicas of each. Compose's labels are known here alone."""

from __future__ import annotations

from dataclasses import dataclass

from rollback_gate.platform.engine import Engine
from rollback_gate.platform.replica import ONEOFF_LABEL, PROJECT_LABEL, SERVICE_LABEL, Replica
from rollback_gate.profile.schema import Profile


@dataclass(frozen=True)
class Deployed:
    """What runs of a profile's deployment. Every question is asked of the engine anew, and may raise Unreachable."""

    profile: Profile
    engine: Engine

    def replicas(self, service: str) -> tuple[Replica, ...]:
        """Of one service, running or not, by name."""
        found = self.engine.labelled(f"containers of {service}", *self._project(), f"{SERVICE_LABEL}={service}")
        return tuple(sorted(found, key=lambda replica: replica.name))

    def consumers(self) -> tuple[Replica, ...]:
        """Of the service that consumes the queue."""
        return self.replicas(self.profile.consumer)

    def by_service(self) -> dict[str, tuple[Replica, ...]]:
        """Of every service that carries the change, in the profile's order."""
        return {service: self.replicas(service) for service in self.profile.services}

    def carriers(self) -> tuple[Replica, ...]:
        """The same as one list."""
        return tuple(replica for rows in self.by_service().values() for replica in rows)

    def everyone(self) -> tuple[Replica, ...]:
        """Of the whole project, of whatever service."""
        project = self.profile.deployment.project
        return tuple(self.engine.labelled(f"containers of project {project}", *self._project()))

    def _project(self) -> tuple[str, str]:
        return f"{PROJECT_LABEL}={self.profile.deployment.project}", f"{ONEOFF_LABEL}=False"
