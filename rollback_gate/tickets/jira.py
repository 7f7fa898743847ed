"""Jira Cloud, Server and Data Center, through the client library of the same name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jira
import requests
from jira.exceptions import JIRAError

from rollback_gate.profile.afterwards import Ticket
from rollback_gate.tickets import answers
from rollback_gate.tickets.tracker import Files

_RIGHTS = "Browse Projects, Add Comments, Create Attachments and Create Issues"


class Jira:
    def __init__(self, settings: Ticket, token: str) -> None:
        who: dict[str, Any] = {"basic_auth": (settings.user, token)} if settings.user else {"token_auth": token}
        self._settings = settings
        self.attachments: Files | None = self
        self._client = jira.JIRA(
            server=settings.address.rstrip("/"), get_server_info=False, max_retries=0, timeout=settings.limit_s, **who
        )

    def comments(self, ticket: str) -> list[str]:
        with self._asking(f"reading {ticket}"):
            return [str(comment.body) for comment in self._client.comments(ticket)]

    def files(self, ticket: str) -> list[str]:
        with self._asking(f"reading {ticket}"):
            return [str(file.filename) for file in self._client.issue(ticket, fields="attachment").fields.attachment]

    def comment(self, ticket: str, summary: str) -> None:
        with self._asking(f"commenting on {ticket}"):
            self._client.add_comment(ticket, summary)

    def attach(self, ticket: str, name: str, file: Path) -> None:
        with self._asking(f"attaching to {ticket}"):
            self._client.add_attachment(issue=ticket, attachment=str(file), filename=name)

    def open(self, title: str, summary: str) -> str:
        with self._asking(f"opening a ticket in {self._settings.project}", is_repeatable=False):
            return str(self._client.create_issue(fields=self._fields(title, summary), prefetch=False).key)

    def add_tasks(self, ticket: str, tasks: list[str]) -> None:
        if not self._settings.task_type:
            return
        with self._asking(f"adding tasks to {ticket}"):
            there = {str(task.fields.summary) for task in self._client.issue(ticket, fields="subtasks").fields.subtasks}
            for task in tasks:
                if task not in there:
                    fields = self._fields(task, "") | {"issuetype": {"name": self._settings.task_type}}
                    self._client.create_issue(fields=fields | {"parent": {"key": ticket}}, prefetch=False)

    def _fields(self, title: str, text: str) -> dict[str, Any]:
        settings = self._settings
        return {
            "project": {"key": settings.project},
            "issuetype": {"name": settings.issue_type},
            "summary": title[:250],
            "description": text,
        }

    @contextmanager
    def _asking(self, what: str, is_repeatable: bool = True) -> Iterator[None]:
        try:
            yield
        except JIRAError as error:
            status, said = int(error.status_code or 0), str(error.text or "")
            if not status:
                silence = answers.of_silence(what, self._settings.address, error)
                raise answers.unless_made(silence, is_repeatable) from error
            wait = str(error.response.headers.get("Retry-After", "")) if error.response is not None else ""
            trouble = answers.of_status(status, what, _RIGHTS, self._settings.token_env, said, wait)
            raise answers.unless_made(trouble, is_repeatable, status) from error
        except requests.RequestException as error:
            silence = answers.of_silence(what, self._settings.address, error)
            raise answers.unless_made(silence, is_repeatable) from error
