"""A quick look at the service between a rollback and its verdict: no probe, and no command in a container."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rollback_gate.evidence import boundary, logs
from rollback_gate.evidence.documents import Documents
from rollback_gate.evidence.log_lines import LogSummary
from rollback_gate.evidence.readings import (
    DocumentsReading,
    Readings,
    ReplicaReading,
    Started,
    UpstreamReading,
    UpstreamState,
)
from rollback_gate.evidence.replicas import replicas_by_slot
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.platform.deployed import Deployed
from rollback_gate.platform.engines import Engines
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.schema import Profile

_NOT_NOW = Unmeasured("this", "it is not looked at while the service settles")


@dataclass(frozen=True)
class Glances:
    """`first`: the containers of all services when the wait began; they must stay the same."""

    profile: Profile
    engines: Engines
    documents: Documents | Unmeasured
    started: Mapping[str, Started]
    first: tuple[Replica, ...]

    def take(self, elapsed_s: float) -> Readings:
        """The readings of one look. Raises Unreachable."""
        now = {r.id: r for r in Deployed(self.profile, self.engines).carriers()}
        slots = replicas_by_slot(self.profile, self.first)
        return Readings(
            expected={name: service.replicas for name, service in self.profile.services.items()},
            source_digests=_NOT_NOW,
            run_id=None,
            replicas=tuple(self._replica(slot, service, found, now) for slot, (service, found) in slots.items()),
            upstream=UpstreamReading(UpstreamState.NOT_ASKED, "not asked", self.profile.upstream_name),
            queue_before=_NOT_NOW,
            queue_after=_NOT_NOW,
            strangers=_NOT_NOW,
            probes=_NOT_NOW,
            documents=self._documents(),
            soak_s=elapsed_s,
            ids_after={},
        )

    def _log(self, replica: Replica | None, since: Instant | None) -> LogSummary | Unmeasured:
        if replica is None or since is None:
            return _NOT_NOW
        return logs.read(self.engines, replica, self.profile.logs, boundary.of_log(replica, since))

    def _replica(
        self, slot: str, service: str, found: Replica | Unmeasured | None, now: Mapping[str, Replica]
    ) -> ReplicaReading:
        before = found if isinstance(found, Replica) else None
        since = boundary.of_replica(before, self.started, None) if before else None
        return ReplicaReading(
            slot=slot,
            service=service,
            consumes=self.profile.services[service].consumes,
            before=before,
            after=now.get(before.id) if before else None,
            boundary=since,
            by_run=boundary.started_by_run(before, self.started) if before else None,
            image_of_tag=_NOT_NOW,
            code=_NOT_NOW,
            log=self._log(before, since),
            in_queue=_NOT_NOW,
        )

    def _documents(self) -> DocumentsReading | Unmeasured:
        since = boundary.of_documents(
            boundary.of_replica(r, self.started, None) for r in self.first if r.service == self.profile.consumer
        )
        if since is None or isinstance(self.documents, Unmeasured):
            return Unmeasured("documents", "there is no boundary, or no way to the database")
        return self.documents.since(since)
