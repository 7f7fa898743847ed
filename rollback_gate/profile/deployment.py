"""Sections on where the change runs and what it is: deployment, services, items."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from rollback_gate.profile.base import Name, RelativePath, Section, _glob


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
