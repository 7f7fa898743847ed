"""What can go wrong goes wrong at every moment: nothing is lost, the exit code is 30 or 50, and it can be mended."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rollback_gate.change.goal import Mode
from rollback_gate.errors import Refused, RollbackFailed
from rollback_gate.model import ExitCode
from rollback_gate.workflow.rollback import resume, rollback, undo
from tests.marks import thorough
from tests.unit.builders import ORCHESTRATOR
from tests.unit.rollback.effects import failed_at
from tests.unit.rollback.test_crash_matrix import (
    act,
    assert_phase1,
    assert_rolled_back,
    folder,
    move_profile,
)
from tests.unit.rollback.world import OLD, WORKER, World

__all__ = ["folder"]  # a fixture
STRIDE = 3  # all moments took 40 s a fault, and found nothing that every third one did not
BAD = {int(ExitCode.ROLLBACK_FAILED), int(ExitCode.REFUSED)}


def no_space() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def read_only() -> None:
    raise OSError(errno.EROFS, "Read-only file system")


def not_permitted() -> None:
    raise PermissionError(errno.EACCES, "Permission denied")


def engine_gone(world: World) -> Callable[[], None]:
    def happen() -> None:
        world.gone = True

    return happen


FAULTS: dict[str, Callable[[World], Callable[[], None]]] = {
    "disk full": lambda _: no_space,
    "read-only file system": lambda _: read_only,
    "permission denied": lambda _: not_permitted,
    "engine gone": engine_gone,
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("strategy", ["bind", thorough("build")])
def test_a_fault_at_any_moment(folder: Path, strategy: str, fault: str) -> None:
    """From the n-th effect on everything fails. Exit 30 or 50; mended, `resume` (or a new rollback) ends it, or `undo`."""
    start = World.deployed(folder / "start", strategy)
    for moment in range(0, 500, STRIDE):
        world = World(folder / "now", strategy)
        shutil.copytree(start.root, world.root)
        move_profile(world, start)
        code = failed_at(moment, act(world, rollback, Mode()), world.root, FAULTS[fault](world))
        if code is None:
            assert moment > 10
            return
        assert code in BAD or code == 0, f"at effect {moment}: exit code {code}"
        if code == ExitCode.REFUSED:
            assert_phase1(world, start)
        elif code == 0:
            assert_rolled_back(world, start, Mode())
        with world.opening(world.call(), "look") as session:
            unended, runs = session.unended(), session.runs()
        if moment % 2 and runs:
            act(world, undo, Mode())()
            assert_phase1(world, start)
        else:
            act(world, resume if unended else rollback, Mode())()
            assert_rolled_back(world, start, Mode())
        shutil.rmtree(world.root)
    raise AssertionError("it never came to its end")


def test_a_build_that_fails(folder: Path) -> None:
    """Nothing stops: the image is built while the old one runs; the record is there; mended, resume goes on."""
    world = World.deployed(folder / "w", "build")
    before = world.containers(WORKER)
    world.change(fails="build")
    with pytest.raises(RollbackFailed, match=r"(?s)step 'build' failed.*planted"):
        act(world, rollback, Mode())()
    assert world.containers(WORKER) == before
    page = next((world.root / "reports").glob("*/report.html")).read_text()
    assert "p-enrichment-worker-3 is running" in page
    world.change(fails="")
    act(world, resume, Mode())()
    assert world.tree()[ORCHESTRATOR][0] == OLD


@pytest.mark.parametrize("strategy", ["bind", "build"])
def test_a_worker_that_exits_at_once(folder: Path, strategy: str) -> None:
    """Rolling stops at the first new replica; the other one goes on; undo brings the change back."""
    start = World.deployed(folder / "start", strategy)
    world = World(folder / "w", strategy)
    shutil.copytree(start.root, world.root)
    move_profile(world, start)
    world.change(fails="start")
    with pytest.raises(RollbackFailed, match="does not come up"):
        act(world, rollback, Mode())()
    assert sum(c["running"] for c in world.containers(WORKER)) == 1
    page = next((world.root / "reports").glob("*/report.html")).read_text()
    assert "is exited" in page
    world.change(fails="")
    act(world, undo, Mode())()
    assert_phase1(world, start)


def test_an_image_that_is_gone_is_found_out_before_anything_stops(folder: Path) -> None:
    """The only image of old code, and the image that an undo would go back to."""
    world = World.deployed(folder / "w", "image")
    act(world, rollback, Mode())()
    images, before = world.state["images"], world.containers(WORKER)
    change = next(i for i, image in images.items() if "rollback-gate/" in "".join(image["tags"]))
    world.change(images={i: image for i, image in images.items() if i != change})
    with pytest.raises(Refused, match=r"there is no image .* any more"):
        act(world, undo, Mode())()
    assert world.containers(WORKER) == before


def test_no_old_image_is_refused(folder: Path) -> None:
    """Where every image holds the change, each is named with what it is, and nothing is touched."""
    world = World.deployed(folder / "w", "image")
    newest = world.image_named("p-enrichment-worker:latest")
    world.change(images={newest: world.state["images"][newest]})
    with pytest.raises(Refused, match="none of 1 images is old code: p-enrichment-worker:latest: code of the change"):
        act(world, rollback, Mode())()
