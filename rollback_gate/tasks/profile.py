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
