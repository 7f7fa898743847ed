"""Disk space for what a run keeps."""

from __future__ import annotations

import contextlib
import shutil
import stat
from pathlib import Path

from rollback_gate.change.goal import Goal
from rollback_gate.errors import Refused


def enough(directory: Path, state: Path, goal: Goal, least_mb: int) -> tuple[int, str]:
    """Free MB at `state`, and a sentence on it. What is moved to another file system needs space there too.

    `least_mb`: MB that must be free besides that. Raises Refused, OSError.
    """
    existing = next(folder for folder in (state, *state.parents) if folder.exists())
    free_mb = shutil.disk_usage(existing).free >> 20
    copied = [directory / path for path in goal.remove if _is_on_another_device(directory / path, existing)]
    wanted = least_mb + (sum(map(_size_of, copied)) >> 20)
    if free_mb < wanted:
        raise Refused(
            f"{free_mb} MB free at {existing}, {wanted} MB are needed", "make room, or lower limits.free_disk_mb"
        )
    return free_mb, f"{free_mb} MB free at {existing}"


def _is_on_another_device(path: Path, other: Path) -> bool:
    return path.exists() and path.lstat().st_dev != other.stat().st_dev


def _size_of(path: Path) -> int:
    """Bytes of a file, or of all files below a folder; those removed meanwhile count 0."""
    size = 0
    for one in [path, *path.rglob("*")]:
        with contextlib.suppress(FileNotFoundError):
            status = one.lstat()
            size += status.st_size if stat.S_ISREG(status.st_mode) else 0
    return size
