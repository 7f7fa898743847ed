"""Any other tracker: a command from the profile. It gets the action as arguments and the summary on standard input."""

from __future__ import annotations

from pathlib import Path

from rollback_gate.errors import CommandFailed, TrackerRefused
from rollback_gate.platform.commands import Runner
from rollback_gate.profile.afterwards import Ticket
from rollback_gate.redaction import cut
from rollback_gate.regular import text_of
from rollback_gate.tickets.tracker import Files


class Command:
    """`kept`, a file beside the record, lists what was delivered: a command cannot be queried."""

    attachments: Files | None = None  # the command gets the file with the comment

    def __init__(self, settings: Ticket, runner: Runner, page: Path, kept: Path) -> None:
        self._settings, self._runner, self._page, self._kept = settings, runner, page, kept

    def comments(self, ticket: str) -> list[str]:
        lines = text_of(self._kept).splitlines() if self._kept.exists() else []
        return [line.removeprefix(f"{ticket} ") for line in lines if line.startswith(f"{ticket} ")]

    def comment(self, ticket: str, summary: str) -> None:
        self._run("attach", ticket, summary)
        self._note(ticket, summary)

    def open(self, title: str, summary: str) -> str:
        ticket = " ".join(self._run("open", title, summary).split())
        if not ticket:
            raise TrackerRefused(f"{self._settings.command[0]} printed no name of a ticket", "let it print one line")
        self._note(ticket, summary)
        return ticket

    def add_tasks(self, ticket: str, tasks: list[str]) -> None:
        """Does nothing: the tasks are in the summary."""

    def _run(self, what: str, first: str, summary: str) -> str:
        command = (*self._settings.command, what, first, str(self._page))
        try:
            return self._runner(command, timeout_s=self._settings.limit_s, text=summary).stdout
        except CommandFailed as error:
            said = cut(" ".join(error.output.split()), 200)
            raise TrackerRefused(
                f"{self._settings.command[0]} {what} {error.status}{': ' if said else ''}{said}",
                "fix the command of the section [ticket], then try again",
            ) from error

    def _note(self, ticket: str, summary: str) -> None:
        mark = summary.strip().splitlines()[-1]
        with self._kept.open("a", encoding="utf-8") as file:
            file.write(f"{ticket} {mark}\n")
