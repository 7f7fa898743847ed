"""What the answer of the script in a container tells of the past: times of folders, and Python's bytecode. Pure.

Its rows: `folder CONTENT CHANGED PATH`, `child BORN CHANGED PATH`, `compiled SIZE WHEN HEADER… PATH`; times in seconds.
"""

from __future__ import annotations

from collections.abc import Collection, Container
from pathlib import PurePosixPath

from rollback_gate.change.reading import Bytecode
from rollback_gate.instant import Instant

Rows = list[tuple[str, ...]]
_MARK_OF_BYTECODE = 0x0A0D  # second half of the header's first number, where a machine reads it the right way round
_AT_ONCE_NS = 50_000_000  # the kernel's clock of files goes in steps of some milliseconds


def newest_change(rows: Rows, on_the_way: Container[str]) -> Instant | None:
    """When a folder on the way was last moved, or something in it came or went; None where none can tell.

    What came at that time beside the way says nothing: bytecode that Python keeps, a backup that somebody made, a log.
    `on_the_way`: paths of folders and items, whose coming is what is looked for.
    """
    times = [_changed_at(row, _came_beside(row[3], rows, on_the_way)) for row in rows if row[0] == "folder"]
    return max((at for at in times if at is not None), default=None)


def _came_beside(folder: str, rows: Rows, on_the_way: Container[str]) -> set[int]:
    """Seconds at which something in a folder was made.

    Where a file system does not keep that, its last change stands in: what was moved away from here has one too.
    """
    inside = [
        r for r in rows if r[0] == "child" and str(PurePosixPath(r[3]).parent) == folder and r[3] not in on_the_way
    ]
    times = ((time(row[1]), time(row[2])) for row in inside)
    found = (born if born is not None and born.ns else changed for born, changed in times)  # 0: it keeps no births
    return {at.ns // 10**9 for at in found if at is not None}


def _changed_at(folder: tuple[str, ...], came_beside: set[int]) -> Instant | None:
    content_at, at = time(folder[1]), time(folder[2])
    if at is None or content_at is None:
        return None
    second = at.ns // 10**9
    is_by_content = content_at.ns // 10**9 == second
    return None if is_by_content and came_beside & {second, second - 1} else at


def last_removal(rows: Rows, parents: Collection[str]) -> Instant | None:
    """When something last went out of these folders: the first of their times. None where none of them can tell.

    What was made at that time explains it; and of Python, bytecode that is not there, or is not older: somebody has
    thrown it away.
    """
    folders = [row for row in rows if row[0] == "folder" and row[3] in parents]
    is_python = any(row[0] == "child" and row[3].endswith(".py") for row in rows)
    return min((at for folder in folders if (at := _went(folder, rows, is_python))), default=None)


def _went(folder: tuple[str, ...], rows: Rows, is_python: bool) -> Instant | None:
    at = time(folder[1])
    inside = [row for row in rows if row[0] == "child" and str(PurePosixPath(row[3]).parent) == folder[3]]
    born = {PurePosixPath(row[3]).name: time(row[1]) for row in inside}
    if at is None or any(one is None or one.ns == 0 or _at_once(one, at) for one in born.values()):
        return None
    bytecode = born.get("__pycache__")
    return at if not is_python or (bytecode and bytecode < at) else None


def _at_once(one: Instant, other: Instant) -> bool:
    """The same change, as far as these clocks can tell; some cut to whole seconds."""
    is_fine = one.ns % 10**9 and other.ns % 10**9
    return abs(one.ns - other.ns) < (_AT_ONCE_NS if is_fine else 10**9)


def time(text: str) -> Instant | None:
    """From `stat`: seconds, with a fraction where that `stat` can give it; None where it could not say."""
    seconds, _, fraction = text.replace(",", ".").partition(".")
    if not seconds.isdigit() or not (fraction or "0").isdigit():
        return None
    return Instant(int(seconds) * 10**9 + int(fraction.ljust(9, "0")[:9]))


def compiled(rows: Rows, path: str) -> tuple[int | None, tuple[Bytecode, ...]]:
    """Size of a file now; and what was compiled, by the headers of its .pyc (PEP 552) that name size and time."""
    found = [row[1:7] for row in rows if row[0] == "compiled" and row[7:] == (path,)]
    whole = [row for row in found if _are_numbers((row[0], *row[2:]))]
    kept = (row for row in whole if int(row[2]) >> 16 == _MARK_OF_BYTECODE and int(row[3]) == 0)
    bytecode = tuple(Bytecode(int(size), time(at)) for _, at, _, _, _, size in kept)
    return (int(whole[0][0]) if whole else None), bytecode


def _are_numbers(texts: tuple[str, ...]) -> bool:
    return all(text.isdigit() for text in texts)
