"""One run at a time per deployment: the kernel locks the project directory, so a dead holder's lock is gone with it.

The directory is the same for every user of the machine, and nothing has to be written into it. Who holds the lock is
noted beside it for the message; the note decides nothing.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rollback_gate.errors import Locked, Refused
from rollback_gate.instant import Instant

_UNKNOWN = "its holder has not left a name that this user can read"


@contextmanager
def held(directory: Path, note: Path, operator: str, purpose: str, now: Instant) -> Iterator[None]:
    """Hold the lock of the deployment in `directory`. Raises Locked, which names the holder, or Refused."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise Refused(f"project directory {directory}: {error.strerror}, nothing was touched",
                      "correct deployment.project_directory, or run as a user who may read it") from error  # fmt: skip
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Locked(f"another run holds the lock: {_holder(note)}", "wait for it, or end that process") from error
        except OSError as error:
            raise Refused(f"{directory} cannot be locked: {error.strerror}, nothing was touched",
                          "its file system must support flock") from error  # fmt: skip
        _leave_name(note, {"operator": operator, "host": socket.gethostname(), "pid": os.getpid(), "boot_id": boot_id(),
                           "since": str(now), "purpose": purpose})  # fmt: skip
        try:
            yield
        finally:
            with suppress(OSError):
                note.unlink()
    finally:
        os.close(descriptor)


def boot_id() -> str:
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text().strip() if path.exists() else ""


def _leave_name(note: Path, holder: dict[str, object]) -> None:
    """For the message only: where it cannot be written, the lock still holds.

    The folder is everybody's: a link that somebody put there is not followed.
    """
    with suppress(OSError):
        descriptor = os.open(note, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o644)
        with os.fdopen(descriptor, "w") as file:
            file.write(json.dumps(holder))


def _holder(note: Path) -> str:
    try:
        holder = json.loads(note.read_text())
        return (f"{holder['operator']} on {holder['host']}, process {holder['pid']}, "
                f"{holder['purpose']}, since {holder['since']}")  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError):
        return _UNKNOWN
