"""Moving files and folders so that nothing is lost: by a kill, across devices, or while somebody writes there."""

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

    May be called again after it was killed anywhere: a source whose all is in the target already is only removed.
    Raises FileExistsError when the target holds something else. Pipes and sockets have no content, and are left out.
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
    """What is mounted at this path or below it; None for nothing. Raises OSError."""
    place = path.resolve()
    fields = (line.split() for line in os.fsdecode(_MOUNTS.read_bytes()).splitlines())
    targets = (Path(_unescaped(row[_MOUNTED_AT])) for row in fields if len(row) > _MOUNTED_AT)
    return next((target for target in targets if target.is_relative_to(place)), None)


def _unescaped(text: str) -> str:
    """As the kernel writes a path: blanks, line ends and backslashes are octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def _copy_whole(source: Path, target: Path) -> None:
    """On disk, compared, and then under its name. Raises OSError where somebody goes on writing to the source."""
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
    """A new folder beside the target that nobody else may enter; by its descriptor, so that nobody can replace it.

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
        with contextlib.suppress(FileNotFoundError):  # somebody has taken it away: it holds nothing that is missed
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
        shutil.copytree(source, copy, symlinks=True, ignore=_without_content)
    else:
        shutil.copy2(source, copy, follow_symlinks=False)
    for path in [copy, *copy.rglob("*")] if copy.is_dir() and not copy.is_symlink() else [copy]:
        _dress(path, (source / path.relative_to(copy) if path != copy else source).lstat())
        if path.is_dir() and not path.is_symlink():
            files.sync_folder(path)
        elif not path.is_symlink():
            with path.open("rb") as file:
                os.fsync(file.fileno())


def _dress(path: Path, status: os.stat_result) -> None:
    """Owner before mode, which a change of owner may cut. Who is not root owns what they copy."""
    with contextlib.suppress(PermissionError) if os.geteuid() else contextlib.nullcontext():
        os.chown(path, status.st_uid, status.st_gid, follow_symlinks=False)
    if not stat.S_ISLNK(status.st_mode):
        path.chmod(stat.S_IMODE(status.st_mode))


def _without_content(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if _has_no_content(Path(folder, name))]


def _has_no_content(path: Path) -> bool:
    """A pipe, a socket, a device."""
    mode = path.lstat().st_mode
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode))


def settle(source: Path, target: Path) -> None:
    """What a `move` that was killed, or failed, has left aside comes back under its name.

    Where somebody has made that anew meanwhile, it goes on to the target, or beside it; where the target has it all, it
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
    """The target, or the first name like it that nothing has."""
    number = 2
    found = target
    while _exists(found):
        found, number = target.with_name(f"{target.name}.{number}"), number + 1
    return found


def _aside(path: Path) -> Path:
    return path.with_name(f".{files.mark(path)}{_ASIDE}")


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
    if _exists(source) and _has_no_content(source):
        return True
    return source.is_file() and target.is_file() and files.digest(source) == files.digest(target)
