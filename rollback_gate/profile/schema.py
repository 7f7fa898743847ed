"""The format of a profile. Every default stands here and nowhere else; profiles/phase1.toml is its manual."""

from __future__ import annotations

import enum
import re
import string
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator


def _relative(path: str) -> str:
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or not pure.parts:
        raise ValueError("must be a path inside the project directory, without '..'")
    return str(pure)


def _no_credentials(address: str) -> str:
    if "@" in address or "//" in address:
        raise ValueError("must be host:port; credentials come from the environment or a file")
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError("must be host:port")
    return address


RelativePath = Annotated[str, AfterValidator(_relative)]
Address = Annotated[str, AfterValidator(_no_credentials)]
Name = Annotated[str, Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0, le=86_400)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Deployment(Section):
    """Where the change runs. `project`: the Compose project; containers are found by its labels, never by name.

    `files`: Compose files; empty: those that the containers' labels name. `variables`: names of environment variables
    that they use; no others reach Compose.
    """

    platform: Literal["compose"] = "compose"
    project_directory: Path
    project: Name
    files: tuple[RelativePath, ...] = ()
    variables: tuple[Name, ...] = ()

    @model_validator(mode="after")
    def _directory_is_absolute(self) -> Self:
        if not self.project_directory.is_absolute():
            raise ValueError("project_directory must be an absolute path: no command depends on where it is called")
        return self


def _glob(pattern: str) -> str:
    if "**" in pattern:
        raise ValueError("must be a glob within one folder, without '**'")
    return _relative(pattern)


class Service(Section):
    """A service that carries the change. `root`: where the project's files are inside its containers.

    `consumes`: it reads the queue, so each of its replicas has to prove that it processes documents.
    """

    replicas: int = Field(default=1, ge=1, le=1000)
    root: str = Field(pattern=r"^/")
    consumes: bool = False


class FileItem(Section):
    """A file that gets its old content back: content that holds all of `old` and none of `new`."""

    kind: Literal["file"]
    path: RelativePath
    backups: Annotated[str, AfterValidator(_glob)]
    stamp: str = "%Y%m%d_%H%M%S"
    new: tuple[str, ...] = Field(min_length=1)
    old: tuple[str, ...] = Field(min_length=1)


class Only(enum.StrEnum):
    """When a path is removed only: by a full rollback, or by one that takes the documentation too."""

    FULL = "full"
    DOCUMENTATION = "documentation"


class RemovedItem(Section):
    """A path that the change has brought, and that is gone afterwards."""

    kind: Literal["removed"]
    path: RelativePath
    only: Only | None = None


Item = Annotated[FileItem | RemovedItem, Field(discriminator="kind")]


class Partial(Section):
    """After a partial rollback, which keeps the new modules: the programs whose imports must not lead to one."""

    entries: tuple[RelativePath, ...] = ()


class LinePattern(Section):
    """A form of log line. The example must match: it is the pattern's manual and its first test."""

    name: str = Field(min_length=1)
    pattern: re.Pattern[str]
    example: str

    @model_validator(mode="after")
    def _example_matches(self) -> Self:
        if not self.pattern.search(self.example):
            raise ValueError(f"the example of '{self.name}' is not matched by its own pattern")
        return self


class NewLine(LinePattern):
    """`kind` groups the lines as the runbook does; `every_document`: printed for each document, trouble or not."""

    kind: str
    every_document: bool = False


class NoiseLine(LinePattern):
    """An error line that old code prints too.

    `per_document`: at most so many for each document that a process had in hand; what goes beyond it counts as errors.
    `of_input`: it reports a task that is invalid, which is the input's fault. `ends`: a traceback has to follow it, and
    the first one has to end so; the line is an error of the worker's own otherwise.
    """

    per_document: int | None = Field(default=None, ge=1, le=1000)
    of_input: bool = False
    ends: re.Pattern[str] | None = None


class Logs(Section):
    """`scored`: the line that gives a finished document's score, in percent; optional, as is `rejected`.

    `upstream`: lines that old code prints only while the MCP server is in trouble.
    """

    consuming: re.Pattern[str]
    connected: re.Pattern[str]
    picked_up: re.Pattern[str]
    completed: re.Pattern[str]
    scored: re.Pattern[str] | None = None
    rejected: re.Pattern[str] | None = None
    error: re.Pattern[str]
    noise: tuple[NoiseLine, ...] = ()
    new: tuple[NewLine, ...] = Field(min_length=1)
    upstream: tuple[LinePattern, ...] = ()

    @model_validator(mode="after")
    def _groups_are_named(self) -> Self:
        groups = {
            "picked_up": ("document",),
            "completed": ("task",),
            "scored": ("document", "percent"),
            "rejected": ("task",),
        }
        for key, names in groups.items():
            pattern = getattr(self, key)
            for group in names if pattern else ():
                if group not in pattern.groupindex:
                    raise ValueError(f"logs.{key} must have a group (?P<{group}>...)")
        return self


class Hang(Section):
    """What old code is known for: after `after` documents of a process, further ones hang (FACTS: Queue).

    `limit_s`: when the worker gives such a document up, and takes the next.
    """

    after: int = Field(default=1, ge=1, le=1000)
    limit_s: float = Field(default=300, gt=0, le=86_400)


class Known(Section):
    """Faults that the service had before the change, and that a rollback brings back with the old code."""

    hang: Hang | None = None


class Queue(Section):
    """`message_timeout_s`: after which the queue delivers an unfinished message again."""

    address: Address
    topic: Name
    channel: Name
    message_timeout_s: float = Field(default=60, gt=0, le=86_400)


class Database(Section):
    address: Address
    name: Name
    user: str
    auth_source: Name = "admin"
    password_env: Name = "ROLLBACK_GATE_DATABASE_PASSWORD"
    password_file: Path | None = None
    collection: Name
    created_at: str = "created_at"
    score: str
    new_mark: str
    has_other_writers: bool = False


class Ask(Section):
    """One call of a tool that the worker uses (JSON-RPC 2.0). Any answer will do, but an error like `trouble`."""

    method: str = Field(min_length=1)
    params: dict[str, Any] = Field(default_factory=dict)
    answer_s: float = Field(default=8, gt=0, le=600)
    trouble: re.Pattern[str] | None = None


class Mcp(Section):
    """`ask` None: a WebSocket handshake is all that is asked, which proves little."""

    address: Address
    ask: Ask | None = None


class Trace(Section):
    """Where a probe leaves something: `field` of `collection` holds its document id or its job id."""

    collection: Name
    field: str


class Probe(Section):
    task: dict[str, Any]
    traces: tuple[Trace, ...] = Field(min_length=1)


class Completeness(Section):
    expected: Share
    low: Share
    high: Share
    critical: Share
    changed: Share
    changed_tolerance: Share = 0.06
    mixture_share: Share = 0.2
    ambiguous: tuple[Share, ...] = ()
    minimum_sample: int = Field(default=10, ge=2, le=1000)
    confidence: float = Field(default=0.95, gt=0.5, lt=1)

    @model_validator(mode="after")
    def _band_holds_what_is_expected(self) -> Self:
        if not self.critical < self.low <= self.expected <= self.high < self.changed:
            raise ValueError("must be ordered: critical < low <= expected <= high < changed")
        return self


class Limits(Section):
    start_s: Seconds = 120
    build_s: Seconds = 1800
    health_s: Seconds = 120
    soak_s: float = Field(default=60, ge=1, le=86_400)
    probe_s: Seconds = 400
    sample_wait_s: Seconds = 20
    trace_wait_s: Seconds = 5
    answer_s: Seconds = 5
    clock_skew_s: Seconds = 5
    before_s: Seconds = 30
    verify_s: Seconds = 3600
    stabilise_s: Seconds = 300
    history_s: Seconds = 7200
    baseline_s: float = Field(default=604_800, ge=1, le=31_536_000)
    errors: int = Field(default=5, ge=0)
    free_disk_mb: int = Field(default=200, ge=0)
    dropped_lines: int = Field(default=50, ge=0)


MESSAGE_FIELDS = frozenset(
    {
        "change",
        "reason",
        "operator",
        "eta",
        "minutes",
        "status",
        "duration",
        "interruption",
        "completeness",
        "verdict",
        "why",
        "next_steps",
        "record",
        "project",
    }
)


class Message(Section):
    """`{name}` is filled in; which names there are is checked when the profile is loaded."""

    subject: str
    body: str

    @model_validator(mode="after")
    def _fields_are_known(self) -> Self:
        for text in (self.subject, self.body):
            names = {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
            if unknown := sorted(names - MESSAGE_FIELDS):
                raise ValueError(f"unknown field {', '.join(unknown)}; there are {', '.join(sorted(MESSAGE_FIELDS))}")
            text.format_map(dict.fromkeys(MESSAGE_FIELDS, "text"))  # a format that texts do not have, like {eta:.1f}
        return self


class Messages(Section):
    """`command` gets a message on its standard input, subject first. `failure`: where it broke off; None: `end`'s."""

    command: tuple[str, ...] = ()
    limit_s: Seconds = 10
    eta_minutes: int = Field(default=10, ge=1, le=1440)
    begin: Message
    end: Message
    failure: Message | None = None


class ErrorType(LinePattern):
    """`expected`: of the kind that a change like this one brings while it settles, or that others cause."""

    expected: bool


class Fixes(Section):
    """What to look at when a trigger fires: the runbook's "Fix:" hints, by rule."""

    nothing_to_roll_back: str = ""
    import_error: str = ""
    crash_on_start: str = ""
    same_error: str = ""
    no_test_document: str = ""
    too_low: str = ""
    too_slow: str = ""
    error_spike: str = ""
    upstream: str = ""
    stopped: str = ""
    below_target: str = ""
    some_errors: str = ""
    slower: str = ""
    mixed: str = ""
    reaches_target: str = ""


class Triggers(Section):
    """When to roll back (runbook, When to Rollback; Decision Tree). An "hour" and all other times can be shortened."""

    import_error: re.Pattern[str]
    mcp_trouble: re.Pattern[str]
    errors: tuple[ErrorType, ...] = ()
    fix: Fixes = Fixes()
    target: Share = 0.5
    after_s: Seconds = 1800
    wait_s: Seconds = 7200
    bucket_s: float = Field(default=600, gt=0, le=86_400)
    slow_s: Seconds = 400
    slower_s: Seconds = 120
    hour_s: float = Field(default=3600, ge=1, le=86_400)
    spike: int = Field(default=50, ge=1)
    unexpected: int = Field(default=5, ge=1)
    documents: int = Field(default=5, ge=1, le=1000)
    valid_s: Seconds = 3600
    watch_s: float = Field(default=60, gt=0, le=86_400)


class Tracker(enum.StrEnum):
    NONE = "none"
    GITHUB = "github"
    JIRA = "jira"
    COMMAND = "command"


class Ticket(Section):
    """Where incidents are. `project`: owner/name at GitHub, a key at Jira. `user`: of Jira's cloud, else empty.

    `address`: of the API; empty for GitHub's own. `task_type`: Jira's name for a sub-task; empty: none are made.
    """

    tracker: Tracker = Tracker.NONE
    address: str = ""
    project: str = ""
    user: str = ""
    token_env: str = "ROLLBACK_GATE_TICKET_TOKEN"
    issue_type: str = "Task"
    task_type: str = "Sub-task"
    command: tuple[str, ...] = ()
    limit_s: Seconds = 10
    attempts: int = Field(default=5, ge=1, le=20)

    @model_validator(mode="after")
    def _has_what_its_tracker_needs(self) -> Self:
        needed = {Tracker.GITHUB: ("project",), Tracker.JIRA: ("address", "project"), Tracker.COMMAND: ("command",)}
        missing = [key for key in needed.get(self.tracker, ()) if not getattr(self, key)]
        if missing:
            raise ValueError(f"tracker {self.tracker} needs {' and '.join(missing)}")
        return self


class Due(enum.StrEnum):
    """When an action has to be done (runbook, Post-Rollback Actions)."""

    SAME_DAY = "same day"
    SHORT_TERM = "1-2 days"
    BEFORE_REDEPLOYMENT = "before re-deployment"


class Action(Section):
    """`is_approval`: by somebody else than the one who rolled back."""

    id: Name
    due: Due
    says: str
    is_approval: bool = False


class Titles(Section):
    """What the checks are called in the record, in the runbook's words."""

    new_behaviour: str
    worker_running: str
    processing: str
    completeness: str


class Profile(Section):
    """One change, and where it runs. `waived`: services that carry an item and are left alone, each with the reason."""

    format: Literal[2]
    name: Name
    title: str
    titles: Titles
    deployment: Deployment
    services: dict[Name, Service] = Field(min_length=1)
    waived: dict[Name, str] = Field(default_factory=dict)
    change: tuple[Item, ...] = Field(min_length=1)
    partial: Partial = Partial()
    logs: Logs
    queue: Queue
    database: Database
    mcp: Mcp
    known: Known = Known()
    probe: Probe
    completeness: Completeness
    triggers: Triggers
    messages: Messages
    actions: tuple[Action, ...] = ()
    ticket: Ticket = Ticket()
    limits: Limits = Limits()

    @model_validator(mode="after")
    def _one_service_consumes(self) -> Self:
        found = [name for name, service in self.services.items() if service.consumes]
        if len(found) != 1:
            raise ValueError(f"services: exactly one must have consumes = true, not {', '.join(found) or 'none'}")
        if both := sorted(set(self.services) & set(self.waived)):
            raise ValueError(f"services and waived both name {', '.join(both)}")
        return self

    @model_validator(mode="after")
    def _items_are_apart(self) -> Self:
        paths = [PurePosixPath(item.path) for item in self.change]
        for index, path in enumerate(paths):
            for other in paths[index + 1 :]:
                if path.is_relative_to(other) or other.is_relative_to(path):
                    raise ValueError(f"change: two items overlap: {path} and {other}")
        if not self.files:
            raise ValueError("change: at least one item must be a file")
        return self

    @property
    def files(self) -> tuple[FileItem, ...]:
        """What is restored."""
        return tuple(item for item in self.change if isinstance(item, FileItem))

    def file(self, path: str) -> FileItem:
        """The restored file of this path. Raises KeyError."""
        return {item.path: item for item in self.files}[path]

    def removed(self, *only: Only) -> tuple[str, ...]:
        """Paths that are always removed; besides those that `only` names."""
        wanted = (None, *only)
        return tuple(i.path for i in self.change if isinstance(i, RemovedItem) and i.only in wanted)

    def inside(self, service: str, relative: str) -> str:
        """Where a file of the project is inside the containers of a service."""
        return str(PurePosixPath(self.services[service].root) / relative)

    @property
    def consumer(self) -> str:
        """The service that consumes the queue."""
        return next(name for name, service in self.services.items() if service.consumes)

    @property
    def others(self) -> tuple[str, ...]:
        """Services that carry the change and do not consume the queue, in the profile's order."""
        return tuple(name for name, service in self.services.items() if not service.consumes)

    @property
    def replicas(self) -> int:
        """How many consume the queue."""
        return self.services[self.consumer].replicas
