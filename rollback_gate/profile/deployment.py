"""Sections on the change and where it runs: deployment, services, items."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from rollback_gate.profile.answers import Ready
from rollback_gate.profile.base import Name, RelativePath, Section, _glob


class Deployment(Section):
    """Where the change runs. `platform`: what it was deployed with, Docker Compose or a Docker Swarm. `project`: the
    Compose project or the stack; containers are found by its labels, never by name.

    `files`: Compose files, or the stack's; empty: those in the containers' labels, which a stack does not have.
    `variables`: names of the environment variables that they use; no others reach Compose.
    """

    platform: Literal["compose", "swarm"] = "compose"
    project_directory: Path
    project: Name
    files: tuple[RelativePath, ...] = ()
    variables: tuple[Name, ...] = ()

    @model_validator(mode="after")
    def _directory_is_absolute(self) -> Self:
        if not self.project_directory.is_absolute():
            raise ValueError("project_directory must be an absolute path: no command depends on where it is called")
        return self


class NodeAddress(Section):
    """How the engine of one node of a Swarm is reached. A node without one is reached by ssh, at the address that the
    manager has of it.

    `address`: `ssh://user@host`, `tcp://host:port` or `unix://...`; with `certificates`, a folder of ca.pem, cert.pem
    and key.pem, by TLS. `context`: of docker, instead.
    """

    address: str = ""
    certificates: Path | None = None
    context: str = ""

    @model_validator(mode="after")
    def _is_one_way(self) -> Self:
        if bool(self.address) == bool(self.context):
            raise ValueError("give either address or context")
        if self.address and not self.address.startswith(("ssh://", "tcp://", "unix://")):
            raise ValueError("address must begin with ssh://, tcp:// or unix://")
        if self.certificates and not self.address.startswith("tcp://"):
            raise ValueError("certificates are for a tcp:// address")
        return self


class Service(Section):
    """A service that runs files of the change. `root`: where the project directory is inside its containers.

    `consumes`: true for the one service that reads the queue; each of its replicas must then prove that it processes
    documents. The services are restarted in their order here. `ready`: what a rollback waits for after it has started
    the service, and, but for a log line, what check 3 asks of it; left out, the lines `consuming` and `connected` of
    the service that reads the queue, and of any other that it runs.
    """

    replicas: int = Field(default=1, ge=1, le=1000)
    root: str = Field(pattern=r"^/")
    consumes: bool = False
    ready: Ready | None = None


Inside = Annotated[str, Field(pattern=r"^(|/.*[^/])$")]


class FileItem(Section):
    """A file whose old content is restored. Old is what holds every text of `old` and none of `new`; each of
    the two lists has at least one.

    `path`: in the project directory; `inside`: its absolute path in the containers, where that is not `root`/`path`.
    `services`: those that must have it; empty: the one that reads the queue must, and any other that has it is judged.
    `backups`: a glob of the old file's copies, in the project directory; `stamp`: how the time in their names is
    written.
    """

    kind: Literal["file"]
    path: RelativePath
    inside: Inside = ""
    services: tuple[Name, ...] = ()
    backups: Annotated[str, AfterValidator(_glob)]
    stamp: str = "%Y%m%d_%H%M%S"
    new: tuple[str, ...] = Field(min_length=1)
    old: tuple[str, ...] = Field(min_length=1)


class Only(enum.StrEnum):
    """Limits a removal to a full rollback, or to one that includes the documentation."""

    FULL = "full"
    DOCUMENTATION = "documentation"


class RemovedItem(Section):
    """A path that the change added and a rollback removes. `inside`, `services`: as for a file."""

    kind: Literal["removed"]
    path: RelativePath
    inside: Inside = ""
    services: tuple[Name, ...] = ()
    only: Only | None = None


Value = Annotated[str, Field(pattern=r"^[^\r\n]*$")]


class _Value(Section):
    """One value in one file."""

    @property
    def place(self) -> str:
        """Where it is written, in words."""
        return f"{getattr(self, 'key', '')} in {getattr(self, 'file', '')}"


class SettingItem(_Value):
    """A value in an env file or in a Compose file, which the containers of `services` get when they are created.

    `file`: in the project directory. `key`: a name in an env file; in a Compose file the path to it, as
    `services.api.environment.TIMEOUT`. `new`, `old`: its values as they are written there; without `old`, the change
    added it, and a rollback removes its line. `variable`: what it is called in the containers, where that is not the
    key's last part; of a stack also where the key does not say that it is a variable (an anchor, an env file): a task
    shows nothing else.
    """

    kind: Literal["setting"]
    services: tuple[Name, ...] = Field(min_length=1)
    file: RelativePath
    key: str = Field(min_length=1)
    new: Value
    old: Value | None = None
    variable: Name | None = None

    @model_validator(mode="after")
    def _tells_old_from_new(self) -> Self:
        if self.old == self.new:
            raise ValueError("old and new are the same value")
        return self

    @property
    def in_container(self) -> str:
        """The name of the variable in the containers."""
        return self.variable or self.key.rpartition(".")[2]

    @property
    def is_variable(self) -> bool:
        """Whether it is in the containers' environment for sure: files have other values, as limits, too."""
        return bool(self.variable) or ".environment." in self.key

    @property
    def is_no_variable(self) -> bool:
        """Whether it is another part of a service for sure."""
        return self.is_in_a_compose_file and self.key.startswith("services.") and not self.is_variable

    @property
    def is_in_a_compose_file(self) -> bool:
        return self.file.endswith((".yml", ".yaml"))

    @property
    def says(self) -> str:
        """What it is called in messages."""
        return self.in_container

    @property
    def writings(self) -> tuple[tuple[str, str | None], ...]:
        """Its values in the file: of the change, and the old one."""
        return ((self.new, self.old),)


class ConfigItem(_Value):
    """Another config or secret of a Swarm. `target`: its absolute path in the containers of `services`.

    `old`, `new`: their names at the manager; the old one must still be there, with its content of before. `file`,
    `key`: where the name is written in the stack's file, as for a setting (`configs.settings.name`); the old one is
    written there.
    """

    kind: Literal["config"]
    services: tuple[Name, ...] = Field(min_length=1)
    target: Inside = Field(min_length=1)
    old: str = Field(min_length=1)
    new: str = Field(min_length=1)
    file: RelativePath
    key: str = Field(min_length=1)

    @model_validator(mode="after")
    def _tells_old_from_new(self) -> Self:
        if self.old == self.new:
            raise ValueError("old and new are the same config: give it another name for each content")
        return self

    @property
    def says(self) -> str:
        """What it is called in messages."""
        return f"config {self.target}"

    @property
    def writings(self) -> tuple[tuple[str, str | None], ...]:
        """Its names in the file: of the change, and the old one."""
        return ((self.new, self.old),)


_ID = "sha256:"


class ImageItem(_Value):
    """Another image. `old`, `new`: names with tags, digests or ids; the old image must still be on the engine.

    `file`, `key`: where its name or its tag is written, as for a setting: the old one is written there. Without them
    the change moved the name `new` onto another image, and a rollback moves it back: only a name without a version,
    such as `:latest`, is ever moved.
    """

    kind: Literal["image"]
    services: tuple[Name, ...] = Field(min_length=1)
    old: str = Field(min_length=1)
    new: str = Field(min_length=1)
    file: RelativePath | None = None
    key: str = ""

    @model_validator(mode="after")
    def _can_be_reverted(self) -> Self:
        if self.old == self.new:
            raise ValueError("old and new are the same image: name the old one by another tag, its digest or its id")
        if bool(self.file) != bool(self.key):
            raise ValueError("file and key belong together: they say where the image's name is written")
        if self.is_moved and ("@" in self.new or any(sign.isdigit() for sign in tag_of(self.new))):
            raise ValueError(
                f"{self.new} names a version, which is never moved: give file and key, where it is written"
            )
        lasts = "@" in self.old or self.old.startswith(_ID) or any(sign.isdigit() for sign in tag_of(self.old))
        if self.is_moved and not lasts:
            raise ValueError(f"{self.old} may be moved, too: give `old` as an id, a digest or a version")
        return self

    @property
    def has_one_tag(self) -> bool:
        """True if only its digest tells the old one: both have the same tag, as `:latest` of a registry."""
        name, has_digest, _ = self.old.partition("@")
        return bool(has_digest) and name in (self.new, without_tag(self.new))

    @property
    def is_moved(self) -> bool:
        """True if the name itself is given back its old image."""
        return self.file is None

    @property
    def says(self) -> str:
        """What it is called in messages."""
        return f"image {without_tag(self.new)}"

    @property
    def writings(self) -> tuple[tuple[str, str | None], ...]:
        """Its values in the file: of the change, and the old one. The whole name, or its tag alone."""
        whole, tags = (self.new, self.old), (tag_of(self.new), tag_of(self.old))
        is_tag = all(tags) and without_tag(self.new) == without_tag(self.old) and "@" not in self.new + self.old
        return (whole, tags) if is_tag else (whole,)


def tag_of(image: str) -> str:
    """The tag in an image's name, "" if it has none, or is an id or a digest."""
    if "@" in image or image.startswith(_ID):
        return ""
    return image.rpartition("/")[2].partition(":")[2]


def without_tag(image: str) -> str:
    """The repository of an image's name."""
    tag = tag_of(image)
    return image.partition("@")[0].removesuffix(f":{tag}") if tag else image.partition("@")[0]


Item = Annotated[FileItem | RemovedItem | SettingItem | ImageItem | ConfigItem, Field(discriminator="kind")]
CodeItem = FileItem | RemovedItem
ValueItem = SettingItem | ImageItem | ConfigItem


class Keep(Section):
    """Something that a rollback must leave as it is, such as a migration.

    `says`: what it is, in words. `check`: a command, called in the project directory: exit status 0 if it is there, 1
    if it is not; any other says that it could not be measured, so a script must tell a database that does not answer
    from a column that is gone. It is asked before the rollback and at the end of verify. `variables`: names of
    environment variables that it needs in addition to the standard ones. `limit_s`: for the command.
    """

    says: str = Field(min_length=1)
    check: Annotated[tuple[str, ...], Field(min_length=1)]
    variables: tuple[Name, ...] = ()
    limit_s: float = Field(default=30, gt=0, le=600)


class Partial(Section):
    """After a partial rollback, which keeps the new modules: the programs whose imports must not reach one."""

    entries: tuple[RelativePath, ...] = ()
