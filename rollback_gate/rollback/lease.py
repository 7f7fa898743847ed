"""One run at a time per stack, from whichever machine: the manager keeps who has it.

The lock on the project directory is this machine's only. This one does not end with its holder; on the holder's own
machine, a holder that is dead is known to be.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from rollback_gate.errors import Locked, Unreachable
from rollback_gate.instant import Instant
from rollback_gate.platform.engine import Engine
from rollback_gate.platform.swarm import claim
from rollback_gate.profile.schema import Profile
from rollback_gate.regular import text_of
from rollback_gate.rollback.lock import boot_id

_START_OF_PROCESS = 19  # among the fields after the name, which may hold spaces


@contextmanager
def leased(manager: Engine, project: str, operator: str, purpose: str, now: Instant) -> Iterator[None]:
    """Hold the stack. Raises Locked, which names the holder; Unreachable."""
    name = claim.name_of(project)
    mine = {
        "operator": operator,
        "host": socket.gethostname(),
        "pid": str(os.getpid()),
        "boot_id": boot_id(),
        "process": _started(os.getpid()),
        "since": str(now),
        "purpose": purpose,
    }
    held = claim.make(manager, name, mine) or _taken_over(manager, name, mine)
    try:
        yield
    finally:
        with suppress(Unreachable):  # told by the next one
            claim.end(manager, held)


def _taken_over(manager: Engine, name: str, mine: Mapping[str, str]) -> claim.Claim:
    """The lock of a holder that is dead. Raises Locked."""
    found = claim.find(manager, name)
    if found is not None and is_dead(found.labels):
        claim.end(manager, found)
    held = claim.make(manager, name, mine) if found is None or is_dead(found.labels) else None
    if held is None:
        who = in_words(found.labels if found else {})
        raise Locked(
            f"another run holds the stack: {who}",
            f"wait for it; only if that process is dead: docker config rm {name}",
        )
    return held


def left(manager: Engine, profile: Profile) -> str:
    """Who has the stack, and how to end that by hand; "" for nobody, or a holder of this machine that is dead.

    Raises Unreachable.
    """
    name = claim.name_of(profile.deployment.project)
    found = claim.find(manager, name)
    if found is None or is_dead(found.labels):
        return ""
    return f"the stack is held by {in_words(found.labels)}; only if that process is dead: docker config rm {name}"


def is_dead(labels: Mapping[str, str]) -> bool:
    """False also if it cannot be known: the holder is on another machine, or from before a reboot."""
    if labels.get("host") != socket.gethostname() or labels.get("boot_id") != boot_id():
        return False
    pid = labels.get("pid", "")
    return pid.isdecimal() and _started(int(pid)) != labels.get("process")


def in_words(labels: Mapping[str, str]) -> str:
    """Who holds it."""
    try:
        who = f"{labels['operator']} on {labels['host']}, process {labels['pid']}, {labels['purpose']}"
        return f"{who}, since {labels['since']}"
    except KeyError:
        return "its holder has left no name"


def _started(pid: int) -> str:
    """When a process of this machine started, in the kernel's own count; "" if there is none."""
    try:
        return text_of(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()[_START_OF_PROCESS]
    except (OSError, IndexError):
        return ""
