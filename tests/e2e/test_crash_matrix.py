"""On the real engine: killed (SIGKILL) before, in and after every step of a plan, then resumed, or undone.

The steps are those of the plan that a rollback makes. The whole matrix, every mode and every single effect, is
tests/unit/rollback/test_crash_matrix.py; here it is proven that engine and Compose do not see it otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.reference import COORDINATOR, Nature
from rollback_gate.change.goal import Mode, ModeName
from rollback_gate.rollback.plan import Kind, Step
from rollback_gate.workflow.order import Order
from rollback_gate.workflow.rollback import rollback, undo
from tests.e2e.conftest import OTHERS, Operator, code_in, identities, running_lab, tree
from tests.e2e.killing import (
    PHASES,
    Workflow,
    at,
    in_this_process,
    is_killed,
    killed_everywhere,
    soon,
    telling,
    watching,
)
from tests.marks import thorough

CASES = {"bind-quick": ("bind", Mode()), "build-full": ("build", Mode(ModeName.FULL))}
OF_IMAGES = {Kind.KEEP_IMAGE, Kind.BUILD, Kind.TAG, Kind.RECREATE, Kind.REPLACE}


@dataclass(frozen=True)
class Matrix:
    """A lab on which Phase 1 runs, the rollback that is killed there, and how it was before."""

    operator: Operator
    mode: Mode
    files: dict[str, tuple[bytes, int, int]]
    others: dict[str, tuple[str, str]]

    def act(self, what: Workflow) -> None:
        in_this_process(self.operator, what, Order(mode=self.mode))

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

    def is_asked(self, step: Step) -> bool:
        """Of a build, what a bind mount does not do as well."""
        return self.operator.lab.variant != "build" or step.kind in OF_IMAGES

    def old_code_runs(self) -> None:
        lab = self.operator.lab
        assert code_in(lab) == ["before, running"] * 2
        assert code_in(lab, COORDINATOR) == ["before, running"]
        assert not (lab.directory / "enrichment_service/errors").exists()

    def all_is_as_before(self) -> None:
        """Phase 1, byte for byte; the other services never noticed."""
        lab = self.operator.lab
        assert tree(lab) == self.files
        assert code_in(lab) == ["phase1, running"] * 2
        assert code_in(lab, COORDINATOR) == ["phase1, running"]
        assert identities(lab, OTHERS) == self.others
        assert not [p for p in lab.directory.rglob("*.rollback-gate.tmp") if p.is_file()]


FIRST = "bind-quick"


@pytest.fixture(scope="module", params=[FIRST, *(thorough(name) for name in CASES if name != FIRST)])
def matrix(
    request: pytest.FixtureRequest, labs_directory: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Matrix]:
    variant, mode = CASES[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    with running_lab(variant, "phase1", f"e2e-crash-{request.param}", folder, nature=Nature(grace="0s")) as started:
        yield Matrix(started, mode, tree(started.lab), identities(started.lab, OTHERS))


def test_an_undo_finds_what_a_rollback_killed_in_any_step_has_left(matrix: Matrix) -> None:
    """Killed in the middle of each step, where most can be half done."""
    for number, step in enumerate(matrix.steps()):
        if matrix.is_asked(step):
            with telling(f"killed in step {step.id}"):
                assert is_killed(lambda: matrix.act(rollback), at(number, PHASES[1]))
                soon(lambda: matrix.act(undo))
                matrix.all_is_as_before()


@pytest.mark.thorough
def test_killed_in_every_phase_of_every_step_it_converges(matrix: Matrix, tmp_path: Path) -> None:
    """Old code everywhere after the last resume; the change after an undo that was killed everywhere too."""
    killed = killed_everywhere(matrix.act, rollback, tmp_path / "rollback")
    assert {row.rpartition(" ")[2] for row in killed} == set(PHASES)
    matrix.old_code_runs()
    killed = killed_everywhere(matrix.act, undo, tmp_path / "undo")
    assert {row.rpartition(" ")[2] for row in killed} == set(PHASES)
    matrix.all_is_as_before()
