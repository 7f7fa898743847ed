"""A run that ends otherwise than by its last step says exactly what was and what was not done."""

from __future__ import annotations

import io
import os
import shutil
import signal
from pathlib import Path

import pytest

from rollback_gate.change.goal import Mode
from rollback_gate.change.sources import Choice
from rollback_gate.errors import EndedEarly, Refused, RollbackFailed, RollbackGateError, Unreachable, WrongSetting
from rollback_gate.model import ExitCode, Unmeasured
from rollback_gate.redaction import Redactor
from rollback_gate.rollback import execute, saving, steps
from rollback_gate.rollback.plan import Kind
from rollback_gate.rollback.stopping import ending_as_an_error
from rollback_gate.workflow import carry_out
from rollback_gate.workflow import rollback as workflow
from rollback_gate.workflow.call import Call, local_now
from rollback_gate.workflow.order import Order
from rollback_gate.workflow.rollback import rollback, undo
from rollback_gate.workflow.terminal import Terminal
from tests.unit.builders import ORCHESTRATOR, ROOT
from tests.unit.rollback.test_crash_matrix import act, folder
from tests.unit.rollback.world import NEW, OLD, World

__all__ = ["folder"]  # a fixture


def test_ctrl_c_at_the_very_end_stops_a_chain_of_tasks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run is done, and says so; exit 20, because what was to follow (verify) did not."""
    world = World.deployed(folder / "w", "bind")
    measure = execute._measure

    def and_ctrl_c(*arguments: object) -> object:
        os.kill(os.getpid(), signal.SIGINT)
        return measure(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(execute, "_measure", and_ctrl_c)
    with pytest.raises(EndedEarly, match="is done; Ctrl-C ended what was to follow") as caught:
        act(world, rollback, Mode())()
    assert caught.value.exit_code is ExitCode.INCONCLUSIVE
    with world.opening(world.call(), "look") as session:
        assert [(run.id, account.outcome) for run, account in session.runs()] == [(caught.value.run_id, "done")]


def test_a_clock_that_was_set_back_begins_no_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs are in the order of their times: an undo would bring back another change than the last one."""
    world = World.deployed(folder / "w", "bind")
    act(world, rollback, Mode())()
    now = local_now()
    monkeypatch.setattr(carry_out, "local_now", lambda: now.plus(-3600))
    (world.project / ORCHESTRATOR).write_text(NEW)
    with pytest.raises(Refused, match="began in the future") as caught:
        act(world, rollback, Mode())()
    assert "set the clock right" in caught.value.remedy
    assert world.tree()[ORCHESTRATOR][0] == NEW


def test_a_folder_that_becomes_a_link_meanwhile_leads_nowhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever owns the project could have root move somebody else's file."""
    world = World.deployed(folder / "w", "bind")
    other = folder / "others"
    (other / "errors").mkdir(parents=True)
    (other / "errors/own.py").write_text("x")
    real = steps._save_evidence

    def and_swap(*arguments: object) -> str:
        says = real(*arguments)  # type: ignore[arg-type]
        (world.project / "enrichment_service").rename(world.project / "aside")
        (world.project / "enrichment_service").symlink_to(other)
        return says

    monkeypatch.setitem(steps._HOW, Kind.SAVE_EVIDENCE, and_swap)
    with pytest.raises(RollbackFailed, match="symbolic link that leads elsewhere"):
        act(world, rollback, Mode())()
    assert (other / "errors/own.py").exists()


def test_what_a_run_keeps_is_nothing_that_git_sees(folder: Path) -> None:
    """`git clean` would remove the quarantine; `git add` would take up what was saved."""
    world = World.deployed(folder / "w", "bind")
    act(world, rollback, Mode())()
    assert (world.project / ".rollback/.gitignore").read_text() == "*\n"


def test_mounted_code_needs_no_compose(folder: Path) -> None:
    """Nothing is missing: restarts are all that is to be done, and none is made by Compose."""
    world = World.deployed(folder / "w", "bind")
    (world.root / "bin" / "docker-compose").unlink()
    act(world, rollback, Mode())()
    assert world.tree()[ORCHESTRATOR][0] == OLD
    with world.opening(world.call(), "look") as session:
        assert session.unended() is None


@pytest.mark.parametrize("strategy", ["bind", "build"])
def test_a_log_that_cannot_be_read_stops_no_rollback(folder: Path, strategy: str) -> None:
    """Whatever the driver is called: that the containers run stands in, and verify judges the rest."""
    world = World.deployed(folder / "w", strategy)
    world.odd("enrichment-worker", log_unreadable=True)
    act(world, rollback, Mode())()
    assert world.tree()[ORCHESTRATOR][0] == OLD
    with world.opening(world.call(), "look") as session:
        assert session.unended() is None


@pytest.mark.parametrize("error", [ZeroDivisionError("mean"), KeyError("State"), ValueError("NaN"), OSError("disk")])
def test_nothing_about_evidence_stops_a_rollback(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Files were restored, and nothing is restarted yet: to stop here is the worst."""
    world = World.deployed(folder / "w", "bind")

    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(saving, "_container", fails)
    monkeypatch.setattr(saving, "_completeness", fails)
    act(world, rollback, Mode())()
    with world.opening(world.call(), "look") as session:
        (_, account) = session.runs()[0]
    assert account.outcome == "done"
    says = next(str(step) for step in account.steps if step["kind"] == "save-evidence")
    assert "not saved" in says


def test_what_fails_after_the_last_step_is_not_blamed_on_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine goes away while the result is looked at: exit 30, with the state, and no step named."""
    world = World.deployed(folder / "w", "bind")

    def gone(*_: object) -> None:
        raise Unreachable("the engine did not answer")

    monkeypatch.setattr(carry_out, "_again", gone)
    with pytest.raises(RollbackFailed) as caught:
        act(world, rollback, Mode())()
    assert caught.value.message == "the engine did not answer"


def test_a_second_look_keeps_what_ran_before(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytecode appears while the run works, and is moved away in a second round: the kept image is still the change's."""
    world = World.deployed(folder / "w", "build")
    before = world.containers("enrichment-worker")[0]["image"]
    again = carry_out._again
    looks: list[int] = []

    def with_bytecode(*arguments: object) -> object:
        if not looks:
            late = world.project / "enrichment_service/config/__pycache__/timeouts.cpython-312.pyc"
            late.parent.mkdir(exist_ok=True)
            late.write_text("late")
        looks.append(1)
        return again(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(carry_out, "_again", with_bytecode)
    act(world, rollback, Mode())()
    assert len(looks) == 2
    kept = {tag: i for i, image in world.state["images"].items() for tag in image["tags"] if "rollback-gate/" in tag}
    assert set(kept.values()) == {before}


def test_an_undo_of_two_runs_that_stops_half_way_is_a_failure(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """'Nothing was touched' would be a lie: the newer run is undone."""
    world = World.deployed(folder / "w", "bind")
    refuse, asked = workflow._refuse_if_changed_since, []

    def on_the_second(*arguments: object, is_undo: bool) -> None:
        asked.append(1)
        if len(asked) == 2:
            raise Refused("somebody has changed it; nothing was touched")
        refuse(*arguments, is_undo)  # type: ignore[arg-type, call-arg]

    world.change(fails="start")
    with pytest.raises(RollbackFailed):
        act(world, rollback, Mode())()
    world.change(fails="")
    rollback(world.call(), Order(anew=True), world.opening)
    monkeypatch.setattr(workflow, "_refuse_if_changed_since", on_the_second)
    with pytest.raises(RollbackFailed, match=r"the newest run is undone; run .*, which failed before its end, is not"):
        act(world, undo, Mode())()


@pytest.mark.parametrize(
    ("path", "is_cut", "says"),
    [
        (ORCHESTRATOR, False, "neither in place nor in"),
        ("enrichment_service/errors", False, "neither in place nor in"),
        (ORCHESTRATOR, True, "has been changed"),
    ],
)
def test_an_undo_gives_back_what_was_moved_away_or_nothing(folder: Path, path: str, is_cut: bool, says: str) -> None:
    """A file that is cut short, or gone, is not the change as it was: it would be installed, and "is back"."""
    world = World.deployed(folder / "w", "bind")
    act(world, rollback, Mode())()
    kept = next(world.root.rglob("quarantine")) / path
    if is_cut:
        kept.write_text("cut")
    else:
        kept.rename(kept.with_name("elsewhere"))
    before = world.tree()
    with pytest.raises(Refused, match=says):
        act(world, undo, Mode())()
    assert world.tree() == before


def test_a_lost_journal_is_an_error_and_its_folder_stays(folder: Path) -> None:
    """What was moved away lies only there."""
    world = World.deployed(folder / "w", "bind")
    act(world, rollback, Mode())()
    journal = next(world.root.rglob("journal.jsonl"))
    journal.unlink()
    world._write({ORCHESTRATOR: NEW})
    with pytest.raises(RollbackGateError, match=r"the journal of run .* is lost"):
        act(world, rollback, Mode())()
    assert (journal.parent / "quarantine/enrichment_service/errors").is_dir()


def test_a_backup_that_the_mended_profile_calls_the_change_is_not_taken_again(folder: Path) -> None:
    """What the newest run restored is a source only while it is old code by the profile of now."""
    world = World.deployed(folder / "w", "bind")
    act(world, rollback, Mode())()
    profile = world.root / "profile.toml"
    mended = f'[[change]]\nkind = "file"\npath = "{ORCHESTRATOR}"\nbackups = "{ORCHESTRATOR}.backup.*"\n'
    marks = 'new = ["max_retries: int = 3"]\nold = ["retries = 7"]\n'
    profile.write_text(profile.read_text() + mended + marks)
    with pytest.raises(Refused, match="preflight refused"):
        act(world, rollback, Mode())()
    assert world.tree()[ORCHESTRATOR][0] == OLD


def test_a_preflight_says_what_a_rollback_would_say(folder: Path) -> None:
    """Of a run that has not ended, after somebody has changed its file."""
    start = World.deployed(folder / "start", "bind")
    start.change(fails="start")
    with pytest.raises(RollbackFailed):
        act(start, rollback, Mode())()
    shutil.copy(start.project / "Dockerfile", start.project / ORCHESTRATOR)
    call = start.call()
    strict = Call(**{**{name: getattr(call, name) for name in call.__dataclass_fields__}, "accept_diff": False})
    with start.opening(strict, "preflight") as session, pytest.raises(Refused, match="somebody has changed"):
        workflow.intention(session, Order())


@pytest.mark.parametrize("choice", [{"source": "tape"}, {"source": "git", "backup": "x"}, {"rev": "a", "image": "b"}])
def test_a_contradictory_choice_is_a_wrong_setting(choice: dict[str, str]) -> None:
    """Exit 2, before anything is looked at."""
    with pytest.raises(WrongSetting):
        Choice(**choice)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_procedure_as_an_error_does(number: signal.Signals) -> None:
    """Whoever was told of the beginning is told of the end; an ignored one (nohup) ends nothing."""
    before = signal.getsignal(number)
    with pytest.raises(SystemExit) as caught, ending_as_an_error():
        os.kill(os.getpid(), number)
    assert caught.value.code == 20
    assert signal.getsignal(number) is before
    try:
        signal.signal(number, signal.SIG_IGN)
        with ending_as_an_error():
            os.kill(os.getpid(), number)
    finally:
        signal.signal(number, before)


def test_another_users_state_is_looked_at_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run by root is seen by others, and one of the person who called sudo by root."""
    terminal = Terminal(io.StringIO(), Redactor([]))

    def places(**environ: str) -> list[str]:
        return [str(path) for path in Call.make(ROOT, "", [], environ, terminal).all_elsewhere]

    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert places() == [str(Path.home() / ".local/state/rollback-gate"), "/var/lib/rollback-gate"]
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert places() == places(SUDO_USER="root") == places(SUDO_USER="no such user") == ["/var/lib/rollback-gate"]
    assert places(SUDO_USER="daemon") == ["/var/lib/rollback-gate", "/usr/sbin/.local/state/rollback-gate"]
    assert places(ROLLBACK_GATE_STATE_DIRECTORY="/x", SUDO_USER="daemon") == ["/x"]


def test_evidence_that_cannot_be_kept_stops_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk at that moment: it is said in the journal, and the rollback goes on."""
    world = World.deployed(folder / "w", "bind")
    real = Path.mkdir

    def full(self: Path, *arguments: object, **options: object) -> None:
        if self.name == "evidence":
            raise OSError(28, "No space left on device")
        real(self, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "mkdir", full)
    act(world, rollback, Mode())()
    with world.opening(world.call(), "look") as session:
        ((_, account),) = session.runs()
    assert any("nothing could be saved" in step["detail"] for step in account.steps)
    assert isinstance(session.documents, Unmeasured)


def test_bytecode_that_python_never_compares_is_moved_away_with_the_change(folder: Path) -> None:
    """Left beside the restored file it would be run in its place; an undo gives it back. Any other is Python's own."""
    world = World.deployed(folder / "w", "bind")
    cache = world.project / "enrichment_service/workers/__pycache__"
    cache.mkdir(exist_ok=True)
    unchecked, checked = (cache / f"agent_orchestrator.cpython-{v}.pyc" for v in ("311", "312"))
    for path, flags in ((unchecked, 1), (checked, 0)):
        path.write_bytes(b"\x00\x00\x0d\x0a" + flags.to_bytes(4, "little") + bytes(8) + b"code of the change")
    kept = unchecked.read_bytes()
    act(world, rollback, Mode())()
    assert (unchecked.exists(), checked.exists()) == (False, True)
    act(world, undo, Mode())()
    assert unchecked.read_bytes() == kept
