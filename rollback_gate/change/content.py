"""What a file is, by its content, and what restoring it would change. Pure."""

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


@dataclass(frozen=True)
class Source:
    """What `path` (relative to the project directory) is to hold, and where that comes from.

    `kind`: backup, git, image; or quarantine, for an undo. `origin`: which one of its kind. `is_executable`: as git
    keeps it, for a file that is not in place; None where the source does not tell. `repository`: folder of a git
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
        """Where it comes from, in words."""
        return f"{self.kind} {self.origin}" + (f" of {self.repository}" if self.repository else "")


def not_whole(data: bytes, item: FileItem) -> str:
    """Why a Python file cannot be whole; "" where nothing says so. A newer Python than this one may know more."""
    if not item.path.endswith(".py"):
        return ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(data)
    except (SyntaxError, ValueError) as error:
        return f"is no Python that could run here: {error}"
    except (RecursionError, MemoryError):
        return ""  # too deep for this one to tell
    return ""


def classify(data: bytes, item: FileItem) -> tuple[Content, str]:
    """Old code holds all of the item's old texts and none of the new ones."""
    text = data.decode(errors="replace")
    new = [mark for mark in item.new if mark in text]
    missing = [mark for mark in item.old if mark not in text]
    if new:
        return Content.NEW, f"holds {', '.join(new)}"
    if missing:
        return Content.UNKNOWN, f"lacks {', '.join(missing)}"
    return Content.OLD, f"holds {', '.join(item.old)} and nothing of the change"


def difference(source: Source, current: bytes) -> tuple[str, ...]:
    """The diff that the restore would make, as unified lines."""
    before, after = (data.decode(errors="replace").splitlines() for data in (current, source.data))
    return tuple(
        difflib.unified_diff(before, after, f"{source.path} (in place)", f"{source.path} (restored)", lineterm="", n=1)
    )


def outside_of_change(diff: Iterable[str], item: FileItem) -> int:
    """Lines that the restore would drop and that hold none of the change's own marks."""
    dropped = [line for line in diff if line.startswith("-") and not line.startswith("---")]
    return sum(bool(line[1:].strip()) and not any(mark in line for mark in item.new) for line in dropped)
