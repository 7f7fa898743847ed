"""All readings of one verify, in the order in which they have to be taken."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from rollback_gate.change.inside import Ask, Inside
from rollback_gate.change.outside import Outside
from rollback_gate.change.reading import Baseline, CodeReading
from rollback_gate.errors import Unreachable
from rollback_gate.evidence import boundary, logs, mcp, queue
from rollback_gate.evidence.documents import Documents
from rollback_gate.evidence.log_lines import LogSummary
from rollback_gate.evidence.probe_memory import ProbeMemory
from rollback_gate.evidence.processing import Processing, since_of
from rollback_gate.evidence.readings import (
    McpReading,
    ProbesReading,
    QueueReading,
    Readings,
    ReplicaReading,
    Series,
    Started,
    Upstream,
)
from rollback_gate.evidence.replicas import replicas_by_slot
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.platform.engine import Engine
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.schema import Profile

_SETTLE_S = 5.0
_POLL_S, _MARKS_S = 1.0, 5.0
_BUCKETS, _FINEST_S = 72, 10.0  # points of the picture over time


def _now() -> Instant:
    return Instant.from_epoch_s(time.time())


@dataclass(frozen=True)
class Judged:
    """What is judged: the run (or none), the digests of its sources by path, what it started by container id.

    `partial`: the rollback keeps the new modules; what counts is that nobody uses them. `baseline`: what was normal.
    `invasive` False: a look at what misbehaves, before it is rolled back: nothing is sent, nobody is waited for.
    `deployed_at`: when the change came, where that is known: what was normal before it. `ill_before`: Readings has it.
    """

    run_id: str | None
    source_digests: dict[str, str] | Unmeasured
    started: Mapping[str, Started]
    since: Instant | None = None
    partial: bool = False
    baseline: Baseline | None = None
    invasive: bool = True
    deployed_at: Instant | None = None
    ill_before: Mapping[str, str] = field(default_factory=dict)


NextStart = tuple[CodeReading | Unmeasured, CodeReading | Unmeasured]


@dataclass(frozen=True)
class Look:
    """What is measured at one moment, at the beginning and at the end.

    `next_starts`, at the end only: by container id, what a restart and what a recreate would find.
    """

    codes: Mapping[str, CodeReading | Unmeasured]
    queue: QueueReading | Unmeasured
    next_starts: Mapping[str, NextStart] = field(default_factory=dict)


@dataclass(frozen=True)
class Collector:
    """`documents` is Unmeasured where there is no way to the database; `ask` runs a command in a replica.

    `decided`: what of these readings no waiting can change, in words; "" for nothing (checks/early.py). `keep_going`:
    it is all measured nevertheless. `configured`: what Compose would make of the services of these replicas now.
    """

    profile: Profile
    engine: Engine
    documents: Documents | Unmeasured
    judged: Judged
    record_id: str
    memory: ProbeMemory
    ask: Ask
    tell: Callable[[str], None]
    decided: Callable[[Readings], str]
    configured: Callable[[Iterable[Replica]], Mapping[str, str | Unmeasured]]
    keep_going: bool = False
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], Instant] = _now

    def collect(self) -> Readings:
        """Raises Unreachable when the engine itself is lost; everything else becomes Unmeasured in its place."""
        slots = replicas_by_slot(self.profile, self._everyone())
        before = {slot: replica for slot, (_, replica) in slots.items()}
        services = {slot: service for slot, (service, _) in slots.items()}
        began = self.clock()
        processing = self._processing(before, services)
        if not self.judged.invasive:
            taken = self._first_look(before, services, began, processing)
            return self._finished(taken, McpReading(Upstream.NOT_ASKED, "it was not asked"), "")
        processing.follow()  # what a replica has finished is remembered before it is removed
        processing.sweep()
        with ThreadPoolExecutor(max_workers=1) as pool:  # a server that does not answer holds up nobody
            asked = pool.submit(mcp.read, self.profile)
            taken = self._first_look(before, services, began, processing)
            early = self._early(taken)
            mcp_reading = asked.result()
        return self._finished(taken, mcp_reading, early or self._watch(taken, mcp_reading))

    def _first_look(
        self,
        before: Mapping[str, Replica | None],
        services: Mapping[str, str],
        began: float,
        processing: Processing,
    ) -> _Taken:
        first = Look(self._codes(before), queue.read(self.profile))
        processing.follow()
        return _Taken(before, services, began, processing, first)

    def _processing(self, before: Mapping[str, Replica | None], services: Mapping[str, str]) -> Processing:
        """Of the replicas that read the queue and run."""
        consumer = self.profile.consumer
        found = {slot: replica for slot, replica in before.items() if services[slot] == consumer}
        running = {slot: replica for slot, replica in found.items() if replica and replica.is_running}
        starts = {slot: self._boundary(replica) for slot, replica in running.items()}
        bounded = {slot: at for slot, at in starts.items() if at}
        return Processing(
            self.profile,
            self.engine,
            self.documents,
            self.record_id,
            self.memory,
            {slot: running[slot] for slot in bounded},
            bounded,
            self.tell,
            self.clock,
            boundary.of_documents(bounded.values()),
        )

    def _early(self, taken: _Taken) -> str:
        """Why nothing more has to be waited for: what is measured by now is NO-GO, whatever comes."""
        if self.keep_going:
            return ""
        why = self.decided(self._readings(taken, taken.first, McpReading(Upstream.NOT_ASKED, ""), is_over=False))
        if why:
            self.tell(f"not waiting for the rest, which could not change it: {why}")
        return why

    def _watch(self, taken: _Taken, mcp_reading: McpReading) -> str:
        """Soak, organic documents and probes, side by side; why it ended before its time, "" where it did not."""
        processing = taken.processing
        processing.follow()  # asking the server has taken its time
        if processing.lacking() and not mcp_reading.answers:
            why = f"fix the MCP server first: {mcp_reading.says}"
            processing.leave_out(f"no test document was sent into a system that cannot finish it; {why}")
            self.tell(why)
            return why
        soak_s = self.profile.limits.soak_s
        self.tell(f"soak: watching the replicas for {soak_s:.0f} s")
        marks_at = 0.0
        while True:
            processing.follow()
            elapsed = self.clock() - taken.began
            if self._has_changed(taken.before):
                return ""
            if elapsed >= marks_at:
                marks_at = elapsed + _MARKS_S
                if self._is_marked(taken) and (early := self._early(taken)):
                    return early
            if count := processing.wants_probes(elapsed):
                self.tell(f"{count} replicas have finished no document by themselves: sending as many test documents")
                processing.send(count)
            if elapsed >= soak_s and not self._awaits_proof(processing, elapsed) and not self._awaits_health(elapsed):
                self._wait_for_traces(processing)
                return ""
            self.sleep(_POLL_S)

    def _is_marked(self, taken: _Taken) -> bool:
        """A document that was written meanwhile carries the change's mark: that ends the wait too."""
        since = self._since(taken.before)
        found = since_of(self.documents, since)
        return not isinstance(found, Unmeasured) and any(document.marked for document in found.documents)

    def _awaits_proof(self, processing: Processing, elapsed: float) -> bool:
        try:
            return processing.awaits_proof(elapsed)
        except Unreachable as error:
            processing.leave_out(error.message)
            return False

    def _wait_for_traces(self, processing: Processing) -> None:
        """Probes that are still in work are waited for, within a limit; then they are remembered."""
        deadline = self.clock() + self.profile.limits.trace_wait_s
        try:
            while self.clock() < deadline and processing.is_in_work():
                self.sleep(_POLL_S)
                processing.follow()
        except Unreachable:
            return  # said where the probes are concluded

    def _has_changed(self, before: Mapping[str, Replica | None]) -> bool:
        """The replicas must stay as they are; what changes is a finding at once, and ends the wait."""
        known = [replica for replica in before.values() if replica]
        if any(_identity(self.engine.inspect(replica.id)) != _identity(replica) for replica in known):
            self._settle(known)
            return True
        return False

    def _finished(self, taken: _Taken, mcp_reading: McpReading, early: str) -> Readings:
        """The second look, documents last: to the end of the checks."""
        if self.judged.invasive and not early and mcp_reading.answers and taken.processing.lacking():
            mcp_reading = mcp.read(self.profile)  # it may have gone while the probes were under way
        taken.processing.follow()
        last = Look(self._codes(taken.before), queue.read(self.profile), self._next_starts(taken.before))
        return self._readings(taken, last, mcp_reading, is_over=True, early=early)

    def _readings(self, taken: _Taken, last: Look, mcp_reading: McpReading, is_over: bool, early: str = "") -> Readings:
        """`is_over` False: the checks are under way, and the probes are not concluded."""
        before, processing = taken.before, taken.processing
        everyone = self.engine.of_project(self._project)
        summaries = self._logs(taken)
        since = self._since(before)
        stored = processing.stored()
        documents = since_of(self.documents, since)
        replicas = tuple(
            ReplicaReading(
                slot=slot,
                service=taken.services[slot],
                consumes=self._consumes(taken.services[slot]),
                before=replica,
                after=self._after(replica),
                boundary=self._boundary(replica) if replica else None,
                by_run=boundary.started_by_run(replica, self.judged.started) if replica else None,
                image_of_tag=self._image_of_tag(replica),
                code=taken.first.codes[slot],
                log=summaries[slot],
                in_queue=_in_queue(replica, last.queue) if self._consumes(taken.services[slot]) else None,
                code_after=last.codes[slot],
                restarted=last.next_starts[replica.id][0] if replica and last.next_starts else None,
                recreated=last.next_starts[replica.id][1] if replica and last.next_starts else None,
                finished_in_queue=queue.finished_by(replica, taken.first.queue, last.queue) if replica else None,
                in_queue_before=(
                    _in_queue(replica, taken.first.queue) if self._consumes(taken.services[slot]) else None
                ),
            )
            for slot, replica in before.items()
        )
        return Readings(
            expected={name: service.replicas for name, service in self.profile.services.items()},
            source_digests=self.judged.source_digests,
            run_id=self.judged.run_id,
            replicas=replicas,
            mcp=mcp_reading,
            queue_before=taken.first.queue,
            queue_after=last.queue,
            strangers=self._strangers((taken.first.queue, last.queue), before),
            probes=self._probes(processing, last.queue, is_over),
            documents=documents,
            soak_s=self.clock() - taken.began,
            ids_after={name: self._ids(name) for name in self.profile.services},
            baseline=self._baseline(),
            project_exists=bool(everyone),
            left_out=self._left_out(everyone) if is_over else {},
            configured=self.configured(r for r in before.values() if r) if is_over else {},
            history=self._history(since) if is_over else None,
            stored=stored,
            remembered=processing.remembered(),
            ended_early=early,
            ill_before=self.judged.ill_before,
        )

    def _probes(
        self, processing: Processing, in_queue: QueueReading | Unmeasured, is_over: bool
    ) -> ProbesReading | Unmeasured:
        if not self.judged.invasive:
            return Unmeasured("test documents", "none is sent to a service that is about to be rolled back")
        if not is_over:
            return Unmeasured("test documents", "the checks are under way")
        return processing.concluded(in_queue)

    def _baseline(self) -> Baseline | None:
        """A snapshot's, else that of the documents from before the change."""
        if self.judged.baseline or self.judged.deployed_at is None or isinstance(self.documents, Unmeasured):
            return self.judged.baseline
        found = self.documents.normal_before(self.judged.deployed_at, self.profile.limits.baseline_s)
        return None if isinstance(found, Unmeasured) else found

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
        return self.profile.deployment.project

    def _everyone(self) -> tuple[Replica, ...]:
        return self.engine.of_services(self._project, self.profile.services)

    def _consumes(self, service: str) -> bool:
        return self.profile.services[service].consumes

    def _since(self, before: Mapping[str, Replica | None]) -> Instant | None:
        """The boundary of documents: the latest of the replicas that write them."""
        own = [replica for replica in before.values() if replica and self._consumes(replica.service)]
        return boundary.of_documents(self._boundary(replica) for replica in own)

    def _ids(self, service: str) -> dict[str, str] | Unmeasured:
        found = self._containers(service)
        return found if isinstance(found, Unmeasured) else {replica.name: replica.id for replica in found}

    def _containers(self, service: str) -> tuple[Replica, ...] | Unmeasured:
        try:
            return self.engine.containers(self._project, service)
        except Unreachable as error:
            return Unmeasured(f"containers of {service}", error.message)

    def _awaits_health(self, elapsed: float) -> bool:
        """A health check that has not spoken yet says nothing: its first word is waited for, within limits.health_s."""
        return elapsed < self.profile.limits.health_s and any(r.awaits_health for r in self._everyone())

    def _boundary(self, replica: Replica) -> Instant | None:
        return boundary.of_replica(replica, self.judged.started, self.judged.since)

    # --- the replicas

    def _codes(self, before: Mapping[str, Replica | None]) -> dict[str, CodeReading | Unmeasured]:
        inside = Inside(self.profile, self.engine, self.ask, self.judged.partial)
        with ThreadPoolExecutor(max_workers=8) as pool:
            return dict(zip(before, pool.map(inside.code, before.values()), strict=True))

    def _next_starts(self, before: Mapping[str, Replica | None]) -> dict[str, NextStart]:
        """In the end: what was judged must be what comes up again."""
        outside = Outside(self.profile, self.engine)
        replicas = [replica for replica in before.values() if replica]
        with ThreadPoolExecutor(max_workers=8) as pool:
            restarted = list(pool.map(outside.after_a_restart, replicas))
        recreated = outside.after_a_recreate(replicas)
        return {r.id: (one, recreated[r.id]) for r, one in zip(replicas, restarted, strict=True)}

    def _left_out(self, everyone: tuple[Replica, ...]) -> dict[str, str] | Unmeasured:
        """Services of the project that carry an item, and that the profile neither lists nor waives."""
        listed = self.profile.services
        others = [r for r in everyone if r.service not in listed and r.service not in self.profile.waived]
        try:
            return Outside(self.profile, self.engine).carried_by(others, [r for r in everyone if r.service in listed])
        except Unreachable as error:
            return Unmeasured("which other services carry the change", error.message)

    def _logs(self, taken: _Taken) -> dict[str, LogSummary | Unmeasured]:
        """Of those that ran at first, as they were followed; of the others once."""
        followed = taken.processing.summaries

        def one(replica: Replica | None) -> LogSummary | Unmeasured:
            since = self._boundary(replica) if replica else None
            if replica is None or since is None:
                return Unmeasured("the log", "the replica does not exist or was never started")
            return logs.read(self.engine, replica, self.profile.logs, since)

        with ThreadPoolExecutor(max_workers=8) as pool:
            others = {slot: pool.submit(one, replica) for slot, replica in taken.before.items() if slot not in followed}
            return {slot: followed[slot] if slot in followed else others[slot].result() for slot in taken.before}

    # --- around it

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


@dataclass(frozen=True)
class _Taken:
    """What the first look found, and what goes on from there."""

    before: Mapping[str, Replica | None]
    services: Mapping[str, str]
    began: float
    processing: Processing
    first: Look


def _identity(replica: Replica | None) -> tuple[object, ...] | None:
    if replica is None:
        return None
    return replica.id, replica.started_at, replica.restart_count, replica.status


def _in_queue(replica: Replica | None, reading: QueueReading | Unmeasured) -> bool | Unmeasured | None:
    """None where the queue answers, and cannot tell which of its clients this replica is."""
    if isinstance(reading, Unmeasured):
        return reading
    if replica is not None and not queue.can_be_told(replica):
        return None
    return replica is not None and queue.has(reading, replica)
