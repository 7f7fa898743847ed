"""Whether there is room for what a run keeps, and leave to write it."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from pathlib import Path

from rollback_gate.change.goal import Goal
from rollback_gate.change.strategy import Strategy
from rollback_gate.errors import Refused
from rollback_gate.rollback.look import moved_by


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


def writable(directory: Path, state: Path, strategy: Strategy, goal: Goal) -> tuple[bool, str]:
    """Raises Refused unless all that will be replaced or moved, and the state folder, is writable."""
    existing = next(folder for folder in (state, *state.parents) if folder.exists())
    moved = [] if not strategy.restores_code else [directory / p for p in moved_by(directory, goal)]
    written = goal.all_files if strategy.restores_code else goal.values
    restored = [directory / source.path for source in written]
    returned = [_existing_parent(directory / path) for path in goal.put_back]
    folders = {p.parent for p in (*moved, *restored)} | {p for p in moved if p.is_dir()} | {existing, *returned}
    bad = [str(folder) for folder in folders if not os.access(folder, os.W_OK | os.X_OK)]
    if os.geteuid() != 0:  # only root may give a file back to its owner
        groups = {os.getegid(), *os.getgroups()}
        there = [path for path in restored if path.exists()]
        bad += [str(p) for p in there if p.stat().st_uid != os.geteuid() or p.stat().st_gid not in groups]
    if bad:
        raise Refused(f"no permission to replace or write {', '.join(sorted(bad))}", "run as the owner, or as root")
    return True, "the files can be replaced, and the run can be kept"


def _existing_parent(path: Path) -> Path:
    return next(folder for folder in path.parents if folder.exists())
