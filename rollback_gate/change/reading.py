"""Readings of the change inside a replica, and the baseline from before it: frozen values."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from rollback_gate.change.import_graph import KeptModules
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured


@dataclass(frozen=True)
class Bytecode:
    """Bytecode of a file: the size of its source in bytes, when it was compiled, and its source's mtime.

    `is_kept`: the processes in the container appear to keep it up to date. `is_blind`: it is older than the current
    file, and Python would use it for that file without comparing content.
    """

    size: int
    at: Instant | None
    source_at: Instant | None = None
    is_kept: bool = True
    is_blind: bool = False

    def is_of_start(self, started: Instant, until: Instant, is_gone: bool = False) -> bool:
        """True if, by its times, it was compiled from what the process found at its start.

        Python stores its source's time in whole seconds, so for the second of the start the order is unknown.
        `is_gone`: its source is a module of the change only, which only a process started with the change imports.
        """
        was_there = self.source_at is not None and self.source_at.plus(0 if is_gone else 1) <= started
        return self.is_kept and was_there and self.at is not None and started <= self.at <= until


@dataclass(frozen=True)
class FileReading:
    """One restored file inside a container. `exists` False: there is no such file; the rest is then empty.

    `new`, `old`: which of the profile's texts it contains. Times are the container's. `size`: bytes. `bytecode`: one
    per Python version; empty if there is none. `compiled_new`: texts of `new` in bytecode that Python takes for it.
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
    compiled_new: tuple[str, ...] = ()

    def was_compiled_otherwise(self, started: Instant, until: Instant) -> bool:
        """True if all bytecode compiled at the start is of a source of another size than the current file."""
        then = [one for one in self.bytecode if one.is_of_start(started, until)]
        return bool(then) and self.size is not None and all(one.size != self.size for one in then)


class Held(enum.StrEnum):
    """Which value a container has."""

    OLD = "the old value"
    NEW = "the change's value"
    OTHER = "neither the old value nor the change's"


@dataclass(frozen=True)
class ValueReading:
    """One setting or image of the change, in a container or in a file.

    `name`: as messages call it; `why`: it cannot be told. `is_setting`: it is no image. `is_shown`: the value stands
    there; False where an old value is that there is none.
    """

    name: str
    held: Held
    why: str = ""
    is_setting: bool = False
    is_shown: bool = True

    @property
    def says(self) -> str:
        return f"{self.name}: {self.held}" + (f" ({self.why})" if self.why else "")


@dataclass(frozen=True)
class CodeReading:
    """Restored files, and removed paths that are still there, in one container; and its settings and images.

    `husks`: removed folders that contain only bytecode. `compiled_before_removal`: by path, remaining bytecode of
    removed modules. `folders_changed_at`: when a parent folder of an item last changed, Python's bytecode ignored.
    `from_outside`: read through the engine because the image has no shell; only the files' times are then known.
    `stopped`: ids of processes stopped by a signal. `elsewhere`: items that also exist, with other content, in the
    process's working directory. `kept`: after a partial rollback, use of the modules that it keeps; else None.
    `values`: settings and images of the change. `in_its_place`: packages and compiled modules beside a restored
    file that have its name: Python imports them, and not the file. `set_in_a_process`: settings whose new value a
    process has in its environment, whatever the container was created with. `environments_unseen`: not every process
    could be asked for that.
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
    values: tuple[ValueReading, ...] = ()
    in_its_place: tuple[str, ...] = ()
    set_in_a_process: tuple[str, ...] = ()
    environments_unseen: bool = False


@dataclass(frozen=True)
class Baseline:
    """Completeness before the change. Shares 0..1; at least two documents.

    `snapshot`: id of the snapshot; "" if measured from unmarked documents from before the deployment. `at`: when the
    snapshot was taken, or when the first and the last of those documents were saved.
    """

    snapshot: str
    at: str
    mean: float
    standard_deviation: float
    documents: int
