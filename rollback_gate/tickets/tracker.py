"""The interface of a tracker, and how often requests are repeated."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

import tenacity

from rollback_gate.errors import TrackerBusy

_LONGEST_WAIT_S = 60.0
Result = TypeVar("Result")


class Files(Protocol):
    """Attachments. Raises as a Tracker."""

    def files(self, ticket: str) -> list[str]:
        """Names of the attached files."""

    def attach(self, ticket: str, name: str, file: Path) -> None: ...


class Tracker(Protocol):
    """All raise TrackerRefused, and TrackerBusy if a retry may help. `attachments`: None if it takes none."""

    attachments: Files | None

    def comments(self, ticket: str) -> list[str]:
        """The texts of the ticket."""

    def comment(self, ticket: str, summary: str) -> None: ...

    def open(self, title: str, summary: str) -> str:
        """The new ticket's name. TrackerBusy only if the tracker reported that it did nothing."""

    def add_tasks(self, ticket: str, tasks: list[str]) -> None:
        """Adds the tasks that are missing; none if the summary lists them as tasks."""


def patiently(
    act: Callable[[], Result], attempts: int, sleep: Callable[[float], None], tell: Callable[[str], None]
) -> Result:
    """Retries while the tracker is busy: after 1, 2, 4 ... s, or as long as it asks, at most 60 s. Raises as `act`."""

    def wait(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after_s if isinstance(error, TrackerBusy) else 0.0
        return min(max(2.0 ** (state.attempt_number - 1), asked), _LONGEST_WAIT_S)

    def before_sleep(state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, TrackerBusy):
            tell(f"{error.message}: again in {state.upcoming_sleep:.0f} s")

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(TrackerBusy),
        stop=tenacity.stop_after_attempt(attempts),
        wait=wait,
        sleep=sleep,
        before_sleep=before_sleep,
        reraise=True,
    )
    return retrying(act)
