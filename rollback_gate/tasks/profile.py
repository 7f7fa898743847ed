"""`invoke profile.*`: the profile that the other commands use."""

from __future__ import annotations

from typing import Any

from rollback_gate.tasks.common import COMMON, calling, leave
from rollback_gate.tasks.options import task_with


@task_with(COMMON, {"set_only": (False, "leave out settings that have their default")})
def show(given: Any) -> None:
    """Show every setting in effect, and where its value comes from: profile, environment, command line or default."""
    from rollback_gate.workflow.profiles import show as tell

    with calling(given) as call:
        leave(tell(call, given.set_only))


@task_with(COMMON)
def check(given: Any) -> None:
    """Try each statement of the profile on what is there: containers, files, logs, queue, database, upstream.

    Reads only. Exits with 2 if a statement cannot be right.
    """
    from rollback_gate.workflow.profile_check import check as tell

    with calling(given) as call:
        leave(tell(call))


@task_with(
    {
        "directory": (".", "the folder of the Compose project, or of the stack's file"),
        "project": ("", "the Compose project or the stack, where there are several"),
        "nodes": ("", "of a Swarm, how each node is reached, such as tcp://{address}:2376 (default: by ssh)"),
        "from_": ("", "what the change is: git:OLD..NEW (default: the newest backups, else the last two commits)"),
        "out": ("", "the file to write (default: profile.toml in the project's folder)"),
        "yes": (False, "ask nothing"),
        "verbose": (False, "show more"),
    }
)
def new(given: Any) -> None:
    """Propose a profile from what runs, and from what differs between old and new; each value says where it is from.

    Writes one file, and never over another.
    """
    from pathlib import Path

    from rollback_gate.workflow.profile_new import Wish
    from rollback_gate.workflow.profile_new import new as propose

    with calling(given) as call:
        out = Path(given.out) if given.out else None
        leave(propose(call, Wish(Path(given.directory), given.project, given.from_, out, given.yes, given.nodes)))
