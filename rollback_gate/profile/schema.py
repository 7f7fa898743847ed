"""The format of a profile. Each default is stated once, in its section; profiles/phase1.toml documents it."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Literal, Self

from pydantic import Field, model_validator

from rollback_gate.profile.afterwards import Action, Messages, Ticket, Titles
from rollback_gate.profile.base import Name, Section
from rollback_gate.profile.deployment import Deployment, FileItem, Item, Only, Partial, RemovedItem, Service
from rollback_gate.profile.live import Completeness, Known, Limits, Probe
from rollback_gate.profile.logs import Logs
from rollback_gate.profile.systems import Database, Queue, Upstream
from rollback_gate.profile.triggers import Triggers

FORMAT = 3


class Profile(Section):
    """One change, and where it runs. `waived`: services that carry an item and are left alone, each with the reason."""

    format: Literal[3]
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
    upstream: Upstream | None = None
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
        if "replica" in self.services:
            raise ValueError("services: a service cannot be called replica, as its replicas are called otherwise")
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
        """The files that are restored."""
        return tuple(item for item in self.change if isinstance(item, FileItem))

    def file(self, path: str) -> FileItem:
        """The restored file at this path. Raises KeyError."""
        return {item.path: item for item in self.files}[path]

    def removed(self, *only: Only) -> tuple[str, ...]:
        """Paths that are always removed, and those that `only` names."""
        wanted = (None, *only)
        return tuple(i.path for i in self.change if isinstance(i, RemovedItem) and i.only in wanted)

    def inside(self, service: str, relative: str) -> str:
        """The path of a project file inside the containers of a service."""
        return str(PurePosixPath(self.services[service].root) / relative)

    def places(self, service: str) -> tuple[str, ...]:
        """Paths of the restored files and of what is always removed, inside the containers of a service."""
        return tuple(self.inside(service, path) for path in (*(file.path for file in self.files), *self.removed()))

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the environment variables that asking the systems around the workers needs."""
        sections = (self.deployment, self.database, self.queue, self.upstream)
        more = (name for section in sections for name in getattr(section, "variables", ()))
        passwords = (getattr(section, "password_env", None) for section in sections)
        return tuple(dict.fromkeys((*more, *(name for name in passwords if name))))

    @property
    def upstream_name(self) -> str:
        """The upstream as messages call it, with its article."""
        return self.upstream.name if self.upstream else "the upstream"

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
        """The number of replicas that consume the queue."""
        return self.services[self.consumer].replicas
