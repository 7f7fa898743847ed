"""A run that is killed before any of its effects, whichever, is resumed or undone to the intended state."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rollback_gate.change.goal import Mode, ModeName
from rollback_gate.record import build, find, write
from rollback_gate.redaction import Redactor
from rollback_gate.workflow.order import Order
from rollback_gate.workflow.rollback import resume, rollback, undo
from tests.marks import thorough
from tests.unit.builders import ORCHESTRATOR
from tests.unit.record.test_record import heading
from tests.unit.rollback.docker_api import NAME
from tests.unit.rollback.effects import killed_at
from tests.unit.rollback.world import CHANGE, COORDINATOR, NEW, OLD, OTHER, WORKER, World

CASES = [
    pytest.param("bind", Mode(), id="bind-quick"),
    pytest.param("image", Mode(), id="image-quick"),
    thorough("build", Mode(), name="build-quick"),
    thorough("bind", Mode(ModeName.PARTIAL), name="bind-partial"),
    thorough("bind", Mode(ModeName.FULL, True), name="bind-full"),
    thorough("build", Mode(ModeName.PARTIAL), name="build-partial"),
    thorough("build", Mode(ModeName.FULL), name="build-full"),
    thorough("build", Mode(ModeName.REBUILD), name="build-rebuild"),
]
MOST = 2000


@pytest.fixture
def folder() -> Iterator[Path]:
    """In memory: what is proven here is the order of effects, not the disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


def act(world: World, what: Callable[..., object], mode: Mode) -> Callable[[], None]:
    def run() -> None:
        what(world.call(), Order(mode=mode), world.opening)

    return run


def digests(world: World, service: str) -> set[str]:
    return {container["loaded"] for container in world.containers(service)}


def assert_rolled_back(world: World, start: World, mode: Mode) -> None:
    """Files, containers and images are old; other services are untouched; nothing of the change is lost."""
    tree = world.tree()
    removed = mode.removes(_code(world)) if world.strategy != "image" else ()
    assert tree[ORCHESTRATOR][0] == (NEW if world.strategy == "image" else OLD)
    assert tree[ORCHESTRATOR][1] == start.tree()[ORCHESTRATOR][1]
    assert not [path for path in tree if any(path == r or path.startswith(f"{r}/") for r in removed)]
    lost = {path for path in CHANGE if path not in tree} - _quarantined(world)
    assert not lost
    assert_clean(world, start)
    for service, count in ((WORKER, 2), (COORDINATOR, 1)):
        containers = world.containers(service)
        assert len(containers) == count
        assert all(c["running"] and c["loaded"] == _digest(OLD) for c in containers)
        if world.strategy != "bind":
            assert {c["image"] for c in containers} == {world.image_named(f"{NAME}:latest")}


def assert_phase1(world: World, start: World) -> None:
    """Byte for byte what was there before the rollback, and running."""
    assert world.tree() == start.tree()
    assert_clean(world, start)
    for service, count in ((WORKER, 2), (COORDINATOR, 1)):
        containers = world.containers(service)
        assert len(containers) == count
        assert all(c["running"] and c["loaded"] == _digest(NEW) for c in containers)
        assert {c["image"] for c in containers} == {c["image"] for c in start.containers(service)}
    assert world.image_named(f"{NAME}:latest") == start.image_named(f"{NAME}:latest")


def assert_clean(world: World, start: World) -> None:
    """No temporary file or container; a run that never began is removed by the next one that begins."""
    left = [p for p in world.root.rglob("*.rollback-gate.tmp") if not _is_of_unbegun(p)]
    assert not left
    assert not [c for c in world.state["containers"].values() if c["label"]], "temporary containers"
    assert world.containers(OTHER) == start.containers(OTHER)
    with world.opening(world.call(), "look") as session:
        assert session.unended() is None


def _is_of_unbegun(path: Path) -> bool:
    folder = next((p for p in path.parents if p.parent.name == "runs"), None)
    return folder is not None and not (folder / "journal.jsonl").exists()


def _quarantined(world: World) -> set[str]:
    found = set()
    for path in world.root.rglob("quarantine/**/*"):
        relative = str(path).partition("/quarantine/")[2]
        if path.is_file() and path.read_text() == CHANGE.get(relative):
            found.add(relative)
    return found


def _code(world: World):  # type: ignore[no-untyped-def]
    with world.opening(world.call(), "look") as session:
        return session.profile


def _digest(text: str) -> str:
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()


def every_moment(
    folder: Path, start: World, first: Callable[[World], Callable[[], None]], then: Callable[[World], None], begin: int
) -> int:
    """Kill `first` before every second of its effects, until it comes to its end; `then` mends and asserts. How many.

    Each step has more than two: those of the journal before and after it, and its own. What is resumed begins with
    the first effect, what is undone with the second: together they are all.
    """
    for moment in range(begin, MOST, 2):
        world = World(folder / "now", start.strategy)
        shutil.copytree(start.root, world.root, symlinks=True)
        move_profile(world, start)
        was_killed = killed_at(moment, first(world), world.root)
        try:
            then(world)
        except BaseException as error:
            raise AssertionError(f"after a kill before effect {moment}: {error}") from error
        shutil.rmtree(world.root)
        if not was_killed:
            return moment
    raise AssertionError("it never came to its end")


def move_profile(world: World, start: World) -> None:
    for path in (world.root / "profile.toml",):
        path.write_text(path.read_text().replace(str(start.root), str(world.root)))


def assert_can_be_told(world: World) -> None:
    """Verify's page and the gate's look at it, whatever a kill has left in the journal."""
    with world.opening(world.call(), "look") as session:
        account = session.runs()[-1][1]
    reports = world.root / "reports"
    told = heading(run=build.run_of(account))
    (reports / told.record_id).mkdir(parents=True)
    write.write_page(reports / told.record_id, build.unfinished(told, "under test"), Redactor([]), None)
    found = find.newest(reports, lambda _: True, None)
    assert found
    assert found[1].is_unaltered, found[1].problems


@pytest.mark.parametrize(("strategy", "mode"), CASES)
def test_killed_then_resumed(folder: Path, strategy: str, mode: Mode) -> None:
    """A rollback that is killed anywhere: `resume` ends with the change rolled back; before its beginning there is no run."""
    start = World.deployed(folder / "start", strategy)

    def mend(world: World) -> None:
        with world.opening(world.call(), "look") as session:
            unended = session.unended()
            began = bool(session.runs())
        if unended is not None:
            act(world, resume, mode)()
        elif not began:
            assert world.tree() == start.tree()
            act(world, rollback, mode)()
        assert_rolled_back(world, start, mode)
        assert_can_be_told(world)

    assert every_moment(folder, start, lambda world: act(world, rollback, mode), mend, 0) > 10


@pytest.mark.parametrize(("strategy", "mode"), CASES)
def test_killed_then_undone(folder: Path, strategy: str, mode: Mode) -> None:
    """A rollback that is killed anywhere: `undo` ends with the change as it was, byte for byte, and running."""
    start = World.deployed(folder / "start", strategy)

    def mend(world: World) -> None:
        with world.opening(world.call(), "look") as session:
            began = bool(session.runs())
        if began:
            act(world, undo, mode)()
            assert_can_be_told(world)
        assert_phase1(world, start)

    assert every_moment(folder, start, lambda world: act(world, rollback, mode), mend, 1) > 10


@pytest.mark.parametrize(("strategy", "mode"), CASES)
def test_an_undo_killed_then_resumed_and_rolled_back_again(folder: Path, strategy: str, mode: Mode) -> None:
    """An undo that is killed anywhere is resumed by `resume`; after it, a rollback is a new run like the first."""
    start = World.deployed(folder / "start", strategy)
    rolled = World(folder / "rolled", strategy)
    shutil.copytree(start.root, rolled.root)
    move_profile(rolled, start)
    act(rolled, rollback, mode)()

    def mend(world: World) -> None:
        with world.opening(world.call(), "look") as session:
            unended = session.unended()
            undone = session.runs()[-1][1].is_undone
        if unended is not None:
            act(world, resume, mode)()
        elif not undone:
            act(world, undo, mode)()
        assert_phase1(world, start)
        assert_can_be_told(world)

    assert every_moment(folder, rolled, lambda world: act(world, undo, mode), mend, 0) > 10
    act(rolled, undo, mode)()
    act(rolled, rollback, mode)()
    assert_rolled_back(rolled, start, mode)
