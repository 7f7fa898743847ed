"""Sections on notifications, tickets and the actions after a rollback."""

from __future__ import annotations

import enum
import string
from typing import Self

from pydantic import Field, model_validator

from rollback_gate.profile.base import Name, Seconds, Section

MESSAGE_FIELDS = frozenset(
    {
        "change",
        "reason",
        "operator",
        "eta",
        "minutes",
        "status",
        "duration",
        "interruption",
        "completeness",
        "verdict",
        "why",
        "next_steps",
        "record",
        "project",
    }
)


class Message(Section):
    """`{name}` is replaced by a fact; the names are checked when the profile is loaded."""

    subject: str
    body: str

    @model_validator(mode="after")
    def _fields_are_known(self) -> Self:
        for text in (self.subject, self.body):
            names = {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
            if unknown := sorted(names - MESSAGE_FIELDS):
                raise ValueError(f"unknown field {', '.join(unknown)}; there are {', '.join(sorted(MESSAGE_FIELDS))}")
            text.format_map(dict.fromkeys(MESSAGE_FIELDS, "text"))  # a format that text cannot have, like {eta:.1f}
        return self


class Messages(Section):
    """`command` gets a message on standard input, subject first. `failure`: sent if the procedure fails; None: `end`.

    `variables`: names of environment variables that the command needs in addition to the standard ones.
    """

    command: tuple[str, ...] = ()
    variables: tuple[Name, ...] = ()
    limit_s: Seconds = 10
    eta_minutes: int = Field(default=10, ge=1, le=1440)
    begin: Message = Message(subject="Rolling back {change}", body="Reason: {reason}\nBy: {operator}\nETA: {eta}\n")
    end: Message = Message(
        subject="{verdict}: rollback of {change}, {status}",
        body="{why}\nInterruption: {interruption}\nRecord: {record}\n\nNext steps:\n{next_steps}\n",
    )
    failure: Message | None = None


class Tracker(enum.StrEnum):
    NONE = "none"
    GITHUB = "github"
    JIRA = "jira"
    COMMAND = "command"


class Ticket(Section):
    """The tracker of incidents. `project`: owner/name at GitHub, a key at Jira. `user`: for Jira Cloud, else empty.

    `address`: of the API; empty for GitHub's own. `task_type`: Jira's name for a sub-task; empty: none are created.
    `variables`: names of environment variables that `command` needs in addition to the standard ones and `token_env`.
    """

    tracker: Tracker = Tracker.NONE
    address: str = ""
    project: str = ""
    user: str = ""
    token_env: str = "ROLLBACK_GATE_TICKET_TOKEN"
    issue_type: str = "Task"
    task_type: str = "Sub-task"
    command: tuple[str, ...] = ()
    variables: tuple[Name, ...] = ()
    limit_s: Seconds = 10
    attempts: int = Field(default=5, ge=1, le=20)

    @model_validator(mode="after")
    def _has_what_its_tracker_needs(self) -> Self:
        needed = {Tracker.GITHUB: ("project",), Tracker.JIRA: ("address", "project"), Tracker.COMMAND: ("command",)}
        missing = [key for key in needed.get(self.tracker, ()) if not getattr(self, key)]
        if missing:
            raise ValueError(f"tracker {self.tracker} needs {' and '.join(missing)}")
        return self


class Due(enum.StrEnum):
    """When an action has to be done (runbook, Post-Rollback Actions)."""

    SAME_DAY = "same day"
    SHORT_TERM = "1-2 days"
    BEFORE_REDEPLOYMENT = "before re-deployment"


class Action(Section):
    """`is_approval`: must be done by another person than the one who rolled back."""

    id: Name
    due: Due
    says: str
    is_approval: bool = False


class Titles(Section):
    """Titles of the checks in the record, in the runbook's words."""

    new_behaviour: str = "The change is gone"
    worker_running: str = "The service is running"
    processing: str = "Processing works"
    completeness: str = "Completeness is back to normal"
    own: str = "Checks of our own"
