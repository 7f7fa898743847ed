"""One run at a time per deployment. The kernel holds the lock, so a dead holder's lock is gone with it."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rollback_gate.errors import Locked, Refused
from rollback_gate.instant import Instant


@contextmanager
def held(folder: Path, operator: str, purpose: str, now: Instant) -> Iterator[None]:
    """Hold the deployment's lock, or raise Locked, which names the holder; Refused where no lock can be made."""
    path = folder / "lock"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise Refused(f"no lock can be taken in {folder}: {error.strerror}",
                      "run as a user who may write there, or name another place in ROLLBACK_GATE_STATE_DIRECTORY") from error  # fmt: skip
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Locked(f"another run holds the lock: {_holder(path)}", "wait for it, or end that process") from error
        holder = {"operator": operator, "host": socket.gethostname(), "pid": os.getpid(), "boot_id": boot_id(),
                  "since": str(now), "purpose": purpose}  # fmt: skip
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(holder).encode(), 0)
        try:
            yield
        finally:
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def boot_id() -> str:
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text().strip() if path.exists() else ""


def _holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_text())
    except (OSError, ValueError):
        return "its holder has not written its name yet"
    if not isinstance(holder, Mapping):
        return "its holder has not written its name yet"
    return (f"{holder.get('operator')} on {holder.get('host')}, process {holder.get('pid')}, "
            f"{holder.get('purpose')}, since {holder.get('since')}")  # fmt: skip
