"""All readings of an assessment of the change since its deployment. Read-only, except for a probe on request."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from rollback_gate.change.content import Content, classify
from rollback_gate.change.reading import Held
from rollback_gate.change.values import Values
from rollback_gate.errors import Unreachable
from rollback_gate.evidence import consumers, upstream
from rollback_gate.evidence.deployed import by_backups
from rollback_gate.evidence.documents import Documents
from rollback_gate.evidence.log_history import HistoryListener
from rollback_gate.evidence.log_lines import LogReader
from rollback_gate.evidence.logs import Follower
from rollback_gate.evidence.probe_memory import ProbeMemory
from rollback_gate.evidence.processing import Processing
from rollback_gate.evidence.queue import Queue
from rollback_gate.evidence.readings import ProbeReading, QueueReading, Series
from rollback_gate.evidence.symptoms import LogHistory, Symptoms, WorkerReading
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.platform.archive import file_in
from rollback_gate.platform.deployed import Deployed
from rollback_gate.platform.engines import Engines
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.deployment import FileItem
from rollback_gate.profile.schema import Profile

_UNKNOWN_S = 86_400
POLL_S = 0.25
_AS_CONTENT = {Held.OLD: Content.OLD, Held.NEW: Content.NEW, Held.OTHER: Content.UNKNOWN}


@dataclass
class Survey:
    """Taken once or repeatedly; later readings continue each log where the last one ended.

    `since`: when the change was deployed, as given by the operator; None to determine it.
    """

    profile: Profile
    engines: Engines
    documents: Documents | Unmeasured
    queue: Queue
    ask_upstream: upstream.Ask
    since: Instant | None = None
    normal_s: float | None = None
    _deployed: tuple[Instant, str] | None = None
    _followers: dict[str, tuple[Follower, HistoryListener]] = field(default_factory=dict)

    def take(self, probe: ProbeReading | Unmeasured | None = None) -> Symptoms:
        """Raises Unreachable if the engine is lost; every other failure becomes Unmeasured in its place."""
        now = self.engines.now()
        deployed = Deployed(self.profile, self.engines)
        replicas = deployed.consumers()
        self._deployed = self._deployed or self._moment(replicas, now)
        deployed_at, deployed_by = self._deployed
        asked = self.ask_upstream()
        in_queue = self.queue.read()
        with ThreadPoolExecutor(max_workers=8) as pool:
            asked_at = self.engines.now()
            workers = tuple(pool.map(lambda replica: self._worker(replica, in_queue, asked_at), replicas))
        return Symptoms(
            now=asked_at,
            deployed_at=deployed_at,
            deployed_by=deployed_by,
            expected_replicas=self.profile.replicas,
            workers=workers,
            completeness=self._series(deployed_at),
            queue=in_queue,
            upstream=asked,
            probe=probe,
            normal_s=self.normal_s,
            project_exists=bool(deployed.everyone()),
        )

    def probe(self, record_id: str, memory: ProbeMemory, tell: Callable[[str], None]) -> ProbeReading | Unmeasured:
        """Sends one probe, waits for its result, and removes its traces. Never raises."""
        if isinstance(self.documents, Unmeasured):
            return Unmeasured("the test document", self.documents.reason)
        try:
            found = Deployed(self.profile, self.engines).consumers()
            running = {f"replica-{n}": replica for n, replica in enumerate(found, 1) if replica.is_running}
            if not running:
                return Unmeasured("the test document", "no replica runs that could pick it up")
            now = self.engines.now()
            processing = Processing(
                self.profile,
                self.engines,
                self.documents,
                self.queue,
                record_id,
                memory,
                running,
                dict.fromkeys(running, now),
                tell,
                time.monotonic,
                only_own=True,
            )
            return self._sent(processing)
        except Unreachable as error:
            return Unmeasured("the test document", error.message)

    def _sent(self, processing: Processing) -> ProbeReading | Unmeasured:
        processing.send(1)
        deadline = time.monotonic() + 2 * self.profile.limits.probe_s  # in the queue, then in work
        while not self._is_decided(processing) and time.monotonic() < deadline:
            time.sleep(POLL_S)
            processing.follow()
        concluded = processing.concluded(self.queue.read())
        if isinstance(concluded, Unmeasured):
            return concluded
        return concluded.probes[0] if concluded.probes else Unmeasured("the test document", concluded.not_sent)

    @staticmethod
    def _is_decided(processing: Processing) -> bool:
        sent = processing.probes
        return sent is None or not sent.were_sent or all(sent.is_decided(probe) for probe in processing.look())

    def _moment(self, replicas: tuple[Replica, ...], now: Instant) -> tuple[Instant, str]:
        """When the change was deployed, and the source: the operator, the newest backup, or the oldest container."""
        if self.since is not None:
            return self.since, "by --since"
        backups = [backup for backup in by_backups(self.profile) if backup.at <= now]
        if backups:
            newest = max(backups)
            return newest.at, f"by the backup {newest.name}" + (f" ({newest.doubt})" if newest.doubt else "")
        starts = [r.created_at if r.restart_count else r.started_at or r.created_at for r in replicas]
        if starts:
            return min(starts), "by the worker's oldest container, as no backup has a time in its name"
        return now.plus(
            -_UNKNOWN_S
        ), "not known: there is neither a backup nor a container; the last 24 hours are looked at"

    def _worker(self, replica: Replica, reading: QueueReading | Unmeasured, now: Instant) -> WorkerReading:
        consumes = reading if isinstance(reading, Unmeasured) else _lists(reading, replica)
        return WorkerReading(replica, self._log(replica, now), self._content(replica), consumes)

    def _log(self, replica: Replica, now: Instant) -> LogHistory | Unmeasured:
        assert self._deployed
        if replica.id not in self._followers:
            listener = HistoryListener(self.profile.triggers)
            reader = LogReader(self.profile.logs, self._deployed[0], listener)
            self._followers[replica.id] = Follower(self.engines, replica, reader), listener
        follower, listener = self._followers[replica.id]
        summary = follower.read(now)
        if isinstance(summary, Unmeasured):
            del self._followers[replica.id]  # partly read: start again from its beginning
            return summary
        return listener.history(summary, now)

    def _content(self, replica: Replica) -> tuple[Content, ...] | Unmeasured:
        try:
            found = [(item, self._file_in(replica, item)) for item in self.profile.files_of(replica.service)]
            values = Values(self.profile, self.engines.of(replica)).of(replica)
        except Unreachable as error:
            return Unmeasured(f"the code in {replica.name}", error.message)
        files = (Content.UNKNOWN if data is None else classify(data, item)[0] for item, data in found)
        return (*files, *(_AS_CONTENT[value.held] for value in values))

    def _file_in(self, replica: Replica, item: FileItem) -> bytes | None:
        return file_in(self.engines.of(replica), replica.id, self.profile.inside(replica.service, item.path))

    def _series(self, since: Instant) -> Series | Unmeasured:
        if isinstance(self.documents, Unmeasured):
            return self.documents
        return self.documents.series(since, self.profile.triggers.bucket_s)


def _lists(reading: QueueReading, replica: Replica) -> bool | Unmeasured:
    """Whether the queue lists the replica as a consumer."""
    known = reading.consumers
    return known if isinstance(known, Unmeasured) else consumers.has(reading, replica)
