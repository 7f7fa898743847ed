"""Backups of a restored file: the team's own next to it, and those kept by `invoke snapshot`."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rollback_gate.change.content import Content, Source, classify, not_whole
from rollback_gate.errors import Refused
from rollback_gate.profile.deployment import FileItem
from rollback_gate.regular import content_of


@dataclass(frozen=True)
class Candidate:
    """A file that could be restored. `stamp`: the time in its name, None if there is none.

    `trouble`: why it is not restored although it is old code; "" for nothing.
    """

    path: Path
    stamp: datetime.datetime | None
    data: bytes | None
    content: Content
    why: str
    trouble: str = ""

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.data or b"").hexdigest()


def candidates(directory: Path, restored: FileItem, kept: Iterable[Candidate] = ()) -> tuple[Candidate, ...]:
    """All backups of a file, newest first by the time in the name; those without a time come last."""
    found = [_candidate(path, restored) for path in sorted(directory.glob(restored.backups))]
    return tuple(
        sorted([*found, *kept], key=lambda c: (c.stamp or datetime.datetime.min, c.path.name), reverse=True)  # noqa: DTZ901
    )


def in_snapshots(folder: Path, restored: FileItem) -> tuple[Candidate, ...]:
    """Copies of a file in snapshots. Their time is the one in the snapshot's id (UTC), converted to local time."""
    found = []
    for path in sorted(folder.glob(f"[0-9]*/files/{restored.path}")):
        snapshot = path.relative_to(folder).parts[0]
        taken = _stamp(snapshot.partition("Z")[0], "%Y%m%dT%H%M%S")
        if taken is None:
            continue  # a copy made by hand under another name
        taken = taken.replace(tzinfo=datetime.UTC)
        data = content_of(path)
        at = taken.astimezone().replace(tzinfo=None)
        found.append(Candidate(path, at, data, *classify(data, restored), not_whole(data, restored)))
    return tuple(found)


def newest_old(directory: Path, restored: FileItem, kept: Iterable[Candidate] = ()) -> Source:
    """The newest backup whose content is whole old code. Raises Refused, naming every backup and what it is."""
    found = candidates(directory, restored, kept)
    best = best_of(found)
    if best is not None and best.data is not None:
        return _source(directory, restored, best, best.data)
    if not found:
        raise Refused(
            f"no backup of {restored.path} (looked for {directory / restored.backups})",
            "put a backup of the old file there, or correct the item's `backups`",
        )
    listed = "; ".join(f"{c.path.name}: {c.content} ({c.trouble or c.why})" for c in found)
    remedy = "restoring one of them would keep the change; find the old file, for example in git"
    if broken := [c.path.name for c in found if c.content is Content.OLD]:
        remedy = f"if the service runs another Python than this one, and {broken[0]} is whole, name it with --backup"
    raise Refused(f"none of {len(found)} backups of {restored.path} is whole old code: {listed}", remedy)


def best_of(found: Iterable[Candidate]) -> Candidate | None:
    """The first candidate that is whole old code."""
    return next((c for c in found if c.content is Content.OLD and c.data is not None and not c.trouble), None)


def chosen(directory: Path, restored: FileItem, name: str) -> Source:
    """The backup that the operator named, relative to the project directory. Raises Refused if it is not old code."""
    path = directory / name
    if not path.resolve().is_relative_to(directory.resolve()):
        raise Refused(
            f"{path} is outside the project directory", f"copy it to {directory / restored.path}.backup.STAMP"
        )
    if not path.exists():
        raise Refused(f"there is no backup {path}", "list them: invoke rollback.backups")
    candidate = _candidate(path, restored)
    if candidate.data is None or candidate.content is not Content.OLD:
        raise Refused(f"{path} is {candidate.content} ({candidate.why})", "list what each is: invoke rollback.backups")
    return _source(directory, restored, candidate, candidate.data)


def _source(directory: Path, restored: FileItem, candidate: Candidate, data: bytes) -> Source:
    inside = candidate.path.is_relative_to(directory)
    origin = candidate.path.relative_to(directory) if inside else candidate.path
    return Source(restored.path, "backup", str(origin), data, candidate.digest)


def _candidate(path: Path, restored: FileItem) -> Candidate:
    stamp = _stamp(path.name, restored.stamp)
    if path.is_symlink() or not path.is_file():
        return Candidate(path, stamp, None, Content.UNKNOWN, "is no plain file")
    try:
        data = content_of(path)
    except OSError as error:
        return Candidate(path, stamp, None, Content.UNKNOWN, f"cannot be read: {error.strerror}")
    content, why = classify(data, restored)
    return Candidate(path, stamp, data, content, why, not_whole(data, restored))


def _stamp(name: str, form: str) -> datetime.datetime | None:
    """The time after the last dot of a name; None if there is none."""
    try:
        return datetime.datetime.strptime(name.rpartition(".")[2], form)  # noqa: DTZ007 - only compared with its like
    except ValueError:
        return None
