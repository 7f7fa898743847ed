"""GitHub issues, through PyGithub. The API takes no attachments: the comment links to the report."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import github
import requests
from github import Auth, GithubException, RateLimitExceededException

from rollback_gate.errors import TrackerRefused
from rollback_gate.profile.afterwards import Ticket
from rollback_gate.tickets import answers
from rollback_gate.tickets.tracker import Files

_RIGHTS = "Issues: read and write"


class GitHub:
    attachments: Files | None = None

    def __init__(self, settings: Ticket, token: str) -> None:
        options: dict[str, Any] = {"base_url": settings.address.rstrip("/")} if settings.address else {}
        self._settings = settings
        self._client = github.Github(
            auth=Auth.Token(token),
            timeout=int(settings.limit_s) or 1,
            retry=None,
            lazy=True,
            user_agent="rollback-gate",
            seconds_between_requests=None,
            seconds_between_writes=None,
            **options,
        )

    def comments(self, ticket: str) -> list[str]:
        with self._asking(f"reading {self._name(ticket)}"):
            issue = self._repository().get_issue(_number(ticket, self._settings.project))
            return [issue.body or "", *(comment.body for comment in issue.get_comments())]

    def comment(self, ticket: str, summary: str) -> None:
        with self._asking(f"commenting on {self._name(ticket)}"):
            self._repository().get_issue(_number(ticket, self._settings.project)).create_comment(summary)

    def open(self, title: str, summary: str) -> str:
        with self._asking(f"opening an issue in {self._settings.project}", is_repeatable=False):
            return str(self._repository().create_issue(title, summary).number)

    def add_tasks(self, ticket: str, tasks: list[str]) -> None:
        """Does nothing: the tasks are a task list in the summary."""

    def _repository(self) -> Any:
        return self._client.get_repo(self._settings.project)

    def _name(self, ticket: str) -> str:
        return f"{self._settings.project}#{ticket.lstrip('#')}"

    @contextmanager
    def _asking(self, what: str, is_repeatable: bool = True) -> Iterator[None]:
        try:
            yield
        except GithubException as error:
            headers = {key.lower(): value for key, value in (error.headers or {}).items()}
            status = 429 if isinstance(error, RateLimitExceededException) else error.status
            says = str(error.data.get("message", "")) if isinstance(error.data, dict) else ""
            token = self._settings.token_env
            trouble = answers.of_status(status, what, _RIGHTS, token, says, headers.get("retry-after", ""))
            raise answers.unless_made(trouble, is_repeatable, status) from error
        except requests.RequestException as error:
            silence = answers.of_silence(what, self._settings.address or "GitHub", error)
            raise answers.unless_made(silence, is_repeatable) from error


def _number(ticket: str, project: str) -> int:
    repository, _, text = ticket.rpartition("#")
    if repository and repository.lower() != project.lower():
        raise TrackerRefused(
            f"{ticket} is not in {project}, the profile's ticket.project",
            "give a number of an issue there, or --set ticket.project",
        )
    if not (text.isascii() and text.isdecimal()):
        raise TrackerRefused(f"{ticket} is no issue of GitHub", "give its number: --ticket 42")
    return int(text)
