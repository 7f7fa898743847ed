"""Moving files and folders without loss: on a kill, across devices, or while another process writes there."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from rollback_gate.rollback import files

_ASIDE = ".rollback-gate.moving"
_ATTEMPTS = 3
_MOUNTS, _MOUNTED_AT = Path("/proc/self/mountinfo"), 4
_IN_WORK = "copy"


def move(source: Path, target: Path) -> None:
    """Move a file or folder, across devices by copy and fsync. Raises OSError.

    Safe to repeat after a kill at any point: a source that the target already contains is only removed.
    Raises FileExistsError if the target holds something else. Pipes, sockets and devices are left out: no content.
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
    """Rename the source first: later writes by name then go elsewhere, and writes to open files are detected."""
    if below := mounted_below(source):
        raise OSError(errno.EBUSY, "a file system is mounted there: unmount it first", str(below))
    aside = _aside(source)
    source.rename(aside)
    files.sync_folder(source.parent)
    try:
        _copy_whole(aside, target)
    except OSError:
        settle(source, target)
        raise
    files.remove(aside)


def mounted_below(path: Path) -> Path | None:
    """First mount point at or below this path; None if there is none. Raises OSError."""
    place = path.resolve()
    fields = (line.split() for line in os.fsdecode(_MOUNTS.read_bytes()).splitlines())
    targets = (Path(_unescaped(row[_MOUNTED_AT])) for row in fields if len(row) > _MOUNTED_AT)
    return next((target for target in targets if target.is_relative_to(place)), None)


def _unescaped(text: str) -> str:
    """Decode a path as the kernel writes it: blanks, line ends and backslashes are octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def _copy_whole(source: Path, target: Path) -> None:
    """Copy to disk, compare, then rename into place. Raises OSError if the source is still being written to."""
    files.sweep(target)
    for _ in range(_ATTEMPTS):
        with _workplace(target) as (descriptor, copy):
            _copy(source, copy)
            if is_contained(source, copy) and is_contained(copy, source):
                _put(descriptor, target)
                return
    raise OSError(errno.EBUSY, "it is being written to; stop that first", str(source))


@contextlib.contextmanager
def _workplace(target: Path) -> Iterator[tuple[int, Path]]:
    """A new private folder beside the target, used by its descriptor so that it cannot be replaced.

    Raises OSError.
    """
    place = files.temporary(target)
    place.mkdir(mode=0o700)
    descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if os.fstat(descriptor).st_uid != os.geteuid():
            raise PermissionError(errno.EPERM, "another folder was put in its place", str(place))
        yield descriptor, Path(f"/proc/self/fd/{descriptor}/{_IN_WORK}")
    finally:
        os.close(descriptor)
        with contextlib.suppress(FileNotFoundError):  # already removed by another process: nothing is lost
            files.remove(place)


def _put(descriptor: int, target: Path) -> None:
    parent = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.rename(_IN_WORK, target.name, src_dir_fd=descriptor, dst_dir_fd=parent)
        os.fsync(parent)
    finally:
        os.close(parent)


def _copy(source: Path, copy: Path) -> None:
    if source.is_dir() and not source.is_symlink():
        shutil.copytree(source, copy, symlinks=True, ignore=_without_content, copy_function=_copy_file)
    elif source.is_symlink():
        shutil.copy2(source, copy, follow_symlinks=False)
    else:
        _copy_file(source, copy)
    for path in [copy, *copy.rglob("*")] if copy.is_dir() and not copy.is_symlink() else [copy]:
        _dress(path, (source / path.relative_to(copy) if path != copy else source).lstat())
        if path.is_dir() and not path.is_symlink():
            files.sync_folder(path)
        elif not path.is_symlink():
            with path.open("rb") as file:
                os.fsync(file.fileno())


def _copy_file(source: Path | str, target: Path | str) -> None:
    with Path(source).open("rb") as there, Path(target).open("xb") as here:
        for part in files.parts(there):
            here.write(part)
    shutil.copystat(source, target)


def _dress(path: Path, status: os.stat_result) -> None:
    """Set the owner before the mode, which chown may reduce. A user who is not root owns the copy."""
    with contextlib.suppress(PermissionError) if os.geteuid() else contextlib.nullcontext():
        os.chown(path, status.st_uid, status.st_gid, follow_symlinks=False)
    if not stat.S_ISLNK(status.st_mode):
        path.chmod(stat.S_IMODE(status.st_mode))


def _without_content(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if _has_no_content(Path(folder, name))]


def _has_no_content(path: Path) -> bool:
    """True for a pipe, a socket or a device."""
    mode = path.lstat().st_mode
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode))


def settle(source: Path, target: Path) -> None:
    """Give back its name to what a killed or failed `move` left aside.

    If the name exists again by now, it goes to the target instead, or beside it; if the target already contains it, it
    is only removed. Raises OSError.
    """
    aside = _aside(source)
    if not _exists(aside):
        return
    if _exists(target) and is_contained(aside, target):
        files.remove(aside)
    elif not _exists(source):
        aside.rename(source)
        files.sync_folder(source.parent)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        _copy_whole(aside, _free(target))
        files.remove(aside)


def _free(target: Path) -> Path:
    """The target, or the first unused name like it."""
    number = 2
    found = target
    while _exists(found):
        found, number = target.with_name(f"{target.name}.{number}"), number + 1
    return found


def _aside(path: Path) -> Path:
    return path.with_name(f".{files.mark(path)}{_ASIDE}")


def is_there(path: Path) -> bool:
    """True also for a dangling link, and for what a killed `move` left aside."""
    return _exists(path) or _exists(_aside(path))


def _exists(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def is_contained(source: Path, target: Path) -> bool:
    """True if everything in `source` is also in `target`, byte for byte. Raises OSError."""
    if source.is_symlink() or target.is_symlink():
        return source.is_symlink() and target.is_symlink() and source.readlink() == target.readlink()
    if source.is_dir():
        return target.is_dir() and all(is_contained(child, target / child.name) for child in source.iterdir())
    if _exists(source) and _has_no_content(source):
        return True
    return source.is_file() and target.is_file() and files.digest(source) == files.digest(target)
