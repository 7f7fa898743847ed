"""A profile whose items are others than those of an earlier run."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollback_gate.change.goal import Mode
from rollback_gate.errors import Refused, RollbackFailed
from rollback_gate.workflow.order import Order
from rollback_gate.workflow.rollback import resume, rollback, undo
from tests.unit.builders import ORCHESTRATOR
from tests.unit.rollback.test_crash_matrix import act, folder
from tests.unit.rollback.world import COORDINATOR, NEW, OLD, WORKER, World

__all__ = ["folder"]  # a fixture

SECOND = "enrichment_service/second.py"


def listing(world: World, *paths: str) -> None:
    """The profile's change is these files."""
    path = world.root / "profile.toml"
    own = path.read_text().partition("[[change]]")[0]
    row = '[[change]]\nkind = "file"\npath = "{0}"\nbackups = "{0}.backup.*"\nnew = ["errors"]\nold = ["def f"]\n'
    path.write_text(own + "".join(row.format(one) for one in paths))


@pytest.mark.parametrize("strategy", ["bind", "build"])
def test_a_file_that_was_added_to_the_profile_is_restored_too(folder: Path, strategy: str) -> None:
    """What the last run restored is in place; that is not all that there is to restore any more."""
    world = World.deployed(folder / "w", strategy)
    world._write({SECOND: NEW, f"{SECOND}.backup.20260121_090000": OLD})
    listing(world, ORCHESTRATOR)
    act(world, rollback, Mode())()
    assert world.tree()[SECOND][0] == NEW
    listing(world, ORCHESTRATOR, SECOND)
    act(world, rollback, Mode())()
    assert world.tree()[SECOND][0] == OLD


@pytest.mark.parametrize("strategy", ["bind", "build"])
def test_a_run_whose_files_the_profile_lists_no_more_is_left_alone(folder: Path, strategy: str) -> None:
    """Neither undone nor resumed by half, and no traceback: the profile of that run is needed."""
    world = World.deployed(folder / "w", strategy)
    world._write({SECOND: NEW, f"{SECOND}.backup.20260121_090000": OLD})
    world.new_image()
    world._up("--force-recreate", {WORKER: 2, COORDINATOR: 1})
    listing(world, ORCHESTRATOR, SECOND)
    world.change(fails="start")
    with pytest.raises(RollbackFailed):
        act(world, rollback, Mode())()
    world.change(fails="")
    listing(world, ORCHESTRATOR)
    before = world.tree()
    for what in (undo, resume):
        with pytest.raises(Refused, match=f"does not list {SECOND}"):
            what(world.call(), Order(), world.opening)
    assert world.tree() == before
