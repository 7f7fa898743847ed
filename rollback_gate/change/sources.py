"""Finds old code: a backup, else git, else a retained image (runbook, Troubleshooting); or the operator's choice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from rollback_gate.change import backups
from rollback_gate.change.content import Content, Source, classify
from rollback_gate.change.git import History
from rollback_gate.errors import Refused, WrongSetting
from rollback_gate.platform import images
from rollback_gate.platform.archive import exists_in, file_in
from rollback_gate.platform.commands import Runner
from rollback_gate.platform.engine import Engine
from rollback_gate.platform.images import Image
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.deployment import FileItem
from rollback_gate.profile.schema import Profile

KINDS = ("backup", "git", "image")


@dataclass(frozen=True)
class Choice:
    """The operator's choice of a source. All empty: the first source, in order, that has old code.

    Raises WrongSetting for an unknown source or contradictory options.
    """

    source: str = ""
    backup: str = ""
    rev: str = ""
    image: str = ""

    def __post_init__(self) -> None:
        if self.source and self.source not in KINDS:
            raise WrongSetting(f"--source {self.source}: there is no such source", f"choose one of {', '.join(KINDS)}")
        if len(self._named | ({self.source} - {""})) > 1:
            raise WrongSetting("--source, --backup, --rev and --image name different sources", "choose one of them")

    @property
    def _named(self) -> set[str]:
        return {kind for kind, value in zip(KINDS, (self.backup, self.rev, self.image), strict=True) if value}

    @property
    def kind(self) -> str:
        """The only source that may be used, "" for any."""
        return next(iter(self._named), self.source)


@dataclass(frozen=True)
class OldImage:
    """An image with old code. `files`: its restored files, by path relative to the project directory."""

    image: Image
    files: Mapping[str, bytes]


@dataclass(frozen=True)
class Sources:
    """Finds old code. `snapshots`: folders of what `invoke snapshot` kept. `keeps`: the name under which
    images of this deployment are kept. `runner_of_git`: raises Refused for a repository that is not trusted."""

    profile: Profile
    directory: Path
    engine: Engine
    runner_of_git: Callable[[], Runner]
    snapshots: tuple[Path, ...]
    keeps: str
    choice: Choice = Choice()

    def find(self, containers: Iterable[Replica]) -> tuple[Source, ...]:
        """For each restored file, the first source with old code. Raises Refused, naming what each source has."""
        rows = tuple(containers)
        return tuple(self._one(restored, rows) for restored in self.profile.files)

    def _one(self, restored: FileItem, containers: tuple[Replica, ...]) -> Source:
        ways: dict[str, Callable[[], Source]] = {
            "backup": lambda: self._backup(restored),
            "git": lambda: self._git(restored),
            "image": lambda: self._from_image(restored, containers),
        }
        kind = self.choice.kind
        tried: list[Refused] = []
        for name, way in ways.items():
            if kind in ("", name):
                try:
                    return way()
                except Refused as error:
                    tried.append(error)
        says = "; ".join(error.message for error in tried)
        name = f"{PurePosixPath(restored.path).name}.backup.STAMP"
        several = f"put a backup of the old file next to it as {name}, or name a source: --backup, --rev, --image"
        raise Refused(says, tried[0].remedy if len(tried) == 1 else several)

    def _backup(self, restored: FileItem) -> Source:
        if self.choice.backup and self._is_for(self.choice.backup, restored):
            return backups.chosen(self.directory, restored, self.choice.backup)
        kept = [c for folder in self.snapshots for c in backups.in_snapshots(folder, restored)]
        return backups.newest_old(self.directory, restored, kept)

    def _is_for(self, name: str, restored: FileItem) -> bool:
        """With several restored files, a chosen backup belongs to the file in its folder that it is named after."""
        beside = self.directory / PurePosixPath(restored.path).parent
        is_beside = (self.directory / name).parent == beside
        return len(self.profile.files) == 1 or (
            is_beside and PurePosixPath(name).name.startswith(PurePosixPath(restored.path).name)
        )

    def _git(self, restored: FileItem) -> Source:
        history = History(self.directory, self.runner_of_git())
        return history.at(restored, self.choice.rev) if self.choice.rev else history.newest_old(restored)

    def _from_image(self, restored: FileItem, containers: tuple[Replica, ...]) -> Source:
        found = self.old_image(containers, removed=False)
        data = found.files.get(restored.path)
        if data is None:
            raise Refused(f"{found.image.label} has no {restored.path}", "name another one with --image")
        return Source.of(restored.path, "image", found.image.label, data)

    def old_image(self, containers: Iterable[Replica], removed: bool = True) -> OldImage:
        """The newest image whose files are old code. `removed`: it must also have none of the removed modules.

        Raises Refused, naming every image and what it is; Unreachable.
        """
        rows = tuple(containers)
        said = []
        for image in self._images(rows):
            files, why = self._look_into(image, removed)
            if not why:
                return OldImage(image, files)
            said.append(f"{image.label}: {why}")
        if not said:
            raise Refused("no image of the worker is kept besides", "name one with --image")
        raise Refused(f"none of {len(said)} images is old code: {'; '.join(said)}", "name another one with --image")

    def _images(self, containers: tuple[Replica, ...]) -> tuple[Image, ...]:
        if self.choice.image:
            image = images.named(self.engine, self.choice.image)
            if image is None:
                raise Refused(f"there is no image {self.choice.image}", "docker images shows what there is")
            return (image,)
        deployment = self.profile.deployment
        names = {r.image_name for r in containers if r.service == self.profile.consumer}
        names = {name for name in names if not name.startswith("sha256:")}
        others = {images.with_tag(r.image_name) for r in containers} - {images.with_tag(name) for name in names}
        repositories = {images.repository_of(name) for name in names}
        kept = {images.kept_repository(self.keeps, name) for name in names}
        found = images.related(self.engine, repositories | kept, deployment.project, [self.profile.consumer])
        return tuple(image for image in found if not (image.tags and set(image.tags) <= others))

    def is_old(self, image_id: str) -> bool:
        """True if an image has old code and none of the removed modules. Raises Unreachable."""
        return not self._look_into(Image(image_id, (), 0.0), removed=True)[1]

    def _look_into(self, image: Image, removed: bool) -> tuple[dict[str, bytes], str]:
        """Its restored files, and why it is not old code ("" if it is)."""
        with images.opened(self.engine, image.id, self.profile.deployment.project) as container:
            files: dict[str, bytes] = {}
            for restored in self.profile.files:
                data = file_in(self.engine, container, self.profile.inside(self.profile.consumer, restored.path))
                if data is None:
                    return {}, f"has no {restored.path}"
                content, why = classify(data, restored)
                if content is not Content.OLD:
                    return {}, f"{content} ({why})"
                files[restored.path] = data
            left = [
                path
                for path in self.profile.removed()
                if removed and exists_in(self.engine, container, self.profile.inside(self.profile.consumer, path))
            ]
        return files, f"still has {', '.join(left)}" if left else ""
