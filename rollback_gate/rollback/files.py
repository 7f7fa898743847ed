"""Changing files so that a power cut leaves the old or the new one, never half of either."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
import stat
from pathlib import Path
from typing import IO

_SUFFIX = ".rollback-gate.tmp"


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def replace_file(
    path: Path, data: bytes, like: Path | None = None, exactly: bool = False, is_executable: bool | None = None
) -> None:
    """Write `data` in place of `path`. Raises OSError; then `path` is untouched.

    It keeps its owner, mode, access list and extended attributes; where nothing is there it gets those of `like`, else
    of a file beside it, whatever the umask. `exactly`: it gets those of `like` and its times, as a copy of it.
    `is_executable`: of a file that is not there yet, whoever may read it; None: as its model.
    """
    made = temporary(path)
    try:
        model = like if exactly else _model(path, like)
        with _new(made, 0o666) as file:  # less the umask, where there is no model
            file.write(data)
            file.flush()  # what is written later would set the time anew
            if model is not None:
                is_own = exactly or model == path  # a stranger's owner is taken over where that is allowed
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
    """What is in place, else what the content is from, else a file beside it: of its kind, and none that is hidden."""
    found = sorted(path.parent.glob("[!.]*"), key=lambda one: (one.suffix != path.suffix, one.name))
    beside = (one for one in found if not one.is_symlink())
    return next((one for one in (path, like, *beside) if one and one.is_file()), None)


def _dress(descriptor: int, model: Path, with_times: bool) -> None:
    """The owner before the mode, which a change of owner may cut, and the access list after it, which it would cut."""
    was, now = model.stat(), os.fstat(descriptor)
    if (was.st_uid, was.st_gid) != (now.st_uid, now.st_gid):
        os.fchown(descriptor, was.st_uid, was.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(was.st_mode))
    for name in _attributes(model):
        try:
            os.setxattr(descriptor, name, os.getxattr(model, name))
        except OSError as error:
            if error.errno != errno.ENOTSUP:  # a file system that has none: the content counts
                raise
    if with_times:
        os.utime(descriptor, ns=(was.st_atime_ns, was.st_mtime_ns))


def _attributes(path: Path) -> list[str]:
    """Those that a file's owner may set, where its file system has any."""
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
    """The same for everything below a folder that is ours. Raises OSError."""
    for left in sorted(folder.rglob(f".*{_SUFFIX}")):
        remove(left)


def temporary(path: Path) -> Path:
    """A name that nobody can know before, and have put a link there; as short for a long name as for any other."""
    return path.with_name(f".{mark(path)}.{secrets.token_hex(8)}{_SUFFIX}")


def mark(path: Path) -> str:
    """Stands for the name of a path in names beside it."""
    return hashlib.sha256(os.fsencode(path.name)).hexdigest()[:12]


def _new(path: Path, mode: int = 0o600) -> IO[bytes]:
    """A new file, whatever is there. Raises OSError."""
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
    """A rename is only on disk when its folder is."""
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
