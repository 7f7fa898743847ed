"""Atomic file changes: a power cut leaves the old or the new file, never a partial one."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO

_PART_BYTES = 1 << 18
_SUFFIX = ".rollback-gate.tmp"


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal. Raises OSError."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        for part in parts(file):
            found.update(part)
    return found.hexdigest()


def parts(file: IO[bytes]) -> Iterator[bytes]:
    """What a file has when this begins: one that is written to faster than it is read would have no end."""
    left = os.fstat(file.fileno()).st_size
    while left > 0 and (part := file.read(min(left, _PART_BYTES))):
        left -= len(part)
        yield part


def replace_file(
    path: Path, data: bytes, like: Path | None = None, exactly: bool = False, is_executable: bool | None = None
) -> None:
    """Replace `path` with `data`. Raises OSError: `path` is then untouched, unless only its folder's sync failed.

    An existing file keeps its owner, mode, access list and extended attributes; a new one gets those of `like`, else
    of a file beside it, regardless of the umask. `exactly`: take those of `like` and its times, as a copy of it.
    `is_executable`: for a new file, whether all who may read it may execute it; None: as its model.
    """
    made = temporary(path)
    try:
        model = like if exactly else _model(path, like)
        with _new(made, 0o666) as file:  # minus the umask if there is no model
            file.write(data)
            file.flush()  # a later write would reset the times
            if model is not None:
                is_own = exactly or model == path  # another file's owner is copied only if permitted
                with contextlib.nullcontext() if is_own else contextlib.suppress(PermissionError):
                    _dress(file.fileno(), model, exactly)
            if is_executable is not None and model != path:
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode) & ~0o111
                os.fchmod(file.fileno(), mode | ((mode & 0o444) >> 2 if is_executable else 0))
            os.fsync(file.fileno())
        made.replace(path)
        sync_folder(path.parent)
    finally:
        made.unlink(missing_ok=True)


def _model(path: Path, like: Path | None) -> Path | None:
    """The existing file, else `like`, else a file beside it: no link, not hidden, the same suffix preferred."""
    found = sorted(path.parent.glob("[!.]*"), key=lambda one: (one.suffix != path.suffix, one.name))
    beside = (one for one in found if not one.is_symlink())
    return next((one for one in (path, like, *beside) if one and one.is_file()), None)


def _dress(descriptor: int, model: Path, with_times: bool) -> None:
    """Set the owner before the mode, which chown may reduce, and the access list last, which chmod would reduce."""
    was, now = model.stat(), os.fstat(descriptor)
    if (was.st_uid, was.st_gid) != (now.st_uid, now.st_gid):
        os.fchown(descriptor, was.st_uid, was.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(was.st_mode))
    for name in _attributes(model):
        try:
            os.setxattr(descriptor, name, os.getxattr(model, name))
        except OSError as error:
            if error.errno != errno.ENOTSUP:  # the file system has none; the content matters
                raise
    if with_times:
        os.utime(descriptor, ns=(was.st_atime_ns, was.st_mtime_ns))


def _attributes(path: Path) -> list[str]:
    """Extended attributes that a file's owner may set; empty if the file system has none."""
    try:
        names = os.listxattr(path)
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return []
        raise
    return [name for name in names if name.startswith(("user.", "system.posix_acl"))]


def sweep(path: Path) -> None:
    """Remove what a killed `replace_file`, `write_text` or `move` left beside `path`. Raises OSError."""
    if path.parent.is_dir():
        for left in path.parent.iterdir():
            if left.name.startswith(f".{mark(path)}.") and left.name.endswith(_SUFFIX):
                remove(left)


def sweep_below(folder: Path) -> None:
    """The same for everything below a folder of our own. Raises OSError."""
    for left in sorted(folder.rglob(f".*{_SUFFIX}")):
        remove(left)


def temporary(path: Path) -> Path:
    """An unpredictable name, so that no link can be planted there; its length does not depend on the path's."""
    return path.with_name(f".{mark(path)}.{secrets.token_hex(8)}{_SUFFIX}")


def mark(path: Path) -> str:
    """Short digest of a path's name, for names beside it."""
    return hashlib.sha256(os.fsencode(path.name)).hexdigest()[:12]


def _new(path: Path, mode: int = 0o600) -> IO[bytes]:
    """Create a file; never open an existing one. Raises OSError."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode), "wb")


def write_text(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file of our own, atomically and durably. Raises OSError."""
    sweep(path)
    made = temporary(path)
    try:
        with _new(made, mode) as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        made.replace(path)
    finally:
        made.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """A rename is on disk only once its folder is synced."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
