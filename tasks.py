"""Invoke tasks: arguments in, exit code out."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

if TYPE_CHECKING:
    from rollback_gate.workflow import Call

ROOT = Path(__file__).resolve().parent

COMMON = {
    "profile": "the profile's file (default: ROLLBACK_GATE_PROFILE, else profiles/phase1.toml)",
    "set": "one setting, as key=value; may be given several times (--set limits.soak_s=30)",
}


@contextmanager
def _exit_code() -> Iterator[None]:
    """Errors of ours become a message and their exit code; a chain of tasks stops there."""
    from rollback_gate.errors import RollbackGateError

    try:
        yield
    except RollbackGateError as error:
        raise Exit(f"error: {error}", code=int(error.exit_code)) from error


def _call(profile: str, settings: list[str], without_database: bool = False) -> Call:
    from rollback_gate.redaction import Redactor
    from rollback_gate.terminal import Terminal
    from rollback_gate.workflow import Call

    terminal = Terminal(sys.stdout, Redactor([]))
    return Call.make(ROOT, profile, settings, os.environ, terminal, not without_database)


@task(
    iterable=["set"],
    help={
        **COMMON,
        "reason": "why, in a few words; stands in journal and record",
        "without-database": "roll back although the database cannot be asked; verify is then INCONCLUSIVE",
    },
)
def quick(_: Context, reason: str = "", profile: str = "", set: list[str] | None = None,
          without_database: bool = False) -> None:  # fmt: skip
    """Roll the change back: restore files, move new modules away, restart the worker (runbook, Option 1)."""
    from rollback_gate import workflow

    with _exit_code():
        workflow.rollback(_call(profile, set or [], without_database), reason)


@task(
    iterable=["set"],
    help={
        **COMMON,
        "since": "the boundary after a rollback by hand, RFC 3339 (default: the run's, else each replica's own start)",
        "without-database": "do not ask the database; the verdict is then never GO",
    },
)
def verify(_: Context, since: str = "", profile: str = "", set: list[str] | None = None,
           without_database: bool = False) -> None:  # fmt: skip
    """Judge from the live system whether the rollback took effect, and write the go/no-go record."""
    from rollback_gate import workflow

    with _exit_code():
        code = workflow.verify(_call(profile, set or [], without_database), since)
    if code:
        raise Exit(code=int(code))


def _collection() -> Collection:
    rollback: Any = Collection("rollback")
    rollback.add_task(quick, default=True)
    namespace: Any = Collection(rollback, verify)
    return namespace  # type: ignore[no-any-return]


namespace = _collection()
