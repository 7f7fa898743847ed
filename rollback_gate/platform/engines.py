"""The engines of a deployment: one under Compose, one for each node of a Swarm."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Protocol

from rollback_gate.errors import Unreachable
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.platform.engine import Engine
from rollback_gate.platform.replica import Replica
from rollback_gate.platform.stands import Stands


class Engines(Protocol):
    """What is asked of a container, only the engine that runs it can answer: there is no question to all of them.

    `id`: of the engine, or of the cluster. `host`: the address under which it is asked. `environment`: makes docker
    talk to the same one.
    """

    @property
    def id(self) -> str: ...

    @property
    def host(self) -> str: ...

    @property
    def environment(self) -> Mapping[str, str]: ...

    @property
    def main(self) -> Engine:
        """The one that the docker command talks to."""

    def of(self, _: Replica, /) -> Engine:
        """The engine that runs it. Raises Unreachable."""

    def now(self) -> Instant:
        """The deployment's clock: the engine's, or the manager's. Raises Unreachable."""

    def of_service(self, project: str, service: str) -> list[Replica]:
        """Containers of one service, running or not. Raises Unreachable."""

    def unseen(self, project: str, service: str) -> list[Unmeasured]:
        """One for each container of a service that may exist where nobody could be asked. Raises Unreachable."""

    def unseen_services(self, project: str) -> dict[str, Unmeasured]:
        """Services with such a container, and why it could not be seen. Raises Unreachable."""

    def places(self, project: str, service: str) -> list[str]:
        """Nodes on which a new container of the service may start; [] where there is one engine. Raises Unreachable."""

    def stands(self, project: str, services: Iterable[str]) -> Stands | None:
        """How the platform itself stands to these services; None where it is one engine. Raises Unreachable."""

    def of_project(self, project: str) -> list[Replica]:
        """Containers of all services. Raises Unreachable."""

    def one_offs(self, project: str) -> list[Replica]:
        """Containers that were started from a service, beside it (`docker compose run`). Raises Unreachable."""

    def why_ended(self, project: str, _: Replica, /) -> str:
        """Why the platform itself has ended the container, in words; "" if it has not. Raises Unreachable."""

    def others(self, project: str, listed: Iterable[str]) -> dict[str, str]:
        """Of other services, by name, what must be the same after a rollback. Raises Unreachable."""

    def everywhere(self) -> Iterable[Engine]:
        """Each engine that can be reached."""

    def close(self) -> None: ...


def now_of(engines: Engines, replica: Replica) -> Replica | None:
    """The same container as it is now; None if it no longer exists. Raises Unreachable.

    Its engine does not know what only the manager of a Swarm does: that stays as it was.
    """
    now = engines.of(replica).inspect(replica.id)
    if now is None or not replica.node:
        return now
    return replace(
        now,
        node=replica.node,
        service=replica.service,
        number=replica.number,
        config_hash=replica.config_hash,
        configs=replica.configs,
        failed_at=replica.failed_at,
        unwanted=replica.unwanted,
    )


def anywhere(engines: Engines, container_id: str) -> Replica | None:
    """A container of which only the id is known; None if no engine that answers has it. Raises Unreachable."""
    found = (engine.inspect(container_id) for engine in engines.everywhere())
    return next((replica for replica in found if replica is not None), None)


def time_at(engines: Engines, replica: Replica) -> Instant | Unmeasured:
    """The clock by which its start and its log lines are dated."""
    try:
        return engines.of(replica).now()
    except Unreachable as error:
        return Unmeasured("the engine's time", error.message)


def times_at(engines: Engines, replicas: Iterable[Replica]) -> dict[str, Instant | Unmeasured]:
    """The clocks of these replicas by node, each asked once."""
    return {node: time_at(engines, replica) for node, replica in {one.node: one for one in replicas}.items()}
