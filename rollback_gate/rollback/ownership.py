"""Ownership of folders: what others may write is neither trusted nor used to keep a run's state."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Collection
from pathlib import Path

from rollback_gate.errors import Refused

ROOT = 0


def refuse_foreign(folder: Path, trusted: Collection[int]) -> None:
    """Raises Refused if a state folder is not `trusted`'s (uids) or others may write it; OSError if unreadable."""
    if not folder.is_symlink() and not folder.exists():
        return
    status = folder.lstat()
    remedy = f"look what it is: ls -la {folder}; move it away only if no run in it is to be resumed or undone"
    if not stat.S_ISDIR(status.st_mode):
        why = "is no folder, but may lead to another one"
    elif status.st_uid not in trusted:
        why = f"belongs to {_name(status.st_uid)}"
        remedy = f"run as {_name(status.st_uid)}; {remedy}"
    elif status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        why = "may be written by others"
    else:
        return
    raise Refused(f"{folder} {why}: what it says of earlier runs is not believed", remedy)


def refuse_foreign_file(path: Path, trusted: Collection[int]) -> None:
    """The same for an existing file. Raises Refused, OSError."""
    status = path.lstat()
    is_ours = stat.S_ISREG(status.st_mode) and status.st_uid in trusted
    if not is_ours or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise Refused(f"{path} could be anybody's: it is not believed", f"look whose it is: ls -l {path}")


def owner_of(project: Path) -> frozenset[int]:
    """Under root, the project's owner is trusted with its state: they can write its Compose files too. Else empty."""
    try:
        return frozenset({project.stat().st_uid}) if os.geteuid() == ROOT else frozenset()
    except OSError:
        return frozenset()


def others_may_write(folder: Path) -> bool:
    """True if any user but root and this process's own may write it: they could replace its contents at any time."""
    try:
        status = folder.stat()
    except OSError:
        return True
    group_is_ours = status.st_gid in (ROOT, os.getegid())
    by_group = bool(status.st_mode & stat.S_IWGRP) and not group_is_ours
    return status.st_uid not in (ROOT, os.geteuid()) or by_group or bool(status.st_mode & stat.S_IWOTH)


def refuse_outside(folder: Path, relative: str) -> None:
    """Raises Refused for a symbolic link, a path that leads out of `folder` by one, or a special file."""
    path = folder / relative
    if path.is_symlink() or not path.parent.resolve().is_relative_to(folder.resolve()):
        raise Refused(
            f"{path} is, or is reached by, a symbolic link that leads elsewhere", "replace the link by the real file"
        )
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise Refused(f"{path} is neither a file nor a folder", "look what it is, and move it away")


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
