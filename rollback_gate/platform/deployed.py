"""A deployment as its platform shows it: services, and the replicas of each, found by its labels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from rollback_gate.model import Unmeasured
from rollback_gate.platform.engines import Engines
from rollback_gate.platform.replica import Replica
from rollback_gate.platform.stands import Stands
from rollback_gate.profile.schema import Profile


@dataclass(frozen=True)
class Deployed:
    """Containers of a profile's deployment. Every method queries the engines again and may raise Unreachable."""

    profile: Profile
    engines: Engines

    def replicas(self, service: str) -> tuple[Replica, ...]:
        """Replicas of one service, running or not, sorted by name."""
        found = self.engines.of_service(self._project, service)
        return tuple(sorted(found, key=lambda replica: replica.name))

    def unseen(self) -> dict[str, tuple[Unmeasured, ...]]:
        """By service, one for each container that may exist where nobody could be asked."""
        return {name: tuple(self.engines.unseen(self._project, name)) for name in self.profile.services}

    def unseen_others(self) -> dict[str, Unmeasured]:
        """Services that are neither listed nor waived, and may have a container where nobody could be asked."""
        known = {*self.profile.services, *self.profile.waived}
        return {name: why for name, why in self.engines.unseen_services(self._project).items() if name not in known}

    def stands(self) -> Stands | None:
        """How the platform itself stands to the services; None under Compose."""
        return self.engines.stands(self._project, self.profile.services)

    def consumers(self) -> tuple[Replica, ...]:
        """Replicas of the service that consumes the queue."""
        return self.replicas(self.profile.consumer)

    def by_service(self) -> dict[str, tuple[Replica, ...]]:
        """Replicas of every service that carries the change, in the profile's order."""
        return {service: self.replicas(service) for service in self.profile.services}

    def counted(self) -> dict[str, tuple[Replica, ...]]:
        """The same, without containers that have outlived their task."""
        return {name: tuple(one for one in rows if not one.unwanted) for name, rows in self.by_service().items()}

    def carriers(self) -> tuple[Replica, ...]:
        """As `by_service`, as one list."""
        return tuple(replica for rows in self.by_service().values() for replica in rows)

    def others(self) -> dict[str, str]:
        """Of other services, by name, what must be the same after a rollback."""
        return self.engines.others(self._project, self.profile.services)

    def unlisted(self, everyone: Iterable[Replica]) -> tuple[Replica, ...]:
        """Containers of services that the profile neither lists nor waives, and running ones of `docker compose run`.

        The latter have service "" here: they are not replicas of the service they were started from.
        """
        known = {*self.profile.services, *self.profile.waived}
        others = tuple(one for one in everyone if (one.service or one.name) not in known)
        return (*others, *(one for one in self._one_offs() if one.name not in known))

    def _one_offs(self) -> tuple[Replica, ...]:
        found = self.engines.one_offs(self._project)
        return tuple(replace(one, service="") for one in found if one.is_running)

    def everyone(self) -> tuple[Replica, ...]:
        """Containers of the whole project, of any service, except those of `docker compose run`."""
        return tuple(self.engines.of_project(self._project))

    @property
    def _project(self) -> str:
        return self.profile.deployment.project
