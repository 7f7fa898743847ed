"""What tasks share: common options, making a Call from them, and mapping errors to exit codes."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from invoke.exceptions import Exit

from rollback_gate.launcher import DEFAULT

if TYPE_CHECKING:
    from rollback_gate.model import ExitCode
    from rollback_gate.workflow.call import Call

_STDERR = 2
COMMON: dict[str, Any] = {
    "profile": ("", "the profile's file (default: ROLLBACK_GATE_PROFILE, else profiles/phase1.toml)"),
    "set": ([], "one setting, as key=value; may be given several times (--set limits.soak_s=30)"),
}
WITHOUT_DATABASE = "go on although the database cannot be asked; verify is then INCONCLUSIVE"


@contextmanager
def calling(given: Any) -> Iterator[Call]:
    """Makes the Call from a task's options; an option that the task lacks counts as not given.

    An error of ours becomes a message without secrets and its exit code, and stops a chain of tasks.
    """
    from rollback_gate.errors import RollbackGateError

    _open_closed()
    try:
        call = _call(given)
    except RollbackGateError as error:
        raise Exit(f"error: {error}", code=int(error.exit_code)) from error
    try:
        yield call
    except RollbackGateError as error:
        raise Exit(call.terminal.said(f"error: {error}"), code=int(error.exit_code)) from error
    except KeyboardInterrupt as error:
        raise Exit("error: ended by Ctrl-C", code=20) from error


def _open_closed() -> None:
    """`>&-`: the next file opened would get the descriptor of the closed output."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


def leave(code: ExitCode | int) -> None:
    """Exits with `code` unless it is 0."""
    if code:
        raise Exit(code=int(code))


def _call(given: Any) -> Call:
    from rollback_gate.redaction import Redactor
    from rollback_gate.workflow.call import Call
    from rollback_gate.workflow.terminal import Terminal

    with_database = not getattr(given, "without_database", False)
    accept_diff = getattr(given, "accept_diff", False)
    launcher, is_verbose = getattr(given, "launcher", DEFAULT), getattr(given, "verbose", False)
    terminal = Terminal(sys.stdout or io.StringIO(), Redactor([]), launcher, is_verbose)
    profile, settings = getattr(given, "profile", ""), getattr(given, "set", [])
    return Call.make(given.root, profile, settings, os.environ, terminal, with_database, accept_diff)
