"""All readings of one verify, in the order in which they have to be taken."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from rollback_gate.deployment.archive import file_in, python_files_in
from rollback_gate.deployment.engine import Engine
from rollback_gate.deployment.replica import Replica
from rollback_gate.deployment.strategy import container_path
from rollback_gate.errors import Unreachable
from rollback_gate.evidence import boundary, code, import_graph, logs, mcp, queue
from rollback_gate.evidence.documents import Documents
from rollback_gate.evidence.import_graph import KeptModules
from rollback_gate.evidence.log_lines import LogSummary
from rollback_gate.evidence.processing import Processing
from rollback_gate.evidence.readings import (
    Baseline,
    CodeReading,
    DependentReading,
    QueueReading,
    Readings,
    ReplicaReading,
    Series,
    Started,
)
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.profile.schema import Profile

_SETTLE_S = 5.0
_BUCKETS, _FINEST_S = 72, 10.0  # points of the picture over time


def _now() -> Instant:
    return Instant.from_epoch_s(time.time())


Ask = Callable[[Replica, str], code.Answer]


@dataclass(frozen=True)
class Judged:
    """What is judged: the run (or none), the digests of its sources by path, what it started by container id.

    `partial`: the rollback keeps the new modules; what counts is that nobody uses them. `baseline`: what was normal.
    `invasive` False: a look at what misbehaves, before it is rolled back: nothing is sent, nobody is waited for.
    """

    run_id: str | None
    source_digests: dict[str, str] | Unmeasured
    started: Mapping[str, Started]
    since: Instant | None = None
    partial: bool = False
    baseline: Baseline | None = None
    invasive: bool = True


@dataclass(frozen=True)
class Collector:
    """`documents` is Unmeasured where there is no way to the database; `ask` runs a command in a replica."""

    profile: Profile
    engine: Engine
    documents: Documents | Unmeasured
    judged: Judged
    record_id: str
    ask: Ask
    tell: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], Instant] = _now

    def collect(self) -> Readings:
        """Raises Unreachable when the engine itself is lost; everything else becomes Unmeasured in its place."""
        if self.judged.invasive:
            self._wait_for_health()
        before = self._by_slot(self.engine.containers(self._project, self.profile.deployment.worker))
        began = self.clock()
        dependents = {name: self._containers(name) for name in self.profile.deployment.dependents}
        codes = self._codes(before)
        mcp_reading = mcp.read(self.profile)
        queue_before = queue.read(self.profile)
        since = boundary.of_documents(self._boundary(r) for r in before.values() if r)
        processing = Processing(self.profile, self.engine, self.record_id, self.tell, self.clock, self.sleep)
        if self.judged.invasive:
            probes, documents = processing.read(self.documents, before, since)
            if mcp_reading.answers:
                mcp_reading = mcp.read(self.profile)  # it may have gone while the probes were under way
            self._soak(began, before)
        else:
            probes, documents = processing.only_look(self.documents, since)
        queue_after = queue.read(self.profile)
        summaries = self._logs(before)
        codes_after = self._codes(before)
        replicas = tuple(
            ReplicaReading(
                slot=slot,
                before=replica,
                after=self._after(replica),
                boundary=self._boundary(replica) if replica else None,
                by_run=boundary.started_by_run(replica, self.judged.started) if replica else None,
                image_of_tag=self._image_of_tag(replica),
                code=codes[slot],
                log=summaries[slot],
                in_queue=_in_queue(replica, queue_after),
                code_after=codes_after[slot],
                finished_in_queue=queue.finished_by(replica, queue_before, queue_after) if replica else None,
            )
            for slot, replica in before.items()
        )
        return Readings(
            expected_replicas=self.profile.deployment.replicas,
            source_digests=self.judged.source_digests,
            run_id=self.judged.run_id,
            replicas=replicas,
            dependents=tuple(self._dependent(name, first) for name, first in dependents.items()),
            mcp=mcp_reading,
            queue_before=queue_before,
            queue_after=queue_after,
            strangers=self._strangers((queue_before, queue_after), before),
            probes=probes,
            documents=documents,
            soak_s=self.clock() - began,
            ids_after=self._ids(),
            baseline=self.judged.baseline,
            project_exists=self.engine.has_project(self._project),
            history=self._history(since),
        )

    def _history(self, since: Instant | None) -> Series | Unmeasured | None:
        """Completeness before and after the boundary, for the record's picture."""
        span_s = self.profile.limits.history_s
        if not (span_s and since and self.judged.invasive):
            return None
        if isinstance(self.documents, Unmeasured):
            return self.documents
        bucket_s = max(_FINEST_S, (self.now().seconds_since(since) + span_s) / _BUCKETS)
        first = since.plus(-bucket_s * math.ceil(span_s / bucket_s))  # so that one ends where the boundary is
        return self.documents.series(first, bucket_s)

    @property
    def _project(self) -> str:
        return self.profile.deployment.compose_project

    def _by_slot(self, found: tuple[Replica, ...]) -> dict[str, Replica | None]:
        """Every expected replica has a slot, found or not; those beyond the expected number have one too."""
        count = max(self.profile.deployment.replicas, len(found))
        return {f"replica-{n + 1}": found[n] if n < len(found) else None for n in range(count)}

    def _ids(self) -> dict[str, str] | Unmeasured:
        found = self._containers(self.profile.deployment.worker)
        return found if isinstance(found, Unmeasured) else {replica.name: replica.id for replica in found}

    def _containers(self, service: str) -> tuple[Replica, ...] | Unmeasured:
        try:
            return self.engine.containers(self._project, service)
        except Unreachable as error:
            return Unmeasured(f"containers of {service}", error.message)

    def _wait_for_health(self) -> None:
        """A health check that has not spoken yet says nothing: wait for its first word, bounded."""
        deadline = self.clock() + self.profile.limits.health_s
        services = (self.profile.deployment.worker, *self.profile.deployment.dependents)
        while self.clock() < deadline:
            found = [r for name in services for r in self.engine.containers(self._project, name)]
            if not any(replica.health == "starting" and replica.is_running for replica in found):
                return
            self.sleep(0.25)

    def _boundary(self, replica: Replica) -> Instant | None:
        return boundary.of_replica(replica, self.judged.started, self.judged.since)

    # --- inside the containers

    def _codes(self, before: Mapping[str, Replica | None]) -> dict[str, CodeReading | Unmeasured]:
        with ThreadPoolExecutor(max_workers=8) as pool:
            return dict(zip(before, pool.map(self._code, before.values()), strict=True))

    def _code(self, replica: Replica | None) -> CodeReading | Unmeasured:
        """Inspected first: in a container that does not run, every file would seem to be missing."""
        if replica is None:
            return Unmeasured("the code", "the replica does not exist")
        what = f"the code in {replica.name}"
        if not replica.is_running:
            return Unmeasured(what, f"the container is {replica.condition}; nothing can be asked inside it")
        reading = code.read(self.profile, lambda script: self.ask(replica, script), replica.name)
        now = self.engine.inspect(replica.id)
        if now is None or not now.is_running or now.started_at != replica.started_at:
            return Unmeasured(what, "the container was stopped or restarted while it was being read")
        if self.judged.partial and isinstance(reading, CodeReading):
            return replace(reading, kept=self._kept(replica))
        return reading

    def _kept(self, replica: Replica) -> KeptModules | Unmeasured:
        profile = self.profile
        files: dict[str, str] = {}
        waiting = {PurePosixPath(entry).parts[0] for entry in profile.code.entries}
        seen: set[str] = set()
        try:
            while waiting:  # what they import may lie in other folders beside theirs
                seen |= waiting
                for name in waiting:
                    files |= self._python_files(replica, name)
                waiting = import_graph.top_names(files) - seen
        except Unreachable as error:
            return Unmeasured(f"what {replica.name} imports", error.message)
        return import_graph.read(files, profile.code.entries, profile.code.remove, replica.name)

    def _python_files(self, replica: Replica, name: str) -> dict[str, str]:
        """Of the folder `name`, or the module `name`.py, of container_root; {} for what is installed elsewhere."""
        folder = container_path(self.profile, name)
        found = python_files_in(self.engine, replica.id, folder)
        data = None if found else file_in(self.engine, replica.id, f"{folder}.py")
        alone = {} if data is None else {f"{name}.py": data.decode(errors="replace")}
        return {f"{name}/{path}": text for path, text in found.items()} | alone

    def _logs(self, before: Mapping[str, Replica | None]) -> dict[str, LogSummary | Unmeasured]:
        def one(replica: Replica | None) -> LogSummary | Unmeasured:
            since = self._boundary(replica) if replica else None
            if replica is None or since is None:
                return Unmeasured("the log", "the replica does not exist or was never started")
            return logs.read(self.engine, replica, self.profile.logs, since)

        with ThreadPoolExecutor(max_workers=8) as pool:
            return dict(zip(before, pool.map(one, before.values()), strict=True))

    # --- around it

    def _soak(self, began: float, before: Mapping[str, Replica | None]) -> None:
        """The replicas must stay as they are; what changes is a finding at once, and ends the wait."""
        left = self.profile.limits.soak_s - (self.clock() - began)
        if left > 0:
            self.tell(f"soak: watching the replicas for {left:.0f} s more")
        while self.clock() - began < self.profile.limits.soak_s:
            known = [replica for replica in before.values() if replica]
            if any(_identity(self.engine.inspect(replica.id)) != _identity(replica) for replica in known):
                self._settle(known)
                return
            self.sleep(min(1.0, max(self.profile.limits.soak_s - (self.clock() - began), 0.05)))

    def _settle(self, known: list[Replica]) -> None:
        """In the middle of a restart a container is exited: give whoever restarts it a moment to end."""
        deadline = self.clock() + _SETTLE_S
        while self.clock() < deadline:
            now = [self.engine.inspect(replica.id) for replica in known]
            if all(replica is None or replica.is_running for replica in now):
                return
            self.sleep(0.1)

    def _after(self, replica: Replica | None) -> Replica | Unmeasured | None:
        try:
            return None if replica is None else self.engine.inspect(replica.id)
        except Unreachable as error:
            return Unmeasured("the replica after the checks", error.message)

    def _dependent(self, name: str, before: tuple[Replica, ...] | Unmeasured) -> DependentReading:
        found = () if isinstance(before, Unmeasured) else before
        images = {replica.image_name: self._image_of_tag(replica) for replica in found}
        return DependentReading(name, before, self._containers(name), images)

    def _image_of_tag(self, replica: Replica | None) -> str | Unmeasured | None:
        try:
            return None if replica is None else self.engine.image_id(replica.image_name)
        except Unreachable as error:
            return Unmeasured("the image that the service names", error.message)

    def _strangers(
        self, readings: tuple[QueueReading | Unmeasured, ...], before: Mapping[str, Replica | None]
    ) -> tuple[str, ...] | Unmeasured:
        """Seen before the probes or after them."""
        found: list[str] = []
        for reading in readings:
            if isinstance(reading, Unmeasured):
                return reading
            found += queue.strangers(reading, [replica for replica in before.values() if replica])
        return tuple(dict.fromkeys(found))


def _identity(replica: Replica | None) -> tuple[object, ...] | None:
    if replica is None:
        return None
    return replica.id, replica.started_at, replica.restart_count, replica.status


def _in_queue(replica: Replica | None, reading: QueueReading | Unmeasured) -> bool | Unmeasured:
    if isinstance(reading, Unmeasured):
        return reading
    return replica is not None and queue.has(reading, replica)
