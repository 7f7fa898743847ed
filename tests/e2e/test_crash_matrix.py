"""On the real engine: killed (SIGKILL) before, in and after every step of a plan, then resumed, or undone.

The steps are those of the plan that a rollback makes. The whole matrix, every mode and every single effect, is
tests/unit/rollback/test_crash_matrix.py; here it is proven that engine and Compose do not see it otherwise.
"""

from __future__ import annotations

import io
import itertools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.reference import COORDINATOR, Nature
from rollback_gate.change.goal import Mode, ModeName
from rollback_gate.errors import Locked
from rollback_gate.redaction import Redactor
from rollback_gate.rollback import steps
from rollback_gate.rollback.plan import Kind, Step
from rollback_gate.rollback.steps import Context
from rollback_gate.workflow.call import Call
from rollback_gate.workflow.rollback import Order, resume, rollback, undo
from rollback_gate.workflow.terminal import Terminal
from tests.e2e.conftest import OTHERS, ROOT, Operator, code_in, identities, running_lab, tree
from tests.marks import thorough

CASES = {"bind-quick": ("bind", Mode()), "build-full": ("build", Mode(ModeName.FULL))}
PHASES = ("before", "in", "after")
# Long enough for the engine or Compose to have begun, short enough for it not to have ended.
INSIDE_S = {Kind.BUILD: 0.3, Kind.RECREATE: 0.4, Kind.REPLACE: 0.4, Kind.RESTART: 0.2, Kind.START: 0.3}
OF_IMAGES = {Kind.KEEP_IMAGE, Kind.BUILD, Kind.TAG, Kind.RECREATE, Kind.REPLACE}
ON_FILES = {Kind.RESTORE, Kind.QUARANTINE, Kind.PUT_BACK}


@dataclass(frozen=True)
class Matrix:
    """A lab on which Phase 1 runs, the rollback that is killed there, and what comes after it."""

    operator: Operator
    mode: Mode
    end: str

    def act(self, what: Callable[[Call, Order], object]) -> None:
        """Raises what the workflow raises. In this process: importing everything anew would take longer than the work."""
        environ = self.operator.environment()
        call = Call.make(ROOT, str(self.operator.lab.profile), [], environ, Terminal(io.StringIO(), Redactor([])))
        what(call, Order(mode=self.mode))

    def soon(self, what: Callable[[Call, Order], object]) -> None:
        """As soon as nobody holds the lock: a command that the killed run had started may still work."""
        deadline = time.monotonic() + 60
        while True:
            try:
                return self.act(what)
            except Locked:
                assert time.monotonic() < deadline
                time.sleep(0.05)

    def steps(self) -> list[Step]:
        """Of a whole rollback, which is undone again."""
        seen: list[Step] = []

        def note(step: Step, act: Callable[[], None]) -> None:
            seen.append(step)
            act()

        with watching(note):
            self.act(rollback)
        self.act(undo)
        return seen

    def phases(self, number: int, step: Step) -> tuple[str, ...]:
        """After a step is before the next one. Of a build, what a bind mount does not do as well.

        An undo finds what a resume finds: it is asked of the middle of each step, where most can be half done.
        """
        if self.end == "undo" or (self.operator.lab.variant == "build" and step.kind not in OF_IMAGES):
            return PHASES[1:2]
        return PHASES if number == 0 else PHASES[1:]

    def is_killed(self, number: int, phase: str) -> bool:
        """Whether a rollback, in a process of its own, was killed at its n-th step; False: it ended before."""
        child = os.fork()
        if child == 0:
            numbers = itertools.count()
            with watching(lambda step, act: _killing(step, act, phase) if next(numbers) == number else act()):
                try:
                    self.act(rollback)
                finally:
                    os._exit(0)
        return os.WIFSIGNALED(os.waitpid(child, 0)[1])


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


FIRST = "bind-quick-undo"
REST = [name for case in CASES for end in ("resume", "undo") if (name := f"{case}-{end}") != FIRST]


@pytest.fixture(scope="module", params=[FIRST, *(thorough(name) for name in REST)])
def operator(
    request: pytest.FixtureRequest, labs_directory: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Matrix]:
    case, _, end = request.param.rpartition("-")
    variant, mode = CASES[case]
    folder = tmp_path_factory.mktemp(request.param)
    with running_lab(variant, "phase1", f"e2e-crash-{request.param}", folder, nature=Nature(grace="0s")) as started:
        yield Matrix(started, mode, end)


def test_killed_anywhere(operator: Matrix) -> None:
    """Old code everywhere after a resume, Phase 1 byte for byte after an undo; the other services never notice."""
    lab = operator.operator.lab
    before, others = tree(lab), identities(lab, OTHERS)
    for number, step in enumerate(operator.steps()):
        for phase in operator.phases(number, step):
            what = f"killed {phase} step {number}, {step.id} in the first plan, then {operator.end}"
            assert operator.is_killed(number, phase), what
            if operator.end == "resume":
                operator.soon(resume)
                assert code_in(lab) == ["before, running"] * 2, what
                assert code_in(lab, COORDINATOR) == ["before, running"], what
                assert not (lab.directory / "enrichment_service/errors").exists(), what
            operator.soon(undo)
            assert tree(lab) == before, what
            assert code_in(lab) == ["phase1, running"] * 2, what
            assert code_in(lab, COORDINATOR) == ["phase1, running"], what
            assert identities(lab, OTHERS) == others, what
            assert not [p for p in lab.directory.rglob("*.rollback-gate.tmp") if p.is_file()], what
