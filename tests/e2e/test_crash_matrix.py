"""On the real engine: killed (SIGKILL) before, in and after every step of a plan, then resumed, or undone.

The steps are those of the plan that a rollback makes. The whole matrix, every mode and every single effect, is
tests/unit/rollback/test_crash_matrix.py; here it is proven that engine and Compose do not see it otherwise.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.reference import COORDINATOR, Nature
from rollback_gate.change.goal import Mode, ModeName
from rollback_gate.errors import Locked
from rollback_gate.rollback.plan import Kind, Step
from rollback_gate.workflow.call import Call
from rollback_gate.workflow.rollback import Order, resume, rollback, undo
from tests.e2e.conftest import OTHERS, Operator, code_in, identities, running_lab, tree
from tests.e2e.killing import PHASES, at, in_this_process, is_killed, watching
from tests.marks import thorough

CASES = {"bind-quick": ("bind", Mode()), "build-full": ("build", Mode(ModeName.FULL))}
OF_IMAGES = {Kind.KEEP_IMAGE, Kind.BUILD, Kind.TAG, Kind.RECREATE, Kind.REPLACE}


@dataclass(frozen=True)
class Matrix:
    """A lab on which Phase 1 runs, the rollback that is killed there, and what comes after it."""

    operator: Operator
    mode: Mode
    end: str

    def act(self, what: Callable[[Call, Order], object]) -> None:
        in_this_process(self.operator, what, Order(mode=self.mode))

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
        return is_killed(lambda: self.act(rollback), at(number, phase))


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
