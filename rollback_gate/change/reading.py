"""What was read of the change inside a replica, and what was normal before it: frozen values."""

from __future__ import annotations

from dataclasses import dataclass

from rollback_gate.change.import_graph import KeptModules
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured


@dataclass(frozen=True)
class Bytecode:
    """What Python has compiled: the size of its source, and when."""

    size: int
    at: Instant | None


@dataclass(frozen=True)
class FileReading:
    """One restored file inside a container. `exists` False: there is no such file; the rest is then empty.

    `new`, `old`: which of the profile's texts it holds. Times are the container's. `size`: bytes. `bytecode`: by
    version of Python; empty where it keeps none up to date.
    """

    path: str
    exists: bool
    is_link: bool = False
    digest: str = ""
    modified_at: Instant | None = None
    changed_at: Instant | None = None
    new: tuple[str, ...] = ()
    old: tuple[str, ...] = ()
    size: int | None = None
    bytecode: tuple[Bytecode, ...] = ()

    @property
    def was_compiled_otherwise(self) -> bool:
        """What Python compiled last, under any of its versions, was another content than there is now."""
        return bool(self.bytecode) and self.size is not None and all(one.size != self.size for one in self.bytecode)

    def was_compiled_alike_before(self, at: Instant) -> bool:
        """What Python had compiled by then may well have been this content: nobody has compiled another one since."""
        return any(one.size == self.size and one.at is not None and one.at < at for one in self.bytecode)


@dataclass(frozen=True)
class CodeReading:
    """Restored files and those removed ones that are still there, by asking inside one container.

    `folders_changed_at`: when a folder on the way to an item last changed, Python's own bytecode left out.
    `removed_at`: when something last went out of the folders that removed items were in; None where none can tell.
    `from_outside`: read through the engine, where the image has no shell to ask; times are then the files' only.
    `kept`: after a partial rollback, whether anybody uses the modules that it keeps; else None.
    """

    files: tuple[FileReading, ...]
    still_there: tuple[str, ...]
    kept: KeptModules | Unmeasured | None = None
    folders_changed_at: Instant | None = None
    from_outside: bool = False
    removed_at: Instant | None = None


@dataclass(frozen=True)
class Baseline:
    """What completeness was before the change. Shares 0..1; at least two documents.

    `snapshot`: whose word it is; "" where unmarked documents from before the deployment say it. `at`: when the snapshot
    was taken, or the first and the last of those documents were saved.
    """

    snapshot: str
    at: str
    mean: float
    standard_deviation: float
    documents: int
