"""History from the output of the script in a container: times of folders, and Python's bytecode. Pure.

Rows: `folder CONTENT CHANGED PATH`, `child BORN CHANGED CONTENT MODE PATH`, `orphan WHEN HEADER… PATH`, and
`compiled KEPT SIZE WHEN PUT BORN HEADER… PATH`; times in seconds. PUT: the bytecode's ctime, when it was put in its
place; BORN: its birth time, 0 or not a number if the file system does not keep it.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from pathlib import PurePosixPath

from rollback_gate.change.reading import Bytecode
from rollback_gate.instant import Instant

Rows = list[tuple[str, ...]]
_MARK_OF_BYTECODE = 0x0A0D  # upper half of the header's first number, read as little-endian
_AT_ONCE_S = 2
UNCHECKED = 1  # PEP 552 flag: Python never compares this bytecode with its source
_FOLDER = "4"  # first digit of a folder's mode, in hexadecimal


def newest_change(rows: Rows, on_the_way: Container[str]) -> Instant | None:
    """When a parent folder was last moved, or an entry of it was added or removed; None if nothing shows it.

    A change explained by a new unrelated entry does not count: Python's bytecode, a backup, a log.
    `on_the_way`: paths of the items and their parent folders; changes to these count.
    """
    times = [_changed_at(row, _came_beside(row[3], rows, on_the_way)) for row in rows if row[0] == "folder"]
    moved = [_moved_at(row) for row in rows if row[0] == "child" and row[5] not in on_the_way]
    return max((at for at in (*times, *moved) if at is not None), default=None)


def _moved_at(child: tuple[str, ...]) -> Instant | None:
    """When a sibling folder was renamed or changed owner: it may be the former parent folder. None if it was not."""
    born, at, content_at = time(child[1]), time(child[2]), time(child[3])
    if at is None or content_at is None or not child[4].startswith(_FOLDER):
        return None
    was_there = born is not None and at.ns - born.ns > 10**9
    return at if was_there and at.ns - content_at.ns > 10**9 else None


def _came_beside(folder: str, rows: Rows, on_the_way: Container[str]) -> set[int]:
    """Seconds in which unrelated entries of a folder were created.

    Uses the time of the last change if the file system keeps no birth times.
    """
    inside = [
        r for r in rows if r[0] == "child" and str(PurePosixPath(r[5]).parent) == folder and r[5] not in on_the_way
    ]
    times = ((time(row[1]), time(row[2])) for row in inside)
    found = (born if born is not None and born.ns else changed for born, changed in times)  # 0: no birth times
    return {at.ns // 10**9 for at in found if at is not None}


def _changed_at(folder: tuple[str, ...], came_beside: set[int]) -> Instant | None:
    content_at, at = time(folder[1]), time(folder[2])
    if at is None or content_at is None:
        return None
    second = at.ns // 10**9
    is_by_content = content_at.ns // 10**9 == second
    return None if is_by_content and came_beside & {second, second - 1} else at


def time(text: str) -> Instant | None:
    """Parses `stat` output: seconds, with a fraction if that `stat` supports it; None if it is not a number."""
    seconds, _, fraction = text.replace(",", ".").partition(".")
    if not seconds.isdigit() or not (fraction or "0").isdigit():
        return None
    return Instant(int(seconds) * 10**9 + int(fraction.ljust(9, "0")[:9]))


def compiled(rows: Rows, path: str) -> tuple[int | None, tuple[Bytecode, ...]]:
    """Current size of a file (None if it has no bytecode), and its bytecode by the headers of its .pyc (PEP 552)."""
    found = [row[1:10] for row in rows if row[0] == "compiled" and row[10:] == (path,)]
    numbers = [row for row in found if _are_numbers((row[0], row[1], *row[5:]))]
    whole = [row for row in numbers if int(row[5]) >> 16 == _MARK_OF_BYTECODE]
    file = next((row for row in rows if row[0] == "file" and row[-1] == path), None)
    times = [] if file is None else _times(file, rows)
    bytecode = tuple(_bytecode(row, times) for row in whole)
    return (int(whole[0][1]) if whole else None), bytecode


def _times(file: tuple[str, ...], rows: Rows) -> list[Instant]:
    """When a file was written and, in a mount, its ctime; in an image the ctime is when the layer was unpacked."""
    is_mounted = any(row[0] == "folder" and row[3] == str(PurePosixPath(file[-1]).parent) for row in rows)
    found = [time(file[2]), time(file[3]) if is_mounted else None]
    return [at for at in found if at is not None]


def _bytecode(row: tuple[str, ...], times: list[Instant]) -> Bytecode:
    kept, size, at, put, born, _, flags, source_seconds, source_size = row
    is_by_time, compiled_at = int(flags) == 0, time(at)
    seconds = times[0].ns // 10**9 if times else None
    fits = (int(source_seconds), int(source_size)) == (seconds, int(size))
    is_taken = fits if is_by_time else int(flags) == UNCHECKED
    is_older = compiled_at is not None and bool(times) and compiled_at < max(times)
    is_older = is_older and not (is_by_time and _came_along(compiled_at, time(put), time(born), times))
    own_size = int(source_size) if is_by_time else -1
    return Bytecode(own_size, compiled_at, _second(source_seconds), kept == "1" and is_by_time, is_taken and is_older)


def _came_along(at: Instant | None, put: Instant | None, born: Instant | None, times: list[Instant]) -> bool:
    """True if the bytecode was copied here with its time, together with its source (`cp -a` of a whole tree)."""
    if at is None or put is None or len(times) == 1:
        return False
    is_copy = put.seconds_since(at) > _AT_ONCE_S or _is_born_later(at, born)
    return is_copy and abs(put.seconds_since(max(times))) <= _AT_ONCE_S


def _is_born_later(at: Instant, born: Instant | None) -> bool:
    """True if the file was created after its mtime: its time was copied. Whole seconds may be truncated: False."""
    return born is not None and at.ns % 10**9 != 0 and born.ns % 10**9 != 0 and born > at


def _second(text: str) -> Instant:
    return Instant(int(text) * 10**9)


def orphans(rows: Rows, paths: Mapping[str, str]) -> tuple[tuple[str, Bytecode], ...]:
    """Bytecode of removed modules, with their paths. `paths`: profile path by path in the container."""
    found = [row for row in rows if row[0] == "orphan" and row[6] in paths and _are_numbers(row[2:6])]
    by_time = [row for row in found if int(row[2]) >> 16 == _MARK_OF_BYTECODE and int(row[3]) == 0]
    return tuple((paths[row[6]], Bytecode(int(row[5]), time(row[1]), _second(row[4]))) for row in by_time)


def _are_numbers(texts: tuple[str, ...]) -> bool:
    return all(text.isdigit() for text in texts)
