"""What was read of the change inside a replica, and what was normal before it: frozen values."""

from __future__ import annotations

from dataclasses import dataclass

from rollback_gate.change.import_graph import KeptModules
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured


@dataclass(frozen=True)
class Bytecode:
    """What Python has compiled of a file, and when: the size of its source then, and since when that was there.

    `is_kept`: as far as one can see, the processes in the container keep it up to date. `is_blind`: Python would take
    it for the file that is there now without a look at its content, and it is older.
    """

    size: int
    at: Instant | None
    source_at: Instant | None = None
    is_kept: bool = True
    is_blind: bool = False

    def is_of_start(self, started: Instant, until: Instant, is_gone: bool = False) -> bool:
        """Made of what a process found when it started, as far as times tell: it was there, and was compiled then.

        Python keeps the second of its source: of the second of the start nobody knows which was first. `is_gone`: its
        source is a module that only the change has: who starts with it imports it, and nobody else does.
        """
        was_there = self.source_at is not None and self.source_at.plus(0 if is_gone else 1) <= started
        return self.is_kept and was_there and self.at is not None and started <= self.at <= until


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

    def was_compiled_otherwise(self, started: Instant, until: Instant) -> bool:
        """What was compiled then was another content than there is now, under every version of Python."""
        then = [one for one in self.bytecode if one.is_of_start(started, until)]
        return bool(then) and self.size is not None and all(one.size != self.size for one in then)


@dataclass(frozen=True)
class CodeReading:
    """Restored files and those removed ones that are still there, by asking inside one container.

    `husks`: those in which nothing but bytecode is left. `compiled_before_removal`: by path, bytecode of removed
    modules that is still there. `folders_changed_at`: when a folder on the way to an item last changed, Python's own
    bytecode left out. `from_outside`: read through the engine, where the image has no shell to ask; times are then the
    files' only. `stopped`: numbers of processes that a signal has stopped. `elsewhere`: items that are also where the
    process was started, and are others there. `kept`: after a partial rollback, whether anybody uses the modules that
    it keeps; else None.
    """

    files: tuple[FileReading, ...]
    still_there: tuple[str, ...]
    kept: KeptModules | Unmeasured | None = None
    folders_changed_at: Instant | None = None
    from_outside: bool = False
    compiled_before_removal: tuple[tuple[str, Bytecode], ...] = ()
    husks: tuple[str, ...] = ()
    stopped: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()


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
