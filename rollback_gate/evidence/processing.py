"""Probes through the queue and documents from the database: what the running process does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from rollback_gate.deployment.engine import Engine
from rollback_gate.deployment.replica import Replica
from rollback_gate.errors import Unreachable
from rollback_gate.evidence.documents import Documents
from rollback_gate.evidence.probe import Probes, lines_about
from rollback_gate.evidence.readings import DocumentsReading, ProbeReading, ProbesReading
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.profile.schema import Profile


@dataclass(frozen=True)
class Processing:
    """Everything that one verify does with documents; it leaves none of its own behind."""

    profile: Profile
    engine: Engine
    record_id: str
    tell: Callable[[str], None]
    clock: Callable[[], float]
    sleep: Callable[[float], None]

    def read(
        self, documents: Documents | Unmeasured, replicas: Mapping[str, Replica | None], since: Instant | None
    ) -> tuple[ProbesReading | Unmeasured, DocumentsReading | Unmeasured]:
        """Probes, and documents since the boundary (probes among them). Never raises: what fails is Unmeasured."""
        if isinstance(documents, Unmeasured):
            return Unmeasured("probes", documents.reason), documents
        if since is None:
            never = "no replica has ever been started, so there is no boundary"
            return Unmeasured("probes", never), Unmeasured("documents since the boundary", never)
        running = {slot: replica for slot, replica in replicas.items() if replica and replica.is_running}
        if not running:
            return Unmeasured("probes", "no replica runs that could pick one up"), documents.since(since)
        try:
            probes = self._probe(documents, running, since)
        except Unreachable as error:
            probes = Unmeasured("probes", error.message)
        found = documents.since(since)
        return self._cleaned(probes, documents), found

    def only_look(
        self, documents: Documents | Unmeasured, since: Instant | None
    ) -> tuple[ProbesReading | Unmeasured, DocumentsReading | Unmeasured]:
        """Documents as they are; nothing is sent. Never raises."""
        none_sent = Unmeasured("probes", "none is sent to a service that is about to be rolled back")
        if isinstance(documents, Unmeasured):
            return none_sent, documents
        if since is None:
            return none_sent, Unmeasured("documents since the boundary", "no replica has ever been started")
        return none_sent, documents.since(since)

    def _probe(
        self, documents: Documents, running: Mapping[str, Replica], since: Instant
    ) -> ProbesReading | Unmeasured:
        probes = Probes(
            self.profile, self.engine, documents, self.record_id, running, self.tell, self.clock, self.sleep
        )
        swept = documents.sweep_probes()
        seen = probes.reach_every_replica()
        if seen and all(probe.finished for probe in seen):  # otherwise more of them would only wait behind these
            self._fill_sample(probes, documents, since)
        seen = probes.look()
        return ProbesReading(self._with_lines(seen, running), self.profile.limits.probe_s, swept)

    def _fill_sample(self, probes: Probes, documents: Documents, since: Instant) -> None:
        """Wait for organic documents first; probes fill up what is then missing of the sample."""
        deadline = self.clock() + self.profile.limits.sample_wait_s
        while True:
            found = documents.since(since)
            have = 0 if isinstance(found, Unmeasured) else len(found.documents)
            missing = self.profile.completeness.minimum_sample - have
            if isinstance(found, Unmeasured) or missing <= 0:
                return
            if self.clock() >= deadline:
                self.tell(f"sample: {missing} more documents are needed, sending probes")
                probes.fill_up(missing)
                return
            self.sleep(min(1.0, max(deadline - self.clock(), 0.05)))

    def _with_lines(self, seen: tuple[ProbeReading, ...], running: Mapping[str, Replica]) -> tuple[ProbeReading, ...]:
        """For a probe that did not end well: what its replica logged since it was sent."""

        def completed(probe: ProbeReading) -> ProbeReading:
            ended_well = probe.document is not None and probe.document.score is not None and not probe.stuck_in
            where = probe.stuck_in[0][0] if probe.stuck_in else probe.replica
            if ended_well or where is None:
                return probe
            return replace(probe, log_lines=lines_about(self.engine, probe, running[where]))

        return tuple(completed(probe) for probe in seen)

    @staticmethod
    def _cleaned(probes: ProbesReading | Unmeasured, documents: Documents) -> ProbesReading | Unmeasured:
        """Every trace is removed; what cannot be removed, or is still to come, is named."""
        leftovers: list[str] = []
        try:
            documents.sweep_probes()
        except Unreachable as error:
            leftovers.append(f"traces of the probes could not be removed: {error.message}")
        if isinstance(probes, Unmeasured):
            return Unmeasured(probes.what, "; ".join([probes.reason, *leftovers]))
        late = [probe.document_id for probe in probes.probes if not probe.finished or probe.stuck_in]
        leftovers += [
            f"{document_id} is still in work and may be saved yet; the next verify sweeps it" for document_id in late
        ]
        return replace(probes, leftovers=tuple(leftovers))
