"""`invoke actions`: the actions due after a rollback (runbook, Post-Rollback Actions)."""

from __future__ import annotations

from typing import Any

from rollback_gate.tasks.common import COMMON, calling, leave
from rollback_gate.tasks.options import REQUIRED, task_with


@task_with(COMMON, name="list")
def list_all(given: Any) -> None:
    """List the actions due after the newest rollback: when each is due, and who did it."""
    from rollback_gate.workflow.actions import show

    with calling(given) as call:
        leave(show(call))


@task_with(
    COMMON,
    {
        "item": (REQUIRED, "the action's id, as `invoke actions` shows it"),
        "by": ("", "who did it (default: who calls this)"),
        "note": ("", "where to read of it, or what was found"),
    },
    positional=("item",),
)
def done(given: Any) -> None:
    """Record that an action was done, by whom and when. The person who rolled back cannot approve."""
    from rollback_gate.workflow.actions import done as note

    with calling(given) as call:
        leave(note(call, given.item, given.by, given.note))
