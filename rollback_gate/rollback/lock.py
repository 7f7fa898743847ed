"""One run at a time per deployment: a kernel lock on the project directory, released when its holder dies.

The directory is the same for every user of the machine, and nothing has to be written into it. A separate note names
the holder, for messages only. A command that a run started (a build) keeps the lock too: if only the run itself was
killed, no other run begins until that command ends.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rollback_gate.errors import Locked, Refused
from rollback_gate.instant import Instant
from rollback_gate.regular import text_of

_FLOCK = re.compile(r"^lock:.*\bFLOCK\b\s+\S+\s+\S+\s+(\d+)", re.MULTILINE)
_UNKNOWN = "its holder has not left a name that this user can read"


@dataclass
class Held:
    """A lock that is held. `descriptor` keeps it, in every process that has it open."""

    descriptor: int
    _note: Path
    _holder: dict[str, object] = field(default_factory=dict)

    def name_run(self, run_id: str) -> None:
        """Add the run's id to the holder's note."""
        self._holder["run"] = run_id
        _leave_name(self._note, self._holder)


@contextmanager
def held(directory: Path, note: Path, operator: str, purpose: str, now: Instant) -> Iterator[Held]:
    """Hold the lock of the deployment in `directory`. Raises Locked, which names the holder, or Refused."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise Refused(
            f"project directory {directory}: {error.strerror}, nothing was touched",
            "correct deployment.project_directory, or run as a user who may read it",
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Locked(
                f"another run holds the lock: {in_words(holder(note))}",
                "wait for it; only if it hangs (root sees its process: "
                f"fuser -v {directory}), end it: invoke rollback.unlock --reason '...'",
            ) from error
        except OSError as error:
            raise Refused(
                f"{directory} cannot be locked: {error.strerror}, nothing was touched",
                "its file system must support flock",
            ) from error
        mine = Held(
            descriptor,
            note,
            {
                "operator": operator,
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "boot_id": boot_id(),
                "since": str(now),
                "purpose": purpose,
            },
        )
        _leave_name(note, mine._holder)
        try:
            yield mine
        finally:
            with suppress(OSError):
                note.unlink()
    finally:
        os.close(descriptor)


def boot_id() -> str:
    path = Path("/proc/sys/kernel/random/boot_id")
    return text_of(path).strip() if path.exists() else ""


def holder(note: Path) -> dict[str, Any]:
    """The holder's note; empty if there is none that this user can read. For messages only."""
    try:
        left = json.loads(text_of(note))
        return left if isinstance(left, dict) else {}
    except (OSError, ValueError, RecursionError):
        return {}


def in_words(left: dict[str, Any]) -> str:
    try:
        who = f"{left['operator']} on {left['host']}, process {left['pid']}, {left['purpose']}"
        run = f" of run {left['run']}" if left.get("run") else ""
        dead = "" if _is_alive(left) else " (that process is dead; a command that it started still works)"
        return f"{who}{run}, since {left['since']}{dead}"
    except (KeyError, TypeError, ValueError):
        return _UNKNOWN


def holding_processes(directory: Path) -> dict[int, int]:
    """Processes of this machine that keep the lock, as far as this user may see them: by pid, the pid that took it.

    The two differ for a command that a run started, even after that run has died.
    """
    wanted = directory.resolve()
    found = {int(p.name): _taken_by(p, wanted) for p in Path("/proc").iterdir() if p.name.isdigit()}
    return {process: taker for process, taker in sorted(found.items()) if taker}


def _taken_by(process: Path, directory: Path) -> int:
    """Pid that took the lock which this process keeps; 0 for none."""
    try:
        for link in (process / "fd").iterdir():
            if link.readlink() == directory:
                locks = _FLOCK.search((process / "fdinfo" / link.name).read_text())
                if locks:
                    return int(locks[1])
    except OSError:  # the process has ended, or belongs to another user
        return 0
    return 0


def _is_alive(left: dict[str, Any]) -> bool:
    """True also if it cannot be known: the holder is on another machine, or from before a reboot."""
    if left["host"] != socket.gethostname() or left["boot_id"] != boot_id():
        return True
    return Path(f"/proc/{int(left['pid'])}").exists()


def _leave_name(note: Path, left: dict[str, object]) -> None:
    """Write the note, for messages only: if that fails, the lock still holds.

    Any user may write to the folder, so links there are not followed.
    """
    with suppress(OSError):
        descriptor = os.open(note, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
        with os.fdopen(descriptor, "w") as file:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):  # a pipe planted there would block
                file.write(json.dumps(left))
