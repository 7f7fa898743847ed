"""Kills a rollback with SIGKILL before, in or after one of its steps, and watches each step of one in this process."""

from __future__ import annotations

import io
import itertools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lab.operator import Operator
from rollback_gate.errors import Locked
from rollback_gate.redaction import Redactor
from rollback_gate.rollback import steps
from rollback_gate.rollback.context import Context
from rollback_gate.rollback.plan import Kind, Step
from rollback_gate.workflow.call import Call
from rollback_gate.workflow.order import Order
from rollback_gate.workflow.rollback import resume
from rollback_gate.workflow.terminal import Terminal
from tests.e2e.conftest import ROOT

Workflow = Callable[[Call, Order], object]
PHASES = ("before", "in", "after")
# Long enough for the engine, Compose or the manager to have begun, short enough for it not to have ended.
INSIDE_S = {
    Kind.BUILD: 0.3,
    Kind.RECREATE: 0.4,
    Kind.REPLACE: 0.4,
    Kind.RESTART: 0.2,
    Kind.START: 0.3,
    Kind.UPDATE: 0.8,
}
ON_FILES = {Kind.RESTORE, Kind.QUARANTINE, Kind.PUT_BACK}


def in_this_process(operator: Operator, what: Workflow, order: Order) -> None:
    """Raises what the workflow raises. Importing everything anew would take longer than the work."""
    terminal = Terminal(io.StringIO(), Redactor([]))
    what(Call.make(ROOT, str(operator.lab.profile), [], operator.environment(), terminal), order)


def is_killed(act: Callable[[], object], choose: Callable[[Step], str]) -> bool:
    """Whether `act`, in a process of its own, was killed; False: it ended before. `choose`: the phase, "" to go on."""
    child = os.fork()
    if child == 0:
        with watching(lambda step, do: _killing(step, do, phase) if (phase := choose(step)) else do()):
            try:
                act()
            finally:
                os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def soon(act: Callable[[], object]) -> None:
    """As soon as nobody holds the lock: a command that a killed run had started may still work."""
    deadline = time.monotonic() + 60
    while True:
        try:
            act()
            return
        except Locked:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def killed_everywhere(act: Callable[[Workflow], object], first: Workflow, file: Path) -> list[str]:
    """`first`, killed once in each phase of each step; each resume gets one phase further. Returns the kills."""
    each, what = EachOnce(file), first
    while is_killed(partial(soon, partial(act, what)), each):
        what = resume
    return each.noted


@contextmanager
def telling(what: str) -> Iterator[None]:
    """A failure says which kill it was."""
    try:
        yield
    except AssertionError as error:
        error.add_note(what)
        raise


def at(number: int, phase: str) -> Callable[[Step], str]:
    """In its n-th step."""
    numbers = itertools.count()
    return lambda _: phase if next(numbers) == number else ""


@dataclass(frozen=True)
class EachOnce:
    """Once in each phase of each step, whatever process gets there. `file`: where the kills are noted."""

    file: Path

    def __call__(self, step: Step) -> str:
        noted = self.noted
        phase = next((one for one in PHASES if f"{step.id} {one}" not in noted), "")
        if phase:
            self.file.write_text("".join(f"{row}\n" for row in (*noted, f"{step.id} {phase}")))
        return phase

    @property
    def noted(self) -> list[str]:
        return self.file.read_text().splitlines() if self.file.exists() else []


class watching:  # noqa: N801 - reads as a statement
    """Every step of a run in this process goes through `through`, which gets the step and what does it."""

    def __init__(self, through: Callable[[Step, Callable[[], None]], object]) -> None:
        self._through, self._perform = through, steps.perform

    def __enter__(self) -> None:
        def perform(step: Step, context: Context) -> str:
            said: list[str] = []
            self._through(step, lambda: said.append(self._perform(step, context)))
            return said[0]

        steps.perform = perform

    def __exit__(self, *_: object) -> None:
        steps.perform = self._perform


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _killing(step: Step, act: Callable[[], None], phase: str) -> None:
    if phase == "before":
        _kill()
    if phase == "in" and step.kind in ON_FILES:
        sys.addaudithook(lambda event, _: _kill() if event == "os.rename" else None)
    elif phase == "in":
        threading.Timer(INSIDE_S.get(step.kind, 0.01), _kill).start()
    act()
    _kill()
