"""A quick look at what runs, for the time between a rollback and its verdict: no probe, nothing asked inside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rollback_gate.evidence import boundary, logs
from rollback_gate.evidence.documents import Documents
from rollback_gate.evidence.readings import (
    DependentReading,
    DocumentsReading,
    McpReading,
    Readings,
    ReplicaReading,
    Started,
    Upstream,
)
from rollback_gate.model import Unmeasured
from rollback_gate.platform.engine import Engine
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.schema import Profile

_NOT_NOW = Unmeasured("this", "it is not looked at while the service settles")


@dataclass(frozen=True)
class Glances:
    """`first`: what the worker's containers were when the wait began; they must stay that."""

    profile: Profile
    engine: Engine
    documents: Documents | Unmeasured
    started: Mapping[str, Started]
    first: tuple[Replica, ...]

    def take(self, elapsed_s: float) -> Readings:
        """Raises Unreachable."""
        deployment = self.profile.deployment
        now = {r.id: r for r in self.engine.containers(deployment.project, self.profile.consumer)}
        replicas = tuple(self._replica(n, replica, now.get(replica.id)) for n, replica in enumerate(self.first, 1))
        dependents = {name: self.engine.containers(deployment.project, name) for name in self.profile.others}
        return Readings(
            expected_replicas=self.profile.replicas,
            source_digests=_NOT_NOW,
            run_id=None,
            replicas=replicas,
            dependents=tuple(
                DependentReading(name, rows, rows, {r.image_name: r.image_id for r in rows})
                for name, rows in dependents.items()
            ),
            mcp=McpReading(Upstream.NOT_ASKED, "not asked"),
            queue_before=_NOT_NOW,
            queue_after=_NOT_NOW,
            strangers=_NOT_NOW,
            probes=_NOT_NOW,
            documents=self._documents(),
            soak_s=elapsed_s,
            ids_after=_NOT_NOW,
        )

    def _replica(self, number: int, before: Replica, after: Replica | None) -> ReplicaReading:
        since = boundary.of_replica(before, self.started, None)
        log = _NOT_NOW if since is None else logs.read(self.engine, before, self.profile.logs, since)
        by_run = boundary.started_by_run(before, self.started)
        return ReplicaReading(f"replica-{number}", before, after, since, by_run, _NOT_NOW, _NOT_NOW, log, _NOT_NOW)

    def _documents(self) -> DocumentsReading | Unmeasured:
        since = boundary.of_documents(boundary.of_replica(r, self.started, None) for r in self.first)
        if since is None or isinstance(self.documents, Unmeasured):
            return Unmeasured("documents", "there is no boundary, or no way to the database")
        return self.documents.since(since)
