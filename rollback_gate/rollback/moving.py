"""Moving files and folders so that nothing is lost: by a kill, across devices, or while somebody writes there."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from rollback_gate.rollback import files

_ASIDE = ".rollback-gate.moving"
_ATTEMPTS = 3


def move(source: Path, target: Path) -> None:
    """Move a file or folder, across devices by copy and fsync. Raises OSError; then the source is what it was.

    May be called again after it was killed anywhere: a source whose all is in the target already is only removed.
    Raises FileExistsError when the target holds something else.
    """
    settle(source, target)
    target.parent.mkdir(parents=True, exist_ok=True)
    if is_there(target):
        if not is_contained(source, target):
            raise FileExistsError(errno.EEXIST, "holds something else", str(target))
        files.remove(source)
        files.sync_folder(source.parent)
        return
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _by_copy(source, target)
    files.sync_folder(target.parent)
    files.sync_folder(source.parent)


def _by_copy(source: Path, target: Path) -> None:
    """Out of the way first: who writes there by its name writes elsewhere from then on; who has it open is noticed."""
    aside = _aside(source)
    source.rename(aside)
    files.sync_folder(source.parent)
    try:
        _finish(aside, target)
    except OSError:
        settle(source, target)
        raise


def _finish(aside: Path, target: Path) -> None:
    _whole_copy(aside, target).rename(target)
    files.sync_folder(target.parent)
    files.remove(aside)


def _whole_copy(source: Path, target: Path) -> Path:
    """On disk, under another name beside the target. Raises OSError where somebody goes on writing to the source."""
    files.sweep(target)
    for _ in range(_ATTEMPTS):
        copy = files.temporary(target)
        _copy(source, copy)
        if is_contained(source, copy) and is_contained(copy, source):
            return copy
        files.remove(copy)
    raise OSError(errno.EBUSY, "somebody is writing to it, stop that first", str(source))


def _copy(source: Path, copy: Path) -> None:
    if source.is_dir() and not source.is_symlink():
        shutil.copytree(source, copy, symlinks=True)
    else:
        shutil.copy2(source, copy, follow_symlinks=False)
    for path in [copy, *copy.rglob("*")] if copy.is_dir() else [copy]:
        original = source / path.relative_to(copy) if path != copy else source
        status = original.lstat()
        os.chown(path, status.st_uid, status.st_gid, follow_symlinks=False)
        if path.is_dir():
            files.sync_folder(path)
        elif not path.is_symlink():
            with path.open("rb") as file:
                os.fsync(file.fileno())


def settle(source: Path, target: Path) -> None:
    """What a `move` that was killed, or failed, has left aside comes back under its name.

    Where somebody has made that anew meanwhile, it goes on to the target instead.

    Raises FileExistsError where the target holds something else, OSError.
    """
    aside = _aside(source)
    if not _exists(aside):
        return
    if not _exists(source):
        aside.rename(source)
        files.sync_folder(source.parent)
    elif not _exists(target):
        _finish(aside, target)
    elif is_contained(aside, target):
        files.remove(aside)
    else:
        raise FileExistsError(errno.EEXIST, f"holds something else than {aside}", str(target))


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}{_ASIDE}")


def is_there(path: Path) -> bool:
    """A link that leads nowhere is there too, and what a killed `move` has left aside."""
    return _exists(path) or _exists(_aside(path))


def _exists(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def is_contained(source: Path, target: Path) -> bool:
    """Whether everything in `source` is in `target` too, byte for byte. Raises OSError."""
    if source.is_symlink() or target.is_symlink():
        return source.is_symlink() and target.is_symlink() and source.readlink() == target.readlink()
    if source.is_dir():
        return target.is_dir() and all(is_contained(child, target / child.name) for child in source.iterdir())
    return source.is_file() and target.is_file() and files.digest(source) == files.digest(target)
