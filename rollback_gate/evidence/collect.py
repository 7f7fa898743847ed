"""Takes all readings of one verify, in the required order."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from rollback_gate.change.inside import Ask
from rollback_gate.change.reading import CodeReading, ValueReading
from rollback_gate.change.strategy import covering_mount
from rollback_gate.errors import Unreachable
from rollback_gate.evidence import boundary, consumers, listed, upstream
from rollback_gate.evidence.around import Around, Asked
from rollback_gate.evidence.configured import Configured
from rollback_gate.evidence.documents import Documents
from rollback_gate.evidence.judged import Judged
from rollback_gate.evidence.log_lines import LogSummary
from rollback_gate.evidence.probe_memory import ProbeMemory
from rollback_gate.evidence.processing import Processing, since_of
from rollback_gate.evidence.queue import Queue, read_when_listed
from rollback_gate.evidence.readings import (
    ProbesReading,
    QueueReading,
    Readings,
    ReplicaReading,
    UpstreamReading,
    UpstreamState,
)
from rollback_gate.evidence.services import NextStart, Services, Slots
from rollback_gate.evidence.watch import Watch
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.platform.engines import Engines, now_of, time_at
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.schema import Profile


def _now() -> Instant:
    return Instant.from_epoch_s(time.time())


_DECIDED = "check 1 has failed already"


@dataclass(frozen=True)
class Look:
    """Measurements taken twice, at the beginning and at the end.

    Only at the end: `next_starts`, by container id, the code that a restart and a recreate would run; `configured`, by
    service, the configuration that a new one would get; `rewritten`, as Readings has it.
    """

    queue: QueueReading | Unmeasured
    next_starts: Mapping[str, NextStart] = field(default_factory=dict)
    configured: Mapping[str, str | Unmeasured] = field(default_factory=dict)
    rewritten: Mapping[str, tuple[str, ...] | Unmeasured] = field(default_factory=dict)


@dataclass(frozen=True)
class _Taken:
    """The results of the first look, and the processing that continues after it."""

    slots: Slots
    began: float
    processing: Processing
    codes: Mapping[str, CodeReading | Unmeasured]
    first: Look


@dataclass(frozen=True)
class _End:
    """The last look, and values read once for all replicas: containers by id, images too, consumers by slot."""

    last: Look
    containers: Mapping[str, Replica]
    images: Mapping[str, str | Unmeasured | None]
    in_queue_before: Mapping[str, bool | Unmeasured | None]
    in_queue: Mapping[str, bool | Unmeasured | None]


@dataclass(frozen=True)
class Collector:
    """`documents` is Unmeasured if the database cannot be reached; `ask` runs a command in a replica.

    `decided`: the failed claim that waiting cannot change; "" for none (checks/early.py). `keep_going`: measure
    everything even then. `configured`: what new containers would be. `asked`: questions to what is
    around them.
    """

    profile: Profile
    engines: Engines
    documents: Documents | Unmeasured
    queue: Queue
    ask_upstream: upstream.Ask
    judged: Judged
    record_id: str
    memory: ProbeMemory
    ask: Ask
    tell: Callable[[str], None]
    decided: Callable[[Readings], str]
    configured: Configured
    asked: Asked
    keep_going: bool = False
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], Instant] = _now

    @property
    def services(self) -> Services:
        return Services(self.profile, self.engines, self.judged, self.ask)

    @property
    def _around(self) -> Around:
        return Around(
            self.profile,
            self.engines,
            self.documents,
            self.services,
            self.configured,
            self.asked,
            self.judged,
            self.now,
        )

    @property
    def _connections(self) -> int:
        return self.profile.queue.connections if self.profile.queue else 1

    @property
    def _not_asked(self) -> UpstreamReading:
        return UpstreamReading(UpstreamState.NOT_ASKED, "it was not asked", self.profile.upstream_name)

    def collect(self) -> Readings:
        """The order: containers, finished documents, code and queue, in parallel the upstream; then the soak; then
        the queue again, the code from outside, the next start, and documents last.

        Raises Unreachable if the engine is lost; every other failure becomes Unmeasured in its place.
        """
        slots = self.services.slots()
        began = self.clock()
        processing = self._processing(slots)
        if not self.judged.invasive:
            return self._finished(self._first_look(slots, began, processing), self._not_asked, "")
        processing.follow()  # finished probes are remembered before they are removed
        processing.sweep()
        with ThreadPoolExecutor(max_workers=1) as pool:  # a silent server must not block the rest
            asked = pool.submit(self.ask_upstream)
            taken = self._first_look(slots, began, processing)
            early = self._early(taken)
            upstream = asked.result()
        return self._finished(taken, upstream, early or self._watch(taken).until_decided(upstream, began))

    def _processing(self, slots: Slots) -> Processing:
        """The processing of the running replicas that read the queue."""
        running = {slot: replica for slot, replica in slots.consuming.items() if replica.is_running}
        starts = {slot: self.services.boundary(replica) for slot, replica in running.items()}
        bounded = {slot: at for slot, at in starts.items() if at}
        return Processing(
            self.profile,
            self.engines,
            self.documents,
            self.queue,
            self.record_id,
            self.memory,
            {slot: running[slot] for slot in bounded},
            bounded,
            self.tell,
            self.clock,
            boundary.of_documents(bounded.values()),
        )

    def _first_look(self, slots: Slots, began: float, processing: Processing) -> _Taken:
        codes, first = self.services.codes(slots), Look(self.queue.read())
        processing.follow()
        return _Taken(slots, began, processing, codes, first)

    def _early(self, taken: _Taken) -> str:
        """Why to stop waiting: the readings so far are NO-GO in any case; "" to go on."""
        if self.keep_going:
            return ""
        why = self.decided(self._readings(taken, taken.first, self._not_asked, is_over=False))
        if why:
            self.tell(f"not waiting for the rest, which could not change it: {why}")
        return _DECIDED if why else ""  # the claim itself has the details; do not repeat them

    @property
    def _time(self) -> Instant | Unmeasured:
        """The deployment's clock."""
        try:
            return self.engines.now()
        except Unreachable as error:
            return Unmeasured("the engine's time", error.message)

    def _latest(self) -> Instant | None:
        """The latest possible creation time of a document; None if the engine's time is not known."""
        now = self._time
        return None if isinstance(now, Unmeasured) else now.plus(self.profile.limits.clock_skew_s)

    def _watch(self, taken: _Taken) -> Watch:
        def is_marked() -> bool:
            found = since_of(self.documents, self.services.since(taken.slots), self._latest())
            return not isinstance(found, Unmeasured) and any(document.marked for document in found.documents)

        return Watch(
            self.profile,
            self.services,
            taken.slots,
            taken.processing,
            self.tell,
            self.clock,
            self.sleep,
            is_marked,
            lambda: self._early(taken),
        )

    def _finished(self, taken: _Taken, upstream: UpstreamReading, early: str) -> Readings:
        """The last look, with documents read last."""
        if self.judged.invasive and not early and upstream.answers and taken.processing.lacking():
            upstream = self.ask_upstream()  # it may have failed during the probes
        taken.processing.follow()
        return self._readings(taken, self._last_look(taken.slots, early), upstream, is_over=True, early=early)

    def _last_look(self, slots: Slots, early: str) -> Look:
        if not self.judged.invasive:
            return Look(self.queue.read())
        with ThreadPoolExecutor(max_workers=1) as pool:  # Compose is slow to start
            configured = pool.submit(lambda: self._new_ones(slots.found))
            next_starts = self.services.next_starts(slots)
            hashes, values, rewritten = configured.result()
            recreated = {r.id: _with_values(*next_starts[r.id], values.get(r.service, ())) for r in slots.found}
            return Look(self.queue.read() if early else self._queue_at_the_end(slots), recreated, hashes, rewritten)

    def _new_ones(
        self, found: tuple[Replica, ...]
    ) -> tuple[
        Mapping[str, str | Unmeasured],
        Mapping[str, tuple[ValueReading, ...] | Unmeasured],
        Mapping[str, tuple[str, ...] | Unmeasured],
    ]:
        of = self.configured
        return of.now(found), of.values(found), of.rewritten(found)

    def _queue_at_the_end(self, slots: Slots) -> QueueReading | Unmeasured:
        """Some list a consumer only seconds after it has connected: a young process may not be listed yet."""
        limit_s, now = self.profile.queue.lists_within_s if self.profile.queue else 0, self._time
        young = [slot for slot, one in slots.consuming.items() if listed.is_young(one, now, limit_s)]

        def is_listed(reading: QueueReading | Unmeasured) -> bool:
            found = listed.by_slot(reading, slots)
            return not any(found.get(slot) is False for slot in young)

        return read_when_listed(self.queue, limit_s, is_listed, self.clock, self.sleep)

    def _readings(
        self, taken: _Taken, last: Look, upstream: UpstreamReading, is_over: bool, early: str = ""
    ) -> Readings:
        """`is_over` False: the checks still run, and readings taken only at their end are left out."""
        services, processing, slots, around = self.services, taken.processing, taken.slots, self._around
        everyone = services.of_project()
        end = _End(
            last,
            {replica.id: replica for replica in everyone},
            services.images_of_names(slots),
            listed.by_slot(taken.first.queue, slots),
            listed.by_slot(last.queue, slots),
        )
        logs = services.logs(slots, processing.summaries)
        since = services.since(slots)
        stored = processing.stored()
        documents = since_of(self.documents, since, self._latest())
        return Readings(
            expected={name: service.replicas for name, service in self.profile.services.items()},
            source_digests=self.judged.source_digests,
            run_id=self.judged.run_id,
            replicas=tuple(self._replica(slot, taken, end, logs[slot]) for slot in slots.replicas),
            upstream=upstream,
            queue_before=taken.first.queue,
            queue_after=last.queue,
            strangers=listed.of_nobody(
                (taken.first.queue, last.queue), slots, self.profile.queue.connections if self.profile.queue else 1
            ),
            probes=self._probes(processing, last.queue, is_over),
            documents=documents,
            soak_s=self.clock() - taken.began,
            came=_came(everyone, slots),
            ids_after={name: {r.name: r.id for r in everyone if r.service == name} for name in self.profile.services},
            baseline=around.baseline(),
            project_exists=bool(everyone),
            left_out=around.left_out(everyone) if is_over else {},
            configured=last.configured,
            rewritten=last.rewritten,
            history=around.history(since) if is_over else None,
            stored=stored,
            remembered=processing.remembered(),
            ended_early=early,
            ill_before=self.judged.ill_before,
            kept=self.asked.kept() if is_over else {},
            written=self.configured.written(),
            answers=around.answers(slots, early) if is_over else {},
            stands=services.stands() if is_over else None,
            elsewhere=services.elsewhere(slots) if is_over and self.judged.invasive else {},
            metric=self.asked.metric(since, self._time) if is_over else None,
            kept_before=self.judged.kept_before,
        )

    def _replica(self, slot: str, taken: _Taken, end: _End, log: LogSummary | Unmeasured) -> ReplicaReading:
        services, found, consumes = self.services, taken.slots.replicas[slot], taken.slots.consumes(slot)
        replica = found if isinstance(found, Replica) else None
        restarted, recreated = end.last.next_starts.get(replica.id, (None, None)) if replica else (None, None)
        asked = replica if consumes else None
        return ReplicaReading(
            slot=slot,
            service=taken.slots.services[slot],
            consumes=consumes,
            before=found,
            after=self._at_the_end(found, end),
            boundary=services.boundary(replica) if replica else None,
            by_run=boundary.started_by_run(replica, self.judged.started) if replica else None,
            image_of_tag=end.images[replica.id] if replica else None,
            code=taken.codes[slot],
            log=log,
            in_queue=end.in_queue.get(slot),
            finished_in_queue=consumers.finished_by(asked, taken.first.queue, end.last.queue) if asked else None,
            in_queue_before=end.in_queue_before.get(slot),
            restarted=restarted,
            recreated=recreated,
            reverted_at=self._reverted_at(replica) if replica and is_behind_a_mount(self.profile, replica) else None,
            files=self._files_of(taken.slots.services[slot]),
            ordered_at=boundary.ordered_at(replica, self.judged.started) if replica else None,
        )

    def _reverted_at(self, replica: Replica) -> Instant | None:
        """When the run has restored the files, by the clock that dates the process's start; None if not known."""
        at = self.judged.reverted_at
        if at is None or not replica.node:
            return at
        there, here = time_at(self.engines, replica), self._time
        if isinstance(there, Unmeasured) or isinstance(here, Unmeasured):
            return None
        return at.plus(there.seconds_since(here))

    def _at_the_end(self, found: Replica | Unmeasured | None, end: _End) -> Replica | Unmeasured | None:
        """A container that has ended may be listed no more, where the platform makes a new one in its place."""
        if not isinstance(found, Replica) or found.id in end.containers:
            return end.containers[found.id] if isinstance(found, Replica) else found
        try:
            now = now_of(self.engines, found)
            if now is None or now.is_running:
                return now
            return replace(now, unwanted=self.engines.why_ended(self.profile.deployment.project, now))
        except Unreachable as error:
            return Unmeasured(f"the state of {found.name}", error.message)

    def _files_of(self, service: str) -> tuple[str, ...]:
        return tuple(one.path for one in self.profile.files if self.profile.must_have(service, one.path))

    def _probes(
        self, processing: Processing, in_queue: QueueReading | Unmeasured, is_over: bool
    ) -> ProbesReading | Unmeasured:
        if not self.judged.invasive:
            return Unmeasured("test documents", "none is sent to a service that is about to be rolled back")
        if not is_over:
            return Unmeasured("test documents", "the checks are under way")
        return processing.concluded(in_queue)


def _came(everyone: Iterable[Replica], slots: Slots) -> dict[str, int]:
    """Containers that run now and were not there at first, by service."""
    known = {one.id for one in slots.found}
    came = (one for one in everyone if one.id not in known and one.is_running and not one.unwanted)
    return dict(Counter(one.service for one in came))


def _with_values(
    restarted: CodeReading | Unmeasured,
    recreated: CodeReading | Unmeasured,
    values: tuple[ValueReading, ...] | Unmeasured,
) -> NextStart:
    if isinstance(values, Unmeasured) or isinstance(recreated, Unmeasured):
        return restarted, values if isinstance(values, Unmeasured) else recreated
    return restarted, replace(recreated, values=values)


def is_behind_a_mount(profile: Profile, replica: Replica) -> bool:
    """True if an item is behind a bind mount: restoring files changes nothing for code in an image."""
    return any(covering_mount(replica.mounts, path) for path in profile.places(replica.service))
