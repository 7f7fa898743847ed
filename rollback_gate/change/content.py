"""Classifies a file by its content, and shows what restoring it would change. Pure."""

from __future__ import annotations

import ast
import difflib
import enum
import hashlib
import warnings
from collections.abc import Iterable
from dataclasses import dataclass

from rollback_gate.profile.deployment import FileItem


class Content(enum.StrEnum):
    OLD = "old code"
    NEW = "code of the change"
    UNKNOWN = "neither old nor new code"


SETTING = "setting"  # the kind of a source that is computed: the file as it is, with old values


@dataclass(frozen=True)
class Source:
    """The content that `path` (relative to the project directory) must have, and its origin.

    `kind`: backup, git, image, setting; or quarantine, for an undo. `origin`: which one of its kind. `is_executable`:
    as in git, for a file that is not in place; None if the source does not have it. `repository`: folder of the git
    repository.
    """

    path: str
    kind: str
    origin: str
    data: bytes
    digest: str
    is_executable: bool | None = None
    repository: str = ""

    @classmethod
    def of(cls, path: str, kind: str, origin: str, data: bytes) -> Source:
        return cls(path, kind, origin, data, hashlib.sha256(data).hexdigest())

    @property
    def says(self) -> str:
        """The origin, in words."""
        if self.kind == SETTING:
            return f"the old value of {self.origin}"
        return f"{self.kind} {self.origin}" + (f" of {self.repository}" if self.repository else "")


def not_whole(data: bytes, item: FileItem) -> str:
    """Why a Python file does not parse, "" if it does. A newer Python may accept syntax that this one rejects."""
    if not item.path.endswith(".py"):
        return ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(data)
    except (SyntaxError, ValueError) as error:
        return f"is no Python that could run here: {error}"
    except (RecursionError, MemoryError):
        return ""  # nested too deeply to parse here
    return ""


def classify(data: bytes, item: FileItem) -> tuple[Content, str]:
    """Old code contains all of the item's old texts and none of the new ones."""
    text = data.decode(errors="replace")
    new = [mark for mark in item.new if mark in text]
    missing = [mark for mark in item.old if mark not in text]
    if new:
        return Content.NEW, f"holds {', '.join(new)}"
    if missing:
        return Content.UNKNOWN, f"lacks {', '.join(missing)}"
    return Content.OLD, f"holds {', '.join(item.old)} and nothing of the change"


def difference(source: Source, current: bytes) -> tuple[str, ...]:
    """The changes that the restore would make, as lines of a unified diff."""
    before, after = (data.decode(errors="replace").splitlines() for data in (current, source.data))
    return tuple(
        difflib.unified_diff(before, after, f"{source.path} (in place)", f"{source.path} (restored)", lineterm="", n=1)
    )


def outside_of_change(diff: Iterable[str], item: FileItem) -> int:
    """Number of lines that the restore would discard although they contain none of the change's marks."""
    dropped = [line for line in diff if line.startswith("-") and not line.startswith("---")]
    return sum(bool(line[1:].strip()) and not any(mark in line for mark in item.new) for line in dropped)
