"""`invoke ticket.*`: the record and the incident's ticket."""

from __future__ import annotations

from typing import Any

from rollback_gate.tasks.common import COMMON, calling, leave
from rollback_gate.tasks.options import REQUIRED, task_with

WISH: dict[str, Any] = {
    "record": ("newest", "which record, by its name or folder"),
    "link": ("", "where the report can be read (default: the artifacts of the CI job that this runs in)"),
    "dry_run": (False, "show what would be sent"),
}


@task_with(
    COMMON, WISH, {"ticket": (REQUIRED, "the ticket: INC-42 at Jira, 42 at GitHub")}, positional=(), word="ticket"
)
def attach(given: Any) -> None:
    """Attach the newest record to a ticket, with a summary as a comment; repeated calls attach it only once."""
    from rollback_gate.workflow import tickets

    with calling(given) as call:
        leave(tickets.attach(call, str(given.ticket or ""), tickets.Wish(given.record, given.link, given.dry_run)))


@task_with(COMMON, WISH, name="open")
def open_ticket(given: Any) -> None:
    """Open a ticket for the newest record, and attach the record (runbook, Post-Rollback Actions)."""
    from rollback_gate.workflow import tickets

    with calling(given) as call:
        leave(tickets.open_ticket(call, tickets.Wish(given.record, given.link, given.dry_run)))
