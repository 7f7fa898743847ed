"""Reads the services through the engine; all results are frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from rollback_gate.change.inside import Ask, Inside
from rollback_gate.change.outside import Outside
from rollback_gate.change.reading import CodeReading
from rollback_gate.errors import Unreachable
from rollback_gate.evidence import boundary, elsewhere, logs, unlisted
from rollback_gate.evidence.judged import Judged
from rollback_gate.evidence.log_lines import LogSummary
from rollback_gate.evidence.replicas import replicas_by_slot
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.platform.deployed import Deployed
from rollback_gate.platform.engines import Engines
from rollback_gate.platform.replica import Replica
from rollback_gate.platform.stands import Stands
from rollback_gate.platform.swarm.cluster import Cluster
from rollback_gate.profile.schema import Profile

NextStart = tuple[CodeReading | Unmeasured, CodeReading | Unmeasured]


@dataclass(frozen=True)
class Slots:
    """The expected replicas as found at the beginning. By slot: the container, None for none; and its service.

    Unmeasured: one that may exist where nobody could be asked.

    `consumer`: the service that reads the queue, "" if none does.
    """

    replicas: Mapping[str, Replica | Unmeasured | None]
    services: Mapping[str, str]
    consumer: str

    @property
    def found(self) -> tuple[Replica, ...]:
        return tuple(one for one in self.replicas.values() if isinstance(one, Replica))

    @property
    def consuming(self) -> dict[str, Replica]:
        """Existing replicas that read the queue, by slot."""
        return {slot: one for slot, one in self.replicas.items() if isinstance(one, Replica) and self.consumes(slot)}

    def consumes(self, slot: str) -> bool:
        return self.services[slot] == self.consumer


@dataclass(frozen=True)
class Services:
    """Reads through the engine. A failed reading is Unmeasured, unless the method is documented to raise."""

    profile: Profile
    engines: Engines
    judged: Judged
    ask: Ask

    def slots(self) -> Slots:
        """The expected replicas and the containers found now. Raises Unreachable."""
        deployed = Deployed(self.profile, self.engines)
        found = replicas_by_slot(self.profile, deployed.carriers(), deployed.unseen())
        return Slots(
            {slot: replica for slot, (_, replica) in found.items()},
            {slot: service for slot, (service, _) in found.items()},
            next((name for name, service in self.profile.services.items() if service.consumes), ""),
        )

    def of_project(self) -> tuple[Replica, ...]:
        """All containers of the project. Raises Unreachable."""
        return Deployed(self.profile, self.engines).everyone()

    def boundary(self, replica: Replica) -> Instant | None:
        return boundary.of_replica(replica, self.judged.started, self.judged.since)

    def since(self, slots: Slots) -> Instant | None:
        """The boundary of documents: the latest of the replicas that write them; without any, the latest of all."""
        writing = slots.consuming.values() if slots.consumer else slots.found
        return boundary.of_documents(self.boundary(replica) for replica in writing)

    def codes(self, slots: Slots) -> dict[str, CodeReading | Unmeasured]:
        inside = Inside(self.profile, self.engines, self.ask, self.judged.partial)

        def code(replica: Replica | Unmeasured | None) -> CodeReading | Unmeasured:
            return replica if isinstance(replica, Unmeasured) else inside.code(replica)

        with ThreadPoolExecutor(max_workers=8) as pool:
            return dict(zip(slots.replicas, pool.map(code, slots.replicas.values()), strict=True))

    def next_starts(self, slots: Slots) -> dict[str, NextStart]:
        """By container id, the code that a restart and a recreate would run; it must be the code that was judged."""
        outside = Outside(self.profile, self.engines)
        restarted, recreated = outside.after_a_restart(slots.found), outside.after_a_recreate(slots.found)
        return {replica.id: (restarted[replica.id], recreated[replica.id]) for replica in slots.found}

    def elsewhere(self, slots: Slots) -> elsewhere.Found:
        """By service and node, the code that a new container would run where none runs now."""
        return elsewhere.read(self.profile, self.engines, slots.found)

    def left_out(self, everyone: tuple[Replica, ...]) -> dict[str, str]:
        """Services that carry an item and are neither listed nor waived in the profile. Raises Unreachable."""
        outside = Outside(self.profile, self.engines)
        deployed = Deployed(self.profile, self.engines)
        found = outside.carried_by(
            deployed.unlisted(everyone), [r for r in everyone if r.service in self.profile.services]
        )
        unseen = {name: f"cannot be looked into: {why.reason}" for name, why in deployed.unseen_others().items()}
        return self._by_specs() | unseen | found

    def _by_specs(self) -> dict[str, str]:
        """Of a stack, also of services of which nothing runs. Raises Unreachable."""
        if not isinstance(self.engines, Cluster):
            return {}
        return unlisted.left_out(self.profile, self.engines.services(self.profile.deployment.project))

    def logs(self, slots: Slots, followed: Mapping[str, LogSummary | Unmeasured]) -> dict[str, LogSummary | Unmeasured]:
        """Logs by slot: as followed for replicas that ran at the beginning; others are read once."""
        with ThreadPoolExecutor(max_workers=8) as pool:
            rest = {slot: r for slot, r in slots.replicas.items() if slot not in followed}
            read = {slot: pool.submit(self._log, replica) for slot, replica in rest.items()}
            return {slot: followed[slot] if slot in followed else read[slot].result() for slot in slots.replicas}

    def _log(self, replica: Replica | Unmeasured | None) -> LogSummary | Unmeasured:
        if isinstance(replica, Unmeasured):
            return replica
        since = self.boundary(replica) if replica else None
        if replica is None or since is None:
            return Unmeasured("the log", "the replica does not exist or was never started")
        return logs.read(self.engines, replica, self.profile.logs, boundary.of_log(replica, since))

    def stands(self) -> Stands | Unmeasured | None:
        """How the platform itself stands to the services."""
        try:
            return Deployed(self.profile, self.engines).stands()
        except Unreachable as error:
            return Unmeasured("the state of the Swarm", error.message)

    def images_of_names(self, slots: Slots) -> dict[str, str | Unmeasured | None]:
        """By container id, the image that its name points to now, where it runs; None for no image."""
        alike = {(replica.node, replica.image_name): replica for replica in slots.found}
        now = {key: self._image_of(replica) for key, replica in alike.items()}
        return {replica.id: now[replica.node, replica.image_name] for replica in slots.found}

    def _image_of(self, replica: Replica) -> str | Unmeasured | None:
        try:
            return self.engines.of(replica).image_id(replica.image_name)
        except Unreachable as error:
            return Unmeasured("the image that the service names", error.message)
