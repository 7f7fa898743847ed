"""The format of a profile. Each default is stated once, in its section; docs/profile.md is written from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from rollback_gate.profile.afterwards import Action, Messages, Ticket, Titles
from rollback_gate.profile.answers import Metric, ReadyLog, Request
from rollback_gate.profile.base import Name, Section
from rollback_gate.profile.deployment import (
    CodeItem,
    ConfigItem,
    Deployment,
    FileItem,
    ImageItem,
    Item,
    Keep,
    NodeAddress,
    Only,
    Partial,
    RemovedItem,
    Service,
    SettingItem,
    ValueItem,
)
from rollback_gate.profile.live import Completeness, Known, Limits, Probe
from rollback_gate.profile.logs import Logs
from rollback_gate.profile.systems import Database, Queue, Upstream
from rollback_gate.profile.triggers import Triggers

FORMAT = 3

# The checks that a profile may leave out. The other two are what a rollback is.
Optional = Literal["processing", "completeness"]
Reason = Annotated[str, Field(min_length=1)]


class Profile(Section):
    """One change, and where it runs. `waived`: services that carry an item and are left alone, each with the reason.
    `nodes`: by its name, how the engine of each node of a Swarm is reached.

    `not_asked`: checks that are left out, each with the reason; the verdict then reads "GO (3 of 4)". Otherwise a check
    whose section is missing is refused.
    """

    format: Literal[3]
    name: Name
    title: str
    titles: Titles = Titles()
    deployment: Deployment
    nodes: dict[Name, NodeAddress] = Field(default_factory=dict)
    services: dict[Name, Service] = Field(min_length=1)
    waived: dict[Name, str] = Field(default_factory=dict)
    change: tuple[Item, ...] = Field(min_length=1)
    keep: tuple[Keep, ...] = ()
    partial: Partial = Partial()
    logs: Logs
    queue: Queue | None = None
    database: Database | None = None
    upstream: Upstream | None = None
    known: Known = Known()
    probe: Probe | None = None
    request: Request | None = None
    completeness: Completeness | None = None
    metric: Metric | None = None
    not_asked: dict[Optional, Reason] = Field(default_factory=dict)
    triggers: Triggers = Triggers()
    messages: Messages = Messages()
    actions: tuple[Action, ...] = ()
    ticket: Ticket = Ticket()
    limits: Limits = Limits()

    @model_validator(mode="after")
    def _one_service_consumes(self) -> Self:
        found = [name for name, service in self.services.items() if service.consumes]
        if len(found) > 1 or (not found and self.queue is not None and self.asks("processing")):
            raise ValueError(f"services: exactly one must have consumes = true, not {', '.join(found) or 'none'}")
        if found and self.queue is None and self.answering and self.asks("processing"):
            raise ValueError(f"services: {found[0]} has consumes = true, and there is no [queue]")
        for taken in {"replica", "request"} & set(self.services):
            raise ValueError(f"services: a service cannot be called {taken}: that word has another meaning here")
        if both := sorted(set(self.services) & set(self.waived)):
            raise ValueError(f"services and waived both name {', '.join(both)}")
        return self

    @model_validator(mode="after")
    def _nodes_are_of_a_swarm(self) -> Self:
        is_swarm = self.deployment.platform == "swarm"
        if self.nodes and not is_swarm:
            raise ValueError('nodes: only a Swarm has them: deployment.platform = "swarm"')
        if is_swarm and not self.deployment.files:
            raise ValueError(
                "deployment.files: name the stack's files: the next `docker stack deploy` is made from them"
            )
        return self

    @model_validator(mode="after")
    def _each_check_has_its_sections(self) -> Self:
        of_documents = [section for section in ("queue", "database") if getattr(self, section) is None]
        of_documents += [f"logs.{key}" for key in ("picked_up", "completed") if getattr(self.logs, key) is None]
        if self.queue is None and self.answering:
            of_documents = []  # what the service answers is enough
        of_scores = [section for section in ("completeness", "database") if getattr(self, section) is None]
        if self.completeness is None and self.metric is not None:
            of_scores = []
        missing: dict[Optional, list[str]] = {"processing": of_documents, "completeness": of_scores}
        instead: dict[Optional, str] = {
            "processing": "or a service's `ready` (not a log line), or [request]",
            "completeness": "or [metric]",
        }
        for check, sections in missing.items():
            if sections and self.asks(check):
                by_name = f'or leave the check out by name: not_asked = {{{check} = "why"}}'
                raise ValueError(f"{', '.join(sections)}: check `{check}` needs it, {instead[check]}; {by_name}")
        return self

    @model_validator(mode="after")
    def _items_are_apart(self) -> Self:
        paths = [PurePosixPath(item.path) for item in self.code]
        for index, path in enumerate(paths):
            for other in paths[index + 1 :]:
                if path.is_relative_to(other) or other.is_relative_to(path):
                    raise ValueError(f"change: two items overlap: {path} and {other}")
        for file in map(PurePosixPath, self.value_files):
            if within := next((path for path in paths if file.is_relative_to(path)), None):
                raise ValueError(f"change: {within} is restored or removed whole, and a value is written into {file}")
        if twice := _twice((item.file, item.key) for item in self.values if item.file):
            raise ValueError(f"change: two items write {twice[1]} of {twice[0]}")
        return self

    @model_validator(mode="after")
    def _items_name_services(self) -> Self:
        named = {service for item in self.change for service in item.services}
        if not (self.files or self.removed() or self.values):
            raise ValueError("change: at least one item must be reverted by every rollback, not by a full one only")
        if len({keep.says for keep in self.keep}) < len(self.keep):
            raise ValueError("keep: two entries say the same")
        if unknown := sorted(named - set(self.services)):
            raise ValueError(f"change: {', '.join(unknown)} is not listed under services")
        for service in self.services:
            if len([item for item in self.values_of(service) if isinstance(item, ImageItem)]) > 1:
                raise ValueError(f"change: two items give {service} an image")
            if not any(not item.services or service in item.services for item in self.change):
                raise ValueError(f"services: no item of the change is for {service}: leave it out, or name it there")
        configs = [item for item in self.values if isinstance(item, ConfigItem)]
        if configs and self.deployment.platform != "swarm":
            raise ValueError(
                "change: a config is an object of a Swarm: mount a file, and name it as an item of kind file"
            )
        if twice := _twice((service, item.target) for item in configs for service in item.services):
            raise ValueError(f"change: two items give {twice[0]} the config {twice[1]}")
        if twice := _twice((s, i.in_container) for i in self.values if isinstance(i, SettingItem) for s in i.services):
            raise ValueError(f"change: two items give {twice[0]} the variable {twice[1]}")
        return self

    def asks(self, check: Optional) -> bool:
        """False for a check that is left out by name."""
        return check not in self.not_asked

    @property
    def code(self) -> tuple[CodeItem, ...]:
        """The items that are paths: restored files and removed paths."""
        return tuple(item for item in self.change if isinstance(item, FileItem | RemovedItem))

    @property
    def files(self) -> tuple[FileItem, ...]:
        """The files that are restored."""
        return tuple(item for item in self.change if isinstance(item, FileItem))

    @property
    def values(self) -> tuple[ValueItem, ...]:
        """The items that containers get when they are created: settings and images."""
        return tuple(item for item in self.change if isinstance(item, SettingItem | ImageItem | ConfigItem))

    @property
    def value_files(self) -> tuple[str, ...]:
        """The files in which values are written."""
        return tuple(dict.fromkeys(item.file for item in self.values if item.file))

    def values_of(self, service: str) -> tuple[ValueItem, ...]:
        """The settings and images of one service."""
        return tuple(item for item in self.values if service in item.services)

    def files_of(self, service: str) -> tuple[FileItem, ...]:
        """The restored files that containers of a service may have."""
        return tuple(item for item in self.files if not item.services or service in item.services)

    def removed_of(self, service: str) -> tuple[str, ...]:
        """The same, of the paths that are always removed."""
        rows = (item for item in self.code if isinstance(item, RemovedItem) and item.only is None)
        return tuple(item.path for item in rows if not item.services or service in item.services)

    def must_have(self, service: str, path: str) -> bool:
        """True if each replica of a service has this restored file."""
        named = self.file(path).services
        return service in named if named else service == self.consumer

    def file(self, path: str) -> FileItem:
        """The restored file at this path. Raises KeyError."""
        return {item.path: item for item in self.files}[path]

    def removed(self, *only: Only) -> tuple[str, ...]:
        """Paths that are always removed, and those that `only` names."""
        wanted = (None, *only)
        return tuple(i.path for i in self.code if isinstance(i, RemovedItem) and i.only in wanted)

    def inside(self, service: str, relative: str) -> str:
        """The path of a project file inside the containers of a service."""
        own = next((item.inside for item in self.code if item.path == relative), "")
        return own or str(PurePosixPath(self.services[service].root) / relative)

    def places(self, service: str) -> tuple[str, ...]:
        """Paths of the restored files and of what is always removed, inside the containers of a service."""
        paths = (*(file.path for file in self.files_of(service)), *self.removed_of(service))
        return tuple(self.inside(service, path) for path in paths)

    @property
    def answering(self) -> tuple[str, ...]:
        """What check 3 asks of the services themselves: those with a condition beyond their log, and the request."""
        ready = (name for name, one in self.services.items() if one.ready and not isinstance(one.ready, ReadyLog))
        return (*ready, *(("request",) if self.request else ()))

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the environment variables that asking the systems around the workers needs."""
        sections = (self.deployment, self.database, self.queue, self.upstream, self.request, self.metric)
        more = [name for section in (*sections, *self.keep) for name in getattr(section, "variables", ())]
        passwords = (getattr(section, "password_env", None) for section in sections)
        return tuple(dict.fromkeys((*more, *(name for name in passwords if name))))

    @property
    def upstream_name(self) -> str:
        """The upstream as messages call it, with its article."""
        return self.upstream.name if self.upstream else "the upstream"

    @property
    def target(self) -> float | None:
        """The score that the change must reach; None if the profile has none."""
        normal = self.completeness.low if self.completeness else None
        return self.triggers.target if self.triggers.target is not None else normal

    @property
    def consumer(self) -> str:
        """The service that consumes the queue; the first one, if none does."""
        return next((name for name, service in self.services.items() if service.consumes), next(iter(self.services)))

    @property
    def others(self) -> tuple[str, ...]:
        """The services but the consumer, in the profile's order."""
        return tuple(name for name in self.services if name != self.consumer)

    @property
    def replicas(self) -> int:
        """The number of replicas of the consumer."""
        return self.services[self.consumer].replicas


def _twice(rows: Iterable[tuple[str, str]]) -> tuple[str, str] | None:
    """The first that comes more than once; None if none does."""
    counts = Counter(rows)
    return next((row for row, count in counts.items() if count > 1), None)
