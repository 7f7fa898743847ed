"""`ticket.attach` and `ticket.open`: attach the record to a ticket, once, and make tasks of its actions."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rollback_gate.errors import WrongSetting
from rollback_gate.model import ExitCode
from rollback_gate.platform.commands import SubprocessRunner, allowed
from rollback_gate.profile.afterwards import Ticket
from rollback_gate.profile.afterwards import Tracker as Kind
from rollback_gate.profile.load import Settings
from rollback_gate.record import seal, write
from rollback_gate.record.write import KEPT_TICKET
from rollback_gate.regular import text_of
from rollback_gate.rollback.files import write_text
from rollback_gate.tickets import summary
from rollback_gate.tickets.command import Command
from rollback_gate.tickets.summary import MARKDOWN, PLAIN, WIKI, Markup
from rollback_gate.tickets.tracker import Files, Tracker, patiently
from rollback_gate.workflow import actions
from rollback_gate.workflow.call import Call
from rollback_gate.workflow.records import NEWEST, chosen

_OF_GITHUB = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
_MARKUP: Mapping[Kind, Markup] = {Kind.GITHUB: MARKDOWN, Kind.JIRA: WIKI, Kind.COMMAND: PLAIN}
_LIBRARY = {Kind.GITHUB: ("rollback_gate.tickets.github", "GitHub"), Kind.JIRA: ("rollback_gate.tickets.jira", "Jira")}


@dataclass(frozen=True)
class Wish:
    """`which`: a record; `link`: address of the report, "" to ask the CI; `dry_run`: only show what would be sent."""

    which: str = NEWEST
    link: str = ""
    dry_run: bool = False


@dataclass(frozen=True)
class _Job:
    """One record and the tracker that gets it."""

    call: Call
    settings: Settings
    folder: Path
    record: Mapping[str, Any]
    link: str
    sleep: Callable[[float], None]

    @property
    def digest(self) -> str:
        return seal.digest(seal.canonical(self.record))

    @property
    def ticket(self) -> Ticket:
        return self.settings.profile.ticket

    def text(self) -> str:
        markup, listed = _MARKUP[self.ticket.tracker], self.settings.profile.actions
        in_text = self.ticket.tracker is not Kind.JIRA or not self.ticket.task_type
        made = summary.text(self.record, self.digest, self.link, listed, markup, in_text)
        return self.call.terminal.redactor.text(made)

    def patiently(self, act: Callable[[], Any]) -> Any:
        return patiently(act, self.ticket.attempts, self.sleep, self.call.terminal.line)


def attach(call: Call, ticket: str, wish: Wish, sleep: Callable[[float], None] = time.sleep) -> ExitCode:
    """Summary as a comment, report as an attachment, each once per record. Raises WrongSetting, Tracker*."""
    if not ticket.strip():
        raise WrongSetting("--ticket is empty", "for example --ticket INC-42")
    job = _job(call, wish, sleep)
    call.terminal.stage(
        f"Ticket {ticket}: {job.record['record_id']}, {job.record.get('headline') or job.record['verdict']}"
    )
    if wish.dry_run:
        return _shown(job)
    tracker = _tracker(job)
    _deliver(job, tracker, ticket)
    job.patiently(lambda: tracker.add_tasks(ticket, summary.tasks(job.settings.profile.actions)))
    return ExitCode.GO


def open_ticket(call: Call, wish: Wish, sleep: Callable[[float], None] = time.sleep) -> ExitCode:
    """Opens a ticket with the summary, unless this record has one; then proceeds as `attach`. Raises as `attach`."""
    job = _job(call, wish, sleep)
    call.terminal.stage(f"New ticket: {summary.title(job.record)}")
    if wish.dry_run:
        return _shown(job)
    tracker, kept = _tracker(job), job.folder / f"opened-{KEPT_TICKET}"
    if kept.exists():
        ticket = text_of(kept).strip()
        call.terminal.item("ok", "ticket", f"{ticket} was opened for this record already")
    else:
        title = call.terminal.redactor.text(str(seal.printable(summary.title(job.record))))
        ticket = str(job.patiently(lambda: tracker.open(title, job.text())))
        write_text(kept, f"{ticket}\n", 0o644)
        call.terminal.item("ok", "ticket", f"{ticket} is open")
    _deliver(job, tracker, ticket, has_text=True)
    job.patiently(lambda: tracker.add_tasks(ticket, summary.tasks(job.settings.profile.actions)))
    actions.try_to_note(call, job.settings, "create-ticket", ticket)
    return ExitCode.GO


def _deliver(job: _Job, tracker: Tracker, ticket: str, has_text: bool = False) -> None:
    """Checks again before each attempt: a request that seemed to fail may have succeeded."""
    terminal, name = job.call.terminal, summary.file_name(job.record, job.digest)

    def comment() -> str:
        if any(summary.mark_of(job.digest) in text for text in tracker.comments(ticket)):
            return "is there already"
        tracker.comment(ticket, job.text())
        return "is there"

    def file(place: Files) -> str:
        if name in place.files(ticket):
            return "is attached already"
        place.attach(ticket, name, job.folder / write.HTML_NAME)
        return "is attached"

    place = tracker.attachments
    if place is not None:
        terminal.item("ok", name, job.patiently(lambda: file(place)))
    if not has_text:
        terminal.item("ok", "summary", job.patiently(comment))
    if job.ticket.tracker is Kind.GITHUB and not job.link:
        says = f"the ticket does not say where {job.folder / write.HTML_NAME} is: GitHub's API takes no files"
        terminal.item("warning", "report", f"{says}; give its address with --link")


def _shown(job: _Job) -> ExitCode:
    job.call.terminal.lines(job.text().splitlines())
    job.call.terminal.line(f"and {job.folder / write.HTML_NAME}; nothing was sent (--dry-run)")
    return ExitCode.GO


def _job(call: Call, wish: Wish, sleep: Callable[[float], None]) -> _Job:
    settings = call.load()
    if settings.profile.ticket.tracker is Kind.NONE:
        raise WrongSetting("the profile names no tracker", "set ticket.tracker to github, jira or command")
    link = wish.link or link_of(call.environ)
    if wish.which == NEWEST:  # of this deployment, even if the folder holds others
        return _Job(call, settings, *actions.newest(call, settings), link, sleep)
    one = chosen(call, wish.which)
    if not one.seen.record or one.seen.was_altered:
        raise WrongSetting(f"{one.folder} cannot be relied on", "invoke record.check, or verify again")
    return _Job(call, settings, one.folder, one.seen.record, link, sleep)


def link_of(environ: Mapping[str, str]) -> str:
    """The address of the CI job's artifacts, from the CI's variables; "" outside of a CI job."""
    if environ.get("GITHUB_ACTIONS") == "true" and all(environ.get(name) for name in _OF_GITHUB):
        return "{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}".format_map(environ)
    if environ.get("GITLAB_CI") == "true" and environ.get("CI_JOB_URL"):
        return f"{environ['CI_JOB_URL']}/artifacts/browse"
    return f"{environ['BUILD_URL']}artifact/" if environ.get("BUILD_URL") else ""


def _tracker(job: _Job) -> Tracker:
    settings, environ = job.ticket, job.call.environ
    if settings.tracker is Kind.COMMAND:
        runner = SubprocessRunner(allowed(environ, (*settings.variables, settings.token_env)))
        return Command(settings, runner, job.folder / write.HTML_NAME, job.folder / KEPT_TICKET)
    token = environ.get(settings.token_env, "").strip()
    if not token:
        raise WrongSetting(f"{settings.token_env} holds no token", f"set it to a token of {settings.tracker}")
    if not (token.isascii() and token.isprintable()):
        raise WrongSetting(f"{settings.token_env} holds a character that no token has", "set it to the token alone")
    module, name = _LIBRARY[settings.tracker]
    try:
        made: Tracker = getattr(importlib.import_module(module), name)(settings, token)
    except ModuleNotFoundError as error:
        raise WrongSetting(
            f"the client library of {settings.tracker} is not installed ({error.name})",
            "pip install --require-hashes -r requirements/extras.txt",
        ) from error
    return made
