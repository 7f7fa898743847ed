"""Readings of the live system: frozen values, the only input of the checks."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from rollback_gate.change.reading import Baseline, CodeReading, ValueReading
from rollback_gate.evidence.answered import Answer
from rollback_gate.evidence.log_lines import LogSummary
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.platform.replica import Replica
from rollback_gate.platform.stands import Stands

MOST_CONFIRMED = 200  # newest documents of a replica that are looked up in the database


@dataclass(frozen=True)
class Started:
    """One replica as started by the judged run: container id, boundary, image id and configuration hash."""

    container_id: str
    started_at: Instant
    image_id: str
    config_hash: str


@dataclass(frozen=True)
class ReplicaReading:
    """One expected replica of a service. `before`, `after`: its state before and after the checks; None if missing.

    `consumes`: it reads the queue. The queue's values are None for other replicas, or if it cannot identify this one.
    `boundary`: the instant after which only old behaviour may be seen. `by_run`: the run's start of it.
    `in_queue_before`, `in_queue`: whether the queue lists it as a consumer, at the beginning and at the end.
    `restarted`, `recreated`: the code that a restart and a recreate would run, as the engine shows it at the end.
    `finished_in_queue`: messages that it finished during the checks, by the queue's count; None if unknown.
    `reverted_at`: when the run began that restored the files behind its mounts. `files`: paths of the restored files
    that it must have; None: all, if it reads the queue. `ordered_at`: of a Swarm, when the run had its first task of
    this definition.
    """

    slot: str
    service: str
    consumes: bool
    before: Replica | Unmeasured | None
    after: Replica | Unmeasured | None
    boundary: Instant | None
    by_run: Started | None
    image_of_tag: str | Unmeasured | None
    code: CodeReading | Unmeasured
    log: LogSummary | Unmeasured
    in_queue: bool | Unmeasured | None
    restarted: CodeReading | Unmeasured | None = None
    recreated: CodeReading | Unmeasured | None = None
    finished_in_queue: int | None = None
    in_queue_before: bool | Unmeasured | None = None
    reverted_at: Instant | None = None
    files: tuple[str, ...] | None = None
    ordered_at: Instant | None = None

    def must_have(self, path: str) -> bool:
        """True if this restored file must exist in it."""
        return self.consumes if self.files is None else path in self.files

    @property
    def label(self) -> str:
        if isinstance(self.before, Replica):
            return f"{self.slot} ({self.before.place}, {self.before.short_id})"
        return self.slot


@dataclass(frozen=True)
class DocumentReading:
    """One stored document. `score`: as stored, None if it is missing, null or odd. `marked`: has the new mark.

    `could_be_marked`: where the mark would be there are no fields, so it cannot be searched for.
    `odd_score`: a stored score that is no finite number, "" for none.
    """

    id: str
    created_at: Instant | None
    score: float | None
    marked: bool
    is_probe: bool
    could_be_marked: bool = False
    odd_score: str = ""


@dataclass(frozen=True)
class Known:
    """A probe that was found stored and then removed: its score, and the process that finished it."""

    score: float
    container_id: str
    started_at: Instant


@dataclass(frozen=True)
class DocumentsReading:
    """Documents created since the boundary, newest first. `truncated`: there are more than were read.

    `advice`: how to make a slow query fast, "" for none. `untimed`: ids of a few documents that carry or could carry
    the mark, and have no valid creation time. `ahead`: number of documents with a time to come, which is not believed.
    """

    since: Instant
    documents: tuple[DocumentReading, ...]
    truncated: bool = False
    advice: str = ""
    untimed: tuple[str, ...] = ()
    ahead: int = 0

    @property
    def left_out(self) -> str:
        """What is not among them although it is stored, in words; "" for nothing."""
        if not self.ahead:
            return ""
        count = "1 document has" if self.ahead == 1 else f"{self.ahead} documents have"
        return f"; {count} a time to come by the engine's clock: is it another clock, or another time zone?"

    @property
    def organic(self) -> tuple[DocumentReading, ...]:
        return tuple(d for d in self.documents if not d.is_probe)


@dataclass(frozen=True)
class ProbeReading:
    """The state of one probe. Times are the engine's.

    `replica`: the slot whose log shows its completion, else the one that picked it up. `seconds`: from pick-up to
    completion in that replica, None while it is not complete there. `stuck_in`: slots that picked it up and have
    not completed it, with the seconds since. `seen_at`: when it was first found stored.
    """

    document_id: str
    sent_at: Instant
    replica: str | None
    seconds: float | None
    completed_at: Instant | None
    document: DocumentReading | None
    stuck_in: tuple[tuple[str, float], ...] = ()
    log_lines: tuple[str, ...] = ()
    seen_at: Instant | None = None

    @property
    def finished(self) -> bool:
        return self.document is not None


@dataclass(frozen=True)
class ProbesReading:
    """All probes of one verify. `not_sent`: why there are none, "" if none was needed.

    `leftovers`: traces that were not removed, with the reason. `may_return`: ids of probes, earlier ones too, that
    the queue may still deliver; the next command removes their traces.
    """

    probes: tuple[ProbeReading, ...]
    limit_s: float
    swept: int = 0
    leftovers: tuple[str, ...] = ()
    not_sent: str = ""
    may_return: tuple[str, ...] = ()


@dataclass(frozen=True)
class Consumer:
    """A client of the channel, as the queue lists it. `finished`: messages finished since it connected."""

    hostname: str
    address: str
    finished: int = 0


@dataclass(frozen=True)
class QueueReading:
    """Depth, messages in flight and consumers of the worker's queue. Unmeasured: a queue of this kind cannot tell.

    `finished`: messages, by all consumers together. `deferred`: messages requeued with a delay. `paused`: it delivers
    nothing until somebody unpauses it. `other_channels`: other channels of the topic that have consumers. `unproven`:
    why nothing shows that this queue is the right one, "" if something does.
    """

    depth: int
    in_flight: int | Unmeasured
    consumers: tuple[Consumer, ...] | Unmeasured
    finished: int | Unmeasured
    deferred: int = 0
    paused: bool = False
    other_channels: tuple[str, ...] = ()
    unproven: str = ""

    @property
    def listed(self) -> tuple[Consumer, ...]:
        """The consumers that it lists; empty also for a queue that lists none."""
        return () if isinstance(self.consumers, Unmeasured) else self.consumers

    @property
    def may_deliver(self) -> bool:
        """True unless it is known to hold no message that it can still deliver."""
        return bool(self.depth or self.deferred or self.in_flight)  # Unmeasured is true

    def finished_since(self, before: QueueReading) -> int:
        """Messages finished since an earlier reading; 0 or less if none, or if either cannot tell."""
        if isinstance(self.finished, Unmeasured) or isinstance(before.finished, Unmeasured):
            return 0
        return self.finished - before.finished


class UpstreamState(enum.StrEnum):
    """The result of one request to the upstream. NONE: the workers need none."""

    NONE = "is not needed"
    NOT_ASKED = "was not asked"
    ANSWERS = "answers"
    SHOOK_HANDS = "took a handshake, was not asked more"
    SILENT = "does not answer a call"
    REFUSES = "refuses"
    IN_TROUBLE = "answers with an error of its own"


@dataclass(frozen=True)
class UpstreamReading:
    """Whether the upstream can serve the workers. `says`: its response and response time, in words.

    `name`: as the profile calls it in messages, with its article.
    """

    state: UpstreamState
    says: str
    name: str

    @property
    def answers(self) -> bool:
        """True if nothing that fails is its fault."""
        return self.state in (UpstreamState.ANSWERS, UpstreamState.SHOOK_HANDS, UpstreamState.NONE)

    @property
    def fix_first(self) -> str:
        """What the operator must do first while it does not answer."""
        return f"fix {self.name} first: {self.says}"


@dataclass(frozen=True)
class Bucket:
    """Documents created within `bucket_s` from `start`, without probes. `deviation`: 0 for fewer than two scores."""

    start: Instant
    documents: int
    scored: int
    mean: float
    deviation: float


@dataclass(frozen=True)
class Series:
    """Completeness over time. `outside`: number of scores that are not between 0 and 1; they are in no mean."""

    buckets: tuple[Bucket, ...]
    bucket_s: float
    outside: int = 0

    @property
    def documents(self) -> int:
        return sum(bucket.documents for bucket in self.buckets)

    @property
    def unscored(self) -> int:
        return self.documents - self.outside - sum(bucket.scored for bucket in self.buckets)


@dataclass(frozen=True)
class Readings:
    """Everything that one verify measured. `expected`: the expected number of replicas, by service.

    `ids_after`: container ids at the end, by service and name. `came`: by service, how many run then and were not there
    at first.
    `baseline`: None if there is neither a snapshot's nor one from documents. `project_exists`: it has a container.
    `history`: completeness around the boundary, for the record's chart only, not for checks. None: not asked for.
    `stored`: by id, documents finished according to a log, as they are stored; missing ones were not found.
    `remembered`: by id, probes that were found stored with a score and then removed.
    `ended_early`: why the checks ended early, "" if they did not.
    `configured`: by service, the configuration hash that Compose would give now, SAME_PARTS, or the differences.
    `left_out`: services that the profile neither lists nor waives, and what they carry of the change.
    `ill_before`: by service, what its health check already failed before: "the change" or "the rollback".
    `kept`: whether what must stay is there; `kept_before`: whether it was when the run began, None if unknown.
    `answers`: by service, whether it is ready; and what came of the request. `metric`: None if it was not asked.
    `rewritten`: by service, what the next deployment of the project's files would change besides.
    `elsewhere`: by service and node of a Swarm, the code that a new container would run where none runs now.
    `stands`: how the platform itself stands to the services; None under Compose, and while the checks run.
    `written`: what the project's files hold of the change's settings and images, by their place.
    """

    expected: Mapping[str, int]
    source_digests: dict[str, str] | Unmeasured
    run_id: str | None
    replicas: tuple[ReplicaReading, ...]
    upstream: UpstreamReading
    queue_before: QueueReading | Unmeasured
    queue_after: QueueReading | Unmeasured
    strangers: tuple[str, ...] | Unmeasured
    probes: ProbesReading | Unmeasured
    documents: DocumentsReading | Unmeasured
    soak_s: float
    ids_after: Mapping[str, Mapping[str, str] | Unmeasured]
    came: Mapping[str, int] = field(default_factory=dict)
    baseline: Baseline | None = None
    project_exists: bool = True
    history: Series | Unmeasured | None = None
    stored: Mapping[str, DocumentReading] | Unmeasured = field(default_factory=dict)
    remembered: Mapping[str, Known] = field(default_factory=dict)
    ended_early: str = ""
    left_out: Mapping[str, str] | Unmeasured = field(default_factory=dict)
    configured: Mapping[str, str | Unmeasured] = field(default_factory=dict)
    ill_before: Mapping[str, str] = field(default_factory=dict)
    kept: Mapping[str, bool | Unmeasured] = field(default_factory=dict)
    kept_before: Mapping[str, bool | None] = field(default_factory=dict)
    answers: Mapping[str, Answer] = field(default_factory=dict)
    metric: float | Unmeasured | None = None
    rewritten: Mapping[str, tuple[str, ...] | Unmeasured] = field(default_factory=dict)
    elsewhere: Mapping[str, Mapping[str, CodeReading | Unmeasured]] = field(default_factory=dict)
    stands: Stands | Unmeasured | None = None
    written: Mapping[str, ValueReading | Unmeasured] = field(default_factory=dict)

    @property
    def services(self) -> tuple[str, ...]:
        """All services, those that read the queue first, then by name."""
        first = {replica.service for replica in self.consuming}
        return tuple(sorted(self.expected, key=lambda service: (service not in first, service)))

    @property
    def consuming(self) -> tuple[ReplicaReading, ...]:
        """The replicas of the service that reads the queue."""
        return tuple(replica for replica in self.replicas if replica.consumes)

    def of(self, service: str) -> tuple[ReplicaReading, ...]:
        return tuple(replica for replica in self.replicas if replica.service == service)
