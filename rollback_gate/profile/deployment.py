"""Sections on the change and where it runs: deployment, services, items."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from rollback_gate.profile.base import Name, RelativePath, Section, _glob


class Deployment(Section):
    """Where the change runs. `project`: the Compose project; containers are found by its labels, never by name.

    `files`: Compose files; empty: those in the containers' labels. `variables`: names of the environment variables that
    they use; no others reach Compose.
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


class Service(Section):
    """A service that runs files of the change. `root`: where the project directory is inside its containers.

    `consumes`: true for the one service that reads the queue; each of its replicas must then prove that it processes
    documents. The services are restarted in their order here.
    """

    replicas: int = Field(default=1, ge=1, le=1000)
    root: str = Field(pattern=r"^/")
    consumes: bool = False


Inside = Annotated[str, Field(pattern=r"^(|/.*[^/])$")]


class FileItem(Section):
    """A file whose old content is restored. Old is what holds every text of `old` and none of `new`; each of
    the two lists has at least one.

    `path`: in the project directory; `inside`: its absolute path in the containers, where that is not `root`/`path`.
    `backups`: a glob of the old file's copies, in the project directory; `stamp`: how the time in their names is
    written.
    """

    kind: Literal["file"]
    path: RelativePath
    inside: Inside = ""
    backups: Annotated[str, AfterValidator(_glob)]
    stamp: str = "%Y%m%d_%H%M%S"
    new: tuple[str, ...] = Field(min_length=1)
    old: tuple[str, ...] = Field(min_length=1)


class Only(enum.StrEnum):
    """Limits a removal to a full rollback, or to one that includes the documentation."""

    FULL = "full"
    DOCUMENTATION = "documentation"


class RemovedItem(Section):
    """A path that the change added and a rollback removes. `inside`: as for a file."""

    kind: Literal["removed"]
    path: RelativePath
    inside: Inside = ""
    only: Only | None = None


Item = Annotated[FileItem | RemovedItem, Field(discriminator="kind")]


class Partial(Section):
    """After a partial rollback, which keeps the new modules: the programs whose imports must not reach one."""

    entries: tuple[RelativePath, ...] = ()
