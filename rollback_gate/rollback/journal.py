"""The durable account of a run: one JSON object a line, appended and synced. Everything else can be rebuilt from it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rollback_gate.errors import RollbackGateError
from rollback_gate.instant import Instant
from rollback_gate.regular import text_of
from rollback_gate.rollback.files import sync_folder

FORMAT = 1


@dataclass(frozen=True)
class Entry:
    at: Instant
    event: str
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Journal:
    """`now`: this machine's clock; entries are ordered by their position in the file, not by time.

    `clean`: removes secrets from what is written. `trusted`: uids whose files are accepted; None: all.
    """

    path: Path
    now: Callable[[], Instant]
    clean: Callable[[Any], Any] = lambda value: value
    trusted: frozenset[int] | None = None

    def write(self, event: str, **data: Any) -> None:
        """Durable when this returns. Raises OSError."""
        is_new = not self.path.exists()
        line = json.dumps({"format": FORMAT, "at": str(self.now()), "event": event, **self.clean(data)})
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            left = (_mended(self.path) + line + "\n").encode()
            while left:  # a disk that fills up may take only a part, without an error
                left = left[os.write(descriptor, left) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if is_new:
            sync_folder(self.path.parent)

    def entries(self) -> tuple[Entry, ...]:
        """All entries, without torn lines (killed while writing). Raises RollbackGateError for other damage."""
        return parse(text_of(self.path, owners=self.trusted) if self.path.exists() else "", str(self.path))


def parse(text: str, name: str) -> tuple[Entry, ...]:
    """Pure. Raises RollbackGateError, naming the line, for damage anywhere but in a torn line."""
    entries = []
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            table = json.loads(line)
            is_known = table.pop("format") == FORMAT
            entries.append(Entry(Instant.parse(table.pop("at")), table.pop("event"), table))
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            if _is_torn(lines, number):
                continue
            raise RollbackGateError(
                f"{name}, line {number}: not an entry of a journal",
                "keep a copy of it and restore the file from a backup",
            ) from error
        if not is_known:
            raise RollbackGateError(
                f"{name}, line {number}: written in another format", "use the version of rollback-gate that wrote it"
            )
    return tuple(entries)


def _is_torn(lines: list[str], number: int) -> bool:
    """True for the last line, or one that a later run closed: `_mended` marks the line after it."""
    following = lines[number] if number < len(lines) else ""
    return not any(line.strip() for line in lines[number:]) or following.startswith(" ")


def _mended(path: Path) -> str:
    """Prefix of the next entry: after a torn line, a line end and a blank as a mark; else ""."""
    size = path.stat().st_size if path.exists() else 0
    if not size:
        return ""
    with path.open("rb") as file:
        file.seek(size - 1)
        return "" if file.read(1) == b"\n" else "\n "
