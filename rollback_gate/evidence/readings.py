"""What the probes of the live system returned: frozen values, the only input of the checks."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from rollback_gate.change.reading import Baseline, CodeReading
from rollback_gate.evidence.log_lines import LogSummary
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.platform.replica import Replica

MOST_CONFIRMED = 200  # documents of a replica that are looked up in the database, the newest ones


@dataclass(frozen=True)
class Started:
    """What the judged run started: id, image, configuration and the boundary of one replica."""

    container_id: str
    started_at: Instant
    image_id: str
    config_hash: str


@dataclass(frozen=True)
class ReplicaReading:
    """All about one expected replica of a service. `before`, `after`: its state around the checks; None: there is none.

    `consumes`: it reads the queue. What the queue says is None for others, and where it cannot tell this one apart.
    `boundary`: the instant after which only old behaviour may be seen. `by_run`: the run's own start of it.
    `in_queue_before`, `in_queue`: whether the queue lists it as a consumer, at the beginning and at the end.
    `restarted`, `recreated`: its code as the engine shows it at the end, which is what it would find if it were started
    again; and if it were made anew. `finished_in_queue`: messages that the queue says it has finished during the
    checks; None where the queue cannot tell. `reverted_at`: when the run began that put other files behind its mounts.
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

    @property
    def label(self) -> str:
        if isinstance(self.before, Replica):
            return f"{self.slot} ({self.before.name}, {self.before.short_id})"
        return self.slot


@dataclass(frozen=True)
class DocumentReading:
    """One stored document. `score`: as stored, None where the field is missing or null. `marked`: has the new mark.

    `could_be_marked`: where the mark would be is something else than fields, in which it cannot be looked for.
    `odd_score`: what is stored as one and is no finite number, "" for none.
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
    """A probe that was found stored, and was then removed: by whose process, and with which score."""

    score: float
    container_id: str
    started_at: Instant


@dataclass(frozen=True)
class DocumentsReading:
    """Documents created since the boundary, newest first. `truncated`: there are more than were read.

    `advice`: what would make this reading fast, where it is not. `untimed`: ids of documents of any time that carry the
    mark, or could, and whose time of creation is none; a few of them.
    """

    since: Instant
    documents: tuple[DocumentReading, ...]
    truncated: bool = False
    advice: str = ""
    untimed: tuple[str, ...] = ()

    @property
    def organic(self) -> tuple[DocumentReading, ...]:
        return tuple(d for d in self.documents if not d.is_probe)


@dataclass(frozen=True)
class ProbeReading:
    """What became of one probe document. Times are the engine's.

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
    """All probes of one verify. `not_sent`: why there is none, "" where none was needed.

    `leftovers`: traces that could not be removed, with the reason. `may_return`: ids of probes, earlier ones too, that
    the queue may still deliver; the next command removes what they leave.
    """

    probes: tuple[ProbeReading, ...]
    limit_s: float
    swept: int = 0
    leftovers: tuple[str, ...] = ()
    not_sent: str = ""
    may_return: tuple[str, ...] = ()


@dataclass(frozen=True)
class Consumer:
    """A client of the channel, as the queue knows it; `finished`: messages since it connected."""

    hostname: str
    address: str
    finished: int = 0


@dataclass(frozen=True)
class QueueReading:
    """Depth, messages in flight and consumers of the worker's channel; `finished`: by all of them together.

    `deferred`: messages that were requeued with a delay. `paused`: somebody has stopped the delivery of all.
    `other_channels`: of the same topic, that have consumers.
    """

    depth: int
    in_flight: int
    consumers: tuple[Consumer, ...]
    finished: int
    deferred: int = 0
    paused: bool = False
    other_channels: tuple[str, ...] = ()

    @property
    def holds(self) -> int:
        """All messages that it can still deliver."""
        return self.depth + self.in_flight + self.deferred


class Upstream(enum.StrEnum):
    """What became of one question to the MCP server."""

    NOT_ASKED = "was not asked"
    ANSWERS = "answers"
    SHOOK_HANDS = "took a handshake, was not asked more"
    SILENT = "does not answer a call"
    REFUSES = "refuses"
    IN_TROUBLE = "answers with an error of its own"


@dataclass(frozen=True)
class McpReading:
    """Whether the MCP server can serve the worker; `says`: what it did, and how fast."""

    state: Upstream
    says: str

    @property
    def answers(self) -> bool:
        return self.state in (Upstream.ANSWERS, Upstream.SHOOK_HANDS)


@dataclass(frozen=True)
class Bucket:
    """Documents created within `bucket_s` from `start` on, probes left out. `deviation` 0 for fewer than two scores."""

    start: Instant
    documents: int
    scored: int
    mean: float
    deviation: float


@dataclass(frozen=True)
class Series:
    """Completeness over time. `outside`: scores that are no share between 0 and 1; they are in no mean."""

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
    """Everything that one verify measured. `expected`: how many replicas of each service are normal.

    `ids_after`: containers at the end, by service and name.
    `baseline`: None where no snapshot of the old code kept one. `project_exists`: some container, of whatever service.
    `history`: completeness around the boundary, for the record's picture; no check looks at it. None: not asked for.
    `stored`: by id, documents that a log says were finished, as they are stored; one that is not there was not found.
    `remembered`: by id, probes that were found stored with a score, and were then removed.
    `ended_early`: why nobody waited for the rest, "" where everything was waited for.
    `configured`: by service, the configuration hash that Compose would give now.
    `left_out`: services that the profile neither lists nor waives, and what of the change they carry.
    `ill_before`: by service, since when its health check has failed: "the change" or "the rollback".
    """

    expected: Mapping[str, int]
    source_digests: dict[str, str] | Unmeasured
    run_id: str | None
    replicas: tuple[ReplicaReading, ...]
    mcp: McpReading
    queue_before: QueueReading | Unmeasured
    queue_after: QueueReading | Unmeasured
    strangers: tuple[str, ...] | Unmeasured
    probes: ProbesReading | Unmeasured
    documents: DocumentsReading | Unmeasured
    soak_s: float
    ids_after: Mapping[str, Mapping[str, str] | Unmeasured]
    baseline: Baseline | None = None
    project_exists: bool = True
    history: Series | Unmeasured | None = None
    stored: Mapping[str, DocumentReading] | Unmeasured = field(default_factory=dict)
    remembered: Mapping[str, Known] = field(default_factory=dict)
    ended_early: str = ""
    left_out: Mapping[str, str] | Unmeasured = field(default_factory=dict)
    configured: Mapping[str, str | Unmeasured] = field(default_factory=dict)
    ill_before: Mapping[str, str] = field(default_factory=dict)

    @property
    def services(self) -> tuple[str, ...]:
        """Those that read the queue first; the order says nothing else."""
        first = {replica.service for replica in self.consuming}
        return tuple(sorted(self.expected, key=lambda service: (service not in first, service)))

    @property
    def consuming(self) -> tuple[ReplicaReading, ...]:
        """The replicas of the service that reads the queue."""
        return tuple(replica for replica in self.replicas if replica.consumes)

    def of(self, service: str) -> tuple[ReplicaReading, ...]:
        return tuple(replica for replica in self.replicas if replica.service == service)
