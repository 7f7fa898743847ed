"""Where old code comes from. Content decides what a file is, the time in its name which one is newest."""

from __future__ import annotations

import datetime
import difflib
import enum
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rollback_gate.errors import Refused
from rollback_gate.profile.schema import Code, RestoredFile


class Content(enum.StrEnum):
    OLD = "old code"
    NEW = "code of the change"
    UNKNOWN = "neither old nor new code"


@dataclass(frozen=True)
class Candidate:
    """A file that could be restored. `stamp`: from its name, None when the name holds none."""

    path: Path
    stamp: datetime.datetime | None
    data: bytes | None
    content: Content
    why: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.data or b"").hexdigest()


@dataclass(frozen=True)
class Source:
    """What is restored to `path`, from where; both relative to the project directory."""

    path: str
    kind: str
    origin: str
    data: bytes
    digest: str


def classify(data: bytes, code: Code) -> tuple[Content, str]:
    """Old code holds all of the profile's old texts and none of the new ones. Pure."""
    text = data.decode(errors="replace")
    new = [mark for mark in code.new if mark in text]
    missing = [mark for mark in code.old if mark not in text]
    if new:
        return Content.NEW, f"holds {', '.join(new)}"
    if missing:
        return Content.UNKNOWN, f"lacks {', '.join(missing)}"
    return Content.OLD, f"holds {', '.join(code.old)} and nothing of the change"


def candidates(directory: Path, restored: RestoredFile, code: Code) -> tuple[Candidate, ...]:
    """All backups of a file, newest first by the time in the name; those without one come last."""
    found = [_candidate(path, restored, code) for path in sorted(directory.glob(restored.backups))]
    return tuple(sorted(found, key=lambda c: (c.stamp or datetime.datetime.min, c.path.name), reverse=True))  # noqa: DTZ901


def newest_old(directory: Path, restored: RestoredFile, code: Code) -> Source:
    """The newest backup that really is old code. Raises Refused, naming every backup and what it is."""
    found = candidates(directory, restored, code)
    for candidate in found:
        if candidate.content is Content.OLD and candidate.data is not None:
            return Source(
                restored.path, "backup", str(candidate.path.relative_to(directory)), candidate.data, candidate.digest
            )
    if not found:
        raise Refused(f"no backup of {restored.path} (looked for {directory / restored.backups})",
                      "put a backup of the old file there, or correct code.restore.backups")  # fmt: skip
    listed = "; ".join(f"{c.path.name}: {c.content} ({c.why})" for c in found)
    raise Refused(f"none of {len(found)} backups of {restored.path} is old code: {listed}",
                  "restoring one of them would keep the change; find the old file, for example in git")  # fmt: skip


def difference(source: Source, current: bytes) -> tuple[str, ...]:
    """The diff that the restore would make, as unified lines. Pure."""
    before, after = (data.decode(errors="replace").splitlines() for data in (current, source.data))
    return tuple(
        difflib.unified_diff(before, after, f"{source.path} (in place)", f"{source.path} (restored)", lineterm="", n=1)
    )


def outside_of_change(diff: Iterable[str], code: Code) -> int:
    """Lines that the restore would drop and that hold none of the change's own marks."""
    dropped = [line for line in diff if line.startswith("-") and not line.startswith("---")]
    return sum(bool(line[1:].strip()) and not any(mark in line for mark in code.new) for line in dropped)


def _candidate(path: Path, restored: RestoredFile, code: Code) -> Candidate:
    stamp = _stamp(path.name, restored.stamp)
    if path.is_symlink() or not path.is_file():
        return Candidate(path, stamp, None, Content.UNKNOWN, "is no plain file")
    try:
        data = path.read_bytes()
    except OSError as error:
        return Candidate(path, stamp, None, Content.UNKNOWN, f"cannot be read: {error.strerror}")
    content, why = classify(data, code)
    return Candidate(path, stamp, data, content, why)


def _stamp(name: str, form: str) -> datetime.datetime | None:
    """The time at the end of a name, after the last dot."""
    try:
        return datetime.datetime.strptime(name.rpartition(".")[2], form)  # noqa: DTZ007 - only compared with its like
    except ValueError:
        return None
