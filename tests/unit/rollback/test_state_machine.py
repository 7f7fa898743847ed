"""Any order of rollback, kill, resume, undo and second rollback leaves a deployment that somebody understands."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from rollback_gate.change.goal import Direction, Mode, ModeName
from rollback_gate.errors import Refused
from rollback_gate.rollback import lock
from rollback_gate.rollback.store import RunAccount
from rollback_gate.workflow.order import Order
from rollback_gate.workflow.rollback import resume, rollback, undo
from rollback_gate.workflow.unlock import unlock
from tests.unit.builders import ORCHESTRATOR
from tests.unit.rollback.effects import killed_at
from tests.unit.rollback.world import CHANGE, NEW, OLD, OTHER, World

MODES = st.sampled_from([Mode(), Mode(ModeName.PARTIAL), Mode(ModeName.FULL), Mode(ModeName.FULL, True)])


class Deployment(RuleBasedStateMachine):
    """`stack`: modes of the runs that stand, oldest first; the newest one may be half done."""

    @initialize(strategy=st.sampled_from(["bind", "build"]))
    def deploy(self, strategy: str) -> None:
        memory = Path("/dev/shm")
        self.folder = tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)
        self.world = World.deployed(Path(self.folder.name) / "world", strategy)
        self.start = self.world.tree()
        self.others = self.world.containers(OTHER)
        self.expected = "phase1"

    def order(self, mode: Mode = Mode()) -> Order:
        return Order(mode=mode)

    def unended(self) -> RunAccount | None:
        with self.world.opening(self.world.call(), "look") as session:
            found = session.unended()
        return found[1] if found else None

    def of_containers(self) -> dict[str, object]:
        """Without the count of what was ever made: to look into an image, a container is made and removed."""
        return {key: value for key, value in self.world.state.items() if key != "count"}

    @rule(mode=MODES)
    def roll_back(self, mode: Mode) -> None:
        """Goes on with a run of its mode; refuses, touching nothing, while another one is half done."""
        unended = self.unended()
        if unended is not None and unended.mode != mode:
            before = self.world.tree(), self.world.state
            try:
                rollback(self.world.call(), self.order(mode), self.world.opening)
            except Refused:
                assert (self.world.tree(), self.world.state) == before
                return
            raise AssertionError("two half runs")
        rollback(self.world.call(), self.order(mode), self.world.opening)
        self.expected = "before"

    @rule(mode=MODES)
    def roll_back_again_changes_nothing(self, mode: Mode) -> None:
        """Right after a rollback of the same mode."""
        if self.unended() is None:
            rollback(self.world.call(), self.order(mode), self.world.opening)
            before = self.world.tree(), self.of_containers()
            rollback(self.world.call(), self.order(mode), self.world.opening)
            assert (self.world.tree(), self.of_containers()) == before
            self.expected = "before"

    @rule(mode=MODES, moment=st.integers(0, 120))
    def kill_a_rollback(self, mode: Mode, moment: int) -> None:
        if self.unended() is None:
            call, order = self.world.call(), self.order(mode)
            killed_at(moment, lambda: rollback(call, order, self.world.opening), self.world.root)
            self.expected = "anything" if self.unended() else self.expected_by_files()

    @precondition(lambda self: self.unended() is None and self.stands())
    @rule(moment=st.integers(0, 120))
    def kill_an_undo(self, moment: int) -> None:
        call = self.world.call()
        killed_at(moment, lambda: undo(call, self.order(), self.world.opening), self.world.root)
        self.expected = "anything" if self.unended() else self.expected_by_files()

    @precondition(lambda self: self.unended() is not None)
    @rule()
    def go_on(self) -> None:
        """In the direction in which it was going."""
        unended = self.unended()
        assert unended
        resume(self.world.call(), self.order(), self.world.opening)
        assert self.unended() is None
        stands = self.stands() and (unended.direction is Direction.ROLLBACK or self.expected_by_files() == "before")
        self.expected = "before" if stands else "phase1"

    @precondition(lambda self: self.unended() is None)
    @rule()
    def go_on_without_need(self) -> None:
        before = self.world.tree(), self.world.state
        try:
            resume(self.world.call(), self.order(), self.world.opening)
        except Refused:
            assert (self.world.tree(), self.world.state) == before
            return
        raise AssertionError("it went on with nothing")

    @rule()
    def unlock_what_is_free(self) -> None:
        """A killed run leaves no lock: there is nothing to unlock, and nothing is changed."""
        before = self.world.tree(), self.world.state
        unlock(self.world.call(), "is it stuck?", lambda _, environ: self.world.engine(environ))
        assert lock.holding_processes(self.world.project) == {}
        assert (self.world.tree(), self.world.state) == before

    @precondition(lambda self: self.unended() is not None)
    @rule(mode=MODES)
    def begin_anew(self, mode: Mode) -> None:
        """Passes over the half run, and an undo then undoes both; or refuses and touches nothing.

        Refused is what cannot be told apart from another project: a built service whose tree is half undone.
        """
        before = self.world.tree(), self.world.state
        try:
            rollback(self.world.call(), Order(mode=mode, anew=True), self.world.opening)
        except Refused:
            assert (self.world.tree(), self.world.state) == before
            return
        self.expected = "before"

    @rule()
    def undo_all(self) -> None:
        """However often it was rolled back, in whatever modes, half or whole: undone one by one, Phase 1 is as it was."""
        while self.stands():
            undo(self.world.call(), self.order(), self.world.opening)
        assert self.world.tree() == self.start
        self.expected = "phase1"

    def stands(self) -> bool:
        with self.world.opening(self.world.call(), "look") as session:
            return any(not a.is_undone and (a.changed or a.is_unended) for _, a in session.runs())

    def expected_by_files(self) -> str:
        return "before" if self.world.tree()[ORCHESTRATOR][0] == OLD else "phase1"

    @invariant()
    def files_are_whole(self) -> None:
        """Each file is the old one or the change's, never half of either; and nothing of the change is ever lost."""
        if not hasattr(self, "world"):
            return
        tree = self.world.tree()
        assert tree[ORCHESTRATOR][0] in (OLD, NEW)
        kept = {
            str(p).partition("/quarantine")[2].partition("/")[2]
            for p in self.world.root.rglob("quarantine*/**/*")
            if p.is_file()
        }
        assert set(CHANGE) - set(tree) <= kept
        assert self.world.containers(OTHER) == self.others

    @invariant()
    def what_runs_is_what_is_said(self) -> None:
        if not hasattr(self, "world") or self.expected == "anything":
            return
        loaded = {c["loaded"] for c in self.world.containers("enrichment-worker")}
        import hashlib

        text = OLD if self.expected == "before" else NEW
        assert loaded == {hashlib.sha256(text.encode()).hexdigest()}
        assert all(c["running"] for c in self.world.containers("enrichment-worker"))

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.folder.cleanup()


Deployment.TestCase.settings = settings(
    max_examples=25, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
)
TestDeployment = Deployment.TestCase


def test_an_undo_of_two_runs_that_is_killed_in_the_older_one_can_be_resumed() -> None:
    """The newest run is undone by then; the half run that it passed over is what is left."""
    in_the_older_one = 0
    for moment in range(60, 110, 5):
        state = Deployment()
        state.deploy(strategy="bind")
        state.kill_a_rollback(mode=Mode(), moment=35)
        state.begin_anew(mode=Mode())
        with state.world.opening(state.world.call(), "look") as session:
            older = session.runs()[0][0].id
        state.kill_an_undo(moment=moment)
        unended = state.unended()
        if unended is not None and unended.id == older:
            in_the_older_one += 1
            resume(state.world.call(), state.order(), state.world.opening)
            state.expected = state.expected_by_files()
            state.what_runs_is_what_is_said()
        state.teardown()
    assert in_the_older_one


def test_an_undo_that_is_resumed_undoes_the_half_run_below_it_too() -> None:
    """As the undo itself would have: else half of the change would stay, and nothing would say so."""
    state = Deployment()
    state.deploy(strategy="bind")
    state.roll_back(mode=Mode())
    state.kill_an_undo(moment=21)
    state.begin_anew(mode=Mode())
    state.kill_an_undo(moment=46)
    assert state.unended() is not None
    state.go_on()
    assert state.unended() is None
    state.what_runs_is_what_is_said()
    state.teardown()
